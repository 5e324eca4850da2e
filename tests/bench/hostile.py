#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""How many attacks of the suite (tests/progs/hostile) are refused: by trpsup, and by other sandboxes with their defaults.
	tests/bench/hostile.py [-v] [NAME...]   NAME: trpsup, bwrap, ... by default all that are installed; -v: each attack
Not by arena.main: what is attacked is this machine and not a namespace that is made for the measurement."""
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading

from lib import sandboxes
from lib.sandboxes import hostile, trp

SECONDS = 120
# They need a hand of the test's (tests/system/test_hostile.py).
LEFT_OUT = {"take-closed-port", "planted-link", "proc-host", "write-execute"}


def chosen():
    """Without those that nobody has to refuse on this machine."""
    return [a for a in hostile.attacks().values() if a.name not in LEFT_OUT and a.name not in hostile.NOT_PROVEN]


def trpsup(host):
    with host.daemon() as d:
        tenant = hostile.Tenant(host, d, "tenant").start()
        results = tenant.run(chosen())
        tenant.stop()
    return results


def clients(host, families):
    """Connections to a server of the host that it has accepted: (theirs, the server's)."""
    with host.net.here():
        server = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True, backlog=len(families))
        pairs = []
        for family in families:
            theirs = socket.create_connection(("127.0.0.1" if family == 4 else "::1", server.getsockname()[1]))
            pairs.append((theirs, server.accept()[0]))
    return server, pairs


@contextlib.contextmanager
def inherited(socks):
    """By the numbers that the launcher wants."""
    numbers = range(300, 300 + len(socks))
    try:
        for number, s in zip(numbers, socks):
            os.dup2(s.fileno(), number, inheritable=True)
            s.close()
        yield tuple(numbers)
    finally:
        for number in numbers:
            with contextlib.suppress(OSError):
                os.close(number)


def write_job(box, host, attacks, n, sentinel):
    job = dict(host.job, init=1, sentinel=sentinel, clients="3:%d" % n, setuid=box.inside + "/job/setuid",
               swap=box.inside + "/job/swap", only=" ".join(a.name for a in attacks))
    with open(os.path.join(box.top, "job/job"), "w") as f:
        f.write("".join("%s=%s\n" % item for item in job.items()))
    swap = os.path.join(box.top, "job/swap")
    with open(swap, "wb") as f:
        f.write(bytes(1 << 20))
    os.chmod(swap, 0o600)
    subprocess.run(["/sbin/mkswap", swap], check=True, stdout=subprocess.DEVNULL)
    os.chown(swap, box.uid, box.uid)


def read_report(process, host):
    """Until its end, with a client wherever the attacker says that it listens."""
    lines, knocks = [], []
    for raw in process.stdout:
        line = raw.decode("utf-8", "replace")
        lines.append(line)
        words = line.split()
        if words[1:2] == ["listening"]:
            knocks.append(threading.Thread(target=host.knock, args=(int(words[2]),)))
            knocks[-1].start()
        if line == "done\n":
            break
    for k in knocks:
        k.join()
    return "".join(lines)


def run(box, host):
    attacks = chosen()
    families = [a.socket for a in attacks if a.socket]
    server, pairs = clients(host, families)
    sentinel = subprocess.Popen(["/bin/sleep", "600"], user=box.uid, group=box.uid, extra_groups=[])
    write_job(box, host, attacks, len(families), sentinel.pid)
    as_user = ["setpriv", "--reuid=%d" % box.uid, "--regid=%d" % box.uid, "--clear-groups"] if box.uid else []
    with inherited([s for _, s in pairs]) as numbers, open(os.path.join(box.dir, "errors"), "w") as errors:
        # names and mounts of this machine are not theirs to change, should they be let
        process = subprocess.Popen(["unshare", "--uts", "--mount", "sh", "-ec", box.prepare + '\nexec "$@"', "sh",
                                    *host.prefix(len(families)), *as_user, *box.command(len(families))],
                                   pass_fds=numbers, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
                                   cwd=box.dir)
    alarm = threading.Timer(SECONDS, process.kill)
    alarm.start()
    try:
        report = read_report(process, host)
    finally:
        alarm.cancel()
        process.terminate()
        process.wait()
        sentinel.kill()
        sentinel.wait()
        said = trp.read(os.path.join(box.dir, "errors")).decode("utf-8", "replace")
        box.done()
        for theirs, _ in pairs:
            theirs.close()
        server.close()
    results = hostile.verdicts(report)
    if len(results) != len(attacks):
        raise RuntimeError("%s: %d results of %d:\n%s" % (box.name, len(results), len(attacks), report[-2000:] + said))
    return results


def count(results, verdict):
    return sum(v == verdict for v, _ in results.values())


def table(rows, groups, by_name):
    print("\n%-24s %6s %8s %10s   succeeded: %s" % ("", "tried", "refused", "succeeded", " ".join("%14s" % g for g in groups)))
    for text, results in rows:
        refused, succeeded = count(results, "refused"), count(results, "SUCCEEDED")
        parts = [sum(v == "SUCCEEDED" and by_name[n].group == g for n, (v, _) in results.items()) for g in groups]
        print("%-24s %6d %8d %10d              %s" % (text, refused + succeeded, refused, succeeded, " ".join("%14d" % p for p in parts)))


def detail(text, results):
    print("\n%s" % text)
    for name, (verdict, how) in results.items():
        print("  %-24s %-10s %s" % (name, verdict, how))


def main(argv):
    verbose, names = "-v" in argv, [a for a in argv if a != "-v"]
    by_name = hostile.attacks()
    groups = list(dict.fromkeys(a.group for a in by_name.values()))
    rows = []
    host = hostile.Host()
    try:
        if not names or "trpsup" in names:
            rows.append(("trpsup", trpsup(host)))
        for kind in sandboxes.ALL:
            if names and kind.name not in names:
                continue
            if not shutil.which(kind.program):
                print("%s is not installed" % kind.name)
                continue
            box = kind(host.dir)
            rows.append((box.text(), run(box, host)))
    finally:
        host.close.close()
    if verbose:
        for row in rows:
            detail(*row)
    table(rows, groups, by_name)
    died = [(text, n) for text, results in rows for n, (v, _) in results.items() if v == "died"]
    for text, name in died:
        print("%s: %s ended by itself: neither refused nor succeeded" % (text, name))
    if rows[0][0] == "trpsup":
        ours = rows[0][1]
        print("\nfigure hostile.tried %d attacks" % (count(ours, "refused") + count(ours, "SUCCEEDED")))
        print("figure hostile.succeeded %d attacks" % count(ours, "SUCCEEDED"))
        return 1 if count(ours, "died") else 0
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda signo, frame: sys.exit(143))
    sys.exit(main(sys.argv[1:]))
