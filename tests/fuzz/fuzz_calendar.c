/* SPDX-License-Identifier: ISC */
/* Calendar times of any bytes: what is taken comes later than asked for, and at a time that the clock shows. In UTC, as the zone is the machine's. */
#include "base/calendar.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = size < 200 ? strndup((const char *)data, size) : NULL;
	time_t after = 1700000000 + (time_t)(size * 7919), t = -1;
	struct calendar c;
	struct tm tm;

	if (text && trp_calendar_parse(text, &c) == 0) {
		c.utc = true;
		if (!c.months || !c.days || !c.hours || !c.minutes || !c.seconds || !c.weekdays)
			abort();
		if (trp_calendar_next(&c, after, &t) == 0) {
			gmtime_r(&t, &tm);
			if (t <= after || !(c.hours & (1u << tm.tm_hour)) || !(c.minutes & (1ull << tm.tm_min)) || !(c.seconds & (1ull << tm.tm_sec)) ||
				!(c.days & (1u << tm.tm_mday)) || !(c.months & (1u << (tm.tm_mon + 1))) || !(c.weekdays & (1u << tm.tm_wday)))
				abort();
		} else if (t != -1) {
			abort();
		}
	}
	free(text);
	return 0;
}
