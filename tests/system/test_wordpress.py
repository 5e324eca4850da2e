#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""The main job: WordPress with a MariaDB of its own, used as people use it, and what its sandbox is then like."""
import ctypes
import os
import re
import secrets
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

import trp
import web
import wpclient

CONTROL_FD = 3  # of the router, router/control.h
HOST = "wordpress.localhost"
HTTP = "http://%s:%d" % (HOST, trp.HTTP_PORT)
HTTPS = "https://%s:%d" % (HOST, trp.TLS_PORT)
DATABASE = "mariadb@wordpress"
USER, PASSWORD = "admin", secrets.token_urlsafe(16)
TITLE = "A post that came through trpsup"
PICTURE = wpclient.png(320, 200, (200, 30, 60))
SMALL_FILE = "/wp-includes/images/blank.gif"

CLONE_NEWNET = 0x40000000


class OtherHost:
    """A host of its own on a wire to us: a network namespace behind a veth pair."""
    here4, there4 = "10.231.117.1", "10.231.117.2"
    here6, there6 = "fd74:7270:7570::1", "fd74:7270:7570::2"

    def __enter__(self):
        # not "ip netns": that leaves a mount behind
        self.keeper = subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE)
        pid = self.keeper.pid
        try:
            trp.wait_until(lambda: trp.namespace(pid, "net") != trp.namespace(1, "net"), 5, "a network namespace")
            self._ip("link", "add", "trpt0", "type", "veth", "peer", "name", "trpt1", "netns", str(pid))
            self._up([], "trpt0", self.here4, self.here6)
            self._up(["nsenter", "-t", str(pid), "-n"], "trpt1", self.there4, self.there6)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        subprocess.run(["ip", "link", "del", "trpt0"], check=False, stderr=subprocess.DEVNULL)
        self.keeper.stdin.close()
        self.keeper.wait()

    @staticmethod
    def _ip(*args, where=()):
        subprocess.run([*where, "ip", *args], check=True)

    def _up(self, where, link, v4, v6):
        self._ip("address", "add", v4 + "/30", "dev", link, where=where)
        self._ip("address", "add", v6 + "/126", "dev", link, "nodad", where=where)
        self._ip("link", "set", link, "up", where=where)

    def run(self, function):
        """Calls function on that host; sockets that it opens are there."""
        box = []

        def enter():
            try:
                with open("/proc/%d/ns/net" % self.keeper.pid) as f:
                    if ctypes.CDLL(None, use_errno=True).setns(f.fileno(), CLONE_NEWNET) != 0:
                        raise OSError(ctypes.get_errno(), "setns")
                box.append(function())
            except BaseException as e:
                box.append(e)
        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        if isinstance(box[0], BaseException):
            raise box[0]
        return box[0]


def chromium(url, *flags):
    with tempfile.TemporaryDirectory(prefix=trp.TAG + "-chromium-") as profile:
        return subprocess.run(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync",
             "--disable-dev-shm-usage", "--ignore-certificate-errors", "--user-data-dir=" + profile,
             "--window-size=1280,1600", *flags, url],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=True)


def search_processes(needles):
    """Which processes show one of these byte strings in their arguments or environment?"""
    found = []
    for pid in trp.processes():
        for what in ("cmdline", "environ"):
            try:
                data = trp.read("/proc/%d/%s" % (pid, what))
            except OSError:
                continue
            found += ["%d/%s" % (pid, what) for needle in needles if needle in data]
    return found


class WordPress(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = trp.Daemon()
        cls.d.start()
        try:
            cls.printed = cls.d.ok("start", "wordpress")
            cls.site = wpclient.Site(HTTP)
            cls.site.install("trpsup test", USER, PASSWORD)
            cls.site.login(USER, PASSWORD)
            cls.medium = cls.site.upload("red.png", PICTURE)
            cls.post = cls.site.write_post(TITLE, '<p>Text of the post.</p><img src="%s"/>' % cls.medium["source_url"])
        except BaseException:
            print(cls.d.service_log("wordpress")[-3000:])
            cls.d.clean_up()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.d.stop()

    # as its visitors see it

    def test_start_says_where_it_is(self):
        self.assertIn(HTTP + "/", self.printed)
        self.assertIn(HTTPS + "/", self.printed)
        self.assertEqual(self.d.status(DATABASE)["state"], "ready")

    def see_post_and_picture(self):
        path = self.post["link"][len(HTTP):]
        picture = self.medium["source_url"][len(HTTP):]
        for base in (HTTP, HTTPS):
            for address in ("127.0.0.1", "::1"):
                visitor = wpclient.Site(base, address)
                self.assertIn(TITLE, visitor.get("/").text)
                page = visitor.get(path)
                self.assertEqual(page.status, 200)
                self.assertIn("Text of the post.", page.text)
                got = visitor.get(picture)
                self.assertEqual((got.status, got.headers["Content-Type"]), (200, "image/png"))
                self.assertEqual(got.body, PICTURE)

    def test_post_and_picture_by_http_and_https(self):
        self.see_post_and_picture()

    def test_login_and_writing_by_https(self):
        site = wpclient.Site(HTTPS, "::1")
        site.login(USER, PASSWORD)
        post = site.write_post("By TLS", "<p>secret way</p>")
        self.assertIn("secret way", site.get(post["link"][len(HTTPS):]).text)

    def test_certificate_is_the_services_own(self):
        sock = web.tls_context().wrap_socket(web.connect("127.0.0.1", trp.TLS_PORT), server_hostname=HOST)
        with sock:
            shown = sock.getpeercert(binary_form=True)
        key = self.d.inside("wordpress", "/usr/bin/stat", "-c", "%a %U", "/trp/state/tls/key.pem")
        self.assertEqual(key.stdout.strip(), "600 www-data")
        own = self.d.inside("wordpress", "/usr/bin/openssl", "x509", "-in", "/trp/state/tls/cert.pem", "-noout",
                            "-fingerprint", "-sha256", "-ext", "subjectAltName").stdout
        self.assertIn("DNS:" + HOST, own)
        import hashlib
        self.assertIn(":".join("%02X" % b for b in hashlib.sha256(shown).digest()), own)

    def test_another_name_on_its_connection_is_misdirected(self):
        """HTTP/2 coalescing and keep-alive: what is not for this site is not answered as if it were."""
        for base in (HTTP, HTTPS):
            with self.subTest(base):
                body = self.two_requests(base, HOST, "other.localhost")
                self.assertTrue(body[0].startswith(b"HTTP/1.1 200"), body[0][:50])
                self.assertTrue(body[1].startswith(b"HTTP/1.1 421"), body[1][:50])

    def two_requests(self, base, *hosts):
        tls = base == HTTPS
        sock = web.connect("127.0.0.1", trp.TLS_PORT if tls else trp.HTTP_PORT)
        if tls:
            sock = web.tls_context().wrap_socket(sock, server_hostname=HOST)
        answers = []
        with sock:
            for host in hosts:
                sock.sendall(b"HEAD %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (SMALL_FILE.encode(), host.encode()))
                answer = b""
                while b"\r\n\r\n" not in answer:
                    answer += sock.recv(65536)
                answers.append(answer)
        return answers

    def test_uploads_are_never_run(self):
        state = os.path.join(self.d.state_dir, "state/wordpress/wp-content/uploads/")
        for name in ("evil.php", "evil.php.png", "evil.phtml"):
            with open(state + name, "w") as f:
                f.write("<?php echo 'ran', 6*7;")
            os.chmod(state + name, 0o644)
            got = web.get(HTTP + "/wp-content/uploads/" + name)
            self.assertNotIn("ran42", got.text)
            self.assertNotIn("<?php", got.text)
            os.unlink(state + name)

    def test_chromium_shows_the_front_page(self):
        """The screenshot is kept: build/artifacts/wordpress.png."""
        picture = os.path.join(trp.ARTIFACTS, "wordpress.png")
        os.makedirs(trp.ARTIFACTS, exist_ok=True)
        if os.path.exists(picture):
            os.unlink(picture)
        for url in (HTTP + "/", HTTPS + "/"):
            self.assertIn(TITLE, chromium(url, "--dump-dom").stdout)
        chromium(HTTP + "/", "--screenshot=" + picture)
        data = trp.read(picture)
        self.assertTrue(data.startswith(b"\x89PNG"))
        self.assertGreater(len(data), 20000)  # a page, not a blank

    # the client's own socket

    def logged(self, token):
        lines = self.d.logged("wordpress", token)
        # ADDRESS - USER [TIME] "REQUEST" STATUS BYTES "REFERER" "AGENT" PORT LOCAL-PORT ...
        m = re.search(r' out (\S+) .* "[^"]*" (\d+) (\d+) \d+ \S+$', lines[0])
        self.assertTrue(m, lines[0])
        return m.group(1), int(m.group(2)), int(m.group(3))

    def test_access_log_has_the_true_address_and_port(self):
        for base, port in ((HTTP, trp.HTTP_PORT), (HTTPS, trp.TLS_PORT)):
            for address in ("127.0.0.1", "::1"):
                token = "trp-" + secrets.token_hex(6)
                answer = web.get("%s%s?%s" % (base, SMALL_FILE, token), address)
                self.assertEqual(answer.status, 200)
                self.assertEqual(self.logged(token), (address, answer.local[1], port))

    def test_access_log_has_the_true_address_of_another_host(self):
        with OtherHost() as other:
            for here, there in ((other.here4, other.there4), (other.here6, other.there6)):
                token = "trp-" + secrets.token_hex(6)
                answer = other.run(lambda: web.get("%s%s?%s" % (HTTP, SMALL_FILE, token), here))
                self.assertEqual(answer.status, 200)
                self.assertEqual(answer.local[0], there)
                self.assertEqual(self.logged(token)[:2], (there, answer.local[1]))

    def test_router_touches_no_byte_of_a_handed_on_connection(self):
        """Every system call of the router while connections with many requests and a large answer go past it."""
        connections, requests = 8, 5
        trace = os.path.join(self.d.dir, "router.strace")
        strace = subprocess.Popen(["strace", "-f", "-y", "-e", "signal=none", "-o", trace, "-p",
                                   str(self.d.router_pid())], stderr=subprocess.PIPE, text=True)
        try:
            self.assertIn("attached", strace.stderr.readline())
            for _ in range(connections):
                self.two_requests(HTTP, *[HOST] * requests)
            self.two_requests(HTTPS, *[HOST] * requests)
            self.assertGreater(len(web.get(HTTP + "/wp-includes/js/jquery/jquery.js").body), 200000)
            time.sleep(0.3)
        finally:
            strace.send_signal(signal.SIGINT)
            strace.wait(10)
            strace.stderr.close()
        calls = trp.read(trace).decode("utf-8", "replace").splitlines()
        os.unlink(trace)
        passed = [c for c in calls if "SCM_RIGHTS" in c and "sendmsg(" in c]
        self.assertEqual(len(passed), connections + 2)
        # nothing but: taking a connection, a look at its first bytes that takes none away, passing it on; and what the daemon may say just then
        for call in calls:
            if re.match(r"\d+ +(recvmsg|sendmsg)\(%d<" % CONTROL_FD, call):
                continue
            name = re.match(r"\d+ +(\w+)\(|\d+ +<\.\.\. (\w+) resumed", call)
            if not name:
                continue
            name = name.group(1) or name.group(2)
            self.assertIn(name, ("accept4", "recvfrom", "setsockopt", "getsockopt", "getsockname", "sendmsg", "close",
                                 "epoll_ctl", "epoll_wait", "epoll_pwait", "write"), call)
            if name == "write":  # an observer that sleeps is woken (router/ledger.h)
                self.assertRegex(call, r"write\(\d+<anon_inode:\[eventfd\]>, .*, 8\b")
            if name == "recvfrom":
                self.assertIn("MSG_PEEK", call)
            if name == "sendmsg":
                self.assertIn("SCM_RIGHTS", call)

    def test_the_upstream_owns_the_established_socket(self):
        with web.connect("127.0.0.1", trp.HTTP_PORT) as sock:
            sock.sendall(b"HEAD %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (SMALL_FILE.encode(), HOST.encode()))
            sock.recv(4096)
            out = subprocess.run(["ss", "-Htnp", "state", "established",
                                  "( sport = :%d and dport = :%d )" % (trp.HTTP_PORT, sock.getsockname()[1])],
                                 capture_output=True, text=True, check=True).stdout
        self.assertEqual(len(out.splitlines()), 1, out)
        owners = re.findall(r'\("([^"]+)",pid=(\d+)', out)
        self.assertEqual({name for name, _ in owners}, {"apache2"}, out)
        self.assertTrue({int(pid) for _, pid in owners} <= set(self.d.pids("wordpress")))

    # the sandbox

    def test_every_process_is_without_privilege(self):
        for service in ("wordpress", DATABASE):
            pids = self.d.pids(service)
            self.assertGreater(len(pids), 1)
            for pid in pids:
                status = trp.process_status(pid)
                for which in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
                    self.assertEqual(int(status[which], 16), 0, "%s of %s" % (which, status["Name"]))
                self.assertEqual(status["Seccomp"], "2", status["Name"])
                self.assertEqual(status["NoNewPrivs"], "1", status["Name"])
                for who in ("Uid", "Gid"):
                    self.assertTrue(all(int(i) >= trp.UID_BASE for i in status[who].split()), status[who])
        one, two = self.d.status("wordpress")["uid_base"], self.d.status(DATABASE)["uid_base"]
        self.assertGreaterEqual(abs(one - two), 65536)

    def test_only_loopback(self):
        for service in ("wordpress", DATABASE):
            out = self.d.inside(service, "/bin/cat", "/proc/self/net/dev").stdout
            self.assertEqual(re.findall(r"^\s*(\S+):", out, re.M), ["lo"])
            self.assertNotEqual(trp.namespace(self.d.main_pid(service), "net"), trp.namespace(1, "net"))

    def test_no_other_process_is_visible(self):
        names = self.d.inside("wordpress", "/bin/sh", "-c", "cat /proc/[0-9]*/comm | sort -u").stdout.split()
        self.assertTrue(set(names) <= {"apache2", "trp-init", "cat", "sh", "sort"}, names)
        self.assertIn("apache2", names)

    def test_nothing_of_the_host_or_of_others_is_there(self):
        out = self.d.inside("wordpress", "/bin/sh", "-c", """
            for f in /etc/shadow /etc/gshadow /root /home /boot /sys/kernel /proc/kcore /proc/sysrq-trigger /dev/sda \
                /dev/vda /dev/kmsg /dev/mem /var/lib/trpsup /var/lib/trpsup-test /run/trpsup; do
                [ ! -s "$f" ] || ! head -c1 "$f" >/dev/null 2>&1 && ! ls "$f"/* >/dev/null 2>&1 || echo "there: $f"
            done
            for f in /etc/shadow /root; do [ ! -e $f ] || echo "exists: $f"; done
            echo x 2>/dev/null >/usr/share/wordpress/x && echo "writable: usr"
            echo x 2>/dev/null >/etc/x && echo "writable: etc"
            echo x 2>/dev/null >/trp/profile/x && echo "writable: profile"
            echo x 2>/dev/null >/trp/use/%s/x && echo "writable: use"
            echo done""" % DATABASE)
        self.assertEqual(out.stdout.strip(), "done", out.stdout + out.stderr)

    def test_other_services_state_is_unreadable(self):
        """Not to be seen by any path inside; and for its user on the host, the door is shut as well."""
        pid = self.d.main_pid("wordpress")
        shown = trp.read("/proc/%d/mountinfo" % pid).decode()
        self.assertNotIn("state/" + DATABASE, shown)
        self.assertNotIn("secrets/" + DATABASE, shown)
        uid = int(trp.process_status(pid)["Uid"].split()[0])
        for path in ("state/" + DATABASE, "state/%s/data" % DATABASE, "secrets/%s/db-password" % DATABASE):
            path = os.path.join(self.d.state_dir, path)
            self.assertTrue(os.path.exists(path), path)
            done = subprocess.run(["setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups",
                                   "ls", path], capture_output=True, text=True, check=False)
            self.assertNotEqual(done.returncode, 0, path)
            self.assertIn("ermission denied", done.stderr)

    def test_database_listens_on_no_network(self):
        for what in ("tcp", "tcp6", "udp", "udp6"):
            table = trp.read("/proc/%d/net/%s" % (self.d.main_pid(DATABASE), what)).decode()
            self.assertEqual(len(table.splitlines()), 1, table)

    # over its lifetime; the names make these the last

    def test_x_passwords_are_in_no_process_list(self):
        """Looked at all the time while both services start anew."""
        needles = []
        for where, _, files in os.walk(os.path.join(self.d.state_dir, "secrets")):
            needles += [trp.read(os.path.join(where, f)).strip() for f in files]
        self.assertEqual(len(needles), 2)
        self.assertTrue(all(len(n) == 43 for n in needles))
        found, over = [], threading.Event()

        def look():
            while not over.is_set():
                found.extend(search_processes(needles))
        thread = threading.Thread(target=look)
        thread.start()
        try:
            self.d.ok("restart", DATABASE, "wordpress")
        finally:
            over.set()
            thread.join()
        self.assertEqual(found, [])

    def test_y_restart_keeps_everything(self):
        before = self.d.pids("wordpress") + self.d.pids(DATABASE)
        self.d.ok("stop", DATABASE)  # and what requires it
        self.assertEqual(self.d.status("wordpress")["state"], "stopped")
        for pid in before:
            self.assertFalse(os.path.exists("/proc/%d" % pid))
        self.assertIn(web.get(HTTP + "/").status, (404, 503))
        self.d.ok("start", "wordpress")
        self.see_post_and_picture()
        wpclient.Site(HTTP).login(USER, PASSWORD)

    def ask(self, path=SMALL_FILE):
        sock = web.connect("127.0.0.1", trp.HTTP_PORT, timeout=60)
        sock.sendall(b"GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % (path.encode(), HOST.encode()))
        return sock

    def test_z_queued_clients_survive_a_kill(self):
        """Connections that Apache has not accepted yet are served by the next instance: it is frozen, so that none
        is accepted, clients queue up, and then its main process is killed."""
        restarts = self.d.status("wordpress")["restarts"]
        main = self.d.main_pid("wordpress")
        apache = [p for p in self.d.pids("wordpress") if process_name(p) == "apache2"]
        for pid in apache:
            os.kill(pid, signal.SIGSTOP)
        waiting = [self.ask() for _ in range(40)]
        time.sleep(0.5)
        os.kill(main, signal.SIGKILL)
        for sock in waiting:
            with sock:
                self.assertTrue(sock.recv(65536).startswith(b"HTTP/1.1 200"))
        self.assertEqual(self.d.status("wordpress")["restarts"], restarts + 1)

    def test_z_kill_under_load(self):
        """Four clients without a pause: only a request that a killed process was working on may be lost."""
        results, over, clients = [], threading.Event(), 4

        def load():
            while not over.is_set():
                try:
                    with self.ask() as sock:
                        results.append(sock.recv(65536)[:12])
                except OSError as e:
                    results.append(e)
        threads = [threading.Thread(target=load) for _ in range(clients)]
        for t in threads:
            t.start()
        kills = 3
        try:
            for i in range(kills):
                time.sleep(1)
                before = self.d.status("wordpress")["restarts"]
                os.kill(self.d.main_pid("wordpress"), signal.SIGKILL)
                trp.wait_until(lambda: self.d.status("wordpress")["restarts"] > before and
                               self.d.status("wordpress")["state"] == "ready", 60, "restarted")
            time.sleep(1)
        finally:
            over.set()
            for t in threads:
                t.join()
        lost = [r for r in results if r != b"HTTP/1.1 200"]
        self.assertGreater(len(results), 200)
        self.assertLessEqual(len(lost), kills * clients, lost)
        for r in lost:  # cut off while it was served; never refused, never turned away
            self.assertTrue(r == b"" or isinstance(r, ConnectionResetError), r)
        self.see_post_and_picture()


def process_name(pid):
    return trp.process_status(pid).get("Name")


if __name__ == "__main__":
    unittest.main()
