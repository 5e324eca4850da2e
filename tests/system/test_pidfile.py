#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""pid-file: which process of a sandbox is the main one. First trp-init by itself, with what a tenant may put into the file; then
a service with the daemon. (nginx's binary upgrade is in test_upstreams.)"""
import os
import shutil
import signal
import tempfile
import unittest

import test_adapter
import trp
from test_adapter import EXITED, SIGNAL, STEP, STOP, sh

CLAIM, MAIN, NO_MAIN = 4, 21, 22

# A launcher: starts a daemon in the background, which writes its pid file, and exits 0 when that is there.
LAUNCH = "(%s) & until [ -s $F ]; do sleep 0.01; done; exit 0"
WRITE = "sh -c 'echo $PPID' >$F.new; mv $F.new $F; "


class Init(test_adapter.Init):
    """With a pid file, which its programs know as $F."""

    def __init__(self, file, *steps):
        self.file = file
        super().__init__(steps, preload=False, env={"F": file})

    def words_before(self):
        return [self.file]


class PidFile(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="trpsup-pidfile-", dir="/run")
        os.chmod(self.dir, 0o777)
        self.addCleanup(shutil.rmtree, self.dir)

    def start(self, *steps):
        init = Init(self.dir + "/pid", *steps)
        self.addCleanup(init.close)
        return init

    def daemon(self, program="trap 'exit 7' TERM; echo up; while :; do sleep 0.05; done"):
        init = self.start(sh(LAUNCH % (WRITE + program)))
        return init, init.wait_for(MAIN)[4]

    def touch(self, what):
        open("%s/pid.%s" % (self.dir, what), "w").close()

    def launcher_ends(self, init):
        inside = str(init.wait_for(STEP)[5])
        trp.wait_until(lambda: inside not in [trp.process_status(p).get("NSpid", "0").split()[-1] for p in init.pids()],
                       10, "the launcher has ended")

    # how it should be

    def test_daemon(self):
        """The command has ended, the service has not; signals go to the daemon, whose exit status is the service's."""
        init, main = self.daemon()
        self.assertEqual(init.seen[0][0], STEP)
        self.assertNotEqual(main, init.seen[0][5])
        init.wait_text("up")
        init.send(STOP, signal.SIGTERM)
        self.assertEqual(init.wait_for(EXITED)[4:], (0, 7 << 8))
        self.assertEqual(init.join(), 7)

    def test_command_that_stays(self):
        init = self.start(sh("echo $$ >$F; trap 'exit 3' USR1; while :; do sleep 0.05; done"))
        self.assertEqual(init.wait_for(MAIN)[4], init.seen[0][5])
        init.send(SIGNAL, signal.SIGUSR1)
        self.assertEqual(init.wait_for(EXITED)[4:], (0, 3 << 8))

    def test_it_is_not_ready_sooner_than_the_file_says(self):
        """The launcher has ended for long when the file comes."""
        init = self.start(sh("(until [ -e $F.go ]; do sleep 0.01; done; " + WRITE + "sleep 1000) & exit 0"))
        self.launcher_ends(init)
        self.touch("go")
        self.assertGreater(init.wait_for(MAIN)[4], 1)
        self.assertEqual([m[0] for m in init.seen], [STEP, MAIN])

    def test_launcher_that_fails(self):
        """Its daemon does not count."""
        init = self.start(sh((LAUNCH % (WRITE + "sleep 1000")).replace("exit 0", "exit 4")))
        self.assertEqual(init.wait_for(EXITED)[4:], (0, 4 << 8))
        self.assertEqual(init.join(), 4)
        self.assertNotIn(MAIN, [m[0] for m in init.seen])

    def test_nothing_is_left(self):
        init = self.start(sh("exit 0"))
        init.wait_for(NO_MAIN)
        self.assertEqual(init.join(), 1)

    def test_crash(self):
        init, _ = self.daemon("until [ -e $F.go ]; do sleep 0.01; done; exec sh -c 'kill -SEGV $$'")
        self.touch("go")
        self.assertEqual(init.wait_for(EXITED)[4:], (0, signal.SIGSEGV))

    SUCCESSOR = ("until [ -e $F.next ]; do sleep 0.01; done; (trap 'echo asked; exit 5' TERM; " + WRITE + "while :; do sleep 0.05; done) & "
                 "n=$!; until [ $n = $(cat $F) ]; do sleep 0.01; done; ")

    def test_successor(self):
        """The main process ends, whatever its status, and the file names another one: that one it is."""
        init, first = self.daemon(self.SUCCESSOR + "exit 9")
        self.touch("next")
        second = init.wait_for(MAIN)[4]
        self.assertNotEqual(first, second)
        init.send(SIGNAL, signal.SIGTERM)
        self.assertEqual(init.wait_for(EXITED)[4:], (0, 5 << 8))
        self.assertIn("asked", init.text())

    def test_stop_reaches_the_successor(self):
        init, _ = self.daemon("trap : TERM; " + self.SUCCESSOR + "echo both; while sleep 0.05; do "
                              "[ -e $F.go ] && exit 0; done")
        self.touch("next")
        init.wait_text("both")
        init.send(STOP, signal.SIGTERM)
        self.touch("go")
        init.wait_for(MAIN)
        self.assertEqual(init.wait_for(EXITED)[4:], (0, 5 << 8))

    def test_stop_before_there_is_one(self):
        """All are told, and the main process once more when it is known."""
        init = self.start(sh("(trap '' TERM; until [ -e $F.go ]; do sleep 0.01; done; trap 'echo asked; exit 6' TERM; " +
                             WRITE + "while :; do sleep 0.05; done) & sleep 1000 & exit 0"))
        self.launcher_ends(init)
        init.send(STOP, signal.SIGTERM)
        trp.wait_until(lambda: len(trp.children(init.pids()[0])) == 1, 10, "the other one has ended")
        self.touch("go")
        self.assertEqual(init.wait_for(EXITED)[4:], (0, 6 << 8))

    def test_stop_of_what_never_says_who_it_is(self):
        init = self.start(sh("sleep 1000 & sleep 1000 & exit 0"))
        self.launcher_ends(init)
        init.send(STOP, signal.SIGTERM)
        init.wait_for(NO_MAIN)
        self.assertEqual(init.join(), 1)

    def test_file_of_an_earlier_run(self):
        """It is removed before the command runs, so that it cannot name who happens to have that number now."""
        with open(self.dir + "/pid", "w") as f:
            f.write("2\n")
        os.chmod(self.dir + "/pid", 0o666)
        init = self.start(sh("[ -e $F ] && echo still there; exit 0"))
        init.wait_for(NO_MAIN)
        self.assertEqual(init.text(), "")

    # said to the daemon instead (MAINPID=)

    def test_claim_of_one_whose_parent_has_ended(self):
        """It is the main process at once; the one before it does not count any more."""
        init = self.start_without_file(sh("sh -c '(trap \"exit 5\" TERM; echo trapped; while :; do sleep 0.05; done) & echo orphan $!'; sleep 1000"))
        orphan = int(init.wait_text(r"orphan (\d+)").group(1))
        init.wait_text("trapped")
        trp.wait_until(lambda: len(trp.children(init.pids()[0])) == 2, 10, "it is init's child")
        init.send(CLAIM, orphan)
        self.assertEqual(init.wait_for(MAIN)[4], orphan)
        init.send(SIGNAL, signal.SIGTERM)
        self.assertEqual(init.wait_for(EXITED)[4:], (0, 5 << 8))

    def start_without_file(self, *steps):
        init = test_adapter.Init(steps, preload=False, env={"F": self.dir + "/pid"})
        self.addCleanup(init.close)
        return init

    def test_claim_of_an_heir(self):
        """Its parent is the main process: it takes its place when that ends."""
        init = self.start_without_file(sh("(trap 'exit 5' TERM; echo trapped; while :; do sleep 0.05; done) & echo heir $!; "
                                          "until [ -e $F.go ]; do sleep 0.01; done; exit 9"))
        heir = int(init.wait_text(r"heir (\d+)").group(1))
        init.wait_text("trapped")
        init.send(CLAIM, heir)
        self.touch("go")
        self.assertEqual(init.wait_for(MAIN)[4], heir)
        self.assertNotIn(EXITED, [m[0] for m in init.seen])
        init.send(SIGNAL, signal.SIGTERM)
        self.assertEqual(init.wait_for(EXITED)[4:], (0, 5 << 8))

    def test_false_claims(self):
        """Init, nobody, oneself, a negative number, everybody: nothing changes."""
        init = self.start_without_file(sh("echo self $$; trap 'exit 4' TERM; while :; do sleep 0.05; done"))
        own = int(init.wait_text(r"self (\d+)").group(1))
        for pid in (1, 0, -1, -own, own, 4194000, 0x7fffffff):
            init.send(CLAIM, pid)
        init.send(SIGNAL, signal.SIGTERM)
        self.assertEqual(init.wait_for(EXITED)[4:], (0, 4 << 8))
        self.assertNotIn(MAIN, [m[0] for m in init.seen])

    # what a tenant may put there

    HOSTILE = {
        "fifo": "mkfifo $F",
        "symlink": "echo $$ >$F.real; ln -s $F.real $F",
        "symlink to /proc": "ln -s /proc/self/stat $F",
        "directory": "mkdir $F",
        "no number": "echo hello >$F",
        "init": "echo 1 >$F",
        "nobody": "echo 4194000 >$F",
        "too large a number": "echo 99999999999999999999 >$F",
        "everybody": "echo -1 >$F",
        "a child's child": "(sleep 1000 & echo $! >$F; wait) &",
        "a thread": "exec /usr/bin/python3 -c \"import threading,os,time\n"
                    "def run(): open(os.environ['F'], 'w').write(str(threading.get_native_id())); time.sleep(1000)\n"
                    "threading.Thread(target=run).start()\"",
        "a terabyte of zeros": "truncate -s 1T $F",
    }

    def test_hostile(self):
        """Neither is anybody taken for the main process, nor is init kept from its work: it reaps, takes orders, and takes a
        good file in the end. With each, the command is still there, or has ended and left a background process."""
        for what, text in self.HOSTILE.items():
            with self.subTest(what):
                init = self.start(sh("echo $F; (%s\nsleep 1000) & echo $! >$F.late; sleep 0.1; exit 0" % text))
                init.wait_for(STEP)
                trp.wait_until(lambda: os.path.lexists(init.file) and b"\n" in trp.read(init.file + ".late"), 10, "the file is there")
                self.assertTrue(self.looks_on(init), "init looks again and again")
                init.control.setblocking(False)
                self.assertRaises(BlockingIOError, init.message)  # no MAIN
                init.control.settimeout(15)
                os.system("rm -rf %s; mv %s.late %s" % (init.file, init.file, init.file))
                self.assertEqual(init.wait_for(MAIN)[4], int(trp.read(init.file)))
                init.send(STOP, signal.SIGTERM)
                self.assertEqual(init.wait_for(EXITED)[4], 0)
                init.join()
                os.unlink(init.file)

    @staticmethod
    def looks_on(init):
        """Is its loop alive? It sleeps in poll(2), and wakes up for each look."""
        pid = init.pids()[0]

        def switches():
            return int(trp.process_status(pid)["voluntary_ctxt_switches"])
        before = switches()
        return trp.wait_until(lambda: switches() > before + 5, 10, "init wakes up")


SERVICE = """[service]
command = /bin/sh -c '%s'
pid-file = ${runtime}/main.pid
start-timeout = 2s
%s
[environment]
F = ${runtime}/main.pid
[sandbox]
root = host
"""


class Service(unittest.TestCase):
    """With the daemon."""

    @classmethod
    def setUpClass(cls):
        cls.d = trp.Daemon()
        cls.d.start()

    @classmethod
    def tearDownClass(cls):
        cls.d.stop()

    def profile(self, name, text, keys=""):
        self.d.profile(name, SERVICE % (text.replace("$", "$$").replace("'", "'\\''"), keys))

    def test_daemon_that_crashes_is_started_again(self):
        self.profile("daemon", LAUNCH % (WRITE + "exec sleep 1000"), "restart-delay = 10ms")
        self.d.ok("start", "daemon")
        status = self.d.status("daemon")
        self.assertEqual([status["main_pid"]], trp.children(status["pid"]))
        self.assertEqual(trp.read("/proc/%d/comm" % status["main_pid"]), b"sleep\n")
        os.kill(status["main_pid"], signal.SIGKILL)
        trp.wait_until(lambda: self.d.status("daemon")["restarts"] == 1 and
                       self.d.status("daemon")["state"] == "ready", 10, "it runs again")
        self.assertNotEqual(self.d.status("daemon")["main_pid"], status["main_pid"])
        self.d.ok("stop", "daemon")
        self.assertIsNone(self.d.status("daemon")["main_pid"])

    def test_no_file_until_the_time_out(self):
        """The launcher's exit is not the end of the service, and not its readiness."""
        self.profile("mute", "sleep 1000 & exit 0", "ready = started\nrestart = no")
        done = self.d.trpsup("start", "mute")
        self.assertEqual(done.returncode, 1)
        self.assertIn("not ready after 2 s: no process of it is named in /run/mute/main.pid", done.stdout + done.stderr)
        self.assertEqual(self.d.status("mute")["state"], "failed")

    def test_nobody_is_left(self):
        self.profile("gone", "exit 0", "restart = no")
        done = self.d.trpsup("start", "gone")
        self.assertEqual(done.returncode, 1)
        self.assertIn("exited and left no process that /run/gone/main.pid names", done.stdout + done.stderr)

    MAINPID = """import os, socket, time
def say(text):
    socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(text.encode(), os.environ["NOTIFY_SOCKET"])
if os.fork() == 0:
    say("MAINPID=%d" % os.getpid())
    say("READY=1")
    time.sleep(1000)
while not os.path.exists("/tmp/go"):
    time.sleep(0.02)
"""

    def test_mainpid_by_sd_notify(self):
        """A service whose first process hands over to another one, and ends."""
        programs = os.path.join(self.d.dir, "programs")
        os.mkdir(programs)
        with open(programs + "/program.py", "w") as f:
            f.write(self.MAINPID)
        self.d.profile("heir", "[service]\ncommand = /usr/bin/python3 /opt/program.py\nready = notify\n"
                       "[sandbox]\nroot = host\nbind = %s /opt\n" % programs)
        self.d.ok("start", "heir")
        status = self.d.status("heir")
        first = status["main_pid"]
        self.assertEqual([first], trp.children(status["pid"]))
        heir, = trp.children(first)
        self.d.inside("heir", "/usr/bin/touch", "/tmp/go")
        trp.wait_until(lambda: self.d.status("heir")["main_pid"] == heir, 10, "the other one is the main process")
        self.assertEqual((self.d.status("heir")["state"], self.d.status("heir")["restarts"]), ("ready", 0))
        self.d.ok("stop", "heir")

    def test_without_pid_file(self):
        self.d.profile("plain", "[service]\ncommand = /bin/sleep 1000\n[sandbox]\nroot = host\n")
        self.d.ok("start", "plain")
        status = self.d.status("plain")
        self.assertEqual([status["main_pid"]], trp.children(status["pid"]))
        self.d.ok("stop", "plain")


if __name__ == "__main__":
    unittest.main()
