#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""What services say of themselves by sd_notify(3) becomes a state, and what becomes of starts that fail. The services are
small Python programs, started by the daemon as any other."""
import os
import shutil
import signal
import threading
import time
import unittest

import trp

# talks to NOTIFY_SOCKET; what it says at a reload is in MODE
PROGRAM = """
import os, signal, socket, sys, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
def say(text):
    s.sendto(text.encode(), os.environ["NOTIFY_SOCKET"])
def now():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
"""
NOTIFY = """[service]
command = /usr/bin/python3 -u /opt/p/%(name)s.py
ready = notify
restart-delay = 20ms
%(keys)s
[sandbox]
root = host
bind = %(dir)s /opt/p
"""
SIMPLE = """[service]
command = %s
ready = started
restart-delay = 10ms
start-limit-burst = 3
[sandbox]
root = host
[limits]
processes = %s
"""


class States(trp.DaemonTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.programs = os.path.join(cls.d.dir, "programs")
        os.makedirs(cls.programs, exist_ok=True)

    def notify(self, name, text, keys=""):
        """A service that runs this program with say() and now()."""
        with open(os.path.join(self.programs, name + ".py"), "w") as f:
            f.write(PROGRAM + text)
        self.d.profile(name, NOTIFY % {"name": name, "keys": keys, "dir": self.programs})

    def state(self, name):
        return self.d.status(name)["state"]

    def waits(self, name, state, seconds=20):
        trp.wait_until(lambda: self.state(name) == state, seconds, "%s is %s" % (name, state))

    # many at a time

    def test_daemon_answers_while_it_starts_many(self):
        """One start in a turn of its loop: between the first and the last of one call others are heard, and time runs for nobody
        who has not begun."""
        names = ["many%02d" % i for i in range(40)]
        for name in names:
            self.d.profile(name, SIMPLE % ("/bin/sleep 1000", 20))
        starter = threading.Thread(target=lambda: setattr(starter, "done", self.d.trpsup("start", *names)))
        seen, over = [], threading.Event()
        starter.start()
        try:
            while starter.is_alive() and not over.is_set():
                states = [s["state"] for s in self.d.call("trpsup.List")["services"] if s["service"] in names]
                seen.append(states)
                if "ready" in states and "image" in states:
                    over.set()
        finally:
            starter.join()
        self.assertEqual(starter.done.returncode, 0, starter.done.stderr)
        self.assertTrue(over.is_set(), [sorted(set(s)) for s in seen])

    def test_two_of_one_call_that_claim_one_name(self):
        """The profiles of a call are checked with each other, not only with what runs: nothing of it is started."""
        for name in ("first", "second"):
            self.d.profile(name, SIMPLE % ("/bin/sleep 1000", 20) + "[route]\nhost = both.localhost\nhttp = 80\n")
        done = self.d.trpsup("start", "first", "second")
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stdout + done.stderr, r"second\.ini:\d+: host: second claims 'both\.localhost'.*first has it already")
        self.assertNotIn("first", [s["service"] for s in self.d.call("trpsup.List")["services"] if s["state"] != "stopped"])

    # reload

    def test_reload_is_over_when_the_service_says_so(self):
        go = os.path.join(self.programs, "go")
        if os.path.exists(go):
            os.unlink(go)
        self.notify("again", """
def reload(*_):
    say("RELOADING=1\\nMONOTONIC_USEC=%d" % now())
    while not os.path.exists("/opt/p/go"): time.sleep(0.02)
    say("READY=1")
signal.signal(signal.SIGHUP, reload)
say("READY=1")
while True: time.sleep(1000)
""", "reload = notify")
        self.d.ok("start", "again")
        pid = self.d.main_pid("again")
        done = []
        call = threading.Thread(target=lambda: done.append(self.d.trpsup("reload", "again", timeout=30)))
        call.start()
        self.waits("again", "reloading")
        self.assertEqual(done, [])
        # who requires it need not wait for it: it serves
        self.d.profile("friend", SIMPLE % ("/bin/sleep 1000\nrequires = again", 512))
        self.d.ok("start", "friend")
        self.assertEqual(self.state("again"), "reloading")
        open(go, "w").close()
        call.join(20)
        self.assertEqual(done[0].returncode, 0, done[0].stderr)
        self.assertIn("reloaded", done[0].stdout)
        self.assertEqual((self.state("again"), self.d.main_pid("again")), ("ready", pid))

    def test_reload_that_does_not_end(self):
        self.notify("late", """
signal.signal(signal.SIGHUP, lambda *_: say("RELOADING=1\\nMONOTONIC_USEC=%d" % now()))
say("READY=1")
while True: time.sleep(1000)
""", "reload = notify\nreload-timeout = 300ms")
        self.d.ok("start", "late")
        pid = self.d.main_pid("late")
        done = self.d.trpsup("reload", "late", timeout=30)
        self.assertEqual(done.returncode, 1)
        self.assertIn("has not said READY=1", done.stdout + done.stderr)
        self.assertEqual((self.state("late"), self.d.main_pid("late")), ("ready", pid))
        self.d.trpsup("reload", "late", timeout=30)
        self.d.ok("stop", "late")

    def test_reloading_from_before_the_signal_does_not_count(self):
        self.notify("stale", """
start = now()
signal.signal(signal.SIGHUP, lambda *_: say("RELOADING=1\\nMONOTONIC_USEC=%d" % start) or say("READY=1"))
say("READY=1")
while True: time.sleep(1000)
""", "reload = notify\nreload-timeout = 300ms")
        self.d.ok("start", "stale")
        done = self.d.trpsup("reload", "stale", timeout=30)
        self.assertEqual(done.returncode, 1)
        self.assertIn("has not said RELOADING=1", done.stdout + done.stderr)

    def test_stop_while_it_reloads(self):
        self.notify("busy", """
signal.signal(signal.SIGHUP, lambda *_: say("RELOADING=1\\nMONOTONIC_USEC=%d" % now()))
say("READY=1")
while True: time.sleep(1000)
""", "reload = notify")
        self.d.ok("start", "busy")
        call = threading.Thread(target=self.d.trpsup, args=("reload", "busy"), kwargs={"timeout": 30})
        call.start()
        self.waits("busy", "reloading")
        self.d.ok("stop", "busy")
        call.join(20)
        self.assertFalse(call.is_alive())

    def test_reload_that_it_begins_itself(self):
        self.notify("self", """
say("READY=1")
while not os.path.exists("/trp/state/begin"): time.sleep(0.02)
say("RELOADING=1")
while not os.path.exists("/trp/state/end"): time.sleep(0.02)
say("READY=1")
time.sleep(1000)
""")
        self.d.ok("start", "self")
        pid = self.d.main_pid("self")

        def touch(name):
            open("/proc/%d/root/trp/state/%s" % (pid, name), "w").close()
        touch("begin")
        self.waits("self", "reloading")
        touch("end")
        self.waits("self", "ready")

    def test_reload_needs_one_that_is_ready(self):
        self.d.profile("down", trp.HELLO % "")
        done = self.d.trpsup("reload", "down")
        self.assertEqual(done.returncode, 1)
        self.assertIn("does not run", done.stdout + done.stderr)
        self.assertEqual(self.d.trpsup("reload", "nobody").returncode, 4)

    # the rest of sd_notify

    def test_missing_sign_of_life(self):
        self.notify("lost", """
say("READY=1\\nSTATUS=fine")
print("time", os.environ["WATCHDOG_USEC"])
for i in range(8):
    time.sleep(0.1)
    say("WATCHDOG=1")
print("last")
time.sleep(1000)
""", "watchdog = 500ms\nrestart-delay-max = 1d")
        self.d.ok("start", "lost")
        pid = self.d.main_pid("lost")
        trp.wait_until(lambda: self.d.status("lost")["says"] == "fine", 10, "its status is shown")
        self.d.logged("lost", "out time 500000$")
        trp.wait_until(lambda: self.d.status("lost")["restarts"] > 0, 20, "it is started again")
        self.d.logged("lost", "no sign of life")
        self.d.logged("lost", "killed by signal 6|SIGABRT|Aborted")
        log = self.d.service_log("lost")
        self.assertIn("no sign of life (WATCHDOG=1) for 0.5 s", log)
        self.assertLess(log.index("out last"), log.index("no sign of life"))  # not while it gave them
        self.assertRegex(log, "killed by signal 6|SIGABRT|Aborted")
        self.waits("lost", "ready")
        self.assertNotEqual(self.d.main_pid("lost"), pid)

    def test_watchdog_time_is_only_made_shorter(self):
        self.notify("longer", "say('READY=1\\nWATCHDOG_USEC=3600000000')\ntime.sleep(1000)\n", "watchdog = 300ms\nrestart = no")
        self.d.ok("start", "longer")
        self.waits("longer", "failed")
        self.notify("shorter", "say('READY=1\\nWATCHDOG_USEC=300000')\ntime.sleep(1000)\n", "watchdog = 1h\nrestart = no")
        self.d.ok("start", "shorter")
        self.waits("shorter", "failed")

    def test_silent_from_the_start(self):
        self.notify("silent", "say('READY=1')\ntime.sleep(1000)\n", "watchdog = 300ms\nrestart = no")
        self.d.ok("start", "silent")
        self.waits("silent", "failed")

    def test_one_that_stands_still(self):
        """A process that is stopped takes no signal but SIGKILL and SIGCONT; stop-timeout is twenty seconds."""
        self.notify("still", "say('READY=1')\nos.kill(os.getpid(), 19)\n", "watchdog = 300ms\nrestart = no")
        self.d.ok("start", "still")
        self.waits("still", "failed")
        self.assertRegex(self.d.service_log("still"), "killed by signal 6|SIGABRT|Aborted")
        self.notify("asked", "say('READY=1')\nos.kill(os.getpid(), 19)\n", "restart = no")
        self.d.ok("start", "asked")
        trp.wait_until(lambda: trp.process_status(self.d.main_pid("asked"))["State"].startswith("T"), 10, "it stands still")
        self.d.ok("stop", "asked")
        self.assertRegex(self.d.service_log("asked"), "killed by signal 15|SIGTERM|Terminated")

    def test_daemon_that_stands_still(self):
        """Whoever gave its signs of life meanwhile is not ended for want of them."""
        self.notify("alive", "say('READY=1')\nwhile True:\n    say('WATCHDOG=1')\n    time.sleep(0.1)\n", "watchdog = 2s\nrestart = no")
        self.d.ok("start", "alive")
        before = self.d.pids("alive")
        self.d.process.send_signal(signal.SIGSTOP)
        try:
            time.sleep(4)
        finally:
            self.d.process.send_signal(signal.SIGCONT)
        self.assertEqual(self.state("alive"), "ready")
        self.assertEqual(self.d.pids("alive"), before)
        self.d.ok("stop", "alive")

    def test_watchdog_trigger(self):
        self.notify("trigger", "say('READY=1')\nsay('WATCHDOG=trigger')\ntime.sleep(1000)\n", "watchdog = 1h\nrestart = no")
        self.d.trpsup("start", "trigger")
        self.waits("trigger", "failed")
        self.assertIn("WATCHDOG=trigger", self.d.service_log("trigger"))

    def test_it_says_that_it_ends(self):
        self.notify("over", """
say("READY=1")
while not os.path.exists("/trp/state/go"): time.sleep(0.02)
say("STOPPING=1\\nERRNO=28")
time.sleep(1000)
""", "stop-timeout = 1s\nrestart = no")
        self.d.ok("start", "over")
        open("/proc/%d/root/trp/state/go" % self.d.main_pid("over"), "w").close()
        self.waits("over", "leaving")
        self.waits("over", "failed")  # it has not ended: killed
        self.assertIn("No space left on device", self.d.status("over")["message"])

    def test_a_start_takes_longer(self):
        text = """
for i in range(50):
    say("EXTEND_TIMEOUT_USEC=2000000")
    time.sleep(0.1)
say("READY=1")
time.sleep(1000)
"""
        self.notify("long", text, "start-timeout = 3s\nrestart = no")
        self.d.ok("start", "long")
        # but not for ever
        self.notify("endless", text.replace("range(50)", "range(10000)"), "start-timeout = 500ms\ntimeout-extension = 500ms\nrestart = no")
        self.assertEqual(self.d.trpsup("start", "endless", timeout=30).returncode, 1)
        self.waits("endless", "failed")

    def test_a_stop_always_ends(self):
        self.notify("stays", """
def term(*_):
    while True:
        say("EXTEND_TIMEOUT_USEC=60000000")
        time.sleep(0.1)
signal.signal(signal.SIGTERM, term)
say("READY=1")
time.sleep(1000)
""", "stop-timeout = 300ms\ntimeout-extension = 300ms")
        self.d.ok("start", "stays")
        self.d.ok("stop", "stays", timeout=30)
        self.assertIn("does not stop; killing it", self.d.service_log("stays"))

    # starts that fail

    def test_temporary_error_is_tried_again(self):
        program = os.path.join(self.programs, "busy")
        shutil.copy("/bin/sleep", program)
        text = (SIMPLE % ("/opt/p/busy 1000", 512)).replace("root = host\n", "root = host\nbind = %s /opt/p\n" % self.programs)
        self.d.profile("full", text.replace("ready = started", "ready = notify"))
        with open(program, "ab"):  # nobody can execute it meanwhile
            done = self.d.trpsup("start", "full")
            self.assertEqual(done.returncode, 1)
            self.waits("full", "failed")
        self.assertIn("3 failures", self.d.status("full")["message"])
        self.assertEqual(len(self.d.logged("full", "cannot execute .*Text file busy$", 3)), 3)

    def test_permanent_error_is_not(self):
        program = os.path.join(self.programs, "nothing")
        with open(program, "w") as f:
            f.write("#!/usr/bin/no-such-program\n")
        os.chmod(program, 0o755)
        self.d.profile("nothing", (SIMPLE % ("/opt/p/nothing", 512)).replace("root = host\n", "root = host\nbind = %s /opt/p\n" % self.programs))
        self.d.trpsup("start", "nothing")
        self.waits("nothing", "failed")
        self.assertEqual(self.d.status("nothing")["restarts"], 0)
        self.assertRegex(self.d.status("nothing")["message"], r"nothing\.ini:2: command: cannot execute .*No such file or directory$")

    def test_a_pause_that_is_cut_short_leaves_no_timer(self):
        """start in the pause, and then it waits for what it requires for longer than the pause was."""
        self.notify("slow", "time.sleep(1.5)\nsay('READY=1')\ntime.sleep(1000)\n")
        self.d.profile("user", (SIMPLE % ("/bin/sh -c 'exit 3'\nrequires = slow", 512)).replace("10ms", "1s"))
        self.d.trpsup("start", "user")
        self.waits("user", "backoff")
        self.d.trpsup("signal", "slow", "KILL")
        trp.wait_until(lambda: self.state("slow") != "ready", 10, "it has ended")
        self.d.trpsup("start", "--no-wait", "user")
        self.waits("user", "waiting")
        trp.wait_until(lambda: self.state("user") == "failed", 20, "it is tried until its limit")
        self.assertNotIn("a defect", self.d.daemon_log())


if __name__ == "__main__":
    unittest.main()
