/* SPDX-License-Identifier: ISC */
/* calendar.h: times that come again, as systemd writes them (systemd.time(7), "Calendar Events"; what is here is a part of that):
 *
 *   [DAYS] [[YEAR-]MONTH-DAY] [HOUR:MINUTE[:SECOND]] [UTC]
 *
 * DAYS: Mon, Monday, Mon..Fri, Sat,Sun. Each number: N, N..M, *, N/STEP, N..M/STEP, or several with commas. What is left out is every day,
 * every year, midnight, second 0. Also minutely, hourly, daily, weekly, monthly, quarterly, semiannually, yearly. Local time (tzset(3)) without
 * UTC. Pure, but for the time zone. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define CALENDAR_YEARS 8 /* ranges in a list of years */

/* By bits: month 1 to 12, day 1 to 31, days of the week 0 (Sunday) to 6. */
struct calendar {
	struct calendar_years {
		uint16_t first, last, step;
	} years[CALENDAR_YEARS];
	unsigned n_years; /* 0: all */
	uint16_t months;
	uint8_t weekdays;
	uint32_t days, hours;
	uint64_t minutes, seconds;
	bool utc;
};

/* 0, or -EINVAL; *ret untouched then. Fuzzed. */
int trp_calendar_parse(const char *text, struct calendar *ret);
/* The first such time after that one, both in seconds since 1970. 0, or -ENOENT: there is none before the year 2200.
 *
 * Where clocks are put forward, what is left out comes at the first moment behind it, and where they are put back what comes twice
 * comes the first time; but with every hour of the day (*:0/15) times follow each other as if there were no clocks. */
int trp_calendar_next(const struct calendar *c, time_t after, time_t *ret);
