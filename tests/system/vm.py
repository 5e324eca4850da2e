# SPDX-License-Identifier: ISC
"""A virtual machine for what this machine's kernel cannot do: Debian's own kernel, without acceleration, with this machine's files as they
are (read-only; what is written there is gone with it). Some ten times as slow as this machine."""
import glob
import os
import re
import shlex
import subprocess
import tempfile
import time

import trp

PACKAGE = "linux-image-cloud-amd64"
MODULES = ("virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "fuse", "virtiofs", "overlay", "inet_diag", "tcp_diag")
INIT = os.path.join(trp.BUILD, "tests/progs/vm-init")
VIRTIOFSD = "/usr/lib/qemu/virtiofsd"


def kernel():
    """The directory of the package's files: fetched once, not installed."""
    found = glob.glob(os.path.join(trp.STATE, "vm", "*", "boot", "vmlinuz-*"))
    if not found:
        depends = subprocess.run(["apt-cache", "depends", PACKAGE], capture_output=True, text=True, check=True).stdout
        name = re.search(r"Depends: (linux-image-\S+)", depends).group(1)
        where = os.path.join(trp.STATE, "vm")
        os.makedirs(where, mode=0o700, exist_ok=True)
        subprocess.run(["apt-get", "-q", "download", name], cwd=where, check=True, capture_output=True)
        package = glob.glob(os.path.join(where, name + "_*.deb"))[0]
        subprocess.run(["dpkg-deb", "-x", package, os.path.join(where, name)], check=True)
        os.unlink(package)
        found = glob.glob(os.path.join(where, name, "boot", "vmlinuz-*"))
    return os.path.dirname(os.path.dirname(found[0])), found[0]


def entry(name, mode, data=b""):
    """One file of a cpio archive (newc)."""
    fields = (0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08X" % f for f in fields) + name.encode() + b"\0"
    pad = lambda n: b"\0" * (-n % 4)
    return head + pad(len(head)) + data + pad(len(data))


def initramfs(root, job):
    files = [entry("modules", 0o40755), entry("dev", 0o40755), entry("init", 0o100755, trp.read(INIT)), entry("job", 0o100644, job.encode())]
    for i, name in enumerate(MODULES):
        path = glob.glob(os.path.join(root, "lib/modules/*/kernel/**", name + ".ko"), recursive=True)[0]
        files.append(entry("modules/%02d.ko" % i, 0o100644, trp.read(path)))
    return b"".join(files) + entry("TRAILER!!!", 0)


def run(*argv, environment=None, seconds=600):
    """A command in it, as root. (exit code or None, what it wrote)"""
    root, image = kernel()
    words = ["%s=%s" % kv for kv in (environment or {}).items()]
    job = "exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp %s 2>&1" % " ".join(map(shlex.quote, [*words, *argv]))
    with tempfile.TemporaryDirectory(prefix=trp.TAG + "-vm-", dir="/run") as d:
        archive, sock = os.path.join(d, "initramfs"), os.path.join(d, "files")
        with open(archive, "wb") as f:
            f.write(initramfs(root, job))
        # its own limits on open files would not do
        files = subprocess.Popen([VIRTIOFSD, "--socket-path=" + sock, "-o", "source=/", "-o", "sandbox=chroot", "-o", "cache=always"],
                                 stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            trp.wait_until(lambda: os.path.exists(sock) or files.poll() is not None, 20, "virtiofsd listens")
            done = subprocess.run(["qemu-system-x86_64", "-machine", "q35,accel=tcg", "-cpu", "max", "-smp", "2", "-m", "1G",
                                   "-object", "memory-backend-memfd,id=mem,size=1G,share=on", "-numa", "node,memdev=mem",
                                   "-chardev", "socket,id=files,path=" + sock, "-device", "vhost-user-fs-pci,chardev=files,tag=host",
                                   "-kernel", image, "-initrd", archive, "-append", "console=ttyS0 quiet panic=-1",
                                   "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-serial", "stdio"],
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=seconds, check=False)
        finally:
            files.terminate()
            files.communicate()
    text = done.stdout.replace("\r", "") + done.stderr
    code = re.search(r"^vm-init: exit (\d+)$", text, re.M)
    return int(code.group(1)) if code else None, text
