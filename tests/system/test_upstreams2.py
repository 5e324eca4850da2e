#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""The second half of the shipped profiles: application servers, a balancer, a broker, a small server in C."""
import os
import ssl
import unittest

import mqtt
import trp
import upstreams
import web
from upstreams import Row

APP = "[sandbox]\nbind = {content} /srv\n"

# A server that HAProxy balances: uWSGI at a unix socket.
BEHIND_HAPROXY = """
[service]
command = /usr/bin/uwsgi --plugin python3 --master --http-socket /trp/publish/http.sock --chmod-socket=666 --pythonpath /srv
	--module app --processes 2 --threads 8 --die-on-term
[sandbox]
root = packages
packages = uwsgi uwsgi-plugin-python3 openssl
publish = yes
bind = {content} /srv
"""

CGI = "[sandbox]\nstate-at =\nbind = {content} /srv\n"
MINI_HTTPD = {
    "keep-alive": "closes after each answer",
    "upload": "understands no chunks",
    "websocket": "has no WebSocket, and a CGI program has none of its own",
    "reload": "has no configuration to read again",
}

def ask_tls(row, address, tls, source=None):
    """As ask_http, but a handshake that was cut off is told from a refusal."""
    try:
        return upstreams.ask_http(row, address, tls, source)
    except (ssl.SSLError, ConnectionResetError, BrokenPipeError) as e:
        raise upstreams.Cut(str(e)) from e


MQTT_USER = b"mqtt"


def mqtt_client(row, address="127.0.0.1", source=None):
    password = trp.read(os.path.join(upstreams.STATE, "secrets/mosquitto/mqtt-password")).strip()
    return mqtt.Client(row, address, MQTT_USER, password, source)


def ask_mqtt(row, address, _, source=None):
    with mqtt_client(row, address, source) as client:
        return client.local


ROWS = [
    Row("django", drop_in=APP + "[environment]\nDJANGO_SETTINGS_MODULE = project.settings\n",
        cannot={"websocket": "a WSGI application has no way to speak WebSocket on gunicorn's threads"}),
    # a reload that begins before the one before it has settled is lost, or ends it
    Row("uwsgi", drop_in=APP, graceful_stop=False, graceful_reload=False, reloaded="uwsgi_systemd_notify_ready", reload_pause=2,
        cannot={"keep-alive": "its workers close after each answer"}),
    Row("tomcat", drop_in=APP, client="/client.jsp", upload=("POST", "/upload.jsp"), websocket="/websocket.jsp",
        graceful_stop=False, cannot={"reload": "there is no reload by signal"}),
    Row("puma", drop_in=APP),
    Row("haproxy", other_profiles={"app": BEHIND_HAPROXY},
        # the master logs that in its loop, and until it is there again it ignores the next signal
        reloaded=r"Former worker \(\d+\) exited",
        # a stop just after the start may be lost (doc/upstreams.md), here and in mosquitto: not so long each time
        drop_in="[service]\nrequires = app\nstop-timeout = 3s\n[sandbox]\nuse = app\nbind = {content} /srv\n"),
    Row("mini-httpd", drop_in=CGI, client="/cgi-bin/client", graceful_stop=False, cannot={
        "https": "one port, with TLS or without", **MINI_HTTPD}),
    Row("mini-httpd-tls", drop_in=CGI, client="/cgi-bin/client", content="mini-httpd", ask=ask_tls, graceful_stop=False, cannot={
        "http": "one port, with TLS or without",
        "client-address": "cannot learn the client's port", **MINI_HTTPD}),
    Row("mosquitto", drop_in="[service]\nstop-timeout = 3s\n", ask=ask_mqtt, client_log=r"New connection from (?P<address>\S+):(?P<port>{token}) on port",
        reloaded="Reloading config", graceful_stop=False, cannot={
            "http": "MQTT has no name in its first bytes",
            **{check: "it is not HTTP" for check in ("keep-alive", "upload", "download")},
            "websocket": "Debian's is built without WebSocket"}),
]

globals().update(upstreams.cases(ROWS, __name__))


def test_messages(self):
    """On one connection each, small messages and one of 50 MiB, from a publisher to a subscriber and back."""
    large = os.urandom(upstreams.UPLOAD_MIB * upstreams.MIB)
    with mqtt_client(self.row, "::1") as one, mqtt_client(self.row) as other:
        one.subscribe(b"to/one")
        other.subscribe(b"to/other")
        for payload in [b"message %d" % i for i in range(20)] + [large]:
            one.publish(b"to/other", payload)
            self.assertEqual(other.message(), (b"to/other", payload))
            other.publish(b"to/one", payload)
            self.assertEqual(one.message(), (b"to/one", payload))


def test_wrong_password(self):
    with self.assertRaisesRegex(AssertionError, "CONNECT was answered with 0x20 0005"):
        mqtt.Client(self.row, "127.0.0.1", MQTT_USER, b"guess")


globals()["mosquitto"].test_12_messages = test_messages
globals()["mosquitto"].test_13_wrong_password = test_wrong_password


def test_address(self):
    """The client's true address; for the port see the row."""
    for source, there in (("127.0.0.1", "127.0.0.1"), ("127.77.0.3", "127.0.0.1"), ("::1", "::1")):
        connection = upstreams.client(self.row, there, True, (source, 0))
        try:
            connection.request("GET", self.row.client)
            self.assertEqual(connection.getresponse().read().decode().split()[0].replace("::ffff:", ""), source)
        finally:
            connection.close()


globals()["mini_httpd_tls"].test_12_address = test_address


class PostgreSQL(unittest.TestCase):
    """What Debian's PostgreSQL 15 and its clients cannot do, and why."""
    SSL_REQUEST = bytes.fromhex("0000000804d2162f")
    REASON = "the client sends an SSLRequest of its own protocol first and waits for an answer"

    def test_its_tls_has_no_name_in_front(self):
        self.assertIn(self.REASON, upstreams.section("postgresql"))
        with trp.Daemon(state=upstreams.STATE) as d, web.connect("127.0.0.1", trp.TLS_PORT) as sock:
            sock.sendall(self.SSL_REQUEST)
            try:
                answer = sock.recv(1)  # S would be: go on with TLS
            except ConnectionResetError:
                answer = b""
            self.assertNotIn(answer, (b"S", b"N"))
            self.assertEqual(d.daemon_log().count("router ready"), 1)


if __name__ == "__main__":
    unittest.main()
