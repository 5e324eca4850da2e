#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""adapter = loopback: the program listens on ordinary sockets in its own network; trp-relay beside it connects the clients from their
own addresses. nginx and Node.js through the list of upstreams.py, and a program of the test for what they cannot show."""
import hashlib
import json
import os
import resource
import select
import signal
import socket
import threading
import time
import unittest

import trp
import upstreams
import web
from test_relay import pattern_digest, read_all
from upstreams import Row

PROGS = os.path.join(trp.BUILD, "tests/progs")
HERE = os.path.dirname(os.path.realpath(__file__))
NAME = "loop.localhost"
MIB = 1 << 20
IDLE = 5000
LOOPBACK = "[service]\nadapter = loopback\n"

ROWS = [
    Row("nginx", upload=("PUT", "/upload/file"), cannot={"websocket": "has no WebSocket of its own"},
        drop_in=LOOPBACK + "[sandbox]\nbind = {content} /srv\nbind = {content}/conf.d /etc/nginx/conf.d\n"),
    Row("node", cannot={"reload": "A single Node.js process cannot load its program anew"},
        drop_in=LOOPBACK + "command = /usr/bin/node /srv/app.js\n[sandbox]\nbind = {content} /srv\n"),
]
for row in ROWS:
    row.adapter = "loopback"
globals().update(upstreams.cases(ROWS, __name__))


def profile(command, route="http = 8000", service="", relay="idle-timeout = 1h", sandbox="", adapter="loopback"):
    return """[service]
command = %s
adapter = %s
restart-delay = 10ms
start-limit-burst = 0
%s
[route]
host = %s
%s
[relay]
%s
[sandbox]
root = host
bind = %s /opt/test
bind = %s /opt/progs
%s
[limits]
open-files = 6000
""" % (command, adapter, service, NAME, route, relay, HERE, PROGS, sandbox)


def target(address="*", *options, port=8000):
    return "/usr/bin/python3 -B /opt/test/relay_target.py \"%s %d\" loop %s" % (address, port, " ".join(options))


def open_path(path, address="127.0.0.1", source=None, timeout=60):
    sock = web.connect(address, trp.HTTP_PORT, source, timeout)
    sock.sendall(b"GET %s HTTP/1.1\r\nHost: loop.localhost\r\n\r\n" % path.encode())
    return sock


def ask(address="127.0.0.1", source=None):
    """What the program says of the client; also this end's address and port."""
    with open_path("/who", address, source) as sock:
        head, _, body = read_all(sock).partition(b"\r\n\r\n")
        if b" 200 " not in head:
            raise AssertionError(head)
        return json.loads(body), sock.getsockname()[:2]


class Loopback(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (IDLE + 1000, max(IDLE + 1000, hard)))
        cls.d = trp.Daemon(state=upstreams.STATE)
        cls.d.start()

    @classmethod
    def tearDownClass(cls):
        cls.d.stop()

    def tearDown(self):
        self.d.trpsup("stop", "l")  # also one that waits to be started again

    def start(self, command=None, **kw):
        self.d.profile("l", profile(command or target(), **kw))
        self.d.ok("start", "l")

    def relay(self):
        """Its pid: in the network of the service, but not of its sandbox."""
        init = self.d.status("l")["pid"]
        found = [p for p in trp.processes() if self.d.name in trp.cgroups_of(p) and comm(p) == "trp-relay" and
                 trp.namespace(p, "net") == trp.namespace(init, "net")]
        self.assertEqual(len(found), 1)
        return found[0]

    def sees(self, address, source, peer=None):
        told, local = ask(address, source)
        self.assertEqual((told["peer"].replace("::ffff:", ""), told["port"]), (peer or local[0], local[1]))
        return told

    # who the client is

    def test_true_peer_and_address_spoken_to(self):
        self.start()
        for address, source in (("127.0.0.1", "127.0.0.1"), ("127.0.0.9", "127.77.0.3"), ("::1", "::1")):
            for _ in range(20):
                self.assertEqual(self.sees(address, (source, 0))["local"], address)

    def test_program_on_loopback_addresses(self):
        """One that listens on 127.0.0.1 is reached there, and the peer is true all the same. It has no IPv6, so no IPv6 client can be shown
        to it."""
        self.start(target("127.0.0.1"))
        self.assertEqual(self.sees("127.0.0.9", ("127.77.0.3", 0))["local"], "127.0.0.1")
        with open_path("/who", "::1") as sock:
            self.assertIn(b"HTTP/1.1 503", read_all(sock))
        self.assertEqual([(x["port"], x["family"]) for x in self.d.status("l")["listens"]], [(8000, 4)])
        self.d.ok("stop", "l")  # by the router: it never came here
        self.assertIn(" 1 clients served, 0 turned away", self.d.logged("l", "trp-relay: ends with")[-1])

    def test_program_on_ipv6_only(self):
        self.start(target("::1"))
        self.sees("::1", ("::1", 0))
        with open_path("/who", "127.0.0.1") as sock:
            self.assertIn(b"HTTP/1.1 503", read_all(sock))

    def test_dual_stack_and_io_uring(self):
        """A program whose accept no adapter sees, on one socket for both families."""
        self.start("/opt/progs/io-uring-server 8000", sandbox="syscalls = @default @io-uring")
        for address, source in (("127.0.0.1", "127.77.0.3"), ("::1", "::1"), ("127.0.0.1", "127.0.0.1")):
            with open_path("/", address, (source, 0)) as sock:
                body = read_all(sock).partition(b"\r\n\r\n")[2].decode()
                self.assertEqual(body.replace("::ffff:", ""), "%s %d\n" % (source, sock.getsockname()[1]))

    def test_io_uring_only_if_asked_for(self):
        self.d.profile("l", profile("/opt/progs/io-uring-server 8000", service="restart = no"))
        self.assertNotEqual(self.d.trpsup("start", "l").returncode, 0)
        self.d.logged("l", "io_uring_setup: Function not implemented")

    def test_proxy_protocol(self):
        self.start(target("*", "proxy"), relay="proxy-protocol = v1")
        for address, family in (("127.0.0.1", 4), ("::1", 6)):
            told, local = ask(address)
            self.assertEqual(told["proxy"], "PROXY TCP%d %s %s %d %d\r\n" % (family, local[0], address, local[1], trp.HTTP_PORT))
            self.assertEqual(told["port"], local[1])

    def test_same_client_port_again_and_again(self):
        """The server closes first, the client closes first, the client resets: its address and port are free at once."""
        self.start()
        with socket.socket() as probe:
            probe.bind(("127.77.0.4", 0))
            port = probe.getsockname()[1]
        for address in ("127.0.0.1", "::1"):
            source = ("127.77.0.4" if address == "127.0.0.1" else "::1", port)
            for n in range(30):
                with reusing(address, source) as sock:
                    if n % 3 == 1:
                        sock.sendall(b"GET /hold HTTP/1.1\r\nHost: loop.localhost\r\n\r\n")
                        self.assertEqual(sock.recv(4), b"held")
                    else:
                        sock.sendall(b"GET /who HTTP/1.1\r\nHost: loop.localhost\r\n\r\n")
                        told = json.loads(read_all(sock).partition(b"\r\n\r\n")[2])
                        self.assertEqual(told["port"], port)
                    # without TIME_WAIT at the client's own end
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.d.ok("stop", "l")
        self.assertIn(" 60 clients served, 0 turned away", self.d.logged("l", "trp-relay: ends with")[-1])

    def test_no_time_wait(self):
        """A client that ends first has it at its own end; if it does not, it may come back."""
        self.start()
        for address in ("127.0.0.1", "::1") * 3:
            with open_path("/upload", address) as sock:
                sock.shutdown(socket.SHUT_WR)
                self.assertIn(b'"bytes": 0', read_all(sock))
        network = "/proc/%d" % self.d.main_pid("l")
        trp.wait_until(lambda: set(tcp_states(network)) == {"0A"}, 5, "only listening sockets: %s" % tcp_states(network))

    def test_same_client_port_to_two_addresses(self):
        self.start()
        source = ("127.77.0.5", 0)
        with reusing("127.0.0.1", source) as a:
            a.sendall(b"GET /echo HTTP/1.1\r\nHost: loop.localhost\r\n\r\n")
            source = a.getsockname()
            with reusing("127.0.0.2", source) as b:
                b.sendall(b"GET /echo HTTP/1.1\r\nHost: loop.localhost\r\n\r\n")
                for sock, text in ((a, b"one"), (b, b"two")) * 3:
                    sock.sendall(text)
                    self.assertEqual(sock.recv(9), text)

    def test_client_from_the_programs_own_port(self):
        """Its address cannot be had: it is refused, and told so, not shown as somebody else."""
        self.start()
        with reusing("127.0.0.1", ("127.77.0.6", 8000)) as sock:
            sock.sendall(b"GET /who HTTP/1.1\r\nHost: loop.localhost\r\n\r\n")
            self.assertIn(b"HTTP/1.1 503", read_all(sock))
        self.d.logged("l", "own address .Address already in use.: a client is turned away")
        self.sees("127.0.0.1", ("127.77.0.6", 0))

    # bytes

    def test_half_close_both_ways(self):
        self.start()
        data = os.urandom(3 * MIB)
        want = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        with open_path("/upload") as sock:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            self.assertEqual(json.loads(read_all(sock)), want)
        with open_path("/first", "::1") as sock:
            self.assertEqual(read_all(sock), b"that was all")
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
        trp.wait_until(lambda: ask()[0]["result"] == want, 10, "what was sent after the program's end of file arrives")

    def test_clients_are_never_mixed(self):
        self.start()
        wrong = []

        def one(n):
            payload, got = os.urandom(20000 + n * 997), b""
            try:
                with open_path("/echo", ("127.0.0.1", "::1")[n % 2]) as sock:
                    sender = threading.Thread(target=lambda: (sock.sendall(payload), sock.shutdown(socket.SHUT_WR)))
                    sender.start()
                    got = read_all(sock)
                    sender.join()
            except OSError as e:
                wrong.append("%d: %s" % (n, e))
            if got != payload:
                wrong.append("%d: %d of %d bytes" % (n, len(got), len(payload)))
        threads = [threading.Thread(target=one, args=(n,)) for n in range(200)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(wrong, [])

    def test_reset_by_the_client_reaches_the_program(self):
        self.start()
        sock = open_path("/hold")
        self.assertEqual(sock.recv(4), b"held")
        self.assertEqual(ask()[0]["held"], 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        sock.close()
        trp.wait_until(lambda: ask()[0]["held"] == 0, 5, "the program sees the end")

    def test_idle_timeout(self):
        self.start(relay="idle-timeout = 500ms")
        with open_path("/echo") as sock:
            for _ in range(8):  # longer than the time-out, but never idle for so long
                sock.sendall(b"x")
                self.assertEqual(sock.recv(1), b"x")
                time.sleep(0.1)
            self.assertEqual(sock.recv(1), b"")

    # life

    def test_small_backlog(self):
        """The program's backlog is 2 and it is stopped for a while: clients wait in the channel, and not a second longer than it does."""
        self.start("/usr/bin/python3 -B /opt/test/upstreams/loopback/backlog.py 8000")
        main = self.d.main_pid("l")
        os.kill(main, signal.SIGSTOP)
        waiting = []
        try:
            for _ in range(60):
                sock = open_path("/")
                waiting.append(sock)
        finally:
            os.kill(main, signal.SIGCONT)
        for sock in waiting:
            self.assertEqual(read_all(sock), b"%d" % sock.getsockname()[1])
            sock.close()

    def test_backlog_stays_full(self):
        """Who waits for longer than connect-timeout is told, and those behind do not wait again, one after the other."""
        self.start("/usr/bin/python3 -B /opt/test/upstreams/loopback/backlog.py 8000", relay="connect-timeout = 1s")
        main = self.d.main_pid("l")
        os.kill(main, signal.SIGSTOP)
        waiting = [open_path("/") for _ in range(60)]
        try:  # a few are in the backlog
            trp.wait_until(lambda: len(select.select(waiting, (), (), 0)[0]) >= 50, 10, "they are told")
            for sock in select.select(waiting, (), (), 0)[0]:
                self.assertIn(b"HTTP/1.1 503", read_all(sock))
        finally:
            os.kill(main, signal.SIGCONT)
        for sock in waiting:
            sock.close()
        trp.wait_until(lambda: ask_anything("127.0.0.1").isdigit(), 10, "it serves again")

    def test_ready_when_it_listens_and_not_before(self):
        self.d.profile("l", profile("/bin/sh -c \"sleep 1; exec %s\"" % target().replace('"', "'"),
                                    service="setup = /bin/true"))
        began = time.monotonic()
        self.d.ok("start", "l")
        self.assertGreater(time.monotonic() - began, 1)
        ask()
        self.d.ok("stop", "l")
        self.d.profile("l", profile("/bin/sleep 1000", service="start-timeout = 500ms\nrestart = no"))
        self.assertNotEqual(self.d.trpsup("start", "l").returncode, 0)
        self.d.logged("l", "not ready")

    def test_one_that_takes_long(self):
        """Longer than the relay looks on when it has found somebody (5 s); the second family is a little later, too."""
        self.start("/bin/sh -c \"sleep 6; exec /usr/bin/python3 -B /opt/test/upstreams/loopback/two_sockets.py 8000\"")
        trp.wait_until(lambda: len(self.d.status("l")["listens"]) == 2, 5, "both are told")

    def test_clients_wait_while_it_starts_again(self):
        """It needs a second to listen: nobody is refused, and who came before it died is served by the next."""
        self.start("/bin/sh -c \"[ -e ${state}/once ] && sleep 1; touch ${state}/once; exec %s\"" % target().replace('"', "'"))
        ask()
        os.kill(self.d.main_pid("l"), signal.SIGKILL)
        trp.wait_until(lambda: self.d.status("l")["state"] != "ready", 5, "it is started again")
        waiting = [open_path("/who", a) for a in ("127.0.0.1", "::1") * 5]
        for sock in waiting:
            self.assertIn(b" 200 ", read_all(sock))
            sock.close()

    def test_closes_and_listens_again(self):
        """By itself, as some do when they reload: clients wait."""
        self.start("/usr/bin/python3 -B /opt/test/upstreams/loopback/reopen.py 8000")
        for _ in range(20):
            with open_path("/") as sock:
                self.assertEqual(read_all(sock), b"%d" % sock.getsockname()[1])

    def test_second_family_comes_later(self):
        """At a start again, too: the clients of that family wait for it."""
        self.start("/usr/bin/python3 -B /opt/test/upstreams/loopback/two_sockets.py 8000")
        for n in range(3):
            trp.wait_until(lambda: len(self.d.status("l")["listens"]) == 2, 5, "both are told")
            with open_path("/", "::1") as sock:
                self.assertEqual(read_all(sock), b"%d" % sock.getsockname()[1])
            os.kill(self.d.main_pid("l"), signal.SIGKILL)
            trp.wait_until(lambda: self.d.status("l")["restarts"] == n + 1, 5, "it is started again")

    def test_never_listens_again(self):
        """... and who waits for longer than connect-timeout is told."""
        self.start("/usr/bin/python3 -B /opt/test/upstreams/loopback/reopen.py 8000 once", relay="connect-timeout = 500ms")
        with open_path("/") as sock:
            self.assertEqual(read_all(sock), b"%d" % sock.getsockname()[1])
        for pause in (0, 0.8):  # it is found out by a client; or, later, by looking
            time.sleep(pause)
            with open_path("/") as sock:
                self.assertIn(b"HTTP/1.1 503", read_all(sock))

    def test_never_listens_again_and_nobody_came_meanwhile(self):
        self.start("/usr/bin/python3 -B /opt/test/upstreams/loopback/reopen.py 8000 once", relay="connect-timeout = 500ms")
        with open_path("/") as sock:
            self.assertEqual(read_all(sock), b"%d" % sock.getsockname()[1])
        time.sleep(1.5)  # it looks each half second at first
        with open_path("/") as sock:
            self.assertIn(b"HTTP/1.1 503", read_all(sock))

    def test_program_dies_in_the_middle(self):
        self.start()
        with open_path("/bytes/%d" % (400 * MIB)) as sock, open_path("/hold") as idle:
            self.assertEqual(idle.recv(4), b"held")
            got = len(sock.recv(65536))
            os.kill(self.d.main_pid("l"), signal.SIGKILL)
            try:
                while True:
                    more = len(sock.recv(MIB))
                    got += more
                    if not more:
                        break
            except ConnectionResetError:
                pass
            self.assertLess(got, 400 * MIB)
            self.assertEqual(idle.recv(1), b"")
        trp.wait_until(lambda: self.d.status("l")["restarts"] == 1 and self.d.status("l")["state"] == "ready", 10, "started again")
        ask()

    def test_what_was_sent_before_the_end_arrives(self):
        """The program sends 4 MiB and exits at once; the client reads late."""
        self.start("/usr/bin/python3 -B /opt/test/upstreams/loopback/last_words.py 8000")
        with open_path("/") as sock:
            time.sleep(0.5)
            self.assertEqual(len(read_all(sock)), 4 * MIB)

    def test_relay_dies(self):
        self.start()
        main = self.d.main_pid("l")
        with open_path("/hold") as sock:
            self.assertEqual(sock.recv(4), b"held")
            os.kill(self.relay(), signal.SIGKILL)
            waiting = open_path("/who")
            try:
                self.assertEqual(sock.recv(1), b"")
            except ConnectionResetError:
                pass
        self.assertIn(b" 200 ", read_all(waiting))  # by the next one
        waiting.close()
        self.d.logged("l", "trp-relay, its adapter, killed by signal 9 .KILL.")
        self.assertNotEqual(self.d.main_pid("l"), main)
        self.relay()

    def test_restart_under_load_refuses_and_cuts_nobody(self):
        """The program ends at its stop signal without having worked off its backlog: who is in there was accepted before the signal came."""
        self.start("/usr/bin/python3 -B /opt/test/upstreams/loopback/abrupt.py 8000")
        errors, done, over = [], [0], threading.Event()

        def load():
            while not over.is_set():
                try:
                    with open_path("/") as sock:
                        if read_all(sock) != b"%d" % sock.getsockname()[1]:
                            errors.append("empty")
                    done[0] += 1
                except OSError as e:
                    errors.append(repr(e))
        threads = [threading.Thread(target=load) for _ in range(8)]
        for t in threads:
            t.start()
        for _ in range(5):
            time.sleep(0.3)
            self.d.ok("restart", "l")
        over.set()
        for t in threads:
            t.join()
        self.assertEqual(errors[:5], [], "of %d" % done[0])
        self.assertGreater(done[0], 100)

    def test_idle_connections(self):
        self.start()
        self.assertEqual(ask()[0]["held"], 0)
        pid, held = self.relay(), []
        before, rss = self.d.status("l")["memory"], int(trp.process_status(pid)["VmRSS"].split()[0])
        descriptors = len(os.listdir("/proc/%d/fd" % pid))
        try:
            while len(held) < IDLE:
                batch = [open_path("/hold", "127.0.%d.1" % (len(held) // 1000 + 1)) for _ in range(250)]
                held += batch
                for sock in batch:
                    self.assertEqual(sock.recv(4), b"held")
            self.assertEqual(ask()[0]["held"], IDLE)
            grown = int(trp.process_status(pid)["VmRSS"].split()[0]) - rss
            print("      %d idle connections: %.0f bytes of the relay's own memory each; with the program's and the sockets, as their "
                  "control group counts: %.1f KiB each" % (
                      IDLE, grown * 1024 / IDLE, (self.d.status("l")["memory"] - before) / IDLE / 1024), flush=True)
            self.assertLess(grown * 1024 / IDLE, 1024)
            self.assertLess(len(os.listdir("/proc/%d/fd" % pid)) - descriptors, 2 * IDLE + 80)  # no pipe is kept for them
        finally:
            for sock in held:
                sock.close()
        trp.wait_until(lambda: len(os.listdir("/proc/%d/fd" % pid)) <= descriptors + 70, 20, "all are closed")
        ask()

    def test_sleeps_when_nothing_is_to_be_done(self):
        self.start()
        ask()
        pid = self.relay()
        switches = lambda: int(trp.process_status(pid)["voluntary_ctxt_switches"])

        def asleep():
            before = switches()
            time.sleep(1.5)
            return switches() == before
        trp.wait_until(asleep, 15, "it looks no more for what listens")

    # what it may

    def test_privileges(self):
        self.start()
        pid, init = self.relay(), self.d.status("l")["pid"]
        self.assertNotEqual(trp.namespace(pid, "net"), trp.namespace(os.getpid(), "net"))
        for kind in ("user", "mnt", "pid", "ipc", "uts"):
            self.assertNotIn(trp.namespace(pid, kind), (trp.namespace(init, kind), trp.namespace(os.getpid(), kind)), kind)
        status = trp.process_status(pid)
        self.assertEqual(status["Uid"].split(), [str(self.d.status("l")["uid_base"] + 65531)] * 4)
        self.assertEqual([status[k] for k in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")], ["0" * 16] * 5)
        self.assertEqual((status["NoNewPrivs"], status["Seccomp"], status["Groups"]), ("1", "2", ""))
        self.assertGreaterEqual(int(status["Seccomp_filters"]), 2)
        root = set(os.listdir("/proc/%d/root/" % pid))
        self.assertLessEqual(root, {"dev", "proc", "run", "tmp", ".trpsup"})

    def test_no_socket_of_the_host_inside(self):
        """Every socket that a process of the sandbox has, while clients are connected, is of its own network."""
        self.start()
        with open_path("/hold") as a, open_path("/hold", "::1") as b:
            self.assertEqual((a.recv(4), b.recv(4)), (b"held", b"held"))
            host, own = tcp_inodes("/proc/self"), tcp_inodes("/proc/%d" % self.d.main_pid("l"))
            inside = set()
            for pid in self.d.pids("l"):
                for fd in os.listdir("/proc/%d/fd" % pid):
                    link = os.readlink("/proc/%d/fd/%s" % (pid, fd))
                    if link.startswith("socket:"):
                        inside.add(link[8:-1])
            self.assertEqual(inside & host, set())
            self.assertGreaterEqual(len(inside & own), 4)  # two listening, two connected
            # and the relay has the clients' own
            of_relay = {os.readlink("/proc/%d/fd/%s" % (self.relay(), f))[8:-1]
                        for f in os.listdir("/proc/%d/fd" % self.relay())}
            self.assertEqual(len(of_relay & host), 2)

    def test_passed_socket_attacks_find_nothing(self):
        greeter = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
        port = greeter.getsockname()[1]

        def greet():
            while True:
                try:
                    client, _ = greeter.accept()
                except OSError:
                    return
                client.sendall(b"the host's server\n")
                client.close()
        thread = threading.Thread(target=greet)
        thread.start()
        try:
            with web.connect("127.0.0.1", port) as sock:
                self.assertEqual(read_all(sock), b"the host's server\n")
            self.start("/opt/progs/passed-socket-attack 80 %d ${state}/report" % port, route="http = 80")
            report = os.path.join(self.d.state_dir, "state/l/report")
            text = lambda: trp.read(report).decode() if os.path.exists(report) else ""
            tried = set()
            for n in range(60):
                if "done\n" in text():
                    break
                ask_anything(("127.0.0.1", "::1")[n % 2])
                for line in text().splitlines():
                    words = line.split()
                    if words[1:2] == ["listening"] and line not in tried:
                        tried.add(line)
                        for address in ("127.0.0.1", "::1"):
                            try:
                                web.connect(address, int(words[2]), timeout=5).close()
                            except OSError:
                                pass
            self.assertIn("done\n", text())
            # what concerns lo, all that its own network has, is its own
            own = ("ioctl-", "netlink-", "route-")
            succeeded = [x for x in text().splitlines() if " SUCCEEDED " in x and not x.startswith(own)]
            self.assertEqual(succeeded, [], text())
            self.assertGreater(len(text().splitlines()), 14)
        finally:
            greeter.shutdown(socket.SHUT_RDWR)
            greeter.close()
            thread.join()

    def test_tenant_can_forge_for_itself_only(self):
        """A process of the service may take any address in its own network; nobody outside of it sees anything of that."""
        self.start()
        inside = self.d.inside("l", "/usr/bin/python3", "-c", "import socket\n"
                               "s = socket.create_connection(('192.0.2.1', 8000), source_address=('203.0.113.7', 4444))\n"
                               "s.sendall(b'GET /who HTTP/1.1\\r\\n\\r\\n'); print(s.makefile().read())\n"
                               "try: socket.create_connection(('127.0.0.1', %d), 2); print('REACHED')\n"
                               "except OSError as e: print(e)\n" % trp.HTTP_PORT)
        self.assertIn('"peer": "203.0.113.7", "port": 4444', inside.stdout)
        self.assertIn("Connection refused", inside.stdout)
        for what in (("route", "add", "198.51.100.0/24", "dev", "lo"), ("addr", "add", "198.51.100.1/32", "dev", "lo")):
            self.assertIn("not permitted", self.d.inside("l", "/usr/sbin/ip", *what).stderr)

    def test_nothing_is_left(self):
        self.start()
        ask()
        before = upstreams.settled(self.d, ask)
        for _ in range(5):
            os.kill(self.relay(), signal.SIGKILL)
            trp.wait_until(lambda: self.d.status("l")["state"] != "ready", 10, "it is seen")
            trp.wait_until(lambda: self.d.status("l")["state"] == "ready", 10, "it is back")
            self.d.ok("restart", "l")
        ask()
        try:
            trp.wait_until(lambda: upstreams.belongings(self.d, ask) == before, 10, "as before")
        except AssertionError:
            self.assertEqual(upstreams.belongings(self.d, ask), before)


def reusing(address, source):
    """A connection from a port that may be in use, to other addresses."""
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.settimeout(30)
    sock.bind(source)
    sock.connect((address, trp.HTTP_PORT))
    return sock


def ask_anything(address):
    try:
        with open_path("/", address, timeout=10) as sock:
            return read_all(sock)
    except OSError:
        return b""


def comm(pid):
    try:
        return trp.read("/proc/%d/comm" % pid).decode().strip()
    except OSError:
        return ""


def tcp_table(process, column):
    """Of the TCP sockets of a process's network."""
    return [line.split()[column] for name in ("tcp", "tcp6")
            for line in trp.read("%s/net/%s" % (process, name)).decode().splitlines()[1:]]


def tcp_inodes(process):
    return set(tcp_table(process, 9)) - {"0"}


def tcp_states(process):
    return tcp_table(process, 3)


if __name__ == "__main__":
    unittest.main()
