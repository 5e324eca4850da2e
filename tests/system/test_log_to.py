#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""log-to: lines to syslogd and journald, real ones; and what becomes of services when those hang, end, or are not there."""
import json
import os
import signal
import socket
import subprocess
import unittest

import trp

PROFILE = """[service]
command = /bin/sh -c "%s"
ready = started
log-to = %s
%s
[sandbox]
root = host
"""
TALK = "echo to out; echo to err >&2; exec sleep 1000"
# says so many lines whenever it is told to, and then that it has
CHATTY = "trap 'i=0; while [ $$i -lt 3000 ]; do echo line $$i; i=$$((i+1)); done; echo done' USR1; echo up; while :; do sleep 0.05; done"


class Case(unittest.TestCase):
    def setUp(self):
        self.d = trp.Daemon()
        self.addCleanup(self.d.clean_up)
        self.syslog, self.journal = os.path.join(self.d.dir, "syslog"), os.path.join(self.d.dir, "journal")

    def start(self, **profiles):
        self.d.extra_config = "syslog-socket = %s\njournal-socket = %s\n" % (self.syslog, self.journal)
        for name, (command, to, *more) in profiles.items():
            self.d.profile(name, PROFILE % (command, to, "\n".join(more)))
        self.d.start()

    def listener(self, path, size=None):
        """A syslogd of the test's, which reads only when it is asked to."""
        if os.path.exists(path):
            os.unlink(path)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(sock.close)
        sock.bind(path)
        sock.setblocking(False)
        return sock

    @staticmethod
    def take(sock):
        got = []
        while True:
            try:
                got.append(sock.recv(100000).decode("utf-8", "replace"))
            except BlockingIOError:
                return got

    def run_beside(self, *argv):
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def end():
            process.kill()
            process.wait()
        self.addCleanup(end)
        return process


class Real(Case):
    def rsyslogd(self):
        conf, out = os.path.join(self.d.dir, "rsyslog.conf"), os.path.join(self.d.dir, "messages")
        with open(conf, "w") as f:
            f.write('module(load="imuxsock" SysSock.Use="off")\ninput(type="imuxsock" Socket="%s" RateLimit.Interval="0")\n'
                    'template(name="t" type="string" string="%%syslogfacility-text%%.%%syslogseverity-text%% [%%programname%%]%%msg%%\\n")\n'
                    'global(workDirectory="%s")\naction(type="omfile" file="%s" template="t")\n' % (self.syslog, self.d.dir, out))
        process = self.run_beside("/usr/sbin/rsyslogd", "-n", "-f", conf, "-i", os.path.join(self.d.dir, "rsyslogd.pid"))
        trp.wait_until(lambda: os.path.exists(self.syslog), 15, "rsyslogd listens")
        return process, out

    def lines(self, path):
        return trp.read(path).decode("utf-8", "replace").splitlines() if os.path.exists(path) else []

    def test_rsyslogd(self):
        _, out = self.rsyslogd()
        self.start(web=(TALK, "file syslog"), other=(TALK, "file"))
        self.d.ok("start", "web", "other")
        wanted = {"daemon.info [web] to out", "daemon.warning [web] to err", "daemon.notice [web] ready"}
        trp.wait_until(lambda: wanted <= set(self.lines(out)), 10, "these lines are there")
        lines = self.lines(out)
        self.assertEqual([x for x in lines if "[other]" in x], [])
        self.d.logged("web", "out to out$")
        self.assertEqual(self.d.status("web")["log_syslog_dropped"], 0)
        self.d.stop()

    def test_all_of_a_flood_that_is_read(self):
        _, out = self.rsyslogd()
        self.start(web=(CHATTY, "syslog"))
        self.d.ok("start", "web")
        trp.wait_until(lambda: any("[web] up" in x for x in self.lines(out)), 10, "it is up")
        os.kill(self.d.main_pid("web"), signal.SIGUSR1)
        trp.wait_until(lambda: any("[web] done" in x for x in self.lines(out)), 30, "all is there")
        got = [x for x in self.lines(out) if "[web] line" in x]
        dropped = self.d.status("web")["log_syslog_dropped"]
        self.assertEqual(len(got) + dropped, 3000)
        self.assertEqual(os.path.exists(os.path.join(self.d.log_dir, "web.log")), False)  # no file was asked for
        self.d.stop()

    def test_rsyslogd_started_anew(self):
        process, out = self.rsyslogd()
        self.start(web=(CHATTY.replace("3000", "5"), "syslog"))
        self.d.ok("start", "web")
        trp.wait_until(lambda: any("[web] up" in x for x in self.lines(out)), 10, "it is up")
        process.kill()
        process.wait()
        os.unlink(self.syslog)
        os.kill(self.d.main_pid("web"), signal.SIGUSR1)
        trp.wait_until(lambda: self.d.status("web")["log_syslog_dropped"] > 0, 10, "lines are dropped")
        self.rsyslogd()

        def again():
            os.kill(self.d.main_pid("web"), signal.SIGUSR1)
            return any("lines before this were dropped" in x for x in self.lines(out))
        trp.wait_until(again, 20, "it goes on")
        trp.wait_until(lambda: "[web] done" in self.lines(out)[-1], 10, "to the end")
        self.d.stop()

    def test_journald(self):
        journald = self.run_beside("unshare", "--mount", "sh", "-c", "mount -t tmpfs tmpfs /run && mkdir -p /run/systemd /run/log/journal && "
                                   "exec /lib/systemd/systemd-journald")
        inside = "/proc/%d/root/run" % journald.pid
        self.journal = inside + "/systemd/journal/socket"
        trp.wait_until(lambda: os.readlink("/proc/%d/exe" % journald.pid).endswith("journald") and os.path.exists(self.journal), 15,
                       "journald listens")
        self.start(web=(TALK + "; echo 'PRIORITY=0'", "journal"), forger=("printf 'x\\\\nMESSAGE_ID=17\\\\n'; exec sleep 1000", "journal"))
        self.d.ok("start", "web", "forger")

        def entries():
            done = subprocess.run(["journalctl", "-D", inside + "/log/journal", "-o", "json", "-t", "web", "-t", "forger"], capture_output=True,
                                  text=True, check=False)
            return [json.loads(line) for line in done.stdout.splitlines()]
        trp.wait_until(lambda: {"to out", "to err", "MESSAGE_ID=17"} <= {e["MESSAGE"] for e in entries()}, 15, "the lines are there")
        by_text = {e["MESSAGE"]: e for e in entries()}
        self.assertEqual([by_text[t]["PRIORITY"] for t in ("to out", "to err")], ["6", "4"])
        self.assertEqual(by_text["to err"]["TRPSUP_SERVICE"], "web")
        self.assertEqual(by_text["to err"]["TRPSUP_STREAM"], "err")
        self.assertEqual(by_text["to out"]["_COMM"], "trp-logger")
        self.assertFalse(any("MESSAGE_ID" in e for e in entries()))
        self.d.stop()


class Bad(Case):
    def test_absent(self):
        self.start(web=(CHATTY, "file syslog journal"))
        self.d.ok("start", "web")
        os.kill(self.d.main_pid("web"), signal.SIGUSR1)
        self.d.logged("web", "out done", seconds=20)
        self.assertEqual(len(self.d.log_lines("web", "out line")), 3000)
        status = self.d.status("web")
        self.assertGreaterEqual(status["log_syslog_dropped"], 3000)
        self.assertEqual(status["log_syslog_dropped"], status["log_journal_dropped"])
        self.assertEqual(status["log_lost"], 0)
        self.assertRegex(self.d.trpsup("status", "web").stdout, r"\d+ lines dropped that syslog did not take")
        self.assertIn("lines of its log are dropped: syslog does not take them", self.d.daemon_log())
        # it comes later
        sock = self.listener(self.syslog)

        def came():
            os.kill(self.d.main_pid("web"), signal.SIGUSR1)
            return [x for x in self.take(sock) if "lines before this were dropped" in x]
        trp.wait_until(came, 20, "it is said how many")
        self.d.stop()

    def test_hung(self):
        sock = self.listener(self.syslog)
        self.start(web=(CHATTY, "file syslog"), other=(CHATTY, "file"))
        self.d.ok("start", "web", "other")
        for name in ("web", "other"):
            self.d.logged(name, "out up")
            os.kill(self.d.main_pid(name), signal.SIGUSR1)
        for name in ("web", "other"):
            self.d.logged(name, "out done", seconds=20)
            self.assertEqual(len(self.d.log_lines(name, "out line")), 3000)
        status = self.d.status("web")
        got = self.take(sock)
        self.assertGreater(status["log_syslog_dropped"], 1000)
        lines = len(self.d.log_lines("web", "")) - 1  # the file's own lines are all that were sent but perhaps the last
        self.assertAlmostEqual(status["log_syslog_dropped"] + len(got), lines, delta=3)
        # and then it reads again
        os.kill(self.d.main_pid("web"), signal.SIGUSR1)

        def said():
            got.extend(self.take(sock))
            return [x for x in got if "lines before this were dropped" in x]
        self.assertRegex(trp.wait_until(said, 20, "it is said how many")[0], r"^<29>\w+ [ \d]\d \d\d:\d\d:\d\d web: \d+ lines before this")
        self.d.stop()

    def test_logger_killed(self):
        """Another one has the sockets from its start."""
        sock = self.listener(self.syslog)
        self.start(web=(CHATTY.replace("3000", "5"), "syslog"))
        self.d.ok("start", "web")
        trp.wait_until(lambda: any("up" in x for x in self.take(sock)), 10, "it is up")
        for p in trp.children(self.d.process.pid):
            if trp.process_status(p).get("Name") == "trp-logger":
                os.kill(p, signal.SIGKILL)
        os.kill(self.d.main_pid("web"), signal.SIGUSR1)
        got = []

        def done():
            got.extend(self.take(sock))
            return any("web: done" in x for x in got)
        trp.wait_until(done, 15, "it goes on")
        self.assertEqual(len([x for x in got if "web: line" in x]), 5)
        self.d.stop()

    def test_reload(self):
        sock = self.listener(self.syslog)
        self.start(web=(CHATTY.replace("3000", "1"), "file"))
        self.d.ok("start", "web")
        self.d.logged("web", "out up")
        self.d.profile("web", PROFILE % (CHATTY.replace("3000", "1"), "syslog", ""))
        self.assertIn("log-to", self.d.ok("reload"))
        os.kill(self.d.main_pid("web"), signal.SIGUSR1)
        trp.wait_until(lambda: any("web: done" in x for x in self.take(sock)), 10, "it comes")
        self.assertEqual(self.d.log_lines("web", "out done"), [])
        self.d.stop()

    def test_still_confined(self):
        """With sockets of others in its hands the logger can do no more than before."""
        self.listener(self.syslog)
        self.start(web=(TALK, "syslog"))
        self.d.ok("start", "web")
        logger = next(p for p in trp.children(self.d.process.pid) if trp.process_status(p).get("Name") == "trp-logger")
        status = trp.process_status(logger)
        self.assertEqual((int(status["CapEff"], 16), status["Seccomp"]), (0, "2"))
        sockets = [os.readlink("/proc/%d/fd/%s" % (logger, f)) for f in os.listdir("/proc/%d/fd" % logger)]
        self.assertEqual(len([s for s in sockets if s.startswith("socket:")]), 2, sockets)
        self.d.stop()


if __name__ == "__main__":
    unittest.main()
