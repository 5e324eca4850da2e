#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""trpsup cat and edit: a profile as it counts; and a change of it that is checked before it takes its place."""
import json
import os
import subprocess
import unittest

import trp

WEB = """[service]
command = /bin/sleep "1000"
restart = always
[route]
host = one.test
	two.test
http = 80
[environment]
PRICE = 5 $$
DIR = ${state}
"""


class Edit(trp.DaemonTest):
    def setUp(self):
        for f in os.listdir(self.d.profile_dir):
            subprocess.run(["rm", "-r", os.path.join(self.d.profile_dir, f)], check=True)
        self.d.profile("web", WEB)
        self.file = os.path.join(self.d.profile_dir, "web.ini")

    def edit(self, name, script, *args):
        """With an editor that is this shell script; $1 is the file."""
        editor = os.path.join(self.d.dir, "editor")
        with open(editor, "w") as f:
            f.write("#!/bin/sh\n" + script)
        os.chmod(editor, 0o755)
        env = dict(os.environ, EDITOR=editor, TMPDIR=self.d.dir)
        env.pop("VISUAL", None)
        done = subprocess.run([os.path.join(trp.BUILD, "trpsup"), "-c", self.d.conf, *args, "edit", name], env=env,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, start_new_session=True, check=False)
        return done

    def left(self):
        return [f for f in os.listdir(self.d.dir) if f.startswith("trpsup-edit")]

    def text(self):
        with open(self.file) as f:
            return f.read()

    def test_cat(self):
        dropin = os.path.join(self.d.profile_dir, "web.ini.d")
        os.mkdir(dropin)
        with open(os.path.join(dropin, "more.ini"), "w") as f:
            f.write("[service]\nrestart = no\n[route]\nhost = three.test\n")
        values = {v["key"]: v for v in json.loads(self.d.ok("--json", "cat", "web"))["values"]}
        self.assertEqual(values["command"]["value"], "/bin/sleep 1000")
        self.assertEqual((values["restart"]["value"], values["restart"]["file"], values["restart"]["line"]),
                         ("no", os.path.join(dropin, "more.ini"), 2))
        self.assertEqual(values["host"]["value"], "one.test\ntwo.test\nthree.test")
        self.assertEqual((values["http"]["file"], values["http"]["line"]), (self.file, 7))
        self.assertEqual(values["PRICE"]["value"], "5 $")
        self.assertEqual(values["DIR"]["value"], "/trp/state")
        self.assertNotIn("stop-signal", values)
        every = {v["key"]: v for v in json.loads(self.d.ok("--json", "cat", "--all", "web"))["values"]}
        self.assertEqual((every["stop-signal"]["value"], every["stop-signal"]["file"]), ("TERM", None))
        # what it prints is a profile that says the same
        text = self.d.ok("cat", "web")
        self.assertIn("; %s:7\nhttp = 80\n" % self.file, text)
        subprocess.run(["rm", "-r", dropin], check=True)
        self.d.profile("again", text.replace(".test", ".again"))
        again = {v["key"]: v["value"] for v in json.loads(self.d.ok("--json", "cat", "again"))["values"]}
        self.assertEqual(again, {k: v["value"].replace(".test", ".again") for k, v in values.items()})
        self.assertEqual(self.d.trpsup("cat", "nobody").returncode, 4)

    def test_every_shipped_profile_is_what_cat_prints_of_it(self):
        names = [n for n in self.d.ok("list", "--names").split() if "@" not in n and n != "web"]
        self.assertGreater(len(names), 5)
        for name in names:
            with self.subTest(name=name):
                first = json.loads(self.d.ok("--json", "cat", name))["values"]
                text = self.d.ok("cat", name)
                own, files = os.path.join(self.d.profile_dir, name), os.path.join(self.d.shipped_dir, name)
                self.d.profile(name, text)  # hides the shipped one
                if os.path.isdir(files):
                    os.symlink(files, own)
                second = json.loads(self.d.ok("--json", "cat", name))["values"]
                self.assertEqual([(v["section"], v["key"], v["value"]) for v in second],
                                 [(v["section"], v["key"], v["value"]) for v in first])
                self.assertEqual({v["file"] for v in second}, {own + ".ini"})

    def test_edit(self):
        done = self.edit("web", "sed -i 's/two.test/new.test/; s/1000/2000/' \"$1\"")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout, "%s is changed\nhost: in force after 'trpsup reload', where it runs\n"
                         "command: in force after 'trpsup restart web'\n" % self.file)
        self.assertEqual(self.text(), WEB.replace("two.test", "new.test").replace("1000", "2000"))
        self.assertEqual(self.left(), [])
        self.assertEqual(self.edit("web", ":").stdout, "nothing is changed\n")
        done = self.edit("web", "echo '; a comment' >> \"$1\"", "--json")
        self.assertEqual(json.loads(done.stdout), {"file": self.file, "changed": True, "live": [], "restart": []})

    def test_a_mistake_changes_nothing(self):
        done = self.edit("web", "sed -i 's/^restart/restrat/' \"$1\"")
        self.assertEqual(done.returncode, 1)
        self.assertIn("%s:3: restrat: " % self.file, done.stderr)  # by the name of the profile, not of the copy
        self.assertIn("did you mean 'restart'?", done.stderr)
        self.assertEqual((self.text(), self.left()), (WEB, []))
        self.assertEqual(self.edit("web", "exit 1").returncode, 1)
        self.assertEqual((self.text(), self.left()), (WEB, []))
        # one that has a mistake can be edited all the same
        self.d.profile("web", WEB.replace("restart", "restrat"))
        done = self.edit("web", "sed -i 's/^restrat/restart/' \"$1\"")
        self.assertEqual((done.returncode, self.text()), (0, WEB))

    def test_interrupt_is_the_editors(self):
        """What is typed there means what it means to the editor: ed(1) gives up a command, and goes on."""
        done = self.edit("web", "trap : INT QUIT; kill -INT 0; kill -QUIT 0; sed -i 's/1000/2000/' \"$1\"")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual((self.text(), self.left()), (WEB.replace("1000", "2000"), []))
        # and the editor has it as it would have it from a shell
        done = self.edit("web", "kill -INT 0; sleep 100; echo '; more' >> \"$1\"")
        self.assertEqual(done.returncode, 1)
        self.assertIn("the editor failed; nothing is changed", done.stderr)
        self.assertEqual((self.text(), self.left()), (WEB.replace("1000", "2000"), []))

    def test_what_the_editor_leaves(self):
        """Backups, and what is not only files."""
        before = self.left()
        done = self.edit("web", "cp \"$1\" \"$1~\"; mkdir \"$(dirname \"$1\")/.undo\"; echo '; more' >> \"$1\"")
        self.assertEqual((done.returncode, self.text(), self.left()), (0, WEB + "; more\n", before))
        # one that failed may have left what its work can be recovered from
        self.assertEqual(self.edit("web", "echo work > \"$(dirname \"$1\")/.web.ini.swp\"; kill -KILL $$").returncode, 1)
        found, = set(self.left()) - set(before)
        self.assertEqual(os.listdir(os.path.join(self.d.dir, found)), [".web.ini.swp"])

    def test_somebody_else_was_quicker(self):
        done = self.edit("web", "echo '; mine' >> \"$1\"; echo '; other' >> %s" % self.file)
        self.assertEqual(done.returncode, 1)
        self.assertIn("was changed by somebody else", done.stderr)
        self.assertEqual(self.text(), WEB + "; other\n")
        kept = done.stderr.strip().rsplit(" ", 1)[1]
        with open(kept) as f:
            self.assertEqual(f.read(), WEB + "; mine\n")

    def test_a_shipped_one_gets_a_dropin(self):
        directory = os.path.join(self.d.profile_dir, "hello.ini.d")
        self.assertEqual(self.edit("hello", ":").stdout, "nothing is changed\n")
        self.assertFalse(os.path.exists(directory))
        done = self.edit("hello", "printf '[limits]\\nmemory = 77M\\n' >> \"$1\"")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("memory: in force after 'trpsup reload'", done.stdout)
        values = {v["key"]: v for v in json.loads(self.d.ok("--json", "cat", "hello"))["values"]}
        self.assertEqual((values["memory"]["value"], values["memory"]["file"]), ("77M", os.path.join(directory, "override.ini")))

    def test_two_at_a_time(self):
        """Who changes nothing takes nothing away that somebody else has written meanwhile."""
        other = os.path.join(self.d.dir, "other-editor")
        with open(other, "w") as f:
            f.write("#!/bin/sh\nprintf '[limits]\\nmemory = 78M\\n' >> \"$1\"\n")
        os.chmod(other, 0o755)
        done = self.edit("hello", "EDITOR=%s %s -c %s edit hello" % (other, os.path.join(trp.BUILD, "trpsup"), self.d.conf))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("memory: in force", done.stdout)
        self.assertTrue(done.stdout.endswith("nothing is changed\n"), done.stdout)
        with open(os.path.join(self.d.profile_dir, "hello.ini.d", "override.ini")) as f:
            self.assertIn("memory = 78M", f.read())

    def test_a_link_stays_one(self):
        real = os.path.join(self.d.dir, "elsewhere.ini")
        os.rename(self.file, real)
        os.symlink(real, self.file)
        done = self.edit("web", "echo '; more' >> \"$1\"")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(os.path.islink(self.file))
        self.assertEqual(self.text(), WEB + "; more\n")
        os.unlink(real)


if __name__ == "__main__":
    unittest.main()
