#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""The services' logs: rotation under load, a full and a hung disk, a logger that is killed, and what trpsup logs shows of them."""
import datetime
import json
import os
import re
import shutil
import signal
import subprocess
import time
import unittest

import trp
import web

INSIDE = os.path.join(trp.TOP, "tests/system/inside")
# lines a second (0: as fast as it can), how many (0: without end)
NOISE = """[service]
command = /usr/bin/python3 /opt/inside/noise.py %d %d
log-rate = unlimited
%s
[route]
host = noise.localhost
http = 8000
[sandbox]
root = host
bind = """ + INSIDE + """ /opt/inside
"""
QUIET = """[service]
command = ${libexec}/trp-hello 8000
adapter = native
[route]
host = quiet.localhost
http = 8000
[sandbox]
root = none
"""


def script(text, more=""):
    return '[service]\ncommand = /bin/sh -c "%s"\nready = started\n%s\n[sandbox]\nroot = host\n' % (text, more)


def url(name):
    return "http://%s.localhost:%d/" % (name, trp.HTTP_PORT)


def numbers(lines):
    return [int(line.split()[-1]) for line in lines if re.search(r" (out|err) n \d+$", line)]


def written():
    return int(web.get(url("noise"), timeout=20).text)


def logger(d):
    """Of this daemon."""
    found = [p for p in trp.processes() if trp.process_status(p).get("Name") == "trp-logger"
             and trp.process_status(p).get("PPid") == str(d.process.pid) and not trp.process_status(p)["State"].startswith("Z")]
    return found[0] if found else None


def shown(d, *args):
    """What trpsup logs prints."""
    return d.ok("logs", *args).splitlines()


class Rotation(trp.DaemonTest):
    def test_under_load(self):
        """Two streams as fast as they come, thirty rotations with compression: nothing lost, nothing twice, each stream in order."""
        n = 60000
        self.d.profile("noise", NOISE % (0, n, "log-size = 256K\nlog-files = 99"))
        self.d.ok("start", "noise")
        trp.wait_until(lambda: written() == n, 120, "all lines are written")
        self.d.logged("noise", r"n 0*%d$" % (n - 1), seconds=60)
        lines = self.d.service_log("noise").splitlines()
        for stream in ("out", "err"):
            got = numbers([x for x in lines if " %s n " % stream in x])
            self.assertEqual(got, [i for i in range(n) if (i // 10 % 2 == 0) == (stream == "out")])
        files = [f for f in os.listdir(self.d.log_dir) if f.startswith("noise.log.")]
        self.assertGreater(len(files), 25)
        trp.wait_until(lambda: all(f.endswith(".gz") for f in os.listdir(self.d.log_dir) if f.startswith("noise.log.")), 60,
                       "all that was rotated is compressed")
        # read back by the program, too, whole, and over files from the end
        everything = shown(self.d, "-n", str(10 * n), "noise")
        self.assertEqual(sorted(numbers(everything)), list(range(n)))
        self.assertEqual(shown(self.d, "-n", "7000", "noise"), everything[-7000:])
        self.assertEqual([x for x in everything if " sup " in x and "dropped" in x], [])
        self.assertEqual(self.d.status("noise")["log_lost"], 0)

    def test_follow(self):
        """A client that follows sees each line once, over rotations and compression."""
        self.d.profile("followed", NOISE % (2000, 0, "log-size = 64K\nlog-files = 99"))
        self.d.ok("start", "followed")
        with open(os.path.join(self.d.dir, "output"), "w+b") as out:
            follower = subprocess.Popen([os.path.join(trp.BUILD, "trpsup"), "-c", self.d.conf, "logs", "-f", "-n", "5", "followed"], stdout=out)
            try:
                trp.wait_until(lambda: written() > 8000, 60, "8000 lines")
                self.d.ok("stop", "followed")
                lines = self.d.log_lines("followed", " out n ")
                trp.wait_until(lambda: numbers(trp.read(out.name).decode().splitlines())[-1:] == numbers(lines[-1:]), 20, "all is followed")
            finally:
                follower.kill()
                follower.wait()
            got = numbers(trp.read(out.name).decode().splitlines())
        self.assertEqual(got, list(range(got[0], got[0] + len(got))))
        self.assertGreater(len(got), 7000)
        self.assertGreater(len([f for f in os.listdir(self.d.log_dir) if f.startswith("followed.log.")]), 8)
        # nobody is left who reads for it
        trp.wait_until(lambda: not [p for p in trp.processes() if trp.process_status(p).get("Name") == "trp-logread"
                                    and trp.process_status(p).get("PPid") == str(self.d.process.pid)], 10, "no reader is left")

    def test_age_and_bounds(self):
        self.d.profile("aged", script("echo first; exec sleep 1000", "log-age = 1s\nlog-keep = 4s"))
        self.d.ok("start", "aged")
        trp.wait_until(lambda: [f for f in os.listdir(self.d.log_dir) if f.startswith("aged.log.")], 15, "rotated though nothing is written")
        self.assertTrue(self.d.log_lines("aged", "out first"))
        trp.wait_until(lambda: not [f for f in os.listdir(self.d.log_dir) if f.startswith("aged.log.")], 20, "and removed")
        self.d.profile("bounded", NOISE % (0, 20000, "log-size = 64K\nlog-files = 99\nlog-total = 300K\nlog-compress = no"))
        self.d.ok("start", "bounded")
        trp.wait_until(lambda: written() == 20000, 60, "all lines are written")
        self.d.logged("bounded", "n 0*19999$")
        kept = sum(os.path.getsize(os.path.join(self.d.log_dir, f)) for f in os.listdir(self.d.log_dir) if f.startswith("bounded.log"))
        self.assertLessEqual(kept, 300 * 1024)
        self.assertGreater(kept, 200 * 1024)


class Shown(trp.DaemonTest):
    profiles = {
        "one": script("echo a1; sleep 0.3; echo b1 >&2; sleep 0.3; printf 'c1'; exec sleep 1000"),
        "two": script("sleep 0.15; echo a2; sleep 0.3; printf 'x\\\\033[31my\\\\200z\\\\n'; exec sleep 1000"),
    }

    def start(self):
        """Since when their lines are those of this test."""
        began = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        self.d.ok("start", "one", "two")
        trp.wait_until(lambda: len(shown(self.d, "one", "two", "--stream", "out,err", "--since", began)) == 5, 10, "five lines")
        return began

    def test_several(self):
        began = self.start()
        lines = shown(self.d, "one", "two", "--stream", "out,err", "--since", began)
        self.assertEqual(sorted((x.split()[0], x.split()[2], x.split(None, 3)[3][:2]) for x in lines),
                         [("one", "err", "b1"), ("one", "out", "a1"), ("one", "out+", "c1"), ("two", "out", "a2"), ("two", "out", "x\033")])
        self.assertEqual([x.split()[1] for x in lines], sorted(x.split()[1] for x in lines))
        self.assertEqual([x for x in shown(self.d, "--all", "-n", "1000") if x.split()[0] in ("one", "two")],
                         shown(self.d, "one", "two", "-n", "1000"))
        only = shown(self.d, "one", "--grep", "^[ab]1$", "-n", "1000")
        self.assertEqual([x.split()[-1] for x in only], ["a1", "b1"] * (len(only) // 2))
        self.assertEqual(shown(self.d, "one", "--since", "1h", "--until", "30m"), [])
        self.assertEqual(shown(self.d, "one", "--since", "1h"), shown(self.d, "one", "-n", "100000"))
        at = shown(self.d, "one", "--grep", "b1", "-n", "1")[0].split()[0]
        self.assertEqual(shown(self.d, "one", "--since", at, "--until", at)[0].split()[-1], "b1")

    def test_json(self):
        began = self.start()
        lines = [json.loads(x) for x in shown(self.d, "one", "two", "--stream", "out", "--since", began, "--json")]
        self.assertEqual(sorted((x["service"], x["stream"], x.get("continues", False), x["text"][:2]) for x in lines),
                         [("one", "out", False, "a1"), ("one", "out", True, "c1"), ("two", "out", False, "a2"), ("two", "out", False, "x\033")])
        self.assertRegex(lines[0]["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")

    def test_last_words(self):
        """What a service said before it ended is shown to who asks right afterwards."""
        for i in range(5):
            self.d.profile("short", script("echo said %d; exit 3" % i, "restart = no"))
            self.d.trpsup("start", "short")  # answered when it was executed
            trp.wait_until(lambda: self.d.status("short")["state"] == "failed", 10, "it has ended")
            self.assertIn("said %d" % i, "\n".join(shown(self.d, "short")))

    def test_mistakes(self):
        for args, text in (((), "which service"), (("--all", "one"), "no service is named"), (("one", "--since", "soon"), "'soon' is no time"),
                           (("one", "--grep", "a(b"), "'a(b' is not a regular expression"), (("one", "--stream", "oops"), "none of out, err and sup"),
                           (("one", "-n", "x"), "not a number")):
            r = self.d.trpsup("logs", *args)
            self.assertEqual(r.returncode, 2, args)
            self.assertIn(text, r.stderr)
        self.assertEqual(self.d.trpsup("logs", "nosuch").returncode, 4)

    def test_log_of_one_that_is_no_more(self):
        self.d.profile("gone", script("echo here; exec sleep 1000"))
        self.d.ok("start", "gone")
        self.d.logged("gone", "here")
        self.d.ok("stop", "gone")
        os.unlink(os.path.join(self.d.profile_dir, "gone.ini"))
        self.d.process.send_signal(signal.SIGTERM)
        self.d.process.wait(60)
        self.d.run()
        self.assertIn("here", "\n".join(shown(self.d, "gone")))

    def test_confined(self):
        status = trp.process_status(logger(self.d))
        for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            self.assertEqual(int(status[key], 16), 0, key)
        self.assertEqual(status["NoNewPrivs"], "1")
        self.assertEqual(status["Seccomp"], "2")
        root = os.stat("/proc/%d/root" % logger(self.d))
        self.assertEqual((root.st_dev, root.st_ino), (os.stat(self.d.log_dir).st_dev, os.stat(self.d.log_dir).st_ino))
        self.assertEqual(len(os.listdir("/proc/%d/task" % logger(self.d))), 1)


class Killed(unittest.TestCase):
    def gaps(self, lines):
        got = numbers(lines)
        self.assertEqual(got, sorted(set(got)))
        return got[-1] + 1 - len(got)

    def test_logger(self):
        """Nobody notices but the message that it had in hand, whose lines are said to be lost."""
        with trp.Daemon({"noise": NOISE % (5000, 0, "log-files = 99")}) as d:
            d.ok("start", "noise")
            for i in range(5):
                before = written()
                os.kill(logger(d), signal.SIGKILL)
                trp.wait_until(lambda: written() > before + 3000, 30, "it goes on")
                d.logged("noise", r"n 0*%d$" % (before + 2900), seconds=20)
            d.ok("stop", "noise")
            lines = d.log_lines("noise", "")
            said = sum(int(m[1]) for x in lines if (m := re.search(r" sup (\d+) lines dropped: trp-logger ended", x)))
            self.assertEqual(self.gaps(lines), said)
            self.assertEqual(d.status("noise")["log_lost"], said)
            self.assertEqual(len(re.findall("trp-logger .* killed by signal 9", d.daemon_log())), 5)

    def test_directory_removed(self):
        """By hand: another logger makes its files in one that is made again, and nobody notices."""
        with trp.Daemon({"noise": NOISE % (2000, 0, "log-files = 99")}) as d:
            d.ok("start", "noise")
            trp.wait_until(lambda: written() > 1000, 30, "it writes")
            shutil.rmtree(d.log_dir)
            before = written()
            trp.wait_until(lambda: os.path.isdir(d.log_dir), 20, "there is one again")
            d.logged("noise", r"n 0*%d$" % (before + 5000), seconds=20)
            d.ok("stop", "noise")
            self.assertEqual(len(re.findall("the directory of the logs was removed", d.daemon_log())), 1)
            lines = d.log_lines("noise", "")
            said = sum(int(m[1]) for x in lines if (m := re.search(r" sup (\d+) lines dropped: trp-logger ended", x)))
            got = numbers(lines)
            self.assertLessEqual(got[-1] + 1 - got[0] - len(got), said)
            self.assertLess(got[0], before + 5000)

    def test_daemon(self):
        with trp.Daemon({"noise": NOISE % (5000, 0, "log-files = 99")}) as d:
            d.ok("start", "noise")
            for _ in range(3):
                before = written()
                d.process.kill()
                d.process.wait()
                d.log.close()
                trp.wait_until(lambda: written() > before + 500, 30, "it goes on while its pipes have room")
                d.run()
                before = written()
                d.logged("noise", r"n 0*%d$" % (before + 1000), seconds=20)
            d.ok("stop", "noise")
            self.assertEqual(self.gaps(d.log_lines("noise", "")), 0)


class Disks(unittest.TestCase):
    def daemon(self, config=""):
        d = trp.Daemon({"quiet": QUIET}, config=config)
        self.addCleanup(d.clean_up)
        os.mkdir(d.log_dir, 0o700)
        self.addCleanup(subprocess.run, ["umount", "-l", d.log_dir], check=False, stderr=subprocess.DEVNULL)
        return d

    def test_full(self):
        d = self.daemon()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k,mode=700", "tmpfs", d.log_dir], check=True)
        d.profile("noise", NOISE % (2000, 0, "log-size = 1M\nlog-files = 0"))
        d.start()
        d.ok("start", "noise", "quiet")
        filler = os.path.join(d.log_dir, "filler")
        with open(filler, "wb", buffering=0) as f, self.assertRaises(OSError):
            while True:
                f.write(bytes(4096))
        before = written()
        trp.wait_until(lambda: written() > before + 3000, 30, "it goes on")
        self.assertEqual(web.get(url("quiet"), timeout=5).status, 200)
        self.assertGreater(d.status("noise")["log_lost"], 1000)
        os.unlink(filler)
        d.logged("noise", r"n 0*%d$" % written())
        notes = d.lines_in_files("noise", r" sup \d+ lines are missing here: No space left")
        missing = sum(int(re.search(r" sup (\d+) ", x)[1]) for x in notes)
        got = numbers(d.service_log("noise").splitlines())
        self.assertEqual(got, sorted(set(got)))
        self.assertEqual(got[-1] + 1 - len(got), missing)
        self.assertEqual(d.daemon_log().count("noise.log: lines are lost: No space left"), 1)
        d.ok("stop", "noise", "quiet")
        subprocess.run(["umount", "-l", d.log_dir], check=True)
        d.stop()

    def frozen(self, d):
        """A file system on which every write hangs, as on a disk that has died: not even SIGKILL ends who waits for it."""
        image = os.path.join(d.dir, "image")
        with open(image, "wb") as f:
            f.truncate(64 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
        subprocess.run(["mount", "-o", "loop", image, d.log_dir], check=True)
        self.addCleanup(subprocess.run, ["fsfreeze", "-u", d.log_dir], check=False, stderr=subprocess.DEVNULL)

    def freeze(self, d):
        subprocess.run(["fsfreeze", "-f", d.log_dir], check=True)

    def thaw(self, d):
        subprocess.run(["fsfreeze", "-u", d.log_dir], check=True)

    @unittest.skipUnless(os.path.exists("/dev/loop-control"), "this host has no loop devices")
    def test_hung(self):
        d = self.daemon("access-log = live")
        self.frozen(d)
        d.profile("noise", NOISE % (10000, 0, "log-size = 2M\nlog-files = 10"))
        d.start()
        d.ok("start", "noise")
        d.logged("noise", "out n ")
        self.freeze(d)
        before = written()
        # far more than has room in its pipe, the window and what waits beyond that
        trp.wait_until(lambda: written() > before + 20000, 60, "it goes on")
        self.assertRegex(d.daemon_log(), "disk of the logs does not answer")
        trp.wait_until(lambda: trp.process_status(logger(d))["State"].startswith("D"), 5, "it is the disk that the logger waits for")
        for _ in range(3):  # whatever else is asked of the daemon
            d.ok("start", "quiet")
            self.assertEqual(web.get(url("quiet"), timeout=5).status, 200)
            self.assertIn("ready", d.ok("status", "quiet"))
            d.ok("stop", "quiet")
        self.assertGreater(d.status("noise")["log_lost"], 1000)
        self.thaw(d)
        note = d.logged("noise", r" sup \d+ lines dropped: the disk of the log does not answer", seconds=30)
        d.logged("noise", r"n 0*%d$" % (written() + 1000), seconds=30)
        got = numbers(d.service_log("noise").splitlines())
        self.assertEqual(got, sorted(set(got)))
        self.assertEqual(got[-1] + 1 - len(got), sum(int(re.search(r" sup (\d+) ", x)[1]) for x in note))
        self.assertRegex(d.daemon_log(), "disk of the logs answers again")
        d.ok("stop", "noise")
        d.logged("quiet", " sup stopped", n=3)  # those waited, and were few enough
        d.process.send_signal(signal.SIGTERM)
        d.process.wait(60)
        subprocess.run(["umount", "-l", d.log_dir], check=True)
        d.stop()

    @unittest.skipUnless(os.path.exists("/dev/loop-control"), "this host has no loop devices")
    def test_daemon_ends_on_a_hung_disk(self):
        d = self.daemon("access-log = live")
        self.frozen(d)
        d.profile("noise", NOISE % (1000, 0, ""))
        d.start()
        d.ok("start", "noise")
        d.logged("noise", "out n ")
        self.freeze(d)
        before = written()
        trp.wait_until(lambda: written() > before + 500, 60, "it goes on")
        pid = logger(d)
        d.process.send_signal(signal.SIGTERM)
        d.process.wait(60)
        self.assertIn("the last lines of the logs cannot be written", d.daemon_log())
        self.thaw(d)
        trp.wait_until(lambda: not trp.process_status(pid) or trp.process_status(pid)["State"].startswith("Z"), 10, "the logger has ended")
        subprocess.run(["umount", "-l", d.log_dir], check=True)
        d.stop()


if __name__ == "__main__":
    unittest.main()
