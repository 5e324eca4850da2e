# SPDX-License-Identifier: ISC
"""The two that all others are compared with: nginx by itself, and the same nginx with the same configuration behind
trpsup. Context managers that yield a Server, ready for clients."""
import contextlib
import os
import resource
import socket
import subprocess

from lib import arena

HOST = "bench.test"
SITE = "/srv/bench"  # the same path inside of the sandbox
TLS_FILE = SITE + "/tls.pem"  # certificate and key
BODIES = {"1k": 1024, "100m": 100 << 20}
NGINX_PORT, NGINX_TLS_PORT = 8000, 8400
TRPSUP_PORT, TRPSUP_TLS_PORT = 8001, 8401
OPEN_FILES = 20000
NOBODY = 65534
UID_BASE = 0x70000000 + 6144 * 65536  # nobody else's part of the pool

# What every nginx of a measurement begins with. Full handshakes only, so that the clients need not be trusted with that.
NGINX_MAIN = """
daemon off;
worker_processes 1;
pid /dev/shm/{name}.pid;
error_log stderr;
events {{ worker_connections 19000; }}
"""
NGINX_HTTP = """
	access_log off;
	sendfile on;
	tcp_nopush on;
	default_type application/octet-stream;
	keepalive_timeout 600s;
	keepalive_requests 100000000;
	client_body_temp_path /dev/shm/{name}.body;
	proxy_temp_path /dev/shm/{name}.proxy;
	fastcgi_temp_path /dev/shm/{name}.fastcgi;
	uwsgi_temp_path /dev/shm/{name}.uwsgi;
	scgi_temp_path /dev/shm/{name}.scgi;
	ssl_certificate {tls_file};
	ssl_certificate_key {tls_file};
	ssl_session_cache off;
	ssl_session_tickets off;
"""
NGINX = (NGINX_MAIN + "http {{" + NGINX_HTTP + """
	server {{
		listen {port} backlog=4096;
		listen {tls_port} ssl backlog=4096;
		root {site};
	}}
}}
""").format(name="nginx", tls_file=TLS_FILE, port=NGINX_PORT, tls_port=NGINX_TLS_PORT, site=SITE)

# as the logs of the proxies that it is compared with; the environment's for what it costs
ACCESS_LOG = os.environ.get("ACCESS_LOG", "no")
ROUTER_SCHEDULING = os.environ.get("ROUTER_SCHEDULING", "auto")
TRPSUP = """
[daemon]
run-dir = {dir}/run
state-dir = {dir}/state
log-dir = {dir}/log
cgroup = {cgroup}
profile-dirs = {dir}/profiles
uid-base = {uid_base}
uid-ranges = 256
access-log = {access_log}
router-scheduling = {router_scheduling}
[listener front]
port = {port}
protocols = http
[listener front-tls]
port = {tls_port}
protocols = tls
"""

PROFILE = """
[service]
command = {nginx} -e stderr -c {site}/nginx.conf
adapter = preload
[route]
host = {host}
http = {port}
tls = {tls_port}
[sandbox]
root = host
state = no
bind = {site} {site}
[limits]
open-files = {open_files}
"""


class Server:
    def __init__(self, name, port, front, processes, host=HOST, tls_port=None):
        """front: a function that tells the pids of what stands before nginx; processes: of all, that included."""
        self.name, self.port, self.front, self.processes, self.host = name, port, front, processes, host
        self.tls_port = tls_port


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
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))


def as_nobody(argv, log, **options):
    """A server with no privilege and room for many clients (arena.process)."""
    return arena.process([_program(argv[0])] + argv[1:], log, user=NOBODY, group=NOBODY, extra_groups=[],
                         preexec_fn=may_open_many, **options)


def write_site():
    os.mkdir(SITE)
    with open(SITE + "/nginx.conf", "w") as f:
        f.write(NGINX)
    # ECDSA P-256, the cheapest that certificate authorities sign: what stands before the server weighs the most then
    arena.command("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                  "-subj", "/CN=" + HOST, "-addext", "subjectAltName=DNS:" + HOST, "-keyout", TLS_FILE, "-out", TLS_FILE + ".crt")
    with open(TLS_FILE, "a") as key, open(TLS_FILE + ".crt") as certificate:
        key.write(certificate.read())
    os.chmod(TLS_FILE, 0o644)  # a key for half an hour
    for name, size in BODIES.items():
        with open(os.path.join(SITE, name), "wb") as f:
            f.write(b"b" * size)


@contextlib.contextmanager
def nginx_direct(directory):
    log = directory + "/nginx.log"
    with as_nobody(["/usr/sbin/nginx", "-e", "stderr", "-c", SITE + "/nginx.conf"], log) as p:
        arena.wait_until(lambda: answers(NGINX_PORT), 10, "nginx answers", log)
        yield Server("direct", NGINX_PORT, lambda: [], lambda: descendants(p.pid), tls_port=NGINX_TLS_PORT)


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
    os.makedirs(directory + "/run")
    arena.command("mount", "-t", "tmpfs", "-o", "mode=755", "bench", directory + "/run")  # as /run is
    with open(conf, "w") as f:
        f.write(TRPSUP.format(access_log=ACCESS_LOG, router_scheduling=ROUTER_SCHEDULING, dir=directory, cgroup=arena.CGROUP, uid_base=UID_BASE, port=TRPSUP_PORT, tls_port=TRPSUP_TLS_PORT))
    for name, text in profiles.items():
        with open(directory + "/profiles/%s.ini" % name, "w") as f:
            f.write(text)
    with arena.process([_program(arena.BUILD + "/trpsupd"), "-c", conf], log) as p:
        arena.wait_until(lambda: os.path.exists(directory + "/run/control"), 10, "trpsupd is there", log)
        yield Daemon(p, conf, log)


@contextlib.contextmanager
def trpsup(directory):
    """An nginx in a sandbox."""
    profile = PROFILE.format(nginx=_program("/usr/sbin/nginx"), site=SITE, host=HOST, port=NGINX_PORT,
                             tls_port=NGINX_TLS_PORT, open_files=OPEN_FILES)
    with daemon(directory, {"bench": profile}) as d, d.service("bench"):
        yield Server("trpsup", TRPSUP_PORT, d.routers, d.processes, tls_port=TRPSUP_TLS_PORT)
