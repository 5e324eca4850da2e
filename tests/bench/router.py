#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""What the router costs: nginx by itself, behind trpsup and behind haproxy (TCP mode), on the same work in rounds that
follow each other closely. Each figure is the median over the rounds; a ratio is taken to the direct one of the same
round. doc/performance.md says how to read them."""
import contextlib
import sys

from lib import arena, measure, report, servers

ROUNDS = 11
NEW_CONNECTIONS, CONCURRENT = 10000, 32
TRACED_CONNECTIONS = 2000
KEEPALIVE_SECONDS = 1
BULK_TRANSFERS, BULK_TRIES = 2, 3
MB = 1e6


def new_connections(client, server):
    """A connection for each request of a 1 KiB body."""
    cpu = {}
    with measure.cpu_used(server, cpu):
        took = measure.requests(client, server, "1k", NEW_CONNECTIONS, CONCURRENT)
    return {"new_us": cpu["server_us"] / NEW_CONNECTIONS, "front_us": cpu["front_us"] / NEW_CONNECTIONS,
            "front_sleeps": cpu["front_sleeps"] / NEW_CONNECTIONS,
            "new_rate": NEW_CONNECTIONS / took["seconds"], "slowest_ms": took["slowest_ms"]}


def kept_connections(_, server):
    cpu = {}
    with measure.cpu_used(server, cpu):
        n, rate = measure.keepalive(server, "1k", KEEPALIVE_SECONDS)
    return {"kept_us": cpu["server_us"] / n, "kept_rate": rate}


def bulk(client, server):
    """The best of some tries: on which processors the two ends happen to run matters more than what is measured."""
    tries = []
    for _ in range(BULK_TRIES):
        cpu = {}
        with measure.cpu_used(server, cpu):
            took = measure.requests(client, server, "100m", BULK_TRANSFERS, 1)
        mb = took["bytes"] / MB
        tries.append({"bulk_us": cpu["server_us"] / mb, "bulk_rate": mb / took["seconds"]})
    return max(tries, key=lambda t: t["bulk_rate"])


def all_rounds(client, compared):
    """{server: {quantity: [a sample for each round]}}"""
    samples = {server.name: {} for server in compared}
    for server in compared:  # the first touch of everything is nobody's cost
        measure.requests(client, server, "1k", 1000, CONCURRENT)
        measure.requests(client, server, "100m", 1, 1)
    for number in range(ROUNDS):
        turn = number % len(compared)  # nobody is always the first
        for work in (new_connections, kept_connections, bulk):
            for server in compared[turn:] + compared[:turn]:
                for quantity, value in work(client, server).items():
                    samples[server.name].setdefault(quantity, []).append(value)
        print("round %d of %d" % (number + 1, ROUNDS), file=sys.stderr, flush=True)
    return samples


def calls_per_connection(client, server, directory):
    """{concurrent: {name of the call: calls for each connection}}"""
    found = {}
    for concurrent in (CONCURRENT, 1):
        n = TRACED_CONNECTIONS if concurrent > 1 else TRACED_CONNECTIONS // 4
        counts = measure.system_calls(server, directory + "/strace.log",
                                      lambda: measure.requests(client, server, "1k", n, concurrent))
        found[concurrent] = {name: calls / n for name, calls in counts.items()}
    return found


# quantity, text, format, is it compared with the direct one
ROWS = (
    ("new_us", "new connection: CPU of all server processes, us", "%.1f", True),
    ("front_us", "new connection: CPU of the router or proxy alone, us", "%.1f", False),
    ("front_sleeps", "new connection: times that it ran out of work", "%.2f", False),
    ("new_rate", "new connections/s (one client process)", "%.0f", False),
    ("slowest_ms", "new connection: slowest, ms", "%.1f", False),
    ("kept_rate", "kept connections (%d): requests/s" % measure.WRK_CONNECTIONS, "%.0f", True),
    ("kept_us", "kept connections: CPU of all server processes, us", "%.1f", True),
    ("bulk_rate", "100 MiB bodies: MB/s", "%.0f", True),
    ("bulk_us", "100 MiB bodies: CPU of all server processes, us/MB", "%.1f", True),
)


def print_tables(results, calls):
    direct = results["direct"]
    for name, r in results.items():
        rows = []
        for quantity, text, form, compare in ROWS:
            if name == "direct" and quantity.startswith("front_"):
                continue
            rows.append((text, r[quantity], form))
            if name != "direct" and compare:
                rows.append(("  to direct", report.ratios(r[quantity], direct[quantity]), "%.3f"))
        report.table(name, ("min", "median", "max"), rows)
        for concurrent, counts in calls.get(name, {}).items():
            print("new connection: system calls of the router or proxy, %d at a time: %.2f (%s)" % (
                concurrent, sum(counts.values()),
                ", ".join("%s %.2f" % (call, counts[call]) for call in sorted(counts, key=counts.get, reverse=True)
                          if counts[call] >= 0.01)))


def print_figures(results, calls):
    direct = results["direct"]
    print()
    for name, prefix in (("trpsup", "router"), ("haproxy_tcp", "haproxy_tcp")):
        r = results[name]
        ratios = {quantity: report.ratios(r[quantity], direct[quantity])
                  for quantity, _, _, compared in ROWS if compared}
        report.figure(prefix + ".http_new.cpu_ratio", ratios["new_us"], "ratio")
        report.figure(prefix + ".http_new.router_us", r["front_us"], "us", "%.1f")
        report.figure(prefix + ".http_new.syscalls", [sum(calls[name][CONCURRENT].values())], "calls")
        report.figure(prefix + ".keepalive.rps_ratio", ratios["kept_rate"], "ratio")
        report.figure(prefix + ".keepalive.cpu_ratio", ratios["kept_us"], "ratio")
        report.figure(prefix + ".bulk.ratio", ratios["bulk_rate"], "ratio")
        report.figure(prefix + ".bulk.cpu_ratio", ratios["bulk_us"], "ratio")


def main(directory):
    client = measure.build_client()
    print(measure.machine(("nginx", "-V"), ("haproxy", "-v")), flush=True)
    servers.write_site()
    with contextlib.ExitStack() as stack:
        direct = stack.enter_context(servers.nginx_direct(directory))
        compared = [direct, stack.enter_context(servers.trpsup(directory)),
                    stack.enter_context(servers.haproxy(directory, direct))]
        results = all_rounds(client, compared)
        calls = {server.name: calls_per_connection(client, server, directory) for server in compared[1:]}
    print_tables(results, calls)
    print_figures(results, calls)


if __name__ == "__main__":
    sys.exit(arena.main(main))
