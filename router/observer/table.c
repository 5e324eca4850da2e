/* SPDX-License-Identifier: ISC */
#include "router/observer/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define MASK (TABLE_INDEX - 1)

_Static_assert((TABLE_INDEX & MASK) == 0, "indexes are masked");

static uint32_t home(uint64_t cookie)
{
	return (uint32_t)((cookie * 0x9e3779b97f4a7c15u) >> 32) & MASK;
}

/* Where cookie is in the index, or would be put */
static uint32_t place(const struct table *t, uint64_t cookie)
{
	uint32_t i = home(cookie);

	while (t->index[i] && t->live->entries[t->index[i] - 1].cookie != cookie)
		i = (i + 1) & MASK;
	return i;
}

static uint32_t *count_of(struct table *t, const struct live_entry *e)
{
	return &t->live->by_service[e->service < LEDGER_SERVICES ? e->service : 0];
}

int table_init(struct table *t, struct live *live)
{
	*t = (struct table){.live = live,
		.index = calloc(TABLE_INDEX, sizeof(uint32_t)),
		.free = calloc(LIVE_MAX, sizeof(uint32_t))};
	if (!t->index || !t->free)
		return -ENOMEM;
	/* only as far as entries were ever used: to look at the others would take memory for them */
	uint32_t touched = live->n_touched < LIVE_MAX ? live->n_touched : LIVE_MAX;
	live->n = 0;
	memset(live->by_service, 0, sizeof(live->by_service));
	for (uint32_t i = touched; i-- > 0;) {
		struct live_entry *e = &live->entries[i];
		uint32_t at = place(t, e->cookie);
		if (e->cookie && t->index[at]) /* a second one */
			e->cookie = 0;
		if (e->cookie) {
			t->index[at] = i + 1;
			live->n++;
			++*count_of(t, e);
		} else {
			t->free[t->n_free++] = i;
		}
	}
	return 0;
}

struct live_entry *table_find(const struct table *t, uint64_t cookie)
{
	uint32_t at = t->index[place(t, cookie)];

	return at && cookie ? &t->live->entries[at - 1] : NULL;
}

static struct live_entry *take_entry(struct table *t)
{
	if (t->n_free)
		return &t->live->entries[t->free[--t->n_free]];
	if (t->live->n_touched < LIVE_MAX)
		return &t->live->entries[t->live->n_touched++];
	return NULL;
}

struct live_entry *table_add(struct table *t, const struct ledger_record *r)
{
	struct live_entry *e = table_find(t, r->cookie);

	if (e)
		table_del(t, e);
	e = r->cookie ? take_entry(t) : NULL;
	if (!e)
		return NULL;
	*e = (struct live_entry){.accepted_ns = r->accepted_ns,
		.route_us = r->decided_ns > r->accepted_ns ? (uint32_t)((r->decided_ns - r->accepted_ns) / 1000) : 0,
		.listener = r->listener,
		.service = r->service,
		.channel = r->channel,
		.peer = r->peer,
		.protocol = r->protocol,
		.state = 1, /* TCP_ESTABLISHED */
		.flags = r->flags,
		.name_len = r->name_len <= TRP_HANDOFF_NAME_MAX ? r->name_len : 0};
	memcpy(e->name, r->name, e->name_len);
	t->index[place(t, r->cookie)] = (uint32_t)(e - t->live->entries) + 1;
	__atomic_store_n(&e->cookie, r->cookie, __ATOMIC_RELEASE);
	t->live->n++;
	++*count_of(t, e);
	return e;
}

void table_del(struct table *t, struct live_entry *e)
{
	uint32_t gap = place(t, e->cookie), i;

	--*count_of(t, e);
	t->live->n--;
	t->index[gap] = 0;
	/* close the gap: what lies behind it and could not be put at its home moves up */
	for (i = (gap + 1) & MASK; t->index[i]; i = (i + 1) & MASK) {
		uint32_t at = home(t->live->entries[t->index[i] - 1].cookie);
		if (((i - at) & MASK) < ((i - gap) & MASK))
			continue;
		t->index[gap] = t->index[i];
		t->index[i] = 0;
		gap = i;
	}
	__atomic_store_n(&e->cookie, 0, __ATOMIC_RELEASE);
	t->free[t->n_free++] = (uint32_t)(e - t->live->entries);
}
