/* SPDX-License-Identifier: ISC */
/* timerdue.h: when a service of [timer] is to be run next. Pure: the clocks are arguments (base/calendar.h asks for the time zone). */
#pragma once

#include "supervisor/profile/profile.h"

/* Seconds, of CLOCK_REALTIME and of CLOCK_BOOTTIME, which nobody can set. */
struct timer_now {
	double real, boot;
	bool ran; /* since the boot */
};

/* 0: not by this. */
struct timer_due {
	double real; /* of calendars */
	double boot; /* of interval and delay-after-boot */
};

/* last: start of the last run, real; 0: there was none that is known of. armed: its times begin to count now, so that those which are over
 * are caught up or not; else one has just come. random: from 0 to 1, the part of random-delay. */
struct timer_due timer_next(const struct profile *p, const struct timer_now *now, double last, bool armed, double random);
/* Has either come? */
bool timer_is_due(const struct timer_due *due, const struct timer_now *now);
/* The first of both, real; 0: none. */
double timer_first(const struct timer_due *due, const struct timer_now *now);
