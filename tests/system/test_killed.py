#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""SIGKILL of each process around a service while clients come: nobody is refused, only those in the killed process are lost, another
one takes its place, and what the daemon needs to be killed itself is there again."""
import os
import signal
import time
import unittest

import trp
import web
from load import Load
from test_adopt import HELLO, LOOPBACK, NOTIFY, url
from test_hold import request, status_of

CLIENTS = 4
TURNS = 3


class Killed(unittest.TestCase):
    def process(self, d, name):
        """The one of this daemon's that is called so; None: there is none, or more."""
        found = [p for p in trp.processes() if d.name in trp.cgroups_of(p) and trp.process_status(p).get("Name") == name]
        return found[0] if len(found) == 1 else None

    def served(self, load, n):
        """n more, whatever became of others."""
        at = load.good
        trp.wait_until(lambda: load.good >= at + n, 30, "%d more clients" % n)

    def kill(self, d, find, load, ready):
        """In turn; each time another one must be there."""
        for _ in range(TURNS):
            self.served(load, 30)
            pid = trp.wait_until(find, 20, "it is there")
            os.kill(pid, signal.SIGKILL)
            trp.wait_until(lambda: find() not in (None, 0, pid), 20, "another one")  # pylint: disable=cell-var-from-loop
            trp.wait_until(ready, 20, "it is ready")
        self.served(load, 30)

    def check(self, d, names, load, lost):
        """lost: how many may be, for each kill: those in the process."""
        self.assertLessEqual(len(load.bad), lost * TURNS, load.bad)
        self.assertFalse([b for b in load.bad if "refused" in str(b)], load.bad)
        for name in names:
            self.assertEqual(d.status(name)["state"], "ready", name)
        # and the daemon can still be killed
        before = {name: d.pids(name)[:1] for name in names}
        d.process.kill()
        d.process.wait()
        d.log.close()
        d.run()
        for name, pids in before.items():
            self.assertEqual(d.pids(name)[:1], pids)
        self.assertNotIn("defect", d.daemon_log())

    def test_router(self):
        with trp.Daemon({"h": HELLO}) as d:
            d.ok("start", "h")
            with Load("h", CLIENTS) as load:
                self.kill(d, d.router_pid, load, lambda: d.daemon_log().count("router ready") > 1)
            # those of whom it was reading the first bytes
            self.check(d, ["h"], load, CLIENTS)

    def test_router_and_daemon(self):
        """Those who come before there is a router again find the services that live on."""
        with trp.Daemon({"h": HELLO, "many": HELLO.replace("h.localhost", "${id}.localhost")}) as d:
            d.ok("start", "h", *["many@%d" % i for i in range(40)])
            for i in range(5):
                router = trp.wait_until(d.router_pid, 20, "there is a router")
                os.kill(router, signal.SIGKILL)
                said, end = "router (pid %d) killed" % router, time.monotonic() + 10
                while said not in d.daemon_log() and time.monotonic() < end:
                    pass  # it is started again in a tenth of a second
                d.process.kill()
                d.process.wait()
                d.log.close()
                clients = [request("h") for _ in range(20)]
                d.run()
                self.assertEqual([status_of(c) for c in clients], [200] * 20, "turn %d" % i)

    def test_observer(self):
        with trp.Daemon({"h": HELLO}) as d:
            d.ok("start", "h")
            with Load("h", CLIENTS) as load:
                self.kill(d, lambda: self.process(d, "trp-observer"), load, lambda: True)
            self.check(d, ["h"], load, 0)
            access = os.path.join(d.log_dir, "access.log")
            at = trp.wait_until(lambda: os.path.getsize(access), 10, "there are lines")
            self.assertEqual(web.get(url("h")).status, 200)
            trp.wait_until(lambda: os.path.getsize(access) > at, 20, "its successor writes")

    def test_keeper(self):
        with trp.Daemon({"h": HELLO}) as d:
            d.ok("start", "h")
            with Load("h", CLIENTS) as load:
                self.kill(d, lambda: self.process(d, "trp-keeper"), load, lambda: True)
            self.check(d, ["h"], load, 0)

    def test_inits(self):
        """All in the sandbox end with it; who waits is served by the next instance."""
        profiles = {"h": HELLO, "n": NOTIFY.replace("[route]", "restart-delay = 10ms\n[route]"),
                    "l": LOOPBACK.replace("[route]", "restart-delay = 10ms\n[route]")}
        for name, text in profiles.items():
            with self.subTest(name), trp.Daemon({name: text.replace("[route]", "start-limit-burst = 0\n[route]")}) as d:
                d.ok("start", name)
                with Load(name, CLIENTS) as load:
                    self.kill(d, lambda: d.status(name)["pid"], load,  # pylint: disable=cell-var-from-loop
                              lambda: d.status(name)["state"] == "ready")  # pylint: disable=cell-var-from-loop
                self.check(d, [name], load, CLIENTS)
                d.logged(name, "sup .*killed by signal 9", TURNS)


if __name__ == "__main__":
    unittest.main()
