/* SPDX-License-Identifier: ISC */
#include "router/prefix.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

static uint64_t rotl(uint64_t x, int n)
{
	return x << n | x >> (64 - n);
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] = rotl(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] = rotl(v[2], 32);
}

/* SipHash-1-3 of eight bytes: clients choose the key of the table, and must not be able to choose its place. */
static uint64_t hash(const uint64_t seed[2], uint64_t key)
{
	const uint64_t words[2] = {key, 8ull << 56};
	uint64_t v[4] = {seed[0] ^ 0x736f6d6570736575u, seed[1] ^ 0x646f72616e646f6du, seed[0] ^ 0x6c7967656e657261u,
		seed[1] ^ 0x7465646279746573u};

	for (int i = 0; i < 2; i++) {
		v[3] ^= words[i];
		sip_round(v);
		v[0] ^= words[i];
	}
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t prefix_key(const struct trp_addr *peer)
{
	const struct in6_addr *in6 = (const void *)peer->ip;
	uint32_t v4;
	uint64_t key;

	if (peer->family != AF_INET && !IN6_IS_ADDR_V4MAPPED(in6)) {
		memcpy(&key, peer->ip, sizeof(key));
		return key;
	}
	memcpy(&v4, peer->ip + (peer->family == AF_INET ? 0 : 12), sizeof(v4));
	/* no IPv6 client has ffff:ffff::/32 */
	return 0xffffffff00000000u | v4;
}

struct prefix *prefix_at(struct prefix_table *t, uint32_t number)
{
	return number == PREFIX_SHARED ? &t->shared : &t->sets[number / PREFIX_WAYS].prefixes[number % PREFIX_WAYS];
}

/* The entry that can best be forgotten, PREFIX_WAYS: none can */
static uint32_t give_way(const struct prefix_set *s)
{
	uint32_t best = PREFIX_WAYS;

	for (uint32_t i = 0; i < PREFIX_WAYS; i++) {
		if (s->prefixes[i].waiting > 0)
			continue;
		if (best == PREFIX_WAYS || s->prefixes[i].full_ns < s->prefixes[best].full_ns)
			best = i;
	}
	return best;
}

uint32_t prefix_find(struct prefix_table *t, uint64_t key)
{
	uint32_t set = (uint32_t)hash(t->seed, key) & (PREFIX_SETS - 1), way;
	struct prefix_set *s = &t->sets[set];

	for (uint32_t i = 0; i < PREFIX_WAYS; i++)
		if (s->keys[i] == key)
			return set * PREFIX_WAYS + i;
	way = give_way(s);
	if (way == PREFIX_WAYS)
		return PREFIX_SHARED;
	s->keys[way] = key;
	s->prefixes[way] = (struct prefix){.waiting = 0};
	return set * PREFIX_WAYS + way;
}
