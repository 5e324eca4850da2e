#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Descriptors over sd_notify(3): those that a service has kept for its next run (FDSTORE=1), BARRIER=1, and what it sends to hurt: trpsupd
takes none of them, and hears everybody all the time. The services are small Python programs, and systemd's own systemd-notify."""
import json
import os
import re
import signal
import socket
import subprocess
import unittest

import trp
import web

PROFILE = """[service]
command = /usr/bin/python3 -u /opt/p/%(name)s.py
ready = notify
restart-delay = 10ms
%(keys)s
[sandbox]
root = host
bind = %(dir)s /opt/p
"""
HEAD = """
import array, json, mmap, os, select, signal, socket, struct, sys, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
def say(text, *fds):
    where = os.environ["NOTIFY_SOCKET"]
    if fds: s.sendmsg([text.encode()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))], 0, where)
    else: s.sendto(text.encode(), where)
def memfd(name): return os.memfd_create(name, os.MFD_CLOEXEC | 8)  # MFD_NOEXEC_SEAL: the filter asks for it
def keep(name, *fds): say("FDSTORE=1\\nFDNAME=" + name, *fds)
def barrier():
    r, w = os.pipe()
    say("BARRIER=1", w)
    os.close(w)
    p = select.poll()
    p.register(r, 0)
    came = p.poll(20000)
    os.close(r)
    return bool(came and came[0][1] & select.POLLHUP)
N = int(os.environ.get("LISTEN_FDS", "0"))
NAMES = os.environ.get("LISTEN_FDNAMES", "").split(":") if N else []
MINE = not N or int(os.environ["LISTEN_PID"]) == os.getpid()
print("got", json.dumps([N, NAMES, MINE]))
"""


class Kept(trp.DaemonTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.programs = os.path.join(cls.d.dir, "programs")
        os.makedirs(cls.programs, exist_ok=True)

    def service(self, name, text, keys="keep-descriptors = 8", route=""):
        with open(os.path.join(self.programs, name + ".py"), "w") as f:
            f.write(HEAD + text)
        self.d.profile(name, PROFILE % {"name": name, "keys": keys, "dir": self.programs} + route)

    def kept(self, name, n, refused=None):
        k = trp.wait_until(lambda: (k := self.d.status(name)["kept_descriptors"])["kept"] == n and (refused is None or k["refused"] == refused) and k,
                           20, "%s keeps %d: %s" % (name, n, self.d.status(name)["kept_descriptors"]))
        return k

    def got(self, name, n):
        """What its n-th run found."""
        line = self.d.logged(name, "out got", n=n, seconds=20)[n - 1]
        return json.loads(line.split(" out got ", 1)[1])

    def helper(self, name):
        uid = self.d.status(name)["uid_base"] + 65530
        found = [p for p in trp.processes() if trp.process_status(p).get("Name") == "trp-sdnotify" and
                 trp.process_status(p)["Uid"].split()[0] == str(uid)]
        return found[0] if found else None

    def killed_and_back(self, name):
        before = self.d.status(name)["pid"]
        os.kill(self.d.main_pid(name), signal.SIGKILL)
        trp.wait_until(lambda: (s := self.d.status(name))["state"] == "ready" and s["pid"] != before, 20, "it is started again")

    def test_the_one_that_serves_ends_while_another_starts(self):
        """What hears them both is the service's, and goes on for the one that is left."""
        go = os.path.join(self.programs, "go")
        open(go, "w").close()
        self.service("leaves", """
while not os.path.exists("/opt/p/go"): time.sleep(0.02)
say("READY=1")
print("is ready")
signal.pause()
""", keys="restart = no")
        self.d.ok("start", "leaves")
        os.unlink(go)
        with open(os.path.join(self.d.dir, "out"), "wb") as out:
            call = subprocess.Popen([os.path.join(trp.BUILD, "trpsup"), "-c", self.d.conf, "restart", "--overlap", "leaves"],
                                    stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        new = trp.wait_until(lambda: (b := self.d.status("leaves")["beside"] or {}).get("state") == "starting" and b["pid"], 10, "another starts")
        os.kill(self.d.main_pid("leaves"), signal.SIGTERM)
        trp.wait_until(lambda: not self.d.status("leaves")["pid"], 10, "the first has ended")
        open(go, "w").close()
        self.assertEqual(call.wait(20), 0)
        self.assertEqual([self.d.status("leaves")[k] for k in ("state", "pid")], ["ready", new])
        self.d.ok("stop", "leaves")
        trp.wait_until(lambda: not self.helper("leaves"), 10, "trp-sdnotify has ended")

    STORES = """
if not N:
    m = memfd("state"); os.write(m, b"kept words")
    r, w = os.pipe(); os.write(w, b"in the pipe")
    a, b = socket.socketpair()
    a.send(b"from a")
    keep("memory", m); keep("pipe", r, w); keep("pair", b.fileno())
else:
    print("open", sorted(int(f) for f in os.listdir("/proc/self/fd")))
    print("words", os.pread(3, 100, 0).decode(), os.read(4, 100).decode(), socket.socket(fileno=6).recv(100).decode())
say("READY=1")
time.sleep(100000)
"""

    def test_kept_over_restarts(self):
        self.service("store", self.STORES)
        self.d.ok("start", "store")
        self.kept("store", 4, 0)
        self.assertEqual(self.got("store", 1), [0, [], True])
        self.assertIn("Keeps: 4 of 8 descriptors", self.d.ok("status", "store"))
        self.d.ok("restart", "store")
        self.assertEqual(self.got("store", 2), [4, ["memory", "pipe", "pipe", "pair"], True])
        self.d.logged("store", "out words kept words in the pipe from a")
        # they, standard input to error, the program's socket and the one with which it looks: init's own are not there
        self.assertRegex(self.d.logged("store", "out open")[0], r"\[0, 1, 2, 3, 4, 5, 6, 7, 8\]$")
        self.kept("store", 4)
        # one that is down keeps nothing
        self.d.ok("stop", "store")
        trp.wait_until(lambda: not self.helper("store"), 10, "trp-sdnotify has ended")
        self.d.ok("start", "store")
        self.assertEqual(self.got("store", 3), [0, [], True])

    def test_kept_over_crashes_and_daemons(self):
        self.service("crash", "say('READY=1')\nif not N:\n    m = memfd('x'); keep('a', m)\ntime.sleep(100000)\n")
        self.d.ok("start", "crash")
        self.kept("crash", 1)
        helper = self.helper("crash")
        self.killed_and_back("crash")
        self.assertEqual(self.got("crash", 2), [1, ["a"], True])
        self.d.ok("upgrade")
        self.kept("crash", 1)
        self.killed_and_back("crash")
        self.assertEqual(self.got("crash", 3), [1, ["a"], True])
        self.d.process.kill()
        self.d.process.wait()
        self.d.log.close()
        self.d.run()
        self.kept("crash", 1)
        self.d.ok("restart", "crash")
        self.assertEqual(self.got("crash", 4), [1, ["a"], True])
        self.assertEqual(self.helper("crash"), helper)

    def test_overlap(self):
        self.service("blue", """
if not N: keep("first", memfd("x"))
say("READY=1")
signal.signal(signal.SIGUSR1, lambda *_: keep("later", memfd("y")))
while True: time.sleep(1000)
""", "keep-descriptors = 8\ndrain = 1s")
        self.d.ok("start", "blue")
        self.kept("blue", 1)
        self.d.ok("restart", "--overlap", "blue")
        self.assertEqual(self.got("blue", 2), [1, ["first"], True])
        trp.wait_until(lambda: self.d.status("blue")["beside"] is None, 20, "it is alone")
        os.kill(self.d.main_pid("blue"), signal.SIGUSR1)
        self.kept("blue", 2)
        self.killed_and_back("blue")
        self.assertEqual(self.got("blue", 3), [2, ["first", "later"], True])

    def test_removed_and_again(self):
        self.service("remove", """
m = memfd("m"); r, w = os.pipe()
for i in range(5): keep("m", m)   # one and the same is kept once
keep("two", r); keep("two", w)
say("FDSTOREREMOVE=1\\nFDNAME=nobody")
say("READY=1")
while not os.path.exists("/opt/p/remove-go"): time.sleep(0.02)
say("FDSTOREREMOVE=1\\nFDNAME=two")
time.sleep(100000)
""")
        self.d.ok("start", "remove")
        self.kept("remove", 3)
        open(os.path.join(self.programs, "remove-go"), "w").close()
        self.kept("remove", 1)

    def test_connections_of_clients(self):
        """A client's connection outlives the program that had it, with what it was in the middle of."""
        self.service("chat", """
if N:
    c = socket.socket(fileno=3)
    c.sendall(b"still here\\n")
    say("READY=1")
    time.sleep(100000)
l = socket.create_server(("", 80))
say("READY=1")
c, peer = l.accept()
c.recv(100)
c.sendall(b"hello\\n")
keep("client", c.fileno())
time.sleep(100000)
""", route="[route]\nhost = chat.localhost\nhttp = 80\n")
        self.d.ok("start", "chat")
        with web.connect("127.0.0.1", trp.HTTP_PORT) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: chat.localhost\r\n\r\n")
            self.assertEqual(client.recv(100), b"hello\n")
            self.kept("chat", 1)
            self.killed_and_back("chat")
            self.assertEqual(client.recv(100), b"still here\n")

    def test_bounds_and_kinds(self):
        """Not more than the profile says, and nothing that would keep a mount or a device; those are closed."""
        self.service("kinds", """
refused = [os.open("/", os.O_RDONLY), os.open("/trp/state", os.O_PATH), os.open("/trp/state/f", os.O_CREAT | os.O_RDWR), os.open("/tmp/f", os.O_CREAT | os.O_RDWR),
           os.open("/dev/null", os.O_RDWR)]
os.mkfifo("/tmp/fifo"); refused.append(os.open("/tmp/fifo", os.O_RDWR))
for f in refused: keep("no", f)
say("READY=1")
while not os.path.exists("/opt/p/kinds-go"): time.sleep(0.02)
for i in range(50): keep("n%d" % i, memfd("x"))
time.sleep(100000)
""")
        self.d.ok("start", "kinds")
        self.kept("kinds", 0, 6)
        open(os.path.join(self.programs, "kinds-go"), "w").close()
        self.kept("kinds", 8, 48)
        self.d.logged("kinds", "sup a descriptor that it wanted kept was refused")
        self.assertLess(len(os.listdir("/proc/%d/fd" % self.helper("kinds"))), 20)
        self.assertIn("48 refused", self.d.ok("status", "kinds"))

    def test_without_words(self):
        """Descriptors beside an empty datagram are closed, however many there are."""
        self.service("empty", """
m = [memfd("x%d" % i) for i in range(32)]
for _ in range(100): say("", *m)
print("barrier", barrier())
say("READY=1")
time.sleep(100000)
""")
        self.d.ok("start", "empty")
        self.d.logged("empty", "out barrier True")
        self.assertLess(len(os.listdir("/proc/%d/fd" % self.helper("empty"))), 20)

    def test_refused_by_default(self):
        """Without the key nothing is kept; a barrier is answered all the same."""
        self.service("none", """
keep("x", memfd("x"))
print("barrier", barrier())
say("READY=1")
time.sleep(100000)
""", keys="")
        self.d.ok("start", "none")
        self.d.logged("none", "out barrier True")
        self.assertIsNone(self.d.status("none")["kept_descriptors"])
        self.d.ok("restart", "none")
        self.assertEqual(self.got("none", 2), [0, [], True])

    @unittest.skipUnless(os.path.exists("/usr/bin/systemd-notify"), "systemd-notify is not installed")
    def test_systemd_notify(self):
        """The real client: it waits for its barrier, and says if that does not come."""
        self.d.profile("sd", """[service]
command = /bin/sh -c "systemd-notify --ready --status=hello; echo code $$?; exec sleep 100000"
ready = notify
[sandbox]
root = host
""")
        self.d.ok("start", "sd")
        self.d.logged("sd", "out code 0")
        self.assertEqual(self.d.status("sd")["says"], "hello")

    # hostile

    def test_floods(self):
        """All kinds of descriptors, at full speed: lingering sockets, many in one message, nested ones. The daemon answers, and another service
        is heard."""
        self.service("flood", """
def lingering():
    l = socket.create_server(("127.0.0.1", 0)); c = socket.create_connection(l.getsockname()); p, _ = l.accept(); l.close()
    c.setblocking(False)
    try:
        while True: c.send(b"x" * 65536)
    except BlockingIOError: pass
    c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 100000))
    peers.append(p)
    return c.detach()
def send_and_close():  # whoever closes it last is kept there: this thread, or who receives it
    f = lingering()
    try: t = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); t.sendmsg([b"X=1"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [f]))], 0, os.environ["NOTIFY_SOCKET"])
    finally: os.close(f)
import threading
peers = []
say("READY=1")
a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
m = [memfd("x%d" % i) for i in range(100)]
i = 0
s.setblocking(False)
while True:
    i += 1
    try:
        if i % 50 == 0:
            if len(peers) < 100: threading.Thread(target=send_and_close, daemon=True).start()
        elif i % 7 == 0: keep("n%d" % i, *m[:30])
        elif i % 11 == 0: keep("big", *m)
        elif i % 13 == 0: say("FDSTOREREMOVE=1\\nFDNAME=n%d" % (i - 6))
        elif i % 17 == 0: say("x" * 5000, m[0])
        else: say("WATCHDOG=1\\nFDSTORE=1\\nFDNAME=m", m[i % 100])
    except OSError: time.sleep(0.001)
    if i == 3000: print("many")
""")
        self.service("other", "print('barrier', all(barrier() for _ in range(50)))\nsay('READY=1')\ntime.sleep(100000)\n", keys="")
        self.d.ok("start", "flood")
        self.d.logged("flood", "out many", seconds=60)
        for _ in range(20):
            self.d.ok("start", "other", timeout=20)
            self.d.ok("stop", "other", timeout=20)
        self.assertLessEqual(self.d.status("flood")["kept_descriptors"]["kept"], 8)
        self.assertFalse([f for f in os.listdir("/proc/%d/fd" % self.d.process.pid) if "memfd:x" in self.link(f)])
        self.d.ok("stop", "flood", timeout=60)
        trp.wait_until(lambda: not self.helper("flood"), 20, "trp-sdnotify has ended")

    HUNGRY = """
m = [memfd("x%d" % i) for i in range(160)]
for i in range(128): keep("n%d" % i, m[i])
say("READY=1")
while True: keep("more", *m[128:])  # each is compared with all that are kept
"""

    def group_of(self, name):
        """Control groups of the service's trp-sdnotify, by hierarchy."""
        return trp.control_groups("%s/@notify-%s" % (self.d.name, name))

    @staticmethod
    def first(groups, *files):
        """Of the first of the files that is there in one of the groups."""
        for group in groups:
            for file in files:
                if os.path.exists(os.path.join(group, file)):
                    return trp.read(os.path.join(group, file)).decode()
        raise AssertionError("none of %s in %s" % (files, groups))

    @staticmethod
    def times_made_to_wait(groups):
        found = (re.search(r"nr_throttled (\d+)", trp.read(os.path.join(g, "cpu.stat")).decode()) for g in groups
                 if os.path.exists(os.path.join(g, "cpu.stat")))
        return max(int(f.group(1)) for f in found if f)

    def test_what_it_may_use(self):
        """It is bounded by a group of its own: what a service makes it do, other services' helpers do not pay for."""
        self.service("hungry", self.HUNGRY, "keep-descriptors = 128")
        self.service("modest", "print('barrier', all(barrier() for _ in range(50)))\nsay('READY=1')\ntime.sleep(100000)\n", keys="")
        self.d.ok("start", "hungry")
        groups, helper = self.group_of("hungry"), self.helper("hungry")
        self.assertIn("/@notify-hungry\n", trp.cgroups_of(helper))
        self.assertEqual(self.first(groups, "pids.max"), "1\n")
        self.assertEqual(int(self.first(groups, "memory.max", "memory.limit_in_bytes")), 8 << 20)
        self.assertIn(self.first(groups, "cpu.max", "cpu.cfs_quota_us"), ("10000 100000\n", "10000\n"))
        trp.wait_until(lambda: self.times_made_to_wait(groups) > 10, 60, "it is made to wait")
        self.assertRegex(trp.read("/proc/%d/limits" % helper).decode(), r"Max open files +1024 +1024 ")
        for _ in range(3):
            self.d.ok("start", "modest", timeout=20)
            self.assertNotEqual(self.group_of("modest"), [])
            self.d.ok("stop", "modest", timeout=20)
            trp.wait_until(lambda: not self.group_of("modest"), 20, "its group goes with it")
        self.d.ok("upgrade")
        self.assertIn("/@notify-hungry\n", trp.cgroups_of(helper))
        self.d.ok("stop", "hungry", timeout=60)
        trp.wait_until(lambda: not self.group_of("hungry"), 20, "its group goes with it")

    def link(self, f):
        try:
            return os.readlink("/proc/%d/fd/%s" % (self.d.process.pid, f))
        except OSError:
            return ""

    def test_memory_is_counted(self):
        """What it keeps is within its memory, over all of its runs, and not with each of them anew."""
        self.service("hoarder", "m = memfd('m')\nfor _ in range(24): os.write(m, bytes(1 << 20))\nkeep('m', m); barrier()\nsay('READY=1')\n"
                     "time.sleep(100000)\n", route="[limits]\nmemory = 96M\n")
        used = lambda: int(self.first([g for g in trp.control_groups(self.d.name) if g.endswith("/hoarder")], "memory.current", "memory.usage_in_bytes"))
        self.d.ok("start", "hoarder")
        self.kept("hoarder", 1)
        self.assertGreater(used(), 24 << 20)
        self.d.ok("restart", "hoarder")
        self.kept("hoarder", 2)
        self.assertGreater(used(), 48 << 20)
        self.killed_and_back("hoarder")
        self.kept("hoarder", 3)
        self.assertGreater(used(), 72 << 20)
        self.d.ok("stop", "hoarder")
        trp.wait_until(lambda: not [g for g in trp.control_groups(self.d.name) if g.endswith("/hoarder")], 20, "its group goes with it")
        self.d.ok("start", "hoarder")
        self.kept("hoarder", 1)
        self.assertLess(used(), 48 << 20)

    def test_helper_is_killed(self):
        """What it kept is lost, and said; the run ends, as nobody would hear it; the next one is heard."""
        self.service("orphan", "if not N: keep('a', memfd('x'))\nsay('READY=1')\ntime.sleep(100000)\n")
        self.d.ok("start", "orphan")
        self.kept("orphan", 1)
        os.kill(self.helper("orphan"), signal.SIGKILL)
        trp.wait_until(lambda: self.d.status("orphan")["state"] == "ready" and self.d.status("orphan")["restarts"] > 0, 20, "it is started again")
        self.d.logged("orphan", "1 descriptors that were kept for it are lost")
        self.d.logged("orphan", "trp-sdnotify, which hears what it says, has ended")
        self.assertEqual(self.got("orphan", 2), [0, [], True])
        self.kept("orphan", 1)

    def test_ends_when_nobody_has_it(self):
        """Daemon and keeper killed: what it kept is nobody's; the next daemon starts the service clean."""
        self.service("alone", "if not N: keep('a', memfd('x'))\nsay('READY=1')\ntime.sleep(100000)\n")
        self.d.ok("start", "alone")
        self.kept("alone", 1)
        helper = self.helper("alone")
        keeper = [p for p in trp.processes() if trp.process_status(p).get("Name") == "trp-keeper" and self.d.name in trp.cgroups_of(p)]
        self.d.process.send_signal(signal.SIGSTOP)
        for p in keeper:
            os.kill(p, signal.SIGKILL)
        self.d.process.kill()
        self.d.process.wait()
        self.d.log.close()
        trp.wait_until(lambda: trp.process_status(helper).get("State", "Z")[0] in "ZX", 20, "trp-sdnotify has ended")
        self.d.run()
        trp.wait_until(lambda: self.d.status("alone")["state"] == "ready", 20, "it is started anew")
        self.kept("alone", 1)
        self.assertNotEqual(self.helper("alone"), helper)

    def test_helper_can_do_nothing(self):
        self.service("small", "say('READY=1')\ntime.sleep(100000)\n")
        self.d.ok("start", "small")
        status = trp.process_status(self.helper("small"))
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            self.assertEqual(int(status[name], 16), 0, name)
        self.assertEqual((status["NoNewPrivs"], status["Seccomp"], status["Groups"]), ("1", "2", ""))
        self.assertNotIn("0", status["Uid"].split())
        # and the daemon has nothing of the service's socket
        inode = re.search(r"(\d+) %s" % re.escape(os.path.join(self.d.run_dir, "services/small/notify")), trp.read("/proc/net/unix").decode()).group(1)
        self.assertEqual(trp.socket_holders(inode), [self.helper("small")])


if __name__ == "__main__":
    unittest.main()
