#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""A sample of tests/bench/crash.py, which tries each point: trpsupd is killed before a system call that changes something, and the
next daemon puts all right."""
import unittest

import crash

# of the calls of a phase: this part of the way through it
PARTS = {"boot": (0.3, 0.8), "start": (0.25, 0.5, 0.75), "reload": (0.5,), "restart": (0.35, 0.7), "overlap": (0.3, 0.9),
         "died": (0.5,), "freeze": (0.5,), "thaw": (0.5,), "doze": (0.5,), "wake": (0.4,), "stop": (0.3, 0.7),
         "adopt": (0.4, 0.9), "upgrade": (0.5, 0.95), "end": (0.4,)}
TRIES = 4


class Crash(unittest.TestCase):
    def test_sample(self):
        self.assertEqual(set(PARTS), set(crash.PHASES))
        with crash.Bench() as bench:
            for phase, parts in PARTS.items():
                seen = crash.point(bench, phase, 0)
                self.assertGreater(len(seen), 3, phase)
                for part in parts:
                    with self.subTest("%s, %d of 100" % (phase, 100 * part)):
                        self.kill(bench, phase, part, seen)

    def kill(self, bench, phase, part, seen):
        """How many calls there are is not quite the same each time: what is made ahead for a later start may fall into the phase or
        not. If it was not reached, by the number of those seen then."""
        for _ in range(TRIES):
            seen = crash.point(bench, phase, int(1 + len(seen) * part))
            if seen and seen[-1].startswith("killed before"):
                return
        self.fail("never killed: %s" % seen[-3:])


if __name__ == "__main__":
    unittest.main()
