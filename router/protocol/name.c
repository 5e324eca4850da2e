/* SPDX-License-Identifier: ISC */
#include "router/protocol/name.h"
#include "base/parse.h"

#include <netinet/in.h>
#include <string.h>

#define HOST_BYTES_MAX 254 /* 253 and a trailing dot */

bool name_take(const uint8_t *bytes, size_t len, struct parse_result *out)
{
	char text[HOST_BYTES_MAX + 1];

	/* a NUL would hide what follows it */
	if (len < 1 || len > HOST_BYTES_MAX || memchr(bytes, 0, len))
		return false;
	memcpy(text, bytes, len);
	text[len] = '\0';
	if (trp_canonical_host(text, false, out->name) < 0)
		return false;
	out->name_len = (uint8_t)strlen(out->name);
	return true;
}

/* "[...]", brackets included */
static bool take_ipv6(const uint8_t *bytes, size_t len, struct parse_result *out)
{
	char text[INET6_ADDRSTRLEN + 2];

	if (len >= sizeof(text) || memchr(bytes, 0, len))
		return false;
	memcpy(text, bytes, len);
	text[len] = '\0';
	if (trp_canonical_literal(text, out->name) < 0)
		return false;
	out->name_len = (uint8_t)strlen(out->name);
	return true;
}

/* Nothing, or ":" and at most 65535 (RFC 3986 allows no digit at all) */
static bool valid_port(const uint8_t *bytes, size_t len)
{
	uint32_t port = 0;

	if (len == 0)
		return true;
	if (bytes[0] != ':')
		return false;
	for (size_t i = 1; i < len; i++) {
		if (bytes[i] < '0' || bytes[i] > '9')
			return false;
		port = port * 10 + (bytes[i] - '0');
		if (port > 65535)
			return false;
	}
	return true;
}

bool name_take_authority(const uint8_t *bytes, size_t len, struct parse_result *out)
{
	bool literal = len > 0 && bytes[0] == '[';
	const uint8_t *end = len > 0 ? memchr(bytes, literal ? ']' : ':', len) : NULL;
	size_t host_len = end ? (size_t)(end - bytes) + literal : len;

	if ((literal && !end) || !valid_port(bytes + host_len, len - host_len))
		return false;
	return literal ? take_ipv6(bytes, host_len, out) : name_take(bytes, host_len, out);
}
