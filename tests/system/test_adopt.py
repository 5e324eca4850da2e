#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""trpsupd is killed, and the next one takes over what it had started: no client is refused, reset or lost, no process of a
service is another one, no line of a log is missing, nothing runs twice, and in the end nothing is left."""
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

import trp
import web
from load import Load
from test_hold import request
from test_strange_router import channels

HELLO = """[service]
command = ${libexec}/trp-hello 8000
adapter = native
restart-delay = 10ms
[route]
host = h.localhost
http = 8000
[sandbox]
root = none
"""
# writes a line each 10 ms, numbered
WRITER = """[service]
command = /bin/sh -c "i=0; while :; do echo line $$i; i=$$((i+1)); sleep 0.01; done"
ready = started
[sandbox]
root = host
"""
NOTIFY = """[service]
command = /opt/progs/accept-modes-static epoll-et 80
adapter = notify
[route]
host = n.localhost
http = 80
[sandbox]
root = host
bind = """ + os.path.join(trp.BUILD, "tests/progs") + """ /opt/progs
"""
LOOPBACK = """[service]
command = /usr/bin/python3 -m http.server 8080 --directory /etc
adapter = loopback
[route]
host = l.localhost
http = 8080
[sandbox]
root = host
"""
SLOW = """[service]
command = /bin/sh -c "trap 'sleep 3; exit 0' TERM; while :; do sleep 0.1; done"
ready = started
stop-timeout = 30s
[sandbox]
root = host
"""


def url(name):
    return "http://%s.localhost:%d/" % (name, trp.HTTP_PORT)


class Kept(unittest.TestCase):
    """Each test has a daemon of its own, as it is killed in it; leaving the block looks for what is left."""

    def kill(self, d):
        d.process.kill()
        d.process.wait()
        d.log.close()

    def keeper(self, d):
        return self.only([p for p in trp.processes() if trp.process_status(p).get("Name") == "trp-keeper"
                          and d.name in trp.cgroups_of(p)])

    def only(self, items):
        self.assertEqual(len(items), 1, items)
        return items[0]

    def same(self, d, names, before):
        for n in names:
            self.assertEqual(d.status(n)["state"], "ready", n)
            self.assertEqual(d.pids(n)[:2], before[n], n)

    def starts(self, d, name):
        """How often it was spawned."""
        return len(d.log_lines(name, " sup starting"))

    def test_what_is_lost_is_lost_once(self):
        """What could not be taken over is ended, and is not there to be taken over by the daemon after that one, nor keeps it from an upgrade."""
        with trp.Daemon({"h": HELLO}) as d:
            d.profile("gone", HELLO.replace("h.localhost", "gone.localhost"))
            d.ok("start", "h", "gone")
            before = {"h": d.pids("h")[:2]}
            self.kill(d)
            d.profile("gone", "[serwice]\n")
            for kept in [f for f in os.listdir(os.path.join(d.run_dir, "records")) if f.endswith(".profile")]:
                os.unlink(os.path.join(d.run_dir, "records", kept))
            with open(os.path.join(d.run_dir, "records/strange.json"), "w", encoding="utf-8") as f:
                f.write("{}")
            d.run()
            self.assertIn("gone: ended: its profile cannot be read", d.daemon_log())
            self.assertRegex(d.ok("upgrade"), r"^trpsupd .*: 1 services? go(es)? on\n$")
            self.same(d, ["h"], before)

    def test_under_load(self):
        with trp.Daemon({"h": HELLO, "n": NOTIFY, "l": LOOPBACK, "writer": WRITER}) as d:
            names = ["h", "n", "l", "writer"]
            d.ok("start", *names)
            before = {n: d.pids(n)[:2] for n in names}  # the writer has a child for each line
            number = d.status("h")["clients"]["handed_on"]
            with Load("h") as h, Load("n", 1) as n, Load("l", 1) as l:
                for _ in range(3):
                    h.more(50)
                    self.kill(d)
                    h.more(100)  # the router and the services serve on
                    n.more(10)
                    l.more(10)
                    d.run()
                    self.same(d, names, before)
                    trp.wait_until(lambda: d.call("trpsup.Info")["router"]["retired"] == []
                                   and len(d.call("trpsup.Info")["router"]["pids"]) == 1, 40, "one router is left")
                    h.more(50)
                    n.more(10)
                    l.more(10)
                self.assertEqual(h.bad + n.bad + l.bad, [])
            d.logged("writer", "out line")
            # counters go on
            self.assertGreater(d.status("h")["clients"]["handed_on"], number + 300)
            for name in names:
                self.assertEqual(self.starts(d, name), 1, name)
            # what was written while nobody was there is there, once, in order
            last = d.log_lines("writer", "out line")[-1].split()[-1]
            d.logged("writer", "out line %d$" % (int(last) + 10))
            lines = [int(x.split()[-1]) for x in d.log_lines("writer", "out line")]
            self.assertEqual(lines, list(range(len(lines))))
            self.assertNotIn("defect", d.daemon_log())
            self.assertNotIn("cannot be taken over", d.daemon_log())
            d.ok("stop", *names)
            for name in names:
                self.assertEqual(d.status(name)["state"], "stopped")
            d.ok("start", "h")
            self.assertEqual(web.get(url("h")).status, 200)

    def test_keeper_that_is_behind(self):
        """What the daemon said last before it was killed is not lost, although the next one is there when the keeper comes to read it."""
        with trp.Daemon({"h": HELLO}) as d:
            keeper = self.keeper(d)
            os.kill(keeper, signal.SIGSTOP)
            try:
                d.ok("start", "h")
                before = {"h": d.pids("h")[:2]}
                self.kill(d)
                d.log = open(os.path.join(d.dir, "trpsupd.log"), "ab")
                d.process = subprocess.Popen([d.program, "-c", d.conf], stdin=subprocess.DEVNULL, stdout=d.log, stderr=d.log)
                time.sleep(0.5)  # it connects, and waits for the keeper
            finally:
                os.kill(keeper, signal.SIGCONT)
            trp.wait_until(lambda: self.answers(d), 20, "the daemon answers")
            self.same(d, ["h"], before)
            self.assertNotIn("missing", d.daemon_log())
            self.assertEqual(web.get(url("h")).status, 200)

    def test_half_of_what_a_router_had(self):
        """A daemon that was killed between two words to the keeper: what is left of it is not taken for ours."""
        with trp.Daemon({"h": HELLO}) as d:
            d.ok("start", "h")
            self.kill(d)
            # supervisor/keepmsg.h; the next router's number is 1
            message = struct.pack("=LL136s20sL", 0x4b505254, 1, b"@router", b"process", 1)
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock, open("/dev/null", "rb") as null:
                sock.connect(os.path.join(d.run_dir, "keeper"))
                socket.send_fds(sock, [message], [null.fileno()])
            d.run()
            trp.wait_until(lambda: d.call("trpsup.Info")["router"]["retired"] == [], 40, "one router is left")
            for _ in range(2):  # its process descriptor is still ours
                pid = d.router_pid()
                os.kill(pid, signal.SIGKILL)
                trp.wait_until(lambda: d.router_pid() not in (0, None, pid), 20, "there is another router")  # pylint: disable=cell-var-from-loop
                self.assertEqual(web.get(url("h")).status, 200)
            self.assertEqual(d.daemon_log().count("observer ready"), 2, d.daemon_log())

    def test_group_of_a_listener_that_is_gone(self):
        """Left by a daemon that was killed while it ended: leaving the block looks for it."""
        with trp.Daemon({"h": HELLO}) as d:
            d.ok("start", "h")
            groups = [g for g in trp.control_groups(d.name) if os.path.basename(g).startswith("@listener-")]
            self.assertTrue(groups, trp.control_groups(d.name))
            self.kill(d)
            os.mkdir(os.path.join(os.path.dirname(groups[0]), "@listener-77"))
            d.run()
            self.assertEqual(sorted(g for g in trp.control_groups(d.name) if "@listener-" in g), sorted(groups))
            self.assertEqual(web.get(url("h")).status, 200)

    @staticmethod
    def answers(d):
        try:
            return d.status("h")
        except OSError:
            return None

    def stop_new_router(self, d, ready_before):
        """As soon as it runs, before it can say that it is ready. None: too late."""
        end = time.monotonic() + 10
        while time.monotonic() < end:
            for pid in trp.children(d.process.pid):
                try:
                    if trp.read("/proc/%d/comm" % pid) == b"trp-router\n":
                        os.kill(pid, signal.SIGSTOP)
                        trp.wait_until(lambda: self.answers(d), 20, "the daemon answers")  # and has read what the router said
                        time.sleep(0.1)
                        if d.daemon_log().count("router ready") == ready_before:
                            return pid
                        os.kill(pid, signal.SIGCONT)
                        return None
                except OSError:
                    pass
        raise AssertionError("there is no other router")

    def test_start_while_another_daemon_s_routers_serve(self):
        """They cannot be told of it: who is told that it is up finds its route, as that is said only when ours have taken over."""
        with trp.Daemon({"h": HELLO, "late": HELLO.replace("h.localhost", "late.localhost")}) as d:
            d.ok("start", "h")
            for _ in range(60):
                ready_before = d.daemon_log().count("router ready")
                self.kill(d)
                d.log = open(os.path.join(d.dir, "trpsupd.log"), "ab")
                d.process = subprocess.Popen([d.program, "-c", d.conf], stdin=subprocess.DEVNULL, stdout=d.log, stderr=d.log)
                new = self.stop_new_router(d, ready_before)
                if new:
                    break
            self.assertTrue(new, "its router was always ready at once")
            try:
                with subprocess.Popen([os.path.join(trp.BUILD, "trpsup"), "-c", d.conf, "start", "late"], stdout=subprocess.PIPE) as start:
                    trp.wait_until(lambda: "late: ready" in d.daemon_log(), 10, "it is ready")
                    self.assertEqual(web.get(url("late")).status, 404)  # the router of before
                    self.assertIsNone(start.poll())
                    os.kill(new, signal.SIGCONT)
                    self.assertEqual(start.wait(20), 0)
                    self.assertEqual(web.get(url("late")).status, 200)
            finally:
                if new in trp.children(d.process.pid):
                    os.kill(new, signal.SIGCONT)
            self.assertEqual(web.get(url("h")).status, 200)

    def test_nginx(self):
        with trp.Daemon() as d:
            name = "nginx"
            d.ok("start", name)
            with open(os.path.join(d.state_dir, "state", name, "www/index.html"), "w") as f:
                f.write("hello\n")
            host = d.status(name)["urls"][0].split("/")[2].split(":")[0]
            before = d.pids(name)
            with Load(host.replace(".localhost", "")) as load:
                load.more(50)
                self.kill(d)
                load.more(100)
                d.run()
                load.more(100)
                self.assertEqual(load.bad, [])
            self.assertEqual(d.pids(name), before)
            # and what it is told now comes to the new router
            d.ok("restart", name)
            self.assertNotEqual(d.pids(name), before)
            self.assertEqual(web.get(url(host.replace(".localhost", ""))).status, 200)

    def test_killed_with_all_that_it_kept(self):
        """Without the keeper nothing can be taken over: it is ended, said, and what was to run is started clean."""
        with trp.Daemon({"h": HELLO, "writer": WRITER}) as d:
            d.ok("start", "h", "writer")
            d.ok("stop", "writer")
            before = d.pids("h") + [d.router_pid()]
            keeper = self.keeper(d)
            d.process.send_signal(signal.SIGSTOP)
            os.kill(keeper, signal.SIGKILL)
            self.kill(d)
            d.run()
            for pid in before:
                self.assertIn(trp.process_status(pid).get("State", "Z")[0], "ZX", pid)
            trp.wait_until(lambda: d.status("h")["state"] == "ready", 20, "it is started anew")
            self.assertIn("h: cannot be taken over", d.daemon_log())
            self.assertEqual(web.get(url("h")).status, 200)
            self.assertEqual(d.status("writer")["state"], "stopped")  # as it was asked for

    def test_keeper_killed(self):
        """Another is started and has everything: a daemon killed after that loses nothing."""
        with trp.Daemon({"h": HELLO}) as d:
            d.ok("start", "h")
            before = d.pids("h")
            keeper = self.keeper(d)
            with Load("h") as load:
                os.kill(keeper, signal.SIGKILL)
                trp.wait_until(lambda: "starting another" in d.daemon_log(), 10, "it is missed")
                other = trp.wait_until(lambda: [p for p in trp.processes() if d.name in trp.cgroups_of(p)
                                                and trp.process_status(p).get("Name") == "trp-keeper"], 10, "another")
                self.assertNotEqual(other, [keeper])
                d.status("h")
                load.more(20)
                self.kill(d)
                load.more(50)
                d.run()
                load.more(50)
                self.assertEqual(load.bad, [])
            self.assertEqual(d.pids("h"), before)

    def test_keeper_killed_while_a_router_is_left(self):
        """That has the channel of a run long ago; those of the runs since are over, and nothing else is taken for them."""
        with trp.Daemon({"h": HELLO}) as d, socket.create_connection(("127.0.0.1", trp.HTTP_PORT)) as client:
            d.ok("start", "h")
            client.sendall(b"GET / HTTP/1.1\r\n")  # the router waits for the rest of it
            trp.wait_until(lambda: d.call("trpsup.Info")["router"]["stats"]["waiting"], 10, "it has the client")
            self.kill(d)
            d.run()
            trp.wait_until(lambda: d.call("trpsup.Info")["router"]["retired"], 10, "it is left with it")
            for _ in range(4):
                d.ok("restart", "h")
            before = d.pids("h")
            time.sleep(0.3)  # what is ready for the next start has the numbers that are free now
            self.assertTrue(d.call("trpsup.Info")["router"]["retired"])
            os.kill(self.keeper(d), signal.SIGKILL)
            trp.wait_until(lambda: "starting another" in d.daemon_log(), 10, "it is missed")
            d.status("h")
            self.assertNotIn("will not survive", d.daemon_log())
            self.kill(d)
            d.run()
            self.assertEqual(d.pids("h"), before)
            self.assertEqual(web.get(url("h")).status, 200)

    def hold_up(self, pid):
        """As a service can who does not take out who is there: the last close(2) of this client waits until it has read all. False: nobody is there."""
        fds = []
        for channel in channels(pid):
            with channel, contextlib.suppress(OSError):
                for _, kind, data in channel.recvmsg(1024, socket.CMSG_SPACE(4), socket.MSG_PEEK | socket.MSG_DONTWAIT)[1]:
                    fds += struct.unpack("i", data[:4]) if kind == socket.SCM_RIGHTS else ()
        if not fds:
            return False
        with socket.socket(fileno=fds[0]) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 60))
            sock.recv(65536)
            sock.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    sock.send(bytes(65536))
        return True

    def test_channel_that_nobody_takes_over(self):
        """Who is in it does not hold the keeper up when it is let go: it is there for the next daemon, too."""
        with trp.Daemon({"h": HELLO, "gone": HELLO.replace("h.localhost", "gone.localhost")}) as d:
            d.ok("start", "h", "gone")
            before, stopped = d.pids("h"), d.main_pid("gone")
            os.kill(stopped, signal.SIGSTOP)
            with request("gone"):
                trp.wait_until(lambda: self.hold_up(stopped), 10, "a client is there")
                self.kill(d)
                os.unlink(os.path.join(d.run_dir, "records", "gone.json"))
                d.run()
                self.kill(d)
                d.run()
                self.assertEqual(d.pids("h"), before)
                self.assertNotIn("trp-keeper", d.daemon_log())

    def test_keeper_has_no_privilege(self):
        with trp.Daemon({"h": HELLO}) as d:
            status = trp.process_status(self.keeper(d))
            self.assertEqual(status["CapEff"], "0" * 16)
            self.assertEqual(status["CapBnd"], "0" * 16)
            self.assertEqual(status["Seccomp"], "2")
            self.assertEqual(status["NoNewPrivs"], "1")
            self.assertNotIn("0", status["Uid"].split())
            # nobody but root gets at it
            path = os.path.join(d.run_dir, "keeper")
            self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)

    def test_ended_meanwhile(self):
        """The upstream dies while nobody is there: what its init said of it is read, and the policy applied."""
        with trp.Daemon({"h": HELLO}) as d:
            d.ok("start", "h")
            main, before = d.main_pid("h"), d.pids("h")
            self.kill(d)
            os.kill(main, signal.SIGKILL)
            trp.wait_until(lambda: trp.process_status(before[0]).get("State", "Z")[0] in "ZX", 10, "its init has ended")
            client = web.connect("127.0.0.1", trp.HTTP_PORT)  # waits for the next instance
            client.sendall(b"GET / HTTP/1.0\r\nHost: h.localhost\r\n\r\n")
            d.run()
            self.assertIn(b"200", client.recv(100))
            client.close()
            d.logged("h", "sup .*killed by signal 9")
            self.assertEqual(self.starts(d, "h"), 2)

    def test_names_that_the_kernel_has(self):
        """Files of a control group are called so, in one version or the other: no group of a service can be."""
        names = ("tasks", "notify_on_release", "cgroup.procs", "memory.max", "cpu.stat", "pids.max@one")
        text = "[service]\ncommand = /bin/sleep 1000\nready = started\n%s[sandbox]\nroot = host\n"
        with trp.Daemon({n.partition("@")[0]: text % ("description = ${instance}\n" if "@" in n else "") for n in names}) as d:
            d.ok("start", *names)
            before = {n: d.pids(n)[:2] for n in names}
            self.kill(d)
            d.run()
            self.same(d, names, before)
            d.ok("stop", *names)
            d.ok("start", *names)

    def test_image_that_was_being_built(self):
        """What builds one is asked to end with its daemon, which takes it a while: the next one fills the directory when it is alone."""
        d = trp.Daemon({"built": "[service]\ncommand = /bin/true\n[sandbox]\nroot = packages\npackages = no-such-package-%d\n" % os.getpid()})
        said, quick, fakes = (os.path.join(d.dir, name) for name in ("said", "quick", "fakes"))
        os.mkdir(fakes)
        with open(os.path.join(fakes, "mmdebstrap"), "w") as f:
            f.write("""#!/bin/sh
for word; do case $word in *.part) part=$word;; esac; done
trap '[ -e %s ] || sleep 2; mkdir -p "$part/late"; echo end >> %s; exit 1' TERM
mkdir "$part" && echo begin >> %s || echo taken >> %s
while :; do sleep .1; done
""" % (quick, said, said, said))
        os.chmod(f.name, 0o755)
        d.environment = dict(os.environ, PATH=fakes + ":" + os.environ["PATH"])
        words = lambda: trp.read(said).decode().split() if os.path.exists(said) else []
        with d:
            d.ok("start", "--no-wait", "built")
            trp.wait_until(words, 20, "it is being built")
            d.process.kill()
            d.process.wait()
            d.log.close()
            d.run()
            d.ok("start", "--no-wait", "built")
            trp.wait_until(lambda: len(words()) >= 3, 30, "it is being built again")
            self.assertEqual(words(), ["begin", "end", "begin"])
            with open(quick, "w"):
                pass

    def test_required_is_taken_over_later(self):
        """In whatever order: of chains, some begin before what they require has had its turn, with others between."""
        text = "[service]\ncommand = /bin/sleep 1000\nready = started\n%s\n[sandbox]\nroot = host\n"
        chains = {"%s%d" % (c, i): text % ("requires = %s%d" % (c, i + 1) if i < 2 else "") for c in "abc" for i in range(3)}
        with trp.Daemon(chains) as d:
            d.ok("start", "a0", "b0", "c0")
            pids = {n: d.pids(n)[:1] for n in chains}
            self.kill(d)
            d.run()
            self.assertEqual({n: d.pids(n)[:1] for n in chains}, pids)

    def test_killed_between_states(self):
        """While one is stopping, one is stopped and one has failed."""
        dead = WRITER.replace("i=0;", "exit 3;").replace("ready = started", "ready = started\nrestart = no")
        with trp.Daemon({"slow": SLOW, "dead": dead, "h": HELLO}) as d:
            d.ok("start", "slow", "h")
            d.trpsup("start", "dead")
            trp.wait_until(lambda: d.status("dead")["state"] == "failed", 10, "it has failed")
            d.ok("stop", "h")
            before = d.pids("slow")[:1]
            with subprocess.Popen([os.path.join(trp.BUILD, "trpsup"), "-c", d.conf, "stop", "slow"],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as asks:
                trp.wait_until(lambda: d.status("slow")["state"] == "stopping", 10, "it stops")
                self.kill(d)
                asks.communicate(timeout=20)
                self.assertNotEqual(asks.returncode, 0)  # told that the daemon went away
            d.run()
            self.assertIn(d.status("slow")["state"], ("stopping", "stopped"))
            trp.wait_until(lambda: d.status("slow")["state"] == "stopped", 20, "it has stopped")
            self.assertIn(trp.process_status(before[0]).get("State", "Z")[0], "ZX")
            self.assertEqual(d.status("dead")["state"], "failed")
            self.assertEqual(d.status("h")["state"], "stopped")
            self.assertEqual(self.starts(d, "slow"), 1)

    def test_what_does_not_fit_is_ended_and_started_anew(self):
        changes = {
            "version": lambda d: self.edit(d, r'"version": 1', '"version": 999'),
            "not json": lambda d: self.edit(d, r"\{", "x", 1),
            "missing field": lambda d: self.edit(d, r' "pid": \d+,\n', ""),
            "pid": lambda d: self.edit(d, r'"pid": \d+', '"pid": 1'),
            "cut off": lambda d: self.edit(d, r"(?s)^(.{300}).*", r"\1", 1),
            "removed": lambda d: os.unlink(os.path.join(d.run_dir, "records", "h.json")),
            "all removed": lambda d: shutil.rmtree(os.path.join(d.run_dir, "records")),
            "empty": lambda d: self.edit(d, r"(?s)^.*", "", 1),
            "adapter": lambda d: self.edit(d, r'"adapter": \d+', '"adapter": 4000000000'),
            "number": lambda d: self.edit(d, r'"number": \d+', '"number": -1'),
            "key": lambda d: self.edit(d, r'"key": "h"', '"key": "../../x"'),
        }
        for what, change in changes.items():
            with self.subTest(what), trp.Daemon({"h": HELLO}) as d:
                d.ok("start", "h")
                trp.wait_until(lambda: d.status("h")["state"] == "ready", 20, "it is ready")
                before = d.pids("h")
                self.kill(d)
                change(d)
                d.run()
                trp.wait_until(lambda: d.status("h")["state"] == "ready", 20, "it is started anew")
                self.assertNotEqual(d.pids("h"), before)
                for pid in before:
                    self.assertIn(trp.process_status(pid).get("State", "Z")[0], "ZX", pid)
                self.assertEqual(web.get(url("h")).status, 200)
                self.assertTrue(re.search("h: cannot be taken over.*; started anew|h: (a record of it cannot be read|there is no record of it).*; started anew", d.daemon_log()))
                self.assertIn("native", d.status("h")["adapter"])
                kept = [f for f in os.listdir(os.path.join(d.run_dir, "records")) if f.endswith(".profile")]
                self.assertEqual(len(kept), 1, kept)
                d.ok("restart", "h")
                self.assertNotIn("starting another", d.daemon_log())

    def test_profile_changed_meanwhile(self):
        """It goes on with the one that it was started with, drop-ins and includes as they were, and has the new one when it is
        started again."""
        with trp.Daemon({"h": "include = %s/more.inc\n" % "." + HELLO}) as d:
            more, dropins = os.path.join(d.profile_dir, "more.inc"), os.path.join(d.profile_dir, "h.ini.d")
            with open(more, "w") as f:
                f.write("[service]\ndescription = old\n")
            os.mkdir(dropins)
            with open(os.path.join(dropins, "a.ini"), "w") as f:
                f.write("[route]\nhost = old.localhost\n")
            d.ok("start", "h")
            before = d.pids("h")
            for change in (lambda: d.profile("h", HELLO.replace("trp-hello 8000", "trp-hello 8000 x").replace("host = h", "host = n")),
                           lambda: os.unlink(more), lambda: os.unlink(os.path.join(dropins, "a.ini")),
                           lambda: d.profile("h", "nonsense\n"), lambda: os.unlink(os.path.join(d.profile_dir, "h.ini"))):
                self.kill(d)
                change()
                d.run()
                self.assertEqual(d.pids("h"), before)
                self.assertEqual(web.get(url("h")).status, 200)
                self.assertEqual(web.get(url("old")).status, 200)
            self.assertNotIn("cannot be taken over", d.daemon_log())
            d.profile("h", HELLO.replace("host = h.localhost", "host = new.localhost"))
            d.ok("restart", "h")
            self.assertEqual(web.get(url("new")).status, 200)
            self.assertEqual(web.get(url("old")).status, 404)
            # of the texts only those in force are there, and nothing after the service
            kept = [f for f in os.listdir(os.path.join(d.run_dir, "records")) if f.endswith(".profile")]
            self.assertEqual(len(kept), 1, kept)

    def test_program_is_gone_meanwhile(self):
        """What runs needs its file no more, which an upgrade of it may just be replacing. By one of an earlier version, too: what that took, and
        this one refuses, runs."""
        with trp.Daemon() as d:
            programs = os.path.join(d.dir, "programs")
            os.mkdir(programs)
            program = os.path.join(programs, "sleep")
            shutil.copy("/bin/sleep", program)
            text = "[service]\ncommand = /opt/p/sleep 1000\nready = started\n[sandbox]\nbind = %s /opt/p\n" % programs
            d.profile("h", text)
            d.ok("start", "h")
            before = d.pids("h")
            self.kill(d)
            os.unlink(program)
            d.run()
            self.assertEqual(d.pids("h"), before)
            self.assertNotIn("cannot be taken over", d.daemon_log())
            self.assertIn("h.ini:2: command: /opt/p/sleep: No such file", d.trpsup("check", "h").stderr)

    def test_kept_profile_damaged(self):
        """Its files say the same, so that it goes on; were they others, it would be started anew with them."""
        damages = {
            "cut off": lambda data: data[:len(data) // 2],
            "empty": lambda data: b"",
            "no list": lambda data: b"{}",
            "something else": lambda data: data.replace(b"8000", b"8001", 1),
            "no profile": lambda data: data.replace(b"[service]", b"[serwice]", 1),
        }
        for what, damage in damages.items():
            with self.subTest(what), trp.Daemon({"h": HELLO}) as d:
                d.ok("start", "h")
                before = d.pids("h")
                self.kill(d)
                records = os.path.join(d.run_dir, "records")
                path, = [os.path.join(records, f) for f in os.listdir(records) if f.endswith(".profile")]
                data = trp.read(path)
                self.assertNotEqual(damage(data), data)
                with open(path, "wb") as f:
                    f.write(damage(data))
                d.run()
                self.assertEqual(d.status("h")["state"], "ready")
                self.assertEqual(d.pids("h"), before)
                self.assertEqual(web.get(url("h")).status, 200)
                self.kill(d)
                d.run()
                self.assertEqual(d.pids("h"), before)
                self.assertEqual(d.daemon_log().count("is damaged"), 1)  # it is kept again

    def edit(self, d, pattern, to, n=0):
        path = os.path.join(d.run_dir, "records", "h.json")
        text, found = re.subn(pattern, to, trp.read(path).decode(), count=n)
        self.assertGreater(found, 0)
        with open(path, "w") as f:
            f.write(text)

    def test_listeners_changed_meanwhile(self):
        """A port that is configured no more is free; a new one is there."""
        with trp.Daemon({"h": HELLO}) as d:
            d.ok("start", "h")
            before = d.pids("h")
            self.kill(d)
            port = trp.free_port(18700)
            d.listeners = "[listener http]\nport = %d\nprotocols = http\n" % port
            d.ports = (*d.ports, port)
            d.write_conf()
            d.run()
            self.assertEqual(web.get("http://h.localhost:%d/" % port).status, 200)
            trp.wait_until(lambda: trp.listening((trp.HTTP_PORT, trp.TLS_PORT)) == [], 20, "the old ports are free")
            self.assertEqual(d.pids("h"), before)

    def test_starts_that_fail(self):
        """A daemon that cannot start lets go on what it has found, also if it found it only in part: the next one takes that over."""
        with trp.Daemon({"h": HELLO}) as d:
            d.ok("start", "h")
            before = d.pids("h")
            self.kill(d)
            listeners = d.listeners
            with socket.create_server(("::", trp.free_port(18700)), family=socket.AF_INET6) as taken:
                more = listeners + "[listener more]\nport = %d\nprotocols = http\n" % taken.getsockname()[1]
                for text, prefix, why in ((more, [], "Address already in use"),
                                          (listeners, ["prlimit", "--nofile=30"], "raise RLIMIT_NOFILE of trpsupd"),
                                          (listeners, ["prlimit", "--nofile=100"], "too few descriptors to take over what runs"),
                                          (listeners, ["prlimit", "--nofile=8"], "Too many open files")):
                    with self.subTest(why):
                        d.listeners = text
                        d.write_conf()
                        done = subprocess.run([*prefix, d.program, "-c", d.conf], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                              timeout=30, check=False)
                        self.assertEqual(done.returncode, 1, done.stderr)
                        self.assertIn(why, done.stderr)
                        self.assertEqual(web.get(url("h")).status, 200)
            d.listeners = listeners
            d.write_conf()
            d.run()
            self.same(d, ["h"], {"h": before})

    def test_router_killed_under_load(self):
        with trp.Daemon({"h": HELLO}) as d:
            d.ok("start", "h")
            self.kill(d)
            d.run()
            with Load("h") as load:
                load.more(50)
                trp.wait_until(lambda: d.call("trpsup.Info")["router"]["retired"] == [], 40, "the old one is gone")
                router = d.router_pid()
                os.kill(router, signal.SIGKILL)
                trp.wait_until(lambda: d.router_pid() not in (0, router), 10, "another router")
                load.more(50)
            # those that it was reading the first bytes of have died with it: at most one for each thread
            self.assertLessEqual(len(load.bad), 4)
            self.assertFalse([b for b in load.bad if "refused" in str(b)], load.bad)


if __name__ == "__main__":
    unittest.main()
