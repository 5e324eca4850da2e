# SPDX-License-Identifier: ISC
"""upstream.py NAME PORT [SECONDS]: the server of tests/bench/comparison.py, the same under each supervisor. It does what a careful one can
do by itself: takes a listening socket that it is passed (LISTEN_FDS), says when it is ready (NOTIFY_SOCKET, NOTIFY_FD) and that it is well (WATCHDOG_USEC),
reads its configuration anew at SIGHUP, and at SIGTERM answers all who wait in its queue before it ends. SECONDS: how long it takes to start. Each
request is a line on standard output. Nobody who reads that line is not its affair: then it goes on without.
	/             an answer
	/log?N        and a line of N bytes
	/began        when it was executed, and when it was ready (CLOCK_MONOTONIC)
	/sick         from now on each answer is a 500
	/flood?N      a child writes lines for N seconds
	/flooded      how many bytes it has written
	/leak?TOKEN   a daemon, sleep(1), is left in the background, with TOKEN among its arguments"""
import contextlib
import mmap
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time

BEGAN = time.monotonic()
BACKLOG = 1024
WORK = 0.001  # seconds that an answer takes
LINE = b"x" * 99 + b"\n"


class State:
    ready = 0.0
    sick = False
    flooded = mmap.mmap(-1, 8)
    over, wake = os.pipe()


def listening(port):
    if os.environ.get("LISTEN_PID") == str(os.getpid()):
        return socket.socket(fileno=3)
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", port))
    s.listen(BACKLOG)
    return s


def notify(text):
    path = os.environ.get("NOTIFY_SOCKET")
    if path:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.sendto(text, "\0" + path[1:] if path[0] == "@" else path)


def say_ready():
    State.ready = time.monotonic()
    notify(b"READY=1")
    if "NOTIFY_FD" in os.environ:
        fd = int(os.environ["NOTIFY_FD"])
        os.write(fd, b"\n")
        os.close(fd)


def log(line):
    with contextlib.suppress(OSError):
        os.write(1, line + b"\n")


def flood(seconds):
    if os.fork() != 0:
        return
    block, n, end = LINE * 600, 0, time.monotonic() + seconds
    with contextlib.suppress(OSError):
        while time.monotonic() < end:
            n += os.write(1, block)
            State.flooded[:] = struct.pack("q", n)
    os._exit(0)


def act(path, argument):
    if path == "/sick":
        State.sick = True
    elif path == "/flood":
        flood(float(argument))
    elif path == "/leak":
        if os.fork() == 0:
            os.setsid()
            subprocess.Popen(["/bin/sleep", "7200", "0." + argument], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL, close_fds=True)
            os._exit(0)
    elif path == "/flooded":
        return b"%d" % struct.unpack("q", State.flooded[:])
    elif path == "/began":
        return b"%.6f %.6f" % (BEGAN, State.ready)
    return b"hello"


def serve(client):
    client.settimeout(5)
    with client, contextlib.suppress(OSError, ValueError, IndexError):
        target = client.recv(4096).split(b" ", 2)[1].decode()
        path, _, argument = target.partition("?")
        log(b"request %s %s" % (target.encode(), b"x" * (int(argument) if path == "/log" else 0)))
        body = act(path, argument)
        time.sleep(WORK)
        client.sendall(b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" %
                       (b"500 Sick" if State.sick else b"200 OK", len(body), body))


def main():
    port, seconds = int(sys.argv[2]), float(sys.argv[3]) if len(sys.argv) > 3 else 0.3
    for signo in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(signo, lambda signo, frame: signo == signal.SIGTERM and os.write(State.wake, b"x"))
    time.sleep(seconds)
    server = listening(port)
    server.setblocking(False)
    say_ready()
    pause = int(os.environ.get("WATCHDOG_USEC", "0")) / 3e6 or None
    while not select.select([State.over], [], [], 0)[0]:
        select.select([server, State.over], [], [], pause)
        if pause:
            notify(b"WATCHDOG=1")
        with contextlib.suppress(BlockingIOError):
            serve(server.accept()[0])
    with contextlib.suppress(BlockingIOError):
        while True:
            serve(server.accept()[0])


main()
