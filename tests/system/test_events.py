#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""trpsup events: what happened to services, and why; trpsup enable and disable: what is started with the daemon."""
import json
import os
import signal
import subprocess
import time
import unittest

import trp

PLAIN = """[service]
command = %s
ready = started
restart-delay = 10ms
restart-delay-max = 20ms
start-limit-burst = 60
[sandbox]
root = host
"""
STAYS = PLAIN % "/bin/sleep 100000"


class Events(trp.DaemonTest):
    profiles = {"stays": STAYS, "other": STAYS, "both": "[group]\nmembers = stays other\n",
                "crashes": PLAIN % "/bin/sh -c 'exit 3'"}

    def events(self, *args):
        out = self.d.ok("--json", "events", *args)
        return [e for line in out.splitlines() for e in json.loads(line)["parameters"]["events"]]

    def test_states_and_reasons(self):
        start = time.time()
        self.d.ok("start", "stays")
        self.d.ok("stop", "stays")
        events = [e for e in self.events("stays") if e["time"] >= start]
        self.assertEqual([(e["from"], e["state"], e["cause"]) for e in events if e["from"]],
                         [("stopped", "waiting", "start"), ("waiting", "image", "required-up"), ("image", "starting", "image-ready"),
                          ("starting", "ready", "ready"), ("ready", "stopping", "stop"), ("stopping", "stopped", events[-2]["cause"])])
        self.assertEqual([e["time"] for e in events], sorted(e["time"] for e in events))
        self.assertIn("ready", [e["text"] for e in events])
        shown = self.d.ok("events", "stays")
        self.assertRegex(shown, r"(?m)^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} stays: starting -> ready \(ready\)$")

    def test_one_that_fails_again_and_again_pushes_nobody_out(self):
        self.d.ok("start", "other")
        self.d.trpsup("start", "crashes")
        trp.wait_until(lambda: self.d.status("crashes")["state"] == "failed", 60, "it has failed for good")
        crashes = self.events("crashes")
        self.assertEqual(len(crashes), 32)
        self.assertIn("not tried again", " ".join(e["text"] or "" for e in crashes))
        self.assertIn(("starting", "ready"), [(e["from"], e["state"]) for e in self.events("other")])
        # together they are in the order in which they happened
        both = self.events()
        self.assertEqual([e["time"] for e in both], sorted(e["time"] for e in both))
        self.assertLess({"other", "crashes"}, {e["service"] for e in both} | {"x"})

    def test_since_and_groups(self):
        self.d.ok("start", "both")
        self.assertEqual({e["service"] for e in self.events("both")}, {"stays", "other"})
        self.assertEqual(self.events("--since", "0s", "both"), [])
        self.assertTrue(self.events("--since", "1h", "both"))
        self.assertTrue(self.events("--since", "2020-01-01", "both"))
        done = self.d.trpsup("events", "--since", "yesterdy")
        self.assertEqual(done.returncode, 2)
        self.assertIn("is no time", done.stderr)
        self.assertEqual(self.events("nobody"), [])  # it may be started later

    def test_follow(self):
        p = subprocess.Popen([os.path.join(trp.BUILD, "trpsup"), "-c", self.d.conf, "--json", "events", "-f", "--since", "0s", "stays", "crashes"],
                             stdout=subprocess.PIPE)
        try:
            self.d.ok("start", "crashes", "--no-wait")
            self.assertIn("crashes", p.stdout.readline().decode())  # it listens
            self.d.ok("start", "stays")
            self.d.ok("start", "other")
            self.d.ok("stop", "stays")
            seen = []
            while ("ready", "stopping") not in seen:
                seen += [(e["from"], e["state"]) for e in json.loads(p.stdout.readline())["parameters"]["events"]
                         if e["service"] == "stays" and e["from"]]
            self.assertEqual(seen[0], ("stopped", "waiting"))
        finally:
            p.kill()
            p.wait()
            p.stdout.close()

    def restart_daemon(self, signo=signal.SIGTERM):
        self.d.process.send_signal(signo)
        self.d.process.wait(60)
        self.d.log.close()
        self.d.run()

    def states(self):
        return {s["service"]: s["state"] for s in self.d.call("trpsup.List")["services"]}

    def test_enable(self):
        self.assertIn("stays: enabled\n", self.d.ok("enable", "stays"))
        self.assertIn("already", self.d.ok("enable", "stays"))
        self.assertNotEqual(self.states().get("stays", "stopped"), "ready")
        self.restart_daemon()
        trp.wait_until(lambda: self.states().get("stays") == "ready", 20, "it is started with the daemon")
        self.assertEqual(self.d.status("stays")["enabled"], "yes")
        self.assertIn("Enabled", self.d.ok("status", "stays"))
        # who stopped it meant that, and a daemon that was killed is not started anew
        self.d.ok("stop", "stays")
        self.restart_daemon(signal.SIGKILL)
        self.assertEqual(self.states().get("stays"), "stopped")
        self.d.ok("disable", "stays")
        self.restart_daemon()
        self.assertNotIn("stays", self.states())

    def test_enable_now_and_groups(self):
        self.d.ok("enable", "--now", "both")
        self.assertEqual((self.states()["stays"], self.states()["other"]), ("ready", "ready"))
        self.restart_daemon()
        trp.wait_until(lambda: list(self.states().values()) == ["ready", "ready"], 20, "both are started with the daemon")
        self.d.ok("disable", "--now", "both")
        self.assertEqual(set(self.states().values()), {"stopped"})
        self.assertEqual(trp.read(os.path.join(self.d.state_dir, "enabled")), b"")

    def test_all_or_nothing(self):
        done = self.d.trpsup("enable", "stays", "nobody")
        self.assertEqual(done.returncode, 4)
        self.d.ok("start", "stays")
        self.assertEqual(self.d.status("stays")["enabled"], "no")

    def test_what_the_configuration_names(self):
        self.d.ok("start", "stays")
        with open(self.d.conf) as f:
            conf = f.read()
        try:
            with open(self.d.conf, "w") as f:
                f.write(conf.replace("[daemon]\n", "[daemon]\nstart = stays\n"))
            self.d.ok("reload")
            self.assertEqual(self.d.status("stays")["enabled"], "config")
            done = self.d.trpsup("disable", "stays")
            self.assertEqual(done.returncode, 1)
            self.assertIn("'start' in %s names it" % self.d.conf, done.stderr)
        finally:
            with open(self.d.conf, "w") as f:
                f.write(conf)
            self.d.ok("reload")


if __name__ == "__main__":
    unittest.main()
