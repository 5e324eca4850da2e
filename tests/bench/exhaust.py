#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""A service that uses up what it can get (tests/progs/exhaust.c), one kind of thing after the other, while visitors of another
service ask for its page at a steady rate: all must be answered; how long they wait is compared with windows without the attack,
which take turns with those under it. ATTACKS in the environment names some; by default all. tests/system/test_exhaustion.py asserts
the bounds."""
import os
import resource
import shutil
import subprocess
import sys
import time

import abuse
from lib import arena, measure, report, servers

SECONDS, ROUNDS = 2.0, 4
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
"""


def windows(daemon, name):
    """The visits without and with the attack, all rounds together, in order of length; what the daemon's processor time was."""
    idle, attacked, cpu = [], [], 0
    for _ in range(ROUNDS):
        idle += abuse.visits(SECONDS)
        with daemon.service(name):
            time.sleep(SETTLE)
            before = measure.cpu_us([daemon.process.pid])
            attacked += abuse.visits(SECONDS)
            cpu += measure.cpu_us([daemon.process.pid]) - before
        time.sleep(SETTLE)
    return sorted(idle), sorted(attacked), cpu / (ROUNDS * SECONDS * 1e6)


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
    found = {}
    with servers.daemon(directory, profiles) as daemon, daemon.service("good"):
        abuse.visits(1)
        for name in chosen:
            routers = daemon.routers()
            found[name] = windows(daemon, name)
            if daemon.routers() != routers:
                raise arena.Failure("%s: the router was replaced" % name)
            print("%s done" % name, file=sys.stderr, flush=True)
    p99 = {n: (abuse.percentile(f[0], .99), abuse.percentile(f[1], .99)) for n, f in found.items()}
    print("\n%-14s %12s %12s %12s %14s" % ("attack", "p99 idle, ms", "p99, ms", "slowest, ms", "daemon, cores"))
    for name, (_, attacked, cpu) in found.items():
        print("%-14s %12.2f %12.2f %12.2f %14.3f" % (name, *p99[name], attacked[-1], cpu))
    print("%d visits under each attack, all answered\n" % len(next(iter(found.values()))[1]))
    for name, (idle, attacked) in p99.items():
        report.figure("exhaust.%s.p99_ratio" % name, [attacked / idle], "ratio")
    report.figure("exhaust.daemon_cores", [max(f[2] for f in found.values())], "cores")


if __name__ == "__main__":
    sys.exit(arena.main(main))
