# SPDX-License-Identifier: ISC
"""One list of checks for every upstream. A row of a table says what a server is and what it can do; what it cannot do
is in the row too, with the reason, and the reason must be in the server's section of doc/upstreams.md.

    ROWS = [upstreams.Row("nginx", upload=("PUT", "/upload/x"), ..., cannot={"websocket": "nginx only ..."})]
    globals().update(upstreams.cases(ROWS, __name__))

makes a TestCase for each row, with a test for each check of CHECKS."""
import base64
import dataclasses
import functools
import hashlib
import http.client
import os
import re
import shutil
import socket
import struct
import subprocess
import threading
import time
import typing
import unittest

import trp
import web

HERE = os.path.dirname(os.path.realpath(__file__))
DOC = os.path.join(trp.TOP, "doc/upstreams.md")
# Another directory makes it possible to run two tables at a time (with package roots of its own).
STATE = os.environ.get("TRP_TEST_STATE", trp.STATE)

MIB = 1 << 20
SMALL = b"a small file that came through trpsup\n"
LARGE_MIB, UPLOAD_MIB = 200, 50
CONNECTIONS, CONCURRENCY = 2000, 50
FAMILIES = ("127.0.0.1", "::1")


@dataclasses.dataclass
class Row:
    """A service NAME that answers for NAME.localhost (- for @)."""
    name: str
    # the text of its profile, if it is not one of those that ship
    profile: typing.Optional[str] = None
    # Text of a drop-in that brings the test's content. In it (and in profile) {content} is the directory of the host
    # that holds a copy of tests/system/upstreams/CONTENT/ and, besides, small.txt and large.bin.
    drop_in: str = ""
    content: typing.Optional[str] = None  # NAME without @...
    section: typing.Optional[str] = None  # of doc/upstreams.md; NAME without @...
    # other services: profiles (name: text) and drop-ins (name: text); what the service requires starts by itself
    other_profiles: dict = dataclasses.field(default_factory=dict)
    other_drop_ins: dict = dataclasses.field(default_factory=dict)
    adapter: typing.Optional[str] = None  # what auto must have chosen
    # check (of CHECKS): why it cannot be. The same words are in doc/upstreams.md.
    cannot: dict = dataclasses.field(default_factory=dict)

    small: str = "/small.txt"  # a path, and bytes that are in the body of its answer
    small_has: bytes = SMALL
    large: str = "/large.bin"  # is answered with large.bin or its first large_mib
    large_mib: int = LARGE_MIB
    # (method, path): the answer's body has the upload's SHA-256 in hexadecimal; after PUT, GET gives it back instead
    upload: tuple = ("POST", "/upload")
    websocket: str = "/websocket"  # echoes messages
    # Where the server's idea of its client is found: a path whose answer begins with "ADDRESS PORT", or a regular
    # expression for a line of the service's log, with {token} (of the query string) and groups address, port.
    client: str = "/client"
    client_log: typing.Optional[str] = None
    # How it is seen that a reload took place: other processes than before, or one more log line that matches this
    reloaded: typing.Optional[str] = None
    also_reload: tuple = ()  # services that are reloaded with it
    reload_pause: float = 0.3  # seconds from a reload to the next
    # Does its stop signal let it finish what it is working on? If not, a restart may cut that off (never refuse).
    graceful_stop: bool = True
    graceful_reload: bool = True
    # What "ask" does for a server that is not HTTP: (row, address, tls, source) -> the client's own (address, port)
    ask: typing.Optional[typing.Callable] = None

    @property
    def host(self):
        return self.name.replace("@", "-") + ".localhost"


# the client's side

def large_file():
    """Made once, kept beside the package roots. Deterministic, no two blocks alike."""
    path = os.path.join(STATE, "large.bin")
    if not os.path.exists(path) or os.path.getsize(path) != LARGE_MIB * MIB:
        os.makedirs(STATE, mode=0o700, exist_ok=True)
        with open(path + ".part", "wb") as f:
            for i in range(LARGE_MIB):
                f.write(_block(i))
        os.chmod(path + ".part", 0o644)
        os.rename(path + ".part", path)
    return path


def _block(i):
    """The i-th MiB."""
    return hashlib.shake_128(b"block %d" % i).digest(MIB)


@functools.cache
def _sum_of(mib):
    h = hashlib.sha256()
    for i in range(mib):
        h.update(_block(i))
    return h.hexdigest()


def connect(row, address, tls, source=None, timeout=60):
    """To the row's service, with its name in the TLS hello if tls."""
    sock = web.connect(address, trp.TLS_PORT if tls else trp.HTTP_PORT, source, timeout)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return web.tls_context().wrap_socket(sock, server_hostname=row.host) if tls else sock
    except BaseException:
        sock.close()
        raise


def client(row, address="127.0.0.1", tls=False, source=None):
    """An http.client connection that is open already."""
    connection = http.client.HTTPConnection(row.host)
    connection.sock = connect(row, address, tls, source)
    connection.auto_open = 0  # a server that closes is an error, not a second connection
    return connection


class Cut(Exception):
    """The connection was made and ended before the answer was whole."""


def ask_http(row, address, tls, source=None):
    """One request for the small file on a connection of its own."""
    with connect(row, address, tls, source) as sock:
        local = sock.getsockname()[:2]
        answer = b""
        try:
            sock.sendall(b"GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n"
                         % (row.small.encode(), row.host.encode()))
            while True:
                more = sock.recv(65536)
                if not more:
                    break
                answer += more
        except (ConnectionResetError, BrokenPipeError) as e:
            raise Cut(str(e)) from e
        if not answer:
            raise Cut("closed without an answer")
        if not answer.startswith((b"HTTP/1.1 200", b"HTTP/1.0 200")) or row.small_has not in answer:
            raise AssertionError("%s: %r" % (row.name, answer[:300]))
        return local


def ask(row, address="127.0.0.1", tls=None, source=None):
    """By HTTP, unless the service has TLS only."""
    if tls is None:
        tls = "http" in row.cannot
    return (row.ask or ask_http)(row, address, tls, source)


def ways(row):
    """(address, tls) of every way to it."""
    return [(address, tls) for tls in (False, True) for address in FAMILIES
            if ("https" if tls else "http") not in row.cannot]


class Load:
    """with Load(row, clients) as load: ... keeps asking, each time over a new connection; afterwards load.done,
    load.cut (accepted and ended early) and load.failed (all else) are known."""

    def __init__(self, row, clients=4):
        self.row, self.done, self.cut, self.failed = row, 0, [], []
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.run) for _ in range(clients)]

    def run(self):
        while not self.over.is_set():
            try:
                ask(self.row)
                self.done += 1
            except Cut as e:
                self.cut.append(str(e))
            except Exception as e:
                self.failed.append(repr(e))

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for t in self.threads:
            t.join()


# The checks. Each takes the TestCase of a row; t.row and t.d are the row and its daemon.

def check_http(t):
    """Both families."""
    for address in FAMILIES:
        ask(t.row, address, False)


def check_https(t):
    """Both families; the service ends TLS itself."""
    for address in FAMILIES:
        ask(t.row, address, True)


def check_keep_alive(t):
    """20 requests on one connection, on each way."""
    for address, tls in ways(t.row):
        connection = client(t.row, address, tls)
        try:
            for _ in range(20):
                connection.request("GET", t.row.small)
                response = connection.getresponse()
                body = response.read()
                t.assertEqual(response.status, 200)
                t.assertIn(t.row.small_has, body)
        finally:
            connection.close()


def check_upload(t):
    """50 MiB in chunks of 60,000 bytes, by HTTP over IPv4 and by HTTPS over IPv6."""
    method, path = t.row.upload
    data = b"".join(_block(i) for i in range(UPLOAD_MIB))
    want = hashlib.sha256(data).hexdigest()

    def chunks():
        for at in range(0, len(data), 60000):
            yield data[at:at + 60000]
    for address, tls in ways(t.row)[::3] or ways(t.row)[:1]:
        connection = client(t.row, address, tls)
        try:
            connection.request(method, path, body=chunks(), encode_chunked=True, headers={
                "Transfer-Encoding": "chunked", "Content-Type": "application/octet-stream"})
            response = connection.getresponse()
            body = response.read()
            t.assertIn(response.status, (200, 201, 204), body[:300])
            if method == "PUT":
                connection.request("GET", path)
                response = connection.getresponse()
                t.assertEqual(response.status, 200)
                body = hashlib.sha256(response.read()).hexdigest().encode()
            t.assertIn(want.encode(), body[:4096])
        finally:
            connection.close()


def check_download(t):
    """200 MiB (or the row's large_mib), by HTTP over IPv4 and by HTTPS over IPv6."""
    want = _sum_of(t.row.large_mib)
    buffer = bytearray(MIB)
    for address, tls in ways(t.row)[::3] or ways(t.row)[:1]:
        connection = client(t.row, address, tls)
        try:
            connection.request("GET", t.row.large)
            response = connection.getresponse()
            t.assertEqual(response.status, 200)
            got, size = hashlib.sha256(), 0
            while True:
                n = response.readinto(buffer)
                if not n:
                    break
                got.update(memoryview(buffer)[:n])
                size += n
            t.assertEqual(size, t.row.large_mib * MIB)
            t.assertEqual(got.hexdigest(), want)
        finally:
            connection.close()


def check_websocket(t):
    """RFC 6455: handshake, then messages of each length encoding come back (but the longest)."""
    for address, tls in ways(t.row):
        with connect(t.row, address, tls) as sock:
            key = base64.b64encode(os.urandom(16))
            sock.sendall(b"GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                         b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n"
                         % (t.row.websocket.encode(), t.row.host.encode(), key))
            stream = sock.makefile("rb")
            t.assertIn(b" 101 ", stream.readline())
            headers = http.client.parse_headers(stream)
            t.assertEqual(headers["Sec-WebSocket-Accept"], base64.b64encode(hashlib.sha1(
                key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode())
            for text in (b"hello", b"m" * 300, b"x" * 70000, b"bye"):
                sock.sendall(_frame(text))
                t.assertEqual(_message(stream), text)


def _frame(text):
    mask = os.urandom(4)
    length = (struct.pack("!B", 0x80 | len(text)) if len(text) < 126 else
              struct.pack("!BH", 0x80 | 126, len(text)) if len(text) < 65536 else
              struct.pack("!BQ", 0x80 | 127, len(text)))
    key = int.from_bytes((mask * (len(text) // 4 + 1))[:len(text)], "big")
    return b"\x81" + length + mask + (int.from_bytes(text, "big") ^ key).to_bytes(len(text), "big")


def _message(stream):
    """The next text message, which may come in several frames."""
    text = b""
    while True:
        first, length = stream.read(2)
        if length == 126:
            length, = struct.unpack("!H", stream.read(2))
        elif length == 127:
            length, = struct.unpack("!Q", stream.read(8))
        part = stream.read(length)
        if first & 0x0f in (0, 1):
            text += part
            if first & 0x80:
                return text


def check_connections(t):
    """2,000 connections, 50 at a time, not one of which fails."""
    failed, numbers = [], iter(range(CONNECTIONS))
    lock = threading.Lock()

    def run():
        while True:
            with lock:
                i = next(numbers, None)
            if i is None:
                return
            try:
                ask(t.row, FAMILIES[i % 2])
            except Exception as e:
                failed.append(repr(e))
    threads = [threading.Thread(target=run) for _ in range(CONCURRENCY)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    t.assertEqual(failed[:5], [], "%d of %d failed" % (len(failed), CONNECTIONS))


def check_client_address(t):
    """The true address and port of the client, of both families, and not always the same."""
    asked = []
    for source in ("127.0.0.1", "127.77.0.3", "::1"):
        for tls in sorted({tls for _, tls in ways(t.row)}):
            asked.append((source, *(_ask_log if t.row.client_log else _ask_client)(t.row, tls, source)))
    for source, port, seen in asked:
        if t.row.client_log:
            pattern = t.row.client_log.replace("{token}", seen)
            lines = t.d.logged(t.row.name, pattern)
            found = re.search(pattern, lines[-1])
            seen = found.group("address"), found.group("port")
        # a server that listens for both families with one socket is told so by the kernel, too
        t.assertEqual((seen[0].replace("::ffff:", ""), seen[1]), (source, str(port)))


def _ask_client(row, tls, source):
    """Whom the server says that it talks to: (own port, (address, port))."""
    connection = client(row, "::1" if ":" in source else "127.0.0.1", tls, (source, 0))
    try:
        port = connection.sock.getsockname()[1]
        connection.request("GET", row.client)
        return port, tuple(connection.getresponse().read().decode().split()[:2])
    finally:
        connection.close()


def _ask_log(row, tls, source):
    """A request that can be told apart in the log: (own port, token). With a row's own ask() the port is the token."""
    there = "::1" if ":" in source else "127.0.0.1"
    if row.ask:
        port = row.ask(row, there, tls, (source, 0))[1]
        return port, str(port)
    token = "token%s" % os.urandom(6).hex()
    path = row.small + ("&" if "?" in row.small else "?") + token
    return ask_http(dataclasses.replace(row, small=path), there, tls, (source, 0))[1], token


def check_reload(t):
    """Three reloads under load: nobody is refused, and nobody is cut off by a server that can reload so."""
    reloads, clients = 3, 4
    with Load(t.row, clients) as load:
        for _ in range(reloads):
            time.sleep(t.row.reload_pause)
            before = _generation(t)
            t.d.ok("reload", t.row.name, *t.row.also_reload)
            trp.wait_until(lambda: _generation(t) != before, 20, "%s has reloaded" % t.row.name)
        time.sleep(0.5)
    t.assertEqual(load.failed[:5], [], "of %d" % load.done)
    t.assertLessEqual(len(load.cut), 0 if t.row.graceful_reload else reloads * clients, load.cut)
    t.assertGreater(load.done, reloads * clients)
    for service in (t.row.name, *t.row.also_reload):  # it did it by itself, and was not started again
        t.assertEqual(t.d.status(service)["restarts"], 0, service)


def _generation(t):
    if t.row.reloaded:
        return len(t.d.log_lines(t.row.name, t.row.reloaded))
    return t.d.pids(t.row.name)


def check_restart(t):
    """Three restarts under load: nobody is refused or turned away. Only a server that cannot finish what it is working
    on when it is asked to stop may cut that off."""
    restarts, clients = 3, 4
    with Load(t.row, clients) as load:
        for _ in range(restarts):
            time.sleep(0.5)
            t.d.ok("restart", t.row.name)
        time.sleep(0.5)
    t.assertEqual(load.failed[:5], [], "of %d" % load.done)
    t.assertLessEqual(len(load.cut), 0 if t.row.graceful_stop else restarts * clients, load.cut)
    t.assertGreater(load.done, restarts * clients)


def check_leaks(t):
    """20 restarts in a row leave the daemon, the router and the machine as they were."""
    t.d.ok("restart", t.row.name)
    ask(t.row)
    def knock():
        ask(t.row)
    before = settled(t.d, knock)
    for _ in range(20):
        t.d.ok("restart", t.row.name)
    ask(t.row)
    try:  # what is on its way out
        trp.wait_until(lambda: belongings(t.d, knock) == before, 10, "as before")
    except AssertionError:
        t.assertEqual(belongings(t.d, knock), before)


def settled(d, knock):
    """What the daemon has when it is done with the last start: a moment later it makes things ready for the next."""
    seen = []

    def steady():
        seen.append(belongings(d, knock))
        time.sleep(0.1)
        return len(seen) > 10 and all(s == seen[-1] for s in seen[-10:])
    trp.wait_until(steady, 20, "nothing changes any more")
    return seen[-1]


def belongings(d, knock):
    """Of a daemon: counts that must not grow. A client knocks first: until the next one the daemon has an epoll of its listeners open,
    ten seconds after the last (supervisor/routerwatch.c)."""
    knock()

    def links(pid, what):
        found = []
        for name in os.listdir("/proc/%d/%s" % (pid, what)):
            try:
                found.append(os.readlink("/proc/%d/%s/%s" % (pid, what, name)))
            except OSError:
                pass
        return found
    ours = [p for p in trp.processes() if d.name in trp.cgroups_of(p) or p == d.process.pid]
    spaces = set()
    for p in ours:
        try:
            spaces.update(links(p, "ns"))
        except OSError:
            pass
    return {"descriptors of trpsupd": len(links(d.process.pid, "fd")),
            "descriptors of trp-router": len(links(d.router_pid(), "fd")),
            "sandboxes": len({trp.namespace(p, "pid") for p in ours} - {None}),
            "namespaces": len(spaces),
            "mounts": sum(d.name in m for m in trp.mounts()),
            "control groups": len(trp.control_groups(d.name)),
            "children of trpsupd": sum(trp.process_status(p).get("PPid") == str(d.process.pid) for p in ours)}


# in the order in which they are run
CHECKS = {
    "http": check_http, "https": check_https, "keep-alive": check_keep_alive, "upload": check_upload,
    "download": check_download, "websocket": check_websocket, "connections": check_connections,
    "client-address": check_client_address, "reload": check_reload, "restart": check_restart, "leaks": check_leaks,
}


# the runner

def section(name):
    """The words of a profile's section of doc/upstreams.md, with single blanks between them."""
    found = re.search(r"^## %s\b.*?\n(.*?)(?=^## |\Z)" % re.escape(name), trp.read(DOC).decode(), re.M | re.S)
    return " ".join(found.group(1).split()) if found else None


class Case(unittest.TestCase):
    """Of one row; cases() makes the classes."""
    row: Row

    @classmethod
    def setUpClass(cls):
        row = cls.row
        cls.d = trp.Daemon(state=STATE)
        cls.work = os.path.join(STATE, "content-" + cls.d.name)
        try:
            cls.d.start()
            content = cls.make_content()
            for name, text in {row.name: row.profile, **row.other_profiles}.items():
                if text:
                    cls.d.profile(name, text.replace("{content}", content))
            for name, text in {row.name: row.drop_in, **row.other_drop_ins}.items():
                if text:
                    os.mkdir(os.path.join(cls.d.profile_dir, name + ".ini.d"))
                    cls.d.profile(name + ".ini.d/test", text.replace("{content}", content))
            cls.d.ok("start", row.name)
        except BaseException:
            cls.d.clean_up()
            shutil.rmtree(cls.work, ignore_errors=True)
            raise

    @classmethod
    def make_content(cls):
        """A copy that belongs to root and that anybody can read, with the two files that every row may need."""
        source = os.path.join(HERE, "upstreams", cls.row.content or cls.row.name.partition("@")[0])
        if os.path.isdir(source):
            shutil.copytree(source, cls.work)
        else:
            os.mkdir(cls.work)
        with open(os.path.join(cls.work, "small.txt"), "wb") as f:
            f.write(SMALL)
        large = large_file()
        os.link(large, os.path.join(cls.work, "large.bin"))
        subprocess.run(["chmod", "-R", "u=rwX,go=rX", cls.work], check=True)
        return cls.work

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.work, ignore_errors=True)
        cls.d.stop()

    def run(self, result=None):
        """With the service's last words when a check fails."""
        failed = result and len(result.failures) + len(result.errors) or 0
        bad = getattr(result, "counts", {}).get("failed", failed)
        super().run(result)
        if getattr(result, "counts", {}).get("failed", failed) > bad:
            print("%s says at last:\n%s" % (self.row.name, self.d.service_log(self.row.name)[-1500:]), flush=True)
        return result

    def test_00_adapter_was_chosen(self):
        if self.row.adapter:
            self.assertEqual(self.d.status(self.row.name)["adapter"], self.row.adapter)

    def test_00_is_documented(self):
        """It has a section, and each thing that it cannot do is in there with the reason."""
        name = self.row.section or self.row.name.partition("@")[0]
        text = section(name)
        self.assertIsNotNone(text, "no section ## %s in doc/upstreams.md" % name)
        for check, reason in self.row.cannot.items():
            self.assertIn(check, CHECKS)
            self.assertIn(reason, text)


def _test(number, name, check):
    def test(self):
        check(self)
    test.__doc__ = check.__doc__
    test.__name__ = "test_%02d_%s" % (number, name.replace("-", "_"))
    return test


def cases(rows, module):
    """For a test file: {class name: class}. What a row cannot do is no test of it."""
    made = {}
    for row in rows:
        name = re.sub(r"\W", "_", row.name)
        body = {"row": row, "__module__": module}
        for number, (check, function) in enumerate(CHECKS.items(), 1):
            if check not in row.cannot:
                test = _test(number, check, function)
                body[test.__name__] = test
        made[name] = type(name, (Case,), body)
    return made
