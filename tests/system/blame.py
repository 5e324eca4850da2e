# SPDX-License-Identifier: ISC
"""Whose fault is a client that was not served? Not guessed, but read from /proc.

Before a process is killed it is stopped (SIGSTOP), with all that dies with it, and
the sockets that they have are read: a stopped process is in no system call, so what it has accepted is in its table
of descriptors, and it accepts nothing any more. A client that is cut off was accepted by the killed process exactly if its address and
port are among those, and the connection was open then. One that is asked to end is stopped so, too, until it is asked, and its
sockets are read again and again until it has ended: whom it was seen to have, it had."""
import dataclasses
import os
import re
import signal
import socket
import struct
import time

import trp


@dataclasses.dataclass
class Bad:
    """A client that was not served whole; times of time.monotonic()."""
    source: tuple  # (address, port)
    host: str
    begun: float
    ended: float
    nbytes: int
    what: str


@dataclasses.dataclass
class Kill:
    """Of what; the clients that it had, and when that was seen first and last."""
    what: str
    clients: dict

    def saw(self, held):
        for client, when in held.items():
            self.clients[client] = self.clients.get(client, (when,))[0], when


def judge(bad, kills):
    """What became of the client, and through whom."""
    for kill in kills:
        first, last = kill.clients.get(bad.source, (bad.ended + 1, 0))
        if first <= bad.ended and last >= bad.begun:  # it may have been seen once more after it was cut off
            return "killed_with_router" if kill.what == "router" else "killed_with_process"
    # another answer, such as the 503 of the router for those whom it does not hand on
    if bad.what == "refused" or ":" in bad.what:
        return "refused"
    return "lost" if bad.what == "late" else "reset"


# whose sockets are whose

# linux/sock_diag.h, linux/inet_diag.h
NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP_REQUEST, NLMSG_DONE = 4, 20, 0x301, 3
STATES = 0xfff & ~(1 << 3 | 1 << 6 | 1 << 10 | 1 << 12)  # not SYN_RECV, TIME_WAIT, LISTEN: there may be a hundred thousand of those
REQUEST = struct.Struct("=LHHLL BBBBL 48x")
ANSWER = struct.Struct("=4x HH 16s 16s 28x L")  # both ports are in network order
HEADER = struct.Struct("=LHHLL")


def tcp_peers():
    """{inode: (address, port) of the other end} of this network's connections."""
    found = {}
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as sock:
        for family in (socket.AF_INET, socket.AF_INET6):
            sock.send(REQUEST.pack(REQUEST.size, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP_REQUEST, 0, 0, family, socket.IPPROTO_TCP, 0, 0, STATES))
            while _take(sock.recv(1 << 16), found):
                pass
    return found


def _take(data, found):
    """False: that was the last of them."""
    while data:
        length, kind, *_ = HEADER.unpack_from(data)
        if kind == NLMSG_DONE:
            return False
        if kind != SOCK_DIAG_BY_FAMILY:
            raise OSError("sock_diag answers %d" % kind)
        _, port, _, raw, inode = ANSWER.unpack_from(data, HEADER.size)
        if data[HEADER.size] == socket.AF_INET:
            raw = raw[:4]
        elif raw[:12] == bytes(10) + b"\xff\xff":
            raw = raw[12:]
        found[inode] = socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, raw), socket.ntohs(port)
        data = data[length + 3 & ~3:]
    return True


def socket_inodes(pid):
    found = set()
    directory = "/proc/%d/fd" % pid
    for fd in os.listdir(directory):
        try:
            match = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(os.path.join(directory, fd)))
        except FileNotFoundError:
            continue
        if match:
            found.add(int(match[1]))
    return found


def stands(pid):
    return trp.process_status(pid).get("State", "")[:1] == "T"


def threads_stand(pid):
    """Each thread; one that is in a system call it cannot be stopped in is not there yet."""
    try:
        tids = os.listdir("/proc/%d/task" % pid)
        return all(trp.read("/proc/%d/task/%s/stat" % (pid, t)).rsplit(b")", 1)[1].split()[0] in (b"T", b"Z", b"X") for t in tids)
    except OSError:
        return True  # it has ended


def stop(find):
    """Stops all that find() names, also those that they start meanwhile; they."""
    stopped = set()
    while more := set(find()) - stopped:
        for pid in more:
            try:
                os.kill(pid, signal.SIGSTOP)
            except ProcessLookupError:
                pass
        trp.wait_until(lambda: all(map(threads_stand, more)), 20, "they stand still")  # pylint: disable=cell-var-from-loop
        stopped |= more
    return stopped


def held_by(pids):
    """{client: when} of those whose sockets they have."""
    now = time.monotonic()
    inodes = set()
    for pid in pids:
        try:
            inodes |= socket_inodes(pid)
        except FileNotFoundError:
            pass
    peers = tcp_peers()
    return {peers[i]: now for i in inodes if i in peers}


def let_go(pids):
    """They go on."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            pass
