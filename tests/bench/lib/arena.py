# SPDX-License-Identifier: ISC
"""Where a measurement runs: network, mount and pid namespaces of its own, so that nothing on the machine is touched and
that everything ends with the first process of the pid namespace, however the measurement ends."""
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), "../../.."))
BUILD = os.path.abspath(os.environ.get("TRP_BUILD", os.path.join(TOP, "build")))
GROUPS = "trpsup-bench-"  # begins the names of control groups; the number of the run's first process follows
CGROUP = GROUPS + os.environ.setdefault("TRP_BENCH_RUN", str(os.getpid()))
INSIDE = "--inside"


class Failure(Exception):
    """What went wrong, in one sentence."""


def main(measure):
    """measure(directory) runs inside; directory is an empty one that is removed afterwards. Returns the exit code."""
    try:
        if sys.argv[1:2] == [INSIDE]:
            _furnish()
            measure(sys.argv[2])
            return 0
        return _enter()
    except KeyboardInterrupt:
        return 130
    except Failure as e:
        print("%s: %s" % (os.path.basename(sys.argv[0]), e), file=sys.stderr)
        return 1


def _enter():
    if os.geteuid() != 0:
        raise Failure("must be run as root")
    for signo in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signo, lambda signo, frame: sys.exit(128 + signo))
    _remove_groups()
    directory = tempfile.mkdtemp(prefix="trpsup-bench-")
    inside = None
    outer = os.open("/proc", os.O_PATH | os.O_DIRECTORY)
    os.environ["TRP_BENCH_PROC"] = str(outer)
    os.environ["TRP_BENCH_PID_NAMESPACE"] = os.readlink("/proc/self/ns/pid")
    try:
        os.chmod(directory, 0o755)
        inside = subprocess.Popen(["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
                                   sys.executable, "-B", os.path.realpath(sys.argv[0]), INSIDE, directory], pass_fds=(outer,))
        return inside.wait()
    finally:
        if inside and inside.poll() is None:
            inside.kill()  # and --kill-child ends the pid namespace
            inside.wait()
        _remove_groups()
        shutil.rmtree(directory, ignore_errors=True)


def _number(name):
    """Of the run whose group it is, or begins with the name of: TAG-NUMBER, TAG-NUMBER-MORE."""
    return name[len(GROUPS):].partition("-")[0] if name.startswith(GROUPS) else None


def _of_a_dead_run(name):
    return _number(name) is not None and not os.path.exists("/proc/" + _number(name))


def _remove_groups():
    """Ours, and those of runs that were killed. (A daemon ends what it finds in its own.)"""
    groups = [path for path, _, _ in os.walk("/sys/fs/cgroup")
              if any(_number(name) == _number(CGROUP) or _of_a_dead_run(name) for name in path.split("/"))]
    for path in sorted(groups, key=len, reverse=True):
        for _ in range(50):  # its processes may still be ending
            try:
                os.rmdir(path)
                break
            except FileNotFoundError:
                break
            except OSError:
                time.sleep(0.1)
        else:
            print("left behind: " + path, file=sys.stderr)


def outer_proc():
    """/proc as it is outside; /proc itself is that of our pid namespace."""
    return "/proc/self/fd/" + os.environ["TRP_BENCH_PROC"]


def _furnish():
    command("ip", "link", "set", "lo", "up")
    # bbr, where it is the default, caps a bulk transfer over loopback far below what the processors can do
    command("ip", "route", "change", "table", "local", "local", "127.0.0.1", "dev", "lo", "proto", "kernel",
            "scope", "host", "src", "127.0.0.1", "congctl", "cubic")
    for name, value in (("ip_local_port_range", "10000 65535"), ("tcp_max_syn_backlog", "4096")):
        with open("/proc/sys/net/ipv4/" + name, "w") as f:
            f.write(value)
    # paths that every server sees under the same name, in a sandbox or not
    command("mount", "-t", "tmpfs", "-o", "mode=755", "bench", "/srv")
    command("mount", "-t", "tmpfs", "-o", "mode=1777", "bench", "/dev/shm")


def command(*argv):
    """Runs it and returns what it says; a failure is ours."""
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False)
    if done.returncode != 0:
        raise Failure("%s: %s" % (" ".join(argv), done.stdout.strip() or done.returncode))
    return done.stdout


@contextlib.contextmanager
def process(argv, log, **options):
    """A server: ended when the block is left, not by the terminal. Its output goes to the file log."""
    with open(log, "ab") as out:
        p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, **options)
    try:
        yield p
    finally:
        if p.poll() is None:
            p.terminate()
            try:
                p.wait(20)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()


def tail(log):
    with open(log, errors="replace") as f:
        return f.read()[-2000:].strip()


def wait_until(condition, seconds, what, log):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise Failure("not within %g s: %s\n%s" % (seconds, what, tail(log)))
        time.sleep(0.02)
