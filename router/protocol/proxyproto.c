/* SPDX-License-Identifier: ISC */
#include "router/protocol/proxyproto.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>

#define V1_MAX   107 /* with CR LF, section 2.1 */
#define V2_FIXED 16

static const uint8_t v1_begin[] = "PROXY ";
static const uint8_t v2_signature[12] = "\r\n\r\n\0\r\nQUIT\n";

static void bad(struct proxyproto *out, const char *why)
{
	out->verdict = PARSE_BAD;
	out->why = why;
}

static void need(struct proxyproto *out, size_t total)
{
	out->verdict = PARSE_NEED;
	out->need = (uint32_t)total;
}

static void found(struct proxyproto *out, size_t len)
{
	out->verdict = PARSE_FOUND;
	out->len = (uint32_t)len;
}

/* An address of either family, ip as it is on the wire, as an AF_INET6 socket has it */
static struct trp_addr as_ipv6(int family, const void *ip, uint16_t port)
{
	struct trp_addr a = {.family = AF_INET6, .port = port};

	if (family == AF_INET6) {
		memcpy(a.ip, ip, 16);
	} else {
		a.ip[10] = a.ip[11] = 0xff;
		memcpy(a.ip + 12, ip, 4);
	}
	return a;
}

/* The word up to the next single space, or to the end, NUL-terminated in out. False: empty or too long. */
static bool take_word(const char **at, const char *end, char *out, size_t size)
{
	const char *space = memchr(*at, ' ', (size_t)(end - *at));
	size_t len = (size_t)((space ? space : end) - *at);

	if (len == 0 || len >= size)
		return false;
	memcpy(out, *at, len);
	out[len] = '\0';
	*at += len + (space != NULL);
	return true;
}

/* Decimal, no leading zero, at most 65535 */
static bool port_number(const char *text, uint16_t *ret)
{
	uint32_t n = 0;

	if (text[0] == '0' && text[1])
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		n = n * 10 + (uint32_t)(*text - '0');
		if (n > UINT16_MAX)
			return false;
	}
	*ret = htons((uint16_t)n);
	return true;
}

/* What stands between "PROXY TCP4 " or "PROXY TCP6 " and CR LF */
static bool text_addresses(int family, const char *at, const char *end, struct proxyproto *out)
{
	char ip[2][INET6_ADDRSTRLEN], port[2][6];
	uint8_t raw[2][16];
	uint16_t number[2];

	for (int i = 0; i < 2; i++)
		if (!take_word(&at, end, ip[i], sizeof(ip[i])) || inet_pton(family, ip[i], raw[i]) != 1)
			return false;
	for (int i = 0; i < 2; i++)
		if (!take_word(&at, end, port[i], sizeof(port[i])) || !port_number(port[i], &number[i]))
			return false;
	if (at != end || end[-1] == ' ')
		return false;
	out->peer = as_ipv6(family, raw[0], number[0]);
	out->local = as_ipv6(family, raw[1], number[1]);
	return true;
}

/* Section 2.1: a line of at most 107 bytes */
static void parse_text(const uint8_t *bytes, size_t len, struct proxyproto *out)
{
	const uint8_t *lf = memchr(bytes, '\n', len < V1_MAX ? len : V1_MAX);
	const char *at = (const char *)bytes + sizeof(v1_begin) - 1, *end;

	if (!lf)
		return len >= V1_MAX ? bad(out, "proxy line: too long") : need(out, len + 1);
	if (lf[-1] != '\r')
		return bad(out, "proxy line: no CR before LF");
	end = (const char *)lf - 1;
	/* what follows UNKNOWN must be ignored */
	if ((size_t)(end - at) >= 7 && memcmp(at, "UNKNOWN", 7) == 0 && (at + 7 == end || at[7] == ' '))
		return found(out, (size_t)(lf + 1 - bytes));
	if ((size_t)(end - at) < 5 || memcmp(at, "TCP", 3) != 0 || (at[3] != '4' && at[3] != '6') || at[4] != ' ')
		return bad(out, "proxy line: neither TCP4, TCP6 nor UNKNOWN");
	if (!text_addresses(at[3] == '4' ? AF_INET : AF_INET6, at + 5, end, out))
		return bad(out, "proxy line: addresses or ports");
	found(out, (size_t)(lf + 1 - bytes));
}

/* Section 2.2: signature, version and command, family and transport, length, addresses, TLVs */
static void parse_binary(const uint8_t *bytes, size_t len, struct proxyproto *out)
{
	size_t ip_len, rest;
	uint16_t port[2];

	if (len > 12 && bytes[12] != 0x20 && bytes[12] != 0x21)
		return bad(out, "proxy header: version or command");
	if (len < V2_FIXED)
		return need(out, V2_FIXED);
	rest = (size_t)bytes[14] << 8 | bytes[15];
	if (V2_FIXED + rest > PROXYPROTO_MAX)
		return bad(out, "proxy header: too long");
	ip_len = bytes[13] == 0x11 ? 4 : bytes[13] == 0x21 ? 16 : 0;
	if (bytes[12] == 0x20)
		ip_len = 0; /* LOCAL: the sender's own connection; addresses must be skipped */
	if (rest < (ip_len ? 2 * ip_len + 4 : 0))
		return bad(out, "proxy header: too short for its addresses");
	if (len < V2_FIXED + rest)
		return need(out, V2_FIXED + rest);
	if (ip_len) {
		const uint8_t *ip = bytes + V2_FIXED;
		int family = ip_len == 4 ? AF_INET : AF_INET6;
		memcpy(port, ip + 2 * ip_len, sizeof(port));
		out->peer = as_ipv6(family, ip, port[0]);
		out->local = as_ipv6(family, ip + ip_len, port[1]);
	}
	found(out, V2_FIXED + rest);
}

static bool begins(const uint8_t *bytes, size_t len, const uint8_t *with, size_t with_len)
{
	return memcmp(bytes, with, len < with_len ? len : with_len) == 0;
}

void proxyproto_parse(const uint8_t *bytes, size_t len, struct proxyproto *out)
{
	out->peer.family = out->local.family = 0;
	if (len == 0)
		return need(out, 1);
	if (begins(bytes, len, v1_begin, sizeof(v1_begin) - 1)) {
		if (len < sizeof(v1_begin) - 1)
			return need(out, sizeof(v1_begin) - 1);
		return parse_text(bytes, len, out);
	}
	if (!begins(bytes, len, v2_signature, sizeof(v2_signature)))
		return bad(out, "no proxy header");
	if (len < sizeof(v2_signature))
		return need(out, V2_FIXED);
	parse_binary(bytes, len, out);
}
