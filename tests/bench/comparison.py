#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""What supervisors do when it matters: the same server under each (lib/supervisors.py), one case after the other, and what became of its clients. Prints the
table of doc/comparison.md. CASES and SUPERVISORS in the environment name some, by default all; each case has a supervisor of its own that was just started."""
import collections
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

from lib import arena, measure, report, servers
from lib import supervisors as sv

STORM = os.path.join(arena.BUILD, "tests/progs/storm")
RATE, SECONDS, PATIENCE = 200, 4, 8
FLOOD_SECONDS = 4
EVENT_AT = 1.0  # seconds after the first client
SETTLE = 10     # seconds until whoever tries again and again has given up
TRIES = 6       # seconds in which something must have been noticed


def get(supervisor, service, path="/", timeout=3):
    """(status, body); None without an answer."""
    port, host = supervisor.address(service)
    data = b""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout) as s:
            s.sendall(b"GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % (path.encode(), host.encode()))
            while more := s.recv(65536):
                data += more
    except OSError:
        return None
    head, _, body = data.partition(b"\r\n\r\n")
    return (int(head.split(b" ", 2)[1]), body.decode()) if head.startswith(b"HTTP/") else None


def answers(supervisor, service):
    return get(supervisor, service, timeout=1) is not None


def within(seconds, condition):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    return None


class Clients:
    """RATE new ones in a second, each with one request."""

    def __init__(self, supervisor, service="a", rate=RATE, seconds=SECONDS, path="/"):
        port, host = supervisor.address(service)
        self.argv = [STORM, "127.0.0.1", str(port), str(rate), str(seconds), str(PATIENCE), "%s%s=1" % (host, path)]
        self.counts, self.offered, self.served = collections.Counter(), 0, 0

    def __enter__(self):
        self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        time.sleep(EVENT_AT)
        return self

    def __exit__(self, *_):
        said = self.process.communicate(timeout=300)[0].splitlines()
        for line in said[:-1]:
            what = line.split()[-1]
            self.counts["refused" if what == "refused" or what.startswith("503:") else "waited in vain" if what == "late" else
                        "cut off" if what in ("reset", "closed", "cut") else "got an error"] += 1
        self.offered, self.served = (int(said[-1].split()[i]) for i in (1, 3))

    def not_served(self):
        return self.offered - self.served

    def __str__(self):
        if not self.counts:
            return "all %d served" % self.offered
        return "of %d %s" % (self.offered, ", ".join("%d %s" % (n, what) for what, n in sorted(self.counts.items())))


# The cases: each returns the text of its cell, and how many clients were not served.

def with_clients(act):
    def case(make):
        with make(sv.Service()) as s:
            s.start("a")
            arena.wait_until(lambda: answers(s, "a"), 20, "the server answers", s.out)
            with Clients(s) as clients:
                before = s.instances("a")
                act(s)
            now = within(TRIES, lambda: answers(s, "a") and s.instances("a"))
            text = str(clients)
            if not now:
                text += "; it is not there again"
            elif act is reload_it and now != before:
                text += "; it was replaced"
            return text, clients.not_served()
    return case


def kill_main(s):
    for pid in s.instances("a"):
        os.kill(pid, signal.SIGKILL)


def restart_it(s):
    s.restart("a")


def reload_it(s):
    s.reload("a")


def upgrade_it(s):
    s.upgrade()


def watched(s):
    """Whether it comes back when its main processes are killed."""
    old = s.instances("a")
    kill_main(s)
    return within(TRIES, lambda: set(s.instances("a")) - set(old) and answers(s, "a"))


def outlook(s, old):
    """What is there now, where old were: sees for some seconds what is started, then kills what serves."""
    seen = set()
    for _ in range(30):
        time.sleep(0.1)
        seen |= set(s.instances("a"))
    words = ["the server serves on" if seen & set(old) else "the server ended with it and is started anew" if seen else "the server is gone"]
    if len(seen) > 1:
        words.append("others are started beside it, again and again, and find its port taken")
    words.append("killed, it comes back" if watched(s) else "killed, it stays down")
    return "; ".join(words)


def supervisor_killed(make):
    with make(sv.Service()) as s:
        s.start("a")
        arena.wait_until(lambda: answers(s, "a"), 20, "the server answers", s.out)
        old = s.instances("a")
        with Clients(s) as clients:
            said = s.kill() or ""
        text = said + str(clients)
        if not answers(s, "a"):
            return text + "; the server is gone", clients.not_served()
        s.again()
        time.sleep(SETTLE)
        return "%s; started again: %s" % (text, outlook(s, old)), clients.not_served()


def watcher_killed(make):
    with make(sv.Service()) as s:
        s.start("a")
        arena.wait_until(lambda: answers(s, "a"), 20, "the server answers", s.out)
        watchers, old = s.watcher("a"), s.instances("a")
        if watchers == s.top():
            return "it has no such process", 0
        with Clients(s) as clients:
            for pid in watchers:
                os.kill(pid, signal.SIGKILL)
        return "%s; %s" % (clients, outlook(s, old)), clients.not_served()


def flood(make):
    """What another service's clients feel of it, and how much is kept."""
    with make(sv.Service(), sv.Service("b", 8101)) as s:
        s.start("a")
        s.start("b")
        arena.wait_until(lambda: answers(s, "a") and answers(s, "b"), 20, "the servers answer", s.out)
        with Clients(s, "b", 100, FLOOD_SECONDS + 2) as clients:
            get(s, "a", "/flood?%d" % FLOOD_SECONDS)
        written = int((get(s, "a", "/flooded", 10) or (0, "0"))[1] or 0)
        return "%d MB written, %d MB kept; another service's clients: %s" % (written >> 20, s.kept_bytes() >> 20, clients), clients.not_served()


def full_disk(make):
    with make(sv.Service()) as s:
        s.start("a")
        arena.wait_until(lambda: answers(s, "a"), 20, "the server answers", s.out)
        filler = os.path.join(s.logs, "filler")
        with open(filler, "wb", buffering=0) as f, contextlib.suppress(OSError):
            while True:
                f.write(b"x" * 4096)
        with Clients(s, path="/log?4000") as clients:
            pass
        os.unlink(filler)
        get(s, "a", "/log?1", 1)
        time.sleep(2)
        marker = "/after-%d" % time.time_ns()
        get(s, "a", marker)
        resumed = within(TRIES, lambda: marker.encode() in s.log_text("a"))
        return "%s; with room again it %s" % (clients, "logs" if resumed else "does not log"), clients.not_served()


def sick(make):
    with make(sv.Service(health=True)) as s:
        s.start("a")
        arena.wait_until(lambda: answers(s, "a"), 20, "the server answers", s.out)
        get(s, "a", "/sick")
        healed = within(TRIES, lambda: (get(s, "a") or (0,))[0] == 200)
        return "noticed: it is restarted" if healed else "not noticed", 0


def hung(make):
    with make(sv.Service(watchdog=True)) as s:
        s.start("a")
        arena.wait_until(lambda: answers(s, "a"), 20, "the server answers", s.out)
        old = s.instances("a")
        for pid in old:
            os.kill(pid, signal.SIGSTOP)
        healed = within(TRIES, lambda: set(s.instances("a")) - set(old) and answers(s, "a"))
        return "noticed by its watchdog: it is restarted" if healed else "not noticed", 0


def order(make):
    with make(sv.Service("db", 8102, 1.0), sv.Service("a", needs=("db",))) as s:
        s.start("a")
        found = within(20, lambda: (get(s, "a", "/began") or (0,))[0] == 200 and (get(s, "db", "/began") or (0,))[0] == 200)
        if not found:
            return "not both of them run", 0
        began, ready = float(get(s, "a", "/began")[1].split()[0]), float(get(s, "db", "/began")[1].split()[1])
        return "waits until the other is ready" if began >= ready else "starts %.1f s before the other is ready" % (ready - began), 0


def on_demand(make):
    with make(sv.Service(on_demand=True)) as s:
        if not s.on_demand:
            return "no", 0
        s.arm("a") if hasattr(s, "arm") else s.start("a")
        if s.instances("a"):
            raise arena.Failure("it runs already")
        with Clients(s, rate=50, seconds=2) as clients:
            pass
        return str(clients), clients.not_served()


def leaked(make):
    with make(sv.Service()) as s:
        s.start("a")
        arena.wait_until(lambda: answers(s, "a"), 20, "the server answers", s.out)
        token = str(time.time_ns())
        get(s, "a", "/leak?" + token)
        arena.wait_until(lambda: sv.processes("0." + token), 10, "it has left a daemon behind", s.out)
        s.stop("a")
        time.sleep(0.5)
        return "left running" if sv.processes("0." + token) else "ended with it", 0


CASES = {
    "killed": ("main process SIGKILLed", with_clients(kill_main)),
    "restart": ("restart", with_clients(restart_it)),
    "reload": ("reload", with_clients(reload_it)),
    "crash": ("the supervisor SIGKILLed, and started again", supervisor_killed),
    "watcher": ("the process that watches over the one service SIGKILLed", watcher_killed),
    "upgrade": ("upgrade of the supervisor", with_clients(upgrade_it)),
    "flood": ("log flood", flood),
    "disk": ("full log disk", full_disk),
    "sick": ("answers each request with a 500", sick),
    "hung": ("hangs", hung),
    "order": ("requires one that is ready after a second", order),
    "demand": ("start by the first client", on_demand),
    "leak": ("a daemon that it left in the background, at its stop", leaked),
}


def chosen(name, known):
    words = os.environ.get(name, "").replace(",", " ").split()
    if set(words) - set(known):
        raise arena.Failure("%s: there are %s" % (name, " ".join(known)))
    return words or list(known)


def one(kind, directory, case):
    try:
        return CASES[case][1](lambda *services: kind(directory, services))
    except (arena.Failure, subprocess.TimeoutExpired) as e:
        raise arena.Failure("%s, %s: %s" % (kind.name, case, e)) from e


def main(directory):
    os.mkdir(sv.SHARE)
    shutil.copy(os.path.join(arena.TOP, "tests/bench/lib/upstream.py"), sv.SERVER)
    print(measure.machine(), flush=True)
    kinds = [k for k in sv.ALL if k.name.replace(" ", "-") in chosen("SUPERVISORS", [k.name.replace(" ", "-") for k in sv.ALL])]
    lost = collections.Counter()
    print("\n| | %s |\n|---%s|" % (" | ".join("%s %s" % (k.name, k.version()) for k in kinds), "|---" * len(kinds)), flush=True)
    for case in chosen("CASES", CASES):
        cells = []
        for kind in kinds:
            text, n = one(kind, directory, case)
            cells.append(text)
            lost[kind.name] += n
            print("%s, %s: %s" % (case, kind.name, text), file=sys.stderr, flush=True)
        print("| %s | %s |" % (CASES[case][0], " | ".join(cells)), flush=True)
    print()
    for name, n in lost.items():
        report.figure("comparison.%s.not_served" % re.sub(r"\W", "_", name), [n], "clients", "%d")


if __name__ == "__main__":
    sys.exit(arena.main(main))
