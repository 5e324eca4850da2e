#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""[timer]: services that are run by time. (When exactly: tests/unit/test_timerdue.c and test_calendar.c.)"""
import json
import os
import signal
import time
import unittest

import trp

PROFILE = """[service]
command = /bin/sh -c "%s"
ready = exit
%s
[sandbox]
root = host
[timer]
%s
"""


class Case(unittest.TestCase):
    config = ""

    def setUp(self):
        self.d = trp.Daemon(config=self.config)

    def start(self, **profiles):
        for name, (command, service, timer) in profiles.items():
            self.d.profile(name, PROFILE % (command, service, timer))
        self.addCleanup(self.d.clean_up)
        self.d.start()

    def timer(self, name="job"):
        return self.d.status(name)["timer"]

    def state(self, name="job"):
        return self.d.status(name)["state"]

    def restart_daemon(self, kill=False):
        self.d.process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        self.d.process.wait(60)
        self.d.run()


class Armed(Case):
    config = "start = job\n"

    def test_runs_again_and_again(self):
        self.start(job=("echo ran", "", "interval = 1s"))
        first = self.timer()
        self.assertTrue(first["armed"])
        self.assertEqual((self.state(), first["last"], first["result"]), ("idle", None, "none"))
        self.d.logged("job", "out ran", 3, seconds=20)
        trp.wait_until(lambda: self.state() == "idle", 5, "it rests")
        timer = self.timer()
        self.assertEqual(timer["result"], "ok")
        self.assertGreater(timer["next"], timer["last"])
        self.assertGreaterEqual(timer["ended"], timer["last"])
        self.d.stop()

    def test_what_does_not_change_its_times_leaves_the_next_one(self):
        """Its profile is read anew: by another daemon, which has to start it, and by a reload."""
        self.start(job=("echo ran", "", "interval = 1h"))
        before = self.timer()["next"]

        def another_key():
            self.d.profile("job", PROFILE % ("echo ran", "log-rate = 8K", "interval = 1h"))
            self.d.ok("reload")
        for change in (lambda: self.restart_daemon(kill=True), lambda: self.d.ok("upgrade"), another_key):
            with self.subTest(change):
                time.sleep(1)
                change()
                self.assertAlmostEqual(self.timer()["next"], before, delta=0.5)
        self.d.profile("job", PROFILE % ("echo ran", "log-rate = 8K", "interval = 2h"))
        self.d.ok("reload")
        self.assertGreater(self.timer()["next"], before + 1800)
        self.d.stop()

    def test_by_calendar(self):
        self.start(job=("echo ran", "", "calendar = *:*:*"))
        self.d.logged("job", "out ran", 2, seconds=20)
        self.d.stop()

    def test_nothing_wakes_the_daemon_before(self):
        self.start(job=("echo ran", "", "calendar = *-*-1 04:00\ninterval = 30d"))
        self.assertEqual(self.state(), "idle")

        def switches():
            status = trp.process_status(self.d.process.pid)
            return int(status["voluntary_ctxt_switches"])
        # its start has left something to do, and others may make it look up
        for _ in range(8):
            before = switches()
            time.sleep(1.5)
            if switches() == before:
                break
        self.assertEqual(switches(), before)
        self.d.stop()

    def test_failure_is_shown_and_the_next_time_comes(self):
        self.start(job=("echo ran; exit 3", "", "interval = 1s"))
        self.d.logged("job", "out ran", 2, seconds=20)
        trp.wait_until(lambda: self.timer()["result"] == "failed", 10, "it failed")
        self.assertIn("exited with code 3", self.timer()["why"])
        shown = self.d.ok("timers")
        self.assertRegex(shown, r"job +\S+ \S+ \S+ .*(failed.*exited with code 3|running)")
        self.d.stop()

    def test_never_twice_at_a_time(self):
        self.start(job=("echo begins; sleep 3.5; echo ends", "", "interval = 1s"))
        self.d.logged("job", "while it still runs: passed over", 2, seconds=20)
        self.d.logged("job", "out ends", seconds=20)
        self.assertGreaterEqual(self.timer()["passed_over"], 2)
        lines = [line.split(" ", 2)[2] for line in self.d.log_lines("job", " out ")]
        for a, b in zip(lines, lines[1:]):
            self.assertNotEqual(a, b)
        self.d.stop()

    def test_missed_run_is_caught_up(self):
        keys = {"yes": "calendar = *-*-1 04:00\npersistent = yes", "no": "calendar = *-*-1 04:00"}
        self.start(job=("echo ran", "", keys["yes"]), other=("echo ran", "", keys["no"]))
        self.d.ok("enable", "other")
        self.assertEqual([self.timer("job")["last"], self.timer("other")["last"]], [None, None])  # it was never missed
        self.d.process.terminate()
        self.d.process.wait(60)
        stamps = os.path.join(self.d.state_dir, "timers")
        os.makedirs(stamps, exist_ok=True)
        for name in ("job", "other"):
            with open(os.path.join(stamps, name), "w") as f:
                json.dump({"last": time.time() - 40 * 86400, "ended": time.time() - 40 * 86400, "result": "failed", "why": "of old"}, f)
        self.d.run()
        self.d.logged("job", "out ran", seconds=20)
        trp.wait_until(lambda: self.timer("job")["result"] == "ok", 10, "it ran")
        other = self.timer("other")
        self.assertEqual((other["result"], other["why"]), ("failed", "of old"))
        self.assertEqual(self.d.log_lines("other", "out ran") if os.path.exists(os.path.join(self.d.log_dir, "other.log")) else [], [])
        # once is enough
        self.restart_daemon()
        self.assertEqual(self.timer("job")["result"], "ok")
        time.sleep(0.3)
        self.assertEqual(len(self.d.log_lines("job", "out ran")), 1)
        self.d.stop()

    def test_after_boot_once(self):
        self.start(job=("echo ran", "", "delay-after-boot = 1s"))
        self.d.logged("job", "out ran")  # this machine is up for longer
        trp.wait_until(lambda: self.timer()["result"] == "ok", 10, "it ran")
        self.assertIsNone(self.timer()["next"])
        self.restart_daemon()
        time.sleep(0.3)
        self.assertEqual(len(self.d.log_lines("job", "out ran")), 1)
        self.assertEqual(self.state(), "idle")
        self.d.stop()

    def test_daemon_killed_and_upgraded(self):
        self.start(job=("echo ran", "", "interval = 2s"))
        self.restart_daemon(kill=True)
        self.d.logged("job", "out ran", seconds=20)
        # while nobody was there its time came
        self.d.process.kill()
        self.d.process.wait()
        time.sleep(2.5)
        self.d.run()
        self.d.logged("job", "out ran", 2, seconds=1.5 + 5)
        self.d.ok("upgrade")
        self.d.logged("job", "out ran", 3, seconds=20)
        self.d.stop()

    def test_run_goes_on_over_a_killed_daemon(self):
        self.start(job=("echo begins; while [ ! -e ${runtime}/go ]; do sleep 0.05; done; echo ends", "", "calendar = *-*-1 04:00"))
        self.d.ok("start", "--no-wait", "job")
        self.d.logged("job", "out begins")
        last = self.timer()["last"]
        self.d.process.kill()
        self.d.process.wait()
        self.d.run()
        self.assertEqual((self.timer()["result"], self.timer()["last"]), ("running", last))
        with open("/proc/%d/root/run/job/go" % self.d.status("job")["pid"], "w"):
            pass
        trp.wait_until(lambda: self.timer()["result"] == "ok", 10, "it ended well")
        self.assertEqual(self.state(), "idle")
        self.d.stop()

    def test_reload(self):
        self.start(job=("echo ran", "", "calendar = *-*-1 04:00"))
        before = self.timer()["next"]
        self.d.profile("job", PROFILE % ("echo ran", "", "calendar = *-*-2 04:00"))
        self.d.ok("reload")
        self.assertNotEqual(self.timer()["next"], before)
        self.d.profile("job", PROFILE.replace("[timer]\n%s\n", "") % ("echo ran", ""))
        self.d.ok("reload")
        self.assertEqual((self.d.status("job")["timer"], self.state()), (None, "stopped"))
        self.d.stop()


class ByHand(Case):
    def test_start_runs_it_now(self):
        self.start(job=("echo ran", "", "calendar = *-*-1 04:00"))
        began = time.time()
        self.d.ok("start", "job")
        self.d.logged("job", "out ran")
        trp.wait_until(lambda: self.state() == "idle", 5, "it rests")
        timer = self.timer()
        self.assertTrue(timer["armed"])
        self.assertEqual(timer["result"], "ok")
        self.assertGreaterEqual(timer["last"], began - 1)
        shown = self.d.trpsup("status", "job").stdout
        self.assertRegex(shown, r"Next run: \w+ \d+-\d+-01 04:00:00, in ")
        self.assertRegex(shown, r"Last run: .* ago: ok")
        self.assertRegex(self.d.ok("ps"), r"job +idle .* runs in .*\(last: ok\)")
        table = json.loads(self.d.ok("--json", "timers"))
        self.assertEqual([t["service"] for t in table.get("parameters", table)["timers"]], ["job"])
        self.d.ok("stop", "job")
        self.assertRegex(self.d.ok("timers"), r"(?m)^job +- +- +\S")  # no time counts
        self.assertEqual((self.state(), self.timer()["armed"], self.timer()["next"]), ("stopped", False, None))
        self.assertRegex(self.d.trpsup("status", "job").stdout, "its times do not count now")
        self.d.stop()

    def test_enable_and_disable(self):
        self.start(job=("echo ran", "", "interval = 1s"))
        self.d.ok("enable", "job")
        self.assertEqual(self.state(), "idle")
        self.d.logged("job", "out ran", seconds=20)
        trp.wait_until(lambda: self.state() == "idle", 5, "it rests")
        self.d.ok("disable", "job")
        trp.wait_until(lambda: self.state() == "stopped", 5, "it is stopped")
        n = len(self.d.log_lines("job", "out ran"))
        time.sleep(1.5)
        self.assertEqual(len(self.d.log_lines("job", "out ran")), n)
        self.d.stop()

    def test_random_delay(self):
        self.start(**{"job-%d" % i: ("echo ran", "", "calendar = *-*-1 04:00\nrandom-delay = 30d") for i in range(4)})
        nexts = []
        for i in range(4):
            self.d.ok("enable", "job-%d" % i)
            nexts.append(self.timer("job-%d" % i)["next"])
        self.assertEqual(len(set(nexts)), 4)
        self.d.stop()

    def test_profile_that_is_broken_by_then(self):
        self.start(job=("echo ran", "", "interval = 1s"))
        self.d.ok("enable", "job")
        self.d.profile("job", "nonsense\n")
        trp.wait_until(lambda: self.timer()["result"] == "failed", 10, "it failed")
        self.assertIn("job.ini:1", self.timer()["why"])
        self.d.profile("job", PROFILE % ("echo ran", "", "interval = 1s"))
        self.d.logged("job", "out ran", seconds=20)
        self.d.stop()

    def test_what_it_requires_is_there_for_the_run(self):
        self.start(job=("echo ran", "requires = db", "interval = 1s"))
        self.d.profile("db", "[service]\ncommand = /bin/sleep 1000\nready = started\n[sandbox]\nroot = host\n")
        self.d.ok("enable", "job")
        self.d.logged("job", "out ran", 2, seconds=20)
        self.d.logged("db", "stopped$", seconds=20)
        self.d.stop()


if __name__ == "__main__":
    unittest.main()
