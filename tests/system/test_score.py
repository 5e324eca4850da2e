#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""trpsup score: of a service that runs, against its processes; of profiles without a daemon; of the shipped profiles, which
must not get worse than what is said here and in doc/security.md."""
import json
import os
import re
import subprocess
import unittest

import trp

# A new profile must be at least as well confined. Raise it only with a reason.
WORST_SHIPPED = 1.0

CLIENT = "/usr/bin/python3"

PLAIN = """[service]
command = /usr/bin/python3 -m http.server 8000 --directory /trp/state
[route]
host = plain.localhost
http = 8000
[limits]
processes = 32
"""
# nothing below /proc is to be written by it, which is mounted as ever
CLOSED = """[service]
command = ${libexec}/trp-hello 8000
adapter = native
[route]
host = closed.localhost
http = 8000
[sandbox]
root = none
proc = %s
memory-deny-write-execute = yes
"""
# In the notify adapter there is a process beside the sandbox, with a capability
NOTIFY = PLAIN.replace("[route]", "adapter = notify\n[route]").replace("plain", "notified")
LOOPBACK = PLAIN.replace("[route]", "adapter = loopback\n[route]").replace("plain", "looped")
# ... and with ready = notify one that is in none of its namespaces
SAYS = """[service]
command = %s -c "import os, socket, time; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.sendto(b'READY=1', os.environ['NOTIFY_SOCKET']); time.sleep(1000)"
ready = notify
""" % CLIENT
OPEN = """[service]
command = /usr/bin/sleep 1000
[sandbox]
bind = / /host rw
syscalls = @default @debug
[limits]
memory = unlimited
"""


def score(daemon, *args):
    done = daemon.trpsup("--json", "score", *args)
    return done, [json.loads(line)["parameters"] for line in done.stdout.splitlines()]


def control(score, name):
    return next(c for c in score["controls"] if c["control"] == name)


class Running(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = trp.Daemon({"plain": PLAIN, "p": PLAIN.replace("plain", "p"), "notified": NOTIFY, "looped": LOOPBACK, "open": OPEN,
                            "says": SAYS, "closed": CLOSED % "all", "closer": CLOSED.replace("closed", "closer") % "pid"})
        cls.d.start()
        cls.d.ok("start", "plain", "notified", "looped", "closed", "closer")

    @classmethod
    def tearDownClass(cls):
        cls.d.stop()

    def fine(self, name, processes):
        done, (found,) = score(self.d, name)
        self.assertTrue(found["running"])
        self.assertEqual([(c["control"], c["found"]) for c in found["controls"] if c["found"]], [])
        self.assertFalse(found["broken"])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertGreaterEqual(found["processes"], processes)
        compared = [c["control"] for c in found["controls"] if c["in_force"] is not None]
        for name in ("user-namespace", "capabilities", "no-new-privileges", "namespaces", "network", "control-group", "root-read-only",
                     "proc", "devices", "system-call-filter", "open-files", "core-dumps", "out-of-memory"):
            self.assertIn(name, compared)
        return found

    def test_in_force(self):
        """trp-init and the upstream; with two adapters a process beside them."""
        self.fine("plain", 2)
        found = self.fine("notified", 3)
        self.assertGreater(control(found, "adapter-process")["exposure"], 0)
        found = self.fine("looped", 3)
        self.assertEqual(control(found, "passed-sockets")["exposure"], 0)
        self.fine("closed", 2)
        self.fine("closer", 2)
        self.d.ok("start", "says")
        self.fine("says", 2)
        self.d.ok("stop", "says")

    def test_the_profile_says_the_same(self):
        """What is judged without a daemon is what the daemon judges."""
        _, (running,) = score(self.d, "plain")
        _, (alone,) = score(self.d, os.path.join(self.d.profile_dir, "plain.ini"))
        self.assertFalse(alone["running"])
        self.assertEqual([(c["control"], c["exposure"], c["has"]) for c in alone["controls"]],
                         [(c["control"], c["exposure"], c["has"]) for c in running["controls"]])
        self.assertEqual(alone["reach"], running["reach"])
        self.assertEqual(alone["total"], running["total"])

    def broken(self, name, row):
        done = self.d.trpsup("score", name)
        self.assertEqual(done.returncode, 1)
        self.assertIn("NOT IN FORCE: %s: " % row, done.stderr)
        _, (found,) = score(self.d, name)
        self.assertEqual([c["control"] for c in found["controls"] if c["in_force"] is False], [row])
        self.assertEqual(found["raised_by"], row)
        self.assertGreaterEqual(found["total"], 9)

    def test_process_that_was_spared(self):
        """By somebody with root on the host."""
        path = "/proc/%d/oom_score_adj" % self.d.main_pid("plain")
        with open(path, "w") as f:
            f.write("0")
        try:
            self.broken("plain", "out-of-memory")
        finally:
            with open(path, "w") as f:
                f.write("200")
        self.fine("plain", 2)

    def test_group_that_was_changed(self):
        paths = [os.path.join(g, "pids.max") for g in trp.control_groups(self.d.name) if os.path.basename(g) == "plain"]
        path = next(p for p in paths if os.path.exists(p) and trp.read(p).strip() == b"32")
        with open(path, "w") as f:
            f.write("max")
        try:
            self.broken("plain", "control-group")
        finally:
            with open(path, "w") as f:
                f.write("32")
        self.fine("plain", 2)

    def test_process_that_came_in(self):
        """With the service's ids, but from outside: no filter, no namespace, not in the group."""
        self.d.ok("start", "p")
        for name in ("plain", "p"):  # whose name is part of many a group's
            self.came_in(name)
        self.d.ok("stop", "p")

    def came_in(self, name):
        base = self.d.status(name)["uid_base"]
        with subprocess.Popen([CLIENT, "-c", "import os, sys; os.setgroups([]); os.setgid(%d); os.setuid(%d); print(flush=True); "
                               "sys.stdin.read()" % (base + 1000, base + 1000)], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as stranger:
            stranger.stdout.readline()
            done, (found,) = score(self.d, name)
            stranger.stdin.close()
        self.assertEqual(done.returncode, 1)
        wrong = {c["control"] for c in found["controls"] if c["in_force"] is False}
        self.assertLessEqual({"system-call-filter", "no-new-privileges", "capabilities", "user-namespace", "namespaces", "network",
                              "control-group"}, wrong)
        for c in found["controls"]:
            if c["control"] in ("system-call-filter", "network"):
                self.assertIn("process %d " % stranger.pid, c["found"])
        self.fine(name, 2)

    def test_what_it_can_reach(self):
        _, (found,) = score(self.d, "plain")
        reach = found["reach"]
        self.assertEqual({p["path"] for p in reach["writable"]}, {"/trp/state", "/tmp", "/run", "/dev/shm"})
        self.assertEqual([(n["name"], n["protocol"], n["port"]) for n in reach["names"]], [("plain.localhost", "http", 8000)])
        self.assertEqual(reach["system_calls"]["notable"], [])
        _, (found,) = score(self.d, "open")
        self.assertIn({"path": "/host", "from": "/", "noexec": True}, found["reach"]["writable"])
        self.assertIn("ptrace", found["reach"]["system_calls"]["notable"])

    def test_what_to_change(self):
        """File, line and key of what weakens it; the number cannot be made good by the rest."""
        out = self.d.ok("score", "open")
        path = os.path.join(self.d.profile_dir, "open.ini")
        for line, key in ((4, "bind"), (5, "syscalls"), (7, "memory")):
            self.assertIn("%s:%d: %s: " % (path, line, key), out)
        self.assertRegex(out, r"open: 9\.0 UNSAFE, because of host-writable; [0-9.]+ without; from the profile alone")

    def test_exit_codes(self):
        self.assertEqual(self.d.trpsup("score", "nobody").returncode, 4)
        self.assertEqual(self.d.trpsup("score", "plain", "--threshold", "2").returncode, 0)
        self.assertEqual(self.d.trpsup("score", "plain", "--threshold", "0.1").returncode, 1)
        self.assertEqual(self.d.trpsup("score", "plain", "open", "--threshold", "2").returncode, 1)
        self.assertEqual(self.d.trpsup("score", "--threshold", "11").returncode, 2)
        self.assertEqual(self.d.trpsup("score", "--threshold", "much").returncode, 2)

    def test_all(self):
        out = self.d.ok("score")
        self.assertRegex(out, r"(?m)^plain +[0-9.]+ +SAFE +yes ")
        self.assertRegex(out, r"(?m)^open +9\.0 +UNSAFE +- +host-writable")


class Shipped(unittest.TestCase):
    """Without a daemon."""

    def shipped(self):
        d = trp.Daemon()
        self.addCleanup(d.clean_up)
        d.write_conf()
        done, found = score(d)
        self.assertEqual(done.returncode, 0, done.stderr)
        return {s["service"].split("@")[0]: s for s in found}

    def test_not_worse(self):
        found = self.shipped()
        self.assertGreater(len(found), 15)
        for name, s in found.items():
            self.assertLessEqual(s["total"], WORST_SHIPPED, name)
            self.assertIsNone(s["raised_by"], name)

    def test_table_in_the_manual(self):
        """doc/security.md has the command's output: all profiles, and numbers that are not far off."""
        text = trp.read(os.path.join(trp.TOP, "doc/security.md")).decode()
        rows = {name: (total, word) for name, total, word in re.findall(r"(?m)^\| `([a-z0-9-]+)` \| ([0-9.]+) \| ([A-Z]+) \|", text)}
        found = self.shipped()
        self.assertEqual(sorted(rows), sorted(found))
        for name, (total, word) in rows.items():
            self.assertEqual(word, found[name]["word"], name)
            self.assertAlmostEqual(float(total), found[name]["total"], delta=0.2, msg=name)


if __name__ == "__main__":
    unittest.main()
