/* SPDX-License-Identifier: ISC */
/* prefix.h: what is remembered of a client's prefix: /32 of an IPv4 address, /64 of an IPv6 one. The table has a fixed size
 * (about 2 MiB), probes eight entries and never allocates. No I/O.
 *
 * An entry that remembers nothing (nobody of it waits, its bucket is full) is free. Where all eight are taken, the one
 * that has to be remembered least gives way: nobody of it waits, and its bucket is the fullest. A prefix that
 * has used up its rate is thus the last to be forgotten: to displace it, seven others that have used up as
 * much must be in the same eight, and the hash has a secret key, so nobody can choose prefixes that are. Entries
 * of which clients wait stay: there are at most as many as clients that wait. Where they fill all eight, new
 * prefixes share one entry, so the limits hold for them together. */
#pragma once

#include "base/handoff.h"

#include <stddef.h>
#include <stdint.h>

#define PREFIX_SETS 8192 /* a power of two */
#define PREFIX_WAYS 8
#define PREFIX_SHARED ((uint32_t)PREFIX_SETS * PREFIX_WAYS)

struct prefix {
	uint64_t full_ns;     /* rate.h: new connections */
	uint32_t waiting;     /* its clients in the pool of wait.c, */
	uint32_t first, last; /* in the order in which they came there */
};

struct prefix_set {
	uint64_t keys[PREFIX_WAYS]; /* together, to be seen by one look at memory */
	struct prefix prefixes[PREFIX_WAYS];
};

struct prefix_table {
	uint64_t seed[2]; /* secret */
	struct prefix_set sets[PREFIX_SETS];
	struct prefix shared;
};

/* Same prefix, same key. A v4-mapped address is the IPv4 one. */
uint64_t prefix_key(const struct trp_addr *peer);
/* Its entry, found or new. The number stays the prefix's as long as some of it wait, else until the next call. */
uint32_t prefix_find(struct prefix_table *t, uint64_t key);
struct prefix *prefix_at(struct prefix_table *t, uint32_t number);
