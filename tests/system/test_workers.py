#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Clients that come together, several routers on the same listeners, and a router that is replaced while they come."""
import collections
import contextlib
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import time
import unittest

import test_balance
import trp
import web
from test_router import (ALL, HTTP, LISTENER_ADD, MAGIC, MSG, ROUTE_SET, STATS_NAMES, STATS_REPLY, TLS, RouterCase, answer, http,
                         tls, wait_for)

GROUP_SET, RETIRE = 9, 24
HELLO = open(os.path.join(trp.TOP, "profiles/hello.ini")).read()


class Together(RouterCase):
    """trp-router alone: what one turn of a listener accepts is handed on together."""

    def come_together(self, openings):
        """The clients of one turn, in this order."""
        os.kill(self.router.pid, signal.SIGSTOP)
        clients = [self.client(opening) for opening in openings]
        os.kill(self.router.pid, signal.SIGCONT)
        return clients

    def ports(self, clients):
        return [c.getsockname()[1] for c in clients]

    def taken(self, channel, n):
        return [self.take(channel).peer[1] for _ in range(n)]

    @unittest.skipUnless(shutil.which("strace"), "no strace")
    def test_system_calls(self):
        """accept4 and a peek for each; sendmmsg and close_range for 32; to ask how many there are, once for all."""
        n = 60
        lines = self.strace(lambda: [self.come_together([http("a.test"), tls("a.test", 1800)] * (n // 2)),
                                     self.taken(self.web, n)])
        calls = collections.Counter(m[1] for m in (re.match(r"(\w+)\(", l) for l in lines) if m)
        self.assertEqual((calls["accept4"], calls["recvfrom"], calls["getsockopt"]), (n, n, 1), calls)
        self.assertEqual((calls["sendmmsg"], calls["sendmsg"]), (2, 0), calls)
        self.assertLessEqual(calls["close_range"] + calls["close"], 4, calls)
        self.assertLess(sum(calls.values()) / n, 2.3, calls)

    @unittest.skipUnless(shutil.which("strace"), "no strace")
    def test_no_memory_is_asked_for(self):
        """After the first clients nothing is allocated, whatever comes."""
        def load():
            self.come_together([http("a.test"), http("nobody.test"), tls("a.test")[:50], http("a.test")[:9]] * 50)
            self.taken(self.web, 50)
        load()
        lines = self.strace(load)
        self.assertGreater(len([l for l in lines if l.startswith("accept4(")]), 199)
        self.assertEqual([l for l in lines if re.match(r"(brk|mmap|mremap|munmap)\(", l)], [])

    def test_order_within_each_channel(self):
        self.router.route(HTTP, "b.test", self.other)
        self.router.sync()
        clients = self.come_together([http("a.test"), http("b.test"), http("nobody.test")] * 20)
        self.assertEqual(self.taken(self.web, 20), self.ports(clients[0::3]))
        self.assertEqual(self.taken(self.other, 20), self.ports(clients[1::3]))
        for c in clients[2::3]:
            self.assertIn(b" 404 ", answer(c))

    def test_every_one_is_handed_on_with_its_own_header(self):
        names = ["n%d.test" % i for i in range(50)]
        for name in names:
            self.router.route(HTTP, name, self.web)
        self.router.sync()
        self.come_together([http(name) for name in names])
        for name in names:
            h = self.take()
            self.assertEqual(h.name, name)
            self.assertEqual(h.read(len(http(name))), http(name))

    def test_channel_that_fills_up(self):
        """Who fits is served, in order; the others get 503; another service's clients notice nothing; no descriptor is
        left."""
        fds = self.router.n_fds()
        self.web.router_end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4608)
        self.router.route(HTTP, "b.test", self.other)
        self.router.sync()
        clients = self.come_together([http("a.test"), http("b.test")] * 30)
        self.assertEqual(self.taken(self.other, 30), self.ports(clients[1::2]))
        stats = self.router.stats()
        fit = stats["handed_on"] - 30
        self.assertTrue(0 < fit < 30, stats)
        self.assertEqual(stats["queue_full"], 30 - fit)
        self.assertEqual(self.taken(self.web, fit), self.ports(clients[0:2 * fit:2]))
        for c in clients[2 * fit::2]:
            self.assertIn(b" 503 ", answer(c))
        for c in clients:
            c.close()
        self.assertTrue(wait_for(lambda: self.router.n_fds() == fds))

    def test_group_takes_what_one_member_cannot(self):
        full, free = self.channel(11), self.channel(12)
        full.router_end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4608)
        group = bytearray(MSG.pack(MAGIC, GROUP_SET, 0, 0, 0, 20, 0, 0, 0, 0, 0, struct.pack("=II", 11, 12)))
        struct.pack_into("=I", group, 36, 2)  # n_members
        self.router.control.send(group)
        self.router.send(ROUTE_SET, protocol=HTTP, name="g.test", v4=20, v6=20)
        self.router.sync()
        clients = self.come_together([http("g.test")] * 40)
        self.assertTrue(wait_for(lambda: self.router.stats()["handed_on"] == 40))
        got = []
        for channel in (full, free):
            while not channel.empty():
                got.append(self.take(channel).peer[1])
        self.assertEqual(sorted(got), sorted(self.ports(clients)))

    def test_service_that_is_gone(self):
        self.web.service.close()
        for c in self.come_together([http("a.test")] * 10):
            self.assertIn(b" 503 ", answer(c))
        self.assertEqual(self.router.stats()["no_service"], 10)

    def test_routes_are_told_in_slices(self):
        """Many of them at once: clients have their turn in between."""
        self.router.control.setsockopt(socket.SOL_SOCKET, 32, 64 << 20)  # SO_SNDBUFFORCE

        def work():
            os.kill(self.router.pid, signal.SIGSTOP)
            try:
                # until it stands still it could take a slice
                self.assertTrue(wait_for(lambda: trp.process_status(self.router.pid)["State"][0] in "tT"))
                for i in range(10000):
                    self.router.route(HTTP, "n%d.test" % i, self.web)
                self.client(http("a.test"))
            finally:
                os.kill(self.router.pid, signal.SIGCONT)
            self.take()
            self.router.sync()
        calls = [m[1] for m in (re.match(r"(\w+)\(", l) for l in self.strace(work)) if m]
        at = calls.index("accept4")
        self.assertLess(calls[:at].count("recvmsg"), 300)
        self.assertGreater(calls[at:].count("recvmsg"), 9000)
        longest = max(len(turn) for turn in "".join("w" if c == "epoll_wait" else "r" for c in calls).split("w"))
        self.assertLess(longest, 300)

    @unittest.skipUnless(shutil.which("nm"), "no nm")
    def test_no_allocator_on_the_way(self):
        """What a client passes through does not know of malloc."""
        for name in ("accept client handon loop wait protocol/name protocol/opening protocol/refuse protocol/tls "
                     "protocol/http1").split():
            out = subprocess.run(["nm", "-u", os.path.join(trp.BUILD, "router", name + ".o")], capture_output=True, text=True,
                                 check=True).stdout
            self.assertNotRegex(out, r"\b(malloc|calloc|realloc|reallocarray|free)\b", name)


class Retire(RouterCase):
    """trp-router alone: what one that is replaced does."""

    def last_words(self):
        kind, _, payload = self.router.receive()
        self.assertEqual(kind, STATS_REPLY)
        self.assertEqual(self.router.process.wait(5), 0)
        return dict(zip(STATS_NAMES, struct.unpack_from("=10Q", payload)))

    def test_nobody_waits(self):
        self.client(http("a.test"))
        self.take()
        self.router.send(RETIRE)
        self.assertEqual(self.last_words()["handed_on"], 1)

    def test_finishes_with_those_who_wait(self):
        half = self.client(tls("a.test")[:50])
        self.assertTrue(wait_for(lambda: self.router.stats()["waiting"] == 1))
        self.router.send(RETIRE)
        self.router.sync()
        self.client(http("a.test"))  # for another router
        self.router.route(TLS, "a.test", self.other)  # it is still told
        self.router.sync()
        half.sendall(tls("a.test")[50:])
        self.assertEqual(self.take(self.other).read(len(tls("a.test"))), tls("a.test"))
        stats = self.last_words()
        self.assertEqual((stats["accepted"], stats["handed_on"], stats["waiting"]), (1, 1, 0))
        self.assertTrue(self.web.empty())

    def test_takes_who_woke_it(self):
        """It is told to retire before it has looked at a client that lies in the listener: nobody else was woken for that
        one."""
        os.kill(self.router.pid, signal.SIGSTOP)
        self.router.send(RETIRE)
        for _ in range(100):
            self.client(http("a.test"))
        os.kill(self.router.pid, signal.SIGCONT)
        for _ in range(100):
            self.take()
        self.assertEqual(self.last_words()["accepted"], 100)

    def test_the_deadline_bounds_it(self):
        port = self.listen(2, deadline_ms=500)
        self.client(http("a.test")[:9], port=port)
        self.assertTrue(wait_for(lambda: self.router.stats()["waiting"] == 1))
        self.router.send(RETIRE)
        answer(self.opened[-1])
        self.opened[-1].close()
        self.assertEqual(self.last_words()["timed_out"], 1)

    def test_is_given_no_listener(self):
        self.client(http("a.test")[:9])
        self.assertTrue(wait_for(lambda: self.router.stats()["waiting"] == 1))
        self.router.send(RETIRE)
        self.router.send(LISTENER_ADD, id=5, protocols=ALL, deadline_ms=500, fd=self.port)
        self.assertEqual(self.router.process.wait(5), 1)

    def cleanup(self):
        for thing in self.opened:
            thing.close()
        self.router.stop()


class Daemon(trp.Daemon):
    """A trpsupd whose programs are copies, so that one can be replaced; its listeners have this deadline."""

    def __init__(self, copy=False, deadline="1m", **how):
        super().__init__(**how)
        self.deadline = deadline
        self.programs = trp.BUILD
        if copy:
            self.programs = os.path.join(self.dir, "programs")
            os.mkdir(self.programs)
            for name in os.listdir(trp.BUILD):
                path = os.path.join(trp.BUILD, name)
                if os.path.isfile(path) and os.access(path, os.X_OK):
                    shutil.copy2(path, self.programs)
            self.program = os.path.join(self.programs, "trpsupd")

    def write_conf(self):
        super().write_conf()
        with open(self.conf) as f:
            text = f.read()
        with open(self.conf, "w") as f:
            f.write(text.replace("protocols =", "deadline = %s\nprotocols =" % self.deadline))

    def routers(self):
        return self.call("trpsup.Info")["router"]

    def get(self, name="hello"):
        return web.get("http://%s.localhost:%d/" % (name, trp.HTTP_PORT)).status

    def half(self, name="hello"):
        """A client that has sent half its request, and the other half."""
        request = b"GET / HTTP/1.1\r\nHost: %s.localhost\r\nConnection: close\r\n\r\n" % name.encode()
        sock = web.connect("127.0.0.1", trp.HTTP_PORT)
        before = self.routers()["stats"]["waiting"]
        sock.sendall(request[:10])
        trp.wait_until(lambda: self.routers()["stats"]["waiting"] == before + 1, 5, "it waits")
        return sock, request[10:]


class Load(test_balance.Load):
    def __init__(self):
        super().__init__("hello")

    @property
    def n(self):
        """Clients so far."""
        return sum(self.answers.values()) + len(self.errors)

    def more(self, n=100):
        """Waits for so many more."""
        end = self.n + n
        trp.wait_until(lambda: self.n >= end, 60, "%d more clients" % n)

    def check(self, test):
        """Every one got the page."""
        test.assertEqual(self.errors, [])
        test.assertEqual([a for a in self.answers if isinstance(a, int)], [])


class Several(unittest.TestCase):
    """Routers that share the listeners."""

    @classmethod
    def setUpClass(cls):
        cls.d = Daemon(config="workers = 3")
        cls.d.start()
        cls.addClassCleanup(cls.d.stop)
        cls.d.ok("start", "hello")

    def pids(self):
        return trp.wait_until(lambda: len(set(self.d.routers()["pids"])) == 3 and self.d.routers()["pids"], 15, "3 routers")

    @contextlib.contextmanager
    def only(self, serving):
        """The others are stopped, and seen to be: one that is woken for a client and stopped before it has it keeps it
        waiting until the next one comes."""
        others = [p for p in self.pids() if p != serving]
        for pid in others:
            os.kill(pid, signal.SIGSTOP)
        try:
            for pid in others:
                trp.wait_until(lambda p=pid: trp.process_status(p)["State"].startswith("T"), 5, "stopped")
            yield
        finally:
            for pid in others:
                os.kill(pid, signal.SIGCONT)

    def test_each_serves(self):
        for serving in self.pids():
            with self.only(serving):
                for _ in range(5):
                    self.assertEqual(self.d.get(), 200)

    def test_counters_are_summed(self):
        self.pids()
        before = self.d.routers()["stats"]
        with Load() as load:
            load.more(300)
        load.check(self)
        after = self.d.routers()["stats"]
        self.assertEqual(after["accepted"] - before["accepted"], load.n)
        self.assertEqual(after["handed_on"] - before["handed_on"], load.n)

    def test_one_that_is_killed_is_replaced(self):
        for pid in self.pids():
            os.kill(pid, signal.SIGKILL)
            for _ in range(20):
                self.assertEqual(self.d.get(), 200)
        self.assertNotIn(pid, self.pids())

    def test_all_that_hang_are_replaced(self):
        """Nobody is refused: who comes waits in the listener, and is the reason why it is noticed."""
        pids = self.pids()
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        began = time.monotonic()
        self.assertEqual(web.get("http://hello.localhost:%d/" % trp.HTTP_PORT, timeout=60).status, 200)
        self.assertGreater(time.monotonic() - began, 5)  # they were given time to answer
        self.assertFalse(set(self.pids()) & set(pids))
        self.assertEqual(self.d.daemon_log().count("does not answer; killing it"), 3)

    def test_explain_does_not_wait_for_one_that_hangs(self):
        os.kill(self.pids()[0], signal.SIGSTOP)
        done = self.d.trpsup("explain", "hello.localhost", timeout=9)
        self.assertEqual(done.returncode, 1)
        self.assertIn("the router does not answer", done.stderr)
        trp.wait_until(lambda: self.d.trpsup("explain", "hello.localhost").returncode == 0, 30, "it was replaced")

    def test_one_that_hangs(self):
        """The others serve, and what they say is told; when it goes on, nothing has become of it."""
        pids = self.pids()
        with self.only(pids[0]):
            self.assertEqual(self.d.get(), 200)
            for _ in range(2):
                self.assertGreater(self.d.routers()["stats"]["accepted"], 0)
        trp.wait_until(lambda: self.d.get() == 200 and self.d.routers()["stats"]["accepted"] > 3, 5, "all answer")
        self.assertEqual(self.d.routers()["pids"], pids)

    def test_a_service_that_comes_later_is_known_to_each(self):
        self.d.profile("later", HELLO)
        self.d.ok("start", "later")
        for serving in self.pids():
            with self.only(serving):
                self.assertEqual(self.d.get("later"), 200)


class Copies(unittest.TestCase):
    DEADLINE = "1m"  # whoever waits in a test does so for as long as that takes on a machine that has other things to do

    def setUp(self):
        self.d = Daemon(copy=True, deadline=self.DEADLINE, config="workers = 2")
        self.d.start()
        self.addCleanup(self.d.stop)
        self.d.ok("start", "hello")


class Deadline(Copies):
    DEADLINE = "6s"

    def test_one_that_is_replaced_ends(self):
        sock, _ = self.d.half()
        self.d.ok("upgrade-router")
        trp.wait_until(lambda: len(self.d.routers()["retired"]) == 1, 5, "the one without clients has ended")
        self.assertIn(b" 408 ", answer(sock))
        sock.close()
        trp.wait_until(lambda: self.d.routers()["retired"] == [], 5, "it has ended")


class Upgrade(Copies):
    def test_no_client_notices(self):
        before = self.d.routers()["stats"]["accepted"]
        waiting = []
        with Load() as load:
            for _ in range(5):
                waiting.append(self.d.half())
                old = self.d.routers()["pids"]
                self.d.ok("upgrade-router")
                routers = self.d.routers()
                self.assertEqual(len(routers["pids"]), 2)
                self.assertFalse(set(routers["pids"]) & set(old))
                load.more()
            # the halves were accepted by routers that are replaced: those still live, and finish them
            self.assertTrue(self.d.routers()["retired"])
            for sock, rest in waiting:
                sock.sendall(rest)
                self.assertIn(b" 200 ", answer(sock))
                sock.close()
            load.more()
        load.check(self)
        trp.wait_until(lambda: self.d.routers()["retired"] == [], 5, "all that were replaced have ended")
        self.assertNotIn("killed", self.d.daemon_log())
        self.assertEqual(self.d.routers()["stats"]["accepted"] - before, load.n + len(waiting))

    def test_one_that_is_replaced_knows_what_comes_later(self):
        sock, rest = self.d.half("later")
        self.d.ok("upgrade-router")
        self.d.profile("later", HELLO)
        self.d.ok("start", "later")
        sock.sendall(rest)
        self.assertIn(b" 200 ", answer(sock))
        sock.close()

    def test_the_file_as_it_is_now(self):
        path = os.path.join(self.d.programs, "trp-router")
        os.rename(path, path + ".old")
        shutil.copy2(path + ".old", path)
        self.d.ok("upgrade-router")

        def run_it():
            pids = self.d.routers()["pids"]
            return len(pids) == 2 and all(os.path.samestat(os.stat("/proc/%d/exe" % p), os.stat(path)) for p in pids)
        self.assertTrue(run_it())
        killed = self.d.routers()["pids"][0]
        os.kill(killed, signal.SIGKILL)
        trp.wait_until(lambda: killed not in self.d.routers()["pids"] and run_it(), 10, "another of the new file")

    def policies(self):
        return [os.sched_getscheduler(pid) for pid in self.d.routers()["pids"]]

    def test_weight_of_all(self):
        """Of all services together, in whichever hierarchy has the processors; changed by a reload."""
        def weight():
            for group in trp.control_groups(self.d.name):
                if os.path.basename(group) == self.d.name:
                    for file, unit in (("cpu.weight", 1), ("cpu.shares", 10.24)):
                        if os.path.exists(os.path.join(group, file)):
                            return round(int(trp.read(os.path.join(group, file))) / unit)
            return None
        self.assertEqual(weight(), 1000)
        with open(self.d.conf) as f:
            text = f.read()
        with open(self.d.conf, "w") as f:
            f.write(text.replace("workers =", "cpu-weight = 200\nworkers ="))
        self.assertIn("cpu-weight: changed", self.d.ok("reload"))
        self.assertEqual(weight(), 200)

    def test_scheduling(self):
        """From the next routers on, also those that come for one that died."""
        self.assertEqual(self.policies(), [os.SCHED_OTHER] * 2)  # auto, while few come
        for pid in self.d.routers()["pids"]:
            with open("/proc/%d/cmdline" % pid) as f:
                self.assertIn("--adapt", f.read().split("\0"))
        self.assertNotIn("cannot be scheduled otherwise", self.d.daemon_log())  # tried when it is locked down
        if tuple(map(int, os.uname().release.split(".")[:2])) >= (6, 12):
            self.assertEqual([trp.scheduling(pid)[1] for pid in self.d.routers()["pids"]], [100000] * 2)
        with open(self.d.conf) as f:
            text = f.read()
        with open(self.d.conf, "w") as f:
            f.write(text.replace("workers =", "router-scheduling = batch\nworkers ="))
        self.assertIn("router-scheduling: counts when", self.d.ok("reload"))
        self.d.ok("upgrade-router")
        self.assertEqual(self.policies(), [os.SCHED_BATCH] * 2)
        killed = self.d.routers()["pids"][0]
        os.kill(killed, signal.SIGKILL)
        trp.wait_until(lambda: killed not in self.d.routers()["pids"] and len(self.d.routers()["pids"]) == 2, 10, "another")
        self.assertEqual(self.policies(), [os.SCHED_BATCH] * 2)
        for pid in self.d.routers()["pids"]:
            with open("/proc/%d/cmdline" % pid) as f:
                self.assertNotIn("--adapt", f.read().split("\0"))

    def test_another_number_of_them(self):
        for n in (4, 1):
            with open(self.d.conf) as f:
                text = f.read()
            with open(self.d.conf, "w") as f:
                f.write(re.sub(r"workers = \d", "workers = %d" % n, text))
            self.assertIn("upgrade-router", self.d.ok("reload"))
            with Load() as load:
                self.d.ok("upgrade-router")
                load.more(50)
            load.check(self)
            self.assertEqual(len(self.d.routers()["pids"]), n)
            for pid in self.d.routers()["pids"]:  # each has its part of what may be in flight
                with open("/proc/%d/cmdline" % pid) as f:
                    self.assertEqual("--routers=%d" % n in f.read().split("\0"), n > 1)

    def test_one_that_does_not_start(self):
        """The reason is told, and the routers that run go on."""
        path = os.path.join(self.d.programs, "trp-router")
        old = self.d.routers()["pids"]
        os.rename(path, path + ".old")

        def text():
            with open(path, "w") as f:
                f.write("not a program\n")
            os.chmod(path, 0o755)

        def another():  # speaks another protocol
            os.unlink(path)
            shutil.copy2(os.path.join(self.d.programs, "trp-init"), path)

        with Load() as load:
            for spoil, why in ((lambda: None, "No such file"), (text, "format"), (another, "unexpected message|exited with code")):
                spoil()
                done = self.d.trpsup("upgrade-router")
                self.assertEqual(done.returncode, 1, done)
                self.assertIn("the new router: ", done.stderr)
                self.assertRegex(done.stderr, why)
                self.assertEqual(self.d.routers()["pids"], old)
                load.more(20)
        load.check(self)


class ManyRoutes(unittest.TestCase):
    PROFILES, NAMES = 10, 4000

    def test_more_than_the_socket_holds(self):
        """A router that does not read for a while: what it is to be told waits in the daemon, and neither blocks."""
        def hosts(p):
            return "\n  ".join("n%d.p%d.test" % (i, p) for i in range(self.NAMES))
        many = {"many%d" % p: HELLO.replace("${id}.localhost", hosts(p)) for p in range(self.PROFILES)}
        with Daemon(profiles=many) as d:
            d.ok("start", "hello")
            pid = d.router_pid()
            os.kill(pid, signal.SIGSTOP)
            d.ok("start", *many)
            os.kill(pid, signal.SIGCONT)

            def status(name):
                with web.connect("127.0.0.1", trp.HTTP_PORT) as sock:
                    sock.sendall(http(name))
                    return sock.recv(4096).split()[1]
            for p in range(self.PROFILES):
                last = "n%d.p%d.test" % (self.NAMES - 1, p)
                trp.wait_until(lambda name=last: status(name) == b"200", 20, "the last route")
                self.assertEqual(status("n0.p%d.test" % p), b"200")
            d.ok("stop", *many)
            trp.wait_until(lambda: status(last) != b"200", 20, "no route")
            self.assertEqual(d.router_pid(), pid)


if __name__ == "__main__":
    unittest.main()
