#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""libtrp: the manual's example as a service, and what make install gives to somebody who writes such a server."""
import os
import subprocess
import tempfile
import unittest

import trp
import web

PROFILE = """[service]
command = /opt/progs/native-example
adapter = native
[route]
host = example.localhost
http = 8080
[sandbox]
root = host
state = no
bind = %s /opt/progs
"""


class Native(unittest.TestCase):
    def test_example(self):
        with trp.Daemon({"example": PROFILE % os.path.join(trp.BUILD, "tests/progs")}) as d:
            d.ok("start", "example")
            self.assertEqual(d.status("example")["adapter"], "native")
            for address in ("127.0.0.1", "::1"):
                self.assertEqual(web.get("http://Example.localhost:%d/" % trp.HTTP_PORT, address).text,
                                 "you are %s, you asked for example.localhost\n" % address)

    def test_installed_library(self):
        with tempfile.TemporaryDirectory(prefix="trpsup-test-install-") as top:
            make = ["make", "-s", "-C", trp.TOP, "O=" + trp.BUILD, "install", "PREFIX=/usr", "DESTDIR=" + top]
            environment = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
            subprocess.run(make, check=True, capture_output=True, env=environment, timeout=300)
            environment["PKG_CONFIG_PATH"] = os.path.join(top, "usr/lib/pkgconfig")
            environment["PKG_CONFIG_SYSROOT_DIR"] = top
            environment["PKG_CONFIG_ALLOW_SYSTEM_CFLAGS"] = environment["PKG_CONFIG_ALLOW_SYSTEM_LIBS"] = "1"
            flags = subprocess.run(["pkg-config", "--cflags", "--libs", "libtrp"], check=True, capture_output=True,
                                   text=True, env=environment).stdout.split()
            program = os.path.join(top, "example")
            subprocess.run(["cc", "-o", program, os.path.join(trp.TOP, "doc/native-example.c"), *flags], check=True)
            # outside of a sandbox it says so, and does not hang
            done = subprocess.run([program], capture_output=True, text=True, timeout=10, check=False)
            self.assertEqual((done.returncode, done.stderr), (1, "trp_listen: Connection refused\n"))
            for file in ("usr/bin/trpsup", "usr/sbin/trpsupd", "usr/lib/trpsup/trp-init", "usr/lib/trpsup/trp-router",
                         "usr/lib/trpsup/preload.so", "usr/share/trpsup/profiles/wordpress.ini",
                         "usr/share/trpsup/profiles/wordpress/setup", "usr/share/man/man3/libtrp.3",
                         "etc/trpsup/trpsup.conf", "usr/lib/systemd/system/trpsup.service"):
                self.assertTrue(os.path.exists(os.path.join(top, file)), file)
            # nothing of a build tree is left in what runs from there
            version = subprocess.run([os.path.join(top, "usr/bin/trpsup"), "--version"], capture_output=True, text=True,
                                     check=True).stdout
            self.assertRegex(version, r"^trpsup \S+")


if __name__ == "__main__":
    unittest.main()
