/* SPDX-License-Identifier: ISC */
#include "router/route.h"
#include "router/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS_MIN 64

/* All routes of one name. A wildcard is kept as what follows its "*", so ".example.org"; no other
 * name begins with a dot. The default's name is empty. */
struct route_target {
	uint32_t listener;
	uint8_t protocol;
	struct route_channels to;
};

struct route_name {
	struct route_name *next; /* in the bucket */
	uint64_t hash;
	struct route_target *targets;
	uint32_t n_targets, room;
	uint8_t len;
	char text[];
};

static uint64_t steps;

uint64_t route_steps(void)
{
	return steps;
}

/* FNV-1a, from the end of the name to its start, so that one pass gives the hash of each suffix. */
static uint64_t hash_step(uint64_t h, char c)
{
	return (h ^ (uint8_t)c) * 0x100000001b3u;
}

static size_t bucket_of(const struct route_table *t, uint64_t hash)
{
	/* the low bits of FNV are weak */
	return (size_t)((hash ^ hash >> 32) & (t->n_buckets - 1));
}

static uint64_t hash_name(const struct route_table *t, const char *name, size_t len)
{
	uint64_t h = t->seed;

	while (len > 0)
		h = hash_step(h, name[--len]);
	return h;
}

static struct route_name *find_name(
	const struct route_table *t, uint64_t hash, const char *name, size_t len)
{
	if (t->n_buckets == 0)
		return NULL;
	for (struct route_name *n = t->buckets[bucket_of(t, hash)]; n; n = n->next, steps++)
		if (n->hash == hash && n->len == len && memcmp(n->text, name, len) == 0)
			return n;
	return NULL;
}

static struct route_target *find_target(struct route_name *n, uint32_t listener, uint8_t protocol)
{
	for (uint32_t i = 0; i < n->n_targets; i++)
		if (n->targets[i].listener == listener && n->targets[i].protocol == protocol)
			return &n->targets[i];
	return NULL;
}

static int grow(struct route_table *t)
{
	size_t n_buckets = t->n_buckets ? t->n_buckets * 2 : BUCKETS_MIN;
	struct route_name **old = t->buckets, *n, *next;
	struct route_name **buckets = calloc(n_buckets, sizeof(struct route_name *));
	size_t n_old = t->n_buckets;

	if (!buckets)
		return -ENOMEM;
	t->buckets = buckets;
	t->n_buckets = n_buckets;
	for (size_t i = 0; i < n_old; i++)
		for (n = old[i]; n; n = next) {
			next = n->next;
			n->next = buckets[bucket_of(t, n->hash)];
			buckets[bucket_of(t, n->hash)] = n;
		}
	free(old);
	return 0;
}

static struct route_name *add_name(
	struct route_table *t, uint64_t hash, const char *name, size_t len)
{
	struct route_name *n;

	if (t->n_names >= t->n_buckets && grow(t) < 0)
		return NULL;
	n = calloc(1, sizeof(*n) + len);
	if (!n)
		return NULL;
	n->hash = hash;
	n->len = (uint8_t)len;
	memcpy(n->text, name, len);
	n->next = t->buckets[bucket_of(t, hash)];
	t->buckets[bucket_of(t, hash)] = n;
	t->n_names++;
	return n;
}

static void drop_name_if_empty(struct route_table *t, struct route_name *n)
{
	struct route_name **p;

	if (n->n_targets > 0)
		return;
	for (p = &t->buckets[bucket_of(t, n->hash)]; *p != n; p = &(*p)->next)
		;
	*p = n->next;
	free(n->targets);
	free(n);
	t->n_names--;
}

/* The key's name as it is kept */
static const char *kept_name(const struct route_key *key, size_t *ret_len)
{
	size_t skip = key->name_len > 0 && key->name[0] == '*';

	*ret_len = key->name_len - skip;
	return key->name + skip;
}

int route_set(struct route_table *t, const struct route_key *key, struct route_channels to)
{
	size_t len;
	const char *name = kept_name(key, &len);
	uint64_t hash = hash_name(t, name, len);
	struct route_name *n = find_name(t, hash, name, len);
	struct route_target *target;

	if (!n)
		n = add_name(t, hash, name, len);
	if (!n)
		return -ENOMEM;
	target = find_target(n, key->listener, key->protocol);
	if (!target && n->n_targets == n->room) {
		uint32_t room = n->room ? n->room * 2 : 1;
		target = reallocarray(n->targets, room, sizeof(*target));
		if (!target) {
			drop_name_if_empty(t, n);
			return -ENOMEM;
		}
		n->targets = target;
		n->room = room;
		target = NULL;
	}
	if (!target) {
		target = &n->targets[n->n_targets++];
		t->n_routes++;
	}
	*target = (struct route_target){key->listener, key->protocol, to};
	return 0;
}

bool route_del(struct route_table *t, const struct route_key *key)
{
	size_t len;
	const char *name = kept_name(key, &len);
	struct route_name *n = find_name(t, hash_name(t, name, len), name, len);
	struct route_target *target = n ? find_target(n, key->listener, key->protocol) : NULL;

	if (!target)
		return false;
	*target = n->targets[--n->n_targets];
	t->n_routes--;
	drop_name_if_empty(t, n);
	return true;
}

/* One rank: this name's target for the listener itself, else for any */
static enum route_match match(const struct route_table *t, uint64_t hash, const char *name,
	size_t len, const struct route_key *key, struct route_hit *ret)
{
	struct route_name *n = find_name(t, hash, name, len);
	struct route_target *target;

	if (!n)
		return ROUTE_MISS;
	target = find_target(n, key->listener, key->protocol);
	if (!target)
		target = find_target(n, ROUTER_ANY_LISTENER, key->protocol);
	if (!target)
		return ROUTE_ELSEWHERE;
	ret->to = target->to;
	ret->listener = target->listener;
	return ROUTE_HIT;
}

enum route_match route_find_hit(
	const struct route_table *t, const struct route_key *key, struct route_hit *ret)
{
	struct {
		uint64_t hash;
		size_t at;
	} suffix[TRP_HANDOFF_NAME_MAX / 2 + 1]; /* each has a dot, and a label before it */
	enum route_match best = ROUTE_MISS, m;
	uint64_t hash = t->seed;
	size_t n = 0;

	for (size_t i = key->name_len; i-- > 0;) {
		hash = hash_step(hash, key->name[i]);
		if (i > 0 && key->name[i] == '.' && n < sizeof(suffix) / sizeof(suffix[0])) {
			suffix[n].hash = hash;
			suffix[n++].at = i;
		}
	}
	ret->rank = RANK_EXACT;
	if (key->name_len > 0)
		best = match(t, hash, key->name, key->name_len, key, ret);
	while (best != ROUTE_HIT && n-- > 0) {
		size_t at = suffix[n].at;
		ret->rank = RANK_WILDCARD;
		ret->at = (uint8_t)at;
		m = match(t, suffix[n].hash, key->name + at, key->name_len - at, key, ret);
		best = m < best ? m : best;
	}
	if (best != ROUTE_HIT && match(t, t->seed, "", 0, key, ret) == ROUTE_HIT) {
		ret->rank = RANK_DEFAULT;
		best = ROUTE_HIT;
	}
	return best;
}

enum route_match route_find(
	const struct route_table *t, const struct route_key *key, struct route_channels *ret)
{
	struct route_hit hit;
	enum route_match m = route_find_hit(t, key, &hit);

	if (m == ROUTE_HIT)
		*ret = hit.to;
	return m;
}

void route_clear(struct route_table *t)
{
	for (size_t i = 0; i < t->n_buckets; i++)
		while (t->buckets[i]) {
			t->buckets[i]->n_targets = 0;
			drop_name_if_empty(t, t->buckets[i]);
		}
	free(t->buckets);
	*t = (struct route_table){.seed = t->seed};
}
