#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""The access log, and connections that are seen and ended from outside: real clients (curl, openssl) and a real server (nginx), and
what happens when the observer, the router or the disk does not do its part."""
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import time
import unittest

import trp
import web

URL = "http://hello.localhost:%d/" % trp.HTTP_PORT
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"
END = r"end=closed in=(\d+) out=(\d+) duration_us=\d+ rtt_us=\d+ retrans=\d+"


class Base(unittest.TestCase):
    CONFIG = ""

    @classmethod
    def setUpClass(cls):
        cls.d = trp.Daemon(config=cls.CONFIG)
        cls.d.start()
        cls.d.ok("start", "hello")

    @classmethod
    def tearDownClass(cls):
        cls.d.stop()

    def line(self, pattern):
        """The one line with that pattern, as soon as it is there."""
        return self.d.logged("access", pattern)[0]

    def observer_pid(self):
        return self.d.call("trpsup.Info")["observer"]["pid"]

    def conns(self, **what):
        return self.d.call("trpsup.Conns", **what)["connections"]

    def long_connection(self, address="127.0.0.1"):
        """That has its first answer, and goes on."""
        sock = web.connect(address, trp.HTTP_PORT)
        sock.sendall(b"GET / HTTP/1.1\r\nHost: hello.localhost\r\n\r\n")
        assert sock.recv(65536).startswith(b"HTTP/1.1 200")
        return sock, sock.getsockname()[1]


class Lines(Base):
    def test_http_over_both_families(self):
        for address, shown in (("127.0.0.1", "127.0.0.1"), ("::1", r"\[::1\]")):
            port = web.get(URL, address).local[1]
            got = self.line(r"client=%s:%d " % (shown, port))
            self.assertRegex(got, "^%s client=%s:%d listener=http protocol=http name=hello.localhost service=hello "
                             r"verdict=handed_on route_us=\d+ %s$" % (TIME, shown, port, END))

    def test_refused(self):
        port = web.get(URL, headers={"Host": "nobody.localhost"}).local[1]
        self.assertRegex(self.line(":%d " % port), "^%s client=127.0.0.1:%d listener=http protocol=http "
                         r"name=nobody.localhost service=- verdict=no_route route_us=\d+$" % (TIME, port))
        sock = web.connect("::1", trp.TLS_PORT)
        port = sock.getsockname()[1]
        with self.assertRaises(ssl.SSLError):
            web.tls_context().wrap_socket(sock, server_hostname="nobody.localhost")
        sock.close()
        self.assertIn(" listener=tls protocol=tls name=nobody.localhost service=- verdict=no_route ",
                      self.line(r"\]:%d " % port))
        sock = web.connect("127.0.0.1", trp.HTTP_PORT)
        port = sock.getsockname()[1]
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\x1b[31m\" x=y\r\n\r\n")
        sock.recv(4096)
        sock.close()
        self.assertRegex(self.line(":%d " % port), r" name=- service=- verdict=bad_request route_us=\d+$")

    def test_who_comes_without_a_service(self):
        self.d.ok("stop", "hello")
        try:
            answer = web.get(URL)
            self.line(r":%d .* verdict=(no_service|no_route) " % answer.local[1])
        finally:
            self.d.ok("start", "hello")

    def test_bytes_are_those_of_curl(self):
        form = "%{local_port} %{size_request} %{size_header} %{size_download}"
        out = subprocess.run(["curl", "-s", "-o", "/dev/null", "-w", form, "--resolve",
                              "hello.localhost:%d:127.0.0.1" % trp.HTTP_PORT, URL],
                             capture_output=True, text=True, check=True).stdout
        port, request, header, body = map(int, out.split())
        got = re.search(END, self.line(":%d " % port))
        self.assertEqual(int(got[2]), header + body)
        self.assertIn(int(got[1]) - request, (0, 1))  # TCP counts the client's FIN

    def test_waiting_and_giving_up(self):
        sock = web.connect("127.0.0.1", trp.HTTP_PORT)
        port = sock.getsockname()[1]
        sock.sendall(b"GET / HT")
        sock.shutdown(socket.SHUT_WR)
        sock.recv(4096)
        sock.close()
        self.assertIn(" verdict=closed_early ", self.line(":%d " % port))

    def test_process_has_no_privilege(self):
        pid = self.observer_pid()
        status = trp.process_status(pid)
        for word in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            self.assertEqual(int(status[word], 16), 0, word)
        self.assertEqual((status["NoNewPrivs"], status["Seccomp"]), ("1", "2"))
        self.assertGreaterEqual(int(status["Uid"].split()[0]), trp.UID_BASE)
        for kind in ("net", "user", "mnt", "pid", "ipc", "uts"):
            self.assertNotEqual(trp.namespace(pid, kind), trp.namespace(os.getpid(), kind))
        self.assertEqual(os.listdir("/proc/%d/root" % pid).count("etc"), 0)
        path = os.path.join(self.d.log_dir, "access.log")
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o640)


class Connections(Base):
    def test_seen_counted_kicked(self):
        before = self.d.status("hello")["connections"]
        (one, port), (two, other) = self.long_connection(), self.long_connection("::1")
        try:
            rows = {r["client_port"]: r for r in self.conns(service="hello")}
            self.assertEqual([rows[port][k] for k in ("client", "local_port", "listener", "protocol", "service", "name",
                                                      "state")],
                             ["127.0.0.1", trp.HTTP_PORT, "http", "http", "hello", "hello.localhost", "established"])
            self.assertEqual(rows[other]["client"], "::1")
            self.assertGreater(rows[port]["bytes_in"], 30)
            self.assertGreater(rows[port]["bytes_out"], 100)
            self.assertAlmostEqual(rows[port]["since"], time.time(), delta=60)
            self.assertEqual(self.d.status("hello")["connections"], before + 2)
            self.assertIn("127.0.0.1:%d" % port, self.d.ok("conns", "hello"))
            self.assertIn('"client_port":%d' % port, self.d.ok("--json", "conns").replace(" ", ""))
            # one of them, by address and port
            self.assertIn("1 connections ended", self.d.ok("kick", "127.0.0.1:%d" % port))
            with self.assertRaises(ConnectionResetError):
                one.recv(1)
            self.assertRegex(self.line(r"127.0.0.1:%d " % port), r" end=kicked in=\d+ out=\d+ ")
            self.assertNotIn(port, [r["client_port"] for r in self.conns()])
            two.sendall(b"GET / HTTP/1.1\r\nHost: hello.localhost\r\n\r\n")  # the other goes on
            self.assertTrue(two.recv(65536).startswith(b"HTTP/1.1 200"))
            # and all of a service
            self.assertIn("1 connections ended", self.d.ok("kick", "--service", "hello"))
            with self.assertRaises(ConnectionResetError):
                two.recv(1)
            trp.wait_until(lambda: self.d.status("hello")["connections"] == before, 5, "they are not counted any more")
        finally:
            one.close()
            two.close()

    def test_kick_is_of_our_own_only(self):
        with socket.create_server(("127.0.0.1", 0)) as foreign:
            mine = socket.create_connection(foreign.getsockname())
            theirs, _ = foreign.accept()
            with mine, theirs:
                done = self.d.call("trpsup.Kick", client="127.0.0.1:%d" % mine.getsockname()[1])
                self.assertEqual((done["kicked"], done["failed"]), (0, 0))
                theirs.sendall(b"x")
                self.assertEqual(mine.recv(1), b"x")
        self.assertEqual(self.d.trpsup("kick").returncode, 2)
        self.assertEqual(self.d.trpsup("kick", "nonsense").returncode, 1)
        self.assertEqual(self.d.trpsup("kick", "--service", "nix").returncode, 4)
        with self.assertRaises(trp.Failed):
            self.d.call("trpsup.Kick")


class Trouble(Base):
    def test_observer_killed(self):
        sock, port = self.long_connection()
        pid = self.observer_pid()
        os.kill(pid, signal.SIGKILL)
        during = web.get(URL).local[1]
        trp.wait_until(lambda: self.observer_pid() not in (0, pid), 10, "another observer")
        after = web.get(URL).local[1]
        # its predecessor's table, what came while there was none, and what comes now
        trp.wait_until(lambda: port in [r["client_port"] for r in self.conns_or_none()], 10, "the table is the old one")
        sock.close()
        for p in (port, during, after):
            self.line(":%d .* verdict=handed_on .* end=closed " % p)

    def conns_or_none(self):
        try:
            return self.conns()
        except trp.Failed:  # it has not started yet
            return []

    def test_observer_stopped(self):
        pid = self.observer_pid()
        os.kill(pid, signal.SIGSTOP)
        try:
            n = 9000  # more than the ring has room for
            refused = b"GET / HTTP/1.1\r\nHost: nobody.localhost\r\n\r\n"
            for _ in range(n):
                with socket.create_connection(("127.0.0.1", trp.HTTP_PORT)) as sock:
                    sock.sendall(refused)
                    self.assertTrue(sock.recv(4096).startswith(b"HTTP/1.1 404"))
            self.assertEqual(web.get(URL).status, 200)
        finally:
            os.kill(pid, signal.SIGCONT)
        dropped = int(re.search(r"n=(\d+)$", self.line("note=dropped"))[1])
        lines = trp.wait_until(lambda: len(self.d.log_lines("access", "nobody.localhost")) + dropped >= n and
                               len(self.d.log_lines("access", "nobody.localhost")), 10, "the lines that were kept")
        self.assertGreaterEqual(dropped, n - 8192)
        self.assertIn(dropped + lines - n, (0, 1))  # the one that was served may be among those dropped
        self.assertEqual(self.observer_pid(), pid)

    def test_observer_killed_with_a_client_of_a_listener_that_is_no_more(self):
        """The next one is not told of that listener, and still does not take the client for one that has ended."""
        port = trp.free_port(18800)
        with open(self.d.conf) as f:
            text = f.read()
        with open(self.d.conf, "a") as f:
            f.write("[listener passing]\nport = %d\nprotocols = http\n" % port)
        self.d.ok("reload")
        with web.connect("127.0.0.1", port) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: hello.localhost\r\n\r\n")
            self.assertTrue(sock.recv(65536).startswith(b"HTTP/1.1 200"))
            own = sock.getsockname()[1]
            with open(self.d.conf, "w") as f:
                f.write(text)
            self.assertIn("listener passing: removed", self.d.ok("reload"))
            pid = self.observer_pid()
            os.kill(pid, signal.SIGKILL)
            trp.wait_until(lambda: self.observer_pid() not in (0, pid), 10, "another observer")
            # one that ends after that one has begun: all who have ended are known by then
            self.line(":%d .* end=closed " % web.get(URL).local[1])
            self.conns_or_none()
            sock.sendall(b"GET / HTTP/1.1\r\nHost: hello.localhost\r\n\r\n")
            self.assertTrue(sock.recv(65536).startswith(b"HTTP/1.1 200"))
        self.line(":%d .* end=closed " % own)

    def test_router_killed(self):
        sock, port = self.long_connection()
        pid = self.d.router_pid()
        os.kill(pid, signal.SIGKILL)
        trp.wait_until(lambda: self.d.router_pid() not in (0, pid), 10, "a new router")
        after = trp.wait_until(lambda: web.get(URL), 10, "it routes").local[1]
        sock.close()
        for p in (port, after):
            self.line(":%d .* verdict=handed_on .* end=closed " % p)


class Overrun(Base):
    """The kernel has more to say than the observer's socket holds."""

    @staticmethod
    def lost():
        """Messages that did not fit into the sockets of NETLINK_SOCK_DIAG."""
        rows = [line.split() for line in trp.read("/proc/net/netlink").decode().splitlines()[1:]]
        return sum(int(row[8]) for row in rows if row[1] == "4")

    def settled(self):
        """The same, when there are some and it does not change any more."""
        seen = [trp.wait_until(self.lost, 60, "more ends than the socket holds")]

        def same():
            time.sleep(0.5)
            seen.append(self.lost())
            return seen[-1] == seen[-2]
        trp.wait_until(same, 60, "the kernel has told all ends")
        return seen[-1]

    def test_lost_ends_are_counted_and_looked_for(self):
        stays, staying_port = self.long_connection()
        goes, going_port = self.long_connection()
        trp.wait_until(lambda: {staying_port, going_port} <= {r["client_port"] for r in self.conns()}, 10, "both are in the table")
        pid = self.observer_pid()
        os.kill(pid, signal.SIGSTOP)
        try:
            for _ in range(25000):  # each one's end is told, by a worker of the kernel that comes to it a little later
                socket.socket().close()
            overrun = self.settled()
            goes.close()
            trp.wait_until(lambda: self.lost() > overrun, 10, "its end is lost, too")
            for _ in range(20):  # nobody waits for the observer
                self.assertEqual(web.get(URL, timeout=5).status, 200)
        finally:
            os.kill(pid, signal.SIGCONT)
        self.line("note=ends-lost n=1$")
        self.assertRegex(self.line(":%d " % going_port), " end=lost$")
        with stays:
            self.assertIn(staying_port, [r["client_port"] for r in self.conns()])
        self.line(":%d .* end=closed in=" % staying_port)  # it is told again of those that die
        self.assertEqual(self.observer_pid(), pid)


class FullDisk(unittest.TestCase):
    def setUp(self):
        self.d = trp.Daemon()
        self.addCleanup(self.d.clean_up)
        os.mkdir(self.d.log_dir, 0o700)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=700", "tmpfs", self.d.log_dir], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", self.d.log_dir], check=False, stderr=subprocess.DEVNULL)

    def test_clients_are_served_and_missing_lines_are_counted(self):
        self.d.start()
        self.d.ok("start", "hello")
        filler = os.path.join(self.d.log_dir, "filler")
        with open(filler, "wb", buffering=0) as f, self.assertRaises(OSError):
            while True:
                f.write(bytes(4096))
        n = 100  # more than the rest of a page has room for
        for _ in range(n):
            self.assertEqual(web.get(URL.replace("hello", "nobody"), timeout=5).status, 404)
        self.assertEqual(web.get(URL, timeout=5).status, 200)
        pid = self.d.call("trpsup.Info")["observer"]["pid"]
        # all are taken out of the ring before there is room again
        trp.wait_until(lambda: trp.process_status(pid)["State"].startswith("S") and self.asleep(), 10, "the observer sleeps")
        os.unlink(filler)
        self.assertEqual(web.get(URL.replace("hello", "after"), timeout=5).status, 404)
        missing = int(re.search(r"n=(\d+)$", self.d.logged("access", "note=unwritten")[0])[1])
        self.d.logged("access", "name=after.localhost")
        lines = self.d.service_log("access").splitlines()
        kept = [line for line in lines if re.search(r" verdict=(no_route|handed_on) .*(route_us=\d+|retrans=\d+)$", line)]
        self.assertEqual(len(kept) - 1 + missing, n + 1)  # "after" is beyond them
        self.assertGreater(missing, n / 2)
        self.assertEqual(self.d.call("trpsup.Info")["observer"]["pid"], pid)
        subprocess.run(["umount", "-l", self.d.log_dir], check=True)
        self.d.stop()

    def asleep(self):
        """Not within a turn: the ring is empty, and nothing comes for longer than it waits while it is busy."""
        time.sleep(0.2)
        return True


class Flags(Base):
    PORT = trp.free_port(18700)
    CONFIG = "[listener balanced]\nport = %d\nprotocols = http\nproxy-protocol = 127.0.0.1" % PORT

    def test_client_of_a_load_balancer(self):
        with socket.create_connection(("127.0.0.1", self.PORT), 10) as sock:
            sock.sendall(b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 80\r\nGET / HTTP/1.0\r\nHost: hello.localhost\r\n\r\n")
            self.assertTrue(sock.makefile("rb").read().startswith(b"HTTP/1.1 200"))
        self.assertRegex(self.line("client=192.0.2.7:4711 "), " verdict=handed_on flags=proxied route_us=")
        port = web.get(URL).local[1]
        self.assertNotIn("flags=", self.line(":%d " % port))


class Rotated(Base):
    CONFIG = "access-log = json\naccess-log-size = 64K\naccess-log-files = 2"

    def test_json_and_rotation(self):
        ports = []
        for _ in range(500):
            with socket.create_connection(("127.0.0.1", trp.HTTP_PORT)) as sock:
                ports.append(sock.getsockname()[1])
                sock.sendall(b"GET / HTTP/1.1\r\nHost: nobody.localhost\r\n\r\n")
                sock.recv(4096)
        trp.wait_until(lambda: '"client_port":%d,' % ports[-1] in self.d.service_log("access"), 10, "the last line")
        names = sorted(f for f in os.listdir(self.d.log_dir) if f.startswith("access.log"))
        self.assertIn("access.log.1", names)
        lines = [json.loads(line) for line in self.d.service_log("access").splitlines()]
        self.assertEqual([line["client_port"] for line in lines if line["name"] == "nobody.localhost"], ports)
        self.assertEqual(set(lines[-1]), {"time", "client", "client_port", "listener", "protocol", "name", "service",
                                          "verdict", "route_us"})
        self.assertIsNone(lines[-1]["service"])
        sock, port = self.long_connection()
        sock.close()
        got = json.loads(self.line('"client_port":%d,.*"name":"hello' % port))  # one of the others may have had that port, too
        self.assertEqual((got["service"], got["verdict"], got["end"]), ("hello", "handed_on", "closed"))


class Live(Base):
    CONFIG = "access-log = live"

    def test_no_lines_but_connections(self):
        sock, port = self.long_connection()
        with sock:
            self.assertIn(port, [r["client_port"] for r in self.conns()])
        self.assertFalse(os.path.exists(os.path.join(self.d.log_dir, "access.log")))


class Off(Base):
    CONFIG = "access-log = no"

    def test_nothing_is_observed(self):
        self.assertEqual(web.get(URL).status, 200)
        done = self.d.trpsup("conns")
        self.assertEqual(done.returncode, 1)
        self.assertIn("access-log = no", done.stderr)
        self.assertEqual(self.observer_pid(), 0)
        self.assertIsNone(self.d.status("hello")["connections"])
        self.assertFalse(os.path.exists(os.path.join(self.d.log_dir, "access.log")))


class RealServer(unittest.TestCase):
    """nginx with TLS, downloads and uploads, over curl and openssl."""

    @classmethod
    def setUpClass(cls):
        cls.d = trp.Daemon()
        cls.d.start()
        cls.d.ok("start", "nginx")

    @classmethod
    def tearDownClass(cls):
        cls.d.stop()

    line = Base.line

    def test_tls(self):
        name = self.d.status("nginx")["routes"][0]["host"]
        out = subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:%d" % trp.TLS_PORT, "-servername", name,
                              "-quiet", "-ign_eof"], input="GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % name,
                             capture_output=True, text=True, check=False, timeout=30).stdout
        self.assertIn("HTTP/1.1 ", out)
        got = re.search(END, self.line("listener=tls protocol=tls name=%s service=nginx verdict=handed_on" % re.escape(name)))
        self.assertGreater(int(got[2]), len(out))


if __name__ == "__main__":
    unittest.main()
