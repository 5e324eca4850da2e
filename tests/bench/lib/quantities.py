# SPDX-License-Identifier: ISC
"""What the router's measurement measures, and the figures that are made of it: of a run that has just ended, or of the
file that it has written."""
import statistics

from lib import report

HELD = 9000
RATE = 2000
SERVERS = ("direct", "trpsup", "nginx_http", "nginx_stream", "haproxy_tcp", "haproxy_http", "sniproxy", "caddy")
TITLES = {"direct": "nginx alone", "trpsup": "trpsup", "nginx_http": "nginx proxy_pass", "nginx_stream": "nginx stream",
          "haproxy_tcp": "haproxy tcp", "haproxy_http": "haproxy http", "sniproxy": "sniproxy", "caddy": "caddy"}

# quantity, text, format, is it compared with nginx alone
QUANTITIES = (
    ("new_us", "new HTTP connection: CPU of all server processes, us", "%.1f", True),
    ("front_us", "new HTTP connection: CPU of the router or proxy alone, us", "%.1f", False),
    ("front_sleeps", "new HTTP connection: times that it ran out of work", "%.2f", False),
    ("new_calls", "new HTTP connection: its system calls", "%.2f", False),
    ("new_rate", "new HTTP connections/s (one client process)", "%.0f", False),
    ("tls_us", "new TLS connection: CPU of all server processes, us", "%.0f", True),
    ("tls_front_us", "new TLS connection: CPU of the router or proxy alone, us", "%.1f", False),
    ("tls_calls", "new TLS connection: its system calls", "%.2f", False),
    ("kept_rate", "kept connections: requests/s", "%.0f", True),
    ("kept_us", "kept connections: CPU of all server processes, us", "%.1f", True),
    ("bulk_rate", "100 MiB bodies: MB/s", "%.0f", True),
    ("bulk_us", "100 MiB bodies: CPU of all server processes, us/MB", "%.1f", True),
    ("bulk_tls_rate", "100 MiB bodies in TLS: MB/s", "%.0f", True),
    ("bulk_tls_us", "100 MiB bodies in TLS: CPU of all server processes, us/MB", "%.1f", True),
    ("p50_ms", "%d new HTTP connections/s: p50, ms" % RATE, "%.3f", True),
    ("p99_ms", "%d new HTTP connections/s: p99, ms" % RATE, "%.3f", True),
    ("idle_bytes", "idle connection: bytes of the router or proxy", "%.0f", False),
    ("idle_sockets", "idle connection: its sockets", "%.2f", False),
)

# figure, quantity, to nginx alone, unit, format
FIGURES = (
    ("http_new.cpu_ratio", "new_us", True, "ratio", "%.2f"),
    ("http_new.router_us", "front_us", False, "us", "%.1f"),
    ("http_new.syscalls", "new_calls", False, "calls", "%.2f"),
    ("tls_new.cpu_ratio", "tls_us", True, "ratio", "%.2f"),
    ("tls_new.router_us", "tls_front_us", False, "us", "%.1f"),
    ("tls_new.syscalls", "tls_calls", False, "calls", "%.2f"),
    ("keepalive.rps_ratio", "kept_rate", True, "ratio", "%.2f"),
    ("keepalive.cpu_ratio", "kept_us", True, "ratio", "%.2f"),
    ("bulk.ratio", "bulk_rate", True, "ratio", "%.3f"),
    ("bulk.cpu_ratio", "bulk_us", True, "ratio", "%.2f"),
    ("bulk_tls.ratio", "bulk_tls_rate", True, "ratio", "%.3f"),
    ("bulk_tls.cpu_ratio", "bulk_tls_us", True, "ratio", "%.2f"),
    ("latency.p50_ratio", "p50_ms", True, "ratio", "%.2f"),
    ("latency.p99_ratio", "p99_ms", True, "ratio", "%.2f"),
    ("idle.bytes", "idle_bytes", False, "bytes", "%.0f"),
    ("idle.sockets", "idle_sockets", False, "sockets", "%.2f"),
)


def samples(servers, name, quantity, to_direct=False):
    """Of each round; to_direct: as ratios to nginx alone in the same round. None: it was not measured."""
    found = servers[name].get(quantity)
    if not found or not to_direct:
        return found
    return report.ratios(found, servers["direct"][quantity])


def median(servers, name, quantity, to_direct=False):
    found = samples(servers, name, quantity, to_direct)
    return statistics.median(found) if found else None


def print_figures(servers):
    for name in servers:
        prefix = "router" if name == "trpsup" else name
        for figure, quantity, to_direct, unit, form in FIGURES:
            found = name != "direct" and samples(servers, name, quantity, to_direct)
            if found:
                report.figure("%s.%s" % (prefix, figure), found, unit, form)
