/* SPDX-License-Identifier: ISC */
/* tempo.h: do so many clients come that who has the processor should go on when one comes (SCHED_BATCH)? Then more of them are there when it is
 * the router's turn, and each costs less; while few come, each is seen to at once. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define TEMPO_LOOK_NS (20u * 1000 * 1000) /* from one look to the next */
/* Clients in a second: many from here on, and no more below the other one. */
#define TEMPO_MANY 6000
#define TEMPO_FEW  3000

struct tempo {
	uint64_t since_ns, accepted; /* at the last look */
	bool many;
};

/* accepted: how many have come at all. True: t->many is another than before. */
bool tempo_look(struct tempo *t, uint64_t now_ns, uint64_t accepted);
