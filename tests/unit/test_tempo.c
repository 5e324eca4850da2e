/* SPDX-License-Identifier: ISC */
/* When so many clients come that the router lets others go first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "router/tempo.h"

#define STEP_NS TEMPO_LOOK_NS
#define PER_STEP(rate) ((rate) / 50)

static struct tempo t;
static uint64_t now, accepted;

static bool come(uint64_t n, uint64_t span_ns)
{
	now += span_ns;
	accepted += n;
	return tempo_look(&t, now, accepted);
}

static void begin(void)
{
	now = 12345678901234u;
	accepted = 99;
	t = (struct tempo){.since_ns = now, .accepted = accepted};
}

static void test_many_and_few(void **state)
{
	(void)state;
	begin();
	assert_false(come(PER_STEP(TEMPO_MANY) - 1, STEP_NS));
	assert_false(t.many);
	assert_true(come(PER_STEP(TEMPO_MANY), STEP_NS));
	assert_true(t.many);
	for (int i = 0; i < 10; i++) { /* between the two nothing changes */
		assert_false(come(PER_STEP(TEMPO_FEW), STEP_NS));
		assert_true(t.many);
	}
	assert_true(come(PER_STEP(TEMPO_FEW) - 1, STEP_NS));
	assert_false(t.many);
	for (int i = 0; i < 10; i++)
		assert_false(come(PER_STEP(TEMPO_MANY) - 1, STEP_NS));
}

/* A burst is none before there was time to see that it lasts. */
static void test_span(void **state)
{
	(void)state;
	begin();
	for (int i = 0; i < 9; i++)
		assert_false(come(PER_STEP(TEMPO_MANY), STEP_NS / 10));
	assert_true(come(0, STEP_NS / 10));
	assert_true(t.many);
	/* and the first that comes after a long rest ends it */
	assert_true(come(1, 3600ull * 50 * STEP_NS));
	assert_false(t.many);
	begin();
	assert_false(come(5000, 3600ull * 50 * STEP_NS)); /* many, but not in an hour */
	begin();
	assert_false(come(1, UINT32_MAX * (uint64_t)STEP_NS));
	assert_false(t.many);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_many_and_few),
		cmocka_unit_test(test_span),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
