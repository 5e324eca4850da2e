/* SPDX-License-Identifier: ISC */
/* target.h: the targets of one route, which of them gets a client, and which are out. Pure: the clock is an argument. */
#pragma once

#include "base/endpoint.h"
#include "base/handoff.h"

#include <stdbool.h>

#define TARGETS_MAX 64 /* of one route: bits of a mask */
#define TARGET_NONE (-1)
/* A target that is out and is not looked at by health checks is tried with a client after so long. */
#define TARGET_RETRY_NS (10 * 1000000000ull)

enum balance { BALANCE_LEAST_CONNECTIONS, BALANCE_ROUND_ROBIN, BALANCE_SOURCE };

struct target {
	struct sockaddr_storage addr;
	unsigned active;   /* connections */
	unsigned failures; /* in a row */
	bool out;
	uint64_t retry_ns; /* when it is out: the next client that may try it */
};

struct target_set {
	struct target targets[TARGETS_MAX];
	size_t n;
	size_t next;  /* round robin; also who wins among equals */
	bool checked; /* health checks tell when a target is back: no client has to try */
};

/* The target for a client at peer: one that is not out, or, when there is none, any. Those whose bit is in
 * tried are left out. TARGET_NONE: no more to try.
 * source: the same peer address gets the same target as long as that is not out; when one target goes, only
 * its own clients move. */
int target_pick(struct target_set *set, enum balance how, const struct trp_addr *peer,
	uint64_t tried, uint64_t now_ns);

/* A connection (or health check) came about, or did not. True: the target came back, or is out now. */
bool target_good(struct target *t);
bool target_bad(struct target *t, unsigned limit, uint64_t now_ns);
