/* SPDX-License-Identifier: ISC */
#include "base/cidr.h"
#include "base/parse.h"
#include "base/util.h"

#include <arpa/inet.h>
#include <string.h>

#define MAPPED_BITS 96

static const uint8_t mapped[12] = {[10] = 0xff, 0xff};

/* Are all bits from there on 0? */
static bool is_clear(const uint8_t ip[16], unsigned bits)
{
	for (unsigned i = bits; i < 128; i++)
		if (ip[i / 8] & 0x80 >> i % 8)
			return false;
	return true;
}

int trp_parse_cidr(const char *text, struct trp_cidr *ret)
{
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	struct trp_cidr c = {.bits = 128};
	char ip[INET6_ADDRSTRLEN];
	unsigned before = 0;
	uint64_t bits;

	if (len >= sizeof(ip))
		return -EINVAL;
	memcpy(ip, text, len);
	ip[len] = '\0';
	if (inet_pton(AF_INET, ip, c.ip + sizeof(mapped)) == 1) {
		memcpy(c.ip, mapped, sizeof(mapped));
		before = MAPPED_BITS;
	} else if (inet_pton(AF_INET6, ip, c.ip) != 1) {
		return -EINVAL;
	}
	if (slash) {
		if (trp_parse_u64(slash + 1, &bits) < 0 || bits > 128 - before)
			return -EINVAL;
		c.bits = (uint8_t)(before + bits);
	}
	if (!is_clear(c.ip, c.bits))
		return -EDOM;
	*ret = c;
	return 0;
}

bool trp_cidr_has(const struct trp_cidr *c, const struct trp_addr *a)
{
	uint8_t ip[16];
	unsigned whole = c->bits / 8, rest = c->bits % 8;

	if (a->family == AF_INET) {
		memcpy(ip, mapped, sizeof(mapped));
		memcpy(ip + sizeof(mapped), a->ip, 4);
	} else if (a->family == AF_INET6) {
		memcpy(ip, a->ip, sizeof(ip));
	} else {
		return false;
	}
	return memcmp(ip, c->ip, whole) == 0 &&
	       (rest == 0 || ((ip[whole] ^ c->ip[whole]) & (0xff00 >> rest & 0xff)) == 0);
}
