/* SPDX-License-Identifier: ISC */
/* Limits of client prefixes: the token bucket, which addresses are one prefix, and what the table forgets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "router/message.h"
#include "router/prefix.h"
#include "router/rate.h"

#include <arpa/inet.h>
#include <string.h>

#define SECOND 1000000000ull
#define START  (1000 * SECOND)

static struct prefix_table table;

static void test_rate(void **state)
{
	const struct rate ten = {.interval_ns = SECOND / 10, .burst = 3}, single = {.interval_ns = SECOND, .burst = 1},
			  none = {0, 0};
	uint64_t bucket = 0;

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_true(rate_take(&ten, &bucket, START));
	assert_false(rate_take(&ten, &bucket, START));
	assert_false(rate_take(&ten, &bucket, START + SECOND / 10 - 1));
	assert_true(rate_take(&ten, &bucket, START + SECOND / 10));
	assert_false(rate_take(&ten, &bucket, START + SECOND / 10));
	/* those who were turned away took nothing; a long pause gives no more than a full bucket */
	for (int i = 0; i < 3; i++)
		assert_true(rate_take(&ten, &bucket, START + 100 * SECOND));
	assert_false(rate_take(&ten, &bucket, START + 100 * SECOND));
	bucket = 0;
	assert_true(rate_take(&single, &bucket, START));
	assert_false(rate_take(&single, &bucket, START + SECOND - 1));
	assert_true(rate_take(&single, &bucket, START + SECOND));
	for (int i = 0; i < 100; i++)
		assert_true(rate_take(&none, &bucket, START));
}

/* The slowest and largest that the daemon may ask for, at the end of a long life of the machine */
static void test_rate_extremes(void **state)
{
	const struct rate slow = {.interval_ns = RATE_INTERVAL_MAX, .burst = RATE_BURST_MAX};
	uint64_t bucket = 0, now = 100ull * 365 * 24 * 3600 * SECOND;

	(void)state;
	for (uint32_t i = 0; i < RATE_BURST_MAX; i++)
		assert_true(rate_take(&slow, &bucket, now));
	assert_false(rate_take(&slow, &bucket, now));
	assert_true(rate_take(&slow, &bucket, now + RATE_INTERVAL_MAX));
}

static uint64_t key(const char *text)
{
	struct trp_addr a = {.family = strchr(text, ':') ? AF_INET6 : AF_INET, .port = 7};

	assert_int_equal(inet_pton(a.family, text, a.ip), 1);
	return prefix_key(&a);
}

static void test_key(void **state)
{
	static const char *const different[] = {"192.0.2.1", "192.0.2.2", "0.0.0.0", "255.255.255.255", "::1",
		"2001:db8::1", "2001:db8:0:1::1", "2001:db9::1", "fe80::1"};

	(void)state;
	assert_true(key("192.0.2.1") == key("::ffff:192.0.2.1"));
	assert_true(key("2001:db8::1") == key("2001:db8::ffff:1:2:3"));
	for (size_t i = 0; i < sizeof(different) / sizeof(*different); i++)
		for (size_t j = 0; j < i; j++)
			assert_true(key(different[i]) != key(different[j]));
}

static struct prefix *find(uint64_t k)
{
	return prefix_at(&table, prefix_find(&table, k));
}

static void clear(void)
{
	memset(&table, 0, sizeof(table));
	table.seed[0] = 0x0123456789abcdef;
	table.seed[1] = 0xfedcba9876543210;
}

/* A million prefixes with one connection each, a million a second, do not make the table forget the one that is over its rate,
 * nor a million that all use half of what they may. */
static void test_offender_is_remembered(void **state)
{
	const struct rate r = {.interval_ns = SECOND / 200, .burst = 400};
	uint64_t now = START, offender = key("192.0.2.1");
	int more = 0;

	(void)state;
	clear();
	for (uint32_t i = 0; i < 400; i++)
		assert_true(rate_take(&r, &find(offender)->full_ns, now));
	assert_false(rate_take(&r, &find(offender)->full_ns, now));
	for (uint64_t i = 0; i < 1000000; i++) {
		now += SECOND / 1000000;
		rate_take(&r, &find(i << 20)->full_ns, now);
	}
	while (rate_take(&r, &find(offender)->full_ns, now))
		more++;
	assert_int_equal(more, 200); /* a second's worth */
	for (uint64_t i = 0; i < 1000000; i++)
		for (int j = 0; j < 200; j++)
			rate_take(&r, &find(i << 20)->full_ns, now);
	assert_false(rate_take(&r, &find(offender)->full_ns, now));
}

/* Those of which clients wait stay, whatever comes; what finds no place shares one. */
static void test_waiting_stay(void **state)
{
	uint32_t number, pinned[PREFIX_WAYS];
	uint64_t k = 0, keys[PREFIX_WAYS];
	int n = 0;

	(void)state;
	clear();
	for (; n < PREFIX_WAYS; k++) {
		number = prefix_find(&table, k);
		assert_true(number < PREFIX_SHARED);
		if (number / PREFIX_WAYS != 5)
			continue;
		prefix_at(&table, number)->waiting = 1;
		keys[n] = k;
		pinned[n++] = number;
	}
	for (int i = 0; i < PREFIX_WAYS; i++)
		for (int j = 0; j < i; j++)
			assert_int_not_equal(pinned[i], pinned[j]);
	for (n = 0; n < 3; k++)
		n += prefix_find(&table, k) == PREFIX_SHARED;
	for (int i = 0; i < PREFIX_WAYS; i++)
		assert_int_equal(prefix_find(&table, keys[i]), pinned[i]);
	prefix_at(&table, pinned[3])->waiting = 0;
	while (prefix_find(&table, k) != pinned[3])
		k++;
	assert_true(prefix_at(&table, PREFIX_SHARED) == &table.shared);
}

/* The hash spreads prefixes that follow each other: none of the sets has far more than its part. */
static void test_spread(void **state)
{
	static uint32_t count[PREFIX_SETS];

	(void)state;
	clear();
	memset(count, 0, sizeof(count));
	for (uint32_t i = 0; i < 16 * PREFIX_SETS; i++)
		count[prefix_find(&table, 0xffffffff0a000000u + i) / PREFIX_WAYS]++;
	for (uint32_t i = 0; i < PREFIX_SETS; i++)
		assert_in_range(count[i], 1, 60);
}

static const char *limits(uint64_t interval_ns, uint32_t burst, uint32_t permille)
{
	struct router_msg m = {.magic = ROUTER_CONTROL_MAGIC,
		.type = ROUTER_LIMITS_SET,
		.limits = {.rate = {.interval_ns = interval_ns, .burst = burst}, .waiting_permille = permille}};

	return message_check(&m, sizeof(m), 0);
}

static void test_message(void **state)
{
	(void)state;
	assert_null(limits(0, 0, 0));
	assert_null(limits(SECOND, 1, 1000));
	assert_null(limits(RATE_INTERVAL_MAX, RATE_BURST_MAX, 1));
	assert_non_null(limits(SECOND, 0, 0));
	assert_non_null(limits(SECOND, RATE_BURST_MAX + 1, 0));
	assert_non_null(limits(RATE_INTERVAL_MAX + 1, 1, 0));
	assert_non_null(limits(0, 0, 1001));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_rate_extremes),
		cmocka_unit_test(test_key),
		cmocka_unit_test(test_offender_is_remembered),
		cmocka_unit_test(test_waiting_stay),
		cmocka_unit_test(test_spread),
		cmocka_unit_test(test_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
