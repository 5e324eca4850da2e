#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Load balancing by passing: several instances of one profile under one name. One is taken out, restarted or killed, and no
client notices."""
import collections
import os
import signal
import threading
import time
import unittest

import trp
import web

PROFILE = """[service]
command = /usr/bin/python3 -u /opt/p/answer.py
restart-delay = 20ms
[route]
host = ${name}.localhost
http = 80
share = yes
%s
[sandbox]
root = host
bind = %s /opt/p
"""
# says who it is; finishes what it has begun when it is told to stop
PROGRAM = """
import http.server, os, signal, socketserver, sys, threading
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        text = os.environ["TRP_SERVICE"].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
    def log_message(self, *args):
        pass
class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = False
    request_queue_size = 128
server = Server(("", 80), Handler)
signal.signal(signal.SIGTERM, lambda *a: threading.Thread(target=server.shutdown).start())
server.serve_forever(poll_interval=0.05)
server.server_close()
"""


class Load:
    """Clients that come all the time; every one must get an answer."""

    def __init__(self, name, threads=8):
        self.answers, self.errors = collections.Counter(), []
        self.over = False
        self.url = "http://%s.localhost:%d/" % (name, trp.HTTP_PORT)
        self.threads = [threading.Thread(target=self.run) for _ in range(threads)]

    def run(self):
        while not self.over:
            try:
                answer = web.get(self.url, timeout=20)
                self.answers[answer.text if answer.status == 200 else answer.status] += 1
            except OSError as e:
                self.errors.append(repr(e))

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.over = True
        for t in self.threads:
            t.join()


class Balance(trp.DaemonTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        directory = os.path.join(cls.d.dir, "programs")
        os.mkdir(directory)
        with open(os.path.join(directory, "answer.py"), "w") as f:
            f.write(PROGRAM)
        cls.d.profile("web", PROFILE % ("", directory))
        cls.d.profile("few", PROFILE % ("max-connections = 1", directory))
        at_once = "[service]\nstop-signal = KILL\n"
        cls.d.profile("tight", PROFILE % ("queue = 8", directory) + at_once)
        cls.d.profile("tide", (PROFILE % ("", directory)).replace("20ms", "2s") + at_once)
        cls.d.profile("lo", PROFILE % ("", directory) + "[service]\nadapter = loopback\n")
        cls.d.profile("other", (PROFILE % ("", directory)).replace("${name}", "web").replace("share = yes", ""))

    def setUp(self):
        self.d.ok("start", "web@1", "web@2", "web@3")

    def ask(self, n):
        return collections.Counter(web.get("http://web.localhost:%d/" % trp.HTTP_PORT).text for _ in range(n))

    def test_clients_are_spread(self):
        self.assertEqual(self.ask(60), {"web@1": 20, "web@2": 20, "web@3": 20})
        self.d.ok("stop", "web@2")
        self.assertEqual(self.ask(60), {"web@1": 30, "web@3": 30})
        self.d.ok("stop", "web@1")
        self.assertEqual(self.ask(10), {"web@3": 10})
        self.d.ok("stop", "web@3")
        self.assertEqual(web.get("http://web.localhost:%d/" % trp.HTTP_PORT).status, 404)

    def test_one_is_taken_out_restarted_and_put_back_without_a_lost_client(self):
        with Load("web") as load:
            time.sleep(0.3)
            for _ in range(3):
                self.d.ok("stop", "web@2")
                self.d.ok("restart", "web@1")
                self.d.ok("start", "web@2")
            time.sleep(0.3)
        self.assertEqual(load.errors, [])
        self.assertEqual(set(load.answers), {"web@1", "web@2", "web@3"})

    def test_clients_that_wait_for_one_that_stops_go_to_another(self):
        os.kill(self.d.main_pid("web@1"), signal.SIGSTOP)
        socks = []
        for _ in range(30):
            sock = web.connect("127.0.0.1", trp.HTTP_PORT)
            sock.sendall(b"GET / HTTP/1.0\r\nHost: web.localhost\r\n\r\n")
            socks.append(sock)
        answered = sum(1 for s in socks if self.comes(s))
        self.assertLess(answered, 30)  # a third of them lie in the first one's channel
        self.d.ok("stop", "web@1")  # it goes on for that, and takes nobody any more
        for s in socks:
            s.settimeout(10)
            self.assertIn(b" 200 ", s.recv(1000))
            s.close()

    def clients(self, host, n):
        """That have asked and are not answered yet."""
        socks = []
        for _ in range(n):
            socks.append(web.connect("127.0.0.1", trp.HTTP_PORT))
            self.addCleanup(socks[-1].close)
            socks[-1].sendall(b"GET / HTTP/1.0\r\nHost: %s.localhost\r\n\r\n" % host.encode())
        return socks

    def answers(self, socks):
        """Who has answered them, or with what they were refused."""
        seen = collections.Counter()
        for sock in socks:
            sock.settimeout(20)
            head, _, body = sock.makefile("rb").read().partition(b"\r\n\r\n")
            seen[body.decode() if b" 200 " in head[:20] else head[:20]] += 1
        return seen

    def answered(self, socks):
        return sum(1 for sock in socks if self.comes(sock, 0.02))

    def test_clients_of_one_that_stops_find_one_with_room(self):
        names = ["tight@1", "tight@2", "tight@3"]
        for full, free in (names[0], names[2]), (names[2], names[0]):  # whichever the daemon comes to first
            with self.subTest(full=full):
                self.d.ok("start", *names)
                for name in ("tight@2", full):
                    os.kill(self.d.main_pid(name), signal.SIGSTOP)
                wait = []
                while len(wait) < 2 * 8:  # both queues are full
                    wait += [c for c in self.clients("tight", 1) if not self.comes(c, 0.2)]
                self.d.ok("stop", "tight@2")
                trp.wait_until(lambda w=wait: self.answered(w) == 8, 20, "one of them is")
                os.kill(self.d.main_pid(full), signal.SIGCONT)
                self.assertEqual(self.answers(wait), {full: 8, free: 8})

    def test_clients_of_one_that_stops_wait_for_one_that_restarts(self):
        self.d.ok("start", "tide@1", "tide@2")
        os.kill(self.d.main_pid("tide@1"), signal.SIGSTOP)
        wait = self.clients("tide", 8)
        trp.wait_until(lambda: self.answered(wait) == 4, 20, "the others wait")
        os.kill(self.d.main_pid("tide@2"), signal.SIGKILL)
        trp.wait_until(lambda: self.d.status("tide@2")["state"] == "backoff", 10, "it waits for its next try")
        self.d.ok("stop", "tide@1")
        self.assertEqual(self.answers(wait), {"tide@2": 8})

    def comes(self, sock, seconds=0.5):
        sock.settimeout(seconds)
        try:
            return bool(sock.recv(1, 2))  # MSG_PEEK
        except OSError:
            return False

    def test_frozen_instance_gets_no_clients(self):
        self.d.ok("freeze", "web@2")
        self.assertEqual(self.ask(40), {"web@1": 20, "web@3": 20})
        self.d.ok("freeze", "web@1", "web@3")
        wait = self.clients("web", 3)  # as for one alone: they wait until somebody thaws it
        self.assertEqual(self.answered(wait), 0)
        self.d.ok("thaw", "web@2")
        self.assertEqual(self.ask(10), {"web@2": 10})
        self.d.ok("thaw", "web@1", "web@3")
        self.assertEqual(sum(self.answers(wait).values()), 3)
        self.assertEqual(self.ask(60), {"web@1": 20, "web@2": 20, "web@3": 20})

    def test_loopback_on_one_family(self):
        self.d.ok("start", "lo@1", "lo@2")
        url = "http://lo.localhost:%d/" % trp.HTTP_PORT
        self.assertEqual(collections.Counter(web.get(url).text for _ in range(20)), {"lo@1": 10, "lo@2": 10})

    def test_killed_instance_and_killed_router(self):
        with Load("web", 4) as load:
            time.sleep(0.3)
            os.kill(self.d.main_pid("web@1"), signal.SIGKILL)
            trp.wait_until(lambda: self.d.status("web@1")["state"] == "ready" and self.d.status("web@1")["restarts"] == 1, 10,
                           "web@1 is back")
            time.sleep(0.3)
        # only what the killed process had accepted itself is lost
        self.assertLessEqual(len(load.errors), 4, load.errors)
        self.assertEqual(set(load.answers), {"web@1", "web@2", "web@3"})
        router = self.d.router_pid()
        os.kill(router, signal.SIGKILL)
        trp.wait_until(lambda: self.d.router_pid() not in (None, 0, router), 10, "another router")
        trp.wait_until(lambda: len(self.ask(6)) == 3, 10, "it knows the group")

    def test_limits_are_those_of_each_instance(self):
        """One that has reached its own is passed over; when all have, a client is told to come later."""
        names = ["few@1", "few@2", "few@3"]
        self.d.ok("start", *names)
        pids = [self.d.main_pid(n) for n in names]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        socks = []
        try:
            for _ in range(4):
                socks.append(web.connect("127.0.0.1", trp.HTTP_PORT))
                socks[-1].sendall(b"GET / HTTP/1.0\r\nHost: few.localhost\r\n\r\n")
            with socks.pop() as late:
                self.assertRegex(late.recv(1000), rb"(?s)^HTTP/1.1 503 .*\r\nRetry-After: ")
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        answers = []
        for s in socks:
            with s:
                s.settimeout(10)
                answers.append(s.makefile("rb").read().rpartition(b"\r\n")[2].decode())
        self.assertEqual(sorted(answers), names)
        # and whose connection has ended makes room for the next
        trp.wait_until(lambda: web.get("http://few.localhost:%d/" % trp.HTTP_PORT).text in names, 10, "room again")

    def test_only_instances_of_one_profile_share(self):
        done = self.d.trpsup("start", "other")
        self.assertEqual(done.returncode, 1)
        self.assertIn("a name has one owner", done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
