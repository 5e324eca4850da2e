#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Every key of profiles and of trpsup.conf (the tables of doc/profile.md, which a unit test compares with the program's) is changed while the daemon
runs: 'trpsup reload' puts it in force or says what that needs. A key that is in none of the tables below fails the test, too."""
import os
import re
import socket
import subprocess
import unittest

import openings
import trp

BEFORE = """[service]
command = /bin/sleep 1000
ready = started
[route]
host = x.test
http = 80
"""
# profiles that BEFORE becomes, each right as a whole; together they have every key but those of EXEMPT with another value
AFTER = {
    "service": """[service]
description = another
command = /bin/sleep 1001
setup = /bin/true
pre-stop = /bin/true
user = 1001
group = 1002
requires = dep
after = dep
before = other
wants = dep
conflicts = other
ready = notify
adapter = preload
restart = always
start = on-demand
idle-freeze = 1h
idle-stop = 2h
overlap = always
drain = 1s
start-timeout = 1h
stop-timeout = 1m
restart-delay = 1s
restart-delay-max = 2s
start-limit-burst = 3
start-limit-interval = 1m
stop-signal = QUIT
reload-signal = USR1
reload = notify
reload-timeout = 5s
timeout-extension = 1m
watchdog = 1m
keep-descriptors = 2
working-directory = /tmp
environment-file = -/etc/nonexistent
log-to = file syslog
log-size = 1M
log-files = 2
log-age = 1d
log-keep = 2d
log-total = 8M
log-compress = no
log-rate = 1M
log-burst = 2M
log-over-rate = drop
pid-file = /run/x/pid
[route]
host = y.test
http = 81
tls = 82
h2c = 83
minecraft = 84
xmpp = 85
xmpp-server = 86
ssh = 87
postgres = 88
raw = 89
default = yes
plain-http = yes
share = yes
listener = all
rate = 1000/s
burst = 2000
max-connections = 100
queue = 64
hold = 1m
[health]
check = http:/
interval = 1h
timeout = 1s
failures = 2
successes = 2
start-period = 1m
status = 200
send-host = z.test
unhealthy = keep
[environment]
NAME = value
""",
    "sandbox": """[service]
command = /bin/sleep 1000
ready = started
requires = dep
[route]
host = x.test
http = 80
[sandbox]
host-files = /etc/hostname
bind = /srv /srv
secret = one
credential = key:/etc/hostname
credential-command = word:/bin/true
publish = yes
use = dep
state-at = lib:/var/lib/x
syscalls = -@ipc
architectures = ARCHITECTURES
exec-from = tmp
proc = pid
memory-deny-write-execute = yes
user-namespaces = yes
allow-missing = landlock
tmp-size = 1M
[limits]
processes = 100
memory = 512M
oom = continue
cpu = 300%
cpu-weight = 50
scheduling = batch
io-read = 1G
io-write = 1G
io-read-ops = 10000
io-write-ops = 10000
io-weight = 50
locked-memory = 1M
open-files = 1000
file-size = 1G
state-size = 1G
""",
    "packages": """[service]
command = /bin/sleep 1000
ready = started
[route]
host = x.test
http = 80
[sandbox]
root = packages
packages = nginx-light
suite = bookworm
state = no
""",
    "relay": """[service]
adapter = relay
[route]
host = x.test
http = 80
[relay]
target = 192.0.2.1
balance = source
proxy-protocol = v2
connect-timeout = 1s
idle-timeout = 1m
health-interval = 1m
health-failures = 1
""",
    "timer": """[service]
command = /bin/sleep 1000
ready = exit
[timer]
calendar = yearly
interval = 30d
delay-after-boot = 3000d
random-delay = 1h
persistent = yes
""",
}
EXEMPT = {("group", "members")}  # no service has it: what a group is, is read by each verb that names it

# key of trpsup.conf: what is added to its section (or takes the place of the line that is there), and what is said of it then
CONFIG = {
    ("daemon", "run-dir"): ("/run/other", "run-dir: stays .* until the daemon is restarted"),
    ("daemon", "state-dir"): ("/srv/other", "state-dir: stays .* until the daemon is restarted"),
    ("daemon", "log-dir"): ("/srv/other", "log-dir: stays .* until the daemon is restarted"),
    ("daemon", "syslog-socket"): ("/run/other", "syslog-socket: stays .* until the daemon is restarted"),
    ("daemon", "journal-socket"): ("/run/other", "journal-socket: stays .* until the daemon is restarted"),
    ("daemon", "log-total"): ("1G", "log-total: changed"),
    ("daemon", "cgroup"): ("other", "cgroup: stays .* until the daemon is restarted"),
    ("daemon", "cpu-weight"): ("500", "cpu-weight: changed"),
    ("daemon", "profile-dirs"): ("DIRS /srv", "profile-dirs: changed"),
    ("daemon", "uid-base"): ("1000013824", "uid-base: stays .* until the daemon is restarted"),
    ("daemon", "uid-ranges"): ("512", "uid-ranges: stays .* until the daemon is restarted"),
    ("daemon", "access-log"): ("json", "access-log: stays .* until the daemon is restarted"),
    ("daemon", "access-log-size"): ("1M", "access-log-size: stays .* until the daemon is restarted"),
    ("daemon", "access-log-files"): ("9", "access-log-files: stays .* until the daemon is restarted"),
    ("daemon", "workers"): ("2", "workers: counts when .* the daemon is restarted"),
    ("daemon", "router-scheduling"): ("batch", "router-scheduling: counts when .* the daemon is restarted"),
    ("daemon", "start"): ("dep dap", "start: counts when the daemon is started the next time\n"
                          r".*trpsup\.conf:\d+: start: there is no service 'dap'; did you mean 'dep'\?"),
    ("listener", "port"): ("PORT", "listener all: added, port .*\nlistener all: removed, port .*"),
    ("listener", "address"): ("127.0.0.1", "listener all: added, 127.0.0.1 port .*\nlistener all: removed, port .*"),
    ("listener", "family"): ("ipv4", "listener all: added, port .* of IPv4\nlistener all: removed, port .*"),
    ("listener", "device"): ("lo", "listener all: added, port .* on lo\nlistener all: removed, port .*"),
    ("listener", "protocols"): ("http tls", "listener all: protocols changed"),
    ("listener", "default"): ("dep", "listener all: default is dep now"),
    ("listener", "redirect-https"): ("yes", "listener all: clients are sent to https now"),
    ("listener", "deadline"): ("1s", "listener all: deadline changed"),
    ("listener", "proxy-protocol"): ("192.0.2.1", "listener all: proxy-protocol changed"),
    ("clients", "rate"): ("1000/s", r"\[clients\]: limits changed"),
    ("clients", "burst"): ("2000\nrate = 1000/s", r"\[clients\]: limits changed"),
    ("clients", "waiting"): ("20%", r"\[clients\]: limits changed"),
}
# a socket that the daemon was started with: what it needs, and what is said where there is none
CONFIG_REFUSED = {
    ("listener", "fd-name"): ("web\nallow-missing = cgroup-bpf", "web"),
    ("listener", "allow-missing"): ("cgroup-bpf", "allow-missing: has no effect without fd-name"),
}


def keys(text):
    """(section, key) of all tables in a part of doc/profile.md."""
    found, section = [], None
    for line in text.splitlines():
        if line.startswith("### ["):
            section = re.match(r"### \[([a-z]+)", line)[1]
        elif section and re.match(r"\| `[a-z0-9-]+` \|", line):
            found.append((section, line.split("`")[1]))
    return found


def document():
    return trp.read(os.path.join(trp.TOP, "doc/profile.md")).decode()


def values(text):
    """What a profile says: (section, key) -> value."""
    found, section = {}, None
    for line in text.splitlines():
        if line.startswith("["):
            section = line[1:-1]
        else:
            key, _, value = line.partition(" = ")
            found[(section, key)] = value
    return found


class ProfileKeys(trp.DaemonTest):
    @classmethod
    def setUpClass(cls):
        profiles, _, config = document().partition("\n## trpsup.conf\n")
        cls.keys, cls.config_keys = keys(profiles), keys(config)
        at_once = re.search(r"These keys are in force at once:\n(.*?)\n\n", profiles, re.S)[1]
        cls.live = {(section, key) for part in at_once.split(";") for section in re.findall(r"\[([a-z]+)\]", part)
                    for key in re.findall(r"`([a-z-]+)`", part)}
        cls.d = trp.Daemon({"x": BEFORE, "dep": trp.HELLO % "" + "publish = yes\n", "other": trp.HELLO % ""})
        cls.d.listeners += "[listener all]\nport = %d\nprotocols = http tls h2c minecraft xmpp xmpp-server ssh postgres raw\n" % trp.free_port(18700)
        cls.d.start()

    def name(self, section, key):
        return key if [k for _, k in self.keys].count(key) == 1 else "%s in [%s]" % (key, section)

    def changed(self, before, after):
        a, b = values(before), values(after)
        found = {k for k in a.keys() | b.keys() if a.get(k) != b.get(k)}
        return {"[environment]" if s == "environment" else self.name(s, k): (s, k) for s, k in found}

    def test_each_key_is_named(self):
        seen = set(EXEMPT)
        x86 = os.uname().machine == "x86_64"
        for what, after in AFTER.items():
            after = after.replace("ARCHITECTURES", "native x86" if x86 else "native")
            with self.subTest(what):
                self.d.profile("x", BEFORE)
                self.d.ok("start", "x")
                want = self.changed(BEFORE, after)
                if what == "sandbox" and not x86:
                    want.pop("architectures")
                self.d.profile("x", after)
                said = {}
                for line in self.d.ok("reload").splitlines():
                    found = re.fullmatch(r"x: (.*): (in force now|after a restart of it)", line)
                    if found:
                        said[found[2]] = set(found[1].split(", "))
                live = {name for name, key in want.items() if key in self.live}
                self.assertEqual(said.get("in force now", set()), live)
                self.assertEqual(said.get("after a restart of it", set()), set(want) - live)
                self.assertEqual(set(self.d.status("x")["needs_restart"]), set(want) - live)
                seen |= set(want.values())
                self.d.ok("stop", "x")
        self.assertEqual(set(self.keys) - seen, set())

    def test_one_that_is_idle(self):
        """It does not run, so that all of its profile counts at once."""
        text = (trp.HELLO % "start = on-demand\n%s").replace("root = none\n", "root = none\n[limits]\nopen-files = %s\n").replace("${id}", "%s")
        self.d.profile("idle", text % ("", "idle", 1000))
        self.d.ok("start", "idle")
        self.d.profile("idle", text % ("description = new\n", "busy", 2000))
        self.assertEqual(self.d.ok("reload"), "idle: description, host, open-files: in force now\n")
        self.assertIn("busy.localhost", self.d.ok("routes"))
        self.assertEqual(self.d.ok("reload"), "nothing has changed\n")

    def test_each_key_of_trpsup_conf_is_named(self):
        for key in self.config_keys:
            with self.subTest(" ".join(key)):
                self.assertIn(key, CONFIG.keys() | CONFIG_REFUSED.keys())
        before = trp.read(self.d.conf).decode()
        self.addCleanup(lambda: (self.write(before), self.d.call("trpsup.ReloadConfig")))
        for (section, key), (value, said) in CONFIG.items():
            with self.subTest("%s %s" % (section, key)):
                value = value.replace("DIRS", "%s %s" % (self.d.profile_dir, self.d.shipped_dir)).replace("PORT", str(trp.free_port(18800)))
                self.write(self.with_key(before, section, key, value))
                self.assertRegex("\n".join(self.d.call("trpsup.ReloadConfig")["changes"]), "^%s$" % said)
                self.write(before)
                self.d.call("trpsup.ReloadConfig")
        for (section, key), (value, said) in CONFIG_REFUSED.items():
            with self.subTest("%s %s" % (section, key)):
                self.write(self.with_key(before, section, key, value))
                done = self.d.trpsup("reload")
                self.assertEqual(done.returncode, 1)
                self.assertRegex(done.stderr, r"trpsup\.conf:\d+: .*%s" % said)
        self.write(before)
        self.assertEqual(self.d.ok("reload"), "nothing has changed\n")

    def write(self, text):
        with open(self.d.conf, "w") as f:
            f.write(text)

    @staticmethod
    def with_key(text, section, key, value):
        heads = {"daemon": "[daemon]\n", "listener": "[listener all]\n", "clients": "[clients]\n"}
        if heads[section] not in text:
            text += heads[section]
        before, head, rest = text.partition(heads[section])
        own, bracket, others = rest.partition("\n[")
        own = re.sub("(?m)^%s = .*\n?" % re.escape(key), "", own + "\n")
        return before + head + "%s = %s\n" % (key, value) + own + bracket + others


# what takes an hour by the profile that it is started with, and ends soon by that of the reload
SLEEPING = """[service]
command = /bin/sh -c 'trap "" TERM; while :; do sleep 1; done'
ready = %s
%s
"""


class InForce(trp.DaemonTest):
    """What a service is in the middle of ends by the times that the reload brings."""

    def tearDown(self):
        self.d.profile("slow", SLEEPING % ("started", "stop-timeout = 100ms"))
        self.d.trpsup("reload")
        self.d.trpsup("signal", "slow", "KILL")  # one that waits for an hour, as a failed test leaves it
        super().tearDown()

    def begin(self, name, before, ready="started"):
        self.d.profile(name, SLEEPING % (ready, before))
        self.d.call("trpsup.Start", services=[name], wait=False)

    def change(self, name, after, said, ready="started"):
        self.d.profile(name, SLEEPING % (ready, after))
        self.assertEqual(self.d.ok("reload"), "%s: %s: in force now\n" % (name, said))

    def reaches(self, name, state):
        trp.wait_until(lambda: self.d.status(name)["state"] == state, 30, "%s is %s" % (name, state))

    def test_start_timeout(self):
        self.begin("slow", "start-timeout = 1h\nstop-timeout = 100ms\nrestart = no", "notify")
        self.reaches("slow", "starting")
        self.change("slow", "start-timeout = 100ms\nstop-timeout = 100ms\nrestart = no", "start-timeout", "notify")
        self.reaches("slow", "failed")

    def test_stop_timeout(self):
        self.begin("slow", "stop-timeout = 1h")
        self.reaches("slow", "ready")
        stop = subprocess.Popen([os.path.join(trp.BUILD, "trpsup"), "-c", self.d.conf, "stop", "slow"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            self.reaches("slow", "stopping")
            self.change("slow", "stop-timeout = 100ms", "stop-timeout")
            self.reaches("slow", "stopped")
            self.assertEqual(stop.wait(30), 0)
        finally:
            stop.kill()
            stop.wait()

    def test_restart_delay(self):
        self.begin("slow", "restart-delay = 1h\nrestart-delay-max = 1h")
        self.reaches("slow", "ready")
        self.d.ok("signal", "slow", "KILL")
        self.reaches("slow", "backoff")
        self.change("slow", "restart-delay = 10ms\nrestart-delay-max = 1h", "restart-delay")
        self.reaches("slow", "ready")

    def test_reload_by_notify(self):
        """The run that there is has no socket by which it could say that it has reloaded."""
        self.begin("slow", "reload-signal = WINCH")
        self.reaches("slow", "ready")
        self.d.profile("slow", SLEEPING % ("notify", "reload-signal = WINCH\nreload-timeout = 1h\nreload = notify"))
        self.assertEqual(self.d.ok("reload"), "slow: reload, reload-timeout: in force now\nslow: ready: after a restart of it\n")
        self.d.ok("reload", "slow", timeout=30)

    def test_health(self):
        check = "[health]\ncheck = command /bin/false\nfailures = 2\n"
        self.begin("slow", "stop-timeout = 100ms\nrestart = no\n" + check + "interval = 1h\nunhealthy = keep")
        self.reaches("slow", "ready")
        trp.wait_until(lambda: self.d.status("slow")["health"]["failures"] == 1, 30, "it was checked")
        self.change("slow", "stop-timeout = 100ms\nrestart = no\n" + check + "interval = 100ms\nunhealthy = keep", "interval in [health]")
        trp.wait_until(lambda: self.d.status("slow")["health"]["state"] == "unhealthy", 30, "it was checked again")
        self.change("slow", "stop-timeout = 100ms\nrestart = no\n" + check + "interval = 100ms", "unhealthy")
        self.reaches("slow", "failed")


NAMED = """[service]
command = ${libexec}/trp-hello 8000
adapter = native
[route]
%s
[sandbox]
root = none
"""


class NotObserved(unittest.TestCase):
    def test_limit_that_nobody_counts(self):
        """An access log comes with the next daemon, and only then a limit that needs it."""
        text = NAMED % "host = a.test\nhttp = 8000\n%s"
        with trp.Daemon({"a": text % ""}, config="access-log = no") as d:
            d.ok("start", "a")
            d.extra_config = "access-log = text"
            d.write_conf()
            d.profile("a", text % "max-connections = 5\n")
            done = d.trpsup("reload")
            self.assertRegex(done.stderr, r"a\.ini:7: max-connections: nobody counts them with access-log = no in .*, by which the daemon was started")
            self.assertEqual(done.returncode, 1)
            d.profile("a", text % "")
            self.assertEqual(d.ok("reload"), "access-log: stays as it is until the daemon is restarted\n")
            d.profile("a", text % "max-connections = 5\n")
            self.assertEqual(d.trpsup("restart", "a").returncode, 1)


class Moved(trp.DaemonTest):
    """A name that a reload gives to another while the one that had it still runs with the ports that it had."""

    def is_taken(self):
        """Does a service get who asks for the name by TLS, or is it told that nobody has it?"""
        with socket.create_connection(("127.0.0.1", trp.TLS_PORT), 10) as sock:
            sock.sendall(openings.hello(b"moved.test"))
            return sock.recv(1) != b"\x15"

    def test_stop_of_the_one_before(self):
        self.d.profile("a", NAMED % "host = moved.test\nhttp = 8001\ntls = 8000")
        self.d.profile("b", NAMED % "host = b.test\ntls = 8000")
        self.d.ok("start", "b")
        self.d.call("trpsup.Start", services=["a"], wait=False)
        self.d.profile("a", NAMED % "host = moved.test\nhttp = 8001")
        self.d.profile("b", NAMED % "host = b.test moved.test\ntls = 8000")
        self.assertEqual(sorted(self.d.ok("reload").splitlines()), ["a: tls: after a restart of it", "b: host: in force now"])
        trp.wait_until(self.is_taken, 30, "b has the name")
        self.d.ok("stop", "a")
        self.assertTrue(self.is_taken())


if __name__ == "__main__":
    unittest.main()
