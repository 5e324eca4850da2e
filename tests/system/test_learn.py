#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""trpsup learn: a program of known system calls and paths (tests/progs/learn-known.c) is learnt exactly; what was learnt passes its
check, and one call less is named; hostile programs under it (learn-attack.c); what the daemon does around such a run."""
import json
import os
import re
import signal
import subprocess
import time
import unittest

import trp
import web

PROGS = os.path.join(trp.BUILD, "tests/progs")
PROFILE = """[service]
command = /opt/progs/%s
ready = started
restart = %s
restart-delay = 10ms
adapter = none
stop-timeout = 2s
[sandbox]
root = host
bind = """ + PROGS + """ /opt/progs
%s
[limits]
processes = 64
"""

# of learn-known.c: made, of them refused
KNOWN_CALLS = {"openat": (6, 0), "pread64": (1, 0), "mmap": (1, 0), "mkdirat": (1, 0), "fsync": (1, 0), "faccessat": (1, 0),
               "fchownat": (1, 0), "socket": (3, 1), "ioctl": (1, 1), "clone3": (1, 1), "unshare": (2, 2), "clone": (1, 0),
               "sched_yield": (1, 0), "exit_group": (1, 0), "wait4": (1, 0), "write": (1, 0), "ppoll": (1, 0)}
READ, WRITE, EXEC, LOOK, REFUSED = 1, 2, 4, 8, 8
KNOWN_PATHS = {"/opt/progs/learn-known": EXEC, "/etc/services": READ, "/etc": LOOK, "/etc/protocols": LOOK,
               "/tmp/x": WRITE, "/tmp/written": WRITE, "/written": WRITE << REFUSED, "/usr/learn-known": WRITE << REFUSED}
EXACT = ["faccessat", "fchownat", "fsync", "mkdirat", "pread64", "sched_yield", "socket"]


def learners(d):
    return [p for p in trp.processes() if trp.process_status(p).get("Name") == "trp-learn" and
            trp.process_status(p).get("PPid") == str(d.process.pid)]


class Learn(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = trp.Daemon()
        cls.d.start()

    @classmethod
    def tearDownClass(cls):
        cls.d.stop()

    def setUp(self):
        self.running = None

    def tearDown(self):
        if self.running and self.running.poll() is None:
            self.running.kill()
            self.running.wait()
        if self.running:
            self.running.stdout.close()
            self.running.stderr.close()
        for name in ("known", "attack"):
            if os.path.exists(os.path.join(self.d.profile_dir, name + ".ini")):
                self.d.trpsup("stop", name)
                self.d.trpsup("learn", name, "--reset")
                log = os.path.join(self.d.log_dir, name + ".log")
                if os.path.exists(log):
                    os.truncate(log, 0)
        self.assertEqual(learners(self.d), [])

    def profile(self, name="known", command="learn-known", sandbox="", restart="no"):
        self.d.profile(name, PROFILE % (command, restart, sandbox))

    def run_in_background(self, name, *options):
        self.running = subprocess.Popen([os.path.join(trp.BUILD, "trpsup"), "-c", self.d.conf, "learn", name, *options],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def begin(self, name="known", *options, says="running"):
        """trpsup learn in the background, until the service is watched and has said something."""
        before = len(self.d.log_lines(name, " out " + says))
        self.run_in_background(name, *options)
        trp.wait_until(lambda: self.running.poll() is not None or len(self.d.log_lines(name, " out " + says)) > before, 60,
                       "the service under watch says '%s'" % says)
        self.assertIsNone(self.running.poll())

    def end(self):
        """As Ctrl-C does. Code, output and errors."""
        self.running.send_signal(signal.SIGINT)
        out, err = self.running.communicate(timeout=60)
        return self.running.returncode, out, err

    def learnt(self, name="known"):
        return json.loads(self.d.ok("learn", name, "--show", "--json"))["parameters"]

    def learn(self, name="known", says="running"):
        self.begin(name, says=says)
        code, out, err = self.end()
        self.assertEqual(code, 0, out + err)
        return out, self.learnt(name)

    def restart_daemon(self):
        self.d.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.d.process.wait(60), 0)
        self.d.remove_own_group()
        self.assertEqual(self.d.left(), [])
        self.d.log.close()
        self.d.run()

    # what it finds

    def test_exactly_the_known_set(self):
        self.profile()
        out, known = self.learn()
        facts = known["learnt"]
        self.assertEqual({name: tuple(v[:2]) for name, v in facts["calls"].items()}, KNOWN_CALLS)
        self.assertEqual(facts["paths"], KNOWN_PATHS)
        self.assertEqual(facts["calls"]["fchownat"][3], 1) # EPERM
        self.assertFalse(facts["cut"])
        self.assertEqual(facts["peaks"]["tasks"], 3) # init, it, its child
        self.assertEqual(facts["forms"]["socket:17:3:0"][:2], [1, 1])
        self.assertEqual(facts["forms"]["ioctl:%d:0:0" % 0x5412][:2], [1, 1])
        self.assertIn("\nsyscalls = @file-system fsync pread64 sched_yield socket\n", out)
        for line in ("# asked for, never given: CAP_CHOWN (fchownat, 1 times)", "# sockets: unix stream, inet dgram",
                     "# refused, and never allowed to learn: unshare (2 times)", "# read: /etc/services",
                     "# wanted to write, and could not: /usr/learn-known", "processes = 8 ; at most 3"):
            self.assertIn("\n" + line, out)
        exact = self.d.ok("learn", "known", "--show", "--exact")
        self.assertIn("\nsyscalls = %s\n" % " ".join(EXACT), exact)

    def test_scripts_count_as_executed(self):
        scripts = os.path.join(self.d.dir, "scripts")
        os.makedirs(scripts, exist_ok=True)
        for name, text in (("main", "/opt/scripts/sub/../second\necho running\nexec sleep 1000\n"), ("second", "exit 0\n")):
            with open(os.path.join(scripts, name), "w", encoding="ascii") as f:
                f.write("#!/bin/sh\n" + text)
            os.chmod(f.name, 0o755)
        os.makedirs(os.path.join(scripts, "sub"), exist_ok=True)
        self.profile(sandbox="bind = %s /opt/scripts" % scripts)
        with open(os.path.join(self.d.profile_dir, "known.ini"), encoding="utf-8") as f:
            text = f.read().replace("/opt/progs/learn-known", "/opt/scripts/main")
        self.d.profile("known", text)
        out, known = self.learn()
        self.assertNotIn("nothing is executed there: noexec: bind = %s" % scripts, out)
        self.assertIn("# granted and not used: bind = %s /opt/progs" % PROGS, out)
        for name in ("main", "second"): # the shell opens it, too
            self.assertEqual(known["learnt"]["paths"]["/opt/scripts/" + name] & EXEC, EXEC)

    def test_printed_lines_are_a_profile(self):
        self.profile()
        out, _ = self.learn()
        head = (PROFILE % ("learn-known", "no", "")).partition("[limits]")[0]
        self.d.profile("known", head + out)
        self.d.ok("start", "known")
        self.d.ok("stop", "known")

    def test_runs_add_up_and_outlive_the_daemon(self):
        self.profile()
        self.learn()
        _, known = self.learn()
        self.assertEqual(known["learnt"]["runs"], 2)
        self.assertEqual(known["learnt"]["calls"]["unshare"][:2], [4, 4])
        self.restart_daemon()
        self.assertEqual(self.learnt()["learnt"], known["learnt"])
        self.d.ok("learn", "known", "--reset")
        self.assertEqual(self.learnt()["learnt"]["runs"], 0)
        self.assertFalse(os.path.exists(os.path.join(self.d.state_dir, "learn/known.json")))

    def test_damaged_file_is_said_and_kept(self):
        self.profile()
        os.makedirs(os.path.join(self.d.state_dir, "learn"), exist_ok=True)
        path = os.path.join(self.d.state_dir, "learn/known.json")
        with open(path, "w", encoding="ascii") as f:
            f.write('{"version":1,"calls":7}')
        done = self.d.trpsup("learn", "known", "--show")
        self.assertEqual(done.returncode, 1)
        self.assertIn("learn/known.json: damaged", done.stderr)
        self.assertTrue(os.path.exists(path))

    # the check

    def check(self, *options):
        self.begin("known", *options)
        return self.end()

    def test_check_passes_with_what_was_learnt(self):
        self.profile()
        self.learn()
        for how in ([], ["--exact"]):
            code, out, err = self.check("--check", *how)
            self.assertEqual((code, out.splitlines()[-1]), (0, "known: nothing was refused"), out + err)
        self.assertEqual(self.learnt()["checked_syscalls"], EXACT)
        self.assertEqual(self.learnt()["learnt"]["runs"], 1) # a check is not learnt from

    def test_check_names_each_missing_call(self):
        self.profile()
        self.learn()
        for missing in ("fsync", "sched_yield", "mkdirat"):
            code, out, _ = self.check("--check", "--syscalls", " ".join(w for w in EXACT if w != missing))
            self.assertEqual(code, 1)
            self.assertEqual(out.splitlines(), ["%s: refused 1 times, though learning allows it" % missing])
        # of socket some forms are always allowed
        code, out, _ = self.check("--check", "--syscalls", " ".join(w for w in EXACT if w != "socket"))
        self.assertEqual(code, 1)
        self.assertEqual(out.splitlines(), ["socket: refused 1 times, though learning allows it"])

    def test_check_needs_something_to_check(self):
        self.profile()
        done = self.d.trpsup("learn", "known", "--check")
        self.assertEqual(done.returncode, 1)
        self.assertIn("nothing has been learnt", done.stderr)

    def test_check_cannot_be_wider_than_learning(self):
        self.profile(sandbox="syscalls = -fsync")
        for words in ("@default bpf", "@debug", "fsync"):
            done = self.d.trpsup("learn", "known", "--check", "--syscalls", words)
            self.assertEqual(done.returncode, 1, words)
            self.assertIn("more than it may make while it is learnt from", done.stderr)
        self.assertIsNone(self.d.status("known")["learning"])
        done = self.d.trpsup("learn", "known", "--check", "--syscalls", "nosuchcall")
        self.assertEqual(done.returncode, 1)
        self.assertIn("syscalls", done.stderr)

    def test_a_shipped_profile_has_what_its_server_calls(self):
        self.d.ok("start", "hello")
        with open(os.path.join(self.d.shipped_dir, "hello.ini"), encoding="utf-8") as f:
            words = re.search(r"^syscalls = (.*)$", f.read(), re.M).group(1)
        for given, code in ((words, 0), ("@event", 1)):
            self.run_in_background("hello", "--check", "--syscalls", given)
            trp.wait_until(lambda: self.running.poll() is not None or self.d.status("hello")["learning"] == "checking", 30, "the check")
            if code == 0: # without its calls it does not come up
                trp.wait_until(lambda: self.d.status("hello")["state"] == "ready", 30, "hello is ready")
                for address in ("127.0.0.1", "::1"):
                    with web.connect(address, trp.HTTP_PORT, timeout=15) as client:
                        client.sendall(b"GET / HTTP/1.1\r\nHost: hello.localhost\r\nConnection: close\r\n\r\n")
                        self.assertIn(b" 200 ", client.recv(65536))
            got, out, err = self.end()
            self.assertEqual(got, code, out + err)
        self.d.ok("stop", "hello")

    # around it

    def test_it_is_said_and_ends_with_the_profiles_own_filter(self):
        self.profile(sandbox="syscalls = @file-system pread64 sched_yield socket") # no fsync
        self.d.ok("start", "known")
        pid = self.d.main_pid("known")
        self.assertIsNone(self.d.status("known")["learning"])
        self.begin()
        self.assertEqual(self.d.status("known")["learning"], "learning")
        self.assertIn("LEARNING RUN", self.d.ok("status", "known"))
        self.assertTrue(self.d.log_lines("known", " sup LEARNING RUN"))
        self.assertIn("known: LEARNING RUN", self.d.daemon_log())
        watched = self.d.main_pid("known")
        self.assertNotEqual(watched, pid)
        (learner,) = learners(self.d)
        self.assertEqual(trp.process_status(watched)["TracerPid"], str(learner))
        self.check_learner(learner)
        again = self.d.trpsup("learn", "known")
        self.assertEqual(again.returncode, 1)
        self.assertIn("it is being learnt from already", again.stderr)
        code, out, err = self.end()
        self.assertEqual(code, 0, out + err)
        self.assertIn("# used, and refused by the profile as it is: fsync\n", out)
        # it was up before: it is again, unwatched
        self.assertEqual((self.d.status("known")["state"], self.d.status("known")["learning"]), ("ready", None))
        self.assertEqual(trp.process_status(self.d.main_pid("known"))["TracerPid"], "0")
        self.assertNotEqual(self.d.main_pid("known"), watched)

    def check_learner(self, pid):
        """As little privilege as can be."""
        status = trp.process_status(pid)
        base = self.d.status("known")["uid_base"]
        self.assertEqual(status["Uid"].split(), [str(base + 65531)] * 4)
        self.assertEqual(status["Groups"], "")
        self.assertEqual((status["NoNewPrivs"], status["Seccomp"]), ("1", "2"))
        self.assertEqual(int(status["CapBnd"], 16), 0)
        self.assertEqual(int(status["CapEff"], 16), 1 << 19 | 1 << 2) # CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH: over this sandbox
        init = self.d.status("known")["pid"]
        self.assertEqual(trp.namespace(pid, "user"), trp.namespace(init, "user"))
        self.assertNotIn(trp.namespace(pid, "net"), (trp.namespace(init, "net"), trp.namespace(os.getpid(), "net")))
        self.assertNotEqual(trp.namespace(pid, "mnt"), trp.namespace(os.getpid(), "mnt"))

    def test_from_another_terminal_and_by_time(self):
        self.profile()
        self.begin()
        self.d.ok("learn", "known", "--stop")
        out, err = self.running.communicate(timeout=60) # it notices
        self.assertEqual(self.running.returncode, 0, err)
        self.assertIn("syscalls = ", out)
        self.assertEqual(self.d.status("known")["state"], "stopped") # as it was before
        done = self.d.trpsup("learn", "known", "--stop")
        self.assertEqual((done.returncode, "it is not being learnt from" in done.stderr), (1, True))
        out = self.d.ok("learn", "known", "--seconds", "1")
        self.assertIn("learnt from 2 runs", out)
        self.assertEqual(self.d.status("known")["state"], "stopped")

    def test_command_line_that_dies_leaves_it_to_be_ended(self):
        self.profile()
        self.begin()
        self.running.kill()
        self.running.wait()
        self.assertEqual(self.d.status("known")["learning"], "learning")
        self.d.ok("stop", "known")
        self.assertIsNone(self.d.status("known")["learning"])
        self.d.ok("start", "known")
        self.assertEqual(trp.process_status(self.d.main_pid("known"))["TracerPid"], "0")

    def test_nothing_goes_on_unwatched(self):
        self.profile()
        self.begin()
        (learner,) = learners(self.d)
        pids = self.d.pids("known")
        os.kill(learner, signal.SIGKILL)
        trp.wait_until(lambda: not set(pids) & set(trp.processes()), 10, "all that was watched has ended")
        trp.wait_until(lambda: self.d.status("known")["state"] == "failed", 10, "the service has failed")
        self.assertTrue(self.d.log_lines("known", "trp-learn, which watches it, killed by signal 9"))
        self.assertTrue(self.learnt()["learnt"]["cut"])

    def test_restarts_are_watched_too(self):
        self.profile(restart="always")
        self.begin()
        first = self.d.main_pid("known")
        os.kill(first, signal.SIGKILL)
        trp.wait_until(lambda: len(self.d.log_lines("known", " out running")) == 2, 10, "it runs again")
        (learner,) = learners(self.d)
        self.assertEqual(trp.process_status(self.d.main_pid("known"))["TracerPid"], str(learner))
        self.assertEqual(self.end()[0], 0)
        self.assertEqual(self.learnt()["learnt"]["runs"], 2)

    def test_relay_has_nothing_to_learn(self):
        self.d.profile("relayed", "[service]\nadapter = relay\n[route]\nhost = r.localhost\nhttp = 80\n"
                       "[relay]\ntarget = 127.0.0.1:9\n")
        done = self.d.trpsup("learn", "relayed")
        self.assertEqual(done.returncode, 1)

    # hostile

    def attack(self, mode, seconds=60):
        self.profile("attack", "learn-attack " + mode)
        self.begin("attack", says="done")
        begun = time.monotonic()
        self.d.status("attack")
        self.assertLess(time.monotonic() - begun, seconds)
        code, out, err = self.end()
        self.assertEqual(code, 0, out + err)
        self.assertIsNone(self.d.status("attack")["learning"])
        return out, self.learnt("attack")["learnt"]

    def said(self):
        return [line.split(" ", 2)[2] for line in self.d.log_lines("attack", " out ")]

    def test_nothing_dangerous_is_allowed_or_learnt(self):
        out, facts = self.attack("forbidden")
        self.assertEqual(self.said(), ["done"])
        for call in ("unshare", "mount", "bpf", "io_uring_setup", "keyctl", "userfaultfd", "perf_event_open", "ptrace",
                     "process_vm_readv"):
            self.assertEqual(facts["calls"][call][:2], [1, 1], call)
            self.assertIn("never allowed to learn: %s (1 times" % call, out)
        words = self.learnt("attack")["suggested"]["syscalls"]
        for word in ("unshare", "@debug", "bpf", "ptrace", "@keyring", "@io-uring", "#"):
            self.assertNotIn(word, words)

    def test_processes_that_come_and_go(self):
        _, facts = self.attack("processes")
        self.assertEqual(self.said(), ["STOPPED", "status 7", "done"])
        self.assertGreaterEqual(facts["calls"]["exit_group"][0], 300)
        self.assertFalse(facts["cut"])

    def test_names_of_every_kind(self):
        out, facts = self.attack("names")
        self.assertTrue(facts["cut"])
        self.assertIn("# NOT ALL", out)
        self.assertLessEqual(len(facts["paths"]), 4096)
        self.assertNotIn("\033", out)
        self.assertNotIn("\nroot = host", out)

    def test_nonsense(self):
        _, facts = self.attack("nonsense")
        self.assertTrue(facts["cut"]) # more forms of ioctl than are kept
        self.assertLessEqual(len(facts["forms"]), 512)

    def test_flood(self):
        self.attack("flood")

    def test_stopping_the_daemon_ends_it(self):
        self.profile("attack", "learn-attack flood")
        self.begin("attack", says="done")
        self.restart_daemon()
        self.running.wait(30)
        self.assertEqual(self.learnt("attack")["learnt"]["runs"], 1)


if __name__ == "__main__":
    unittest.main()
