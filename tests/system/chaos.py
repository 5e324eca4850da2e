# SPDX-License-Identifier: ISC
"""Real servers under many new connections and long downloads, while everything around them is killed, restarted, reloaded and
upgraded; and what became of each client.

Whose fault a lost client is, is not guessed. Before a process is killed it is stopped (SIGSTOP), with all that dies with it, and
the sockets that they have are read from /proc: a stopped process is in no system call, so what it has accepted is in its table
of descriptors, and it accepts nothing any more. A client that is cut off was accepted by the killed process exactly if its address and
port are among those, and the connection was open then. While a service is restarted, which ends by a kill when stop-timeout is over, the
sockets of the old instance are read again and again: whom it was seen to have, it had. All others are ours."""
import collections
import dataclasses
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

import trp
import upstreams
import web
import wpclient

STORM = os.path.join(trp.BUILD, "tests/progs/storm")
PATIENCE = 60  # seconds that a client waits before it is lost
DOWNLOADS = 2  # of each service at a time
DOWNLOAD_RATE = 8 << 20  # bytes a second, of each
PIECE = 1 << 18

# All of them: killed again and again, and what they are working on does not hold up a restart for long.
OFTEN = """
[service]
restart-delay = 10ms
start-limit-burst = 0
stop-timeout = 3s
[route]
hold = 1m
queue = 4096
"""


@dataclasses.dataclass
class Service:
    name: str
    small: tuple  # (path, weight), ...
    large: str  # a path
    drop_in: str
    reloads: bool
    content: bool = True

    @property
    def host(self):
        return self.name + ".localhost"


SERVICES = [
    Service("nginx", (("/small.txt", 400),), "/large.bin", "[sandbox]\nbind = {content} /srv\n"
            "bind = {content}/conf.d /etc/nginx/conf.d\n", True),
    Service("node", (("/small.txt", 200),), "/large.bin", "[service]\ncommand = /usr/bin/node /srv/app.js\n"
            "[sandbox]\nbind = {content} /srv\n", False),
    Service("caddy", (("/small.txt", 200),), "/large.bin", "[sandbox]\nbind = {content} /srv\n[environment]\nSITE_ROOT = /srv\n",
            False),
    # Apache's graceful stop, as it lets it finish what it is working on; a file, and a page of PHP and of the database (by that name, so
    # that WordPress does not lead the visitor elsewhere while it does its regular work)
    Service("wordpress", (("/wp-includes/images/blank.gif", 197), ("/wp-login.php?/wp-cron.php", 3)), "/wp-content/uploads/large.bin",
            "[service]\nstop-signal = WINCH\n", True, content=False),
]


@dataclasses.dataclass
class Bad:
    """A client that was not served whole; times of time.monotonic()."""
    source: tuple  # (address, port)
    host: str
    begun: float
    ended: float
    nbytes: int
    what: str


@dataclasses.dataclass
class Kill:
    """Of what; the clients that it had, and when that was seen."""
    what: str
    clients: dict


def judge(bad, kills):
    """What became of the client, and through whom."""
    for kill in kills:
        if bad.source in kill.clients and bad.begun <= kill.clients[bad.source] <= bad.ended:
            return "killed_with_router" if kill.what == "router" else "killed_with_process"
    # another answer, such as the 503 of the router for those whom it does not hand on
    if bad.what == "refused" or ":" in bad.what:
        return "refused"
    return "lost" if bad.what == "late" else "reset"


# whose sockets are whose

def _address(text):
    """Of /proc/net/tcp or tcp6: (address, port); a mapped IPv4 address as such."""
    address, port = text.split(":")
    words = [bytes.fromhex(address[i:i + 8])[::-1] for i in range(0, len(address), 8)]
    raw = b"".join(words)
    if raw[:12] == bytes(10) + b"\xff\xff":
        raw = raw[12:]
    return socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, raw), int(port, 16)


def tcp_peers():
    """{inode: (address, port) of the other end} of this network's connections."""
    found = {}
    for table in ("tcp", "tcp6"):
        for line in trp.read("/proc/net/" + table).decode().splitlines()[1:]:
            words = line.split()
            found[words[9]] = _address(words[2])
    return found


def socket_inodes(pid):
    found = set()
    directory = "/proc/%d/fd" % pid
    for fd in os.listdir(directory):
        try:
            match = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(os.path.join(directory, fd)))
        except FileNotFoundError:
            continue
        if match:
            found.add(match[1])
    return found


def threads_stand(pid):
    """Each thread; one that is in a system call it cannot be stopped in is not there yet."""
    try:
        tids = os.listdir("/proc/%d/task" % pid)
        return all(trp.read("/proc/%d/task/%s/stat" % (pid, t)).rsplit(b")", 1)[1].split()[0] in (b"T", b"Z", b"X") for t in tids)
    except OSError:
        return True  # it has ended


def stop(find):
    """Stops all that find() names, also those that they start meanwhile; they."""
    stopped = set()
    while more := set(find()) - stopped:
        for pid in more:
            try:
                os.kill(pid, signal.SIGSTOP)
            except ProcessLookupError:
                pass
        trp.wait_until(lambda: all(map(threads_stand, more)), 20, "they stand still")  # pylint: disable=cell-var-from-loop
        stopped |= more
    return stopped


def held_by(pids):
    """{client: now} of those whose sockets they have."""
    now = time.monotonic()
    inodes = set()
    for pid in pids:
        try:
            inodes |= socket_inodes(pid)
        except FileNotFoundError:
            pass
    peers = tcp_peers()
    return {peers[i]: now for i in inodes if i in peers}


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
        except ConnectionRefusedError:
            return end, got, "refused"
        except TimeoutError:
            return end, got, "late"
        except OSError:
            return end, got, "cut" if got else "reset"
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


class Chaos:
    """with Chaos(seed, say) as c: c.run(rate, seconds); then c.figures, and c.problems (lines of text)."""

    def __init__(self, seed, say=print):
        self.random, self.say, self.seed = random.Random(seed), say, seed
        self.kills, self.problems, self.figures = [], [], {}
        self.done = collections.Counter()
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
        self.d.ok("start", *[s.name for s in SERVICES])
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

    def kill_in(self, service, init):
        """The main process, or the init; the sandbox ends with either, but who is stopped goes nowhere meanwhile."""
        pids = self.d.pids(service.name)
        victim = pids[0] if init else self.d.status(service.name)["main_pid"]
        others = stop(lambda: [p for p in self.d.pids_of_init(pids[0]) if p != pids[0]])
        self.kills.append(Kill(service.name, held_by(others)))
        os.kill(victim, signal.SIGKILL)
        trp.wait_until(lambda: self.d.status(service.name)["pid"] not in (0, None, pids[0]), 60, "another instance")

    def kill_main(self, service):
        self.kill_in(service, False)

    def kill_init(self, service):
        self.kill_in(service, True)

    def kill_router(self):
        def find():
            return self.d.call("trpsup.Info")["router"]["pids"]
        pids = stop(find)
        self.kills.append(Kill("router", held_by(pids)))
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
        old = self.d.status(service.name)["pid"]
        kill = Kill(service.name, {})
        self.kills.append(kill)
        with subprocess.Popen([os.path.join(trp.BUILD, "trpsup"), "-c", self.d.conf, "restart", service.name], text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as restart:
            while restart.poll() is None:
                kill.clients.update(held_by(self.d.pids_of_init(old)))
                time.sleep(0.02)
            if restart.returncode != 0:
                raise trp.Failed("trpsup restart %s: %s" % (service.name, restart.stdout.read()))

    def reload(self, service):
        self.d.ok("reload", service.name)

    def upgrade(self):
        self.when_it_can("upgrade")

    def upgrade_router(self):
        self.when_it_can("upgrade-router")

    def when_it_can(self, verb):
        """As somebody would who is told to try again in a moment."""
        def did():
            done = self.d.trpsup(verb)
            if done.returncode != 0 and not re.search("try again|is under way already", done.stderr):
                raise trp.Failed("trpsup %s: %s" % (verb, done.stderr))
            return done.returncode == 0
        trp.wait_until(did, 60, "trpsup " + verb)

    def events(self):
        """Each once in turn, mixed; then without end at random."""
        each = [(self.kill_main, s) for s in SERVICES] + [(self.kill_init, s) for s in SERVICES]
        each += [(self.restart, s) for s in SERVICES] + [(self.reload, s) for s in SERVICES if s.reloads]
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
            self.done[what.__name__] += 1
            self.say("  %-14s %-10s %5.1f s%s" % (what.__name__, of[0].name if of else "", time.monotonic() - began,
                                                  ", it had %d clients" % len(self.kills[-1].clients)
                                                  if what.__name__.startswith("kill_") and what != self.kill_daemon else ""))
            time.sleep(self.random.uniform(0.1, 1.0))

    # what came of it

    def descriptors(self):
        """Of the daemon: {kind: how many}."""
        found, directory = collections.Counter(), "/proc/%d/fd" % self.d.process.pid
        for fd in os.listdir(directory):
            try:
                found[re.sub(r"\d+", "N", os.readlink(os.path.join(directory, fd)))] += 1
            except FileNotFoundError:
                pass
        return found

    def most_descriptors(self, seconds=3):
        """The most of each kind in a while: some come and go, for a call, for what is prepared for the next start."""
        # the loop's, and that of the listeners, which is closed for ten seconds when somebody comes (routerwatch.c)
        most, end = collections.Counter({"anon_inode:[eventpoll]": 2}), time.monotonic() + seconds
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

    def run(self, rate, seconds):
        self.say("seed %d" % self.seed)
        self.wait_ready()
        before = self.most_descriptors()
        targets = ["%s%s=%d" % (s.host, path, weight) for s in SERVICES for path, weight in s.small]
        with subprocess.Popen([STORM, "127.0.0.1", str(trp.HTTP_PORT), str(rate), str(seconds), str(PATIENCE), *targets],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as storm:
            try:
                with Downloads(SERVICES) as downloads:
                    self.disturb(time.monotonic() + seconds)
                said = storm.communicate(timeout=seconds + 3 * PATIENCE)[0]
            finally:
                if storm.poll() is None:
                    storm.kill()
        if storm.returncode != 0:
            raise AssertionError("storm: exit code %d" % storm.returncode)
        self.reckon(said, downloads)
        self.wait_settled(before)
        if "defect" in self.d.daemon_log():
            self.problems.append("trpsupd says that it has a defect")

    def reckon(self, said, downloads):
        words = said.splitlines()[-1].split()
        if words[0] != "offered":
            raise AssertionError("storm: " + said[-500:])
        all_bad = list(downloads.bad)
        for line in said.splitlines()[:-1]:
            _, source, port, host, begun, ended, nbytes, what = line.split()
            all_bad.append(Bad((source, int(port)), host, float(begun), float(ended), int(nbytes), what))
        counts = collections.Counter()
        for bad in all_bad:
            verdict = judge(bad, self.kills)
            counts[verdict] += 1
            if not verdict.startswith("killed_with"):
                self.problems.append("%s: %s" % (verdict, bad))
        self.figures = {"offered": int(words[1]) + downloads.begun, "served": int(words[3]) + downloads.whole,
                        "rate": int(words[1]) / float(words[5]), "downloads": downloads.begun,
                        **{name: counts[name] for name in ("refused", "reset", "lost", "killed_with_process",
                                                           "killed_with_router")}}
