# SPDX-License-Identifier: ISC
"""Other sandboxes, as their Debian packages bring them, each with the command line that its own manual gives for a program that needs no
network: what is added is the network namespace where it is not the default, and the option by which sockets are inherited. Each runs
the attack program with the sockets of clients that were accepted on the host, which is how socket activation does it."""
import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../system"))
import hostile  # noqa: E402
import trp  # noqa: E402

TENANT = 54321
ROOT_DIRS = ("dev", "etc", "job", "proc", "run", "sys", "tmp", "usr/bin", "usr/lib", "var/tmp")


def _version(*argv):
    out = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    return next(word for word in out.replace("version", "").split() if word[0].isdigit())


class Sandbox:
    """One program. root: its root is a directory of its own, else it shows the host's. uid: who runs it, and so the attacker."""
    name, program, root, uid = None, None, False, 0
    prepare = ""  # shell, as root in a mount namespace of its own, before command()

    def __init__(self, directory):
        self.dir = os.path.join(directory, self.name)
        os.makedirs(self.dir)
        os.chmod(self.dir, 0o755)
        self.top = os.path.join(self.dir, "rootfs") if self.root else self.dir
        for d in ROOT_DIRS if self.root else ("job", "usr/bin"):
            os.makedirs(os.path.join(self.top, d))
        os.chmod(os.path.join(self.top, "job"), 0o755)
        for path, mode in (("usr/bin/hostile", 0o755), ("job/setuid", 0o4755)):
            shutil.copy(hostile.PROGRAM, os.path.join(self.top, path))
            os.chmod(os.path.join(self.top, path), mode)
        if self.root:
            with open(os.path.join(self.top, "usr/lib/os-release"), "w") as f:
                f.write("ID=none\n")
        self.inside = "" if self.root else self.top
        self.argv = [self.inside + "/usr/bin/hostile", "job", self.inside + "/job/job"]

    def text(self):
        return "%s %s" % (self.name, _version(self.program, "--version"))

    def command(self, sockets):
        raise NotImplementedError

    def done(self):
        """After its end."""


class Bwrap(Sandbox):
    """bwrap(1), by an ordinary user: all namespaces, the host's files read-only."""
    name, program, uid = "bwrap", "bwrap", TENANT

    def command(self, sockets):
        return [self.program, "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", "--unshare-all",
                "--new-session", "--die-with-parent", *self.argv]


class Firejail(Sandbox):
    """firejail(1), by an ordinary user, with its default profile."""
    name, program, uid = "firejail", "firejail", TENANT
    # an account that is none of the system's
    prepare = ("cp /etc/passwd %(p)s && echo 'tenant:x:%(u)d:%(u)d::%(h)s:/bin/sh' >>%(p)s && mount --bind %(p)s /etc/passwd && "
               "install -d -o %(u)d -g %(u)d %(h)s")

    def __init__(self, directory):
        super().__init__(tempfile.mkdtemp(prefix="trpt-", dir="/srv"))  # of /var/lib it shows nothing
        os.chmod(os.path.dirname(self.dir), 0o755)
        self.prepare %= {"p": os.path.join(self.dir, "passwd"), "u": self.uid, "h": os.path.join(self.dir, "home")}

    def command(self, sockets):
        return [self.program, "--quiet", "--net=none", *("--keep-fd=%d" % fd for fd in range(3, 3 + sockets)), *self.argv]

    def done(self):
        shutil.rmtree(os.path.dirname(self.dir))


# crun and podman refuse a hybrid hierarchy: they see a v1 one
ONLY_V1 = "umount /sys/fs/cgroup/unified 2>/dev/null || true"


class Bundle(Sandbox):
    root, prepare = True, ONLY_V1

    def command(self, sockets):
        subprocess.run([self.program, "spec"], cwd=self.dir, check=True)
        path = os.path.join(self.dir, "config.json")
        with open(path) as f:
            config = json.load(f)
        config["process"]["terminal"] = False
        config["process"]["args"] = self.argv
        with open(path, "w") as f:
            json.dump(config, f)
        self.id = "%s-%s" % (trp.TAG, self.name)
        return [self.program, "run", "--preserve-fds=%d" % sockets, "--bundle", self.dir, self.id]

    def done(self):
        subprocess.run([self.program, "delete", "--force", self.id], capture_output=True, check=False)


class Crun(Bundle):
    """crun(1) with what "crun spec" writes."""
    name, program = "crun", "crun"


class Runc(Bundle):
    """runc(8) with what "runc spec" writes."""
    name, program = "runc", "runc"


class Nspawn(Sandbox):
    """systemd-nspawn(1) with a directory, as the first of its examples."""
    name, program, root = "systemd-nspawn", "systemd-nspawn", True

    def command(self, sockets):
        return ["sh", "-c", 'LISTEN_PID=$$ LISTEN_FDS=%d exec "$@"' % sockets, "sh", self.program, "--quiet", "--register=no",
                "--keep-unit", "--as-pid2", "--pipe", "--private-network", "--directory", self.top, *self.argv]


class Podman(Sandbox):
    """podman-run(1), as root, which is docker's set of capabilities, system calls and masks."""
    name, program, root, prepare = "podman", "podman", True, ONLY_V1

    def command(self, sockets):
        self.run = tempfile.mkdtemp(prefix="trpt-", dir="/run")  # it wants a short path
        return [self.program, "--root", self.run + "/storage", "--runroot", self.run, "--cgroup-manager=cgroupfs", "run", "--rm",
                # this machine may not raise the limits that it would give
                "--ulimit=nofile=20000:20000", "--ulimit=nproc=4096:4096", "--network=none", "--preserve-fds=%d" % sockets, "--rootfs", self.top, *self.argv]

    def done(self):
        # conmon(8) ends a little later, and clears up
        trp.wait_until(lambda: shutil.rmtree(self.run, ignore_errors=True) or not os.path.exists(self.run), 10, "podman has ended")
        for group in sorted(glob.glob("/sys/fs/cgroup/*/libpod_parent/**/", recursive=True), key=len, reverse=True):
            os.rmdir(group)


ALL = (Bwrap, Firejail, Crun, Runc, Nspawn, Podman)
