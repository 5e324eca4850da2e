#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Credentials: files that only the service can read, from files of the host and from programs; read at each start, gone at the stop."""
import os
import re
import signal
import time
import unittest

import trp

PROFILE = """[service]
command = /bin/sh -c "cd $$CREDENTIALS_DIRECTORY; for f in *; do echo $$f=$$(cat $$f); done; echo listed; exec sleep 1000"
ready = started
%s
[sandbox]
root = host
%s
"""


class Credentials(trp.DaemonTest):
    def setUp(self):
        self.files = os.path.join(self.d.dir, "cred")
        os.makedirs(self.files, exist_ok=True)

    def tearDown(self):
        super().tearDown()
        os.chmod(self.files, 0o755)
        for name in os.listdir(self.files):
            os.unlink(os.path.join(self.files, name))
        log = os.path.join(self.d.log_dir, "web.log")
        if os.path.exists(log):
            os.truncate(log, 0)

    def file(self, name, text, mode=0o600):
        path = os.path.join(self.files, name)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    def script(self, name, text):
        return self.file(name, "#!/bin/sh\n" + text, 0o700)

    def profile(self, *sandbox, service=""):
        self.d.profile("web", PROFILE % (service, "\n".join(sandbox)))

    def start(self, *sandbox, service=""):
        self.profile(*sandbox, service=service)
        self.d.ok("start", "web", timeout=60)

    def fails(self, *words, stays=True):
        done = self.d.trpsup("start", "web")
        self.assertEqual(done.returncode, 1)
        for word in words:
            self.assertIn(word, done.stdout + done.stderr)
        self.assertEqual(self.d.status("web")["state"] == "failed", stays)

    def root(self):
        return "/proc/%d/root" % self.d.status("web")["pid"]

    def test_files_and_programs(self):
        key = self.file("key", "from a file")
        say = self.script("say", 'echo "$TRP_SERVICE $CREDENTIAL $1 $HOME"')
        self.start("credential = key:" + key, "credential-command = said:%s 'an argument'" % say)
        self.d.logged("web", "out key=from a file$")
        self.d.logged("web", "out said=web said an argument$")
        self.assertEqual(self.d.status("web")["credentials"], ["key", "said"])
        self.assertIn("key", re.search("Credentials.*", self.d.ok("status", "web")).group())
        self.assertRegex(self.d.ok("score", "web"), "credential key.*credential said")

    def test_read_anew_at_each_start(self):
        key = self.file("key", "first")
        say = self.script("say", "cat %s/more" % self.files)
        self.file("more", "one")
        self.start("credential = key:" + key, "credential-command = said:" + say, service="restart-delay = 10ms")
        self.d.logged("web", "key=first$")
        self.file("key", "second")
        self.file("more", "two")
        os.kill(self.d.main_pid("web"), signal.SIGKILL)
        self.d.logged("web", "key=second$")
        self.d.logged("web", "said=two$")

    def test_nobody_else_can_read_them(self):
        self.start("credential = key:" + self.file("key", "xyzzy-17"))
        self.d.logged("web", "listed")
        here = self.root() + "/trp/credentials"
        base = self.d.status("web")["uid_base"]
        for path, mode in ((here, 0o500), (here + "/key", 0o400)):
            st = os.stat(path)
            self.assertEqual((st.st_mode & 0o7777, st.st_uid, st.st_gid), (mode, base + 1000, base + 1000))
        # another user of its own sandbox
        self.assertNotEqual(self.d.inside("web", "/bin/cat", "/trp/credentials/key", uid=1001).returncode, 0)
        self.assertEqual(self.d.inside("web", "/bin/cat", "/trp/credentials/key").stdout, "xyzzy-17")
        # not even its owner can write there
        for script in ("echo x > key", "echo x > new", "chmod 600 key", "rm -f key"):
            done = self.d.inside("web", "/bin/sh", "-c", "cd /trp/credentials; " + script)
            self.assertIn("Read-only file system", done.stderr, script)
        line = [m for m in trp.read("/proc/%d/mountinfo" % self.d.status("web")["pid"]).decode().splitlines() if "/trp/credentials" in m]
        self.assertEqual(len(line), 1)
        self.assertRegex(line[0], r" ro,nosuid,nodev,noexec,.* - tmpfs ")
        if tuple(map(int, re.findall(r"\d+", os.uname().release)[:2])) >= (6, 4):
            self.assertRegex(line[0].split(" - ")[1], r"\bnoswap\b")
        # no mount of the host has them, and no file of the daemon
        self.assertEqual([m for m in trp.mounts() if "credentials" in m], [])
        for where, _, files in os.walk(self.d.run_dir):
            for f in (f for f in files if os.path.isfile(os.path.join(where, f))):
                with open(os.path.join(where, f), "rb") as text:
                    self.assertNotIn(b"xyzzy-17", text.read())
        for pid in self.d.pids("web"):
            self.assertNotIn(b"xyzzy-17", trp.read("/proc/%d/environ" % pid) + trp.read("/proc/%d/cmdline" % pid))

    def test_setup_and_exec_have_them(self):
        self.start("credential = key:" + self.file("key", "k"), service='setup = /bin/sh -c "echo setup $$(cat ${credentials}/key)"')
        self.d.logged("web", "out setup k$")
        self.assertEqual(self.d.ok("exec", "web", "/bin/sh", "-c", "cat $CREDENTIALS_DIRECTORY/key"), "k")

    def test_second_instance(self):
        self.start("credential-command = said:" + self.script("say", "date +%s%N"))
        self.d.logged("web", "said=")
        self.d.ok("restart", "--overlap", "web", timeout=60)
        self.assertEqual(len(set(self.d.logged("web", "said=", 2))), 2)

    def test_refused_files(self):
        key = self.file("key", "k")
        self.profile("credential = key:" + key)
        os.chmod(self.files, 0o777)
        self.fails("web.ini:7: credential: %s: cred: others than root can write to it" % key)
        os.chmod(self.files, 0o755)
        os.unlink(key)
        self.fails("web.ini:7: credential: %s: No such file" % key)
        self.file("key", "x" * 65537)
        self.fails("larger than 64 KiB")
        self.file("key", "x" * 65536)
        self.d.ok("start", "web")

    def test_all_together_are_bounded(self):
        self.profile(*("credential = k%d:%s" % (i, self.file("k%d" % i, "x" * 65536)) for i in range(17)))
        self.fails("all of them together have more than 1 MiB")

    def test_programs_of_others_are_not_run(self):
        say = self.script("say", "touch %s/ran" % self.files)
        self.profile("credential-command = said:" + say)
        os.chown(say, 1, 1)
        self.fails("credential-command: %s: say: belongs to another user" % say)
        os.chown(say, 0, 0)
        os.chmod(say, 0o777)
        self.fails("say: others than root can write to it")
        self.assertFalse(os.path.exists(self.files + "/ran"))
        os.chmod(say, 0o600)
        self.fails("Permission denied")

    def test_program_that_fails_is_tried_again(self):
        self.profile("credential-command = said:" + self.script("say", "[ -e %s/go ] && echo yes" % self.files), service="restart-delay = 50ms\nstart-limit-burst = 0")
        self.fails("exited with code 1", stays=False)
        self.file("go", "")
        trp.wait_until(lambda: self.d.status("web")["state"] == "ready", 10, "it is up")
        self.d.logged("web", "said=yes$")

    def test_bounded_programs(self):
        self.profile("credential-command = said:" + self.script("say", "cat /dev/zero"), service="restart = no")
        self.fails("it prints more than 64 KiB")
        say = self.script("say", "sleep 1000 & echo $$ > %s/pid; sleep 1000" % self.files)
        self.profile("credential-command = said:" + say, service="start-timeout = 300ms\nstart-limit-burst = 1")
        self.fails("it has not ended within start-timeout")
        group = int(trp.read(self.files + "/pid"))
        trp.wait_until(lambda: not self.of_group(group), 5, "all of it is gone")

    @staticmethod
    def of_group(group):
        found = []
        for pid in trp.processes():
            try:
                if os.getpgid(pid) == group:
                    found.append(pid)
            except ProcessLookupError:
                pass
        return found

    def test_nobody_waits_for_a_program(self):
        self.profile("credential-command = said:" + self.script("say", "echo $$ > %s/pid; sleep 1000" % self.files))
        self.d.ok("start", "--no-wait", "web")
        trp.wait_until(lambda: os.path.exists(self.files + "/pid") and trp.read(self.files + "/pid"), 10, "it runs")
        began = time.monotonic()
        self.d.call("trpsup.List")
        self.assertLess(time.monotonic() - began, 5)
        self.d.ok("stop", "web")
        self.assertEqual(self.d.status("web")["state"], "stopped")
        group = int(trp.read(self.files + "/pid"))
        trp.wait_until(lambda: not self.of_group(group), 5, "it was ended")

    def test_daemon_killed(self):
        self.start("credential = key:" + self.file("key", "k"))
        self.d.process.kill()
        self.d.process.wait()
        self.d.run()
        self.assertEqual(self.d.inside("web", "/bin/cat", "/trp/credentials/key").stdout, "k")
        self.d.ok("restart", "web")
        self.d.logged("web", "key=k$", 2)


if __name__ == "__main__":
    unittest.main()
