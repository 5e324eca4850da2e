# SPDX-License-Identifier: ISC
"""What is compared: nginx by itself, the same nginx with the same configuration behind trpsup, and behind haproxy that
routes TCP by the Host of the first request. Context managers that yield a Server, ready for clients."""
import contextlib
import os
import resource
import socket
import subprocess

from lib import arena

HOST = "bench.test"
SITE = "/srv/bench"  # the same path inside of the sandbox
BODIES = {"1k": 1024, "100m": 100 << 20}
NGINX_PORT, TRPSUP_PORT, HAPROXY_PORT = 8000, 8001, 8002
NOBODY = 65534
UID_BASE = 0x70000000 + 6144 * 65536  # nobody else's part of the pool

NGINX = """
daemon off;
worker_processes 1;
worker_rlimit_nofile 8192;
pid /dev/shm/nginx.pid;
error_log stderr;
events { worker_connections 4000; }
http {
	access_log off;
	sendfile on;
	tcp_nopush on;
	default_type application/octet-stream;
	keepalive_requests 100000000;
	client_body_temp_path /dev/shm/body;
	proxy_temp_path /dev/shm/proxy;
	fastcgi_temp_path /dev/shm/fastcgi;
	uwsgi_temp_path /dev/shm/uwsgi;
	scgi_temp_path /dev/shm/scgi;
	server {
		listen %d backlog=4096;
		root %s;
	}
}
""" % (NGINX_PORT, SITE)

# the limits: without them it plans for more descriptors than it may have and does not start
HAPROXY = """
global
	maxconn 9400
	fd-hard-limit 20000
	nbthread 1
defaults
	mode tcp
	timeout connect 5s
	timeout client 60s
	timeout server 60s
frontend front
	bind :%d backlog 4096
	tcp-request inspect-delay 5s
	tcp-request content accept if { req.hdr(host),field(1,:) -m found }
	use_backend bench if { req.hdr(host),field(1,:) -i %s }
backend bench
	server nginx 127.0.0.1:%d
""" % (HAPROXY_PORT, HOST, NGINX_PORT)

TRPSUP = """
[daemon]
run-dir = {dir}/run
state-dir = {dir}/state
log-dir = {dir}/log
cgroup = {cgroup}
profile-dirs = {dir}/profiles
uid-base = {uid_base}
uid-ranges = 16
[listener front]
port = {port}
protocols = http
"""

PROFILE = """
[service]
command = {nginx} -e stderr -c {site}/nginx.conf
adapter = preload
[route]
host = {host}
http = {port}
[sandbox]
root = host
state = no
bind = {site} {site}
"""


class Server:
    def __init__(self, name, port, front, processes, host=HOST):
        """front: a function that tells the pids of what stands before nginx; processes: of all, that included."""
        self.name, self.port, self.front, self.processes, self.host = name, port, front, processes, host


def descendants(pid):
    """pid and all that descend from it. Field 4 of /proc/PID/stat is the parent."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError), open("/proc/%s/stat" % name) as f:
                parents[int(name)] = int(f.read().rpartition(")")[2].split()[1])
    found = [pid]
    for p in found:
        found += [child for child, parent in parents.items() if parent == p]
    return found


def executable(pid):
    """The name of its program; "" if it has ended."""
    with contextlib.suppress(OSError):
        return os.path.basename(os.readlink("/proc/%d/exe" % pid))
    return ""


def _program(path):
    if not os.access(path, os.X_OK):
        raise arena.Failure("%s is missing (make all deps-bench)" % path)
    return path


def answers(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def may_open_many():
    resource.setrlimit(resource.RLIMIT_NOFILE, (20000, 20000))


def as_nobody(argv, log):
    """A server with no privilege and room for many clients (arena.process)."""
    return arena.process([_program(argv[0])] + argv[1:], log, user=NOBODY, group=NOBODY, extra_groups=[],
                         preexec_fn=may_open_many)


def write_site():
    os.mkdir(SITE)
    with open(SITE + "/nginx.conf", "w") as f:
        f.write(NGINX)
    for name, size in BODIES.items():
        with open(os.path.join(SITE, name), "wb") as f:
            f.write(b"b" * size)


@contextlib.contextmanager
def nginx_direct(directory):
    log = directory + "/nginx.log"
    with as_nobody(["/usr/sbin/nginx", "-e", "stderr", "-c", SITE + "/nginx.conf"], log) as p:
        arena.wait_until(lambda: answers(NGINX_PORT), 10, "nginx answers", log)
        yield Server("direct", NGINX_PORT, lambda: [], lambda: descendants(p.pid))


@contextlib.contextmanager
def haproxy(directory, nginx):
    """In front of the nginx that is there."""
    conf, log = directory + "/haproxy.cfg", directory + "/haproxy.log"
    with open(conf, "w") as f:
        f.write(HAPROXY)
    with as_nobody(["/usr/sbin/haproxy", "-db", "-f", conf], log) as p:
        arena.wait_until(lambda: answers(HAPROXY_PORT), 10, "haproxy answers", log)
        yield Server("haproxy_tcp", HAPROXY_PORT, lambda: descendants(p.pid),
                     lambda: descendants(p.pid) + nginx.processes())


class Daemon:
    """A running trpsupd: process, and trpsup on it."""
    def __init__(self, process, conf, log):
        self.process, self.conf, self.log = process, conf, log

    def ctl(self, *args):
        return subprocess.run([_program(arena.BUILD + "/trpsup"), "-c", self.conf, *args], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)

    def processes(self):
        return descendants(self.process.pid)

    def routers(self):
        return [pid for pid in self.processes() if executable(pid) == "trp-router"]

    @contextlib.contextmanager
    def service(self, name):
        done = self.ctl("start", name)
        if done.returncode != 0:
            raise arena.Failure("trpsup start %s: %s%s\n%s" % (name, done.stdout, self.ctl("logs", name).stdout,
                                                              arena.tail(self.log)))
        try:
            yield
        finally:
            self.ctl("stop", name)


@contextlib.contextmanager
def daemon(directory, profiles):
    """A daemon of our own, at TRPSUP_PORT. profiles: {name: text}."""
    directory += "/trpsup"
    conf, log = directory + "/trpsup.conf", directory + "/trpsupd.log"
    os.makedirs(directory + "/profiles")
    with open(conf, "w") as f:
        f.write(TRPSUP.format(dir=directory, cgroup=arena.CGROUP, uid_base=UID_BASE, port=TRPSUP_PORT))
    for name, text in profiles.items():
        with open(directory + "/profiles/%s.ini" % name, "w") as f:
            f.write(text)
    with arena.process([_program(arena.BUILD + "/trpsupd"), "-c", conf], log) as p:
        arena.wait_until(lambda: os.path.exists(directory + "/run/control"), 10, "trpsupd is there", log)
        yield Daemon(p, conf, log)


@contextlib.contextmanager
def trpsup(directory):
    """An nginx in a sandbox."""
    profile = PROFILE.format(nginx=_program("/usr/sbin/nginx"), site=SITE, host=HOST, port=NGINX_PORT)
    with daemon(directory, {"bench": profile}) as d, d.service("bench"):
        yield Server("trpsup", TRPSUP_PORT, d.routers, d.processes)
