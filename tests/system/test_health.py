#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Health checks: a client of the daemon's own through a service's channel, or a command inside its sandbox; what follows when they
fail; and services that answer as badly as they can. Services are nginx, Node.js, OpenSSL and small Python programs; what they do is in
a file that the test changes."""
import contextlib
import json
import os
import re
import signal
import subprocess
import time
import unittest

import trp
import web

HEALTH = """
[health]
check = http:/health
interval = 100ms
timeout = 1s
%s
"""
SANDBOX = """
[sandbox]
root = host
bind = %(dir)s /opt/p
"""
# packages as the shipped profile has them, whose root other tests use too; there is no /opt/p in it
IN_PACKAGES = """
[sandbox]
root = packages
packages = %(packages)s
bind = %(dir)s /srv
"""
# one that does to each client what its file says
HOSTILE = """
import os, socket, sys, threading, time
def mode():
    with open("/opt/p/%(name)s.mode") as f: return f.read().strip()
def serve(c, peer):
    try:
        m = mode()
        if m == "silent":
            time.sleep(3600)
        head = b""
        while b"\\r\\n\\r\\n" not in head:
            got = c.recv(4096)
            if not got: break
            head += got
        if b"trpsup-check" in head: print("check", peer[0], head.split(b"\\r\\n")[0].decode(), [l.decode() for l in head.split(b"\\r\\n") if l.startswith(b"Host")][0])
        if m == "close":
            return
        if m == "endless":
            while True: c.sendall(b"A" * 65536)
        if m == "header":
            c.sendall(b"HTTP/1.1 200 OK\\r\\n")
            while True: c.sendall(b"X-A: " + b"b" * 65536 + b"\\r\\n")
        if m == "slow":
            for b in b"HTTP/1.1 200 OK\\r\\n\\r\\n":
                c.sendall(bytes([b])); time.sleep(0.3)
        text = {"garbage": b"\\x00\\xff" * 50, "number": b"HTTP/1.1 099 Low\\r\\n\\r\\n", "long": b"HTTP/1.1 2000 OK\\r\\n\\r\\n"}.get(m)
        c.sendall(text or b"HTTP/1.1 %%s Word\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n" %% m.encode())
    except OSError:
        pass
    finally:
        c.close()
s = socket.create_server(("", 80), backlog=64)
print("listens")
while True:
    c, peer = s.accept()
    threading.Thread(target=serve, args=(c, peer), daemon=True).start()
"""
PYTHON = """[service]
command = /usr/bin/python3 -u /opt/p/%(name)s.py
restart-delay = 10ms
%(service)s
[route]
host = %(host)s
http = 80
%(route)s
"""
NGINX = """[service]
command = /usr/sbin/nginx -e stderr -c /srv/nginx.conf
stop-signal = QUIT
restart-delay = 10ms
%(service)s
[route]
host = nx.localhost
http = 80
"""
NGINX_CONF = """daemon off;
pid /tmp/nginx.pid;
worker_processes 1;
events { }
http {
    access_log /dev/stdout;
    client_body_temp_path /tmp/b; proxy_temp_path /tmp/p; fastcgi_temp_path /tmp/f; uwsgi_temp_path /tmp/u; scgi_temp_path /tmp/s;
    server {
        listen 80;
        location / { if (-f /srv/nginx.bad) { return 500; } return 200 "fine\\n"; }
    }
}
"""
NODE = """const http = require("http"), fs = require("fs");
http.createServer((q, a) => {
  if (fs.existsSync("/srv/node.hangs")) return;
  a.statusCode = fs.existsSync("/srv/node.bad") ? 503 : 200;
  if (q.url == "/health") console.log("asked", q.headers.host, q.socket.remoteAddress);
  a.end("node\\n");
}).listen(8080, () => console.log("listens"));
"""
COMMAND = """[service]
command = /bin/sleep 1000000
restart-delay = 10ms
%s
[health]
check = command /bin/sh /opt/p/check.sh
interval = 100ms
timeout = %s
failures = 2
%s
"""


class Health(trp.DaemonTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.programs = os.path.join(cls.d.dir, "programs")
        os.makedirs(cls.programs, exist_ok=True)

    def tearDown(self):
        super().tearDown()
        for name in os.listdir(self.programs):
            os.unlink(os.path.join(self.programs, name))

    # what services are and do

    def write(self, name, text):
        with open(os.path.join(self.programs, name + "~"), "w") as f:
            f.write(text)
        os.rename(os.path.join(self.programs, name + "~"), os.path.join(self.programs, name))

    def remove(self, name):
        os.unlink(os.path.join(self.programs, name))

    def hostile(self, name, mode, health="", service="", route="", host=None, timeout="1s", interval="100ms"):
        self.write(name + ".mode", mode)
        self.write(name + ".py", HOSTILE % {"name": name})
        self.d.profile(name, PYTHON % {"name": name, "service": service, "route": route, "host": host or name + ".localhost"} +
                       HEALTH.replace("timeout = 1s", "timeout = " + timeout).replace("interval = 100ms", "interval = " + interval) % health + SANDBOX % {"dir": self.programs})

    def nginx(self, health, service=""):
        self.write("nginx.conf", NGINX_CONF)
        self.d.profile("nx", NGINX % {"service": service} + HEALTH % health + IN_PACKAGES % {
            "dir": self.programs, "packages": "nginx-light openssl"})

    # what is seen of them

    def health(self, name):
        return self.d.status(name)["health"]

    def is_now(self, name, state, seconds=20):
        return trp.wait_until(lambda: (h := self.health(name))["state"] == state and h, seconds, "%s is %s: %s" % (name, state, self.health(name)))

    def waits(self, name, state, seconds=20):
        trp.wait_until(lambda: self.d.status(name)["state"] == state, seconds, "%s is %s" % (name, state))

    def fails_with(self, name, pattern, seconds=20):
        trp.wait_until(lambda: re.search(pattern, self.health(name)["last"]), seconds, "%s fails with %s: %s" % (
            name, pattern, self.health(name)))

    def events(self, name):
        replies = [json.loads(line) for line in self.d.ok("--json", "events", name).splitlines()]
        return [e["word"] for reply in replies for e in reply["parameters"]["events"] if "word" in e]

    # real servers

    def test_nginx_is_restarted(self):
        self.nginx("failures = 2")
        self.d.ok("start", "nx")
        h = self.is_now("nx", "healthy")
        self.assertEqual((h["check"], h["failures"], h["last"]), ("http:/health", 0, ""))
        self.assertIn("Health: healthy", self.d.ok("status", "nx"))
        # as a client of its own, by its name, from the loopback address
        self.d.logged("nx", r'out 127\.0\.0\.1 .*"GET /health HTTP/1\.1" 200')
        self.assertEqual(self.d.status("nx")["connections"], 0)
        before = self.d.main_pid("nx")
        self.write("nginx.bad", "")
        self.d.logged("nx", r"unhealthy \(2 of 2: HTTP 500\); ending it")
        self.remove("nginx.bad")
        trp.wait_until(lambda: self.d.status("nx")["state"] == "ready" and self.d.status("nx")["restarts"] > 0, 20, "it is started again")
        self.is_now("nx", "healthy")
        self.assertNotEqual(self.d.main_pid("nx"), before)
        words = self.events("nx")
        self.assertIn("unhealthy", words)
        self.assertIn("healthy", words)

    def test_node_with_keep(self):
        self.write("node.js", NODE)
        self.d.profile("nd", """[service]
command = /usr/bin/node /srv/node.js
[route]
host = other.localhost nd.localhost
http = 8080
""" + HEALTH % "failures = 2\nsuccesses = 2\nunhealthy = keep\nsend-host = asked.example" + IN_PACKAGES % {"dir": self.programs, "packages": "nodejs openssl"})
        self.d.ok("start", "nd")
        self.is_now("nd", "healthy")
        self.d.logged("nd", "out asked asked.example (::ffff:)?127.0.0.1|out asked asked.example ::1")
        pid = self.d.main_pid("nd")
        self.write("node.bad", "")
        self.is_now("nd", "unhealthy")
        self.assertRegex(self.d.ok("ps"), "nd +unhealthy")
        self.assertRegex(self.d.ok("status", "nd"), r"Health: unhealthy \(2 of 2 failed: HTTP 503\), since .*; http:/health")
        self.remove("node.bad")
        self.is_now("nd", "healthy")
        self.d.logged("nd", "healthy again")
        self.write("node.hangs", "")
        self.is_now("nd", "unhealthy")
        self.fails_with("nd", "no answer within 1 s")
        self.assertEqual(self.d.main_pid("nd"), pid)
        self.assertEqual(self.d.status("nd")["state"], "ready")

    def test_adapters(self):
        """Native, and over trp-relay, which must tell the same address; the notify adapter is Go's."""
        for name, adapter, command, port in (("a1", "native", "/opt/hello/trp-hello 8000", 8000),
                                             ("a2", "loopback", "/usr/bin/python3 -u -m http.server 8000 --directory /etc/ssl", 8000),
                                             ("a3", "notify", "/usr/bin/python3 -u -m http.server 8000 --directory /etc/ssl", 8000)):
            with self.subTest(adapter=adapter):
                self.d.profile(name, "[service]\ncommand = %s\nadapter = %s\n[route]\nhost = %s.localhost\nhttp = %d\n" % (
                    command, adapter, name, port) + HEALTH.replace("/health", "/") % "" +
                    "[sandbox]\nroot = host\nbind = ${libexec} /opt/hello\n")
                self.d.ok("start", name)
                self.is_now(name, "healthy")
                if adapter != "native":
                    self.d.logged(name, r'(err|out) 127\.0\.0\.1 - - .*"GET / HTTP/1.1" 200', n=3)
                self.assertEqual(web.get("http://%s.localhost:%d/" % (name, trp.HTTP_PORT)).status, 200)
                self.assertEqual(self.health(name)["failures"], 0)
                self.d.ok("stop", name)

    def test_tls(self):
        """A real TLS server passes; one that does not speak it, or sends an alert, does not."""
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=t",
                        "-keyout", os.path.join(self.programs, "key"), "-out", os.path.join(self.programs, "cert")],
                       check=True, capture_output=True)
        os.chmod(os.path.join(self.programs, "key"), 0o644)
        self.write("tls.py", """
import socket, ssl, threading
def server(port, context):
    s = socket.create_server(("", port))
    while True:
        c, _ = s.accept()
        try:
            with context.wrap_socket(c, server_side=True) as t: t.recv(1)
        except OSError as e: print(port, e)
good = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); good.load_cert_chain("/opt/p/cert", "/opt/p/key")
def asked(sock, name, ctx):
    print("name", name)
good.sni_callback = asked
server(443, good)
""")
        self.write("bad.py", """
import socket
s = socket.create_server(("", 443))
while True:
    c, _ = s.accept()
    c.recv(9999)
    c.sendall(open("/opt/p/answer", "rb").read())
    c.close()
""")
        profile = "[service]\ncommand = /usr/bin/python3 -u /opt/p/%s.py\n[route]\nhost = %s.localhost\ntls = 443\n[health]\ncheck = tls\n" \
                  "interval = 100ms\nunhealthy = keep\n" + SANDBOX % {"dir": self.programs}
        self.d.profile("tls", profile % ("tls", "tls"))
        self.d.profile("bad", profile % ("bad", "bad"))
        self.write("answer", "HTTP/1.1 400 Bad Request\r\n\r\n")
        self.d.ok("start", "tls", "bad")
        self.is_now("tls", "healthy")
        self.d.logged("tls", "out name tls.localhost")
        self.is_now("bad", "unhealthy")
        self.fails_with("bad", "no answer of TLS")
        with open(os.path.join(self.programs, "answer"), "wb") as f:
            f.write(bytes([21, 3, 3, 0, 2, 2, 112]))
        self.fails_with("bad", "TLS alert 112")

    def test_tcp(self):
        self.hostile("plain", "200")
        self.d.profile("plain", PYTHON % {"name": "plain", "service": "stop-timeout = 1s", "route": "", "host": "plain.localhost"} +
                       "[health]\ncheck = tcp:80\ninterval = 100ms\nfailures = 2\ntimeout = 500ms\n" + SANDBOX % {"dir": self.programs})
        self.d.ok("start", "plain")
        self.assertEqual(self.is_now("plain", "healthy")["check"], "tcp:80")
        # one that takes nobody any more
        os.kill(self.d.main_pid("plain"), signal.SIGSTOP)
        self.d.logged("plain", r"unhealthy \(2 of 2: no answer within 0.5 s\)")
        trp.wait_until(lambda: self.d.status("plain")["restarts"] == 1, 30, "it is started again")
        self.is_now("plain", "healthy")

    # ready

    def test_ready_by_check(self):
        self.hostile("slowly", "503", service="ready = check\nstart-timeout = 1d")
        self.d.trpsup("start", "--no-wait", "slowly")
        self.d.logged("slowly", "out check", n=5)
        s = self.d.status("slowly")
        self.assertEqual((s["state"], s["readiness"], s["health"]["last"]), ("starting", "check", "HTTP 503"))
        self.write("slowly.mode", "204")
        self.waits("slowly", "ready")
        self.is_now("slowly", "healthy")
        self.d.logged("slowly", r"out check (::ffff:)?127\.0\.0\.1 GET /health HTTP/1.1 Host: slowly.localhost")

    def test_never_ready_by_check(self):
        self.hostile("not", "503", service="ready = check\nstart-timeout = 1s\nrestart = no")
        done = self.d.trpsup("start", "not", timeout=30)
        self.assertEqual(done.returncode, 1)
        self.assertIn("not ready after 1 s", done.stdout + done.stderr)

    def test_overlap_waits_for_health(self):
        self.hostile("blue", "200", service="ready = check\nstart-timeout = 2s")
        self.d.ok("start", "blue")
        before = self.d.status("blue")["pid"]
        self.write("blue.mode", "500")
        done = self.d.trpsup("restart", "--overlap", "blue", timeout=30)
        self.assertEqual(done.returncode, 1)
        self.assertIn("did not become ready", done.stdout + done.stderr)
        self.write("blue.mode", "200")
        self.waits("blue", "ready")
        trp.wait_until(lambda: self.d.status("blue")["beside"] is None, 20, "it is alone")
        self.d.ok("restart", "--overlap", "blue")
        self.assertNotEqual(self.d.status("blue")["pid"], before)
        self.is_now("blue", "healthy")

    def test_start_period(self):
        self.hostile("warm", "500", "failures = 1\nstart-period = 1d")
        self.d.ok("start", "warm")
        self.d.logged("warm", "out check", n=5)
        h = self.health("warm")
        self.assertEqual((h["state"], h["failures"]), ("unknown", 0))
        self.write("warm.mode", "200")
        self.is_now("warm", "healthy")
        self.write("warm.mode", "500")
        self.d.logged("warm", r"unhealthy \(1 of 1: HTTP 500\)")  # after its first success they count

    # several

    def test_unhealthy_instance_gets_no_clients(self):
        for i in ("1", "2"):
            self.write("s%s.mode" % i, "200")
            self.write("s%s.py" % i, HOSTILE % {"name": "s" + i})
        self.d.profile("s", PYTHON % {"name": "s${instance}", "service": "", "route": "share = yes", "host": "s.localhost"} +
                       HEALTH % "failures = 2\nunhealthy = keep" + SANDBOX % {"dir": self.programs})
        self.d.ok("start", "s@1", "s@2")
        self.is_now("s@1", "healthy")
        self.is_now("s@2", "healthy")

        def answers(n=40):
            return {web.get("http://s.localhost:%d/" % trp.HTTP_PORT).status for _ in range(n)}
        self.assertEqual(answers(), {200})
        self.write("s2.mode", "500")
        self.is_now("s@2", "unhealthy")
        self.assertEqual(answers(), {200})
        # nobody is healthy: then any is better than none
        self.write("s1.mode", "500")
        self.is_now("s@1", "unhealthy")
        self.assertEqual(answers(), {500})
        self.write("s2.mode", "200")
        self.is_now("s@2", "healthy")
        self.assertEqual(answers(), {200})

    # what is not checked

    def test_frozen_and_stopped_are_not_checked(self):
        self.hostile("ice", "200", "failures = 1", timeout="100ms")
        self.d.ok("start", "ice")
        self.is_now("ice", "healthy")
        pid = self.d.main_pid("ice")
        self.d.ok("freeze", "ice")
        time.sleep(3)  # many intervals, and more than a check may take
        self.assertEqual((self.d.status("ice")["state"], self.health("ice")["failures"]), ("ready", 0))
        self.d.ok("thaw", "ice")
        n = len(self.d.log_lines("ice", "out check"))
        self.d.logged("ice", "out check", n=n + 3)
        self.assertEqual((self.d.main_pid("ice"), self.health("ice")["state"]), (pid, "healthy"))
        self.d.ok("stop", "ice")
        self.assertEqual(self.health("ice")["state"], "unknown")

    # hostile

    def test_bad_answers(self):
        """Each is a failure with its reason; the daemon answers all the time, and another service is checked as ever."""
        self.hostile("fine", "200")
        self.hostile("hostile", "200", "failures = 2\nunhealthy = keep")
        self.d.ok("start", "fine", "hostile")
        self.is_now("hostile", "healthy")
        for mode, text in (("silent", "no answer within 1 s"), ("close", "closed without an answer"), ("endless", "no answer of HTTP"),
                           ("slow", "no answer within 1 s"), ("garbage", "no answer of HTTP"), ("number", "no answer of HTTP"),
                           ("long", "no answer of HTTP"), ("199", "HTTP 199"), ("400", "HTTP 400"), ("999", "HTTP 999")):
            with self.subTest(mode=mode):
                self.write("hostile.mode", mode)
                self.is_now("hostile", "unhealthy")
                self.fails_with("hostile", "^" + text + "$")
                self.write("hostile.mode", "302")
                self.is_now("hostile", "healthy")
        # a header without end is still an answer: what follows is not read
        self.write("hostile.mode", "header")
        n = len(self.d.log_lines("hostile", "out check"))
        self.d.logged("hostile", "out check", n=n + 5)
        self.assertEqual(self.health("hostile")["state"], "healthy")
        self.assertEqual((self.health("fine")["failures"], self.health("fine")["state"]), (0, "healthy"))
        self.assertNotIn("defect", self.d.daemon_log())

    def test_descriptors_stay(self):
        self.hostile("many", "close", "failures = 100\nunhealthy = keep")
        self.d.ok("start", "many")

        def count(pid):
            return len(os.listdir("/proc/%d/fd" % pid))
        self.d.logged("many", "out check", n=3)
        pids = (self.d.process.pid, self.d.status("many")["pid"], self.d.main_pid("many"))
        before = [count(p) for p in pids]
        self.d.logged("many", "out check", n=30)
        for p, n in zip(pids, before):
            self.assertLessEqual(count(p), n + 4, trp.process_status(p).get("Name"))

    # commands

    def command(self, name, script, service="", timeout="5s", health=""):
        self.write("check.sh", script)
        self.d.profile(name, COMMAND % (service, timeout, health) + SANDBOX % {"dir": self.programs})

    def test_command(self):
        self.command("cmd", "id -u; echo looks >&2; test ! -e /opt/p/cmd.bad", service="ready = check", health="unhealthy = keep")
        self.d.ok("start", "cmd")
        h = self.is_now("cmd", "healthy")
        self.assertEqual(h["check"], "command /bin/sh")
        self.write("cmd.bad", "")
        h = self.is_now("cmd", "unhealthy")
        self.assertEqual(h["last"], "exited with code 1: 1000 looks")  # as the service's user inside
        self.remove("cmd.bad")
        self.is_now("cmd", "healthy")

    def with_word(self, name, word):
        """The processes of a service that have it in their command line; they may end meanwhile."""
        found = []
        for p in self.d.pids(name):
            with contextlib.suppress(OSError):
                found += [p] if word in trp.read("/proc/%d/cmdline" % p) else []
        return found

    def test_command_is_killed(self):
        """With what it started; the same for one that writes without end, or cannot be executed."""
        self.command("late", "echo started; (sleep 98765 & sleep 98765); true", timeout="300ms", health="unhealthy = keep")
        self.d.ok("start", "late")
        h = self.is_now("late", "unhealthy")
        self.assertEqual(h["last"], "no end within 0.3 s: started")

        def sleepers():
            return self.with_word("late", b"98765")
        self.d.logged("late", "unhealthy")
        for _ in range(5):
            self.assertLessEqual(len(sleepers()), 2)  # of one check
            time.sleep(0.2)
        self.write("check.sh", "exec cat /dev/zero")
        self.fails_with("late", "its output has no end")
        self.write("check.sh", "printf '\\033[31mred\\001\\377'; exit 3")
        self.fails_with("late", r"^exited with code 3: \[31mred$")
        self.write("check.sh", "nohup setsid sh -c 'exit 0'; kill -KILL $$")
        self.fails_with("late", "^killed by signal 9")
        self.d.ok("stop", "late")

    def test_a_run_that_is_learnt_from(self):
        """No command is run in it, and so it is ready without one."""
        self.command("pupil", "echo looked >/trp/state/looked", service="ready = check\nstart-timeout = 1d")
        looked = os.path.join(self.d.state_dir, "state/pupil/looked")
        self.d.ok("learn", "--seconds", "1", "pupil", timeout=60)
        self.assertFalse(os.path.exists(looked))
        self.d.ok("start", "pupil")
        self.assertTrue(os.path.exists(looked))
        self.d.trpsup("learn", "--reset", "pupil")

    # what outlives the daemon

    def restarted(self, how):
        if how == "upgrade":
            self.d.ok("upgrade")
        else:
            self.d.process.kill()
            self.d.process.wait()
            self.d.log.close()
            self.d.run()

    def test_health_outlives_the_daemon(self):
        self.hostile("kept", "500", "failures = 2\nunhealthy = keep")
        self.command("cmd", "sleep 97531", timeout="10m")
        self.hostile("new", "500", service="ready = check\nstart-timeout = 1d")
        self.d.ok("start", "kept", "cmd")
        self.d.trpsup("start", "--no-wait", "new")
        self.is_now("kept", "unhealthy")
        pids = {n: self.d.status(n)["pid"] for n in ("kept", "cmd", "new")}
        for how in ("upgrade", "kill"):
            with self.subTest(how=how):
                before = self.health("kept")
                checker = trp.wait_until(lambda: self.with_word("cmd", b"97531"), 10, "a check")
                self.restarted(how)
                h = self.health("kept")
                self.assertEqual((h["state"], h["since"], h["last"]), ("unhealthy", before["since"], "HTTP 500"))
                n = len(self.d.log_lines("kept", "out check"))
                self.d.logged("kept", "out check", n=n + 3)  # and it is checked
                self.assertEqual({n: self.d.status(n)["pid"] for n in pids}, pids)
                # that of the other daemon is ended, and there is another one
                trp.wait_until(lambda: not any(os.path.exists("/proc/%d" % p) and trp.process_status(p).get("State", "Z")[0] not in "ZX"
                                               for p in checker), 10, "the old check has ended")
                self.assertEqual(self.d.status("new")["state"], "starting")
        self.write("new.mode", "200")
        self.write("kept.mode", "200")
        self.waits("new", "ready")
        self.is_now("kept", "healthy")

    def test_on_demand_is_idle(self):
        """Checks are no use of it, but the processor time that the server needs for them is: on a slow machine too less than a hundredth."""
        self.hostile("rare", "200", "", service="start = on-demand\nidle-stop = 8s", interval="1s")
        self.d.ok("start", "rare")
        self.assertEqual(web.get("http://rare.localhost:%d/" % trp.HTTP_PORT).status, 200)
        self.is_now("rare", "healthy")
        self.waits("rare", "idle", 60)


if __name__ == "__main__":
    unittest.main()
