#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""trpsup freeze and thaw: processes that stand still keep everything, their clients wait, and whatever ends them thaws them first."""
import json
import os
import socket
import unittest

import trp

SERVER = """
import http.server, os, signal, socket, sys, threading, time
def term(*_):
    print("ends by itself")
    os._exit(0)
signal.signal(signal.SIGTERM, term)
def live():
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    while True:
        s.sendto(b"READY=1\\nWATCHDOG=1", os.environ["NOTIFY_SOCKET"])
        time.sleep(0.05)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"hi\\n")
server = http.server.ThreadingHTTPServer(("0.0.0.0", 80), Handler)
threading.Thread(target=live, daemon=True).start()
server.serve_forever()
"""
PROFILE = """[service]
command = /usr/bin/python3 -u /opt/p/server.py
ready = notify
watchdog = 400ms
stop-timeout = 4s
restart = no
[route]
host = frozen.test
http = 80
[sandbox]
root = host
bind = %s /opt/p
"""


class Freeze(trp.DaemonTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        programs = os.path.join(cls.d.dir, "programs")
        os.makedirs(programs, exist_ok=True)
        with open(os.path.join(programs, "server.py"), "w") as f:
            f.write(SERVER)
        cls.d.profile("web", PROFILE % programs)

    def setUp(self):
        self.d.ok("start", "web")

    def ask(self):
        sock = socket.create_connection(("127.0.0.1", trp.HTTP_PORT), 10)
        sock.sendall(b"GET / HTTP/1.0\r\nHost: frozen.test\r\n\r\n")
        return sock

    def answered(self, sock, seconds):
        sock.settimeout(seconds)
        try:
            return sock.recv(100).startswith(b"HTTP/1.0 200")
        except socket.timeout:
            return False

    def events(self):
        return [e for line in self.d.ok("--json", "events", "web").splitlines()
                for e in json.loads(line)["parameters"]["events"] if e["from"] is None]

    def processor_time(self):
        return self.d.status("web")["cpu_us"]

    def test_clients_wait(self):
        with self.ask() as sock:
            self.assertTrue(self.answered(sock, 10))
        pid = self.d.main_pid("web")
        self.assertEqual(self.d.ok("freeze", "web"), "web: ready: frozen\n")
        self.assertTrue(self.d.status("web")["frozen"])
        self.assertIn("ready, frozen", self.d.ok("status", "web"))
        self.assertIn("when it says so (sd_notify); then a sign of life each 0.4 s", self.d.ok("status", "web"))
        self.assertRegex(self.d.ok("ps"), "web +frozen")
        spent = self.processor_time()
        with self.ask() as sock:
            self.assertFalse(self.answered(sock, 1))  # more than two times its watchdog
            self.assertEqual(self.processor_time(), spent)
            self.assertEqual(self.d.ok("freeze", "web"), "web: ready: frozen\n")
            self.d.ok("thaw", "web")
            self.assertTrue(self.answered(sock, 10))
        self.assertEqual((self.d.main_pid("web"), self.d.status("web")["state"]), (pid, "ready"))
        self.assertFalse(self.d.status("web")["frozen"])

    def test_stop_thaws(self):
        self.d.ok("freeze", "web")
        self.d.ok("stop", "web")
        self.d.logged("web", "out ends by itself")
        self.assertIn("exited with code 0", [e["text"] or "" for e in self.events()][-2])
        self.assertFalse(self.d.status("web")["frozen"])

    def test_restart_and_kill(self):
        self.d.ok("freeze", "web")
        self.d.ok("restart", "web")
        with self.ask() as sock:
            self.assertTrue(self.answered(sock, 10))
        self.d.ok("freeze", "web")
        os.kill(self.d.status("web")["pid"], 9)
        trp.wait_until(lambda: self.d.status("web")["state"] == "failed", 20, "it is gone")
        self.assertFalse(self.d.status("web")["frozen"])
        self.d.ok("start", "web")
        with self.ask() as sock:
            self.assertTrue(self.answered(sock, 10))

    def test_another_instance_takes_its_place(self):
        self.d.ok("freeze", "web")
        with self.ask() as sock:
            self.assertFalse(self.answered(sock, 0.3))
            self.d.ok("restart", "--overlap", "web")
            self.assertTrue(self.answered(sock, 20))  # long before drain is over
        self.assertFalse(self.d.status("web")["frozen"])
        with self.ask() as sock:
            self.assertTrue(self.answered(sock, 10))
        self.d.logged("web", "out ends by itself", seconds=20)

    def test_its_watchdog_runs_again(self):
        self.d.ok("freeze", "web")
        self.d.ok("thaw", "web")
        os.kill(self.d.main_pid("web"), 19)  # SIGSTOP: by us, not by the daemon
        trp.wait_until(lambda: self.d.status("web")["state"] in ("aborting", "failed"), 20, "its silence is seen")
        trp.wait_until(lambda: self.d.status("web")["state"] == "failed", 60, "it is ended")

    def test_daemon_that_is_killed(self):
        pid = self.d.main_pid("web")
        self.d.ok("freeze", "web")
        self.d.process.kill()
        self.d.process.wait()
        self.d.log.close()
        self.d.run()
        self.assertTrue(self.d.status("web")["frozen"])
        with self.ask() as sock:
            self.assertFalse(self.answered(sock, 1))
            self.d.ok("thaw", "web")
            self.assertTrue(self.answered(sock, 10))
        self.assertEqual(self.d.main_pid("web"), pid)

    def test_what_cannot_be_frozen(self):
        self.d.ok("freeze", "web")
        done = self.d.trpsup("exec", "web", "true")
        self.assertEqual(done.returncode, 125)
        self.assertIn("it is frozen", done.stderr)
        self.d.ok("stop", "web")
        done = self.d.trpsup("freeze", "web")
        self.assertEqual(done.returncode, 1)
        self.assertIn("it is stopped: only one that is ready can be frozen", done.stderr)
        self.assertEqual(self.d.trpsup("thaw", "nobody").returncode, 4)


if __name__ == "__main__":
    unittest.main()
