#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""What trpsupd says to who has started it (sd_notify(3)), and what that may ask of it: to end alone, and to make its control groups
somewhere else. Under systemd itself it was tried by hand: etc/trpsup.service."""
import os
import signal
import socket
import time
import unittest

import trp
import web
from test_adopt import HELLO, WRITER, url


class Told(trp.Daemon):
    """Who has started it listens."""

    def __init__(self, *args, watchdog_us=None, **kwargs):
        super().__init__(*args, **kwargs)
        path = os.path.join(self.dir, "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.socket.setblocking(False)
        self.environment = {**os.environ, "NOTIFY_SOCKET": path}
        if watchdog_us:
            self.environment["WATCHDOG_USEC"] = str(watchdog_us)
        self.said = []

    def hear(self):
        """All that it has said, one dictionary for each message."""
        while True:
            try:
                text = self.socket.recv(4096).decode()
            except BlockingIOError:
                return self.said
            self.said.append(dict(line.split("=", 1) for line in text.splitlines()))

    def words(self):
        return [next(iter(m)) for m in self.hear() if "WATCHDOG" not in m]

    def expect(self, words):
        trp.wait_until(lambda: self.words() == words, 20, words)


class Manager(unittest.TestCase):
    def test_said(self):
        with Told({"h": HELLO}) as d:
            d.expect(["READY"])
            before = time.monotonic() * 1e6
            d.process.send_signal(signal.SIGHUP)
            d.expect(["READY", "RELOADING", "READY"])
            d.ok("reload")
            d.expect(["READY"] + ["RELOADING", "READY"] * 2)
            d.ok("start", "h")
            d.ok("upgrade")
            d.expect(["READY"] + ["RELOADING", "READY"] * 3)
            times = [int(m["MONOTONIC_USEC"]) for m in d.hear() if "RELOADING" in m]
            self.assertEqual(times, sorted(times))
            self.assertGreaterEqual(times[0], before)
            self.assertLess(times[-1], time.monotonic() * 1e6)
            d.process.send_signal(signal.SIGTERM)
            d.process.wait(30)
            d.expect(["READY"] + ["RELOADING", "READY"] * 3 + ["STOPPING"])
            self.assertNotIn({"WATCHDOG": "1"}, d.hear())
            d.socket.close()

    def test_watchdog(self):
        """In half the time, and by a daemon that works: one that is stopped says nothing."""
        with Told(watchdog_us=200000) as d:
            trp.wait_until(lambda: d.hear().count({"WATCHDOG": "1"}) >= 5, 10, "it says that it lives")
            d.ok("upgrade")
            n = d.hear().count({"WATCHDOG": "1"})
            trp.wait_until(lambda: d.hear().count({"WATCHDOG": "1"}) >= n + 5, 10, "also after an upgrade")
            d.process.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, d.process.pid, os.WSTOPPED)
            n = d.hear().count({"WATCHDOG": "1"})
            time.sleep(0.5)
            self.assertEqual(d.hear().count({"WATCHDOG": "1"}), n)
            d.process.send_signal(signal.SIGCONT)
            d.socket.close()

    def test_detach(self):
        """It ends alone, and loses nothing: not even the beginning of a line."""
        half = WRITER.replace('echo line $$i', 'printf \\"line $$i\\"; sleep 0.3; echo')
        with trp.Daemon({"h": HELLO, "writer": half}) as d:
            d.ok("start", "h", "writer")
            before = {n: d.pids(n)[:2] for n in ("h", "writer")}
            d.logged("writer", "out line 1")
            d.ok("detach")
            self.assertEqual(d.process.wait(10), 0)
            d.log.close()
            self.assertEqual(web.get(url("h")).status, 200)
            done = d.trpsup("ps")
            self.assertEqual(done.returncode, 3)
            self.assertIn("not running", done.stderr)
            d.run()
            for name, pids in before.items():
                self.assertEqual(d.pids(name)[:2], pids)
            d.logged("writer", "out line 3")
            lines = [int(x.split()[-1]) for x in d.log_lines("writer", r"out\+? line \d+")]  # + is a piece of a line
            self.assertEqual(lines, list(range(len(lines))))

    def test_cgroup_parent(self):
        """Its groups are below the one that it is given, in the hierarchies that have it; whoever is there stays."""
        top = "/sys/fs/cgroup/unified" if os.path.isdir("/sys/fs/cgroup/unified") else "/sys/fs/cgroup"
        d = trp.Daemon({"h": HELLO})
        parent = os.path.join(top, d.name + "-parent")
        d.prefix = ["sh", "-c", 'exec "$0" --cgroup-parent /%s "$@"' % os.path.basename(parent)]
        os.mkdir(parent)
        try:
            with d:
                d.ok("start", "h")
                for pid in d.pids("h") + [d.router_pid()]:
                    self.assertIn("/%s/%s/" % (os.path.basename(parent), d.name), trp.cgroups_of(pid))
                self.assertNotIn("-parent/", trp.cgroups_of(d.process.pid))
                d.process.send_signal(signal.SIGTERM)
                d.process.wait(30)
                d.remove_own_group()
                self.assertEqual([f for f in os.listdir(parent) if os.path.isdir(os.path.join(parent, f))], [])
                os.rmdir(parent)
        finally:
            if os.path.isdir(parent):
                os.rmdir(parent)


if __name__ == "__main__":
    unittest.main()
