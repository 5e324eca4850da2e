#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""What services say of each other: wants, after, conflicts, groups, circles."""
import unittest

import trp

PROFILE = """[service]
command = /bin/sh -c "%s"
ready = started
%s
[sandbox]
root = host
"""
SLEEP = "exec sleep 1000"


class Dependencies(trp.DaemonTest):
    def service(self, name, keys="", command=SLEEP):
        self.d.profile(name, PROFILE % (command, keys))

    def state(self, name):
        return self.d.status(name)["state"]

    def states(self, *names):
        return [self.state(name) for name in names]

    # wants

    def test_wanted_is_started_and_not_needed(self):
        self.service("helper", "restart = no", "exit 3")
        self.service("slow", "setup = /bin/sleep 3")
        self.service("main", "wants = helper slow")
        self.d.ok("start", "main")
        self.assertNotEqual(self.state("slow"), "ready")  # nobody waited for it
        trp.wait_until(lambda: self.states("helper", "slow") == ["failed", "ready"], 20, "both were started")
        self.assertEqual(self.state("main"), "ready")
        # a stop of the wanted one is no matter of who wants it
        self.d.ok("stop", "slow")
        self.assertEqual(self.state("main"), "ready")

    def test_wanted_goes_with_the_last_that_wants_it(self):
        self.service("helper")
        self.service("one", "wants = helper")
        self.service("two", "wants = helper")
        self.d.ok("start", "one", "two")
        trp.wait_until(lambda: self.state("helper") == "ready", 10, "helper is up")
        self.d.ok("stop", "one")
        self.assertEqual(self.state("helper"), "ready")
        self.d.ok("stop", "two")
        trp.wait_until(lambda: self.state("helper") == "stopped", 10, "helper is down")

    def test_wanted_that_does_not_exist(self):
        self.service("main", "wants = nobody")
        done = self.d.trpsup("start", "main")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout + done.stderr, "nobody")

    # order of a stop

    def test_stop_is_in_reverse_order(self):
        # it takes a moment to go: who did not wait for it would be down before
        self.service("early")
        self.service("late", "after = early", "trap 'sleep 1; exit 0' TERM; echo deaf; while :; do sleep 0.1; done")
        self.d.ok("start", "early", "late")
        self.d.logged("late", "out deaf")
        shown = self.d.ok("stop", "early", "late")
        self.assertLess(shown.index("late: stopped"), shown.index("early: stopping"))

    # before

    def test_before_is_after_seen_from_the_other_side(self):
        self.service("early", "before = late\nsetup = /bin/sleep 0.5")
        self.service("late", "", "trap 'sleep 1; exit 0' TERM; echo deaf; while :; do sleep 0.1; done")
        # whichever is named first
        for names in (("late", "early"), ("early", "late")):
            shown = self.d.ok("start", *names)
            self.assertLess(shown.index("early: ready"), shown.index("late: starting"), names)
            self.d.logged("late", "out deaf")
            shown = self.d.ok("stop", *names)
            self.assertLess(shown.index("late: stopped"), shown.index("early: stopping"), names)
        # alone it waits for nobody
        self.d.ok("start", "late")

    def test_after_does_not_depend_on_the_order_of_names(self):
        self.service("early", "setup = /bin/sleep 0.5")
        self.service("late", "after = early")
        shown = self.d.ok("start", "late", "early")
        self.assertLess(shown.index("early: ready"), shown.index("late: starting"))

    def test_circle_with_before(self):
        self.service("a", "before = b")
        self.service("b", "before = c")
        self.service("c", "before = a")
        done = self.d.trpsup("start", "a", "b", "c")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout + done.stderr, r"[abc]\.ini:4: before: the services wait for each other in a circle: "
                         "(a -> c -> b -> a|b -> a -> c -> b|c -> b -> a -> c)")
        for name in "abc":
            self.service(name)

    # conflicts

    def test_conflict_stops_the_other_first(self):
        self.service("normal")
        self.service("user", "requires = normal")
        self.service("repair", "conflicts = normal")
        self.d.ok("start", "user")
        shown = self.d.ok("start", "repair")
        self.assertIn("conflicts with normal: stopping it first", shown)
        self.assertEqual(self.states("repair", "normal", "user"), ["ready", "stopped", "stopped"])
        # and the other way round
        self.d.ok("start", "normal")
        self.assertEqual(self.states("repair", "normal"), ["stopped", "ready"])

    def test_conflict_waits_until_the_other_is_down(self):
        self.service("normal", "stop-timeout = 1s", "trap '' TERM; echo deaf; while :; do sleep 0.1; done")
        self.service("repair", "conflicts = normal", "echo up; exec sleep 1000")
        self.d.ok("start", "normal")
        self.d.logged("normal", "out deaf")
        shown = self.d.ok("start", "repair", timeout=30)
        self.assertIn("repair: starting", shown)
        log = self.d.daemon_log()
        self.assertLess(log.rindex("normal: stopped"), log.rindex("repair: starting"))

    def test_conflict_within_one_start_is_refused(self):
        self.service("normal")
        self.service("repair", "conflicts = normal")
        self.service("both", "requires = repair")
        done = self.d.trpsup("start", "normal", "both")
        self.assertEqual(done.returncode, 1)
        self.assertIn("repair conflicts with normal", done.stdout + done.stderr)
        self.assertEqual(self.states("normal", "repair", "both"), ["stopped"] * 3)

    # circles

    def test_circle_is_named_whole(self):
        self.service("a", "requires = b")
        self.service("b", "requires = c")
        self.service("c", "requires = a")
        done = self.d.trpsup("start", "a")
        self.assertEqual(done.returncode, 1)
        self.assertIn("a -> b -> c -> a", done.stdout + done.stderr)
        for name in "abc":
            self.service(name)

    # groups

    def test_group_stands_for_its_members(self):
        self.service("db")
        self.service("web", "requires = db")
        self.service("cron")
        self.d.profile("inner", "[group]\nmembers = cron\n")
        self.d.profile("blog", "[group]\nmembers = web db inner\n")
        self.d.ok("start", "blog")
        self.assertEqual(self.states("web", "db", "cron"), ["ready"] * 3)
        done = self.d.trpsup("status", "blog")
        self.assertEqual(done.returncode, 0)
        for name in ("web", "db", "cron"):
            self.assertIn("* %s\n" % name, done.stdout)
        pids = [self.d.status(name)["pid"] for name in ("web", "db", "cron")]
        self.d.ok("restart", "blog", timeout=30)
        again = [self.d.status(name)["pid"] for name in ("web", "db", "cron")]
        self.assertFalse(set(pids) & set(again))
        self.d.ok("stop", "cron")
        self.assertEqual(self.d.trpsup("status", "blog").returncode, 3)
        self.d.ok("stop", "blog")
        self.assertEqual(self.states("web", "db", "cron"), ["stopped"] * 3)

    def test_groups_in_a_circle(self):
        self.d.profile("g1", "[group]\nmembers = g2\n")
        self.d.profile("g2", "[group]\nmembers = g1\n")
        for verb in ("start", "check"):
            done = self.d.trpsup(verb, "g1")
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stdout + done.stderr, "g1 -> g2 -> g1|g2 -> g1 -> g2")

    def test_group_has_nothing_else(self):
        self.d.profile("mixed", "[service]\ncommand = /bin/true\n[group]\nmembers = web\n")
        done = self.d.trpsup("start", "mixed")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout + done.stderr, r"mixed\.ini:2: command: has no effect in a group")

    def test_group_is_not_required(self):
        self.service("web")
        self.d.profile("all", "[group]\nmembers = web\n")
        self.service("user", "requires = all")
        done = self.d.trpsup("start", "user")
        self.assertEqual(done.returncode, 1)
        self.assertIn("is a group", done.stdout + done.stderr)
        self.service("user")


if __name__ == "__main__":
    unittest.main()
