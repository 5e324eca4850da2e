#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""io-read, io-write, io-weight and locked-memory: held by the kernel, seen by trpsup score, refused where they cannot be."""
import contextlib
import glob
import os
import re
import resource
import subprocess
import time
import unittest

import trp

MIB = 1 << 20
PROFILE = """[service]
command = /opt/progs/exhaust %s
ready = started
restart = no
stop-timeout = 500ms
[sandbox]
root = host
bind = %s /opt/progs
%s
[limits]
%s
"""
V1 = "/sys/fs/cgroup/blkio"
LIMIT_LINE = 11
WRITTEN = 6 * MIB


def has_controller():
    with contextlib.suppress(OSError):
        if "io" in trp.read("/sys/fs/cgroup/cgroup.controllers").decode().split():
            return True
    return os.path.isdir(V1)


class DiskLimits(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = trp.Daemon({})
        cls.progs = os.path.join(cls.d.dir, "progs")
        os.mkdir(cls.progs)
        subprocess.run(["cp", os.path.join(trp.BUILD, "tests/progs/exhaust"), cls.progs], check=True)
        cls.d.start()

    @classmethod
    def tearDownClass(cls):
        cls.d.stop()

    def start(self, service, attack, *limits, sandbox=""):
        self.d.profile(service, PROFILE % (attack, self.progs, sandbox, "\n".join(limits)))
        self.addCleanup(self.d.trpsup, "stop", service)
        return self.d.trpsup("start", service)

    def started(self, *args, **options):
        done = self.start(*args, **options)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr + self.d.daemon_log()[-1000:])

    def refused(self, pattern, *args):
        done = self.start(*args)
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stdout + done.stderr, pattern)

    def assert_held(self, service, *limits):
        """However slow this machine is, no faster than a MiB in a second."""
        if not has_controller():
            self.refused(r"%s\.ini:\d+: io-write: this host has no io or blkio controller" % service, service, "direct", *limits)
            return
        path = os.path.join(self.d.state_dir, "state", service, "direct")
        began = time.monotonic()
        self.started(service, "direct", *limits)
        trp.wait_until(lambda: os.path.exists(path) and os.path.getsize(path) >= WRITTEN, 120, "it has written %d bytes" % WRITTEN)
        # its first blocks are free: those of a slice of the kernel's, and the one that is under way
        self.assertGreater(time.monotonic() - began, WRITTEN / MIB - 2)

    def test_rate(self):
        self.assert_held("rate", "io-write = 1M")

    @unittest.skipUnless(os.path.exists("/dev/loop-control"), "this host has no loop devices")
    def test_rate_of_its_own_disk(self):
        self.assert_held("own", "io-write = 1M", "state-size = 64M")

    @unittest.skipUnless(os.path.isdir(V1), "the controller is not of version 1")
    def test_lifted(self):
        """All limits are in the kernel, and one that somebody takes away is missed. A group without them has none."""
        self.started("lifted", "direct", "io-read = 2M", "io-write = 1M", "io-read-ops = 300", "io-write-ops = 200")
        group = [g for g in trp.control_groups(self.d.name) if g.startswith(V1 + "/") and g.endswith("/lifted")]
        self.assertEqual(len(group), 1, group)
        for file, number in (("read_bps", 2 * MIB), ("write_bps", MIB), ("read_iops", 300), ("write_iops", 200)):
            self.assertRegex(trp.read("%s/blkio.throttle.%s_device" % (group[0], file)).decode(), r"(?m)^\d+:\d+ %d$" % number)
        score = lambda: self.d.trpsup("--json", "score", "lifted").stdout
        self.assertNotIn("is not %d for the disk" % MIB, score())
        device = trp.read(group[0] + "/blkio.throttle.write_bps_device").decode().split()[0]
        with open(group[0] + "/blkio.throttle.write_bps_device", "w") as f:
            f.write(device + " 0")
        self.assertIn("is not %d for the disk %s" % (MIB, device), score())
        self.started("free", "tmp")
        self.assertEqual([g for g in trp.control_groups(self.d.name) if g.startswith(V1 + "/") and g.endswith("/free")], [])

    def test_weight(self):
        """Refused by its line unless all disks have bfq; the profile may accept that."""
        if all("[bfq]" in trp.read(s).decode() for s in glob.glob("/sys/block/[vs]d*/queue/scheduler")) and has_controller():
            self.started("weight", "tmp", "io-weight = 20")
            return
        why = "knows no weights|no io or blkio controller"
        self.refused(r"weight\.ini:%d: io-weight: .*(%s).*allow-missing = io" % (LIMIT_LINE, why), "weight", "tmp", "io-weight = 20")
        self.assertEqual([g for g in trp.control_groups(self.d.name) if g.endswith("/weight")], [])
        self.started("weight", "tmp", "io-weight = 20", sandbox="allow-missing = io")
        self.assertRegex(self.d.status("weight")["io_missing"], "io-weight: .*(%s)" % why)
        self.assertRegex(self.d.trpsup("status", "weight").stdout, r"Unlimited.*io-weight: ")

    def test_locked_memory(self):
        """What the daemon may not have itself it cannot give, unless it has CAP_SYS_RESOURCE (24)."""
        hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)[1]
        if hard == resource.RLIM_INFINITY or int(trp.process_status(self.d.process.pid)["CapEff"], 16) >> 24 & 1:
            self.started("locked", "locked-memory", "locked-memory = unlimited")
            trp.wait_until(lambda: re.search(r"out locked-memory \d+ ", self.d.service_log("locked")), 60, "it has what it wants")
            return
        self.refused(r"locked\.ini:%d: locked-memory: the daemon itself may lock no more than %d bytes" % (LIMIT_LINE, hard), "locked",
                     "locked-memory", "locked-memory = %d" % (hard + 1))


if __name__ == "__main__":
    unittest.main()
