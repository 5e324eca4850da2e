#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""How services compete for processors ([limits] scheduling): of their first process, and of what descends from it."""
import os
import unittest

import trp

PROFILE = """[service]
command = /bin/sh -c "sleep 1000 & wait"
ready = started
[sandbox]
root = host
state = no
[limits]
%s
"""
SLICE_NS = 100000
KEYS = {"normal": "scheduling = normal", "prompt": "scheduling = prompt", "default": "", "batch": "scheduling = batch"}


class Scheduling(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = trp.Daemon({name: PROFILE % line for name, line in KEYS.items()})
        cls.d.start()
        cls.d.ok("start", *KEYS)

    @classmethod
    def tearDownClass(cls):
        cls.d.stop()

    def of(self, service):
        """Policy and slice of each process of the service."""
        found = trp.wait_until(lambda: self.of_all(service), 10, "its shell has started what it starts")
        return set(found)

    def of_all(self, service):
        group = next(g for g in trp.control_groups(self.d.name) if g.endswith("/" + service))
        pids = [int(p) for p in trp.read(os.path.join(group, "cgroup.procs")).split()]
        return len(pids) > 2 and [trp.scheduling(p) for p in pids]

    def test_policy(self):
        for name in KEYS:
            policy = os.SCHED_BATCH if name == "batch" else os.SCHED_OTHER
            self.assertEqual({p for p, _ in self.of(name)}, {policy}, name)

    def test_slice(self):
        kernels = trp.scheduling(os.getpid())[1]
        new = tuple(map(int, os.uname().release.split(".")[:2])) >= (6, 12)
        for name in KEYS:
            wanted = SLICE_NS if new and name in ("prompt", "default") else kernels
            self.assertEqual({s for _, s in self.of(name)}, {wanted}, name)


if __name__ == "__main__":
    unittest.main()
