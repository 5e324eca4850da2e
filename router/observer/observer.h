/* SPDX-License-Identifier: ISC */
/* observer.h: trp-observer: reads what routers wrote down of each client, and from the kernel how its connection ended, and writes
 * the access log. One process, one thread; it opens nothing: all descriptors are the daemon's.
 *
 *   main.c  the loop: poll() -> control.c  messages of the daemon
 *                            -> ends.c     sockets that died, and dumps of those that live
 *                            -> log.c      lines, in pieces to the file
 *   pure: table.c (who is there), diag.c (netlink), line.c (text) */
#pragma once

#include "router/confine.h"
#include "router/live.h"
#include "router/observer/line.h"
#include "router/observer/table.h"

#define LISTENERS_MAX 1024
#define LOG_BUFFER    (64 * 1024)
#define ENDS_BUFFER   (128 * 1024)
#define EARLY_MAX     128

struct log {
	int fd; /* -1: no lines are wanted, or there is no file yet */
	bool json, full; /* full: another file was asked for */
	uint64_t size, max;
	uint64_t unwritten; /* lines that could not be */
	bool torn;          /* the last one of the file has no end */
	size_t len, n_lines; /* in the buffer */
	char buffer[LOG_BUFFER];
};

struct listener_name {
	uint32_t id;
	uint16_t port;
	char name[130];
};

/* A look at all sockets that live: one dump for each (family, port), or for each family */
struct sample {
	bool running, resync; /* resync: who is not found has ended */
	bool failed; /* a part of it was not to be had */
	bool wanted, wanted_resync; /* when this one is done */
	uint32_t number; /* of this look */
	uint32_t next;   /* dump */
	uint64_t began_ns;
	uint32_t answer; /* seq of the last who waits for it, 0: nobody does; who asked before is meant too */
	uint32_t later;  /* ... and for the next one */
	uint64_t due_ns; /* when it is looked for those who have ended without our being told, 0: not known yet */
};

struct observer {
	struct ledger *ledgers; /* all slots */
	uint32_t n_slots;
	struct table table;
	struct log log;
	char *services[LEDGER_SERVICES];
	struct listener_name listeners[LISTENERS_MAX];
	uint32_t n_listeners;
	struct sample sample;
	struct ledger_record early[EARLY_MAX]; /* of clients that were taken back, and not yet known to have been handed on */
	uint32_t n_early;
	bool ends_lost; /* messages about sockets that died; until it is looked for them */
	bool end;
};

/* control.c */
void control_ready(struct observer *o);
void control_say(struct observer *o, uint16_t type, uint32_t seq);

/* records.c */
/* Takes what routers have written. True: there was something. */
bool records_take(struct observer *o);
/* A connection has ended. */
void records_end(struct observer *o, struct live_entry *e, enum line_end end, const struct line *figures);

/* ends.c */
/* Reads what died, takes the routers' records of them, and then looks at it: in this order each of them is known. */
bool ends_ready(struct observer *o);
void diag_ready(struct observer *o);
/* answer: seq of who is to be told when it is done; 0: nobody. resync: who is not found has ended. */
void sample_start(struct observer *o, uint32_t answer, bool resync);
/* Starts what is due. Milliseconds until something will be, -1: nothing. */
int sample_due(struct observer *o);

/* log.c */
void log_line(struct observer *o, const struct line *l);
void log_note_line(struct observer *o, const char *what, uint64_t n);
void log_flush(struct observer *o);

/* lockdown.c */
int observer_lockdown(struct confine_failure *f);

uint64_t observer_clock(void); /* CLOCK_MONOTONIC, nanoseconds */
