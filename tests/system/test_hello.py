#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""One small service, from the command line to its end: routes that come and go, a sandbox with nothing in it, restart
after a crash, what trpsup says and its exit codes."""
import os
import re
import signal
import socket
import ssl
import unittest

import trp
import web

URL = "http://hello.localhost:%d/" % trp.HTTP_PORT

# a second service by the same program: other names, and the default of its listener
OTHER = """[service]
description = the same under another name
command = ${libexec}/trp-hello 8000
adapter = native
restart-delay = 10ms
[route]
host = *.other.localhost
default = yes
http = 8000
[sandbox]
root = none
"""
BROKEN = """[service]
command = ${libexec}/trp-hello 8000
adapter = native
[route]
host = broken.localhost
htp = 8000
[sandbox]
root = none
"""
EXITS = """[service]
command = ${libexec}/trp-hello not-a-port
adapter = native
restart-delay = 10ms
start-limit-burst = 3
[route]
host = exits.localhost
http = 8000
[sandbox]
root = none
"""


def alert(address, name):
    """What the TLS listener answers to a hello for this name: the description of its alert."""
    sock = web.connect(address, trp.TLS_PORT)
    try:
        web.tls_context().wrap_socket(sock, server_hostname=name).close()
    except ssl.SSLError as e:
        return e.reason
    finally:
        sock.close()
    return None


class Hello(trp.DaemonTest):
    profiles = {"other": OTHER, "broken": BROKEN, "exits": EXITS}

    def test_is_served_over_both_families(self):
        self.d.ok("start", "hello")
        for address in ("127.0.0.1", "::1"):
            answer = web.get(URL, address)
            self.assertEqual(answer.status, 200)
            # it says who its client is: the true address and port
            self.assertIn(address, answer.text)
            self.assertIn(str(answer.local[1]), answer.text)

    def test_route_comes_and_goes_with_the_service(self):
        self.assertEqual(web.get(URL).status, 404)
        self.d.ok("start", "hello")
        self.assertEqual(web.get(URL).status, 200)
        self.d.ok("stop", "hello")
        self.assertIn(web.get(URL).status, (404, 503))
        self.d.ok("start", "hello")
        self.assertEqual(web.get(URL).status, 200)

    def test_names(self):
        self.d.ok("start", "hello")
        unknown = {"Host": "unknown.localhost"}
        self.assertEqual(web.get(URL, headers=unknown).status, 404)
        self.assertEqual(web.get(URL, headers={"Host": "HELLO.LocalHost.:%d" % trp.HTTP_PORT}).status, 200)
        self.d.ok("start", "other")
        self.assertEqual(web.get(URL, headers={"Host": "a.b.other.localhost"}).status, 200)
        self.assertEqual(web.get(URL, headers=unknown).status, 200)  # the default
        self.d.ok("stop", "other")
        self.assertIn(web.get(URL, headers=unknown).status, (404, 503))

    def test_tls_without_a_service_is_refused_by_an_alert(self):
        self.assertEqual(alert("127.0.0.1", "unknown.localhost"), "TLSV1_UNRECOGNIZED_NAME")

    def test_running_service_keeps_its_connections_when_others_come_and_go(self):
        self.d.ok("start", "hello")
        sock = web.connect("::1", trp.HTTP_PORT)
        try:
            for _ in range(3):
                sock.sendall(b"GET / HTTP/1.1\r\nHost: hello.localhost\r\n\r\n")
                self.assertTrue(sock.recv(65536).startswith(b"HTTP/1.1 200"))
                self.d.ok("start", "other")
                self.d.ok("stop", "other")
        finally:
            sock.close()

    def test_router_is_replaced_without_losing_a_connection_or_a_route(self):
        self.d.ok("start", "hello")
        with web.connect("127.0.0.1", trp.HTTP_PORT) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: hello.localhost\r\n\r\n")
            self.assertTrue(sock.recv(65536).startswith(b"HTTP/1.1 200"))
            old = self.d.router_pid()
            os.kill(old, signal.SIGKILL)
            sock.sendall(b"GET / HTTP/1.1\r\nHost: hello.localhost\r\n\r\n")
            self.assertTrue(sock.recv(65536).startswith(b"HTTP/1.1 200"))
        trp.wait_until(lambda: self.d.router_pid() not in (0, None, old), 10, "another router")
        self.assertEqual(web.get(URL).status, 200)

    def test_sandbox_is_empty_and_locked(self):
        self.d.ok("start", "hello")
        for pid in self.d.pids("hello"):
            status = trp.process_status(pid)
            for which in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
                self.assertEqual(int(status[which], 16), 0, which)
            self.assertEqual(status["Seccomp"], "2")
            self.assertEqual(status["NoNewPrivs"], "1")
            self.assertTrue(all(int(u) >= trp.UID_BASE for u in status["Uid"].split()), status["Uid"])
            self.assertTrue(all(int(g) >= trp.UID_BASE for g in status["Gid"].split()), status["Gid"])
            self.assertEqual(status.get("Groups", ""), "")
            root = "/proc/%d/root" % pid
            self.assertFalse(set(os.listdir(root)) & {"usr", "bin", "etc", "lib", "home", "root", "sys", "boot"})
            devices = trp.read("/proc/%d/net/dev" % pid).decode()
            self.assertEqual(re.findall(r"^\s*(\S+):", devices, re.M), ["lo"])
        for kind in ("user", "mnt", "pid", "net", "ipc", "uts", "cgroup"):
            self.assertNotEqual(trp.namespace(pid, kind), trp.namespace(1, kind), kind)

    def test_is_restarted_after_a_crash(self):
        self.d.ok("start", "hello")
        before = self.d.main_pid("hello")
        os.kill(before, signal.SIGSEGV)
        trp.wait_until(lambda: self.d.status("hello")["restarts"] == 1 and
                       self.d.status("hello")["state"] == "ready", 10, "restarted")
        self.assertNotEqual(self.d.main_pid("hello"), before)
        self.assertEqual(web.get(URL).status, 200)
        self.d.logged("hello", " sup .*SEGV|signal 11")

    def test_what_cannot_start_fails_for_good_and_says_why(self):
        done = self.d.trpsup("start", "exits")
        self.assertEqual(done.returncode, 1)
        self.assertIn("exits", done.stderr)
        trp.wait_until(lambda: self.d.status("exits")["state"] == "failed", 10, "failed for good")
        self.d.logged("exits", " err .*usage", 3)
        self.assertIn("usage: trp-hello", self.d.ok("logs", "exits"))

    def test_a_bad_profile_touches_nothing(self):
        self.d.ok("start", "hello")
        pid = self.d.main_pid("hello")
        done = self.d.trpsup("start", "broken")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"broken\.ini:6: htp: .*http")
        self.assertEqual(self.d.main_pid("hello"), pid)
        whole, brief = [self.d.call("trpsup.List", brief=b)["services"] for b in (False, True)]
        for w, b in zip(whole, brief, strict=True):
            self.assertEqual(b.pop("url"), w["urls"][0] if w["urls"] else None)
            self.assertEqual({k: w[k] for k in b if k not in ("cpu_us", "memory")}, {k: v for k, v in b.items() if k not in ("cpu_us", "memory")})
            self.assertLess(len(b), len(w) / 2)
        self.assertEqual([s["service"] for s in self.d.call("trpsup.List")["services"] if s["state"] == "ready"],
                         ["hello"])

    def test_check_looks_into_trpsup_conf(self):
        self.d.profile("lost", "[service]\ncommand = /bin/true\n[route]\nlistener = htp\nhost = lost.test\nhttp = 80\n[sandbox]\nroot = host\n")
        for args in (("check", "lost"), ("check",)):
            done = self.d.trpsup(*args)
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr, r"lost\.ini:4: listener: there is no \[listener htp\] in .*trpsup\.conf; did you mean 'http'\?")
        os.unlink(os.path.join(self.d.profile_dir, "lost.ini"))

    def test_exit_codes_and_output(self):
        self.assertEqual(self.d.trpsup("start", "nonsense").returncode, 4)
        self.assertEqual(self.d.trpsup("frobnicate").returncode, 2)
        self.assertEqual(self.d.trpsup("check", "hello").returncode, 0)
        for args, said in ((("start", "--nowait", "hello"), "unknown option '--nowait', did you mean '--no-wait'?"),
                           (("start", "-x", "hello"), "unknown option '-x'; 'trpsup help' shows"), (("list", "--names=x"), "--names takes no value"),
                           (("logs", "--since"), "--since needs a value"),
                           (("learn", "--seconds", "0", "hello"), "--seconds: '0' is not a number of seconds"), (("start", "--now", "hello"), "'start' has no option --now")):
            done = self.d.trpsup(*args)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertIn("trpsup: " + said, done.stderr)
        started = self.d.ok("start", "hello")
        self.assertIn("hello: ready", started)
        self.assertIn(URL, started)
        shown = self.d.ok("status", "hello")
        for part in ("ready", URL, "native"):
            self.assertIn(part, shown)
        self.assertIn("hello", self.d.ok("ps"))
        self.assertIn("hello: stopped", self.d.ok("stop", "hello"))
        self.assertEqual(self.d.trpsup("status", "hello").returncode, 3)

    def test_nothing_is_left_of_a_stopped_service(self):
        self.d.ok("start", "hello")
        pids = self.d.pids("hello")
        self.d.ok("stop", "hello")
        for pid in pids:
            self.assertFalse(os.path.exists("/proc/%d" % pid))
        self.assertEqual([g for g in trp.control_groups(self.d.name) if g.endswith("/hello")], [])
        self.assertEqual([m for m in trp.mounts() if "hello" in m], [])

    def test_control_socket_refuses_other_users(self):
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
                with socket.socket(socket.AF_UNIX) as sock:
                    sock.settimeout(5)
                    sock.connect(self.d.control)
                    sock.sendall(b'{"method":"trpsup.List"}\0')
                    answer = sock.recv(4096)
                    code = 1 if b"services" in answer else 0
            except (ConnectionError, PermissionError):
                code = 0
            finally:
                os._exit(code)
        self.assertEqual(os.waitpid(pid, 0)[1], 0)


if __name__ == "__main__":
    unittest.main()
