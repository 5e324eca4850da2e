/* SPDX-License-Identifier: ISC */
/* peers.c: loopback's connections by their client's address. */
#include "router/relay/relay.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

int peers_init(struct relay *r)
{
	return getrandom(r->peer_key, sizeof(r->peer_key), 0) == sizeof(r->peer_key) ? 0 : -errno;
}

/* Multiply-shift with a secret key: clients choose their ports, and many can choose addresses, but not where they come to lie. */
static struct conn_list *place(struct relay *r, const struct trp_addr *peer)
{
	uint32_t words[RELAY_PEER_WORDS] = {[4] = peer->port, [5] = peer->scope_id};
	uint64_t sum = r->peer_key[RELAY_PEER_WORDS];

	memcpy(words, peer->ip, sizeof(peer->ip));
	for (int i = 0; i < RELAY_PEER_WORDS; i++)
		sum += r->peer_key[i] * words[i];
	return &r->peers[sum >> (64 - RELAY_PEER_BITS)];
}

static bool same(const struct trp_addr *a, const struct trp_addr *b)
{
	return a->port == b->port && a->scope_id == b->scope_id && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

void peers_add(struct relay *r, struct conn *c)
{
	LIST_INSERT_HEAD(place(r, &c->peer), c, by_peer);
}

void peers_del(struct conn *c)
{
	if (c->by_peer.le_prev)
		LIST_REMOVE(c, by_peer);
	c->by_peer.le_prev = NULL;
}

struct conn *peers_find(struct relay *r, const struct trp_addr *peer, const struct trp_addr *local)
{
	struct conn *c;

	LIST_FOREACH(c, place(r, peer), by_peer)
		if (same(&c->peer, peer) && same(&c->local, local))
			return c;
	return NULL;
}
