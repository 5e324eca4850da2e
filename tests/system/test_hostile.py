#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""A tenant that attacks (tests/progs/hostile): every attack is refused, as its table says; and each succeeds when the controls are left
out that the table says refuse it (make weak, sandbox/weaken.h), and is refused by each of them alone."""
import collections
import os
import re
import unittest

import hostile
import trp

ALL = hostile.attacks()
# What refuses these is a key of the profile, which is off by default.
BY_KEY = {"proc-host": "proc = pid", **dict.fromkeys(("write-execute", "write-execute-memfd", "write-execute-shm", "write-execute-mem"),
                                                     "memory-deny-write-execute = yes")}
# These need a hand of the test's: a reload, a restart, those keys.
BY_HAND = {"take-closed-port", "planted-link", *BY_KEY}
WANTED = 60  # proven attacks


class Refused(unittest.TestCase):
    """By the real build."""

    def setUp(self):
        self.host = hostile.Host()
        self.addCleanup(self.host.close.close)

    def judge(self, adapter):
        chosen = [a for a in ALL.values() if a.name not in BY_HAND]
        with self.host.daemon() as d:
            tenant = hostile.Tenant(self.host, d, "tenant", adapter=adapter).start()
            results = tenant.run(chosen)
            tenant.stop()
        self.assertEqual(sorted(results), sorted(a.name for a in chosen))
        wrong = {name: "%s %s, expected %s" % (*got, ALL[name].expected) for name, got in results.items()
                 if not (got[0] == "refused" and got[1] in ALL[name].expected.split()) and
                 not (got[0] == "absent" and name in hostile.NOT_PROVEN)}
        self.assertEqual(wrong, {})

    def test_native(self):
        self.judge("native")

    def test_preload(self):
        self.judge("preload")

    def test_notify(self):
        """The same where a process outside of the sandbox makes its calls for it."""
        self.judge("notify")

    def test_no_switch_in_what_is_installed(self):
        for name in ("trpsupd", "trp-init"):
            self.assertNotIn(b"TRP_WEAKEN", trp.read(os.path.join(trp.BUILD, name)), name)
            self.assertIn(b"TRP_WEAKEN", trp.read(os.path.join(trp.BUILD, "weak", name)), name)


class Manual(unittest.TestCase):
    def test_table_of_controls(self):
        """doc/security.md names for each control the attacks that it refuses."""
        text = trp.read(os.path.join(trp.TOP, "doc/security.md")).decode()
        rows = re.findall(r"^\| `([a-z-]+)` \|[^|]*\|([^|]*)\|$", text.split("### The attack suite")[1].split("\n### ")[0], re.M)
        self.assertEqual({control: set(re.findall("`([^`]+)`", names)) for control, names in rows},
                         {c: {a.name for a in ALL.values() if c in a.controls} for a in ALL.values() for c in a.controls})


class ByHand(unittest.TestCase):
    """What needs the test's hand between: first by the real build, then without the control."""

    def setUp(self):
        self.host = hostile.Host()
        self.addCleanup(self.host.close.close)

    def closed_port(self, weak):
        """The listener that the client came from is closed while the attacker waits, and its port is the only one that listen() can take."""
        attack = ALL["take-closed-port"]
        with self.host.daemon(weak) as d:
            d.listeners += "[listener other]\nport = 81\nprotocols = http\n"
            tenant = hostile.Tenant(self.host, d, "tenant").start()

            ports = "/proc/sys/net/ipv4/ip_local_port_range"

            def listening(_, port):
                if port:
                    self.host.net.write(ports, "'32768 60999'")  # the clients want ports, too
                    self.host.knock(port)
                    return
                d.listeners = d.listeners[d.listeners.index("[listener tls]"):]  # http was the first
                d.write_conf()
                d.ok("reload")
                self.host.net.write(ports, "'%d %d'" % (trp.HTTP_PORT, trp.HTTP_PORT))
                open(os.path.join(tenant.state, "closed"), "w").close()
            tenant.listening = listening
            got = tenant.run([attack], closed="/trp/state/closed")[attack.name]
            tenant.stop()
        return got

    def test_take_closed_port(self):
        self.assertEqual(self.closed_port(None), ("refused", ALL["take-closed-port"].expected))

    def test_take_closed_port_without(self):
        got = self.closed_port(ALL["take-closed-port"].controls)
        self.assertEqual(got[0], "SUCCEEDED", got)

    def planted_link(self, weak):
        """A directory of its state that the supervisor mounts at the next start has become a link to a directory of the host's."""
        attack = ALL["planted-link"]
        with self.host.daemon(None if weak is None else weak & hostile.OF_DAEMON) as d:
            tenant = hostile.Tenant(self.host, d, "tenant", weak=(weak or set()) - hostile.OF_DAEMON).start()
            self.assertEqual(tenant.run([attack], plant="/trp/state/planted")[attack.name], ("absent", "planted a link"))
            tenant.stop()
            got = d.trpsup("start", "tenant")
            if got.returncode:
                return "not started", got.stderr + got.stdout
            tenant.start()
            got = tenant.run([attack], planted="/var/planted/canary")[attack.name]
            tenant.stop()
        return got

    def test_planted_link(self):
        got = self.planted_link(None)
        self.assertEqual(got[0], ALL["planted-link"].expected)
        self.assertIn("state/tenant/planted: Not a directory", got[1])

    def test_planted_link_without(self):
        controls = ALL["planted-link"].controls
        self.assertEqual(self.planted_link(controls)[0], "SUCCEEDED")
        for one in controls:
            self.assertEqual(self.planted_link(controls - {one})[0], "not started", one)


class ByKey(unittest.TestCase):
    """Without its key each of them succeeds; with it, it is refused, and by nothing but the control that the key is about."""

    def test_keys(self):
        host = hostile.Host()
        self.addCleanup(host.close.close)
        chosen = [ALL[name] for name in BY_KEY]
        verdicts = {}
        with_keys = "\n".join(dict.fromkeys(BY_KEY.values()))
        for what, weak, keys in (("without keys", None, ""), ("refused", None, with_keys),
                                 ("left out", {c for a in chosen for c in a.controls}, with_keys)):
            with host.daemon(None if weak is None else set()) as d:
                tenant = hostile.Tenant(host, d, "tenant", weak=weak or (), keys=keys).start()
                verdicts[what] = tenant.run(chosen)
                tenant.stop()
        for a in chosen:
            self.assertEqual(verdicts["without keys"][a.name][0], "SUCCEEDED", a.name)
            self.assertEqual(verdicts["refused"][a.name], ("refused", a.expected))
            self.assertEqual(verdicts["left out"][a.name][0], "SUCCEEDED", a.name)


def proofs():
    """{(controls of the daemon that are left out, of the service): [(attack, must it succeed)]}. All of its controls: it succeeds; all
    but one: that one refuses it."""
    runs = collections.defaultdict(list)
    for a in ALL.values():
        if a.name in hostile.NOT_PROVEN or a.name in BY_HAND:
            continue
        sets = [(a.controls, True)]
        if len(a.controls) > 1:
            sets += [(a.controls - {c}, False) for c in a.controls]
        for out, succeeds in sets:
            runs[out & hostile.OF_DAEMON, out - hostile.OF_DAEMON].append((a, succeeds))
    return runs


class Proven(unittest.TestCase):
    """By the build whose controls can be left out."""

    def setUp(self):
        self.host = hostile.Host()
        self.addCleanup(self.host.close.close)

    def test_each_control(self):
        runs, wrong, proven = proofs(), [], set()
        for of_daemon in sorted({d for d, _ in runs}, key=sorted):
            with self.host.daemon(of_daemon) as d:
                for n, (of_service, tries) in enumerate((s, t) for (o, s), t in runs.items() if o == of_daemon):
                    name = "tenant%d" % n
                    tenant = hostile.Tenant(self.host, d, name, weak=of_service).start()
                    results = tenant.run([a for a, _ in tries])
                    tenant.stop()
                    for a, succeeds in tries:
                        got = results[a.name]
                        if got[0] != ("SUCCEEDED" if succeeds else "refused"):
                            wrong.append("%s without %s: %s %s" % (a.name, sorted(of_daemon | of_service), *got))
                        elif succeeds:
                            proven.add(a.name)
        self.assertEqual(wrong, [], "\n" + "\n".join(wrong))
        self.assertGreaterEqual(len(proven), WANTED)


if __name__ == "__main__":
    unittest.main()
