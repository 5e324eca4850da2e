# SPDX-License-Identifier: ISC
"""Programs that start one program in a sandbox, each by a command line that its manual gives for: user, pid, network, mount, ipc
and uts namespaces, a read-only root, no capability, and a system call filter where it has one. All of Debian 12's packages."""
import json
import os
import signal
import subprocess

from lib import arena

ROOT = "/srv/box"  # what all show to the program as its root
PROGRAM = "/stamp"
IDS = "100000"
SHOWN = ("proc", "dev", "tmp", "run", "sys", "etc", "usr", "var")


def write_root(program):
    for name in SHOWN:
        os.makedirs(os.path.join(ROOT, name))
    arena.command("cp", program, ROOT + PROGRAM)
    with open(ROOT + "/etc/os-release", "w") as f:
        f.write("ID=bench\n")


def bwrap(name):
    return ["bwrap", "--unshare-all", "--ro-bind", ROOT, "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp",
            "--tmpfs", "/run", "--cap-drop", "ALL", "--new-session", "--die-with-parent", "--hostname", name, PROGRAM]


def firejail(name):
    return ["firejail", "--quiet", "--noprofile", "--net=none", "--ipc-namespace", "--hostname=" + name,
            "--caps.drop=all", "--nonewprivs", "--seccomp", "--private-dev", "--private-tmp", "--read-only=/", ROOT + PROGRAM]


def nspawn(name):
    return ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--directory=" + ROOT, "--machine=" + name,
            "--private-network", "--private-users=%s:65536" % IDS, "--read-only", "--no-new-privileges=yes", "--drop-capability=all",
            "--volatile=no", "--console=pipe", "--link-journal=no", "--resolv-conf=off", "--timezone=off", PROGRAM]


def oci(runtime):
    return lambda name: [runtime, "run", "--bundle", "/srv/oci-" + runtime, name]


def bundle(runtime, calls):
    """What `runc spec --rootless` writes, with our filter's names and our limits."""
    ids = [{"containerID": 0, "hostID": int(IDS), "size": 65536}]
    mounts = [{"destination": "/proc", "type": "proc", "source": "proc"}]
    mounts += [{"destination": to, "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev", "mode=755"]}
               for to in ("/dev", "/tmp", "/run")]
    return {
        "ociVersion": "1.0.2", "hostname": "bench", "root": {"path": ROOT, "readonly": True}, "mounts": mounts,
        "process": {"terminal": False, "user": {"uid": 0, "gid": 0}, "args": [PROGRAM], "env": ["PATH=/"], "cwd": "/",
                    "noNewPrivileges": True, "capabilities": {}, "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}]},
        "linux": {
            "uidMappings": ids, "gidMappings": ids, "cgroupsPath": "/%s/%s" % (arena.CGROUP, runtime),
            "namespaces": [{"type": t} for t in ("user", "pid", "network", "mount", "ipc", "uts")],
            "maskedPaths": ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/scsi"],
            "readonlyPaths": ["/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus"],
            "resources": {"pids": {"limit": 64}, "memory": {"limit": 1 << 30}},
            "seccomp": {"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_" + {"x86_64": "X86_64"}.get(
                os.uname().machine, os.uname().machine.upper())], "syscalls": [{"names": calls, "action": "SCMP_ACT_ALLOW"}]},
        },
    }


def write_bundles(calls):
    for runtime in ("crun", "runc"):
        os.mkdir("/srv/oci-" + runtime)
        with open("/srv/oci-%s/config.json" % runtime, "w") as f:
            json.dump(bundle(runtime, calls), f)


def delete(runtime):
    return lambda name: subprocess.run([runtime, "delete", "--force", name], capture_output=True, check=False)


PEERS = {"bwrap": (bwrap, None), "crun": (oci("crun"), delete("crun")), "firejail": (firejail, None),
         "runc": (oci("runc"), delete("runc")), "nspawn": (nspawn, None)}
NAMESPACES = ("user", "pid", "net", "mnt", "ipc", "uts")
LACKS = {"firejail": {"user"}}  # it gives root none; --noroot is for others
VERSIONS = (("bwrap", "--version"), ("crun", "--version"), ("firejail", "--version"), ("runc", "--version"),
            ("systemd-nspawn", "--version"))


def pretend_kernel_thread():
    """firejail does without a sandbox, silently, where it finds none of the kernel's threads among the first ten processes: it takes
    the pid namespace that we run in for a sandbox that is there already."""
    with open("/proc/sys/kernel/ns_last_pid", "w") as f:
        f.write("7")
    pid = os.fork()
    if pid == 0:
        try:
            with open("/proc/self/comm", "w") as f:
                f.write("kthreadd")
            while True:
                signal.pause()
        finally:
            os._exit(1)
    if pid > 10:
        raise arena.Failure("no free pid below 10")
