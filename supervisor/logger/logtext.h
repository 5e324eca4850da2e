/* SPDX-License-Identifier: ISC */
/* logtext.h: what log files and their lines look like. Pure; tests/fuzz/fuzz_logtext.c runs it.
 *
 * A line is "2026-11-23T07:31:15.123456Z out text": time (UTC), stream, text. "out+" (err+): it goes on in the next line of this
 * stream, as it was longer than LOGS_LINE_MAX, or its end did not come in time. SERVICE.log is written to;
 * SERVICE.log.20261123T073115.123456Z is one that was rotated then, with .gz behind it when it was compressed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOGTEXT_TIME 28     /* with the NUL */
#define LOGTEXT_SERVICE 128 /* a service's name, with the NUL */
#define LOGTEXT_NAME 192    /* a file's name, with the NUL */

enum log_stream { LOG_OUT, LOG_ERR, LOG_SUP, LOG_STREAMS };

extern const char *const logtext_streams[LOG_STREAMS + 1]; /* "out", "err", "sup", NULL */

struct log_line {
	uint64_t time; /* microseconds since 1970 */
	enum log_stream stream;
	bool goes_on;
	const char *text; /* inside of the line */
	size_t len;
};

/* Times from 1970 to 9999; what is later reads as the end of 9999. */
void logtext_time(uint64_t us, char ret[LOGTEXT_TIME]);
/* Of the first bytes of text. False: it is none, ret is untouched. */
bool logtext_parse_time(const char *text, size_t len, uint64_t *ret);
/* line: without its newline. False: not one of ours, ret is untouched. */
bool logtext_line(const char *line, size_t len, struct log_line *ret);

enum log_file_kind {
	LOG_FILE_CURRENT,
	LOG_FILE_OLD,
	LOG_FILE_PACKED,   /* .gz */
	LOG_FILE_UNPACKED, /* .gz.new: what a compression that was broken off has left */
};

struct log_name {
	char service[LOGTEXT_SERVICE];
	enum log_file_kind kind;
	uint64_t stamp; /* when it was rotated; 0 for the current one */
};

/* service: a valid name (base/parse.h). */
void logtext_file(const char *service, enum log_file_kind kind, uint64_t stamp, char ret[LOGTEXT_NAME]);
/* False: not a service's log. */
bool logtext_parse_file(const char *file, struct log_name *ret);
