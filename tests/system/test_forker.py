#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""trp-forker, which makes the processes of sandboxes (sandbox/forker.h): killed, stopped, replaced with the daemon, left behind by it. And a control group that
somebody has stand still: the daemon does not wait for who is born there."""
import os
import signal
import subprocess
import time
import unittest

import trp
from test_birth import SLEEPER, v2_tree


def forkers(d):
    """Not those whom it has just made, which still have its name."""
    own = trp.namespace(d.process.pid, "pid")
    return [p for p in trp.children(d.process.pid) if trp.process_status(p).get("Name") == "trp-forker" and trp.namespace(p, "pid") == own]


def forker(d):
    return trp.wait_until(lambda: forkers(d), 20, "a forker")[0]


def begin(d, *args):
    return subprocess.Popen([os.path.join(trp.BUILD, "trpsup"), "-c", d.conf, *args], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def freeze(group, on):
    with open(os.path.join(group, "cgroup.freeze"), "w") as f:
        f.write("01"[on])


class Forker(unittest.TestCase):
    def group(self, d):
        """Of all services, in v2."""
        tree = v2_tree()
        if not tree:
            self.skipTest("no cgroup v2 tree here")
        return [g for g in trp.control_groups(d.name) if g.startswith(tree + "/") and os.path.basename(g) == d.name][0]

    def test_killed_or_stopped(self):
        with trp.Daemon({"s": SLEEPER, "t": SLEEPER}) as d:
            d.ok("start", "s")
            for signo in (signal.SIGKILL, signal.SIGSTOP):
                before = forker(d)
                os.kill(before, signo)
                self.assertEqual(d.ok("exec", "s", "echo", "in"), "in\n")
                d.ok("restart", "t")
                self.assertNotEqual(forker(d), before)
            self.assertEqual(len(forkers(d)), 1)

    def test_commands_are_made_by_it(self):
        with trp.Daemon({"s": SLEEPER}) as d:
            d.ok("start", "s")
            before = forker(d)
            os.kill(before, signal.SIGSTOP)
            p = begin(d, "exec", "s", "true")
            trp.wait_until(lambda: forker(d) != before, 20, "another forker")
            self.assertEqual(p.wait(20), 0)

    def test_tenant_that_is_slow(self):
        """It has used up the processor time that its group may have; who comes in there gets none for a while, and holds up no other service."""
        with trp.Daemon({"s": SLEEPER, "t": SLEEPER.replace("/bin/sleep 1000", "/bin/sh -c 'while :; do :; done'") + "[limits]\ncpu = 1%\n"}) as d:
            d.ok("start", "s", "t")
            before = forker(d)
            inside = len(d.pids("t"))
            p = begin(d, "exec", "t", "true")
            trp.wait_until(lambda: len(d.pids("t")) > inside or p.poll() is not None, 20, "the command is there")
            d.ok("restart", "s")
            self.assertEqual(forkers(d), [before])
            self.assertEqual(p.wait(60), 0)

    def test_upgrade(self):
        with trp.Daemon({"s": SLEEPER, "t": SLEEPER}) as d:
            d.ok("start", "s")
            pid, before = d.status("s")["pid"], forker(d)
            d.ok("upgrade")
            self.assertNotEqual(forker(d), before)
            self.assertEqual(trp.process_status(before), {})
            d.ok("start", "t")
            self.assertEqual(d.ok("exec", "s", "echo", "in"), "in\n")
            self.assertEqual((len(forkers(d)), d.status("s")["pid"]), (1, pid))

    def test_daemon_that_is_killed_in_a_start(self):
        with trp.Daemon({"s": SLEEPER, "t": SLEEPER}) as d:
            d.ok("start", "t")
            before = forker(d)
            os.kill(before, signal.SIGSTOP)
            p = begin(d, "start", "s")
            trp.wait_until(lambda: d.lines_in_files("s", "starting"), 20, "the start")
            d.process.kill()
            d.process.wait()
            os.kill(before, signal.SIGCONT)
            # the order may be there: who is born then sees that nobody lets it go on
            trp.wait_until(lambda: not trp.process_status(before), 20, "the end of the forker")
            trp.wait_until(lambda: not [p for p in trp.processes() if any(g.endswith(d.name + "/s") for g in trp.cgroups_of(p).split())], 20,
                           "nobody in the group")
            p.wait(20)
            d.log.close()
            d.run()
            d.ok("start", "s")
            self.assertEqual(d.status("t")["state"], "ready")

    def test_group_that_stands_still(self):
        with trp.Daemon({"s": SLEEPER, "t": SLEEPER}) as d:
            d.ok("start", "t")
            group = self.group(d)
            before = forker(d)
            freeze(group, True)
            try:
                for args in (("start", "s"), ("exec", "t", "true")):
                    done = d.trpsup(*args, timeout=60)
                    self.assertNotEqual(done.returncode, 0)
                    self.assertIn("stands still", done.stdout + done.stderr)
                    self.assertIn("cgroup.freeze", done.stdout + done.stderr)
            finally:
                freeze(group, False)
            trp.wait_until(lambda: d.status("s")["state"] == "ready", 60, "it is tried again")
            self.assertEqual(d.ok("exec", "t", "echo", "in"), "in\n")
            self.assertEqual(forkers(d), [before])


if __name__ == "__main__":
    unittest.main()
