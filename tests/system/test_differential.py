# SPDX-License-Identifier: ISC
"""Who gets a client? The router, nginx and HAProxy are given the same openings (openings.py), right and odd ones, for
the same sites; where they differ, EXPLAINED must say why. An entry there that explains nothing any more is a failure too."""
import collections
import contextlib
import ctypes
import os
import re
import selectors
import socket
import time
import unittest

import openings
import openings_h2
import trp
from differences import EXPLAINED

FILES = os.path.join(trp.TOP, "tests/system/differential")
CLONE_NEWNET = 0x40000000
H2C_PORT = trp.TLS_PORT + 1
AT_A_TIME = 100
QUIET_SECONDS = 1.5  # who has said nothing for so long wants to hear more; it is not a verdict, see Client.end
LAST_SECONDS = 20

SITE_PROFILE = """
[service]
command = /usr/bin/python3 -B /opt/p/site.py %s
adapter = preload
[route]
host = %s
http = 8080
tls = 8443
h2c = 8080
[sandbox]
root = host
state = no
bind = %s /opt/p
"""
REFERENCE_PROFILE = """
[service]
command = /srv/start
adapter = none
[sandbox]
root = packages
packages = nginx-light libnginx-mod-stream haproxy
state = no
bind = %s /srv
""" % FILES

# status or alert of the router and the two others that says that there is no such site
NONE = (b"HTTP/1.1 404 ", b"\x15\x03\x03\x00\x02\x02\x70")


@contextlib.contextmanager
def network_of(pid):
    """Sockets that are made in the block belong to the network of that process."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/self/ns/net") as here, open("/proc/%d/ns/net" % pid) as there:
        if libc.setns(there.fileno(), CLONE_NEWNET) < 0:
            raise OSError(ctypes.get_errno(), "setns")
        try:
            yield
        finally:
            if libc.setns(here.fileno(), CLONE_NEWNET) < 0:
                raise OSError(ctypes.get_errno(), "setns")


class Client:
    """One opening to one server. Its decision is a site's name, "none" (there is no such site), "refused" or "more" (it
    waited for more than it got)."""

    def __init__(self, port, opening):
        self.opening, self.answer, self.said_all, self.ended = opening, b"", False, False
        self.sock = socket.create_connection(("127.0.0.1", port), 10)
        self.sock.setblocking(False)
        self.left = opening
        self.send()

    def send(self):
        with contextlib.suppress(BlockingIOError):
            try:
                while self.left:
                    self.left = self.left[self.sock.send(self.left):]
            except (BrokenPipeError, ConnectionResetError):  # refused before it was all there
                self.left = b""

    def take(self):
        """True: that was all, or the decision is known."""
        try:
            data = self.sock.recv(65536)
        except BlockingIOError:
            return False
        except ConnectionResetError:
            data = b""
        self.answer += data
        self.ended = not data
        return self.ended or re.search(rb"(?i)\bsite: (\w+)\r\n", self.answer) is not None

    def end(self):
        """Says that no more will come; an incomplete opening is closed or refused after this, and a complete one has
        its answer however slow the machine is."""
        self.said_all = True
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)

    def decision(self):
        site = re.search(rb"(?i)\bsite: (\w+)\r\n", self.answer)
        if site:
            return site.group(1).decode()
        if self.answer.startswith(NONE):
            return "none"
        return "more" if self.said_all else "refused"


class Client2(Client):
    """The same of HTTP/2, where a connection goes on when a request has its answer."""

    def frames(self):
        at = 0
        while len(self.answer) - at >= 9:
            size = int.from_bytes(self.answer[at:at + 3], "big")
            if len(self.answer) - at < 9 + size:
                return
            yield self.answer[at + 3], self.answer[at + 4], self.answer[at + 9:at + 9 + size]
            at += 9 + size

    def take(self):
        return super().take() or any(kind in (openings_h2.RST_STREAM, openings_h2.GOAWAY) or
                                     (kind in (openings_h2.DATA, openings_h2.HEADERS) and flags & openings_h2.END_STREAM)
                                     for kind, flags, _ in self.frames())

    def decision(self):
        if any(kind == openings_h2.HEADERS and payload.startswith(b"\x20\x08\x03404") for kind, _, payload in self.frames()):
            return "none"
        return super().decision()


def settle(clients, seconds):
    """Takes what comes until all have ended, or nothing came for so long. Returns those that have not."""
    with selectors.DefaultSelector() as waiting:
        for client in clients:
            waiting.register(client.sock, selectors.EVENT_READ | (selectors.EVENT_WRITE if client.left else 0), client)
        end = time.monotonic() + seconds
        while waiting.get_map() and time.monotonic() < end:
            for key, events in waiting.select(0.1):
                client = key.data
                end = time.monotonic() + seconds
                if events & selectors.EVENT_WRITE:
                    client.send()
                    if not client.left:
                        waiting.modify(client.sock, selectors.EVENT_READ, client)
                if events & selectors.EVENT_READ and client.take():
                    waiting.unregister(client.sock)
        return [key.data for key in waiting.get_map().values()]


def decisions(port, corpus, client_of=Client):
    """What the server there does with each opening."""
    found = []
    for start in range(0, len(corpus), AT_A_TIME):
        with contextlib.ExitStack() as stack:
            clients = [client_of(port, opening) for _, opening in corpus[start:start + AT_A_TIME]]
            for client in clients:
                stack.enter_context(client.sock)
            silent = settle(clients, QUIET_SECONDS)
            for client in silent:
                client.end()
            for client in settle(silent, LAST_SECONDS):
                raise AssertionError("no answer to %r, and no end" % client.opening[:200])
            found += [client.decision() for client in clients]
    return found


class Differential(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        profiles = {name: SITE_PROFILE % (name, " ".join(hosts), FILES) for name, hosts in openings.SITES.items()}
        cls.daemon = trp.Daemon({**profiles, "reference": REFERENCE_PROFILE},
                                "[listener h2c]\nport = %d\nprotocols = h2c\n" % H2C_PORT).start()
        try:
            cls.daemon.ok("start", "reference", *profiles)
            cls.pid = cls.daemon.main_pid("reference")
            for port in (8080, 8081, 8082, 8083, 8443, 8444):
                trp.wait_until(lambda: cls.reachable(port), 20, "the server at %d answers:\n%s" % (
                    port, cls.daemon.service_log("reference")))
        except BaseException:
            cls.daemon.clean_up()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.daemon.stop()

    @classmethod
    def reachable(cls, port):
        with network_of(cls.pid), contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return False

    def compare(self, protocol, corpus, ours, reference, port, client_of=Client):
        with network_of(self.pid):
            theirs = decisions(port, corpus, client_of)
        explained = EXPLAINED[protocol, reference]
        unexplained, used = [], collections.Counter()
        for (kind, opening), our, their in zip(corpus, ours, theirs):
            if our == their:
                continue
            if (our, their) in explained.get(kind, {}):
                used[kind, our, their] += 1
            else:
                unexplained.append("%-35s ours: %-8s %s: %-8s %r" % (kind, our, reference, their, opening[:150]))
        idle = ["%s: %s, %s" % (kind, *pair) for kind, pairs in explained.items() for pair in pairs
                if not used[(kind, *pair)]]
        print("%s: %d openings, %d as %s, %d differences in %d explained ways" % (
            protocol, len(corpus), len(corpus) - sum(used.values()) - len(unexplained), reference, sum(used.values()),
            len(used)))
        self.assertEqual(unexplained, [], "%d differences from %s that nobody explains:\n%s" % (
            len(unexplained), reference, "\n".join(unexplained)))
        self.assertEqual(idle, [], "explains nothing")

    def test_corpus(self):
        self.assertGreaterEqual(len(set(openings.HTTP)) + len(set(openings.TLS)), 500)

    def test_http(self):
        ours = decisions(trp.HTTP_PORT, openings.HTTP)
        self.assertLessEqual({"a", "b", "w", "none", "refused", "more"}, set(ours))
        for reference, port in (("nginx", 8080), ("haproxy", 8081)):
            with self.subTest(reference=reference):
                self.compare("http", openings.HTTP, ours, reference, port)

    def test_tls(self):
        ours = decisions(trp.TLS_PORT, openings.TLS)
        self.assertLessEqual({"a", "b", "w", "none", "refused", "more"}, set(ours))
        for reference, port in (("nginx", 8443), ("haproxy", 8444)):
            with self.subTest(reference=reference):
                self.compare("tls", openings.TLS, ours, reference, port)

    def test_h2c(self):
        ours = decisions(H2C_PORT, openings_h2.H2C, Client2)
        self.assertLessEqual({"a", "b", "w", "none", "refused", "more"}, set(ours))
        for reference, port in (("nginx", 8082), ("haproxy", 8083)):
            with self.subTest(reference=reference):
                self.compare("h2c", openings_h2.H2C, ours, reference, port, Client2)


if __name__ == "__main__":
    unittest.main()
