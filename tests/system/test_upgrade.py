#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""trpsupd executes its program file anew: the process and its services stay, nobody is refused, who waits is told; a new
program that cannot start changes nothing."""
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import unittest

import trp
import web
from load import Load
from test_adopt import HELLO, LOOPBACK, NOTIFY, SLOW, WRITER, url


class Copy(trp.Daemon):
    """Its programs lie in a directory of its own, so that they can be replaced."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.programs = os.path.join(self.dir, "build")
        os.mkdir(self.programs)
        for name in os.listdir(trp.BUILD):
            path = os.path.join(trp.BUILD, name)
            if os.path.isfile(path) and not name.endswith(".a"):
                shutil.copy2(path, self.programs)
        self.program = os.path.join(self.programs, "trpsupd")

    def replace(self, name="trpsupd", script=None):
        """By a file with another version in it, or by a script."""
        path = os.path.join(self.programs, name)
        if script:
            data = script.encode()
        else:
            version = re.search(rb"trpsupd ([0-9a-zA-Z.-]+)\n?\0", trp.read(path))[1]
            data = trp.read(path).replace(version, b"new".ljust(len(version), b"0"))
        with open(path + ".new", "wb") as f:
            f.write(data)
        os.chmod(path + ".new", 0o755)
        os.rename(path + ".new", path)


def routers_are_new(d):
    """From then on there can be another upgrade. Each begins with a router of the daemon before, and ends with one of its own."""
    def are():
        log = d.daemon_log()
        return log.count("router ready") > log.count("upgraded from") and d.call("trpsup.Info")["router"]["retired"] == []
    trp.wait_until(are, 40, "the router is of this daemon")


class Upgrade(unittest.TestCase):
    def same(self, d, before):
        for name, pids in before.items():
            self.assertEqual(d.status(name)["state"], "ready", name)
            self.assertEqual(d.pids(name)[:2], pids, name)

    def children(self, d):
        """Of the daemon, zombies too."""
        return {p: trp.process_status(p).get("State", "?")[0] for p in trp.children(d.process.pid)}

    def test_under_load(self):
        names = ["h", "n", "l", "writer"]
        with Copy({"h": HELLO, "n": NOTIFY, "l": LOOPBACK, "writer": WRITER}) as d:
            d.ok("start", *names)
            before = {n: d.pids(n)[:2] for n in names}
            router = d.router_pid()
            handed_on = d.status("h")["clients"]["handed_on"]
            with Load("h") as h, Load("n", 1) as n, Load("l", 1) as l:
                for turn in range(3):
                    routers_are_new(d)
                    h.more(30)
                    if turn == 0:
                        d.replace()
                        self.assertRegex(d.ok("upgrade"), r"^trpsupd new0* \(was .*\): 4 services go on\n$")
                    elif turn == 1:
                        d.ok("upgrade")
                    else:
                        ready = d.daemon_log().count("services go on")
                        d.process.send_signal(signal.SIGUSR2)
                        trp.wait_until(lambda: d.daemon_log().count("services go on") > ready, 20, "it is executed anew")
                    self.same(d, before)
                    trp.wait_until(lambda: d.call("trpsup.Info")["router"]["retired"] == []
                                   and d.router_pid() not in (0, router), 40, "one router, another one, is left")
                    router = d.router_pid()
                    h.more(30)
                    n.more(5)
                    l.more(5)
                self.assertEqual(h.bad + n.bad + l.bad, [])
            self.assertGreater(d.status("h")["clients"]["handed_on"], handed_on + 100)
            self.assertIsNone(d.process.poll())
            self.assertNotIn("Z", self.children(d).values())
            for name in names:
                self.assertEqual(len(d.log_lines(name, " sup starting")), 1, name)
            lines = [int(x.split()[-1]) for x in d.log_lines("writer", r"out line \d+$")]
            self.assertEqual(lines, list(range(len(lines))))
            self.assertNotIn("defect", d.daemon_log())
            self.assertNotIn("cannot be taken over", d.daemon_log())

    def test_one_right_after_another(self):
        """While the routers of the image before are being replaced, there can be no other upgrade: it waits for that."""
        with trp.Daemon({"h": HELLO}) as d:
            d.ok("start", "h")
            before = {"h": d.pids("h")[:2]}
            for _ in range(3):
                d.ok("upgrade")
                d.ok("upgrade-router")
                d.ok("upgrade")
            self.same(d, before)
            for verbs in (("upgrade-router", "upgrade-router"),) + (("upgrade-router", "upgrade"),) * 4:
                both = [subprocess.Popen([os.path.join(trp.BUILD, "trpsup"), "-c", d.conf, v], stdout=subprocess.DEVNULL) for v in verbs]
                codes = dict(zip(both, [p.wait(60) for p in both]))
                self.assertEqual(codes[both[1]], 0, verbs)
                if "upgrade" not in verbs:  # whoever comes while the daemon is executed anew is cut off
                    self.assertEqual(codes[both[0]], 0, verbs)
            self.same(d, before)

    def test_what_routers_have_counted_and_noted_goes_on(self):
        """Also by those whose place nobody takes: with one router at a time every second upgrade leaves the upper of two places."""
        with trp.Daemon({"h": HELLO}, config="access-log = text") as d:
            d.ok("start", "h")
            for n in range(1, 6):
                self.assertEqual(web.get(url("h")).status, 200)
                d.ok("upgrade")
                self.assertEqual(d.status("h")["clients"]["handed_on"], n)
            trp.wait_until(lambda: len(d.log_lines("access", "service=h .*end=closed")) == 5, 10, "a line for each")
            trp.wait_until(lambda: d.status("h")["connections"] == 0, 10, "none is counted that has ended")

    def test_still_children(self):
        """How a service ends that the image before had started is known: by its parent, which is still the same process."""
        with trp.Daemon({"h": HELLO.replace("restart-delay", "restart = no\nrestart-delay")}) as d:
            d.ok("start", "h")
            init = d.pids("h")[0]
            d.ok("upgrade")
            os.kill(init, signal.SIGKILL)
            d.logged("h", "sup .*killed by signal 9")
            trp.wait_until(lambda: d.status("h")["state"] == "failed", 10, "it has failed")
            trp.wait_until(lambda: init not in self.children(d), 10, "it was reaped")
            # routers, observer and keeper too, which the image before had started
            trp.wait_until(lambda: d.call("trpsup.Info")["router"]["retired"] == [], 40, "the old router is gone")
            keeper = [p for p in self.children(d) if trp.process_status(p)["Name"] == "trp-keeper"]
            self.assertEqual(len(keeper), 1)
            os.kill(keeper[0], signal.SIGKILL)
            trp.wait_until(lambda: keeper[0] not in self.children(d), 10, "the keeper was reaped")
            self.assertNotIn("Z", self.children(d).values())

    def test_cannot_start(self):
        """Whatever is wrong with the new program, or what it is to read: nothing changes, and it is said."""
        with Copy({"h": HELLO}) as d:
            d.ok("start", "h")
            before = {"h": d.pids("h")[:2]}
            router, conf, good = d.router_pid(), trp.read(d.conf).decode(), trp.read(d.program)

            def attempt(expect, script=None, conf_text=None):
                d.replace(script=script)
                if conf_text:
                    with open(d.conf, "w") as f:
                        f.write(conf_text)
                with self.assertRaisesRegex(trp.Failed, expect):
                    d.call("trpsup.Upgrade")
                with open(d.conf, "w") as f:
                    f.write(conf)
                with open(d.program + ".old", "wb") as f:
                    f.write(good)
                os.chmod(d.program + ".old", 0o755)
                os.rename(d.program + ".old", d.program)
                self.same(d, before)
                self.assertEqual(d.router_pid(), router)

            attempt("exited with code 3: no such library", "#!/bin/sh\necho no such library >&2; exit 3\n")
            attempt("Exec format error|cannot start", "not a program\n")
            attempt("killed by signal 6", "#!/bin/sh\nkill -ABRT $$\n")
            attempt(r"trpsup.conf:\d+: .*colour", conf_text=conf.replace("[daemon]", "[daemon]\ncolour = red"))
            attempt("run-dir", conf_text=conf.replace("run-dir = ", "run-dir = /x"))
            os.unlink(os.path.join(d.programs, "trp-router"))
            attempt("trp-router")
            shutil.copy2(os.path.join(trp.BUILD, "trp-router"), d.programs)
            attempt("within 10 s", "#!/bin/sh\nexec sleep 60\n")
            self.assertEqual(web.get(url("h")).status, 200)
            d.ok("upgrade")
            self.same(d, before)

    def test_anyway(self):
        """One that cannot be taken over, as its listener is configured no more."""
        fixed = HELLO.replace("[route]", "[route]\nlistener = http")
        with trp.Daemon({"h": fixed, "writer": WRITER}) as d:
            d.ok("start", "h", "writer")
            before, writer = d.pids("h")[:2], d.pids("writer")[:1]
            d.listeners = d.listeners.replace("[listener http]", "[listener web]")
            d.write_conf()
            done = d.trpsup("upgrade")
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr, r"could not be taken over: h: .*h.ini:\d+: listener: ")
            self.assertEqual(d.pids("h")[:2], before)
            self.assertRegex(d.ok("upgrade", "--anyway"), "1 services go on\nh: could not be taken over")
            self.assertEqual(d.pids("writer")[:1], writer)
            for pid in before:
                self.assertIn(trp.process_status(pid).get("State", "Z")[0], "ZX", pid)

    def waiting(self, d, *args):
        return subprocess.Popen([os.path.join(trp.BUILD, "trpsup"), "-c", d.conf, *args], stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def test_who_waits_is_told(self):
        with trp.Daemon({"slow": SLOW, "writer": WRITER}) as d:
            d.ok("start", "slow", "writer")
            slow = d.pids("slow")[:1]
            with self.waiting(d, "stop", "slow") as stop, self.waiting(d, "logs", "-f", "writer") as logs:
                trp.wait_until(lambda: d.status("slow")["state"] == "stopping", 10, "it stops")
                d.ok("upgrade")
                said, code = stop.communicate(timeout=10)[0], stop.returncode
                self.assertIn("executed anew", said)
                self.assertEqual(code, 1)
                logs.communicate(timeout=10)
                self.assertNotEqual(logs.returncode, 0)
            trp.wait_until(lambda: d.status("slow")["state"] == "stopped", 20, "what was asked for is done")
            self.assertIn(trp.process_status(slow[0]).get("State", "Z")[0], "ZX")

    def test_control_socket_is_never_gone(self):
        """Whoever connects in the meantime waits a moment."""
        with trp.Daemon({"h": HELLO}) as d:
            d.ok("start", "h")
            inode = os.stat(d.control).st_ino
            for _ in range(5):
                with self.waiting(d, "upgrade") as asks:
                    while asks.poll() is None:
                        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
                            sock.connect(d.control)
                        time.sleep(0.002)
                    self.assertEqual(asks.returncode, 0, asks.stdout.read())
                d.status("h")
                routers_are_new(d)
            self.assertEqual(os.stat(d.control).st_ino, inode)
            # and no second daemon gets in
            other = subprocess.run([d.program, "-c", d.conf], capture_output=True, text=True, timeout=20, check=False)
            self.assertEqual(other.returncode, 1)
            self.assertIn("another trpsupd runs", other.stderr)

    def test_stop_signal_meanwhile(self):
        """It is neither lost nor does it end the daemon without order."""
        for delay in (0.0, 0.02, 0.05, 0.1):
            with self.subTest(delay), trp.Daemon({"h": HELLO}) as d:
                d.ok("start", "h")
                pids = d.pids("h")
                d.process.send_signal(signal.SIGUSR2)
                time.sleep(delay)
                d.process.send_signal(signal.SIGTERM)
                self.assertEqual(d.process.wait(30), 0)
                for pid in pids:
                    self.assertIn(trp.process_status(pid).get("State", "Z")[0], "ZX")

    def test_nothing_more_is_open(self):
        """Each upgrade leaves as many descriptors as there were."""
        with trp.Daemon({"h": HELLO}) as d:
            d.ok("start", "h")
            fds = "/proc/%d/fd" % d.process.pid
            before, end = 0, time.monotonic() + 1
            while time.monotonic() < end:  # with what comes and goes: a client's, what is prepared for the next start
                before = max(before, len(os.listdir(fds)))
                time.sleep(0.02)
            for _ in range(4):
                d.ok("upgrade")
                routers_are_new(d)
                trp.wait_until(lambda: len(os.listdir(fds)) <= before, 10, "no more than before")
            environment = trp.read("/proc/%d/environ" % d.router_pid())
            self.assertNotIn(b"TRPSUPD", environment)


if __name__ == "__main__":
    unittest.main()
