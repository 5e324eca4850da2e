#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""What the daemon believes of its own unprivileged processes: a table of connections with lies in it, and more callers than
the observer remembers."""
import json
import mmap
import os
import re
import socket
import struct
import subprocess
import unittest

import trp
import web

ENTRIES = 4096 * 17  # struct live of router/live.h: where its entries begin
# struct live_entry: cookie; accepted_ns, route_us, listener, service, channel, peer; the ends' addresses; four bytes; sampled
COOKIE, LOCAL, REMOTE, SAMPLED = 0, 56, 80, 108


class Live:
    """The table, by the daemon's own descriptor."""

    def __init__(self, daemon):
        fds = "/proc/%d/fd" % daemon.process.pid
        path = next(p for p in (os.path.join(fds, f) for f in os.listdir(fds)) if "trpsup-live" in os.readlink(p))
        with open(path, "r+b") as f:
            self.memory = mmap.mmap(f.fileno(), 0)
        self.size = (len(self.memory) - ENTRIES) // 65536

    def find(self, port):
        """The entry of the client with that port: its place and its bytes."""
        n, = struct.unpack_from("=I", self.memory, 4)
        for i in range(n):
            at = ENTRIES + i * self.size
            entry = self.memory[at:at + self.size]
            if struct.unpack_from("!H", entry, REMOTE + 2)[0] == port:
                return i, entry
        raise AssertionError("no connection from port %d in the table of %d" % (port, n))

    def forge(self, entry, **fields):
        entry = bytearray(entry)
        struct.pack_into("=Q", entry, COOKIE, fields["cookie"])
        struct.pack_into("=I", entry, SAMPLED, fields["sampled"])
        entry[LOCAL + 8:LOCAL + 24] = bytes(10) + b"\xff\xff" + socket.inet_aton(fields["local"])
        n, = struct.unpack_from("=I", self.memory, 4)
        at = ENTRIES + n * self.size
        self.memory[at:at + self.size] = bytes(entry)
        struct.pack_into("=I", self.memory, 4, n + 1)


class Distrust(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = trp.Daemon()
        cls.d.listeners = "".join("[listener %s]\naddress = %s\nport = %d\nprotocols = http\n\n" % (name, ip, trp.HTTP_PORT)
                                  for name, ip in (("one", "127.0.0.1"), ("two", "127.0.0.2")))
        cls.d.start()
        cls.d.ok("start", "hello")
        trp.wait_until(lambda: cls.d.trpsup("conns").returncode == 0, 20, "the observer answers")

    @classmethod
    def tearDownClass(cls):
        cls.d.stop()

    def cookie_of_listener(self, ip):
        out = subprocess.run(["ss", "-Htlne", "src", "[::ffff:%s]:%d" % (ip, trp.HTTP_PORT)], capture_output=True, text=True,
                             check=True).stdout
        return int(re.search(r"sk:([0-9a-f]+)", out)[1], 16)

    def test_no_listener_is_kicked(self):
        with web.connect("127.0.0.1", trp.HTTP_PORT) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: hello.localhost\r\n\r\n")
            self.assertTrue(sock.recv(65536).startswith(b"HTTP/1.1 200"))
            port = sock.getsockname()[1]
            trp.wait_until(lambda: port in [r["client_port"] for r in self.d.call("trpsup.Conns")["connections"]], 10,
                           "the connection is seen")
            live = Live(self.d)
            _, entry = live.find(port)
            sampled, = struct.unpack_from("=I", entry, SAMPLED)
            for ip in ("127.0.0.1", "127.0.0.2"):
                live.forge(entry, cookie=self.cookie_of_listener(ip), local=ip, sampled=sampled + 1)
            done = self.d.call("trpsup.Kick", client="127.0.0.1")
            self.assertEqual((done["kicked"], done["failed"]), (1, 2))
            self.assertTrue(self.ended(sock))
        for ip in ("127.0.0.1", "127.0.0.2"):
            self.assertEqual(web.get("http://hello.localhost:%d/" % trp.HTTP_PORT, ip).status, 200)

    def ended(self, sock):
        try:
            return sock.recv(1) == b""
        except ConnectionResetError:
            return True

    def test_many_ask_at_once(self):
        calls = []
        for _ in range(50):
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sock.settimeout(30)
            sock.connect(self.d.control)
            calls.append(sock)
        message = json.dumps({"method": "trpsup.Conns", "parameters": {}}).encode() + b"\0"
        for sock in calls:
            sock.sendall(message)
        for sock in calls:
            data = b""
            while not data.endswith(b"\0"):
                data += sock.recv(65536)
            sock.close()
            self.assertIn("connections", json.loads(data[:-1]).get("parameters", {}))


if __name__ == "__main__":
    unittest.main()
