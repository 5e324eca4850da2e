# SPDX-License-Identifier: ISC
"""What clients open a connection with, the right and the odd: the corpus of test_differential. Always the same, as a list
of (kind, bytes); a kind is what one sentence can explain."""
import struct

# Whose names they are; nobody has others.
SITES = {"a": ("a.test", "xn--bcher-kva.test", "under_score.test"), "b": ("b.test",), "w": ("*.w.test",)}
LONG_NAME = ".".join(["l" * 63] * 3 + ["l" * 54]) + ".w.test"  # 253 bytes


def request(host=b"a.test", method=b"GET", target=b"/", version=b"HTTP/1.1", before=b"", after=b"", field=b"Host: "):
    return b"%s %s %s\r\n%s%s%s\r\n%s\r\n" % (method, target, version, before, field, host, after)


def http_plain():
    for host in (b"a.test", b"b.test", b"x.w.test", b"x.y.w.test", b"w.test", b"c.test", b"test", b"a.test.test",
                 b"xa.test", b"a.tes", b"localhost", b"127.0.0.1", b"xn--bcher-kva.test"):
        yield "plain", request(host)
        yield "plain", request(host, before=b"User-Agent: x\r\nAccept: */*\r\n", after=b"Cookie: a=b; c=d\r\n")
        yield "plain", request(host, version=b"HTTP/1.0")
        yield "plain", request(host, after=b"Content-Length: 3\r\n", method=b"POST") + b"abc"
    for method in (b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"PATCH"):
        yield "plain", request(method=method, after=b"Content-Length: 0\r\n")
    yield "plain", request(target=b"*", method=b"OPTIONS")
    yield "plain", request(target=b"/?q=http://b.test/")
    yield "plain", request(target=b"/\xc3\xbc")
    yield "plain", request(after=b"Connection: Upgrade\r\nUpgrade: websocket\r\n")
    yield "plain", request(after=b"X-Forwarded-Host: b.test\r\nForwarded: host=b.test\r\n")
    yield "plain", request() + request(b"b.test")
    yield "plain", request(after=b"X: Host: b.test\r\n")
    yield "plain", request(before=b"X-Host: b.test\r\n")
    yield "plain", request(before=b"Hos: b.test\r\nHosts: b.test\r\n")
    for host in (b"A.TEST", b"a.Test", b"X.w.TEST", b"XN--BCHER-KVA.test", b"B.TeSt"):
        yield "case", request(host)
    for field in (b"HOST: ", b"host: ", b"hOsT: "):
        yield "case", request(field=field)
        yield "case", request(b"B.test", field=field)


def http_name():
    for host in (b"a.test.", b"b.test.", b"x.w.test.", b"A.TEST.", b"a.test.:80", b"c.test."):
        yield "trailing dot", request(host)
    for host in (b"a.test..", b".a.test", b"a..test", b"x..w.test", b".", b"..", b".w.test", b".test"):
        yield "empty label", request(host)
    for port in (b":80", b":8080", b":443", b":0", b":65535", b":1"):
        yield "port", request(b"a.test" + port)
        yield "port", request(b"x.w.test" + port)
    yield "empty port", request(b"a.test:")
    for port in (b":65536", b":99999999999999999999", b":abc", b":-1", b":+80", b":8o", b":80:80", b"::", b":80a", b":0x50",
                 b":80.", b": 80"):
        yield "bad port", request(b"a.test" + port)
    yield "bad port", request(b":80")
    yield "underscore", request(b"under_score.test")
    yield "underscore", request(b"x_y.w.test")
    yield "underscore", request(b"_dmarc.w.test")
    for host in (b"-a.test", b"a-.test", b"-.w.test", b"x-.w.test", b"-x.w.test"):
        yield "hyphen at an end", request(host)
    for host in (b"b\xc3\xbccher.test", b"b\xfccher.test", b"\xc3\xbc.w.test", b"\xff.w.test", b"a\xe3\x80\x82test"):
        yield "not ASCII", request(host)
    for host in (b"a%2etest", b"%61.test", b"x%00.w.test", b"a.test%20"):
        yield "percent", request(host)
    for host in (b"a.test/", b"a.test?x", b"a.test#x", b"a,b", b"a.test,b.test", b"a.test, b.test", b"u@a.test", b"u:p@a.test",
                 b"*", b"*.w.test", b'"a.test"', b"a;b.test", b"a.test\\", b"<a.test>", b"a'.w.test", b"a b.w.test",
                 b"http://a.test", b"a.test b.test", b"x!.w.test", b"x$.w.test", b"(x).w.test", b"x~.w.test", b"x=y.w.test"):
        yield "not a host name", request(host)
    for host in (b"[::1]", b"[::1]:80", b"[::ffff:192.0.2.1]", b"[2001:DB8::1]:443", b"[::]"):
        yield "IPv6 literal", request(host)
    for host in (b"[", b"]", b"[]", b"[::1", b"::1", b"::1]", b"[::1]x", b"[::1]80", b"[:::1]", b"[fe80::1%25eth0]", b"[fe80::1%eth0]",
                 b"[v1.x]", b"[a.test]", b"[[::1]]", b"[::1]:65536", b"[1:2:3:4:5:6:7:8:9]"):
        yield "bad IPv6 literal", request(host)
    yield "long name", request(LONG_NAME.encode())
    yield "long name", request(b"l" * 63 + b".w.test")
    for host in (b"l" * 64 + b".w.test", b"l." * 130 + b"w.test", LONG_NAME.encode() + b"x", b"l" * 1000 + b".w.test", b"l" * 255):
        yield "name too long", request(host)


def http_target():
    for target in (b"http://a.test/", b"http://a.test", b"http://a.test?q", b"http://A.TEST/x", b"HTTP://a.test/", b"https://a.test/",
                   b"http://a.test:80/", b"http://a.test:8080/x?y#z", b"http://x.w.test/"):
        yield "absolute-form, same Host", request(b"x.w.test" if b"x.w" in target else b"a.test", target=target)
        yield "absolute-form, other Host", request(b"b.test", target=target)
        yield "absolute-form without Host", b"GET %s HTTP/1.1\r\n\r\n" % target
        yield "absolute-form, HTTP/1.0", b"GET %s HTTP/1.0\r\n\r\n" % target
    yield "absolute-form, no name", request(target=b"http://c.test/")
    yield "absolute-form, trailing dot", request(target=b"http://a.test./")
    for target in (b"http://u@a.test/", b"http://u:p@a.test/", b"http://a.test@b.test/", b"http://@a.test/"):
        yield "absolute-form, userinfo", request(target=target)
    for target in (b"http:///", b"http://", b"http:a.test", b"http:/a.test/", b"://a.test/", b"a.test", b"a.test/", b"http", b"http://:80/",
                   b"http://a..test/", b"http://a.test:x/", b"http://a.test:99999/", b"1http://a.test/", b"ht tp://a.test/",
                   b"http://a_%.test/", b"http://[::1/", b"?", b"#", b"\\", b"**", b"*/"):
        yield "bad target", request(target=target)
    yield "absolute-form, IPv6 literal", request(target=b"http://[::1]/")
    yield "absolute-form, other scheme", request(target=b"ftp://a.test/")
    yield "absolute-form, other scheme", request(target=b"ws+x://b.test/")
    yield "fragment or slashes", request(target=b"//b.test/")
    yield "fragment or slashes", request(target=b"/a#b")
    for target, host in ((b"a.test:443", b"a.test:443"), (b"b.test:443", b"a.test"), (b"a.test", b"a.test"), (b"a.test:443", b"b.test:443"),
                         (b"[::1]:443", b"a.test"), (b"/", b"a.test"), (b"c.test:1", b"a.test"), (b"http://a.test/", b"a.test")):
        yield "CONNECT", request(host, method=b"CONNECT", target=target)


def http_fields():
    for one, two in ((b"a.test", b"a.test"), (b"a.test", b"b.test"), (b"b.test", b"a.test"), (b"a.test", b""), (b"", b"a.test"),
                     (b"a.test", b"A.test"), (b"a.test", b"c.test"), (b"c.test", b"a.test")):
        yield "Host twice", request(one, after=b"Host: " + two + b"\r\n")
        yield "Host twice", request(one, after=b"Accept: */*\r\nhost:" + two + b"\r\n")
        yield "Host twice", request(one, after=b"X: " + b"x" * 3000 + b"\r\nHOST: " + two + b"\r\n")
        yield "Host twice", request(one, after=b"Host: " + two + b"\r\n", version=b"HTTP/1.0")
    yield "Host missing", b"GET / HTTP/1.1\r\n\r\n"
    yield "Host missing", b"GET / HTTP/1.1\r\nAccept: */*\r\n\r\n"
    yield "Host missing", b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n"
    yield "Host missing, HTTP/1.0", b"GET / HTTP/1.0\r\n\r\n"
    yield "Host missing, HTTP/1.0", b"GET / HTTP/1.0\r\nAccept: */*\r\n\r\n"
    for host in (b"", b" ", b"\t", b"   "):
        yield "Host empty", b"GET / HTTP/1.1\r\nHost:%s\r\n\r\n" % host
        yield "Host empty", b"GET / HTTP/1.0\r\nHost:%s\r\n\r\n" % host
    for field in (b"Host:", b"Host:  ", b"Host:\t", b"Host: \t "):
        yield "blanks around the value", request(field=field)
        yield "blanks around the value", request(b"a.test ", field=field)
        yield "blanks around the value", request(b"b.test \t ", field=field)
    for field in (b"Host : ", b"Host\t: ", b"Host  :"):
        yield "blank before the colon", request(field=field)
        yield "blank before the colon", request(b"b.test", field=field, before=b"Host: a.test\r\n")
    for field in (b"X : ", b"X\t:"):
        yield "blank before another colon", request(after=field + b"y\r\n")
    for blank in (b" ", b"\t", b"  \t "):
        yield "folded Host", b"GET / HTTP/1.1\r\nHost:\r\n%sa.test\r\n\r\n" % blank
        yield "folded Host", b"GET / HTTP/1.1\r\nHost: a.test\r\n%sb.test\r\n\r\n" % blank
        yield "folded Host", b"GET / HTTP/1.1\r\nHost: a\r\n%s.test\r\n\r\n" % blank
        yield "folded field", request(before=b"X: y\r\n%sz\r\n" % blank)
        yield "folded field", request(after=b"X: y\r\n%sz\r\n" % blank)
        yield "folded field", request(after=b"X: y\r\n%sHost: b.test\r\n" % blank)
        yield "first field folded", b"GET / HTTP/1.1\r\n%sHost: a.test\r\n\r\n" % blank
        yield "first field folded", b"GET / HTTP/1.1\r\n%sX: y\r\nHost: a.test\r\n\r\n" % blank
    for line in (b"nothing", b": y", b"X Y: z", b"X@: y", b"X\x0b: y", b"(X): y", b"X\xc3\xbc: y", b'"X": y', b"X", b"X/Y: z", b"{X}: y"):
        yield "not a field", request(before=line + b"\r\n")
        yield "not a field", request(after=line + b"\r\n")
    for byte in (b"\x01", b"\x08", b"\x0b", b"\x0c", b"\x1b", b"\x7f"):
        yield "control character in a value", request(after=b"X: a%sb\r\n" % byte)
        yield "control character in Host", request(b"a%s.test" % byte)
    yield "obs-text in a value", request(after=b"X: \xc3\xbc\xff\x80\r\n")
    for where in (b"\x00a.test", b"a.test\x00", b"a\x00.test", b"a.test\x00.w.test", b"x\x00.w.test"):
        yield "NUL in Host", request(where)
    yield "NUL in a value", request(after=b"X: a\x00b\r\n")
    yield "NUL in a value", request(before=b"X: \x00\r\n")
    yield "NUL in a field's name", request(before=b"X\x00: y\r\n")
    yield "NUL in the target", request(target=b"/\x00")
    yield "many fields", request(after=b"".join(b"X-%d: y\r\n" % i for i in range(60)))
    yield "many fields", request(before=b"".join(b"X-%d: y\r\n" % i for i in range(60)))
    yield "4 KiB field", request(before=b"X: " + b"x" * 4096 + b"\r\n")
    yield "4 KiB field", request(before=b"X: " + b"x" * 4096 + b"\r\n", host=b"b.test")
    yield "12 KiB field", request(before=b"X: " + b"x" * 12288 + b"\r\n")
    yield "70 KiB field", request(before=b"X: " + b"x" * 71680 + b"\r\n")
    yield "6 KiB target", request(target=b"/" + b"x" * 6144)
    for after in (b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", b"Content-Length: x\r\n", b"Content-Length: 1\r\nContent-Length: 2\r\n",
                  b"Transfer-Encoding: x\r\n", b"Content-Length: -1\r\n"):
        yield "contradictory body", request(after=after, method=b"POST")


def http_lines():
    for text in (request(), request(b"b.test"), request(after=b"X: y\r\n"), request(b"c.test")):
        yield "bare LF", text.replace(b"\r\n", b"\n")
        yield "bare LF", text.replace(b"\r\n", b"\n", 1)
        yield "bare LF", text[:-4] + b"\n\n"
        yield "bare LF", text[:-4] + b"\r\n\n"
        yield "bare LF", text[:-4] + b"\n\r\n"
    yield "bare CR between lines", request().replace(b"\r\n", b"\r") + b"\r\n\r\n"
    for host in (b"a\r.test", b"\ra.test", b"a.test\rX: y", b"a.test\r", b"a.test\r\r"):
        yield "bare CR in Host", request(host)
    yield "bare CR in a value", request(after=b"X: a\rb\r\n")
    yield "bare CR in a value", request(after=b"X: a\rHost: b.test\r\n")
    yield "bare CR in a value", request(before=b"X: a\r\r\n")
    yield "bare CR in the request line", request(target=b"/\r")
    yield "CR LF before the request", b"\r\n" + request()
    yield "CR LF before the request", b"\r\n" + request(b"b.test")
    yield "LF before the request", b"\n" + request()
    yield "several CR LF before the request", b"\r\n\r\n" + request()
    for line in (b" GET / HTTP/1.1", b"\tGET / HTTP/1.1"):
        yield "blank before the method", line + b"\r\nHost: a.test\r\n\r\n"
    for line in (b"GET  / HTTP/1.1", b"GET /  HTTP/1.1", b"GET / HTTP/1.1 "):
        yield "too many blanks", line + b"\r\nHost: a.test\r\n\r\n"
    for line in (b"GET\t/ HTTP/1.1", b"GET /\tHTTP/1.1", b"GET\t/\tHTTP/1.1", b"GET / HTTP/1.1\t"):
        yield "tabs in the request line", line + b"\r\nHost: a.test\r\n\r\n"
    yield "blank in the target", request(target=b"/a b")
    yield "blank in the target", request(target=b"/ HTTP/1.1 b")
    for version in (b"HTTP/1.2", b"HTTP/1.9"):
        yield "HTTP/1.x, x > 1", request(version=version)
        yield "HTTP/1.x, x > 1", request(b"b.test", version=version)
    for version in (b"HTTP/2.0", b"HTTP/3.0", b"HTTP/9.9", b"HTTP/2"):
        yield "other major version", request(version=version)
    for version in (b"HTTP/0.9", b"HTTP/0.0"):
        yield "HTTP/0.x", request(version=version)
    for version in (b"http/1.1", b"HTTP/1", b"HTTP/1.", b"HTTP/.1", b"HTTP/1.10", b"HTTP/01.1", b"HTTP/ 1.1", b"HTTP /1.1", b"HTTP/1,1", b"HTTP/1.x",
                    b"HTTP/x.1", b"HTTP", b"HTTP/", b"HTTPS/1.1", b"XTTP/1.1", b"HTTP-1.1", b"HTTP/-1.1", b"HTTP/1.1x"):
        yield "bad version", request(version=version)
    for line in (b"GET /\r\n", b"GET /\n", b"GET / \r\n", b"GET /x?y\r\n"):
        yield "HTTP/0.9", line
    yield "HTTP/0.9", b"GET /\r\nHost: a.test\r\n\r\n"
    for method in (b"FOO", b"M-SEARCH", b"PROPFIND", b"X", b"A_B"):
        yield "unusual method", request(method=method)
    for method in (b"get", b"Get", b"!#$%&'*+.^`|~", b"A1"):
        yield "method not in capitals", request(method=method)
    for method in (b"", b"G@T", b"GE(T", b"G\x00T", b"\xc3\x9c", b"GET:", b"GET,", b"G=T", b'"GET"'):
        yield "bad method", request(method=method)
    yield "long method", request(method=b"M" * 32)
    yield "too long method", request(method=b"M" * 64)
    yield "too long method", request(method=b"M" * 1000)
    for text in (b"GET", b"GET ", b"GET /", b"GET / HTTP/1.1", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: a.te", b"GET / HTTP/1.1\r\nHost: a.test",
                 b"GET / HTTP/1.1\r\nHost: a.test\r\n", b"GET / HTTP/1.1\r\nHost: a.test\r\n\r", b"GET / HTTP/1.1\r\nHost: a.test\r\nX"):
        yield "cut", text
    yield "HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9)
    for text in (b"SSH-2.0-OpenSSH_9.2\r\n", b"EHLO a.test\r\n", b"USER x\r\n", b"stats\r\n", b"OPTIONS sip:a.test SIP/2.0\r\n\r\n",
                 b"OPTIONS * RTSP/1.0\r\n\r\n", b"PROXY TCP4 1.1.1.1 1.1.1.1 1 1\r\n" + request(), b"\x00\x00\x00\x01", b"<stream to='a.test'>\r\n\r\n",
                 b"\x04\x01\x00\x50", b"\xff" * 32 + b"\r\n\r\n", b"HELO\r\n\r\n"):
        yield "another protocol", text
    yield "TLS to a port of HTTP", hello("a.test")


# TLS: RFC 8446 section 4.1.2, with places where it can be wrong

def vector(width, data, off=0):
    return (len(data) + off).to_bytes(width, "big") + data


def extension(kind, data, off=0):
    return struct.pack(">H", kind) + vector(2, data, off)


def server_name(*names, list_off=0, ext_off=0, name_off=0, kind=0):
    entries = b"".join(bytes([kind]) + vector(2, n if isinstance(n, bytes) else n.encode(), name_off) for n in names)
    return extension(0, vector(2, entries, list_off), ext_off)


VERSIONS = extension(43, vector(1, struct.pack(">HH", 0x304, 0x303)))
GROUPS = extension(10, vector(2, struct.pack(">HH", 29, 23)))
SIGNATURES = extension(13, vector(2, struct.pack(">HH", 0x403, 0x804)))
KEYS = extension(51, vector(2, struct.pack(">H", 29) + vector(2, b"k" * 32)))
ALPN = extension(16, vector(2, vector(1, b"h2") + vector(1, b"http/1.1")))
REST = GROUPS + SIGNATURES + VERSIONS + KEYS


def message(extensions, version=0x303, session=b"s" * 32, ciphers=struct.pack(">HHH", 0x1301, 0xc02b, 0xc02f), compression=b"\0",
            kind=1, off=0, session_off=0, ciphers_off=0, compression_off=0, extensions_off=0):
    """A handshake message. extensions None: not even their length."""
    body = struct.pack(">H", version) + b"r" * 32 + vector(1, session, session_off) + vector(2, ciphers, ciphers_off)
    body += vector(1, compression, compression_off)
    if extensions is not None:
        body += vector(2, extensions, extensions_off)
    return bytes([kind]) + vector(3, body, off)


def record(data, kind=22, version=0x301, off=0):
    return struct.pack(">BH", kind, version) + vector(2, data, off)


def records(data, *cuts):
    """In several records, cut at those places."""
    places = [0, *cuts, len(data)]
    return b"".join(record(data[a:b]) for a, b in zip(places, places[1:]))


def hello(name, **changes):
    return record(message(server_name(name) + REST, **changes))


def tls_names():
    for name in ("a.test", "b.test", "x.w.test", "x.y.w.test", "w.test", "c.test", "test", "a.test.test", "xa.test", "localhost",
                 "xn--bcher-kva.test"):
        yield "plain", hello(name)
        yield "plain", record(message(REST + server_name(name)))
        yield "plain", record(message(ALPN + server_name(name) + REST))
        yield "plain", hello(name, session=b"")
    for name in ("A.TEST", "a.Test", "X.W.test", "B.test"):
        yield "case", hello(name)
    for name in ("a.test.", "x.w.test.", "B.TEST."):
        yield "trailing dot", hello(name)
    for name in ("a.test..", ".a.test", "a..test", "x..w.test", ".", ".w.test"):
        yield "empty label", hello(name)
    for name in ("under_score.test", "x_y.w.test"):
        yield "underscore", hello(name)
    for name in ("-a.test", "a-.test", "x-.w.test", "-x.w.test"):
        yield "hyphen at an end", hello(name)
    for name in ("bücher.test", b"b\xfccher.test", "ü.w.test", b"\xff.w.test"):
        yield "not ASCII", hello(name)
    for name in ("a.test:443", "a.test/", "u@a.test", "*", "*.w.test", "a b.w.test", " a.test", "a.test ", "a,b.w.test", "https://a.test", "x\n.w.test",
                 "x;y.w.test", "a%2etest"):
        yield "not a host name", hello(name)
    for name in (b"a.test\0", b"\0a.test", b"a.test\0.w.test", b"x\0.w.test", b"\0"):
        yield "NUL", hello(name)
    for name in ("127.0.0.1", "192.0.2.1"):
        yield "IPv4 address", hello(name)
    for name in ("::1", "[::1]", "2001:db8::1"):
        yield "IPv6 address", hello(name)
    yield "long name", hello(LONG_NAME)
    yield "long name", hello("l" * 63 + ".w.test")
    for name in ("l" * 64 + ".w.test", "l." * 130 + "w.test", LONG_NAME + "x", "l" * 255 + ".w.test", "l" * 1000 + ".w.test"):
        yield "name too long", hello(name)
    yield "empty name", hello("")
    yield "empty list", record(message(extension(0, vector(2, b"")) + REST))
    yield "empty extension", record(message(extension(0, b"") + REST))
    yield "no server_name", record(message(REST))
    yield "no server_name", record(message(ALPN + REST))
    yield "no server_name", record(message(GROUPS))
    yield "no extension", record(message(b""))
    yield "no extension", record(message(None))
    yield "no extension", record(message(None, version=0x301))
    for names in (("a.test", "b.test"), ("b.test", "a.test"), ("a.test", "a.test"), ("c.test", "a.test")):
        yield "several names", record(message(server_name(*names) + REST))
    for kind in (1, 255):
        yield "name of another type", record(message(server_name("a.test", kind=kind) + REST))
    for one, two in (("a.test", "b.test"), ("b.test", "a.test"), ("a.test", "a.test")):
        yield "server_name twice", record(message(server_name(one) + REST + server_name(two)))
        yield "server_name twice", record(message(server_name(one) + server_name(two) + REST))


def tls_shapes():
    for grease in (0x0a0a, 0x1a1a, 0xfafa):
        for name in ("a.test", "x.w.test"):
            yield "GREASE", record(message(extension(grease, b"") + server_name(name) + REST + extension(grease ^ 0x1010, b"\0"),
                                           ciphers=struct.pack(">HH", grease, 0x1301)))
    for version in (0x301, 0x302, 0x303, 0x304):
        for name in ("a.test", "b.test"):
            yield "legacy version", record(message(server_name(name) + REST, version=version))
            yield "legacy version", record(message(server_name(name) + REST), version=version)
    yield "SSL 3.0", record(message(server_name("a.test") + REST, version=0x300), version=0x300)
    yield "SSL 3.0", record(message(server_name("a.test") + REST), version=0x300)
    yield "record version 3.255", record(message(server_name("a.test") + REST), version=0x3ff)
    yield "other major version", record(message(server_name("a.test") + REST), version=0x201)
    yield "other major version", record(message(server_name("a.test") + REST), version=0x401)
    yield "other major version of the hello", record(message(server_name("a.test") + REST, version=0x201))
    yield "other major version of the hello", record(message(server_name("a.test") + REST, version=0x400))
    for size in (1500, 3000, 8000, 15000):
        for name in ("a.test", "b.test"):
            yield "large hello", record(message(REST + extension(21, bytes(size)) + server_name(name)))
    large = message(server_name("a.test") + REST + extension(21, bytes(20000)))
    yield "larger than a record", records(large, 16000)
    yield "larger than a record", records(message(extension(21, bytes(20000)) + server_name("a.test") + REST), 16384)
    for name in ("a.test", "b.test"):
        whole = message(server_name(name) + REST)
        for cut in (1, 2, 3, 4, 5, 6, 37, 38, 39, 70, 71, 72, 78, 84, 90, 94, 100, len(whole) - 1):
            yield "two records", records(whole, cut)
        yield "many records", records(whole, *range(10, len(whole), 10))
        yield "many records", records(whole, *range(1, len(whole)))
        yield "many records", records(whole, 2, 5, 50, 99)
    yield "empty record", record(b"") + hello("a.test")
    yield "empty record", records(message(server_name("a.test") + REST), 20, 20)
    data = message(server_name("a.test") + REST)
    yield "record too long", record(data, off=17000)
    yield "more behind the hello", record(data + data)
    yield "more behind the hello", record(data + b"\0")
    for after in (record(b"\1", kind=20, version=0x303), record(b"x" * 40, kind=23, version=0x303), record(data), b"x"):
        yield "records behind the hello", record(data) + after
    yield "session id too long", hello("a.test", session=b"s" * 33)
    yield "session id too long", hello("a.test", session=b"s" * 255)
    yield "no cipher", hello("a.test", ciphers=b"")
    yield "odd ciphers", hello("a.test", ciphers=b"\x13\x01\xc0")
    yield "no compression", hello("a.test", compression=b"")
    yield "compression", hello("a.test", compression=b"\1\0")
    yield "compression", hello("a.test", compression=b"\1")
    yield "many ciphers", hello("a.test", ciphers=struct.pack(">H", 0x1301) * 1000)
    for size in (2, 5, 9):
        yield "extension twice", record(message(server_name("a.test") + ALPN * size + REST))
    for protocol in (b"acme-tls/1", b"h2", b"http/1.1", b"x"):
        yield "ALPN", record(message(server_name("a.test") + extension(16, vector(2, vector(1, protocol))) + REST))
    yield "ECH, outer name", record(message(server_name("a.test") + extension(0xfe0d, b"\0" + b"e" * 200) + REST))
    yield "early data", record(message(server_name("a.test") + extension(42, b"") + REST)) + record(b"x" * 64, kind=23)


def tls_wrong():
    right = {"extensions": server_name("a.test") + REST}
    for off in (-1, 1):
        for place in ("off", "extensions_off", "ciphers_off", "session_off", "compression_off"):
            yield "wrong length of the %s" % (place.replace("_off", "") if place != "off" else "message"), record(message(**right, **{place: off}))
        for place in ("ext_off", "list_off", "name_off"):
            yield "wrong length of server_name", record(message(server_name("a.test", **{place: off}) + REST))
        yield "wrong length of a record", record(message(**right), off=off)
        yield "wrong length of another extension", record(message(server_name("a.test") + extension(16, b"\0\3\2h2", off)))
        yield "wrong length before server_name", record(message(extension(16, b"\0\3\2h2", off) + server_name("a.test") + REST))
    yield "wrong length of server_name", record(message(server_name("a.test", ext_off=1000) + REST))
    yield "wrong length of server_name", record(message(server_name("a.test", name_off=1000) + REST))
    yield "wrong length of server_name", record(message(extension(0, b"\0\x09\0\0\6a.testx") + REST))
    whole = hello("a.test")
    for size in (1, 2, 3, 4, 5, 6, 9, 10, 43, 44, 60, 80, len(whole) - 40, len(whole) - 1):
        yield "cut", whole[:size]
    for kind in (20, 21, 23, 24, 0):
        yield "not a handshake record", record(message(**right), kind=kind)
    for kind in (0, 2, 3, 4, 11, 16, 20):
        yield "not a ClientHello", record(message(**right, kind=kind))
    ssl2 = struct.pack(">BHHHH", 1, 0x301, 6, 0, 16) + b"\0\x13\x01\0\0\x2f" + b"c" * 16
    yield "SSL 2 hello", struct.pack(">H", 0x8000 | len(ssl2)) + ssl2
    ssl2 = struct.pack(">BHHHH", 1, 2, 3, 0, 16) + b"\x01\0\x80" + b"c" * 16
    yield "SSL 2 hello", struct.pack(">H", 0x8000 | len(ssl2)) + ssl2
    yield "alert first", record(b"\1\0", kind=21)
    for text in (request(), request(b"b.test", version=b"HTTP/1.0"), b"GET / HTTP/1.1\r\n\r\n"):
        yield "HTTP to a port of TLS", text
    for text in (b"SSH-2.0-x\r\n", b"\0" * 64, b"\xff" * 64, b"EHLO x\r\n", b"\x16" * 64, b"\x80\0" + b"x" * 30, b"\r\n\r\n"):
        yield "another protocol", text


HTTP = [opening for part in (http_plain, http_name, http_target, http_fields, http_lines) for opening in part()]
TLS = [opening for part in (tls_names, tls_shapes, tls_wrong) for opening in part()]
