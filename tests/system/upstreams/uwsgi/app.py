# SPDX-License-Identifier: ISC
"""What the checks ask of an application, as plain WSGI with uWSGI's own calls for chunked input and WebSocket."""
import hashlib
import os
import socket

import uwsgi

FILES = {"/small.txt": "text/plain", "/large.bin": "application/octet-stream"}


def chunks():
    while True:
        data = uwsgi.chunked_read()
        if not data:
            return
        yield data


def remote_port():
    """uWSGI's workers give the address only."""
    with socket.socket(fileno=os.dup(uwsgi.connection_fd())) as sock:
        return sock.getpeername()[1]


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path in FILES:
        f = open("/srv" + path, "rb")
        size = f.seek(0, 2)
        f.seek(0)
        start_response("200 OK", [("Content-Type", FILES[path]), ("Content-Length", str(size))])
        return environ["wsgi.file_wrapper"](f, 65536)
    if path == "/websocket":
        uwsgi.websocket_handshake()
        try:
            while True:
                uwsgi.websocket_send(uwsgi.websocket_recv())
        except OSError:  # the client has left
            return []
    if path == "/client":
        body = "%s %d\n" % (environ["REMOTE_ADDR"], remote_port())
    elif path == "/upload":
        digest = hashlib.sha256()
        for data in chunks():
            digest.update(data)
        body = digest.hexdigest()
    else:
        start_response("404 Not Found", [("Content-Length", "0")])
        return []
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body.encode()]
