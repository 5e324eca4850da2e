/* SPDX-License-Identifier: ISC */
/* The PROXY protocol's header as it comes in: good ones, cut at each byte, and bad ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/util.h"
#include "router/protocol/proxyproto.h"
#include "router/relay/proxy.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define BEHIND "GET / HTTP/1.1\r\n"

static const char *text_of(const struct trp_addr *a, char *out)
{
	char ip[INET6_ADDRSTRLEN];

	if (a->family == 0)
		return "-";
	assert_int_equal(a->family, AF_INET6);
	inet_ntop(AF_INET6, a->ip, ip, sizeof(ip));
	sprintf(out, "%s:%u", ip, ntohs(a->port));
	return out;
}

/* The whole header, followed by what it stands in front of, and each beginning of it */
static void check_good(const void *header, size_t len, const char *peer, const char *local)
{
	uint8_t bytes[PROXYPROTO_MAX + 64];
	char text[80];
	struct proxyproto p;

	memcpy(bytes, header, len);
	memcpy(bytes + len, BEHIND, sizeof(BEHIND) - 1);
	memset(&p, 0xee, sizeof(p));
	proxyproto_parse(bytes, len + sizeof(BEHIND) - 1, &p);
	assert_int_equal(p.verdict, PARSE_FOUND);
	assert_int_equal(p.len, len);
	assert_string_equal(text_of(&p.peer, text), peer);
	assert_string_equal(text_of(&p.local, text), local);
	for (size_t cut = 0; cut < len; cut++) {
		proxyproto_parse(bytes, cut, &p);
		assert_int_equal(p.verdict, PARSE_NEED);
		assert_true(p.need > cut && p.need <= len);
	}
}

static void test_text(void **state)
{
	static const struct {
		const char *line, *peer, *local;
	} good[] = {
		{"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n", "::ffff:192.0.2.7:56324", "::ffff:198.51.100.1:443"},
		{"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "::ffff:255.255.255.255:65535",
			"::ffff:255.255.255.255:65535"},
		{"PROXY TCP6 2001:db8::1 2001:db8::2 1 0\r\n", "2001:db8::1:1", "2001:db8::2:0"},
		{"PROXY UNKNOWN\r\n", "-", "-"},
		{"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", "-", "-"},
	};

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(good); i++)
		check_good(good[i].line, strlen(good[i].line), good[i].peer, good[i].local);
}

static size_t binary(uint8_t *out, uint8_t command, uint8_t family, const void *rest, uint16_t len)
{
	memcpy(out, "\r\n\r\n\0\r\nQUIT\n", 12);
	out[12] = command;
	out[13] = family;
	out[14] = (uint8_t)(len >> 8);
	out[15] = (uint8_t)len;
	memcpy(out + 16, rest, len);
	return 16u + len;
}

static void test_binary(void **state)
{
	static const uint8_t v4[] = {192, 0, 2, 7, 198, 51, 100, 1, 0xdc, 4, 1, 0xbb, 4, 0, 3, 'a', 'b', 'c'};
	uint8_t v6[36] = {0x20, 1, 0xd, 0xb8, [15] = 1, [16] = 0x20, 1, 0xd, 0xb8, [31] = 2, [32] = 0, 1, 0, 2};
	uint8_t bytes[PROXYPROTO_MAX], unix_names[216] = {1};

	(void)state;
	check_good(bytes, binary(bytes, 0x21, 0x11, v4, 12), "::ffff:192.0.2.7:56324", "::ffff:198.51.100.1:443");
	check_good(bytes, binary(bytes, 0x21, 0x11, v4, sizeof(v4)), "::ffff:192.0.2.7:56324",
		"::ffff:198.51.100.1:443"); /* with a TLV */
	check_good(bytes, binary(bytes, 0x21, 0x21, v6, 36), "2001:db8::1:1", "2001:db8::2:2");
	check_good(bytes, binary(bytes, 0x20, 0, "", 0), "-", "-");
	check_good(bytes, binary(bytes, 0x20, 0x11, v4, 12), "-", "-"); /* LOCAL: not believed */
	check_good(bytes, binary(bytes, 0x21, 0, "", 0), "-", "-");
	check_good(bytes, binary(bytes, 0x21, 0x12, v4, 12), "-", "-"); /* UDP */
	check_good(bytes, binary(bytes, 0x21, 0x31, unix_names, 216), "-", "-");
}

static void test_bad(void **state)
{
	static const char *const lines[] = {
		"GET / HTTP/1.1\r\n\r\n", "PROXI TCP4 ", "proxy TCP4 1.2.3.4 1.2.3.4 1 1\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1 1\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1 1 \r\n", "PROXY TCP4  1.2.3.4 1.2.3.4 1 1\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 01 1\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 65536 1\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 -1 1\r\n",
		"PROXY TCP4 ::1 ::1 1 1\r\n", "PROXY TCP6 1.2.3.4 1.2.3.4 1 1\r\n", "PROXY TCP5 1.2.3.4 1.2.3.4 1 1\r\n",
		"PROXY TCP4 1.2.3.4.5 1.2.3.4 1 1\r\n", "PROXY TCP4 1.2.3.04 1.2.3.4 1 1\r\n", "PROXY UNKNOWNS\r\n", "PROXY \r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 1 1 extra\r\n", "PROXY TCP4 1.2.3.4\t1.2.3.4 1 1\r\n",
		"PROXY UNKNOWN 0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456\r\n",
		"\r\n\r\n\n", "\r\nGET", "\x16\x03\x01\x02",
	};
	uint8_t bytes[PROXYPROTO_MAX];
	struct proxyproto p;

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(lines); i++) {
		proxyproto_parse((const uint8_t *)lines[i], strlen(lines[i]), &p);
		if (p.verdict != PARSE_BAD)
			fail_msg("taken: %s", lines[i]);
		assert_true(p.why && p.why[0]);
	}
	binary(bytes, 0x21, 0x11, "", 0);
	proxyproto_parse(bytes, 16, &p); /* no room for the addresses that it has */
	assert_int_equal(p.verdict, PARSE_BAD);
	for (int command = 0; command < 256; command++) {
		binary(bytes, (uint8_t)command, 0, "", 0);
		proxyproto_parse(bytes, 13, &p); /* as soon as it is there */
		assert_int_equal(p.verdict, command == 0x20 || command == 0x21 ? PARSE_NEED : PARSE_BAD);
	}
	binary(bytes, 0x21, 0x11, "", 0);
	bytes[14] = 0x10;
	proxyproto_parse(bytes, 16, &p);
	assert_int_equal(p.verdict, PARSE_BAD);
}

/* What the relay writes for an upstream, this reads */
static void test_of_the_relay(void **state)
{
	const struct trp_addr peer = {.family = AF_INET6, .port = htons(4711), .ip = {0x20, 1, 0xd, 0xb8, [15] = 9}};
	const struct trp_addr local = {.family = AF_INET6, .port = htons(443), .ip = {[10] = 0xff, 0xff, 192, 0, 2, 1}};
	char header[PROXY_HEADER_MAX], text[80];
	struct proxyproto p;

	(void)state;
	for (enum proxy_version version = PROXY_V1; version <= PROXY_V2; version++) {
		size_t len = proxy_header(version, &peer, &peer, header);
		proxyproto_parse((const uint8_t *)header, len, &p);
		assert_int_equal(p.verdict, PARSE_FOUND);
		assert_int_equal(p.len, len);
		assert_string_equal(text_of(&p.peer, text), "2001:db8::9:4711");
		len = proxy_header(version, &local, &local, header);
		proxyproto_parse((const uint8_t *)header, len, &p);
		assert_string_equal(text_of(&p.local, text), "::ffff:192.0.2.1:443");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_binary),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_of_the_relay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
