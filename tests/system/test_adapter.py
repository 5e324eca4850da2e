#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""test_adapter: trp-init, the preload adapter, libtrp and trp-hello, without the daemon.

This program is daemon and router in one: it makes channels, starts trp-init in network and pid namespaces of its own as
an unprivileged user, accepts clients on a listener of the host and passes them in. Servers are what the machine has (python3,
perl) and tests/progs/accept-modes.c, with glibc and with musl. Needs root. TRP_BUILD says where the programs were built."""
import contextlib
import concurrent.futures
import ctypes
import os
import re
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

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
BUILD = os.path.join(ROOT, os.environ.get("TRP_BUILD", "build"))
PYTHON = "/usr/bin/python3"
UID = 4242  # of nobody on this machine
PORT = 8080
NONBLOCK = 4  # of a handoff's flags

INIT_MAGIC, ADAPTER_MAGIC, HANDOFF_MAGIC = 0x49505254, 0x41505254, 0x31505254
CHANNEL, SIGNAL, STOP, STEP, LISTEN, EXITED, EXEC_FAILED = 1, 2, 3, 16, 17, 18, 19
STOP_STEP, STOP_EXITED, STOP_EXEC_FAILED, STOPS_OVER = 24, 25, 26, 27
INIT_MSG = struct.Struct("=IHHHHiiI")
ASK = struct.Struct("=IHHHHi")
ADDR = struct.Struct("=H2sI16s")


def handoff(peer, name=b"", protocol=1, flags=0):
    """struct trp_handoff of base/handoff.h; peer: (ip text, port) or None for 'ask the socket'."""
    addr = bytes(ADDR.size)
    if peer:
        addr = ADDR.pack(socket.AF_INET6, struct.pack("!H", peer[1]), 0, socket.inet_pton(socket.AF_INET6, peer[0]))
    head = struct.pack("=IBBHIIQ", HANDOFF_MAGIC, 1, protocol, 80 + len(name), flags, 1, time.monotonic_ns())
    return head + addr + bytes(ADDR.size) + bytes(7) + bytes([len(name)]) + name


class Channel:
    """Both ends of one (port, family), as the daemon keeps them."""

    def __init__(self, port, family):
        self.port, self.family = port, family
        self.name = b"\0trpsup:%05d:%d:%s" % (port, 4 if family == socket.AF_INET else 6, os.urandom(8).hex().encode())
        self.router, self.service = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.service.bind(self.name)

    def close(self):
        self.router.close()
        self.service.close()


class Host:
    """The router's side: one dual-stack listener on the host."""

    def __init__(self, contained=False):
        self.listener = socket.socket(socket.AF_INET6)
        self.listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self.listener.bind(("::", 0))
        self.port = self.listener.getsockname()[1]
        if contained:
            # ldh [2]; jeq port, 0, 1; ret all; ret none (doc/security.md)
            code = b"".join(struct.pack("=HBBI", *i) for i in ((0x28, 0, 0, 2), (0x15, 0, 1, self.port), (0x06, 0, 0, 0xffffffff), (0x06, 0, 0, 0)))
            buffer = ctypes.create_string_buffer(code)
            self.listener.setsockopt(socket.SOL_SOCKET, 26, struct.pack("HxxxxxxP", 4, ctypes.addressof(buffer)))
            self.listener.setsockopt(socket.SOL_SOCKET, 44, 1)
        self.listener.listen(1024)
        self.lock = threading.Lock()

    def accepted(self, address="127.0.0.1"):
        """A client and the router's socket for it."""
        with self.lock:
            client = socket.create_connection((address, self.port), timeout=10)
            server, peer = self.listener.accept()
        server.setblocking(True)
        return client, server, peer

    def connect(self, channel, address="127.0.0.1", name=b"", with_peer=True, before=None, nonblock=False):
        client, server, peer = self.accepted(address)
        if before:
            before(client)
        server.setblocking(not nonblock)
        message = handoff(peer if with_peer else None, name, flags=NONBLOCK if nonblock else 0)
        socket.send_fds(channel.router, [message], [server.fileno()])
        server.close()
        return client

    def close(self):
        self.listener.close()


class Init:
    """trp-init with its upstream, in namespaces of its own."""

    def __init__(self, steps, channels=(), env=None, preload=True, user=True, stops=()):
        self.control, inner = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.settimeout(15)
        for ch in channels:
            socket.send_fds(self.control, [INIT_MSG.pack(INIT_MAGIC, CHANNEL, ch.port, ch.family, 0, 0, 0, 0)],
                            [ch.service.fileno()])
        words = self.words_before() + [str(len(steps)), str(len(stops))]
        for step in [*steps, *stops]:
            words += [str(len(step))] + list(step)
        # the preload file is named in the environment here; inside a sandbox it is /etc/ld.so.preload as well
        environment = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "TRP_SERVICE": "test", "PYTHONUNBUFFERED": "1",
                       "PYTHONDONTWRITEBYTECODE": "1"}
        environment.update(env or {})
        settings = " ".join(f"{k}='{v}'" for k, v in environment.items())
        if preload:
            settings += f" LD_PRELOAD='{BUILD}/preload.so'"
        drop = (f"setpriv --reuid {UID} --regid {UID} --clear-groups --no-new-privs --bounding-set=-all "
                "--inh-caps=-all ") if user else ""
        fd = inner.fileno()
        close = f"{fd}<&- " if fd != 3 else ""
        script = ("mount -t proc proc /proc && ip link set lo up && "
                  f"exec 3<&{fd} {close}&& exec {drop}env -i {settings} {BUILD}/trp-init \"$@\"")
        self.output = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            ["unshare", "--net", "--mount", "--pid", "--fork", "bash", "-c", script, "bash"] + words,
            pass_fds=(fd,), stdin=subprocess.DEVNULL, stdout=self.output, stderr=subprocess.STDOUT, cwd="/")
        inner.close()
        self.seen, self.several = [], {}

    def words_before(self):
        """Of trp-init's arguments."""
        return []

    def send(self, kind, value, value2=0):
        self.control.send(INIT_MSG.pack(INIT_MAGIC, kind, 0, 0, 0, value, value2, 0))

    def message(self):
        """(type, port, family, v6only, value, value2), or None at the end."""
        data = self.control.recv(1024)
        if not data:
            return None
        magic, kind, port, family, v6only, value, value2, several = INIT_MSG.unpack(data)
        assert magic == INIT_MAGIC and several in (0, 1)
        if kind == LISTEN:
            self.several[port, family] = several
        self.seen.append((kind, port, family, v6only, value, value2))
        return self.seen[-1]

    def wait_for(self, kind, count=1):
        got = None
        while count:
            got = self.message()
            if got is None:
                raise AssertionError(f"trp-init has ended; output:\n{self.text()}\nmessages: {self.seen}")
            count -= got[0] == kind
        return got

    def text(self):
        # not by seek(): the processes write where this description is
        return os.pread(self.output.fileno(), 1 << 24, 0).decode(errors="replace")

    def wait_text(self, pattern, seconds=15):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = re.search(pattern, self.text())
            if found:
                return found
            time.sleep(0.02)
        raise AssertionError(f"'{pattern}' did not come; output:\n{self.text()}")

    def pids(self):
        """Of the processes in the sandbox, as the host numbers them: init first."""
        out = []
        todo = [self.process.pid]
        while todo:
            pid = todo.pop(0)
            try:
                with open(f"/proc/{pid}/task/{pid}/children") as f:
                    children = [int(p) for p in f.read().split()]
            except FileNotFoundError:
                continue
            out += children
            todo += children
        return out

    def join(self, seconds=15):
        """Exit status of trp-init (unshare passes it on)."""
        return self.process.wait(seconds)

    def close(self):
        if self.process.poll() is None:
            for pid in self.pids()[:1]:
                with contextlib.suppress(ProcessLookupError):  # it ends by itself just now
                    os.kill(pid, signal.SIGKILL)  # the kernel takes all of its namespace along
        self.process.wait()
        self.control.close()
        self.output.close()


def read_line(client):
    line = b""
    while not line.endswith(b"\n"):
        got = client.recv(1)
        if not got:
            break
        line += got
    return line.decode()


def open_text(path):
    with open(path) as f:
        return f.read()


def fields(line):
    return dict(word.split("=", 1) for word in line.split())


class Case(unittest.TestCase):
    def setUp(self):
        self.host = Host()
        self.addCleanup(self.host.close)
        self.channels = {}

    def channel(self, family, port=PORT):
        ch = self.channels.get((port, family))
        if not ch:
            ch = self.channels[(port, family)] = Channel(port, family)
            self.addCleanup(ch.close)
        return ch

    def start(self, *steps, families=(socket.AF_INET, socket.AF_INET6), **more):
        init = Init(list(steps), [self.channel(f) for f in families], **more)
        self.addCleanup(init.close)
        return init

    def talk(self, family, address="127.0.0.1", **more):
        """One client from start to end, through the channel; returns what the server saw."""
        client = self.host.connect(self.channel(family), address, **more)
        with client:
            client.settimeout(10)
            seen = fields(read_line(client))
            client.sendall(b"over to you\n")
            self.assertEqual(read_line(client), "over to you\n")
            self.assertEqual(client.recv(1), b"")
            own = client.getsockname()
        return seen, own

    def http(self, family, address="127.0.0.1", path="/", request=None):
        client = self.host.connect(self.channel(family), address)
        with client:
            client.settimeout(10)
            client.sendall(request or f"GET {path} HTTP/1.0\r\nHost: x\r\n\r\n".encode())
            data = b""
            while True:
                got = client.recv(65536)
                if not got:
                    return data.decode(), client.getsockname()
                data += got


class Preload:
    """Each way of listening; the classes below say with which C library."""
    program = None

    def modes(self, mode, **more):
        return self.start([self.program, mode, str(PORT)], **more)

    def check_seen(self, seen, own, family, address):
        digit = "4" if family == socket.AF_INET else "6"
        ip = address if family == socket.AF_INET or ":" in address else "::ffff:" + address
        self.assertEqual(seen["peer"], f"{ip},{own[1]},{digit}")
        self.assertEqual(seen["asked"], seen["peer"])
        self.assertEqual(seen["local"], f"{ip},{self.host.port},{digit}")

    def many(self, family, address="127.0.0.1", count=60):
        """Clients at the same time, each served with its own address."""
        pids = set()
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            for seen, own in pool.map(lambda _: self.talk(family, address), range(count)):
                self.check_seen(seen, own, family, address)
                self.assertEqual(seen["domain"], "4" if family == socket.AF_INET else "6")
                pids.add(seen["pid"])
        return pids

    def listening(self, mode, family, v6only=0):
        init = self.modes(mode)
        kind, port, got, only, backlog, _ = init.wait_for(LISTEN)
        self.assertEqual((port, got, only, backlog), (PORT, family, v6only, 64))
        return init

    def test_blocking4(self):
        self.listening("blocking4", socket.AF_INET)
        self.many(socket.AF_INET)

    def test_blocking6(self):
        self.listening("blocking6", socket.AF_INET6)
        self.many(socket.AF_INET6)
        self.many(socket.AF_INET6, "::1")

    def test_both_families(self):
        init = self.modes("both")
        a, b = init.wait_for(LISTEN), init.wait_for(LISTEN)
        self.assertEqual({a[2:4], b[2:4]}, {(socket.AF_INET, 0), (socket.AF_INET6, 1)})
        self.many(socket.AF_INET)
        self.many(socket.AF_INET6, "::1")

    def test_fork(self):
        self.listening("fork", socket.AF_INET6)
        self.assertGreater(len(self.many(socket.AF_INET6)), 1)

    def test_threads(self):
        self.listening("threads", socket.AF_INET6)
        self.many(socket.AF_INET6)

    def test_poll_flags(self):
        self.listening("poll", socket.AF_INET)
        self.many(socket.AF_INET)
        seen, _ = self.talk(socket.AF_INET)
        self.assertEqual((seen["nonblock"], seen["cloexec"]), ("1", "1"))

    def test_no_flags(self):
        self.listening("blocking4", socket.AF_INET)
        seen, _ = self.talk(socket.AF_INET)
        self.assertEqual((seen["nonblock"], seen["cloexec"]), ("0", "0"))

    def test_flags_of_a_client_that_does_not_block(self):
        self.listening("poll", socket.AF_INET)
        seen, _ = self.talk(socket.AF_INET, nonblock=True)
        self.assertEqual(seen["nonblock"], "1")

    def test_no_flags_of_a_client_that_does_not_block(self):
        self.listening("blocking4", socket.AF_INET)
        for nonblock in (True, False, True):
            seen, _ = self.talk(socket.AF_INET, nonblock=nonblock)
            self.assertEqual(seen["nonblock"], "0")

    def test_epoll_edge_triggered(self):
        self.listening("epoll-et", socket.AF_INET6)
        self.many(socket.AF_INET6)

    def test_epoll_registered_before_listen(self):
        self.listening("epoll-first", socket.AF_INET6)
        self.many(socket.AF_INET6)

    def test_dup(self):
        self.listening("dup", socket.AF_INET6)
        self.many(socket.AF_INET6)

    def test_listener_through_exec(self):
        self.listening("exec", socket.AF_INET)
        self.many(socket.AF_INET)

    def test_all_descriptors_closed_before(self):
        self.listening("close-all", socket.AF_INET6)
        self.many(socket.AF_INET6)

    def test_options_are_inherited(self):
        init = self.modes("options")
        init.wait_text("ready")
        shown = fields(init.wait_text("listener (.*)").group(1))
        self.assertEqual(shown, {"nodelay": "1", "keepalive": "1", "idle": "77", "linger": "1005", "rcvtimeo": "33"})
        seen, _ = self.talk(socket.AF_INET)
        wanted = {"nodelay": "1", "keepalive": "1", "idle": "77", "user_timeout": "4321", "tos": "16",
                  "rcvbuf": "100000", "rcvtimeo": "33", "linger": "1005"}
        self.assertEqual({k: seen[k] for k in wanted}, wanted)

    def test_options_are_not_invented(self):
        self.listening("blocking4", socket.AF_INET)
        seen, _ = self.talk(socket.AF_INET)
        self.assertEqual((seen["nodelay"], seen["keepalive"], seen["linger"], seen["rcvtimeo"]), ("0", "0", "0", "0"))

    def identity(self, family, digit, any_address, size):
        init = self.modes(f"identity{digit}")
        init.wait_text("ready")
        self.assertEqual(init.text().split("\n")[:11], [
            f"sockname={any_address},{PORT},{digit} len={size}",
            f"short family=1 port={PORT} untouched=1 len={size}",
            "peername=-1 errno=ENOTCONN",
            "type=1 domain=1 protocol=1 acceptconn=1 error=0",
            "tcp_info=0 listen=1 v6only=0 fastopen=0",
            "again=0",
            "empty=-1 errno=EAGAIN",
            "write_shut=0 still=1",
            "shut=0 acceptconn=0",
            "after=-1 errno=EINVAL",
            "relisten=0 acceptconn=1"])
        self.many(family)

    def test_looks_like_a_listener4(self):
        self.identity(socket.AF_INET, 4, "0.0.0.0", 16)

    def test_looks_like_a_listener6(self):
        self.identity(socket.AF_INET6, 6, "::", 28)

    def test_shutdown_wakes_threads_and_spares_the_channel(self):
        init = self.modes("shutdown")
        init.wait_text("ready")
        self.assertEqual(init.text().count("woken=-1 errno=EINVAL"), 3)
        self.many(socket.AF_INET6)

    def test_signals_and_timeouts_end_accept(self):
        init = self.modes("interrupt")
        init.wait_text("accept=-1 errno=EINTR\naccept=-1 errno=EAGAIN\nready")
        self.many(socket.AF_INET6)

    def test_no_client_is_lost_without_descriptors(self):
        init = self.modes("limit")
        init.wait_text("ready")
        self.many(socket.AF_INET6)

    def test_bad_messages_are_dropped(self):
        self.listening("poll", socket.AF_INET)
        router = self.channel(socket.AF_INET).router
        client, server, peer = self.host.accepted()
        with client, server:
            good = handoff(peer)
            bad = [(b"x", [server]), (good[:40], [server]), (bytes(4) + good[4:], [server]), (good + b"longer", [server]),
                   (good, []), (good, [server, server]), (bytes(3000), [server]), (good[:4] + b"\2" + good[5:], [server])]
            for message, fds in bad:
                socket.send_fds(router, [message], [s.fileno() for s in fds])
            self.many(socket.AF_INET, count=10)
            server.close()
            client.settimeout(5)
            self.assertEqual(client.recv(1), b"")  # nobody kept a copy of the socket

    def test_peer_that_was_not_recorded(self):
        self.listening("blocking4", socket.AF_INET)
        seen, own = self.talk(socket.AF_INET, with_peer=False)
        self.check_seen(seen, own, socket.AF_INET, "127.0.0.1")

    def test_peer_is_known_after_a_reset(self):
        init = self.listening("blocking6", socket.AF_INET6)
        client, server, peer = self.host.accepted()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        socket.send_fds(self.channel(socket.AF_INET6).router, [handoff(peer)], [server.fileno()])
        server.close()
        self.many(socket.AF_INET6, count=5)
        self.assertIsNone(init.process.poll())

    def test_half_closed_client_of_an_ipv4_listener(self):
        # IPV6_ADDRFORM needs an established connection; the names must be IPv4 all the same
        self.listening("blocking4", socket.AF_INET)

        def half_close(client):
            client.sendall(b"early\n")
            client.shutdown(socket.SHUT_WR)
            time.sleep(0.05)
        client = self.host.connect(self.channel(socket.AF_INET), before=half_close)
        with client:
            client.settimeout(10)
            line, own = read_line(client), client.getsockname()
            self.check_seen(fields(line), own, socket.AF_INET, "127.0.0.1")
            self.assertEqual(read_line(client), "early\n")

    def test_queue_survives_a_crash(self):
        init = self.listening("blocking6", socket.AF_INET6)
        upstream = init.pids()[1]
        os.kill(upstream, signal.SIGSTOP)
        while ") T " not in open_text(f"/proc/{upstream}/stat"):
            time.sleep(0.01)  # or it might still take one
        clients = [self.host.connect(self.channel(socket.AF_INET6)) for _ in range(20)]
        os.kill(upstream, signal.SIGKILL)
        self.assertEqual(init.wait_for(EXITED)[4:], (0, signal.SIGKILL))
        self.assertEqual(init.join(), 128 + signal.SIGKILL)
        self.listening("blocking6", socket.AF_INET6)
        for client in clients:
            with client:
                client.settimeout(10)
                self.assertIn("peer=", read_line(client))

    def test_port_that_is_not_of_the_profile(self):
        # the program keeps its own listener
        other = self.channel(socket.AF_INET6, 9999)
        init = Init([[self.program, "blocking6", str(PORT)]], [other])
        self.addCleanup(init.close)
        init.wait_for(STEP)
        local = ("import socket,time\n"
                 "for i in range(100):\n"
                 " try: s=socket.create_connection(('::1',%d)); break\n"
                 " except OSError: time.sleep(.05)\n"
                 "print(s.recv(1000).decode())" % PORT)
        done = subprocess.run(["nsenter", "-n", "-t", str(init.pids()[0]), PYTHON, "-c", local], capture_output=True, timeout=20)
        self.assertIn(b"peer=::1,", done.stdout, done.stderr)
        init.control.setblocking(False)
        self.assertRaises(BlockingIOError, init.message)


class PreloadGlibc(Preload, Case):
    program = os.path.join(BUILD, "tests/progs/accept-modes")


@unittest.skipUnless(shutil.which("musl-gcc"), "no musl-gcc")
class PreloadMusl(Preload, Case):
    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix="trp-adapter-")
        cls.addClassCleanup(shutil.rmtree, cls.dir)
        os.chmod(cls.dir, 0o755)
        cls.program = os.path.join(cls.dir, "accept-modes-musl")
        subprocess.run(["musl-gcc", "-O1", "-D_GNU_SOURCE", "-o", cls.program,
                        os.path.join(ROOT, "tests/progs/accept-modes.c"), "-lpthread"], check=True)


class RealServers(Case):
    """Programs that were never written for this."""

    def test_python_http_server(self):
        for bind, family, address in (("0.0.0.0", socket.AF_INET, "127.0.0.1"), ("::", socket.AF_INET6, "::1")):
            init = self.start([PYTHON, "-m", "http.server", "--bind", bind, "--directory", "/usr/share", str(PORT)])
            self.assertEqual(init.wait_for(LISTEN)[2], family)
            for _ in range(5):
                answer, own = self.http(family, address)
                self.assertIn("200 OK", answer)
                init.wait_text(re.escape(address) + ' - - .*"GET / HTTP/1.0" 200')
            init.close()

    def test_python_bind_to_an_address_of_the_host(self):
        init = self.start([PYTHON, "-m", "http.server", "--bind", "192.0.2.7", "--directory", "/usr/share", str(PORT)])
        self.assertEqual(init.wait_for(LISTEN)[2], socket.AF_INET)
        self.assertIn("200 OK", self.http(socket.AF_INET)[0])

    def test_python_socketserver_forking(self):
        code = ("import socketserver\n"
                "class H(socketserver.StreamRequestHandler):\n"
                " def handle(s): s.wfile.write(('peer=%s,%d,4\\n' % s.client_address).encode()); s.wfile.write(s.rfile.readline())\n"
                f"socketserver.ForkingTCPServer(('',{PORT}),H).serve_forever()\n")
        init = self.start([PYTHON, "-c", code])
        init.wait_for(LISTEN)
        for _ in range(10):
            seen, own = self.talk(socket.AF_INET)
            self.assertEqual(seen["peer"], f"127.0.0.1,{own[1]},4")

    def test_python_tls_on_a_listener(self):
        """ssl looks whether a socket that is not connected has bytes already; that must not take a client out of the channel."""
        code = ("import errno,select,socket,ssl\n"
                f"s=socket.create_server(('',{PORT})); print('listens',flush=True); select.select([s],[],[])\n"
                "try: s.recv(1)\n"
                "except OSError as e: print('recv',e.errno==errno.ENOTCONN,flush=True)\n"
                "t=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).wrap_socket(s,server_side=True); print('wrapped',flush=True)\n"
                "c,a=socket.socket.accept(t); c.sendall(b'peer=%s\\n'%a[0].encode()); c.sendall(c.recv(99))\n")
        init = self.start([PYTHON, "-c", code])
        init.wait_for(LISTEN)
        seen, _ = self.talk(socket.AF_INET)
        self.assertEqual(seen["peer"], "127.0.0.1")
        self.assertIn("recv True\nwrapped\n", init.text())

    def test_python_asyncio_on_two_families(self):
        code = ("import asyncio\n"
                "async def h(r,w):\n"
                " p=w.get_extra_info('peername'); w.write(('peer=%s,%d\\n'%p[:2]).encode()); w.write(await r.readline())\n"
                " await w.drain(); w.close()\n"
                "async def m():\n"
                f" s=await asyncio.start_server(h,None,{PORT}); await s.serve_forever()\n"
                "asyncio.run(m())\n")
        init = self.start([PYTHON, "-c", code])
        self.assertEqual({init.wait_for(LISTEN)[2], init.wait_for(LISTEN)[2]}, {socket.AF_INET, socket.AF_INET6})
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
                for seen, own in pool.map(lambda _: self.talk(family, address), range(50)):
                    self.assertEqual(seen["peer"], f"{address},{own[1]}")

    def test_perl_forking(self):
        code = ("use IO::Socket::INET; my $s=IO::Socket::INET->new(LocalPort=>%d,Listen=>5,ReuseAddr=>1) or die $!;"
                "$SIG{CHLD}='IGNORE'; while (1) { my $c=$s->accept or next; next if fork;"
                "print $c 'peer='.$c->peerhost.','.$c->peerport.' own='.$s->sockport.\"\\n\"; print $c scalar <$c>; exit }") % PORT
        init = self.start(["/usr/bin/perl", "-e", code])
        init.wait_for(LISTEN)
        for _ in range(10):
            seen, own = self.talk(socket.AF_INET)
            self.assertEqual(seen, {"peer": f"127.0.0.1,{own[1]}", "own": str(PORT)})

    def test_perl_select(self):
        code = ("use IO::Socket::IP; use IO::Select; my $s=IO::Socket::IP->new(LocalHost=>'::',LocalPort=>%d,Listen=>5,"
                "V6Only=>0,ReuseAddr=>1) or die $@; my $l=IO::Select->new($s); while (my @r=$l->can_read) { my $c=$s->accept or next;"
                "syswrite $c, 'peer='.$c->peerhost.\"\\n\"; syswrite $c, scalar <$c>; close $c }") % PORT
        init = self.start(["/usr/bin/perl", "-e", code])
        self.assertEqual(init.wait_for(LISTEN)[2], socket.AF_INET6)
        self.assertEqual(self.talk(socket.AF_INET6, "::1")[0], {"peer": "::1"})
        self.assertEqual(self.talk(socket.AF_INET6)[0], {"peer": "::ffff:127.0.0.1"})


def sh(text):
    return ["/bin/sh", "-c", text]


class InitSteps(Case):
    def run_steps(self, *steps, **more):
        return self.start(*steps, families=(), preload=False, **more)

    def test_steps_in_order(self):
        init = self.run_steps(sh("echo one"), sh("echo two $TRP_SERVICE"), sh("echo three; exit 7"))
        self.assertEqual([init.wait_for(STEP)[4] for _ in range(3)], [0, 1, 2])
        self.assertEqual(init.wait_for(EXITED)[4:], (2, 7 << 8))
        self.assertEqual(init.join(), 7)
        self.assertEqual(init.text(), "one\ntwo test\nthree\n")

    def test_listener_of_a_setup_step_is_its_own(self):
        """nginx -t listens for a moment: that is not what is waited for, and clients are not for it."""
        waiting = self.host.connect(self.channel(socket.AF_INET))
        init = self.start([PYTHON, "-c", "import socket\n"
                           f"s=socket.create_server(('',{PORT})); c=socket.create_connection(('127.0.0.1',{PORT}))\n"
                           "print('own', s.accept()[1]==c.getsockname())\n"],
                          [PreloadGlibc.program, "blocking4", str(PORT)])
        init.wait_for(LISTEN)
        self.assertIn("own True\n", init.text())
        self.assertEqual([m[0] for m in init.seen], [STEP, STEP, LISTEN])
        with waiting:
            waiting.settimeout(10)
            self.assertIn("peer=", read_line(waiting))

    def test_failed_step_ends_it(self):
        init = self.run_steps(sh("exit 3"), sh("echo never"))
        self.assertEqual(init.wait_for(EXITED)[4:], (0, 3 << 8))
        self.assertEqual(init.join(), 3)
        self.assertEqual(init.text(), "")

    def test_exec_failure(self):
        init = self.run_steps(sh("true"), ["/nonexistent/server", "x"])
        self.assertEqual(init.wait_for(EXEC_FAILED)[4:], (1, 2))
        self.assertEqual(init.join(), 127)

    def test_bad_arguments(self):
        for words in (["1"], ["1", "0"], ["2", "0", "1", "/bin/true"], ["1", "0", "2", "/bin/true"], ["1", "0", "1", "true"], ["0", "0"],
                      ["1", "0", "0"], ["1", "0", "1", "/bin/true", "more"], ["x", "0", "1", "/bin/true"], ["1", "x", "1", "/bin/true"],
                      ["1", "1", "1", "/bin/true"], ["1", "64", "1", "/bin/true"], ["1", "18446744073709551615", "1", "/bin/true"],
                      ["1", "1", "1", "/bin/true", "1", "true"]):
            done = subprocess.run([f"{BUILD}/trp-init"] + words, capture_output=True, timeout=10)
            self.assertEqual(done.returncode, 1, words)
            self.assertIn(b"usage", done.stderr)
        done = subprocess.run(["sh", "-c", f"exec {BUILD}/trp-init 1 0 1 /bin/true 3</dev/null"], capture_output=True, timeout=10)
        self.assertIn(b"not the control socket", done.stderr)

    def test_stop_during_setup(self):
        init = self.run_steps(sh("echo in; sleep 100"), sh("echo never"))
        init.wait_for(STEP)
        init.wait_text("in")
        init.send(SIGNAL, signal.SIGHUP)  # not for a setup step
        init.send(STOP, signal.SIGTERM)
        self.assertEqual(init.wait_for(EXITED)[4:], (0, signal.SIGTERM))
        self.assertEqual(init.join(), 128 + signal.SIGTERM)
        self.assertNotIn("never", init.text())

    def test_stop_between_steps(self):
        init = self.run_steps(sh("trap 'exit 0' TERM; echo in; sleep 100 & wait"), sh("echo never"))
        init.wait_text("in")
        init.send(STOP, signal.SIGTERM)
        self.assertEqual(init.wait_for(EXITED)[4:], (0, 0))
        self.assertEqual(init.join(), 0)
        self.assertNotIn("never", init.text())

    # what is run before the upstream is told to end

    UPSTREAM = sh("trap 'echo told; exit 4' TERM; echo up $$; while :; do sleep 0.05; done")

    def stopping(self, *stops, upstream=UPSTREAM):
        init = self.start(upstream, families=(), preload=False, stops=stops, env={"NOTIFY_SOCKET": "/x"})
        init.wait_text("up")
        return init

    def test_stops_go_before_the_signal(self):
        init = self.stopping(sh("echo one $MAINPID $NOTIFY_SOCKET; exit 3"), ["/nonexistent/x"], sh("sleep 0.2; echo three"))
        init.send(STOP, signal.SIGTERM, 1)
        self.assertEqual(init.wait_for(STOP_EXITED)[4:], (0, 3 << 8))
        self.assertEqual(init.wait_for(STOP_EXEC_FAILED)[4:], (1, 2))
        init.send(STOP, signal.SIGTERM, 1)  # who says it again does not begin again
        self.assertEqual(init.wait_for(STOP_EXITED)[4:], (2, 0))
        init.wait_for(STOPS_OVER)
        self.assertEqual(init.wait_for(EXITED)[4:], (0, 4 << 8))
        self.assertRegex(init.text(), r"^up (\d+)\none \1\nthree\ntold\n$")
        self.assertEqual([m[4] for m in init.seen if m[0] == STOP_STEP], [0, 1, 2])

    def test_stops_are_not_run_at_once(self):
        init = self.stopping(sh("echo never"))
        init.send(STOP, signal.SIGTERM)
        self.assertEqual(init.wait_for(EXITED)[4:], (0, 4 << 8))
        self.assertNotIn("never", init.text())

    def test_stops_that_take_too_long(self):
        init = self.stopping(sh("trap '' TERM; sleep 1000 & echo hangs; wait"), sh("echo never"))
        init.send(STOP, signal.SIGTERM, 1)
        init.wait_text("hangs")
        self.assertNotIn("told", init.text())
        init.send(STOP, signal.SIGTERM)
        self.assertEqual(init.wait_for(EXITED)[4:], (0, 4 << 8))
        self.assertEqual(init.text().count("told"), 1)
        self.assertNotIn("never", init.text())
        self.assertNotIn(STOPS_OVER, [m[0] for m in init.seen])

    def test_upstream_ends_while_stops_run(self):
        init = self.stopping(sh("echo asks; kill -TERM $MAINPID; sleep 1000"), sh("echo never"))
        init.send(STOP, signal.SIGQUIT, 1)
        self.assertEqual(init.wait_for(EXITED)[4:], (0, 4 << 8))
        self.assertEqual(init.join(), 4)
        self.assertNotIn("never", init.text())

    def test_stops_have_nothing_to_do_with_setup(self):
        init = self.start(sh("echo in; sleep 1000"), sh("echo never"), families=(), preload=False, stops=[sh("echo never")])
        init.wait_text("in")
        init.send(STOP, signal.SIGTERM, 1)
        self.assertEqual(init.wait_for(EXITED)[4:], (0, signal.SIGTERM))
        self.assertNotIn("never", init.text())

    def test_signals_are_passed_on(self):
        init = self.run_steps(sh("for s in HUP USR1 USR2 WINCH; do trap \"echo got $s\" $s; done; trap 'echo bye; exit 5' TERM;"
                                 "echo up; while :; do sleep 0.05; done"))
        init.wait_text("up")
        for name in ("HUP", "USR1"):
            init.send(SIGNAL, getattr(signal, "SIG" + name))
            init.wait_text("got " + name)
        for name in ("USR2", "WINCH"):
            os.kill(init.pids()[0], getattr(signal, "SIG" + name))
            init.wait_text("got " + name)
        init.send(SIGNAL, 99)
        init.send(SIGNAL, -1)
        os.kill(init.pids()[0], signal.SIGTERM)
        self.assertEqual(init.wait_for(EXITED)[4:], (0, 5 << 8))

    def test_child_starts_clean(self):
        init = self.run_steps([PYTHON, "-c", "import os,signal;print('blocked',list(signal.pthread_sigmask(0,[])),"
                               "'ignored',[s for s in signal.valid_signals() if signal.getsignal(s)==signal.SIG_IGN],"
                               "'leader',os.getsid(0)==os.getpid()==os.getpgid(0),"
                               "'fds',[f for f in map(int,os.listdir('/proc/self/fd')) if f>2 and os.path.exists('/proc/self/fd/%d'%f)])"])
        init.wait_for(EXITED)
        # python itself ignores PIPE (13) and XFSZ (25)
        self.assertRegex(init.text(), r"blocked \[\] ignored \[.*PIPE.*25.*\] leader True fds \[\]|"
                         r"blocked \[\] ignored \[.*SIGPIPE.*SIGXFSZ.*\] leader True fds \[\]")

    def test_orphans_are_reaped(self):
        init = self.run_steps(sh("for i in 1 2 3 4 5; do (sleep 0.2 &) ; done; sleep 0.5; echo; "
                                 "grep -l '^State:.Z' /proc/[0-9]*/status | wc -l"))
        init.wait_for(EXITED)
        self.assertEqual(init.text().strip(), "0")

    def test_all_die_with_the_upstream(self):
        init = self.run_steps(sh("(trap '' TERM HUP; sleep 1000) & echo up; sleep 0.2"))
        init.wait_text("up")
        pids = init.pids()
        self.assertGreaterEqual(len(pids), 3)
        init.join()
        time.sleep(0.1)
        self.assertEqual([p for p in pids if os.path.exists(f"/proc/{p}")], [])

    def test_upstream_cannot_touch_init(self):
        init = self.run_steps(sh("ls /proc/1/fd; kill -KILL 1; kill -STOP 1; kill -SEGV 1; cat /proc/1/environ; sleep 0.2; echo alive"))
        self.assertEqual(init.wait_for(EXITED)[4:], (0, 0))
        self.assertEqual(init.text().count("ermission denied"), 2)
        self.assertIn("alive", init.text())

    def test_daemon_dies_and_init_serves_on(self):
        init = self.start([PreloadGlibc.program, "blocking6", str(PORT)])
        init.wait_for(LISTEN)
        init.control.close()
        time.sleep(0.2)
        self.assertIsNone(init.process.poll())
        self.talk(socket.AF_INET6)
        os.kill(init.pids()[1], signal.SIGKILL)
        self.assertEqual(init.join(), 128 + signal.SIGKILL)

    def test_channel_that_comes_later(self):
        init = self.start(sh(f"sleep 1; exec {PreloadGlibc.program} blocking6 {PORT}"), families=())
        ch = self.channel(socket.AF_INET6)
        socket.send_fds(init.control, [INIT_MSG.pack(INIT_MAGIC, CHANNEL, ch.port, ch.family, 0, 0, 0, 0)], [ch.service.fileno()])
        init.wait_for(LISTEN)
        self.talk(socket.AF_INET6)


class HostileAskers(Case):
    """Inside the sandbox everybody can connect to init."""

    HEAD = ("import socket,struct,os,time,array\n"
            "def c():\n"
            " s=socket.socket(socket.AF_UNIX,socket.SOCK_SEQPACKET); s.connect(b'\\0trpsup/init'); s.settimeout(8); return s\n"
            "def ask(port,family,magic=0x41505254,only=0,backlog=5,several=0):\n"
            " s=c(); s.send(struct.pack('=IHHHHi',magic,port,family,only,several,backlog))\n"
            " d,f,_,_=socket.recv_fds(s,100,4); return struct.unpack('=Ii',d)[1] if d else None, len(f), [os.close(x) for x in f] and 0\n")

    def inside(self, code, seconds=30):
        init = self.start([PYTHON, "-c", self.HEAD + code], preload=False)
        self.assertEqual(init.wait_for(EXITED)[4:], (0, 0), init.text())
        return init

    def test_answers(self):
        init = self.inside(f"print(ask({PORT},10)[:2], ask({PORT},2)[:2], ask({PORT}+1,10)[:2], ask({PORT},1)[:2], ask({PORT},10,0)[:2])")
        self.assertEqual(init.text().strip(), "(0, 1) (0, 1) (-2, 0) (-2, 0) (None, 0)")

    def test_one_kind_of_message_for_all_that_take_from_a_channel(self):
        """Whoever asks first in this run decides whether messages with several clients come there; who cannot take those, or
        could not be sure to get them, is told EBUSY, and the first stays as it is."""
        init = self.inside(f"print(ask({PORT},10)[:2], ask({PORT},10,several=1)[:2], ask({PORT},10)[:2])\n"
                           f"print(ask({PORT},2,several=1)[:2], ask({PORT},2)[:2], ask({PORT},2,several=1)[:2], ask({PORT},2,several=7)[:2])\n")
        self.assertEqual(init.text(), "(0, 1) (-16, 0) (0, 1)\n(0, 1) (-16, 0) (0, 1) (-16, 0)\n")
        self.assertEqual(init.several, {(PORT, socket.AF_INET6): 0, (PORT, socket.AF_INET): 1})

    def test_garbage(self):
        init = self.inside("for data in (b'', b'x', b'A'*15, b'A'*17, b'B'*60000):\n"
                           " s=c(); s.send(data); print(s.recv(10))\n"
                           "s=c(); s.shutdown(2); s.close()\n"
                           "r,w=os.pipe()\n"
                           "for n in (1, 32, 33, 200):\n"
                           " s=c()\n"
                           " try: socket.send_fds(s,[b'x'*16],[r]*n)\n"
                           " except OSError: pass\n"
                           " else: print(s.recv(10))\n"
                           f"print(ask({PORT},10)[:2])\n")
        self.assertTrue(init.text().endswith("(0, 1)\n"), init.text())
        self.assertNotIn("A", init.text())

    def test_silent_connections_do_not_block(self):
        init = self.inside("idle=[c() for i in range(40)]\n"
                           "t=time.time(); r=ask(%d,10)[:2]; print(r, time.time()-t < 7)\n"
                           "print(all(s.recv(1)==b'' for s in idle))\n" % PORT)
        self.assertEqual(init.text(), "(0, 1) True\nTrue\n")

    def test_asker_that_never_reads(self):
        init = self.inside("l=[]\n"
                           "for i in range(200):\n"
                           f" s=c(); s.send(struct.pack('=IHHHHi',0x41505254,{PORT},10,0,0,i)); l.append(s)\n"
                           f"print(ask({PORT},10)[0])\n")
        self.assertIn(init.text().strip(), ("0", "None"))  # None: too many descriptors in flight for this user

    def test_reports_to_the_daemon_are_bounded(self):
        init = self.inside(f"for i in range(1000): ask({PORT},10,only=i%2,backlog=i)\n")
        self.assertLessEqual(len([m for m in init.seen if m[0] == LISTEN]), 17)


class PassedSocketAttack(Case):
    """The attacks work where nothing is done against them (or the test that they are refused would prove nothing), and the
    filter on the listener closes the holes that it is there for."""

    NETWORK = {"connect-mapped", "connect-v6", "connect-v4", "fastopen", "bind-listen", "autobind-listen"}

    def attack(self):
        target = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
        self.addCleanup(target.close)

        def greet():
            while True:
                try:
                    with target.accept()[0] as client:
                        client.sendall(b"secret of the host\n")
                except OSError:
                    return
        threading.Thread(target=greet, daemon=True).start()
        folder = tempfile.mkdtemp(prefix="trp-attack-")
        self.addCleanup(shutil.rmtree, folder)
        os.chmod(folder, 0o777)
        program = f"{BUILD}/tests/progs/passed-socket-attack"
        self.start([program, str(PORT), str(target.getsockname()[1]), folder + "/report"])
        clients, knocked = [], set()
        for i in range(int(subprocess.check_output([program, "count"]))):
            clients.append(self.host.connect(self.channel(socket.AF_INET6), ("127.0.0.1", "::1")[i % 2]))
            clients[-1].sendall(b"GET / HTTP/1.0\r\n\r\n")
        report = ""
        end = time.monotonic() + 60
        while not report.endswith("done\n"):
            self.assertLess(time.monotonic(), end, report)
            time.sleep(0.1)
            if os.path.exists(folder + "/report"):
                with open(folder + "/report") as f:
                    report = f.read()
            for name, port in re.findall(r"^(\S+) listening (\d+)$", report, re.M):
                if port not in knocked:
                    knocked.add(port)
                    try:
                        socket.create_connection(("127.0.0.1", int(port)), timeout=1).close()
                    except OSError:
                        pass
        for client in clients:
            client.close()
        target.shutdown(socket.SHUT_RDWR)
        self.report = report
        return {line.split()[0]: line.split()[1] for line in report.splitlines()[:-1] if " listening " not in line}

    def test_attacks_work_without_containment(self):
        result = self.attack()
        for name in self.NETWORK | {"ifconf", "ifname"}:
            self.assertEqual(result[name], "SUCCEEDED", self.report)
        for name in ("netns-of-socket", "mark", "repair", "transparent"):
            self.assertEqual(result[name], "refused", self.report)

    def test_listener_filter_contains_them(self):
        self.host.close()
        self.host = Host(contained=True)
        self.addCleanup(self.host.close)
        result = self.attack()
        for name in self.NETWORK | {"bind-router-port", "detach-filter"}:
            self.assertEqual(result[name], "refused", self.report)


class Hello(Case):
    """libtrp and trp-hello."""

    def setUp(self):
        super().setUp()
        self.init = self.start([f"{BUILD}/trp-hello", str(PORT)], preload=False)
        kind, port, family, v6only, _, _ = self.init.wait_for(LISTEN)
        self.assertEqual((port, family, v6only), (PORT, socket.AF_INET6, 0))

    def exchange(self, request, address="127.0.0.1", name=b""):
        client = self.host.connect(self.channel(socket.AF_INET6), address, name=name)
        with client:
            client.settimeout(10)
            for part in request if isinstance(request, list) else [request]:
                client.sendall(part)
                time.sleep(0.03)
            data = b""
            while True:
                try:
                    got = client.recv(65536)
                except ConnectionResetError:
                    return data.decode() + "RESET", client
                if not got:
                    return data.decode(), client.getsockname()
                data += got

    def test_get(self):
        for address in ("127.0.0.1", "::1"):
            text, own = self.exchange(b"GET /some/path?q HTTP/1.1\r\nHost: A.example:80\r\nConnection: close\r\n\r\n", address, b"a.example")
            head, body = text.split("\r\n\r\n")
            self.assertTrue(head.startswith("HTTP/1.1 200 OK\r\n"))
            self.assertIn(f"Content-Length: {len(body)}", head)
            self.assertEqual(body, f"hello from test\nyou are {address} port {own[1]}\nyou asked for /some/path?q\n"
                             "of host A.example:80\nrouted as a.example\n")

    def test_head_and_other_methods(self):
        text, _ = self.exchange(b"HEAD / HTTP/1.0\r\n\r\n")
        self.assertRegex(text, r"^HTTP/1.1 200 OK\r\n(?s:.*)Content-Length: [1-9]\d*\r\n(?s:.*)\r\n\r\n$")
        text, _ = self.exchange([b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 50000\r\n\r\n"] + [b"b" * 10000] * 5)
        self.assertRegex(text, r"^HTTP/1.1 405 (?s:.*)Allow: GET, HEAD(?s:.*)Connection: close(?s:.*)only GET and HEAD\n$")

    def test_pieces_and_pipelining(self):
        text, _ = self.exchange([b"GE", b"T / HTT", b"P/1.1\r", b"\nHost: x\r\n", b"\r", b"\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n"
                                 b"GET /3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"])
        self.assertEqual(re.findall("asked for (.*)", text), ["/", "/2", "/3"])

    def test_keep_alive(self):
        client = self.host.connect(self.channel(socket.AF_INET6))
        with client:
            client.settimeout(10)
            for i in range(20):
                client.sendall(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % i)
                text = b""
                while b"routed as" not in text:
                    text += client.recv(65536)
                self.assertIn(b"asked for /%d\n" % i, text)

    def test_bad_requests(self):
        for request, status in ((b"\r\n", 400), (b"GET\r\n", 400), (b"GET / HTTP/2.0\r\n\r\n", 400), (b"GET /\x01 HTTP/1.1\r\n\r\n", 400),
                                (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400), (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
                                (b"GET /" + b"a" * 9000, 431)):
            self.assertRegex(self.exchange(request)[0], f"^HTTP/1.1 {status} ")

    def test_slow_clients_do_not_block_and_are_cut_off(self):
        slow = [self.host.connect(self.channel(socket.AF_INET6)) for _ in range(50)]
        for s in slow:
            s.sendall(b"GET / HT")
        begin = time.monotonic()
        for _ in range(20):
            self.assertIn("200 OK", self.exchange(b"GET / HTTP/1.0\r\n\r\n")[0])
        self.assertLess(time.monotonic() - begin, 5)
        for s in slow:
            s.settimeout(15)
            self.assertEqual(s.recv(1), b"")
            s.close()
        self.assertGreater(time.monotonic() - begin, 9)

    def test_more_clients_than_it_takes(self):
        # 512 at once; the others wait in the channel and get their turn. (An event loop that counted wrong would spin or drop.)
        waiting = []
        for i in range(600):
            waiting.append(self.host.connect(self.channel(socket.AF_INET6)))
            if i % 50 == 49:
                time.sleep(0.05)
        for s in waiting:
            s.settimeout(10)
            s.sendall(b"GET / HTTP/1.0\r\n\r\n")
        for s in waiting:
            with s:
                self.assertIn(b"200 OK", s.recv(65536))

    def test_graceful_stop(self):
        active = self.host.connect(self.channel(socket.AF_INET6))
        idle = self.host.connect(self.channel(socket.AF_INET6))
        active.sendall(b"GET / HT")
        time.sleep(0.1)
        self.init.send(STOP, signal.SIGTERM)
        for s in (active, idle):
            s.settimeout(5)
        self.assertEqual(idle.recv(1), b"")
        active.sendall(b"TP/1.1\r\nHost: x\r\n\r\n")
        text = active.recv(65536)
        self.assertIn(b"200 OK", text)
        self.assertIn(b"Connection: close", text)
        active.close()
        idle.close()
        self.assertEqual(self.init.wait_for(EXITED)[4:], (0, 0))

    def test_without_init(self):
        done = subprocess.run(["unshare", "-n", f"{BUILD}/trp-hello", "80"], capture_output=True, timeout=10)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"no trp-init", done.stderr)


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("test_adapter: needs root")
    unittest.main()
