#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""libtrp: the manual's example as a service, and what make install gives to somebody who writes such a server, and
make uninstall takes away again. What the router hands to programs of it and to others."""
import os
import signal
import subprocess
import tempfile
import unittest

import trp
import web

ADAPTER_MAGIC = 0x41505254
PROFILE = """[service]
command = /opt/progs/native-example
adapter = native
[route]
host = example.localhost
http = 8080
[sandbox]
root = host
state = no
bind = %s /opt/progs
"""

# takes its clients out of the channel itself, and says whether they block
LOOKS = """import fcntl, os, socket, struct
if os.path.exists("/etc/ld.so.preload"):
    s = socket.create_server(("", 8080))
else:
    init = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    init.connect("\\0trpsup/init")
    init.send(struct.pack("=IHHHHi", %d, 8080, socket.AF_INET, 0, 0, 1))
    s = socket.socket(fileno=socket.recv_fds(init, 1024, 1)[1][0])
while True:
    message, fds, _, _ = socket.recv_fds(s, 1024, 1)
    flags, = struct.unpack_from("=I", message, 8)
    does_not_block = fcntl.fcntl(fds[0], fcntl.F_GETFL) & os.O_NONBLOCK
    client = socket.socket(fileno=fds[0])
    client.setblocking(True)
    client.recv(4096)
    text = "%%d %%d" %% (flags, bool(does_not_block))
    client.sendall(b"HTTP/1.0 200 OK\\r\\nContent-Length: %%d\\r\\n\\r\\n%%s" %% (len(text), text.encode()))
    client.close()
""" % ADAPTER_MAGIC


class Handoff(unittest.TestCase):
    def test_who_gets_clients_that_do_not_block(self):
        looks = (PROFILE.replace("/opt/progs/native-example", "/usr/bin/python3 /opt/progs/looks.py").replace("example.", "looks.")
                 .replace("native", "preload"))
        with tempfile.TemporaryDirectory(prefix="trpsup-test-looks-") as directory:
            os.chmod(directory, 0o755)
            with open(directory + "/looks.py", "w") as f:
                f.write(LOOKS)
            with trp.Daemon({"looks": looks % directory, "example": PROFILE % os.path.join(trp.BUILD, "tests/progs")}) as d:
                d.ok("start", "looks", "example")
                url = "http://%%s.localhost:%d/" % trp.HTTP_PORT
                self.assertEqual(web.get(url % "looks").text, "0 0")  # the router has learnt by it
                for _ in range(2):
                    self.assertEqual(web.get(url % "looks").text, "4 1")
                self.assertIn("you asked for example.localhost", web.get(url % "example").text)
                d.process.kill()
                d.process.wait()
                d.log.close()
                d.run()
                self.assertEqual(web.get(url % "looks").text, "0 0")
                self.assertEqual(web.get(url % "looks").text, "4 1")
                for hold in ("hold = 0", "hold = 30s"):  # who waits stays where it is, or waits elsewhere
                    with self.subTest(hold):
                        self.next_run_does_not_look(d, looks % directory, hold)

    def next_run_does_not_look(self, d, profile, hold):
        """Clients that wait in the channel of a run which looks whether they block go to the next, which does not."""
        d.profile("looks", profile.replace("[route]", "[route]\n" + hold))
        d.ok("restart", "looks")
        web.get("http://looks.localhost:%d/" % trp.HTTP_PORT)
        os.kill(d.main_pid("looks"), signal.SIGSTOP)
        before = d.status("looks")["clients"]["handed_on"]
        clients = [web.connect("127.0.0.1", trp.HTTP_PORT) for _ in range(3)]
        for c in clients:
            c.sendall(b"GET / HTTP/1.0\r\nHost: looks.localhost\r\n\r\n")
        trp.wait_until(lambda: d.status("looks")["clients"]["handed_on"] == before + len(clients), 20, "all in the channel")
        d.profile("looks", profile.replace("[route]", "[route]\n" + hold).replace("= preload", "= native"))
        d.ok("restart", "looks")
        for c in clients:
            with c, c.makefile("rb") as answer:
                self.assertEqual(answer.read().rsplit(b"\n", 1)[1], b"0 0")


def make(target, top, *more):
    """With what is built already, below that directory; returns the environment that it had."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    subprocess.run(["make", "-s", "-C", trp.TOP, "O=" + trp.BUILD, target, "PREFIX=/usr", "DESTDIR=" + top, *more],
                   check=True, capture_output=True, env=environment, timeout=300)
    return environment


def files_below(top):
    return {os.path.relpath(os.path.join(where, name), top) for where, _, names in os.walk(top) for name in names}


class Native(unittest.TestCase):
    def test_example(self):
        with trp.Daemon({"example": PROFILE % os.path.join(trp.BUILD, "tests/progs")}) as d:
            d.ok("start", "example")
            self.assertEqual(d.status("example")["adapter"], "native")
            for address in ("127.0.0.1", "::1"):
                self.assertEqual(web.get("http://Example.localhost:%d/" % trp.HTTP_PORT, address).text,
                                 "you are %s, you asked for example.localhost\n" % address)

    def test_installed_library(self):
        with tempfile.TemporaryDirectory(prefix="trpsup-test-install-") as top:
            environment = make("install", top)
            environment["PKG_CONFIG_PATH"] = os.path.join(top, "usr/lib/pkgconfig")
            environment["PKG_CONFIG_SYSROOT_DIR"] = top
            environment["PKG_CONFIG_ALLOW_SYSTEM_CFLAGS"] = environment["PKG_CONFIG_ALLOW_SYSTEM_LIBS"] = "1"
            flags = subprocess.run(["pkg-config", "--cflags", "--libs", "libtrp"], check=True, capture_output=True,
                                   text=True, env=environment).stdout.split()
            program = os.path.join(top, "example")
            subprocess.run(["cc", "-o", program, os.path.join(trp.TOP, "doc/native-example.c"), *flags], check=True)
            # outside of a sandbox it says so, and does not hang
            done = subprocess.run([program], capture_output=True, text=True, timeout=10, check=False)
            self.assertEqual((done.returncode, done.stderr), (1, "trp_listen: Connection refused\n"))
            for file in ("usr/bin/trpsup", "usr/sbin/trpsupd", "usr/lib/trpsup/trp-init", "usr/lib/trpsup/trp-router",
                         "usr/lib/trpsup/preload.so", "usr/share/trpsup/profiles/wordpress.ini",
                         "usr/share/trpsup/profiles/wordpress/setup", "usr/share/man/man3/libtrp.3",
                         "etc/trpsup/trpsup.conf", "usr/lib/systemd/system/trpsup.service"):
                self.assertTrue(os.path.exists(os.path.join(top, file)), file)
            # nothing of a build tree is left in what runs from there
            version = subprocess.run([os.path.join(top, "usr/bin/trpsup"), "--version"], capture_output=True, text=True,
                                     check=True).stdout
            self.assertRegex(version, r"^trpsup \S+")
            # and it finds what was installed with it, wherever that is, though it was built for /usr/local
            service = subprocess.run([os.path.join(top, "usr/bin/trpsup"), "-c", os.path.join(top, "etc/trpsup/trpsup.conf"), "cat", "hello"],
                                     capture_output=True, text=True, check=False)
            self.assertIn("\n; %s\n" % os.path.join(top, "usr/share/trpsup/profiles/hello.ini"), service.stdout, service.stderr)
            self.assertIn("\ncommand = %s 8000\n" % os.path.join(top, "usr/lib/trpsup/trp-hello"), service.stdout)

    def test_uninstall(self):
        with tempfile.TemporaryDirectory(prefix="trpsup-test-uninstall-") as top:
            make("install", top, "APPARMOR=yes")
            self.assertIn("etc/apparmor.d/trpsupd", files_below(top))
            own = {"etc/trpsup/trpsup.conf", "etc/trpsup/services/mine.ini", "usr/lib/trpsup/other", "usr/bin/other"}
            for file in own:
                with open(os.path.join(top, file), "a") as f:
                    f.write("# mine\n")
            make("uninstall", top)
            self.assertEqual(files_below(top), own)
            for file in own:
                os.unlink(os.path.join(top, file))
            make("install", top)
            make("uninstall", top)
            self.assertEqual(files_below(top), set())
            self.assertEqual([where for where, _, _ in os.walk(top) if os.path.basename(where) == "trpsup"], [])
            make("uninstall", top)  # where nothing is


if __name__ == "__main__":
    unittest.main()
