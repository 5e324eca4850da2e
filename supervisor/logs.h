/* SPDX-License-Identifier: ISC */
/* logs.h: what a service writes to stdout and stderr: caught through two pipes, one line at a time, given the time and the stream
 * (logger/logtext.h), and sent to trp-logger, which writes it to LOG_DIR/SERVICE.log and rotates that. A line longer than
 * LOGS_LINE_MAX is cut in pieces, one whose end does not come within a second is written without it; both are marked. Bytes are kept
 * as they came but for NUL (a "?"); they are escaped when they are shown (by the client). The daemon never interprets them. A service
 * that floods is read a bounded number of bytes for each loop turn and, with logs_set_rate(), in a second: it is its own pipe that
 * fills up, and it waits. It also waits for a slow disk, but not for one that hangs (logsink.h). */
#pragma once

#include "base/util.h"
#include "supervisor/logsink.h"
#include <ev.h>

#define LOGS_LINE_MAX 4096

struct logs;

/* One for each service, for the daemon's life, less than the sink's. 0 or -ENOMEM. */
int logs_open(struct ev_loop *loop, struct logsink *sink, const char *service, const struct log_limits *limits, struct logs **ret);
void logs_close(struct logs *l);
/* The read ends of its pipes are kept there, or a service would have nobody to write to when the daemon is killed; those that an earlier
 * daemon left are read on. Before the first logs_pipes(). */
struct keep;
void logs_keep(struct logs *l, struct keep *keep);
void logs_set_limits(struct logs *l, const struct log_limits *limits);
/* Bytes that are read in a second, and at once; UINT64_MAX: as fast as they come, which is so at first. A line of the
 * supervisor's says at most once in a minute that the service has to wait. With drops it
 * does not wait: whole lines beyond the rate are dropped, and a line says each second how many; only beyond 16 times the rate it waits. */
void logs_set_rate(struct logs *l, uint64_t rate, uint64_t burst, bool drops);
/* How often, and how long in all, it was made to wait. */
void logs_waited(const struct logs *l, uint64_t *ret_times, uint64_t *ret_ms);
/* Lines that were dropped because they were beyond its rate. */
uint64_t logs_dropped(const struct logs *l);
/* Must it wait now, for its log-rate or its disk? */
bool logs_waits(const struct logs *l);
/* Lines that never came into its file. */
uint64_t logs_lost(const struct logs *l);
/* Lines that syslogd, journald did not take. */
uint64_t logs_not_taken(const struct logs *l, enum log_socket k);

/* Makes the two pipes of a new instance; ret_out and ret_err are the write ends, close-on-exec, the
 * caller's, to be inherited as 1 and 2 (owned by the daemon's user: fchown() them to the service's
 * user, or it cannot open /dev/stdout and /dev/stderr by name). The read ends are watched until
 * they end, also after the next instance got its own. */
int logs_pipes(struct logs *l, int *ret_out, int *ret_err);
/* Reads what is in the pipes now (bounded): call when the service ended, before its end is noted.
 */
void logs_drain(struct logs *l);
/* Lines whose end has not come are written as they are, and how many were dropped is said: nobody will be here who could go on with them. */
void logs_end_lines(struct logs *l);

/* A line of the supervisor's own about this service ("sup"). */
void logs_note(struct logs *l, const char *fmt, ...) TRP_PRINTF(2, 3);

/* The last n lines that are remembered, each given to line() without its newline, oldest first. Without a look at the disk. */
void logs_last(const struct logs *l, unsigned n, void (*line)(void *data, const char *text, size_t len), void *data);
