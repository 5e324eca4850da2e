#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Supervision: order, failure, restart, escalation, what outlives a crash of each part, and that a bad profile touches
nothing. The services are unmodified programs of the host's /usr."""
import os
import re
import resource
import signal
import subprocess
import threading
import time
import unittest

import trp
import web

SERVER = """[service]
command = /usr/bin/python3 -u -m http.server 80
restart-delay = 20ms
%s
[route]
host = %s.localhost
http = 80
[sandbox]
root = host
"""
SCRIPT = """[service]
command = /bin/sh -c %s
%s
[sandbox]
root = host
"""


def script(text, keys=""):
    return SCRIPT % ('"%s"' % text.replace("$", "$$").replace('"', '\\"'), keys)


def url(name):
    return "http://%s.localhost:%d/" % (name, trp.HTTP_PORT)


def ask(name):
    """A connection that has sent its request."""
    sock = web.connect("127.0.0.1", trp.HTTP_PORT)
    sock.sendall(b"GET / HTTP/1.0\r\nHost: %s.localhost\r\n\r\n" % name.encode())
    return sock


def answer(sock):
    data = b""
    with sock:
        while True:
            more = sock.recv(65536)
            if not more:
                return data
            data += more


class Supervise(trp.DaemonTest):
    def state(self, name):
        return self.d.status(name)["state"]

    def waits(self, name, state, seconds=20):
        trp.wait_until(lambda: self.state(name) == state, seconds, "%s is %s" % (name, state))

    # order

    def test_requirement_is_ready_first_and_stops_last(self):
        notify = ("import os,socket,time; time.sleep(1); s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); "
                  "s.sendto(b'STATUS=ready', os.environ['NOTIFY_SOCKET']); "
                  "s.sendto(b'READY=1', os.environ['NOTIFY_SOCKET']); time.sleep(1000)")
        self.d.profile("store", "[service]\ncommand = /usr/bin/python3 /opt/p/program.py\nready = notify\n"
                       "[sandbox]\nroot = host\nbind = %s /opt/p\n" % self.programs(notify))
        self.d.profile("front", SERVER % ("requires = store", "front"))
        shown = self.d.ok("start", "front")
        self.assertLess(shown.index("store: ready"), shown.index("front: starting"))
        self.assertIn("front: waits for store", shown)
        # what it says of itself does not look as if the daemon said it
        self.assertIn("store: says: ready\n", shown)
        self.assertEqual(shown.count("store: ready\n"), 1)
        self.assertIn(" sup says: ready\n", self.d.service_log("store"))
        self.assertEqual(web.get(url("front")).status, 200)
        # stopping what is required stops first what requires it
        shown = self.d.ok("stop", "store")
        self.assertEqual((self.state("front"), self.state("store")), ("stopped", "stopped"))
        # and what was only started because it was required goes with the last that requires it
        self.d.ok("start", "front")
        self.d.ok("stop", "front")
        self.assertEqual(self.state("store"), "stopped")

    def test_a_setup_step_cannot_say_that_it_is_ready(self):
        self.d.profile("early", script("sleep 1000", "ready = notify\nstart-timeout = 1s\nrestart = no\n"
                                       "setup = /bin/sh -c 'echo socket: $${NOTIFY_SOCKET:-none}'"))
        self.assertEqual(self.d.trpsup("start", "early").returncode, 1)
        self.assertEqual(len(self.d.logged("early", "out socket: none$")), 1)

    def programs(self, text):
        directory = os.path.join(self.d.dir, "programs")
        os.makedirs(directory, exist_ok=True)
        with open(os.path.join(directory, "program.py"), "w") as f:
            f.write(text)
        return directory

    def test_start_while_the_requirement_stops(self):
        # it takes a while to stop, so that the start comes in between
        self.d.profile("store", script("trap '' TERM; echo deaf; while :; do sleep 0.1; done",
                                       "ready = started\nstop-timeout = 1s"))
        self.d.profile("front", script("exec sleep 1000", "ready = started\nrequires = store"))
        self.d.ok("start", "front")
        self.d.logged("store", "out deaf")  # it ignores TERM
        stop = threading.Thread(target=self.d.trpsup, args=("stop", "store"), kwargs={"timeout": 30})
        stop.start()
        self.waits("store", "stopping")
        self.d.ok("start", "front", timeout=30)
        self.assertEqual((self.state("front"), self.state("store")), ("ready", "ready"))
        stop.join(10)
        self.assertFalse(stop.is_alive())  # a stop that was overtaken by a start has an answer

    def test_requirement_that_ends_by_itself(self):
        self.d.profile("brief", script("sleep 0.2", "ready = listen") + "[route]\nhost = brief.localhost\nhttp = 80\n")
        self.d.profile("front", script("sleep 1000", "ready = started\nrequires = brief"))
        done = self.d.trpsup("start", "front", timeout=30)
        self.assertEqual(done.returncode, 1)
        self.assertIn("requires brief, which has ended", done.stdout + done.stderr)

    def test_requirements_that_run_once(self):
        for name, seconds in (("one", 0.2), ("two", 0.5)):
            self.d.profile(name, script("echo done; sleep %g" % seconds, "ready = exit"))
        self.d.profile("front", script("sleep 1000", "ready = started\nrequires = one two"))
        self.d.ok("start", "front", timeout=30)
        self.assertEqual([len(self.d.logged(name, "out done")) for name in ("one", "two")], [1, 1])

    def test_start_after_another(self):
        self.d.profile("early", script("sleep 1000", "ready = started\nsetup = /bin/sleep 1"))
        self.d.profile("late", script("sleep 1000", "ready = started\nafter = early"))
        early = threading.Thread(target=self.d.trpsup, args=("start", "early"))
        early.start()
        trp.wait_until(lambda: "early" in [s["service"] for s in self.d.call("trpsup.List")["services"]] and
                       self.state("early") == "starting", 10, "early is on its way")
        self.d.ok("start", "late", timeout=30)
        self.assertEqual(self.state("early"), "ready")
        early.join()

    # failure

    def test_failing_start_is_tried_again_and_then_given_up(self):
        self.d.profile("bad", script("echo about to fail >&2; exit 3",
                                     "ready = listen\nrestart-delay = 10ms\nstart-limit-burst = 3")
                       + "[route]\nhost = bad.localhost\nhttp = 80\n")
        done = self.d.trpsup("start", "bad")
        self.assertEqual(done.returncode, 1)
        self.assertIn("exited with code 3", done.stdout + done.stderr)
        self.waits("bad", "failed")
        self.assertIn("3 failures", self.d.status("bad")["message"])
        self.assertEqual(len(self.d.logged("bad", "err about to fail", 3)), 3)
        self.assertEqual(web.get(url("bad")).status, 503)  # the name is known, nobody serves it

    def test_permanent_error_is_not_tried_again(self):
        self.d.profile("gone", script("true").replace("[service]\n", "[service]\nuser = nosuchuser\n"))
        done = self.d.trpsup("start", "gone")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout + done.stderr, r"gone\.ini:2: user: nosuchuser: not in")
        self.assertEqual(self.state("gone"), "failed")
        self.assertEqual(self.d.status("gone")["restarts"], 0)

    def test_setup_step_that_fails_stops_the_start(self):
        self.d.profile("setup", script("sleep 1000", "ready = started\nrestart = no\nsetup = /bin/sh -c 'echo one'\n"
                                       "setup = /bin/sh -c 'exit 9'"))
        done = self.d.trpsup("start", "setup")
        self.assertEqual(done.returncode, 1)
        self.assertIn("setup step 2 (/bin/sh) exited with code 9", done.stdout + done.stderr)
        self.assertEqual(len(self.d.logged("setup", "out one")), 1)

    def test_start_that_takes_too_long_is_ended(self):
        self.d.profile("slow", script("sleep 1000", "start-timeout = 1s\nrestart = no")
                       + "[route]\nhost = slow.localhost\nhttp = 80\n")
        done = self.d.trpsup("start", "slow")
        self.assertEqual(done.returncode, 1)
        self.assertIn("not ready after 1 s", self.d.service_log("slow"))
        self.waits("slow", "failed")

    def test_stop_escalates(self):
        self.d.profile("deaf", script("trap '' TERM; echo deaf; while :; do sleep 1; done",
                                      "ready = started\nstop-timeout = 500ms"))
        self.d.ok("start", "deaf")
        self.d.logged("deaf", "out deaf")  # it ignores TERM
        self.d.ok("stop", "deaf")
        self.d.logged("deaf", "does not stop; killing it")

    def test_one_shot(self):
        self.d.profile("once", script("echo done", "ready = exit"))
        self.d.ok("start", "once")
        self.waits("once", "stopped")
        self.assertEqual(len(self.d.logged("once", "out done")), 1)

    # what survives

    def queue(self, name, n):
        """n requests that lie in the channel: the upstream's process is stopped by a signal."""
        os.kill(self.d.main_pid(name), signal.SIGSTOP)
        before = self.d.call("trpsup.Info")["router"]["stats"]["handed_on"]
        socks = [ask(name) for _ in range(n)]
        trp.wait_until(lambda: self.d.call("trpsup.Info")["router"]["stats"]["handed_on"] >= before + n, 10,
                       "all were handed on")
        return socks

    def test_queued_clients_survive_the_upstream(self):
        self.d.profile("web", SERVER % ("", "web"))
        self.d.ok("start", "web")
        pid = self.d.main_pid("web")
        socks = self.queue("web", 20)
        os.kill(pid, signal.SIGKILL)
        answers = [answer(s) for s in socks]
        # python's server may have taken one from the queue before it was stopped
        self.assertGreaterEqual(len([a for a in answers if b" 200 " in a[:20]]), 19)
        self.assertNotEqual(self.d.main_pid("web"), pid)

    def test_a_burst_waits(self):
        """A queue as long as a listen backlog: a 24th of the descriptors, from 256 to 4096."""
        self.d.profile("web", SERVER % ("", "web"))
        self.d.ok("start", "web")
        n = min(4096, max(256, resource.getrlimit(resource.RLIMIT_NOFILE)[1] // 24)) - 16
        socks = self.queue("web", min(n, 800))
        os.kill(self.d.main_pid("web"), signal.SIGCONT)
        self.assertEqual(len([a for a in map(answer, socks) if b" 200 " in a[:20]]), len(socks))

    def test_queued_clients_survive_the_router(self):
        self.d.profile("web", SERVER % ("", "web"))
        self.d.ok("start", "web")
        socks = self.queue("web", 20)
        router = self.d.router_pid()
        os.kill(router, signal.SIGKILL)
        trp.wait_until(lambda: self.d.router_pid() not in (None, 0, router), 10, "another router")
        os.kill(self.d.main_pid("web"), signal.SIGCONT)
        self.assertEqual(len([a for a in map(answer, socks) if b" 200 " in a[:20]]), 20)
        # and new ones find their way: listeners, channels and routes were told again
        self.assertEqual(web.get(url("web")).status, 200)
        self.assertEqual(web.get(url("nobody")).status, 404)

    def test_channel_that_a_service_shuts_down_is_made_anew(self):
        hostile = ("import os,socket,time\n"
                   "s = socket.socket(); s.bind(('', 80)); s.listen()\n"
                   "if not os.path.exists('/trp/state/once'):\n"
                   "    open('/trp/state/once', 'w').close()\n"
                   "    import ctypes; ctypes.CDLL(None).syscall(48, s.fileno(), 2)\n"  # the raw call, past the adapter
                   "    time.sleep(0.3); os._exit(1)\n"
                   "while True:\n"
                   "    c, a = s.accept(); c.recv(1000); c.sendall(b'HTTP/1.0 200 OK\\r\\n\\r\\nback'); c.close()\n")
        self.d.profile("hostile", (SERVER % ("", "hostile")).replace(
            "/usr/bin/python3 -u -m http.server 80", "/usr/bin/python3 /opt/p/program.py")
            + "bind = %s /opt/p\n" % self.programs(hostile))
        self.d.trpsup("start", "hostile")
        trp.wait_until(lambda: self.state("hostile") == "ready" and self.d.status("hostile")["restarts"] > 0, 10,
                       "its second instance is ready")
        self.assertEqual(web.get(url("hostile")).text, "back")

    # bad input touches nothing

    def test_bad_profile_touches_nothing(self):
        self.d.profile("web", SERVER % ("", "web"))
        self.d.ok("start", "web")
        pid = self.d.status("web")["pid"]
        self.d.profile("web", SERVER % ("restrat = always", "web"))
        done = self.d.trpsup("restart", "web")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout + done.stderr, r"web\.ini:4: restrat: .*did you mean 'restart'")
        self.assertEqual((self.d.status("web")["pid"], self.state("web")), (pid, "ready"))
        self.assertEqual(web.get(url("web")).status, 200)

    def test_a_name_has_one_owner(self):
        self.d.profile("web", SERVER % ("", "web"))
        self.d.profile("thief", SERVER % ("", "web"))
        self.d.ok("start", "web")
        done = self.d.trpsup("start", "thief")
        self.assertEqual(done.returncode, 1)
        self.assertIn("thief.ini", done.stdout + done.stderr)
        self.assertIn("web.ini", done.stdout + done.stderr)
        self.d.profile("thief", script("true"))

    def test_failed_service_keeps_its_name(self):
        self.d.profile("dead", script("exit 3", "ready = listen\nrestart = no") +
                       "[route]\nhost = web.localhost\nhttp = 80\n")
        self.d.profile("web", SERVER % ("", "web"))
        self.assertEqual(self.d.trpsup("start", "dead").returncode, 1)
        done = self.d.trpsup("start", "web")
        self.assertIn("dead.ini", done.stdout + done.stderr)
        self.d.ok("stop", "dead")  # this takes the name from the router: nobody else may have it by now
        self.d.ok("start", "web")
        self.assertEqual(web.get(url("web")).status, 200)
        self.d.profile("dead", script("exit 3"))

    def test_restart_takes_the_new_profile_whole(self):
        self.d.profile("web", SERVER % ("", "web"))
        self.d.ok("start", "web")
        self.d.profile("web", SERVER % ("", "moved"))
        self.assertEqual(web.get(url("web")).status, 200)  # not before the restart
        self.d.ok("restart", "web")
        self.assertEqual(web.get(url("web")).status, 404)
        self.assertEqual(web.get(url("moved")).status, 200)

    # secrets, files, logs

    def test_secret_is_shared_by_name_only(self):
        self.d.profile("owner", script("sleep 1000", "ready = started") + "secret = key\n")
        self.d.profile("friend", script("sleep 1000", "ready = started\nrequires = owner") + "secret = owner/key\n")
        self.d.profile("other", script("sleep 1000", "ready = started"))
        for name in ("owner", "friend", "other"):
            self.d.ok("start", name)
        shown = {n: self.d.inside(n, "/bin/cat", "/trp/secrets/key").stdout for n in ("owner", "friend", "other")}
        self.assertRegex(shown["owner"], r"^[A-Za-z0-9_-]{43}$")
        self.assertEqual(shown["friend"], shown["owner"])
        self.assertEqual(shown["other"], "")
        for name in ("owner", "friend"):
            for pid in self.d.pids(name):
                for file in ("environ", "cmdline"):
                    self.assertNotIn(shown["owner"].encode(), trp.read("/proc/%d/%s" % (pid, file)))
        self.assertNotIn(shown["owner"], self.d.inside("owner", "/bin/ls", "-l", "/trp/secrets").stdout)
        self.assertIn("-r--------", self.d.inside("owner", "/bin/ls", "-l", "/trp/secrets").stdout)

    def test_flooding_the_log_harms_nobody(self):
        self.d.profile("flood", script("while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done",
                                       "ready = started\nlog-size = 64K\nlog-files = 2\nlog-compress = no"))
        self.d.profile("web", SERVER % ("", "web"))
        self.d.ok("start", "web")
        self.d.ok("start", "flood")
        for _ in range(20):
            self.assertEqual(web.get(url("web")).status, 200)
            time.sleep(0.05)
        self.d.ok("stop", "flood")
        kept = sum(os.path.getsize(os.path.join(self.d.log_dir, f)) for f in os.listdir(self.d.log_dir)
                   if f.startswith("flood.log"))
        self.assertLessEqual(kept, 3 * 64 * 1024 + 8192)
        self.assertGreater(kept, 64 * 1024)

    def test_each_service_has_ids_of_its_own(self):
        self.d.profile("one", script("sleep 1000", "ready = started"))
        self.d.profile("two", script("sleep 1000", "ready = started"))
        self.d.ok("start", "one", "two")
        bases = [self.d.status(n)["uid_base"] for n in ("one", "two")]
        self.assertGreaterEqual(abs(bases[0] - bases[1]), 65536)
        for name, base in zip(("one", "two"), bases):
            for pid in self.d.pids(name):
                for uid in trp.process_status(pid)["Uid"].split():
                    self.assertIn(int(uid), range(base, base + 65536))
        path = os.path.join(self.d.state_dir, "state/two")
        self.assertEqual(os.stat(path).st_uid, bases[1] + 1000)
        self.assertNotEqual(self.d.inside("one", "/bin/ls", path).returncode, 0)


class Crash(unittest.TestCase):
    def test_killed_daemon_leaves_nothing_to_the_next(self):
        with trp.Daemon({"web": SERVER % ("", "web")}) as d:
            d.ok("start", "web")
            pids = d.pids("web") + [d.router_pid()]
            keeper = [p for p in trp.processes() if trp.process_status(p).get("Name") == "trp-keeper"
                      and d.name in trp.cgroups_of(p)]
            d.process.send_signal(signal.SIGSTOP)
            os.kill(keeper[0], signal.SIGKILL)  # with it nothing is left to be taken over: test_adopt.py has the other case
            d.process.kill()
            d.process.wait()
            d.log.close()
            d.run()  # takes the ports again, although a router was left with them
            for pid in pids:
                # who inherited it reaps it when it likes
                self.assertIn(trp.process_status(pid).get("State", "Z")[0], "ZX", pid)
            d.ok("start", "web")
            self.assertEqual(web.get(url("web")).status, 200)

    def test_failed_service_leaves_nothing(self):
        # leaving the block looks for what is left
        with trp.Daemon({"dead": script("exit 3", "ready = started\nrestart = no") + "publish = yes\n"}) as d:
            d.trpsup("start", "dead")
            trp.wait_until(lambda: d.status("dead")["state"] == "failed", 10, "it has failed")
            self.assertEqual([m for m in trp.mounts() if d.name in m], [d.run_dir + "/services/dead/publish"])

    def test_second_signal_stops_at_once(self):
        deaf = script("trap '' TERM; echo deaf; while :; do sleep 0.1; done", "ready = started\nstop-timeout = 100s%s")
        with trp.Daemon({"store": deaf % "", "front": deaf % "\nrequires = store"}) as d:
            d.ok("start", "front")
            d.logged("front", "out deaf")  # it ignores TERM
            d.process.terminate()
            trp.wait_until(lambda: "front: stopping" in d.daemon_log(), 10, "it stops")
            d.process.terminate()
            d.process.wait(20)
            self.assertNotIn("defect", d.daemon_log())

    def test_second_daemon_is_refused(self):
        with trp.Daemon() as d:
            done = subprocess.run([os.path.join(trp.BUILD, "trpsupd"), "-c", d.conf], capture_output=True, text=True,
                                  timeout=20, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("another trpsupd", done.stderr)
            self.assertEqual(web.get(url("nobody")).status, 404)  # the first one is not disturbed

    def test_stop_during_start(self):
        with trp.Daemon({"slow": script("sleep 1000", "ready = listen") +
                         "[route]\nhost = slow.localhost\nhttp = 80\n"}) as d:
            d.trpsup("start", "--no-wait", "slow")
            trp.wait_until(lambda: d.status("slow")["state"] == "starting", 10, "it starts")
            d.ok("stop", "slow")
            self.assertEqual(d.status("slow")["state"], "stopped")


if __name__ == "__main__":
    unittest.main()
