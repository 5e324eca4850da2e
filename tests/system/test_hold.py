#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Clients of a service that is not up: they wait until it is, at most for as long as its profile says, and are told why when it does
not come up. Real servers under load are restarted again and again, and no client is refused or reset."""
import os
import signal
import ssl
import threading
import time
import unittest

import trp
import web
from load import Load

# its start takes until there is a file "go" in its state directory
GATE = "setup = /bin/sh -c 'while ! test -e ${state}/go; do sleep 0.02; done; ! test -e ${state}/fail'"
GATED = """[service]
command = /opt/hello/trp-hello 8000
adapter = native
restart-delay = 10ms
%%s
%s
[route]
host = ${id}.localhost
http = 8000
tls = 8443
%%s
[sandbox]
root = host
bind = ${libexec} /opt/hello
""" % GATE
# never listens for TLS: that port is there for clients that are refused before
READY = "ready = started"
DB = """[service]
command = /bin/sleep 1000
ready = started
stop-signal = KILL
%s
[sandbox]
root = host
""" % GATE
WEB = """[service]
command = ${libexec}/trp-hello 8000
adapter = native
requires = db
[route]
host = w.localhost
http = 8000
[sandbox]
root = none
"""
FAST = """[service]
command = ${libexec}/trp-hello 8000
adapter = native
restart-delay = 10ms
start-limit-burst = 0
[route]
host = h.localhost
http = 8000
[sandbox]
root = none
"""

# listens for HTTP at once, and for TLS when there is a file that says so
PORTS = """
import os, socket, sys, threading, time
def serve(port):
    listener = socket.create_server(("", port))
    while True:
        sock, _ = listener.accept()
        sock.recv(65536)
        sock.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\n")
        sock.close()
threading.Thread(target=serve, args=(8000,)).start()
while not os.path.exists(sys.argv[1] + "/tls"):
    time.sleep(0.02)
serve(8443)
"""
TWO = """[service]
command = /usr/bin/python3 /opt/p/ports.py ${state}
ready = started
stop-signal = KILL
[route]
host = %s.localhost
http = 8000
tls = 8443
hold = %s
[sandbox]
root = host
bind = %s /opt/p
"""


def request(name, address="127.0.0.1"):
    """A connection with a whole request on it, unanswered."""
    sock = web.connect(address, trp.HTTP_PORT, timeout=30)
    sock.sendall(b"GET / HTTP/1.0\r\nHost: %s.localhost\r\n\r\n" % name.encode())
    return sock


def answer(sock):
    """All that comes until the end; a reset is an exception."""
    with sock:
        data = b""
        while more := sock.recv(65536):
            data += more
    return data.decode("latin-1")


def status_of(sock):
    return int(answer(sock).split()[1])


def is_silent(sock, seconds=0.3):
    sock.settimeout(seconds)
    try:
        sock.recv(1)
        return False
    except TimeoutError:
        return True
    finally:
        sock.settimeout(30)


def alert(name):
    with web.connect("127.0.0.1", trp.TLS_PORT) as sock:
        try:
            web.tls_context().wrap_socket(sock, server_hostname=name + ".localhost").close()
        except ssl.SSLError as e:
            return e.reason
    return None


class Hold(trp.DaemonTest):
    profiles = {"db": DB, "web": WEB, "h": FAST}

    def gated(self, name, route="", service=READY):
        self.d.profile(name, GATED % (service, route))
        self.gate(name, "go", False)
        self.gate(name, "fail", False)

    def gate(self, name, what, there=True):
        path = os.path.join(self.d.state_dir, "state", name)
        os.makedirs(path, exist_ok=True)
        if there:
            open(os.path.join(path, what), "w").close()
        elif os.path.exists(os.path.join(path, what)):
            os.unlink(os.path.join(path, what))

    def two_ports(self, name, hold):
        programs = os.path.join(self.d.dir, "programs")
        os.makedirs(programs, exist_ok=True)
        with open(os.path.join(programs, "ports.py"), "w") as f:
            f.write(PORTS)
        self.d.profile(name, TWO % (name, hold, programs))

    def hello(self, name):
        """A connection with the beginning of TLS on it, unanswered; the program answers that as it answers anything."""
        sock, out = web.connect("127.0.0.1", trp.TLS_PORT, timeout=30), ssl.MemoryBIO()
        self.addCleanup(sock.close)
        tls = web.tls_context().wrap_bio(ssl.MemoryBIO(), out, server_hostname=name + ".localhost")
        self.assertRaises(ssl.SSLWantReadError, tls.do_handshake)
        sock.sendall(out.read())
        return sock

    def begin(self, *args):
        """A call that waits, in a thread, which has its result."""
        thread = threading.Thread(target=lambda: setattr(thread, "done", self.d.trpsup(*args, timeout=60)))
        thread.start()
        self.addCleanup(thread.join, 60)
        return thread

    def waits(self, name, state):
        trp.wait_until(lambda: self.d.status(name)["state"] == state, 20, "%s is %s" % (name, state))

    def start(self, name):
        call = self.begin("start", name)
        trp.wait_until(lambda: name in [s["service"] for s in self.d.call("trpsup.List")["services"]], 10, "it is known")
        self.waits(name, "starting")
        return call

    def test_first_start(self):
        self.gated("first")
        self.assertEqual(status_of(request("first")), 404)
        call = self.start("first")
        clients = [request("first", address) for address in ("127.0.0.1", "::1") * 3]
        for c in clients:
            self.assertTrue(is_silent(c, 0.1))
        self.gate("first", "go")
        self.assertEqual([status_of(c) for c in clients], [200] * 6)
        call.join(20)
        self.assertEqual(call.done.returncode, 0, call.done.stderr)
        self.assertEqual(status_of(request("first")), 200)

    def test_too_long(self):
        self.gated("late", "hold = 700ms")
        self.start("late")
        began = time.monotonic()
        clients = [request("late", address) for address in ("127.0.0.1", "::1")]
        self.assertEqual(alert("late"), "TLSV1_ALERT_INTERNAL_ERROR")
        self.assertGreaterEqual(time.monotonic() - began, 0.7)
        for c in clients:
            text = answer(c)
            self.assertIn(" 503 ", text)
            self.assertIn("Retry-After: ", text)
            self.assertIn("is being started", text)
        self.assertEqual(self.d.status("late")["clients"]["held_too_long"], 3)
        # to the access log it is one client that was refused, and no open connection
        self.d.logged("access", "late.*verdict=held_too_long", 3)
        self.assertEqual(self.d.log_lines("access", "late.*verdict=handed_on"), [])
        trp.wait_until(lambda: self.d.status("late")["connections"] == 0, 10, "none is counted as open")
        # who comes now has as much time
        late = request("late")
        self.assertTrue(is_silent(late, 0.2))
        self.gate("late", "go")
        self.assertEqual(status_of(late), 200)

    def test_nobody_may_wait(self):
        self.gated("now", "hold = 0")
        self.start("now")
        self.assertEqual(status_of(request("now")), 503)
        self.gate("now", "go")
        trp.wait_until(lambda: self.d.status("now")["listens"], 20, "it listens")
        self.assertEqual(status_of(request("now")), 200)

    def test_failed_for_good(self):
        self.gated("fails", "hold = 10m", READY + "\nrestart = no")
        call = self.start("fails")
        clients = [request("fails") for _ in range(5)]
        self.assertTrue(is_silent(clients[0]))
        self.gate("fails", "fail")
        self.gate("fails", "go")
        self.assertEqual([status_of(c) for c in clients], [503] * 5)
        call.join(20)
        self.assertEqual(call.done.returncode, 1)
        self.assertEqual(status_of(request("fails")), 503)

    def test_stopped_while_they_wait(self):
        self.gated("stops", "hold = 10m")
        self.start("stops")
        client = request("stops")
        self.assertTrue(is_silent(client))
        self.d.ok("stop", "stops")
        self.assertEqual(status_of(client), 503)
        self.assertEqual(status_of(request("stops")), 404)

    def test_listener_is_removed_while_they_wait(self):
        old = self.d.listeners

        def reload(listeners):
            self.d.listeners = listeners
            self.d.write_conf()
            self.d.ok("reload")

        self.addCleanup(reload, old)
        port = trp.free_port(trp.TLS_PORT + 1)
        reload(old + "[listener extra]\nport = %d\nprotocols = http tls\n" % port)
        self.gated("leaves", "hold = 10m")
        self.start("leaves")
        client = web.connect("127.0.0.1", port, timeout=30)
        client.sendall(b"GET / HTTP/1.0\r\nHost: leaves.localhost\r\n\r\n")
        self.assertTrue(is_silent(client))
        reload(old)
        self.assertTrue(is_silent(client))
        self.d.ok("stop", "leaves")
        self.assertEqual(status_of(client), 503)

    def test_one_port_is_listened_on_later(self):
        self.two_ports("two", "10m")
        self.gate("two", "tls", False)
        self.d.ok("start", "two")
        early = [self.hello("two") for _ in range(3)]
        self.assertEqual(status_of(request("two")), 200)
        early += [self.hello("two") for _ in range(3)]
        self.assertTrue(is_silent(early[0]))
        self.gate("two", "tls")
        self.assertEqual([status_of(c) for c in early], [200] * 6)
        self.assertEqual(status_of(self.hello("two")), 200)
        self.assertEqual(status_of(request("two")), 200)

    def test_one_port_is_not_listened_on_any_more(self):
        self.two_ports("former", "1s")
        self.gate("former", "tls")
        self.d.ok("start", "former")
        trp.wait_until(lambda: len(self.d.status("former")["listens"]) == 2, 20, "it listens on both")
        self.gate("former", "tls", False)
        self.d.ok("restart", "former")
        self.assertEqual(status_of(request("former")), 200)
        self.assertEqual(answer(self.hello("former"))[:1], "\x15")  # the alert
        self.assertEqual(self.d.status("former")["clients"]["held_too_long"], 1)

    def test_limits_hold_after_an_overlap(self):
        self.two_ports("capped", "10m\nmax-connections = 2")
        self.gate("capped", "tls", False)
        self.d.ok("start", "capped")
        self.assertEqual(status_of(request("capped")), 200)
        self.d.ok("restart", "--overlap", "capped")
        self.assertEqual(status_of(request("capped")), 200)
        trp.wait_until(lambda: self.d.status("capped")["beside"] is None, 20, "the one before has ended")
        trp.wait_until(lambda: self.d.status("capped")["connections"] == 0, 10, "none is counted as open")
        clients = [self.hello("capped") for _ in range(3)]
        self.assertEqual(answer(clients.pop())[:1], "\x15")
        self.assertTrue(is_silent(clients[0]))
        self.gate("capped", "tls")
        self.assertEqual([status_of(c) for c in clients], [200] * 2)

    def test_bounded_in_number(self):
        self.gated("few", "queue = 8")
        self.start("few")
        clients = [request("few") for _ in range(12)]
        refused = [c for c in clients if not is_silent(c, 0.3)]
        self.assertEqual(len(refused), 4)
        for c in refused:  # their first byte is read
            self.assertIn("TTP/1.1 503 ", answer(c)[:14])
        self.gate("few", "go")
        self.assertEqual([status_of(c) for c in clients if c not in refused], [200] * 8)

    def test_crash_loop(self):
        """One that is tried again keeps its clients, and the last failure answers them."""
        self.gated("loops", "hold = 10m", READY + "\nstart-limit-burst = 4\nrestart-delay-max = 50ms")
        self.gate("loops", "fail")
        self.begin("start", "loops")
        trp.wait_until(lambda: "loops" in [s["service"] for s in self.d.call("trpsup.List")["services"]], 10, "it is known")
        self.waits("loops", "starting")
        client = request("loops")
        self.assertTrue(is_silent(client))
        self.gate("loops", "go")
        self.assertEqual(status_of(client), 503)
        self.assertEqual(self.d.status("loops")["state"], "failed")
        self.assertEqual(len(self.d.log_lines("loops", " sup starting")), 4)

    def test_requirement_restarts(self):
        self.gate("db", "fail", False)
        self.gate("db", "go")
        self.d.ok("start", "web")
        pids = self.d.pids("web")
        self.assertEqual(status_of(request("w")), 200)
        self.gate("db", "go", False)
        call = self.begin("restart", "db")
        self.waits("db", "starting")
        client = request("w")
        self.assertTrue(is_silent(client))
        self.gate("db", "go")
        self.assertEqual(status_of(client), 200)
        call.join(20)
        self.assertEqual(self.d.pids("web"), pids)
        # one that fails for good takes nobody with it
        self.gate("db", "go", False)
        self.begin("restart", "db")
        self.waits("db", "starting")
        client = request("w")
        self.assertTrue(is_silent(client))
        self.d.profile("db", DB + "[service]\nrestart = no\n")
        self.gate("db", "fail")
        self.gate("db", "go")
        self.assertEqual(status_of(client), 200)
        self.gate("db", "fail", False)
        self.d.profile("db", DB)

    def test_reload_changes_hold(self):
        """Who waits already waits for as long as the profile says now."""
        self.gated("turned", "hold = 10m")
        self.start("turned")
        client = request("turned")
        self.assertTrue(is_silent(client))
        self.gated("turned", "hold = 500ms")
        self.assertIn("turned: hold: in force now", self.d.ok("reload"))
        self.assertEqual(status_of(client), 503)
        self.gated("turned", "hold = 10m")
        self.d.ok("reload")
        client = request("turned")
        self.assertTrue(is_silent(client))
        self.gated("turned", "hold = 0")
        self.d.ok("reload")
        self.assertEqual(status_of(client), 503)
        self.assertEqual(status_of(request("turned")), 503)
        self.gated("turned", "hold = 10m")
        self.d.ok("reload")
        client = request("turned")
        self.assertTrue(is_silent(client))
        self.gate("turned", "go")
        self.assertEqual(status_of(client), 200)

    def test_reload_changes_queue(self):
        self.gated("wider", "queue = 8")
        self.start("wider")
        clients = [request("wider") for _ in range(8)]
        self.gated("wider", "queue = 64")
        self.assertIn("wider: queue: in force now", self.d.ok("reload"))
        clients += [request("wider") for _ in range(32)]
        self.assertTrue(is_silent(clients[-1]))
        self.gate("wider", "go")
        self.assertEqual([status_of(c) for c in clients], [200] * 40)

    def test_reload_changes_queue_of_one_that_is_idle(self):
        on_demand = READY + "\nstart = on-demand"
        self.gated("asleep", "queue = 8", on_demand)
        self.d.ok("start", "asleep")
        self.waits("asleep", "idle")
        self.gated("asleep", "queue = 64", on_demand)
        self.d.ok("reload")
        clients = [request("asleep") for _ in range(40)]
        self.assertTrue(is_silent(clients[-1]))
        self.gate("asleep", "go")
        self.assertEqual([status_of(c) for c in clients], [200] * 40)

    def test_restart_changes_queue(self):
        self.gated("again", "queue = 8")
        self.gate("again", "go")
        self.d.ok("start", "again")
        self.gate("again", "go", False)
        self.gated("again", "queue = 64")
        self.begin("restart", "again")
        self.waits("again", "starting")
        clients = [request("again") for _ in range(40)]
        self.assertTrue(is_silent(clients[-1]))
        self.gate("again", "go")
        self.assertEqual([status_of(c) for c in clients], [200] * 40)

    def test_daemon_killed_while_they_wait(self):
        self.gated("kept", "hold = 4s")
        self.start("kept")
        first, began = request("kept"), time.monotonic()
        self.assertTrue(is_silent(first))
        self.d.process.kill()
        self.d.process.wait()
        self.d.log.close()
        second = request("kept")  # the router serves on
        self.assertTrue(is_silent(second))
        self.d.run()
        # the time counts on
        self.assertEqual(status_of(first), 503)
        self.assertGreaterEqual(time.monotonic() - began, 4)
        self.assertEqual(status_of(second), 503)
        third = request("kept")
        self.gate("kept", "go")
        self.assertEqual(status_of(third), 200)

    def test_time_is_up_while_no_router_listens_to_the_daemon(self):
        self.gated("due", "hold = 1s")
        self.start("due")
        client, alerts = request("due"), []
        tls = threading.Thread(target=lambda: alerts.append(alert("due")))
        tls.start()
        self.assertTrue(is_silent(client))
        self.d.process.kill()
        self.d.process.wait()
        self.d.log.close()
        time.sleep(1.2)
        self.d.run()
        self.assertEqual(status_of(client), 503)
        tls.join(30)
        self.assertEqual(alerts, ["TLSV1_ALERT_INTERNAL_ERROR"])

    def restarts(self, name, host, n=20):
        with Load(host) as load:
            for _ in range(n):
                load.more(20)
                self.d.ok("restart", name)
            load.more(20)
            self.assertEqual(load.bad, [])

    def test_restarts_of_hello_under_load(self):
        self.d.ok("start", "h")
        self.restarts("h", "h")

    def test_restarts_of_nginx_under_load(self):
        self.d.ok("start", "nginx")
        with open(os.path.join(self.d.state_dir, "state/nginx/www/index.html"), "w") as f:
            f.write("hello\n")
        self.restarts("nginx", "nginx")

    def test_killed_under_load(self):
        """Only those die that the process had accepted; who waited is served by the next."""
        self.d.ok("start", "h")
        with Load("h") as load:
            for _ in range(10):
                load.more(20)
                before = self.d.status("h")["pid"]
                os.kill(self.d.main_pid("h"), signal.SIGKILL)
                trp.wait_until(lambda: (now := self.d.status("h"))["state"] == "ready" and now["pid"] not in (None, before), 20,
                               "the next one is ready")
            self.assertEqual([b for b in load.bad if isinstance(b, bytes)], [])  # no answer that says that it is down
            self.assertLessEqual(len(load.bad), 10 * len(load.threads))


if __name__ == "__main__":
    unittest.main()
