#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""A service that uses up what it can get (tests/progs/exhaust.c), one kind of thing after the other, while visitors of another
service ask for its page at a steady rate: all must be answered; how long they wait is compared with windows without the attack,
which take turns with those under it. In the environment ATTACKS names some, by default all; CPU=100% is the attacker's cpu limit, by
default none; OOM=continue what follows when the kernel kills a process of it, by default its end. tests/system/test_exhaustion.py asserts the bounds."""
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time

import abuse
from lib import arena, measure, report, servers

SECONDS, ROUNDS = 2.0, int(os.environ.get("ROUNDS", "4"))
SETTLE = 0.7  # until it is at it, and after its end
PROGS = "/srv/exhaust"

PROFILE = """
[service]
command = /opt/progs/exhaust {name}
ready = {ready}
adapter = preload
restart = always
restart-delay = 10ms
start-limit-burst = 0
stop-timeout = 500ms
[route]
host = exhaust.test
http = 8000
[sandbox]
root = host
bind = {progs} /opt/progs
[limits]
processes = 64
memory = 256M
""" + "".join("%s = %s\n" % (key, os.environ[key.upper()]) for key in ("cpu", "oom") if key.upper() in os.environ)


def windows(daemon, visitor, name):
    """[(visits without the attack, visits under it)] of each round, in order of length; what the daemon's processor time was."""
    rounds, cpu = [], 0
    for _ in range(ROUNDS):
        idle = abuse.visits(visitor, SECONDS)
        with daemon.service(name):
            time.sleep(SETTLE)
            before = measure.cpu_us([daemon.process.pid])
            attacked = abuse.visits(visitor, SECONDS)
            cpu += measure.cpu_us([daemon.process.pid]) - before
        rounds.append((idle, attacked))
        time.sleep(SETTLE)
    return rounds, cpu / (ROUNDS * SECONDS * 1e6)


def p99s(rounds, which):
    return [abuse.percentile(r[which], .99) for r in rounds]


def main(directory):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print(measure.machine(), flush=True)
    program = os.path.join(arena.BUILD, "tests/progs/exhaust")
    names = subprocess.run([program, "list"], stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    chosen = os.environ.get("ATTACKS", "").split() or names
    os.mkdir(PROGS)
    shutil.copy(program, PROGS)
    profiles = {n: PROFILE.format(name=n, progs=PROGS, ready="notify" if n == "notify" else "started") for n in chosen}
    profiles["good"] = abuse.HELLO.format(name="good")
    visitor, found = measure.build_visitor(), {}
    with servers.daemon(directory, profiles) as daemon, daemon.service("good"):
        abuse.visits(visitor, 1)
        for name in chosen:
            routers = daemon.routers()
            found[name] = windows(daemon, visitor, name)
            if daemon.routers() != routers:
                raise arena.Failure("%s: the router was replaced" % name)
            print("%s done" % name, file=sys.stderr, flush=True)
    ratios = {n: [abuse.percentile(a, .99) / abuse.percentile(i, .99) for i, a in rounds] for n, (rounds, _) in found.items()}
    print("\n%-14s %12s %12s %12s %8s %14s" % ("attack", "p99 idle, ms", "p99, ms", "slowest, ms", "ratio", "daemon, cores"))
    for name, (rounds, cpu) in found.items():
        print("%-14s %12.2f %12.2f %12.2f %8.2f %14.3f" % (
            name, *(statistics.median(p99s(rounds, which)) for which in (0, 1)), max(a[-1] for _, a in rounds),
            statistics.median(ratios[name]), cpu))
    print("medians of %d rounds; %d visits under each attack, all answered\n" % (ROUNDS, ROUNDS * SECONDS * abuse.VISITS_PER_SECOND))
    for name, values in ratios.items():
        report.figure("exhaust.%s.p99_ratio" % name, values, "ratio")
    report.figure("exhaust.worst_ratio", [max(statistics.median(r) for r in ratios.values())], "ratio")
    report.figure("exhaust.daemon_cores", [max(f[1] for f in found.values())], "cores")


if __name__ == "__main__":
    sys.exit(arena.main(main))
