/* SPDX-License-Identifier: ISC */
/* A lookup costs as much with 10,000 routes as with 10: counted in names that it passes, not in time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "router/control.h"
#include "router/route.h"
#include "base/util.h"

#include <stdio.h>
#include <string.h>

#define LOOKUPS 20000

enum kind { EXACT, WILDCARD, MISS, KINDS };

static struct route_table table = {.seed = 0x9b1c5a7732fe4401};

/* The names of customers on a host look like each other. */
static struct route_key key(char name[64], enum kind kind, unsigned i)
{
	static const char *const forms[KINDS][2] = {
		{"www.site-", ".example.org"}, {"*.shop-", ".example.com"}, {"no-", ".nobody.example"}};
	int len = snprintf(name, 64, "%s%u%s", forms[kind][0], i, forms[kind][1]);

	return (struct route_key){.listener = ROUTER_ANY_LISTENER, .protocol = TRP_PROTO_TLS, .name = name, .name_len = (uint8_t)len};
}

static void fill(unsigned n_exact, unsigned n_wildcards)
{
	char name[64];

	for (unsigned i = 0; i < n_exact + n_wildcards; i++) {
		enum kind kind = i < n_exact ? EXACT : WILDCARD;
		struct route_key k = key(name, kind, i);
		assert_int_equal(route_set(&table, &k, (struct route_channels){.v4 = i + 1, .v6 = i + 1}), 0);
	}
}

/* Of LOOKUPS names of this kind, in thousandths; the worst of one in *ret_worst. */
static uint64_t steps_per_thousand(enum kind kind, unsigned first, unsigned n, uint64_t *ret_worst)
{
	uint64_t start = route_steps();

	for (unsigned i = 0; i < LOOKUPS; i++) {
		struct route_channels to = {0};
		uint64_t before = route_steps();
		char name[64];
		struct route_key k = key(name, kind, first + i % n);
		if (kind == WILDCARD)
			name[0] = 'w'; /* a client of the wildcard's: "w.shop-..." */
		k.listener = 3;
		assert_int_equal(route_find(&table, &k, &to), kind == MISS ? ROUTE_MISS : ROUTE_HIT);
		if (kind != MISS)
			assert_int_equal(to.v4, first + i % n + 1);
		if (route_steps() - before > *ret_worst)
			*ret_worst = route_steps() - before;
	}
	return (route_steps() - start) * 1000 / LOOKUPS;
}

static void it_does_not_grow(void **state)
{
	static const struct {
		unsigned exact, wildcards;
	} sizes[] = {{10, 1}, {1000, 100}, {10000, 1000}, {100000, 10000}};

	(void)state;
	for (size_t s = 0; s < TRP_ARRAY_SIZE(sizes); s++) {
		uint64_t worst = 0, steps[KINDS];
		fill(sizes[s].exact, sizes[s].wildcards);
		steps[EXACT] = steps_per_thousand(EXACT, 0, sizes[s].exact, &worst);
		steps[WILDCARD] = steps_per_thousand(WILDCARD, sizes[s].exact, sizes[s].wildcards, &worst);
		steps[MISS] = steps_per_thousand(MISS, 0, LOOKUPS, &worst);
		print_message("%6u + %5u routes: names passed per lookup: exact %.3f, wildcard %.3f, miss %.3f, worst %u\n",
			sizes[s].exact, sizes[s].wildcards, (double)steps[EXACT] / 1000, (double)steps[WILDCARD] / 1000,
			(double)steps[MISS] / 1000, (unsigned)worst);
		/* at most one name for each bucket: half a name before the right one, one for each suffix that is not there */
		assert_in_range(steps[EXACT], 0, 1000);
		assert_in_range(steps[WILDCARD], 0, 2000);
		assert_in_range(steps[MISS], 0, 5000);
		assert_in_range(worst, 0, 24);
		route_clear(&table);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(it_does_not_grow)};

	return cmocka_run_group_tests_name("route_growth", tests, NULL, NULL);
}
