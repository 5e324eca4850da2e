#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Each system call of trpsupd's that can fail for want of descriptors, room on the disk or memory does, in each thing that it does with a service:
does it go on, and is nothing left? (tests/system/fault.py)
	tests/bench/fault.py [ERROR:PHASE[:FIRST[-LAST]]...]   by default all
Not by arena.main: control groups and mounts of this machine are what it is about. tests/system/test_fault.py is a sample of it."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../system"))
os.environ.setdefault("TRP_TEST_STATE", "/var/lib/trpsup-test-fault")  # read as trp.py is imported
import fault  # pylint: disable=wrong-import-position


def sweep(error, phase, first=1, last=10000):
    """The points that were tried, and how many were wrong."""
    tried = wrong = 0
    bench = None
    for n in range(first, last + 1):
        if not bench:
            bench = fault.Bench().__enter__()
        try:
            if not fault.reached(fault.point(bench, phase, n, error)):
                break
        except Exception as e:  # pylint: disable=broad-except
            wrong += 1
            print("%s %s %d: %s: %s" % (error, phase, n, type(e).__name__, e), flush=True)
            print("\n".join("\t" + line for line in bench.d.daemon_log().splitlines()[-12:]), flush=True)
            bench.d.clean_up()
            bench = None
        tried += 1
    if bench:
        bench.d.stop()
    print("%s %-8s %4d points, %d wrong" % (error, phase, tried, wrong), flush=True)
    return tried, wrong


def main():
    asked = [a.split(":") for a in sys.argv[1:]] or [[e, p] for e in fault.ERRORS for p in fault.PHASES]
    tried = failed = 0
    for error, phase, *points in asked:
        first, _, last = (points[0] if points else "1").partition("-")
        n, wrong = sweep(error, phase, int(first), int(last or 10000))
        tried += n
        failed += wrong
    print("figure fault.points %d calls" % tried)
    print("figure fault.failed %d calls" % failed)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
