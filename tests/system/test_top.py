#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""trpsup top: what services use, as the kernel counts it."""
import json
import os
import pty
import select
import signal
import termios
import time
import unittest

import trp

PROFILE = """[service]
command = /usr/bin/python3 -c "%s"
ready = started
[sandbox]
root = host
"""


class Top(trp.DaemonTest):
    profiles = {"busy": PROFILE % "while True: pass", "idle": PROFILE % "import time; time.sleep(100000)",
                "large": PROFILE % "import time; x = bytearray(96 << 20); time.sleep(100000)"}

    def rounds(self, *args):
        return [json.loads(line) for line in self.d.ok("--json", "top", *args).splitlines()]

    def test_numbers(self):
        self.d.ok("start", "busy", "idle", "large")
        trp.wait_until(lambda: (self.d.status("large")["memory"] or 0) > 90 << 20, 20, "its memory is counted")
        before = {s["service"]: s for s in self.d.call("trpsup.Usage")["services"]}
        rounds = self.rounds("-n", "2", "-d", "500ms")
        self.assertEqual(len(rounds), 2)
        for r in rounds:
            used = {s["service"]: s for s in r["services"]}
            self.assertEqual(set(used), {"busy", "idle", "large"})
            self.assertGreater(used["busy"]["cpu_percent"], 10 * max(used["idle"]["cpu_percent"], 0.01))
            self.assertGreater(used["busy"]["cpu_us"], before["busy"]["cpu_us"])
            self.assertGreater(used["large"]["memory"], 90 << 20)
            self.assertEqual(used["idle"]["processes"], 2)  # and its init
            self.assertEqual(r["services"][0]["service"], "busy")  # it is sorted by that
        self.assertEqual(self.rounds("-n", "1", "-s", "memory")[0]["services"][0]["service"], "large")
        self.assertEqual([s["service"] for s in self.rounds("-n", "1", "idle")[0]["services"]], ["idle"])
        text = self.d.ok("top", "-n", "1")
        self.assertRegex(text, r"SERVICE +STATE +CPU%\* +MEMORY +PROCS")
        self.assertRegex(text, r"(?m)^idle +ready +\d")

    def test_what_is_wrong(self):
        self.assertEqual(self.d.trpsup("top", "-n", "1", "-s", "beauty").returncode, 2)
        self.assertEqual(self.d.trpsup("top", "-d", "5").returncode, 2)
        self.assertEqual(self.d.trpsup("top", "-n", "1", "No/Name").returncode, 4)
        # one letter, two meanings; and one that it has not
        self.assertEqual(self.d.trpsup("ps", "-n", "1").returncode, 2)

    def test_screen(self):
        self.d.ok("start", "busy", "idle")
        pid, master = pty.fork()
        if pid == 0:
            os.environ["TERM"] = "vt100"
            os.execv(os.path.join(trp.BUILD, "trpsup"), ["trpsup", "-c", self.d.conf, "top", "-d", "200ms"])
        got, end = b"", time.monotonic() + 30
        try:
            sent = 0
            while time.monotonic() < end:
                ready, _, _ = select.select([master], [], [], 1)
                if ready:
                    try:
                        got += os.read(master, 4096)
                    except OSError:
                        break
                if sent == 0 and b"CPU%*" in got:
                    os.write(master, b"m")
                    sent = 1
                elif sent == 1 and b"MEMORY*" in got:
                    os.write(master, b"q")
                    sent = 2
            self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0)
            self.assertEqual(sent, 2, got)
        finally:
            os.close(master)

    def test_terminal_as_it_was(self):
        """Also when it is ended by Ctrl-C, or by somebody else."""
        self.d.ok("start", "idle")
        for end in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            pid, master = pty.fork()
            if pid == 0:
                os.environ["TERM"] = "vt100"
                os.execv(os.path.join(trp.BUILD, "trpsup"), ["trpsup", "-c", self.d.conf, "top"])
            try:
                trp.wait_until(lambda: not termios.tcgetattr(master)[3] & termios.ECHO, 20, "it takes keys")  # pylint: disable=cell-var-from-loop
                if end == signal.SIGINT:
                    os.write(master, b"\x03")
                else:
                    os.kill(pid, end)
                self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), -end)
                self.assertTrue(termios.tcgetattr(master)[3] & termios.ECHO, end)
                self.assertTrue(termios.tcgetattr(master)[3] & termios.ICANON, end)
            finally:
                os.close(master)


if __name__ == "__main__":
    unittest.main()
