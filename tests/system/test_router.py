#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""trp-router alone, without the daemon: this file plays the daemon (control socket, listeners, channels) and the
services (receiving ends of the channels). Needs root for strace and the sandbox check only."""
import contextlib
import errno
import fcntl
import os
import re
import resource
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

TOP = os.path.join(os.path.dirname(__file__), "../..")
BUILD = os.environ.get("TRP_BUILD", os.path.join(os.path.dirname(__file__), "../../build"))
ROUTER = os.path.abspath(os.path.join(BUILD, "trp-router"))

# router/control.h
MAGIC = 0x52505254
(LISTENER_ADD, LISTENER_DEL, CHANNEL_ADD, CHANNEL_DEL, ROUTE_SET, ROUTE_DEL, SYNC, STATS) = range(1, 9)
READY, SYNCED, STATS_REPLY = 32, 33, 34
PAYLOAD_SIZE = 336
MSG = struct.Struct("=IHBBIIIIIII12x%ds" % PAYLOAD_SIZE)
N_MEMBERS_AT = struct.calcsize("=IHBBIIIIIII")  # of ROUTER_GROUP_SET
NONBLOCK_AT = N_MEMBERS_AT + 8  # of ROUTER_CHANNEL_ADD
STATS_NAMES = ("accepted handed_on no_route no_service queue_full bad_request wrong_protocol timed_out "
               "closed_early waiting").split()
# base/handoff.h
HANDOFF = struct.Struct("=IBBHIIQ HHI16s HHI16s 7sB")
HANDOFF_MAGIC = 0x31505254
NONE, HTTP, TLS, SSH, H2C = 0, 1, 2, 3, 5
NONBLOCK = 4
ALL = 1 << HTTP | 1 << TLS

ALERT_UNRECOGNIZED, ALERT_INTERNAL, ALERT_DECODE, ALERT_HANDSHAKE = 112, 80, 50, 40


def alert(code):
    return bytes([21, 3, 3, 0, 2, 2, code])


def vector(width, data):
    return len(data).to_bytes(width, "big") + data


def client_hello(name, size=0, more=b""):
    """The handshake message; size: padded (RFC 7685) to at least that, as a post-quantum key share would."""
    exts = b""
    if name is not None:
        exts += b"\0\0" + vector(2, vector(2, b"\0" + vector(2, name.encode())))
    exts += b"\0\x2b" + vector(2, b"\x02\x03\x04") + more
    if size:
        exts += b"\0\x15" + vector(2, bytes(size))
    body = b"\3\3" + bytes(range(32)) + vector(1, bytes(32)) + vector(2, b"\x13\x01\x13\x02") + b"\1\0" + vector(2, exts)
    return b"\1" + vector(3, body)


def record(data):
    return b"\x16\x03\x01" + vector(2, data)


def tls(name, size=0):
    return record(client_hello(name, size))


def http(name, method="GET", path="/"):
    return f"{method} {path} HTTP/1.1\r\nUser-Agent: test\r\nHost: {name}\r\nAccept: */*\r\n\r\n".encode()


def make_listener(defer=True):
    """As the daemon makes it: dual-stack wildcard, no SO_REUSEPORT."""
    s = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if defer:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 1)
    s.bind(("::", 0))
    s.listen(4096)
    return s


class Handoff:
    def __init__(self, data, fd):
        (magic, self.version, self.protocol, self.size, self.flags, self.listener, self.accepted_ns,
         self.family, port, _, ip, self.local_family, local_port, _, local_ip, reserved,
         name_len) = HANDOFF.unpack_from(data)
        assert magic == HANDOFF_MAGIC and self.version == 1 and self.size == len(data), data
        assert reserved == bytes(7) and not self.flags & ~7
        assert len(data) == HANDOFF.size + name_len
        self.name = data[HANDOFF.size:].decode()
        self.peer = (socket.inet_ntop(socket.AF_INET6, ip), socket.ntohs(port))
        self.local = None
        if self.local_family:
            self.local = (socket.inet_ntop(socket.AF_INET6, local_ip), socket.ntohs(local_port))
        self.nonblock = bool(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_NONBLOCK)  # before Python sets it
        assert self.nonblock == bool(self.flags & NONBLOCK)
        self.sock = socket.socket(fileno=fd)

    def read(self, n):
        data = b""
        self.sock.settimeout(5)
        while len(data) < n:
            more = self.sock.recv(n - len(data))
            if not more:
                break
            data += more
        return data


class Channel:
    """One handoff channel; the router's end is kept open too, as the daemon keeps it."""

    def __init__(self, router, number, nonblock=False):
        self.router_end, self.service = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.number = number
        router.send(CHANNEL_ADD, id=number, nonblock=nonblock, fd=self.router_end)

    def take(self, timeout=5):
        self.service.settimeout(timeout)
        data, fds, flags, _ = socket.recv_fds(self.service, 1024, 8)
        assert len(fds) == 1 and not flags & (socket.MSG_CTRUNC | socket.MSG_TRUNC), (fds, flags)
        return Handoff(data, fds[0])

    def empty(self):
        return not select.select([self.service], [], [], 0)[0]

    def close(self):
        self.router_end.close()
        self.service.close()


class Router:
    def __init__(self, args=(), prefix=(), nofile=None):
        self.control, child = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.settimeout(10)

        def setup():
            os.dup2(child.fileno(), 3)
            if nofile:
                resource.setrlimit(resource.RLIMIT_NOFILE, (nofile, nofile))
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen([*prefix, ROUTER, *args], pass_fds=(3,), preexec_fn=setup,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.log)
        child.close()
        self.seq = 0
        self.sent = []
        self.pid = self.process.pid

    def wait_ready(self):
        kind = self.receive()[0]
        assert kind == READY, kind
        return self

    def send(self, kind, id=0, listener=0, protocol=0, name="", v4=0, v6=0, protocols=0, deadline_ms=0, nonblock=False, fd=None):
        self.seq += 1
        text = name.encode()
        m = bytearray(MSG.pack(MAGIC, kind, protocol, len(text), self.seq, id, listener, v4, v6, protocols, deadline_ms, text))
        m[NONBLOCK_AT] = nonblock
        socket.send_fds(self.control, [m], [fd.fileno()] if fd else [])
        return self.seq

    def receive(self):
        data = self.control.recv(4096)
        if not data:
            raise EOFError(self.errors())
        magic, kind, _, _, seq, *rest = MSG.unpack(data)
        assert magic == MAGIC
        return kind, seq, rest[-1]

    def sync(self):
        seq = self.send(SYNC)
        assert self.receive()[:2] == (SYNCED, seq)

    def stats(self):
        seq = self.send(STATS)
        kind, got, payload = self.receive()
        assert (kind, got) == (STATS_REPLY, seq)
        return dict(zip(STATS_NAMES, struct.unpack_from("=10Q", payload)))

    def listen(self, number, protocols=ALL, deadline_ms=5000, defer=True):
        s = make_listener(defer)
        self.send(LISTENER_ADD, id=number, protocols=protocols, deadline_ms=deadline_ms, fd=s)
        return s

    def route(self, protocol, name, channel, v6=None, listener=0):
        number = channel.number if channel else 0
        self.send(ROUTE_SET, protocol=protocol, name=name, listener=listener, v4=number,
                  v6=number if v6 is None else v6)

    def cpu_ns(self):
        with open(f"/proc/{self.pid}/schedstat", encoding="ascii") as f:
            return int(f.read().split()[0])

    @contextlib.contextmanager
    def held_up(self):
        """It stands still meanwhile, and hears of nothing."""
        time.sleep(0.1)  # in epoll_wait(2) again, from which it comes without any news when it goes on
        os.kill(self.pid, signal.SIGSTOP)
        try:
            assert wait_for(self.is_stopped)
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def is_stopped(self):
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as f:
            return f.read().rsplit(")", 1)[1].split()[0] == "T"

    def n_fds(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def errors(self):
        self.log.seek(0)
        return self.log.read().decode()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        code = self.process.wait(10)
        self.control.close()
        self.log.close()
        return code


def connect(listener, host="127.0.0.1", data=b""):
    s = socket.create_connection((host, listener.getsockname()[1]), timeout=5)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if data:
        s.sendall(data)
    return s


def answer(sock):
    """All that comes until end of file. A reset is an error."""
    data = b""
    sock.settimeout(10)
    while True:
        more = sock.recv(65536)
        if not more:
            return data
        data += more


def wait_for(what, seconds=5):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.02)
    return False


class RouterCase(unittest.TestCase):
    router_args = {}

    def setUp(self):
        self.router = Router(**self.router_args).wait_ready()
        self.opened = []
        self.addCleanup(self.cleanup)
        self.web = self.channel(1)
        self.other = self.channel(2)
        self.port = self.listen(1)
        self.router.route(HTTP, "a.test", self.web)
        self.router.route(TLS, "a.test", self.web)
        self.router.sync()

    def cleanup(self):
        for thing in self.opened:
            thing.close()
        errors = self.router.errors()
        self.assertEqual(self.router.stop(), 0, errors)

    def keep(self, thing):
        self.opened.append(thing)
        return thing

    def channel(self, number, nonblock=False):
        return self.keep(Channel(self.router, number, nonblock))

    def listen(self, number, **how):
        return self.keep(self.router.listen(number, **how))

    def client(self, data=b"", host="127.0.0.1", port=None):
        return self.keep(connect(port or self.port, host, data))

    def take(self, channel=None, timeout=5):
        h = (channel or self.web).take(timeout)
        self.keep(h.sock)
        return h

    def status(self, data, port=None, end=False):
        s = self.client(data, port=port)
        if end:
            s.shutdown(socket.SHUT_WR)
        page = answer(s)
        self.check_page(page)
        return int(page.split()[1])

    def check_page(self, page):
        head, body = page.split(b"\r\n\r\n", 1)
        self.assertTrue(head.startswith(b"HTTP/1.1 "), page)
        self.assertIn(b"\r\nConnection: close", head)
        self.assertEqual(int(re.search(rb"Content-Length: (\d+)", head)[1]), len(body))
        self.assertTrue(body.rstrip().endswith(b"</html>"), body)

    def gets(self, data, want, port=None):
        self.assertEqual(answer(self.client(data, port=port)), want)

    def strace(self, work):
        out = self.keep(tempfile.NamedTemporaryFile(mode="r"))
        with subprocess.Popen(["strace", "-p", str(self.router.pid), "-o", out.name],
                              stderr=subprocess.PIPE) as tracer:
            tracer.stderr.readline()  # "attached"
            time.sleep(0.3)
            try:
                work()
                time.sleep(0.2)
            finally:
                tracer.send_signal(signal.SIGINT)
            tracer.stderr.read()
        return out.read().splitlines()


class HandedOn(RouterCase):
    def test_nonblocking_only_to_those_who_know_of_it(self):
        aware = self.channel(3, nonblock=True)
        self.router.route(HTTP, "aware.test", aware)
        self.router.sync()
        seen = []
        for name, channel in (("aware.test", aware), ("aware.test", aware), ("a.test", self.web), ("a.test", self.web),
                              ("aware.test", aware), ("aware.test", aware)):
            self.client(http(name))
            seen.append(self.take(channel).nonblock)
        # what it is accepted with is right for those who come after another for the same
        self.assertEqual(seen, [False, True, False, False, False, True])

    def check(self, data, protocol, host, address):
        before = time.monotonic_ns()
        c = self.client(data, host)
        h = self.take()
        self.assertEqual((h.protocol, h.name, h.listener), (protocol, "a.test", 1))
        self.assertEqual(h.peer, (address, c.getsockname()[1]))
        self.assertEqual((h.family, h.flags), (socket.AF_INET6, 0))
        self.assertEqual(h.local_family, 0)
        self.assertTrue(before <= h.accepted_ns <= time.monotonic_ns())
        self.assertEqual(os.get_blocking(h.sock.fileno()), True)
        self.assertEqual(h.sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT), 1)
        self.assertEqual(h.read(len(data)), data)
        h.sock.sendall(b"from the service")
        h.sock.close()
        self.assertEqual(answer(c), b"from the service")  # end of file: nobody else holds it

    def test_http_and_tls_over_both_families(self):
        for host, address in (("127.0.0.1", "::ffff:127.0.0.1"), ("::1", "::1")):
            self.check(http("A.Test.:8080"), HTTP, host, address)
            self.check(tls("a.TEST"), TLS, host, address)
        self.assertEqual(self.router.stats()["handed_on"], 4)

    def test_more_than_the_opening(self):
        data = http("a.test", "POST") + bytes(200000)
        c = self.client()
        sender = threading.Thread(target=c.sendall, args=(data,))
        sender.start()
        self.assertEqual(self.take().read(len(data)), data)
        sender.join()

    def test_request_then_half_close(self):
        c = self.client(http("a.test"))
        c.shutdown(socket.SHUT_WR)
        self.assertEqual(self.take().read(100000), http("a.test"))

    def test_channel_by_family(self):
        self.router.route(HTTP, "a.test", self.web, v6=2)
        self.router.sync()
        self.client(http("a.test"))
        self.take(self.web)
        self.client(http("a.test"), "::1")
        self.take(self.other)

    def test_large_openings(self):
        for data in (tls("a.test", 1800), tls("a.test", 12000), http("a.test", path="/" + "x" * 60000)):
            self.client(data)
            self.assertEqual(self.take().read(len(data)), data)

    def test_hello_over_many_large_records(self):
        message = client_hello("a.test", 60000)
        data = b"".join(record(message[i:i + 9000]) for i in range(0, len(message), 9000))
        self.client(data)
        self.assertEqual(self.take().read(len(data)), data)


class Incomplete(RouterCase):
    def run_cuts(self, pieces_list):
        """Each connection sends its first piece, all together; later each its second."""
        got = {}
        for group in range(0, len(pieces_list), 200):
            clients = []
            for first, rest in pieces_list[group:group + 200]:
                clients.append((self.client(first), first, rest))
            time.sleep(0.1)
            self.assertTrue(self.web.empty())
            for c, _, rest in clients:
                c.sendall(rest)
            for _ in clients:
                h = self.take()
                self.assertEqual(h.sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT), 1)
                self.assertTrue(os.get_blocking(h.sock.fileno()))
                got[h.peer[1]] = h
            for c, first, rest in clients:
                h = got[c.getsockname()[1]]
                self.assertEqual(h.read(len(first + rest)), first + rest)
        self.assertEqual(len(got), len(pieces_list))
        self.assertEqual(self.router.stats()["waiting"], 0)

    def test_hello_cut_at_every_byte(self):
        data = tls("a.test")
        self.run_cuts([(data[:i], data[i:]) for i in range(1, len(data))])

    def test_large_hello_cut_here_and_there(self):
        data = tls("a.test", 1800)
        self.run_cuts([(data[:i], data[i:]) for i in range(1, len(data), 13)])

    def test_post_quantum_hello_cut_at_every_byte(self):
        """What Chromium sent for www.example.org: a key share of X25519MLKEM768 (0x11ec), two TCP segments long."""
        with open(os.path.join(TOP, "tests/fuzz/seeds/fuzz_tls/chromium-post-quantum.bin"), "rb") as f:
            data = f.read()
        self.assertIn(b"\x11\xec\x04\xc0", data)  # group and the length of its share, 1216
        self.router.route(TLS, "www.example.org", self.web)
        self.router.sync()
        self.run_cuts([(data[:i], data[i:]) for i in range(1, len(data))])

    def test_two_records_at_every_byte(self):
        message = client_hello("a.test")
        self.run_cuts([(record(message[:i]), record(message[i:])) for i in range(1, len(message))])

    def test_request_cut_at_every_byte(self):
        data = http("a.test")
        self.run_cuts([(data[:i], data[i:]) for i in range(1, len(data))])

    def test_byte_by_byte(self):
        data = http("a.test")
        c = self.client()
        for i in range(len(data)):
            c.sendall(data[i:i + 1])
            time.sleep(0.001)
        self.assertEqual(self.take().read(len(data)), data)

    def test_late_talker_without_defer_accept(self):
        port = self.listen(2, defer=False)
        c = self.client(port=port)
        self.assertTrue(wait_for(lambda: self.router.stats()["waiting"] == 1))
        c.sendall(tls("a.test"))
        self.assertEqual(self.take().name, "a.test")

    def test_ssh_client_that_waits_for_the_server(self):
        """As libssh and ssh-keyscan do: each side says what it is without waiting (RFC 4253 section 4.2)."""
        self.router.route(SSH, "", self.other)
        for protocols, deadline_ms in ((1 << SSH, 600000), (ALL | 1 << SSH, 1000)):
            port = self.listen(2, protocols=protocols, deadline_ms=deadline_ms)
            self.router.sync()
            for data in (b"", b"SSH-2.0-x\r\n"):
                c = self.client(data, port=port)
                h = self.take(self.other)
                self.assertEqual((h.protocol, h.name, h.peer[1]), (SSH, "", c.getsockname()[1]))
            c = self.client(port=port)  # who leaves is nobody's client
            c.shutdown(socket.SHUT_WR)
            self.assertEqual(answer(c), b"")
            self.assertEqual(self.status(http("a.test")[:20], port=port, end=True), 400)
        self.assertTrue(self.other.empty())
        silent = self.client(port=self.listen(3, deadline_ms=1000))
        self.assertEqual(answer(silent), b"")
        port = self.listen(2, protocols=1 << SSH, deadline_ms=600000)
        self.router.sync()
        with subprocess.Popen(["ssh-keyscan", "-T", "20", "-t", "ed25519", "-p", str(port.getsockname()[1]), "127.0.0.1"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as scan:
            h = self.take(self.other)
            h.sock.sendall(b"SSH-2.0-test\r\n")
            self.assertEqual(h.read(8), b"SSH-2.0-")
            h.sock.close()
            scan.wait(30)

    def test_http2_client_that_waits_for_the_server(self):
        """As gRPC does: it wants to see the server's SETTINGS before it asks for anything. It is whose the nameless are."""
        preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
        window = b"\0\0\4\x08\0\0\0\0\0\0\1\0\0"
        port = self.listen(2, protocols=1 << HTTP | 1 << H2C, deadline_ms=1000)
        self.router.route(H2C, "a.test", self.web)
        goaway = b"\0\0\x08\7\0\0\0\0\0\0\0\0\0\0\0\0\1"
        self.assertTrue(answer(self.client(preface + window, port=port)).endswith(goaway))  # nobody's
        self.router.route(H2C, "", self.other)
        self.router.sync()
        for data in (preface, preface + window):
            c = self.client(data, port=port)
            h = self.take(self.other)
            self.assertEqual((h.protocol, h.name, h.peer[1]), (H2C, "", c.getsockname()[1]))
            self.assertEqual(h.read(len(data)), data)
        for data in (preface[:-9], preface + window[:-1], preface + b"\0\0\1\1\0\0\0\0\1\x82"):  # has begun something, and not ended it
            self.assertRegex(answer(self.client(data, port=port)), rb"(?s)\0\0\x08\x07\0\0\0\0\0\0\0\0[\0\x01]\0\0\0\x01$")
        self.assertTrue(self.other.empty() and self.web.empty())
        self.assertEqual(self.router.stats()["timed_out"], 4)

    def test_half_hello_then_fin(self):
        for data, want in ((tls("a.test")[:40], alert(ALERT_DECODE)), (b"GET / HTT", None), (b"", b"")):
            c = self.client(data)
            time.sleep(0.05)
            c.shutdown(socket.SHUT_WR)
            got = answer(c)
            if want is None:
                self.check_page(got)
                self.assertIn(b" 400 ", got)
            else:
                self.assertEqual(got, want)
        self.assertTrue(wait_for(lambda: self.router.stats()["closed_early"] == 3))
        self.assertTrue(wait_for(lambda: self.router.stats()["waiting"] == 0))

    def test_reset_while_waiting(self):
        before = self.router.n_fds()
        c = self.client(tls("a.test")[:40])
        self.assertTrue(wait_for(lambda: self.router.stats()["waiting"] == 1))
        c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        c.close()
        self.assertTrue(wait_for(lambda: self.router.n_fds() == before))
        self.assertEqual(self.router.stats()["closed_early"], 1)

    def test_deadline(self):
        port = self.listen(2, deadline_ms=1000)
        start = time.monotonic()
        partial_http = self.client(b"GET / HTTP/1.1\r\nHost: a", port=port)
        partial_tls = self.client(tls("a.test")[:99], port=port)
        silent = self.client(port=port)  # TCP_DEFER_ACCEPT keeps it from the router for a while
        page = answer(partial_http)
        self.check_page(page)
        self.assertIn(b" 408 ", page)
        self.assertGreater(time.monotonic() - start, 0.9)
        with self.assertRaises(ConnectionResetError):
            answer(partial_tls)
        self.assertEqual(answer(silent), b"")
        self.assertEqual(self.router.stats()["timed_out"], 3)

    def test_deadline_is_absolute(self):
        port = self.listen(2, deadline_ms=1000)
        c = self.client(b"GET / HTTP/1.1\r\n", port=port)
        sent = 0
        while not select.select([c], [], [], 0.1)[0]:
            self.assertLess(sent, 100, "it is put off by each line")
            c.sendall(b"X: y\r\n")
            sent += 1

    def test_in_time_for_a_router_that_is_late(self):
        """What was there before the deadline counts, though the router looks after it."""
        port = self.listen(2, deadline_ms=3000)
        openings = [tls("a.test"), http("a.test")] * 20
        clients = [self.client(data[:50], port=port) for data in openings]
        self.assertTrue(wait_for(lambda: self.router.stats()["waiting"] == len(clients)))
        with self.router.held_up():
            for c, data in zip(clients, openings):
                c.sendall(data[50:])
            time.sleep(3.5)
        self.assertTrue(wait_for(lambda: self.router.stats()["waiting"] == 0))
        self.assertEqual(self.router.stats()["timed_out"], 0)
        seen = {self.take().peer[1] for _ in clients}
        self.assertEqual(seen, {c.getsockname()[1] for c in clients})

    def test_waiting_clients_cost_nothing(self):
        data = tls("a.test", 1800)
        fds = self.router.n_fds()
        for i in range(100):
            self.client(data[:20 + i * 10] if i % 2 else b"GET / HTTP/1.1\r\nHost")
        self.assertTrue(wait_for(lambda: self.router.stats()["waiting"] == 100))
        cpu, start = self.router.cpu_ns(), time.monotonic_ns()
        time.sleep(2.5)
        share = (self.router.cpu_ns() - cpu) / (time.monotonic_ns() - start)
        print(f"\n100 half openings waiting: {share * 100:.3f} % CPU", file=sys.stderr)
        self.assertLess(share, 0.01)
        for c in self.opened[3:]:
            c.close()
        self.assertTrue(wait_for(lambda: self.router.n_fds() == fds))

    def test_small_receive_buffer_does_not_spin(self):
        """What the parser asks for does not fit into the window: the kernel then wakes for less."""
        port = self.keep(make_listener(defer=False))
        port.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2304)
        self.router.send(LISTENER_ADD, id=3, protocols=ALL, deadline_ms=3000, fd=port)
        c = self.client(port=port)
        c.setblocking(False)
        try:
            c.send(record(client_hello("a.test", 16000)))
        except BlockingIOError:
            pass
        self.assertTrue(wait_for(lambda: self.router.stats()["waiting"] == 1))
        cpu = self.router.cpu_ns()
        time.sleep(1)
        self.assertLess(self.router.cpu_ns() - cpu, 3e6)
        self.assertEqual(self.router.stats()["waiting"], 1)


class Refused(RouterCase):
    def test_http(self):
        self.router.route(TLS, "tls-only.test", self.web)
        self.router.route(HTTP, "here.test", self.web, listener=9)
        self.router.route(HTTP, "down.test", None)
        self.router.send(ROUTE_SET, protocol=HTTP, name="unknown-channel.test", v4=77, v6=77)
        self.router.sync()
        for data, want in (
                (http("nobody.test"), 404),
                (http("tls-only.test"), 421),
                (http("here.test"), 421),
                (http("down.test"), 503),
                (http("unknown-channel.test"), 503),
                (b"GET / HTTP/1.1\r\n\r\n", 400),
                (http("a.test\r\nHost: b.test"), 400),
                (b"GET / HTTP/1.0\r\n\r\n", 404),
                (http("nobody.test", "POST") + bytes(100000), 404)):
            self.assertEqual(self.status(data), want, data[:80])
        self.assertIn(b"\r\nRetry-After: ", answer(self.client(http("down.test"))))
        stats = self.router.stats()
        self.assertEqual((stats["no_route"], stats["no_service"], stats["bad_request"]), (5, 3, 2))

    def test_head(self):
        """Nothing behind the head of an answer to HEAD (RFC 9110 section 9.3.2), also where it is refused at the deadline."""
        port = self.listen(2, protocols=1 << HTTP | 1 << H2C, deadline_ms=1000)
        for data, want in ((http("nobody.test", "HEAD"), b" 404 "), (http("a b", "HEAD"), b" 400 "), (http("a.test", "HEAD")[:30], b" 408 ")):
            head, body = answer(self.client(data, port=port)).split(b"\r\n\r\n", 1)
            self.assertIn(want, head)
            self.assertEqual(body, b"")
        for version in ("--http1.1", "--http2-prior-knowledge"):
            done = subprocess.run(["curl", "-s", "-S", "-I", "-m", "20", version, "http://127.0.0.1:%d/" % port.getsockname()[1]],
                                  capture_output=True, text=True, timeout=30, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertRegex(done.stdout, "(?s)^HTTP/[12].* 404 ?.*[cC]ontent-[lL]ength: [1-9]")

    def test_tls(self):
        self.router.route(TLS, "down.test", None)
        self.router.sync()
        self.gets(tls("nobody.test"), alert(ALERT_UNRECOGNIZED))
        self.gets(tls(None), alert(ALERT_UNRECOGNIZED))
        self.gets(tls("down.test"), alert(ALERT_INTERNAL))
        self.gets(tls("a_\0.test"), alert(ALERT_DECODE))
        self.gets(record(b"\2" + bytes(50)), alert(ALERT_DECODE))

    def test_garbage_is_closed(self):
        for data in (b"\0\1\2\3", b"hello there\r\n", b"\x80\x2e\1\3\1", b"\r\nhello\r\n"):
            c = self.client(data)
            try:
                self.assertEqual(answer(c), b"")
            except ConnectionResetError:
                pass
        self.assertEqual(self.router.stats()["bad_request"], 4)

    def test_listener_takes_one_protocol_only(self):
        tls_only = self.listen(2, protocols=1 << TLS)
        http_only = self.listen(3, protocols=1 << HTTP)
        self.assertEqual(self.status(http("a.test"), port=tls_only), 400)
        self.gets(tls("a.test"), alert(ALERT_HANDSHAKE), port=http_only)
        # HTTP/2: SETTINGS, its acknowledgement, GOAWAY with HTTP_1_1_REQUIRED; as soon as the request is there
        h2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0" + b"\0\0\3\1\5\0\0\0\1\x82\x84\x86"
        self.gets(h2, b"\0\0\0\4\0\0\0\0\0\0\0\0\4\1\0\0\0\0\0\0\x08\7\0\0\0\0\0\0\0\0\1\0\0\0\x0d", port=http_only)
        self.assertEqual(self.router.stats()["wrong_protocol"], 3)

    def test_service_end_gone(self):
        self.web.service.close()
        self.assertEqual(self.status(http("a.test")), 503)
        self.gets(tls("a.test"), alert(ALERT_INTERNAL))
        self.assertEqual(self.router.stats()["no_service"], 2)

    def test_queue_full(self):
        self.web.router_end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4608)
        for i in range(300):
            c = self.client(http("a.test"))
            self.assertTrue(wait_for(lambda n=i: self.router.stats()["accepted"] == n + 1))
            if self.router.stats()["queue_full"]:
                break
        page = answer(c)
        self.assertIn(b" 503 ", page)
        self.assertIn(b"Retry-After: ", page)
        stats = self.router.stats()
        self.assertEqual(stats["queue_full"], 1)
        self.assertGreater(stats["handed_on"], 2)
        for _ in range(stats["handed_on"]):
            self.take()
        self.client(http("a.test"))
        self.take()

    def test_answer_outlives_what_the_client_still_sends(self):
        c = self.client(http("nobody.test", "POST"))
        time.sleep(0.1)
        c.sendall(bytes(50000))
        time.sleep(0.1)
        c.sendall(bytes(50000))
        self.check_page(answer(c))

    def test_answer_outlives_an_upload(self):
        """A client that reads when it has sent all, however much and however slowly: a reset would take the answer from it."""
        c = self.client(http("nobody.test", "POST"))
        c.settimeout(30)
        c.sendall(bytes(8 << 20))
        self.check_page(answer(c))
        c = self.client(http("nobody.test", "POST"))
        for _ in range(10):
            time.sleep(0.4)
            c.sendall(bytes(20000))
        self.check_page(answer(c))
        self.assertEqual(self.router.stats()["waiting"], 0)

    def test_answer_outlives_a_router_that_is_late(self):
        c = self.client(http("nobody.test", "POST"))
        self.assertTrue(wait_for(lambda: self.router.stats()["no_route"] == 1))
        with self.router.held_up():
            c.sendall(bytes(20000))
            time.sleep(2.5)
        self.router.stats()
        for _ in range(3):
            time.sleep(0.1)
            c.sendall(bytes(1000))
        self.check_page(answer(c))

    def test_lingering_ends(self):
        before = self.router.n_fds()
        c = self.client(http("nobody.test"))
        answer(c)  # and keeps its side open
        self.assertEqual(self.router.n_fds(), before + 1)
        self.assertTrue(wait_for(lambda: self.router.n_fds() == before, 4))
        flood = self.client(http("nobody.test"))
        with self.assertRaises((ConnectionResetError, BrokenPipeError)):
            for _ in range(1000):
                flood.sendall(bytes(100000))


class Routes(RouterCase):
    def name(self, data, channel, **how):
        self.client(data, **how)
        return self.take(channel)

    def test_precedence(self):
        chans = [self.channel(10 + i) for i in range(5)]
        exact, long, short, default, here = chans
        second = self.listen(2)
        for protocol, make in ((HTTP, http), (TLS, tls)):
            self.router.route(protocol, "", default)
            self.router.route(protocol, "*.test", short)
            self.router.route(protocol, "*.b.test", long)
            self.router.route(protocol, "x.b.test", exact)
            self.router.route(protocol, "x.b.test", here, listener=2)
            self.router.sync()
            for name, channel in (("x.b.test", exact), ("y.b.test", long), ("z.y.b.test", long),
                                  ("b.test", short), ("c.test", short), ("test", default),
                                  ("nobody.example", default)):
                self.assertEqual(self.name(make(name), channel).name, name)
            self.name(make("x.b.test"), here, port=second)
            self.name(make("y.b.test"), long, port=second)
        self.assertEqual(self.name(tls(None), default).name, "")
        self.assertEqual(self.name(b"GET / HTTP/1.0\r\n\r\n", default).name, "")

    def test_encrypted_client_hello(self):
        """It goes by the outer name, and the handoff says that there was one."""
        ech = b"\xfe\x0d" + vector(2, b"\0\0\1\0\1\7" + vector(2, bytes(32)) + vector(2, bytes(200)))
        for more, flags in ((ech, 1), (b"", 0)):
            c = self.client(record(client_hello("a.test", more=more)))
            h = self.take()
            self.assertEqual((h.name, h.flags), ("a.test", flags))
            c.close()

    def test_change_while_running(self):
        self.name(http("a.test"), self.web)
        waiting = self.client(http("a.test")[:30])
        self.router.route(HTTP, "a.test", self.other)
        self.router.sync()
        waiting.sendall(http("a.test")[30:])
        self.take(self.other)
        self.router.send(ROUTE_DEL, protocol=HTTP, name="a.test")
        self.router.sync()
        self.assertEqual(self.status(http("a.test")), 421)  # still there for TLS
        self.router.send(ROUTE_DEL, protocol=TLS, name="a.test")
        self.router.sync()
        self.assertEqual(self.status(http("a.test")), 404)
        self.router.route(HTTP, "a.test", self.web)
        self.router.send(CHANNEL_DEL, id=1)
        self.router.sync()
        self.assertEqual(self.status(http("a.test")), 503)

    def test_what_has_no_known_opening(self):
        raw = self.listen(2, protocols=1 << NONE)
        mixed = self.listen(3, protocols=1 << NONE | 1 << TLS, deadline_ms=500, defer=False)
        self.router.route(NONE, "", self.other)
        self.router.sync()
        for data, port in ((b"\0anything", raw), (http("a.test"), raw), (b"SSH-2.0-x\r\n", mixed),
                           (http("a.test"), mixed)):
            h = self.name(data, self.other, port=port)
            self.assertEqual((h.protocol, h.name), (NONE, ""))
            self.assertEqual(h.read(len(data)), data)
        self.assertEqual(self.name(tls("a.test"), self.web, port=mixed).protocol, TLS)
        start = time.monotonic()
        self.name(b"", self.other, port=mixed)  # a client that waits for the server to speak
        self.assertTrue(0.4 < time.monotonic() - start < 1)

    def test_many_routes(self):
        for i in range(5000):
            self.router.route(HTTP, f"n{i}.test", self.web if i % 2 else self.other)
        for i in range(0, 5000, 3):
            self.router.send(ROUTE_DEL, protocol=HTTP, name=f"n{i}.test")
        self.router.sync()
        for i in (1, 2, 4, 2500, 4999):
            channel = self.web if i % 2 else self.other
            if i % 3:
                self.name(http(f"n{i}.test"), channel)
            else:
                self.assertEqual(self.status(http(f"n{i}.test")), 404)

    def test_listener_deleted(self):
        second = self.listen(2)
        waiting = self.client(http("a.test")[:30], port=second)
        self.assertTrue(wait_for(lambda: self.router.stats()["waiting"] == 1))
        self.router.send(LISTENER_DEL, id=2)
        self.router.sync()
        self.client(http("a.test"), port=second)  # stays in the daemon's backlog
        waiting.sendall(http("a.test")[30:])
        self.assertEqual(self.take().listener, 2)
        time.sleep(0.1)
        self.assertTrue(self.web.empty())
        self.router.send(LISTENER_ADD, id=4, protocols=ALL, deadline_ms=1000, fd=second)
        self.assertEqual(self.take().listener, 4)


class Limits(RouterCase):
    router_args = {"nofile": 64}

    def test_oldest_waiting_makes_room(self):
        halves = [self.client(tls("a.test")[:50]) for _ in range(100)]
        self.assertTrue(wait_for(lambda: self.router.stats()["accepted"] == 100))
        self.client(http("a.test"))
        self.take()
        stats = self.router.stats()
        self.assertTrue(20 < stats["waiting"] < 60, stats)
        self.assertEqual(stats["waiting"] + stats["timed_out"], 100)
        self.assertEqual(self.router.errors(), "")  # room was made before descriptors ran out
        with self.assertRaises(ConnectionResetError):
            answer(halves[0])
        halves[99].sendall(tls("a.test")[50:])
        self.take()

    def test_out_of_descriptors(self):
        resource.prlimit(self.router.pid, resource.RLIMIT_NOFILE, (4, 64))
        self.client(http("a.test"))
        time.sleep(0.1)
        cpu = self.router.cpu_ns()
        time.sleep(1)
        used = self.router.cpu_ns() - cpu
        print(f"\nout of descriptors: {used / 1e7:.3f} % CPU", file=sys.stderr)
        self.assertLess(used, 10e6)
        self.assertTrue(self.web.empty())
        resource.prlimit(self.router.pid, resource.RLIMIT_NOFILE, (64, 64))
        self.take()
        self.assertEqual(self.router.errors().count("out of descriptors"), 1)


class Process(RouterCase):
    def test_locked_down(self):
        with open(f"/proc/{self.router.pid}/status", encoding="ascii") as f:
            status = f.read()
        self.assertRegex(status, r"NoNewPrivs:\s+1")
        self.assertRegex(status, r"Seccomp:\s+2")

    def test_no_leak(self):
        fds = self.router.n_fds()
        for _ in range(100):
            self.client(http("a.test"))
            self.take()
            self.status(http("nobody.test"))
        for c in self.opened:
            if isinstance(c, socket.socket) and c is not self.port:
                c.close()
        self.assertTrue(wait_for(lambda: self.router.n_fds() == fds))

    def test_goes_on_without_the_daemon(self):
        self.router.control.close()
        time.sleep(0.1)
        self.client(http("a.test"))
        self.take()
        cpu = self.router.cpu_ns()
        time.sleep(0.5)
        self.assertLess(self.router.cpu_ns() - cpu, 5e6)

    def test_replies_wait_for_room(self):
        """A daemon that does not read its answers: no more of its messages are read, clients are served, none is lost."""
        self.router.control.setblocking(False)
        seqs = []
        while len(seqs) < 10000:
            try:
                seqs.append(self.router.send(SYNC))
            except BlockingIOError:
                time.sleep(0.1)
                try:
                    seqs.append(self.router.send(SYNC))
                except BlockingIOError:
                    break
        self.assertLess(len(seqs), 10000)
        cpu = self.router.cpu_ns()
        time.sleep(0.5)
        self.assertLess(self.router.cpu_ns() - cpu, 5e6)
        self.client(http("a.test"))
        self.take()
        self.router.control.settimeout(5)
        self.assertEqual([self.router.receive()[:2] for _ in seqs], [(SYNCED, seq) for seq in seqs])

    @unittest.skipUnless(shutil.which("strace"), "no strace")
    def test_system_calls(self):
        """Of a client that comes alone and is handed on: accept4, a peek, sendmsg, close, and nothing else."""
        n = 60
        def work():
            for i in range(n):
                self.client(http("a.test") if i % 2 else tls("a.test", 1800))
                self.take()
        lines = [l for l in self.strace(work) if re.match(r"\w+\(", l)]
        calls, of_fd, fd = [], {}, None
        for line in lines:
            name = line.split("(")[0]
            calls.append(name)
            if name == "accept4" and " = -1" not in line:
                fd = re.search(r"= (\d+)$", line)[1]
                of_fd = [line]
            elif fd and (line.startswith(f"{name}({fd},") or line.startswith(f"{name}({fd})") or
                         f"cmsg_data=[{fd}]" in line):
                of_fd.append(line)
                if name == "close":
                    self.assertEqual([l.split("(")[0] for l in of_fd], ["accept4", "recvfrom", "sendmsg", "close"])
                    self.assertIn("MSG_PEEK", of_fd[1])
                    fd = None
        per = len(calls) / n
        counts = {c: calls.count(c) for c in sorted(set(calls))}
        print(f"\nsystem calls for each connection: {per:.2f} {counts}", file=sys.stderr)
        self.assertEqual(counts["sendmsg"], n)
        self.assertLessEqual(set(counts), {"accept4", "getsockopt", "recvfrom", "sendmsg", "close", "epoll_wait", "restart_syscall"})
        self.assertEqual(counts["accept4"], n)  # nobody is looked for in vain
        self.assertLessEqual(counts.get("getsockopt", 0), n / 2)  # who comes alone is not asked for others each time
        self.assertLessEqual(counts["epoll_wait"], n + 2)
        self.assertEqual(counts["recvfrom"], n)

    @unittest.skipUnless(shutil.which("strace"), "no strace")
    def test_slow_connection_is_never_read(self):
        data = tls("a.test", 1800)

        def work():
            c = self.client(data[:100])
            time.sleep(0.1)
            c.sendall(data[100:])
            self.take()
        calls = [l for l in self.strace(work) if re.match(r"\w+\(", l)]
        names = {l.split("(")[0] for l in calls}
        self.assertLessEqual(names, {"accept4", "getsockopt", "recvfrom", "setsockopt", "epoll_ctl", "epoll_wait", "sendmsg",
                                     "close", "restart_syscall"})
        self.assertEqual([l for l in calls if l.startswith("recvfrom") and "MSG_PEEK" not in l], [])
        # gone from the epoll set before it is passed on
        order = [l.split("(")[0] for l in calls if "EPOLL_CTL_DEL" in l or l.startswith("sendmsg")]
        self.assertEqual(order, ["epoll_ctl", "sendmsg"])


class Start(unittest.TestCase):
    def refuses(self, router, text):
        self.assertEqual(router.process.wait(10), 1)
        self.assertIn(text, router.errors())
        router.stop()

    def test_malformed_message_is_fatal(self):
        good = dict(id=1, protocols=ALL, deadline_ms=1000)
        for kind, how in ((99, {}), (LISTENER_ADD, good), (CHANNEL_DEL, {}), (READY, {}),
                          (ROUTE_SET, {"protocol": 99}), (ROUTE_SET, {"protocol": HTTP, "name": "UPPER.test"}),
                          (ROUTE_SET, {"protocol": NONE, "name": "x.test"})):
            router = Router().wait_ready()
            router.send(kind, **how)
            self.refuses(router, "message:" if kind != ROUTE_SET and kind != CHANNEL_DEL else ":")
        router = Router().wait_ready()
        router.control.send(b"short")
        self.refuses(router, "message: length or magic")

    def test_needs_a_control_socket(self):
        r = subprocess.run([ROUTER], stdin=subprocess.DEVNULL, capture_output=True, check=False)
        self.assertEqual(r.returncode, 1)
        self.assertIn(b"control socket", r.stderr)

    def test_daemon_killed_while_it_starts_it(self):
        """Nobody knows of it then, and nobody can come to it: it ends by itself."""
        router = Router().wait_ready()
        router.sync()
        router.control.close()
        self.assertEqual(router.process.wait(10), 0)

    def test_expects_a_sandbox(self):
        self.refuses(Router(["--expect-sandbox"]), "no_new_privs")
        privs = ["setpriv", "--no-new-privs"]
        self.refuses(Router(["--expect-sandbox"], privs), "capabilities")
        none = [*privs, "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"]
        self.refuses(Router(["--expect-sandbox"], none), "bounding set")
        none.append("--bounding-set=-all")
        self.refuses(Router(["--expect-sandbox"], none), "network namespace")
        router = Router(["--expect-sandbox"], ["unshare", "-n", *none]).wait_ready()
        router.sync()
        self.assertEqual(router.stop(), 0)


if __name__ == "__main__":
    unittest.main()
