#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""A service that nobody uses: what it takes when it runs, when it stands still (idle-freeze) and when it is stopped (start = on-demand), and how long its
next client waits in each case, from connect to the whole answer. SERVERS="nginx tomcat" measures some, ROUNDS=9 with fewer pairs. The package roots are those of the tests
(TRP_TEST_STATE), and are built first if they are missing."""
import os
import socket
import sys
import time

from lib import arena, measure, report

sys.path.insert(0, os.path.join(arena.TOP, "tests/system"))
SERVERS = ("nginx", "node", "tomcat", "wordpress")
ROUNDS, COLD_ROUNDS = int(os.environ.get("ROUNDS", "15")), 3
IDLE_SECONDS = 5
SETTLED = 0.01  # of a processor: its start is over
DROP_IN = {"runs": "idle-freeze = 0", "frozen": "idle-freeze = 500ms", "stopped": "start = on-demand\nidle-stop = 0"}


def ask(trp, name):
    """The milliseconds until the whole answer is there."""
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", trp.HTTP_PORT), 120) as sock:
        sock.settimeout(120)
        sock.sendall(("GET / HTTP/1.1\r\nHost: %s.localhost\r\nConnection: close\r\n\r\n" % name).encode())
        data = b""
        while more := sock.recv(65536):
            data += more
    if not data.startswith(b"HTTP/1.1 ") or data[9:10] not in b"234":
        raise arena.Failure("%s: %r" % (name, data[:80]))
    return (time.monotonic() - began) * 1000


def sleeps(pids):
    return sum(int(line.split()[1]) for pid in pids for task in os.listdir("/proc/%d/task" % pid)
               for line in open("/proc/%d/task/%s/status" % (pid, task)) if line.startswith("voluntary_ctxt_switches"))


def rest(pids, seconds):
    """(CPU in us, wake-ups) of a second."""
    before = measure.cpu_us(pids), sleeps(pids)
    time.sleep(seconds)
    return (measure.cpu_us(pids) - before[0]) / seconds, (sleeps(pids) - before[1]) / seconds


def settle(d, name):
    """Waits until it has done what it does after its start."""
    pids = d.pids(name)
    arena.wait_until(lambda: rest(pids, 0.5)[0] < SETTLED * 1e6, 60, name + " has settled", d.conf)


class Server:
    """One server in the three cases, one after the other."""

    def __init__(self, trp, d, name):
        self.trp, self.d, self.name = trp, d, name

    def profile(self, case):
        os.makedirs(os.path.join(self.d.profile_dir, self.name + ".ini.d"), exist_ok=True)
        self.d.profile(self.name + ".ini.d/case", "[service]\n" + DROP_IN[case] + "\n")
        self.d.ok("reload")

    def is_frozen(self):
        return self.d.status(self.name)["frozen_idle"]

    def measure(self):
        d, name, took = self.d, self.name, {"runs": [], "frozen": [], "stopped": []}
        self.profile("runs")
        d.ok("start", name)
        ask(self.trp, name)
        settle(d, name)
        idle = rest(d.pids(name), IDLE_SECONDS)
        pss = measure.pss_kb(d.pids(name)) / 1024
        for _ in range(ROUNDS):
            for case in ("runs", "frozen"):
                self.profile(case)
                time.sleep(0.8)
                if case == "frozen":
                    arena.wait_until(self.is_frozen, 60, name + " stands still", d.conf)
                took[case].append(ask(self.trp, name))
        arena.wait_until(self.is_frozen, 60, name + " stands still", d.conf)
        still, daemon = rest(d.pids(name), IDLE_SECONDS), rest([d.process.pid], IDLE_SECONDS)
        pss_still = measure.pss_kb(d.pids(name)) / 1024
        d.ok("stop", name)
        self.profile("stopped")
        for _ in range(COLD_ROUNDS):
            d.ok("start", name)
            took["stopped"].append(ask(self.trp, name))
            d.ok("stop", name)
        self.print(took, idle, still, pss, pss_still, daemon)

    def print(self, took, idle, still, pss, pss_still, daemon):
        report.table(self.name + ", ms to the answer", ("min", "median", "max"), [(case, took[case], "%.2f") for case in took])
        for case, values in took.items():
            report.figure("freeze.%s.%s_ms" % (self.name, case), values, "ms")
        report.figure("freeze.%s.frozen_ratio" % self.name, report.ratios(took["frozen"], took["runs"]), "ratio")
        for case, (cpu, wakes), memory in (("runs", idle, pss), ("frozen", still, pss_still)):
            report.figure("freeze.%s.%s_us_per_s" % (self.name, case), [cpu], "us", "%.1f")
            report.figure("freeze.%s.%s_wakes_per_s" % (self.name, case), [wakes], "times", "%.1f")
            report.figure("freeze.%s.%s_mb" % (self.name, case), [memory], "MB", "%.1f")
        report.figure("freeze.%s.daemon_wakes_per_s" % self.name, [daemon[1]], "times", "%.1f")


def chosen():
    return os.environ.get("SERVERS", " ".join(SERVERS)).split()


def build():
    """Out here, where there is a network."""
    import trp  # pylint: disable=import-outside-toplevel
    with trp.Daemon() as d:
        for name in chosen():
            d.ok("start", name)
            d.ok("stop", name)


def main(directory):
    del directory
    # what a daemon leaves there goes with this mount, however the measurement ends
    arena.command("mount", "-t", "tmpfs", "-o", "mode=755", "bench", "/run")
    os.environ["TRP_TEST_TAG"] = arena.CGROUP + "-freeze"
    import trp  # pylint: disable=import-outside-toplevel # after its names were chosen
    print(measure.machine(), flush=True)
    busy = measure.Busy()
    with trp.Daemon() as d:
        for name in chosen():
            Server(trp, d, name).measure()
    ours, others = busy.parts()
    report.figure("freeze.cpu_ours", [ours], "%", "%.0f")
    report.figure("freeze.cpu_others", [others], "%", "%.0f")


if __name__ == "__main__":
    if sys.argv[1:2] != [arena.INSIDE]:
        build()
    sys.exit(arena.main(main))
