#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""adapter = relay: services that are targets reached by TCP. The targets are processes of the test, on the loopback interface
and in a network namespace behind a veth pair, as docker has them."""
import hashlib
import json
import os
import resource
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import unittest

import trp
import web

HERE = os.path.dirname(os.path.realpath(__file__))
NAME = "relay.localhost"
MIB = 1 << 20
HELLO = b"GET %s HTTP/1.1\r\nHost: relay.localhost\r\n\r\n"
IDLE = 5000


class Target:
    """A process of relay_target.py."""

    def __init__(self, name, *options, address="127.0.0.1", port=0, prefix=()):
        self.name, self.options, self.address, self.prefix = name, options, address, prefix
        self.port = port
        self.start()

    def start(self):
        """Again at the same port, after a kill()."""
        where = "%s %d" % (self.address, self.port)
        self.process = subprocess.Popen([*self.prefix, sys.executable, "-B", os.path.join(HERE, "relay_target.py"), where,
                                         self.name, *self.options], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        self.port = int(self.process.stdout.readline())

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def __str__(self):
        return ("[%s]:%d" if ":" in self.address else "%s:%d") % (self.address, self.port)


def profile(targets, keys="", route="http = 80", service=""):
    return """[service]
adapter = relay
restart-delay = 10ms
%s
[route]
host = %s
%s
[relay]
target = %s
%s
[limits]
open-files = 12000
""" % (service, NAME, route, " ".join(str(t) for t in targets), keys)


def open_path(path, address="127.0.0.1", timeout=60):
    sock = web.connect(address, trp.HTTP_PORT, timeout=timeout)
    sock.sendall(HELLO % path.encode())
    return sock


def read_all(sock):
    data = b""
    while True:
        more = sock.recv(65536)
        if not more:
            return data
        data += more


def ask(address="127.0.0.1", source=None):
    """What the target says of itself; also this end's address."""
    sock = web.connect(address, trp.HTTP_PORT, source=source)
    try:
        local = sock.getsockname()
        sock.sendall(HELLO % b"/who")
        answer = read_all(sock)
    finally:
        sock.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    if b" 200 " not in head:
        raise AssertionError(answer)
    return json.loads(body), local


def pattern_digest(n):
    block = hashlib.sha256(b"relay").digest() * 2048
    digest = hashlib.sha256()
    while n > 0:
        digest.update(block[:n])
        n -= len(block)
    return digest.hexdigest()


class Relay(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        resource.setrlimit(resource.RLIMIT_NOFILE, (IDLE * 2 + 1000, max(
            IDLE * 2 + 1000, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
        cls.d = trp.Daemon()
        cls.d.start()

    @classmethod
    def tearDownClass(cls):
        cls.d.stop()

    def setUp(self):
        self.targets = []

    def tearDown(self):
        if self.d.trpsup("status", "r").returncode == 0:
            self.d.trpsup("stop", "r")
        for t in self.targets:
            t.kill()

    def target(self, *args, **kw):
        self.targets.append(Target(*args, **kw))
        return self.targets[-1]

    def start(self, targets, keys="health-interval = 0", **kw):
        self.d.profile("r", profile(targets, keys, **kw))
        self.d.ok("start", "r")

    def pid(self):
        return self.d.status("r")["pid"]

    def descriptors(self):
        return len(os.listdir("/proc/%d/fd" % self.pid()))

    # what is told

    def test_proxy_v1_tells_the_true_client(self):
        self.start([self.target("a", "proxy")], "proxy-protocol = v1\nhealth-interval = 0")
        for address, family in (("127.0.0.1", 4), ("127.0.0.77", 4), ("::1", 6)):
            told, local = ask(address)
            self.assertEqual(told["proxy"], "PROXY TCP%d %s %s %d %d\r\n" % (
                family, local[0], address, local[1], trp.HTTP_PORT))

    def test_proxy_v2_tells_the_true_client(self):
        self.start([self.target("a", "proxy", address="::1")], "proxy-protocol = v2\nhealth-interval = 0")
        for address, family, kind in (("127.0.0.1", socket.AF_INET, "11"), ("::1", socket.AF_INET6, "21")):
            told, local = ask(address)
            addresses = (socket.inet_pton(family, local[0]) + socket.inet_pton(family, address)).hex()
            self.assertEqual(told["proxy"], "0d0a0d0a000d0a515549540a21" + kind + "%04x" % (len(addresses) // 2 + 4) +
                             addresses + "%04x%04x" % (local[1], trp.HTTP_PORT))

    def test_tls_goes_through_untouched(self):
        cert = os.path.join(self.d.dir, "cert.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=" + NAME,
                        "-keyout", cert, "-out", cert + ".crt"], check=True, capture_output=True)
        with open(cert, "ab") as f:
            f.write(trp.read(cert + ".crt"))
        self.start([self.target("a", "tls", cert)], route="tls = 443")
        for address in ("127.0.0.1", "::1"):
            with web.connect(address, trp.TLS_PORT) as raw, \
                    web.tls_context().wrap_socket(raw, server_hostname=NAME) as sock:
                sock.sendall(HELLO % b"/who")
                self.assertIn(b'"name": "a"', read_all(sock))

    def test_port_of_the_route_is_the_default(self):
        a = self.target("a")
        self.start([a.address], route="http = %d" % a.port)
        self.assertEqual(ask()[0]["name"], "a")

    def test_status_says_where_it_leads(self):
        a = self.target("a")
        self.start([a])
        status = self.d.status("r")
        self.assertEqual(status["adapter"], "relay")
        self.assertIn(str(a), status["adapter_why"])

    def test_target_in_another_network_namespace(self):
        run = lambda *a: subprocess.run(a, check=True)
        ns = "trpt%d" % os.getpid()
        run("ip", "netns", "add", ns)
        try:
            run("ip", "link", "add", "trpt0", "type", "veth", "peer", "name", "eth0", "netns", ns)
            run("ip", "addr", "add", "198.18.77.1/30", "dev", "trpt0")
            run("ip", "link", "set", "trpt0", "up")
            run("ip", "-n", ns, "addr", "add", "198.18.77.2/30", "dev", "eth0")
            run("ip", "-n", ns, "link", "set", "eth0", "up")
            a = self.target("docked", "proxy", address="198.18.77.2", prefix=("ip", "netns", "exec", ns))
            self.start([a], "proxy-protocol = v1")
            told, local = ask("::1")
            self.assertEqual((told["name"], told["peer"]), ("docked", "198.18.77.1"))
            self.assertIn("PROXY TCP6 ::1 ::1 %d " % local[1], told["proxy"])
        finally:
            for t in self.targets:
                t.kill()
            self.targets.clear()
            run("ip", "netns", "del", ns)
            subprocess.run(["ip", "link", "del", "trpt0"], check=False, capture_output=True)

    # bytes

    def test_half_close_by_the_client(self):
        self.start([self.target("a")])
        data = os.urandom(3 * MIB)
        with open_path("/upload") as sock:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            self.assertEqual(json.loads(read_all(sock)),
                             {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()})

    def test_half_close_by_the_target(self):
        self.start([self.target("a")])
        data = os.urandom(3 * MIB)
        with open_path("/first") as sock:
            self.assertEqual(read_all(sock), b"that was all")  # to the end of file
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
        trp.wait_until(lambda: ask()[0]["result"] == {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}, 10,
                       "what was sent after the target's end of file arrives")

    def test_200_mib_down_and_up(self):
        self.start([self.target("a")])
        size, digest, got = 200 * MIB, hashlib.sha256(), 0
        with open_path("/bytes/%d" % size) as sock:
            while True:
                data = sock.recv(1 << 20)
                if not data:
                    break
                digest.update(data)
                got += len(data)
        self.assertEqual((got, digest.hexdigest()), (size, pattern_digest(size)))
        block = hashlib.sha256(b"relay").digest() * 2048
        with open_path("/upload") as sock:
            for _ in range(size // len(block)):
                sock.sendall(block)
            sock.shutdown(socket.SHUT_WR)
            self.assertEqual(json.loads(read_all(sock)), {"bytes": size, "sha256": pattern_digest(size)})

    def test_two_clients_are_never_mixed(self):
        self.start([self.target("a"), self.target("b")])
        wrong = []

        def one(n):
            payload = os.urandom(20000 + n * 997)
            got = bytearray()
            try:
                with open_path("/echo", ("127.0.0.1", "::1")[n % 2]) as sock:
                    sender = threading.Thread(target=lambda: (sock.sendall(payload), sock.shutdown(socket.SHUT_WR)))
                    sender.start()
                    time.sleep(n % 7 * 0.01)  # some read late: pipes fill
                    got += read_all(sock)
                    sender.join()
            except OSError as e:
                wrong.append("%d: %s" % (n, e))
            if bytes(got) != payload:
                wrong.append("%d: %d of %d bytes" % (n, len(got), len(payload)))

        for _ in range(3):
            threads = [threading.Thread(target=one, args=(n,)) for n in range(200)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
        self.assertEqual(wrong, [])

    def test_slow_readers_do_not_hold_up_others(self):
        """More of them than there are pipes."""
        a = self.target("a")
        self.start([a])
        slow = []
        try:
            for _ in range(300):
                sock = socket.socket()
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                sock.settimeout(60)
                sock.connect(("127.0.0.1", trp.HTTP_PORT))
                sock.sendall(HELLO % (b"/bytes/%d" % (8 * MIB)))
                slow.append(sock)
            pipes = lambda: sum(1 for f in os.listdir("/proc/%d/fd" % self.pid())
                                if readlink("/proc/%d/fd/%s" % (self.pid(), f)).startswith("pipe:")) // 2
            trp.wait_until(lambda: pipes() >= 256, 30, "all pipes are taken")
            for _ in range(5):
                began = time.monotonic()
                with open_path("/bytes/%d" % MIB) as sock:
                    self.assertEqual(hashlib.sha256(read_all(sock)).hexdigest(), pattern_digest(MIB))
                self.assertLess(time.monotonic() - began, 5)
            self.assertLessEqual(pipes(), 258)  # standard output and error are pipes too
            # and a slow one gets all of it in the end, whether it has a pipe or not
            for sock in (slow[0], slow[-1]):
                self.assertEqual(hashlib.sha256(read_all(sock)).hexdigest(), pattern_digest(8 * MIB))
        finally:
            for sock in slow:
                sock.close()
        # what was left in their pipes reaches nobody else
        for _ in range(100):
            with open_path("/bytes/100000") as sock:
                self.assertEqual(hashlib.sha256(read_all(sock)).hexdigest(), pattern_digest(100000))

    # targets that fail

    def test_target_dies_in_the_middle(self):
        a = self.target("a")
        self.start([a])
        pid = self.pid()
        with open_path("/bytes/%d" % (400 * MIB)) as sock, open_path("/hold") as idle:
            self.assertEqual(idle.recv(4), b"held")
            got = len(sock.recv(65536))
            a.kill()
            try:
                while True:
                    more = len(sock.recv(1 << 20))
                    got += more
                    if not more:
                        break
            except ConnectionResetError:
                pass
            self.assertLess(got, 400 * MIB)
            self.assertEqual(idle.recv(1), b"")
        with open_path("/who") as sock:
            self.assertIn(b"503 Service Unavailable", read_all(sock))
        a.start()
        trp.wait_until(lambda: ask_quietly() == "a", 15, "it is used again")
        self.assertEqual(self.pid(), pid)

    def test_reset_by_the_target_ends_the_client(self):
        self.start([self.target("a")])
        with open_path("/reset") as sock:
            try:
                self.assertEqual(sock.recv(1), b"")
            except ConnectionResetError:
                pass

    def test_client_that_goes_away_is_told_to_the_target(self):
        self.start([self.target("a")])
        ask()
        before = self.descriptors()  # with the pipe that it keeps
        sock = open_path("/hold")
        self.assertEqual(sock.recv(4), b"held")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        sock.close()
        trp.wait_until(lambda: ask()[0]["held"] == 0, 5, "the target sees the end")
        trp.wait_until(lambda: self.descriptors() <= before, 5, "its descriptors are closed")

    def test_nobody_there(self):
        a, b = self.target("a"), self.target("b")
        self.start([a, b], route="http = 80\ntls = 443")
        a.kill()
        b.kill()
        with open_path("/who") as sock:
            answer = read_all(sock)
        self.assertIn(b"HTTP/1.1 503", answer)
        self.assertIn(b"</html>", answer)  # whole: no reset in its way
        with web.connect("127.0.0.1", trp.TLS_PORT) as raw:
            with self.assertRaises(ssl.SSLError) as e:
                web.tls_context().wrap_socket(raw, server_hostname=NAME)
            self.assertEqual(e.exception.reason, "TLSV1_ALERT_INTERNAL_ERROR")

    def test_dead_target_is_taken_out_and_comes_back(self):
        a, b = self.target("a"), self.target("b")
        self.start([a, b], "balance = round-robin\nhealth-interval = 200ms\nhealth-failures = 2")
        self.assertEqual({ask()[0]["name"] for _ in range(4)}, {"a", "b"})
        a.kill()
        for _ in range(20):  # from the first moment on nobody is turned away
            self.assertEqual(ask()[0]["name"], "b")
        self.d.logged("r", "target %s is taken out: Connection refused" % a)
        a.start()
        self.d.logged("r", "target %s is back" % a)
        self.assertEqual({ask()[0]["name"] for _ in range(4)}, {"a", "b"})

    def test_target_that_does_not_answer_is_passed_over(self):
        deaf = socket.create_server(("127.0.0.1", 0), backlog=0)
        waiting = []
        for _ in range(3):  # its queue is full: the kernel drops what comes
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(deaf.getsockname())
            waiting.append(sock)
        time.sleep(0.2)
        try:
            self.start(["127.0.0.1:%d" % deaf.getsockname()[1], self.target("b")],
                       "connect-timeout = 300ms\nbalance = round-robin\nhealth-interval = 0\nhealth-failures = 2")
            for _ in range(6):
                self.assertEqual(ask()[0]["name"], "b")
            self.assertEqual(len(self.d.logged("r", "is taken out: Connection timed out")), 1)
            began = time.monotonic()
            self.assertEqual(ask()[0]["name"], "b")
            self.assertLess(time.monotonic() - began, 0.25)  # it is not asked any more
        finally:
            for sock in (*waiting, deaf):
                sock.close()

    # balance

    def test_least_connections(self):
        self.start([self.target("a"), self.target("b"), self.target("c")])
        held = []
        try:
            for _ in range(30):
                held.append(open_path("/hold"))
                self.assertEqual(held[-1].recv(4), b"held")
            # each has ten: whoever is asked first, it has as many as the others
            counts = {}
            while len(counts) < 3:
                told = ask()[0]
                counts[told["name"]] = told["held"]
            self.assertEqual(set(counts.values()), {10})
        finally:
            for sock in held:
                sock.close()

    def test_round_robin(self):
        self.start([self.target("a"), self.target("b"), self.target("c")], "balance = round-robin\nhealth-interval = 0")
        names = [ask()[0]["name"] for _ in range(9)]
        self.assertEqual(names[3:6], names[:3])
        self.assertEqual(names[6:], names[:3])
        self.assertEqual(sorted(names[:3]), ["a", "b", "c"])

    def test_source(self):
        targets = [self.target(n) for n in "abc"]
        self.start(targets, "balance = source\nhealth-interval = 0")
        by_address = {}
        for n in range(1, 41):
            address = "127.0.1.%d" % n
            by_address[address] = ask(source=(address, 0))[0]["name"]
        self.assertEqual(set(by_address.values()), {"a", "b", "c"})
        self.assertEqual({a: ask(source=(a, 0))[0]["name"] for a in by_address}, by_address)
        targets[0].kill()  # only its own clients move
        for address, name in by_address.items():
            now = ask(source=(address, 0))[0]["name"]
            self.assertTrue(now == name if name != "a" else now in "bc", (address, name, now))

    # time-outs, life

    def test_idle_timeout(self):
        self.start([self.target("a")], "idle-timeout = 500ms\nhealth-interval = 0")
        with open_path("/echo") as sock:
            for _ in range(8):  # longer than the time-out, but never idle for so long
                sock.sendall(b"x")
                self.assertEqual(sock.recv(1), b"x")
                time.sleep(0.1)
            began = time.monotonic()
            self.assertEqual(sock.recv(1), b"")
            self.assertAlmostEqual(time.monotonic() - began, 0.4, delta=0.25)

    def test_restart_keeps_waiting_clients_and_leaks_nothing(self):
        self.start([self.target("a")])
        ask()
        before = self.descriptors()
        errors, stop = [], threading.Event()

        def load():
            while not stop.is_set():
                try:
                    ask()
                except Exception as e:  # a connection that was open when the relay ended is cut: none is refused
                    if "503" in str(e) or isinstance(e, ConnectionRefusedError):
                        errors.append(repr(e))

        threads = [threading.Thread(target=load) for _ in range(4)]
        for t in threads:
            t.start()
        for _ in range(5):
            old = self.pid()
            os.kill(old, signal.SIGKILL)
            trp.wait_until(lambda o=old: self.pid() not in (o, None) and self.d.status("r")["state"] == "ready", 10,
                           "it runs again")
        stop.set()
        for t in threads:
            t.join()
        self.assertEqual(errors, [])
        for _ in range(300):
            ask()
        trp.wait_until(lambda: self.descriptors() <= before + 2, 10, "no descriptor is left")

    def test_clients_wait_when_there_is_no_room(self):
        """open-files allows 28 connections; what comes after waits in the channel, and is served then."""
        self.start([self.target("a")], service="")
        self.d.profile("r", profile(self.targets).replace("open-files = 12000", "open-files = %d" % (64 + 64 + 512 + 56)))
        self.d.ok("restart", "r")
        held = [open_path("/hold") for _ in range(28)]
        try:
            for sock in held:
                self.assertEqual(sock.recv(4), b"held")
            late = open_path("/who", timeout=5)
            late.settimeout(0.3)
            self.assertRaises(TimeoutError, late.recv, 1)
            used = cpu(self.pid())
            time.sleep(0.5)
            self.assertLess(cpu(self.pid()) - used, 0.1)  # and nothing spins
            held.pop().close()
            late.settimeout(5)
            self.assertIn(b"200 OK", read_all(late))
            late.close()
            self.assertEqual(len(self.d.logged("r", "28 connections: open-files")), 1)
        finally:
            for sock in held:
                sock.close()

    def test_stop_signal_quit_lets_connections_end(self):
        self.start([self.target("a")], service="stop-signal = QUIT\nstop-timeout = 10s")
        with open_path("/echo") as sock:
            sock.sendall(b"1")
            self.assertEqual(sock.recv(1), b"1")
            stopping = threading.Thread(target=self.d.ok, args=("stop", "r"))
            stopping.start()
            trp.wait_until(lambda: self.d.status("r")["state"] == "stopping", 5, "it stops")
            used = cpu(self.pid())
            time.sleep(0.5)
            self.assertLess(cpu(self.pid()) - used, 0.1)  # nothing spins on what it does not take any more
            sock.sendall(b"2")
            self.assertEqual(sock.recv(1), b"2")
        began = time.monotonic()
        stopping.join()
        self.assertLess(time.monotonic() - began, 3)

    def test_locked_down(self):
        self.start([self.target("a")])
        pid = self.pid()
        status = trp.process_status(pid)
        self.assertEqual((status["Seccomp"], status["NoNewPrivs"]), ("2", "1"))
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            self.assertEqual(int(status[name], 16), 0, name)
        base = self.d.status("r")["uid_base"]
        self.assertTrue(base <= int(status["Uid"].split()[1]) < base + 65536)
        self.assertEqual(trp.namespace(pid, "net"), trp.namespace(os.getpid(), "net"))
        for kind in ("user", "mnt", "pid", "ipc", "uts"):
            self.assertNotEqual(trp.namespace(pid, kind), trp.namespace(os.getpid(), kind), kind)

    # upstreams that are passed the socket, outside of supervision

    def test_unix_target_gets_the_clients_own_socket(self):
        """PyReverseProxy's way: for each client one connection, one byte "0" with one descriptor."""
        path = os.path.join(self.d.dir, "upstream", "sock")
        os.mkdir(os.path.dirname(path))
        seen = []

        def serve(listener):
            while True:
                try:
                    conn, _ = listener.accept()
                except OSError:
                    return
                data, fds, _, _ = socket.recv_fds(conn, 16, 4)
                rest = conn.recv(16)
                conn.close()
                with socket.socket(fileno=fds[0]) as client:
                    seen.append((data, len(fds), rest, client.getpeername()[1], os.get_blocking(client.fileno()),
                                 client.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY), client.recv(65536)[:8]))
                    client.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi")

        def listen():
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(path)
            os.chmod(path, 0o666)
            listener.listen(100)
            thread = threading.Thread(target=serve, args=(listener,))
            thread.start()
            return listener, thread

        def close(listener, thread):
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            thread.join()
            os.unlink(path)

        listener, thread = listen()
        self.d.profile("r", profile(["unix:" + path], ""))
        self.d.ok("start", "r")
        before = self.descriptors()
        self.assertNotEqual(trp.namespace(self.pid(), "net"), trp.namespace(os.getpid(), "net"))
        for address in ("127.0.0.1", "::1"):
            for _ in range(100):
                with open_path("/x", address) as sock:
                    self.assertIn(b"200 OK", read_all(sock))
                    self.assertEqual(seen.pop(), (b"0", 1, b"", sock.getsockname()[1], True, 0, b"GET /x H"))
        self.assertEqual(self.descriptors(), before)
        close(listener, thread)
        with open_path("/x") as sock:  # nobody there
            self.assertIn(b"503 Service Unavailable", read_all(sock))
        listener, thread = listen()  # made anew under the same path
        with open_path("/x") as sock:
            self.assertIn(b"200 OK", read_all(sock))
        close(listener, thread)

    def test_idle_connections(self):
        a = self.target("a")
        self.start([a])
        self.assertEqual(ask()[0]["held"], 0)
        pid, held = self.pid(), []
        before, rss = self.d.status("r")["memory"], int(trp.process_status(pid)["VmRSS"].split()[0])
        descriptors = self.descriptors()
        try:
            while len(held) < IDLE:
                batch = [open_path("/hold", "127.0.%d.1" % (len(held) // 1000 + 1)) for _ in range(250)]
                held += batch
                for sock in batch:
                    self.assertEqual(sock.recv(4), b"held")
            self.assertEqual(ask()[0]["held"], IDLE)
            after, grown = self.d.status("r")["memory"], int(trp.process_status(pid)["VmRSS"].split()[0])
            open_now = self.descriptors()
            self.assertLess(open_now - descriptors, 2 * IDLE + 80)  # no pipe is kept for them
            per = (grown - rss) * 1024 / IDLE
            print("      %d idle connections: %.0f bytes of the relay's own memory each; with sockets and loop, as its control "
                  "group counts: %.1f KiB each" % (IDLE, per, (after - before) / IDLE / 1024), flush=True)
            self.assertLess(per, 1024)
        finally:
            for sock in held:
                sock.close()
        trp.wait_until(lambda: self.descriptors() <= descriptors + 70, 20, "all are closed")
        self.assertEqual(ask()[0]["name"], "a")


def cpu(pid):
    fields = trp.read("/proc/%d/stat" % pid).rsplit(b")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def readlink(path):
    try:
        return os.readlink(path)
    except OSError:
        return ""


def ask_quietly():
    try:
        return ask()[0]["name"]
    except (AssertionError, OSError):
        return None


if __name__ == "__main__":
    unittest.main()
