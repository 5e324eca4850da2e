/* SPDX-License-Identifier: ISC */
#include "router/tempo.h"

#define SECOND_NS 1000000000u

bool tempo_look(struct tempo *t, uint64_t now_ns, uint64_t accepted)
{
	const uint64_t span_ns = now_ns - t->since_ns, n = accepted - t->accepted;
	const bool before = t->many;

	if (span_ns < TEMPO_LOOK_NS)
		return false;
	/* a span may be as long as nobody came */
	t->many = n >= (before ? TEMPO_FEW : TEMPO_MANY) * (span_ns / 1000000) / (SECOND_NS / 1000000);
	t->since_ns = now_ns;
	t->accepted = accepted;
	return t->many != before;
}
