/* SPDX-License-Identifier: ISC */
/* What trp-keeper and the daemon find descriptors by: against a plain list, over many puts and drops in any order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "supervisor/keeptable.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OWNERS  97
#define NUMBERS 11

static struct keep_table table;
static int model[OWNERS][NUMBERS]; /* 0: not there, else its descriptor */

static struct keep_key key_of(unsigned owner, unsigned number)
{
	struct keep_key key = {.number = number};

	snprintf(key.owner, sizeof(key.owner), "service@%u", owner);
	strcpy(key.what, "out");
	return key;
}

static void expect_model(void)
{
	uint32_t n = 0;

	for (unsigned o = 0; o < OWNERS; o++) {
		char owner[32];
		unsigned of_owner = 0;
		struct keep_item *i = NULL;
		for (unsigned k = 0; k < NUMBERS; k++) {
			struct keep_key key = key_of(o, k);
			const struct keep_item *found = keep_table_find(&table, &key);
			assert_int_equal(found ? found->fd : 0, model[o][k]);
			of_owner += model[o][k] != 0;
		}
		n += of_owner;
		snprintf(owner, sizeof(owner), "service@%u", o);
		while ((i = keep_table_next_of(&table, owner, i))) {
			assert_string_equal(i->key.owner, owner);
			assert_int_equal(i->fd, model[o][i->key.number]);
			of_owner--;
		}
		assert_int_equal(of_owner, 0);
	}
	assert_int_equal(table.n, n);
}

static void as_a_list(void **state)
{
	(void)state;
	srand(1);
	for (int step = 1; step <= 60000; step++) {
		unsigned o = (unsigned)rand() % OWNERS, k = (unsigned)rand() % NUMBERS;
		struct keep_key key = key_of(o, k);
		struct keep_item *i = keep_table_find(&table, &key);
		if (i) {
			keep_table_remove(&table, i);
			model[o][k] = 0;
		} else {
			assert_non_null(keep_table_add(&table, &key, step));
			model[o][k] = step;
		}
		if (step % 1000 == 0)
			expect_model();
	}
	while (table.n) {
		struct keep_item *i = &table.items[(unsigned)rand() % table.n];
		unsigned o;
		assert_int_equal(sscanf(i->key.owner, "service@%u", &o), 1);
		model[o][i->key.number] = 0;
		keep_table_remove(&table, i);
	}
	expect_model();
}

static void full(void **state)
{
	struct keep_key key;

	(void)state;
	for (unsigned i = 0; i < KEEP_MAX; i++) {
		key = key_of(i / 14, i % 14);
		assert_non_null(keep_table_add(&table, &key, 1));
	}
	key = key_of(KEEP_MAX, 0);
	assert_null(keep_table_add(&table, &key, 1));
	key = key_of(17, 3);
	keep_table_remove(&table, keep_table_find(&table, &key));
	assert_null(keep_table_find(&table, &key));
	assert_non_null(keep_table_add(&table, &key, 1));
	memset(&table, 0, sizeof(table));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_a_list),
		cmocka_unit_test(full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
