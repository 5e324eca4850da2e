#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Services that are started by their first client and stopped when nobody uses them: no client is lost when it comes just then, and
clients do not drive a crash loop."""
import contextlib
import os
import random
import signal
import time
import unittest

import trp
import web
from test_hold import request, status_of

HELLO = trp.HELLO % "start = on-demand\n%s"
DB = """[service]
command = /bin/sleep 1000
ready = started
stop-signal = KILL
[sandbox]
root = host
"""
# answers, and computes for some time then
WORKS = """
import http.server, threading, time
def work():
    end = time.monotonic() + 2
    while time.monotonic() < end:
        pass
    print("done", flush=True)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        threading.Thread(target=work).start()
http.server.HTTPServer(("", 8000), Handler).serve_forever()
"""
# takes nobody any more for a moment, and ends
LEAVES = """
import os, socket, sys, time
listener = socket.create_server(("", 8000))
listener.settimeout(0.05)
while not os.path.exists(sys.argv[1] + "/leave"):
    try:
        sock, _ = listener.accept()
        sock.settimeout(1)
        if sock.recv(65536):
            sock.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\n")
        sock.close()
    except OSError:
        pass
time.sleep(1)
"""
CHECKED = """[service]
command = /usr/bin/python3 /opt/p/leaves.py ${state}
start = on-demand
idle-stop = 0
start-limit-burst = 1
[route]
host = ${id}.localhost
http = 8000
[health]
check = tcp:8000
interval = 100ms
timeout = 200ms
failures = 100
[sandbox]
root = host
bind = %s /opt/p
"""
FAILS = """[service]
command = /bin/sh -c "exit %d"
start = on-demand
ready = %s
restart-delay = 10ms
start-limit-burst = 4
[route]
host = ${id}.localhost
http = 8000
hold = 5m
[sandbox]
root = host
"""


class OnDemand(trp.DaemonTest):
    profiles = {"a": HELLO % "idle-stop = 500ms", "db": DB, "needs": HELLO % "requires = db\nidle-stop = 300ms",
                "crash": FAILS % (1, "listen"), "ends": FAILS % (0, "listen"), "race": HELLO % "idle-stop = 50ms",
                "stays": HELLO % "idle-stop = 0"}

    def state(self, name):
        return self.d.status(name)["state"]

    def becomes(self, name, state, seconds=20):
        trp.wait_until(lambda: self.state(name) == state, seconds, "%s is %s" % (name, state))

    def starts(self, name):
        return len(self.d.log_lines(name, " sup starting$"))

    def test_started_and_stopped(self):
        self.assertIn("idle", self.d.ok("start", "a"))
        now = self.d.status("a")
        before = self.starts("a")  # by other tests
        self.assertEqual((now["state"], now["pid"]), ("idle", None))
        self.assertEqual(trp.control_groups(self.d.name + "/a"), [])
        for n in (1, 2):
            self.assertEqual([status_of(request("a", address)) for address in ("127.0.0.1", "::1")], [200, 200])
            self.assertEqual(self.starts("a"), before + n)
            self.becomes("a", "idle")
            self.assertIsNone(self.d.status("a")["pid"])
        self.d.ok("restart", "a")  # starts it
        self.assertEqual(self.state("a"), "ready")
        self.becomes("a", "idle")
        self.d.ok("stop", "a")
        self.assertEqual(status_of(request("a")), 404)

    def test_a_connection_keeps_it(self):
        self.d.ok("start", "a")
        with web.connect("127.0.0.1", trp.HTTP_PORT, timeout=30) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: a.localhost\r\n\r\n")
            self.assertIn(b" 200 ", sock.recv(4096))
            pid = self.d.status("a")["pid"]
            time.sleep(2)  # four times the time
            self.assertEqual(self.d.status("a")["pid"], pid)
            sock.sendall(b"GET / HTTP/1.1\r\nHost: a.localhost\r\n\r\n")
            self.assertIn(b" 200 ", sock.recv(4096))
        self.becomes("a", "idle")

    def test_work_keeps_it(self):
        path = os.path.join(self.d.dir, "works.py")
        with open(path, "w") as f:
            f.write(WORKS)
        self.d.profile("works", HELLO.replace("${libexec}/trp-hello 8000", "/usr/bin/python3 /opt/works.py").replace(
            "adapter = native\n", "").replace("root = none", "root = host\nbind = %s /opt/works.py" % path) % "idle-stop = 500ms")
        self.d.ok("start", "works")
        self.assertEqual(status_of(request("works")), 200)
        self.d.logged("works", "out done")
        self.becomes("works", "idle")
        self.assertEqual(self.starts("works"), 1)

    def test_never_stopped(self):
        self.d.ok("start", "stays")
        self.assertEqual(status_of(request("stays")), 200)
        time.sleep(1)
        self.assertEqual(self.state("stays"), "ready")

    def test_what_it_requires_follows(self):
        self.d.ok("start", "needs")
        self.assertEqual(self.state("needs"), "idle")
        self.assertNotIn("db", [s["service"] for s in self.d.call("trpsup.List")["services"] if s["state"] != "stopped"])
        self.assertEqual(status_of(request("needs")), 200)
        self.assertEqual(self.state("db"), "ready")
        self.becomes("needs", "idle")
        self.becomes("db", "stopped")
        self.assertEqual(status_of(request("needs")), 200)
        self.becomes("db", "stopped")

    def test_who_requires_it_keeps_it(self):
        self.d.profile("user", DB.replace("ready", "requires = a\nready"))
        self.d.ok("start", "user")
        self.assertEqual(self.state("a"), "ready")
        time.sleep(1.5)
        self.assertEqual(self.state("a"), "ready")
        self.d.ok("stop", "user")

    def test_crash_loop(self):
        for name, how in (("crash", "exited with code 1"), ("ends", "while clients waited for it")):
            self.d.ok("start", name)
            self.assertEqual(status_of(request(name)), 503)
            self.becomes(name, "failed")
            self.assertIn(how, self.d.status(name)["message"])
            self.assertEqual(self.starts(name), 4)
            for _ in range(3):
                self.assertEqual(status_of(request(name)), 503)
            self.assertEqual(self.starts(name), 4)
            self.d.ok("start", name)
            self.assertEqual(self.state(name), "idle")

    @contextlib.contextmanager
    def about_to_be_stopped(self, name):
        """Routes lead away from it, to see whether it can be: until a router says that it has read that."""
        self.d.profile(name, HELLO % "idle-stop = 300ms" + "[route]\nhold = 2s\n")
        self.d.ok("start", name)
        self.assertEqual(status_of(request(name)), 200)
        router = self.d.router_pid()
        os.kill(router, signal.SIGSTOP)
        try:
            time.sleep(1.5)
            yield
        finally:
            os.kill(router, signal.SIGCONT)

    def test_not_to_be_stopped_any_more(self):
        with self.about_to_be_stopped("turns"):
            self.d.profile("turns", HELLO % "idle-stop = 0" + "[route]\nhold = 2s\n")
            self.d.ok("reload")
        self.assertEqual(status_of(request("turns")), 200)
        self.assertEqual(self.state("turns"), "ready")

    def test_required_just_before_it_is_stopped(self):
        self.d.profile("asks", DB.replace("stop-signal", "requires = asked\nstop-signal"))
        with self.about_to_be_stopped("asked"):
            self.d.ok("start", "asks")
        time.sleep(1)
        self.assertEqual([self.state("asks"), self.state("asked")], ["ready", "ready"])
        self.d.ok("stop", "asks")
        self.becomes("asked", "idle")

    def test_frozen_just_before_it_is_stopped(self):
        with self.about_to_be_stopped("cold"):
            self.d.ok("freeze", "cold")
        time.sleep(1)
        self.assertEqual(self.state("cold"), "ready")
        self.assertTrue(self.d.status("cold")["frozen"])

    def leaves(self, name):
        """A service that ends by itself when it is told so; what to call for that."""
        programs, state = os.path.join(self.d.dir, "programs"), os.path.join(self.d.state_dir, "state", name)
        os.makedirs(programs, exist_ok=True)
        with open(os.path.join(programs, "leaves.py"), "w") as f:
            f.write(LEAVES)
        self.d.profile(name, CHECKED % programs)
        os.makedirs(state, exist_ok=True)
        if os.path.exists(os.path.join(state, "leave")):
            os.unlink(os.path.join(state, "leave"))
        self.d.ok("start", name)
        self.assertEqual(status_of(request(name)), 200)
        return lambda: open(os.path.join(state, "leave"), "w").close()

    def test_a_client_that_comes_as_it_ends_by_itself(self):
        leave = self.leaves("goes")
        router = self.d.router_pid()
        os.kill(router, signal.SIGSTOP)
        try:
            client = request("goes")  # before the router hears of it
            leave()
            self.becomes("goes", "idle")
            os.unlink(os.path.join(self.d.state_dir, "state", "goes", "leave"))
        finally:
            os.kill(router, signal.SIGCONT)
        self.assertEqual(status_of(client), 200)

    def test_a_check_is_nobody(self):
        """One that its service left in the channel does not start it again, and is none that it has left waiting."""
        leave = self.leaves("leaves")
        trp.wait_until(lambda: self.d.status("leaves")["health"]["state"] == "healthy", 10, "it is checked")
        leave()
        self.becomes("leaves", "idle")
        time.sleep(0.5)
        self.assertEqual(self.state("leaves"), "idle")
        self.assertEqual(len(self.d.log_lines("leaves", "somebody wants it")), 1)

    def test_race_of_stop_and_arrival(self):
        """Clients come just when it is to be stopped, is being stopped, or has been."""
        self.d.ok("start", "race")
        seed = random.randrange(1 << 32)
        r = random.Random(seed)
        rounds = 300
        for i in range(rounds):
            try:
                self.assertEqual(status_of(request("race")), 200)
            except (OSError, IndexError, AssertionError) as e:
                self.fail("round %d, seed %d: %r\n%s" % (i, seed, e, self.d.service_log("race")[-2000:]))
            time.sleep(r.choice((0, 0.05, r.uniform(0.04, 0.2), r.uniform(0.08, 0.14))))
        # it was not up all the time
        self.assertGreater(self.starts("race"), rounds // 10)
        self.assertNotIn("defect", self.d.daemon_log())

    def test_daemon_killed_while_idle(self):
        self.d.ok("start", "a")
        self.d.process.kill()
        self.d.process.wait()
        self.d.log.close()
        client = request("a")  # the router serves on, and it waits
        self.d.run()
        self.assertEqual(status_of(client), 200)
        self.becomes("a", "idle")
        self.d.process.kill()
        self.d.process.wait()
        self.d.log.close()
        self.d.run()
        self.assertEqual(self.state("a"), "idle")
        self.assertEqual(status_of(request("a")), 200)

    def test_nginx(self):
        with open(os.path.join(self.d.shipped_dir, "nginx.ini")) as f:
            self.d.profile("nginx", f.read().replace("[service]", "[service]\nstart = on-demand\nidle-stop = 200ms", 1))
        os.symlink(os.path.join(self.d.shipped_dir, "nginx"), os.path.join(self.d.profile_dir, "nginx"))
        self.d.ok("start", "nginx")
        for _ in range(20):
            status = status_of(request("nginx"))  # it has no page
            self.assertIn(status, (200, 403), self.d.service_log("nginx")[-2000:])
            time.sleep(random.uniform(0.1, 0.5))
        self.becomes("nginx", "idle")
        self.assertEqual(web.get("https://nginx.localhost:%d/" % trp.TLS_PORT).status, 403)

    def test_mistakes(self):
        for text, want in (("start = on-demand\n", "start: 'on-demand' needs http"), ("idle-stop = 5s\n", "idle-stop: has no effect"),
                           ("start = on-demand\n[route]\nhost = x.localhost\nhttp = 80\nhold = 0\n", "hold: 0 contradicts")):
            self.d.profile("wrong", "[service]\ncommand = /bin/true\n" + text)
            done = self.d.trpsup("start", "wrong")
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(want, done.stderr)


if __name__ == "__main__":
    unittest.main()
