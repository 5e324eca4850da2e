#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""site NAME: a service that says to each of its clients which one it is, whatever they say."""
import selectors
import socket
import sys

ANSWER = b"Site: " + sys.argv[1].encode() + b"\r\n"


def serve(listener):
    client, _ = listener.accept()
    client.setblocking(False)
    with client:
        try:
            while client.recv(65536):  # what lies unread at the close would make it a reset
                pass
        except OSError:
            pass
        client.send(ANSWER)
        client.shutdown(socket.SHUT_WR)


waiting = selectors.DefaultSelector()
for port in (8080, 8443):
    waiting.register(socket.create_server(("0.0.0.0", port), backlog=1024), selectors.EVENT_READ)
while True:
    for key, _ in waiting.select():
        try:
            serve(key.fileobj)
        except OSError as e:  # a client that has left
            print(e, file=sys.stderr, flush=True)
