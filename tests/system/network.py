# SPDX-License-Identifier: ISC
"""Network namespaces of a test's own: no address or name of them is on this machine's network."""
import contextlib
import ctypes
import os
import subprocess

import trp

CLONE_NEWNET = 0x40000000


class Net:
    """One namespace, with its lo up, kept by a process (not by "ip netns": that leaves a mount behind)."""

    def __init__(self):
        self.keeper = subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE)
        self.pid = self.keeper.pid
        self.prefix = ["nsenter", "-t", str(self.pid), "-n"]
        ours = trp.namespace(os.getpid(), "net")
        trp.wait_until(lambda: trp.namespace(self.pid, "net") not in (None, ours), 5, "a network namespace")
        self.ip("link", "set", "lo", "up")

    def close(self):
        self.keeper.stdin.close()
        self.keeper.wait()

    def ip(self, *args):
        subprocess.run([*self.prefix, "ip", *args], check=True)

    def addresses(self, link, *addresses):
        for a in addresses:
            self.ip("address", "add", a, "dev", link, *(["nodad"] if ":" in a else []))

    def wire(self, link, other, other_link):
        """A veth pair to another namespace, without addresses of its own."""
        self.ip("link", "add", link, "type", "veth", "peer", "name", other_link, "netns", str(other.pid))
        for net, name in ((self, link), (other, other_link)):
            net.ip("link", "set", name, "addrgenmode", "none")
            net.ip("link", "set", name, "up")

    @contextlib.contextmanager
    def here(self):
        """Sockets that this thread makes inside are there."""
        libc = ctypes.CDLL(None, use_errno=True)

        def enter(fd):
            if libc.setns(fd, CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
        # this thread's, not the main one's
        with open("/proc/thread-self/ns/net") as back, open("/proc/%d/ns/net" % self.pid) as there:
            enter(there.fileno())
            try:
                yield
            finally:
                enter(back.fileno())

    def write(self, path, text):
        """A sysctl of the namespace."""
        subprocess.run([*self.prefix, "sh", "-c", "echo %s > %s" % (text, path)], check=True)


def without(directory, *controls):
    """Environment in which trpsupd believes that it has made a listener's containment: "filter", "group", "retire"."""
    path = os.path.join(directory, "without.so")
    with open(path + ".c", "w") as f:
        f.write(r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
static int without(const char *what) { return strstr(getenv("TRP_WITHOUT"), what) != 0; }
int setsockopt(int fd, int level, int option, const void *value, socklen_t len)
{
	if (level == SOL_SOCKET && (option == SO_ATTACH_FILTER || option == SO_LOCK_FILTER) && without("filter"))
		return 0;
	return (int)syscall(SYS_setsockopt, fd, level, option, value, len);
}
long syscall(long nr, ...)
{
	static long (*real)(long, ...);
	long a[6];
	va_list ap;
	va_start(ap, nr);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (!real)
		real = dlsym(RTLD_NEXT, "syscall");
	if (nr == SYS_bpf) {
		union bpf_attr *attr = (void *)a[1];
		int retire = a[0] == BPF_PROG_LOAD ? attr->prog_type == BPF_PROG_TYPE_CGROUP_SKB
						   : attr->attach_type == BPF_CGROUP_INET_INGRESS;
		int type = a[0] == BPF_PROG_LOAD ? (int)attr->prog_type : -1;
		if (type == BPF_PROG_TYPE_CGROUP_SOCK_ADDR || type == BPF_PROG_TYPE_CGROUP_SKB ||
			a[0] == BPF_PROG_ATTACH)
			if (without(retire ? "retire" : "group"))
				return a[0] == BPF_PROG_LOAD ? open("/dev/null", O_RDONLY | O_CLOEXEC) : 0;
	}
	return real(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}
""")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", path, path + ".c", "-ldl"], check=True)
    return dict(os.environ, LD_PRELOAD=path, TRP_WITHOUT=" ".join(controls))
