#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Clients that come through a load balancer which says who they are (PROXY protocol): the router alone, and real servers
behind the daemon."""
import ipaddress
import os
import socket
import struct
import time
import unittest

import test_router
import trp
from test_router import HTTP, MAGIC, TLS, RouterCase, answer, http, tls

TRUST_ADD, LIMITS_SET = 21, 20
PROXIED = 2  # base/handoff.h
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
PEER, LOCAL = ("192.0.2.7", 56324), ("198.51.100.1", 443)


def v1(peer=PEER, local=LOCAL):
    word = "TCP6" if ":" in peer[0] else "TCP4"
    return ("PROXY %s %s %s %d %d\r\n" % (word, peer[0], local[0], peer[1], local[1])).encode()


def v2(peer=PEER, local=LOCAL, tlv=b""):
    ips = [ipaddress.ip_address(a[0]) for a in (peer, local)]
    body = ips[0].packed + ips[1].packed + struct.pack("!HH", peer[1], local[1]) + tlv
    return SIGNATURE + bytes([0x21, 0x21 if ips[0].version == 6 else 0x11]) + struct.pack("!H", len(body)) + body


class Proxied(RouterCase):
    def setUp(self):
        super().setUp()
        self.trust("127.0.0.0/8")

    def trust(self, *ranges, listener=1, port=None, deadline_ms=5000):
        packed = b""
        for text in ranges:
            net = ipaddress.ip_network(text)
            four = net.version == 4
            ip = (bytes(10) + b"\xff\xff" if four else b"") + net.network_address.packed
            packed += ip + bytes([net.prefixlen + (96 if four else 0), 0, 0, 0])
        self.send_message(TRUST_ADD, listener, len(ranges), packed)
        self.again(port or self.port, listener, deadline_ms)

    def again(self, port, listener=1, deadline_ms=5000):
        """As at a reload: the same socket under the same number."""
        self.router.send(test_router.LISTENER_ADD, id=listener, protocols=test_router.ALL, deadline_ms=deadline_ms, fd=port)
        self.router.sync()

    def send_message(self, kind, number, n_members, payload):
        head = struct.pack("=IHBBIIIIIIII", MAGIC, kind, 0, 0, 0, number, 0, 0, 0, 0, 0, n_members)
        payload_at = test_router.MSG.size - test_router.PAYLOAD_SIZE
        self.router.control.send(head.ljust(payload_at, b"\0") + payload.ljust(test_router.PAYLOAD_SIZE, b"\0"))

    def check(self, header, peer=PEER, local=LOCAL, flags=PROXIED, host="127.0.0.1", cut=None):
        request = http("a.test") if cut is None or cut % 2 else tls("a.test")
        data = header + request
        client = self.client(data[:cut], host)
        if cut is not None:
            time.sleep(0.005)
            client.sendall(data[cut:])
        handoff = self.take()
        own = client.getsockname()
        self.assertEqual(handoff.flags, flags)
        self.assertEqual(handoff.peer, mapped(peer or own))
        self.assertEqual(handoff.local, mapped(local) if local else None)
        self.assertEqual(handoff.name, "a.test")
        self.assertEqual(handoff.read(len(request)), request)  # and nothing of the header
        self.assertEqual(handoff.sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT), 1)
        handoff.sock.close()
        self.assertEqual(answer(client), b"")
        client.close()

    def test_each_kind_of_header(self):
        self.check(v1())
        self.check(v2())
        self.check(v2(tlv=b"\4\0\3abc"))
        six = (("2001:db8::7", 1), ("2001:db8::1", 65535))
        self.check(v1(*six), *six)
        self.check(v2(*six), *six)
        for own in (b"PROXY UNKNOWN\r\n", SIGNATURE + b"\x20\0\0\0", SIGNATURE + b"\x20\x11" + v2()[14:],
                    SIGNATURE + b"\x21\0\0\0"):
            self.check(own, peer=None, local=None, flags=0)

    def test_cut_anywhere(self):
        for header in (v1(), v2(tlv=b"\4\0\3abc")):
            for cut in range(1, len(header) + 2):
                self.check(header, cut=cut)

    def test_by_the_familys_channel(self):
        self.router.route(HTTP, "a.test", self.web, v6=self.other.number)
        self.router.sync()
        self.client(v1(("2001:db8::7", 9), ("2001:db8::1", 80)) + http("a.test"))
        self.assertEqual(self.take(self.other).peer, ("2001:db8::7", 9))
        self.client(v1() + http("a.test"))
        self.assertEqual(self.take(self.web).peer, mapped(PEER))

    def test_only_of_whom_is_trusted(self):
        direct = http("a.test")
        client = self.client(direct, "::1")  # not trusted: an ordinary client
        handoff = self.take()
        self.assertEqual((handoff.flags, handoff.peer), (0, ("::1", client.getsockname()[1])))
        for header in (v1(), v2()):
            self.refused(header + direct, "::1")
        self.assertTrue(self.web.empty())

    def refused(self, data, host="127.0.0.1", port=None, end=False):
        """Without a word: nobody knows whose connection it is."""
        client = self.client(data, host, port)
        if end:
            client.shutdown(socket.SHUT_WR)
        try:
            self.assertEqual(answer(client), b"")
        except ConnectionResetError:
            pass

    def test_the_header_must_be_there(self):
        before = self.router.stats()
        bad = [http("a.test"), tls("a.test"), b"PROXY TCP4 1.2.3.4\r\n" + http("a.test"), b"\r\n\r\n\0\r\nQUIT\r",
               SIGNATURE + b"\x22\x11\0\0"]
        for data in bad:
            self.refused(data)
        self.assertTrue(self.web.empty())
        self.assertEqual(self.router.stats()["bad_request"] - before["bad_request"], len(bad))

    def test_what_never_comes(self):
        port = self.listen(2, deadline_ms=300, defer=False)
        self.trust("127.0.0.0/8", listener=2, port=port, deadline_ms=300)
        before = self.router.stats()
        for data in (b"", v1()[:9], v1()):
            self.refused(data, port=port)
        self.refused(v1()[:9], port=port, end=True)
        after = self.router.stats()
        self.assertEqual((after["timed_out"] - before["timed_out"], after["waiting"]), (3, 0))
        slow = self.client(v1() + b"GET / HT", port=port)  # its opening began: that can be answered
        self.assertTrue(answer(slow).startswith(b"HTTP/1.1 408 "))

    def test_in_time_for_a_router_that_is_late(self):
        port = self.listen(2, deadline_ms=2000)
        self.trust("127.0.0.0/8", listener=2, port=port, deadline_ms=2000)
        openings = [v1() + http("a.test"), v2() + tls("a.test")]
        clients = [self.client(data[:9], port=port) for data in openings]
        self.assertTrue(test_router.wait_for(lambda: self.router.stats()["waiting"] == len(clients)))
        with self.router.held_up():
            for client, data in zip(clients, openings):
                client.sendall(data[9:])
            time.sleep(2.5)
        for _ in clients:
            self.assertEqual(self.take().peer, mapped(PEER))

    def test_limits_are_the_clients(self):
        """One a minute for each client prefix: the balancer brings more, of different ones."""
        self.send_message(LIMITS_SET, 0, 0, struct.pack("=QIII4x", 60 * 10**9, 1, 0, 0))
        self.router.sync()
        for last in range(1, 9):
            peer = ("192.0.2.%d" % last, 1000)
            self.check(v1(peer), peer)
            self.refused(v1(peer) + http("a.test"))
        self.assertEqual(self.router.stats()["handed_on"], 8)

    def test_forgotten(self):
        self.again(self.port)
        self.client(http("a.test"))
        self.assertEqual(self.take().flags, 0)
        self.refused(v1() + http("a.test"))


PROGS = os.path.join(trp.BUILD, "tests/progs")
MODES = """[service]
command = /opt/progs/accept-modes%s %s 80
adapter = %s
[route]
host = a.test
http = 80
[sandbox]
root = host
bind = """ + PROGS + """ /opt/progs
"""


class Adapters(unittest.TestCase):
    """What the unmodified server sees: by accept(2), getpeername(2) and getsockname(2) of the accepted socket."""

    @classmethod
    def setUpClass(cls):
        cls.port = trp.free_port(18600)
        cls.d = trp.Daemon()
        cls.d.listeners += """
[listener balanced]
port = %d
protocols = http
proxy-protocol = 127.0.0.0/8
""" % cls.port
        cls.d.start()

    @classmethod
    def tearDownClass(cls):
        cls.d.stop()

    def tearDown(self):
        self.d.ok("stop", "modes")

    def seen(self, header, host="127.0.0.1", port=None):
        with socket.create_connection((host, port or self.port), timeout=10) as client:
            client.sendall(header + http("a.test"))
            client.shutdown(socket.SHUT_WR)
            line, _, echo = answer(client).partition(b"\n")
            self.assertEqual(echo, http("a.test"))
            return dict(word.partition("=")[::2] for word in line.decode().split()), client.getsockname()

    def check(self, mode, adapter, static=""):
        four = mode.endswith("4")
        self.d.profile("modes", MODES % (static, mode, adapter))
        self.d.ok("start", "modes", timeout=60)
        self.assertEqual(self.d.status("modes")["adapter"], adapter)
        show = lambda a: "%s,%d,%s" % (a[0] if four else mapped(a)[0], a[1], 4 if four else 6)
        for i in range(1, 4):
            peer = ("192.0.2.%d" % i, 1000 + i)
            names, _ = self.seen(v1(peer) if i % 2 else v2(peer))
            self.assertEqual((names["peer"], names["asked"], names["local"]), (show(peer), show(peer), show(LOCAL)))
        if not four:
            six = (("2001:db8::7", 1), ("2001:db8::1", 443))
            names, _ = self.seen(v2(*six))
            self.assertEqual((names["peer"], names["asked"], names["local"]),
                             ("2001:db8::7,1,6", "2001:db8::7,1,6", "2001:db8::1,443,6"))
        # the kernel's own for all others, beside them: through this listener or another
        for header, port in ((b"PROXY UNKNOWN\r\n", self.port), (b"", trp.HTTP_PORT)):
            names, own = self.seen(header, port=port)
            self.assertEqual((names["peer"], names["asked"]), (show(own[:2]), show(own[:2])))
            self.assertEqual(names["local"], show(("127.0.0.1", port)))

    def test_preload_ipv4(self):
        self.check("blocking4", "preload")

    def test_preload_ipv6(self):
        self.check("blocking6", "preload")

    def test_preload_forked(self):
        self.check("fork", "preload")

    def test_notify_ipv4(self):
        self.check("blocking4", "notify", "-static")

    def test_notify_ipv6(self):
        self.check("blocking6", "notify", "-static")


class Configuration(unittest.TestCase):
    def test_reload(self):
        """Who is trusted changes; the socket stays."""
        port, d = trp.free_port(18700), trp.Daemon()

        def configure(more):
            d.listeners = "[listener http]\nport = %d\nprotocols = http\n%s" % (port, more)
            d.write_conf()

        def status(header):
            with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
                client.sendall(header + http("hello.localhost"))
                return client.recv(12)
        configure("")
        with d:
            d.ok("start", "hello")
            self.assertEqual(status(b""), b"HTTP/1.1 200")
            configure("proxy-protocol = 127.0.0.1\n")
            self.assertIn("proxy-protocol changed", d.ok("reload"))
            self.assertEqual(status(v2()), b"HTTP/1.1 200")
            configure("proxy-protocol = 192.0.2.1\n")
            self.assertIn("proxy-protocol changed", d.ok("reload"))
            self.assertEqual(status(b""), b"HTTP/1.1 200")
            self.assertIn("nothing has changed", d.ok("reload"))

    def test_what_is_no_range(self):
        d = trp.Daemon()
        d.listeners += "[listener balanced]\nport = 18699\nprotocols = http\nproxy-protocol = 10.0.0.1/8 example.org\n"
        d.write_conf()
        done = d.trpsup("check")
        d.clean_up()
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"trpsup\.conf:\d+: proxy-protocol: '10\.0\.0\.1/8' has bits set")
        self.assertRegex(done.stderr, r"trpsup\.conf:\d+: proxy-protocol: 'example\.org'.*expected addresses or ranges")


def mapped(address):
    ip = ipaddress.ip_address(address[0])
    return ("::ffff:%s" % ip if ip.version == 4 else str(ip), address[1])


if __name__ == "__main__":
    unittest.main()
