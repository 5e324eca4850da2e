# SPDX-License-Identifier: ISC
"""The instruments: processor time of processes, system calls, and two clients that accept no error."""
import contextlib
import os
import re
import signal
import socket
import subprocess
import time

from lib import arena
from lib.servers import BODIES

CLIENT = ("tests/bench/client.c", "tests/bench/client-io.c", "base/parse.c", "-lssl", "-lcrypto")
VISITOR = ("tests/bench/visitor.c", "base/parse.c")
VISIT_SECONDS = 20  # at most
SETTLE_SECONDS = 0.05
WRK_CONNECTIONS = 32


def build(name, *arguments):
    """Returns the path of the program. arguments: sources and options, paths relative to the top."""
    directory = os.path.join(arena.BUILD, "bench")
    os.makedirs(directory, exist_ok=True)
    program = os.path.join(directory, name)
    arena.command(os.environ.get("CC", "gcc"), "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror",
                  "-I" + arena.TOP, "-o", program,
                  *(a if a.startswith("-") else os.path.join(arena.TOP, a) for a in arguments))
    return program


def build_client():
    return build("client", *CLIENT)


def build_visitor():
    return build("visitor", *VISITOR)


def visits(visitor, port, host, per_second, n):
    """The times in ms of n visits that begin by the clock, in order of length; all are answered."""
    argv = [visitor, "127.0.0.1", str(port), host, str(per_second), str(n), str(VISIT_SECONDS)]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise arena.Failure(done.stderr.strip() or "visitor ended with %d" % done.returncode)
    return sorted(map(float, done.stdout.split()))


def cpu_us(pids):
    """Processor time so far of all threads. First field of /proc/PID/task/TID/schedstat: nanoseconds."""
    total = 0
    for pid in pids:
        for task in os.listdir("/proc/%d/task" % pid):
            with open("/proc/%d/task/%s/schedstat" % (pid, task)) as f:
                total += int(f.read().split()[0])
    return total / 1000


class Busy:
    """How busy the machine is from now on, by what is in our pid namespace and by others, in percent of all processors. What has ended counts by
    who has waited for it."""

    def __init__(self):
        self.ours, self.all, self.idle = self._ours(), *self._machine()

    @staticmethod
    def _machine():
        with open("/proc/stat") as f:
            ticks = [int(word) for word in f.readline().split()[1:9]]
        return sum(ticks), ticks[3] + ticks[4]

    @staticmethod
    def _ours():
        total = 0
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/stat" % pid) as f:
                    total += sum(int(word) for word in f.read().rsplit(")", 1)[1].split()[11:15])
            except OSError:
                pass
        return total

    def parts(self):
        """(ours, others)"""
        total, idle = self._machine()
        total, idle = max(1, total - self.all), idle - self.idle
        ours = 100 * (self._ours() - self.ours) / total
        return ours, max(0, 100 * (total - idle) / total - ours)


def sleeps(pids):
    """How often they have run out of work so far (proc_pid_status(5))."""
    total = 0
    for pid in pids:
        with open("/proc/%d/status" % pid) as f:
            total += int(re.search(r"\nvoluntary_ctxt_switches:\t([0-9]+)", f.read()).group(1))
    return total


@contextlib.contextmanager
def cpu_used(server, out):
    """Puts what the block costs into out: "server_us" of all processes; of those before nginx "front_us" and how
    often they slept, "front_sleeps"."""
    front, everything = server.front(), server.processes()
    before = cpu_us(everything), cpu_us(front), sleeps(front)
    yield
    time.sleep(SETTLE_SECONDS)  # what the servers do after the client has its last byte
    if set(server.processes()) != set(everything):
        raise arena.Failure("%s: a process came or ended while it was measured" % server.name)
    out["server_us"] = cpu_us(everything) - before[0]
    out["front_us"] = cpu_us(front) - before[1]
    out["front_sleeps"] = sleeps(front) - before[2]


def machine(*programs):
    """A line on where this was measured, and what share of it somebody else is using: with much of that, the times
    are worth little. programs: command lines that print a version first."""
    def idle():
        with open("/proc/stat") as f:
            ticks = [int(word) for word in f.readline().split()[1:9]]
        return ticks[3] + ticks[4], sum(ticks)
    first = idle()
    time.sleep(1)
    second = idle()
    busy = 1 - (second[0] - first[0]) / max(1, second[1] - first[1])
    with open("/proc/cpuinfo") as f:
        model = re.search(r"model name\s*: (.*)", f.read())
    about = "%d x %s, Linux %s, %.0f%% of it busy before the start" % (
        os.cpu_count(), model.group(1) if model else "?", os.uname().release, 100 * busy)
    return "; ".join([about] + [version(*p) for p in programs])


def version(*argv):
    """The name of a program and the first number that it prints."""
    return "%s %s" % (os.path.basename(argv[0]), re.search(r"[0-9]+(\.[0-9]+)+", arena.command(*argv)).group())


def requests(client, server, path, n, concurrent, tls=False, rate=None):
    """n requests, each on a connection of its own; rate: so many begin in a second. Returns what the client says."""
    argv = [client] + (["--tls"] if tls else []) + (["--rate", str(rate)] if rate else [])
    argv += ["127.0.0.1", str(server.tls_port if tls else server.port), server.host, "/" + path, str(n), str(concurrent),
             str(BODIES[path])]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise arena.Failure("%s: %s" % (server.name, done.stderr.strip() or "client ended with %d" % done.returncode))
    return {key: float(value) for key, value in (word.split("=") for word in done.stdout.split())}


def receive_whole(client):
    """One answer: whether its status is 200 and its body as long as was announced, on a connection that stays open."""
    data, length = b"", None
    while length is None or len(data) < length:
        more = client.recv(16384)
        if not more:
            return False
        data += more
        head, end, _ = data.partition(b"\r\n\r\n")
        if end and length is None:
            announced = re.search(rb"\r\ncontent-length: *([0-9]+)", head, re.I)
            if not announced or not head.startswith(b"HTTP/1.1 200 "):
                return False
            length = len(head) + len(end) + int(announced.group(1))
    return len(data) == length


@contextlib.contextmanager
def held(server, path, n):
    """n clients that have been answered and stay connected, while the block runs."""
    request = ("GET %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (path, server.host)).encode()
    with contextlib.ExitStack() as stack:
        for number in range(n):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), 10))
            client.sendall(request)
            if not receive_whole(client):
                raise arena.Failure("%s: client %d of those to be held got no whole answer" % (server.name, number))
        yield


def keepalive(server, path, seconds):
    """On connections that stay open: requests, and requests per second."""
    done = subprocess.run(["wrk", "-t1", "-c%d" % WRK_CONNECTIONS, "-d%ds" % seconds, "-H", "Host: " + server.host,
                           "http://127.0.0.1:%d/%s" % (server.port, path)],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    total = re.search(r"([0-9]+) requests in", done.stdout)
    rate = re.search(r"Requests/sec: +([0-9.]+)", done.stdout)
    if done.returncode != 0 or not total or not rate or re.search("Socket errors|Non-2xx", done.stdout):
        raise arena.Failure("%s: wrk: %s" % (server.name, (done.stdout + done.stderr).strip()))
    return int(total.group(1)), float(rate.group(1))


def pss_kb(pids):
    """Their memory, each shared page in equal parts with all that map it (proc_pid_smaps(5))."""
    total = 0
    for pid in pids:
        with open("/proc/%d/smaps_rollup" % pid) as f:
            total += int(re.search(r"\nPss: +([0-9]+) kB", f.read()).group(1))
    return total


def sockets(pids):
    count = 0
    for pid in pids:
        for fd in os.listdir("/proc/%d/fd" % pid):
            with contextlib.suppress(FileNotFoundError):  # the one that is listed itself
                count += os.readlink("/proc/%d/fd/%s" % (pid, fd)).startswith("socket:")
    return count


def descriptors(pids):
    return sum(len(os.listdir("/proc/%d/fd" % pid)) for pid in pids)


def traced(pids):
    for pid in pids:
        with open("/proc/%d/status" % pid) as f:
            if "\nTracerPid:\t0\n" in f.read():
                return False
    return True


def system_calls(server, log, work):
    """Counts the system calls of what stands before nginx while work() runs, by name. It is slow under strace: times
    taken in work() mean nothing."""
    pids = server.front()
    report = log + ".strace"
    argv = ["strace", "-c", "-f", "-o", report]
    for pid in pids:
        argv += ["-p", str(pid)]
    with open(log, "ab") as out:
        strace = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        arena.wait_until(lambda: traced(pids), 10, "strace is attached to " + server.name, log)
        work()
        time.sleep(SETTLE_SECONDS)
        strace.send_signal(signal.SIGINT)  # detaches, then reports
        strace.wait(20)
    finally:
        if strace.poll() is None:
            strace.kill()
            strace.wait()
    counts = {}
    with open(report) as f:
        for line in f:  # "% time", "seconds", "usecs/call", "calls", "errors" or nothing, "syscall"
            words = line.split()
            if len(words) in (5, 6) and words[3].isdigit() and words[-1] != "total":
                counts[words[-1]] = int(words[3])
    return counts
