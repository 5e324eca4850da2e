#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""A sample of tests/bench/fault.py, which tries each point: a system call of trpsupd's fails for want of descriptors, room or memory."""
import unittest

import fault

# of the calls of a phase that can fail so: this part of the way through it, or the first of that name. The last descriptor that an exec needs is
# one of libev's, the first mkdirat() of a boot is for its control groups, then it makes the directory of its records
PARTS = {("EMFILE", "start"): (0.3, 0.8), ("EMFILE", "exec"): (0.5, 1.0), ("EMFILE", "router"): (0.1,), ("EMFILE", "adopt"): (0.2, 0.3),
         ("ENOSPC", "boot"): ("mkdirat", 0.19), ("ENOSPC", "start"): (0.5,), ("ENOSPC", "reload"): (0.5,),
         ("ENOMEM", "start"): (0.5,), ("ENOMEM", "restart"): (0.7,)}
TRIES = 4


class Fault(unittest.TestCase):
    def test_sample(self):
        with fault.Bench() as bench:
            for (error, phase), parts in PARTS.items():
                seen = fault.point(bench, phase, 0, error)
                self.assertGreater(len(seen), 2, phase)
                for part in parts:
                    with self.subTest("%s in %s, %s" % (error, phase, part)):
                        self.refuse(bench, error, phase, part, seen)

    @staticmethod
    def place(seen, part):
        if isinstance(part, str):
            return [line.split()[1] for line in seen].index(part) + 1
        return max(1, int(len(seen) * part))

    def refuse(self, bench, error, phase, part, seen):
        """How many calls there are is not quite the same each time."""
        for _ in range(TRIES):
            seen = fault.point(bench, phase, self.place(seen, part), error)
            if fault.reached(seen):
                return
        self.fail("not reached: %s" % seen[-3:])


if __name__ == "__main__":
    unittest.main()
