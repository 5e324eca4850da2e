/* SPDX-License-Identifier: ISC */
#include "supervisor/timerdue.h"

#define SET_BACK 60.0 /* a clock that is put right by so little does not show the last run's time a second time */

static double sooner(double a, double b)
{
	return a == 0 || (b != 0 && b < a) ? b : a;
}

static double next_calendar(const struct profile *p, double after)
{
	double best = 0;
	time_t t;

	for (size_t i = 0; i < p->calendars.n; i++)
		if (trp_calendar_next(&p->calendars.v[i].when, (time_t)after, &t) == 0)
			best = sooner(best, (double)t);
	return best;
}

/* The rhythm of the last run goes on; a time that is over comes at once, if it is to be caught up. */
static double next_interval(const struct profile *p, const struct timer_now *now, double last, bool armed)
{
	const double interval = (double)p->timer_interval_ms / 1000.0, since = now->real - last;

	if (last == 0 || since < 0) /* never, or the clock was set back since */
		return now->boot + interval;
	if (armed && p->timer_persistent && since >= interval)
		return now->boot;
	return now->boot + interval - (since - interval * (double)(uint64_t)(since / interval));
}

/* What is missed is caught up, or what comes next. */
static double calendars_from(const struct timer_now *now, double last, bool catch_up)
{
	return (catch_up && last < now->real) || (last > now->real && last - now->real <= SET_BACK) ? last : now->real;
}

struct timer_due timer_next(const struct profile *p, const struct timer_now *now, double last, bool armed, double random)
{
	const double delay = random * (double)p->timer_random_ms / 1000.0, boot_delay = (double)p->timer_boot_ms / 1000.0;
	struct timer_due due = {0};

	due.real = next_calendar(p, calendars_from(now, last, armed && p->timer_persistent && last > 0));
	if (due.real != 0 && due.real < now->real)
		due.real = now->real;
	if (p->timer_boot_ms > 0 && !now->ran)
		due.boot = boot_delay > now->boot ? boot_delay : now->boot;
	if (p->timer_interval_ms > 0 && (last > 0 || due.boot == 0))
		due.boot = sooner(due.boot, next_interval(p, now, last, armed));
	if (due.real != 0)
		due.real += delay;
	if (due.boot != 0)
		due.boot += delay;
	return due;
}

bool timer_is_due(const struct timer_due *due, const struct timer_now *now)
{
	return (due->real != 0 && due->real <= now->real) || (due->boot != 0 && due->boot <= now->boot);
}

double timer_first(const struct timer_due *due, const struct timer_now *now)
{
	return sooner(due->real, due->boot == 0 ? 0 : now->real + due->boot - now->boot);
}
