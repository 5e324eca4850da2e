#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""i386 system calls: none unless the profile asks for them, and then nothing that native ones could not do, to a passed socket least of all. On a
machine whose kernel does not run i386 programs this file is run in a virtual machine."""
import contextlib
import os
import re
import socket
import subprocess
import threading
import unittest

import trp
import vm
import web

PROGS = os.path.join(trp.BUILD, "tests/progs")
PROGRAMS = ("x86-calls", "x86-calls-64")  # of i386; of 64 bits, by int 0x80
SLOW = 120  # seconds, there

# A server that has each client's socket attacked once, as a file beside it says.
SERVER = """
import socket, subprocess, sys
server = socket.create_server(("::", 8000), family=socket.AF_INET6)
for program, attack in map(str.split, open("/opt/server/tries")):
    client, _ = server.accept()
    print("BEGIN", program, attack, flush=True)
    done = subprocess.run(["/opt/progs/" + program, "passed", attack, sys.argv[1]], stdin=client, check=False)
    print("END", done.returncode, flush=True)
    client.close()
while True:
    server.accept()
"""
# Of them: the controls that refuse it, each for itself, and what it gets by all of them
BOTH, HOST = "filter listener-group", "capabilities userns"
EPERM, ENOSYS, ENOPROTOOPT, ETIMEDOUT = 1, 38, 92, 110
PASSED = {
    "connect": (BOTH, EPERM),
    "socketcall-connect": ("seccomp " + BOTH, ENOSYS),
    "fastopen": (BOTH, EPERM),
    "bind-listen": (BOTH, EPERM),
    "socketcall-bind-listen": ("seccomp " + BOTH, ENOSYS),
    "autobind-listen": ("filter", ETIMEDOUT),  # it listens, and nobody comes
    "socketcall-autobind-listen": ("seccomp filter", ENOSYS),
    "detach-filter": ("seccomp filter-lock", ENOPROTOOPT),
    "socketcall-detach-filter": ("seccomp filter-lock", ENOSYS),
    "bind-to-device": ("seccomp", ENOPROTOOPT),
    "socketcall-bind-to-device": ("seccomp", ENOSYS),
    "mark": ("seccomp " + HOST, ENOPROTOOPT),
    "repair": ("seccomp " + HOST, ENOPROTOOPT),
    "force-buffer": ("seccomp " + HOST, ENOPROTOOPT),
    "transparent": ("seccomp " + HOST, ENOPROTOOPT),
    "netns-cookie": ("seccomp", ENOPROTOOPT),
    "ifconf": ("seccomp", ENOSYS),
    "ifname": ("seccomp", ENOSYS),
    "netns-of-socket": ("seccomp " + HOST, ENOSYS),
}
CONTROLS = {c for controls, _ in PASSED.values() for c in controls.split()}
# What is not there cannot be detached, so that it stays where the others are left out
STAYS = {"detach-filter": {"filter"}, "socketcall-detach-filter": {"filter"}}
WEAK = os.path.join(trp.BUILD, "weak/trpsupd")
OF_DAEMON = {"filter", "filter-lock", "listener-group"}


def runs_i386():
    try:
        return subprocess.run([os.path.join(PROGS, PROGRAMS[0]), "hello"], stdout=subprocess.DEVNULL, check=False).returncode == 0
    except OSError:
        return False


def profile(command, service="ready = exit", route="", sandbox="", weak=()):
    return """[service]
command = %s
restart = no
start-timeout = 10m
%s
[route]
%s
[sandbox]
root = host
bind = %s /opt/progs
%s
[environment]
TRP_WEAKEN = %s
""" % (command, service, route, PROGS, sandbox, " ".join(sorted(weak)))


X86 = "architectures = native x86\n"


class Here(trp.DaemonTest):
    """What needs no i386 program to run."""

    def test_native_program_is_not_hindered(self):
        self.d.profile("native", profile("/usr/bin/true", sandbox=X86))
        self.d.ok("start", "native")

    def test_cannot_be_learnt_from(self):
        self.d.profile("learnt", profile("/usr/bin/sleep 1000", "ready = started", sandbox=X86))
        refused = self.d.trpsup("learn", "learnt")
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("only native ones are learnt", refused.stdout + refused.stderr)

    def test_static_native_server_needs_another_adapter(self):
        self.d.profile("static", profile("/sbin/ldconfig", "", "host = static.localhost\nhttp = 8000", X86))
        refused = self.d.trpsup("start", "static")
        self.assertNotEqual(refused.returncode, 0)
        self.assertRegex(refused.stdout + refused.stderr, "architectures: .* notify, which sees native system calls only")

    def test_score_names_the_key(self):
        self.d.profile("scored", profile("/usr/bin/sleep 1000", "ready = started", sandbox=X86))
        self.assertRegex(self.d.ok("score", "scored"), "i386 too")


if runs_i386():
    class X86Calls(trp.DaemonTest):
        def start(self, name, *args, **kw):
            self.d.profile(name, profile(*args, **kw))
            return self.d.trpsup("start", name)

        def test_not_unless_asked_for(self):
            for i, program in enumerate(PROGRAMS):
                self.assertNotEqual(self.start("no%d" % i, "/opt/progs/%s hello" % program).returncode, 0)
                trp.wait_until(lambda i=i: "SYS" in str(self.d.status("no%d" % i)), SLOW, "killed by SIGSYS")
                self.assertEqual(self.d.log_lines("no%d" % i, "works"), [])

        def test_if_asked_for(self):
            for i, program in enumerate(PROGRAMS):
                self.assertEqual(self.start("yes%d" % i, "/opt/progs/%s hello" % program, sandbox=X86).returncode, 0)
                self.d.logged("yes%d" % i, "i386 works", seconds=SLOW)

        def test_kernel(self):
            """What has no socket, by each program: refused as it should be."""
            for i, program in enumerate(PROGRAMS):
                self.assertEqual(self.start("kernel%d" % i, "/opt/progs/%s attack" % program, sandbox=X86).returncode, 0)
                tried = [l.split()[-3:] for l in self.d.logged("kernel%d" % i, r"prctl-seccomp \d", seconds=SLOW) and
                         self.d.log_lines("kernel%d" % i, r"[a-z0-9-]+ -?\d+ \d+$")]
                self.assertGreaterEqual(len(tried), 25)
                self.assertEqual([t for t in tried if t[1] == "0" or t[1] != t[2]], [], program)

        def test_server_behind_loopback(self):
            started = self.start("server", "/opt/progs/x86-calls serve", "adapter = loopback", "host = server.localhost\nhttp = 8000", X86)
            self.assertEqual(started.returncode, 0, started.stdout + started.stderr)
            self.assertEqual(web.get("http://server.localhost:%d/" % trp.HTTP_PORT).body, b"from i386\n")
    class X86Passed(unittest.TestCase):
        """A client's socket that was passed, attacked by an i386 program and by int 0x80."""

        def setUp(self):
            self.host = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
            self.addCleanup(self.host.close)
            self.addCleanup(self.host.shutdown, socket.SHUT_RDWR)
            threading.Thread(target=self.greet, daemon=True).start()
            self.knocks = []
            self.addCleanup(self.knocked)

        def greet(self):
            with contextlib.suppress(OSError):
                while True:
                    with self.host.accept()[0] as s:
                        s.sendall(b"secret of the host\n")

        def knocked(self):
            while self.knocks:
                self.knocks.pop().close()

        def knock(self, port):
            for address, family in (("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)):
                self.knocks.append(socket.socket(family))
                self.knocks[-1].setblocking(False)
                self.knocks[-1].connect_ex((address, port))

        def attack(self, d, name, tries, sandbox=X86, weak=()):
            """[(program, attack)] on a socket each: the errno of each, 0 if it succeeded, None if the program was ended."""
            path = os.path.join(d.dir, name)
            self.knocked()
            os.mkdir(path)
            with open(os.path.join(path, "server.py"), "w") as f:
                f.write(SERVER)
            with open(os.path.join(path, "tries"), "w") as f:
                f.writelines("%s %s\n" % t for t in tries)
            command = "/usr/bin/python3 /opt/server/server.py %d" % self.host.getsockname()[1]
            d.profile(name, profile(command, "", "host = %s.localhost\nhttp = 8000" % name, "bind = %s /opt/server\n%s" % (path, sandbox), weak))
            d.ok("start", name)
            found = {}
            for n, (program, attack) in enumerate(tries):
                with socket.create_connection(("::1", trp.HTTP_PORT)) as client:
                    client.sendall(b"GET / HTTP/1.1\r\nHost: %s.localhost\r\n\r\n" % name.encode())
                    trp.wait_until(lambda n=n: self.ended(d, name, n), SLOW, "%s by %s" % (attack, program))
                text = "\n".join(d.log_lines(name, " out ")).split("out BEGIN ")[n + 1]
                result = re.search(r"out result (\d+)", text)
                found[program, attack] = int(result.group(1)) if result else None
            d.ok("stop", name)
            return found

        def ended(self, d, name, n):
            lines = d.lines_in_files(name, " out ")
            ports = [l.rsplit(" ", 1)[1] for l in lines if "out listening" in l]
            for port in ports[len(self.knocks) // 2:]:
                self.knock(int(port))
            return sum("out END" in l for l in lines) > n

        def test_not_unless_asked_for(self):
            with trp.Daemon() as d:
                found = self.attack(d, "closed", [(p, "connect") for p in PROGRAMS], "")
            self.assertEqual(set(found.values()), {None})  # SIGSYS

        def test_refused(self):
            tries = [(p, a) for p in PROGRAMS for a in PASSED]
            with trp.Daemon() as d:
                found = self.attack(d, "open", tries)
            self.assertEqual(found, {(p, a): PASSED[a][1] for p, a in tries})

        def weak(self, tries, but):
            """Without all controls but these. {(program, attack): errno}"""
            found = {}
            for stays in ({"filter"}, set()):
                out = CONTROLS - stays - but
                chosen = [t for t in tries if STAYS.get(t[1], set()) == stays]
                if not chosen:
                    continue
                d = trp.Daemon()
                d.program = WEAK
                d.environment = dict(os.environ, TRP_WEAKEN=" ".join(["daemon-privilege", *sorted(out & OF_DAEMON)]))
                with d:
                    found.update(self.attack(d, "weak", chosen, weak=out - OF_DAEMON))
            return found

        def test_each_succeeds_without_its_controls(self):
            tries = [(p, a) for p in PROGRAMS for a in PASSED]
            self.assertEqual({t: r for t, r in self.weak(tries, set()).items() if r != 0}, {})

        def test_each_control_alone_refuses(self):
            for control in sorted(CONTROLS):
                tries = [(PROGRAMS[1], a) for a in PASSED if control in PASSED[a][0].split()]
                self.assertEqual([t for t, r in self.weak(tries, {control}).items() if r in (0, None)], [], control)
else:
    class X86Calls(unittest.TestCase):
        def test_in_a_virtual_machine(self):
            code, text = vm.run("python3", "-B", os.path.realpath(__file__), "-v", "X86Calls", "X86Passed",
                                environment={"TRP_TEST_STATE": "/run/trp-state", "TRP_BUILD": trp.BUILD}, seconds=1200)
            self.assertEqual(code, 0, text)
            self.assertRegex(text, r"(?m)^Ran 8 tests")

    class NoSuchKernel(trp.DaemonTest):
        def test_it_is_said(self):
            self.d.profile("i386", profile("/opt/progs/x86-calls hello", sandbox=X86))
            self.assertNotEqual(self.d.trpsup("start", "i386").returncode, 0)
            self.assertIn("one of i386 needs a kernel with IA32 emulation", self.d.trpsup("status", "i386").stdout)


if __name__ == "__main__":
    unittest.main()
