/* SPDX-License-Identifier: ISC */
/* routerask.c: what the routers are asked and have not answered yet: have they done all that they were told (a barrier), who would get a
 * name (a question), their counters. One that ends or does not answer keeps nobody waiting. */
#include "supervisor/routerset.h"
#include "supervisor/service.h"

#include <stdlib.h>
#include <string.h>

#define STATS_SECONDS 2.0

void routers_count(struct router_stats *sum, const struct router_stats *s)
{
	uint64_t *to = (uint64_t *)sum;
	const uint64_t *from = (const uint64_t *)s;

	for (size_t i = 0; i < sizeof(*s) / sizeof(*from); i++)
		to[i] += from[i];
}

/* One router that has not yet done what it was told. */
struct barrier {
	STAILQ_ENTRY(barrier) link;
	const struct worker *asked;
	uint32_t seq, number; /* of those with one number the last to go calls done() */
	void (*done)(void *data, bool all);
	void *data;
};

static bool add_barrier(struct routerproc *r, struct worker *w, uint32_t number, void (*done)(void *data, bool all), void *data)
{
	struct barrier *b = calloc(1, sizeof(*b));

	if (!b)
		return false;
	*b = (struct barrier){.asked = w, .seq = worker_ask(w), .number = number, .done = done, .data = data};
	STAILQ_INSERT_TAIL(&r->barriers, b, link);
	return true;
}

/* w has done what it was told up to seq, or has ended. */
static void pass_barriers(struct routerproc *r, const struct worker *w, const uint32_t *seq)
{
	struct barrier *b, *next, *o;

	for (b = STAILQ_FIRST(&r->barriers); b; b = next) {
		next = STAILQ_NEXT(b, link);
		if (b->asked != w || (seq && (int32_t)(*seq - b->seq) < 0))
			continue;
		STAILQ_REMOVE(&r->barriers, b, barrier, link);
		STAILQ_FOREACH(o, &r->barriers, link)
			if (o->number == b->number)
				break;
		if (!o && b->done) {
			b->done(b->data, true); /* may ask for another */
			next = STAILQ_FIRST(&r->barriers);
		}
		free(b);
	}
}

void routers_passed(struct worker *w, uint32_t seq)
{
	pass_barriers(w->owner, w, &seq);
}

/* One of an earlier daemon accepts nobody any more: nobody is routed by what that had told it. */
static void has_last_client(void *data, bool all)
{
	struct routerproc *r = data;

	(void)all;
	job_check(r->d);
}

void routers_await_last_client(struct routerproc *r, struct worker *w)
{
	add_barrier(r, w, ++r->last_barrier, has_last_client, r);
}

void routerproc_barrier(struct routerproc *r, void (*done)(void *data, bool all), void *data)
{
	uint32_t number = ++r->last_barrier;
	bool all = !routers_any_adopted(r);
	size_t n = 0;

	for (struct worker *w = all ? r->workers : NULL; w && all; w = w->next) {
		if (w->control < 0)
			continue;
		all = add_barrier(r, w, number, done, data);
		if (!all)
			continue;
		worker_ping(w); /* one that hangs ends */
		n++;
	}
	if (all && n > 0)
		return;
	if (!all)
		routerproc_barrier_forget(r, data);
	done(data, all);
}

void routerproc_barrier_forget(struct routerproc *r, const void *data)
{
	struct barrier *b;

	STAILQ_FOREACH(b, &r->barriers, link)
		if (b->data == data)
			b->done = NULL;
}

void routers_drop_barriers(struct routerproc *r)
{
	for (struct barrier *b; (b = STAILQ_FIRST(&r->barriers)); free(b))
		STAILQ_REMOVE_HEAD(&r->barriers, link);
}

/* A ROUTER_EXPLAIN that is not answered yet */
struct question {
	STAILQ_ENTRY(question) link;
	const struct worker *asked;
	uint32_t seq;
	void (*done)(void *data, const struct router_msg *answer);
	void *data;
};

/* The first that waits for an answer of w. answer NULL: it gets none. False: nobody waits for that. */
static bool give_answer(struct routerproc *r, const struct worker *w, const struct router_msg *answer)
{
	struct question *q = STAILQ_FIRST(&r->questions);

	while (q && q->asked != w)
		q = STAILQ_NEXT(q, link);
	if (!q || (answer && answer->seq != q->seq))
		return false;
	STAILQ_REMOVE(&r->questions, q, question, link);
	q->done(q->data, answer);
	free(q);
	return true;
}

/* One that serves, or it would not have all routes and listeners. */
static struct worker *serving(struct routerproc *r)
{
	for (struct worker *w = r->workers; w; w = w->next)
		if (w->role == WORKER_CURRENT && w->synced && !w->adopted)
			return w;
	return NULL;
}

void routerproc_explain(struct routerproc *r, uint32_t listener, enum trp_protocol protocol, const char *host,
	void (*done)(void *data, const struct router_msg *answer), void *data)
{
	struct router_msg msg = {.type = ROUTER_EXPLAIN, .listener = listener, .protocol = (uint8_t)protocol};
	struct worker *w = serving(r);
	struct question *q = w ? calloc(1, sizeof(*q)) : NULL;

	if (!q) {
		done(data, NULL);
		return;
	}
	*q = (struct question){.asked = w, .seq = w->seq + 1, .done = done, .data = data};
	STAILQ_INSERT_TAIL(&r->questions, q, link);
	r->only = w;
	routers_send_route(r, &msg, host);
	r->only = NULL;
	worker_ping(w);
}

/* A worker has answered, or never will. */
static void stats_one_less(struct routerproc *r, struct worker *w)
{
	void (*done)(void *, const struct router_stats *) = r->stats_done;

	if (!w->asked)
		return;
	w->asked = false;
	if (--r->n_asked > 0)
		return;
	ev_timer_stop(r->d->loop, &r->stats_timer);
	routers_count(&r->sum, &r->past);
	r->stats_done = NULL;
	done(r->stats_data, r->n_answers ? &r->sum : NULL);
}

/* One that does not answer keeps nobody waiting; its answer may come later. */
static void on_no_stats(struct ev_loop *loop, ev_timer *t, int events)
{
	struct routerproc *r = t->data;

	(void)loop;
	(void)events;
	for (struct worker *w = r->workers; w; w = w->next) {
		w->late += w->asked;
		if (w->asked)
			worker_ping(w);
		stats_one_less(r, w);
	}
}

void routerproc_stats(struct routerproc *r, void (*done)(void *data, const struct router_stats *stats), void *data)
{
	struct router_msg msg = {.type = ROUTER_STATS};

	if (!r->stats_done) {
		r->sum = (struct router_stats){0};
		r->n_asked = r->n_answers = 0;
		for (struct worker *w = r->workers; w; w = w->next) {
			w->asked = w->ready && w->role != WORKER_NEXT;
			r->n_asked += w->asked;
		}
	}
	if (r->stats_done || r->n_asked == 0) {
		done(data, NULL);
		return;
	}
	r->stats_done = done;
	r->stats_data = data;
	ev_timer_init(&r->stats_timer, on_no_stats, STATS_SECONDS, 0);
	r->stats_timer.data = r;
	ev_timer_start(r->d->loop, &r->stats_timer);
	for (struct worker *w = r->workers; w; w = w->next)
		if (w->asked)
			worker_send(w, &msg, -1);
}

void routers_give_up(struct routerproc *r, struct worker *w)
{
	stats_one_less(r, w);
	pass_barriers(r, w, NULL);
	while (give_answer(r, w, NULL))
		;
}

bool routers_answered(struct worker *w, const struct router_msg *m)
{
	struct routerproc *r = w->owner;

	if (m->type == ROUTER_EXPLAINED)
		return give_answer(r, w, m);
	if (m->type != ROUTER_STATS_REPLY || !(w->asked || w->late || w->role == WORKER_RETIRED))
		return false;
	w->last = m->stats;
	if (w->late > 0) {
		w->late--;
	} else if (w->asked) {
		routers_count(&r->sum, &m->stats);
		r->n_answers++;
		stats_one_less(r, w);
	}
	return true;
}

bool routerproc_knows(const struct routerproc *r)
{
	const struct barrier *b;

	for (const struct worker *w = r->workers; w; w = w->next)
		if (w->adopted && w->role == WORKER_CURRENT)
			return false;
	STAILQ_FOREACH(b, &r->barriers, link)
		if (b->done == has_last_client)
			return false;
	return true;
}
