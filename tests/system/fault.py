# SPDX-License-Identifier: ISC
"""A system call of trpsupd's fails for want of descriptors, of room on the disk or of memory (tests/progs/crash-at.c), in each of the things
that it does with a service. Whatever call it is: the daemon goes on, or says why it does not start; what it was asked for it does, or refuses with a reason; after
that the service can be started, runs once, and when it is stopped nothing of it is left, no descriptor of the daemon's either. Used by
test_fault.py (a sample) and tests/bench/fault.py (all)."""
import collections
import os
import signal
import subprocess
import time

import crash
import trp

ERRORS = ("EMFILE", "ENOSPC", "ENOMEM")


class Bench(crash.Bench):
    """The daemon with a service, and what fails next."""

    def __init__(self):
        super().__init__()
        self.error = None
        self.most = collections.Counter()  # of each kind of descriptor, while nothing runs

    def __enter__(self):
        super().__enter__()
        for _ in range(2):
            self.d.ok("start", "h")
            self.d.ok("stop", "h")
            time.sleep(0.3)  # what is made ahead for the next start
            self.most |= self.descriptors() | collections.Counter(trp.EPOLLS)
        return self

    def descriptors(self):
        """What the daemon has open beside its standard ones, by kind."""
        where = "/proc/%d/fd" % self.d.process.pid
        found = collections.Counter()
        for fd in os.listdir(where):
            if int(fd) < 3:
                continue
            try:
                kind = os.readlink(os.path.join(where, fd))
            except OSError:
                continue
            found[kind if kind.startswith(("/", "anon")) else kind.split(":")[0]] += 1
        return found

    def check(self):
        super().check()
        try:
            trp.wait_until(lambda: not self.descriptors() - self.most, 2, "")
        except AssertionError:
            extra = self.descriptors() - self.most
            raise crash.Wrong("descriptors that are left: %s" % sorted(extra.elements())) from None

    def attach(self, n):
        return crash.Tracer(subprocess.Popen([crash.CRASH_AT, "%d:%s" % (n, self.error), str(self.d.process.pid)], stdin=subprocess.DEVNULL,
                                             stdout=subprocess.PIPE, text=True))

    def run_under(self, n):
        return super().run_under("%d:%s" % (n, self.error))

    def by_command(self, n, *args):
        tracer = self.attach(n)
        try:
            done = self.d.trpsup(*args, timeout=crash.SECONDS)
        except subprocess.TimeoutExpired:
            raise crash.Wrong("no end of %s; %s" % (args[0], tracer.end()[-1:])) from None
        if not self.gone():
            time.sleep(0.1)  # what is done after the answer counts as well
        said = tracer.end()
        if done.returncode and not (done.stdout + done.stderr).strip():
            raise crash.Wrong("refused without a reason")
        return said

    # what is done beside crash.py's

    def exec(self, n):
        return self.by_command(n, "exec", "h", os.path.join(trp.BUILD, "trp-hello"), "--version")

    def logs(self, n):
        return self.by_command(n, "logs", "h")

    def conns(self, n):
        return self.by_command(n, "conns")

    def freeze(self, n):
        said = self.by_command(n, "freeze", "h")
        self.d.ok("thaw", "h")
        return said

    def overlap(self, n):
        return self.by_command(n, "restart", "--overlap", "h")

    def killed(self, n, program):
        """One of the daemon's programs is killed, and replaced."""
        tracer = self.attach(n)
        before = self.of(program)
        os.kill(before[0], signal.SIGKILL)
        trp.wait_until(lambda: self.gone() or (self.of(program) and self.of(program) != before), crash.SECONDS, "another " + program)
        return tracer.end()

    def of(self, program):
        return [p for p in trp.processes() if self.d.name in trp.cgroups_of(p) and trp.process_status(p).get("Name") == program]

    def router(self, n):
        return self.killed(n, "trp-router")

    def observer(self, n):
        return self.killed(n, "trp-observer")


PHASES = (*crash.PHASES, "exec", "logs", "conns", "router", "observer")
MAY_END = {"boot", "adopt", "upgrade", "end"}  # a daemon that cannot start says so, and is started again


def point(bench, phase, n, error):
    """The n-th call of the phase that can fail so does; checks, and leaves the daemon running with the service stopped. The calls that were seen."""
    d = bench.d
    bench.error = error
    crash.begin(bench, phase)
    try:
        said = getattr(bench, phase)(n)
    except (AssertionError, OSError):
        if not bench.gone():
            raise
        said = ["refused"]
    if bench.gone():
        status = d.process.wait()
        d.log.close()
        if phase not in MAY_END or status < 0:
            raise crash.Wrong("the daemon ended with %d: %s" % (status, d.daemon_log().splitlines()[-3:]))
        d.run()
    bench.check()
    return said


def reached(said):
    return any(line.startswith("refused") for line in said)
