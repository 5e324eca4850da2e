#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""trpsup reload: profiles of services that run are read anew, whole or not at all; what can be in force at once is, and the rest is
said to need a restart. Nothing that runs is touched."""
import os
import signal
import socket
import threading
import unittest

import trp

SERVER = """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = (os.environ["WHO"] + "\\n").encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(("0.0.0.0", 80), Handler).serve_forever()
"""
PROFILE = """[service]
command = /usr/bin/python3 -u /opt/p/server.py
restart-delay = 10ms
%(service)s
[route]
host = %(host)s
http = 80
%(route)s
[sandbox]
root = host
bind = %(dir)s /opt/p
[limits]
memory = %(memory)s
processes = %(processes)s
open-files = %(files)s
[environment]
WHO = %(who)s
"""


class Live(trp.DaemonTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.programs = os.path.join(cls.d.dir, "programs")
        os.makedirs(cls.programs, exist_ok=True)
        with open(os.path.join(cls.programs, "server.py"), "w") as f:
            f.write(SERVER)

    def write(self, name, host, who=None, service="", route="", memory="256M", processes=64, files=1024):
        self.d.profile(name, PROFILE % {"host": host, "who": who or name, "dir": self.programs, "service": service, "route": route,
                                        "memory": memory, "processes": processes, "files": files})

    def tearDown(self):
        super().tearDown()
        for f in os.listdir(self.d.profile_dir):
            os.unlink(os.path.join(self.d.profile_dir, f))

    def ask(self, host):
        """(status, body) of a request by HTTP."""
        with socket.create_connection(("127.0.0.1", trp.HTTP_PORT), 10) as sock:
            sock.sendall(("GET / HTTP/1.0\r\nHost: %s\r\n\r\n" % host).encode())
            data = b""
            while more := sock.recv(4096):
                data += more
        head, _, body = data.partition(b"\r\n\r\n")
        return int(head.split()[1]), body.decode().strip()

    def is_served(self, host, by):
        trp.wait_until(lambda: self.ask(host) == (200, by), 10, "%s is served by %s" % (host, by))

    def limit(self, name, file):
        """What the kernel has, of whichever hierarchy."""
        for group in trp.control_groups(self.d.name):
            if os.path.basename(group) == name and os.path.exists(os.path.join(group, file)):
                return trp.read(os.path.join(group, file)).decode().strip()
        return None

    def memory_limit(self, name):
        return self.limit(name, "memory.max") or self.limit(name, "memory.limit_in_bytes")

    def test_names_and_limits_are_in_force_at_once(self):
        self.write("web", "one.test two.test")
        self.d.ok("start", "web")
        pid = self.d.main_pid("web")
        self.is_served("one.test", "web")
        self.assertEqual(self.d.ok("reload"), "nothing has changed\n")
        self.write("web", "two.test three.test", memory="512M", processes=80)
        out = self.d.ok("reload")
        self.assertEqual(out, "web: host, processes, memory: in force now\n")
        self.is_served("three.test", "web")
        self.assertEqual(self.ask("two.test"), (200, "web"))
        self.assertEqual(self.ask("one.test")[0], 404)
        self.assertEqual(self.memory_limit("web"), str(512 << 20))
        self.assertEqual(self.limit("web", "pids.max"), "80")
        self.assertEqual((self.d.main_pid("web"), self.d.status("web")["needs_restart"]), (pid, []))
        self.assertEqual(self.d.ok("reload"), "nothing has changed\n")

    def test_what_needs_a_restart_waits_for_it(self):
        self.write("web", "one.test")
        self.d.ok("start", "web")
        pid = self.d.main_pid("web")
        self.is_served("one.test", "web")
        self.write("web", "two.test", who="new", files=2048)
        self.assertEqual(self.d.ok("reload"), "web: host: in force now\nweb: open-files, [environment]: after a restart of it\n")
        self.is_served("two.test", "web")
        self.assertEqual(self.ask("one.test")[0], 404)
        self.assertEqual(self.d.main_pid("web"), pid)
        self.assertEqual(self.d.status("web")["needs_restart"], ["open-files", "[environment]"])
        self.assertIn("Outdated: open-files [environment]", self.d.ok("status", "web"))
        self.assertRegex(trp.read("/proc/%d/limits" % pid).decode(), r"Max open files +1024 ")
        # once more changes nothing about that
        self.d.ok("reload")
        self.assertEqual(self.d.status("web")["needs_restart"], ["open-files", "[environment]"])
        # also a start after a failure is one
        self.d.ok("signal", "web", "KILL")
        self.is_served("two.test", "new")
        self.assertEqual(self.d.status("web")["needs_restart"], [])
        self.assertRegex(trp.read("/proc/%d/limits" % self.d.main_pid("web")).decode(), r"Max open files +2048 ")

    def test_a_mistake_anywhere_changes_nothing(self):
        self.write("web", "one.test")
        self.write("other", "other.test")
        self.d.ok("start", "web", "other")
        self.is_served("one.test", "web")
        self.write("web", "two.test")
        self.write("other", "other.test", service="restrat = no")
        done = self.d.trpsup("reload")
        self.assertEqual(done.returncode, 1)
        self.assertIn("other.ini:", done.stderr)
        self.assertIn("did you mean 'restart'?", done.stderr)
        self.assertEqual(self.ask("one.test"), (200, "web"))
        self.assertEqual(self.ask("two.test")[0], 404)
        # each is right by itself, but not both together
        self.write("other", "two.test")
        done = self.d.trpsup("reload")
        self.assertEqual(done.returncode, 1)
        self.assertIn("two.test", done.stderr)
        self.assertEqual(self.ask("one.test"), (200, "web"))
        self.assertEqual(self.ask("other.test"), (200, "other"))

    def test_a_name_goes_from_one_to_another(self):
        for first, second in (("a", "b"), ("b", "a")):  # whichever the daemon comes to first
            with self.subTest(first=first):
                self.write(first, "moves.test %s.test" % first)
                self.write(second, "%s.test" % second)
                self.d.ok("start", "a", "b")
                self.d.ok("reload")
                self.is_served("moves.test", first)
                self.write(first, "%s.test" % first)
                self.write(second, "moves.test %s.test" % second)
                self.d.ok("reload")
                self.is_served("moves.test", second)
                self.assertEqual(self.ask(first + ".test"), (200, first))
                self.assertEqual(self.ask(second + ".test"), (200, second))

    def test_nobody_is_refused_while_a_name_moves(self):
        names = ["a", "b", "c", "d", "e", "f"]  # the more there are, the longer it takes
        refused, stop = [], threading.Event()

        def come():
            while not stop.is_set():
                status, who = self.ask("moves.test")
                if status != 200:
                    refused.append((status, who))

        def owner(who, i):
            for n in names:
                self.write(n, ("moves.test " if n == who else "") + "%s.test" % n, processes=64 + i)

        owner("a", 0)
        self.d.ok("start", *names)
        self.is_served("moves.test", "a")
        threads = [threading.Thread(target=come) for _ in range(3)]
        for t in threads:
            t.start()
        try:
            for i in range(20):
                who = ("f", "a")[i % 2]
                owner(who, i + 1)
                self.d.ok("reload")
                self.is_served("moves.test", who)
        finally:
            stop.set()
            for t in threads:
                t.join()
        self.assertEqual(refused, [])

    def test_a_limit_below_what_is_used(self):
        self.write("web", "one.test")
        self.d.ok("start", "web")
        pid = self.d.main_pid("web")
        self.write("web", "one.test", memory="1M")
        out = self.d.ok("reload")
        self.assertIn("web: memory: it uses more than the new limit\n", out)
        self.assertIn("web: memory: after a restart of it\n", out)
        self.assertEqual(self.memory_limit("web"), str(256 << 20))
        self.assertEqual((self.d.main_pid("web"), self.d.status("web")["needs_restart"]), (pid, ["memory"]))

    def test_a_profile_that_is_gone(self):
        self.write("web", "one.test")
        self.d.ok("start", "web")
        self.is_served("one.test", "web")
        os.unlink(os.path.join(self.d.profile_dir, "web.ini"))
        self.assertEqual(self.d.ok("reload"), "web: its profile is gone; it goes on with the one that it has\n")
        self.assertEqual(self.ask("one.test"), (200, "web"))

    def test_policies(self):
        """What is only looked at later is that of the new profile, too."""
        self.write("web", "one.test", service="restart = always")
        self.d.ok("start", "web")
        self.write("web", "one.test", service="restart = no")
        self.assertEqual(self.d.ok("reload"), "web: restart: in force now\n")
        self.d.ok("signal", "web", "KILL")
        trp.wait_until(lambda: self.d.status("web")["state"] == "failed", 20, "it is not started again")

    def test_sighup_does_the_same(self):
        self.write("web", "one.test")
        self.d.ok("start", "web")
        self.write("web", "two.test")
        self.d.process.send_signal(signal.SIGHUP)
        self.is_served("two.test", "web")

    def test_daemon_that_is_killed_afterwards(self):
        """The profile that is in force is the one that is on disk: it is taken over."""
        self.write("web", "one.test")
        self.d.ok("start", "web")
        pid = self.d.main_pid("web")
        self.write("web", "two.test")
        self.d.ok("reload")
        self.d.process.kill()
        self.d.process.wait()
        self.d.log.close()
        self.d.run()
        self.is_served("two.test", "web")
        self.assertEqual(self.d.main_pid("web"), pid)

    def test_daemon_that_is_killed_before_the_restart(self):
        """What is in force of a profile that also needs a restart stays so, whatever is on disk by then; the rest still waits."""
        self.write("web", "one.test")
        self.write("other", "other.test")
        self.d.ok("start", "web", "other")
        pid = self.d.main_pid("web")
        self.write("web", "two.test", who="new", processes=80, service="stop-timeout = 7s")
        self.write("other", "one.test other.test")  # a name that web had when it was started
        self.d.ok("reload")
        self.write("web", "three.test", who="newer", processes=90)
        for _ in range(2):
            self.d.process.kill()
            self.d.process.wait()
            self.d.log.close()
            self.d.run()
            self.is_served("two.test", "web")
            self.is_served("one.test", "other")
            self.assertEqual(self.d.main_pid("web"), pid)
            self.assertEqual(self.d.status("web")["needs_restart"], ["[environment]"])
            self.assertEqual(self.limit("web", "pids.max"), "80")
        self.d.ok("reload")
        self.is_served("three.test", "web")
        self.assertEqual(self.limit("web", "pids.max"), "90")
        self.d.ok("restart", "web")
        self.is_served("three.test", "newer")
        self.assertEqual(self.d.status("web")["needs_restart"], [])


if __name__ == "__main__":
    unittest.main()
