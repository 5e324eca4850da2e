/* SPDX-License-Identifier: ISC */
/* The bucket that makes tenants wait, with a clock of the test's own. wrap: clock_gettime */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include "supervisor/pace.h"

#include <time.h>

static double offset; /* of the clock from the real one */
static unsigned resumed;

int __real_clock_gettime(clockid_t clock, struct timespec *ret);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret)
{
	if (clock != CLOCK_MONOTONIC)
		return __real_clock_gettime(clock, ret);
	double at = 1000 + offset;
	ret->tv_sec = (time_t)at;
	ret->tv_nsec = (long)((at - (double)ret->tv_sec) * 1e9);
	return 0;
}

static void on_resume(struct pace *p)
{
	(void)p;
	resumed++;
}

static struct pace *start(struct pace *p, uint64_t rate, uint64_t burst)
{
	offset = 0;
	resumed = 0;
	pace_init(p, ev_loop_new(0), rate, burst, on_resume, NULL);
	return p;
}

static void end(struct pace *p)
{
	pace_stop(p);
	ev_loop_destroy(p->loop);
}

static void test_burst_then_rate(void **state)
{
	struct pace mem, *p = start(&mem, 100, 10);

	(void)state;
	for (int i = 0; i < 9; i++)
		assert_true(pace_take(p, 1));
	assert_false(pace_take(p, 1)); /* the last of the ten: it was taken, and then it is enough */
	assert_true(p->resting);
	assert_false(pace_take(p, 1));
	offset = 0.06; /* six more */
	ev_run(p->loop, EVRUN_ONCE);
	assert_int_equal(resumed, 1);
	assert_int_equal(p->rests, 1);
	assert_true(p->rested > 0.059 && p->rested < 0.061);
	for (int i = 0; i < 5; i++)
		assert_true(pace_take(p, 1));
	assert_false(pace_take(p, 1));
	end(p);
}

static void test_never_more_than_burst(void **state)
{
	struct pace mem, *p = start(&mem, 100, 10);

	(void)state;
	offset = 3600;
	assert_true(pace_take(p, 9));
	assert_false(pace_take(p, 1));
	end(p);
}

/* What was taken at once beyond what there was has to be waited for. */
static void test_debt(void **state)
{
	struct pace mem, *p = start(&mem, 1000, 10);

	(void)state;
	assert_false(pace_take(p, 1010));
	assert_true(ev_timer_remaining(p->loop, &p->timer) > 1.0);
	end(p);
}

static void test_no_bound(void **state)
{
	struct pace mem, *p = start(&mem, UINT64_MAX, 1);

	(void)state;
	for (int i = 0; i < 100000; i++)
		assert_true(pace_take(p, 65536));
	end(p);
}

static void test_changed_while_it_rests(void **state)
{
	struct pace mem, *p = start(&mem, 1, 10);

	(void)state;
	assert_false(pace_take(p, 3610));
	assert_true(ev_timer_remaining(p->loop, &p->timer) > 3599);
	pace_set(p, UINT64_MAX, 10);
	ev_run(p->loop, EVRUN_ONCE);
	assert_int_equal(resumed, 1);
	assert_true(pace_take(p, 1e9));
	end(p);
}

static void test_stopped(void **state)
{
	struct pace mem, *p = start(&mem, 1000, 10);

	(void)state;
	assert_false(pace_take(p, 10));
	pace_stop(p);
	assert_false(ev_is_active(&p->timer));
	ev_run(p->loop, EVRUN_NOWAIT);
	assert_int_equal(resumed, 0);
	end(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_burst_then_rate),
		cmocka_unit_test(test_never_more_than_burst),
		cmocka_unit_test(test_debt),
		cmocka_unit_test(test_no_bound),
		cmocka_unit_test(test_changed_while_it_rests),
		cmocka_unit_test(test_stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
