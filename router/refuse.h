/* SPDX-License-Identifier: ISC */
/* refuse.h: why a client is not handed on, and what it is told in its own protocol. Pure. */
#pragma once

#include "base/handoff.h"
#include "router/control.h"

enum refusal {
	REFUSE_NO_ROUTE,       /* nobody owns the name */
	REFUSE_MISDIRECTED,    /* somebody does, but not here: other listener or other protocol */
	REFUSE_NO_SERVICE,     /* its owner is not up */
	REFUSE_QUEUE_FULL,     /* its owner does not keep up */
	REFUSE_BAD,            /* the opening is wrong */
	REFUSE_WRONG_PROTOCOL, /* the listener does not take this protocol */
	REFUSE_TIMED_OUT,      /* the opening was not complete in time */
	REFUSE_CLOSED_EARLY,   /* the client ended before its opening was complete */
	REFUSE_COUNT,
};

#define REFUSE_ANSWER_MAX 1024

/* Writes what to send (at most REFUSE_ANSWER_MAX bytes) and returns its length; 0: just close. */
size_t refuse_answer(enum refusal why, enum trp_protocol protocol, char out[REFUSE_ANSWER_MAX]);

/* The counter for it */
uint64_t *refuse_counter(enum refusal why, struct router_stats *stats);
