#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Two minutes of real servers under new connections and long downloads while all is killed, restarted, reloaded and upgraded
(tests/system/chaos.py, which says how it is known whose fault a lost client is). Fails if one is lost that no killed process
had, or if anything is left behind. SEED=N repeats the order of one run; RATE and SECONDS are for slower machines."""
import ctypes
import os
import sys
import time

from lib import arena, measure

sys.path.insert(0, os.path.join(arena.TOP, "tests/system"))
PR_SET_CHILD_SUBREAPER = 36
SHOWN = 20
UNITS = {"rate": "1/s", "behind": "ms", "woke": "clients"}


def main(directory):
    del directory
    # what a daemon leaves there goes with this mount, however the measurement ends
    arena.command("mount", "-t", "tmpfs", "-o", "mode=755", "bench", "/run")
    os.environ["TRP_TEST_TAG"] = arena.CGROUP + "-chaos"
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    import chaos  # pylint: disable=import-outside-toplevel # after its names were chosen
    import trp  # pylint: disable=import-outside-toplevel

    def say(text):
        print(text, flush=True)
    before, busy = trp.Machine(), measure.Busy()
    with chaos.Chaos(int(os.environ.get("SEED", time.time_ns() % 1000000)), say) as run:
        run.run(int(os.environ.get("RATE", "1200")), int(os.environ.get("SECONDS", "120")))
        ours, others = busy.parts()
    left = trp.Machine().left_since(before)
    say("  " + ", ".join("%s %d times" % item for item in sorted(run.done.items())))
    for problem in run.problems[:SHOWN]:
        say("  " + problem)
    for name, value in run.figures.items():
        print("figure chaos.%s %d %s" % (name, value, UNITS.get(name, "connections")))
    print("figure chaos.cpu_ours %.0f %%\nfigure chaos.cpu_others %.0f %%" % (ours, others))
    print("figure chaos.events %d events" % sum(run.done.values()))
    print("figure chaos.left %d things" % len(left))
    if run.problems or left:
        raise arena.Failure("%d problems\n  %s" % (len(run.problems), "\n  ".join(left)))


if __name__ == "__main__":
    sys.exit(arena.main(main))
