/* SPDX-License-Identifier: ISC */
/* PostgreSQL: what a client sends first, length and code. None of these names a host; a client that begins with TLS
 * (ALPN "postgresql") is one of tls.c. */
#include "router/protocol/name.h"

#define HEADER       8
#define LENGTH_MAX   10000 /* of a startup packet, for the server: MAX_STARTUP_PACKET_LENGTH */
#define CANCEL       80877102u
#define SSL          80877103u
#define GSS          80877104u
#define CANCEL_MIN   16
#define MAJOR        3u

static uint32_t number(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool is_first_message(uint32_t length, uint32_t code)
{
	switch (code) {
	case SSL:
	case GSS:
		return length == HEADER;
	case CANCEL:
		return length >= CANCEL_MIN;
	default: /* StartupMessage: version, then at least the NUL that ends the list */
		return length > HEADER && code >> 16 == MAJOR;
	}
}

void parse_postgres(const uint8_t *bytes, size_t len, struct parse_result *out)
{
	/* the length is big-endian and small */
	if ((len > 0 && bytes[0] != 0) || (len > 1 && bytes[1] != 0) ||
		(len >= 4 && (number(bytes) < HEADER || number(bytes) > LENGTH_MAX)))
		out->verdict = PARSE_OTHER;
	else if (len < HEADER)
		parse_need(out, HEADER);
	else
		out->verdict = is_first_message(number(bytes), number(bytes + 4)) ? PARSE_NONE : PARSE_OTHER;
}
