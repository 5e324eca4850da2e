# SPDX-License-Identifier: ISC
"""The attack suite's driver: what tests/progs/hostile attacks is made here, in a network of its own, and its report is read."""
import contextlib
import ctypes
import os
import pty
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

import network
import trp

PROGS = os.path.join(trp.BUILD, "tests/progs/hostile")
PROGRAM = os.path.join(PROGS, "hostile")
WEAK = os.path.join(trp.BUILD, "weak/trpsupd")
# the others are the service's own
OF_DAEMON = {"state-links", "filter", "filter-lock", "listener-group", "listener-retire", "no-reuseport", "channel-one-way", "passrights"}
HOST4, HOST6, LINK = "192.0.2.1", "2001:db8::1", "trpt-host"
CANARY = "secret-of-the-host"
KNOCKS = 24
SHM_KEY = 0x54525048
libc = ctypes.CDLL(None, use_errno=True)


class Attack:
    def __init__(self, line):
        self.name, self.group, socket_, controls, expected = line.rstrip("\n").split("\t")
        self.socket = int(socket_)
        self.controls = frozenset(controls.split())
        self.expected = expected


def attacks():
    out = subprocess.run([PROGRAM, "list"], capture_output=True, text=True, check=True).stdout
    return {a.name: a for a in map(Attack, out.splitlines())}


# What cannot succeed on this machine even when nothing refuses it, so that its refusal proves nothing here.
NOT_PROVEN = {
    "proc-kcore": "this kernel has no /proc/kcore",
    "proc-sysrq": "this kernel has no sysrq",
    "socket-alg": "this kernel has no AF_ALG",
    "socket-sctp": "this kernel has no SCTP",
    "init-module": "this kernel has no modules",
    "kexec": "this kernel has no kexec",
    "quotactl": "no file system with quotas here",
    "x32": "this kernel has no x32 calls",
    "i386": "this machine has no i386 calls",
    "ioperm": "this kernel has no ioperm(2)",
    "iopl": "this kernel has no iopl(2)",
    "bind-router-port": "the router accepts with an id of its own, and the kernel shares a port among sockets of one id only",
}

# What starts the daemon, or another sandbox, as a careless administrator would: with a terminal, a key in its session, and a
# directory of the host open. Sockets from 300 on are inherited from 3 on.
LAUNCHER = r"""
import ctypes, os, sys
terminal, key, directory, sockets = sys.argv[1:5]
libc = ctypes.CDLL(None, use_errno=True)
os.setsid()
os.close(os.open(terminal, os.O_RDWR))
assert libc.syscall(250, 1, None) > 0  # KEYCTL_JOIN_SESSION_KEYRING
assert libc.syscall(248, b"user", key.encode(), b"secret", 6, -3) > 0  # add_key
fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
os.dup2(fd, 200, inheritable=True)
os.close(fd)
for i in range(int(sockets)):
    os.dup2(300 + i, 3 + i, inheritable=True)
    os.close(300 + i)
os.execvp(sys.argv[5], sys.argv[5:])
"""


def verdicts(report):
    """{name: (verdict, text)}"""
    found = re.findall(r"^(\S+) (SUCCEEDED|refused|absent|died) (.*)$", report, re.M)
    return {name: (verdict, text) for name, verdict, text in found}


class Host:
    """Everything of the host that is attacked. job: how the attacker finds it."""

    def __init__(self):
        self.close = contextlib.ExitStack()
        try:
            self._make()
        except BaseException:
            self.close.close()
            raise

    def _make(self):
        self.dir = tempfile.mkdtemp(prefix=trp.TAG + "-host-", dir="/var/lib")
        self.close.callback(shutil.rmtree, self.dir)
        os.chmod(self.dir, 0o755)
        with open(os.path.join(self.dir, "canary"), "w") as f:
            f.write(CANARY + "\n")
        self.net = network.Net()
        self.close.callback(self.net.close)
        self.net.ip("link", "add", LINK, "type", "veth", "peer", "name", "trpt-peer")
        self.net.addresses(LINK, HOST4 + "/24", HOST6 + "/64")
        for link in (LINK, "trpt-peer"):
            self.net.ip("link", "set", link, "up")
        self.master, slave = pty.openpty()
        self.terminal = os.ttyname(slave)
        self.close.callback(os.close, self.master)
        self.close.callback(os.close, slave)
        self.key = "trp-hostile-%d" % os.getpid()
        self.job = {"host4": HOST4, "host6": HOST6, "interface": LINK, "canary": os.path.join(self.dir, "canary"),
                    "canary-text": CANARY, "terminal": self.terminal, "key": self.key,
                    "hostname": os.uname().nodename, "shm": SHM_KEY}
        self._servers()
        self._ipc()
        self.launcher = os.path.join(self.dir, "launcher.py")
        with open(self.launcher, "w") as f:
            f.write(LAUNCHER)

    def _servers(self):
        with self.net.here():
            tcp = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
            udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            udp.bind(("127.0.0.1", 0))
            abstract = socket.socket(socket.AF_UNIX)
            abstract.bind("\0" + self.key)
        abstract.listen(64)
        for s in (tcp, udp, abstract):
            self.close.callback(s.close)
            self.close.callback(lambda s=s: s.type == socket.SOCK_STREAM and s.shutdown(socket.SHUT_RDWR))
        self.job.update({"target": tcp.getsockname()[1], "udp": udp.getsockname()[1], "abstract": self.key})
        threading.Thread(target=self._greet, args=(tcp,), daemon=True).start()
        threading.Thread(target=self._echo, args=(udp,), daemon=True).start()

    @staticmethod
    def _greet(server):
        with contextlib.suppress(OSError):
            while True:
                client, _ = server.accept()
                with contextlib.suppress(OSError):
                    client.sendall(b"secret of the host\n")
                client.close()

    @staticmethod
    def _echo(server):
        with contextlib.suppress(OSError):
            while True:
                data, peer = server.recvfrom(64)
                server.sendto(data, peer)

    def _ipc(self):
        shm = libc.shmget(SHM_KEY, 4096, 0o1666)
        if shm < 0:
            raise OSError(ctypes.get_errno(), "shmget")
        self.close.callback(libc.shmctl, shm, 0, None)
        rt = ctypes.CDLL("librt.so.1", use_errno=True)
        name = ("/" + self.key).encode()
        old = os.umask(0)
        queue = rt.mq_open(name, os.O_RDWR | os.O_CREAT, 0o666, None)
        os.umask(old)
        if queue >= 0:
            os.close(queue)
            self.close.callback(rt.mq_unlink, name)
            self.job["mq"] = "/" + self.key

    def prefix(self, sockets):
        return [*self.net.prefix, sys.executable, "-B", self.launcher, self.terminal, self.key, self.dir, str(sockets)]

    def daemon(self, weak=None):
        """weak: controls of the daemon's that are left out, None: the real build. What trpsupd takes from itself it keeps
        then, or a service without any control would not have it either."""
        d = trp.Daemon(state=os.environ.get("TRP_TEST_STATE", trp.STATE))
        d.prefix = self.prefix(0)
        d.ports = ()  # in a network of its own
        if weak is not None:
            d.program = WEAK
            d.environment = dict(os.environ, TRP_WEAKEN=" ".join(["daemon-privilege", *sorted(weak)]))
        return d

    def client(self, name, family):
        with self.net.here():
            sock = socket.create_connection(("127.0.0.1" if family == 4 else "::1", trp.HTTP_PORT), timeout=30)
        sock.sendall(b"GET / HTTP/1.1\r\nHost: %s.localhost\r\n\r\n" % name.encode())
        return sock

    def knock(self, port, seconds=1.2):
        """Clients of the host try a port at which the attacker listens."""
        held = []
        with self.net.here():
            for i in range(KNOCKS):
                s = socket.socket(socket.AF_INET6 if i % 2 else socket.AF_INET)
                s.setblocking(False)
                with contextlib.suppress(OSError):
                    s.connect(("::1" if i % 2 else "127.0.0.1", port))
                held.append(s)
        time.sleep(seconds)
        for s in held:
            s.close()


PROFILE = """[service]
command = /opt/progs/%(program)s %(how)s /trp/state
adapter = %(adapter)s
ready = notify
restart = no
[route]
host = %(name)s.localhost
http = 80
[sandbox]
root = host
bind = %(progs)s /opt/progs
    %(bits)s /opt/bits
    %(noexec)s /opt/noexec rw noexec
    %(shared)s /opt/shared
state-at = planted:/var/planted
%(keys)s
[environment]
TRP_WEAKEN = %(weak)s
"""


class Tenant:
    """A service that is the attacker."""

    def __init__(self, host, daemon, name, weak=(), adapter="native", keys=""):
        self.host, self.daemon, self.name, self.close = host, daemon, name, contextlib.ExitStack()
        self.weak = frozenset(weak)
        self.files = tempfile.mkdtemp(prefix=name + "-", dir=host.dir)
        os.chmod(self.files, 0o755)
        dirs = {d: os.path.join(self.files, d) for d in ("bits", "noexec", "shared")}
        for d in dirs.values():
            os.makedirs(d)
        daemon.profile(name, PROFILE % dict(dirs, name=name, adapter=adapter, keys=keys, progs=PROGS, weak=" ".join(sorted(weak)),
                                            program="hostile-dynamic" if adapter == "preload" else "hostile",
                                            how="native" if adapter == "native" else "plain"))

    def start(self):
        d = self.daemon
        d.ok("start", self.name)
        self.state = os.path.join(d.state_dir, "state", self.name)
        status = d.status(self.name)
        self.init, self.base = status["pid"], status["uid_base"]
        main = trp.process_status(trp.children(self.init)[0])
        self.uid, self.gid = (int(main[k].split()[0]) for k in ("Uid", "Gid"))
        self.job = dict(self.host.job, init=self.init if "pidns" in self.weak else 1)
        sentinel = subprocess.Popen(["/bin/sleep", "600"], user=self.uid, group=self.gid, extra_groups=[],
                                    env={"SECRET": CANARY})
        self.close.callback(sentinel.wait)
        self.close.callback(sentinel.kill)
        self.job["sentinel"] = sentinel.pid
        self._files()
        return self

    def _file(self, inside, path, mode, uid=None, text="x"):
        with open(path, "w") as f:
            f.write(text)
        os.chown(path, self.uid if uid is None else uid, self.gid)
        os.chmod(path, mode)
        return inside

    def _files(self):
        path = os.path.join(self.files, "bits/id")
        shutil.copy(PROGRAM, path)
        os.chown(path, self.base, self.base)
        os.chmod(path, 0o4755)
        swap = os.path.join(self.state, "swap")
        with open(swap, "wb") as f:
            f.write(bytes(1 << 20))
        os.chmod(swap, 0o600)
        subprocess.run(["/sbin/mkswap", swap], check=True, stdout=subprocess.DEVNULL)
        self.job.update({
            "setuid": "/opt/bits/id", "swap": "/trp/state/swap",
            "noexec": self._file("/opt/noexec/x", os.path.join(self.files, "noexec/x"), 0o755, text="#!/bin/sh\necho ran\n"),
            "read-only": self._file("/opt/shared/x", os.path.join(self.files, "shared/x"), 0o666, 0)})

    def stop(self):
        self.close.close()
        self.daemon.ok("stop", self.name)

    def report(self):
        path = os.path.join(self.state, "report")
        return trp.read(path).decode("utf-8", "replace") if os.path.exists(path) else ""

    def run(self, chosen, seconds=90, **job):
        """Has these attacks tried. Returns {name: (verdict, text)}."""
        before = len(self.report())
        job = {**self.job, **job, "only": " ".join(a.name for a in chosen)}
        path = os.path.join(self.state, "job.new")
        with open(path, "w") as f:
            f.write("".join("%s=%s\n" % item for item in job.items()))
        os.rename(path, os.path.join(self.state, "job"))
        clients, knocks, done = [], [], set()
        try:
            for a in chosen:
                if a.socket:
                    clients.append(self.host.client(self.name, a.socket))
            end = time.monotonic() + seconds
            while not self.report()[before:].endswith("done\n"):
                for name, port in re.findall(r"^(\S+) listening (\d+)$", self.report()[before:], re.M):
                    if (name, port) not in done:
                        done.add((name, port))
                        knocks.append(threading.Thread(target=self.listening, args=(name, int(port))))
                        knocks[-1].start()
                if time.monotonic() > end:
                    raise AssertionError("%s has not ended: %s\n%s" % (self.name, self.report()[before:],
                                                                       self.daemon.service_log(self.name)))
                time.sleep(0.01)
        finally:
            for k in knocks:
                k.join()
            for c in clients:
                c.close()
        return verdicts(self.report()[before:])

    def listening(self, _, port):
        self.host.knock(port)
