/* SPDX-License-Identifier: ISC */
/* logs.h: what a service writes to stdout and stderr: caught through two pipes, one line at a time,
 * written to LOG_DIR/SERVICE.log as "2026-11-23T07:31:15.123456Z out|err|sup text", rotated by size
 * (SERVICE.log.1 ...), with a cap on what is kept. A line longer than LOGS_LINE_MAX is cut in
 * pieces. Bytes are kept as they came but for NUL (a "?"); they are escaped when they are shown (by
 * the client). The daemon never interprets them. A service that floods is read a bounded number of
 * bytes for each loop turn, so it is its own pipe that fills up. */
#pragma once

#include "base/util.h"
#include <ev.h>

#define LOGS_LINE_MAX 4096

struct logs;

/* One for each service, for the daemon's life. file_size, n_files: from the profile; n_files 0
 * keeps the current file only. dir is made if it does not exist. A file that cannot be written
 * costs its lines, never the service: they are counted, and a line of the supervisor's says how
 * many once writing works again. */
int logs_open(struct ev_loop *loop, const char *dir, const char *service, uint64_t file_size,
	unsigned n_files, struct logs **ret);
void logs_close(struct logs *l);
void logs_set_limits(struct logs *l, uint64_t file_size, unsigned n_files);

/* Makes the two pipes of a new instance; ret_out and ret_err are the write ends, close-on-exec, the
 * caller's, to be inherited as 1 and 2 (owned by the daemon's user: fchown() them to the service's
 * user, or it cannot open /dev/stdout and /dev/stderr by name). The read ends are watched until
 * they end, also after the next instance got its own. */
int logs_pipes(struct logs *l, int *ret_out, int *ret_err);
/* Reads what is in the pipes now (bounded): call when the service ended, before its end is noted.
 */
void logs_drain(struct logs *l);

/* A line of the supervisor's own about this service ("sup"). */
void logs_note(struct logs *l, const char *fmt, ...) TRP_PRINTF(2, 3);

/* The last n lines (over rotated files), each given to line() without its newline, oldest first. */
int logs_tail(struct logs *l, unsigned n, void (*line)(void *data, const char *text, size_t len),
	void *data);

/* Reads like tail -f: from the last n lines on, over rotations, as much as the caller asks for.
 * Holds its own descriptor. */
struct logs_reader;
int logs_reader_open(struct logs *l, unsigned n, struct logs_reader **ret);
/* Gives about max_bytes (whole lines, at least one) to line(). 1: there is more; 0: that was all
 * until a watcher is called. */
int logs_reader_next(struct logs_reader *r, size_t max_bytes,
	void (*line)(void *data, const char *text, size_t len), void *data);
void logs_reader_close(struct logs_reader *r);

/* Called for each line that is written from now on, with the text as the file has it, without the
 * newline. The watcher is the caller's memory; in line() it may unwatch itself (no other), but not
 * write to a log. */
struct logs_watcher {
	void (*line)(struct logs_watcher *w, const char *text, size_t len);
	struct logs_watcher *next; /* of logs.c */
};
void logs_watch(struct logs *l, struct logs_watcher *w);
void logs_unwatch(struct logs *l, struct logs_watcher *w);
