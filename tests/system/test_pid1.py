#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""trpsupd as process 1 of a container (a pid namespace with a /proc of its own)."""
import os
import re
import signal
import subprocess
import unittest

import trp
import web
from test_adopt import HELLO, WRITER, url
from test_upgrade import Copy, routers_are_new


class Contained(trp.Daemon):
    """d.process is unshare(1), whose child is process 1."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.prefix = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]

    def stop(self, seconds=60):
        if self.process and self.process.poll() is None:
            os.kill(self.pid1(), signal.SIGTERM)
            self.process.wait(seconds)
        super().stop(seconds)

    def pid1(self):
        return trp.children(self.process.pid)[0]

    def daemon(self):
        """The child of process 1 that answers."""
        return [p for p in trp.children(self.pid1()) if trp.process_status(p).get("Name") == "trpsupd"][0]

    def inside(self, *argv):
        """In its pid and mount namespaces, as docker exec; who has ended in them is an orphan there."""
        return subprocess.run(["nsenter", "-t", str(self.pid1()), "-p", "-m", *argv], check=True, timeout=20, capture_output=True)


class ContainedCopy(Copy, Contained):
    """Its program can be replaced, too."""


class Pid1(unittest.TestCase):
    def zombies(self, d):
        return [p for p in trp.children(d.pid1()) if trp.process_status(p).get("State", "Z")[0] == "Z"]

    def test_orphans_are_reaped(self):
        with Contained({"h": HELLO}) as d:
            d.ok("start", "h")
            before = set(trp.children(d.pid1()))
            for _ in range(20):
                d.inside("sh", "-c", "(sleep 0.05; exit 3) & (sleep 0.1 & exit 0) & exit 0")
            trp.wait_until(lambda: set(trp.children(d.pid1())) == before and not self.zombies(d), 10, "all orphans are gone")
            self.assertEqual(web.get(url("h")).status, 200)

    def test_stop_signals(self):
        for signo in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(signo), Contained({"h": HELLO}) as d:
                d.ok("start", "h")
                os.kill(d.pid1(), signo)
                self.assertEqual(d.process.wait(30), 0)
                self.assertIn("stopping", d.daemon_log())
                self.assertNotIn("at once", d.daemon_log())

    def test_reload_and_upgrade_signals(self):
        with Contained({"h": HELLO}) as d:
            d.ok("start", "h")
            os.kill(d.pid1(), signal.SIGHUP)
            trp.wait_until(lambda: "SIGHUP: configuration read" in d.daemon_log(), 10, "it reads its configuration")
            daemon = d.daemon()
            os.kill(d.pid1(), signal.SIGUSR2)
            trp.wait_until(lambda: "1 services go on" in d.daemon_log(), 20, "it is executed anew")
            self.assertEqual(d.daemon(), daemon)

    def test_daemon_killed(self):
        """Process 1 starts another, which takes over."""
        with Contained({"h": HELLO, "writer": WRITER}) as d:
            d.ok("start", "h", "writer")
            before = [p for p in trp.processes() if trp.process_status(p).get("Name") == "trp-init" and d.name in trp.cgroups_of(p)]
            daemon = d.daemon()
            os.kill(daemon, signal.SIGKILL)
            trp.wait_until(lambda: d.process.poll() is None and self.answers(d), 20, "another answers")
            self.assertNotEqual(d.daemon(), daemon)
            self.assertIn("was killed by signal 9; starting it again", d.daemon_log())
            for name in ("h", "writer"):
                self.assertEqual(d.status(name)["state"], "ready")
                self.assertEqual(len(d.log_lines(name, " sup starting")), 1, name)
            now = [p for p in trp.processes() if trp.process_status(p).get("Name") == "trp-init" and d.name in trp.cgroups_of(p)]
            self.assertEqual(now, before)
            self.assertEqual(web.get(url("h")).status, 200)
            trp.wait_until(lambda: not self.zombies(d), 10, "nobody is left unreaped")

    def test_killed_after_an_upgrade(self):
        """What comes then is not the version with which process 1 was started, and can be upgraded again; unless it is none."""
        with ContainedCopy({"h": HELLO}) as d:
            d.ok("start", "h")
            d.replace()
            d.ok("upgrade")
            self.assertTrue(self.version(d).startswith("new"), self.version(d))
            self.kill(d)
            self.assertTrue(self.version(d).startswith("new"), self.version(d))
            routers_are_new(d)
            d.ok("upgrade")
            d.replace(script="#!/bin/sh\nexit 127\n")
            self.kill(d)
            self.assertEqual(d.status("h")["state"], "ready")
            self.assertEqual(len(d.log_lines("h", " sup starting")), 1)

    def version(self, d):
        return re.findall(r"^trpsupd: trpsup (\S+) ready$", d.daemon_log(), re.M)[-1]

    def kill(self, d):
        os.kill(d.daemon(), signal.SIGKILL)
        before = d.daemon_log().count(" ready\n")
        trp.wait_until(lambda: d.daemon_log().count(" ready\n") > before and self.answers(d), 20, "another answers")

    def answers(self, d):
        try:
            return d.call("trpsup.Info")["router"]["pid"]
        except (OSError, ConnectionError):
            return None

    def test_cannot_start(self):
        """What the daemon exits with is what the container ends with."""
        d = Contained()
        try:
            d.write_conf()
            with open(d.conf, "a") as f:
                f.write("[daemon]\ncolour = red\n")
            done = subprocess.run([*d.prefix, d.program, "-c", d.conf], capture_output=True, text=True, timeout=20, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("colour", done.stderr)
        finally:
            d.clean_up()


if __name__ == "__main__":
    unittest.main()
