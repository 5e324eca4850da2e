#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Environment files: read at each start, merged with the profile's, refused where somebody else could have written them."""
import os
import unittest

import trp

PROFILE = """[service]
command = /bin/sh -c "echo \\"started $$A,$$B,$$C\\"; exec sleep 1000"
ready = started
environment-file = %s
[environment]
A = profile
B = profile
[sandbox]
root = host
"""


class Environment(trp.DaemonTest):
    def setUp(self):
        self.files = os.path.join(self.d.dir, "env")
        os.makedirs(self.files, exist_ok=True)

    def file(self, name, text, mode=0o600):
        path = os.path.join(self.files, name)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    def fails(self, *words):
        done = self.d.trpsup("start", "web")
        self.assertEqual(done.returncode, 1)
        for word in words:
            self.assertIn(word, done.stdout + done.stderr)
        self.assertEqual(self.d.status("web")["state"], "failed")

    def test_merged_and_read_at_each_start(self):
        one, two = self.file("one", "A=one\nB='one'\n"), self.file("two", '# x\nB="two \\\nmore"\nC=$A\n')
        self.d.profile("web", PROFILE % ("%s %s -%s/none" % (one, two, self.files)))
        self.d.ok("start", "web")
        self.d.logged("web", r"started one,two more,\$A$")
        # a command that is run inside later has the same
        self.assertEqual(self.d.ok("exec", "web", "/bin/sh", "-c", "echo $A,$C"), "one,$A\n")
        self.file("two", "B=changed\n")
        self.d.ok("restart", "web")
        self.d.logged("web", "started one,changed,$")
        # also after a failure, without anybody's word
        self.file("one", "A=third\n")
        os.kill(self.d.main_pid("web"), 9)
        self.d.logged("web", "started third,changed,$")

    def test_mistakes_by_file_and_line(self):
        one = self.file("one", "A=1\nB\n1=2\n")
        self.d.profile("web", PROFILE % one)
        self.fails(one + ":2: expected NAME=VALUE")
        self.d.logged("web", one + ":3: 1: not a name")
        done = self.d.trpsup("check", "web")
        self.assertEqual(done.returncode, 1)
        self.assertIn(one + ":2: expected NAME=VALUE", done.stdout + done.stderr)

    def test_missing(self):
        self.d.profile("web", PROFILE % os.path.join(self.files, "none"))
        self.fails("web.ini:4: environment-file: %s/none: No such file" % self.files)

    def test_of_others(self):
        one = self.file("one", "A=1\n", mode=0o666)
        self.d.profile("web", PROFILE % one)
        self.fails("one: others than root can write to it")
        self.file("one", "A=1\n")
        os.chmod(self.files, 0o777)
        self.fails("env: others than root can write to it")
        os.chmod(self.files, 0o755)
        os.chown(one, 1, 0)
        self.fails("one: belongs to another user")
        os.chown(one, 0, 0)
        self.d.ok("start", "web")
        self.d.logged("web", "started 1,profile,$")


if __name__ == "__main__":
    unittest.main()
