/* SPDX-License-Identifier: ISC */
/* When a service of [timer] is run next, by clocks of the test's: intervals, the boot, what was missed, clocks that were set. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "supervisor/timerdue.h"

#include <string.h>

#define HOUR 3600.0
#define DAY  (24 * HOUR)
#define NOW  (1795651200.0 + 8 * HOUR) /* 2026-11-26 08:00 UTC */

static struct profile_calendar calendar;

static struct profile timed(const char *when, double interval, double boot)
{
	struct profile p = {.timer_interval_ms = (uint64_t)(interval * 1000), .timer_boot_ms = (uint64_t)(boot * 1000)};

	setenv("TZ", "UTC", 1);
	if (when) {
		assert_int_equal(trp_calendar_parse(when, &calendar.when), 0);
		p.calendars.v = &calendar;
		p.calendars.n = 1;
	}
	return p;
}

static void due_is(struct timer_due due, double real, double boot)
{
	if (due.real != real || due.boot != boot)
		fail_msg("due %f and %f, expected %f and %f", due.real - NOW, due.boot, real ? real - NOW : 0, boot);
}

static void test_calendar(void **state)
{
	struct timer_now now = {.real = NOW, .boot = 1000};
	struct profile p = timed("04:00", 0, 0);

	(void)state;
	due_is(timer_next(&p, &now, 0, true, 0), NOW + 20 * HOUR, 0);
	due_is(timer_next(&p, &now, NOW - 30 * DAY, true, 0), NOW + 20 * HOUR, 0);
	/* what was missed comes at once, but only when it is armed, and only if it was missed */
	p.timer_persistent = true;
	due_is(timer_next(&p, &now, NOW - 30 * DAY, true, 0), NOW, 0);
	due_is(timer_next(&p, &now, NOW - 30 * DAY, false, 0), NOW + 20 * HOUR, 0);
	due_is(timer_next(&p, &now, NOW - 3 * HOUR, true, 0), NOW + 20 * HOUR, 0);
	due_is(timer_next(&p, &now, 0, true, 0), NOW + 20 * HOUR, 0);
	due_is(timer_next(&p, &now, NOW + DAY, true, 0), NOW + 20 * HOUR, 0); /* the clock was set back */
	/* by a little: its time does not come twice */
	now.real = NOW - 4 * HOUR - 10;
	due_is(timer_next(&p, &now, NOW - 4 * HOUR, false, 0), NOW + 20 * HOUR, 0);
	now.real = NOW - 5 * HOUR;
	due_is(timer_next(&p, &now, NOW - 4 * HOUR, false, 0), NOW - 4 * HOUR, 0);
}

static void test_interval(void **state)
{
	struct timer_now now = {.real = NOW, .boot = 1000};
	struct profile p = timed(NULL, 600, 0);

	(void)state;
	due_is(timer_next(&p, &now, 0, true, 0), 0, 1600);
	due_is(timer_next(&p, &now, NOW - 200, true, 0), 0, 1400);
	due_is(timer_next(&p, &now, NOW, false, 0), 0, 1600);
	/* longer ago: the rhythm goes on */
	due_is(timer_next(&p, &now, NOW - 1300, true, 0), 0, 1500);
	due_is(timer_next(&p, &now, NOW - 1300, false, 0), 0, 1500);
	due_is(timer_next(&p, &now, NOW + 5000, true, 0), 0, 1600);
	p.timer_persistent = true;
	due_is(timer_next(&p, &now, NOW - 1300, true, 0), 0, 1000);
	due_is(timer_next(&p, &now, NOW - 200, true, 0), 0, 1400);
}

static void test_boot(void **state)
{
	struct timer_now now = {.real = NOW, .boot = 1000};
	struct profile p = timed(NULL, 0, 300);

	(void)state;
	due_is(timer_next(&p, &now, 0, true, 0), 0, 1000); /* it is over: now */
	due_is(timer_next(&p, &now, NOW - 2000, true, 0), 0, 1000); /* the last run was before the boot */
	now.ran = true;
	due_is(timer_next(&p, &now, NOW - 500, true, 0), 0, 0); /* once for each boot */
	now.ran = false;
	due_is(timer_next(&p, &now, NOW + 500, true, 0), 0, 1000); /* the last run was before the boot, and the clock is behind */
	now.boot = 10;
	due_is(timer_next(&p, &now, 0, true, 0), 0, 300);
	/* and then again and again */
	p = timed(NULL, 600, 300);
	due_is(timer_next(&p, &now, 0, true, 0), 0, 300);
	now.boot = 300;
	now.ran = true;
	due_is(timer_next(&p, &now, NOW, false, 0), 0, 900);
}

static void test_several(void **state)
{
	struct timer_now now = {.real = NOW, .boot = 1000};
	struct profile p = timed("12:00", 600, 0);
	struct timer_due due = timer_next(&p, &now, 0, true, 0);

	(void)state;
	due_is(due, NOW + 4 * HOUR, 1600);
	assert_true(timer_first(&due, &now) == NOW + 600);
	assert_false(timer_is_due(&due, &now));
	now.boot += 600;
	assert_true(timer_is_due(&due, &now));
	now.boot -= 1;
	now.real += 5 * HOUR;
	assert_true(timer_is_due(&due, &now));
	due = (struct timer_due){0};
	assert_false(timer_is_due(&due, &now));
	assert_true(timer_first(&due, &now) == 0);
}

static void test_random(void **state)
{
	struct timer_now now = {.real = NOW, .boot = 1000};
	struct profile p = timed("12:00", 600, 0);

	(void)state;
	p.timer_random_ms = 100000;
	due_is(timer_next(&p, &now, 0, true, 0.5), NOW + 4 * HOUR + 50, 1650);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calendar),
		cmocka_unit_test(test_interval),
		cmocka_unit_test(test_boot),
		cmocka_unit_test(test_several),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
