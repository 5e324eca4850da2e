/* SPDX-License-Identifier: ISC */
/* worker.h: one trp-router process in its empty sandbox, and its control socket. routerproc.c has the set of them. */
#pragma once

#include "router/control.h"
#include "sandbox/cgroup.h"
#include "sandbox/sandbox.h"
#include "supervisor/outbox.h"
#include <ev.h>

struct keep;
struct ledgers;
struct seccomp_filter;
struct worker;

/* What all of a set have in common. */
struct worker_launch {
	struct ev_loop *loop;
	int exec_fd;
	uint32_t uid_base;
	const struct cgroup *cgroup; /* NULL: none */
	const struct seccomp_filter *seccomp;
	struct ledgers *ledgers; /* each counts in that of its slot */
	int live_fd;             /* counts of open connections, -1: nobody counts them */
	bool batch;              /* SCHED_BATCH, else as the daemon */
	bool adapts;             /* SCHED_BATCH while many come */
	uint64_t routers;        /* there are so many */
	struct keep *keep;
};

enum worker_role {
	WORKER_CURRENT, /* serves; replaced when it ends */
	WORKER_NEXT,    /* is to replace them all: told everything but the listeners */
	WORKER_RETIRED, /* finishes what it has begun, then ends */
};

struct worker {
	struct worker *next;
	void *owner;
	enum worker_role role;
	unsigned slot;      /* no other that lives has it */
	struct sandbox box; /* pid 0: not running */
	int control;        /* -1: not running */
	struct outbox out;
	bool ready, synced; /* it is locked down; it has done all that it was told when it was started */
	bool listening;     /* it was told the listeners, and has read all as far as we know */
	bool adopted;       /* an earlier daemon started it: serves by what that one told it, until another is ready */
	bool asked;         /* for its counters */
	unsigned late;      /* answers about them that nobody waits for any more */
	struct router_stats last; /* what it answered */
	uint32_t seq, sync_seq;
	unsigned syncs;    /* that it has not answered */
	uint32_t ping_seq; /* of a SYNC that asks whether it hangs, 0: none is under way */
	double delay;       /* before it is started again */
	char failure[400];  /* why it ended or could not be started */
	ev_io on_end, on_status, on_message, on_room;
	ev_timer timer; /* until ROUTER_READY, or the next start, or the end of a retired one */
	ev_timer stuck; /* while messages wait */
	ev_timer hang;  /* while ping_seq waits */
	struct ev_loop *loop;
	struct keep *keep;
	const struct cgroup *cgroup; /* as in struct worker_launch */

	/* An answer that is not READY or SYNCED. False: it is none; the worker is replaced. */
	bool (*answered)(struct worker *w, const struct router_msg *m);
	void (*now_synced)(struct worker *w);
	/* It has done all that it was told up to this number. */
	void (*passed)(struct worker *w, uint32_t seq);
	/* It will not read this message any more, which has a client. fd: borrowed. May be NULL. */
	void (*unread)(struct worker *w, struct router_msg *m, int fd);
	/* It has ended and was reaped, w->failure says how. May free w. */
	void (*ended)(struct worker *w);
};

struct worker *worker_new(void *owner, unsigned slot);
/* 0, or -errno with the reason in w->failure. */
int worker_spawn(struct worker *w, const struct worker_launch *launch);
/* One that an earlier daemon started in this slot: takes it over. False: there is none. */
bool worker_adopt(struct worker *w, const struct worker_launch *launch);
/* Nothing happens while it does not run. */
void worker_send(struct worker *w, struct router_msg *m, int fd);
/* SYNC; now_synced() follows. */
void worker_sync(struct worker *w);
/* SYNC; passed() follows with this number or a higher one, or ended(). */
uint32_t worker_ask(struct worker *w);
/* One that is synced and has not answered ten seconds later hangs, and is killed. */
void worker_ping(struct worker *w);
void worker_kill(struct worker *w);
/* Waits for its end, if it runs, and frees it. */
void worker_free(struct worker *w);
/* Calls then(w) from the loop. */
void worker_later(struct worker *w, double seconds, void (*then)(struct ev_loop *, ev_timer *, int));
