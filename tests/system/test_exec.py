#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""trpsup exec: a command inside the sandbox of a service has every control that the service has, and a service that attacks it
while it comes in gains nothing."""
import fcntl
import hashlib
import json
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import threading
import time
import unittest

import trp

TARGET = """[service]
command = /usr/bin/python3 -u /opt/p/%(program)s.py
ready = started
%(keys)s
[sandbox]
root = host
bind = %(dir)s /opt/p
%(sandbox)s
[environment]
GREETING = hello
"""

IDLE = """
import socket, time
s = socket.socket(socket.AF_UNIX)
s.bind(b"\\0idle")
s.listen(8)
print("listens")
time.sleep(100000)
"""

# Whatever comes into its pid namespace: every way to look into it, or to get hold of what it has. Prints what worked.
ATTACK = """
import ctypes, os, time
libc = ctypes.CDLL(None, use_errno=True)
PTRACE_ATTACH, PTRACE_DETACH = 16, 17
SYS_pidfd_getfd = 438
def reads(path, mode="rb"):
    with open(path, mode) as f:
        f.read(1)
    return path
def lists(path):
    return os.listdir(path)
def ptrace(pid):
    if libc.ptrace(PTRACE_ATTACH, pid, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "ptrace")
    os.waitpid(pid, 0)
    libc.ptrace(PTRACE_DETACH, pid, 0, 0)
def getfd(pid):
    p = os.pidfd_open(pid)
    try:
        if libc.syscall(SYS_pidfd_getfd, p, 0, 0) < 0:
            raise OSError(ctypes.get_errno(), "pidfd_getfd")
    finally:
        os.close(p)
WAYS = {
    "exe": lambda pid: os.readlink("/proc/%d/exe" % pid),
    "exe-open": lambda pid: os.close(os.open("/proc/%d/exe" % pid, os.O_RDONLY)),
    "root": lambda pid: os.readlink("/proc/%d/root" % pid),
    "cwd": lambda pid: lists("/proc/%d/cwd/" % pid),
    "fd": lambda pid: lists("/proc/%d/fd" % pid),
    "mem": lambda pid: os.close(os.open("/proc/%d/mem" % pid, os.O_RDWR)),
    "maps": lambda pid: reads("/proc/%d/maps" % pid),
    "environ": lambda pid: reads("/proc/%d/environ" % pid),
    "ptrace": ptrace,
    "pidfd_getfd": getfd,
}
def attack(pid):
    worked = []
    for name, way in WAYS.items():
        try:
            way(pid)
            worked.append(name)
        except OSError:
            pass
    return worked
if os.fork() == 0:
    time.sleep(100000)
child = max(int(n) for n in os.listdir("/proc") if n.isdigit())
print("control", *attack(child))
newest = child
print("attacks")
while True:
    # numbers go up: the next one is the next that comes in
    for pid in range(newest - 2, newest + 8):
        if pid <= child:
            continue
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            continue
        except PermissionError:
            pass
        if pid > newest:
            newest = pid
            print("tried", pid)
        for name in attack(pid):
            print("WORKED", name, pid)
"""


# It is traced by a process that it has made, which lives a little longer.
TRACED = """
import ctypes, os, time
PTRACE_SEIZE = 0x4206
libc = ctypes.CDLL(None, use_errno=True)
pid = os.getpid()
r, w = os.pipe()
if os.fork() == 0:
    os.setsid()
    print("seized" if libc.ptrace(PTRACE_SEIZE, pid, 0, 0) == 0 else os.strerror(ctypes.get_errno()), flush=True)
    os.write(w, b"x")
    time.sleep(3)
    os._exit(0)
os.read(r, 1)
os._exit(5)
"""


class Exec(trp.DaemonTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.programs = os.path.join(cls.d.dir, "programs")
        os.makedirs(cls.programs, exist_ok=True)

    def target(self, name, program=IDLE, keys="", sandbox=""):
        with open(os.path.join(self.programs, name + ".py"), "w") as f:
            f.write(program)
        self.d.profile(name, TARGET % {"program": name, "dir": self.programs, "keys": keys, "sandbox": sandbox})
        self.d.ok("start", name)
        trp.wait_until(lambda: self.d.status(name)["main_pid"], 10, "it runs")

    def exec(self, *args, stdin=b""):
        return subprocess.run([os.path.join(trp.BUILD, "trpsup"), "-c", self.d.conf, "exec", *args], input=stdin,
                              capture_output=True, timeout=60, check=False)

    def python(self, name, text, *args):
        done = self.exec(*args, name, "/usr/bin/python3", "-c", text)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return done.stdout.decode()

    def begin(self, *args, **keys):
        return subprocess.Popen([os.path.join(trp.BUILD, "trpsup"), "-c", self.d.conf, "exec", *args], **keys)

    def inside_pids(self, name):
        return [p for p in self.d.pids(name)[1:] if p != self.d.main_pid(name)]

    # what it does

    def test_output_input_and_code(self):
        self.target("plain")
        done = self.exec("plain", "sh", "-c", "echo out; echo err >&2; exit 7")
        self.assertEqual((done.stdout, done.stderr, done.returncode), (b"out\n", b"err\n", 7))
        self.assertEqual(self.exec("plain", "cat", stdin=b"not passed").stdout, b"")
        data = os.urandom(3 << 20)
        self.assertEqual(self.exec("-i", "plain", "cat", stdin=data).stdout, data)
        self.assertEqual(self.exec("plain", "--", "echo", "--").stdout, b"--\n")
        # options of the command are its own
        self.assertEqual(self.exec("plain", "echo", "-n", "--json", "-u").stdout, b"--json -u")
        self.assertEqual(self.exec("plain", "sh", "-c", "kill -TERM $$").returncode, 128 + 15)
        self.assertEqual(self.exec("-i", "plain", "head", "-c", "1", stdin=data).returncode, 0)
        # what it leaves in the background does not hold us
        start = time.monotonic()
        self.assertEqual(self.exec("plain", "sh", "-c", "sleep 100 & echo done").stdout, b"done\n")
        self.assertLess(time.monotonic() - start, 50)
        self.assertEqual(self.python("plain", "import os; print(os.environ['GREETING'], 'NOTIFY_SOCKET' in os.environ)"), "hello False\n")

    def test_what_cannot_be_executed(self):
        self.target("missing")
        done = self.exec("missing", "no-such-command")
        self.assertEqual(done.returncode, 127, done.stderr)
        self.assertEqual(done.stderr, b"trpsup: cannot execute no-such-command: it is nowhere along the PATH of the service\n")
        done = self.exec("missing", "/usr/bin/no-such")
        self.assertEqual(done.returncode, 127)
        self.assertIn(b"cannot execute /usr/bin/no-such: it, or the interpreter or dynamic loader that it names, is not in the sandbox", done.stderr)
        # of a long path the end is shown, whatever character it is cut in
        for end in ("", "a", "ab"):
            done = self.exec("missing", "/" + "ü" * 100 + end)
            self.assertEqual(done.returncode, 127, done.stderr)
            self.assertIn("üüü%s: it, or the interpreter" % end, done.stderr.decode())
        self.assertEqual(self.exec("missing", "/etc/ssl/openssl.cnf").returncode, 126)
        self.assertEqual(self.exec("nobody", "true").returncode, 125)
        self.assertEqual(self.exec("-u", "no-such-user", "missing", "true").returncode, 125)
        self.assertEqual(self.exec("-u", "70000", "missing", "true").returncode, 125)
        self.assertEqual(self.exec("-t", "missing", "true").returncode, 2)  # no terminal here
        self.d.ok("stop", "missing")
        done = self.exec("missing", "true")
        self.assertEqual(done.returncode, 125)
        self.assertIn(b"does not run", done.stderr)

    def test_json(self):
        self.target("json")
        done = subprocess.run([os.path.join(trp.BUILD, "trpsup"), "-c", self.d.conf, "--json", "exec", "json", "sh", "-c",
                               "printf 'a\\303\\244\\377'; exit 3"], capture_output=True, timeout=60, check=False)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual("".join(l["text"] for l in lines if l.get("stream") == "out"), "aä\\xff")
        self.assertEqual((lines[-1], done.returncode), ({"exit_code": 3, "signal": None}, 3))

    def test_nobody_reads_any_more(self):
        """The command sees it as it would with a pipe of its own, also through JSON."""
        self.target("head")
        for options in ((), ("--json",)):
            with subprocess.Popen([os.path.join(trp.BUILD, "trpsup"), "-c", self.d.conf, *options, "exec", "head", "yes"],
                                  stdout=subprocess.PIPE) as p:
                self.assertIn(b"y", p.stdout.readline())
                p.stdout.close()
                try:
                    self.assertEqual(p.wait(20), 128 + signal.SIGPIPE)
                finally:
                    p.kill()

    def test_closed_descriptors(self):
        """trpsup has no standard output, or error: what a tenant writes there does not come to the daemon as its caller's orders."""
        self.target("speaks")
        self.target("victim")
        order = 'import os; os.write(%d, b\'{"method":"trpsup.Stop","parameters":{"services":["victim"]}}\\0\' * 2)'
        for fd in (1, 2):
            done = subprocess.run(["sh", "-c", 'exec "$@" %d>&-' % fd, "sh", os.path.join(trp.BUILD, "trpsup"), "-c", self.d.conf, "exec", "speaks",
                                   "python3", "-c", order % fd], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60,
                                  check=False)
            self.assertIn(done.returncode, (0, 128 + signal.SIGPIPE, 1), done)
            self.d.call("trpsup.Info")
            self.assertEqual(self.d.status("victim")["state"], "ready", fd)

    def test_output_that_does_not_block(self):
        """A pipe or terminal that others have set so, and that is full: what is written waits."""
        self.target("full")
        size = 2000000
        for options in ((), ("--json",)):
            r, w = os.pipe()
            os.set_blocking(w, False)
            with subprocess.Popen([os.path.join(trp.BUILD, "trpsup"), "-c", self.d.conf, *options, "exec", "full", "sh", "-c",
                                   "yes abcdefg | head -c %d" % size], stdout=w, stderr=subprocess.PIPE) as p:
                trp.wait_until(lambda: not select.select([], [w], [], 0)[1], 20, "it is full")  # pylint: disable=cell-var-from-loop
                os.close(w)
                time.sleep(0.3)
                with os.fdopen(r, "rb") as f:
                    data = f.read()
                self.assertEqual((p.wait(20), p.stderr.read()), (0, b""))
            if options:
                lines = [json.loads(line) for line in data.splitlines()]
                data = "".join(l["text"] for l in lines if l.get("stream") == "out").encode()
            self.assertEqual(data, (b"abcdefg\n" * (size // 8 + 1))[:size])

    def test_other_verbs_wait_too(self):
        self.target("shown")
        for args in (("help",), ("--json", "list"), ("status", "shown")):
            r, w = os.pipe()
            os.set_blocking(w, False)
            filled = os.write(w, bytes(1 << 20))
            with subprocess.Popen([os.path.join(trp.BUILD, "trpsup"), "-c", self.d.conf, *args], stdout=w, stderr=subprocess.PIPE) as p:
                os.close(w)
                time.sleep(0.3)
                with os.fdopen(r, "rb") as f:
                    data = f.read()[filled:]
                self.assertEqual((p.wait(20), p.stderr.read()), (0, b""))
            self.assertEqual(len(data.splitlines()), len(self.d.ok(*args).splitlines()))
            self.assertEqual(data[-1:], b"\n")

    def test_signals_are_passed_on(self):
        self.target("signals")
        p = self.begin("signals", "/usr/bin/python3", "-uc", "import signal, time\n"
                       "signal.signal(signal.SIGINT, lambda *_: exit(9))\nprint('on')\ntime.sleep(1000)", stdout=subprocess.PIPE)
        self.assertEqual(p.stdout.readline(), b"on\n")
        p.send_signal(signal.SIGINT)
        self.assertEqual(p.wait(20), 9)
        p.stdout.close()

    # that it is confined

    def test_signals_are_passed_on_while_nobody_reads(self):
        """Its output has no room: what is to end it ends it all the same; and then us, who wait to write what it has written."""
        self.target("full")
        for again in (False, True):
            r, w = os.pipe()
            with os.fdopen(r, "rb") as f, os.fdopen(w, "wb") as to, \
                    self.begin("full", "python3", "-c", "while True: print('x' * 4000)", stdout=to) as p:
                trp.wait_until(lambda: not select.select([], [to], [], 0)[1], 20, "it is full")  # pylint: disable=cell-var-from-loop
                to.close()
                p.send_signal(signal.SIGTERM)
                try:
                    trp.wait_until(lambda: not self.inside_pids("full"), 20, "it has ended")
                except AssertionError:
                    p.kill()
                    raise
                if again:
                    trp.wait_until(lambda: p.poll() is not None or p.send_signal(signal.SIGTERM), 20, "we have ended")  # pylint: disable=cell-var-from-loop
                    self.assertEqual(p.returncode, -signal.SIGTERM)
                else:
                    self.assertGreater(len(f.read()), 65536)
                    self.assertEqual(p.wait(20), 128 + signal.SIGTERM)

    def status_of(self, pid):
        keep = ("Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Seccomp_filters")
        status = trp.process_status(pid)
        return {k: status.get(k) for k in keep}

    def test_has_every_control_of_the_service(self):
        self.target("same")
        main = self.d.main_pid("same")
        p = self.begin("same", "sleep", "1000")
        try:
            pid = trp.wait_until(lambda: (pids := [q for q in self.inside_pids("same")
                                                   if trp.read("/proc/%d/comm" % q) == b"sleep\n"]) and pids[0], 10, "it runs")
            self.assertEqual(self.status_of(pid), self.status_of(main))
            self.assertEqual(self.status_of(pid)["CapBnd"], "0000000000000000")
            for kind in ("user", "mnt", "pid", "net", "ipc", "uts", "cgroup"):
                self.assertEqual(trp.namespace(pid, kind), trp.namespace(main, kind), kind)
            self.assertEqual(trp.cgroups_of(pid), trp.cgroups_of(main))
            for name in ("limits", "oom_score_adj", "uid_map", "gid_map"):
                self.assertEqual(trp.read("/proc/%d/%s" % (pid, name)), trp.read("/proc/%d/%s" % (main, name)), name)
            self.assertEqual(sorted(os.listdir("/proc/%d/fd" % pid)), ["0", "1", "2"])
            self.assertEqual(os.stat("/proc/%d/root" % pid).st_dev, os.stat("/proc/%d/root" % main).st_dev)
            self.assertEqual(trp.process_status(pid)["PPid"], str(self.d.process.pid))
            # and by the judgement of `trpsup score`, which compares every process of the sandbox
            self.assertRegex(self.d.ok("score", "same"), "in force in 3 processes")
        finally:
            p.terminate()
            p.wait(20)

    def test_is_behind_landlock(self):
        """The one thing that nothing else refuses here: another domain's abstract socket (Landlock ABI 6, Linux 6.12)."""
        self.target("domain")
        self.d.logged("domain", "out listens")
        text = "import socket\ntry:\n socket.socket(socket.AF_UNIX).connect(b'\\0idle')\nexcept PermissionError: print('refused')"
        abi = int(subprocess.run(["python3", "-c", "import ctypes; print(ctypes.CDLL(None).syscall(444, 0, 0, 1))"],
                                 capture_output=True, check=True).stdout)
        self.assertEqual(self.python("domain", text), "refused\n" if abi >= 6 else "")

    def test_user(self):
        self.target("user")
        self.assertEqual(self.exec("user", "id", "-u").stdout, b"1000\n")
        self.assertEqual(self.exec("-u", "0", "user", "id", "-u").stdout, b"0\n")
        # root of the sandbox without a capability
        done = self.exec("-u", "root", "user", "sh", "-c", "grep CapEff /proc/self/status; mount -t tmpfs x /tmp; touch /x")
        self.assertIn(b"0000000000000000", done.stdout)
        self.assertNotEqual(done.returncode, 0)

    def test_nothing_is_executed_of_the_host(self):
        """A script, or a link, of the service that names what executes it: CVE-2019-5736 of another program."""
        self.target("evil", sandbox="exec-from = state")
        before = hashlib.sha256(trp.read(self.d.program)).hexdigest()
        state = os.path.join(self.d.state_dir, "state", "evil")
        with open(os.path.join(state, "script"), "w") as f:
            f.write("#!/proc/self/exe\n")
        os.chmod(os.path.join(state, "script"), 0o755)
        for name, to in (("link", "/proc/self/exe"), ("fd", "/proc/self/fd/3"), ("one", "/proc/1/exe")):
            os.symlink(to, os.path.join(state, name))
        for name in ("script", "link", "fd", "one"):
            done = self.exec("evil", "/trp/state/" + name, "--version")
            self.assertIn(done.returncode, (126, 127), (name, done))
            self.assertNotIn(b"trpsup", done.stdout)
        self.assertEqual(hashlib.sha256(trp.read(self.d.program)).hexdigest(), before)
        # a directory of its own in the way of the working directory and of PATH is no more than its own
        self.assertEqual(self.exec("evil", "true").returncode, 0)

    def test_a_hostile_service_gains_nothing(self):
        self.target("hostile", ATTACK, sandbox="syscalls = @default ptrace pidfd_open pidfd_getfd")
        control = self.d.logged("hostile", "out control")[0].split("control ")[1].split()
        self.assertEqual(set(control), {"exe", "exe-open", "root", "cwd", "fd", "mem", "maps", "environ", "ptrace", "pidfd_getfd"})
        self.d.logged("hostile", "out attacks")
        for _ in range(3):
            batch = [self.begin("hostile", "sh", "-c", "sleep 0.5; exit 5") for _ in range(8)]
            self.assertEqual({p.wait(60) for p in batch}, {5})
        p = self.begin("hostile", "sleep", "3")
        self.assertEqual(p.wait(60), 0)
        self.d.logged("hostile", "out tried", 20)
        self.assertEqual(self.d.log_lines("hostile", "WORKED"), [])

    # beside each adapter

    SERVER = """
import socket
s = socket.create_server(("", 80))
while True: s.accept()
"""
    ROUTE = "[route]\nhost = %s.test\nhttp = 80"

    def test_notify_adapter(self):
        """The service may ask once for a listener of its filter, which its second filter takes away. A command never may."""
        self.target("notified", self.SERVER, keys="adapter = notify\n" + self.ROUTE % "notified")
        self.assertEqual(self.status_of(self.d.main_pid("notified"))["Seccomp_filters"], "2")
        out = self.python("notified", "import ctypes, errno\nl = ctypes.CDLL(None, use_errno=True)\n"
                          "print(l.syscall(317, 1, 8, 0), errno.errorcode[ctypes.get_errno()])\n"
                          "print([x.split()[1] for x in open('/proc/self/status') if x.startswith('Seccomp_filters')])")
        self.assertEqual(out, "-1 ENOSYS\n['1']\n")

    def test_loopback_adapter(self):
        self.target("looped", self.SERVER, keys="adapter = loopback\n" + self.ROUTE % "looped")
        main = self.d.main_pid("looped")
        self.assertEqual(self.python("looped", "import os; print(os.readlink('/proc/self/ns/net'))").strip(), trp.namespace(main, "net"))

    def test_relay_has_nothing_to_enter(self):
        self.d.profile("relayed", "[service]\nadapter = relay\n[route]\nhost = relayed.test\nhttp = 80\n[relay]\ntarget = 127.0.0.1:9\n")
        self.d.ok("start", "relayed")
        done = self.exec("relayed", "true")
        self.assertEqual(done.returncode, 125)
        self.assertIn(b"adapter = relay", done.stderr)

    # its terminal

    def terminal(self, *args):
        """trpsup on a pseudo-terminal: its pid and the master."""
        pid, master = pty.fork()
        if pid == 0:
            os.environ["TERM"] = "vt100"
            os.execv(os.path.join(trp.BUILD, "trpsup"), ["trpsup", "-c", self.d.conf, "exec", *args])
        return pid, master

    def reads(self, master, what, seconds=20):
        """Until what was read."""
        got, end = b"", time.monotonic() + seconds
        while what not in got:
            ready, _, _ = select.select([master], [], [], max(0, end - time.monotonic()))
            self.assertTrue(ready, "%r did not come: %r" % (what, got))
            try:
                more = os.read(master, 4096)
            except OSError:
                more = b""
            self.assertTrue(more, "%r did not come: %r" % (what, got))
            got += more
        return got

    def ends(self, pid):
        end = time.monotonic() + 20
        while time.monotonic() < end:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.02)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        self.fail("trpsup does not end")

    def test_terminal(self):
        self.target("tty")
        pid, master = self.terminal("-it", "tty", "/usr/bin/python3", "-uc", """
import fcntl, os, signal, sys, termios, time
print("T", os.isatty(0), os.isatty(2), os.environ["TERM"], os.stat(0).st_dev == %d)
try: print("NAME", os.ttyname(0))
except OSError: print("NAMELESS", os.path.exists("/dev/pts"))
print("TTY", os.stat("/dev/tty").st_rdev, open("/dev/tty", "w").isatty())
try: fcntl.ioctl(0, termios.TIOCSTI, b"x"); print("STI")
except OSError: print("NO-STI")
signal.signal(signal.SIGWINCH, lambda *_: print("SIZE", os.get_terminal_size().columns))
try:
    print("READY", os.get_terminal_size().columns)
    while True: time.sleep(0.05)
except KeyboardInterrupt:
    print("INTERRUPTED")
print("GOT", input())
sys.exit(11)
""" % os.stat("/dev/pts").st_dev)
        try:
            got = self.reads(master, b"READY")
            self.assertIn(b"T True True vt100 False", got)
            self.assertIn(b"NAMELESS False", got)
            self.assertIn(b"NO-STI", got)
            fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 123, 0, 0))
            self.reads(master, b"SIZE 123")
            os.write(master, b"\x03")
            self.reads(master, b"INTERRUPTED")
            os.write(master, b"words\r")
            self.reads(master, b"GOT words")
            self.assertEqual(self.ends(pid), 11)
            self.assertTrue(termios.tcgetattr(master)[3] & termios.ECHO)  # as it was
        finally:
            os.close(master)

    def test_terminal_that_is_closed(self):
        """So is the one inside: who ignores SIGHUP has it by what is read and written there, and nothing waits for ever."""
        self.target("closed")
        for code, does in ((3, "while os.write(1, b'x' * 100): pass"), (4, "while os.read(0, 1): pass")):
            pid, master = self.terminal("-it", "closed", "/usr/bin/python3", "-uc", """
import os, signal
signal.signal(signal.SIGHUP, signal.SIG_IGN)
os.write(1, b"READY")
try:
    %s
finally:
    os._exit(%d)
""" % (does, code))
            try:
                self.reads(master, b"READY")
            finally:
                os.close(master)
            self.assertEqual(self.ends(pid), code)

    def test_shell_is_the_default(self):
        self.target("shell")
        pid, master = self.terminal("shell")
        try:
            os.write(master, b"echo $((6*7)); exit 4\r")
            self.reads(master, b"42\r\n")
            self.assertEqual(self.ends(pid), 4)
        finally:
            os.close(master)

    # its end

    def processor_time(self):
        with open("/proc/%d/stat" % self.d.process.pid, encoding="ascii") as f:
            words = f.read().rsplit(")", 1)[1].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def test_traced_when_it_ends(self):
        """It has ended and cannot be reaped: the daemon sleeps until it can."""
        self.target("traced", sandbox="syscalls = @default @debug")
        p = self.begin("traced", "/usr/bin/python3", "-c", TRACED, stdout=subprocess.PIPE)
        self.assertEqual(p.stdout.readline(), b"seized\n")
        time.sleep(0.3)
        before = self.processor_time()
        time.sleep(1.5)
        self.assertLess(self.processor_time() - before, 0.3)
        self.assertIsNone(p.poll())
        self.assertEqual(p.wait(20), 5)
        p.stdout.close()

    def test_client_that_leaves(self):
        self.target("leaves")
        p = self.begin("leaves", "sleep", "1000")
        trp.wait_until(lambda: self.inside_pids("leaves"), 10, "it runs")
        p.kill()
        p.wait()
        trp.wait_until(lambda: not self.inside_pids("leaves"), 10, "it has ended")
        self.assertEqual(trp.children(self.d.process.pid), [q for q in trp.children(self.d.process.pid)
                                                            if trp.process_status(q).get("State", "Z")[0] != "Z"])

    def test_ends_with_the_service(self):
        self.target("ends")
        p = self.begin("ends", "sh", "-c", "trap '' HUP TERM; while :; do sleep 1; done")
        trp.wait_until(lambda: self.inside_pids("ends"), 10, "it runs")
        self.d.ok("stop", "ends", timeout=30)
        self.assertEqual(p.wait(20), 128 + 9)

    def test_daemon_that_is_killed(self):
        self.target("orphan")
        p = self.begin("-i", "orphan", "cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        p.stdin.write(b"first\n")
        p.stdin.flush()
        self.assertEqual(p.stdout.readline(), b"first\n")
        pid = self.inside_pids("orphan")[0]
        self.d.process.kill()
        self.d.process.wait()
        self.d.log.close()
        self.d.run()
        # the client has what leads to it
        p.stdin.write(b"still\n")
        p.stdin.flush()
        self.assertEqual(p.stdout.readline(), b"still\n")
        self.assertEqual(trp.namespace(pid, "pid"), trp.namespace(self.d.status("orphan")["pid"], "pid"))
        p.stdin.close()
        self.assertEqual(p.wait(20), 125)  # how it ended nobody can say
        p.stdout.close()
        self.assertEqual(self.exec("orphan", "sh", "-c", "exit 6").returncode, 6)

    def test_many_at_a_time(self):
        self.target("many")
        codes = []
        threads = [threading.Thread(target=lambda i=i: codes.append(
            self.exec("many", "sh", "-c", "echo %d; exit %d" % (i, i)).returncode)) for i in range(16)]
        for t in threads:
            t.start()
        for t in threads:
            t.join(60)
        self.assertEqual(sorted(codes), list(range(16)))

    def test_one_service_does_not_use_up_what_another_may_run(self):
        for name in ("full", "other"):
            self.target(name)
        running = []
        try:
            for _ in range(16):
                running.append(subprocess.Popen([os.path.join(trp.BUILD, "trpsup"), "-c", self.d.conf, "exec", "full", "sh", "-c",
                                                 "echo up; exec sleep 600"], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL))
                self.assertEqual(running[-1].stdout.readline(), b"up\n")
            refused = self.exec("full", "true")
            self.assertEqual(refused.returncode, 125)
            self.assertIn(b"16 commands run in it already", refused.stderr)
            self.assertEqual(self.exec("other", "sh", "-c", "exit 9").returncode, 9)
        finally:
            self.d.ok("stop", "full")
            for p in running:
                p.wait(20)
                p.stdout.close()


class WithoutLandlock(unittest.TestCase):
    def test_without_landlock(self):
        """There a script that names what executes it is refused by where it lies; what the service cannot have written is executed."""
        d = trp.Daemon()
        d.prefix = [os.path.join(trp.BUILD, "tests/progs/without-landlock")]
        with d:
            d.profile("bare", TARGET.replace("bind = %(dir)s /opt/p\n", "") .replace("/usr/bin/python3 -u /opt/p/%(program)s.py", "/bin/sleep 1000") %
                      {"keys": "", "sandbox": "exec-from = state\nallow-missing = landlock"})
            d.ok("start", "bare")
            trp.wait_until(lambda: d.status("bare")["main_pid"], 10, "it runs")
            state = os.path.join(d.state_dir, "state", "bare")
            for name, text in (("script", "#!/proc/self/exe\n"), ("shell", "#!/bin/sh\necho ran\n")):
                with open(os.path.join(state, name), "w") as f:
                    f.write(text)
                os.chmod(os.path.join(state, name), 0o755)
            for name, to in (("link", "/proc/self/exe"), ("one", "/proc/1/exe"), ("true", "/bin/true")):
                os.symlink(to, os.path.join(state, name))
            for name in ("script", "link", "one", "shell"):
                done = d.trpsup("exec", "bare", "/trp/state/" + name, "--version")
                self.assertIn(done.returncode, (126, 127), (name, done))
                self.assertNotIn("trpsup ", done.stdout)
                self.assertNotIn("ran", done.stdout)
            self.assertIn("no Landlock", d.trpsup("exec", "bare", "/trp/state/script").stderr)
            for command in (["/bin/echo", "hello"], ["echo", "hello"], ["sh", "-c", "echo hello"]):
                self.assertEqual(d.trpsup("exec", "bare", *command).stdout, "hello\n")
            self.assertEqual(d.trpsup("exec", "bare", "/trp/state/true").returncode, 0)

    def test_landlock_refused_by_a_container(self):
        """Its filter may say EPERM: the same to who accepts to be without, and to others the reason."""
        d = trp.Daemon()
        d.prefix = [os.path.join(trp.BUILD, "tests/progs/without-landlock"), "--refused"]
        profile = TARGET.replace("bind = %(dir)s /opt/p\n", "").replace("/usr/bin/python3 -u /opt/p/%(program)s.py", "/bin/sleep 1000")
        with d: # its router and its observer are without, too
            d.profile("accepts", profile % {"keys": "", "sandbox": "allow-missing = landlock"})
            d.profile("wants", profile % {"keys": "", "sandbox": ""})
            d.ok("start", "accepts")
            self.assertEqual(d.status("accepts")["state"], "ready")
            done = d.trpsup("start", "wants")
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("a seccomp filter around trpsupd refuses it", done.stderr + done.stdout)


if __name__ == "__main__":
    unittest.main()
