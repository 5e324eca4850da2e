#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Listeners as trpsup.conf has them: addresses, families, interfaces; what a hostile service can make of their
sockets. In network namespaces of the test's own."""
import ctypes
import os
import re
import signal
import socket
import struct
import subprocess
import threading
import unittest

import network
import trp
import web

PROGS = os.path.join(trp.BUILD, "tests/progs")
PORT = 18080  # in the test's own network nobody else has it

ALL = ctypes.create_string_buffer(struct.pack("=HBBI", 0x06, 0, 0, 0xffffffff))  # a filter that passes everything

WEB = """[service]
command = /usr/bin/python3 -u -m http.server 80
[route]
host = web.localhost
http = 80
[sandbox]
root = host
"""
ATTACKER = """[service]
command = /opt/progs/listener-attack 80 ${state}/report %s
adapter = preload
[route]
host = attacker.localhost
http = 80
[sandbox]
root = host
bind = """ + PROGS + """ /opt/progs
"""


def listener(name, port=PORT, **keys):
    keys.setdefault("protocols", "http")
    return "[listener %s]\nport = %d\n%s\n" % (
        name, port, "".join("%s = %s\n" % (k.replace("_", "-"), v) for k, v in keys.items()))


class Networked(unittest.TestCase):
    """host: where the daemon is, with two interfaces. clients: at the other end of both."""

    def setUp(self):
        self.host, self.clients = network.Net(), network.Net()
        self.addCleanup(self.clients.close)
        self.addCleanup(self.host.close)
        for i, (v4, v6) in enumerate((("192.0.2.%d", "2001:db8::%d"), ("198.51.100.%d", "2001:db8:1::%d"))):
            self.host.wire("trpt%d" % i, self.clients, "trpt%d" % i)
            self.host.addresses("trpt%d" % i, v4 % 1 + "/24", v4 % 2 + "/24", v6 % 1 + "/64", v6 % 2 + "/64",
                                "fe80::%d/64" % (i + 1))
            self.clients.addresses("trpt%d" % i, v4 % 9 + "/24", v6 % 9 + "/64", "fe80::9%d/64" % i)
        with self.host.here():
            self.index = [socket.if_nametoindex("trpt%d" % i) for i in range(2)]
        with self.clients.here():
            self.there = [socket.if_nametoindex("trpt%d" % i) for i in range(2)]

    def daemon(self, listeners, profiles=None, *without):
        d = trp.Daemon(profiles)
        d.listeners = listeners
        d.prefix = self.host.prefix
        d.ports = ()  # in a network of its own, that ends with the test
        if without:
            d.environment = network.without(d.dir, *without)
        return d

    def connect(self, address, port=PORT, timeout=10):
        """From the clients' network. A link-local address is reached by the interface of its number."""
        v6 = ":" in address
        with self.clients.here():
            sock = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET)
        sock.settimeout(timeout)
        scope = self.there[int(address[-1]) - 1] if address.startswith("fe80") else 0
        try:
            sock.connect((address, port, 0, scope) if v6 else (address, port))
        except BaseException:
            sock.close()
            raise
        return sock

    def ask(self, address, name, port=PORT, path="/"):
        with self.connect(address, port) as sock:
            sock.sendall(("GET %s HTTP/1.0\r\nHost: %s\r\n\r\n" % (path, name)).encode())
            data = b""
            while True:
                more = sock.recv(65536)
                if not more:
                    return data
                data += more

    def refuses(self, address, port=PORT):
        """Nobody listens there."""
        with self.assertRaises(ConnectionRefusedError):
            self.connect(address, port)


class Bound(Networked):
    def serves(self, *addresses):
        for address in addresses:
            self.assertIn(b" 200 ", self.ask(address, "web.localhost")[:20], address)

    def test_address(self):
        with self.daemon(listener("one", address="192.0.2.1") + listener("six", address="2001:db8::2") +
                         listener("local", address="fe80::1", device="trpt0"), {"web": WEB}) as d:
            d.ok("start", "web")
            self.serves("192.0.2.1", "2001:db8::2", "fe80::1")
            for other in ("192.0.2.2", "2001:db8::1", "198.51.100.1", "fe80::2"):
                self.refuses(other)
            self.assertEqual([l["bound"] for l in d.call("trpsup.Info")["listeners"]],
                             ["192.0.2.1 port %d" % PORT, "2001:db8::2 port %d" % PORT,
                              "fe80::1 port %d on trpt0" % PORT])
            # the service sees the client as from any other listener
            d.logged("web", r"::ffff:192\.0\.2\.9|192\.0\.2\.9 ")

    def test_family(self):
        with self.daemon(listener("four", family="ipv4"), {"web": WEB}) as d:
            d.ok("start", "web")
            self.serves("192.0.2.1", "198.51.100.2")
            self.refuses("2001:db8::1")
        with self.daemon(listener("six", family="ipv6"), {"web": WEB}) as d:
            d.ok("start", "web")
            self.serves("2001:db8::1", "fe80::2")
            self.refuses("192.0.2.1")

    def test_both_families_apart(self):
        """Two listeners on one port, each with its own service."""
        with self.daemon(listener("four", family="ipv4") + listener("six", family="ipv6"),
                         {"web": WEB.replace("http = 80", "http = 80\nlistener = four"),
                          "six": WEB.replace("http = 80", "http = 80\nlistener = six")}) as d:
            d.ok("start", "web", "six")
            self.serves("192.0.2.1", "2001:db8::1")
            self.assertEqual([len(d.logged(n, '"GET / HTTP')) for n in ("web", "six")], [1, 1])

    def test_device(self):
        with self.daemon(listener("inner", device="trpt1"), {"web": WEB}) as d:
            d.ok("start", "web")
            self.serves("198.51.100.1", "2001:db8:1::1", "fe80::2")
            for other in ("192.0.2.1", "2001:db8::1", "fe80::1"):
                self.refuses(other)

    def fails(self, listeners, text):
        d = self.daemon(listeners)
        with self.assertRaises(AssertionError) as caught:
            d.start()
        self.assertIn(text, str(caught.exception))

    def test_what_is_not_there(self):
        self.fails(listener("one", address="192.0.2.77"),
                   ":10: listener one: 192.0.2.77 port %d: bind: Cannot assign requested address (no interface of this "
                   "host has that address: ip address)" % PORT)
        self.fails(listener("one", device="trptx"),
                   ":10: listener one: port %d on trptx: device: No such device (there is no such interface: ip link)" %
                   PORT)

    def test_beside_another_program(self):
        with self.host.here():
            other = socket.create_server(("192.0.2.1", PORT))
        with other:
            self.fails(listener("all"), "listener all: port %d: bind: Address already in use (another program listens "
                       "there: ss -ltnp)" % PORT)
            with self.daemon(listener("two", address="192.0.2.2"), {"web": WEB}) as d:
                d.ok("start", "web")
                self.serves("192.0.2.2")


class Attack(Networked):
    """Each listener leaves something free at its port, which a service could bind a passed socket to. Only the filter
    stands between (the group's programs are taken out), and without it each attack succeeds."""

    def attack(self, listeners, entries, attacks, *without):
        """attacks: (name, what is bound, scope, where a client then tries). Returns the report's verdicts."""
        specs = " ".join("%s=%s,%d,%d" % (name, bound, PORT, scope) for name, bound, scope, _ in attacks)
        with self.daemon(listeners, {"attacker": ATTACKER % specs}, *without) as d:
            d.ok("start", "attacker")
            path = os.path.join(d.state_dir, "state/attacker/report")
            report = lambda: trp.read(path).decode() if os.path.exists(path) else ""
            for i, (name, _, _, target) in enumerate(attacks):
                # the client whose socket is misused
                with self.connect(entries[i % len(entries)]) as sock:
                    sock.sendall(b"GET / HTTP/1.1\r\nHost: attacker.localhost\r\n\r\n")
                    self.assertIn(b" 204 ", sock.recv(100))
                    trp.wait_until(lambda: re.search("^%s " % name, report(), re.M), 10, "%s was tried" % name)
                    if re.search("^%s listening" % name, report(), re.M):
                        try:
                            self.connect(target, timeout=1).close()
                        except OSError:
                            pass
                    open(path + "." + name, "w").close()
                    trp.wait_until(lambda: re.search("^%s (SUCC|refused)" % name, report(), re.M), 10,
                                   "%s has ended" % name)
            text = report()
        return dict(re.findall(r"^(\S+) (SUCCEEDED|refused \S+)$", text, re.M))

    def judge(self, listeners, entries, attacks):
        names = [a[0] for a in attacks]
        self.assertEqual(self.attack(listeners, entries, attacks, "group", "filter"),
                         dict.fromkeys(names, "SUCCEEDED"), "what is tried is no attack")
        self.assertEqual(self.attack(listeners, entries, attacks, "group"),
                         dict.fromkeys(names, "refused silently"))
        self.assertEqual(self.attack(listeners, entries, attacks), dict.fromkeys(names, "refused EPERM"))

    def test_address(self):
        self.judge(listener("one", address="192.0.2.1"), ["192.0.2.1"],
                   [("other", "::ffff:192.0.2.2", 0, "192.0.2.2"), ("v6", "2001:db8::1", 0, "2001:db8::1")])

    def test_address_v6(self):
        self.judge(listener("one", address="2001:db8::1"), ["2001:db8::1"],
                   [("other", "2001:db8::2", 0, "2001:db8::2"), ("v4", "::ffff:192.0.2.1", 0, "192.0.2.1"),
                    ("local", "fe80::1", self.index[0], "fe80::1")])

    def test_family(self):
        self.judge(listener("six", family="ipv6"), ["2001:db8::1"],
                   [("all", "::ffff:0.0.0.0", 0, "192.0.2.1"), ("one", "::ffff:192.0.2.1", 0, "192.0.2.1")])
        self.judge(listener("four", family="ipv4"), ["192.0.2.1"],
                   [("one", "2001:db8::1", 0, "2001:db8::1")])

    def test_device(self):
        self.judge(listener("inner", device="trpt1"), ["198.51.100.1", "2001:db8:1::1"],
                   [("local4", "fe80::1", self.index[0], "fe80::1"), ("local6", "fe80::1", self.index[0], "fe80::1")])


SERVER = r"""
import http.server, ssl, sys, threading
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = ("%s %s %s\n" % (sys.argv[1], self.server.kind, self.path)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()
    do_HEAD = do_GET
def server(port, kind):
    s = http.server.ThreadingHTTPServer(("", port), Handler)
    s.kind = kind
    return s
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/opt/p/both.pem")
tls = server(443, "https")
def accept_tls():
    client, address = tls.socket.accept()
    return context.wrap_socket(client, server_side=True, do_handshake_on_connect=False), address
tls.get_request = accept_tls
threading.Thread(target=tls.serve_forever, daemon=True).start()
server(80, "http").serve_forever()
"""


def both(name, route):
    """A service for HTTP and HTTPS that says its name, the protocol and the path."""
    return """[service]
command = /usr/bin/python3 /opt/p/server.py %s
adapter = preload
[route]
http = 80
tls = 443
%s
[sandbox]
root = host
bind = %%s /opt/p
""" % (name, route)


class Named(Networked):
    """default and redirect-https."""

    def files(self, d):
        """server.py and its certificate; returns the directory."""
        directory = os.path.join(d.dir, "p")
        os.mkdir(directory)
        with open(os.path.join(directory, "server.py"), "w") as f:
            f.write(SERVER)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-days", "2", "-subj", "/CN=x", "-keyout", directory + "/key", "-out", directory + "/cert"],
                       check=True, capture_output=True)
        with open(directory + "/both.pem", "wb") as f:
            f.write(trp.read(directory + "/key") + trp.read(directory + "/cert"))
        os.chmod(directory + "/both.pem", 0o644)
        return directory

    def services(self, listeners, **routes):
        d = self.daemon(listeners)
        directory = self.files(d)
        for name, route in routes.items():
            d.profile(name, both(name, route) % directory)
        return d

    def curl(self, url, *args):
        """Exit code and output; every name is on the host's first address."""
        done = subprocess.run([*self.clients.prefix, "curl", "-sk", "--max-time", "20", "--connect-to", "::192.0.2.1:",
                               *args, url], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_default(self):
        with self.services(listener("one", protocols="http tls", default="b") + listener("two", PORT + 1), a="host = a.localhost",
                           b="host = b.localhost") as d:
            d.ok("start", "a", "b")
            for tls in ("", "s"):
                self.assertEqual(self.curl("http%s://a.localhost:%d/x" % (tls, PORT)), "a http%s /x\n" % tls)
                self.assertEqual(self.curl("http%s://nobody.localhost:%d/x" % (tls, PORT)), "b http%s /x\n" % tls)
                self.assertEqual(self.curl("http%s://192.0.2.1:%d/x" % (tls, PORT)), "b http%s /x\n" % tls)
            self.assertIn(b" 404 ", self.ask("192.0.2.1", "nobody.localhost", PORT + 1))
            route = [r for r in d.status("b")["routes"] if r["host"] == "*"]
            self.assertEqual([r["listeners"] for r in route], [["one"], ["one"]])
            rows = [l.split() for l in d.ok("routes").splitlines()]
            self.assertTrue([r for r in rows if "*" in r and "b" in r and d.conf in " ".join(r)], rows)
            # a profile cannot have it too
            self.refused_start(d, "a", "host = a.localhost\ndefault = yes",
                               r"a\.ini:8: default: a claims the default of \[listener one\], but b has it by \S+conf:13")
            # and it can be given to another, while all run
            d.listeners = listener("one", protocols="http tls", default="a") + listener("two", PORT + 1, default="b")
            d.write_conf()
            self.assertEqual(d.ok("reload").splitlines(),
                             ["listener one: default is a now", "listener two: default is b now"])
            self.assertEqual(self.curl("https://nobody.localhost:%d/x" % PORT), "a https /x\n")
            self.assertEqual(self.curl("http://nobody.localhost:%d/x" % (PORT + 1)), "b http /x\n")
            d.listeners = listener("one", protocols="http tls", default="aa") + listener("two", PORT + 1)
            d.write_conf()
            self.assertRegex(d.trpsup("reload").stderr, r"conf:13: default: there is no service 'aa'; did you mean 'a'\?\n$")
            d.ok("stop", "a")
            self.assertIn(b" 404 ", self.ask("192.0.2.1", "nobody.localhost"))

    def refused_start(self, d, name, route, text):
        kept = trp.read(os.path.join(d.profile_dir, name + ".ini")).decode()
        d.profile(name, both(name, route) % os.path.join(d.dir, "p"))
        done = d.trpsup("restart", name)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, text)
        d.profile(name, kept)

    def location(self, *args):
        head = self.curl(*args, "-i", "-o", "-")
        return re.findall(r"(?m)^HTTP/1.1 (\d+)|^Location: (\S+)", head.replace("\r", ""))

    def test_redirect(self):
        http, tls = listener("http", redirect_https="yes"), listener("tls", PORT + 1, protocols="tls")
        with self.services(http + tls, a="host = a.localhost *.a.localhost", plain="host = plain.localhost\nplain-http = yes",
                           b="default = yes") as d:
            d.profile("web", WEB)
            d.ok("start", "a", "plain", "b", "web")
            at = "http://a.localhost:%d" % PORT
            self.assertEqual(self.location(at + "/x?y=%20z"),
                             [("308", ""), ("", "https://a.localhost:%d/x?y=%%20z" % (PORT + 1))])
            # as clients follow it, with their method and body
            self.assertEqual(self.curl(at + "/x?y", "-L"), "a https /x?y\n")
            self.assertEqual(self.curl(at + "/x", "-L", "-d", "body"), "a https /x\n")
            self.assertEqual(self.curl("http://deep.a.localhost:%d/" % PORT, "-L", "-0"), "a https /\n")
            head = self.curl(at + "/x", "-L", "--head").replace("\r", "")
            self.assertEqual(re.findall(r"(?m)^HTTP/\S+ (\d+)", head), ["308", "200"])
            # what goes on as before: ACME, who wants it, names without TLS, what is nobody's name
            for url, said in ((at + "/.well-known/acme-challenge/t", "a http /.well-known/acme-challenge/t\n"),
                              ("http://plain.localhost:%d/x" % PORT, "plain http /x\n"),
                              ("http://nobody.localhost:%d/x" % PORT, "b http /x\n"),
                              ("http://192.0.2.1:%d/x" % PORT, "b http /x\n")):
                self.assertEqual(self.curl(url, "-L"), said)
            self.assertIn(b" 200 ", self.ask("192.0.2.1", "web.localhost"))
            self.assertEqual(self.location(at + "/" + 9000 * "x"), [("414", "")])
            self.assertEqual(self.ask("192.0.2.1", "a.localhost", path="/" + 5000 * "x").count(5000 * b"x"), 1)
            # a target of another name, and one that could end the header
            self.assertIn(b"Location: https://a.localhost:%d//evil.org/%%22\r\n" % (PORT + 1),
                          self.ask("192.0.2.1", "a.localhost", path='//evil.org/"'))
            self.assertIn(b" 400 ", self.ask("192.0.2.1", "a.localhost", path="/x\rSet-Cookie:x"))
            stats = d.call("trpsup.Info")["router"]["stats"]
            self.assertEqual(stats["redirected"], 7)
            # 443 needs no port; and it ends when it is switched off
            d.listeners = http + listener("tls", 443, protocols="tls")
            d.write_conf()
            d.ok("reload")
            self.assertEqual(self.location(at + "/x")[1][1], "https://a.localhost/x")
            d.listeners = listener("http") + tls
            d.write_conf()
            self.assertIn("listener http: clients are not sent to https now", d.ok("reload"))
            self.assertEqual(self.curl(at + "/x", "-L"), "a http /x\n")


class Reload(Networked):
    def reload(self, d, listeners):
        d.listeners = listeners
        d.write_conf()
        return d.ok("reload").splitlines()

    def refused(self, d, listeners):
        """The lines on standard error."""
        d.listeners = listeners
        d.write_conf()
        done = d.trpsup("reload")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        return done.stderr.replace(d.conf, "CONF").splitlines()

    def serves(self, address, port=PORT):
        self.assertIn(b" 200 ", self.ask(address, "web.localhost", port)[:20])

    def queue(self, address, n, port=PORT):
        socks = []
        for _ in range(n):
            sock = self.connect(address, port)
            sock.sendall(b"GET / HTTP/1.0\r\nHost: web.localhost\r\n\r\n")
            socks.append(sock)
        return socks

    def answered(self, socks):
        n = 0
        for sock in socks:
            with sock:
                try:
                    n += b" 200 " in sock.recv(100)
                except ConnectionError:
                    pass
        return n

    def test_others_are_not_touched(self):
        one, two = listener("one"), listener("two", PORT + 1)
        with self.daemon(one + two, {"web": WEB}) as d:
            d.ok("start", "web")
            router = d.router_pid()
            ids = self.inodes(d)
            # clients that wait in the backlog, because the router does not run
            os.kill(router, signal.SIGSTOP)
            try:
                socks = self.queue("192.0.2.1", 20)
                said = self.reload(d, listener("one", deadline="3s") + listener("three", PORT + 2, family="ipv6"))
            finally:
                os.kill(router, signal.SIGCONT)
            self.assertEqual(said, ["listener one: deadline changed",
                                    "listener three: added, port %d of IPv6" % (PORT + 2),
                                    "listener two: removed, port %d" % (PORT + 1)])
            self.assertEqual(self.answered(socks), 20)
            self.assertEqual(d.router_pid(), router)
            self.assertEqual(self.inodes(d)[PORT], ids[PORT])
            self.serves("192.0.2.1")
            self.serves("2001:db8::1", PORT + 2)
            trp.wait_until(lambda: self.gone("192.0.2.1", PORT + 1), 10, "nobody listens at the port of two")
            self.assertEqual([l["name"] for l in d.call("trpsup.Info")["listeners"]], ["one", "three"])
            self.assertEqual(d.status("web")["routes"][0]["listeners"], ["one", "three"])
            self.assertEqual(self.reload(d, d.listeners), ["nothing has changed"])
            # a new router is told the same
            os.kill(router, signal.SIGKILL)
            trp.wait_until(lambda: d.router_pid() not in (None, 0, router), 10, "another router")
            self.serves("192.0.2.1")
            self.serves("2001:db8::1", PORT + 2)

    def inodes(self, d):
        """{port: number of the socket} of those that listen."""
        out = subprocess.run([*self.host.prefix, "ss", "-Htlne"], capture_output=True, text=True, check=True).stdout
        return {int(port): ino for port, ino in re.findall(r":(\d+) .* ino:(\d+)", out)}

    def gone(self, address, port):
        try:
            self.connect(address, port).close()
            return False
        except ConnectionRefusedError:
            return True

    def test_routes_come_and_go(self):
        other = WEB.replace("web.localhost", "other.localhost").replace("http = 80", "http = 80\nlistener = two")
        with self.daemon(listener("one") + listener("two", PORT + 1), {"web": WEB, "other": other}) as d:
            d.ok("start", "web", "other")
            said = self.refused(d, listener("one"))
            self.assertEqual(len(said), 1)
            self.assertRegex(said[0], r"other\.ini:6: listener: there is no \[listener two\] in CONF")
            self.assertIn(b" 200 ", self.ask("192.0.2.1", "other.localhost", PORT + 1))
            # by another name at another place
            self.assertEqual(self.reload(d, listener("two") + listener("one", PORT + 1)),
                             ["listener one: is called two now", "listener two: is called one now"])
            self.assertIn(b" 200 ", self.ask("192.0.2.1", "other.localhost"))
            self.assertIn(b" 421 ", self.ask("192.0.2.1", "other.localhost", PORT + 1))
            # what is not carried there any more
            self.reload(d, listener("two") + listener("one", PORT + 1, protocols="tls") + listener("new", PORT + 2))
            self.assertIn(b" 400 ", self.ask("192.0.2.1", "web.localhost", PORT + 1))
            self.serves("192.0.2.1", PORT + 2)

    def test_mistakes_touch_nothing(self):
        with self.daemon(listener("one"), {"web": WEB}) as d:
            d.ok("start", "web")
            with self.host.here():
                taken = socket.create_server(("192.0.2.1", PORT + 1))
            with taken:
                said = self.refused(d, listener("one", deadline="5s") + listener("new", PORT + 2) +
                                    listener("two", PORT + 1, address="192.0.2.1"))
            self.assertEqual(said, ["CONF:19: listener two: 192.0.2.1 port %d: bind: Address already in use (another "
                                    "program listens there: ss -ltnp)" % (PORT + 1)])
            self.refuses("192.0.2.1", PORT + 2)
            self.serves("192.0.2.1")
            self.assertEqual(self.refused(d, listener("one", deadlin="5s")),
                             ["CONF:12: deadlin: unknown key in [listener]; did you mean 'deadline'?"])
            self.assertEqual(len(d.call("trpsup.Info")["listeners"]), 1)

    def test_what_needs_a_restart(self):
        with self.daemon(listener("one"), {"web": WEB}) as d:
            d.ok("start", "web")
            text = trp.read(d.conf).decode()
            with open(d.conf, "w") as f:
                f.write(text.replace("uid-ranges = 1024", "uid-ranges = 512\nstart = web").replace(
                    "state-dir = ", "state-dir = /srv"))
            self.assertEqual(d.call("trpsup.ReloadConfig")["changes"],
                             ["start: counts when the daemon is started the next time",
                              "state-dir: stays %s until the daemon is restarted" % d.state_dir,
                              "uid-ranges: stays 1024 until the daemon is restarted"])
            d.ok("restart", "web")
            self.serves("192.0.2.1")

    def test_another_in_its_place(self):
        """The kernel does not bind an address beside all of them: the old one has to go first, and comes back if the new
        one fails."""
        with self.daemon(listener("one"), {"web": WEB}) as d:
            d.ok("start", "web")
            said = self.refused(d, listener("one", address="192.0.2.1") + listener("two", address="192.0.2.77"))
            self.assertIn("192.0.2.77 port %d: bind: Cannot assign" % PORT, said[0])
            for address in ("192.0.2.1", "2001:db8::2", "198.51.100.1"):
                self.serves(address)
            self.assertEqual(self.reload(d, listener("one", address="192.0.2.1") + listener("two", family="ipv6")),
                             ["listener one: added, 192.0.2.1 port %d" % PORT,
                              "listener two: added, port %d of IPv6" % PORT,
                              "listener one: removed, port %d" % PORT])
            self.serves("192.0.2.1")
            self.serves("2001:db8::2")
            self.refuses("192.0.2.2")
            self.assertNotIn("broken", d.daemon_log())

    def test_hangup(self):
        with self.daemon(listener("one"), {"web": WEB}) as d:
            d.ok("start", "web")
            d.listeners += listener("two", PORT + 1)
            d.write_conf()
            d.process.send_signal(signal.SIGHUP)
            trp.wait_until(lambda: "listener two: added" in d.daemon_log(), 10, "it was read")
            self.serves("192.0.2.1", PORT + 1)
            d.listeners += "[listner x]\n"
            d.write_conf()
            d.process.send_signal(signal.SIGHUP)
            trp.wait_until(lambda: "everything stays as it is" in d.daemon_log(), 10, "it was refused")
            self.assertIn("[listner x]: unknown section; did you mean '[listener NAME]'?", d.daemon_log())

    def test_interface_that_was_made_anew(self):
        with self.daemon(listener("inner", device="trpt1"), {"web": WEB}) as d:
            d.ok("start", "web")
            self.serves("198.51.100.1")
            self.host.ip("link", "del", "trpt1")
            self.host.wire("trpt1", self.clients, "trpt1")
            self.host.addresses("trpt1", "198.51.100.1/24")
            self.clients.addresses("trpt1", "198.51.100.9/24")
            self.refuses("198.51.100.1")
            self.reload(d, d.listeners)
            self.serves("198.51.100.1")

    def removed(self, *without):
        """What a service makes of a client's socket after its listener is gone and its port free to be taken: without an
        address listen() takes a port by itself, and there is only this one."""
        with self.daemon(listener("one") + listener("keep", PORT + 1),
                         {"attacker": ATTACKER % ("auto=-,0,0")}, *without) as d:
            d.ok("start", "attacker")
            path = os.path.join(d.state_dir, "state/attacker/report")
            report = lambda: trp.read(path).decode() if os.path.exists(path) else ""
            os.kill(d.main_pid("attacker"), signal.SIGSTOP)
            lines = trp.read("/proc/%d/net/tcp6" % d.process.pid).decode().splitlines()
            inode = next(l.split()[9] for l in lines[1:] if l.split()[1].endswith(":%04X" % PORT) and l.split()[3] == "0A")
            self.assertIn(d.process.pid, trp.socket_holders(inode))
            with self.connect("192.0.2.1") as sock:
                sock.sendall(b"GET / HTTP/1.1\r\nHost: attacker.localhost\r\n\r\n")
                trp.wait_until(lambda: d.call("trpsup.Info")["router"]["stats"]["handed_on"] == 1, 10, "handed on")
                self.reload(d, listener("keep", PORT + 1))
                trp.wait_until(lambda: not trp.socket_holders(inode), 10, "its port is free")
                self.host.write("/proc/sys/net/ipv4/ip_local_port_range", "'%d %d'" % (PORT, PORT))
                os.kill(d.main_pid("attacker"), signal.SIGCONT)
                trp.wait_until(lambda: report().startswith("auto "), 10, "it has tried")
                self.assertEqual(report(), "auto listening %d\n" % PORT)
                try:
                    self.connect("192.0.2.1", timeout=1).close()
                except OSError:
                    pass
                open(path + ".auto", "w").close()
                trp.wait_until(lambda: re.search("^auto (SUCC|refused)", report(), re.M), 10, "it has ended")
            return re.findall(r"^auto (SUCCEEDED|refused \S+)$", report(), re.M)

    def test_port_that_was_given_up(self):
        self.assertEqual(self.removed("retire"), ["SUCCEEDED"], "what is tried is no attack")
        self.assertEqual(self.removed(), ["refused silently"])


class Inherited(Networked):
    """Sockets that systemd makes: tried with its own systemd-socket-activate, and with a socket of this process."""

    def text(self, **keys):
        return listener("web", fd_name="web", allow_missing="cgroup-bpf", deadline="60s", **keys)

    def passed(self, sock, listeners, profiles=None, names="web", *without):
        d = self.daemon(listeners, profiles, *without)
        d.prefix = self.host.prefix + ["sh", "-c", 'exec 3<&%d; LISTEN_PID=$$ exec "$@"' % sock.fileno(), "sh"]
        d.environment = dict(d.environment or os.environ, LISTEN_FDS="1", LISTEN_FDNAMES=names)
        d.pass_fds = (sock.fileno(),)
        return d

    def socket(self, address="::", **options):
        """As systemd makes it."""
        with self.host.here():
            sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if options.get("reuseport"):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if ":" in address:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, options.get("v6only", 0))
        sock.bind((address, options.get("port", PORT)))
        if options.get("listens", True):
            sock.listen(64)
        self.addCleanup(sock.close)
        return sock

    def test_socket_activation(self):
        d = self.daemon(self.text(), {"web": WEB})
        d.prefix = self.host.prefix + ["systemd-socket-activate", "-l", str(PORT), "--fdname=web"]
        early = []

        def knock():
            """The first client starts the daemon."""
            early.append(trp.wait_until(self.try_connect, 10, "somebody listens"))
            early[0].sendall(b"GET / HTTP/1.0\r\n")
        knocker = threading.Thread(target=knock)
        knocker.start()
        with d:
            knocker.join()
            d.ok("start", "web")
            early[0].sendall(b"Host: web.localhost\r\n\r\n")
            with early[0]:
                self.assertIn(b" 200 ", early[0].recv(1000)[:20])
            for address in ("192.0.2.1", "2001:db8::1"):
                self.assertIn(b" 200 ", self.ask(address, "web.localhost")[:20])
            self.assertEqual(d.call("trpsup.Info")["listeners"][0]["bound"], "port %d inherited as web" % PORT)
            self.assertEqual(d.ok("reload"), "nothing has changed\n")
            self.assertIn(b" 200 ", self.ask("192.0.2.1", "web.localhost")[:20])

    def try_connect(self):
        try:
            return self.connect("192.0.2.1")
        except OSError:
            return None

    def attack(self, *without):
        """With the socket of a client that came before the filter was attached."""
        sock = self.socket("::ffff:192.0.2.1")
        with self.connect("192.0.2.1") as early:
            early.sendall(b"GET / HTTP/1.0\r\n")
            specs = "other=::ffff:192.0.2.2,%d,0 v6=2001:db8::1,%d,0" % (PORT, PORT)
            with self.passed(sock, self.text(), {"attacker": ATTACKER % specs}, "web", *without) as d:
                d.ok("start", "attacker")
                path = os.path.join(d.state_dir, "state/attacker/report")
                report = lambda: trp.read(path).decode()
                for name, target, client in (("other", "192.0.2.2", early), ("v6", "2001:db8::1", self.connect("192.0.2.1"))):
                    if client is not early:
                        client.sendall(b"GET / HTTP/1.0\r\n")
                    client.sendall(b"Host: attacker.localhost\r\n\r\n")
                    trp.wait_until(lambda: "%s listening" % name in report(), 10, "%s listens" % name)
                    try:
                        self.connect(target, timeout=1).close()
                    except OSError:
                        pass
                    open(path + "." + name, "w").close()
                    trp.wait_until(lambda: re.search("^%s (SUCC|refused)" % name, report(), re.M), 10, "it has ended")
                    client.close()
                text = report()
        sock.close()
        return re.findall(r"^\S+ (SUCCEEDED|refused \S+)$", text, re.M)

    def test_filter(self):
        self.assertEqual(self.attack("filter"), ["SUCCEEDED"] * 2, "what is tried is no attack")
        self.assertEqual(self.attack(), ["refused silently"] * 2)

    def test_the_next_daemon(self):
        """It gets the same socket, whose filter is locked."""
        sock = self.socket()
        for _ in range(2):
            with self.passed(sock, self.text(), {"web": WEB}) as d:
                d.ok("start", "web")
                self.assertIn(b" 200 ", self.ask("192.0.2.1", "web.localhost")[:20])
        # as another listener it is not the same
        sock.close()
        sock = self.socket("::ffff:192.0.2.1")
        sock.setsockopt(socket.SOL_SOCKET, 26, struct.pack("HxxxxxxP", 1, ctypes.addressof(ALL)))
        sock.setsockopt(socket.SOL_SOCKET, 44, 1)  # SO_LOCK_FILTER
        self.fails(sock, "it carries somebody else's filter, locked")

    def fails(self, sock, text, names="web"):
        d = self.passed(sock, self.text(), None, names)
        with self.assertRaises(AssertionError) as caught:
            d.start()
        self.assertIn("conf:10: listener web: fd-name web: " + text, str(caught.exception))
        sock.close()

    def test_refused(self):
        self.fails(self.socket("0.0.0.0"), "it is an IPv4 socket; services need IPv6 ones")
        self.fails(self.socket(reuseport=True), "it has SO_REUSEPORT, so that a service could listen beside it")
        self.fails(self.socket(listens=False), "it does not listen (Accept=no is needed)")
        self.fails(self.socket(port=PORT + 1), "it listens on port %d, not on %d" % (PORT + 1, PORT))
        self.fails(self.socket(), "none of the 1 sockets that were passed is called so (FileDescriptorName=)", "other")
        d = self.daemon(self.text())
        with self.assertRaises(AssertionError) as caught:
            d.start()
        self.assertIn("no socket was passed to the daemon (LISTEN_FDS): is trpsup.socket active?", str(caught.exception))

    def test_unused(self):
        with self.passed(self.socket(), listener("one", PORT + 1), None, "web") as d:
            self.assertIn("(LISTEN_FDS), no listener has 3 (web)", d.daemon_log())


if __name__ == "__main__":
    unittest.main()
