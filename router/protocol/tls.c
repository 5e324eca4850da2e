/* SPDX-License-Identifier: ISC */
/* The name in a TLS ClientHello, which may lie in several records. */
#include "router/protocol/name.h"
#include "base/handoff.h"

#include <string.h>

#define RECORD_HEADER    5
#define RECORD_MAX       16384 /* RFC 8446 section 5.1: TLSPlaintext.length */
#define RECORD_HANDSHAKE 22
#define HANDSHAKE_HEADER 4
#define CLIENT_HELLO     1
#define EXT_SERVER_NAME  0
#define EXT_ALPN         16
#define EXT_ECH          0xfe0d /* encrypted_client_hello */
#define NAME_HOST        0 /* RFC 6066 section 3: NameType host_name */

struct cursor {
	const uint8_t *at;
	size_t left;
};

static bool take_bytes(struct cursor *c, size_t n)
{
	if (c->left < n)
		return false;
	c->at += n;
	c->left -= n;
	return true;
}

/* A big-endian number of width bytes */
static bool take_number(struct cursor *c, unsigned width, uint32_t *ret)
{
	const uint8_t *p = c->at;
	uint32_t v = 0;

	if (!take_bytes(c, width))
		return false;
	for (unsigned i = 0; i < width; i++)
		v = v << 8 | p[i];
	*ret = v;
	return true;
}

/* A vector: its length in width bytes, then that many */
static bool take_vector(struct cursor *c, unsigned width, struct cursor *ret)
{
	uint32_t len;

	if (!take_number(c, width, &len))
		return false;
	ret->at = c->at;
	ret->left = len;
	return take_bytes(c, len);
}

static void parse_server_name(struct cursor ext, struct parse_result *out)
{
	struct cursor list, host;
	uint32_t type;

	if (!take_vector(&ext, 2, &list) || ext.left != 0 || list.left == 0)
		return parse_bad(out, "server_name: wrong length");
	/* one name of each type, and no type but this one was ever defined */
	if (!take_number(&list, 1, &type) || type != NAME_HOST || !take_vector(&list, 2, &host) ||
		list.left != 0)
		return parse_bad(out, "server_name: not one host_name");
	if (!name_take(host.at, host.left, out))
		return parse_bad(out, "server_name: not a host name");
	out->verdict = PARSE_FOUND;
}

/* RFC 7301 section 3.1: a list of names, at least one, none of them empty. Which are there decides nothing: a client that
 * asks for "acme-tls/1" (RFC 8737) or "postgresql" goes to the owner of the name as any other does. */
static bool valid_alpn(struct cursor ext)
{
	struct cursor list, protocol;

	if (!take_vector(&ext, 2, &list) || ext.left != 0 || list.left == 0)
		return false;
	while (list.left > 0)
		if (!take_vector(&list, 1, &protocol) || protocol.left == 0)
			return false;
	return true;
}

/* One extension that we look at */
static void parse_extension(uint32_t type, struct cursor ext, struct parse_result *out)
{
	switch (type) {
	case EXT_SERVER_NAME:
		parse_server_name(ext, out);
		break;
	case EXT_ALPN:
		if (!valid_alpn(ext))
			parse_bad(out, "ALPN: wrong length");
		break;
	case EXT_ECH:
		/* the name is the outer one: the inner is for the server alone to read. Or it is but GREASE. */
		out->flags |= TRP_HANDOFF_ECH;
		break;
	}
}

static void parse_extensions(struct cursor exts, struct parse_result *out)
{
	static const uint32_t looked_at[] = {EXT_SERVER_NAME, EXT_ALPN, EXT_ECH};
	struct cursor ext;
	unsigned seen = 0;
	uint32_t type;

	out->verdict = PARSE_NONE;
	while (exts.left > 0) {
		if (!take_number(&exts, 2, &type) || !take_vector(&exts, 2, &ext))
			return parse_bad(out, "extension: wrong length");
		for (unsigned i = 0; i < sizeof(looked_at) / sizeof(looked_at[0]); i++) {
			if (type != looked_at[i])
				continue;
			if (seen & 1u << i) /* RFC 8446 section 4.2 */
				return parse_bad(out, "extension: twice");
			seen |= 1u << i;
			parse_extension(type, ext, out);
			if (out->verdict == PARSE_BAD)
				return;
		}
	}
}

/* RFC 8446 section 4.1.2, without the handshake header */
static void parse_hello(const uint8_t *body, size_t len, struct parse_result *out)
{
	struct cursor c = {body, len}, session, ciphers, compression, exts;
	uint32_t version;

	if (!take_number(&c, 2, &version) || version >> 8 != 3 || !take_bytes(&c, 32))
		return parse_bad(out, "hello: version or random");
	if (!take_vector(&c, 1, &session) || session.left > 32)
		return parse_bad(out, "hello: session id");
	if (!take_vector(&c, 2, &ciphers) || ciphers.left < 2 || ciphers.left % 2)
		return parse_bad(out, "hello: cipher suites");
	if (!take_vector(&c, 1, &compression) || compression.left < 1)
		return parse_bad(out, "hello: compression methods");
	if (c.left == 0) {
		out->verdict = PARSE_NONE; /* before TLS 1.2 there need not be any extension */
		return;
	}
	if (!take_vector(&c, 2, &exts) || c.left != 0)
		return parse_bad(out, "hello: wrong length");
	parse_extensions(exts, out);
}

/* At least so many bytes follow when rest bytes of the message are still to come in new records. */
static size_t at_least(size_t rest)
{
	return rest + (rest + RECORD_MAX - 1) / RECORD_MAX * RECORD_HEADER;
}

/* A record's header, as far as it is there. Returns its length (1 to RECORD_MAX), 0: *out says. */
static size_t read_record(const uint8_t *p, size_t len, bool first, struct parse_result *out)
{
	size_t record_len;

	if (len > 0 && p[0] != RECORD_HANDSHAKE) {
		parse_bad(out, "record: not a handshake");
		if (first)
			out->verdict = PARSE_OTHER;
		return 0;
	}
	if (len > 1 && p[1] != 3) {
		parse_bad(out, "record: version");
		if (first)
			out->verdict = PARSE_OTHER;
		return 0;
	}
	if (len < RECORD_HEADER) {
		out->verdict = PARSE_NEED; /* the caller knows how many */
		return 0;
	}
	record_len = (size_t)p[3] << 8 | p[4];
	if (record_len < 1 || record_len > RECORD_MAX) {
		parse_bad(out, "record: length");
		return 0;
	}
	return record_len;
}

struct message {
	size_t len;     /* with its header; HANDSHAKE_HEADER until that is known */
	size_t records; /* that it lies in */
};

/* Walks the records until the whole first handshake message is there: verdict FOUND then, for the
 * moment. */
static void measure(const uint8_t *bytes, size_t len, struct message *m, struct parse_result *out)
{
	uint8_t header[HANDSHAKE_HEADER] = {0};
	size_t pos = 0, have = 0, record_len, use, there;

	m->len = HANDSHAKE_HEADER;
	for (m->records = 0;; m->records++) {
		record_len = read_record(bytes + pos, len - pos, pos == 0, out);
		if (record_len == 0) {
			if (out->verdict == PARSE_NEED)
				parse_need(out, pos + at_least(m->len - have));
			return;
		}
		pos += RECORD_HEADER;
		there = len - pos < record_len ? len - pos : record_len;
		for (size_t i = 0; i < there && have + i < HANDSHAKE_HEADER; i++)
			header[have + i] = bytes[pos + i];
		if (have < HANDSHAKE_HEADER && have + there >= HANDSHAKE_HEADER)
			m->len += (size_t)header[1] << 16 | (size_t)header[2] << 8 | header[3];
		if (have + there > 0 && header[0] != CLIENT_HELLO)
			return parse_bad(out, "handshake: not a ClientHello");
		if (m->len > PARSER_MAX_BYTES)
			return parse_bad(out, "handshake: too long");
		use = m->len - have < record_len ? m->len - have : record_len;
		if (there < use)
			return parse_need(out, pos + use + at_least(m->len - have - use));
		have += use;
		if (have == m->len && m->len > HANDSHAKE_HEADER) {
			if (use < record_len)
				return parse_bad(out, "handshake: more behind the ClientHello");
			m->records++;
			out->verdict = PARSE_FOUND;
			return;
		}
		if (have == m->len)
			return parse_bad(out, "handshake: empty");
		pos += record_len;
	}
}

/* Apart, because of its large frame: hardly any hello comes in several records. */
static __attribute__((noinline)) void parse_joined(
	const uint8_t *bytes, const struct message *m, struct parse_result *out)
{
	uint8_t joined[PARSER_MAX_BYTES];
	size_t have = 0, record_len;

	for (size_t i = 0; i < m->records; i++) {
		record_len = (size_t)bytes[3] << 8 | bytes[4];
		memcpy(joined + have, bytes + RECORD_HEADER, record_len);
		have += record_len;
		bytes += RECORD_HEADER + record_len;
	}
	parse_hello(joined + HANDSHAKE_HEADER, m->len - HANDSHAKE_HEADER, out);
}

void parse_tls(const uint8_t *bytes, size_t len, struct parse_result *out)
{
	struct message m;

	out->flags = 0;
	measure(bytes, len, &m, out);
	if (out->verdict == PARSE_NEED && out->need > PARSER_MAX_BYTES)
		return parse_bad(out, "handshake: too long in its records");
	if (out->verdict != PARSE_FOUND)
		return;
	if (m.records == 1)
		parse_hello(
			bytes + RECORD_HEADER + HANDSHAKE_HEADER, m.len - HANDSHAKE_HEADER, out);
	else
		parse_joined(bytes, &m, out);
}
