#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""What can be seen and done from inside of a sandbox by a script, a fork bomb among it. Attacks, each with the controls that refuse it:
test_hostile.py."""
import os
import re
import socket
import time
import unittest

import trp
import web

# what can be seen and done from inside, one line for each question; "no" is the right answer to all of them
PROBE = r"""
import ctypes, os, socket
libc = ctypes.CDLL(None, use_errno=True)
def ask(name, question):
    try:
        answer = question()
    except OSError as e:
        answer = None
    print("PROBE", name, "no" if not answer else "YES %s" % (answer,), flush=True)
def raw(nr, *args):
    def call():
        ctypes.set_errno(0)
        if libc.syscall(nr, *args) < 0:
            raise OSError(ctypes.get_errno(), "")
        return "allowed"
    return call
def write(path, text):
    def call():
        with open(path, "w") as f:
            f.write(text)
        return "written"
    return call
AF_ALG, AF_PACKET, AF_VSOCK = 38, 17, 40
ask("shadow", lambda: open("/etc/shadow").read())
ask("root-home", lambda: os.listdir("/root"))
ask("sysfs", lambda: os.listdir("/sys"))
ask("host-processes", lambda: [p for p in os.listdir("/proc") if p.isdigit() and int(p) > 20])
ask("kcore", lambda: open("/proc/kcore", "rb").read(1))
ask("interfaces", lambda: [i for _, i in socket.if_nameindex() if i != "lo"])
ask("write-usr", write("/usr/trp-test", "x"))
ask("write-etc", write("/etc/trp-test", "x"))
ask("write-root", write("/trp-test", "x"))
ask("write-sysctl", write("/proc/sys/kernel/hostname", "x"))
ask("sysrq", write("/proc/sysrq-trigger", "h"))
ask("core-pattern", write("/proc/sys/kernel/core_pattern", "|/x"))
ask("unshare-user", raw(272, 0x10000000))
ask("unshare-net", raw(272, 0x40000000))
ask("setns", raw(308, 0, 0))
ask("mount", raw(165, b"none", b"/tmp", b"tmpfs", 0, 0))
ask("umount", raw(166, b"/trp/state", 2))
ask("pivot-root", raw(155, b"/", b"/"))
ask("chroot", raw(161, b"/tmp"))
ask("ptrace", raw(101, 16, 1, 0, 0))
ask("bpf", raw(321, 0, 0, 0))
ask("keyctl", raw(250, 0, 0, 0))
ask("io-uring", raw(425, 8, ctypes.create_string_buffer(256)))
ask("userfaultfd", raw(323, 0))
ask("perf", raw(298, ctypes.create_string_buffer(128), 0, -1, -1, 0))
ask("kexec", raw(246, 0, 0, 0, 0))
ask("module", raw(175, b"", 0, b""))
ask("open-by-handle", raw(304, -1, ctypes.create_string_buffer(64), 0))
ask("mknod", lambda: os.mknod("/tmp/sda", 0o600 | 0o060000, os.makedev(8, 0)) or "made")
ask("setuid-root", lambda: os.setuid(0) or "root")
ask("sticky-tty", raw(16, 0, 0x5412, b"x"))
ask("sticky-tty-high-bits", raw(16, 0, ctypes.c_ulong(0x100005412), b"x"))
for name, family, kind in (("alg", AF_ALG, 5), ("packet", AF_PACKET, 3), ("vsock", AF_VSOCK, 1)):
    ask("socket-" + name, lambda: socket.socket(family, kind, 0))
ask("socket-raw", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))
ask("kill-init", lambda: os.kill(1, 9) or os.kill(1, 0) and "gone")
ask("init-fds", lambda: os.listdir("/proc/1/fd"))
ask("init-memory", lambda: open("/proc/1/mem", "rb"))
ask("host-abstract-socket", lambda: [l for l in open("/proc/net/unix") if "TRP-HOST-SOCKET" in l])
status = dict(l.split(":", 1) for l in open("/proc/self/status").read().splitlines() if ":" in l)
ask("capabilities", lambda: [k for k in status if k.startswith("Cap") and int(status[k], 16)])
ask("no-seccomp", lambda: status["Seccomp"].strip() != "2")
ask("new-privileges", lambda: status["NoNewPrivs"].strip() != "1")
ask("foreign-descriptors", lambda: [f for f in os.listdir("/proc/self/fd") if int(f) > 3])
print("PROBE end no", flush=True)
"""


WITHOUT_CGROUP2 = ["unshare", "-m", "sh", "-c", "for d in /sys/fs/cgroup/unified /sys/fs/cgroup; do "
                   "! findmnt -t cgroup2 $d >/dev/null || umount $d || exit 1; done; exec \"$@\"", "sh"]


class MissingPart(unittest.TestCase):
    """No passed socket on a host that cannot fence it wholly, unless the profile says so."""

    def test_no_cgroup_programs(self):
        profile = """[service]
command = /usr/bin/python3 -m http.server 8000 --directory /usr/share/doc
%s
[route]
host = %s.localhost
http = 8000
[sandbox]
root = host
%s
"""
        # where all controllers are in that hierarchy the limits are missing, too
        d = trp.Daemon({"refused": profile % ("", "refused", ""), "accepted": profile % ("", "accepted", "allow-missing = cgroup-bpf cgroup"),
                        "loopback": profile % ("adapter = loopback", "loopback", "allow-missing = cgroup")})
        d.prefix = WITHOUT_CGROUP2
        with d:
            failed = d.trpsup("start", "refused")
            self.assertNotEqual(failed.returncode, 0)
            self.assertRegex(failed.stdout + failed.stderr, r"listener http has no control group .* allow-missing = cgroup-bpf in \[sandbox\]")
            for name in ("accepted", "loopback"):
                d.ok("start", name)
                self.assertEqual(web.get("http://%s.localhost:%d/" % (name, trp.HTTP_PORT)).status, 200)


class Inside(unittest.TestCase):
    def test_probe(self):
        host = socket.socket(socket.AF_UNIX)
        host.bind("\0TRP-HOST-SOCKET")
        profile = """[service]
command = /usr/bin/python3 /opt/probe/probe.py
ready = started
restart = no
[sandbox]
root = host
bind = %s /opt/probe
"""
        with trp.Daemon() as d:
            directory = os.path.join(d.dir, "probe")
            os.mkdir(directory)
            with open(os.path.join(directory, "probe.py"), "w") as f:
                f.write(PROBE)
            d.profile("probe", profile % directory)
            d.trpsup("start", "probe")
            d.logged("probe", "PROBE end", seconds=30)
            lines = [re.search(r"PROBE (\S+) (.*)", l).groups() for l in d.log_lines("probe", "PROBE ")]
            trp.wait_until(lambda: d.status("probe")["state"] == "stopped", 10, "it is stopped")
        host.close()
        self.assertGreaterEqual(len(lines), PROBE.count("\nask("))
        self.assertEqual([l for l in lines if l[1] != "no"], [])

    def test_fork_bomb_stays_inside(self):
        profile = """[service]
command = /bin/sh -c "bomb() { bomb | bomb & }; bomb; sleep 1000"
ready = started
restart = no
[sandbox]
root = host
[limits]
processes = 64
memory = 64M
"""
        with trp.Daemon({"bomb": profile}) as d:
            d.ok("start", "bomb")
            d.ok("start", "hello")
            for _ in range(20):
                status = d.status("bomb")
                self.assertLessEqual(status["processes"] or 0, 64)
                self.assertEqual(web.get("http://hello.localhost:%d/" % trp.HTTP_PORT).status, 200)
                time.sleep(0.05)
            d.ok("stop", "bomb")


if __name__ == "__main__":
    unittest.main()
