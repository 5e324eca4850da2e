#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""The certificate that trp-self-signed makes: left alone while it is good, made anew when it is not, whatever the clock showed or broke off as it was made."""
import os
import shutil
import subprocess
import tempfile
import unittest

import trp

SCRIPT = os.path.join(trp.TOP, "sandbox/helpers/trp-self-signed")
CA = """[ca]
default_ca = d
[d]
database = %(dir)s/index.txt
new_certs_dir = %(dir)s
serial = %(dir)s/serial
default_md = sha256
policy = p
[p]
commonName = supplied
"""
# as when power fails between the two names
BROKEN_MV = "#!/bin/sh\n[ \"$2\" != cert.pem ] || exit 1\nexec /bin/mv \"$@\"\n"


def openssl(*args):
    return subprocess.run(["openssl", *args], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE).stdout


class SelfSigned(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="trpsup-test-self-signed-")
        self.addCleanup(shutil.rmtree, self.dir)
        self.tls = os.path.join(self.dir, "tls")
        self.cert, self.key = os.path.join(self.tls, "cert.pem"), os.path.join(self.tls, "key.pem")

    def make(self, hosts="a.example b.example", path=None, ok=True):
        done = subprocess.run([SCRIPT, self.tls], env={"SITE_HOSTS": hosts, "PATH": path or os.environ["PATH"]}, check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(done.returncode == 0, ok, done.stdout)
        if ok:
            self.assertEqual(openssl("x509", "-in", self.cert, "-noout", "-pubkey"), openssl("pkey", "-in", self.key, "-pubout"))
        return trp.read(self.cert)

    def test_as_long_as_it_is_good(self):
        first = self.make()
        self.assertEqual(self.make(), first)
        other = self.make("c.example")
        self.assertNotEqual(other, first)
        os.unlink(os.path.join(self.tls, "self-signed"))  # the administrator's own
        self.assertEqual(self.make(), other)

    def sign(self, start, end):
        """Another with the same key, of other days."""
        conf = os.path.join(self.dir, "ca.conf")
        with open(conf, "w") as f:
            f.write(CA % {"dir": self.dir})
        for name, text in (("index.txt", ""), ("serial", "01\n")):
            with open(os.path.join(self.dir, name), "w") as f:
                f.write(text)
        request = os.path.join(self.dir, "request")
        openssl("req", "-new", "-key", self.key, "-subj", "/CN=a.example", "-out", request)
        openssl("ca", "-batch", "-config", conf, "-selfsign", "-keyfile", self.key, "-in", request, "-notext", "-startdate", start,
                "-enddate", end, "-out", self.cert)
        return trp.read(self.cert)

    def test_of_another_time(self):
        """The clock was wrong when it was made."""
        self.make()
        good = self.sign("20200101000000Z", "20990101000000Z")
        self.assertEqual(self.make(), good)
        for start, end in (("20980101000000Z", "20990101000000Z"), ("19700101000000Z", "19720101000000Z")):
            other = self.sign(start, end)
            self.assertNotEqual(self.make(), other, start)

    def test_broken_off(self):
        """Never the key of one and the certificate of another."""
        self.make()
        tools = os.path.join(self.dir, "tools")
        os.mkdir(tools)
        with open(os.path.join(tools, "mv"), "w") as f:
            f.write(BROKEN_MV)
        os.chmod(os.path.join(tools, "mv"), 0o755)
        self.make("c.example", path=tools + ":" + os.environ["PATH"], ok=False)
        self.make()
