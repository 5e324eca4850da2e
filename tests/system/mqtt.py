# SPDX-License-Identifier: ISC
"""As much of an MQTT 3.1.1 client (OASIS standard, chapter 3) as the checks of a broker need: QoS 0, over TLS."""
import struct

import upstreams

CONNECT, CONNACK, PUBLISH, SUBSCRIBE, SUBACK, DISCONNECT = 0x10, 0x20, 0x30, 0x82, 0x90, 0xe0
CLEAN, PASSWORD, USER = 0x02, 0x40, 0x80


def string(text):
    return struct.pack("!H", len(text)) + text


class Client:
    """with Client(row, address, user, password) as c: a session; c.local is the client's own (address, port)."""

    def __init__(self, row, address, user, password, source=None):
        try:
            self.sock = upstreams.connect(row, address, True, source)
        except ConnectionRefusedError:
            raise
        except OSError as e:  # the handshake was cut off
            raise upstreams.Cut(str(e)) from e
        try:
            self.local = self.sock.getsockname()[:2]
            self.stream = self.sock.makefile("rb")
            self.send(CONNECT, string(b"MQTT") + struct.pack("!BBH", 4, CLEAN | USER | PASSWORD, 60) + string(b"") +
                      string(user) + string(password))
            kind, body = self.receive()
            if kind != CONNACK or body[1] != 0:
                raise AssertionError("%s: CONNECT was answered with %#x %s" % (row.name, kind, body.hex()))
        except BaseException:
            self.sock.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.send(DISCONNECT, b"")
        finally:
            self.sock.close()

    def send(self, kind, body):
        length, left = b"", len(body)
        while True:
            left, digit = left >> 7, left & 0x7f
            length += bytes((digit | (0x80 if left else 0),))
            if not left:
                break
        try:
            self.sock.sendall(bytes((kind,)) + length + body)
        except OSError as e:
            raise upstreams.Cut(str(e)) from e

    def receive(self):
        """The next packet: (kind, body)."""
        kind, length, shift = self.read(1)[0], 0, 0
        while True:
            digit = self.read(1)[0]
            length |= (digit & 0x7f) << shift
            if not digit & 0x80:
                return kind, self.read(length)
            shift += 7

    def read(self, length):
        try:
            data = self.stream.read(length)
        except OSError as e:
            raise upstreams.Cut(str(e)) from e
        if len(data) < length:
            raise upstreams.Cut("the broker closed the connection")
        return data

    def subscribe(self, topic):
        self.send(SUBSCRIBE, struct.pack("!H", 1) + string(topic) + b"\0")
        kind, body = self.receive()
        if kind != SUBACK or body[2] > 2:
            raise AssertionError("SUBSCRIBE was answered with %#x %s" % (kind, body.hex()))

    def publish(self, topic, payload):
        self.send(PUBLISH, string(topic) + payload)

    def message(self):
        """The next message: (topic, payload)."""
        kind, body = self.receive()
        if kind & 0xf0 != PUBLISH:
            raise AssertionError("expected a message, not a packet %#x" % kind)
        length, = struct.unpack_from("!H", body)
        return body[2:2 + length], body[2 + length:]
