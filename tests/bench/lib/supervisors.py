# SPDX-License-Identifier: ISC
"""The supervisors that tests/bench/comparison.py compares, as Debian packages them, each with the same server (upstream.py). They are
configured as their own manuals say it is done, with what each of them has: readiness where it can wait for it, its own logger, restart of what ends.

A Supervisor: with it, all is up and nothing runs yet; start, stop, restart and reload are about one service; top() are the processes whose death
is that of the supervisor; watcher() is who looks after one service."""
import contextlib
import dataclasses
import os
import shutil
import signal
import subprocess
import time

from lib import arena, servers

SHARE = "/srv/compare"  # the same path wherever the server runs
SERVER = SHARE + "/upstream.py"
PYTHON = "/usr/bin/python3"
CALL_SECONDS = 40


@dataclasses.dataclass
class Service:
    name: str = "a"
    port: int = 8100
    seconds: float = 0.3
    needs: tuple = ()
    watchdog: bool = False
    health: bool = False
    on_demand: bool = False

    def argv(self):
        return [PYTHON, "-B", SERVER, self.name, str(self.port), str(self.seconds)]

    def command(self):
        return " ".join(self.argv())


def processes(*words):
    """Pids of those whose arguments have all these words."""
    found = []
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            if name.isdigit():
                with open("/proc/%s/cmdline" % name, "rb") as f:
                    argv = f.read().decode(errors="replace").split("\0")
                with open("/proc/%s/stat" % name) as f:
                    dead = f.read().rpartition(")")[2].split()[0] in "ZX"
                if not dead and all(w in argv for w in words):
                    found.append(int(name))
    return sorted(found)


def write(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, mode)


class Supervisor:
    name, package, on_demand = "", None, False

    def __init__(self, directory, services):
        self.dir, self.services = os.path.join(directory, self.name.replace(" ", "-")), {s.name: s for s in services}
        self.logs = os.path.join(self.dir, "log")
        self.out = os.path.join(self.dir, "out")
        self.process = None
        os.makedirs(self.logs)
        arena.command("mount", "-t", "tmpfs", "-o", "size=24m,mode=777", "logs", self.logs)

    @classmethod
    def version(cls):
        done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", cls.package], stdout=subprocess.PIPE, text=True, check=False)
        return done.stdout.split("~")[0]

    def __enter__(self):
        try:
            self.configure()
            self.boot()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        """However it is, all of it goes: this is a pid namespace of our own, in which nobody else is."""
        own = {1, os.getpid(), os.getppid()}
        if self.process and self.process.poll() is None:
            self.down()
        for _ in range(3):
            for pid in [int(p) for p in os.listdir("/proc") if p.isdigit() and int(p) not in own]:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.1)
        if self.process:
            self.process.wait()
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        for _ in range(50):
            if subprocess.run(["umount", "-R", self.dir], stderr=subprocess.DEVNULL, check=False).returncode != 0 and \
                    subprocess.run(["umount", self.logs], stderr=subprocess.DEVNULL, check=False).returncode == 0:
                break
            time.sleep(0.02)
        shutil.rmtree(self.dir, ignore_errors=True)

    def down(self):
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)

    def spawn(self, *argv, **options):
        with open(self.out, "ab") as out:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, **options)

    def call(self, *argv, check=True, env=None):
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                              timeout=CALL_SECONDS, env=env)
        if check and done.returncode != 0:
            raise arena.Failure("%s: %s: %s\n%s%s" % (self.name, " ".join(argv), done.stdout.strip(), arena.tail(self.out), self.log_text("a").decode()[-1500:]))
        return done

    # what the cases ask

    def address(self, service):
        """Port, and host name, of its clients."""
        return self.services[service].port, service + ".test"

    def instances(self, service):
        return [p for p in processes(SERVER, service) if servers.executable(p).startswith("python")]

    def top(self):
        return [self.process.pid]

    def watcher(self, service):  # pylint: disable=unused-argument
        return self.top()

    def kill(self):
        """What a crash of it is; the sentence if it is none by SIGKILL."""
        for pid in self.top():
            os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def again(self):
        self.boot()

    def log_text(self, service):  # pylint: disable=unused-argument
        text = b""
        for directory, _, files in os.walk(self.logs):
            for name in files:
                with contextlib.suppress(OSError), open(os.path.join(directory, name), "rb") as f:
                    text += f.read()
        return text

    def kept_bytes(self):
        return int(subprocess.run(["du", "-sB1", self.logs], stdout=subprocess.PIPE, text=True, check=False).stdout.split()[0])


HEALTH = "[health]\ncheck = http:/\ninterval = 500ms\nfailures = 2"


class Trpsup(Supervisor):
    name, package, on_demand = "trpsup", None, True

    PROFILE = """
[service]
command = {command}
adapter = preload
ready = notify
restart = always
{more}
[route]
host = {name}.test
http = {port}
[sandbox]
root = host
bind = {share} {share}
{health}
"""

    @classmethod
    def version(cls):
        return subprocess.run([arena.BUILD + "/trpsup", "--version"], stdout=subprocess.PIPE, text=True, check=False).stdout.split()[-1]

    def configure(self):
        self.conf = self.dir + "/trpsup.conf"
        write(self.conf, servers.TRPSUP.format(access_log="no", router_scheduling="normal", dir=self.dir, cgroup=arena.CGROUP,
                                               uid_base=servers.UID_BASE, port=servers.TRPSUP_PORT, tls_port=servers.TRPSUP_TLS_PORT))
        for s in self.services.values():
            more = ["requires = " + " ".join(s.needs)] if s.needs else []
            more += ["watchdog = 1s"] if s.watchdog else []
            more += ["start = on-demand"] if s.on_demand else []
            write("%s/profiles/%s.ini" % (self.dir, s.name), self.PROFILE.format(
                command=s.command(), name=s.name, port=s.port, more="\n".join(more), share=SHARE,
                health=HEALTH if s.health else ""))

    def boot(self):
        self.spawn(arena.BUILD + "/trpsupd", "-c", self.conf)
        arena.wait_until(lambda: self.ctl("ps", check=False).returncode == 0, 20, "trpsupd answers", self.out)

    def ctl(self, *args, check=True):
        return self.call(arena.BUILD + "/trpsup", "-c", self.conf, *args, check=check)

    def address(self, service):
        return servers.TRPSUP_PORT, service + ".test"

    def start(self, service):
        self.ctl("start", service)

    def stop(self, service):
        self.ctl("stop", service)

    def restart(self, service):
        self.ctl("restart", service)

    def reload(self, service):
        self.ctl("reload", service)

    def upgrade(self):
        self.ctl("upgrade")

    def watcher(self, service):
        inside = set(self.instances(service))
        inits = [p for p in processes() if servers.executable(p) == "trp-init" and inside & set(servers.descendants(p))]
        return inits[:1]


class Systemd(Supervisor):
    """Pid 1 of a container of systemd-nspawn, in the network of the measurement; the system is the host's /usr."""
    name, package, socket = "systemd", "systemd", False

    UNIT = """[Unit]
Requires={needs}
After={needs}
StartLimitIntervalSec=0
[Service]
Type=notify
ExecStart={command}
ExecReload=/bin/kill -HUP $MAINPID
Restart=always
{watchdog}
"""
    TARGET = "[Unit]\nWants=systemd-journald.service dbus.socket\nAfter=systemd-journald.service\n"

    def configure(self):
        self.root, self.container = self.dir + "/root", "trpsup-bench-%d" % os.getpid()
        for path in ("etc/systemd/system", "usr", "run", "tmp", "var/log/journal", "proc", "sys", "dev", "root", SHARE[1:]):
            os.makedirs(os.path.join(self.root, path))
        for link in ("bin", "sbin", "lib", "lib64", "lib32"):
            os.symlink("usr/" + link, os.path.join(self.root, link))
        for path in ("passwd", "group", "nsswitch.conf", "ld.so.cache"):
            shutil.copy("/etc/" + path, self.root + "/etc/")
        write(self.root + "/etc/os-release", "ID=bench\n")
        write(self.root + "/etc/machine-id", "")
        units = self.root + "/etc/systemd/system/"
        write(units + "bench.target", self.TARGET)
        for s in self.services.values():
            write(units + s.name + ".service", self.UNIT.format(
                command=s.command(), needs=" ".join(n + ".service" for n in s.needs), watchdog="WatchdogSec=1" if s.watchdog else ""))
            if self.socket:
                write(units + s.name + ".socket", "[Socket]\nListenStream=127.0.0.1:%d\nBacklog=1024\n" % s.port)

    def boot(self):
        self.spawn("systemd-nspawn", "-q", "-D", self.root, "--register=no", "--keep-unit", "--bind-ro=/usr:/usr", "-M", self.container,
                   "--bind-ro=%s:%s" % (SHARE, SHARE), "--bind=%s:/var/log/journal" % self.logs, "--boot", "systemd.unit=bench.target")
        arena.wait_until(lambda: self.top() and b"bench.target" in open(self.out, "rb").read(), 30, "systemd is there", self.out)
        arena.wait_until(lambda: self.ctl("is-active", "bench.target", check=False).returncode == 0, 30, "systemd answers", self.out)

    def top(self):
        return processes("systemd.unit=bench.target")[-1:] if len(processes("systemd.unit=bench.target")) > 1 else []

    def inside(self, *argv, check=True):
        return self.call("nsenter", "-t", str(self.top()[0]), "-a", *argv, check=check)

    def ctl(self, *args, check=True):
        return self.inside("systemctl", "--no-pager", *args, check=check)

    def down(self):
        for pid in self.top():
            os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)

    def start(self, service):
        self.ctl("start", service)

    def stop(self, service):
        self.ctl("stop", service)

    def restart(self, service):
        self.ctl("restart", service)

    def reload(self, service):
        self.ctl("reload", service)

    def upgrade(self):
        self.ctl("daemon-reexec")

    def kill(self):
        before = self.top()
        self.inside("kill", "-KILL", "1", check=False)
        time.sleep(0.5)
        if self.top() != before:
            raise arena.Failure("systemd ended by a SIGKILL from inside")
        os.kill(before[0], signal.SIGSEGV)  # as if it had made that mistake itself
        return "SIGKILL has no effect on pid 1. After SIGSEGV, in a container (on a machine it freezes instead, by its documentation): "

    def log_text(self, service):
        return self.inside("journalctl", "-u", service, "-o", "cat", "--no-pager", check=False).stdout.encode()


class SystemdSocket(Systemd):
    name, socket, on_demand = "systemd socket", True, True

    def start(self, service):
        self.ctl("start", service + ".socket", service + ".service")

    def arm(self, service):
        self.ctl("start", service + ".socket")

    def stop(self, service):
        self.ctl("stop", service + ".service", service + ".socket")


class S6(Supervisor):
    name, package = "s6", "s6"
    # s6 alone has no dependencies; what its documentation has instead is a wait in the run script
    RUN = "#!/bin/sh\nexec 2>&1\n%sexec env NOTIFY_FD=3 %s\n"

    def configure(self):
        self.scan = self.dir + "/scan"
        for s in self.services.values():
            at = "%s/%s" % (self.scan, s.name)
            waits = "".join("s6-svc -u {0} && s6-svwait -U -t 10000 {0} || exit 1\n".format("%s/%s" % (self.scan, n)) for n in s.needs)
            write(at + "/run", self.RUN % (waits, s.command()), 0o755)
            write(at + "/notification-fd", "3\n")
            write(at + "/down", "")
            write(at + "/log/run", "#!/bin/sh\nexec s6-log n10 s1000000 %s/%s\n" % (self.logs, s.name), 0o755)

    def boot(self):
        self.spawn("s6-svscan", self.scan)
        arena.wait_until(lambda: all(os.path.exists("%s/%s/supervise/control" % (self.scan, n)) for n in self.services), 10,
                         "s6-supervise is there", self.out)

    def enable(self, service):
        """From now on it is started whenever it is watched over."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink("%s/%s/down" % (self.scan, service))

    def svc(self, service, *options):
        self.call("s6-svc", *options, "%s/%s" % (self.scan, service))

    def start(self, service):
        self.enable(service)
        self.svc(service, "-wU", "-T20000", "-u")

    def stop(self, service):
        self.svc(service, "-wD", "-T20000", "-d")

    def restart(self, service):
        self.svc(service, "-wR", "-T20000", "-r")

    def reload(self, service):
        self.svc(service, "-h")

    def upgrade(self):
        """s6-svscan and s6-supervise do not execute themselves anew: they are ended, with what they watch over, and started."""
        running = [n for n in self.services if self.instances(n)]
        self.call("s6-svscanctl", "-t", self.scan)
        self.process.wait(20)
        self.boot()
        for name in running:
            self.start(name)

    def watcher(self, service):
        return processes("s6-supervise", service)


class Runit(S6):
    name, package = "runit", "runit"

    def configure(self):
        self.scan = self.dir + "/scan"
        os.mkdir(self.dir + "/supervise")
        for s in self.services.values():
            at = "%s/%s" % (self.scan, s.name)
            waits = "".join("sv -w 10 start %s/%s || exit 1\n" % (self.scan, n) for n in s.needs)
            write(at + "/run", "#!/bin/sh\nexec 2>&1\n%sexec %s\n" % (waits, s.command()), 0o755)
            # what runit has for readiness: sv asks this script
            write(at + "/check", "#!/bin/sh\nexec %s -c 'import socket; socket.create_connection((\"127.0.0.1\", %d), 1)' 2>/dev/null\n" %
                  (PYTHON, s.port), 0o755)
            write(at + "/down", "")
            os.makedirs("%s/%s" % (self.logs, s.name))
            write(at + "/log/run", "#!/bin/sh\nexec svlogd %s/%s\n" % (self.logs, s.name), 0o755)

    def boot(self):
        self.spawn("runsvdir", self.scan)
        arena.wait_until(lambda: all(self.sv("status", n, check=False).returncode == 0 for n in self.services), 15, "runsv is there", self.out)

    def sv(self, verb, service, check=True):
        return self.call("sv", "-w", "20", verb, "%s/%s" % (self.scan, service), check=check)

    def start(self, service):
        self.enable(service)
        self.sv("start", service)

    def stop(self, service):
        self.sv("stop", service)

    def restart(self, service):
        self.sv("restart", service)

    def reload(self, service):
        self.sv("hup", service)

    def upgrade(self):
        """As with s6."""
        running = [n for n in self.services if self.instances(n)]
        os.kill(self.process.pid, signal.SIGHUP)
        self.process.wait(20)
        arena.wait_until(lambda: not processes("runsv"), 20, "each runsv has ended", self.out)
        self.boot()
        for name in running:
            self.start(name)

    def watcher(self, service):
        return processes("runsv", service)


class Supervisord(Supervisor):
    name, package = "supervisord", "supervisor"

    CONF = """[supervisord]
logfile={dir}/supervisord.log
pidfile={dir}/pid
childlogdir={logs}
[unix_http_server]
file={dir}/sock
[supervisorctl]
serverurl=unix://{dir}/sock
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""
    PROGRAM = """[program:{name}]
command={command}
autostart={auto}
autorestart=true
priority={priority}
stopasgroup=true
killasgroup=true
redirect_stderr=true
stdout_logfile={logs}/{name}.log
"""

    def configure(self):
        self.conf = self.dir + "/supervisord.conf"
        self.auto = False
        self.write_conf()

    def write_conf(self):
        text = self.CONF.format(dir=self.dir, logs=self.logs)
        for s in self.services.values():
            text += self.PROGRAM.format(name=s.name, command=s.command(), logs=self.logs, priority=200 if s.needs else 100,
                                        auto="true" if self.auto else "false")
        write(self.conf, text)

    def boot(self):
        self.spawn("/usr/bin/supervisord", "-n", "-c", self.conf)
        arena.wait_until(lambda: self.ctl("pid", check=False).returncode == 0, 15, "supervisord answers", self.out)

    def again(self):
        """Its own start after the crash, which starts what is to run."""
        self.auto = True
        self.write_conf()
        self.boot()

    def ctl(self, *args, check=True):
        return self.call("/usr/bin/supervisorctl", "-c", self.conf, *args, check=check)

    def start(self, service):
        """In the order of priority."""
        self.ctl("start", *sorted(self.services[service].needs), service)

    def stop(self, service):
        self.ctl("stop", service)

    def restart(self, service):
        self.ctl("restart", service)

    def reload(self, service):
        self.ctl("signal", "HUP", service)

    def upgrade(self):
        self.ctl("shutdown")
        self.process.wait(30)
        self.again()


ALL = [Trpsup, Systemd, SystemdSocket, S6, Runit, Supervisord]
