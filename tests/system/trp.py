# SPDX-License-Identifier: ISC
"""A trpsupd of the test's own: private run, log and profile directories, ports that nobody uses, and package roots
that are kept from run to run (/var/lib/trpsup-test/images: building them is the slow part)."""
import atexit
import contextlib
import ctypes
import fcntl
import gzip
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
import unittest
import zlib

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
BUILD = os.path.abspath(os.environ.get("TRP_BUILD", os.path.join(TOP, "build")))
ARTIFACTS = os.path.join(BUILD, "artifacts")
STATE = os.environ.get("TRP_TEST_STATE", "/var/lib/trpsup-test")


def free_port(first):
    """A port of the hundred from there on at which nobody listens. Where to begin depends on the process: of two runs at a
    time each finds its own, although it binds it only later. One with a state of its own has ports of its own, too."""
    first += 2000 if "TRP_TEST_STATE" in os.environ else 0
    start = os.getpid() * 7 % 100
    for port in [first + (start + i) % 100 for i in range(100)]:
        with socket.socket(socket.AF_INET6) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind(("::", port))
                return port
            except OSError:
                pass
    raise AssertionError("no free port from %d on" % first)


HTTP_PORT, TLS_PORT = free_port(18080), free_port(18443)
# begins the names of all that a run makes on the machine (run directory, control groups), so that two runs at a time
# do not take each other's for leftovers
TAG = os.environ.setdefault("TRP_TEST_TAG", "trpsup-test-%07d" % os.getpid())
# a part of the uid pool that the daemon of a real installation does not use, nor another run's: the state remembers who had which
UID_BASE = 0x70000000 + (1024 * (7 + zlib.crc32(STATE.encode()) % 16) if "TRP_TEST_STATE" in os.environ else 4096) * 65536

SYS_SCHED_GETATTR = 315 if os.uname().machine == "x86_64" else 275
START_SECONDS = 900  # with package roots to be built
# of the daemon: of its loop, of its listeners (which is closed for ten seconds when somebody comes, routerwatch.c), and of memory that is short (oom.c)
EPOLLS = {"anon_inode:[eventpoll]": 3}


def wait_until(condition, seconds, what):
    """Polls; for what the daemon does by itself."""
    end = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError("not within %g s: %s" % (seconds, what))
        time.sleep(0.02)


def read(path):
    with open(path, "rb") as f:
        return f.read()


def processes():
    """All that run. One that has ended waits for its parent, which may be the machine's init: none of ours then."""
    def runs(pid):
        try:
            return read("/proc/%d/stat" % pid).rsplit(b")", 1)[1].split()[0] not in (b"Z", b"X")
        except OSError:
            return False
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and runs(int(name))]


def namespace(pid, kind):
    try:
        return os.readlink("/proc/%d/ns/%s" % (pid, kind))
    except OSError:
        return None


def process_status(pid):
    """/proc/PID/status as a dictionary, {} if the process is gone."""
    try:
        lines = read("/proc/%d/status" % pid).decode().splitlines()
    except OSError:
        return {}
    return dict((key, value.strip()) for key, _, value in (line.partition(":") for line in lines))


def sanitizer_report(log):
    """From the first word of a sanitizer in it (make check-router); empty without one."""
    found = re.search(r"ERROR: \w+Sanitizer|runtime error: |SUMMARY: \w+Sanitizer", log)
    return log[found.start():][:4000] if found else ""


# a profile: the least service there is, with lines of its own in [service]
HELLO = """[service]
command = ${libexec}/trp-hello 8000
adapter = native
restart-delay = 10ms
%s
[route]
host = ${id}.localhost
http = 8000
[sandbox]
root = none
"""
LISTENERS = """[listener http]
port = %d
protocols = http

[listener tls]
port = %d
protocols = tls
"""


def children(pid):
    """Host pids of the children of a process, oldest first."""
    try:
        return [int(p) for p in read("/proc/%d/task/%d/children" % (pid, pid)).split()]
    except OSError:
        return []


class Failed(AssertionError):
    """A command of trpsup that was to succeed did not."""


# by state directory, of which only one test at a time may have the lock. What is still here when the next one wants it has nobody who would end
# it: its setUpClass() failed, and then unittest calls no tearDownClass()
started = {}


@atexit.register
def end_started(own=os.getpid()):
    for d in list(started.values()) if os.getpid() == own else []:
        d.clean_up()


class Daemon:
    """with Daemon(profiles={"name": "text of name.ini"}) as d: ... ; leaving it stops the daemon and checks that
    nothing of it is left."""

    def __init__(self, profiles=None, config="", state=STATE):
        self.state_dir = state
        self.extra_config = config
        self.listeners = LISTENERS % (HTTP_PORT, TLS_PORT)
        self.ports = (HTTP_PORT, TLS_PORT)  # that nobody listens at after its end
        self.pass_fds = ()
        self.prefix, self.environment = [], None  # of the process: ["nsenter", ...]
        self.program = os.path.join(BUILD, "trpsupd")
        self.dir = tempfile.mkdtemp(prefix=TAG + "-", dir="/run")
        self.name = os.path.basename(self.dir)
        self.run_dir = os.path.join(self.dir, "run")
        self.log_dir = os.path.join(self.dir, "log")
        self.profile_dir = os.path.join(self.dir, "services")
        self.conf = os.path.join(self.dir, "trpsup.conf")
        self.control = os.path.join(self.run_dir, "control")
        self.process = self.lock = None
        os.chmod(self.dir, 0o755)  # as /run is
        os.mkdir(self.profile_dir)
        # the daemon takes profiles from root only, and this tree may be somebody else's
        self.shipped_dir = os.path.join(self.dir, "shipped")
        subprocess.run(["cp", "-r", os.path.join(TOP, "profiles"), self.shipped_dir], check=True)
        subprocess.run(["chmod", "-R", "go-w", self.shipped_dir], check=True)
        for name, text in (profiles or {}).items():
            self.profile(name, text)

    def profile(self, name, text):
        with open(os.path.join(self.profile_dir, name + ".ini"), "w") as f:
            f.write(text)

    def write_conf(self):
        with open(self.conf, "w") as f:
            f.write("""[daemon]
run-dir = %s
state-dir = %s
log-dir = %s
cgroup = %s
profile-dirs = %s %s
uid-base = %d
uid-ranges = 1024
%s
%s""" % (self.run_dir, self.state_dir, self.log_dir, self.name, self.profile_dir, self.shipped_dir,
                UID_BASE, self.extra_config, self.listeners))

    # life

    def start(self):
        os.makedirs(self.state_dir, mode=0o700, exist_ok=True)
        if self.state_dir in started:
            started[self.state_dir].clean_up()
        self.lock = open(os.path.join(self.state_dir, "test.lock"), "w")
        fcntl.flock(self.lock, fcntl.LOCK_EX)  # one test at a time
        started[self.state_dir] = self
        self.forget_services()
        self.write_conf()
        try:
            self.run()
        except BaseException:
            self.clean_up()
            raise
        return self

    def forget_services(self):
        """Images and uid ranges stay."""
        for kept in ("state", "secrets", "learn", "disks", "timers"):
            shutil.rmtree(os.path.join(self.state_dir, kept), ignore_errors=True)
        if os.path.exists(os.path.join(self.state_dir, "enabled")):
            os.unlink(os.path.join(self.state_dir, "enabled"))

    def run(self):
        """Starts the process; state stays as it is."""
        self.log = open(os.path.join(self.dir, "trpsupd.log"), "ab")
        self.process = subprocess.Popen([*self.prefix, self.program, "-c", self.conf],
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                        env=self.environment, pass_fds=self.pass_fds)
        wait_until(self._answers, 15, "trpsupd answers")

    def _answers(self):
        if self.process.poll() is not None:
            raise AssertionError("trpsupd ended with %d:\n%s" % (self.process.returncode, self.daemon_log()))
        try:
            return self.call("trpsup.Info").get("router", {}).get("pid")
        except OSError:
            return None

    def daemon_log(self):
        return read(os.path.join(self.dir, "trpsupd.log")).decode("utf-8", "replace")

    def told(self):
        """What whoever reads of a failure wants: the end of the daemon's log and of each service's, as they are now."""
        text = "trpsupd:\n" + self.daemon_log()[-2500:]
        for name in sorted(os.listdir(self.log_dir)) if os.path.isdir(self.log_dir) else ():
            if name.endswith(".log"):
                with contextlib.suppress(FileNotFoundError, Failed):  # rotated meanwhile, again and again
                    text += "\n%s:\n%s" % (name[:-4], self.service_log(name[:-4])[-2500:])
        return text

    def stop(self, seconds=120):
        """Asks the daemon to end and checks that nothing of it is left behind."""
        try:
            if self.process and self.process.poll() is None:
                self.process.send_signal(signal.SIGTERM)
                self.process.wait(seconds)
            self.remove_own_group()
            left = self.left()
            if left:
                raise AssertionError("left by trpsupd after its end:\n  " + "\n  ".join(left))
            report = sanitizer_report(self.daemon_log())
            if report:
                raise AssertionError("a sanitizer found something:\n" + report)
        finally:
            self.clean_up()

    def clean_up(self):
        """Whatever happened: ends what is ours, by the name of our control group."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.process:
            self.log.close()
        for _ in range(50):
            pids = [p for p in processes() if self.name in cgroups_of(p)]
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            if not pids:
                break
            time.sleep(0.1)
        for mount in reversed([m for m in mounts() if self.name in m]):
            subprocess.run(["umount", "-l", mount], check=False)
        for path in control_groups(self.name):
            try:
                os.rmdir(path)
            except OSError:
                pass
        shutil.rmtree(self.dir, ignore_errors=True)
        if self.lock:
            self.forget_services()
            self.lock.close()
            started.pop(self.state_dir, None)

    def remove_own_group(self):
        """With control groups v2 alone the daemon is in one, until its end: the next one, or its unit, would have that."""
        for path in control_groups(self.name + ".daemon"):
            with contextlib.suppress(OSError):
                os.rmdir(path)

    def left(self):
        """What an ended daemon must have taken away, as lines of text."""
        found = ["process %d %s" % (p, read("/proc/%d/comm" % p).decode().strip())
                 for p in processes() if self.name in cgroups_of(p)]
        found += ["mount " + m for m in mounts() if self.name in m]
        found += ["control group " + g for g in control_groups(self.name)]
        found += ["file " + os.path.join(where, f) for where, _, files in os.walk(self.run_dir) for f in files
                  if f != "lock"]
        found += ["socket " + line for line in listening(self.ports)]
        return found

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, value, trace):
        if kind is None:
            self.stop()
        else:
            print(self.told())
            self.clean_up()

    # the command line and the protocol below it

    def trpsup(self, *args, timeout=START_SECONDS):
        """Runs the command; the result has returncode, stdout and stderr as text."""
        return subprocess.run([os.path.join(BUILD, "trpsup"), "-c", self.conf, *args], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=timeout, check=False)

    def ok(self, *args, timeout=START_SECONDS):
        """The same, where success is expected. Returns what it printed."""
        done = self.trpsup(*args, timeout=timeout)
        if done.returncode != 0:
            raise Failed("trpsup %s: exit code %d\n%s%s" % (" ".join(args), done.returncode, done.stdout, done.stderr))
        return done.stdout

    def call(self, method, **parameters):
        """One call of the control protocol (doc/protocol.md); the reply's parameters."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(30)
            sock.connect(self.control)
            sock.sendall(json.dumps({"method": method, "parameters": parameters}).encode() + b"\0")
            data = b""
            while not data.endswith(b"\0"):
                more = sock.recv(65536)
                if not more:
                    raise ConnectionError("the daemon closed the control connection")
                data += more
        finally:
            sock.close()
        reply = json.loads(data[:-1])
        if "error" in reply:
            raise Failed("%s: %s" % (method, reply))
        return reply.get("parameters", {})

    def status(self, service):
        return self.call("trpsup.Status", service=service)["service"]

    def router_pid(self):
        return self.call("trpsup.Info")["router"]["pid"]

    # what a service is

    def service_log(self, service):
        """All that is kept, rotated files first."""
        for _ in range(100):
            before = sorted(os.listdir(self.log_dir))
            try:
                data = b"".join(self.log_parts(service)).decode("utf-8", "replace")
            except FileNotFoundError:
                continue  # rotated or compressed meanwhile
            if sorted(os.listdir(self.log_dir)) == before:
                return data
        raise Failed("the log of %s does not stand still" % service)

    def log_parts(self, service):
        base = os.path.join(self.log_dir, service + ".log")
        files = os.listdir(self.log_dir)
        old = sorted(f for f in files if re.fullmatch(re.escape(service) + r"\.log\.\d{8}T\d{6}\.\d{6}Z(\.gz)?", f))
        old += sorted((f for f in files if re.fullmatch(re.escape(service) + r"\.log\.\d+", f)), reverse=True)  # the access log's
        for name in old:
            if name + ".gz" in old:
                continue  # just being replaced by that
            data = read(os.path.join(self.log_dir, name))
            yield gzip.decompress(data) if name.endswith(".gz") else data
        if os.path.exists(base):
            yield read(base)

    def log_lines(self, service, pattern):
        """As it is now, for what must not be there; what must be there is waited for: logged()."""
        self.logs_written()
        return self.lines_in_files(service, pattern)

    def logs_written(self):
        """Waits until all that the daemon has taken so far is in the files: whoever asks for a log is answered only then."""
        if self.process and self.process.poll() is None and os.path.exists(self.control):
            subprocess.run([os.path.join(BUILD, "trpsup"), "-c", self.conf, "logs", "--all", "-n", "0"], stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, check=False, timeout=20)

    def lines_in_files(self, service, pattern):
        return [line for line in self.service_log(service).splitlines() if re.search(pattern, line)]

    def logged(self, service, pattern, n=1, seconds=10):
        """Waits until n lines have pattern, as a program may log after it has answered. All that have it."""
        return wait_until(lambda: (lines := self.lines_in_files(service, pattern))[n - 1:] and lines, seconds,
                          "%d lines of %s's log with %s" % (n, service, pattern))

    def pids(self, service):
        """Host pids of everything in the sandbox, its init first."""
        return self.pids_of_init(self.status(service)["pid"])

    @staticmethod
    def pids_of_init(init):
        ns = namespace(init, "pid")
        return [init] + [p for p in processes() if p != init and ns and namespace(p, "pid") == ns]

    def main_pid(self, service):
        """The upstream: the child of the sandbox's init."""
        init = self.status(service)["pid"]
        children = [p for p in self.pids(service) if process_status(p).get("PPid") == str(init)]
        if len(children) != 1:
            raise AssertionError("%s: %d children of init" % (service, len(children)))
        return children[0]

    def inside(self, service, *argv, uid=None):
        """Runs a program of the service's root in all its namespaces, as its user (or uid inside)."""
        pid = self.main_pid(service)
        base = self.status(service)["uid_base"]
        if uid is None:
            uid = int(process_status(pid)["Uid"].split()[0]) - base
        return subprocess.run(
            ["nsenter", "-t", str(pid), "-U", "-m", "-p", "-n", "-i", "-u", "-S", str(uid), "-G", str(uid), *argv],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)


# the machine, for leak checks

class DaemonTest(unittest.TestCase):
    """Tests of one daemon, each of which leaves its services stopped."""
    profiles = {}

    @classmethod
    def setUpClass(cls):
        cls.d = Daemon(cls.profiles)
        cls.d.start()

    @classmethod
    def tearDownClass(cls):
        cls.d.stop()

    def tearDown(self):
        for s in self.d.call("trpsup.List")["services"]:
            if s["state"] != "stopped":
                self.d.trpsup("stop", s["service"])


def mounts():
    return [line.split()[4] for line in read("/proc/self/mountinfo").decode().splitlines()]


def cgroups_of(pid):
    try:
        return read("/proc/%d/cgroup" % pid).decode()
    except OSError:
        return ""


def scheduling(pid):
    """Its policy, and the nanoseconds for which the kernel lets it go on (sched_getattr(2): sched_runtime, from Linux 6.12)."""
    attr = ctypes.create_string_buffer(56)
    if ctypes.CDLL(None).syscall(SYS_SCHED_GETATTR, pid, attr, len(attr), 0) != 0:
        raise Failed("sched_getattr of %d" % pid)
    return struct.unpack_from("=I", attr, 4)[0], struct.unpack_from("=Q", attr, 24)[0]


def control_groups(name):
    """Directories of control groups whose path has name in it, deepest first."""
    found = []
    for where, directories, _ in os.walk("/sys/fs/cgroup", topdown=True):
        found += [os.path.join(where, d) for d in directories if name in os.path.join(where, d)]
    return sorted(found, key=len, reverse=True)


def listening(ports):
    out = subprocess.run(["ss", "-Htlnp"], capture_output=True, text=True, check=True).stdout
    return [line for line in out.splitlines() if int(line.split()[3].rsplit(":", 1)[1]) in ports]


def socket_holders(inode):
    """The processes that have that socket among their descriptors."""
    def has(pid):
        try:
            return any(os.readlink("/proc/%d/fd/%s" % (pid, fd)) == "socket:[%s]" % inode for fd in os.listdir("/proc/%d/fd" % pid))
        except OSError:
            return False
    return [p for p in processes() if has(p)]


def descendants(pid):
    """Of this process, however deep."""
    parents = {}
    for p in processes():
        status = process_status(p)
        if status:
            parents[p] = int(status["PPid"])
    found, more = set(), {pid}
    while more:
        more = {p for p, parent in parents.items() if parent in more} - found
        found |= more
    return found


class Machine:
    """What must be as before after each test file. (A namespace lives by a process or a mount, so those tell.)"""

    def __init__(self):
        # the runner is a subreaper: whatever its tests leave behind is its child in the end
        self.processes = descendants(os.getpid())
        self.mounts = {m for m in read("/proc/self/mountinfo").decode().splitlines() if TAG in m}
        self.groups = set(control_groups(TAG))
        self.links = set(re.findall(r"(?m)^ *(trpt[^:]*):", read("/proc/self/net/dev").decode())) # of this network
        self.run = {f for f in os.listdir("/run") if f.startswith(TAG)}
        self.sockets = {line for line in read("/proc/net/unix").decode("utf-8", "replace").splitlines()
                        if TAG in line}

    def left_since(self, before):
        found = []
        for p in self.processes - before.processes:
            status = process_status(p)
            if status:
                found.append("process %d: %s, %s" % (p, status["Name"], status["State"]))
        found += ["mount " + m for m in self.mounts - before.mounts]
        found += ["control group " + g for g in self.groups - before.groups]
        found += ["network interface " + i for i in self.links - before.links]
        found += ["/run/" + f for f in self.run - before.run]
        found += ["unix socket " + s for s in self.sockets - before.sockets]
        return found
