#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""The daemon and the command line against what services write: logs that steer terminals, and what trpsupd keeps of being root."""
import json
import os
import pty
import re
import select
import subprocess
import unittest

import trp

# Everything that steers a terminal, hides or reorders text, or is no text at all; each line ends in END, so that it is known to be shown.
HOSTILE = [
    b"\x1b[2J\x1b[31mred\x1b]0;title\x07 END",
    b"\x1bP+q544e\x1b\\ \x1b[6n\x1b[c END",       # asks the terminal to answer, as if it were typed
    b"\x9b31m\xc2\x9b31m\xc2\x85 END",             # C1: as bytes and as UTF-8
    b"good\rsup started as root END",              # overwrites what stands in front
    b"backspace\x08\x08\x08\x08 and \x7f END",
    b"\xe2\x80\xaeetirw\xe2\x80\xac \xe2\x81\xa6isolate\xe2\x81\xa9 \xd8\x9c END",
    b"\xe2\x80\xa8line\xe2\x80\xa9paragraph END",
    b"\xff\xfe\xc0\xaf\xed\xa0\x80\xf4\x90\x80\x80 END",
    b"nul \x00 byte END",
    b"vertical\x0btab form\x0cfeed \x0e\x0f END",
]
PROFILE = """[service]
command = /usr/bin/python3 -B /trp/profile/program.py
ready = %s
[sandbox]
state = no
"""
WRITES = """import os, time
d = %r + b"x" * 300000 + b" LONG\\nlast\\n"
while d:
    d = d[os.write(1, d):]
time.sleep(1000)
"""
# The same in the one text that a service can say to the daemon
SAYS = """import os, socket, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.sendto(%r, os.environ["NOTIFY_SOCKET"])
s.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
time.sleep(1000)
"""
# What none of the above may leave: C0 but line feed and tab, DEL, C1, separators, what reorders
STEERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\u061c]")


def on_terminal(daemon, *args):
    """What the command writes to a terminal, as text."""
    ours, theirs = pty.openpty()
    env = dict(os.environ, TERM="xterm", NO_COLOR="1")
    with subprocess.Popen([os.path.join(trp.BUILD, "trpsup"), "-c", daemon.conf, *args], stdin=subprocess.DEVNULL,
                          stdout=theirs, stderr=theirs, env=env) as p:
        os.close(theirs)
        data = b""
        try:
            while select.select([ours], [], [], 60)[0]:
                more = os.read(ours, 65536)
                if not more:
                    break
                data += more
        except OSError:  # the other end is closed
            pass
        os.close(ours)
        p.wait(60)
    return data.replace(b"\r\n", b"\n").decode("utf-8")


class HostileText(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        text = b"\n".join(HOSTILE) + b"\n"
        says = b"STATUS=" + HOSTILE[0] + HOSTILE[3] + HOSTILE[5] + HOSTILE[7]
        cls.d = trp.Daemon({"writes": PROFILE % "started", "says": PROFILE % "notify"})
        for name, program in (("writes", WRITES % text), ("says", SAYS % says)):
            os.mkdir(os.path.join(cls.d.profile_dir, name))
            with open(os.path.join(cls.d.profile_dir, name, "program.py"), "w") as f:
                f.write(program)
        cls.d.start()
        cls.addClassCleanup(cls.d.stop)
        cls.started = on_terminal(cls.d, "start", "writes", "says")
        trp.wait_until(lambda: cls.d.log_lines("writes", r"out last$"), 20, "it has written all")

    def fine(self, text):
        found = STEERS.search(text)
        self.assertIsNone(found, found and text[max(0, found.start() - 60):found.start() + 60].encode("unicode_escape"))

    def test_logs(self):
        text = on_terminal(self.d, "logs", "writes", "-n", "10000")
        self.fine(text)
        self.assertEqual(len(re.findall(" END$", text, re.M)), len(HOSTILE))
        self.assertIn(r"\x1b[2J\x1b[31mred\x1b]0;title\x07 END", text)
        self.assertIn(r"good\x0dsup started", text)
        # a line is cut into pieces that have an end
        self.assertLess(max(len(line) for line in text.splitlines()), 70000)
        self.assertEqual(sum(line.count("x" * 100) for line in text.splitlines()) >= 2900, True)

    def test_status(self):
        text = on_terminal(self.d, "status", "writes")
        self.fine(text)
        self.assertIn("last", text)
        self.fine(on_terminal(self.d, "status", "says"))
        self.fine(on_terminal(self.d, "ps"))

    def test_progress_and_the_daemons_own_log(self):
        self.fine(self.started)
        self.fine(self.d.daemon_log())

    def test_json_on_a_terminal(self):
        """It says the same as in a pipe, and steers nothing."""
        logs = ("--json", "logs", "-n", "10000", "writes")
        for args in (logs, ("--json", "status", "writes"), ("--json", "events", "says"),
                     ("--json", "exec", "writes", "printf", r"\302\2331m\177\342\200\256\n")):
            with self.subTest(args=args):
                shown, piped = on_terminal(self.d, *args), self.d.ok(*args)
                self.fine(shown)
                if args[1] != "status":  # whose times go on
                    shown, piped = ([json.loads(line) for line in text.strip("\n").split("\n")] for text in (shown, piped))
                    self.assertTrue(shown == piped)
        self.assertTrue(STEERS.search(self.d.ok(*logs)))

    def test_json_is_json(self):
        """Whatever it wrote: one object, valid UTF-8."""
        reply = self.d.call("trpsup.Status", service="writes")
        self.assertEqual(reply["log"][-1][-4:], "last")


class Privileges(unittest.TestCase):
    def test_closed_descriptors(self):
        """Started without standard input, output and error: nothing else gets their numbers, and what is said of them."""
        d = trp.Daemon()
        d.prefix = ["sh", "-c", "exec \"$@\" <&- >&- 2>&-", "sh"]
        with d:
            d.ok("start", "hello")
            self.assertEqual([os.readlink("/proc/%d/fd/%d" % (d.process.pid, fd)) for fd in range(3)], ["/dev/null"] * 3)
            self.assertEqual(os.path.getsize(os.path.join(d.run_dir, "lock")), 0)

    def test_no_core_limit(self):
        """As sudo starts it in a container: nothing of it can be started, and one sentence says why."""
        d = trp.Daemon()
        d.prefix = ["prlimit", "--core=0:0", "setpriv", "--bounding-set=-sys_resource"]
        try:
            with self.assertRaisesRegex(AssertionError, "trpsupd: the hard RLIMIT_CORE is 0.*sudo.*CAP_SYS_RESOURCE\n$"):
                d.start()
        finally:
            d.clean_up()

    def test_capabilities(self):
        """What is dropped is gone from every set, also of what the daemon executes; the unit and the program say the same."""
        source = trp.read(os.path.join(trp.TOP, "supervisor/privilege.c")).decode()
        kept = set(re.findall(r"\{(CAP_[A-Z_]+),", source))
        unit = trp.read(os.path.join(trp.TOP, "etc/trpsup.service")).decode()
        self.assertEqual(set(" ".join(re.findall(r"(?m)^CapabilityBoundingSet=(.*)", unit)).split()), kept)
        numbers = dict(re.findall(r"#define (CAP_[A-Z_]+)\s+([0-9]+)", trp.read("/usr/include/linux/capability.h").decode()))
        mask = sum(1 << int(numbers[name]) for name in kept)
        with trp.Daemon() as d:
            status = trp.process_status(d.process.pid)
            for field in ("CapPrm", "CapEff", "CapBnd"):
                self.assertEqual(int(status[field], 16) & ~mask, 0, field)
            self.assertNotEqual(int(status["CapEff"], 16), 0)
            self.assertEqual((status["CapInh"], status["CapAmb"], status["NoNewPrivs"]), ("0" * 16, "0" * 16, "1"))

    def test_helpers_have_less(self):
        """The long-living helpers, by what the kernel says of them: no capability, a filter, ids of their own range."""
        with trp.Daemon() as d:
            d.ok("start", "hello")
            info = d.call("trpsup.Info")
            for pid in info["router"]["pids"] + [info["observer"]["pid"]]:
                status = trp.process_status(pid)
                self.assertEqual({status[f] for f in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}, {"0" * 16})
                self.assertEqual((status["Seccomp"], status["NoNewPrivs"]), ("2", "1"))
                self.assertGreaterEqual(int(status["Seccomp_filters"]), 2)
                self.assertGreaterEqual(int(status["Uid"].split()[0]), trp.UID_BASE)
                for kind in ("user", "mnt", "pid", "net", "ipc", "uts"):
                    self.assertNotEqual(trp.namespace(pid, kind), trp.namespace(os.getpid(), kind))


if __name__ == "__main__":
    unittest.main()
