#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Several clients in one message, for a program of libtrp that asks for it."""
import concurrent.futures
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

import trp

PROFILE = """[service]
command = %s
adapter = native
stop-timeout = 1s
[route]
host = several.localhost
http = 8080
queue = %d
[sandbox]
root = host
state = no
bind = %s /opt/progs
bind = ${libexec}/trp-hello /run/trp-hello
"""
SEVERAL, SINGLE = "/run/trp-hello 8080", "/opt/progs/native-example"
REQUEST = b"GET / HTTP/1.0\r\nHost: several.localhost\r\n\r\n"


def profile(command, queue=512):
    return PROFILE % (command, queue, os.path.join(trp.BUILD, "tests/progs"))


def ask(n):
    socks = []
    for _ in range(n):
        s = socket.create_connection(("127.0.0.1", trp.HTTP_PORT), timeout=30)
        s.sendall(REQUEST)
        socks.append(s)
    return socks


def answer(s):
    data = b""
    with s:
        try:
            while more := s.recv(65536):
                data += more
        except OSError as e:
            return repr(e).encode()
    return data


class Several(unittest.TestCase):
    def burst(self, d, n):
        """n clients that the router finds all at once."""
        os.kill(d.router_pid(), signal.SIGSTOP)
        try:
            return ask(n)
        finally:
            os.kill(d.router_pid(), signal.SIGCONT)

    @unittest.skipUnless(shutil.which("strace"), "no strace")
    def test_travel_together(self):
        with trp.Daemon({"several": profile(SEVERAL)}) as d, tempfile.NamedTemporaryFile("r") as out:
            d.ok("start", "several")
            with subprocess.Popen(["strace", "-e", "trace=sendmsg,sendmmsg", "-p", str(d.router_pid()), "-o", out.name],
                                  stderr=subprocess.PIPE, text=True) as strace:
                strace.stderr.readline()
                answers = [answer(s) for s in self.burst(d, 200)]
                strace.send_signal(signal.SIGINT)
                strace.communicate()
            self.assertTrue(all(b" 200 " in a for a in answers), [a for a in answers if b" 200 " not in a][:2])
            calls = [l for l in out.read().splitlines() if "SCM_RIGHTS" in l]
            sizes = [l for l in calls if re.search(r"iov_len=(\d+)", l) and
                     int(re.search(r"iov_len=(\d+)", l).group(1)) % 768 == 0]
            self.assertTrue(sizes)
            self.assertLess(len(calls), 100)

    def test_load(self):
        with trp.Daemon({"several": profile(SEVERAL)}) as d:
            d.ok("start", "several")
            with concurrent.futures.ThreadPoolExecutor(50) as pool:
                def one(_):
                    s = ask(1)[0]
                    port = s.getsockname()[1]
                    return port, answer(s)
                got = list(pool.map(one, range(2000)))
            self.assertEqual([a for p, a in got if b" 200 " not in a][:2], [])
            self.assertEqual([(p, a) for p, a in got if str(p).encode() not in a][:2], [])

    def test_next_run_takes_singly(self):
        with trp.Daemon({"several": profile(SEVERAL)}) as d:
            d.ok("start", "several")
            main = d.main_pid("several")
            os.kill(main, signal.SIGSTOP)
            socks = self.burst(d, 200)
            trp.wait_until(lambda: d.status("several")["clients"]["handed_on"] == len(socks), 10, "all in the channel")
            d.profile("several", profile(SINGLE))
            d.ok("restart", "several")
            answers = [answer(s) for s in socks]
            bad = [a for a in answers if b"you are 127.0.0.1" not in a]
            self.assertEqual(bad, [])

    def test_next_run_takes_several(self):
        """It says so when clients that were sent singly wait already."""
        with trp.Daemon({"several": profile(SINGLE)}) as d:
            d.ok("start", "several")
            os.kill(d.main_pid("several"), signal.SIGSTOP)
            socks = self.burst(d, 100)
            trp.wait_until(lambda: d.status("several")["clients"]["handed_on"] == len(socks), 10, "all in the channel")
            d.profile("several", profile(SEVERAL))
            d.ok("restart", "several")
            socks += self.burst(d, 200)
            answers = [(str(s.getsockname()[1]).encode(), answer(s)) for s in socks]
            self.assertEqual([a for port, a in answers if b" 200 " not in a or port not in a][:2], [])


if __name__ == "__main__":
    unittest.main()
