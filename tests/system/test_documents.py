#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""What the manual says of every verb: exit codes with and without a daemon, a right to ask it, and a service; what is printed with
--json; and that doc/protocol.md names every field of the replies."""
import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import unittest

import trp

# of a service that does not exist, near the name of one that does
UNKNOWN = {"start": (), "stop": (), "restart": (), "reload": (), "enable": (), "freeze": (), "thaw": (), "top": ("-n", "1"), "status": (),
           "cat": (), "score": (), "conns": (), "kick": ("--service",), "learn": ("--show",)}
# with what they need besides
ALL = {"start": ("hello",), "stop": ("hello",), "restart": ("hello",), "reload": ("hello",), "signal": ("hello", "HUP"), "enable": ("hello",),
       "disable": ("hello",), "freeze": ("hello",), "thaw": ("hello",), "exec": ("hello", "true"), "status": ("hello",), "ps": (), "top": ("-n", "1"),
       "timers": (), "logs": ("hello",), "events": (), "routes": (), "explain": ("hello.localhost",), "counters": (), "conns": (),
       "kick": ("192.0.2.1",), "learn": ("--show", "hello"), "info": (), "upgrade": (), "detach": (), "upgrade-router": ()}
ALONE = ("list", "cat", "edit", "check", "score", "daemon", "version", "help")  # these need no daemon


def document(name):
    with open(os.path.join(trp.TOP, "doc", name), encoding="utf-8") as f:
        return f.read()


def sections(text):
    return {m.group(1): m.group(2) for m in re.finditer(r"^#{3,4} ([^\n]*)\n(.*?)(?=^#{2,4} |\Z)", text, re.S | re.M)}


def fields(reply):
    """The names of all members, but of those that are data: protocols, calls, paths."""
    if isinstance(reply, dict):
        for name, value in reply.items():
            yield name
            if name not in ("calls", "forms", "paths"):
                yield from ["protocols"] if name == "protocols" else fields(value)
    elif isinstance(reply, list):
        for value in reply:
            yield from fields(value)


class Documents(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = trp.Daemon({"hello": trp.HELLO % "", "other": trp.HELLO % ""})
        cls.d.start()
        cls.d.ok("start", "hello")

    @classmethod
    def tearDownClass(cls):
        cls.d.stop()

    def test_unknown_names(self):
        for verb, options in UNKNOWN.items():
            with self.subTest(verb):
                done = self.d.trpsup(verb, *options, "helo")
                self.assertEqual((done.returncode, done.stdout), (4, ""), done.stderr)
                self.assertIn("did you mean 'hello'?", done.stderr)
        for verb, code in (("exec", 125), ("signal", 4)):
            done = self.d.trpsup(verb, "helo", "HUP")
            self.assertEqual(done.returncode, code)
            self.assertIn("did you mean 'hello'?", done.stderr)

    def test_not_started(self):
        """It exists: what is down already is stopped."""
        self.assertEqual(self.d.trpsup("status", "other").returncode, 3)
        self.d.ok("stop", "other")
        self.assertEqual(self.d.trpsup("reload", "other").returncode, 1)
        for args in (("signal", "other", "HUP"), ("conns", "other"), ("kick", "--service", "other")):
            done = self.d.trpsup(*args)
            self.assertEqual(done.returncode, 4)
            self.assertIn("other: it has not been started", done.stderr)

    def test_errors_as_json(self):
        for verb, options in UNKNOWN.items():
            if verb not in ("cat", "learn", "score", "top"):  # what these print is their own
                with self.subTest(verb):
                    done = self.d.trpsup("--json", verb, *options, "helo")
                    reply = json.loads(done.stdout)
                    self.assertEqual((done.returncode, done.stderr, reply["error"]), (4, "", "trpsup.NoSuchService"))
                    self.assertEqual(reply["parameters"]["service"], "helo")
        self.d.profile("broken", trp.HELLO.replace("http", "htp") % "")
        try:
            for verb in ("status", "start"):
                done = self.d.trpsup("--json", verb, "broken")
                reply = json.loads(done.stdout)
                self.assertEqual((done.returncode, done.stderr, reply["error"]), (1, "", "trpsup.BadProfile"))
                self.assertIn("did you mean 'http'?", reply["parameters"]["errors"][0])
        finally:
            os.unlink(os.path.join(self.d.profile_dir, "broken.ini"))

    def test_without_a_daemon(self):
        """The manual names those that exit with 3."""
        said = re.search(r"\n\.It 3\n(.*?)\n\.It 4\n", document("trpsup.1"), re.S).group(1)
        said = set(re.findall(r"[a-z]+", " ".join(re.findall(r"^\.Ic (.*)", said.partition("is not ready.")[2], re.M))))
        elsewhere = os.path.join(self.d.dir, "elsewhere.conf")
        with open(self.d.conf, encoding="utf-8") as f, open(elsewhere, "w", encoding="utf-8") as to:
            to.write(f.read().replace("run-dir = ", "run-dir = /nowhere"))
        verbs = set(re.findall(r"^  ([a-z-]+) ", self.d.ok("help").partition("Options:")[0], re.M))
        self.assertEqual(verbs, set(ALL) | set(ALONE))
        for verb, args in ALL.items():
            with self.subTest(verb):
                done = subprocess.run([os.path.join(trp.BUILD, "trpsup"), "-c", elsewhere, verb, *args], capture_output=True, text=True, check=False,
                                      stdin=subprocess.DEVNULL, timeout=60)
                self.assertEqual(done.returncode, 3 if verb in said else 125 if verb == "exec" else 1)
                self.assertIn("trpsup: trpsupd is not running", done.stderr)
                self.assertEqual(done.stdout, "")

    def test_too_many_clients(self):
        """Who is not let in is told so, also if the daemon was quicker to say it than the call to be sent."""
        with contextlib.ExitStack() as clients:
            for _ in range(256):
                clients.enter_context(socket.socket(socket.AF_UNIX)).connect(os.path.join(self.d.run_dir, "control"))
            for args in [("status", "hello"), ("ps",), ("start", "hello"), ("logs", "hello")] * 10:
                done = self.d.trpsup(*args)
                self.assertEqual((done.returncode, done.stdout, done.stderr), (1, "", "trpsup: too many clients\n"))
            done = self.d.trpsup("--json", "ps")
            self.assertEqual(json.loads(done.stdout)["error"], "trpsup.Busy")

    @unittest.skipUnless(shutil.which("setpriv"), "no setpriv (util-linux)")
    def test_without_the_right(self):
        """To whom the daemon does not answer it is not said to be down."""
        self.d.profile("sleeper", "[service]\ncommand = /bin/sleep 1000\n")
        self.d.ok("start", "sleeper")
        shown = os.path.join(self.d.dir, "trpsup")
        shutil.copy(os.path.join(trp.BUILD, "trpsup"), shown)
        mode = os.stat(self.d.dir).st_mode
        os.chmod(self.d.dir, 0o755)
        try:
            for args in (("status", "hello"), ("ps",), ("info",), ("start", "hello"), ("conns",)):
                done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", shown, "-c", self.d.conf, *args],
                                      capture_output=True, text=True, check=False, timeout=60)
                self.assertIn("permission denied", done.stderr)
                self.assertEqual(done.returncode, 1, args)
            done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", shown, "-c", self.d.conf, "score", "sleeper"],
                                  capture_output=True, text=True, check=False, timeout=60)
            self.assertRegex(done.stdout, r"\nsleeper: .*; from the profile alone\n$", done.stderr)  # not: nothing runs
        finally:
            os.chmod(self.d.dir, mode)
            self.d.ok("stop", "sleeper")
            os.unlink(os.path.join(self.d.profile_dir, "sleeper.ini"))

    def test_forbidden_calls(self):
        """So many as doc/security.md says does each process try before it serves."""
        def count(path, *tables):
            text = trp.read(os.path.join(trp.TOP, path)).decode()
            return sum(len(re.findall(r'\{"[^"]+", SYS_', re.search(r"\b%s\[\] = \{(.*?)\};" % t, text, re.S).group(1))) for t in tables)
        rows = {m.group(1): m.group(2) for m in re.finditer(r"(?m)^\| (trp-[a-z]+)[^|]*\|(?:[^|]*\|){3}[^|]*?([a-z-]+) forbidden ones tried", document("security.md"))}
        word = {17: "seventeen", 21: "twenty-one", 22: "twenty-two", 23: "twenty-three", 27: "twenty-seven", 47: "forty-seven", 50: "fifty"}
        never, logs = count("router/confine.c", "never"), count("supervisor/logger/confine.c", "never")
        found = {"trp-router": never + count("router/lockdown.c", "attempts"),
                 "trp-relay": never + count("router/relay/lockdown.c", "attempts", "no_unix", "no_loopback"),
                 "trp-keeper": count("supervisor/keeper/main.c", "tries"), "trp-sdnotify": count("supervisor/sdnotify/main.c", "never"),
                 "trp-logger": logs + count("supervisor/logger/main.c", "attempts"), "trp-logread": logs + count("supervisor/logread/main.c", "attempts")}
        self.assertEqual(rows, {name: word.get(n, n) for name, n in found.items()})

    def test_libraries(self):
        """doc/architecture.md names all that is linked."""
        names = {"ev": "libev", "inih": "inih", "jansson": "jansson", "nghttp2": "nghttp2", "z": "zlib", "cmocka": "cmocka"}
        linked = set(re.findall(r"(?<=\s)-l([a-z0-9]+)", trp.read(os.path.join(trp.TOP, "Makefile")).decode())) - {"c", "pthread"}
        table = document("architecture.md").partition("\n## Libraries\n")[2].partition("\n\n")[0]
        self.assertEqual({names.get(name, "lib" + name) for name in linked} | {"musl", "openssl"}, set(re.findall(r"(?m)^\| ([a-z0-9]+) \|", table)) - {"library"})

    def test_messages(self):
        """doc/protocol.md has each type of message, by its number."""
        text = document("protocol.md")
        for heading, header, prefix in (("## 2. Init", "sandbox/initmsg.h", "TRP_INIT_"), ("## 3. Router control", "router/control.h", "ROUTER_"),
                                        ("### Observer control", "router/live.h", "OBSERVER_")):
            with self.subTest(header):
                table = re.split(r"\n##+ ", text.partition("\n" + heading)[2])[0]
                said = {name: int(number) for number, name in re.findall(r"(?m)^\| (\d+) ([A-Z_]+) \|", table)}
                code = trp.read(os.path.join(trp.TOP, header)).decode()
                self.assertEqual(said, {name: int(number) for name, number in re.findall(r"(?m)^\t%s([A-Z_]+) = (\d+)," % prefix, code)})

    def test_one_version(self):
        """Of all programs of one build, as far as they say it."""
        said = [os.path.join(trp.BUILD, name) for name in ("trpsupd", "trpsup", "trp-router", "trp-relay", "trp-keeper", "trp-logger", "trp-notify")]
        said = {subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.split()[1] for program in said}
        self.assertEqual(said, {json.loads(self.d.trpsup("--json", "info").stdout)["parameters"]["version"]})

    def complete(self, *words):
        """What bash offers for the last of these."""
        line = " ".join("'%s'" % word for word in (os.path.join(trp.BUILD, "trpsup"), "-c", self.d.conf, *words))
        script = ("compopt() { :; }; complete() { :; }; source %s; COMP_WORDS=(%s); COMP_CWORD=%d; _trpsup; printf '%%s\\n' \"${COMPREPLY[@]}\""
                  % (os.path.join(trp.TOP, "etc/completion/trpsup.bash"), line, len(words) + 2))
        return set(subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, timeout=60).stdout.split())

    def test_completion(self):
        """Verbs, their options, and names where the help has NAME."""
        verbs, _, options = self.d.ok("help").partition("Options:")
        every = set(re.findall(r"(?m)^  (?:.*, )?(--?[a-z]+)", options)) | {"-c", "-h"}
        for verb in re.findall(r"(?m)^  ([a-z-]+) ", verbs):
            with self.subTest(verb):
                head, *own = self.d.ok("help", verb).splitlines()
                own = {word for line in own for word in re.findall(r"(?<![a-z])--?[a-z][a-z-]*", line[:27])}
                self.assertEqual(self.complete(verb, "-") - {"-it"}, own | every - {"--version"})
                if re.search(r"NAME", head) and verb != "explain":
                    self.assertIn("hello", self.complete(verb, "he"))
        self.assertEqual(self.complete("-"), every)
        self.assertEqual(self.complete(""), set(re.findall(r"(?m)^  ([a-z-]+) ", verbs)))
        self.assertIn("hello", self.complete("kick", "--service", ""))

    def test_fields(self):
        every = sections(document("protocol.md"))

        def words(*names):
            text = "".join(part for title, part in every.items() for name in names if re.search(r"\b%s\b" % name, title))
            return set(re.findall(r"[a-z_0-9]+", " ".join(re.findall(r"`([^`]*)`", text))))
        for args, names in ((("start", "hello"), ["Start"]), (("status", "hello"), ["Status", "SERVICE", "Kick"]), (("ps",), ["List", "SERVICE", "Kick"]),
                            (("info",), ["Info", "Kick"]), (("routes",), ["Routes"]), (("explain", "hello.localhost"), ["Explain"]),
                            (("counters",), ["Counters", "Kick"]), (("conns",), ["Conns"]), (("score", "hello"), ["Score"]), (("events",), ["Events"]),
                            (("timers",), ["Timers", "SERVICE"]), (("enable", "hello"), ["Enable"]), (("freeze", "hello"), ["Freeze", "Start"]),
                            (("thaw", "hello"), ["Thaw", "Start"]), (("kick", "192.0.2.1"), ["Kick"])):
            with self.subTest(args):
                replies = [json.loads(line) for line in self.d.trpsup("--json", *args).stdout.splitlines()]
                self.assertTrue(replies)
                found = {name for reply in replies for name in fields(reply["parameters"])}
                self.assertEqual(found - words(*names), set())


if __name__ == "__main__":
    unittest.main()
