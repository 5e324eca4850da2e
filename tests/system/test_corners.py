#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""test_corners: what a program does with its listener beside accepting in a loop is the same under an adapter as with a socket
of the kernel. Each case of tests/progs/accept-corners.c is run with each: what it says is written here once."""
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest

import trp
import web
from test_adapter import BUILD, PORT, PYTHON, ROOT, Case

PROFILE = """[service]
command = %s
adapter = %s
ready = started
[route]
host = corners.localhost
http = 80
[sandbox]
root = host
bind = """ + os.path.join(BUILD, "tests/progs") + """ /opt/progs
bind = """ + os.path.join(BUILD, "trp-channels") + """ /opt/trp-channels
"""
CONNECT = ("import socket,sys\n"
           "for _ in range(int(sys.argv[2])): s=socket.create_connection(('127.0.0.1',int(sys.argv[1])),10); s.recv(1)")


class Corners:
    """Each case; the classes below say by what the program is served."""
    program = os.path.join(BUILD, "tests/progs/accept-corners")
    more = {}

    def clients(self, init, n):
        """Connects some, which stay until they are closed."""
        for _ in range(n):
            client = self.host.connect(self.channel(socket.AF_INET))
            self.addCleanup(client.close)
            if n > 1:
                client.recv(1)

    def told(self, mode, *lines, clients=1):
        init = self.start([self.program, mode, str(PORT)], **self.more)
        for n in range(lines.count("client")):
            init.wait_text("(client\n(.*\n)*){%d}" % (n + 1))
            self.clients(init, clients)
        init.wait_text("done\n", 30)
        return init.text().splitlines()[:-1]

    def says(self, mode, *lines, **more):
        self.assertEqual(self.told(mode, *lines, **more), list(lines))

    def test_cancel(self):
        self.says("cancel", "cancelled=1 cleaned=1", "cancelled=1 cleaned=1", "client", "accept=0")

    def test_cancel_before(self):
        self.says("cancel-before", "client", "cancelled=1", "accept=0")

    def test_blocked(self):
        self.says("blocked", "shutdown=0", "woken=EINVAL", "woken=EINVAL")

    def test_crowd(self):
        self.says("crowd", "shutdown=0", "woken=100")

    def test_worn(self):
        self.says("worn", "shutdown=0", "woken=EINVAL")

    def test_handler(self):
        self.says("handler", "accept=EINVAL")

    def test_epoll_shutdown(self):
        self.says("epoll-shutdown", "client", "shutdown=0", "remove=0", "events=0")

    def test_two(self):
        self.says("two", "shutdown=0", "woken=EINVAL", "client", "woken=0", "client", "accept=0")

    def test_inherit(self):
        self.says("inherit", "client", "accept=0", "rcvlowat=2", "pacing=1000000", "mtu_discover=0", "recverr=1", "clamp=20000",
                  "quickack=0", "inq=1")

    def test_inherit_nothing(self):
        lines = self.told("inherit-nothing", "client")
        self.assertEqual([line for line in lines if "clamp" not in line], [
            "client", "accept=0", "rcvlowat=1", "pacing=-1", "mtu_discover=1", "recverr=0", "quickack=1", "inq=0"])

    def test_ticks(self):
        self.says("ticks", "ticks=EINTR", "client", "accept=0", "late=EAGAIN")

    def test_leader(self):
        self.says("leader", "listen=0", "client", "events=1", "accept=0", "shutdown=0", "after=EINVAL")

    def test_exec(self):
        self.says("exec", "client", "accept=0", "keepalive=1 linger=1,5 sndtimeo=44 pacing=1000000 oobinline=1")

    def test_exec_nothing(self):
        self.says("exec-nothing", "client", "accept=0", "keepalive=0 linger=0,0 sndtimeo=0 pacing=-1 oobinline=1")

    def test_epoll_many(self):
        self.says("epoll-many", "client", "shutdown=0", "told=64 removed=64")

    def test_exec_again(self):
        self.says("exec-again", "shutdown=0", "accept=EINVAL", "listen=0", "client", "accept=0")

    def test_relisten(self):
        self.says("relisten", "client", "with=500", clients=500)


class Kernel(Corners, Case):
    """The kernel's own sockets."""
    more = {"families": (), "preload": False}

    def clients(self, init, n):
        process = subprocess.Popen(["nsenter", "-n", "-t", str(init.pids()[0]), PYTHON, "-c", CONNECT, str(PORT), str(n)], stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)


class PreloadGlibc(Corners, Case):
    POLLERS = ("import select,socket,threading,time\n"
               "def poll(): p=select.poll(); p.register(s,select.POLLIN); return [e==select.POLLHUP for _,e in p.poll(60000)]\n"
               "def epoll(): p=select.epoll(); p.register(s,select.EPOLLIN); return [e==select.EPOLLHUP for _,e in p.poll(60)]\n"
               "def choose(): return [f is s for f in select.select([s],[],[],60)[0]]\n"
               f"s=socket.create_server(('',{PORT})); said={{}}\n"
               "ts=[threading.Thread(target=lambda f=f: said.update({f.__name__: f()})) for f in (poll,epoll,choose)]\n"
               "for t in ts: t.start()\n"
               "time.sleep(0.3); s.shutdown(socket.SHUT_RDWR)\n"
               "for t in ts: t.join()\n"
               "print(*sorted(said.items()),'done',flush=True); time.sleep(60)\n")

    def test_who_polls_is_woken(self):
        for more in (Kernel.more, self.more):
            init = self.start([PYTHON, "-c", self.POLLERS], **more)
            init.wait_text("done\n", 30)
            self.assertEqual(init.text(), "('choose', [True]) ('epoll', [True]) ('poll', [True]) done\n")


@unittest.skipUnless(shutil.which("musl-gcc"), "no musl-gcc")
class PreloadMusl(Corners, Case):
    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix="trp-corners-")
        cls.addClassCleanup(shutil.rmtree, cls.dir)
        os.chmod(cls.dir, 0o755)
        cls.program = os.path.join(cls.dir, "accept-corners-musl")
        subprocess.run(["musl-gcc", "-O1", "-D_GNU_SOURCE", "-o", cls.program,
                        os.path.join(ROOT, "tests/progs/accept-corners.c"), "-lpthread"], check=True)


class Notify(Corners, unittest.TestCase):
    """The same program, static, by seccomp notification."""
    @classmethod
    def setUpClass(cls):
        cls.d = trp.Daemon().start()
        cls.addClassCleanup(cls.d.stop)

    def told(self, mode, *lines, clients=1):
        self.d.profile(mode, PROFILE % (f"/opt/progs/accept-corners-static {mode} 80", "notify"))
        self.d.ok("start", mode, timeout=30)
        self.addCleanup(self.d.trpsup, "stop", mode)
        for n in range(lines.count("client")):
            self.d.logged(mode, "client$", n + 1)
            for _ in range(clients):
                client = web.connect("127.0.0.1", trp.HTTP_PORT, timeout=15)
                self.addCleanup(client.close)
                client.sendall(b"GET / HTTP/1.0\r\nHost: corners.localhost\r\n\r\n")
                if clients > 1:
                    with contextlib.suppress(ConnectionResetError):  # it does not read
                        client.recv(1)
        self.d.logged(mode, "done$", seconds=30)
        return [line.split(" ", 2)[2] for line in self.d.service_log(mode).splitlines() if line.split(" ")[1:2] == ["out"]][:-1]


class NextRun(unittest.TestCase):
    def test_options(self):
        """What a run has set on its listener is not there for the next one, which has not called listen(2) itself."""
        def run(command):
            d.profile("next", PROFILE % (command, "preload"))
            d.ok("restart", "next", timeout=30)
            d.logged("next", "client$", len(clients) + 1)
            clients.append(stack.enter_context(web.connect("127.0.0.1", trp.HTTP_PORT, timeout=15)))
            clients[-1].sendall(b"GET / HTTP/1.0\r\nHost: corners.localhost\r\n\r\n")
            return d.logged("next", "keepalive=", len(clients))[-1]
        clients = []
        with trp.Daemon() as d, contextlib.ExitStack() as stack:
            self.assertIn("keepalive=1 linger=1,5 sndtimeo=44 pacing=1000000 oobinline=1", run("/opt/progs/accept-corners exec 80"))
            self.assertIn("keepalive=0 linger=0,0 sndtimeo=0 pacing=-1 oobinline=1",
                          run("/opt/trp-channels 80/4=7 -- /opt/progs/accept-corners inherited 80 7"))


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("test_corners: needs root")
    unittest.main()
