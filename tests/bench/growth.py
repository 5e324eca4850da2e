#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Does a connection cost the router more when there are more routes or more services, and does a reload of many routes keep
clients waiting? A bare router for each case (lib/bare.py), in rounds that follow each other closely; a ratio is taken to the
smallest case of the same round. doc/performance.md says how to read them."""
import contextlib
import os
import sys
import time

from lib import arena, bare, measure, report, servers

ROUNDS, CONNECTIONS, CONCURRENT = 9, 2000, 32
TRACED = 1000
ROUTES = ((10, 0), (1000, 0), (10000, 1000))  # exact names, wildcards
SERVICES = (1, 100, 1000)
RELOADS = 10


def all_rounds(cases, rng):
    samples = {case: [] for case in cases}
    with contextlib.ExitStack() as stack:
        for case in cases.values():
            stack.enter_context(case.serve())
            case.connect(1000, CONCURRENT, rng)  # the first touch of everything is nobody's cost
        names = list(cases)
        for number in range(ROUNDS):
            turn = number % len(names)
            for name in names[turn:] + names[:turn]:
                samples[name].append(cases[name].cost(CONNECTIONS, CONCURRENT, rng))
        calls = {}
        for name, case in cases.items():
            counted = measure.system_calls(case, "/dev/shm/growth", lambda c=case: c.connect(TRACED, CONCURRENT, rng))
            calls[name] = sum(counted.values()) / TRACED
    return samples, calls


def visit(port, out):
    """One client after the other; writes how long each took, in microseconds."""
    case = bare.Bare.__new__(bare.Bare)
    case.name, case.port, case.n_routes = "visitor", port, 10
    rng = bare.randomness()
    while True:
        begin = time.monotonic_ns()
        case.connect(1, 1, rng)
        os.write(out, b"%d\n" % ((time.monotonic_ns() - begin) // 1000))


def reload_stall(case):
    """The longest visit in ms while all routes are set anew, and while nothing happens for as long: RELOADS of each."""
    stalls, calm = [], []
    from_visitor, to_us = os.pipe()

    def longest():
        """Of the visits since the last time, with the one that is under way."""
        data = os.read(from_visitor, 1 << 20)
        data += os.read(from_visitor, 1 << 20)
        return max(int(word) for word in data.split()) / 1000
    with case.serve(), bare.forked(visit, case.port, to_us):
        time.sleep(0.5)
        for _ in range(RELOADS):
            longest()  # begins with a visit that is not finished
            begin = time.monotonic()
            case.set_routes()
            case.router.sync()
            took = time.monotonic() - begin
            stalls.append(longest())
            time.sleep(took)
            calm.append(longest())
    os.close(from_visitor)
    os.close(to_us)
    return stalls, calm


def main(directory):
    del directory
    servers.may_open_many()
    print(measure.machine(), flush=True)
    rng = bare.randomness()
    routes = {"%d routes" % (n + w): bare.Bare(n, 10, w) for n, w in ROUTES}
    services = {"%d services" % n: bare.Bare(1000, n) for n in SERVICES}
    cases = {**routes, **services}
    samples, calls = all_rounds(cases, rng)
    largest = routes["%d routes" % sum(ROUTES[-1])]
    stalls, calm = reload_stall(largest)
    memory = {name: measure.pss_kb(case.front()) for name, case in cases.items()}
    for case in cases.values():
        case.close()

    report.table("router, us for each connection", ("min", "median", "max"),
                 [(name, values, "%.2f") for name, values in samples.items()])
    print()
    for name in cases:
        print("%-14s %5.2f system calls for each connection (strace), %5d kB PSS" % (name, calls[name], memory[name]))
    report.table("reload of %d routes" % sum(ROUTES[-1]), ("min", "median", "max"),
                 [("longest visit meanwhile, ms", stalls, "%.2f"), ("... without a reload, ms", calm, "%.2f")])
    print()
    first_routes, first_services = samples["%d routes" % sum(ROUTES[0])], samples["%d services" % SERVICES[0]]
    for n, w in ROUTES[1:]:
        report.figure("growth.routes_%d.ratio" % n, report.ratios(samples["%d routes" % (n + w)], first_routes), "ratio")
    for n in SERVICES[1:]:
        report.figure("growth.services_%d.ratio" % n, report.ratios(samples["%d services" % n], first_services), "ratio")
    report.figure("growth.reload_stall.ms", [max(stalls)], "ms")
    report.figure("growth.reload_stall.idle_ms", [max(calm)], "ms")
    report.figure("growth.routes_%d.kb" % ROUTES[-1][0], [memory["%d routes" % sum(ROUTES[-1])]], "kB", "%d")


if __name__ == "__main__":
    sys.exit(arena.main(main))
