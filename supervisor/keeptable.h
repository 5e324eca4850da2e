/* SPDX-License-Identifier: ISC */
/* keeptable.h: descriptors by their keys, in trp-keeper and in the daemon's copy of what it has. No memory of its own: the keeper may
 * ask for none once it is locked down, and what was never used of a zeroed table takes none. */
#pragma once

#include "supervisor/keepmsg.h"
#include <stdbool.h>
#include <stddef.h>

struct keep_item {
	struct keep_key key;
	int fd;
	bool untaken; /* in the daemon: an earlier one's, nobody's yet */
	uint32_t next; /* of the same chain, 1 and its index; 0: none */
};

#define KEEP_CHAINS 4096

/* All zero: empty. Items are numbered without gaps, in any order. */
struct keep_table {
	uint32_t n;
	uint32_t chains[KEEP_CHAINS]; /* by owner: of each there are few */
	struct keep_item items[KEEP_MAX];
};

/* NULL: there is none. */
struct keep_item *keep_table_find(struct keep_table *t, const struct keep_key *key);
/* The key must not be there. NULL: the table is full. */
struct keep_item *keep_table_add(struct keep_table *t, const struct keep_key *key, int fd);
/* The last item takes its place: pointers to that one are no longer good. */
void keep_table_remove(struct keep_table *t, struct keep_item *i);
/* Those of an owner, one after the other: the first after i, or of all if i is NULL. */
struct keep_item *keep_table_next_of(struct keep_table *t, const char *owner, const struct keep_item *i);
