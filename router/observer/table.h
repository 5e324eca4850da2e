/* SPDX-License-Identifier: ISC */
/* table.h: the connections that are open, by the cookie of their sockets. The entries lie in struct live, which is shared and outlives
 * this process; the index does not and is made anew from them. Pure but for table_init(). */
#pragma once

#include "router/live.h"
#include <stdbool.h>

#define TABLE_INDEX (LIVE_MAX * 2) /* a power of two */

struct table {
	struct live *live;
	uint32_t *index; /* of entries and 1; 0: nothing */
	uint32_t *free;  /* a stack */
	uint32_t n_free;
};

/* What is in live is taken over, as far as it makes sense. 0 or -ENOMEM. */
int table_init(struct table *t, struct live *live);
/* A connection begins; NULL: the table is full, or it has no cookie. One with the same cookie is replaced. */
struct live_entry *table_add(struct table *t, const struct ledger_record *r);
struct live_entry *table_find(const struct table *t, uint64_t cookie);
void table_del(struct table *t, struct live_entry *e);
