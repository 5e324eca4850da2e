#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""The kernel kills a process of a service for want of memory: the rest of it is ended, left to itself or killed, as its profile says
([limits] oom); what is ended has failed, and is tried again by its policy."""
import math
import os
import re
import time
import unittest

import trp

# its main process lives on; /trp/state/eat has it start one that eats until it is killed, again and again
PROFILE = """[service]
command = /bin/sh -c "trap 'echo ended by its signal; exit 0' TERM; echo up; while :; do if [ -e /trp/state/eat ]; then %s; fi; sleep 0.05; done"
ready = started
%s
[sandbox]
root = host
[limits]
memory = 32M
%s
"""
EATER = "tail /dev/zero"


class Oom(unittest.TestCase):
    def setUp(self):
        self.d = trp.Daemon({})
        self.d.start()
        self.addCleanup(lambda: self.d.stop())
        self.mark = os.path.join(self.d.state_dir, "state/eater/eat")

    def write(self, service="restart = no", limits="", eater=EATER):
        self.d.profile("eater", PROFILE % (eater, service, limits))

    def start(self, *args, **kwargs):
        self.write(*args, **kwargs)
        self.d.ok("start", "eater")

    def eat(self, on=True):
        if on:
            with open(self.mark, "w"):
                pass
        else:
            os.unlink(self.mark)

    def wait(self, condition, what):
        trp.wait_until(lambda: condition(self.d.status("eater")), 60, what)
        return self.d.status("eater")

    def wait_failed(self):
        return self.wait(lambda s: s["state"] == "failed", "it has failed")

    def log(self):
        self.d.logs_written()
        return self.d.service_log("eater")

    def kills(self):
        """The kernel's count."""
        for group in trp.control_groups(self.d.name):
            for name in ("memory.oom_control", "memory.events"):
                path = os.path.join(group, name)
                if group.endswith("/eater") and os.path.exists(path):
                    return int(re.search(r"(?m)^oom_kill (\d+)$", trp.read(path).decode())[1])
        raise AssertionError("no group of it has a count")

    def test_stop_is_the_default(self):
        """The rest gets its signal, and is told of as failed for that."""
        self.start()
        self.eat()
        s = self.wait_failed()
        self.assertRegex(s["message"], r"^out of memory: /bin/sh exited with code 0")
        log = self.log()
        self.assertIn("ended by its signal", log)
        self.assertIn("out of memory: the kernel has killed a process of it (memory = 32M); ending it", log)
        self.assertIn("out of memory", self.d.ok("events", "eater"))

    def test_loop_ends(self):
        """With a restart after each, the start limit is the end of it."""
        self.start("restart-delay = 10ms\nstart-limit-burst = 3")
        self.eat()
        self.assertIn("3 failures", self.wait_failed()["message"])

    def test_again(self):
        """It comes back, with a count of its own."""
        self.start("restart-delay = 10ms")
        pid = self.d.main_pid("eater")
        self.eat()
        trp.wait_until(lambda: "ending it" in self.d.service_log("eater"), 60, "it is ended")
        self.eat(False)
        s = self.wait(lambda s: s["state"] == "ready" and s["main_pid"] != pid, "it is there again")
        self.assertEqual(s["oom_kills"], 0)

    def test_continue(self):
        self.start(limits="oom = continue")
        began, pid = time.monotonic(), self.d.main_pid("eater")
        self.eat()
        self.wait(lambda s: s["oom_kills"] >= 20, "twenty were killed")
        self.eat(False)
        trp.wait_until(lambda: self.d.status("eater")["oom_kills"] == self.kills(), 20, "its count is the kernel's")
        s = self.d.status("eater")
        self.assertEqual((s["state"], s["main_pid"]), ("ready", pid))
        self.assertRegex(self.d.ok("status", "eater"), r"(?m)^ +%d processes were killed for want of it$" % s["oom_kills"])
        # each of the pauses between two is twice as long as the one before
        notes = len(self.d.log_lines("eater", "out of memory: the kernel has killed"))
        self.assertGreater(notes, 0)
        self.assertLess(notes, 3 + math.log2(2 + time.monotonic() - began))

    def test_kill(self):
        """Its signal does not come."""
        self.start(limits="oom = kill")
        self.eat()
        self.assertRegex(self.wait_failed()["message"], "^out of memory: ")
        self.assertNotIn("ended by its signal", self.log())

    def test_main_process(self):
        self.start(eater="exec " + EATER)
        self.eat()
        self.assertRegex(self.wait_failed()["message"], r"^out of memory: /bin/sh killed by signal 9")

    def test_goes_on_while_it_ends(self):
        """Deaf to its signal, it is killed for the next ones, and not when its time is over."""
        self.start("restart = no\nstop-timeout = 1d", eater="trap '' TERM; while :; do %s; done" % EATER)
        self.eat()
        s = self.wait_failed()
        self.assertRegex(s["message"], "^out of memory: ")
        self.assertIn("killing it", self.log())

    def test_setup(self):
        self.d.profile("eater", PROFILE % (EATER, "restart = no\nsetup = /usr/bin/" + EATER, ""))
        self.d.trpsup("start", "eater")
        self.assertRegex(self.d.status("eater")["message"], r"^out of memory: setup step 1 ")

    def test_job(self):
        """What exits with 0 although a part of it was killed has not done its work."""
        for oom, state in (("stop", "failed"), ("continue", "stopped")):
            with self.subTest(oom=oom):
                self.d.profile("eater", """[service]
command = /bin/sh -c "tail /dev/zero; exit 0"
ready = exit
restart = no
[sandbox]
root = host
[limits]
memory = 32M
oom = %s
""" % oom)
                self.d.trpsup("start", "eater")
                self.wait(lambda s: s["state"] == state, "it is " + state)

    def test_reload(self):
        self.start(limits="oom = continue")
        self.eat()
        self.wait(lambda s: s["oom_kills"] > 0, "one was killed")
        self.eat(False)
        pid = self.d.main_pid("eater")
        self.write(limits="oom = stop")
        self.assertIn("eater: oom: in force now", self.d.ok("reload"))
        self.assertEqual(self.d.main_pid("eater"), pid)
        self.eat()
        self.wait_failed()

    def kill_daemon(self):
        self.d.process.kill()
        self.d.process.wait()
        self.d.log.close()

    def test_next_daemon(self):
        """What happens while there is no daemon, and after it was taken over."""
        self.start()
        self.kill_daemon()
        self.eat()
        trp.wait_until(lambda: self.kills() > 0, 60, "one was killed")
        self.eat(False)
        self.d.run()
        self.wait_failed()
        self.d.ok("start", "eater")
        self.kill_daemon()
        self.d.run()
        self.assertEqual(self.d.status("eater")["state"], "ready")
        self.eat()
        self.wait_failed()

    def test_before_it_was_taken_over(self):
        """What was borne is not counted again by the next daemon."""
        self.start(limits="oom = continue")
        self.eat()
        self.wait(lambda s: s["oom_kills"] > 0, "one was killed")
        self.eat(False)
        trp.wait_until(lambda: self.d.status("eater")["oom_kills"] == self.kills(), 20, "its count is the kernel's")
        kills = self.kills()
        self.write(limits="oom = stop")
        self.d.ok("reload")
        self.kill_daemon()
        self.d.run()
        s = self.d.status("eater")
        self.assertEqual((s["state"], s["oom_kills"]), ("ready", kills))


if __name__ == "__main__":
    unittest.main(verbosity=2)
