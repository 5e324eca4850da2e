#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""What a router that was taken over can do with its ends of the channels. Shut down they are for ever and for everybody; when it is gone, services are reached again: clients
start those that wait for one, and what runs and can be reached by nobody is started again."""
import ctypes
import os
import signal
import socket
import unittest

import trp
from test_hold import request, status_of

HELLO = trp.HELLO
# goes on, whatever accept(2) says
STAYS = """[service]
command = /usr/bin/python3 -u /opt/p/server.py
adapter = %s
restart-delay = 10ms
[route]
host = ${id}.localhost
http = 8000
[sandbox]
root = host
bind = %s /opt/p
"""
SERVER = """
import http.server, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
server = http.server.HTTPServer(("", 8000), Handler)
while True:
    server.handle_request()
    time.sleep(0.01)
"""
ROUTER_CONTROL_FD = 3
SYS_pidfd_getfd = 438


def channels(pid, apart_from=()):
    """Its ends, as the process itself has them. apart_from: descriptors that are none."""
    libc, pidfd, found = ctypes.CDLL(None, use_errno=True), os.pidfd_open(pid), []
    for fd in os.listdir("/proc/%d/fd" % pid):
        if int(fd) in apart_from or not os.readlink("/proc/%d/fd/%s" % (pid, fd)).startswith("socket:"):
            continue
        copy = libc.syscall(SYS_pidfd_getfd, pidfd, int(fd), 0)
        if copy < 0:
            raise OSError(ctypes.get_errno(), "pidfd_getfd")
        sock = socket.socket(fileno=copy)
        if sock.family == socket.AF_UNIX and sock.type == socket.SOCK_SEQPACKET:
            found.append(sock)
        else:
            sock.close()
    os.close(pidfd)
    return found


class StrangeRouter(trp.DaemonTest):
    profiles = {"asleep": HELLO % "start = on-demand\nidle-stop = 0\n"}

    def answers(self, name):
        return status_of(request(name, "127.0.0.1")) == 200

    def server(self, name, adapter):
        programs = os.path.join(self.d.dir, "programs")
        os.makedirs(programs, exist_ok=True)
        with open(os.path.join(programs, "server.py"), "w") as f:
            f.write(SERVER)
        self.d.profile(name, STAYS % (adapter, programs))
        self.d.ok("start", name)

    def each_channel(self, act):
        found = channels(self.d.router_pid(), (ROUTER_CONTROL_FD,))
        self.assertGreater(len(found), 0)
        for sock in found:
            with sock:
                act(sock)

    def shut_down(self):
        self.each_channel(lambda sock: sock.shutdown(socket.SHUT_WR))

    def test_where_clients_wait(self):
        self.d.ok("start", "asleep")
        self.shut_down()
        trp.wait_until(lambda: self.answers("asleep"), 30, "its first client starts it")

    def test_empty_messages(self):
        """They look like the end of a channel, and are none."""
        names = ["preload", "notify", "loopback", "native"]
        for name in names[:-1]:
            self.server(name, name)
        self.d.profile("native", HELLO % "")
        self.d.ok("start", "native")
        for name in names:
            self.assertTrue(self.answers(name), name)
        self.each_channel(lambda sock: [sock.send(b"") for _ in range(3)])
        for name in names:
            with self.subTest(name):
                self.assertTrue(self.answers(name))
                self.assertEqual(self.d.status(name)["restarts"], 0)
                self.d.ok("stop", name)

    def test_what_runs(self):
        self.server("runs", "preload")
        self.assertTrue(self.answers("runs"))
        router = self.d.router_pid()
        self.shut_down()
        self.assertFalse(self.answers("runs"))
        os.kill(router, signal.SIGKILL)
        trp.wait_until(lambda: self.answers("runs"), 30, "it is reached again")
        self.assertIn("was shut down", "\n".join(self.d.log_lines("runs", " sup ")))
        self.assertEqual(self.d.status("runs")["restarts"], 1)


if __name__ == "__main__":
    unittest.main()
