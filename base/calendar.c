/* SPDX-License-Identifier: ISC */
#include "calendar.h"
#include "parse.h"
#include "util.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define DAY        86400
#define FIRST_YEAR 1970
#define LAST_YEAR  2199
#define ALL_HOURS  0xffffffu

/* --- what people write */

static const struct {
	const char *word, *means;
} shorthands[] = {
	{"minutely", "*-*-* *:*:00"},
	{"hourly", "*-*-* *:00:00"},
	{"daily", "*-*-* 00:00:00"},
	{"weekly", "Mon *-*-* 00:00:00"},
	{"monthly", "*-*-01 00:00:00"},
	{"quarterly", "*-01,04,07,10-01 00:00:00"},
	{"semiannually", "*-01,07-01 00:00:00"},
	{"yearly", "*-01-01 00:00:00"},
	{"annually", "*-01-01 00:00:00"},
};

static const char *const weekdays[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};

/* One number and what may follow it: N, N..M, *, N/STEP and the like. */
struct range {
	unsigned first, last, step;
};

static bool number(const char **at, unsigned max, unsigned *ret)
{
	unsigned v = 0, digits = 0;

	for (; isdigit((unsigned char)**at); ++*at, digits++) {
		v = v * 10 + (unsigned)(**at - '0');
		if (digits >= 4 || v > max)
			return false;
	}
	*ret = v;
	return digits > 0;
}

static bool range(const char **at, unsigned min, unsigned max, struct range *ret)
{
	struct range r = {min, max, 1};

	if (**at == '*') {
		++*at;
	} else {
		if (!number(at, max, &r.first))
			return false;
		r.last = r.first;
		if (strncmp(*at, "..", 2) == 0) {
			*at += 2;
			if (!number(at, max, &r.last))
				return false;
		} else if (**at == '/') {
			r.last = max;
		}
	}
	if (**at == '/') {
		++*at;
		if (!number(at, max, &r.step) || r.step == 0)
			return false;
	}
	if (r.first < min || r.first > r.last)
		return false;
	*ret = r;
	return true;
}

/* A list of them, as bits. */
static bool list(const char **at, unsigned min, unsigned max, uint64_t *ret)
{
	struct range r;
	uint64_t bits = 0;

	do {
		if (!range(at, min, max, &r))
			return false;
		for (unsigned i = r.first; i <= r.last; i += r.step)
			bits |= 1ull << i;
	} while (**at == ',' && ++*at);
	*ret = bits;
	return true;
}

static bool years(const char **at, struct calendar *c)
{
	struct range r;

	if (**at == '*' && (*at)[1] == '-') {
		++*at;
		return true;
	}
	do {
		if (c->n_years == CALENDAR_YEARS || !range(at, FIRST_YEAR, LAST_YEAR, &r))
			return false;
		c->years[c->n_years++] = (struct calendar_years){(uint16_t)r.first, (uint16_t)r.last, (uint16_t)r.step};
	} while (**at == ',' && ++*at);
	return true;
}

/* Three letters, or all of them. */
static bool weekday(const char **at, unsigned *ret)
{
	size_t len = 0;

	while (isalpha((unsigned char)(*at)[len]))
		len++;
	for (unsigned i = 0; i < TRP_ARRAY_SIZE(weekdays); i++)
		if ((len == 3 || len == strlen(weekdays[i])) && strncasecmp(*at, weekdays[i], len) == 0) {
			*at += len;
			*ret = i;
			return true;
		}
	return false;
}

/* A range may go over Sunday. */
static bool weekday_list(const char **at, struct calendar *c)
{
	unsigned from, to;

	c->weekdays = 0;
	do {
		if (!weekday(at, &from))
			return false;
		to = from;
		if (strncmp(*at, "..", 2) == 0) {
			*at += 2;
			if (!weekday(at, &to))
				return false;
		}
		for (unsigned i = from;; i = (i + 1) % 7) {
			c->weekdays |= (uint8_t)(1u << i);
			if (i == to)
				break;
		}
	} while (**at == ',' && ++*at);
	return true;
}

/* "*-*-01", "12-24" */
static bool date(const char **at, struct calendar *c)
{
	const char *dash = strchr(*at, '-');
	size_t len = strcspn(*at, " ");
	uint64_t months, days;

	if (dash && memchr(dash + 1, '-', len - (size_t)(dash + 1 - *at)) && (!years(at, c) || !trp_skip(at, '-')))
		return false;
	if (!list(at, 1, 12, &months) || !trp_skip(at, '-') || !list(at, 1, 31, &days))
		return false;
	c->months = (uint16_t)months;
	c->days = (uint32_t)days;
	return true;
}

static bool time_of_day(const char **at, struct calendar *c)
{
	uint64_t hours;

	if (!list(at, 0, 23, &hours) || !trp_skip(at, ':') || !list(at, 0, 59, &c->minutes))
		return false;
	c->hours = (uint32_t)hours;
	return !trp_skip(at, ':') || list(at, 0, 59, &c->seconds);
}

/* One word of the four; each comes once, in their order. */
static bool part(const char **at, struct calendar *c, unsigned *stage)
{
	const char *end = *at + strcspn(*at, " ");
	const unsigned what = strncmp(*at, "UTC", 3) == 0 && end == *at + 3 ? 4
		: isalpha((unsigned char)**at)                              ? 1
		: memchr(*at, '-', (size_t)(end - *at))                     ? 2
									    : 3;

	if (what <= *stage)
		return false;
	*stage = what;
	switch (what) {
	case 1:
		return weekday_list(at, c) && *at == end;
	case 2:
		return date(at, c) && *at == end;
	case 3:
		return time_of_day(at, c) && *at == end;
	default:
		c->utc = true;
		*at = end;
		return true;
	}
}

int trp_calendar_parse(const char *text, struct calendar *ret)
{
	struct calendar c = {.months = 0x1ffe, .weekdays = 0x7f, .days = 0xfffffffe, .hours = 1, .minutes = 1, .seconds = 1};
	unsigned stage = 0;

	if (strncmp(text, "UTC", 3) == 0) /* of what? */
		return -EINVAL;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(shorthands); i++)
		if (strcmp(text, shorthands[i].word) == 0)
			return trp_calendar_parse(shorthands[i].means, ret);
	do {
		text += strspn(text, " ");
		if (!part(&text, &c, &stage))
			return -EINVAL;
	} while (*text);
	*ret = c;
	return 0;
}

/* --- when that is */

static time_t offset_at(const struct calendar *c, time_t t)
{
	struct tm tm;

	return c->utc || !localtime_r(&t, &tm) ? 0 : tm.tm_gmtoff;
}

/* The first moment after lo, at hi at the latest, whose offset is that of hi. */
static time_t change_between(const struct calendar *c, time_t lo, time_t hi)
{
	time_t offset = offset_at(c, hi);

	while (hi - lo > 1) {
		time_t mid = lo + (hi - lo) / 2;
		if (offset_at(c, mid) == offset)
			hi = mid;
		else
			lo = mid;
	}
	return hi;
}

/* The first moment after `after` that the clock shows as local, under these offsets before and behind a change, if they differ. */
static bool moment(const struct calendar *c, time_t local, time_t before, time_t behind, time_t after, time_t *ret)
{
	time_t first = local - before, second = local - behind, t;
	bool first_is = offset_at(c, first) == before, second_is = offset_at(c, second) == behind;

	if (first_is)
		t = first;
	else if (second_is)
		t = second;
	else if (c->hours == ALL_HOURS)
		return false; /* the hour is left out: so are its times */
	else
		t = change_between(c, second, first);
	if (t <= after && c->hours == ALL_HOURS && first_is && second_is)
		t = second; /* the second time that the clock shows it */
	*ret = t;
	return t > after;
}

/* The next second of the day from this one on that fits; -1: none. */
static int next_second(const struct calendar *c, int from)
{
	for (int h = from / 3600; h < 24; h++) {
		if (!(c->hours & (1u << h)))
			continue;
		for (int m = from > h * 3600 ? (from - h * 3600) / 60 : 0; m < 60; m++) {
			int s = from > h * 3600 + m * 60 ? from - h * 3600 - m * 60 : 0;
			if (!(c->minutes & (1ull << m)))
				continue;
			for (; s < 60; s++)
				if (c->seconds & (1ull << s))
					return h * 3600 + m * 60 + s;
		}
	}
	return -1;
}

static bool has_year(const struct calendar *c, unsigned year)
{
	for (unsigned i = 0; i < c->n_years; i++)
		if (year >= c->years[i].first && year <= c->years[i].last && (year - c->years[i].first) % c->years[i].step == 0)
			return true;
	return c->n_years == 0;
}

/* midnight: of a day, as the clock shows it, counted as if that were UTC. */
static bool has_day(const struct calendar *c, const struct tm *tm)
{
	return (c->weekdays & (1u << tm->tm_wday)) && (c->months & (1u << (tm->tm_mon + 1))) && (c->days & (1u << tm->tm_mday)) &&
		has_year(c, (unsigned)tm->tm_year + 1900);
}

/* In one day. */
static bool next_in(const struct calendar *c, time_t midnight, time_t after, time_t *ret)
{
	time_t before = offset_at(c, midnight - DAY), behind = offset_at(c, midnight + 2 * DAY), t = 0;
	time_t least = before < behind ? before : behind, most = before < behind ? behind : before;
	time_t from = after + least + 1 - midnight; /* what the clock shows then at least */
	bool found = false;

	for (int s = from >= DAY ? -1 : next_second(c, from > 0 ? (int)from : 0); s >= 0; s = s + 1 < DAY ? next_second(c, s + 1) : -1) {
		if (found && midnight + s - most >= *ret)
			break; /* none behind it can come sooner */
		if (moment(c, midnight + s, before, behind, after, &t) && (!found || t < *ret)) {
			*ret = t;
			found = true;
		}
	}
	return found;
}

int trp_calendar_next(const struct calendar *c, time_t after, time_t *ret)
{
	time_t now, midnight, best = 0, t = 0;
	bool found = false;
	struct tm tm;

	tzset();
	if (after < 0)
		after = 0;
	now = after + offset_at(c, after);
	/* the day before may come again, as clocks are put back over midnight */
	for (midnight = now - now % DAY - DAY;; midnight += DAY) {
		if (found && midnight - 2 * DAY > best)
			break;
		if (!gmtime_r(&midnight, &tm) || tm.tm_year + 1900 > LAST_YEAR)
			break;
		if (has_day(c, &tm) && next_in(c, midnight, after, &t) && (!found || t < best)) {
			best = t;
			found = true;
		}
	}
	if (!found)
		return -ENOENT;
	*ret = best;
	return 0;
}
