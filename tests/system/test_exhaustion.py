#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""A service that uses up what it can get (tests/progs/exhaust.c), one kind of thing after the other: what bounds it holds while it is
at it, a neighbour's visitors are all answered, and after its stop nothing of it is left. tests/bench/exhaust.py has what the
neighbour's visitors feel."""
import contextlib
import os
import re
import resource
import select
import signal
import socket
import subprocess
import time
import unittest

import test_abuse
import trp
import web
from test_router import http

MIB = 1 << 20
PROCESSES, MEMORY, TMP, OPEN_FILES, LOG = 64, 96 * MIB, 8 * MIB, 256, 256 * 1024
DAEMON_GROWTH = 8 * MIB
INOTIFY = int(trp.read("/proc/sys/fs/inotify/max_user_instances"))
NAMESPACES = 256  # sandbox/plan.c
SIGNALS = 4096  # supervisor/box/spec.c
SPREAD = 24  # processes: exhaust.c
MESSAGES = 1000  # of a service in a second: supervisor/instance.c

PROFILE = """[service]
command = /opt/progs/exhaust %s
ready = %s
adapter = preload
restart = always
restart-delay = 10ms
start-limit-burst = 0
stop-timeout = 500ms
log-size = %d
log-files = 1
log-rate = 1M
log-burst = 1M
[route]
host = exhaust.localhost
http = 8000
[sandbox]
root = host
bind = %s /opt/progs
tmp-size = %d
[limits]
processes = %d
memory = %d
oom = continue
open-files = %d
%s
"""
GOOD = """[service]
command = ${libexec}/trp-hello 8000
adapter = native
[route]
host = good.localhost
http = 8000
[sandbox]
root = none
"""


class Gone(Exception):
    """There is no such group (any more)."""


class Group:
    """A service's control group, in v1 or v2."""

    def __init__(self, daemon, service):
        self.dirs = [g for g in trp.control_groups(daemon.name) if g.endswith("/" + service)]

    def number(self, *files):
        """The first of the files that is there: its number, or that behind a key ("file key")."""
        for _ in range(100):  # it may be made anew at this moment
            for name in files:
                file, _, key = name.partition(" ")
                for directory in self.dirs:
                    with contextlib.suppress(OSError):
                        text = trp.read(os.path.join(directory, file)).decode()
                        found = re.search(r"(?m)^%s (\d+)$" % key, text) if key else re.match(r"\d+", text)
                        if found:
                            return int(found[found.lastindex or 0])
            if not all(os.path.exists(directory) for directory in self.dirs):
                raise Gone(self.dirs)
            time.sleep(0.01)
        raise AssertionError("%s: none of %s" % (self.dirs, ", ".join(files)))

    def memory(self):
        return self.number("memory.current", "memory.usage_in_bytes")

    def pids(self):
        return self.number("pids.current")

    def kills(self):
        return self.number("memory.events oom_kill", "memory.oom_control oom_kill")


def resident(pid):
    return int(trp.process_status(pid)["VmRSS"].split()[0]) * 1024


class Exhaustion(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        test_abuse.may_open_many()
        cls.d = trp.Daemon({"good": GOOD})
        cls.progs = os.path.join(cls.d.dir, "progs")
        os.mkdir(cls.progs)
        subprocess.run(["cp", os.path.join(trp.BUILD, "tests/progs/exhaust"), cls.progs], check=True)
        cls.d.start()
        cls.d.ok("start", "good")
        web.get("http://good.localhost:%d/" % trp.HTTP_PORT)

    @classmethod
    def tearDownClass(cls):
        cls.d.stop()

    def main_pids(self):
        return [self.d.process.pid, self.d.router_pid(), self.d.status("good")["pid"]]

    @contextlib.contextmanager
    def attack(self, name, ready="started", limits="", may_be_killed=False):
        """The attack, from the line in which it says to what it has come; the group and the two words of that line are given. Or,
        with may_be_killed, from the moment at which the kernel has killed one of its processes for want of memory of its own."""
        self.d.profile("exhaust", PROFILE % (name, ready, LOG, self.progs, TMP, PROCESSES, MEMORY, OPEN_FILES, limits))
        log = os.path.join(self.d.log_dir, "exhaust.log")
        for path in (log, log + ".1"):
            with contextlib.suppress(FileNotFoundError):
                os.truncate(path, 0)
        before, memory = self.main_pids(), resident(self.d.process.pid)
        with test_abuse.Visitors():
            self.d.ok("start", "exhaust")
            try:
                group = Group(self.d, "exhaust")
                killed = lambda: may_be_killed and self.killed(group) and (9, "killed")
                trp.wait_until(lambda: self.watch(group) and (self.said(name) or killed()), 60, "%s has come to its bound" % name)
                yield (group, *(self.said(name) or killed()))
                for _ in range(20):
                    self.watch(group)
            finally:
                self.d.ok("stop", "exhaust", timeout=60)
        self.assertEqual(self.main_pids(), before, "the daemon, the router and the neighbour are the same processes")
        self.assertLess(resident(self.d.process.pid) - memory, DAEMON_GROWTH)
        self.assertEqual([g for g in trp.control_groups(self.d.name) if g.endswith("/exhaust")], [])

    def watch(self, group):
        """What must hold at any moment of any attack."""
        with contextlib.suppress(Gone): # it was killed; its successor has a new one
            self.assertLessEqual(group.pids(), PROCESSES)
            self.assertLessEqual(group.memory(), MEMORY + MIB)  # v2 lets a few pages pass
        return True

    def killed(self, group):
        """One of its processes, by the kernel. It may have been the main process, and the group be that of its successor."""
        with contextlib.suppress(Gone):
            return group.kills() > 0 or "killed by signal 9 (KILL)" in self.d.service_log("exhaust")
        return False

    def said(self, name):
        # of log floods the file has nothing else
        found = re.search(r"(?m) out %s (\d+) (\w+)$" % name, self.d.service_log("exhaust"))
        return (int(found[1]), found[2]) if found else None

    def assert_bound(self, name, error, most=None, least=1, **options):
        with self.attack(name, **options) as (_, count, said):
            self.assertIn(said, error.split())
            self.assertGreaterEqual(count, least)
            if most is not None:
                self.assertLessEqual(count, most)

    # processes

    def test_fork_bomb(self):
        self.assert_bound("fork-bomb", "EAGAIN", PROCESSES)

    def test_processes(self):
        self.assert_bound("processes", "EAGAIN", PROCESSES, PROCESSES // 2)

    def test_threads(self):
        self.assert_bound("threads", "EAGAIN", PROCESSES, PROCESSES // 2)

    def test_zombies(self):
        self.assert_bound("zombies", "EAGAIN", PROCESSES, PROCESSES // 2)

    def test_spin(self):
        self.assert_bound("spin", "none")

    def test_cpu_quota(self):
        with self.attack("spin", limits="cpu = 20%") as (group, _, _):
            throttled = lambda: group.number("cpu.stat nr_throttled")
            trp.wait_until(lambda: throttled() > 3, 20, "it is held to its share")

    # memory

    def assert_killed(self, name):
        """By the kernel, for its own group's want of memory: the process that takes it, or after it the one that waits for it, since
        the memory is not free at once."""
        with self.attack(name, may_be_killed=True) as (group, signal, _):
            self.assertEqual(signal, 9)
            trp.wait_until(lambda: self.killed(group), 20, "the kernel's count has it")

    def test_memory(self):
        self.assert_killed("memory")

    def test_shared_memory(self):
        self.assert_killed("shared-memory")

    def test_sysv(self):
        self.assert_killed("sysv-shm")

    def test_locked_memory(self):
        limit = resource.getrlimit(resource.RLIMIT_MEMLOCK)[1]
        if limit == resource.RLIM_INFINITY or limit > MEMORY:
            limit = MEMORY
        self.assert_bound("locked-memory", "ENOMEM EAGAIN", min(limit, 8 * MIB) // 65536)

    def test_locked_memory_of_profile(self):
        self.assert_bound("locked-memory", "ENOMEM EAGAIN", MIB // 65536, MIB // 65536, limits="locked-memory = 1M")

    def test_no_locked_memory(self):
        self.assert_bound("locked-memory", "EPERM", 0, 0, limits="locked-memory = 0")

    def test_huge_pages(self):
        """The host's pool of them is not counted as its memory: it has none of it."""
        pool = "/proc/sys/vm/nr_hugepages"
        before = trp.read(pool).decode()

        def set_to(text):
            with open(pool, "w") as f:
                f.write(text)

        free = lambda: int(re.search(r"HugePages_Free:\s+(\d+)", trp.read("/proc/meminfo").decode())[1])
        self.addCleanup(set_to, before)
        set_to(str(int(before) + 8))
        have = free()
        if have == 0:
            self.skipTest("this kernel has no huge pages, or no memory for them")
        with self.attack("huge-pages") as (_, count, error):
            self.assertEqual((count, error), (0, "ENOMEM"))
            self.assertEqual(free(), have)

    def test_aio(self):
        """Requests of the older asynchronous I/O are counted for the host (fs.aio-max-nr), not for a user or a group."""
        free = lambda: self.free_of("aio")
        before = free()
        with self.attack("aio") as (_, count, error):
            self.assertEqual((count, error), (0, "ENOSYS"))
            self.assertGreater(free(), before // 2)

    def test_network_namespaces(self):
        """Of one that may make namespaces: what the kernel has for each is not counted as its memory."""
        with self.attack("networks", limits="[sandbox]\nuser-namespaces = yes") as (_, count, error):
            self.assertEqual(error, "ENOSPC")
            self.assertLessEqual(count, NAMESPACES)

    def test_page_cache(self):
        """Twice its memory, written and read: the kernel takes back what it keeps of files, and nobody is killed."""
        with self.attack("page-cache") as (group, count, error):
            self.assertEqual((count, error), (192, "none"))
            self.assertEqual(group.kills(), 0)

    def assert_within_memory(self, name):
        """What it takes is the kernel's memory: counted as its own, and its processes are bounded in descriptors."""
        self.assert_bound(name, "EMFILE ENOMEM ENOBUFS EPERM EAGAIN killed", OPEN_FILES, may_be_killed=True)

    def test_descriptors(self):
        self.assert_bound("descriptors", "EMFILE", OPEN_FILES, OPEN_FILES - 16)

    def test_sockets(self):
        self.assert_within_memory("sockets")

    def test_tcp(self):
        """The buffers of its own connections (3.6 MiB each, if it were let): with control groups of version 1 they are counted beside its memory, by
        the same number. The kernel gives each socket something beyond that."""
        host = lambda: int(re.search(r"(?m)^TCP: .* mem (\d+)", trp.read("/proc/net/sockstat").decode())[1]) * resource.getpagesize()
        before = host()
        with self.attack("tcp", may_be_killed=True):
            for _ in range(10):
                time.sleep(0.1)
                self.assertLess(host() - before, MEMORY + SPREAD * OPEN_FILES // 2 * MIB // 8)

    def test_pipes(self):
        self.assert_within_memory("pipes")

    def test_epoll(self):
        self.assert_within_memory("epoll")

    def test_timerfd(self):
        self.assert_within_memory("timerfd")

    def test_ports(self):
        """In its own network namespace: the host's are another's."""
        self.assert_within_memory("ports")

    def test_dentries(self):
        self.assert_bound("dentries", "none")

    # what the kernel counts for each user

    def test_inotify(self):
        before = self.free_of("inotify")  # others of root's have some
        with self.attack("inotify") as (_, count, error):
            self.assertEqual((count, error), (INOTIFY, "EMFILE") if INOTIFY < OPEN_FILES else (count, "EMFILE"))
            self.assertGreater(self.free_of("inotify"), before - INOTIFY // 2)

    def test_timers(self):
        before = self.free_of("timers")
        with self.attack("timers") as (_, count, error):
            self.assertEqual((count, error), (SIGNALS, "EAGAIN"))
            self.assertGreater(self.free_of("timers"), before - SIGNALS // 2)

    def free_of(self, attack):
        """How many a process of the host's root can still have."""
        p = subprocess.Popen([os.path.join(trp.BUILD, "tests/progs/exhaust"), attack], stdout=subprocess.PIPE, text=True)
        try:
            return int(p.stdout.readline().split()[1])
        finally:
            p.kill()
            p.wait()
            p.stdout.close()

    def test_message_queues(self):
        self.assert_bound("mqueue", "ENOSYS EACCES", 0, 0)

    def test_ptys(self):
        self.assert_bound("pty", "ENOENT ENOSYS EACCES", 0, 0)

    def test_namespaces(self):
        self.assert_bound("namespaces", "ENOSYS EPERM", 1000, 1000)

    # descriptors in flight

    def test_in_flight(self):
        """The kernel bounds them by user and RLIMIT_NOFILE: those of others, the router's too, are not concerned."""
        self.assert_bound("in-flight", "ETOOMANYREFS", OPEN_FILES + 64, OPEN_FILES)

    def test_channel(self):
        self.assert_bound("channel", "EPERM EPIPE", 0, 0)

    def test_never_accepts(self):
        descriptors = lambda: len(os.listdir("/proc/%d/fd" % self.d.process.pid))
        before = descriptors()
        with self.attack("never-accepts"):
            clients = []
            for _ in range(600):
                s = socket.create_connection(("127.0.0.1", trp.HTTP_PORT))
                s.sendall(http("exhaust.localhost"))
                clients.append(s)
            for s in clients:
                s.close()
        self.assertLess(descriptors(), before + 50)

    def test_deaf_channel(self):
        """What one run has set on its end of a channel is not there for the next one."""
        with self.attack("deaf") as (_, _, error):
            if error != "none":
                self.skipTest("this kernel has no SO_PASSRIGHTS: %s" % error)
            self.d.profile("exhaust", PROFILE.replace("/opt/progs/exhaust %s", "/usr/bin/python3 -m %s") %
                           ("http.server 8000", "listen", LOG, self.progs, TMP, PROCESSES, MEMORY, OPEN_FILES, ""))
            self.d.ok("restart", "exhaust")
            self.assertEqual(web.get("http://exhaust.localhost:%d/" % trp.HTTP_PORT).status, 200)

    # disk

    def test_tmp(self):
        self.assert_bound("tmp", "ENOSPC", TMP // MIB)

    def test_shm(self):
        self.assert_bound("shm", "ENOSPC", TMP // MIB)

    def test_tmp_inodes(self):
        self.assert_bound("tmp-inodes", "ENOSPC", TMP // 2048 + 1024)

    def test_file_size(self):
        self.assert_bound("state", "EFBIG", 4, limits="file-size = 4M")

    def test_io(self):
        self.assert_bound("io", "none")

    # the daemon

    def log_size(self):
        """Of all of its files at a time; one that gets its name just now is looked for anew."""
        for _ in range(100):
            try:
                return sum(os.path.getsize(os.path.join(self.d.log_dir, f)) for f in os.listdir(self.d.log_dir) if f.startswith("exhaust"))
            except FileNotFoundError:
                pass
        raise AssertionError("a file of the log is always just renamed")

    def test_log(self):
        """At a rate that it chose itself: it is made to wait, its log has its size, and its line about that is there."""
        self.d.profile("exhaust", PROFILE % ("log", "started", LOG, self.progs, TMP, PROCESSES, MEMORY, OPEN_FILES, ""))
        with test_abuse.Visitors():
            self.d.ok("start", "exhaust")
            # there is nothing else in what is kept: the size holds at any moment
            trp.wait_until(lambda: self.assertLessEqual(self.log_size(), 2 * LOG + 65536) or
                           self.d.status("exhaust")["log_waits"] >= 10, 60, "it had to wait")
            cpu = lambda: sum(map(int, trp.read("/proc/%d/stat" % self.d.process.pid).rsplit(b")", 1)[1].split()[11:13]))
            before, status = cpu(), self.d.status("exhaust")
            trp.wait_until(lambda: self.d.status("exhaust")["log_waits"] >= status["log_waits"] + 60, 60, "and again")
            waited = self.d.status("exhaust")["log_waited_ms"] - status["log_waited_ms"]
            # of the time that it waited the daemon was not at work for it
            self.assertLess((cpu() - before) * 1000 / os.sysconf("SC_CLK_TCK"), waited)
            self.d.ok("stop", "exhaust")
        self.assertLessEqual(self.log_size(), 2 * LOG + 65536)

    def test_notify(self):
        """Datagrams of all sizes without end: the daemon takes a bounded number, and its sender waits."""
        began = time.monotonic()
        with self.attack("notify", ready="notify"):
            self.assertEqual(self.d.status("exhaust")["state"], "ready")
            path = os.path.join(self.d.state_dir, "state/exhaust/sent")
            sent = lambda: int(trp.read(path) or 0)
            trp.wait_until(lambda: sent() >= 2 * MESSAGES + 3000, 60, "its messages are taken")
            # however slow this machine is, no faster than that; some lie in the socket
            taken, took = sent(), time.monotonic() - began
            self.assertLess(taken, 2 * MESSAGES + MESSAGES * (took + 0.2) + 600)

    def test_init(self):
        self.assert_bound("init", "none")

    # the rest

    def test_arguments(self):
        self.assert_bound("arguments", "E2BIG")

    def test_stubborn(self):
        """Deaf, stopped, traced and in vfork(2): killed when its time is over."""
        self.assert_bound("stubborn", "none")

    def test_crashes(self):
        """No core dump, not even for a program of the host that a core_pattern names."""
        pattern = "/proc/sys/kernel/core_pattern"
        old = trp.read(pattern).decode()
        marks = os.path.join(self.d.dir, "cores")
        catcher = os.path.join(self.d.dir, "catcher")
        with open(catcher, "w") as f:
            f.write("#!/bin/sh\necho $1 >> %s\n" % marks)
        os.chmod(catcher, 0o755)

        def restore():
            with open(pattern, "w") as f:
                f.write(old)
        self.addCleanup(restore)
        with open(pattern, "w") as f:
            f.write("|%s %%P %%u" % catcher)
        # it works at all
        subprocess.run(["sh", "-c", "ulimit -c 0; kill -SEGV $$"], check=False)
        trp.wait_until(lambda: os.path.exists(marks), 20, "the handler runs for a process of the host")
        before = trp.read(marks)
        with self.attack("crashes") as (group, _, _):
            inside = {trp.process_status(p).get("PPid") for p in self.d.pids("exhaust")}
        self.assertTrue(inside)
        subprocess.run(["sh", "-c", "ulimit -c 0; kill -SEGV $$"], check=False)
        trp.wait_until(lambda: trp.read(marks) != before, 20, "the handler still runs")
        self.assertEqual(len(trp.read(marks).splitlines()), len(before.splitlines()) + 1)


DISK = """[service]
command = /opt/progs/exhaust %s
ready = started
restart = no
stop-timeout = 500ms
[sandbox]
root = host
bind = %s /opt/progs
[limits]
%s
"""


class StateDisk(unittest.TestCase):
    """state-size: the state directory is a disk of its own."""

    @classmethod
    def setUpClass(cls):
        cls.d = trp.Daemon({"good": GOOD})
        cls.progs = os.path.join(cls.d.dir, "progs")
        os.mkdir(cls.progs)
        subprocess.run(["cp", os.path.join(trp.BUILD, "tests/progs/exhaust"), cls.progs], check=True)
        cls.d.start()
        cls.d.ok("start", "good")

    @classmethod
    def tearDownClass(cls):
        images = os.path.join(cls.d.state_dir, "disks")
        cls.d.stop()
        used = subprocess.run(["losetup", "-l", "-n", "-O", "BACK-FILE"], capture_output=True, text=True, check=True).stdout
        if images in used:
            raise AssertionError("loop devices are left: " + used)

    def start(self, service, attack, *limits):
        self.d.profile(service, DISK % (attack, self.progs, "\n".join(limits)))
        return self.d.trpsup("start", service)

    def started(self, *args):
        done = self.start(*args)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr + self.d.daemon_log()[-1000:])

    def state(self, service):
        return os.path.join(self.d.state_dir, "state", service)

    def filled(self, service, attack):
        """Until it has come to an end: how much, and by which error. The neighbour's visitors are served meanwhile, the service is
        stopped then."""
        said = lambda: re.search(r"(?m) out %s (\d+) (\w+)$" % attack, self.d.service_log(service))
        with test_abuse.Visitors():
            found = trp.wait_until(said, 60, "%s has come to its bound" % attack)
        self.d.ok("stop", service)
        os.truncate(os.path.join(self.d.log_dir, service + ".log"), 0)
        return int(found[1]), found[2]

    @unittest.skipUnless(os.path.exists("/dev/loop-control"), "this host has no loop devices")
    def test_bytes(self):
        self.started("disk", "state", "state-size = 16M")
        got, error = self.filled("disk", "state")
        self.assertEqual(error, "ENOSPC")
        self.assertTrue(8 <= got <= 16, got)
        kept = os.path.getsize(os.path.join(self.state("disk"), "big"))
        # the same again: what is there stays there, and is counted
        self.started("disk", "state-inodes", "state-size = 16M")
        self.filled("disk", "state-inodes")
        self.assertEqual(os.path.getsize(os.path.join(self.state("disk"), "big")), kept)
        # it grows
        self.started("disk", "tmp", "state-size = 48M")
        self.d.ok("stop", "disk")
        disk = os.statvfs(self.state("disk"))
        self.assertTrue(40 * MIB < disk.f_blocks * disk.f_frsize <= 48 * MIB, disk)
        self.assertEqual(os.path.getsize(os.path.join(self.state("disk"), "big")), kept)
        # it stays without the key
        self.started("disk", "state")
        got, error = self.filled("disk", "state")
        self.assertEqual(error, "ENOSPC")
        self.assertTrue(40 <= got <= 48, got)
        # it does not shrink: refused by file and line, and nothing is touched
        done = self.start("disk", "tmp", "state-size = 16M")
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stdout + done.stderr, r"disk\.ini:10: state-size: .* does not shrink")
        self.assertEqual(os.statvfs(self.state("disk")).f_blocks, disk.f_blocks)

    @unittest.skipUnless(os.path.exists("/dev/loop-control"), "this host has no loop devices")
    def test_files(self):
        self.started("files", "state-inodes", "state-size = 16M")
        got, error = self.filled("files", "state-inodes")
        self.assertEqual(error, "ENOSPC")
        self.assertTrue(100 < got <= 16 * MIB // 4096, got)

    @unittest.skipUnless(os.path.exists("/dev/loop-control"), "this host has no loop devices")
    def test_killed_daemon(self):
        """Another daemon takes the disk over, with what is on it."""
        self.started("taken", "state", "state-size = 16M")
        trp.wait_until(lambda: self.d.log_lines("taken", " out state "), 60, "it is full")
        self.d.process.kill()
        self.d.process.wait()
        self.d.run()
        self.d.ok("start", "good")
        self.started("taken", "tmp", "state-size = 16M")
        self.d.ok("stop", "taken")
        self.assertGreater(os.path.getsize(os.path.join(self.state("taken"), "big")), 8 * MIB)

    @unittest.skipUnless(os.path.exists("/dev/loop-control"), "this host has no loop devices")
    def test_killed_while_it_grows(self):
        """What grows it goes on without the daemon, and nobody else comes near it; what was broken off is done over."""
        self.started("grows", "state", "state-size = 16M")
        self.d.ok("stop", "grows")
        pids = self.killed_in("resize2fs", "exec sleep 1000", "grows", "state-size = 48M")
        self.assertEqual(os.path.getsize(os.path.join(self.d.state_dir, "disks/grows.img")), 48 * MIB)
        self.d.ok("start", "--no-wait", "grows")
        waits = lambda: [p for p in trp.descendants(self.d.process.pid) if trp.process_status(p).get("Name") == "flock"]
        trp.wait_until(waits, 20, "it waits for the one of before")
        self.assertEqual(self.d.status("grows")["state"], "image")
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        self.started("grows", "tmp", "state-size = 48M")
        self.d.ok("stop", "grows")
        disk = os.statvfs(self.state("grows"))
        self.assertTrue(40 * MIB < disk.f_blocks * disk.f_frsize <= 48 * MIB, disk)
        self.assertEqual([f for f in os.listdir(os.path.join(self.d.state_dir, "disks")) if f.startswith("grows")], ["grows.img"])

    @unittest.skipUnless(os.path.exists("/dev/loop-control"), "this host has no loop devices")
    def test_killed_while_it_is_made(self):
        """What goes on without the daemon writes into nothing that another one makes."""
        go = os.path.join(self.d.dir, "go")
        script = "for part; do :; done; exec 4<>$part; while [ ! -e %s ]; do sleep .1; done; head -c 1000000 /dev/zero >&4" % go
        pid, _ = self.killed_in("mkfs.ext4", script, "made", "state-size = 16M")
        self.started("made", "state-inodes", "state-size = 16M")
        self.d.ok("stop", "made")
        with open(go, "w"):
            trp.wait_until(lambda: not os.path.exists("/proc/%d" % pid), 20, "the one of before has ended")
        self.restart([])  # it is mounted anew
        self.d.ok("start", "good")
        self.started("made", "state-inodes", "state-size = 16M")
        self.d.ok("stop", "made")

    @unittest.skipUnless(os.path.exists("/dev/loop-control"), "this host has no loop devices")
    def test_stopped_while_it_grows(self):
        """What has begun to change the file system is let finish."""
        real = os.path.join(self.d.dir, "real-resize2fs")
        subprocess.run("cp $(command -v resize2fs) " + real, shell=True, check=True)
        self.started("stops", "state", "state-size = 16M")
        self.d.ok("stop", "stops")
        self.starts_with_fake("resize2fs", "sleep 1; exec %s \"$@\"" % real, "stops", "state-size = 48M")
        self.restart([])
        self.d.ok("start", "good")
        self.assertEqual([f for f in os.listdir(os.path.join(self.d.state_dir, "disks")) if f.startswith("stops")], ["stops.img"])
        self.started("stops", "tmp", "state-size = 48M")
        self.d.ok("stop", "stops")
        disk = os.statvfs(self.state("stops"))
        self.assertTrue(40 * MIB < disk.f_blocks * disk.f_frsize <= 48 * MIB, disk)

    def starts_with_fake(self, program, script, service, limits):
        """A start with this in the program's place, as soon as it runs. Who runs it, and the shell above."""
        fake, reached = os.path.join(self.d.dir, program), os.path.join(self.d.dir, service + ".reached")
        with open(fake, "w") as f:
            f.write("#!/bin/sh\necho $$ $PPID > %s.new; mv %s.new %s\n%s\n" % (reached, reached, reached, script))
        os.chmod(fake, 0o755)
        self.restart(["unshare", "--mount", "sh", "-c", "mount --bind %s $(command -v %s) && exec \"$@\"" % (fake, program), "sh"])
        self.d.profile(service, DISK % ("tmp", self.progs, limits))
        self.d.ok("start", "--no-wait", service)
        trp.wait_until(lambda: os.path.exists(reached), 60, "it is at it")
        return [int(pid) for pid in trp.read(reached).split()]

    def killed_in(self, program, script, service, limits):
        """During such a start the daemon is killed; and there is another one."""
        pids = self.starts_with_fake(program, script, service, limits)
        pidfds = [os.pidfd_open(pid) for pid in pids]
        self.addCleanup(lambda: [os.close(fd) for fd in pidfds])
        self.addCleanup(lambda: [signal.pidfd_send_signal(fd, signal.SIGKILL) for fd in pidfds if not select.select([fd], [], [], 0)[0]])
        self.d.process.kill()
        self.d.process.wait()
        self.restart([])
        self.d.ok("start", "good")
        return pids

    def restart(self, prefix):
        if self.d.process.poll() is None:
            self.d.process.terminate()
            self.d.process.wait(60)
        self.d.prefix = prefix
        self.d.run()

    def test_files_of_before(self):
        self.started("before", "state", "file-size = 1M")
        trp.wait_until(lambda: os.listdir(self.state("before")), 60, "it has a file")
        self.d.ok("stop", "before")
        done = self.start("before", "state", "state-size = 16M")
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stdout + done.stderr, r"before\.ini:10: state-size: .* has files already")

    def test_too_small(self):
        done = self.start("small", "state", "state-size = 1M")
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stdout + done.stderr, r"small\.ini:10: state-size: '1M' is out of range")


if __name__ == "__main__":
    unittest.main()
