/* SPDX-License-Identifier: ISC */
/* Times, lines and names of log files; times as people write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/when.h"
#include "supervisor/logger/logtext.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SECOND 1000000ull

/* Against the C library, each hour and a bit of 200 years. */
static void test_time(void **state)
{
	char ours[LOGTEXT_TIME], theirs[40];
	uint64_t back;

	(void)state;
	for (uint64_t s = 0; s < 200ull * 366 * 86400; s += 86399) {
		time_t t = (time_t)s;
		struct tm tm;
		gmtime_r(&t, &tm);
		strftime(theirs, sizeof(theirs), "%Y-%m-%dT%H:%M:%S.000042Z", &tm);
		logtext_time(s * SECOND + 42, ours);
		assert_string_equal(ours, theirs);
		assert_true(logtext_parse_time(ours, strlen(ours), &back));
		assert_int_equal(back, s * SECOND + 42);
	}
	logtext_time(UINT64_MAX, ours);
	assert_string_equal(ours, "9999-12-31T23:59:59.999999Z");
}

static void test_bad_times(void **state)
{
	static const char *const bad[] = {"", "2026", "2026-13-01T00:00:00.000000Z", "2026-02-29T00:00:00.000000Z",
		"2100-02-29T00:00:00.000000Z", "2026-00-01T00:00:00.000000Z", "2026-01-00T00:00:00.000000Z", "2026-04-31T00:00:00.000000Z",
		"2026-01-01T24:00:00.000000Z", "2026-01-01T00:60:00.000000Z", "2026-01-01T00:00:60.000000Z", "2026-01-01 00:00:00.000000Z",
		"2026-01-01T00:00:00.00000Z", "1969-12-31T23:59:59.000000Z", "2026-01-01T00:00:00.000000z", "+026-01-01T00:00:00.000000Z"};
	uint64_t us = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(logtext_parse_time(bad[i], strlen(bad[i]), &us));
	assert_int_equal(us, 7);
	assert_true(logtext_parse_time("2000-02-29T00:00:00.000000Z", 27, &us));
}

static void test_lines(void **state)
{
	static const struct {
		const char *line;
		enum log_stream stream; /* LOG_STREAMS: not a line */
		bool goes_on;
		const char *text;
	} table[] = {
		{"2026-11-23T07:31:15.123456Z out a b ", LOG_OUT, false, "a b "},
		{"2026-11-23T07:31:15.123456Z err ", LOG_ERR, false, ""},
		{"2026-11-23T07:31:15.123456Z sup x", LOG_SUP, false, "x"},
		{"2026-11-23T07:31:15.123456Z out+ x", LOG_OUT, true, "x"},
		{"2026-11-23T07:31:15.123456Z out+x", LOG_STREAMS, false, ""},
		{"2026-11-23T07:31:15.123456Z out+", LOG_STREAMS, false, ""},
		{"2026-11-23T07:31:15.123456Z out", LOG_STREAMS, false, ""},
		{"2026-11-23T07:31:15.123456Z foo x", LOG_STREAMS, false, ""},
		{"2026-11-23T07:31:15.123456Zout x", LOG_STREAMS, false, ""},
		{"hello", LOG_STREAMS, false, ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct log_line l;
		bool is = logtext_line(table[i].line, strlen(table[i].line), &l);
		assert_int_equal(is, table[i].stream != LOG_STREAMS);
		if (!is)
			continue;
		assert_int_equal(l.stream, table[i].stream);
		assert_int_equal(l.goes_on, table[i].goes_on);
		assert_int_equal(l.len, strlen(table[i].text));
		assert_memory_equal(l.text, table[i].text, l.len);
	}
}

static void test_names(void **state)
{
	static const struct {
		const char *file;
		bool is;
		enum log_file_kind kind;
	} table[] = {
		{"web.log", true, LOG_FILE_CURRENT},
		{"web@a.b.log", true, LOG_FILE_CURRENT},
		{"web.log.20261126T140312.123456Z", true, LOG_FILE_OLD},
		{"web.log.20261126T140312.123456Z.gz", true, LOG_FILE_PACKED},
		{"web.log.20261126T140312.123456Z.gz.new", true, LOG_FILE_UNPACKED},
		{"web.log.20261126T140312.123456Z.new", false, 0},
		{"web.log.20261126T140312.12345Z", false, 0},
		{"web.log.1", false, 0},
		{".log", false, 0},
		{"Web.log", false, 0},
		{"a/b.log", false, 0},
		{".trp-logger", false, 0},
		{"", false, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		char again[LOGTEXT_NAME];
		struct log_name n;
		assert_int_equal(logtext_parse_file(table[i].file, &n), table[i].is);
		if (!table[i].is)
			continue;
		assert_int_equal(n.kind, table[i].kind);
		logtext_file(n.service, n.kind, n.stamp, again);
		assert_string_equal(again, table[i].file);
	}
}

static void test_when(void **state)
{
	/* 2026-11-26T12:30:00Z is 13:30 in Central Europe, whose clocks went back on 2026-10-25 */
	const uint64_t now = 1795696200 * SECOND, midnight = 1795647600;
	const struct {
		const char *text;
		uint64_t want; /* seconds; 0: -EINVAL, 1: -ERANGE */
		uint64_t micro;
	} table[] = {
		{"now", 1795696200, 0},
		{"today", midnight, 0},
		{"yesterday", midnight - 86400, 0},
		{"10m", 1795696200 - 600, 0},
		{"10m ago", 1795696200 - 600, 0},
		{"1h 30m", 1795696200 - 5400, 0},
		{"1h 30m ago", 1795696200 - 5400, 0},
		{"2d", 1795696200 - 2 * 86400, 0},
		{"250ms", 1795696199, 750000},
		{"@1700000000", 1700000000, 0},
		{"2026-11-26", midnight, 0},
		{"2026-11-26 01:02", midnight + 3720, 0},
		{"2026-11-26T01:02:03", midnight + 3723, 0},
		{"2026-11-26 01:02:03.5", midnight + 3723, 500000},
		{"01:02", midnight + 3720, 0},
		{"2026-11-26T12:30:00.000001Z", 1795696200, 1},
		{"2026-11-26Z", midnight + 3600, 0},
		{"2026-07-01 12:00", 1782900000, 0}, /* summer time */
		{"10", 0, 0},
		{"10m later", 0, 0},
		{"", 0, 0},
		{"ago", 0, 0},
		{"2026-02-30", 0, 0},
		{"2026-1-1", 0, 0},
		{"2026-11-26 ", 0, 0},
		{"2026-11-26 25:00", 0, 0},
		{"14:03:12.", 0, 0},
		{"tomorrow", 0, 0},
		{"@", 0, 0},
		{"@-1", 0, 0},
		{"@99999999999999999", 1, 0},
		{"30000d", 1, 0},
	};

	(void)state;
	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	tzset();
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		uint64_t us = 42;
		int r = trp_parse_when(table[i].text, now, &us);
		if (r != (table[i].want == 0 ? -EINVAL : table[i].want == 1 ? -ERANGE : 0))
			fail_msg("'%s': %d", table[i].text, r);
		if (us != (r == 0 ? table[i].want * SECOND + table[i].micro : 42))
			fail_msg("'%s': %llu", table[i].text, (unsigned long long)us);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_bad_times),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_when),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
