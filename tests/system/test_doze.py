#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Services that stand still while nobody uses them (idle-freeze): whoever comes is served, whatever has a connection or work goes on, and
nothing that is done with such a service meets one that cannot answer."""
import json
import os
import random
import time
import unittest

import trp
import web
from test_containment import WITHOUT_CGROUP2
from test_hold import request, status_of

NGINX = """[service]
command = /usr/sbin/nginx -e stderr -c /srv/nginx.conf
user = www-data
stop-signal = QUIT
reload-signal = HUP
idle-freeze = 300ms
[route]
host = ${id}.localhost
http = 80
[sandbox]
root = packages
packages = nginx-light openssl
bind = %s /srv
"""
NGINX_CONF = """daemon off;
worker_processes 2;
pid /tmp/nginx.pid;
error_log stderr notice;
events { worker_connections 1024; }
http {
    access_log off;
    client_body_temp_path /tmp/b; proxy_temp_path /tmp/p; fastcgi_temp_path /tmp/f; uwsgi_temp_path /tmp/u; scgi_temp_path /tmp/s;
    server { listen 80; listen [::]:80; location / { return 200 "hi\\n"; } }
}
"""
# python; sleeps and wakes all the time, as many an idle server does
TICKS = """
import http.server, threading, time
def tick():
    while True:
        time.sleep(0.01)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
threading.Thread(target=tick, daemon=True).start()
http.server.ThreadingHTTPServer(("0.0.0.0", 8000), Handler).serve_forever()
"""
TICKING = """[service]
command = /usr/bin/python3 -u /opt/p/ticks.py
adapter = %s
idle-freeze = 300ms
stop-signal = KILL
[route]
host = ${id}.localhost
http = 8000
[sandbox]
root = host
bind = %s /opt/p
"""
# python; works without clients while there is a file, and says that it lives, or no more, if another is there
WORKS = """
import http.server, os, socket, threading, time
def say(text):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(text, os.environ["NOTIFY_SOCKET"].replace("@", "\\0"))
def work():
    while True:
        if not os.path.exists("/opt/p/mute"):
            say(b"WATCHDOG=1")
        end = time.process_time() + 0.02
        while os.path.exists("/opt/p/work") and time.process_time() < end:
            pass
        time.sleep(0.05)
class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
server = http.server.ThreadingHTTPServer(("0.0.0.0", 8000), Handler)
threading.Thread(target=work, daemon=True).start()
say(b"READY=1")
server.serve_forever()
"""
WORKING = """[service]
command = /usr/bin/python3 -u /opt/p/works.py
adapter = preload
ready = notify
watchdog = 800ms
restart-delay = 10ms
idle-freeze = 300ms
stop-signal = KILL
[route]
host = ${id}.localhost
http = 8000
[sandbox]
root = host
bind = %s /opt/p
"""
ILL = """[health]
check = command /usr/bin/test ! -e /opt/p/ill
interval = 1s
timeout = 5s
failures = 1
unhealthy = keep
"""
CHECKED = """[health]
check = http:/
interval = 150ms
timeout = 100ms
failures = 1
"""
USER = """[service]
command = /bin/sleep 1000
requires = a
ready = started
stop-signal = KILL
[sandbox]
root = host
"""
FREEZE = "idle-freeze = 300ms"


class Doze(trp.DaemonTest):
    profiles = {"a": trp.HELLO % FREEZE, "both": trp.HELLO % "start = on-demand\nidle-freeze = 300ms\nidle-stop = 2s",
                "race": trp.HELLO % "idle-freeze = 50ms", "checked": trp.HELLO % FREEZE + CHECKED, "user": USER}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        programs = os.path.join(cls.d.dir, "programs")
        os.makedirs(programs, exist_ok=True)
        for name, text in (("nginx.conf", NGINX_CONF), ("ticks.py", TICKS), ("works.py", WORKS)):
            with open(os.path.join(programs, name), "w") as f:
                f.write(text)
        cls.d.profile("nginx", NGINX % programs)
        cls.d.profile("working", WORKING % programs)
        cls.d.profile("ill", TICKING % ("preload", programs) + ILL)
        cls.programs = programs
        for adapter in ("preload", "notify", "loopback"):
            cls.d.profile(adapter, TICKING % (adapter, programs))

    def dozes(self, name):
        status = self.d.status(name)
        self.assertLessEqual(status["frozen_idle"], status["frozen"])
        return status["frozen_idle"]

    def falls_asleep(self, name):
        trp.wait_until(lambda: self.dozes(name), 20, "%s stands still" % name)

    def asleep(self, name="a"):
        self.d.ok("start", name)
        if self.d.status(name)["state"] == "idle":
            self.assertEqual(status_of(request(name)), 200)
        self.falls_asleep(name)

    def kill_daemon(self):
        self.d.process.kill()
        self.d.process.wait()
        self.d.log.close()

    def notes(self, name):
        return [e["text"] for line in self.d.ok("--json", "events", name).splitlines()
                for e in json.loads(line)["parameters"]["events"] if e["from"] is None]

    def touch(self, name, there=True):
        path = os.path.join(self.programs, name)
        if there:
            open(path, "w").close()
        else:
            os.unlink(path)

    def stays_awake(self, name, seconds=1.5):
        """For all of that time: also one that is thawed again at once would have been frozen."""
        self.assertFalse(self.d.status(name)["frozen"])
        before = self.notes(name)
        time.sleep(seconds)
        self.assertFalse(self.d.status(name)["frozen"])
        self.assertEqual(self.notes(name), before)

    def frozen_file(self, name):
        found = [os.path.join(g, "cgroup.freeze") for g in trp.control_groups(self.d.name)
                 if os.path.basename(g) == name and os.path.exists(os.path.join(g, "cgroup.freeze"))]
        self.assertEqual(len(found), 1)
        return found[0]

    # the way there and back

    def test_clients_thaw_it(self):
        for name in ("preload", "notify", "loopback"):
            self.asleep(name)
            pid = self.d.main_pid(name)
            trp.wait_until(lambda file=self.frozen_file(name): b"frozen 1" in trp.read(os.path.dirname(file) + "/cgroup.events"), 10, "by the kernel")
            used = self.d.status(name)["cpu_us"]
            time.sleep(1)  # in which it would have woken a hundred times
            self.assertEqual(self.d.status(name)["cpu_us"], used, name)
            self.assertTrue(self.dozes(name))
            for address in ("127.0.0.1", "::1") if name != "loopback" else ("127.0.0.1",):
                self.assertEqual(status_of(request(name, address)), 200, name)
            self.falls_asleep(name)
            self.assertEqual(self.d.main_pid(name), pid)
            self.d.ok("stop", name)

    def test_what_is_said(self):
        self.asleep()
        self.assertIn("ready, frozen (idle)", self.d.ok("status", "a"))
        self.assertRegex(self.d.ok("ps"), r"a +frozen \(idle\)")
        self.assertEqual([s["frozen_idle"] for s in self.d.call("trpsup.List", brief=True)["services"] if s["service"] == "a"], [True])
        self.assertEqual(status_of(request("a")), 200)
        self.assertFalse(self.d.status("a")["frozen"])
        self.assertEqual(self.notes("a")[-2:], ["frozen: nobody uses it", "thawed"])
        self.assertEqual(self.d.log_lines("a", "nobody uses it"), [])

    def test_many_at_once(self):
        self.asleep("nginx")
        pids = self.d.pids("nginx")
        for _ in range(3):
            clients = [request("nginx") for _ in range(200)]
            self.assertEqual([status_of(c) for c in clients], [200] * 200)
            self.falls_asleep("nginx")
        self.assertEqual(self.d.pids("nginx"), pids)

    def test_race_of_freezing_and_arrival(self):
        self.d.ok("start", "race")
        seed = random.randrange(1 << 32)
        r = random.Random(seed)
        for i in range(300):
            try:
                self.assertEqual(status_of(request("race")), 200)
            except (OSError, IndexError, AssertionError) as e:
                self.fail("round %d, seed %d: %r" % (i, seed, e))
            time.sleep(r.choice((0, 0.05, r.uniform(0.04, 0.2), r.uniform(0.06, 0.12))))
        self.falls_asleep("race")
        self.assertNotIn("defect", self.d.daemon_log())

    # what keeps it awake

    def test_a_connection_keeps_it(self):
        self.d.ok("start", "nginx")
        with web.connect("127.0.0.1", trp.HTTP_PORT, timeout=30) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: nginx.localhost\r\n\r\n")
            self.assertIn(b" 200 ", sock.recv(4096))
            self.stays_awake("nginx", 2)
            sock.sendall(b"GET / HTTP/1.1\r\nHost: nginx.localhost\r\n\r\n")
            self.assertIn(b" 200 ", sock.recv(4096))
        self.falls_asleep("nginx")

    def test_who_requires_it_keeps_it(self):
        self.asleep()
        self.d.ok("start", "user")
        self.stays_awake("a")
        self.d.ok("stop", "user")
        self.falls_asleep("a")

    def test_work_keeps_it(self):
        self.touch("work")
        self.d.ok("start", "working")
        try:
            self.stays_awake("working", 2)
        finally:
            self.touch("work", False)
        self.falls_asleep("working")

    def test_short_clients_keep_it(self):
        """None of whom is there when it is looked at."""
        self.d.ok("start", "nginx")
        self.assertEqual(status_of(request("nginx")), 200)
        before = self.notes("nginx")
        for _ in range(30):
            self.assertEqual(status_of(request("nginx")), 200)
            time.sleep(0.05)
        self.assertEqual(self.notes("nginx"), before)
        self.falls_asleep("nginx")

    def test_watchdog(self):
        """Of one that stands still no sign of life is expected; of one that goes on it is."""
        self.asleep("working")
        pid = self.d.status("working")["pid"]
        time.sleep(2)
        self.assertTrue(self.dozes("working"))
        self.assertEqual(status_of(request("working")), 200)
        self.falls_asleep("working")
        self.assertEqual((self.d.status("working")["pid"], self.d.status("working")["restarts"]), (pid, 0))
        self.touch("mute")
        try:
            with web.connect("127.0.0.1", trp.HTTP_PORT, timeout=30) as sock:  # has it go on and keeps it
                sock.sendall(b"GET / HTTP/1.1\r\nHost: working.localhost\r\n\r\n")
                self.d.logged("working", "no sign of life")
        finally:
            self.touch("mute", False)

    def test_one_that_is_not_well_is_looked_at(self):
        self.touch("ill")
        try:
            self.d.ok("start", "ill")
            trp.wait_until(lambda: self.d.status("ill")["health"]["state"] == "unhealthy", 20, "it is not well")
            self.stays_awake("ill")
        finally:
            self.touch("ill", False)
        self.falls_asleep("ill")
        self.assertEqual(self.d.status("ill")["health"]["state"], "healthy")
        # and when it goes on
        self.touch("ill")
        try:
            self.d.ok("exec", "ill", "/bin/sleep", "3")
            self.assertEqual(self.d.status("ill")["health"]["state"], "unhealthy")
        finally:
            self.touch("ill", False)

    def test_health(self):
        """Its checks end while it stands still, and do not wake it."""
        self.asleep("checked")
        before = self.notes("checked")
        time.sleep(1.5)  # of ten checks
        self.assertTrue(self.dozes("checked"))
        self.assertEqual(self.notes("checked"), before)
        self.assertEqual(status_of(request("checked")), 200)
        self.assertEqual(self.d.status("checked")["health"]["state"], "healthy")
        self.falls_asleep("checked")
        self.assertEqual(self.d.status("checked")["restarts"], 0)

    # what is done with it

    def test_verbs(self):
        name = "nginx"
        self.asleep(name)
        pid = self.d.status(name)["pid"]
        self.d.ok("reload", name)
        self.falls_asleep(name)
        self.d.logged(name, "signal 1 .SIGHUP. received")
        self.d.ok("signal", name, "USR1")
        self.d.logged(name, "reopening logs")
        self.falls_asleep(name)
        self.assertEqual(self.d.status(name)["pid"], pid)
        self.d.ok("restart", name)
        self.assertNotEqual(self.d.status(name)["pid"], pid)
        self.falls_asleep(name)
        self.d.ok("restart", "--overlap", name)
        self.assertEqual(status_of(request(name)), 200)
        self.falls_asleep(name)
        self.assertIsNone(self.d.status(name)["beside"])
        self.d.ok("stop", name)
        self.assertEqual((self.d.status(name)["state"], self.d.status(name)["frozen"]), ("stopped", False))

    def test_stop_is_in_order(self):
        self.asleep("nginx")
        self.d.ok("stop", "nginx")
        self.d.logged("nginx", "gracefully shutting down")
        self.assertEqual(self.d.log_lines("nginx", "killing it"), [])

    def test_exec(self):
        self.asleep("nginx")
        self.assertEqual(self.d.ok("exec", "nginx", "/bin/sh", "-c", "sleep 1; echo went on"), "went on\n")
        self.falls_asleep("nginx")

    def test_its_end(self):
        self.asleep()
        pid = self.d.status("a")["pid"]
        os.kill(pid, 9)
        trp.wait_until(lambda: self.d.status("a")["pid"] not in (pid, None) and self.d.status("a")["state"] == "ready", 20, "the next run")
        self.assertEqual(status_of(request("a")), 200)
        self.falls_asleep("a")

    def test_freeze_and_thaw(self):
        """Frozen by a call it stays so, whoever comes."""
        self.asleep()
        self.d.ok("freeze", "a")
        self.assertEqual((self.d.status("a")["frozen"], self.dozes("a")), (True, False))
        client = request("a")
        client.settimeout(1)
        with self.assertRaises(TimeoutError):
            client.recv(1)
        client.settimeout(30)
        self.d.ok("thaw", "a")
        self.assertEqual(status_of(client), 200)
        self.falls_asleep("a")
        self.d.ok("thaw", "a")
        self.assertFalse(self.d.status("a")["frozen"])
        self.falls_asleep("a")

    def test_stopped_after_that(self):
        self.asleep("both")
        trp.wait_until(lambda: self.d.status("both")["state"] == "idle", 20, "it is stopped")
        self.assertFalse(self.d.status("both")["frozen"])
        self.assertEqual(status_of(request("both")), 200)
        self.falls_asleep("both")
        self.assertEqual(status_of(request("both")), 200)

    def test_frozen_by_a_call_is_not_stopped(self):
        self.asleep("both")
        self.d.ok("freeze", "both")
        time.sleep(3)
        self.assertEqual((self.d.status("both")["state"], self.d.status("both")["frozen"]), ("ready", True))
        self.d.ok("thaw", "both")
        trp.wait_until(lambda: self.d.status("both")["state"] == "idle", 20, "it is stopped")

    def test_its_key_is_live(self):
        for more in "", "\nstart = on-demand\nidle-stop = 1h":
            self.d.profile("live", trp.HELLO % (FREEZE + more))
            self.asleep("live")
            pid = self.d.status("live")["pid"]
            self.d.profile("live", trp.HELLO % ("idle-freeze = 0" + more))
            self.d.ok("reload")
            self.assertFalse(self.d.status("live")["frozen"])
            self.d.profile("live", trp.HELLO % (FREEZE + more))
            self.d.ok("reload")
            self.falls_asleep("live")
            self.assertEqual(self.d.status("live")["pid"], pid)
            self.d.ok("stop", "live")

    # the daemon

    def test_daemon_killed(self):
        self.asleep()
        pid = self.d.status("a")["pid"]
        self.kill_daemon()
        self.d.run()
        self.assertTrue(self.dozes("a"))
        self.assertEqual(status_of(request("a")), 200)
        self.falls_asleep("a")
        self.kill_daemon()
        client = request("a")  # waits for the next daemon
        self.d.run()
        self.assertEqual(status_of(client), 200)
        self.falls_asleep("a")
        self.assertEqual(self.d.status("a")["pid"], pid)

    def test_daemon_killed_in_between(self):
        """What the group says and what is recorded may differ then: nobody stays frozen of whom nobody knows it."""
        self.d.ok("start", "a")
        self.assertFalse(self.d.status("a")["frozen"])
        self.asleep()
        freeze = self.frozen_file("a")
        self.assertEqual(status_of(request("a")), 200)
        self.kill_daemon()
        with open(freeze, "w") as f:
            f.write("1")
        self.d.run()
        self.assertEqual(status_of(request("a")), 200)
        self.falls_asleep("a")
        self.kill_daemon()
        with open(freeze, "w") as f:
            f.write("0")
        self.d.run()
        self.assertTrue(self.dozes("a"))
        self.assertEqual(trp.read(freeze), b"1\n")
        self.assertEqual(status_of(request("a")), 200)

    def test_upgrade_and_detach(self):
        self.asleep()
        pid = self.d.status("a")["pid"]
        self.d.ok("upgrade")
        self.assertTrue(self.dozes("a"))
        self.assertEqual(status_of(request("a")), 200)
        self.falls_asleep("a")
        self.d.ok("detach")
        self.d.process.wait(20)
        self.assertEqual(status_of(request("a")), 200)  # there is no daemon
        self.d.log.close()
        self.d.run()
        self.assertEqual(self.d.status("a")["pid"], pid)
        self.falls_asleep("a")

    def test_on_demand_is_looked_at_again(self):
        """One that was up when its daemon was killed is stopped in its time, too."""
        self.asleep("both")
        self.kill_daemon()
        self.d.run()
        self.assertEqual(self.d.status("both")["state"], "ready")
        trp.wait_until(lambda: self.d.status("both")["state"] == "idle", 20, "it is stopped")

    def test_bad_profiles(self):
        for keys, want in (("idle-freeze = 1h\nidle-stop = 10m\nstart = on-demand", "idle-freeze: has no effect: it is stopped before"),
                           ("idle-freeze = 40d", "idle-freeze: ")):
            self.d.profile("bad", trp.HELLO % keys)
            done = self.d.trpsup("check", "bad")
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(want, done.stdout + done.stderr)
        self.d.profile("bad", USER.replace("requires = a\n", "idle-freeze = 5m\n"))
        done = self.d.trpsup("check", "bad")
        self.assertIn("idle-freeze: needs http, tls or another protocol", done.stdout + done.stderr)
        os.unlink(os.path.join(self.d.profile_dir, "bad.ini"))


class NoFreezer(unittest.TestCase):
    """Where no group can be frozen the key is refused, and said to have no effect if it comes by a reload."""

    def test_no_freezer(self):
        with_key = trp.HELLO % FREEZE + "allow-missing = cgroup-bpf\n"
        without = with_key.replace(FREEZE, "")
        d = trp.Daemon({"refused": with_key, "later": without})
        d.prefix = WITHOUT_CGROUP2
        with d:
            done = d.trpsup("start", "refused")
            self.assertNotEqual(done.returncode, 0)
            self.assertRegex(done.stdout + done.stderr, r"/refused\.ini:5: idle-freeze: this host has no cgroup v2 tree")
            self.assertEqual(d.status("refused")["state"], "failed")
            d.ok("start", "later")
            d.profile("later", with_key)
            d.ok("reload")
            said = "cannot stand still while nobody uses it: this host has no cgroup v2 tree"
            d.logged("later", said)
            time.sleep(1)
            self.assertEqual(len(d.log_lines("later", said)), 1)
            self.assertEqual((status_of(request("later")), d.status("later")["frozen"]), (200, False))
            d.ok("stop", "later")


if __name__ == "__main__":
    unittest.main()
