/* SPDX-License-Identifier: ISC */
/* verdict.h: the words for enum router_verdict, in counters, explanations and the access log. */
#pragma once

#include "router/control.h"

/* NULL: there is no such verdict. */
static inline const char *router_verdict_word(unsigned verdict)
{
	static const char *const words[VERDICT_COUNT] = {
		[VERDICT_HANDED_ON] = "handed_on",
		[VERDICT_NO_ROUTE] = "no_route",
		[VERDICT_MISDIRECTED] = "misdirected",
		[VERDICT_NO_SERVICE] = "no_service",
		[VERDICT_QUEUE_FULL] = "queue_full",
		[VERDICT_BAD] = "bad_request",
		[VERDICT_WRONG_PROTOCOL] = "wrong_protocol",
		[VERDICT_TIMED_OUT] = "timed_out",
		[VERDICT_CLOSED_EARLY] = "closed_early",
		[VERDICT_OVER_RATE] = "over_rate",
		[VERDICT_REDIRECTED] = "redirected",
		[VERDICT_TOO_LONG] = "too_long",
		[VERDICT_TOO_MANY] = "too_many",
		[VERDICT_HELD_TOO_LONG] = "held_too_long",
		[VERDICT_CLIENT_RATE] = "client_rate",
		[VERDICT_CLIENT_WAITING] = "client_waiting",
	};

	return verdict < VERDICT_COUNT ? words[verdict] : NULL;
}
