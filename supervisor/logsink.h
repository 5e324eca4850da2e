/* SPDX-License-Identifier: ISC */
/* logsink.h: lines on their way from trpsupd to trp-logger, which waits for the disk. Each service has a queue: what the logger has not
 * yet written of it is bounded, and while that bound is reached its pipes are not read, so that it waits and nothing is lost. But if the
 * logger has done nothing at all for LOGSINK_STALL seconds, the disk hangs: then the services go on, and what is beyond the bound is
 * dropped and counted. */
#pragma once

#include "supervisor/logmsg.h"
#include <ev.h>

#define LOGSINK_STALL    2.0
#define LOGSINK_WINDOW   (256 * 1024)  /* bytes of one service that the logger has not written yet */
#define LOGSINK_WAITING  (512 * 1024)  /* ... and that wait here while the disk hangs */
#define LOGSINK_MAX      (4096 * 1024) /* ... and at any time: a service's last words are all read at once */
#define LOGSINK_ALL      (64u << 20)   /* of all services that wait here */

struct logsink;

/* One service's. The callbacks come from the loop, or from logq_put(). */
struct logq {
	/* It has lines waiting, or not any more: read its pipes only while it has none (logq_blocked()). */
	void (*room)(struct logq *q);
	void (*tail)(struct logq *q, const char *lines, size_t len); /* once: the last lines of before; may be NULL */
	struct log_limits limits;
	uint64_t lost; /* lines that never came into the file, for whatever reason */
	uint64_t not_taken[LOG_SOCKETS]; /* lines that were dropped because syslogd, journald did not take them */

	/* of logsink.c */
	struct logsink *sink;
	struct logq *next;
	char service[LOGTEXT_SERVICE];
	struct logchunk *first, *last;
	size_t waiting, in_flight;
	uint64_t dropped; /* lines, that the log does not yet say */
	const char *why;
	uint64_t unwritten; /* lines, that the logger could not write, and not say either, */
	int unwritten_error; /* for this reason */
	double next_said;
	uint64_t unsaid[LOG_SOCKETS];
	double next_said_of[LOG_SOCKETS];
	bool blocked, closed;
};

/* 0 or -errno */
int logsink_open(struct ev_loop *loop, struct logsink **ret);
/* Says what could not be sent, and forgets it. */
void logsink_close(struct logsink *s);
/* Where syslogd and journald listen; borrowed for the life of s. NULL: they are not there. */
void logsink_paths(struct logsink *s, const char *const paths[LOG_SOCKETS]);
/* A socket that is connected there, for a logger that is started; -1: nobody listens, or no service wants it. Borrowed. */
int logsink_socket(struct logsink *s, enum log_socket k);
/* The logger's end of the socket pair; borrowed. It stays open here. */
int logsink_their_end(const struct logsink *s);
/* Another logger was started: it is told what every service's limits are. */
void logsink_announce(struct logsink *s);
/* Waits until all is written, or nothing has been for that long, but ten times that at most. False: lines are left. */
bool logsink_settle(struct logsink *s, double seconds);
/* Asks the logger to end when all that was sent is written. */
void logsink_finish(struct logsink *s);
bool logsink_stalled(const struct logsink *s);

/* written() is called when lines of a service are in its file. The watcher is the caller's memory; it may unwatch itself then (no
 * other). */
struct logsink_watcher {
	void (*written)(struct logsink_watcher *w, const char *service);
	struct logsink_watcher *next; /* of logsink.c */
};
void logsink_watch(struct logsink *s, struct logsink_watcher *w);
void logsink_unwatch(struct logsink *s, struct logsink_watcher *w);

/* passed() is called once when all that was sent until now is written, or the disk hangs; at once, if so it is. */
struct logsink_barrier {
	void (*passed)(struct logsink_barrier *b);
	/* of logsink.c */
	uint64_t seq;
	struct logsink_barrier *next;
};
void logsink_wait(struct logsink *s, struct logsink_barrier *b);
/* It is not called any more. One that does not wait is fine. */
void logsink_unwait(struct logsink *s, struct logsink_barrier *b);

/* q: in fresh memory, from malloc(), with its callbacks set; freed by the sink, at once or when its last lines are on their way. */
void logq_open(struct logsink *s, struct logq *q, const char *service);
/* No callback comes any more. */
void logq_close(struct logq *q);
void logq_set_limits(struct logq *q, const struct log_limits *limits);
/* Whole lines, at most LOG_TEXT_MAX bytes of them; n is their number. */
void logq_put(struct logq *q, const char *text, size_t len, uint64_t n);
bool logq_blocked(const struct logq *q);
