/* SPDX-License-Identifier: ISC */
#include "supervisor/logger/logtext.h"
#include "base/parse.h"

#include <stdio.h>
#include <string.h>

#define SECOND 1000000ull
#define DAY (86400 * SECOND)
#define LAST (253402300800ull * SECOND - 1) /* 9999-12-31T23:59:59.999999Z */

const char *const logtext_streams[LOG_STREAMS + 1] = {"out", "err", "sup", NULL};

static const char *const kinds[] = {
	[LOG_FILE_CURRENT] = "", [LOG_FILE_OLD] = "", [LOG_FILE_PACKED] = ".gz", [LOG_FILE_UNPACKED] = ".gz.new"};

struct civil {
	unsigned year, month, day, hour, minute, second, micro;
};

/* The Gregorian calendar in years that begin in March, so that the leap day is a year's last: no time zone, no library. */
static struct civil to_civil(uint64_t us)
{
	uint64_t days = us / DAY + 719468; /* since 0000-03-01 */
	unsigned era = (unsigned)(days / 146097), in_era = (unsigned)(days % 146097);
	unsigned year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
	unsigned in_year = in_era - (365 * year + year / 4 - year / 100), month = (5 * in_year + 2) / 153;
	struct civil c = {.year = year + era * 400 + (month >= 10), .month = month < 10 ? month + 3 : month - 9,
		.day = in_year - (153 * month + 2) / 5 + 1};
	unsigned seconds = (unsigned)(us % DAY / SECOND);

	c.hour = seconds / 3600;
	c.minute = seconds / 60 % 60;
	c.second = seconds % 60;
	c.micro = (unsigned)(us % SECOND);
	return c;
}

static bool from_civil(const struct civil *c, uint64_t *ret)
{
	static const unsigned char month_days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	unsigned leap = c->year % 4 == 0 && (c->year % 100 != 0 || c->year % 400 == 0);
	unsigned year, in_year, month;
	uint64_t days;

	if (c->year < 1970 || c->month < 1 || c->month > 12 || c->day < 1 || c->day > month_days[c->month - 1] || c->hour > 23 ||
		c->minute > 59 || c->second > 59 || (c->month == 2 && c->day == 29 && !leap))
		return false;
	year = c->year - (c->month <= 2);
	month = c->month > 2 ? c->month - 3 : c->month + 9;
	in_year = (153 * month + 2) / 5 + c->day - 1;
	days = (uint64_t)(year / 400) * 146097 + year % 400 * 365 + year % 400 / 4 - year % 400 / 100 + in_year - 719468;
	*ret = days * DAY + (c->hour * 3600u + c->minute * 60u + c->second) * SECOND + c->micro;
	return true;
}

/* form: Y year, M month, D day, h, m, s, u digits of each; others stand for themselves. */
static bool scan(const char *form, const char *text, size_t len, struct civil *ret)
{
	struct civil c = {0};

	if (len < strlen(form))
		return false;
	for (size_t i = 0; form[i]; i++) {
		unsigned *to = form[i] == 'Y' ? &c.year
			: form[i] == 'M'      ? &c.month
			: form[i] == 'D'      ? &c.day
			: form[i] == 'h'      ? &c.hour
			: form[i] == 'm'      ? &c.minute
			: form[i] == 's'      ? &c.second
			: form[i] == 'u'      ? &c.micro
					      : NULL;
		if (to ? text[i] < '0' || text[i] > '9' : text[i] != form[i])
			return false;
		if (to)
			*to = *to * 10 + (unsigned)(text[i] - '0');
	}
	*ret = c;
	return true;
}

void logtext_time(uint64_t us, char ret[LOGTEXT_TIME])
{
	struct civil c = to_civil(us < LAST ? us : LAST);

	snprintf(ret, LOGTEXT_TIME, "%04u-%02u-%02uT%02u:%02u:%02u.%06uZ", c.year % 10000, c.month % 100, c.day % 100, c.hour % 100,
		c.minute % 100, c.second % 100, c.micro % 1000000);
}

bool logtext_parse_time(const char *text, size_t len, uint64_t *ret)
{
	struct civil c;

	return scan("YYYY-MM-DDThh:mm:ss.uuuuuuZ", text, len, &c) && from_civil(&c, ret);
}

bool logtext_line(const char *line, size_t len, struct log_line *ret)
{
	const size_t head = LOGTEXT_TIME - 1, tag = head + 4;
	struct log_line l = {.stream = LOG_STREAMS};

	if (len < tag + 1 || !logtext_parse_time(line, len, &l.time) || line[head] != ' ')
		return false;
	for (unsigned i = 0; i < LOG_STREAMS; i++)
		if (memcmp(line + head + 1, logtext_streams[i], 3) == 0)
			l.stream = (enum log_stream)i;
	l.goes_on = line[tag] == '+';
	if (l.stream == LOG_STREAMS || len < tag + 1 + l.goes_on || line[tag + l.goes_on] != ' ')
		return false;
	l.text = line + tag + 1 + l.goes_on;
	l.len = len - (tag + 1 + l.goes_on);
	*ret = l;
	return true;
}

void logtext_file(const char *service, enum log_file_kind kind, uint64_t stamp, char ret[LOGTEXT_NAME])
{
	struct civil c = to_civil(stamp < LAST ? stamp : LAST);

	if (kind == LOG_FILE_CURRENT)
		snprintf(ret, LOGTEXT_NAME, "%.*s.log", LOGTEXT_SERVICE - 1, service);
	else
		snprintf(ret, LOGTEXT_NAME, "%.*s.log.%04u%02u%02uT%02u%02u%02u.%06uZ%s", LOGTEXT_SERVICE - 1, service, c.year % 10000,
			c.month % 100, c.day % 100, c.hour % 100, c.minute % 100, c.second % 100, c.micro % 1000000, kinds[kind]);
}

bool logtext_parse_file(const char *file, struct log_name *ret)
{
	static const char stamp_form[] = ".log.YYYYMMDDThhmmss.uuuuuuZ";
	struct log_name n = {.kind = LOG_FILE_CURRENT};
	const size_t len = strlen(file), old_tail = sizeof(stamp_form) - 1;
	size_t name = 0;
	struct civil c;

	if (len > 4 && strcmp(file + len - 4, ".log") == 0)
		name = len - 4;
	for (unsigned k = LOG_FILE_OLD; name == 0 && k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		size_t tail = old_tail + strlen(kinds[k]);
		if (len > tail && strcmp(file + len - strlen(kinds[k]), kinds[k]) == 0 &&
			scan(stamp_form, file + len - tail, old_tail, &c) && from_civil(&c, &n.stamp)) {
			n.kind = (enum log_file_kind)k;
			name = len - tail;
		}
	}
	if (name == 0 || name >= sizeof(n.service))
		return false;
	memcpy(n.service, file, name);
	if (!trp_valid_service_name(n.service))
		return false;
	*ret = n;
	return true;
}
