/* SPDX-License-Identifier: ISC */
/* Ranges of addresses, and what a listener trusts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cidr.h"
#include "base/util.h"
#include "router/trust.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

static struct trp_addr address(const char *text)
{
	struct trp_addr a = {.family = strchr(text, ':') ? AF_INET6 : AF_INET};

	assert_int_equal(inet_pton(a.family, text, a.ip), 1);
	return a;
}

static void test_ranges(void **state)
{
	static const struct {
		const char *range, *in, *out;
	} table[] = {
		{"192.0.2.1", "192.0.2.1", "192.0.2.0"},
		{"192.0.2.1", "::ffff:192.0.2.1", "::192.0.2.1"},
		{"192.0.2.0/24", "192.0.2.255", "192.0.3.0"},
		{"192.0.2.128/25", "192.0.2.128", "192.0.2.127"},
		{"10.0.0.0/8", "::ffff:10.255.255.255", "11.0.0.0"},
		{"0.0.0.0/0", "255.1.2.3", "2001:db8::1"},
		{"0.0.0.0/1", "127.255.255.255", "128.0.0.0"},
		{"2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"},
		{"2001:db8::8000:0:0/97", "2001:db8::8000:0:1", "2001:db8::ffff:ffff"},
		{"::1", "::1", "::2"},
		{"::1", "::1", "127.0.0.1"},
		{"::ffff:192.0.2.0/120", "192.0.2.9", "192.0.3.9"},
	};

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(table); i++) {
		struct trp_addr in = address(table[i].in), out = address(table[i].out);
		struct trp_cidr c;
		assert_int_equal(trp_parse_cidr(table[i].range, &c), 0);
		if (!trp_cidr_has(&c, &in) || trp_cidr_has(&c, &out))
			fail_msg("%s: %s, %s", table[i].range, table[i].in, table[i].out);
		out.family = 0;
		assert_false(trp_cidr_has(&c, &out));
	}
}

static void test_no_ranges(void **state)
{
	static const char *const bad[] = {"", "/", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8/8",
		"10.0.0/8", "example.org", "::/129", "192.0.2.1/255.255.255.0", " 10.0.0.0/8", "10.0.0.0/8 ",
		"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc/1"};
	struct trp_cidr c, before;

	(void)state;
	memset(&before, 0xee, sizeof(before));
	for (size_t i = 0; i < TRP_ARRAY_SIZE(bad); i++) {
		c = before;
		if (trp_parse_cidr(bad[i], &c) != -EINVAL)
			fail_msg("taken: '%s'", bad[i]);
		assert_memory_equal(&c, &before, sizeof(c));
	}
	assert_int_equal(trp_parse_cidr("10.0.0.1/8", &c), -EDOM);
	assert_int_equal(trp_parse_cidr("::1/64", &c), -EDOM);
	assert_memory_equal(&c, &before, sizeof(c));
}

static void test_trust(void **state)
{
	struct trp_addr one = address("192.0.2.1"), two = address("2001:db8::1");
	struct trp_cidr v4, v6, many[32] = {{.bits = 128}};
	struct trust told = {0}, listener = {0};

	(void)state;
	assert_int_equal(trp_parse_cidr("192.0.2.0/24", &v4), 0);
	assert_int_equal(trp_parse_cidr("2001:db8::/32", &v6), 0);
	assert_false(trust_has(&listener, &one));
	assert_int_equal(trust_add(&told, 1, &v4, 1), 0);
	trust_take(&listener, &told, 1);
	assert_true(trust_has(&listener, &one) && !trust_has(&listener, &two));
	assert_int_equal(trust_add(&told, 1, &v4, 1), 0);
	assert_int_equal(trust_add(&told, 1, &v6, 1), 0);
	trust_take(&listener, &told, 1);
	assert_true(trust_has(&listener, &one) && trust_has(&listener, &two));
	assert_int_equal(trust_add(&told, 1, &v4, 1), 0);
	assert_int_equal(trust_add(&told, 2, &v6, 1), 0); /* another's: those before are forgotten */
	trust_take(&listener, &told, 2);
	assert_true(!trust_has(&listener, &one) && trust_has(&listener, &two));
	assert_int_equal(trust_add(&told, 3, &v4, 1), 0);
	trust_take(&listener, &told, 2); /* nothing was told for it */
	assert_false(trust_has(&listener, &one) || trust_has(&listener, &two));
	for (int i = 0; i < TRUST_MAX / 32; i++)
		assert_int_equal(trust_add(&told, 4, many, 32), 0);
	assert_int_equal(trust_add(&told, 4, many, 1), -E2BIG);
	trust_clear(&told);
	assert_int_equal(told.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_no_ranges),
		cmocka_unit_test(test_trust),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
