#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Limits in trp-router alone, without the daemon (test_router.py): what one client address may take from the others."""
import os
import re
import resource
import select
import signal
import socket
import struct
import time
import unittest

from test_router import (ALERT_INTERNAL, CHANNEL_ADD, CHANNEL_DEL, HTTP, MAGIC, MSG, N_MEMBERS_AT, ROUTE_SET, STATS, STATS_REPLY, TLS, Channel, Router,
                         alert, answer, http, tls, wait_for)

LIMITS_SET, GROUP_SET, QUOTA_SET = 20, 9, 22
LIMITS = struct.Struct("=QIII")  # interval_ns, burst, reserved, waiting_permille
QUOTA = struct.Struct("=QIIII")   # interval_ns, burst, reserved, queue, n_channels; numbers of channels follow
HOUR = 3600 * 10 ** 9
COUNTERS = ("accepted handed_on no_route no_service queue_full bad_request wrong_protocol timed_out closed_early waiting "
            "client_rate client_waiting over_rate").split()


def tell(router, kind, payload, id=0, members=0):
    """A message whose union is payload."""
    router.seq += 1
    message = MSG.pack(MAGIC, kind, 0, 0, router.seq, id, 0, 0, 0, 0, 0, payload)
    if members:  # the field before the union
        message = message[:N_MEMBERS_AT] + struct.pack("=I", members) + message[N_MEMBERS_AT + 4:]
    router.control.send(message)


def set_limits(router, interval_ns=0, burst=0, waiting_permille=0):
    tell(router, LIMITS_SET, LIMITS.pack(interval_ns, burst, 0, waiting_permille))
    router.sync()


def set_quota(router, number, channels, interval_ns=0, burst=0, queue=0):
    """Limits of one service."""
    tell(router, QUOTA_SET, QUOTA.pack(interval_ns, burst, 0, queue, len(channels)) +
         b"".join(struct.pack("=I", c.number) for c in channels), id=number)
    router.sync()


def counters(router):
    seq = router.send(STATS)
    kind, got, payload = router.receive()
    assert (kind, got) == (STATS_REPLY, seq)
    return dict(zip(COUNTERS, struct.unpack_from("=%dQ" % len(COUNTERS), payload)))


class LimitsTest(unittest.TestCase):
    nofile = None
    args = ()
    prefix = ()
    defer = False

    def setUp(self):
        self.router = Router(args=self.args, nofile=self.nofile, prefix=self.prefix).wait_ready()
        self.addCleanup(self.router.stop)
        self.listener = self.router.listen(1, deadline_ms=60000, defer=self.defer)
        self.addCleanup(self.listener.close)
        self.channel = Channel(self.router, 1)
        self.addCleanup(self.channel.close)
        self.router.route(HTTP, "a.test", self.channel)
        self.router.sync()

    def service(self, number):
        """A channel with the name sNUMBER.test."""
        channel = Channel(self.router, number)
        self.addCleanup(channel.close)
        for protocol in (HTTP, TLS):
            self.router.route(protocol, "s%d.test" % number, channel)
        return channel

    def ask(self, name):
        """Sends a request; nobody need take it."""
        return self.connect(data=http(name))

    def refused(self, name):
        """What a client is told at once."""
        return answer(self.ask(name))

    def connect(self, source="127.0.0.1", data=b""):
        """A client at that address of the host."""
        family = socket.AF_INET6 if ":" in source else socket.AF_INET
        s = socket.socket(family)
        self.addCleanup(s.close)
        s.settimeout(10)
        s.bind((source, 0))
        s.connect(("::1" if ":" in source else "127.0.0.1", self.listener.getsockname()[1]))
        if data:
            s.sendall(data)
        return s

    def is_served(self, client):
        """The channel gets it: the two ends belong together."""
        taken = self.channel.take()
        with taken.sock:
            return taken.sock.getpeername()[1] == client.getsockname()[1]

    def was_cut(self, client):
        try:
            return client.recv(1) == b""
        except ConnectionResetError:
            return True


class ClientRate(LimitsTest):
    def test_each_address_has_its_own(self):
        set_limits(self.router, interval_ns=HOUR, burst=5)
        for source in ("127.0.0.1", "127.0.0.2", "::1"):
            for _ in range(5):
                self.assertTrue(self.is_served(self.connect(source, http("a.test"))), source)
        for source in ("127.0.0.1", "127.0.0.2", "::1"):
            for _ in range(3):
                self.assertTrue(self.was_cut(self.connect(source)), source)
        self.assertTrue(self.channel.empty())
        self.assertTrue(self.is_served(self.connect("127.0.0.3", http("a.test"))))
        stats = counters(self.router)
        self.assertEqual((stats["client_rate"], stats["handed_on"], stats["accepted"]), (9, 16, 25))

    def test_those_who_wait_are_counted_once(self):
        set_limits(self.router, interval_ns=HOUR, burst=2)
        slow = [self.connect(data=http("a.test")[:20]) for _ in range(2)]
        self.assertTrue(wait_for(lambda: counters(self.router)["waiting"] == 2))
        for client in slow:
            for byte in http("a.test")[20:]:
                client.sendall(bytes([byte]))
            self.assertTrue(self.is_served(client))
        self.assertTrue(self.was_cut(self.connect()))

    def test_taken_back(self):
        set_limits(self.router, interval_ns=HOUR, burst=1)
        self.assertTrue(self.is_served(self.connect(data=http("a.test"))))
        self.assertTrue(self.was_cut(self.connect()))
        set_limits(self.router)
        for _ in range(20):
            self.assertTrue(self.is_served(self.connect(data=http("a.test"))))


class ClientWaiting(LimitsTest):
    nofile = 600  # leaves some 570 places

    def test_one_address_does_not_take_all(self):
        set_limits(self.router, waiting_permille=100)
        other = self.connect("127.0.0.2", http("a.test")[:30])
        first = self.connect(data=http("a.test")[:30])
        self.assertTrue(wait_for(lambda: counters(self.router)["waiting"] == 2))
        flood = [self.connect(data=http("a.test")[:30]) for _ in range(800)]
        self.assertTrue(wait_for(lambda: counters(self.router)["accepted"] == 802))
        stats = counters(self.router)
        self.assertTrue(50 <= stats["waiting"] <= 60, stats)
        self.assertEqual(stats["waiting"] + stats["client_waiting"], 802)
        self.assertEqual(stats["timed_out"], 0)
        # its oldest went, not somebody else and not its newest
        self.assertTrue(self.was_cut(first))
        for client in (other, flood[-1]):
            client.sendall(http("a.test")[30:])
            self.assertTrue(self.is_served(client))

    def test_those_that_were_answered_count_too(self):
        """A client that is refused may linger: not to be used to get round the bound."""
        set_limits(self.router, waiting_permille=100)
        before = self.router.n_fds()
        clients = [self.connect(data=http("nobody.test")) for _ in range(300)]
        for client in clients:
            select.select([client], [], [], 5)
        self.assertTrue(wait_for(lambda: counters(self.router)["no_route"] == 300))
        self.assertLessEqual(self.router.n_fds() - before, 60)
        self.assertIn(b" 404 ", answer(clients[-1]))
        for client in clients:
            client.close()
        self.assertTrue(wait_for(lambda: self.router.n_fds() == before))

    def test_without_a_limit_the_oldest_of_all_gives_way(self):
        other = self.connect("127.0.0.2", http("a.test")[:30])
        self.assertTrue(wait_for(lambda: counters(self.router)["waiting"] == 1))
        for _ in range(700):
            self.connect(data=http("a.test")[:30])
        self.assertTrue(wait_for(lambda: counters(self.router)["accepted"] == 701))
        self.assertTrue(self.was_cut(other))


def drain(channel):
    """Takes all that wait there. How many?"""
    n = 0
    while not channel.empty():
        channel.take().sock.close()
        n += 1
    return n


class ServiceRate(LimitsTest):
    def test_rate(self):
        one, two = self.service(11), self.service(12)
        set_quota(self.router, 1, [one], interval_ns=HOUR, burst=3)
        set_quota(self.router, 2, [two], interval_ns=HOUR, burst=100)
        for _ in range(3):
            self.ask("s11.test")
            one.take().sock.close()
        page = self.refused("s11.test")
        self.assertTrue(page.startswith(b"HTTP/1.1 503 "), page)
        self.assertIn(b"\r\nRetry-After: ", page)
        self.assertEqual(answer(self.connect(data=tls("s11.test"))), alert(ALERT_INTERNAL))
        for _ in range(50):
            self.ask("s12.test")
            two.take().sock.close()
        stats = counters(self.router)
        self.assertEqual((stats["over_rate"], stats["handed_on"], stats["queue_full"]), (2, 53, 0))

    def test_next_of_a_group(self):
        """Instances that share a name: who is over his rate is passed over."""
        one, two = self.service(11), self.service(12)
        tell(self.router, GROUP_SET, struct.pack("=II", 11, 12), id=99, members=2)
        self.router.send(ROUTE_SET, protocol=HTTP, name="g.test", v4=99, v6=99)
        set_quota(self.router, 1, [one], interval_ns=HOUR, burst=3)
        set_quota(self.router, 2, [two], interval_ns=HOUR, burst=7)
        for _ in range(10):
            self.ask("g.test")
        self.assertTrue(wait_for(lambda: counters(self.router)["handed_on"] == 10))
        self.assertEqual((drain(one), drain(two)), (3, 7))
        self.assertIn(b" 503 ", self.refused("g.test"))

    def test_taken_back(self):
        one = self.service(11)
        set_quota(self.router, 1, [one], interval_ns=HOUR, burst=1)
        self.ask("s11.test")
        self.assertIn(b" 503 ", self.refused("s11.test"))
        set_quota(self.router, 1, [])
        for _ in range(20):
            self.ask("s11.test")
        self.assertTrue(wait_for(lambda: counters(self.router)["handed_on"] == 21))


class ServiceQueue(LimitsTest):
    def test_queue(self):
        """Together for all channels of a service; who is taken out makes room."""
        one, two, other = self.service(11), self.service(12), self.service(13)
        set_quota(self.router, 1, [one, two], queue=5)
        set_quota(self.router, 2, [other], queue=5)
        for name in ("s11.test", "s12.test", "s11.test", "s12.test", "s12.test"):
            self.ask(name)
        self.assertTrue(wait_for(lambda: counters(self.router)["handed_on"] == 5))
        for name in ("s11.test", "s12.test"):
            self.assertIn(b" 503 ", self.refused(name))
        two.take().sock.close()
        self.ask("s11.test")
        self.assertTrue(wait_for(lambda: counters(self.router)["handed_on"] == 6))
        self.assertIn(b" 503 ", self.refused("s11.test"))
        self.assertEqual((drain(one), drain(two)), (3, 2))
        for _ in range(5):
            self.ask("s13.test")
        self.assertTrue(wait_for(lambda: counters(self.router)["handed_on"] == 11))
        self.assertEqual(counters(self.router)["queue_full"], 3)

    def test_those_that_come_together(self):
        """They are handed on together: none gets past the limit by that."""
        one = self.service(11)
        set_quota(self.router, 1, [one], queue=8)
        os.kill(self.router.pid, signal.SIGSTOP)
        clients = [self.ask("s11.test") for _ in range(30)]
        os.kill(self.router.pid, signal.SIGCONT)
        self.assertTrue(wait_for(lambda: counters(self.router)["queue_full"] == 22))
        self.assertEqual(drain(one), 8)
        for client in clients:
            client.close()

    def test_one_that_keeps_up_is_not_limited(self):
        one = self.service(11)
        set_quota(self.router, 1, [one], queue=1)
        for _ in range(300):
            client = self.ask("s11.test")
            one.take().sock.close()
            client.close()
        self.assertEqual(counters(self.router)["queue_full"], 0)

    def test_channel_made_anew(self):
        """What lay in a channel that is gone does not count any more."""
        one, two = self.service(11), self.service(12)
        set_quota(self.router, 1, [one, two], queue=2)
        for name in ("s11.test", "s11.test"):
            self.ask(name)
        self.assertTrue(wait_for(lambda: counters(self.router)["handed_on"] == 2))
        self.assertIn(b" 503 ", self.refused("s12.test"))
        self.router.send(CHANNEL_DEL, id=11)
        one.close()
        self.router.sync()
        for name in ("s12.test", "s12.test"):
            self.ask(name)
        self.assertTrue(wait_for(lambda: counters(self.router)["handed_on"] == 4))
        self.assertIn(b" 503 ", self.refused("s12.test"))


class StuckServices(LimitsTest):
    """Descriptors in flight are bounded by the kernel for all services together (of a sender without privilege)."""
    nofile = 400
    prefix = ("setpriv", "--reuid=65511", "--regid=65511", "--clear-groups")
    services = 20

    def setUp(self):
        super().setUp()
        self.stuck = [self.service(100 + i) for i in range(self.services)]
        self.good = self.service(99)

    def flood(self):
        """Clients for services that take none, more than there may be in flight."""
        for _ in range(40):
            clients = [self.ask("s%d.test" % (100 + i)) for i in range(self.services)]
            for client in clients:
                select.select([client], [], [], 0.001)
                client.close()

    def test_parts(self):
        for i, channel in enumerate(self.stuck + [self.good]):
            set_quota(self.router, i + 1, [channel])
        self.flood()
        for _ in range(25):
            self.ask("s99.test")
            self.good.take().sock.close()
        waiting = [drain(channel) for channel in self.stuck]
        # room 300, half of it in 21 equal parts
        self.assertTrue(sum(waiting) < 300, waiting)
        self.assertTrue(min(waiting) > 7, waiting)  # and something of the other half
        # what was taken out is seen, when all are looked at the next time
        time.sleep(0.02)
        handed = counters(self.router)["handed_on"]
        for _ in range(30):
            self.ask("s100.test")
        self.assertTrue(wait_for(lambda: counters(self.router)["handed_on"] == handed + 30))

    def test_why(self):
        """Without parts the kernel's bound is everybody's."""
        self.flood()
        self.assertIn(b" 503 ", self.refused("s99.test"))


class StuckBehindTwo(StuckServices):
    """Several routers are one user: the kernel's bound is that of all of them together."""
    args = ("--routers=2",)

    def setUp(self):
        super().setUp()
        first, channels = (self.router, self.listener), self.stuck + [self.good]
        self.router = Router(args=self.args, nofile=self.nofile, prefix=self.prefix).wait_ready()
        self.addCleanup(self.router.stop)
        self.listener = self.router.listen(1, deadline_ms=60000, defer=self.defer)
        self.addCleanup(self.listener.close)
        for channel in channels:
            self.router.send(CHANNEL_ADD, id=channel.number, fd=channel.router_end)
            self.router.route(HTTP, "s%d.test" % channel.number, channel)
        self.routers = first, (self.router, self.listener)

    def test_parts(self):
        for self.router, self.listener in self.routers:
            for i, channel in enumerate(self.stuck + [self.good]):
                set_quota(self.router, i + 1, [channel])
        for self.router, self.listener in self.routers:
            self.flood()
        for self.router, self.listener in self.routers:
            for _ in range(25):
                self.ask("s99.test")
                self.good.take().sock.close()
        waiting = [drain(channel) for channel in self.stuck]
        self.assertTrue(sum(waiting) < 300, waiting)
        self.assertTrue(min(waiting) > 2, waiting)


class NoDescriptors(LimitsTest):
    def test_does_not_spin(self):
        """EMFILE: it sleeps and tries again, and all are served when there are some."""
        def awakenings():
            with open("/proc/%d/status" % self.router.pid, encoding="ascii") as f:
                return int(re.search(r"\nvoluntary_ctxt_switches:\t(\d+)", f.read())[1])
        pid, full = self.router.pid, resource.prlimit(self.router.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (self.router.n_fds(), full[1]))
        clients = [self.connect(data=http("a.test")) for _ in range(20)]
        self.assertTrue(wait_for(lambda: "out of descriptors" in self.router.errors()))
        before, cpu = awakenings(), self.router.cpu_ns()
        time.sleep(1)
        # ten tries, a few calls each; a spinning one has thousands, or all of a processor
        self.assertLess(awakenings() - before, 40)
        self.assertLess(self.router.cpu_ns() - cpu, 200 * 10 ** 6)
        self.assertTrue(self.channel.empty())
        resource.prlimit(pid, resource.RLIMIT_NOFILE, full)
        taken = {self.channel.take().peer[1] for _ in clients}
        self.assertEqual(taken, {c.getsockname()[1] for c in clients})
        self.assertEqual(self.router.errors().count("out of descriptors"), 1)


class Memory(LimitsTest):
    def test_prefixes_cost_a_fixed_amount(self):
        """Connections of many prefixes: no memory but that of the table's pages."""
        set_limits(self.router, interval_ns=HOUR, burst=1)

        def heap():
            with open("/proc/%d/maps" % self.router.pid, encoding="ascii") as f:
                return sum(int(r.split("-")[1], 16) - int(r.split("-")[0], 16)
                           for r in (line.split()[0] for line in f))
        before = heap()
        for i in range(2000):
            client = self.connect("127.%d.%d.%d" % (1 + i % 7, i // 256, i % 256 or 1))
            client.close()
        self.assertTrue(wait_for(lambda: counters(self.router)["accepted"] == 2000))
        self.assertEqual(heap(), before)


if __name__ == "__main__":
    unittest.main()
