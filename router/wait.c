/* SPDX-License-Identifier: ISC */
/* The clients that must wait: a bounded pool, a queue for each listener in order of their
 * deadlines, and one for those that were answered and linger.
 *
 * Edge-triggered: peeked bytes stay in the socket, so a level would wake us for ever. SO_RCVLOWAT
 * keeps the kernel from waking us before what the parser asked for is there. Of those that linger
 * nothing stays. */
#include "router/router.h"
#include "base/util.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#define LINGER_NS     (2000u * 1000 * 1000)   /* since anything came; */
#define LINGER_ALL_NS (30000ull * 1000 * 1000) /* and all that may last: who reads when it has sent all is given the time (RETIRE_SECONDS in
						  supervisor/routerproc.c is longer) */
/* standard ones, control, epoll, the one in hand, channels that are being added */
#define FDS_SPARE 24

void wait_init(struct router *r)
{
	r->pool.limit = ROUTER_WAITING_MAX;
	wait_limit(r);
}

static struct wait_queue *queue_of(struct router *r, const struct waiter *w)
{
	return w->lingers ? &r->pool.lingering : &r->listeners[w->client.listener].waiting;
}

static void queue_append(struct router *r, struct wait_queue *q, uint32_t slot)
{
	struct waiter *slots = r->pool.slots;

	slots[slot].prev = q->last;
	slots[slot].next = 0;
	if (q->last)
		slots[q->last].next = slot;
	else
		q->first = slot;
	q->last = slot;
}

static void queue_remove(struct router *r, struct wait_queue *q, uint32_t slot)
{
	struct waiter *slots = r->pool.slots, *w = &slots[slot];

	if (w->prev)
		slots[w->prev].next = w->next;
	else
		q->first = w->next;
	if (w->next)
		slots[w->next].prev = w->prev;
	else
		q->last = w->prev;
}

static uint32_t take_slot(struct wait_pool *p)
{
	uint32_t slot = p->free;

	if (slot)
		p->free = p->slots[slot].next;
	else
		slot = ++p->n_touched;
	p->n++;
	return slot;
}

/* Takes it out of the pool and gives its client back, as accept() made it but for the bytes behind
 * it. */
static struct client release(struct router *r, uint32_t slot)
{
	struct waiter *w = &r->pool.slots[slot];
	struct client c = w->client;
	const int one = 1;

	router_unwatch(r, c.fd); /* a description that is passed on would stay in the epoll set */
	if (c.lowat)
		setsockopt(c.fd, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof(one));
	queue_remove(r, queue_of(r, w), slot);
	limit_unwait(r, slot);
	if (!w->lingers)
		r->stats.waiting--;
	w->used = false;
	w->next = r->pool.free;
	r->pool.free = slot;
	r->pool.n--;
	return c;
}

static void drop(struct router *r, uint32_t slot)
{
	struct client c = release(r, slot);

	close(c.fd);
}

/* There is no place for it. */
static void give_up(struct router *r, uint32_t slot)
{
	if (!r->pool.slots[slot].lingers) {
		r->stats.timed_out++;
		note_client(r, &r->pool.slots[slot].client, &(struct note){.verdict = VERDICT_TIMED_OUT});
	}
	drop(r, slot);
}

/* Wake us when need bytes are there. One more than now: every segment is worth a look, and the
 * default does. Not to be set twice: if the kernel took less, for want of buffer, each setting
 * would wake us anew. */
static void set_lowat(struct client *c, uint32_t need)
{
	const int value = (int)need;

	if (need == c->lowat || (need <= c->seen + 1 && !c->lowat))
		return;
	if (setsockopt(c->fd, SOL_SOCKET, SO_RCVLOWAT, &value, sizeof(value)) == 0)
		c->lowat = need;
}

/* For one more of its prefix. A load balancer that has not said yet whose connection it is speaks for many. */
static void make_room(struct router *r, const struct client *c)
{
	uint32_t slot;

	while (c->proxied != PROXIED_EXPECTED && (slot = limit_excess(r, &c->peer)) != 0) {
		if (!r->pool.slots[slot].lingers) { /* else it was counted and written down when it was answered */
			r->stats.client_waiting++;
			note_client(r, &r->pool.slots[slot].client, &(struct note){.verdict = VERDICT_CLIENT_WAITING});
		}
		drop(r, slot);
	}
}

void wait_add(struct router *r, const struct client *c, uint32_t need)
{
	struct wait_pool *p = &r->pool;
	struct waiter *w;
	uint32_t slot;

	make_room(r, c);
	while (p->n >= p->limit && wait_evict(r))
		;
	slot = take_slot(p);
	w = &p->slots[slot];
	w->client = *c;
	w->lingers = need == 0;
	w->drained = 0;
	w->answered_ns = r->now_ns;
	w->used = true;
	w->generation = (w->generation + 1) & 0xffffffu;
	w->deadline_ns = w->lingers ? r->now_ns + LINGER_NS
				    : c->accepted_ns + r->listeners[c->listener].deadline_ns;
	queue_append(r, queue_of(r, w), slot);
	limit_wait(r, slot);
	if (!w->lingers) {
		r->stats.waiting++;
		set_lowat(&w->client, need);
	}
	if (router_watch(r, c->fd, EPOLLIN | EPOLLRDHUP | (w->lingers ? 0 : EPOLLET),
		    SOURCE_DATA(SOURCE_WAITER, w->generation, slot)) < 0)
		give_up(r, slot);
}

/* Takes what has come. False: it has ended, or that was too much in all. */
static bool lingers_on(struct router *r, uint32_t slot)
{
	struct waiter *w = &r->pool.slots[slot];
	const uint32_t drained = w->drained;

	if (client_drain(w->client.fd, &w->drained))
		return false;
	if (w->drained != drained && r->now_ns - w->answered_ns < LINGER_ALL_NS - LINGER_NS) {
		queue_remove(r, &r->pool.lingering, slot);
		w->deadline_ns = r->now_ns + LINGER_NS;
		queue_append(r, &r->pool.lingering, slot);
	}
	return true;
}

static void lingering_ready(struct router *r, uint32_t slot)
{
	if (!lingers_on(r, slot))
		drop(r, slot);
}

static void settle(struct router *r, uint32_t slot)
{
	struct client c = release(r, slot);

	client_settle(r, &c);
}

void wait_ready(struct router *r, uint32_t slot, uint32_t generation, uint32_t events)
{
	struct waiter *w = &r->pool.slots[slot];
	enum client_end end = events & EPOLLRDHUP ? CLIENT_HALF_CLOSED : CLIENT_GOES_ON;
	uint8_t proxied = w->client.proxied;
	uint32_t need;

	if (!w->used || w->generation != generation)
		return; /* ended by an earlier event of this turn */
	if (w->lingers)
		return lingering_ready(r, slot);
	need = client_look(r, &w->client, end);
	if (need == 0)
		return settle(r, slot);
	if (w->client.proxied != proxied) { /* now it is known whose prefix it is */
		limit_unwait(r, slot);
		make_room(r, &w->client);
		limit_wait(r, slot);
	}
	set_lowat(&w->client, need);
}

/* Returns the deadline of the queue's first after those whose time is up were ended, 0: nobody
 * waits */
static uint64_t expire_queue(struct router *r, struct wait_queue *q)
{
	struct waiter *w;
	uint32_t slot;

	while ((slot = q->first) != 0) {
		w = &r->pool.slots[slot];
		if (w->deadline_ns > r->now_ns)
			return w->deadline_ns;
		/* what came in time counts, though we are late */
		if (!w->lingers) {
			client_look(r, &w->client, CLIENT_TIME_UP);
			settle(r, slot);
		} else if (!lingers_on(r, slot) || w->deadline_ns <= r->now_ns) {
			drop(r, slot);
		}
	}
	return 0;
}

int wait_expire(struct router *r)
{
	uint64_t next, at;

	if (r->pool.n == 0)
		return -1;
	/* the listeners first: they may add to those that linger */
	next = UINT64_MAX;
	for (uint32_t i = 0; i < r->n_listeners; i++) {
		at = expire_queue(r, &r->listeners[i].waiting);
		next = at && at < next ? at : next;
	}
	at = expire_queue(r, &r->pool.lingering);
	next = at && at < next ? at : next;
	if (next == UINT64_MAX)
		return -1;
	if (next <= r->now_ns) /* note_client() has looked at the clock meanwhile */
		return 0;
	return (int)((next - r->now_ns) / 1000000u) + 1;
}

bool wait_evict(struct router *r)
{
	uint32_t oldest = r->pool.lingering.first;

	for (uint32_t i = 0; i < r->n_listeners && !r->pool.lingering.first; i++) {
		uint32_t first = r->listeners[i].waiting.first;
		if (first && (!oldest || r->pool.slots[first].client.accepted_ns <
						 r->pool.slots[oldest].client.accepted_ns))
			oldest = first;
	}
	if (!oldest)
		return false;
	give_up(r, oldest);
	return true;
}

bool wait_free_listener(struct router *r)
{
	const struct waiter *slots = r->pool.slots;
	struct listener *oldest = NULL;

	for (uint32_t i = 0; i < r->n_listeners; i++) {
		struct listener *l = &r->listeners[i];
		if (l->fd < 0 && l->waiting.first &&
			(!oldest || slots[l->waiting.first].client.accepted_ns < slots[oldest->waiting.first].client.accepted_ns))
			oldest = l;
	}
	while (oldest && oldest->waiting.first)
		give_up(r, oldest->waiting.first);
	return oldest != NULL;
}

void wait_limit(struct router *r)
{
	size_t taken = r->channels.used + r->n_listeners + FDS_SPARE;
	size_t left = r->fd_limit > taken ? r->fd_limit - taken : 1;

	r->pool.limit = left < ROUTER_WAITING_MAX ? (uint32_t)left : ROUTER_WAITING_MAX;
	while (r->pool.n > r->pool.limit)
		wait_evict(r);
}
