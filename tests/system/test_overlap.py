#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""A new instance is started beside the one that serves and takes its place: no client is refused or reset, those who have a
connection keep it, and if the new one does not become ready nothing has happened."""
import fcntl
import os
import signal
import subprocess
import time
import unittest

import trp
import web
from load import Load
from test_adopt import LOOPBACK, NOTIFY
from test_hold import request, status_of

HELLO = """[service]
command = ${libexec}/trp-hello 8000
adapter = native
%s
[route]
host = %s
http = 8000
[sandbox]
root = none
"""
# each waits for a file, and may fail
GATED = """[service]
command = /opt/hello/trp-hello 8000
adapter = native
setup = /bin/sh -c 'while ! test -e ${state}/go; do sleep 0.02; done; ! test -e ${state}/fail'
[route]
host = g.localhost
http = 8000
[sandbox]
root = host
bind = ${libexec} /opt/hello
"""
# the first two keys can be in force at once, the third needs a restart
RELOADED = GATED.replace("host = g.localhost", "host = %s.localhost") + """[limits]
processes = %d
[environment]
WHO = %s
"""
# ends when a file says so
LAST = """[service]
command = /bin/sh -c 'trap "while ! test -e ${state}/end; do sleep 0.02; done; exit 0" TERM; while :; do sleep 0.02; done'
ready = started
after = g
[sandbox]
root = host
"""
SIZE = 30 << 20


class Overlap(trp.DaemonTest):
    profiles = {"h": HELLO % ("", "h.localhost"), "n": NOTIFY, "l": LOOPBACK, "g": GATED}

    def state_file(self, name, what, there=True):
        path = os.path.join(self.d.state_dir, "state", name)
        os.makedirs(path, exist_ok=True)
        path = os.path.join(path, what)
        if there:
            open(path, "w").close()
        elif os.path.exists(path):
            os.unlink(path)

    def alone(self, name, seconds=20):
        trp.wait_until(lambda: self.d.status(name)["beside"] is None, seconds, "there is one instance of " + name)

    def overlap(self, name):
        before = self.d.status(name)["pid"]
        self.d.ok("restart", "--overlap", name)
        now = self.d.status(name)
        self.assertEqual(now["state"], "ready")
        self.assertNotEqual(now["pid"], before)
        return before

    def under_load(self, name, n=20):
        self.d.ok("start", name)
        with Load(name) as load:
            for _ in range(n):
                load.more(20)
                before = self.overlap(name)
                load.more(5)
                self.alone(name)
                trp.wait_until(lambda: trp.process_status(before).get("State", "X")[0] in "XZ", 10, "the one before has ended")
            self.assertEqual(load.bad, [])
        self.assertEqual(len({os.path.basename(g) for g in trp.control_groups(self.d.name) if os.path.basename(g).split("~")[0] == name}), 1)

    def test_hello_under_load(self):
        self.under_load("h")

    def test_nginx_under_load(self):
        self.d.ok("start", "nginx")
        self.page("index.html", b"hello\n")
        self.under_load("nginx")

    def test_notify_under_load(self):
        self.under_load("n", 5)

    def test_loopback_under_load(self):
        self.under_load("l", 5)

    def page(self, name, data):
        with open(os.path.join(self.d.state_dir, "state/nginx/www", name), "wb") as f:
            f.write(data)

    def download(self):
        """One that has begun and cannot be over: the client reads slowly."""
        self.page("large", b"x" * SIZE)
        sock = web.connect("127.0.0.1", trp.HTTP_PORT, timeout=60)
        sock.sendall(b"GET /large HTTP/1.0\r\nHost: nginx.localhost\r\n\r\n")
        head = b""
        while b"\r\n\r\n" not in head:
            head += sock.recv(1000)
        self.assertIn(b" 200 ", head)
        return sock, len(head.split(b"\r\n\r\n", 1)[1])

    def rest(self, sock, got):
        with sock:
            while more := sock.recv(1 << 20):
                got += len(more)
        return got

    def test_long_download(self):
        self.d.ok("start", "nginx")
        sock, got = self.download()
        before = self.overlap("nginx")
        beside = self.d.status("nginx")["beside"]
        self.assertEqual((beside["state"], beside["pid"]), ("draining", before))
        self.assertIn("draining", self.d.ok("status", "nginx"))
        # a third one has to wait for that
        done = self.d.trpsup("restart", "--overlap", "nginx")
        self.assertEqual(done.returncode, 1)
        self.assertIn("still finishes with its clients", done.stderr)
        time.sleep(1)
        self.assertEqual(self.rest(sock, got), SIZE)
        self.alone("nginx")
        self.assertEqual(self.d.status("nginx")["state"], "ready")

    def test_drain_is_over(self):
        self.d.profile("short", HELLO % ("drain = 400ms", "short.localhost"))
        self.d.ok("start", "short")
        with web.connect("127.0.0.1", trp.HTTP_PORT, timeout=30) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: short.localhost\r\n\r\n")
            self.assertIn(b" 200 ", sock.recv(4096))
            self.overlap("short")
            self.alone("short")
            self.assertEqual(sock.recv(4096), b"")  # it was stopped, which closes it
        self.d.logged("short", "the instance before: finishes with its clients, for at most 0.4 s")

    @unittest.skipUnless(os.path.exists("/dev/loop-control"), "this host has no loop devices")
    def test_a_disk_in_use_does_not_grow(self):
        """One that was replaced has it in use: that is no reason not to start. It grows when that one has ended."""
        profile = HELLO % ("drain = 60s", "disk.localhost") + "state = yes\n[limits]\nstate-size = %s\n"
        image = os.path.join(self.d.state_dir, "disks", "disk.img")
        self.d.profile("disk", profile % "16M")
        self.d.ok("start", "disk")
        with web.connect("127.0.0.1", trp.HTTP_PORT, timeout=30) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: disk.localhost\r\n\r\n")
            self.assertIn(b" 200 ", sock.recv(4096))
            before = self.overlap("disk")
            self.d.profile("disk", profile % "24M")
            self.d.ok("restart", "disk")
            now = self.d.status("disk")
            self.assertEqual((now["state"], now["beside"]["state"], now["beside"]["pid"]), ("ready", "draining", before))
            self.assertEqual(os.path.getsize(image), 16 << 20)
            self.d.logged("disk", "sup state-size: its disk is in use by another instance of it: it grows at a later start")
        self.alone("disk")
        self.d.ok("restart", "disk")
        self.assertEqual(os.path.getsize(image), 24 << 20)
        self.d.ok("stop", "disk")

    def test_what_is_left_finds_room(self):
        """Of one that takes nobody any more: whoever is in the queue of the next has his place, too."""
        self.d.profile("tight", HELLO % ("drain = 400ms\nstop-signal = KILL", "tight.localhost") + "[route]\nqueue = 8\n")
        self.d.ok("start", "tight")
        os.kill(self.d.main_pid("tight"), signal.SIGSTOP)
        clients = [request("tight") for _ in range(8)]
        self.overlap("tight")
        pid = self.d.main_pid("tight")
        os.kill(pid, signal.SIGSTOP)
        try:
            clients += [request("tight") for _ in range(8)]
            self.alone("tight")
        finally:
            os.kill(pid, signal.SIGCONT)
        self.assertEqual([status_of(c) for c in clients], [200] * 16)

    def test_does_not_become_ready(self):
        self.state_file("g", "fail", False)
        self.state_file("g", "go")
        self.d.ok("start", "g")
        pids = self.d.pids("g")
        self.state_file("g", "fail")
        done = self.d.trpsup("restart", "--overlap", "g")
        self.assertEqual(done.returncode, 1)
        self.assertIn("the new instance did not become ready: setup step 1", done.stdout + done.stderr)
        self.assertIn("the one before stays", done.stdout + done.stderr)
        self.alone("g")
        self.assertEqual((self.d.pids("g"), self.d.status("g")["state"]), (pids, "ready"))
        self.assertEqual(status_of(request("g")), 200)
        # and the next one may
        self.state_file("g", "fail", False)
        self.overlap("g")

    def test_routers_replaced_while_the_new_one_starts(self):
        """They are to know where clients go when it is ready."""
        self.state_file("g", "fail", False)
        self.state_file("g", "go")
        self.d.ok("start", "g")
        self.state_file("g", "go", False)
        with self.spawn(subprocess.DEVNULL, "restart", "--overlap", "g") as call:
            trp.wait_until(lambda: self.d.status("g")["beside"], 20, "another is being started")
            self.d.ok("upgrade-router")
            router = self.d.router_pid()
            os.kill(router, signal.SIGKILL)
            trp.wait_until(lambda: self.d.router_pid() not in (None, 0, router), 20, "another router")
            self.assertEqual(status_of(request("g")), 200)
            self.state_file("g", "go")
            self.assertEqual(call.wait(30), 0)
        self.assertEqual([status_of(request("g")) for _ in range(3)], [200] * 3)

    def test_stopped_while_the_new_one_starts(self):
        self.state_file("g", "fail", False)
        self.state_file("g", "go")
        self.d.ok("start", "g")
        self.state_file("g", "go", False)
        with open(os.path.join(self.d.dir, "out"), "wb") as out:
            call = self.spawn(out, "restart", "--overlap", "g")
            trp.wait_until(lambda: (self.d.status("g")["beside"] or {}).get("state") == "starting", 10, "the new one starts")
            self.d.ok("stop", "g")
            self.assertEqual(call.wait(20), 1)
        self.alone("g")
        self.assertEqual(self.d.status("g")["state"], "stopped")
        self.assertEqual([g for g in trp.control_groups(self.d.name) if os.path.basename(g).split("~")[0] == "g"], [])

    def spawn(self, out, *args):
        return subprocess.Popen([os.path.join(trp.BUILD, "trpsup"), "-c", self.d.conf, *args], stdin=subprocess.DEVNULL,
                                stdout=out, stderr=out)

    def test_profiles_decide(self):
        self.d.profile("never", HELLO % ("overlap = no", "never.localhost"))
        self.d.profile("always", HELLO % ("overlap = always", "always.localhost"))
        self.d.ok("start", "never", "always")
        pids = self.d.pids("never")
        done = self.d.trpsup("restart", "--overlap", "never", "always")
        self.assertEqual(done.returncode, 1)
        self.assertIn("never.ini:4: overlap: its profile says", done.stderr)
        self.assertEqual(self.d.pids("never"), pids)
        before = self.d.status("always")["pid"]
        self.assertIn("in place of the instance before", self.d.ok("restart", "always"))
        self.assertNotEqual(self.d.status("always")["pid"], before)
        self.d.ok("restart", "never")
        # a service that is down is just started
        if any(s["service"] == "h" for s in self.d.call("trpsup.List")["services"]):
            self.d.ok("stop", "h")
        self.d.ok("restart", "--overlap", "h")
        self.assertEqual(self.d.status("h")["state"], "ready")

    def test_another_profile(self):
        self.d.profile("moves", HELLO % ("", "old.localhost both.localhost"))
        self.d.ok("start", "moves")
        self.d.profile("moves", HELLO % ("", "new.localhost both.localhost"))
        with Load("both") as load:
            load.more(20)
            self.overlap("moves")
            load.more(20)
            self.assertEqual(load.bad, [])
        self.assertEqual(status_of(request("new")), 200)
        self.assertEqual(status_of(request("old")), 404)

    def test_daemon_killed_while_one_finishes(self):
        self.d.ok("start", "nginx")
        sock, got = self.download()
        before = self.overlap("nginx")
        pids = self.d.pids("nginx")[:2]  # its workers may still come
        self.d.process.kill()
        self.d.process.wait()
        self.d.log.close()
        self.d.run()
        now = self.d.status("nginx")
        self.assertEqual(self.d.pids("nginx")[:2], pids)
        self.assertEqual((now["state"], now["beside"]["state"], now["beside"]["pid"]), ("ready", "draining", before))
        self.assertEqual(self.rest(sock, got), SIZE)
        self.alone("nginx")
        self.assertEqual(self.d.pids("nginx")[:2], pids)
        # and killed again when the other name is in use
        self.d.process.kill()
        self.d.process.wait()
        self.d.log.close()
        self.d.run()
        self.assertEqual(self.d.pids("nginx")[:2], pids)
        self.overlap("nginx")

    def test_daemon_killed_while_one_finishes_and_its_profile_is_bad(self):
        """Both go on by what was kept of it."""
        for text in ("[service]\nno such line\n", None):
            self.d.profile("p", HELLO % ("", "p.localhost"))
            self.d.ok("start", "p")
            with web.connect("127.0.0.1", trp.HTTP_PORT, timeout=30) as sock:
                sock.sendall(b"GET / HTTP/1.1\r\nHost: p.localhost\r\n\r\n")
                self.assertIn(b" 200 ", sock.recv(4096))
                before = self.overlap("p")
                after = self.d.status("p")["pid"]
                if text:
                    self.d.profile("p", text)
                else:
                    os.unlink(os.path.join(self.d.profile_dir, "p.ini"))
                self.another_daemon()
                now = self.d.status("p")
                self.assertEqual((now["state"], now["pid"]), ("ready", after))
                self.assertEqual((now["beside"]["state"], now["beside"]["pid"]), ("draining", before))
                sock.sendall(b"GET / HTTP/1.1\r\nHost: p.localhost\r\n\r\n")
                self.assertIn(b" 200 ", sock.recv(4096))
            self.alone("p")
            self.d.ok("stop", "p")

    def test_daemon_killed_while_the_new_one_starts(self):
        self.state_file("g", "fail", False)
        self.state_file("g", "go")
        self.d.ok("start", "g")
        pids = self.d.pids("g")
        self.state_file("g", "go", False)
        with open(os.path.join(self.d.dir, "out"), "wb") as out:
            call = self.spawn(out, "restart", "--overlap", "g")
            beside = trp.wait_until(lambda: (self.d.status("g")["beside"] or {}).get("pid"), 10, "the new one starts")
            self.d.process.kill()
            self.d.process.wait()
            self.d.log.close()
            call.wait(20)
        self.d.run()
        self.assertEqual((self.d.pids("g"), self.d.status("g")["beside"]), (pids, None))
        self.assertIn(trp.process_status(beside).get("State", "X")[0], "XZ")
        self.assertEqual(status_of(request("g")), 200)

    # reloads and the daemon's end meanwhile

    def reloaded(self):
        """r runs, and a reload has put two keys of another profile in force; a third waits."""
        self.state_file("r", "fail", False)
        self.state_file("r", "go")
        self.d.profile("r", RELOADED % ("one", 64, "first"))
        self.d.ok("start", "r")
        self.d.profile("r", RELOADED % ("two", 80, "second"))
        self.d.ok("reload")
        self.in_force("two", 80)
        return self.d.pids("r")

    def in_force(self, host, processes, waits=("[environment]",)):
        self.assertEqual(status_of(request(host)), 200)
        self.assertEqual([n for n in ("one", "two", "three") if status_of(request(n)) != 404], [host])
        found = {trp.read(os.path.join(g, "pids.max")) for g in trp.control_groups(self.d.name)
                 if os.path.basename(g) in ("r", "r~2") and os.path.exists(os.path.join(g, "pids.max"))}
        self.assertEqual(found, {b"%d\n" % processes})
        self.assertEqual(self.d.status("r")["needs_restart"], list(waits))

    def another_daemon(self):
        self.d.process.kill()
        self.d.process.wait()
        self.d.log.close()
        self.d.run()

    def begin_overlap(self):
        """It is being started beside, and waits."""
        self.state_file("r", "go", False)
        with open(os.path.join(self.d.dir, "out"), "wb") as out:
            call = self.spawn(out, "restart", "--overlap", "r")
        trp.wait_until(lambda: (self.d.status("r")["beside"] or {}).get("state") == "starting", 10, "the new one starts")
        return call

    def test_reloaded_and_killed_while_the_new_one_starts(self):
        pids = self.reloaded()
        call = self.begin_overlap()
        self.another_daemon()
        call.wait(20)
        for _ in range(2):
            self.assertEqual(self.d.pids("r"), pids)
            self.in_force("two", 80)
            self.another_daemon()
        self.state_file("r", "go")
        self.overlap("r")
        self.alone("r")
        self.in_force("two", 80, [])

    def test_reloaded_and_killed_after_the_new_one_failed(self):
        pids = self.reloaded()
        self.state_file("r", "fail")
        self.d.profile("r", RELOADED % ("three", 96, "third"))  # which is never in force
        self.assertEqual(self.d.trpsup("restart", "--overlap", "r").returncode, 1)
        self.alone("r")
        for _ in range(2):
            self.assertEqual(self.d.pids("r"), pids)
            self.in_force("two", 80, [])
            self.another_daemon()

    def test_reloaded_and_killed_after_a_restart_was_refused(self):
        pids = self.reloaded()
        self.d.profile("r", (RELOADED % ("three", 96, "third")).replace("[service]\n", "[service]\noverlap = no\n"))
        self.assertEqual(self.d.trpsup("restart", "--overlap", "r").returncode, 1)
        self.another_daemon()
        self.assertEqual(self.d.pids("r"), pids)
        self.assertEqual(status_of(request("two")), 200)
        self.assertEqual(status_of(request("three")), 404)

    def test_reload_while_the_new_one_starts(self):
        """It is meant for the one that is to serve as well."""
        self.d.profile("other", HELLO % ("", "other.localhost"))
        self.d.ok("start", "other")
        self.reloaded()
        call = self.begin_overlap()
        self.d.profile("r", RELOADED % ("three", 96, "third"))
        self.d.profile("other", HELLO % ("", "other.localhost two.localhost"))
        self.d.ok("reload")
        self.state_file("r", "go")
        self.assertEqual(call.wait(20), 0)
        self.alone("r")
        for _ in range(2):
            self.assertEqual(status_of(request("two")), 200)
            self.assertEqual([r["service"] for r in self.d.call("trpsup.Routes")["routes"] if r["host"] == "two.localhost"][:1], ["other"])
            self.assertEqual(status_of(request("three")), 200)
            self.assertEqual(self.d.status("r")["needs_restart"], ["[environment]"])
            self.another_daemon()
        self.overlap("r")
        self.alone("r")
        self.assertEqual(self.d.status("r")["needs_restart"], [])

    def test_events_before_are_kept(self):
        self.d.ok("start", "h")
        before = self.d.trpsup("events", "h").stdout
        self.assertIn("ready", before)
        self.overlap("h")
        self.alone("h")
        after = self.d.trpsup("events", "h").stdout
        self.assertEqual(after[:len(before)], before)

    def test_stopped_in_order_while_the_new_one_starts(self):
        """It is to go when what comes after it is down; by then the new instance has taken its place."""
        self.state_file("g", "fail", False)
        self.state_file("g", "go")
        self.d.profile("last", LAST)
        self.d.ok("start", "g", "last")
        self.state_file("g", "go", False)
        with open(os.path.join(self.d.dir, "out"), "wb") as out:
            call = self.spawn(out, "restart", "--overlap", "g")
            trp.wait_until(lambda: (self.d.status("g")["beside"] or {}).get("state") == "starting", 10, "the new one starts")
            stop = self.spawn(out, "stop", "g", "last")
            trp.wait_until(lambda: self.d.status("last")["state"] == "stopping", 10, "what comes after it ends first")
            self.state_file("g", "go")
            trp.wait_until(lambda: (self.d.status("g")["beside"] or {}).get("state") != "starting", 10, "the new one is ready")
            self.state_file("last", "end")
            self.assertEqual(stop.wait(20), 0)
            call.wait(20)
        self.alone("g")
        trp.wait_until(lambda: self.d.status("g")["state"] == "stopped", 10, "it is stopped")

    def test_credentials_come_for_all_at_once(self):
        """Those that are ready to be spawned in one turn of the loop take their turns."""
        names = ["c%d" % i for i in range(8)]
        with open(os.path.join(self.d.dir, "secret"), "w") as f:
            f.write("#!/bin/sh\nexec flock -s %s/lock echo secret\n" % self.d.dir)
        os.chmod(os.path.join(self.d.dir, "secret"), 0o755)
        for name in names:
            self.d.profile(name, HELLO % ("", name + ".localhost") + "credential-command = token:%s/secret\n" % self.d.dir)
        self.d.ok("start", *names)
        with open(os.path.join(self.d.dir, "lock"), "w") as lock, open(os.path.join(self.d.dir, "out"), "wb") as out:
            fcntl.flock(lock, fcntl.LOCK_EX)
            call = self.spawn(out, "restart", "--overlap", *names)
            trp.wait_until(lambda: all((self.d.status(n)["beside"] or {}).get("state") == "image" for n in names), 10, "they wait")
            fcntl.flock(lock, fcntl.LOCK_UN)
            self.assertEqual(call.wait(30), 0)
        self.d.ok("stop", *names)

    def test_reload_of_live_keys_while_the_new_one_starts(self):
        """Nothing of it needs a restart: it is in force for the one that serves, and for the one that is to serve."""
        self.state_file("r", "fail", False)
        self.state_file("r", "go")
        self.d.profile("r", RELOADED % ("one", 64, "first"))
        self.d.ok("start", "r")
        call = self.begin_overlap()
        self.d.profile("r", RELOADED % ("two", 80, "first"))
        self.assertIn("in force now", self.d.ok("reload"))
        self.assertEqual(status_of(request("two")), 200)
        self.state_file("r", "go")
        self.assertEqual(call.wait(20), 0)
        self.alone("r")
        for _ in range(2):
            self.in_force("two", 80, [])
            self.another_daemon()

    def test_started_while_the_new_one_starts(self):
        """Which changes nothing: it runs."""
        self.state_file("g", "fail", False)
        self.state_file("g", "go")
        self.d.ok("start", "g")
        pids = self.d.pids("g")
        self.state_file("g", "go", False)
        with open(os.path.join(self.d.dir, "out"), "wb") as out:
            call = self.spawn(out, "restart", "--overlap", "g")
            trp.wait_until(lambda: (self.d.status("g")["beside"] or {}).get("state") == "starting", 10, "the new one starts")
            self.d.ok("start", "g")
            self.state_file("g", "fail")
            self.state_file("g", "go")
            self.assertEqual(call.wait(20), 1)
        self.alone("g")
        self.assertEqual(self.d.pids("g"), pids)

    def test_restarted_while_the_new_one_starts(self):
        """It is started with its profile as it is by then; the other instance has an older one."""
        self.state_file("r", "fail", False)
        self.state_file("r", "go")
        self.d.profile("r", RELOADED % ("one", 64, "first"))
        self.d.ok("start", "r")
        call = self.begin_overlap()
        self.d.profile("r", RELOADED % ("two", 80, "second"))
        with open(os.path.join(self.d.dir, "out"), "wb") as out:
            restart = self.spawn(out, "restart", "r")
            self.assertEqual(call.wait(20), 1)
        self.state_file("r", "go")
        self.assertEqual(restart.wait(20), 0)
        self.alone("r")
        self.in_force("two", 80, [])

    def test_the_one_that_serves_ends_while_the_new_one_starts(self):
        """By itself, and is not restarted: the new one takes its place, and nothing of it is left."""
        self.d.profile("o", GATED.replace("g.localhost", "o.localhost").replace("[route]", "restart = no\n[route]"))
        self.state_file("o", "go")
        self.d.ok("start", "o")
        self.state_file("o", "go", False)
        with open(os.path.join(self.d.dir, "out"), "wb") as out:
            call = self.spawn(out, "restart", "--overlap", "o")
            trp.wait_until(lambda: (self.d.status("o")["beside"] or {}).get("state") == "starting", 10, "the new one starts")
            os.kill(self.d.main_pid("o"), signal.SIGTERM)
            trp.wait_until(lambda: self.d.status("o")["state"] == "stopped", 10, "the first has ended")
            self.state_file("o", "go")
            self.assertEqual(call.wait(20), 0)
        self.assertEqual(status_of(request("o")), 200)
        self.alone("o")
        self.overlap("o")


if __name__ == "__main__":
    unittest.main()
