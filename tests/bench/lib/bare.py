# SPDX-License-Identifier: ISC
"""A trp-router without a daemon, and services that answer and close: what a connection costs the router alone, with as many
routes and services as wanted. The control protocol is that of tests/system/test_router.py."""
import contextlib
import os
import random
import select
import signal
import socket
import struct
import sys
import traceback

from lib import arena, measure

sys.path.insert(0, os.path.join(arena.TOP, "tests/system"))
import test_router as control  # noqa: E402

QUOTA_SET = 22
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def name_of(number):
    return "r%d.bench.test" % number


def answer_all(ends):
    """The services: each client gets its answer. Never returns."""
    poller = select.epoll()
    by_fd = {end.fileno(): end for end in ends}
    for fd, end in by_fd.items():
        end.setblocking(False)
        poller.register(fd, select.EPOLLIN)
    while True:
        for fd, _ in poller.poll():
            with contextlib.suppress(BlockingIOError):
                while True:
                    data, fds, _, _ = socket.recv_fds(by_fd[fd], 512, 1)
                    if not data:
                        return
                    with socket.socket(fileno=fds[0]) as client, contextlib.suppress(OSError):
                        client.send(ANSWER)


@contextlib.contextmanager
def forked(work, *args):
    """work(*args) in a process of its own, which is ended when the block is left."""
    pid = os.fork()
    if pid == 0:
        try:
            work(*args)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


class Bare:
    """name, port, front(): as servers.Server has them. n_services channels with limits of their own, the names spread over them;
    n_wildcards further routes "*.wN.bench.test"."""

    def __init__(self, n_routes, n_services, n_wildcards=0):
        self.name = "%d routes, %d services" % (n_routes + n_wildcards, n_services)
        self.n_routes, self.n_services, self.n_wildcards = n_routes, n_services, n_wildcards
        self.router = control.Router().wait_ready()
        self.listener = self.router.listen(1)
        self.port = self.listener.getsockname()[1]
        self.channels = [control.Channel(self.router, i + 1) for i in range(n_services)]
        for channel in self.channels:
            self.router.control.send(control.MSG.pack(
                control.MAGIC, QUOTA_SET, 0, 0, 0, channel.number, 0, 0, 0, 0, 0,
                struct.pack("=QIIIII", 0, 0, 0, 0, 1, channel.number)))
        self.set_routes()
        self.router.sync()

    def set_routes(self):
        for i in range(self.n_routes):
            self.router.route(control.HTTP, name_of(i), self.channels[i % self.n_services])
        for i in range(self.n_wildcards):
            self.router.route(control.HTTP, "*.w%d.bench.test" % i, self.channels[i % self.n_services])

    def serve(self):
        return forked(answer_all, [channel.service for channel in self.channels])

    def front(self):
        return [self.router.pid]

    def connect(self, n, concurrent, rng):
        """n requests for names at random, each on a connection of its own, so many at a time."""
        while n > 0:
            batch = []
            for _ in range(min(n, concurrent)):
                s = socket.socket()
                s.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    s.connect(("127.0.0.1", self.port))
                batch.append(s)
            for s in batch:
                s.send(control.http(name_of(rng.randrange(self.n_routes))))
            for s in batch:
                s.settimeout(10)
                if not s.recv(100).startswith(b"HTTP/1.1 200 "):
                    raise arena.Failure("%s: a client was not answered" % self.name)
                s.close()
            n -= len(batch)

    def cost(self, n, concurrent, rng):
        """Processor time of the router, us for each connection."""
        before = measure.cpu_us(self.front())
        self.connect(n, concurrent, rng)
        return (measure.cpu_us(self.front()) - before) / n

    def close(self):
        self.router.stop()
        for channel in self.channels:
            channel.close()
        self.listener.close()


def randomness():
    return random.Random(1)
