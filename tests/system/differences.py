# SPDX-License-Identifier: ISC
"""Where the router decides otherwise than nginx 1.22 or HAProxy 2.6, and why. Decisions are a site's name, "none" (there is
no such site), "refused" and "more" (waits for more); each row: kinds of openings of openings.py, pairs ours>theirs, why."""

NO_NAME = ("RFC 9112 3.2: an invalid value of Host is a 400; RFC 1123 2.1 says what a host name is. Nobody's route can have this "
           "one, and the owner of a wildcard is not given what is no name; %s compares whatever bytes are there.")
NO_SNI = ("RFC 6066 3: a HostName is a DNS name in ASCII. What is none is a malformed hello; %s takes it for a name like others "
          "and gives it to a wildcard's owner.")
SYNTAX = "RFC 9112 %s; refused, so that the router and the service behind can never read it differently. %s is more lenient."
SERVICE = "The service's question, not the router's: %s. It gets the client and refuses by itself, as %s does here."
LENGTHS = ("RFC 8446 3.4 and 4.1.2: lengths must add up, else decode_error. %s reads only as far as it needs and goes on, with the "
           "name or as if there were none.")

HTTP_NGINX = (
    ("plain", "a>refused", "RFC 9112 3.2.4: OPTIONS * is a request like others; nginx does not know the asterisk-form"),
    ("empty label; not ASCII; percent; not a host name; name too long", "refused>none refused>w", NO_NAME % "nginx"),
    ("bad IPv6 literal", "refused>none", NO_NAME % "nginx"),
    ("bad port", "refused>a", "RFC 3986 3.2.3: a port is digits, and TCP has 65,535; nginx does not look at it"),
    ("bad target", "refused>a", "The same in an absolute-form"),
    ("CONNECT", "a>refused b>refused none>refused",
     "RFC 9112 3.2.3: the authority-form says whose request it is; " + SERVICE % ("whether it is a proxy", "nginx")),
    ("Host empty", "none>refused", "RFC 9112 3.2: an empty Host is right where the target has no authority. It is nobody's: 404"),
    ("blanks around the value", "a>refused b>refused",
     "RFC 9112 5: blanks and tabs around a value do not belong to it; nginx takes tabs for a part of the name"),
    ("not a field", "refused>a", SYNTAX % ("5: a line is a token, a colon and a value", "nginx (ignore_invalid_headers)")),
    ("12 KiB field", "a>refused", "nginx has 8 KiB for a line (large_client_header_buffers), the router 64 KiB for a head; "
     + SERVICE % ("how much it takes", "nginx")),
    ("contradictory body", "a>refused a>more", SERVICE % ("where the body ends", "nginx")),
    ("bare CR in Host; bare CR in a value", "refused>a", SYNTAX % ("2.2: a CR that ends no line is invalid", "nginx, for CR CR LF,")),
    ("bad method", "more>refused", "G NUL begins a Minecraft handshake of 71 bytes as well; another protocol's client is let finish, to be refused in "
     "its own way"),
    ("too many blanks", "refused>a", SYNTAX % ("3: single blanks", "nginx")),
    ("bad version", "refused>a", SYNTAX % ("2.3: one digit, one dot, one digit", "nginx, for 1.10,")),
    ("HTTP/0.9", "refused>none", "It has no Host, so no name to route by; no client of this century speaks it"),
    ("method not in capitals", "a>refused", "RFC 9110 9.1: a method is any token; " + SERVICE % ("which methods it knows", "nginx")),
    ("too long method", "refused>a", "The longest registered method has 17 characters; 32 are taken, so that bytes of another "
     "protocol are known for that early"),
)
HTTP_HAPROXY = (
    ("plain", "a>refused", SERVICE % ("non-ASCII bytes in a target; an Upgrade without what the protocol wants", "HAProxy")),
    ("trailing dot", "a>none b>none w>none", "RFC 3986 3.2.2: the dot at the end of a fully qualified name does not make it another; "
     "HAProxy compares the bytes"),
    ("empty label; not ASCII; percent; name too long", "refused>none refused>w", NO_NAME % "HAProxy"),
    ("not a host name", "refused>none refused>a refused>w", NO_NAME % "HAProxy"),
    ("bad IPv6 literal; control character in Host", "refused>none", NO_NAME % "HAProxy"),
    ("bad port", "refused>a refused>none", "RFC 3986 3.2.3: a port is digits, and TCP has 65,535; HAProxy does not look at it"),
    ("absolute-form, same Host; fragment or slashes", "a>refused", SERVICE % ("a fragment in a target, or no path before the query",
                                                                              "HAProxy")),
    ("absolute-form, other Host", "a>refused w>refused", "RFC 9112 3.2.2: the absolute-form's name is used and Host ignored; HAProxy "
     "refuses if they differ"),
    ("absolute-form, no name; absolute-form, IPv6 literal", "none>refused", "The same: that name is nobody's"),
    ("absolute-form, trailing dot", "a>refused", "The same: a dot at the end makes no difference"),
    ("absolute-form, other scheme", "b>refused", "The same: whatever the scheme"),
    ("absolute-form without Host", "refused>none", "RFC 9112 3.2: HTTP/1.1 without Host is a 400, whatever the target"),
    ("absolute-form, HTTP/1.0", "a>none w>none a>refused", "RFC 9112 3.2.2: the target has a name, which HAProxy's rule does not look at"),
    ("absolute-form, userinfo", "refused>a", "RFC 9110 4.2.4: userinfo in a target of an untrusted source is treated as an error"),
    ("bad target", "refused>a", SYNTAX % ("3.2: one of four forms", "HAProxy")),
    ("CONNECT", "a>refused b>refused none>refused", "RFC 9112 3.2.3: the authority-form wins, as the absolute-form does; HAProxy refuses "
     "where they differ"),
    ("Host twice", "refused>a", SYNTAX % ("3.2: more than one Host line is a 400", "HAProxy, if they are equal,")),
    ("Host missing", "refused>none", SYNTAX % ("3.2: HTTP/1.1 without Host is a 400", "HAProxy")),
    ("folded Host", "refused>a refused>none", SYNTAX % ("5.2: obs-fold is rejected or replaced", "HAProxy, which replaces it,")),
    ("folded field", "refused>a", SYNTAX % ("5.2: obs-fold is rejected or replaced", "HAProxy, which replaces it,")),
    ("NUL in Host", "refused>none refused>a refused>w", "RFC 9110 5.5: NUL is rejected; HAProxy's comparison ends at it, so a.test NUL "
     ".w.test is a.test there"),
    ("NUL in a value", "refused>a", SYNTAX % ("and RFC 9110 5.5: NUL is rejected", "HAProxy")),
    ("contradictory body", "a>refused", SERVICE % ("where the body ends", "HAProxy")),
    ("bad method", "more>refused", "G NUL begins a Minecraft handshake of 71 bytes as well; another protocol's client is let finish, to be refused in "
     "its own way"),
    ("too many blanks; tabs in the request line", "refused>a", SYNTAX % ("3: single blanks", "HAProxy")),
    ("other major version; HTTP/0.x", "refused>a", "RFC 9110 2.5: another major version need not have this syntax; HAProxy answers as "
     "if it were 1.1"),
    ("too long method", "refused>a", "The longest registered method has 17 characters; 32 are taken, so that bytes of another "
     "protocol are known for that early"),
)
TLS_NGINX = (
    ("empty label; not ASCII; not a host name; NUL; name too long", "refused>none refused>w", NO_SNI % "nginx"),
    ("IPv6 address", "refused>none", "RFC 6066 3: addresses are not permitted; one with colons cannot be a name at all"),
    ("empty name; empty list; empty extension", "refused>none", "RFC 6066 3: a list and a name have at least one byte; nginx goes on "
     "without a name"),
    ("several names", "refused>a refused>b refused>none", "RFC 6066 3: not more than one name of a type; nginx takes the first"),
    ("name of another type", "refused>none", "RFC 6066 3 has one type; nginx goes on without a name"),
    ("server_name twice", "refused>none", "RFC 8446 4.2: one extension of a type; nginx stops reading and goes on without a name"),
    ("extension twice", "refused>none", "The same, of ALPN, which decides on acme-tls/1"),
    ("other major version; not a handshake record; not a ClientHello; SSL 2 hello; alert first; HTTP to a port of TLS; "
     "another protocol", "refused>none", "No hello, so it cannot be served: refused at once. nginx goes on without a name"),
    ("other major version of the hello", "refused>a", "RFC 8446 4.1.2: legacy_version is 0x0303, older ones were 3.x too; nginx does not look"),
    ("larger than a record", "a>refused", "RFC 8446 5.1: a message may lie in several records; nginx has 16 KiB for it "
     "(preread_buffer_size)"),
    ("empty record", "refused>a", "RFC 8446 5.1: a fragment of a handshake message is never empty; nginx does not mind"),
    ("record too long; wrong length of a record", "refused>more",
     "RFC 8446 5.1: at most 16,384 bytes, which end with the message; nginx waits for the rest"),
    ("more behind the hello", "refused>a", "RFC 8446 5.1: nothing follows the hello in its record before there are keys; nginx does not look"),
    ("session id too long; no cipher; odd ciphers; no compression", "refused>a", LENGTHS % "nginx"),
    ("wrong length of the message", "refused>none more>none", LENGTHS % "nginx"),
    ("wrong length of the ciphers", "refused>none refused>a", LENGTHS % "nginx"),
    ("wrong length of the extensions; wrong length of the session; wrong length of the compression; wrong length of server_name; "
     "wrong length of another extension; wrong length before server_name", "refused>none", LENGTHS % "nginx"),
)
TLS_HAPROXY = (
    ("trailing dot", "a>none b>none w>none", "RFC 6066 3: sent without the dot; who sends it means the same name. HAProxy compares the bytes"),
    ("empty label; not ASCII; not a host name; NUL; name too long", "refused>none refused>w", NO_SNI % "HAProxy"),
    ("IPv6 address", "refused>none", "RFC 6066 3: addresses are not permitted; one with colons cannot be a name at all"),
    ("empty name; empty list; empty extension", "refused>none", "RFC 6066 3: a list and a name have at least one byte; HAProxy goes on "
     "without a name"),
    ("several names", "refused>a refused>b refused>none", "RFC 6066 3: not more than one name of a type; HAProxy takes the first"),
    ("name of another type", "refused>none", "RFC 6066 3 has one type; HAProxy goes on without a name"),
    ("server_name twice", "refused>a refused>b", "RFC 8446 4.2: one extension of a type; HAProxy takes the first"),
    ("extension twice", "refused>a", "The same, of ALPN, which decides on acme-tls/1; HAProxy's rule does not look at it"),
    ("SSL 3.0", "a>none", SERVICE % ("which versions it speaks; the hello's form is the same", "HAProxy, by finding no name,")),
    ("other major version", "refused>a", "RFC 8446 5.1: a record's version is 3.x; HAProxy takes 2.1 for it"),
    ("other major version of the hello", "refused>none", "RFC 8446 4.1.2: legacy_version is 3.x; HAProxy finds no name"),
    ("larger than a record", "a>refused", "RFC 8446 5.1: a message may lie in several records; HAProxy reads one, of at most 16 KiB"),
    ("two records", "a>refused a>none b>refused b>none", "RFC 8446 5.1, the same: HAProxy finds no hello, or no name, if it is cut. "
     "Chromium and others cut it"),
    ("many records", "a>refused a>none b>refused b>none", "RFC 8446 5.1, the same"),
    ("empty record", "refused>none", "RFC 8446 5.1: a fragment of a handshake message is never empty"),
    ("record too long; more behind the hello; odd ciphers", "refused>a", LENGTHS % "HAProxy"),
    ("session id too long; no cipher; no compression", "refused>none", LENGTHS % "HAProxy"),
    ("wrong length of the message; wrong length of the ciphers; wrong length of the session; wrong length of the compression; "
     "wrong length before server_name", "refused>none", LENGTHS % "HAProxy"),
    ("wrong length of the extensions; wrong length of server_name", "refused>a refused>none", LENGTHS % "HAProxy"),
    ("wrong length of a record; wrong length of another extension", "refused>a", LENGTHS % "HAProxy"),
    ("not a handshake record", "refused>none", "No hello, so it cannot be served. HAProxy takes any first byte from 20 to 23 for TLS"),
    ("alert first", "refused>more", "Cannot become a hello, so it is refused at once; HAProxy waits"),
    ("another protocol", "refused>more more>refused", "The same; but empty lines may be followed by an HTTP request (RFC 9112 2.2), which "
     "is told in HTTP that this is the wrong port"),
)
H2C_NGINX = (
    ("empty label; bad IPv6 literal", "refused>none", NO_NAME % "nginx"),
    ("not ASCII; not a host name; name too long", "refused>none refused>w", NO_NAME % "nginx"),
    ("bad port", "refused>a", "RFC 3986 3.2.3: a port is digits, and TCP has 65,535; nginx does not look at it"),
    ("no name", "none>refused", "RFC 9113 8.3.1: :authority may be missing; the request is nobody's: 404"),
    ("both the same", "a>refused b>refused w>refused none>refused", "RFC 9113 8.3.1: host is allowed beside an equal :authority; nginx 1.22 "
     "takes it for a second Host"),
    ("both differ in case; both differ in port", "a>refused", "The same, and the router compares names, without case and port"),
    ("pseudo-field behind others", "refused>a", SYNTAX % ("and RFC 9113 8.3: pseudo-fields come first", "nginx")),
    ("bad name of a field", "refused>a", SYNTAX % ("and RFC 9113 8.2.1: no byte above 0x7e in a name", "nginx")),
    ("unknown pseudo-field; response's pseudo-field; pseudo-field missing; empty path", "a>refused",
     SERVICE % ("whether the rest of the request is whole", "nginx")),
    ("CONNECT", "a>refused", SERVICE % ("whether it is a proxy", "nginx")),
    ("12 KiB field", "a>refused", "nginx has 4 KiB for a field of HTTP/2 (large_client_header_buffers); " + SERVICE % ("how much it takes", "nginx")),
    ("CONTINUATION", "a>refused a>more", "RFC 9113 6.2 and 6.10: a frame may hold no byte of the fields; nginx wants some in HEADERS, and waits "
     "behind the last ones for a CONTINUATION that is not empty"),
    ("depends on itself", "a>refused", "RFC 9113 5.3.2: priorities of RFC 7540 are obsolete; " + SERVICE % ("whether it minds", "nginx")),
    ("frame of a stream that is not open", "refused>a", "RFC 9113 5.1: a connection error; nginx skips them"),
    ("no SETTINGS", "refused>a", "RFC 9113 3.4: SETTINGS is the first frame; nginx does not insist"),
    ("wrong length of PING", "a>refused", SERVICE % ("what lies in frames that say nothing of the name", "nginx")),
    ("another protocol", "refused>more", "Cannot become HTTP/2, so it is refused at once; nginx waits for 24 bytes"),
)
H2C_HAPROXY = (
    ("trailing dot", "a>none b>none w>none", "RFC 3986 3.2.2: the dot at the end of a fully qualified name does not make it another; "
     "HAProxy compares the bytes"),
    ("bad IPv6 literal; empty :authority", "refused>none", NO_NAME % "HAProxy"),
    ("empty label; not ASCII; not a host name; name too long", "refused>none refused>w", NO_NAME % "HAProxy"),
    ("bad port", "refused>a refused>none", "RFC 3986 3.2.3: a port is digits, and TCP has 65,535; HAProxy does not look at it"),
    ("both differ", "refused>a refused>b refused>none", "RFC 9113 8.3.1: host must not differ from :authority; HAProxy drops it"),
    ("host twice", "refused>a", SYNTAX % ("3.2: more than one host is malformed", "HAProxy, which takes the first,")),
    ("unknown pseudo-field; response's pseudo-field; pseudo-field missing; empty path; field of HTTP/1", "a>refused",
     SERVICE % ("whether the rest of the request is whole", "HAProxy")),
    ("CONTINUATION", "a>refused", "RFC 9113 6.2 and 6.10: a frame may hold no byte of the fields; HAProxy wants some in HEADERS"),
    ("depends on itself", "a>refused", "RFC 9113 5.3.2: priorities of RFC 7540 are obsolete; " + SERVICE % ("whether it minds", "HAProxy")),
    ("frame of unknown type before", "a>refused", "RFC 9113 5.5: frames of unknown types are ignored, also of streams that are not open"),
    ("SETTINGS acknowledged first; wrong length of PING", "a>refused",
     SERVICE % ("what lies in frames that say nothing of the name", "HAProxy")),
    ("another protocol", "refused>more", "Cannot become HTTP/2, so it is refused at once; HAProxy waits for 24 bytes"),
)


def explained(rows):
    """{kind: {(ours, theirs): why}}"""
    found = {}
    for kinds, pairs, why in rows:
        for kind in kinds.split("; "):
            for pair in pairs.split():
                assert why and tuple(pair.split(">")) not in found.get(kind, {}), kind
                found.setdefault(kind, {})[tuple(pair.split(">"))] = why
    return found


EXPLAINED = {("http", "nginx"): explained(HTTP_NGINX), ("http", "haproxy"): explained(HTTP_HAPROXY),
             ("h2c", "nginx"): explained(H2C_NGINX), ("h2c", "haproxy"): explained(H2C_HAPROXY),
             ("tls", "nginx"): explained(TLS_NGINX), ("tls", "haproxy"): explained(TLS_HAPROXY)}
