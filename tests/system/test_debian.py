#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Debian 12 as it is installed: its own kernel (Linux 6.1), with control groups of version 2 and nothing else. In the virtual machine of vm.py, which is
slow: there much comes later than elsewhere, too, such as the answer to a connection."""
import os
import re
import unittest

import trp
import vm

# what a newcomer does, what is said to be inside and outside, and clients all the time while the daemon is killed
TESTS = ["hello", "supervise", "containment", "birth"]
UNDER_LOAD = ("tests/system/test_adopt.py", "test_adopt.Kept.test_under_load")


class Debian(unittest.TestCase):
    def run_there(self, *argv):
        code, text = vm.run("sh", "-c", 'cd "$0" && exec "$@"', trp.TOP, *argv,
                            environment={"TRP_TEST_STATE": "/run/trp-state", "TRP_BUILD": trp.BUILD}, seconds=1500)
        self.assertEqual(code, 0, text)
        return text

    def test_system_tests(self):
        text = self.run_there("tests/system/run", *TESTS)
        passed = re.search(r"(?m)^(\d+) passed, 0 failed, 0 skipped$", text)
        self.assertTrue(passed and int(passed[1]) > 40, text)

    def test_under_load(self):
        text = self.run_there("tests/system/run", "--one", UNDER_LOAD[0], "/run/result.json", UNDER_LOAD[1])
        self.assertIn("ok    %s " % UNDER_LOAD[1], text)


if __name__ == "__main__":
    unittest.main()
