#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""ready = fd:N: a newline on a descriptor of the upstream's own, as s6 has it."""
import os
import signal
import unittest

import trp

PROFILE = """[service]
command = /usr/bin/python3 -u /opt/p/%(name)s.py
ready = fd:%(fd)d
restart-delay = 10ms
%(keys)s
[sandbox]
root = host
bind = %(dir)s /opt/p
"""
HEAD = "import os, signal, sys, time\nFD = %d\n"


class Newline(trp.DaemonTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.programs = os.path.join(cls.d.dir, "programs")
        os.makedirs(cls.programs, exist_ok=True)

    def service(self, name, text, fd=3, keys=""):
        with open(os.path.join(self.programs, name + ".py"), "w") as f:
            f.write(HEAD % fd + text)
        self.d.profile(name, PROFILE % {"name": name, "fd": fd, "keys": keys, "dir": self.programs})

    def waits(self, name, state, seconds=20):
        trp.wait_until(lambda: self.d.status(name)["state"] == state, seconds, "%s is %s" % (name, state))

    def touch(self, name):
        open(os.path.join(self.programs, name), "w").close()

    def test_ready_at_the_newline(self):
        """Not sooner, whatever else it writes; the end of the pipe says nothing then. Each of the numbers that init has itself, too."""
        for fd in (3, 4, 5, 6, 7, 9, 64, 1023):
            with self.subTest(fd=fd):
                name, go = "line%d" % fd, "go%d" % fd
                self.service(name, """
os.write(FD, b"not yet" * 5000)
print("open", sorted(int(f) for f in os.listdir("/proc/self/fd")))
while not os.path.exists("/opt/p/%s"): time.sleep(0.02)
os.write(FD, b"now\\nand more")
os.close(FD)
time.sleep(1000)
""" % go, fd)
                self.d.trpsup("start", "--no-wait", name)
                line = self.d.logged(name, "out open")[0]
                self.assertEqual(self.d.status(name)["state"], "starting")
                # nothing but that and the one with which it looks
                self.assertRegex(line, r"\[0, 1, 2, \d+, \d+\]$")
                self.assertIn(fd, [int(n) for n in line.split("[")[1].rstrip("]").split(",")])
                self.touch(go)
                self.waits(name, "ready")
                self.assertEqual(self.d.status(name)["readiness"], "fd:%d" % fd)
                self.d.ok("stop", name)

    def test_closed_without_a_newline(self):
        self.service("never", "os.write(FD, b'ready')\nos.close(FD)\ntime.sleep(1000)\n", keys="restart = no\nstart-timeout = 1d")
        done = self.d.trpsup("start", "never", timeout=30)
        self.assertEqual(done.returncode, 1)
        self.assertIn("closed descriptor 3 without a newline", done.stdout + done.stderr)
        self.assertEqual(self.d.status("never")["state"], "failed")

    def test_a_child_may_say_it(self):
        self.service("child", """
if os.fork():
    os.close(FD)
    os.wait()
else:
    time.sleep(0.5)
    os.write(FD, b"\\n")
    time.sleep(1000)
""")
        self.d.ok("start", "child")

    def test_its_end_is_an_end(self):
        """Who ends before it is ready closes it too; what is told is how it ended."""
        self.service("short", "os._exit(7)\n", keys="restart = no")
        done = self.d.trpsup("start", "short", timeout=30)
        self.assertEqual(done.returncode, 1)
        self.assertIn("exited with code 7", done.stdout + done.stderr)
        self.assertNotIn("without a newline", done.stdout + done.stderr)

    def test_flood(self):
        """Bytes without end, and no newline: init reads them, and hears the daemon and the adapters all the same."""
        self.service("flood", """
print("floods")
while True: os.write(FD, b"x" * 65536)
""", keys="start-timeout = 1d")
        self.d.trpsup("start", "--no-wait", "flood")
        self.d.logged("flood", "out floods")
        self.d.ok("stop", "flood", timeout=30)
        self.assertFalse(self.d.log_lines("flood", "killing it"))

    def test_setup_does_not_get_it(self):
        self.service("setup", "os.write(FD, b'\\n')\ntime.sleep(1000)\n",
                     keys="setup = /bin/sh -c \"echo >&3 && echo has || echo lacks\"")
        self.d.ok("start", "setup")
        self.d.logged("setup", "out lacks")

    def test_survives_the_daemon(self):
        """Said while no daemon is there, and before."""
        self.service("kept", """
while not os.path.exists("/opt/p/kept-go"): time.sleep(0.02)
os.write(FD, b"\\n")
time.sleep(1000)
""")
        self.service("was", "os.write(FD, b'\\n')\ntime.sleep(1000)\n")
        self.d.ok("start", "was")
        self.d.trpsup("start", "--no-wait", "kept")
        trp.wait_until(lambda: self.d.status("kept")["main_pid"], 10, "it runs")
        pid = self.d.main_pid("kept")
        self.d.process.send_signal(signal.SIGKILL)
        self.d.process.wait()
        self.touch("kept-go")
        self.d.run()
        self.waits("kept", "ready")
        self.assertEqual(self.d.main_pid("kept"), pid)
        self.assertEqual((self.d.status("was")["state"], self.d.status("was")["restarts"]), ("ready", 0))


if __name__ == "__main__":
    unittest.main()
