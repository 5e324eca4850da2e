/* SPDX-License-Identifier: ISC */
/* Minecraft (Java edition): the address that the player typed, in the handshake. detail: the state that is asked for
 * (1 status, 2 login, 3 transfer), 0 if it is not known. */
#include "router/protocol/name.h"

#include <string.h>

#define PACKET_MIN  7    /* number, version, a string of one byte, port, state */
#define PACKET_MAX  1023 /* an address is at most 255 characters */
#define HANDSHAKE   0
#define LEGACY_PING 0xfe

struct cursor {
	const uint8_t *at;
	size_t left;
};

/* A number of 7 bits a byte, the lowest first. Returns its bytes; 0: it does not end in here; -1: it is too long. */
static int take_varint(struct cursor *c, uint32_t *ret)
{
	uint32_t v = 0;

	for (int i = 0; i < 5; i++) {
		if ((size_t)i == c->left)
			return 0;
		v |= (uint32_t)(c->at[i] & 0x7f) << 7 * i;
		if (c->at[i] & 0x80)
			continue;
		c->at += i + 1;
		c->left -= (size_t)i + 1;
		*ret = v;
		return i + 1;
	}
	return -1;
}

/* What a mod loader or a proxy adds to the address stands behind a NUL ("\0FML\0"). */
static bool take_address(const uint8_t *bytes, size_t len, struct parse_result *out)
{
	const uint8_t *nul = memchr(bytes, 0, len);
	char literal[64] = "[";

	if (nul)
		len = (size_t)(nul - bytes);
	if (len == 0) {
		out->verdict = PARSE_NONE;
		return true;
	}
	out->verdict = PARSE_FOUND;
	if (!memchr(bytes, ':', len))
		return name_take(bytes, len, out);
	/* an IPv6 address, here without brackets */
	if (len > sizeof(literal) - 3)
		return false;
	memcpy(literal + 1, bytes, len);
	literal[len + 1] = ']';
	return name_take_authority((const uint8_t *)literal, len + 2, out);
}

static void parse_handshake(struct cursor c, struct parse_result *out)
{
	uint32_t version, len, state;
	const uint8_t *address;

	if (take_varint(&c, &version) <= 0 || take_varint(&c, &len) <= 0 || len > c.left)
		return parse_bad(out, "handshake: version or address");
	address = c.at;
	c.at += len;
	c.left -= len;
	if (c.left < 3)
		return parse_bad(out, "handshake: port");
	c.at += 2;
	c.left -= 2;
	if (take_varint(&c, &state) <= 0 || c.left != 0 || state < 1 || state > 3)
		return parse_bad(out, "handshake: state");
	out->detail = state;
	if (!take_address(address, len, out))
		parse_bad(out, "handshake: not a host name");
}

void parse_minecraft(const uint8_t *bytes, size_t len, struct parse_result *out)
{
	struct cursor c = {bytes, len};
	uint32_t packet = 0;
	int n = take_varint(&c, &packet);

	out->detail = 0;
	out->verdict = PARSE_OTHER;
	/* 0xfe 0x01 0xfa: the ping of 1.6; 0xfe 0x01 and nothing behind: that of 1.4 and 1.5, as servers see it. (A handshake of 254
	 * bytes begins like that, too, and is whole when it comes.) */
	if (len >= 2 && bytes[0] == LEGACY_PING && bytes[1] == 1 && (len == 2 || bytes[2] == 0xfa)) {
		out->verdict = PARSE_NONE;
		return;
	}
	if (n == 0 && len < 2)
		return parse_need(out, 2);
	if (n < 1 || n > 2 || packet < PACKET_MIN || packet > PACKET_MAX || (n == 2 && bytes[1] == 0))
		return;
	if (c.left < 1)
		return parse_need(out, (size_t)n + 1);
	if (c.at[0] != HANDSHAKE)
		return;
	if (c.left < packet)
		return parse_need(out, (size_t)n + packet);
	parse_handshake((struct cursor){c.at + 1, packet - 1}, out);
}
