/* SPDX-License-Identifier: ISC */
#include "router/relay/target.h"

/* FNV-1a, then mixed: rendezvous hashing needs the high bits to differ too */
static uint64_t hash(uint64_t h, const void *data, size_t len)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * 0x100000001b3ull;
	h ^= h >> 33;
	h *= 0xff51afd7ed558ccdull;
	return h ^ h >> 33;
}

static uint64_t weight(const struct target *t, const struct trp_addr *peer)
{
	uint64_t h = hash(0xcbf29ce484222325ull, peer->ip, sizeof(peer->ip));

	return hash(h, &t->addr, trp_endpoint_len(&t->addr));
}

/* Is a better than b, by the way of balancing? Equals: the first one found stays. */
static bool is_better(const struct target *a, const struct target *b, enum balance how,
	const struct trp_addr *peer)
{
	switch (how) {
	case BALANCE_LEAST_CONNECTIONS:
		return a->active < b->active;
	case BALANCE_ROUND_ROBIN:
		return false;
	case BALANCE_SOURCE:
		return weight(a, peer) > weight(b, peer);
	}
	return false;
}

static bool may_try(const struct target_set *set, const struct target *t, bool even_out, uint64_t now_ns)
{
	return even_out || !t->out || (!set->checked && now_ns >= t->retry_ns);
}

int target_pick(struct target_set *set, enum balance how, const struct trp_addr *peer,
	uint64_t tried, uint64_t now_ns)
{
	int best = TARGET_NONE;

	for (int even_out = 0; even_out < 2 && best == TARGET_NONE; even_out++)
		for (size_t i = 0; i < set->n; i++) {
			size_t at = (set->next + i) % set->n;
			if (tried >> at & 1 || !may_try(set, &set->targets[at], even_out, now_ns))
				continue;
			if (best == TARGET_NONE ||
				is_better(&set->targets[at], &set->targets[best], how, peer))
				best = (int)at;
		}
	if (best == TARGET_NONE)
		return TARGET_NONE;
	set->next = ((size_t)best + 1) % set->n;
	set->targets[best].retry_ns = now_ns + TARGET_RETRY_NS; /* one client at a time */
	return best;
}

bool target_good(struct target *t)
{
	bool was_out = t->out;

	t->failures = 0;
	t->out = false;
	return was_out;
}

bool target_bad(struct target *t, unsigned limit, uint64_t now_ns)
{
	t->retry_ns = now_ns + TARGET_RETRY_NS;
	if (t->failures < limit)
		t->failures++;
	if (t->out || t->failures < limit)
		return false;
	t->out = true;
	return true;
}
