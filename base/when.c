/* SPDX-License-Identifier: ISC */
#include "when.h"
#include "parse.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SECOND 1000000ull
#define WORD_MAX 64

static int from_tm(struct tm *tm, bool utc, uint64_t micro, uint64_t *ret)
{
	struct tm asked = *tm;
	time_t t;

	tm->tm_isdst = -1;
	t = utc ? timegm(tm) : mktime(tm);
	/* what no calendar has was made into something else */
	if (tm->tm_mday != asked.tm_mday || tm->tm_mon != asked.tm_mon || tm->tm_year != asked.tm_year)
		return -EINVAL;
	if (t < 0)
		return -ERANGE;
	*ret = (uint64_t)t * SECOND + micro;
	return 0;
}

/* n digits, as a number from min to max. */
static bool digits(const char **at, unsigned n, int min, int max, int *ret)
{
	int v = 0;

	for (unsigned i = 0; i < n; i++) {
		char c = (*at)[i];
		if (c < '0' || c > '9')
			return false;
		v = v * 10 + (c - '0');
	}
	if (v < min || v > max)
		return false;
	*at += n;
	*ret = v;
	return true;
}

static bool date(const char **at, struct tm *tm)
{
	const char *p = *at;

	if (!digits(&p, 4, 1970, 9999, &tm->tm_year) || !trp_skip(&p, '-') || !digits(&p, 2, 1, 12, &tm->tm_mon) || !trp_skip(&p, '-') ||
		!digits(&p, 2, 1, 31, &tm->tm_mday))
		return false;
	tm->tm_year -= 1900;
	tm->tm_mon--;
	*at = p;
	return true;
}

/* "14:03", "14:03:12", "14:03:12.345678" */
static bool time_of_day(const char **at, struct tm *tm, uint64_t *micro)
{
	uint64_t unit = SECOND / 10;
	const char *p = *at;

	if (!digits(&p, 2, 0, 23, &tm->tm_hour) || !trp_skip(&p, ':') || !digits(&p, 2, 0, 59, &tm->tm_min))
		return false;
	if (trp_skip(&p, ':')) {
		if (!digits(&p, 2, 0, 59, &tm->tm_sec))
			return false;
		if (trp_skip(&p, '.')) {
			if (*p < '0' || *p > '9')
				return false;
			for (; *p >= '0' && *p <= '9'; p++, unit /= 10)
				*micro += unit * (uint64_t)(*p - '0');
		}
	}
	*at = p;
	return true;
}

static int absolute(const char *text, uint64_t now, uint64_t *ret)
{
	time_t seconds = (time_t)(now / SECOND);
	struct tm tm = {0}, today;
	uint64_t micro = 0;
	bool utc = strlen(text) > 0 && text[strlen(text) - 1] == 'Z';

	if (!(utc ? gmtime_r(&seconds, &today) : localtime_r(&seconds, &today)))
		return -EINVAL;
	if (!date(&text, &tm)) {
		tm.tm_year = today.tm_year;
		tm.tm_mon = today.tm_mon;
		tm.tm_mday = today.tm_mday;
		if (!time_of_day(&text, &tm, &micro))
			return -EINVAL;
	} else if (*text == ' ' || *text == 'T') {
		text++;
		if (!time_of_day(&text, &tm, &micro))
			return -EINVAL;
	}
	if (strcmp(text, utc ? "Z" : "") != 0)
		return -EINVAL;
	return from_tm(&tm, utc, micro, ret);
}

static int midnight(int days_ago, uint64_t now, uint64_t *ret)
{
	time_t seconds = (time_t)(now / SECOND);
	struct tm tm;
	time_t t;

	if (!localtime_r(&seconds, &tm))
		return -EINVAL;
	tm.tm_mday -= days_ago;
	tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
	tm.tm_isdst = -1;
	t = mktime(&tm);
	if (t < 0)
		return -ERANGE;
	*ret = (uint64_t)t * SECOND;
	return 0;
}

/* "10m", "10m ago" */
static int ago(const char *text, uint64_t now, uint64_t *ret)
{
	static const char tail[] = " ago";
	char word[WORD_MAX];
	size_t len = strlen(text);
	uint64_t ms;
	int r;

	if (len >= sizeof(word))
		return -EINVAL;
	strcpy(word, text);
	if (len > sizeof(tail) && strcmp(text + len - (sizeof(tail) - 1), tail) == 0)
		word[len - (sizeof(tail) - 1)] = '\0';
	r = trp_parse_duration(word, &ms);
	if (r < 0)
		return r;
	if (ms > now / 1000)
		return -ERANGE;
	*ret = now - ms * 1000;
	return 0;
}

int trp_parse_when(const char *text, uint64_t now, uint64_t *ret)
{
	uint64_t seconds;
	int r;

	if (strcmp(text, "now") == 0) {
		*ret = now;
		return 0;
	}
	if (strcmp(text, "today") == 0 || strcmp(text, "yesterday") == 0)
		return midnight(text[0] == 'y', now, ret);
	if (text[0] == '@') {
		r = trp_parse_u64(text + 1, &seconds);
		if (r == 0 && seconds > UINT64_MAX / SECOND)
			r = -ERANGE;
		if (r == 0)
			*ret = seconds * SECOND;
		return r;
	}
	r = absolute(text, now, ret);
	return r == -EINVAL ? ago(text, now, ret) : r;
}
