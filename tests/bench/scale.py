#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""A thousand services on one machine: how long they take to start, what each of them takes, whether the daemon sleeps when nothing
happens, and how long "trpsup ps" takes. SERVICES=N is for smaller machines."""
import os
import resource
import statistics
import subprocess
import sys
import time

from lib import arena, measure, report

sys.path.insert(0, os.path.join(arena.TOP, "tests/system"))
IDLE_SECONDS = 10
ROUNDS = 9
CALL = 250  # services of one call (doc/protocol.md)
PROFILE = """[service]
command = ${libexec}/trp-hello 8000
adapter = native
[route]
host = ${id}.localhost
http = 8000
[sandbox]
root = none
"""


def wakes(pid):
    """How often the process's thread has gone to sleep by itself: as often as it was woken up."""
    import trp  # pylint: disable=import-outside-toplevel
    return int(trp.process_status(pid)["voluntary_ctxt_switches"])


def rested(d, seconds):
    """The CPU in us and the number of times that it was woken in so many idle seconds."""
    pid = d.process.pid
    before = measure.cpu_us([pid]), wakes(pid)
    time.sleep(seconds)
    return measure.cpu_us([pid]) - before[0], wakes(pid) - before[1]


def children_ms():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (used.ru_utime + used.ru_stime) * 1000


def took(trp, d, *words):
    """(ms, ms of processor time of the command and of the daemon) of each of some rounds of the command."""
    samples, cpu = [], []
    for _ in range(ROUNDS):
        begin, before = time.monotonic(), children_ms() + measure.cpu_us([d.process.pid]) / 1000
        subprocess.run([os.path.join(trp.BUILD, "trpsup"), "-c", d.conf, *words], stdout=subprocess.DEVNULL, check=True)
        samples.append((time.monotonic() - begin) * 1000)
        cpu.append(children_ms() + measure.cpu_us([d.process.pid]) / 1000 - before)
    return samples, cpu


def each_call(d, verb, names):
    """The seconds that it takes for all."""
    began = time.monotonic()
    for i in range(0, len(names), CALL):
        d.ok(verb, *names[i:i + CALL])
    return time.monotonic() - began


def adopted(d, n):
    """The seconds from a SIGKILL of the daemon until another answers that has taken over all of them."""
    before = {s["service"]: s["pid"] for s in d.call("trpsup.List", brief=True)["services"]}
    began = time.monotonic()
    d.process.kill()
    d.process.wait()
    d.log.close()
    d.run()
    took_over = time.monotonic() - began
    after = {s["service"]: s["pid"] for s in d.call("trpsup.List", brief=True)["services"]}
    if before != after or len(after) != n:
        raise arena.Failure("not all were taken over: %d of %d" % (len([s for s in before if before[s] == after.get(s)]), n))
    return took_over


def main(directory):
    arena.command("mount", "-t", "tmpfs", "-o", "mode=755", "bench", "/run")
    os.environ["TRP_TEST_TAG"] = arena.CGROUP + "-scale"
    import trp  # pylint: disable=import-outside-toplevel # after its names were chosen
    n = int(os.environ.get("SERVICES", "1000"))
    busy = measure.Busy()
    names = ["s@%d" % i for i in range(n)]
    with trp.Daemon({"s": PROFILE}, state=os.path.join(directory, "state")) as d:
        pid = d.process.pid

        def has():
            return len(os.listdir("/proc/%d/fd" % pid)), measure.pss_kb([pid])
        none = has()
        cpu = measure.cpu_us([pid])
        start = each_call(d, "start", names)
        cpu = measure.cpu_us([pid]) - cpu
        time.sleep(5)  # what is logged, recorded and prepared just after
        full = has()
        idle_us, woken = rested(d, IDLE_SECONDS)
        ps, one = took(trp, d, "ps"), took(trp, d, "status", names[-1])
        services = [p for name in names[::max(1, n // 50)] for p in d.pids(name)]
        pss = measure.pss_kb(services) / len(names[::max(1, n // 50)])
        adopt = adopted(d, n)
        stop = each_call(d, "stop", names)
    ours, others = busy.parts()
    report.figure("scale.cpu_ours", [ours], "%", "%.0f")
    report.figure("scale.cpu_others", [others], "%", "%.0f")
    report.figure("scale.services", [n], "services", "%d")
    report.figure("scale.start.seconds", [start], "s")
    report.figure("scale.start.daemon_ms", [cpu / 1000 / n], "ms")
    report.figure("scale.stop.seconds", [stop], "s")
    report.figure("scale.service.pss_kb", [pss], "kB", "%.0f")
    report.figure("scale.daemon.kb_per_service", [(full[1] - none[1]) / n], "kB", "%.1f")
    report.figure("scale.daemon.descriptors_per_service", [(full[0] - none[0]) / n], "descriptors", "%.2f")
    report.figure("scale.idle.us_per_s", [idle_us / IDLE_SECONDS], "us", "%.1f")
    report.figure("scale.idle.wakes", [woken], "times", "%d")
    report.figure("scale.ps.ms", [statistics.median(ps[0])], "ms", "%.1f")
    report.figure("scale.ps.cpu_ms", [statistics.median(ps[1])], "ms", "%.1f")
    report.figure("scale.adopt.seconds", [adopt], "s")
    report.figure("scale.status.ms", [statistics.median(one[0])], "ms", "%.1f")


if __name__ == "__main__":
    sys.exit(arena.main(main))
