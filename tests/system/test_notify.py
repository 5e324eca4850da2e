#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""The notify adapter: programs into which nothing can be preloaded (static; Go) are served through trp-notify. Each way of
listening, by tests/progs/accept-modes.c built statically; a hostile program; the end of the adapter itself."""
import concurrent.futures
import os
import re
import signal
import socket
import time
import unittest

import trp
import upstreams
import web

PROGS = os.path.join(trp.BUILD, "tests/progs")
HEAD = b"GET / HTTP/1.1\r\nHost: modes.localhost\r\n\r\n"
MODES = """[service]
command = /opt/progs/accept-modes-static %s 80
adapter = notify
ready = %s
restart-delay = 10ms
start-limit-burst = 50
[route]
host = modes.localhost
http = 80
[sandbox]
root = host
bind = """ + PROGS + """ /opt/progs
"""
ATTACKER = """[service]
command = /opt/progs/notify-attack-static 80
adapter = notify
ready = started
restart = no
[route]
host = attacker.localhost
http = 80
[sandbox]
root = host
bind = """ + PROGS + """ /opt/progs
"""


def fields(line):
    return dict(word.partition("=")[::2] for word in line.split())


def children_named(d, name):
    """Processes of that name whose parent is the daemon."""
    return [p for p in trp.processes() if trp.process_status(p).get("Name") == name and
            trp.process_status(p).get("PPid") == str(d.process.pid)]


def descriptors(pid):
    return sorted(os.readlink("/proc/%d/fd/%s" % (pid, f)).split("[")[0] for f in os.listdir("/proc/%d/fd" % pid))


class Modes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = trp.Daemon()
        cls.d.start()

    @classmethod
    def tearDownClass(cls):
        cls.d.stop()

    def tearDown(self):
        self.d.trpsup("stop", "modes")
        self.assertEqual(children_named(self.d, "trp-notify"), [])
        log = os.path.join(self.d.log_dir, "modes.log")
        if os.path.exists(log):
            os.truncate(log, 0)

    def start(self, mode, ready="listen"):
        self.d.profile("modes", MODES % (mode, ready))
        self.d.ok("start", "modes", timeout=30)
        self.assertEqual(self.d.status("modes")["adapter"], "notify")

    def text(self):
        return [line.split(" ", 2)[2] for line in self.d.service_log("modes").splitlines() if line.split(" ")[1:2] == ["out"]]

    def wait_text(self, pattern):
        return trp.wait_until(lambda: re.search(pattern, "\n".join(self.text())), 10, pattern)

    def notifier(self):
        found = children_named(self.d, "trp-notify")
        self.assertEqual(len(found), 1)
        return found[0]

    def talk(self, address="127.0.0.1"):
        """One client from start to end; returns what the server saw."""
        with web.connect(address, trp.HTTP_PORT, timeout=15) as client:
            client.sendall(HEAD)
            data = b""
            while True:
                got = client.recv(65536)
                if not got:
                    break
                data += got
            line, _, echo = data.partition(b"\n")
            self.assertEqual(echo, HEAD)
            return fields(line.decode()), client.getsockname()

    def check_seen(self, seen, own, family, address):
        digit = "4" if family == socket.AF_INET else "6"
        ip = address if family == socket.AF_INET or ":" in address else "::ffff:" + address
        self.assertEqual(seen["peer"], "%s,%d,%s" % (ip, own[1], digit))
        self.assertEqual(seen["asked"], seen["peer"])
        self.assertEqual(seen["local"], "%s,%d,%s" % (ip, trp.HTTP_PORT, digit))

    def many(self, family, address="127.0.0.1", count=60):
        """Clients at the same time, each served with its own address."""
        pids = set()
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            for seen, own in pool.map(lambda _: self.talk(address), range(count)):
                self.check_seen(seen, own, family, address)
                pids.add(seen["pid"])
        return pids

    def listening(self, mode, family):
        self.start(mode)
        self.many(family)
        if family == socket.AF_INET6:
            self.many(family, "::1", 20)

    def test_blocking4(self):
        self.listening("blocking4", socket.AF_INET)
        seen, _ = self.talk()
        self.assertEqual((seen["nonblock"], seen["cloexec"]), ("0", "0"))
        self.assertEqual((seen["nodelay"], seen["keepalive"], seen["linger"], seen["rcvtimeo"]), ("0", "0", "0", "0"))

    def test_blocking6(self):
        self.listening("blocking6", socket.AF_INET6)

    def test_both_families(self):
        self.start("both")
        trp.wait_until(lambda: len(re.findall("IPv[46]", self.d.trpsup("status", "modes").stdout)) == 2, 5, "both listen")
        self.many(socket.AF_INET)
        self.many(socket.AF_INET6, "::1")

    def test_fork(self):
        self.start("fork")
        self.assertGreater(len(self.many(socket.AF_INET6)), 1)

    def test_threads(self):
        self.listening("threads", socket.AF_INET6)

    def test_poll_and_flags(self):
        self.listening("poll", socket.AF_INET)
        seen, _ = self.talk()
        self.assertEqual((seen["nonblock"], seen["cloexec"]), ("1", "1"))

    def test_epoll_edge_triggered(self):
        self.listening("epoll-et", socket.AF_INET6)

    def test_epoll_registered_before_listen(self):
        self.listening("epoll-first", socket.AF_INET6)

    def test_dup(self):
        self.listening("dup", socket.AF_INET6)

    def test_listener_through_exec(self):
        self.listening("exec", socket.AF_INET)

    def test_all_descriptors_closed_before(self):
        self.listening("close-all", socket.AF_INET6)

    def test_options_are_inherited(self):
        self.start("options")
        self.wait_text("ready")
        shown = fields(self.wait_text("listener (.*)").group(1))
        self.assertEqual(shown, {"nodelay": "1", "keepalive": "1", "idle": "77", "linger": "1005", "rcvtimeo": "33"})
        seen, _ = self.talk()
        wanted = {"nodelay": "1", "keepalive": "1", "idle": "77", "user_timeout": "4321", "tos": "16",
                  "rcvbuf": "100000", "rcvtimeo": "33", "linger": "1005"}
        self.assertEqual({k: seen[k] for k in wanted}, wanted)

    def identity(self, family, digit, any_address, size):
        self.start("identity%d" % digit)
        self.wait_text("ready")
        self.assertEqual(self.text()[:11], [
            "sockname=%s,80,%d len=%d" % (any_address, digit, size),
            "short family=1 port=80 untouched=1 len=%d" % size,
            "peername=-1 errno=ENOTCONN",
            "type=1 domain=1 protocol=1 acceptconn=1 error=0",
            "tcp_info=0 listen=1 v6only=0 fastopen=0",
            "again=0",
            "empty=-1 errno=EAGAIN",
            "write_shut=0 still=1",
            "shut=0 acceptconn=0",
            "after=-1 errno=EINVAL",
            "relisten=0 acceptconn=1"])
        self.many(family)

    def test_looks_like_a_listener4(self):
        self.identity(socket.AF_INET, 4, "0.0.0.0", 16)

    def test_looks_like_a_listener6(self):
        self.identity(socket.AF_INET6, 6, "::", 28)

    def test_shutdown_wakes_threads_and_spares_the_channel(self):
        self.start("shutdown")
        self.wait_text("ready")
        self.assertEqual("\n".join(self.text()).count("woken=-1 errno=EINVAL"), 3)
        self.many(socket.AF_INET6)

    def test_signals_and_timeouts_end_accept(self):
        self.start("interrupt")
        self.wait_text("accept=-1 errno=EINTR\naccept=-1 errno=EAGAIN\nready")
        self.many(socket.AF_INET6)

    def test_no_client_is_lost_without_descriptors(self):
        self.start("limit")
        self.wait_text("ready")
        self.many(socket.AF_INET6)

    def test_half_closed_client_of_an_ipv4_listener(self):
        # IPV6_ADDRFORM needs an established connection; the names must be IPv4 all the same
        self.start("blocking4")
        upstream = self.d.main_pid("modes")
        os.kill(upstream, signal.SIGSTOP)
        trp.wait_until(lambda: trp.process_status(upstream)["State"].startswith("T"), 5, "it is stopped")
        with web.connect("127.0.0.1", trp.HTTP_PORT, timeout=15) as first, \
                web.connect("127.0.0.1", trp.HTTP_PORT, timeout=15) as client:
            for sock in (first, client):
                sock.sendall(HEAD)
                sock.shutdown(socket.SHUT_WR)
                time.sleep(0.1)  # the first may have been given already, when it was still open
            os.kill(upstream, signal.SIGCONT)
            for sock in (first, client):
                line, own = sock.makefile("rb").readline(), sock.getsockname()
                self.check_seen(fields(line.decode()), own, socket.AF_INET, "127.0.0.1")

    def test_load_leaves_no_descriptor_behind(self):
        self.start("epoll-et")
        self.talk()
        before = descriptors(self.notifier())
        with concurrent.futures.ThreadPoolExecutor(50) as pool:
            for seen, own in pool.map(lambda _: self.talk(), range(2000)):
                self.check_seen(seen, own, socket.AF_INET6, "127.0.0.1")
        self.assertEqual(descriptors(self.notifier()), before)

    def test_queue_survives_the_upstream_and_its_adapter(self):
        """kill -9 of either while clients wait: the next instance serves them."""
        self.start("blocking6")
        for victim in (self.d.main_pid, lambda _: self.notifier()):
            upstream = self.d.main_pid("modes")
            os.kill(upstream, signal.SIGSTOP)
            trp.wait_until(lambda: trp.process_status(upstream)["State"].startswith("T"), 5, "it is stopped")
            clients = [web.connect("127.0.0.1", trp.HTTP_PORT) for _ in range(20)]
            for client in clients:
                client.sendall(HEAD)
            time.sleep(0.2)
            old = (self.d.status("modes")["pid"], self.notifier())
            os.kill(victim("modes"), signal.SIGKILL)
            lost = 0
            for client in clients:
                with client:
                    try:
                        self.assertIn(b"peer=", client.recv(1000))
                    except ConnectionResetError:
                        lost += 1  # was accepted by the one that was killed
            self.assertLessEqual(lost, 1)
            trp.wait_until(lambda: self.d.status("modes")["state"] == "ready", 10, "ready again")
            self.assertNotEqual(old[0], self.d.status("modes")["pid"])
            self.assertNotEqual(old[1], self.notifier())
            self.many(socket.AF_INET6, count=20)
        self.d.logged("modes", "trp-notify, its adapter, killed by signal 9")

    def test_kill_under_load(self):
        self.start("threads")
        served = refused = 0

        def one(i):
            if i in (200, 600):
                os.kill(self.d.main_pid("modes") if i == 200 else self.notifier(), signal.SIGKILL)
            try:
                return "peer" in self.talk()[0]
            except (OSError, AssertionError):
                return False
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            for good in pool.map(one, range(1000)):
                served += good
                refused += not good
        # those that were being served by the one that was killed, no others
        self.assertLessEqual(refused, 2 * 20)
        self.many(socket.AF_INET6)


class Bind(unittest.TestCase):
    def test_address_of_the_host(self):
        """Which the sandbox's own network does not have."""
        profile = """[service]
command = /bin/busybox httpd -f -p %s -h /trp/state
adapter = notify
[route]
host = bound.localhost
http = 80
[sandbox]
root = packages
packages = busybox-static
"""
        for address in ("192.0.2.7:80", "[2001:db8::7]:80"):
            with trp.Daemon({"bound": profile % address}) as d:
                d.ok("start", "bound")
                self.assertEqual(web.get("http://bound.localhost:%d/" % trp.HTTP_PORT).status, 404)


class Privileges(unittest.TestCase):
    def test_of_trp_notify(self):
        with trp.Daemon({"modes": MODES % ("blocking6", "listen")}) as d:
            d.ok("start", "modes", timeout=30)
            pid, = children_named(d, "trp-notify")
            status, base = trp.process_status(pid), d.status("modes")["uid_base"]
            self.assertEqual(set(status["Uid"].split()), {str(base + 65532)})
            self.assertEqual(set(status["Gid"].split()), {str(base + 65532)})
            self.assertEqual(status["Groups"], "")
            for kind in ("CapInh", "CapBnd", "CapAmb"):
                self.assertEqual(int(status[kind], 16), 0, kind)
            for kind in ("CapPrm", "CapEff"):
                self.assertEqual(int(status[kind], 16), 1 << 19, kind)  # CAP_SYS_PTRACE
            self.assertEqual((status["NoNewPrivs"], status["Seccomp"]), ("1", "2"))
            init = d.status("modes")["pid"]
            for kind, same in (("user", True), ("net", True), ("mnt", False), ("pid", False)):
                self.assertEqual(trp.namespace(pid, kind) == trp.namespace(init, kind), same, kind)
            self.assertNotEqual(trp.namespace(pid, "mnt"), trp.namespace(os.getpid(), "mnt"))
            self.assertNotEqual(trp.namespace(pid, "user"), trp.namespace(os.getpid(), "user"))
            self.assertEqual(sorted(os.listdir("/proc/%d/root" % pid)), ["proc"])


class Hostile(unittest.TestCase):
    def test_gains_nothing(self):
        with trp.Daemon({"attacker": ATTACKER}) as d:
            d.ok("start", "attacker", timeout=30)
            notifier, = children_named(d, "trp-notify")
            d.logged("attacker", " done$", seconds=60)
            lines = d.log_lines("attacker", "ATTACK ")
            self.assertGreater(len(lines), 8)
            self.assertEqual([line for line in lines if not line.endswith(" no")], [])
            # neither its adapter nor the daemon was harmed: it still serves, by the same processes
            self.assertEqual(children_named(d, "trp-notify"), [notifier])
            with web.connect("127.0.0.1", trp.HTTP_PORT) as client:
                client.sendall(b"GET / HTTP/1.0\r\nHost: attacker.localhost\r\n\r\n")
                self.assertEqual(client.recv(100), b"served\n")
            self.assertLess(len(descriptors(notifier)), 12)


# The servers that ship with the notify adapter, through the same list of checks as all others
def ask_busybox(row, address, tls, source=None):
    """It ends an answer of which it could not send all like any other."""
    try:
        return upstreams.ask_http(row, address, tls, source)
    except AssertionError as e:
        if "HTTP/1.1 200 OK" in str(e) and upstreams.SMALL.decode().strip() not in str(e):
            raise upstreams.Cut("the body is missing") from e
        raise


NO_WEBSOCKET = "has no WebSocket of its own"
ROWS = [
    upstreams.Row(
        "caddy", drop_in="[sandbox]\nbind = {content} /srv\n[environment]\nSITE_ROOT = /srv\n",
        client_log=r'"remote_ip":"(?P<address>[^"]+)","remote_port":"(?P<port>\d+)".*{token}',
        cannot={"websocket": NO_WEBSOCKET, "upload": "nothing in it takes an upload",
                "reload": "Without its administration port Caddy cannot load its configuration anew"}),
    upstreams.Row(
        "busybox-httpd", drop_in="[service]\ncommand = /bin/busybox httpd -f -vv -p 80 -h /srv\n"
                                 "[sandbox]\nbind = {content} /srv\n",
        graceful_stop=False, client_log=r"err \[(?P<address>[^]]+)\]:(?P<port>{token}): url:",
        ask=ask_busybox,  # its log has no query string, but the port
        cannot={"https": "no TLS", "keep-alive": "It closes each connection after its answer", "websocket": NO_WEBSOCKET,
                "upload": "it does not know chunked requests", "reload": "It has nothing to load anew"}),
]
globals().update(upstreams.cases(ROWS, __name__))
