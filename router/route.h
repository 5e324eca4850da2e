/* SPDX-License-Identifier: ISC */
/* route.h: (listener, protocol, name) -> channels. The time of a lookup depends on the number of
 * labels in the name, not on the number of routes. No I/O; allocates only in route_set(). */
#pragma once

#include "base/handoff.h"
#include <stdbool.h>

/* Of clients whose address is IPv4, and of the others. 0: the service is not up. */
struct route_channels {
	uint32_t v4, v6;
	uint32_t service; /* whose name it is; only counted. 0: nobody's */
	bool plain;       /* HTTP that is not redirected to https */
};

struct route_key {
	uint32_t listener; /* ROUTER_ANY_LISTENER: all */
	uint8_t protocol;  /* enum trp_protocol */
	uint8_t name_len;  /* 0: the default */
	const char *name;  /* canonical; "*.example.org" for every name below example.org */
};

struct route_name;

struct route_table {
	struct route_name **buckets;
	size_t n_buckets, n_names, n_routes;
	uint64_t seed; /* set before the first route, to something that no client knows */
};

enum route_match {
	ROUTE_HIT,
	ROUTE_ELSEWHERE, /* the name has a route, but not on this listener for this protocol */
	ROUTE_MISS,
};

/* Which route it is that matches */
struct route_hit {
	struct route_channels to;
	uint32_t listener; /* ROUTER_ANY_LISTENER or the client's */
	uint8_t rank;      /* enum route_rank */
	uint8_t at;        /* RANK_WILDCARD: it is "*" and the client's name from there on */
};

/* Adds or replaces. 0 or -ENOMEM. */
int route_set(struct route_table *t, const struct route_key *key, struct route_channels to);
/* Was it there? */
bool route_del(struct route_table *t, const struct route_key *key);
/* key->listener and name are a client's (no wildcard). Exact name > longest wildcard > default; for
 * each of these a route of the listener itself > one of any listener. *ret is written on ROUTE_HIT
 * only. */
enum route_match route_find(
	const struct route_table *t, const struct route_key *key, struct route_channels *ret);
/* The same, with the reason. */
enum route_match route_find_hit(
	const struct route_table *t, const struct route_key *key, struct route_hit *ret);
void route_clear(struct route_table *t);
/* Other names that were passed on the way to the right one, in all lookups of this process so far: for tests, which count where
 * a clock would lie. */
uint64_t route_steps(void);
