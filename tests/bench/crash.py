#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""trpsupd is killed before each system call by which it changes something, in each thing that it does with a service: does the next
one put all right? (tests/system/crash.py)
	tests/bench/crash.py [PHASE...]   PHASE: boot, start, ... by default all
Not by arena.main: control groups and mounts of this machine are what it is about. tests/system/test_crash.py is a sample of it."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../system"))
os.environ.setdefault("TRP_TEST_STATE", "/var/lib/trpsup-test-crash")  # read as trp.py is imported
import crash  # pylint: disable=wrong-import-position


def sweep(phase, first=1):
    """The points that were tried, and what was wrong: (number, call, text)."""
    tried, wrong, n = 0, [], first
    bench = None
    try:
        while True:
            if not bench:
                bench = crash.Bench().__enter__()
            call = "?"
            try:
                said = crash.point(bench, phase, n)
                if not (said and said[-1].startswith("killed before")):
                    return tried, wrong  # it was done before that call
                call = said[-1].split()[-1]
            except Exception as e:  # pylint: disable=broad-except
                wrong.append((n, call, "%s: %s" % (type(e).__name__, e)))
                print("%s %d: %s" % (phase, n, wrong[-1][2]), flush=True)
                print("\n".join("\t" + line for line in bench.d.daemon_log().splitlines()[-12:]), flush=True)
                bench.d.clean_up()
                bench = None
            tried += 1
            n += 1
    finally:
        if bench:
            bench.d.stop()


def main():
    tried = failed = 0
    for phase in sys.argv[1:] or crash.PHASES:
        n, wrong = sweep(phase)
        print("%-8s %4d points, %d wrong" % (phase, n, len(wrong)), flush=True)
        tried += n
        failed += len(wrong)
    print("figure crash.points %d calls" % tried)
    print("figure crash.failed %d calls" % failed)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
