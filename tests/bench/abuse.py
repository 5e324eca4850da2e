#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Clients and services that mean harm, one kind after the other, while visitors of another service ask for its page at a steady
rate: all must be answered; how long they wait is compared with the time before the attack. doc/performance.md says how to read
it. tests/system/test_abuse.py has the same attacks in small."""
import contextlib
import os
import random
import resource
import signal
import socket
import sys
import time

from lib import arena, bare, measure, report, servers
from lib.bare import control

SECONDS = 6.0         # of visits, idle and under each attack
VISITS_PER_SECOND = 200
HELLOS, TRICKLES, FLOOD_PER_SECOND = 10000, 5000, 2000
PER_PROCESS = 5000    # connections; the hard limit for descriptors may be 20,000

HELLO = """
[service]
command = ${{libexec}}/trp-hello 8000
adapter = native
[route]
host = {name}.test
http = 8000
[sandbox]
root = none
"""
NEVER = """
[service]
command = /usr/bin/python3 -c "import socket, time; s = socket.create_server(('', 8000)); time.sleep(1e6)"
[route]
host = never.test
http = 8000
[sandbox]
root = host
state = no
"""


def source(number):
    """Addresses of the attackers: a few hundred prefixes."""
    return "127.%d.%d.1" % (1 + number % 4, 1 + number // 4 % 60)


def connect(address, port, data):
    s = socket.socket()
    s.bind((address, 0))
    s.settimeout(10)
    with contextlib.suppress(OSError):
        s.connect(("127.0.0.1", port))
        if data:
            s.send(data)
    s.setblocking(False)
    return s


def hold(first, n, port, opening, trickle):
    """n connections with half an opening; with trickle, each sends a byte a second. One that was closed comes again."""
    held = [connect(source(first + i), port, opening) for i in range(n)]
    while True:
        time.sleep(1)
        for i, s in enumerate(held):
            try:
                if trickle:
                    s.send(b"x")
                gone = s.recv(1024) == b""
            except BlockingIOError:
                continue
            except OSError:
                gone = True
            if gone:
                s.close()
                held[i] = connect(source(first + i), port, opening)


def flood(port, address, openings):
    """FLOOD_PER_SECOND connections that are left open until there are too many."""
    rng, held, begin, n = random.Random(os.getpid()), [], time.monotonic(), 0
    while True:
        held.append(connect(address or source(n), port, rng.choice(openings)))
        n += 1
        if len(held) > PER_PROCESS:
            held.pop(0).close()
        time.sleep(max(0, begin + n / FLOOD_PER_SECOND - time.monotonic()))


def garbage():
    rng = random.Random(7)
    return [rng.randbytes(rng.randrange(1, 1000)) for _ in range(500)] + \
        [control.tls("good.test")[:i] + rng.randbytes(20) for i in range(5, 100)] + \
        [control.http("good.test")[:i] + rng.randbytes(20) for i in range(5, 60)]


def attacks():
    """name: [(what, its arguments)], each a process of its own; and a service that is started and one that is stopped for it."""
    request, hello = control.http("good.test")[:30], control.tls("good.test", size=1500)[:-100]

    def held(n, port, opening, trickle):
        return [(hold, (i, PER_PROCESS, port, opening, trickle)) for i in range(0, n, PER_PROCESS)]
    return {
        "hellos": (held(HELLOS, servers.TRPSUP_TLS_PORT, hello, False), None),
        "trickle": (held(TRICKLES, servers.TRPSUP_PORT, request, True), None),
        "flood": ([(flood, (servers.TRPSUP_PORT, "127.9.9.9", [request]))], None),
        "never_accepts": ([(flood, (servers.TRPSUP_PORT, None, [control.http("never.test")]))], "never"),
        "stopped": ([(flood, (servers.TRPSUP_PORT, None, [control.http("stuck.test")]))], "stuck"),
        "random": ([(flood, (servers.TRPSUP_PORT, None, garbage()))], None),
    }


def visits(visitor, seconds):
    """The time of each visit in ms, counted from when it was due."""
    return measure.visits(visitor, servers.TRPSUP_PORT, "good.test", VISITS_PER_SECOND, int(seconds * VISITS_PER_SECOND))


def percentile(values, share):
    return values[min(len(values) - 1, int(len(values) * share))]


@contextlib.contextmanager
def stopped(daemon, service):
    """Its upstream takes no part any more."""
    pids = [p for p in daemon.processes() if service == "stuck" and is_upstream(p, service)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def is_upstream(pid, service):
    with contextlib.suppress(OSError), open("/proc/%d/cgroup" % pid) as f:
        return servers.executable(pid) == "trp-hello" and any(service in line.strip().split("/") for line in f)
    return False


def under_attack(daemon, visitor, processes, service):
    """Visits before and during; the router's memory and descriptors before, during and after."""
    router = daemon.routers()
    with contextlib.ExitStack() as stack:
        if service:
            stack.enter_context(daemon.service(service))
            stack.enter_context(stopped(daemon, service))
        before = measure.descriptors(router)
        idle = visits(visitor, SECONDS)
        with contextlib.ExitStack() as attackers:
            for work, args in processes:
                attackers.enter_context(bare.forked(work, *args))
            time.sleep(3)  # until they are at it
            attacked = visits(visitor, SECONDS)
            kb, most = measure.pss_kb(router), measure.descriptors(router)
        arena.wait_until(lambda: measure.descriptors(router) <= before, 30, "the router has its descriptors back", daemon.log)
    if daemon.routers() != router:
        raise arena.Failure("the router was replaced")
    return {"idle": percentile(idle, .99), "attacked": percentile(attacked, .99), "worst": attacked[-1], "kb": kb,
            "descriptors": most - before}


def main(directory):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print(measure.machine(), flush=True)
    visitor = measure.build_visitor()
    profiles = {name: HELLO.format(name=name) for name in ("good", "stuck")}
    profiles["never"] = NEVER
    found = {}
    with servers.daemon(directory, profiles) as daemon, daemon.service("good"):
        visits(visitor, 1)
        idle_kb = measure.pss_kb(daemon.routers())
        for name, (processes, service) in attacks().items():
            found[name] = under_attack(daemon, visitor, processes, service)
            print("%s done" % name, file=sys.stderr, flush=True)
    print("\n%-14s %12s %12s %12s %12s %14s" % ("attack", "p99 idle, ms", "p99, ms", "slowest, ms", "router, kB", "+descriptors"))
    for name, f in found.items():
        print("%-14s %12.2f %12.2f %12.2f %12d %14d" % (name, f["idle"], f["attacked"], f["worst"], f["kb"], f["descriptors"]))
    print("router before: %d kB PSS; %d visits under each attack, all answered\n" % (idle_kb, SECONDS * VISITS_PER_SECOND))
    for name, f in found.items():
        report.figure("abuse.%s.p99_ratio" % name, [f["attacked"] / f["idle"]], "ratio")
    report.figure("abuse.router_kb", [max(f["kb"] for f in found.values())], "kB", "%d")
    report.figure("abuse.router_idle_kb", [idle_kb], "kB", "%d")


if __name__ == "__main__":
    sys.exit(arena.main(main))
