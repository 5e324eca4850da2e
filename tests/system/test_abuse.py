#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Clients and services that mean harm, in sizes that fit into a minute (tests/bench/abuse.py has the full ones). While each of
them is at it, another service's visitors all get their answers; afterwards the router has the descriptors it had."""
import contextlib
import errno
import os
import random
import resource
import signal
import socket
import threading
import time
import unittest

import trp
import web
from test_router import http, tls

SLOW_PORT = trp.free_port(trp.TLS_PORT + 1)
CONFIG = """
[listener slow]
port = %d
protocols = http tls
deadline = 2s
""" % SLOW_PORT

GOOD = """[service]
command = ${libexec}/trp-hello 8000
adapter = native
[route]
host = %s.localhost
http = 8000
%s
[sandbox]
root = none
"""
NEVER = """[service]
command = /usr/bin/python3 -c "import socket, time; s = socket.create_server(('', 8000)); time.sleep(1e6)"
[route]
host = never.localhost
http = 8000
[sandbox]
root = host
"""
VISITS = 30  # that must be answered during each attack, over each protocol and family


def may_open_many():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Visitors:
    """Ask for a page again and again. with Visitors(url) as v: ...; leaving it waits until VISITS have been answered."""

    def __init__(self, name="good", ports=(trp.HTTP_PORT,)):
        self.urls = [("http://%s.localhost:%d/" % (name, port), address) for port in ports
                     for address in ("127.0.0.1", "::1")]
        self.answered, self.failed, self.end = 0, [], False
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        while not self.end and not self.failed:
            for url, address in self.urls:
                try:
                    status = web.get(url, address).status
                except OSError as e:
                    status = repr(e)
                if status != 200:
                    self.failed.append((url, address, status))
            self.answered += 1

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, value, trace):
        if kind is None:
            trp.wait_until(lambda: self.failed or self.answered >= VISITS, 60, "the visitors were answered")
        self.end = True
        self.thread.join()
        if kind is None and self.failed:
            raise AssertionError("a visitor was not answered: %s" % self.failed)


class Abuse(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        may_open_many()
        cls.d = trp.Daemon({"good": GOOD % ("good", ""), "stuck": GOOD % ("stuck", ""), "never": NEVER,
                            "small": GOOD % ("small", "queue = 5"),
                            "few": GOOD % ("few", "max-connections = 3"),
                            "rated": GOOD % ("rated", "rate = 1/h\nburst = 4")}, config=CONFIG)
        cls.d.start()
        cls.d.ok("start", "good")
        web.get("http://good.localhost:%d/" % trp.HTTP_PORT)

    @classmethod
    def tearDownClass(cls):
        cls.d.stop()

    def setUp(self):
        self.router = self.d.router_pid()
        self.fds = self.router_fds()
        self.sockets = []
        self.addCleanup(self.close_all)

    def tearDown(self):
        self.close_all()
        trp.wait_until(lambda: self.router_fds() <= self.fds, 20, "the router has as many descriptors as before")
        self.assertEqual(self.d.router_pid(), self.router, "the same router")

    def close_all(self):
        for s in self.sockets:
            s.close()
        self.sockets = []

    def router_fds(self):
        return len(os.listdir("/proc/%d/fd" % self.router))

    def router_kb(self):
        for line in trp.read("/proc/%d/smaps_rollup" % self.router).decode().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
        raise AssertionError("no Pss")

    def stats(self):
        return self.d.call("trpsup.Info")["router"]["stats"]

    def attack(self, source, data, port=trp.HTTP_PORT):
        """A connection from that address of the host which has sent data."""
        s = socket.socket()
        self.sockets.append(s)
        s.bind((source, 0))
        s.settimeout(20)
        s.connect(("127.0.0.1", port))
        if data:
            s.sendall(data)
        return s

    def has_ended(self, s):
        """Without waiting: closed or reset by the other side?"""
        s.setblocking(False)
        try:
            while s.recv(65536):
                pass
            return True
        except BlockingIOError:
            return False
        except ConnectionError:
            return True

    def assert_served(self, clients):
        for c in clients:
            c.settimeout(20)
            self.assertTrue(c.recv(100).startswith(b"HTTP/1.1 200 "))

    @contextlib.contextmanager
    def stopped(self, service):
        pid = self.d.main_pid(service)
        os.kill(pid, signal.SIGSTOP)
        # until then it may take one that comes meanwhile
        trp.wait_until(lambda: trp.process_status(pid)["State"].startswith("T"), 10, "it is stopped")
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def start(self, name):
        self.d.ok("start", name)
        self.addCleanup(self.d.ok, "stop", name)
        self.fds = self.router_fds()
        self.addCleanup(self.close_all)  # first: a stop must not have to wait for clients

    def test_half_open_hellos(self):
        before, memory = self.stats(), self.router_kb()
        hello = tls("good.localhost", size=1500)[:-100]
        with Visitors():
            for i in range(3000):
                self.attack("127.1.0.%d" % (1 + i % 10), hello, trp.TLS_PORT)
            trp.wait_until(lambda: self.stats()["accepted"] - before["accepted"] >= 3000, 20, "all were accepted")
            self.assertGreater(self.stats()["waiting"], 2000)
            during = self.router_kb()
        print("router: %d kB PSS, with 3,000 half-open hellos %d kB" % (memory, during))
        self.assertLess(during - memory, 8192)

    def test_flood_from_one_prefix(self):
        """It has a tenth of the places, and who waited before is still served."""
        before = self.stats()
        patient = self.attack("127.2.0.1", http("good.localhost")[:20])
        with Visitors():
            for _ in range(3000):
                self.attack("127.2.0.2", http("good.localhost")[:20])
            trp.wait_until(lambda: self.stats()["accepted"] - before["accepted"] >= 3001, 20, "all were accepted")
            now = self.stats()
            self.assertGreater(now["client_waiting"] - before["client_waiting"], 1000)
            self.assertLess(now["waiting"], 1700)
            patient.sendall(http("good.localhost")[20:])
            self.assertTrue(patient.recv(100).startswith(b"HTTP/1.1 200 "))

    def test_a_byte_a_second(self):
        """However busy it looks: at the deadline it is over."""
        slow = [self.attack("127.3.0.%d" % (1 + i % 10), http("good.localhost")[:10], SLOW_PORT) for i in range(1000)]
        with Visitors(ports=(trp.HTTP_PORT, SLOW_PORT)):
            left = slow
            for byte in http("good.localhost")[10:40]:
                still = []
                for s in left:
                    with contextlib.suppress(OSError):
                        s.setblocking(False)
                        s.sendall(bytes([byte]))
                    if not self.has_ended(s):
                        still.append(s)
                left = still
                if not left:
                    break
                time.sleep(1)
        self.assertEqual(len(left), 0)

    def test_service_that_never_accepts(self):
        self.start("never")
        before = self.stats()
        with Visitors():
            clients = [self.attack("127.4.0.%d" % (1 + i % 10), http("never.localhost")) for i in range(1500)]
            trp.wait_until(lambda: sum(self.has_ended(c) for c in clients) >= 1500 - 900, 20, "those beyond are answered")
        now = self.stats()
        refused = now["queue_full"] - before["queue_full"]
        self.assertGreater(refused, 0)
        self.assertEqual(sum(self.has_ended(c) for c in clients), refused)

    def test_service_that_is_stopped(self):
        """Those that wait are served when it goes on."""
        self.start("stuck")
        with Visitors(), self.stopped("stuck"):
            clients = [self.attack("127.5.0.1", http("stuck.localhost")) for _ in range(200)]
            trp.wait_until(lambda: self.router_fds() <= self.fds + 8, 20, "they are in the channel")
            self.assertFalse(any(self.has_ended(c) for c in clients))
        self.assert_served(clients)

    def test_queue_of_a_profile(self):
        self.start("small")
        with self.stopped("small"):
            clients = [self.attack("127.5.0.2", http("small.localhost")) for _ in range(20)]
            trp.wait_until(lambda: sum(self.has_ended(c) for c in clients) >= 15, 20, "those beyond are answered")
            waiting = [c for c in clients if not self.has_ended(c)]
            self.assertEqual(len(waiting), 5)
        self.assert_served(waiting)
        self.assertEqual(web.get("http://small.localhost:%d/" % trp.HTTP_PORT).status, 200)

    def test_rate_of_a_profile(self):
        self.start("rated")
        url = "http://rated.localhost:%d/" % trp.HTTP_PORT
        self.assertEqual([web.get(url).status for _ in range(6)], [200] * 4 + [503] * 2)
        self.assertEqual(web.get(url).headers["Retry-After"], "5")

    def test_connections_of_a_profile(self):
        self.start("few")
        opening = http("few.localhost")
        # all at once: nobody gets past the limit by being faster than those who count
        clients = [self.attack("127.5.0.3", opening) for _ in range(30)]
        answers = [c.recv(12) for c in clients]
        self.assertEqual(answers.count(b"HTTP/1.1 200"), 3)
        self.assertEqual(answers.count(b"HTTP/1.1 503"), 27)
        served = [c for c, a in zip(clients, answers) if a.endswith(b"200")]
        self.assertEqual(self.attack("127.5.0.4", opening).recv(12), b"HTTP/1.1 503")
        served[0].close()
        trp.wait_until(lambda: self.attack("127.5.0.4", opening).recv(12) == b"HTTP/1.1 200", 10, "there is room again")
        self.assertEqual(self.attack("127.5.0.4", opening).recv(12), b"HTTP/1.1 503")
        self.assertGreater(self.stats()["too_many"], 27)

    def test_random_bytes(self):
        seed = random.randrange(1 << 32)
        rng = random.Random(seed)
        openings = [b"", b"\x16\x03\x01", b"GET / HTTP/1.1\r\n", b"PRI * HTTP/2.0\r\n\r\n", b"PROXY TCP4 ", tls("good.localhost"),
                    http("good.localhost")]
        before = self.stats()
        with Visitors():
            for i in range(1500):
                start = rng.choice(openings)
                data = bytearray(start[:rng.randrange(len(start) + 1)] + rng.randbytes(rng.randrange(1, 600)))
                if start and rng.random() < .3:
                    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
                s = self.attack("127.6.0.%d" % (1 + i % 10), b"", rng.choice((trp.HTTP_PORT, trp.TLS_PORT, SLOW_PORT)))
                with contextlib.suppress(ConnectionError):
                    s.sendall(data)
                if rng.random() < .5:
                    s.close()
        now = self.stats()
        print("random bytes, seed %d: %s" % (seed, {k: now[k] - before[k] for k in now if now[k] != before[k]}))
        self.assertGreater(now["bad_request"], before["bad_request"])


class ClientRate(unittest.TestCase):
    def test_rate(self):
        profiles = {"good": GOOD % ("good", "")}
        with trp.Daemon(profiles, config="\n[clients]\nrate = 1/h\nburst = 20\n") as d:
            d.ok("start", "good")
            for source in ("127.7.0.1", "127.7.0.2"):
                ends = []
                for _ in range(25):
                    with web.connect("127.0.0.1", trp.HTTP_PORT, (source, 0)) as s:
                        s.sendall(http("good.localhost"))
                        try:
                            ends.append(s.recv(12))
                        except ConnectionResetError:
                            ends.append(errno.ECONNRESET)
                self.assertEqual(ends, [b"HTTP/1.1 200"] * 20 + [errno.ECONNRESET] * 5)
            self.assertEqual(d.call("trpsup.Info")["router"]["stats"]["client_rate"], 10)


if __name__ == "__main__":
    unittest.main()
