#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""pre-stop: what is run inside while the service still runs and is about to get its stop signal."""
import os
import signal
import subprocess
import unittest

import trp

PROFILE = """[service]
command = /bin/sh -c "trap 'echo told; exit 0' TERM; echo up; while :; do sleep 0.05; done"
ready = started
%s
[sandbox]
root = host
"""


class PreStop(trp.DaemonTest):
    def tearDown(self):
        super().tearDown()
        log = os.path.join(self.d.log_dir, "web.log")
        if os.path.exists(log):
            os.truncate(log, 0)

    def start(self, *keys):
        self.d.profile("web", PROFILE % "\n".join(keys))
        self.d.ok("start", "web")
        self.d.logged("web", "out up$")

    def order(self, *words):
        """Lines with these words come, in this order, since the log was emptied."""
        def found():
            text = self.d.service_log("web")
            at = 0
            for word in words:
                at = text.find(word, at) + 1
                if at == 0:
                    return False
            return True
        trp.wait_until(found, 10, "%s in this order" % (words,))

    STEPS = ('pre-stop = /bin/sh -c "echo first as $$(id -u) of $$MAINPID; exit 3"', "pre-stop = /nonexistent/x",
             'pre-stop = /bin/sh -c "echo last"')

    def test_at_stop(self):
        self.d.profile("web", PROFILE % "\n".join(self.STEPS))
        self.assertIn("/nonexistent/x: No such file", self.d.trpsup("start", "web").stderr)
        self.start(self.STEPS[0], self.STEPS[2])
        shown = self.d.ok("stop", "web")
        self.assertIn("pre-stop step 1 (/bin/sh) exited with code 3; stopping all the same", shown)
        self.order("out first as 1000 of", "out last", "out told")
        self.order("pre-stop step 1 of 2", "pre-stop step 2 of 2", "stopped")

    def test_at_restart(self):
        self.start(self.STEPS[2])
        self.d.ok("restart", "web")
        self.order("out last", "out told", "out up")
        self.assertEqual(self.d.status("web")["state"], "ready")

    def test_not_when_it_has_died(self):
        self.start(self.STEPS[2], "restart = no")
        os.kill(self.d.main_pid("web"), signal.SIGKILL)
        trp.wait_until(lambda: self.d.status("web")["state"] == "failed", 10, "it failed")
        self.assertEqual(self.d.log_lines("web", "last|pre-stop"), [])

    def test_not_when_it_was_never_ready(self):
        self.d.profile("web", PROFILE.replace("ready = started", "ready = notify") % "\n".join([self.STEPS[2], "start-timeout = 300ms", "restart = no"]))
        self.d.trpsup("start", "web")
        self.order("out told")
        self.assertEqual(self.d.log_lines("web", "out last|pre-stop"), [])

    def test_bounded_by_stop_timeout(self):
        self.start('pre-stop = /bin/sh -c "trap \'\' TERM; echo hangs; sleep 1000"', self.STEPS[2], "stop-timeout = 300ms")
        shown = self.d.ok("stop", "web", timeout=30)
        self.assertIn("pre-stop takes longer than 0.3 s", shown)
        self.order("out hangs", "out told")
        self.assertEqual(self.d.log_lines("web", "out last|killing"), [])

    def test_daemon_killed_meanwhile(self):
        self.start('pre-stop = /bin/sh -c "echo begun; while [ ! -e ${runtime}/go ]; do sleep 0.05; done; echo over"')
        stop = subprocess.Popen([os.path.join(trp.BUILD, "trpsup"), "-c", self.d.conf, "stop", "web"], stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)
        try:
            self.d.logged("web", "out begun")
            self.d.process.kill()
            self.d.process.wait()
            stop.wait(30)
        finally:
            stop.kill()
            stop.wait()
        self.d.run()
        self.assertEqual(self.d.status("web")["state"], "stopping")
        with open("/proc/%d/root/run/web/go" % self.d.status("web")["pid"], "w"):
            pass
        trp.wait_until(lambda: self.d.status("web")["state"] == "stopped", 15, "it is stopped")
        self.order("begun", "over", "told")
        self.assertEqual(self.d.log_lines("web", "killing"), [])


LOOPBACK = """[service]
command = /usr/bin/python3 -m http.server --bind 127.0.0.1 8080
adapter = loopback
pre-stop = /bin/sh -c "echo last"
[route]
host = loop.localhost
http = 8080
[sandbox]
root = host
"""


class WithRelay(trp.DaemonTest):
    def test_after_the_relay_and_before_the_signal(self):
        self.d.profile("loop", LOOPBACK)
        self.d.ok("start", "loop")
        self.d.ok("stop", "loop")
        self.d.logged("loop", "stopped$")
        log = self.d.service_log("loop")
        self.assertLess(log.index("out last"), log.rindex("/usr/bin/python3 "))


if __name__ == "__main__":
    unittest.main()
