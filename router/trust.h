/* SPDX-License-Identifier: ISC */
/* trust.h: from which addresses a listener takes the PROXY protocol. Told by the daemon (ROUTER_TRUST_ADD) just before the listener
 * itself, so that there is no moment with half of them. Allocates only then. */
#pragma once

#include "base/cidr.h"

#include <stddef.h>

#define TRUST_MAX 4096 /* ranges of one listener */

struct trust {
	uint32_t listener; /* while it is being told */
	uint32_t n;
	struct trp_cidr *ranges;
};

/* Adds to t, after emptying it if it was another listener's. 0, -ENOMEM, -E2BIG. */
int trust_add(struct trust *t, uint32_t listener, const struct trp_cidr *ranges, uint32_t n);
/* *t becomes what was told for this listener, maybe nothing; *told is empty then. */
void trust_take(struct trust *t, struct trust *told, uint32_t listener);
void trust_clear(struct trust *t);
bool trust_has(const struct trust *t, const struct trp_addr *peer);
