/* SPDX-License-Identifier: ISC */
/* pace.h: how fast something that a tenant can send is taken from it. A token bucket that says when to stop reading, and calls
 * when to go on: what is not read yet stays in the pipe or socket, which fills up, so that the tenant waits and not the daemon. */
#pragma once

#include "base/util.h"
#include <ev.h>

struct pace {
	void (*resume)(struct pace *p); /* from the loop, when there is something in the bucket again */
	void *data;
	struct ev_loop *loop;
	ev_timer timer;
	double rate, burst; /* units in a second, and at once; rate 0: as fast as it comes */
	double left;        /* below 0: more was taken at once than there was */
	double at;          /* CLOCK_MONOTONIC of left */
	bool resting;
	double since;       /* when the rest began */
	uint64_t rests;     /* so often, and so long altogether; the caller may set them back */
	double rested;
};

/* rate: 0 or UINT64_MAX: no bound. burst: at least 1. */
void pace_init(struct pace *p, struct ev_loop *loop, uint64_t rate, uint64_t burst, void (*resume)(struct pace *p), void *data);
/* A change of both, also of one that rests. */
void pace_set(struct pace *p, uint64_t rate, uint64_t burst);
/* units were read. False: enough for now; the caller stops reading until resume() is called. */
bool pace_take(struct pace *p, double units);
/* resume() will not be called any more. */
void pace_stop(struct pace *p);
