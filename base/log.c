/* SPDX-License-Identifier: ISC */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *log_name = "trpsup";
static enum log_level log_max = LOG_LEVEL_INFO;
static bool log_prefix;

void log_init(const char *name, enum log_level max_level)
{
	log_name = name;
	log_max = max_level;
	/* sd-daemon(3): under systemd standard error is a socket and JOURNAL_STREAM names it */
	log_prefix = getenv("JOURNAL_STREAM") != NULL;
}

void log_set_level(enum log_level max_level)
{
	log_max = max_level;
}

static void TRP_PRINTF(2, 0) log_line(enum log_level level, const char *fmt, va_list ap)
{
	char line[1024];
	int saved = errno, head, n;

	if (level > log_max)
		return;
	if (log_prefix)
		head = snprintf(line, sizeof(line), "<%d>%s: ", level, log_name);
	else
		head = snprintf(line, sizeof(line), "%s: ", log_name);
	errno = saved; /* for %m */
	n = vsnprintf(line + head, sizeof(line) - (size_t)head - 1, fmt, ap);
	if (n < 0)
		n = 0;
	n += head;
	if ((size_t)n > sizeof(line) - 2)
		n = sizeof(line) - 2;
	line[n++] = '\n';
	/* one write: lines of several processes do not mix; nothing can be done if it fails */
	if (write(STDERR_FILENO, line, (size_t)n) < 0) {
	}
	errno = saved;
}

#define LOG_BODY(level)                                                                            \
	do {                                                                                       \
		va_list ap;                                                                        \
		va_start(ap, fmt);                                                                 \
		log_line(level, fmt, ap);                                                          \
		va_end(ap);                                                                        \
	} while (0)

void log_debug(const char *fmt, ...)
{
	LOG_BODY(LOG_LEVEL_DEBUG);
}

void log_info(const char *fmt, ...)
{
	LOG_BODY(LOG_LEVEL_INFO);
}

void log_warn(const char *fmt, ...)
{
	LOG_BODY(LOG_LEVEL_WARN);
}

void log_error(const char *fmt, ...)
{
	LOG_BODY(LOG_LEVEL_ERROR);
}

void log_fatal(const char *fmt, ...)
{
	LOG_BODY(LOG_LEVEL_ERROR);
	exit(1);
}
