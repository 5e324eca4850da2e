#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""What the router costs: nginx by itself, behind trpsup and behind each of the proxies that people use for this, on the
same work in rounds that follow each other closely. Each figure is the median over the rounds; a ratio is taken to nginx
alone in the same round. doc/performance.md says how to read them.

ROUNDS=N (environment): fewer rounds. PEERS="haproxy_tcp caddy": only these. What was measured is written to
BUILD/artifacts/bench-router.json, from which tests/bench/plot.py makes tables and a picture."""
import contextlib
import json
import os
import sys
import time

from lib import arena, measure, peers, report, servers, trace
from lib.quantities import HELD, QUANTITIES, RATE, SERVERS, print_figures, samples

NEW_CONNECTIONS, NEW_TLS_CONNECTIONS, CONCURRENT = 10000, 1500, 32
TRACED_CONNECTIONS = 4000
KEEPALIVE_SECONDS = 1
BULK_TRANSFERS, BULK_TRIES, BULK_SECONDS = 2, 3, 1.5
LATENCY_CONNECTIONS, LATENCY_WAITING_MAX = 2000, 2000
MB = 1e6


def new_connections(client, server):
    """A connection for each request of a 1 KiB body."""
    cpu = {}
    with measure.cpu_used(server, cpu):
        took = measure.requests(client, server, "1k", NEW_CONNECTIONS, CONCURRENT)
    return {"new_us": cpu["server_us"] / NEW_CONNECTIONS, "front_us": cpu["front_us"] / NEW_CONNECTIONS,
            "front_sleeps": cpu["front_sleeps"] / NEW_CONNECTIONS, "new_rate": NEW_CONNECTIONS / took["seconds"]}


def new_tls_connections(client, server):
    """The same with a full handshake for each."""
    cpu = {}
    with measure.cpu_used(server, cpu):
        measure.requests(client, server, "1k", NEW_TLS_CONNECTIONS, CONCURRENT, tls=True)
    return {"tls_us": cpu["server_us"] / NEW_TLS_CONNECTIONS, "tls_front_us": cpu["front_us"] / NEW_TLS_CONNECTIONS}


def kept_connections(_, server):
    cpu = {}
    with measure.cpu_used(server, cpu):
        n, rate = measure.keepalive(server, "1k", KEEPALIVE_SECONDS)
    return {"kept_us": cpu["server_us"] / n, "kept_rate": rate}


def _bulk(client, server, prefix, tls):
    """The best of some tries: on which processors the two ends happen to run matters more than what is measured. A slow
    one gets fewer."""
    tries, end = [], time.monotonic() + BULK_SECONDS
    while len(tries) < BULK_TRIES and (not tries or time.monotonic() < end):
        cpu = {}
        with measure.cpu_used(server, cpu):
            took = measure.requests(client, server, "100m", 1 if tls else BULK_TRANSFERS, 1, tls)
        mb = took["bytes"] / MB
        tries.append({prefix + "_us": cpu["server_us"] / mb, prefix + "_rate": mb / took["seconds"]})
    return max(tries, key=lambda t: t[prefix + "_rate"])


def bulk(client, server):
    return _bulk(client, server, "bulk", False)


def bulk_tls(client, server):
    return _bulk(client, server, "bulk_tls", True)


def latency(client, server):
    """Requests that begin by the clock, whatever became of those before: an open loop."""
    took = measure.requests(client, server, "1k", LATENCY_CONNECTIONS, LATENCY_WAITING_MAX, rate=RATE)
    return {"p50_ms": took["p50_ms"], "p99_ms": took["p99_ms"]}


WORK = (new_connections, new_tls_connections, kept_connections, bulk, bulk_tls, latency)


def all_rounds(client, compared, rounds):
    """{server: {quantity: [a sample for each round]}}"""
    found = {server.name: {} for server in compared}
    for server in compared:  # the first touch of everything is nobody's cost
        measure.requests(client, server, "1k", 1000, CONCURRENT)
        measure.requests(client, server, "1k", 100, CONCURRENT, tls=True)
        measure.requests(client, server, "100m", 1, 1)
    for number in range(rounds):
        turn = number % len(compared)  # nobody is always the first
        for work in WORK:
            for server in compared[turn:] + compared[:turn]:
                for quantity, value in work(client, server).items():
                    found[server.name].setdefault(quantity, []).append(value)
        print("round %d of %d" % (number + 1, rounds), file=sys.stderr, flush=True)
    return found


def calls_per_connection(client, server, directory):
    """{kind of connection: {name of the call: calls for each}}, of the router or proxy alone"""
    found, reason = {}, trace.why_not()
    if reason:
        print("system calls are counted by strace: " + reason, file=sys.stderr)
    for kind, tls, concurrent, n in (("new_calls", False, CONCURRENT, TRACED_CONNECTIONS),
                                     ("tls_calls", True, CONCURRENT, TRACED_CONNECTIONS // 4),
                                     ("single_calls", False, 1, TRACED_CONNECTIONS // 4)):
        def work():
            measure.requests(client, server, "1k", n, concurrent, tls)
        counts = measure.system_calls(server, directory + "/strace.log", work) if reason else \
            trace.system_calls(server, directory, work)
        found[kind] = {name: calls / n for name, calls in counts.items()}
    return found


def idle(server):
    """What clients that say nothing any more cost in the processes other than nginx behind it."""
    front = set(server.front()) | {pid for pid in server.processes() if servers.executable(pid) != "nginx"}
    before = measure.pss_kb(front), measure.sockets(front)
    with measure.held(server, "/1k", HELD):
        after = measure.pss_kb(front), measure.sockets(front)
    # what it gave back meanwhile had nothing to do with them
    return {"idle_bytes": [max(0, after[0] - before[0]) * 1024 / HELD], "idle_sockets": [(after[1] - before[1]) / HELD]}


def print_tables(found, calls):
    for name in found:
        rows = []
        for quantity, text, form, compare in QUANTITIES:
            if name == "direct" and quantity.startswith(("front_", "tls_front_")):
                continue
            if not samples(found, name, quantity):
                continue
            rows.append((text, samples(found, name, quantity), form))
            if name != "direct" and compare:
                rows.append(("  to nginx alone", samples(found, name, quantity, True), "%.3f"))
        report.table(name, ("min", "median", "max"), rows)
        for kind, counts in calls.get(name, {}).items():
            print("%s: %.2f (%s)" % (
                kind, sum(counts.values()),
                ", ".join("%s %.2f" % (call, counts[call]) for call in sorted(counts, key=counts.get, reverse=True)
                          if counts[call] >= 0.01)))


def chosen():
    """How many rounds, which peers."""
    rounds = os.environ.get("ROUNDS", "7")
    names = os.environ.get("PEERS", " ".join(peers.PEERS)).split()
    if not rounds.isdigit() or int(rounds) < 1:
        raise arena.Failure("ROUNDS: '%s' is not a number from 1" % rounds)
    for name in names:
        if name not in peers.PEERS:
            raise arena.Failure("PEERS: no '%s'; there are: %s" % (name, " ".join(peers.PEERS)))
    return int(rounds), names


def keep(machine, rounds, found, calls):
    path = os.path.join(arena.BUILD, "artifacts", "bench-router.json")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        json.dump({"machine": machine, "when": time.strftime("%Y-%m-%d"), "rounds": rounds,
                   "servers": {name: found[name] for name in SERVERS if name in found}, "calls": calls}, f, indent=1)
    print("\nwritten to %s" % os.path.relpath(path, arena.TOP))


def main(directory):
    rounds, names = chosen()
    servers.may_open_many()
    client = measure.build_client()
    machine = measure.machine(*peers.versions())
    print(machine, flush=True)
    servers.write_site()
    with contextlib.ExitStack() as stack:
        direct = stack.enter_context(servers.nginx_direct(directory))
        compared = [direct, stack.enter_context(servers.trpsup(directory))]
        compared += [stack.enter_context(peers.peer(name, directory, direct)) for name in names]
        found = all_rounds(client, compared, rounds)
        calls = {server.name: calls_per_connection(client, server, directory) for server in compared[1:]}
        for server in compared[1:]:
            found[server.name].update(idle(server))
            for kind in ("new_calls", "tls_calls"):
                found[server.name][kind] = [sum(calls[server.name][kind].values())]
    print_tables(found, calls)
    keep(machine, rounds, found, calls)
    print_figures(found)


if __name__ == "__main__":
    sys.exit(arena.main(main))
