#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""How long it takes from the order to the first instruction of a static program in a sandbox, and what stays in memory for each: trpsup
against five programs that do the same (lib/boxes.py), in rounds that follow each other closely; and what the system call filter
costs. doc/performance.md says how to read them."""
import collections
import contextlib
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time

from lib import arena, boxes, measure, report, servers

ROUNDS = int(os.environ.get("ROUNDS", "25"))
PEERS = os.environ.get("PEERS", " ".join(boxes.PEERS)).split()  # PEERS=bwrap: only that one
SERVICES = 100  # idle ones
PEERS_HELD = 5
FILTER_ROUNDS = 101
STAMP = ("-DTRP_FREESTANDING", "-mgeneral-regs-only", "-ffreestanding", "-nostdlib", "-static", "-fno-stack-protector",
         "tests/bench/stamp.c")
FILTER = ("tests/bench/seccomp-load.c", "sandbox/seccomp.c", "sandbox/seccomp_args.c", "sandbox/seccomp_groups.c", "sandbox/seccomp_options.c",
          "sandbox/seccomp_tables.c", "sandbox/seccomp_tree.c", "-lseccomp")
PROFILE = """
[service]
command = %s
adapter = none
ready = started
stop-signal = KILL
[sandbox]
root = none
state = no
bind = %s %s
""" % (boxes.PROGRAM, boxes.ROOT + boxes.PROGRAM, boxes.PROGRAM)


def stamp_in(text):
    """The last that text has, in ns."""
    found = re.findall(r"stamp ([0-9]{20})", text)
    return int(found[-1]) if found else None


class Held:
    """One started by another program than trpsup: argv, until end()."""

    def __init__(self, name, number, log):
        make, self.delete = boxes.PEERS[name]
        self.name, self.id = name, "%s-%s-%d" % (arena.CGROUP, name, number)
        out, into = os.pipe()
        with open(log, "ab") as errors:
            begin = time.monotonic_ns()
            self.process = subprocess.Popen(make(self.id), stdin=subprocess.DEVNULL, stdout=into, stderr=errors, start_new_session=True)
        os.close(into)
        text = b""
        while b"\n" not in text:
            if not select.select([out], [], [], 20)[0]:
                raise arena.Failure("%s: no stamp\n%s" % (name, arena.tail(log)))
            more = os.read(out, 1000)
            if not more:
                raise arena.Failure("%s ended\n%s" % (name, arena.tail(log)))
            text += more
        os.close(out)
        self._is_confined()
        self.ms = (stamp_in(text.decode()) - begin) / 1e6

    def _is_confined(self):
        """The program is in namespaces of its own, or what was measured is no sandbox."""
        stamp = [p for p in servers.descendants(self.process.pid) if servers.executable(p) == "stamp"]
        if len(stamp) != 1:
            raise arena.Failure("%s: %d programs run" % (self.name, len(stamp)))
        shared = [ns for ns in set(boxes.NAMESPACES) - boxes.LACKS.get(self.name, set())
                  if os.readlink("/proc/%d/ns/%s" % (stamp[0], ns)) == os.readlink("/proc/self/ns/" + ns)]
        if shared:
            raise arena.Failure("%s gave the program no %s namespace of its own" % (self.name, ", ".join(shared)))

    def kept_kb(self):
        """PSS of what stays besides the program itself."""
        return measure.pss_kb([p for p in servers.descendants(self.process.pid) if servers.executable(p) != "stamp"])

    def end(self):
        pids = servers.descendants(self.process.pid)
        if self.delete:
            self.delete(self.id)
        else:
            self.process.send_signal(signal.SIGTERM if self.name == "firejail" else signal.SIGKILL)
        self.process.wait(20)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


class Trpsup:
    def __init__(self, daemon, directory):
        self.daemon, self.directory = daemon, directory + "/trpsup"

    def call(self, method, services):
        """Returns when the order was sent, ns."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(self.directory + "/run/control")
            message = json.dumps({"method": "trpsup." + method, "parameters": {"services": services}}).encode() + b"\0"
            begin = time.monotonic_ns()
            sock.sendall(message)
            answer = b""
            while not answer.endswith(b"\0"):
                more = sock.recv(65536)
                if not more:
                    raise arena.Failure("the daemon closed the connection")
                answer += more
        if b'"error"' in answer:
            raise arena.Failure("%s: %s" % (method, answer.decode()))
        return begin

    def _ms(self, name, begin):
        """Its log has the stamps of all its runs."""
        path = self.directory + "/log/%s.log" % name
        found = []

        def later():
            with open(path, errors="replace") as f:
                found[:] = [stamp_in(f.read())]
            return found[0] and found[0] > begin
        arena.wait_until(later, 20, "a new stamp in " + path, self.daemon.log)
        return (found[0] - begin) / 1e6

    def cold(self):
        return self._ms("box", self.call("Start", ["box"]))

    def by_command(self):
        begin = time.monotonic_ns()
        done = self.daemon.ctl("start", "box")
        if done.returncode != 0:
            raise arena.Failure("trpsup start: " + done.stdout)
        return self._ms("box", begin)

    def stop(self, services=("box",)):
        self.call("Stop", list(services))


def kernel_kb():
    """Of the whole machine: what others do meanwhile is in it."""
    with open("/proc/meminfo") as f:
        lines = dict(line.split(":") for line in f)
    return sum(int(lines[key].split()[0]) for key in ("Slab", "KernelStack", "PageTables", "Percpu") if key in lines)


def private_kb(pid):
    with open("/proc/%d/smaps_rollup" % pid) as f:
        text = f.read()
    return sum(int(n) for n in re.findall(r"\nPrivate_(?:Clean|Dirty): +([0-9]+) kB", text))


def idle_trpsup(trpsup):
    """kB for each of SERVICES that sleep: the daemon's growth, PSS of their inits, private memory of both, the kernel's."""
    names = ["box@%d" % i for i in range(SERVICES)]
    daemon = trpsup.daemon.process.pid
    before = measure.pss_kb([daemon]), private_kb(daemon), kernel_kb()
    for name in names:
        trpsup.call("Start", [name])
    time.sleep(1)
    inits = [p for p in trpsup.daemon.processes() if servers.executable(p) == "trp-init"]
    if len(inits) != SERVICES:
        raise arena.Failure("%d inits of %d services" % (len(inits), SERVICES))
    out = {"daemon": (measure.pss_kb([daemon]) - before[0]) / SERVICES, "init": measure.pss_kb(inits) / SERVICES,
           "private": (private_kb(daemon) - before[1] + sum(private_kb(p) for p in inits)) / SERVICES,
           "kernel": (kernel_kb() - before[2]) / SERVICES}
    trpsup.stop(names)
    return out


def idle_peer(name, log):
    before, held = kernel_kb(), []
    try:
        for i in range(PEERS_HELD):
            held.append(Held(name, 1000 + i, log))
        return sum(h.kept_kb() for h in held) / PEERS_HELD, (kernel_kb() - before) / PEERS_HELD
    finally:
        for h in held:
            h.end()


def one(name, number, log):
    held = Held(name, number, log)
    try:
        return held.ms
    finally:
        held.end()


def filter_costs(program):
    samples = collections.defaultdict(list)
    for line in arena.command(program, str(FILTER_ROUNDS)).splitlines():
        what, which, value = line.split()
        samples[which + " " + what].append(float(value))
    return samples


def all_rounds(trpsup, log):
    cases = {"trpsup": trpsup.cold, "trpsup start": trpsup.by_command}
    cases.update({name: (lambda n=name: one(n, number, log)) for name in PEERS})
    samples = {name: [] for name in cases}
    names = list(cases)
    for number in range(-2, ROUNDS):  # the first two: caches
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            value = cases[name]()
            if name.startswith("trpsup"):
                trpsup.stop()
            if number >= 0:
                samples[name].append(value)
    return samples


def main(directory):
    unknown = set(PEERS) - set(boxes.PEERS)
    if unknown:
        raise arena.Failure("PEERS: no %s; there are: %s" % (", ".join(unknown), " ".join(boxes.PEERS)))
    print(measure.machine(*boxes.VERSIONS), flush=True)
    log = directory + "/peers.log"
    program = measure.build("seccomp-load", *FILTER)
    boxes.pretend_kernel_thread()
    boxes.write_root(measure.build("stamp", *STAMP))
    boxes.write_bundles(arena.command(program, "names").split())
    with servers.daemon(directory, {"box": PROFILE}) as daemon:
        # crun takes no host with both kinds of control groups; the daemon has its own open
        subprocess.run(["umount", "-l", "/sys/fs/cgroup/unified"], stderr=subprocess.DEVNULL, check=False)
        trpsup = Trpsup(daemon, directory)
        samples = all_rounds(trpsup, log)
        idle = idle_trpsup(trpsup)
        peers = {name: idle_peer(name, log) for name in PEERS}
    costs = filter_costs(program)

    report.table("start to first instruction, ms", ("min", "median", "max"), [(n, v, "%.2f") for n, v in samples.items()])
    report.table("... trpsup to it", ("min", "median", "max"),
                 [(n, report.ratios(samples["trpsup"], samples[n]), "%.3f") for n in PEERS])
    print("\nfor each idle service, kB           PSS  kernel (whole machine)")
    print("%-26s %12.1f %7.0f   init %.1f, growth of the daemon %.1f; private %.1f" % (
        "trpsup", idle["init"] + idle["daemon"], idle["kernel"], idle["init"], idle["daemon"], idle["private"]))
    for name, (kept, kernel) in peers.items():
        print("%-26s %12.1f %7.0f" % (name, kept, kernel))
    report.table("system call filter", ("min", "median", "max"), [(n, v, "%.1f") for n, v in sorted(costs.items())])
    print()
    report.figure("sandbox.cold.ms", samples["trpsup"], "ms")
    report.figure("sandbox.cold.start_command.ms", samples["trpsup start"], "ms")
    for name in PEERS:
        report.figure("sandbox.%s.cold.ms" % name, samples[name], "ms")
    if "bwrap" in PEERS:
        report.figure("sandbox.vs_bwrap", report.ratios(samples["trpsup"], samples["bwrap"]), "ratio", "%.3f")
    report.figure("sandbox.idle.kB", [idle["init"] + idle["daemon"]], "kB", "%.1f")
    for name, (kept, _) in peers.items():
        report.figure("sandbox.%s.idle.kB" % name, [kept], "kB", "%.1f")
    report.figure("seccomp.load.us", costs["tree load_us"], "us", "%.1f")
    report.figure("seccomp.load.linear.us", costs["linear load_us"], "us", "%.1f")


if __name__ == "__main__":
    sys.exit(arena.main(main))
