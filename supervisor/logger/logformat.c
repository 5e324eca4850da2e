/* SPDX-License-Identifier: ISC */
#include "supervisor/logger/logformat.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define FACILITY_DAEMON 3

/* syslog(3)'s severities */
static const unsigned priority[LOG_STREAMS] = {[LOG_OUT] = 6, [LOG_ERR] = 4, [LOG_SUP] = 5};

static bool fits(int head, const struct log_line *line, size_t size)
{
	return head > 0 && (size_t)head + line->len + 2 <= size;
}

size_t logformat_syslog(const char *service, const struct log_line *line, char *buf, size_t size)
{
	static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	time_t t = (time_t)(line->time / 1000000);
	struct tm tm = {0};
	int n;

	(void)localtime_r(&t, &tm);
	n = snprintf(buf, size, "<%u>%s %2d %02d:%02d:%02d %s: ", FACILITY_DAEMON * 8 + priority[line->stream], months[(unsigned)tm.tm_mon % 12],
		tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, service);
	if (!fits(n, line, size))
		return 0;
	for (size_t i = 0; i < line->len; i++)
		buf[(size_t)n + i] = line->text[i] ? line->text[i] : ' ';
	return (size_t)n + line->len;
}

/* A line has no newline, which is what ends a field. */
size_t logformat_journal(const char *service, const struct log_line *line, char *buf, size_t size)
{
	char time[LOGTEXT_TIME];
	int n;

	logtext_time(line->time, time);
	n = snprintf(buf, size, "PRIORITY=%u\nSYSLOG_IDENTIFIER=%s\nSYSLOG_FACILITY=%u\nTRPSUP_SERVICE=%s\nTRPSUP_STREAM=%s\nTRPSUP_TIME=%s\nMESSAGE=",
		priority[line->stream], service, FACILITY_DAEMON, service, logtext_streams[line->stream], time);
	if (!fits(n, line, size) || memchr(line->text, '\n', line->len))
		return 0;
	memcpy(buf + n, line->text, line->len);
	buf[(size_t)n + line->len] = '\n';
	return (size_t)n + line->len + 1;
}
