# SPDX-License-Identifier: ISC
"""Counts system calls by the kernel's tracepoint, which hardly slows down what it counts: under strace a server is so slow
that its next client always waits already, and it never goes to sleep."""
import collections
import contextlib
import os
import re
import subprocess
import time

from lib import arena

INITIAL_PID_NAMESPACE = "pid:[4026531836]"  # include/linux/proc_ns.h: PROC_PID_INIT_INO
BUFFER_KB = 16384  # for each processor
SETTLE_SECONDS = 0.05


def _read(path):
    with open(path) as f:
        return f.read()


def _write(path, text):
    with open(path, "w") as f:
        f.write(text)


def _start_time(stat):
    return stat.rpartition(")")[2].split()[19]  # field 22 of proc_pid_stat(5)


def _numbers_of_threads(pids):
    """Tracepoints know threads by their numbers in the initial pid namespace; ours is another one. arena keeps the
    outer /proc open for this."""
    outer, found = arena.outer_proc(), []
    wanted = {(str(pid), _start_time(_read("/proc/%d/stat" % pid))) for pid in pids}
    for name in os.listdir(outer):
        with contextlib.suppress(OSError, AttributeError):
            numbers = re.search(r"\nNSpid:\t(.*)", _read("%s/%s/status" % (outer, name))).group(1).split()
            if len(numbers) > 1 and (numbers[1], _start_time(_read("%s/%s/stat" % (outer, name)))) in wanted:
                found += os.listdir("%s/%s/task" % (outer, name))
    if len(found) < len(wanted):
        raise arena.Failure("of %d processes %d were found in the outer /proc" % (len(wanted), len(found)))
    return found


def _names():
    """{number: name} of system calls"""
    macros = subprocess.run(["gcc", "-E", "-dM", "-"], input="#include <sys/syscall.h>\n", capture_output=True, text=True,
                            check=True).stdout
    return {int(number): name for name, number in re.findall(r"#define __NR_(\w+) ([0-9]+)\n", macros)}


@contextlib.contextmanager
def _instance(directory):
    """A buffer of our own in tracefs."""
    top = directory + "/tracefs"
    os.makedirs(top, exist_ok=True)
    arena.command("mount", "-t", "tracefs", "tracefs", top)
    path = "%s/instances/%s" % (top, arena.CGROUP)
    try:
        os.mkdir(path)
        try:
            yield path
        finally:
            os.rmdir(path)
    finally:
        arena.command("umount", top)


def why_not():
    """A reason for which it cannot be used here, or None."""
    if os.environ["TRP_BENCH_PID_NAMESPACE"] != INITIAL_PID_NAMESPACE:
        return "not in the initial pid namespace"
    if "tracefs" not in _read("/proc/filesystems"):
        return "the kernel has no tracefs"
    return None


def system_calls(server, directory, work):
    """Those of what stands before nginx while work() runs: {name: calls}."""
    with _instance(directory) as path:
        _write(path + "/buffer_size_kb", str(BUFFER_KB))
        _write(path + "/set_event_pid", " ".join(_numbers_of_threads(server.front())))
        _write(path + "/options/event-fork", "1")  # threads that are made meanwhile
        _write(path + "/events/raw_syscalls/sys_enter/enable", "1")
        work()
        time.sleep(SETTLE_SECONDS)
        _write(path + "/events/raw_syscalls/sys_enter/enable", "0")
        for processor in os.listdir(path + "/per_cpu"):
            lost = re.search(r"overrun: ([0-9]+)", _read("%s/per_cpu/%s/stats" % (path, processor))).group(1)
            if lost != "0":
                raise arena.Failure("%s: %s system calls were not counted" % (server.name, lost))
        numbers = collections.Counter(re.findall(r"sys_enter: NR ([0-9]+)", _read(path + "/trace")))
    names = _names()
    return {names.get(int(number), number): count for number, count in numbers.items()}
