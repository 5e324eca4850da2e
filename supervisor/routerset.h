/* SPDX-License-Identifier: ISC */
/* routerset.h: what the three files of routerproc.h share: routerproc.c has the routers' lives, routertell.c what they are told,
 * routerask.c what they are asked. For nobody else. */
#pragma once

#include "sandbox/seccomp.h"
#include "supervisor/daemon.h"
#include "supervisor/routerproc.h"
#include "supervisor/routerwatch.h"
#include "supervisor/worker.h"
#include <sys/queue.h>

struct routerproc {
	struct daemon *d;
	void (*resync)(struct daemon *d);
	struct seccomp_filter seccomp;
	struct cgroup cgroup; /* without limits: so that a later daemon finds routers that were left */
	bool has_cgroup;
	struct worker_launch launch;
	struct worker *workers;
	struct worker *only; /* what is told is for this one */
	bool listens; /* what is to be served is known: see routerproc_listen() */
	struct outbox refused; /* with clients, for the next router that has the listeners */
	struct routerwatch watch;

	struct router_stats past; /* of those that have finished */
	struct router_stats sum;
	size_t n_asked, n_answers;
	ev_timer stats_timer;
	void (*stats_done)(void *data, const struct router_stats *stats);
	void *stats_data;

	STAILQ_HEAD(, question) questions;
	STAILQ_HEAD(, barrier) barriers;
	uint32_t last_barrier;

	int next_exec_fd; /* -1: no upgrade is under way */
	void (*upgrade_done)(void *data, const char *error);
	void *upgrade_data;
};

/* ---- routerproc.c ---- */

/* Does one serve that an earlier daemon started? */
bool routers_any_adopted(const struct routerproc *r);

/* ---- routertell.c ---- */

/* To all, or to r->only. Of listeners nothing is told to those who are not to accept, or not yet. fd NULL: none; borrowed. */
void routers_send(struct routerproc *r, struct router_msg *msg, const int *fd);
/* The same with a name in it. */
void routers_send_route(struct routerproc *r, struct router_msg *msg, const char *host);
/* Of struct worker: a client that it was given goes to another, or waits for the next. */
void routers_unread(struct worker *w, struct router_msg *msg, int fd);
/* It has the listeners now: so it can refuse those for whom there was no router. */
void routers_give_refused(struct routerproc *r, struct worker *w);

/* ---- routerask.c ---- */

void routers_count(struct router_stats *sum, const struct router_stats *s); /* adds */
/* Of struct worker: what it calls. */
bool routers_answered(struct worker *w, const struct router_msg *m);
void routers_passed(struct worker *w, uint32_t seq);
/* What it was asked is not going to be answered. */
void routers_give_up(struct routerproc *r, struct worker *w);
/* One of an earlier daemon is retired: until it has its last client routerproc_knows() is false. */
void routers_await_last_client(struct routerproc *r, struct worker *w);
/* Nobody is told any more that they were passed. */
void routers_drop_barriers(struct routerproc *r);
