# SPDX-License-Identifier: ISC
"""A small HTTP client of the standard library's parts that lets a test choose address, family and source port, and
keeps cookies and follows redirections as a browser does. Names ending in .localhost are never looked up."""
import http.client
import socket
import ssl
import urllib.parse


class Answer:
    def __init__(self, url, response, body, local):
        self.url = url
        self.status = response.status
        self.headers = response.headers
        self.body = body
        self.local = local  # the client's own (address, port)
        self.text = body.decode("utf-8", "replace")


def tls_context():
    """For the self-signed certificates of the services: what is tested is the way, not the chain. (The default context
    reads all the certificates of the machine, which costs 20 ms.)"""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def connect(address, port, source=None, timeout=30):
    """A TCP connection to a literal address; source: (address, port) of this end, port 0 = any."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout)
        if source:
            sock.bind(source)
        sock.connect((address, port))
    except BaseException:
        sock.close()
        raise
    return sock


class _Connection(http.client.HTTPConnection):
    def __init__(self, address, port, name, tls, timeout):
        super().__init__(name, port, timeout=timeout)
        self.address, self.name, self.tls = address, name, tls

    def connect(self):
        self.sock = connect(self.address, self.port, timeout=self.timeout)
        self.local = self.sock.getsockname()[:2]
        if self.tls:
            self.sock = tls_context().wrap_socket(self.sock, server_hostname=self.name)


def request(method, url, address="127.0.0.1", headers=None, body=None, timeout=60):
    """One request on a connection of its own."""
    parts = urllib.parse.urlsplit(url)
    tls = parts.scheme == "https"
    port = parts.port or (443 if tls else 80)
    connection = _Connection(address, port, parts.hostname, tls, timeout)
    try:
        h = {"Host": parts.netloc, "Connection": "close", "User-Agent": "trpsup-test"}
        h.update(headers or {})
        path = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
        connection.request(method, path, body=body, headers=h)
        response = connection.getresponse()
        return Answer(url, response, response.read(), connection.local)
    finally:
        connection.close()


def get(url, address="127.0.0.1", **kw):
    return request("GET", url, address, **kw)


class Browser:
    """Keeps cookies (by host) and follows redirections."""

    def __init__(self, address="127.0.0.1"):
        self.address = address
        self.cookies = {}

    def request(self, method, url, headers=None, body=None, redirects=10):
        for _ in range(redirects):
            host = urllib.parse.urlsplit(url).hostname
            jar = self.cookies.setdefault(host, {})
            h = dict(headers or {})
            if jar:
                h["Cookie"] = "; ".join("%s=%s" % c for c in jar.items())
            answer = request(method, url, self.address, h, body)
            for line in answer.headers.get_all("Set-Cookie") or []:
                name, _, value = line.split(";")[0].partition("=")
                jar[name.strip()] = value
            if answer.status not in (301, 302, 303, 307, 308):
                return answer
            url = urllib.parse.urljoin(url, answer.headers["Location"])
            if answer.status not in (307, 308):
                method, body = "GET", None
                headers = {k: v for k, v in (headers or {}).items() if k != "Content-Type"}
        raise AssertionError("more than %d redirections, at %s" % (redirects, url))

    def get(self, url, **kw):
        return self.request("GET", url, **kw)

    def post(self, url, fields):
        return self.request("POST", url, {"Content-Type": "application/x-www-form-urlencoded"},
                            urllib.parse.urlencode(fields).encode())
