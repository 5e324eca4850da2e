#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""nginx, Node.js, Caddy and WordPress under load while everything is killed, restarted, reloaded and upgraded (chaos.py): nobody is
refused, reset or lost but those whom a killed process had. "make bench B=chaos" has it longer and harder."""
import os
import time
import unittest

from blame import Bad, Kill, judge
from chaos import SERVICES, Chaos, share

RATE, SECONDS = 300, 30


class Judge(unittest.TestCase):
    """The reckoning can find fault."""

    def test_verdicts(self):
        kills = [Kill("nginx", {("127.1.0.1", 7): (5.0, 5.5)}), Kill("router", {("127.1.0.2", 8): (6.0, 6.0)})]

        def verdict(what, port=9, host="node.localhost", begun=4.0, ended=9.0, address="127.1.0.1"):
            return judge(Bad((address, port), host, begun, ended, 0, what), kills)
        self.assertEqual(verdict("reset", 7), "killed_with_process")
        self.assertEqual(verdict("closed", 8, address="127.1.0.2"), "killed_with_router")
        self.assertEqual(verdict("reset", 8), "reset")  # another address
        self.assertEqual(verdict("reset", 7, begun=5.6), "reset")  # the same port, of a later connection
        self.assertEqual(verdict("cut", 7, ended=5.2), "killed_with_process")  # its process closed it a little later
        self.assertEqual(verdict("reset", 7, ended=4.5), "reset")  # lost before anybody was killed
        self.assertEqual(verdict("cut"), "reset")  # by nobody
        self.assertEqual(verdict("503:"), "refused")
        self.assertEqual(verdict("refused"), "refused")
        self.assertEqual(verdict("late"), "lost")


class Share(unittest.TestCase):
    """Nobody is offered more than it can serve."""

    def test_shares(self):
        keys = [(s.name, small.path) for s in SERVICES for small in s.small]
        got = share(1200, dict(zip(keys, (8000, 1000, 2000, 400, 10), strict=True)))
        self.assertEqual([round(got[k]) for k in keys], [1200 - 100 - 150 - 40 - 1, 100, 150, 40, 1])
        few = share(300, dict(zip(keys, (8000, 2000, 2000, 1000, 100), strict=True)))
        self.assertEqual((round(few[keys[0]]), round(sum(few.values()))), (150, 300))
        slow = share(1200, dict(zip(keys, (1000, 1000, 1000, 100, 10), strict=True)))
        self.assertLess(sum(slow.values()), 400)
        self.assertLessEqual(sum(slow[k] / c for k, c in zip(keys, (1000, 1000, 1000, 100, 10))), 0.51)


class Short(unittest.TestCase):
    def test_nobody_is_lost(self):
        with Chaos(int(os.environ.get("SEED", time.time_ns() % 1000000))) as chaos:
            chaos.run(RATE, SECONDS)
            print(chaos.figures, flush=True)
            self.assertFalse(chaos.problems, "\n".join(chaos.problems[:20]))
            self.assertGreater(chaos.figures["served"], 1000)


if __name__ == "__main__":
    unittest.main()
