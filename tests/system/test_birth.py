#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""A control group in which all were killed (cgroup.kill), and that could not be removed before something was started in it again: because
somebody in it took long to die, say. Here a group below it keeps it. Some kernels kill whoever is born there (sandbox/cgroup_birth.c)."""
import os
import unittest

import trp
import web
from test_adopt import HELLO, url

SLEEPER = """[service]
command = /bin/sleep 1000
ready = started
restart-delay = 10ms
[sandbox]
root = host
"""


def v2_tree():
    for line in trp.read("/proc/self/mountinfo").decode().splitlines():
        if " - cgroup2 " in line:
            return line.split()[4]
    return None


class Group:
    """One that stays, and in which all are killed."""

    def __init__(self, path):
        self.path = path
        self.below = os.path.join(path, "keeps")

    def __enter__(self):
        os.mkdir(self.below)
        self.kill()
        return self

    def __exit__(self, kind, value, trace):
        os.rmdir(self.below)

    def kill(self):
        with open(os.path.join(self.path, "cgroup.kill"), "w") as f:
            f.write("1")


class Birth(unittest.TestCase):
    def setUp(self):
        self.tree = v2_tree()
        if not self.tree:
            self.skipTest("no cgroup v2 tree here")

    def group(self, d, name):
        found = [g for g in trp.control_groups(d.name) if g.startswith(self.tree) and os.path.basename(g) == name]
        self.assertEqual(len(found), 1, found)
        return Group(found[0])

    def serves(self, d):
        """All of it: what was killed is there again."""
        def ready():
            info = d.call("trpsup.Info")
            return ("observer ready (pid %d)" % info["observer"]["pid"] in d.daemon_log() and info["router"]["pid"]
                    and all(d.status(name)["state"] == "ready" for name in ("h", "s")) and self.answers())
        trp.wait_until(ready, 20, "it serves")
        self.assertEqual(d.ok("exec", "s", "echo", "lives"), "lives\n")

    @staticmethod
    def answers():
        try:
            return web.get(url("h")).status == 200
        except OSError:
            return False

    def test_groups_of_what_it_starts(self):
        with trp.Daemon({"h": HELLO, "s": SLEEPER}) as d:
            d.ok("start", "h", "s")
            self.serves(d)
            before = d.status("s")["pid"]
            with self.group(d, "@observer"), self.group(d, "@router"), self.group(d, "h"), self.group(d, "s"):
                trp.wait_until(lambda: d.status("s")["pid"] not in (0, None, before), 20, "it is started anew")
                self.serves(d)
                # the next daemon finds them so, and takes over what runs there
                d.process.kill()
                d.process.wait()
                d.log.close()
                d.run()
                self.serves(d)
                d.ok("restart", "h", "s")
                self.serves(d)

    def test_limits_of_what_is_started_there(self):
        with trp.Daemon({"s": SLEEPER + "[limits]\nprocesses = 30\n"}) as d:
            d.ok("start", "s")
            found = [g for g in trp.control_groups(d.name) if os.path.basename(g) == "s" and os.path.exists(os.path.join(g, "pids.max"))]
            self.assertEqual(len(found), 1, found)
            below = os.path.join(found[0], "keeps")
            os.mkdir(below)
            try:
                d.profile("s", SLEEPER + "[limits]\nprocesses = 40\n")
                d.ok("restart", "s")
                self.assertEqual(trp.read(os.path.join(found[0], "pids.max")).strip(), b"40")
            finally:
                os.rmdir(below)

    def test_group_of_the_daemon(self):
        own = os.path.join(self.tree, trp.TAG + "own")
        os.mkdir(own)
        d = trp.Daemon({"h": HELLO, "s": SLEEPER})
        d.prefix = ["sh", "-c", "echo 0 >%s/cgroup.procs && exec \"$@\"" % own, "sh"]
        try:
            Group(own).kill()
            with d:
                d.ok("start", "h", "s")
                self.serves(d)
        finally:
            os.rmdir(own)


if __name__ == "__main__":
    unittest.main()
