/* SPDX-License-Identifier: ISC */
/* Calendar times: what can be written, and when they come: over months, leap days, and clocks that are put forward and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/calendar.h"
#include "base/util.h"

#include <stdio.h>
#include <string.h>

#define BERLIN "CET-1CEST,M3.5.0,M10.5.0/3" /* 2026: 29 March 02:00 to 03:00; 25 October 03:00 to 02:00 */

static void zone(const char *tz)
{
	setenv("TZ", tz, 1);
	tzset();
}

/* "2026-11-26 08:30:00" as the clock of TZ shows it; behind "U" in UTC. */
static time_t at(const char *text)
{
	struct tm tm = {.tm_isdst = -1};
	bool utc = text[0] == 'U';

	if (!strptime(text + utc, "%Y-%m-%d %H:%M:%S", &tm))
		fail_msg("%s", text);
	return utc ? timegm(&tm) : mktime(&tm);
}

/* The times that come after that one. */
static void comes(const char *tz, const char *text, const char *after, ...)
{
	struct calendar c;
	va_list ap;
	time_t t;

	zone(tz);
	if (trp_calendar_parse(text, &c) < 0)
		fail_msg("'%s' is not taken", text);
	t = at(after);
	va_start(ap, after);
	for (const char *want; (want = va_arg(ap, const char *));) {
		char got[64];
		struct tm tm;
		if (trp_calendar_next(&c, t, &t) < 0)
			fail_msg("'%s' after %s: none, expected %s", text, after, want);
		if (want[0] == 'U')
			gmtime_r(&t, &tm);
		else
			localtime_r(&t, &tm);
		strftime(got, sizeof(got), want[0] == 'U' ? "U%Y-%m-%d %H:%M:%S" : "%Y-%m-%d %H:%M:%S", &tm);
		if (strcmp(got, want) != 0)
			fail_msg("'%s' after %s: %s, expected %s", text, after, got, want);
	}
	va_end(ap);
}

static void test_forms(void **state)
{
	static const char *const good[] = {"daily", "Mon", "monday", "Mon..Fri", "Sat,Sun", "Fri..Mon 12:00", "Mon,Wed..Fri *-*-1..7 02:00", "02:00",
		"2:00", "02:00:30", "*:0/15", "*:*:0/10", "*-*-*", "12-24", "*-12-24", "2026-12-24", "2026,2028-01-01 0:0", "2026..2030/2-2-29", "*/4-02-29",
		"*-*-1/7", "*-*-1,15 06,18:00", "1..5/2:0", "12:00 UTC", "Mon 12:00 UTC", "*-*-* 04:00:00", "minutely", "hourly", "weekly", "monthly",
		"quarterly", "semiannually", "yearly", "annually", "  Mon   12:00"};
	static const char *const bad[] = {"", " ", "dail", "Daily", "Mo", "Mon-Fri", "Mon..", "..Fri", "Mon,", "24:00", "12:60", "12:00:60", "12", "12:", ":30",
		"12:0/0", "13-01", "0-1", "12-32", "2026-1", "1969-01-01", "2200-01-01", "12:00 Mon", "Mon Tue", "12:00 13:00", "12:00 CET", "UTC", "5..3:00",
		"-1:00", "12:00:00.5", "1..2..3:00", "*..5:00", "12:00 ", "12:00\n", "12:00x", "*-*-*-*", "Mon *-*-* 12:00 UTC UTC", "99999999999:00",
		"2026,2027,2028,2029,2030,2031,2032,2033,2034-01-01"};
	struct calendar c;

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(good); i++)
		if (trp_calendar_parse(good[i], &c) != 0)
			fail_msg("'%s' is not taken", good[i]);
	for (size_t i = 0; i < TRP_ARRAY_SIZE(bad); i++) {
		memset(&c, 0x5a, sizeof(c));
		if (trp_calendar_parse(bad[i], &c) != -EINVAL || c.months != 0x5a5a)
			fail_msg("'%s' is taken", bad[i]);
	}
}

static void test_plain(void **state)
{
	(void)state;
	comes("UTC", "daily", "2026-11-26 08:30:00", "2026-11-27 00:00:00", "2026-11-28 00:00:00", NULL);
	comes("UTC", "daily", "2026-11-26 00:00:00", "2026-11-27 00:00:00", NULL);
	comes("UTC", "daily", "2026-11-25 23:59:59", "2026-11-26 00:00:00", NULL);
	comes("UTC", "weekly", "2026-11-26 08:30:00", "2026-11-30 00:00:00", "2026-12-07 00:00:00", NULL);
	comes("UTC", "monthly", "2026-11-26 08:30:00", "2026-12-01 00:00:00", "2027-01-01 00:00:00", NULL);
	comes("UTC", "hourly", "2026-11-26 22:30:00", "2026-11-26 23:00:00", "2026-11-27 00:00:00", NULL);
	comes("UTC", "Mon..Fri 02:00", "2026-11-26 08:30:00", "2026-11-27 02:00:00", "2026-11-30 02:00:00", NULL);
	comes("UTC", "Fri..Mon 02:00", "2026-11-26 08:30:00", "2026-11-27 02:00:00", "2026-11-28 02:00:00", "2026-11-29 02:00:00",
		"2026-11-30 02:00:00", "2026-12-04 02:00:00", NULL);
	comes("UTC", "*-*-* 04:00:00", "2026-11-26 08:30:00", "2026-11-27 04:00:00", NULL);
	comes("UTC", "*:0/15", "2026-11-26 08:30:00", "2026-11-26 08:45:00", "2026-11-26 09:00:00", NULL);
	comes("UTC", "*:*:0/20", "2026-11-26 08:30:00", "2026-11-26 08:30:20", "2026-11-26 08:30:40", "2026-11-26 08:31:00", NULL);
	comes("UTC", "6..10/2:30", "2026-11-26 06:30:00", "2026-11-26 08:30:00", "2026-11-26 10:30:00", "2026-11-27 06:30:00", NULL);
	comes("UTC", "*-*-31", "2026-11-26 00:00:00", "2026-12-31 00:00:00", "2027-01-31 00:00:00", "2027-03-31 00:00:00", NULL);
	comes("UTC", "Fri *-*-13", "2026-11-26 00:00:00", "2027-08-13 00:00:00", NULL);
	comes("UTC", "2026-12-24 18:00", "2026-11-26 00:00:00", "2026-12-24 18:00:00", NULL);
	/* the other zone's midnight */
	comes(BERLIN, "12:00 UTC", "2026-11-26 08:30:00", "2026-11-26 13:00:00", "2026-11-27 13:00:00", NULL);
	comes(BERLIN, "daily", "2026-11-26 08:30:00", "U2026-11-26 23:00:00", NULL);
	comes("XXX12", "daily", "2026-11-26 08:30:00", "2026-11-27 00:00:00", NULL);
	comes("XXX-14", "daily", "2026-11-26 08:30:00", "2026-11-27 00:00:00", NULL);
}

static void test_leap_days(void **state)
{
	(void)state;
	comes("UTC", "*-02-29", "2026-11-26 00:00:00", "2028-02-29 00:00:00", "2032-02-29 00:00:00", NULL);
	comes("UTC", "*-02-29", "2096-03-01 00:00:00", "2104-02-29 00:00:00", NULL); /* 2100 has none */
	comes("UTC", "Sun *-02-29", "2026-11-26 00:00:00", "2032-02-29 00:00:00", "2060-02-29 00:00:00", NULL);
	comes("UTC", "*-*-29..31 12:00", "2027-02-01 00:00:00", "2027-03-29 12:00:00", NULL);
	comes("UTC", "*-*-29..31 12:00", "2028-02-01 00:00:00", "2028-02-29 12:00:00", "2028-03-29 12:00:00", NULL);
	comes("UTC", "2027/2-02-28", "2026-11-26 00:00:00", "2027-02-28 00:00:00", "2029-02-28 00:00:00", NULL);
}

static void test_never(void **state)
{
	static const char *const texts[] = {"*-02-30", "2026-02-29", "2020-01-01", "Mon 2026-11-26", "*-04-31 12:00"};
	struct calendar c;
	time_t t = 17;

	(void)state;
	zone("UTC");
	for (size_t i = 0; i < TRP_ARRAY_SIZE(texts); i++) {
		assert_int_equal(trp_calendar_parse(texts[i], &c), 0);
		assert_int_equal(trp_calendar_next(&c, at("2026-11-26 00:00:00"), &t), -ENOENT);
		assert_int_equal(t, 17);
	}
}

/* An hour is left out. */
static void test_clocks_forward(void **state)
{
	(void)state;
	comes(BERLIN, "02:30", "2026-03-28 12:00:00", "2026-03-29 03:00:00", "2026-03-30 02:30:00", NULL);
	comes(BERLIN, "01:30", "2026-03-28 12:00:00", "2026-03-29 01:30:00", "2026-03-30 01:30:00", NULL);
	comes(BERLIN, "03:00", "2026-03-28 12:00:00", "2026-03-29 03:00:00", "2026-03-30 03:00:00", NULL);
	/* together they come once */
	comes(BERLIN, "2,3:0/30", "2026-03-29 01:59:00", "2026-03-29 03:00:00", "2026-03-29 03:30:00", "2026-03-30 02:00:00", NULL);
	comes(BERLIN, "*:0/30", "2026-03-29 01:00:00", "2026-03-29 01:30:00", "2026-03-29 03:00:00", "2026-03-29 03:30:00", NULL);
	comes(BERLIN, "daily", "2026-03-28 12:00:00", "U2026-03-28 23:00:00", "U2026-03-29 22:00:00", NULL);
}

/* An hour comes twice. */
static void test_clocks_back(void **state)
{
	(void)state;
	comes(BERLIN, "02:30", "2026-10-24 12:00:00", "U2026-10-25 00:30:00", "U2026-10-26 01:30:00", NULL);
	comes(BERLIN, "03:00", "2026-10-24 12:00:00", "U2026-10-25 02:00:00", "U2026-10-26 02:00:00", NULL);
	comes(BERLIN, "*:0/30", "U2026-10-24 23:30:00", "U2026-10-25 00:00:00", "U2026-10-25 00:30:00", "U2026-10-25 01:00:00",
		"U2026-10-25 01:30:00", "U2026-10-25 02:00:00", NULL);
	comes(BERLIN, "hourly", "U2026-10-24 23:30:00", "U2026-10-25 00:00:00", "U2026-10-25 01:00:00", "U2026-10-25 02:00:00", NULL);
	/* midnight comes twice: at 00:00 the clock goes back to 23:00 */
	comes("XXX3YYY,M10.2.0/0,M2.3.0/0", "daily", "2026-02-13 12:00:00", "U2026-02-14 02:00:00", "U2026-02-15 03:00:00", NULL);
	comes("XXX3YYY,M10.2.0/0,M2.3.0/0", "23:30", "2026-02-14 12:00:00", "U2026-02-15 01:30:00", "U2026-02-16 02:30:00", NULL);
	/* ... and is left out */
	comes("XXX3YYY,M10.2.0/0,M2.3.0/0", "daily", "2026-10-10 12:00:00", "U2026-10-11 03:00:00", "U2026-10-12 02:00:00", NULL);
}

/* By looking at each second: an hour around each change, and a year by days. */
static void test_against_all_seconds(void **state)
{
	static const char *const texts[] = {"*:0/7", "*:*:0/40", "2:15", "1..3:0/20", "Sun 02:30", "*-*-29 02:30", "hourly"};
	struct calendar c;
	struct tm tm;
	time_t t;

	(void)state;
	zone(BERLIN);
	for (size_t i = 0; i < TRP_ARRAY_SIZE(texts); i++) {
		time_t from = at("U2026-03-28 20:00:00"), to = at("U2026-03-29 04:00:00");
		assert_int_equal(trp_calendar_parse(texts[i], &c), 0);
		for (int change = 0; change < 2; change++, from = at("U2026-10-24 20:00:00"), to = at("U2026-10-25 04:00:00")) {
			time_t last = from;
			/* never back, never the same, and only what the clock shows then (or the end of the hour that is left out) */
			while (trp_calendar_next(&c, last, &t) == 0 && t < to) {
				assert_true(t > last);
				localtime_r(&t, &tm);
				bool shown = (c.hours & (1u << tm.tm_hour)) && (c.minutes & (1ull << tm.tm_min)) && (c.seconds & (1ull << tm.tm_sec));
				if (!shown && t != at("U2026-03-29 01:00:00"))
					fail_msg("%s: %02d:%02d:%02d", texts[i], tm.tm_hour, tm.tm_min, tm.tm_sec);
				last = t;
			}
		}
		/* from wherever one asks, nothing is passed over */
		for (time_t a = from; a < to; a += 61) {
			time_t first, again;
			assert_int_equal(trp_calendar_next(&c, a, &first), 0);
			assert_int_equal(trp_calendar_next(&c, first - 1, &again), 0);
			assert_true(first > a && again == first);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_leap_days),
		cmocka_unit_test(test_never),
		cmocka_unit_test(test_clocks_forward),
		cmocka_unit_test(test_clocks_back),
		cmocka_unit_test(test_against_all_seconds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
