#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""The protocols of the router beside HTTP/1 and TLS, each with a real server and a real client where there are any, on
one port that takes them all: HTTP/2 without TLS (nginx; curl, nghttp, h2load), SSH (sshd; ssh), PostgreSQL (postgres;
psql), XMPP (prosody), Minecraft, and servers that speak first."""
import ctypes
import os
import socket
import ssl
import stat
import struct
import subprocess
import tempfile
import unittest

import trp
import web

MIXED, RAW, HALF = trp.free_port(18600), trp.free_port(18700), trp.free_port(18800)
LISTENERS = """[listener mixed]
port = %d
protocols = http tls h2c minecraft xmpp xmpp-server ssh postgres
[listener raw]
port = %d
protocols = raw
deadline = 10m
[listener half]
port = %d
protocols = raw http
deadline = 500ms
""" % (MIXED, RAW, HALF)

# one system for all of them
ROOT = "root = packages\npackages = nginx-light openssh-server postgresql prosody openssl\n"

NGINX = """[service]
command = /usr/sbin/nginx -e stderr -c /srv/%(name)s.conf
[route]
host = %(name)s.localhost
h2c = 80
[sandbox]
""" + ROOT + "bind = %(dir)s /srv\n"
NGINX_CONF = """daemon off;
pid /run/nginx.pid;
error_log stderr;
events {}
http {
	access_log off;
	large_client_header_buffers 4 64k;
	client_body_temp_path /tmp/1; proxy_temp_path /tmp/2;
	fastcgi_temp_path /tmp/3; uwsgi_temp_path /tmp/4; scgi_temp_path /tmp/5;
	server {
		listen 80 http2;
		listen [::]:80 http2;
		location / { return 200 "%s for $host by $server_protocol from $remote_addr\\n"; }
	}
}
"""

SSHD = """[service]
user = 1000
setup = /usr/bin/ssh-keygen -q -N "" -t ed25519 -f /tmp/host
command = /usr/sbin/sshd -D -e -f /srv/sshd_config
[route]
ssh = 2222
[sandbox]
""" + ROOT + "bind = %(dir)s /srv\nbind = %(dir)s/passwd /etc/passwd\n"
SSHD_CONF = """Port 2222
HostKey /tmp/host
PidFile none
StrictModes no
UsePAM no
AuthorizedKeysFile /srv/key.pub
"""

POSTGRES = """[service]
user = postgres
setup = /bin/sh -c "test -e /trp/state/db || exec /usr/lib/postgresql/15/bin/initdb -D /trp/state/db -A trust --no-sync"
setup = /bin/sh -c 'echo "host all all all trust" >>/trp/state/db/pg_hba.conf'
command = /usr/lib/postgresql/15/bin/postgres -D /trp/state/db
	-c listen_addresses=* -c unix_socket_directories= -c fsync=off
stop-signal = INT
[route]
postgres = 5432
[sandbox]
""" + ROOT

PROSODY = """[service]
user = prosody
command = /usr/bin/prosody -F --config /srv/prosody.cfg.lua
[route]
host = chat.localhost xmpp.localhost
xmpp = 5222
xmpp-server = 5269
[sandbox]
""" + ROOT + "bind = %(dir)s /srv\n"
PROSODY_CONF = """admins = {}
data_path = "/trp/state"
pidfile = "/run/prosody.pid"
log = { info = "*console" }
modules_enabled = { "saslauth" }
authentication = "internal_plain"
c2s_require_encryption = false
s2s_require_encryption = false
allow_unencrypted_plain_auth = true
VirtualHost "chat.localhost"
VirtualHost "xmpp.localhost"
"""

PYTHON = """[service]
command = /usr/bin/python3 -u /opt/p/%(name)s.py
[route]
%(route)s
[sandbox]
root = host
bind = %(dir)s /opt/p
"""
# says hello before anything else, and then what it got
GREETER = """
import socket, socketserver
class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(b"220 greeter, you are %s\\r\\n" % self.client_address[0].encode())
        line = self.request.recv(1000)
        self.request.sendall(b"got " + line)
class Server(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6
Server(("::", 25), Handler).serve_forever()
"""
# Minecraft: reads the handshake as a server does, and ends a login with what it read
MINECRAFT = """
import json, socket, socketserver
class Handler(socketserver.StreamRequestHandler):
    def varint(self):
        v = n = 0
        while True:
            b = self.rfile.read(1)[0]
            v |= (b & 127) << n
            n += 7
            if b < 128:
                return v
    def handle(self):
        length, number, version = self.varint(), self.varint(), self.varint()
        address = self.rfile.read(self.varint())
        port, state = int.from_bytes(self.rfile.read(2), "big"), self.varint()
        text = json.dumps({"text": "%d %r %d %d" % (version, address, port, state)}).encode()
        self.request.sendall(bytes([len(text) + 2, 0, len(text)]) + text)
class Server(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6
Server(("::", 25565), Handler).serve_forever()
"""
# TLS: says who it is, which name and which ALPN it was asked for
TLS = """
import os, socket, socketserver, ssl
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/opt/p/cert.pem")
context.set_alpn_protocols(["acme-tls/1", "postgresql", "http/1.1"])
names = []
context.sni_callback = lambda sock, name, c: names.append(name)
class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        with context.wrap_socket(self.request, server_side=True) as tls:
            tls.sendall(("%s %s %s" % (os.environ["TRP_SERVICE"], names.pop(), tls.selected_alpn_protocol())).encode())
class Server(socketserver.TCPServer):
    address_family = socket.AF_INET6
Server(("::", 443), Handler).serve_forever()
"""


def talk(port, data, until=None, address="127.0.0.1", half_close=False):
    """Sends, and returns what comes until the server closes, or until this is among it."""
    with web.connect(address, port, timeout=20) as sock:
        if data:
            sock.sendall(data)
        if half_close:
            sock.shutdown(socket.SHUT_WR)
        got = b""
        while until is None or until not in got:
            more = sock.recv(65536)
            if not more:
                break
            got += more
        return got


def listener_option(pid, port, level, option):
    """What is set on the listening socket of that port which the process has."""
    pidfd = os.pidfd_open(pid)
    try:
        for number in os.listdir("/proc/%d/fd" % pid):
            fd = ctypes.CDLL(None, use_errno=True).syscall(438, pidfd, int(number), 0)  # pidfd_getfd(2)
            if fd < 0 or not stat.S_ISSOCK(os.fstat(fd).st_mode):
                if fd >= 0:
                    os.close(fd)
                continue
            with socket.socket(fileno=fd) as sock:
                if sock.family == socket.AF_INET6 and sock.getsockname()[1] == port:
                    return sock.getsockopt(level, option)
    finally:
        os.close(pidfd)
    raise AssertionError("process %d has no socket at port %d" % (pid, port))


def handshake(address, state):
    packet = b"\0" + b"\xfb\x05" + bytes([len(address)]) + address + struct.pack(">H", 25565) + bytes([state])
    return bytes([len(packet)]) + packet


def stream(to, namespace="client", extra=""):
    return ("<?xml version='1.0'?><stream:stream xmlns='jabber:%s' xmlns:stream='http://etherx.jabber.org/streams' "
            "version='1.0' to='%s'%s>" % (namespace, to, extra)).encode()


class Protocols(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.files = tempfile.TemporaryDirectory(prefix=trp.TAG + "-files-", dir="/run")
        cls.addClassCleanup(cls.files.cleanup)
        where = cls.files.name
        os.chmod(where, 0o755)
        contents = {"one.conf": NGINX_CONF % "one", "two.conf": NGINX_CONF % "two", "sshd_config": SSHD_CONF,
                    "passwd": "root:x:0:0::/:/bin/sh\nme:x:1000:1000::/tmp:/bin/sh\n", "prosody.cfg.lua": PROSODY_CONF,
                    "greeter.py": GREETER, "craft.py": MINECRAFT, "own.py": TLS, "any.py": TLS}
        for name, text in contents.items():
            with open(os.path.join(where, name), "w") as f:
                f.write(text)
        cls.key = os.path.join(where, "key")
        subprocess.run(["ssh-keygen", "-q", "-N", "", "-t", "ed25519", "-f", cls.key], check=True)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-subj", "/CN=x", "-keyout", where + "/cert.pem", "-out", where + "/cert.pem"], check=True,
                       capture_output=True)
        os.chmod(where + "/cert.pem", 0o644)

        def python(name, route):
            return PYTHON % {"name": name, "route": route, "dir": where}
        profiles = {
            "one": NGINX % {"name": "one", "dir": where}, "two": NGINX % {"name": "two", "dir": where},
            "sshd": SSHD % {"dir": where}, "db": POSTGRES, "chat": PROSODY % {"dir": where},
            "greeter": python("greeter", "raw = 25"),
            "craft": python("craft", "host = craft.localhost\nminecraft = 25565"),
            "own": python("own", "host = own.localhost b\u00fccher.localhost\ntls = 443"),
            "any": python("any", "default = yes\ntls = 443"),
        }
        cls.d = trp.Daemon(profiles)
        cls.d.listeners = LISTENERS
        cls.d.ports = (MIXED, RAW, HALF)
        cls.d.start()
        cls.addClassCleanup(cls.d.stop)
        cls.d.ok("start", *profiles)

    # HTTP/2

    def curl(self, name, *args, port=MIXED, address="127.0.0.1"):
        return subprocess.run(["curl", "-s", "--http2-prior-knowledge", "--max-time", "20", "--resolve",
                               "%s:%d:%s" % (name, port, address), "http://%s:%d/" % (name, port), *args],
                              capture_output=True, text=True, timeout=30, check=False)

    def test_h2c_by_name(self):
        for name in ("one", "two"):
            for address in ("127.0.0.1", "::1"):
                self.assertEqual(self.curl(name + ".localhost", address=address).stdout,
                                 "%s for %s.localhost by HTTP/2.0 from %s\n" % (name, name, address))

    def test_h2c_large_fields(self):
        """20,000 bytes that come to 17,500 in Huffman's code: nghttp sends HEADERS and CONTINUATION."""
        done = subprocess.run(["nghttp", "-H", "x-long: " + "z" * 20000, "-H", ":authority: two.localhost",
                               "http://127.0.0.1:%d/" % MIXED], capture_output=True, text=True, timeout=30, check=False)
        self.assertEqual(done.stdout, "two for two.localhost by HTTP/2.0 from 127.0.0.1\n", done.stderr)

    def test_h2c_padded(self):
        done = subprocess.run(["nghttp", "-b", "100", "--header=:authority: one.localhost", "--weight=3",
                               "http://127.0.0.1:%d/" % MIXED], capture_output=True, text=True, timeout=30, check=False)
        self.assertEqual(done.stdout, "one for one.localhost by HTTP/2.0 from 127.0.0.1\n", done.stderr)

    def test_h2c_many(self):
        done = subprocess.run(["h2load", "-n", "2000", "-c", "100", "-m", "10", "-H", ":authority: one.localhost",
                               "http://127.0.0.1:%d/" % MIXED], capture_output=True, text=True, timeout=60, check=True)
        self.assertIn("2000 succeeded, 0 failed, 0 errored, 0 timeout", done.stdout)

    def test_h2c_refused(self):
        show = ("-o", "/dev/null", "-w", "%{http_version} %{http_code} %header{retry-after}")
        self.assertEqual(self.curl("nobody.localhost", *show).stdout, "2 404 ")
        self.assertIn("There is no site of this name", self.curl("nobody.localhost").stdout)
        self.assertEqual(self.curl("own.localhost", *show).stdout, "2 421 ")  # it has TLS only
        self.d.ok("stop", "two")
        try:
            self.assertIn(self.curl("two.localhost", *show).stdout, ("2 503 5", "2 404 "))
        finally:
            self.d.ok("start", "two")

    # SSH

    def ssh(self, port=MIXED):
        return subprocess.run(["ssh", "-F", "/dev/null", "-o", "StrictHostKeyChecking=no", "-o",
                               "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=20", "-i",
                               self.key, "-p", str(port), "me@127.0.0.1", "echo $SSH_CONNECTION; id -un"],
                              capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)

    def test_ssh(self):
        done = self.ssh()
        self.assertRegex(done.stdout, r"^127\.0\.0\.1 \d+ \S+ %d\nme\n$" % MIXED, done.stderr)

    def test_ssh_refused(self):
        self.d.ok("stop", "sshd")
        try:
            self.assertRegex(talk(MIXED, b"SSH-2.0-x\r\n"), rb"^Th\w+ .*\.\r\n$")
            self.assertNotEqual(self.ssh().returncode, 0)
        finally:
            self.d.ok("start", "sshd")

    # PostgreSQL

    def psql(self, mode):
        return subprocess.run(["psql", "-XAtq", "host=127.0.0.1 port=%d user=postgres dbname=postgres sslmode=%s" %
                               (MIXED, mode), "-c", "select host(inet_client_addr()), 6 * 7"], capture_output=True,
                              text=True, timeout=60, check=False)

    def test_postgres(self):
        for mode in ("prefer", "disable"):  # SSLRequest; StartupMessage
            self.assertEqual(self.psql(mode).stdout, "127.0.0.1|42\n")

    def test_postgres_refused(self):
        self.d.ok("stop", "db")
        try:
            done = self.psql("disable")
            self.assertEqual(done.returncode, 2)
            self.assertRegex(done.stderr, r"FATAL:  Th.* service")
        finally:
            self.d.ok("start", "db")

    # TLS

    def tls(self, name, alpn):
        context = web.tls_context()
        context.set_alpn_protocols(alpn)
        with web.connect("127.0.0.1", MIXED) as sock, context.wrap_socket(sock, server_hostname=name) as tls:
            return tls.recv(1000).decode()

    def test_alpn_goes_by_name(self):
        """ACME's and PostgreSQL's ALPN go to the owner of the name, not to who has the default for TLS."""
        for alpn in ("acme-tls/1", "postgresql", "http/1.1"):
            self.assertEqual(self.tls("own.localhost", [alpn]), "own own.localhost " + alpn)
            self.assertEqual(self.tls("other.localhost", [alpn]), "any other.localhost " + alpn)

    def test_openssl_postgresql(self):
        done = subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:%d" % MIXED, "-alpn", "postgresql",
                               "-servername", "own.localhost", "-quiet"], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=30, check=False)
        self.assertEqual(done.stdout, "own own.localhost postgresql")

    def test_internationalized(self):
        self.assertEqual(self.tls("xn--bcher-kva.localhost", ["http/1.1"]), "own xn--bcher-kva.localhost http/1.1")

    # XMPP

    def test_xmpp(self):
        for name in ("chat.localhost", "xmpp.localhost"):
            got = talk(MIXED, stream(name), b"</stream:features>")
            self.assertIn(b"from='" + name.encode() + b"'", got)
            self.assertIn(b"<mechanism>PLAIN</mechanism>", got)
        got = talk(MIXED, stream("chat.localhost", "server", " from='other.localhost'"), b"</stream:features>")
        self.assertIn(b"jabber:server", got)

    def test_xmpp_refused(self):
        got = talk(MIXED, stream("nobody.localhost"))
        self.assertRegex(got, rb"<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>")
        self.assertNotIn(b"prosody", got)
        self.assertIn(b"<bad-format ", talk(MIXED, stream("a b")))
        self.assertIn(b"<bad-format ", talk(MIXED, stream("chat.localhost")[:-1], half_close=True))

    # Minecraft

    def test_minecraft(self):
        for address in (b"craft.localhost", b"Craft.localhost.", b"craft.localhost\0FML2\0"):
            got = talk(MIXED, handshake(address, 2))
            self.assertEqual(got[3:], b'{"text": "%s"}' % (b"763 %r 25565 2" % address).replace(b"\\", b"\\\\"))

    def test_minecraft_refused(self):
        for state in (1, 2):
            got = talk(MIXED, handshake(b"nobody.localhost", state))
            self.assertIn(b'"text":"There is no such service here."', got)
            self.assertEqual(b'"description"' in got, state == 1)

    # raw

    def test_server_speaks_first(self):
        """The greeting comes although the client says nothing: neither the kernel nor the router waits for it."""
        for address in ("127.0.0.1", "::1"):
            self.assertEqual(talk(RAW, b"", b"\r\n", address), b"220 greeter, you are ::ffff:127.0.0.1\r\n"
                             if address == "127.0.0.1" else b"220 greeter, you are ::1\r\n")
        got = talk(RAW, b"GET / HTTP/1.1\r\nHost: one.localhost\r\n\r\n")
        self.assertTrue(got.endswith(b"got GET / HTTP/1.1\r\nHost: one.localhost\r\n\r\n"), got)

    def test_kernel_does_not_hold_back(self):
        deferred = {port: listener_option(self.d.process.pid, port, socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT) > 0
                    for port in (MIXED, RAW, HALF)}
        self.assertEqual(deferred, {MIXED: True, RAW: False, HALF: False})

    def test_raw_beside_http(self):
        self.assertTrue(talk(HALF, b"\xff\xfe").endswith(b"got \xff\xfe"))
        # silent until the deadline of 500 ms
        self.assertTrue(talk(HALF, b"", b"\r\n").startswith(b"220 greeter"))
        self.assertTrue(talk(HALF, b"PING", half_close=True).endswith(b"got PING"))
        self.assertTrue(talk(HALF, b"GET / HTTP/1.1\r\nHost: nobody.localhost\r\n\r\n").startswith(b"HTTP/1.1 404 "))

    def test_not_taken(self):
        """What a listener does not take is refused in its own words; nothing of it gets through."""
        before = self.d.call("trpsup.Info")["router"]["stats"]["handed_on"]
        for opening in (b"EHLO a.test\r\n", b"\xff" * 5000, b"\0\0\0\x10\0\2\0\0" + bytes(8)):
            try:
                self.assertEqual(talk(MIXED, opening), b"")
            except ConnectionResetError:
                pass  # closed with bytes unread
        self.assertEqual(self.d.call("trpsup.Info")["router"]["stats"]["handed_on"], before)

    def test_explain(self):
        decisions = {d["protocol"]: d for d in self.d.call("trpsup.Explain", name="craft.localhost")["decisions"]
                     if d["listener"] == "mixed"}
        self.assertEqual({p: d["service"] for p, d in decisions.items() if d["verdict"] == "handed_on"},
                         {"minecraft": "craft", "ssh": "sshd", "postgres": "db", "tls": "any"})
        self.assertEqual({p: d["told"] for p, d in decisions.items() if d["verdict"] == "misdirected"},
                         {"http": 421, "h2c": 421, "xmpp": 0, "xmpp-server": 0})
        self.assertRegex(self.d.ok("explain", "craft.localhost"), r"xmpp .*an error message")

    def test_status(self):
        routes = {(r["protocol"], r["host"]): r for r in self.d.status("chat")["routes"]}
        self.assertEqual(set(routes), {(p, h) for p in ("xmpp", "xmpp-server")
                                       for h in ("chat.localhost", "xmpp.localhost")})
        self.assertTrue(all(r["up"] and r["listeners"] == ["mixed"] for r in routes.values()))
        self.assertEqual([(r["protocol"], r["host"], r["listeners"]) for r in self.d.status("greeter")["routes"]],
                         [("raw", "*", ["raw", "half"])])


if __name__ == "__main__":
    unittest.main()
