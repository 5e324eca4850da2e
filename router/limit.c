/* SPDX-License-Identifier: ISC */
#include "router/router.h"

bool limit_arrival(struct router *r, const struct trp_addr *peer)
{
	struct prefix *p;

	if (r->limits.rate.interval_ns == 0)
		return true;
	p = prefix_at(&r->prefixes, prefix_find(&r->prefixes, prefix_key(peer)));
	if (rate_take(&r->limits.rate, &p->full_ns, r->now_ns))
		return true;
	r->stats.client_rate++;
	return false;
}

uint32_t limit_excess(struct router *r, const struct trp_addr *peer)
{
	const struct prefix *p;
	uint32_t share;

	if (r->limits.waiting_permille == 0)
		return 0;
	share = (uint32_t)((uint64_t)r->pool.limit * r->limits.waiting_permille / 1000);
	p = prefix_at(&r->prefixes, prefix_find(&r->prefixes, prefix_key(peer)));
	return p->waiting > 0 && p->waiting >= share ? p->first : 0;
}

void limit_wait(struct router *r, uint32_t slot)
{
	struct waiter *slots = r->pool.slots, *w = &slots[slot];
	struct prefix *p;

	w->prefix = prefix_find(&r->prefixes, prefix_key(&w->client.peer));
	p = prefix_at(&r->prefixes, w->prefix);
	w->prefix_prev = p->last;
	w->prefix_next = 0;
	if (p->last)
		slots[p->last].prefix_next = slot;
	else
		p->first = slot;
	p->last = slot;
	p->waiting++;
}

void limit_unwait(struct router *r, uint32_t slot)
{
	struct waiter *slots = r->pool.slots, *w = &slots[slot];
	struct prefix *p = prefix_at(&r->prefixes, w->prefix);

	if (w->prefix_prev)
		slots[w->prefix_prev].prefix_next = w->prefix_next;
	else
		p->first = w->prefix_next;
	if (w->prefix_next)
		slots[w->prefix_next].prefix_prev = w->prefix_prev;
	else
		p->last = w->prefix_prev;
	p->waiting--;
}
