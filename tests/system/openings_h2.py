# SPDX-License-Identifier: ISC
"""As openings.py, of HTTP/2 with prior knowledge (RFC 9113 section 3.3)."""
import struct

import openings

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, END_HEADERS, PADDED, PRIORITISED = 1, 4, 8, 32
ACK = 1


def frame(kind, flags=0, stream=0, payload=b"", off=0):
    return struct.pack(">I", len(payload) + off)[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def integer(n, bits, first=0):
    """RFC 7541 section 5.1."""
    full = (1 << bits) - 1
    if n < full:
        return bytes([first | n])
    out, n = bytes([first | full]), n - full
    while n >= 128:
        out, n = out + bytes([n % 128 | 128]), n // 128
    return out + bytes([n])


def string(text):
    return integer(len(text), 7) + text


def literal(name, value, first=0):
    """A field as it is: section 6.2.2; first 0x40: kept (6.2.1), 0x10: never to be kept (6.2.3)."""
    return bytes([first]) + string(name) + string(value)


def fields(authority=b"a.test", method=b"GET", path=b"/", scheme=b"http", before=b"", after=b"", first=0):
    """A request's list; None leaves a field out."""
    names = ((b":method", method), (b":scheme", scheme), (b":path", path), (b":authority", authority))
    return before + b"".join(literal(n, v, first) for n, v in names if v is not None) + after


def opening(*frames, settings=b""):
    return PREFACE + frame(SETTINGS, payload=settings) + b"".join(frames)


def headers(block, flags=END_STREAM | END_HEADERS, stream=1):
    return frame(HEADERS, flags, stream, block)


def request(authority=b"a.test", **changes):
    return opening(headers(fields(authority, **changes)))


def names():
    for name in (b"a.test", b"b.test", b"x.w.test", b"x.y.w.test", b"w.test", b"c.test", b"test", b"a.test.test", b"xa.test", b"localhost",
                 b"127.0.0.1", b"xn--bcher-kva.test"):
        yield "plain", request(name)
        yield "plain", request(name, after=literal(b"user-agent", b"x") + literal(b"accept", b"*/*"))
    for name in (b"A.TEST", b"a.Test", b"X.w.TEST"):
        yield "case", request(name)
    for name in (b"a.test.", b"x.w.test.", b"B.TEST."):
        yield "trailing dot", request(name)
    for name in (b"a.test..", b".a.test", b"a..test", b"x..w.test", b"."):
        yield "empty label", request(name)
    for name in (b"a.test:80", b"x.w.test:8080", b"a.test:65535", b"a.test:"):
        yield "port", request(name)
    for name in (b"a.test:65536", b"a.test:x", b"a.test:80:80", b":80"):
        yield "bad port", request(name)
    for name in (b"under_score.test", b"x_y.w.test", b"-a.test", b"x-.w.test"):
        yield "plain", request(name)
    for name in (b"b\xc3\xbccher.test", b"\xff.w.test"):
        yield "not ASCII", request(name)
    for name in (b"a.test/", b"u@a.test", b"*", b"*.w.test", b"a b.w.test", b"a,b.w.test", b"http://a.test", b"a%2etest", b"x!.w.test"):
        yield "not a host name", request(name)
    for name in (b"[::1]", b"[::1]:80", b"[2001:DB8::1]"):
        yield "IPv6 literal", request(name)
    for name in (b"[", b"[::1", b"::1", b"[:::1]", b"[a.test]"):
        yield "bad IPv6 literal", request(name)
    yield "long name", request(openings.LONG_NAME.encode())
    for name in (b"l" * 64 + b".w.test", openings.LONG_NAME.encode() + b"x", b"l" * 1000 + b".w.test"):
        yield "name too long", request(name)
    for name in (b"a.test\0", b"a.test\r", b"a.test\n", b"x\0.w.test"):
        yield "control character", request(name)
    yield "empty :authority", request(b"")
    yield "no name", request(None)


def lists():
    for host in (b"a.test", b"b.test", b"x.w.test", b"c.test"):
        yield "host only", request(None, after=literal(b"host", host))
        yield "both the same", request(host, after=literal(b"host", host))
    for authority, host in ((b"a.test", b"b.test"), (b"b.test", b"a.test"), (b"a.test", b"c.test"), (b"c.test", b"a.test")):
        yield "both differ", request(authority, after=literal(b"host", host))
    yield "both differ in case", request(b"a.test", after=literal(b"host", b"A.TEST"))
    yield "both differ in port", request(b"a.test", after=literal(b"host", b"a.test:80"))
    yield ":authority twice", request(b"a.test", before=literal(b":authority", b"a.test"))
    yield ":authority twice", request(b"a.test", before=literal(b":authority", b"b.test"))
    yield "host twice", request(None, after=literal(b"host", b"a.test") * 2)
    yield "host twice", request(None, after=literal(b"host", b"a.test") + literal(b"host", b"b.test"))
    yield "pseudo-field behind others", request(None, after=literal(b"accept", b"*/*") + literal(b":authority", b"a.test"))
    yield "unknown pseudo-field", request(before=literal(b":x", b"y"))
    yield "response's pseudo-field", request(before=literal(b":status", b"200"))
    for name in (b"X", b"Host", b"x y", b"x\0", b"", b"x\x7f", b"x\xfc"):
        yield "bad name of a field", request(after=literal(name, b"y"))
    for value in (b"a\0b", b"a\rb", b"a\nb"):
        yield "bad value of a field", request(after=literal(b"x", value))
    yield "field of HTTP/1", request(after=literal(b"connection", b"close"))
    yield "field of HTTP/1", request(after=literal(b"transfer-encoding", b"chunked"))
    yield "x-forwarded-host", request(after=literal(b"x-forwarded-host", b"b.test"))
    for missing in ("method", "path", "scheme"):
        yield "pseudo-field missing", request(**{missing: None})
    yield "empty path", request(path=b"")
    yield "other scheme", request(scheme=b"https")
    yield "CONNECT", request(b"a.test:443", method=b"CONNECT", path=None, scheme=None)
    for first in (0x40, 0x10):
        yield "plain", request(first=first)
    yield "plain", request(b"x.w.test", after=literal(b"cookie", b"c" * 5000))
    yield "12 KiB field", request(after=literal(b"cookie", b"c" * 12000))
    yield "several kinds of literals", opening(headers(b"\x82\x86\x84" + b"\x41" + string(b"a.test")))  # static table
    yield "several kinds of literals", opening(headers(b"\x82\x86\x84" + b"\x01" + string(b"b.test")))
    yield "Huffman", opening(headers(b"\x82\x86\x84\x41\x84\x1a\xe9\x2a\x13"))  # a.test: RFC 7541 appendix B
    yield "size of the table", opening(headers(b"\x20" + fields()))
    yield "size of the table", opening(headers(b"\x3f\xe1\x1f" + fields()))
    yield "table too large", opening(headers(b"\x3f\xe2\x1f" + fields()))
    for block in (b"\x80", b"\xff\xff\xff\xff\xff\x7f", b"\x40", b"\x00\x7f", b"\xc6" + fields(), fields()[:-3], fields() + b"\x00"):
        yield "not HPACK", opening(headers(block))


def frames():
    block = fields()
    for cut in (0, 1, 10, len(block) - 1, len(block)):
        yield "CONTINUATION", opening(frame(HEADERS, END_STREAM, 1, block[:cut]), frame(CONTINUATION, END_HEADERS, 1, block[cut:]))
    yield "CONTINUATION", opening(frame(HEADERS, END_STREAM, 1, b""), *(frame(CONTINUATION, 0, 1, block[i:i + 1]) for i in range(len(block) - 1)),
                                  frame(CONTINUATION, END_HEADERS, 1, block[-1:]))
    yield "other frame before CONTINUATION", opening(frame(HEADERS, END_STREAM, 1, block[:9]), frame(PING, payload=bytes(8)),
                                                     frame(CONTINUATION, END_HEADERS, 1, block[9:]))
    yield "CONTINUATION of another stream", opening(frame(HEADERS, END_STREAM, 1, block[:9]), frame(CONTINUATION, END_HEADERS, 3, block[9:]))
    yield "CONTINUATION alone", opening(frame(CONTINUATION, END_HEADERS, 1, block))
    for pad in (0, 1, 255):
        yield "padding", opening(headers(bytes([pad]) + block + bytes(pad), END_STREAM | END_HEADERS | PADDED))
    yield "padding too long", opening(headers(bytes([255]) + block, END_STREAM | END_HEADERS | PADDED))
    yield "priority", opening(headers(struct.pack(">IB", 0, 15) + block, END_STREAM | END_HEADERS | PRIORITISED))
    yield "priority", opening(headers(b"\7" + struct.pack(">IB", 0x80000003, 15) + block + bytes(7), END_STREAM | END_HEADERS | PADDED | PRIORITISED))
    yield "depends on itself", opening(headers(struct.pack(">IB", 1, 15) + block, END_STREAM | END_HEADERS | PRIORITISED))
    yield "body follows", opening(headers(fields(method=b"POST"), END_HEADERS), frame(DATA, END_STREAM, 1, b"abc"))
    for stream in (3, 5, 0x7fffffff):
        yield "later stream", opening(headers(block, stream=stream))
    for stream in (0, 2):
        yield "wrong stream", opening(headers(block, stream=stream))
    yield "reserved bit", opening(headers(block, stream=0x80000001))
    for early in (frame(WINDOW_UPDATE, payload=struct.pack(">I", 1 << 20)), frame(PING, payload=bytes(8)), frame(PRIORITY, 0, 3, struct.pack(">IB", 0, 1)),
                  frame(SETTINGS), frame(SETTINGS, payload=struct.pack(">HI", 3, 100))):
        yield "frames before", opening(early, headers(block))
    yield "frame of unknown type before", opening(frame(0x7f, 0xff, 9, b"xyz"), headers(block))
    for early in (frame(DATA, 0, 1, b"x"), frame(RST_STREAM, 0, 1, bytes(4)), frame(PUSH_PROMISE, END_HEADERS, 1, bytes(4) + block)):
        yield "frame of a stream that is not open", opening(early, headers(block))
    yield "GOAWAY first", opening(frame(GOAWAY, payload=bytes(8)), headers(block))
    yield "settings", opening(headers(block), settings=struct.pack(">HIHI", 3, 100, 4, 1 << 16))
    yield "wrong length of SETTINGS", opening(headers(block), settings=b"\0\3\0")
    yield "no SETTINGS", PREFACE + headers(block)
    yield "SETTINGS of a stream", PREFACE + frame(SETTINGS, 0, 1) + headers(block)
    yield "SETTINGS acknowledged first", PREFACE + frame(SETTINGS, ACK) + headers(block)
    yield "wrong length of PING", opening(frame(PING, payload=bytes(7)), headers(block))
    yield "frame too long", opening(headers(fields(after=literal(b"x", b"y" * 17000))))
    yield "two requests", opening(headers(block), headers(fields(b"b.test"), stream=3))
    whole = request()
    for size in (1, 10, 16, 18, 23, 24, 30, 33, 40, 42, len(whole) - 10, len(whole) - 1):
        yield "cut", whole[:size]
    yield "bad preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\rX" + whole[24:]
    yield "bad preface", b"PRI / HTTP/2.0\r\n\r\nSM\r\n\r\n" + whole[24:]
    for text in (openings.request(), b"\x16\x03\x01\x00\x05hello", b"\0" * 64, b"SSH-2.0-x\r\n"):
        yield "another protocol", text


H2C = [one for part in (names, lists, frames) for one in part()]
