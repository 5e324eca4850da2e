#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""trp-channels, with Debian's HAProxy as a server that is told its listening sockets by number: bind fd@N and sockpair@N. What
does not work is compared with doc/upstreams.md."""
import os
import re
import shutil
import subprocess
import unittest

import trp
import upstreams

CONFIG = """global
	log stdout format raw local0
	maxconn 1000
	hard-stop-after 15s
defaults
	mode http
	log global
	timeout connect 5s
	timeout client 60s
	timeout server 60s
frontend public
	bind %s
	log-format "client %%ci:%%cp"
	http-request return status 200 content-type text/plain lf-string "src=%%[src] %%[src_port]\\n"
"""

PROFILE = """[service]
user = haproxy
command = /run/trp-channels 80=7 -- /usr/sbin/haproxy -Ws -f /srv/haproxy.cfg
adapter = %s
ready = notify
stop-signal = USR1
reload-signal = USR2
stop-timeout = 5s
start-timeout = 10s
restart = no
[route]
host = ha.localhost
http = 80
[sandbox]
root = packages
packages = haproxy openssl
bind = ${libexec}/trp-channels /run/trp-channels
bind = %s /srv
"""


class Case(unittest.TestCase):
    row = upstreams.Row("ha", small="/", small_has=b"src=")
    adapter = "native"
    bind = None

    def setUp(self):
        self.d = trp.Daemon(state=upstreams.STATE)
        self.addCleanup(self.d.clean_up)
        self.d.start()
        directory = os.path.join(self.d.dir, "haproxy")
        os.mkdir(directory)
        with open(directory + "/haproxy.cfg", "w") as f:
            f.write(CONFIG % self.bind)
        self.d.profile("ha", PROFILE % (self.adapter, directory))

    def sources(self):
        """Whom HAProxy says that it talks to, and who it is: by IPv4 and IPv6."""
        for address in upstreams.FAMILIES:
            connection = upstreams.client(self.row, address)
            try:
                connection.request("GET", "/")
                yield connection.getresponse().read().decode(), connection.sock.getsockname()[:2]
            finally:
                connection.close()


class FdWithPreload(Case):
    """The preload adapter makes the channel look like the listening socket that fd@N wants."""
    adapter = "preload"
    bind = "fd@7"

    def test(self):
        self.d.ok("start", "ha")
        for said, (address, port) in self.sources():
            self.assertEqual(said.replace("::ffff:", ""), "src=%s %d\n" % (address, port))
        with self.subTest("reload"):
            upstreams.check_reload(self)
        with self.subTest("restart"):
            upstreams.check_restart(self)
        with self.subTest("connections"):
            upstreams.check_connections(self)
        self.d.stop()


class Sockpair(Case):
    """Takes clients out of the channel as they come, and does not ask who they are."""
    bind = "sockpair@7"
    REASON = "it does not ask the socket who the client is"

    def test(self):
        self.d.ok("start", "ha")
        self.assertIn(self.REASON, upstreams.section("haproxy"))
        for said, _ in self.sources():
            self.assertEqual(said, "src= \n")
        self.assertEqual(len(self.d.logged("ha", "out client unix:1$", 2)), 2)
        with self.subTest("restart"):
            upstreams.check_restart(self)
        with self.subTest("connections"):
            upstreams.check_connections(self)
        self.d.stop()


class FdWithoutPreload(Case):
    """A channel is no listening socket of TCP."""
    bind = "fd@7"
    REASON = "socket on file descriptor '7' is of the wrong type"

    def test(self):
        self.assertEqual(self.d.trpsup("start", "ha").returncode, 1)
        self.assertEqual(len(self.d.logged("ha", re.escape(self.REASON))), 1)
        self.assertIn("is of the wrong type", upstreams.section("haproxy"))
        self.d.ok("stop", "ha")
        self.d.stop()


class Words(unittest.TestCase):
    PROGRAM = os.path.join(trp.BUILD, "trp-channels")

    def said(self, *words):
        done = subprocess.run([self.PROGRAM, *words], capture_output=True, text=True, timeout=20, check=False)
        self.assertEqual(done.returncode, 1, words)
        return done.stderr

    def test_usage(self):
        for words in ((), ("80=7",), ("80=7", "--"), ("--", "/bin/true"), ("80", "--", "/bin/true"), ("0=7", "--", "/bin/true"),
                      ("80=2", "--", "/bin/true"), ("80=1024", "--", "/bin/true"), ("80/6=7", "--", "/bin/true"),
                      ("80/4", "--", "/bin/true"), ("80=7", "--", "true"), ("65536=7", "--", "/bin/true"),
                      *[tuple("%d=%d" % (i + 1, i + 10) for i in range(17)) + ("--", "/bin/true")]):
            self.assertIn("usage: trp-channels", self.said(*words), words)
        self.assertIn("descriptor 7 is named twice", self.said("80=7", "443/4=7", "--", "/bin/true"))

    def test_outside(self):
        self.assertIn("port 80: there is no trp-init here", self.said("80=7", "--", "/bin/true"))


class Descriptors(unittest.TestCase):
    """Two channels at numbers that are in each other's way, and nothing else beside them."""
    PROGRAM = """import os, socket, time
print([socket.socket(fileno=fd).getsockname()[1:15].decode() for fd in (3, 4)],
      [fd for fd in range(5, 4096) if os.path.exists("/proc/self/fd/%d" % fd)], flush=True)
time.sleep(1000)
"""
    PROFILE = """[service]
command = /opt/trp-channels 81=3 80/4=4 -- /usr/bin/python3 /opt/program.py
adapter = native
ready = started
[route]
host = two.localhost
http = 80
tls = 81
[sandbox]
root = host
bind = %s /opt
"""

    def test(self):
        with trp.Daemon() as d:
            directory = os.path.join(d.dir, "programs")
            os.mkdir(directory)
            shutil.copy(os.path.join(trp.BUILD, "trp-channels"), directory)
            with open(directory + "/program.py", "w") as f:
                f.write(self.PROGRAM)
            d.profile("two", self.PROFILE % directory)
            d.ok("start", "two")
            lines = d.logged("two", " out ")
            self.assertRegex(lines[0], r"\['trpsup:00081:6', 'trpsup:00080:4'\] \[\]$")
            d.ok("stop", "two")


if __name__ == "__main__":
    unittest.main()
