# SPDX-License-Identifier: ISC
"""Real servers under many new connections and long downloads, while everything around them is killed, restarted, reloaded and
upgraded; and what became of each client.

Whose fault a lost client is says blame.py: that of a process that was killed, or ours.

How many clients each server is offered is not the same for all: what it can serve here is measured first, and none is offered more
than a part of that. Who is asked for more than it can do loses clients by itself, and nothing is learnt from that."""
import collections
import dataclasses
import os
import random
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time

import trp
import upstreams
import web
import wpclient
from blame import Bad, Kill, held_by, judge, let_go, stands, stop

STORM = os.path.join(trp.BUILD, "tests/progs/storm")
PATIENCE = 60  # seconds that a client waits before it is lost
DOWNLOADS = 2  # of each service at a time
DOWNLOAD_RATE = 8 << 20  # bytes a second, of each
PIECE = 1 << 18
MEASURE_SECONDS = 2
MEASURE_LIVE = 16  # clients at a time
MEASURE_RATE = 100000  # more than any of them can serve
PART = 0.1  # of what it can serve, for a server that is not to have most of the clients
MOST = 0.5  # of all that the machine can serve

# One that nobody is offered much of: it stands still between two clients (idle-freeze), each of whom has it go on
SLEEPY = """[service]
command = ${libexec}/trp-hello 8000
adapter = native
idle-freeze = 50ms
[route]
host = sleepy.localhost
http = 8000
[sandbox]
root = none
"""
SPARSE = 0.3  # seconds between two of them at most
SPARSE_SOURCE = "127.3.0.1"

# All of them: killed again and again, and what they are working on (the long downloads) does not hold up a restart for long: with
# 20,000 descriptors a router lets about 3,000 clients of one service wait (router/quota.h), which are those of three seconds.
OFTEN = """
[service]
restart-delay = 10ms
start-limit-burst = 0
stop-timeout = 1s
drain = 3s
[route]
hold = 1m
queue = 4096
"""


@dataclasses.dataclass
class Small:
    path: str
    most: int  # clients a second


@dataclasses.dataclass
class Service:
    name: str
    small: list
    large: str  # a path
    drop_in: str
    reloads: bool
    content: bool = True

    @property
    def host(self):
        return self.name + ".localhost"

    def target(self, small, weight):
        return "%s%s=%d" % (self.host, small.path, weight)


MANY = 1000000
SERVICES = [
    Service("nginx", [Small("/small.txt", MANY)], "/large.bin", "[sandbox]\nbind = {content} /srv\n"
            "bind = {content}/conf.d /etc/nginx/conf.d\n", True),
    Service("node", [Small("/small.txt", 150)], "/large.bin", "[service]\ncommand = /usr/bin/node /srv/app.js\n"
            "[sandbox]\nbind = {content} /srv\n", False),
    Service("caddy", [Small("/small.txt", 150)], "/large.bin", "[sandbox]\nbind = {content} /srv\n[environment]\nSITE_ROOT = /srv\n",
            False),
    # Apache's graceful stop, as it lets it finish what it is working on; a file, and a page of PHP and of the database (by that name, so
    # that WordPress does not lead the visitor elsewhere while it does its regular work)
    Service("wordpress", [Small("/wp-includes/images/blank.gif", 50), Small("/wp-login.php?/wp-cron.php", 2)],
            "/wp-content/uploads/large.bin", "[service]\nstop-signal = WINCH\n", True, content=False),
]


def share(rate, capacity):
    """{(service, path): clients a second}, of what each can serve: the first has what the others have not, which is half at least,
    and none more than is good for the machine."""
    shares = {key: min(small.most, PART * capacity[key]) for key, small in capacity_keys()}
    first = next(iter(shares))
    shares[first] = 0
    part = min(1, rate / 2 / sum(shares.values()))
    shares = {key: part * share for key, share in shares.items()}
    used = sum(shares[k] / capacity[k] for k in shares)
    shares[first] = max(1, min(rate - sum(shares.values()), (MOST - used) * capacity[first]))
    return shares


def capacity_keys():
    return [((s.name, small.path), small) for s in SERVICES for small in s.small]


SLEEPER = Service("sleepy", [], "", "", False, content=False)


def what_failed(e, got):
    return "refused" if isinstance(e, ConnectionRefusedError) else "late" if isinstance(e, TimeoutError) else "cut" if got else "reset"


class Sparse:
    """A client of SLEEPY now and then. One that is not served would have found it frozen."""

    def __init__(self, seed):
        self.over, self.bad, self.begun, self.served = threading.Event(), [], 0, 0
        self.random = random.Random(seed)
        self.thread = threading.Thread(target=self.work)

    def work(self):
        while not self.over.wait(self.random.uniform(0, SPARSE)):
            begun = time.monotonic()
            self.begun += 1
            end, what = self.one()
            if what is None:
                self.served += 1
            else:
                self.bad.append(Bad(end, SLEEPER.host, begun, time.monotonic(), 0, what))

    @staticmethod
    def one():
        """(source, what) of one; what is None if it was served."""
        end, data = (SPARSE_SOURCE, 0), b""
        try:
            with web.connect("127.0.0.1", trp.HTTP_PORT, source=end, timeout=PATIENCE) as sock:
                end = sock.getsockname()[:2]
                sock.sendall(b"GET / HTTP/1.0\r\nHost: %s\r\n\r\n" % SLEEPER.host.encode())
                while more := sock.recv(PIECE):
                    data += more
        except OSError as e:
            return end, what_failed(e, data)
        return end, "closed" if not data else None if data[9:12] == b"200" else data[9:12].decode("latin-1") + ":"

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


class Downloads:
    """Long ones, read slowly, some of each service all the time."""

    def __init__(self, services):
        self.over, self.bad, self.begun, self.whole = threading.Event(), [], 0, 0
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.work, args=(s, "127.2.%d.1" % i))
                        for i, s in enumerate([s for s in services for _ in range(DOWNLOADS)])]

    def work(self, service, source):
        while not self.over.is_set():
            begun = time.monotonic()
            with self.lock:
                self.begun += 1
            end, nbytes, what = self.one(service, source)
            with self.lock:
                if what is None:
                    self.whole += 1
                elif what != "over":
                    self.bad.append(Bad(end, service.host, begun, time.monotonic(), nbytes, what))

    def one(self, service, source):
        """(source, bytes, what) of one; what is None if it came whole."""
        end, got = (source, 0), 0
        try:
            with web.connect("127.0.0.1", trp.HTTP_PORT, source=(source, 0), timeout=PATIENCE) as sock:
                end = sock.getsockname()[:2]
                sock.sendall(b"GET %s HTTP/1.0\r\nHost: %s\r\n\r\n" % (service.large.encode(), service.host.encode()))
                head = b""
                while more := sock.recv(PIECE):
                    head = head if got else more[:12]
                    got += len(more)
                    if head[9:12] != b"200":
                        return end, got, head[9:12].decode("latin-1") + ":"
                    if self.over.wait(len(more) / DOWNLOAD_RATE):
                        return end, got, "over"
        except OSError as e:
            return end, got, what_failed(e, got)
        whole = got > upstreams.LARGE_MIB << 20
        return end, got, None if whole else "cut" if got else "closed"

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for t in self.threads:
            t.join()


class Storm:
    """Clients by the clock (tests/progs/storm.c). Into a file: who writes to a pipe that nobody reads stands still."""

    def __init__(self, rate, seconds, targets, live=0):
        self.out, self.seconds = tempfile.TemporaryFile("w+"), seconds
        self.process = subprocess.Popen([STORM, *(["-n", str(live)] if live else []), "127.0.0.1", str(trp.HTTP_PORT), str(rate),
                                         str(seconds), str(PATIENCE), *targets], stdin=subprocess.DEVNULL, stdout=self.out)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.out.close()

    def done(self):
        """(lines, totals) of what it said."""
        if self.process.wait(self.seconds + 3 * PATIENCE) != 0:
            raise AssertionError("storm: exit code %d" % self.process.returncode)
        self.out.seek(0)
        lines = self.out.read().splitlines()
        words = lines[-1].split() if lines else []
        if words[:1] != ["offered"]:
            raise AssertionError("storm: %s" % lines[-3:])
        return lines[:-1], {key: float(value) for key, value in zip(words[::2], words[1::2])}


class Chaos:
    """with Chaos(seed, say) as c: c.run(rate, seconds); then c.figures, and c.problems (lines of text)."""

    def __init__(self, seed, say=print):
        self.random, self.say, self.seed = random.Random(seed), say, seed
        self.kills, self.problems, self.figures = [], [], {}
        self.done, self.timeline, self.turn = collections.Counter(), [], 0
        self.d = trp.Daemon(state=upstreams.STATE)
        self.content = os.path.join(upstreams.STATE, "content-" + self.d.name)
        self.password = "chaos-%d" % self.random.getrandbits(40)

    # the services

    def make_content(self):
        os.mkdir(self.content)
        for source in ("nginx", "node"):
            shutil.copytree(os.path.join(upstreams.HERE, "upstreams", source), self.content, dirs_exist_ok=True)
        with open(os.path.join(self.content, "small.txt"), "wb") as f:
            f.write(upstreams.SMALL)
        os.link(upstreams.large_file(), os.path.join(self.content, "large.bin"))
        subprocess.run(["chmod", "-R", "u=rwX,go=rX", self.content], check=True)

    def start_all(self):
        self.make_content()
        for s in SERVICES:
            os.mkdir(os.path.join(self.d.profile_dir, s.name + ".ini.d"))
            self.d.profile(s.name + ".ini.d/test", OFTEN + s.drop_in.replace("{content}", self.content))
        self.d.profile(SLEEPER.name, SLEEPY)
        self.d.ok("start", SLEEPER.name, *[s.name for s in SERVICES])
        site = wpclient.Site("http://wordpress.localhost:%d" % trp.HTTP_PORT)
        site.install("chaos", "admin", self.password)
        uploads = os.path.join(self.d.state_dir, "state/wordpress/wp-content/uploads")
        os.makedirs(uploads, exist_ok=True)
        os.chmod(uploads, 0o755)
        os.link(upstreams.large_file(), os.path.join(uploads, "large.bin"))

    def __enter__(self):
        try:
            self.d.start()
            self.start_all()
        except BaseException:
            self.__exit__(*[Exception] * 3)
            raise
        return self

    def __exit__(self, kind, value, trace):
        shutil.rmtree(self.content, ignore_errors=True)
        self.d.__exit__(kind, value, trace)

    # what happens to them

    def wait_ready(self):
        def ready():
            try:
                return all(self.d.status(s.name)["state"] == "ready" for s in SERVICES) and self.d.router_pid()
            except (OSError, trp.Failed):
                return False
        trp.wait_until(ready, 60, "all services are ready again")

    def wait_sleeps(self):
        """Between two clients, whatever has happened."""
        def sleeps():
            try:
                return self.d.status(SLEEPER.name)["frozen_idle"]
            except (OSError, trp.Failed):
                return False
        trp.wait_until(sleeps, 60, "one that has few clients stands still again")

    def freeze(self):
        """By a call: its clients wait until it is thawed."""
        self.d.ok("freeze", SLEEPER.name)
        time.sleep(self.random.uniform(0, 1))
        self.d.ok("thaw", SLEEPER.name)

    def kill_in(self, service, init):
        """The main process, or the init; the sandbox ends with either, but who is stopped goes nowhere meanwhile."""
        pids = self.d.pids(service.name)
        victim = pids[0] if init else self.d.status(service.name)["main_pid"]
        others = stop(lambda: [p for p in self.d.pids_of_init(pids[0]) if p != pids[0]])
        self.kills.append(Kill(service.name, {}))
        self.kills[-1].saw(held_by(others))
        os.kill(victim, signal.SIGKILL)
        trp.wait_until(lambda: self.d.status(service.name)["pid"] not in (0, None, pids[0]), 60, "another instance")

    def kill_main(self, service):
        self.kill_in(service, False)

    def kill_init(self, service):
        self.kill_in(service, True)

    def kill_router(self):
        # asked once: one that stands still does not answer, and that is waited for
        pids = self.d.call("trpsup.Info")["router"]["pids"]
        stop(lambda: pids)
        self.kills.append(Kill("router", {}))
        self.kills[-1].saw(held_by(pids))
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        trp.wait_until(lambda: self.d.router_pid() not in (0, None, *pids), 30, "another router")

    def kill_daemon(self):
        before = {s.name: self.d.status(s.name)["pid"] for s in SERVICES}
        self.d.process.kill()
        self.d.process.wait()
        self.d.log.close()
        self.d.run()
        after = {s.name: self.d.status(s.name)["pid"] for s in SERVICES}
        if before != after:
            self.problems.append("trpsupd was killed, and then there were other instances: %s, %s" % (before, after))

    def restart(self, service):
        """One that ends at once when it is told to might accept others just before: it stands still until it is told (init lets it
        go on then), and the others until that has been."""
        old, main = [self.d.status(service.name)[key] for key in ("pid", "main_pid")]
        kill = Kill(service.name, {})
        self.kills.append(kill)
        stopped = stop(lambda: [p for p in self.d.pids_of_init(old) if p != old])
        kill.saw(held_by(stopped))
        with self.trpsup("restart", service.name) as restart:
            try:
                trp.wait_until(lambda: not stands(main) or restart.poll() is not None, 20, "it is told to stop")
            finally:
                let_go(stopped)
            while restart.poll() is None:
                kill.saw(held_by(self.d.pids_of_init(old)))
                time.sleep(0.02)
            self.check(restart)

    def overlap(self, service):
        """Whom the one before still has when its time is over goes with it."""
        old = self.d.status(service.name)["pid"]
        kill = Kill(service.name, {})
        self.kills.append(kill)
        with self.trpsup("restart", "--overlap", service.name) as restart:
            self.check(restart)
        while self.d.status(service.name)["beside"]:
            kill.saw(held_by(self.d.pids_of_init(old)))
            time.sleep(0.02)

    def trpsup(self, *words):
        return subprocess.Popen([os.path.join(trp.BUILD, "trpsup"), "-c", self.d.conf, *words], text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    @staticmethod
    def check(process):
        said = process.communicate()[0]
        if process.returncode != 0:
            raise trp.Failed("%s: %s" % (" ".join(process.args[3:]), said))

    def reload(self, service):
        self.d.ok("reload", service.name)

    def reload_profiles(self, service):
        """Another name, which it has at once, and a variable that it gets when it is restarted."""
        self.turn += 1
        name = "turn%d.%s" % (self.turn, service.host)
        self.d.profile(service.name + ".ini.d/turn", "[route]\nhost = %s\n[environment]\nTURN = %d\n" % (name, self.turn))
        said = self.d.ok("reload")
        if not re.search("(?m)^%s: .*host" % service.name, said) or not re.search("(?m)^%s: .*environment" % service.name, said):
            self.problems.append("trpsup reload after a change of host and environment of %s says: %s" % (service.name, said))
        if name not in [r["host"] for r in self.d.status(service.name)["routes"]]:
            self.problems.append("trpsup reload: %s has no route to %s" % (service.name, name))

    def upgrade(self):
        self.d.ok("upgrade")

    def upgrade_router(self):
        self.d.ok("upgrade-router")

    def events(self):
        """Each once in turn, mixed; then without end at random."""
        each = [(self.kill_main, s) for s in SERVICES] + [(self.kill_init, s) for s in SERVICES]
        each += [(self.restart, s) for s in SERVICES] + [(self.overlap, s) for s in SERVICES]
        each += [(self.reload, s) for s in SERVICES if s.reloads] + [(self.reload_profiles, s) for s in SERVICES]
        each += [(self.overlap, SLEEPER), (self.freeze,)]
        each += [(self.kill_router,), (self.kill_daemon,), (self.upgrade,), (self.upgrade_router,)]
        # a short run has each kind early, of some service
        kinds = list({e[0].__name__: e for e in self.random.sample(each, len(each))}.values())
        yield from kinds + self.random.sample([e for e in each if e not in kinds], len(each) - len(kinds))
        while True:
            yield self.random.choice(each)

    def disturb(self, until):
        """Until it is time, and each kind has been."""
        kinds = set()
        for what, *of in self.events():
            if time.monotonic() > until and what.__name__ in kinds:
                break
            began = time.monotonic()
            what(*of)
            kinds.add(what.__name__)
            self.wait_ready()
            self.wait_sleeps()
            self.done[what.__name__] += 1
            ended = time.monotonic()
            text = "%s %s" % (what.__name__, of[0].name if of else "")
            self.timeline.append((began, ended, text))
            self.say("  %-26s %10.1f %5.1f s%s" % (text, began, ended - began,
                                                   ", it had %d clients" % len(self.kills[-1].clients)
                                                   if what.__name__.startswith("kill_") and what != self.kill_daemon else ""))
            time.sleep(self.random.uniform(0.1, 1.0))

    # what came of it

    def descriptors(self):
        """Of the daemon: {kind: how many}. An instance that has taken the place of another has another name for its group."""
        found, directory = collections.Counter(), "/proc/%d/fd" % self.d.process.pid
        for fd in os.listdir(directory):
            try:
                found[re.sub(r"\d+", "N", re.sub(r"~2$", "", os.readlink(os.path.join(directory, fd))))] += 1
            except FileNotFoundError:
                pass
        return found

    def most_descriptors(self, seconds=3):
        """The most of each kind in a while: some come and go, for a call, for what is prepared for the next start."""
        most, end = collections.Counter(trp.EPOLLS), time.monotonic() + seconds
        while time.monotonic() < end:
            most |= self.descriptors()
            time.sleep(0.02)
        return most

    def wait_settled(self, before):
        """Retired routers go when their last client has; then the daemon has no more descriptors than before."""
        trp.wait_until(lambda: self.d.call("trpsup.Info")["router"]["retired"] == [], 60, "the retired routers are gone")
        try:
            trp.wait_until(lambda: not self.descriptors() - before, 30, "no more descriptors")
        except AssertionError:
            self.problems.append("descriptors that trpsupd did not have before: %s" % dict(self.descriptors() - before))

    # the clients

    def measure(self):
        """{(service, path): answers a second} of each alone, with the downloads."""
        found = {}
        for s in SERVICES:
            for small in s.small:
                with Storm(MEASURE_RATE, MEASURE_SECONDS, [s.target(small, 1)], MEASURE_LIVE) as storm:
                    found[s.name, small.path] = max(1, storm.done()[1]["served"]) / MEASURE_SECONDS
                self.say("  %-9s %-30s can serve %7.0f a second" % (s.name, small.path, found[s.name, small.path]))
        return found

    def run(self, rate, seconds):
        self.say("seed %d" % self.seed)
        self.wait_ready()
        before = self.most_descriptors()
        with Downloads(SERVICES) as downloads:
            shares = share(rate, self.measure())
            offer = max(1, round(sum(shares.values())))
            self.say("  offered %d a second: %s" % (offer, ", ".join("%s%s %.0f" % (*key, n) for key, n in shares.items())))
            targets = [s.target(small, max(1, round(100 * shares[s.name, small.path]))) for s in SERVICES for small in s.small]
            with Storm(offer, seconds, targets) as storm, Sparse(self.seed) as sparse:
                self.disturb(time.monotonic() + seconds)
                downloads.over.set()
                sparse.over.set()
                said = storm.done()
        self.reckon(*said, downloads, sparse)
        self.wait_settled(before)
        if "defect" in self.d.daemon_log():
            self.problems.append("trpsupd says that it has a defect")
        if self.problems:
            self.keep()

    def when(self, bad):
        """What was done while it waited."""
        return ", ".join(text for began, ended, text in self.timeline if began < bad.ended and ended > bad.begun) or "nothing"

    def keep(self):
        """For who looks why."""
        os.makedirs(trp.ARTIFACTS, exist_ok=True)
        where = os.path.join(trp.ARTIFACTS, "chaos-%d." % self.seed)
        with open(where + "problems", "w") as f:
            f.write("\n".join(["%.3f-%.3f %s" % t for t in self.timeline] + self.problems) + "\n")
        with open(where + "kills", "w") as f:
            f.write("\n".join("%s %s" % (k.what, sorted((a, *t) for a, t in k.clients.items())) for k in self.kills) + "\n")
        with open(where + "log", "w") as f:
            f.write(self.d.daemon_log())
        for s in SERVICES:
            with open(where + s.name + ".log", "w") as f:
                f.writelines("".join(line + "\n" for line in self.d.log_lines(s.name, " sup ")))
        self.say("  %d problems, see %s*" % (len(self.problems), where))

    def reckon(self, lines, total, downloads, sparse):
        all_bad = downloads.bad + sparse.bad
        for line in lines:
            _, source, port, host, begun, ended, nbytes, what = line.split()
            all_bad.append(Bad((source, int(port)), host, float(begun), float(ended), int(nbytes), what))
        counts, groups = collections.Counter(), collections.Counter()
        for bad in all_bad:
            verdict = judge(bad, self.kills)
            counts[verdict] += 1
            if not verdict.startswith("killed_with"):
                self.problems.append("%s: %s" % (verdict, bad))
                groups["%s: %s %s during %s" % (verdict, bad.host, bad.what, self.when(bad))] += 1
        for text, n in groups.most_common(20):
            self.say("  %6d %s" % (n, text[:300]))
        self.figures = {"offered": int(total["offered"]) + downloads.begun + sparse.begun,
                        "served": int(total["served"]) + downloads.whole + sparse.served, "woke": sparse.served,
                        "rate": total["offered"] / total["seconds"], "missed": int(total["missed"]), "behind": total["behind"],
                        "downloads": downloads.begun,
                        **{name: counts[name] for name in ("refused", "reset", "lost", "killed_with_process",
                                                           "killed_with_router")}}

