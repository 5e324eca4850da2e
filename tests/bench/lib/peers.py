# SPDX-License-Identifier: ISC
"""What people put before servers, each before the nginx that is reached directly too, each set up as its manual says for
speed and with one worker. Those that route by name do it here as well; doc/performance.md has the reasons of the settings."""
import contextlib
import os

from lib import arena, servers
from lib.servers import HOST, NGINX_PORT, NGINX_TLS_PORT, TLS_FILE

# nginx as a reverse proxy: http://nginx.org/en/docs/http/ngx_http_upstream_module.html#keepalive
NGINX_HTTP = servers.NGINX_MAIN + "http {{" + servers.NGINX_HTTP + """
	upstream site {{
		server 127.0.0.1:{nginx_port};
		keepalive 64;
		keepalive_requests 100000000;
		keepalive_timeout 600s;
	}}
	server {{
		listen {port} backlog=4096;
		listen {tls_port} ssl backlog=4096;
		server_name {host};
		location / {{
			proxy_pass http://site;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_set_header Host $host;
			proxy_max_temp_file_size 0;
		}}
	}}
}}
"""

# It cannot route plain HTTP by name: all of that port goes to the one server.
NGINX_STREAM = "load_module /usr/lib/nginx/modules/ngx_stream_module.so;" + servers.NGINX_MAIN + """
stream {{
	map $ssl_preread_server_name $site {{
		{host} 127.0.0.1:{nginx_tls_port};
	}}
	server {{
		listen {port} backlog=4096;
		proxy_pass 127.0.0.1:{nginx_port};
		proxy_timeout 600s;
	}}
	server {{
		listen {tls_port} backlog=4096;
		ssl_preread on;
		proxy_pass $site;
		proxy_timeout 600s;
	}}
}}
"""

# the limits: without them it plans for more descriptors than it may have and does not start
HAPROXY = """
global
	maxconn 9400
	fd-hard-limit {open_files}
	nbthread 1
	tune.ssl.cachesize 0
defaults
	timeout connect 5s
	timeout client 600s
	timeout server 600s
	timeout http-keep-alive 600s
"""
HAPROXY_TCP = HAPROXY + """
	mode tcp
frontend http
	bind :{port} backlog 4096
	tcp-request inspect-delay 5s
	tcp-request content accept if {{ req.hdr(host),field(1,:) -m found }}
	use_backend http if {{ req.hdr(host),field(1,:) -i {host} }}
frontend tls
	bind :{tls_port} backlog 4096
	tcp-request inspect-delay 5s
	tcp-request content accept if {{ req.ssl_hello_type 1 }}
	use_backend tls if {{ req.ssl_sni -i {host} }}
backend http
	server nginx 127.0.0.1:{nginx_port}
backend tls
	server nginx 127.0.0.1:{nginx_tls_port}
"""
HAPROXY_HTTP = HAPROXY + """
	mode http
	http-reuse always
frontend http
	bind :{port} backlog 4096
	bind :{tls_port} backlog 4096 ssl crt {tls_file} no-tls-tickets
	use_backend http if {{ req.hdr(host),field(1,:) -i {host} }}
backend http
	server nginx 127.0.0.1:{nginx_port}
"""

SNIPROXY = """
listener 0.0.0.0:{port} {{
	protocol http
	table http
}}
listener 0.0.0.0:{tls_port} {{
	protocol tls
	table tls
}}
table http {{
	{host} 127.0.0.1:{nginx_port}
}}
table tls {{
	{host} 127.0.0.1:{nginx_tls_port}
}}
"""

CADDY = """
{{
	admin off
	auto_https off
	servers {{
		protocols h1
	}}
}}
http://{host}:{port} {{
	reverse_proxy 127.0.0.1:{nginx_port} {{
		transport http {{
			keepalive_idle_conns_per_host 64
		}}
	}}
}}
https://{host}:{tls_port} {{
	tls {tls_file} {tls_file}
	reverse_proxy 127.0.0.1:{nginx_port} {{
		transport http {{
			keepalive_idle_conns_per_host 64
		}}
	}}
}}
"""

# name: configuration, command line, environment, program and option that print its version
PEERS = {
    "nginx_http": (NGINX_HTTP, ("/usr/sbin/nginx", "-e", "stderr", "-c"), {}, "-v"),
    "nginx_stream": (NGINX_STREAM, ("/usr/sbin/nginx", "-e", "stderr", "-c"), {}, "-v"),
    "haproxy_tcp": (HAPROXY_TCP, ("/usr/sbin/haproxy", "-db", "-f"), {}, "-v"),
    "haproxy_http": (HAPROXY_HTTP, ("/usr/sbin/haproxy", "-db", "-f"), {}, "-v"),
    "sniproxy": (SNIPROXY, ("/usr/sbin/sniproxy", "-f", "-c"), {}, "-V"),
    "caddy": (CADDY, ("/usr/bin/caddy", "run", "--adapter", "caddyfile", "--config"),
              {"GOMAXPROCS": "1", "HOME": "/dev/shm"}, "version"),
}
FIRST_PORT, FIRST_TLS_PORT = 8002, 8402


def versions():
    """Command lines that print the version of each program."""
    return sorted({(argv[0], option) for _, argv, _, option in PEERS.values()})


@contextlib.contextmanager
def peer(name, directory, nginx):
    """In front of the nginx that is there."""
    text, argv, environment, _ = PEERS[name]
    number = list(PEERS).index(name)
    port, tls_port = FIRST_PORT + number, FIRST_TLS_PORT + number
    conf, log = "%s/%s.conf" % (directory, name), "%s/%s.log" % (directory, name)
    with open(conf, "w") as f:
        f.write(text.format(name=name, host=HOST, port=port, tls_port=tls_port, nginx_port=NGINX_PORT,
                            nginx_tls_port=NGINX_TLS_PORT, tls_file=TLS_FILE, open_files=servers.OPEN_FILES))
    with servers.as_nobody([*argv, conf], log, env={**os.environ, **environment}) as p:
        arena.wait_until(lambda: servers.answers(port) and servers.answers(tls_port), 10, name + " answers", log)
        yield servers.Server(name, port, lambda: servers.descendants(p.pid),
                             lambda: servers.descendants(p.pid) + nginx.processes(), tls_port=tls_port)
