/* SPDX-License-Identifier: ISC */
/* refuse.h: why a client is not handed on, and what it is told in its own protocol. Pure. */
#pragma once

#include "base/handoff.h"
#include "router/control.h"
#include <stdbool.h>
#include <stddef.h>

enum refusal {
	REFUSE_NO_ROUTE,       /* nobody owns the name */
	REFUSE_MISDIRECTED,    /* somebody does, but not here: other listener or other protocol */
	REFUSE_NO_SERVICE,     /* its owner is not up */
	REFUSE_QUEUE_FULL,     /* its owner does not keep up */
	REFUSE_BAD,            /* the opening is wrong */
	REFUSE_WRONG_PROTOCOL, /* the listener does not take this protocol */
	REFUSE_TIMED_OUT,      /* the opening was not complete in time */
	REFUSE_CLOSED_EARLY,   /* the client ended before its opening was complete */
	REFUSE_OVER_RATE,      /* its owner gets no more at a time */
	REFUSE_REDIRECT,       /* to https: redirect.h has the answer */
	REFUSE_TOO_LONG,       /* to be redirected */
	REFUSE_TOO_MANY,       /* its owner has as many open as it may */
	REFUSE_HELD_TOO_LONG,  /* it waited for its owner, which is not up yet */
	REFUSE_COUNT,
};

/* enum router_verdict goes on with these, in this order */
_Static_assert(VERDICT_REFUSED + (int)REFUSE_COUNT == VERDICT_REFUSED_END, "each refusal has its verdict in router/control.h");
_Static_assert(VERDICT_REFUSED + (int)REFUSE_CLOSED_EARLY == VERDICT_CLOSED_EARLY, "in the same order");

#define REFUSE_ANSWER_MAX 1024

/* Writes what to send (at most REFUSE_ANSWER_MAX bytes) and returns its length; 0: just close. detail is that of the
 * opening's struct parse_result, 0 if it is not known (any more). */
size_t refuse_answer(enum refusal why, enum trp_protocol protocol, uint32_t detail, char out[REFUSE_ANSWER_MAX]);

/* For refuse_h2.c: status is three digits. */
struct refuse_page {
	const char *status, *retry_after, *text;
	size_t len;
	bool head; /* RFC 9110 section 9.3.2: it is not sent, but all that is said of it */
};
/* respond: with that page on the stream, if it is known (not 0). error: RFC 9113 section 7. */
size_t refuse_h2(const struct refuse_page *p, bool respond, uint32_t stream, uint32_t error, char *out);

/* The counter for it */
uint64_t *refuse_counter(enum refusal why, struct router_stats *stats);
