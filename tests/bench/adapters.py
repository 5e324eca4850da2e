#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""What each adapter costs: one small server (adapter-server.c) by itself and behind trpsup with each adapter, on the same
work in rounds that follow each other closely. A ratio is taken to the sample of the same round. doc/performance.md says
how to read them."""
import contextlib
import os
import shutil
import sys
import time

from lib import arena, measure, report, servers

ROUNDS = 15
CONNECTIONS, CONCURRENT = 4000, 32
HELD = 1000
SERVER = "tests/bench/adapter-server.c"
DIRECT_PORT, UPSTREAM_PORT = 8000, 8080
# adapter: which build of the server is behind it; "": the one that serves directly
ADAPTERS = {"native": "libtrp", "preload": "dynamic", "notify": "static", "relay": "", "loopback": "dynamic"}
OURS = ("trp-notify", "trp-relay", "trp-init")

PROFILE = """
[service]
command = {program} {port}
adapter = {adapter}
[route]
host = {adapter}.test
http = {port}
[sandbox]
root = host
state = no
bind = {site} {site}
"""

# a health check would be a connection that nobody counted
RELAY_PROFILE = """
[service]
adapter = relay
[route]
host = relay.test
http = {port}
[relay]
target = 127.0.0.1:{target}
health-interval = 0
"""


class Compared(servers.Server):
    """parts: a function that gives {"router": pids, "adapter": pids, "upstream": pids, "daemon": pids}."""
    def __init__(self, name, port, host, parts):
        super().__init__(name, port, lambda: parts()["router"], lambda: [p for pids in parts().values() for p in pids],
                         host)
        self.parts = parts


def build_servers():
    """Each of the builds, where a sandbox sees it under the same path."""
    os.mkdir(servers.SITE)
    for build, options in (("libtrp", ("-DWITH_LIBTRP", SERVER, os.path.join(arena.BUILD, "libtrp.a"))),
                           ("dynamic", (SERVER,)), ("static", ("-static-pie", SERVER))):
        shutil.copy(measure.build("adapter-server-" + build, *options), os.path.join(servers.SITE, build))


@contextlib.contextmanager
def direct(directory):
    program, log = os.path.join(servers.SITE, "dynamic"), directory + "/direct.log"
    with servers.as_nobody([program, str(DIRECT_PORT)], log) as p:
        arena.wait_until(lambda: servers.answers(DIRECT_PORT), 10, "the server answers", log)
        yield Compared("direct", DIRECT_PORT, "direct.test", lambda: {"upstream": [p.pid]})


def profile(adapter, build):
    text = PROFILE if build else RELAY_PROFILE
    return text.format(adapter=adapter, program=os.path.join(servers.SITE, build), port=UPSTREAM_PORT,
                       site=servers.SITE, target=DIRECT_PORT)


def service_processes(daemon, service):
    """Those of the service's control group."""
    found = []
    for pid in daemon.processes():
        with contextlib.suppress(OSError), open("/proc/%d/cgroup" % pid) as f:
            if any(service in line.strip().split("/") for line in f):
                found.append(pid)
    return found


def parts_of(daemon, adapter, target):
    """target: the server that the relay connects to."""
    def parts():
        service = service_processes(daemon, adapter)
        ours = [pid for pid in service if servers.executable(pid) in OURS]
        upstream = [pid for pid in service if pid not in ours]
        return {"router": daemon.routers(), "daemon": [daemon.process.pid], "adapter": ours,
                "upstream": upstream + (target.processes() if not ADAPTERS[adapter] else [])}
    return parts


def start_all(stack, directory):
    """The servers to compare, and {adapter: why it cannot be measured}."""
    first = stack.enter_context(direct(directory))
    profiles = {adapter: profile(adapter, build) for adapter, build in ADAPTERS.items()}
    daemon = stack.enter_context(servers.daemon(directory, profiles))
    compared, missing = [first], {}
    for adapter in ADAPTERS:
        checked = daemon.ctl("check", adapter)
        if checked.returncode != 0:
            missing[adapter] = checked.stdout.strip().split("\n")[0]
            continue
        stack.enter_context(daemon.service(adapter))
        server = Compared(adapter, servers.TRPSUP_PORT, adapter + ".test", parts_of(daemon, adapter, first))
        if not server.parts()["upstream"] or not server.parts()["adapter"]:
            raise arena.Failure("%s: its processes are not found" % adapter)
        compared.append(server)
    return compared, missing


def connections(client, server):
    """CPU us for each connection, of each part and of all."""
    pids = server.parts()
    before = {part: measure.cpu_us(p) for part, p in pids.items()}
    took = measure.requests(client, server, "1k", CONNECTIONS, CONCURRENT)
    time.sleep(measure.SETTLE_SECONDS)
    if server.parts() != pids:
        raise arena.Failure("%s: a process came or ended while it was measured" % server.name)
    sample = {part: (measure.cpu_us(p) - before[part]) / CONNECTIONS for part, p in pids.items()}
    sample["all"] = sum(sample.values())
    sample["rate"] = CONNECTIONS / took["seconds"]
    return sample


def all_rounds(client, compared):
    """{server: {quantity: [a sample for each round]}}"""
    samples = {server.name: {} for server in compared}
    for server in compared:  # the first touch of everything is nobody's cost
        measure.requests(client, server, "1k", 1000, CONCURRENT)
    for number in range(ROUNDS):
        turn = number % len(compared)  # nobody is always the first
        for server in compared[turn:] + compared[:turn]:
            for quantity, value in connections(client, server).items():
                samples[server.name].setdefault(quantity, []).append(value)
    print("%d rounds done" % ROUNDS, file=sys.stderr, flush=True)
    return samples


def memory(server):
    """kB PSS and descriptors of the upstream, of the adapter's processes and of the router, idle, and what HELD clients that
    were answered and say nothing more add."""
    def look():
        time.sleep(measure.SETTLE_SECONDS)
        return {part: (measure.pss_kb(pids), measure.descriptors(pids)) for part, pids in server.parts().items()}
    idle = look()
    with measure.held(server, "/hold", HELD):
        full = look()
    return {part: (idle[part][0], full[part][0] - idle[part][0], full[part][1] - idle[part][1]) for part in idle}


# quantity, text, format
ROWS = (
    ("all", "CPU of the whole server side, us", "%.1f"),
    ("upstream", "  of the upstream alone", "%.1f"),
    ("adapter", "  of the adapter's processes and init", "%.1f"),
    ("router", "  of the router", "%.1f"),
    ("rate", "connections/s (one client process)", "%.0f"),
)


def print_tables(samples, missing, kept):
    for name, quantities in samples.items():
        rows = [(text, quantities[quantity], form) for quantity, text, form in ROWS if quantity in quantities]
        for base in ("direct", "native"):
            if name not in ("direct", base):
                rows.append(("whole server side to " + base,
                             report.ratios(quantities["all"], samples[base]["all"]), "%.3f"))
        report.table(name, ("min", "median", "max"), rows)
    for name, why in missing.items():
        print("\n%s: not available: %s" % (name, why))
    print("\n%-10s %-9s %10s %22s %22s" % ("memory", "of", "idle, kB", "+kB/1000 idle clients",
                                           "+fds/1000 idle clients"))
    for name, parts in kept.items():
        for part in ("upstream", "adapter", "router"):
            if part in parts:
                idle, kb, fds = parts[part]
                print("%-10s %-9s %10d %22d %22d" % (name, part, idle, kb * 1000 / HELD, fds * 1000 / HELD))


def print_figures(samples, kept):
    print()
    for name, quantities in samples.items():
        report.figure("adapter.%s.us" % name, quantities["all"], "us", "%.1f")
        report.figure("adapter.%s.upstream_us" % name, quantities["upstream"], "us", "%.1f")
    for name, quantities in samples.items():
        if name != "native":
            report.figure("adapter.%s.ratio" % name, report.ratios(quantities["all"], samples["native"]["all"]), "ratio")
    for name, parts in kept.items():
        if "adapter" in parts:
            idle, kb, _ = parts["adapter"]
            report.figure("adapter.%s.idle_kb" % name, [idle], "kB", "%d")
            report.figure("adapter.%s.kb_per_1000" % name, [kb * 1000 / HELD], "kB", "%d")


def main(directory):
    servers.may_open_many()
    client = measure.build_client()
    print(measure.machine(), flush=True)
    build_servers()
    with contextlib.ExitStack() as stack:
        compared, missing = start_all(stack, directory)
        samples = all_rounds(client, compared)
        kept = {server.name: memory(server) for server in compared}
    print_tables(samples, missing, kept)
    print_figures(samples, kept)


if __name__ == "__main__":
    sys.exit(arena.main(main))
