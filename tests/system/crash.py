# SPDX-License-Identifier: ISC
"""trpsupd killed just before the N-th system call by which it changes something (tests/progs/crash-at.c), in each of the things that
it does with a service. Whatever N: the next daemon takes over or cleans up, the service can be brought up and runs once, and when it
is stopped nothing of it is left. Used by test_crash.py (a sample) and tests/bench/crash.py (all)."""
import os
import select
import signal
import subprocess
import threading
import time

import trp
import web
from test_hold import request, status_of

HELLO = """[service]
command = ${libexec}/trp-hello 8000
adapter = native
reload = signal
restart-delay = 10ms
start-limit-burst = 0
[route]
host = h.localhost
http = 8000
[sandbox]
root = none
publish = yes
"""
SLEEPY = HELLO.replace("reload = signal", "idle-freeze = 400ms").replace("h.localhost", "z.localhost")
CRASH_AT = os.path.join(trp.BUILD, "tests/progs/crash-at")
PROGRAMS = {"trp-keeper", "trp-router", "trp-observer"}  # that run without any service
SECONDS = 20


class Wrong(AssertionError):
    """What a crash has left that should not be."""


class Tracer:
    """One that is attached to the daemon, or that the daemon is started under."""

    def __init__(self, process):
        self.process = process
        self.lines = []
        self.expect("attached")

    def read(self, seconds):
        """The next line, None: none came."""
        if not select.select([self.process.stdout], [], [], seconds)[0]:
            return None
        return self.process.stdout.readline().strip()

    def expect(self, what):
        line = self.read(SECONDS)
        if line != what:
            raise Wrong("crash-at said %r instead of %r" % (line, what))

    def end(self):
        """Detaches it. All that it said: ["1 openat", ...]."""
        self.process.send_signal(signal.SIGTERM)
        said, _ = self.process.communicate(timeout=SECONDS)
        return said.splitlines()


class Bench:
    """A daemon with a service that is brought into the state in which something begins, and what begins then."""

    def __init__(self):
        self.d = trp.Daemon({"h": HELLO, "z": SLEEPY}, config="start = h")
        self.quick = None  # the state of the machine after a stop
        self.name = "h"  # the one that it is about
        self.main = None  # its main process
        self.client = None  # whom the next daemon must have served

    def __enter__(self):
        self.d.start()
        self.d.ok("start", "h", "z")
        self.d.ok("stop", "h", "z")
        trp.wait_until(lambda: not any(x.startswith(("process", "group")) for x in self.left()), SECONDS, "its group is empty, and gone")
        self.quick = self.left()
        return self

    def __exit__(self, kind, value, trace):
        self.d.__exit__(kind, value, trace)

    # what there is

    def left(self):
        """What is there while nothing runs; compared with what was there at first."""
        d = self.d
        found = ["process " + name for p in trp.processes() if d.name in trp.cgroups_of(p)
                 for name in [trp.process_status(p).get("Name", "")] if name and name not in PROGRAMS | {"trpsupd", "trp-forker"}]
        found += ["mount " + m for m in trp.mounts() if d.name in m]
        found += ["group " + g for g in trp.control_groups(d.name) if os.path.basename(g).split("@")[-1].split("~")[0] in ("h", "z")]
        found += ["file " + os.path.join(where, f)[len(d.run_dir):] for where, _, files in os.walk(d.run_dir) for f in files]
        found += ["ids " + trp.read(os.path.join(d.state_dir, "uids.json")).decode()]
        found += ["state " + f for f in sorted(os.listdir(os.path.join(d.state_dir, "state")))
                  ] if os.path.isdir(os.path.join(d.state_dir, "state")) else []
        return sorted(found)

    def instances(self):
        """Processes of the service's: its init and the server."""
        return [p for p in trp.processes() if self.d.name in trp.cgroups_of(p)
                and trp.process_status(p).get("Name") in ("trp-hello", "trp-init")]

    def know_both(self):
        """A daemon that has ended in order has left nothing by which the next one knows the service that it is not to start."""
        try:
            self.d.status("z")
        except trp.Failed:
            self.d.ok("start", "z")
            self.d.ok("stop", "z")

    def check(self):
        """The daemon after the one that was killed answers; all is as it should be, now and when it was stopped."""
        d, name = self.d, self.name
        self.know_both()
        d.ok("start", name)
        # those of before serve on meanwhile, by what they knew
        trp.wait_until(self.only_one_router, SECONDS, "one router and one observer are left")
        if self.client and status_of(self.client) != 200:
            raise Wrong("a client was not served that waited")
        if d.status(name)["frozen"] and not d.status(name)["frozen_idle"]:
            d.ok("thaw", name)
        if web.get("http://%s.localhost:%d/" % (name, trp.HTTP_PORT)).status != 200:
            raise Wrong("it does not answer")
        trp.wait_until(lambda: d.status(name)["beside"] is None, SECONDS, "no instance is beside it")
        if sorted(d.pids(name)) != sorted(self.instances()) or len(self.instances()) != 2:
            raise Wrong("runs not once: %s of %s" % (self.instances(), d.pids(name)))
        d.ok("stop", name)
        try:
            trp.wait_until(lambda: self.left() == self.quick, 5, "")
        except AssertionError:
            now = self.left()
            raise Wrong("left: %s; missing: %s" % ([x for x in now if x not in self.quick],
                                                   [x for x in self.quick if x not in now])) from None
        if "defect" in d.daemon_log():
            raise Wrong("a defect: " + d.daemon_log()[-2000:])

    def only_one_router(self):
        names = [trp.process_status(p).get("Name") for p in trp.processes() if self.d.name in trp.cgroups_of(p)]
        return sorted(n for n in names if n in PROGRAMS) == sorted(PROGRAMS)

    # life of the daemon

    def attach(self, n):
        return Tracer(subprocess.Popen([CRASH_AT, str(n), str(self.d.process.pid)], stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, text=True))

    def run_under(self, n):
        """Starts the daemon under the tracer, which writes to the standard output of the process."""
        d = self.d
        d.log = open(os.path.join(d.dir, "trpsupd.log"), "ab")
        d.process = subprocess.Popen([CRASH_AT, str(n), d.program, "-c", d.conf], stdin=subprocess.DEVNULL,
                                     stdout=subprocess.PIPE, stderr=d.log, text=True)
        return d.process

    def gone(self):
        """It was killed."""
        return self.d.process.poll() is not None

    def kill(self):
        self.d.process.kill()
        self.d.process.wait()
        self.d.log.close()

    def command(self, *args):
        """One that the daemon may not survive."""
        return subprocess.Popen([os.path.join(trp.BUILD, "trpsup"), "-c", self.d.conf, *args], stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    # what is done

    def by_command(self, n, *args):
        tracer = self.attach(n)
        with self.command(*args) as command:
            command.wait(SECONDS)
        if not self.gone():
            time.sleep(0.03)  # what is done after the answer counts as well
        return tracer.end()

    def start(self, n):
        return self.by_command(n, "start", "h")

    def stop(self, n):
        return self.by_command(n, "stop", "h")

    def restart(self, n):
        return self.by_command(n, "restart", "h")

    def reload(self, n):
        return self.by_command(n, "reload", "h")

    def overlap(self, n):
        return self.by_command(n, "restart", "--overlap", "h")

    def freeze(self, n):
        return self.by_command(n, "freeze", "h")

    def thaw(self, n):
        self.d.ok("freeze", "h")
        return self.by_command(n, "thaw", "h")

    def doze(self, n):
        """Nobody uses it any more, so that it is frozen."""
        web.get("http://z.localhost:%d/" % trp.HTTP_PORT)
        tracer = self.attach(n)
        self.await_frozen()
        return tracer.end()

    def wake(self, n):
        """A client has it go on, whether it still stands still or does so again."""
        self.await_frozen()
        tracer = self.attach(n)
        self.client = request("z")
        try:
            trp.wait_until(lambda: self.gone() or not self.d.status("z")["frozen"], SECONDS, "it goes on")
        except (OSError, ConnectionError):
            pass
        return tracer.end()

    def await_frozen(self):
        try:
            trp.wait_until(lambda: self.gone() or self.d.status("z")["frozen_idle"], SECONDS, "it stands still")
        except (OSError, ConnectionError):
            pass

    def upgrade(self, n):
        return self.by_command(n, "upgrade")

    def end(self, n):
        """An orderly end, in which it is killed."""
        tracer = self.attach(n)
        self.d.process.send_signal(signal.SIGTERM)
        self.d.process.wait(SECONDS)
        return tracer.end()

    def died(self, n):
        """The service's main process is killed, and started anew."""
        tracer = self.attach(n)
        os.kill(self.main, signal.SIGKILL)
        try:
            trp.wait_until(lambda: self.gone() or self.is_anew(), SECONDS, "it is started anew")
        except (OSError, ConnectionError):
            pass
        return tracer.end()

    def is_anew(self):
        try:
            now = self.instances()
            return len(now) == 2 and self.main not in now
        except OSError:
            return False

    def adopt(self, n):
        """A daemon that comes after one that was killed."""
        self.kill()
        return self.boot(n)

    def boot(self, n):
        process = self.run_under(n)
        # as it comes: the daemon looks for a group of each service that ever was on this machine, and would stand still once the pipe were full of that
        said = []
        reader = threading.Thread(target=said.extend, args=(process.stdout,))
        reader.start()
        try:
            trp.wait_until(lambda: process.poll() is not None or self.settled(), SECONDS, "it is up")
        finally:
            for pid in self.tracers(process.pid):
                os.kill(pid, signal.SIGTERM)
        reader.join()
        process.stdout.close()
        return [line.rstrip("\n") for line in said[1:]]

    def settled(self):
        try:
            return self.d.call("trpsup.Info")["router"]["retired"] == [] and self.d.status("h")["state"] == "ready"
        except OSError:
            return False

    @staticmethod
    def tracers(pid):
        tracer = int(trp.process_status(pid).get("TracerPid", "0"))
        return [tracer] if tracer else []


PHASES = ("boot", "start", "reload", "restart", "overlap", "died", "freeze", "thaw", "doze", "wake", "stop", "adopt", "upgrade", "end")
AT_REST = {"boot", "start"}  # the service does not run before


def begin(bench, phase):
    """All is as the phase wants it."""
    d = bench.d
    bench.name = "z" if phase in ("doze", "wake") else "h"
    bench.client = None
    if phase not in AT_REST:
        d.ok("start", bench.name)
        bench.main = d.main_pid(bench.name)
    if phase == "boot":
        d.process.send_signal(signal.SIGTERM)
        d.process.wait(SECONDS)
        d.log.close()


def point(bench, phase, n):
    """Kills it there, checks, and leaves the daemon running with the service stopped. The calls that were seen."""
    d = bench.d
    begin(bench, phase)
    said = getattr(bench, phase)(n)
    if said and said[-1].startswith("killed before"):
        d.process.wait(SECONDS)  # it may just be dying
    if bench.gone():
        d.process.wait()
        d.log.close()
        d.run()
    bench.check()
    return said
