#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Who gets whom, and what became of them: trpsup routes, explain and counters against what clients really get."""
import json
import os
import signal
import unittest

import trp
import web

WILD = """[service]
command = ${libexec}/trp-hello 8000
adapter = native
[route]
host = *.wild.localhost
http = 8000
[sandbox]
root = none
"""
DEFAULT = WILD.replace("host = *.wild.localhost", "host = other.localhost\ndefault = yes")

LITERAL = WILD.replace("*.wild.localhost", "[2001:db8::1]")


def status(name):
    return web.get("http://127.0.0.1:%d/" % trp.HTTP_PORT, headers={"Host": name}).status


class Explain(trp.DaemonTest):
    profiles = {"wild": WILD, "default": DEFAULT, "literal": LITERAL}

    def decision(self, name, protocol="http", listener="http"):
        got = self.d.call("trpsup.Explain", name=name, listener=listener, protocol=protocol)["decisions"]
        self.assertEqual(len(got), 1)
        return got[0]

    def clients(self, service):
        return [s["clients"] for s in self.d.call("trpsup.Counters")["services"] if s["service"] == service][0]

    def counted(self, service, verdict, n):
        """A client may have its answer before the router has counted it."""
        trp.wait_until(lambda: self.clients(service)[verdict] >= n, 5, "%d %s of %s" % (n, verdict, service))

    def test_routes_have_their_line_in_the_profile(self):
        self.d.ok("start", "wild", "default")
        rows = {(r["host"], r["listener"]): r for r in self.d.call("trpsup.Routes")["routes"]
                if r["service"] in ("wild", "default")}
        self.assertEqual(set(rows), {("*.wild.localhost", "http"), ("other.localhost", "http"), ("*", "http")})
        wild = rows["*.wild.localhost", "http"]
        self.assertEqual((wild["service"], wild["state"], wild["up"], wild["wildcard"], wild["protocol"]),
                         ("wild", "ready", True, True, "http"))
        for (host, _), word in (((("*.wild.localhost", "")), "host ="), (("*", ""), "default =")):
            row = rows[host, "http"]
            with open(row["file"]) as f:
                self.assertTrue(f.read().splitlines()[row["line"] - 1].startswith(word), row)
        out = self.d.ok("routes")
        self.assertIn("wild.ini:5", out)
        # also with "more", where it comes in pieces
        self.assertEqual([json.loads(line)["parameters"]["routes"] for line in
                          self.d.ok("--json", "routes").splitlines()], [self.d.call("trpsup.Routes")["routes"]])

    def test_explanation_is_what_clients_get(self):
        self.d.ok("start", "hello", "wild", "literal")
        for name, match, route, service in (
                ("hello.localhost", "exact", "hello.localhost", "hello"),
                ("a.b.wild.localhost", "wildcard", "*.wild.localhost", "wild"),
                ("[2001:DB8:0::1]", "exact", "[2001:db8::1]", "literal"),
                ("[::1]", "none", "", None),
                ("nobody.localhost", "none", "", None)):
            got = self.decision(name)
            self.assertEqual((got["match"], got["route"], got["service"]), (match, route, service))
            self.assertEqual(got["verdict"], "handed_on" if service else "no_route")
            self.assertEqual(status(name), got["told"] or 200)
        self.d.ok("start", "default")
        got = self.decision("nobody.localhost")
        self.assertEqual((got["match"], got["service"], got["verdict"]), ("default", "default", "handed_on"))
        self.assertEqual(status("nobody.localhost"), 200)

    def test_refusals_are_explained(self):
        self.d.ok("start", "hello")
        got = self.decision("nobody.localhost", "tls", "tls")
        self.assertEqual((got["verdict"], got["told"]), ("no_route", 112))
        got = self.decision("hello.localhost", "tls", "http")
        self.assertEqual(got["verdict"], "wrong_protocol")
        done = self.d.trpsup("explain", "nobody.localhost")
        self.assertEqual(done.returncode, 1)
        self.assertIn("nobody has that name", done.stdout)
        self.assertIn("HTTP status 404", done.stdout)
        self.assertIn("TLS alert 112", done.stdout)
        out = self.d.ok("explain", "HELLO.localhost.", "--listener", "http")
        self.assertIn("exact name", out)
        for args, said in ((("explain", "no such name"), "name: 'no such name' is not a host name"),
                           (("explain", "http://x/"), "name: 'http://x/' is not a host name"),
                           (("explain", "[::1"), "name: '\\[::1' is not a host name"),
                           (("explain", "*.wild.localhost"), "name: '\\*.wild.localhost' is not a host name"),
                           (("explain", "hello.localhost", "--listener", "nix"), "listener: 'nix' is not a listener"),
                           (("explain", "hello.localhost", "--protocol", "https"), "protocol: 'https' is not a protocol"),
                           (("kick", "999.1.1.1"), "client: '999.1.1.1' is not an address"),
                           (("start", "hello.service"), "there is no profile hello.service.ini in .*; did you mean 'hello'")):
            done = self.d.trpsup(*args)
            self.assertNotEqual(done.returncode, 0, args)
            self.assertRegex(done.stderr, said)

    def test_a_service_that_is_down(self):
        self.d.ok("start", "hello")
        self.d.ok("stop", "hello")
        before = self.clients("hello")
        got = self.decision("hello.localhost")
        self.assertEqual(got["told"], status("hello.localhost"))
        self.assertIn(got["verdict"], ("no_service", "no_route"))
        self.counted("hello", "no_service", before["no_service"] + (got["verdict"] == "no_service"))

    def test_counters_of_services_and_listeners(self):
        self.d.ok("start", "hello", "wild")
        before = self.clients("hello"), self.clients("wild"), self.clients(None)
        listeners = self.d.call("trpsup.Counters")["listeners"][0]["protocols"]["http"]
        for _ in range(3):
            status("hello.localhost")
        status("a.wild.localhost")
        status("nobody.localhost")
        self.counted("hello", "handed_on", before[0]["handed_on"] + 3)
        self.counted("wild", "handed_on", before[1]["handed_on"] + 1)
        self.counted(None, "no_route", before[2]["no_route"] + 1)
        after = self.clients("hello"), self.clients("wild"), self.clients(None)
        self.assertEqual([a["handed_on"] - b["handed_on"] for a, b in zip(after, before)], [3, 1, 0])
        self.assertEqual(after[2]["no_route"] - before[2]["no_route"], 1)
        now = self.d.call("trpsup.Counters")["listeners"][0]["protocols"]["http"]
        self.assertEqual(now["handed_on"] - listeners["handed_on"], 4)
        self.assertEqual(now["no_route"] - listeners["no_route"], 1)
        self.assertEqual(self.d.status("hello")["clients"], after[0])
        self.assertIn("handed_on %d" % after[0]["handed_on"], self.d.ok("status", "hello"))
        self.assertIn("handed_on %d" % after[0]["handed_on"], self.d.ok("counters"))

    def test_counters_outlive_a_router(self):
        self.d.ok("start", "hello")
        status("hello.localhost")
        before, pid = self.clients("hello")["handed_on"], self.d.router_pid()
        self.assertGreater(before, 0)
        os.kill(pid, signal.SIGKILL)
        trp.wait_until(lambda: self.d.router_pid() not in (0, pid), 10, "a new router")
        trp.wait_until(lambda: status("hello.localhost") == 200, 10, "it routes")
        self.counted("hello", "handed_on", before + 1)


if __name__ == "__main__":
    unittest.main()
