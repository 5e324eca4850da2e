/* SPDX-License-Identifier: ISC */
/* limit.h: what one client prefix (prefix.h) may use of the router: new connections by rate, and places among those that
 * wait in peek. */
#pragma once

#include "router/prefix.h"
#include "router/rate.h"

#include <stdbool.h>

struct router;

/* As the daemon says (ROUTER_LIMITS_SET); until then there are none. */
struct limits {
	struct rate rate;
	uint32_t waiting_permille; /* of the pool's places, at least one; 0: no limit */
};

/* A connection of peer was accepted. False: it comes too soon and is to be closed, before anything is spent on it. */
bool limit_arrival(struct router *r, const struct trp_addr *peer);
/* peer's prefix is to have one more that waits. The slot of its longest waiting client if it must give way for that, 0: there
 * is room. */
uint32_t limit_excess(struct router *r, const struct trp_addr *peer);
/* That slot was taken, and is about to be given back. */
void limit_wait(struct router *r, uint32_t slot);
void limit_unwait(struct router *r, uint32_t slot);
