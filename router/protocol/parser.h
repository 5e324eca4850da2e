/* SPDX-License-Identifier: ISC */
/* parser.h: who is asked for? Pure functions over the first bytes of a connection: no I/O, no allocation, no state.
 * Called again from the start with more bytes after each NEED. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PARSER_MAX_BYTES (64 * 1024) /* an opening that needs more is BAD */

enum parse_verdict {
	PARSE_NEED,  /* need: total bytes from the start before it is worth calling again (> len) */
	PARSE_FOUND, /* name is canonical: lower case, no port, no trailing dot */
	PARSE_NONE,  /* a complete opening of this protocol without a name (no SNI, HTTP/1.0 without Host) */
	PARSE_BAD,   /* of this protocol, but wrong: refused */
	PARSE_OTHER, /* not this protocol */
};

struct parse_result {
	enum parse_verdict verdict;
	uint32_t need;
	bool whole; /* NEED: it has begun nothing that is not there, and may wait for the server; the caller has set this to false */
	uint8_t name_len;
	char name[254];
	const char *why; /* BAD: a static text for logs and tests */
	uint32_t flags;  /* TRP_HANDOFF_*, for the handoff; the caller has set this and detail to 0 */
	uint32_t detail; /* what refuse.c has to know to answer, as the parser's comment says */
};

#define PARSE_HEAD 0x80000000u /* in detail, of HTTP: the method is HEAD */

typedef void parse_fn(const uint8_t *bytes, size_t len, struct parse_result *out);

/* RFC 8446 section 4.1.2 in the records of section 5.1, RFC 6066 section 3, RFC 7301 section 3.1,
 * draft-ietf-tls-esni-25 section 5 */
parse_fn parse_tls;
/* RFC 9112 sections 2 and 3, RFC 9110 section 7.2 */
parse_fn parse_http1;
/* RFC 4253 section 4.2. Never FOUND */
parse_fn parse_ssh;
/* "Java Edition protocol/Packets", Handshake, of minecraft.wiki (Mojang publishes none) */
parse_fn parse_minecraft;
/* RFC 6120 sections 4.2, 4.7 and 4.8 */
parse_fn parse_xmpp, parse_xmpp_server;
/* RFC 9113 sections 3.3, 4, 6 and 8.3; RFC 7541. Uses memory of its own, which keeps nothing from call to call */
parse_fn parse_h2;
/* PostgreSQL 17 documentation, section 53.7 "Message Formats": SSLRequest, GSSENCRequest, CancelRequest,
 * StartupMessage. Never FOUND */
parse_fn parse_postgres;
