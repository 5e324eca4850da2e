/* SPDX-License-Identifier: ISC */
/* explain.c: who would get a client, and why. It is the router's own decision (client.c), made for a client that does not exist. */
#include "router/protocol/refuse.h"
#include "router/router.h"

#include <stdlib.h>
#include <string.h>

/* Is anybody there to take it, for one of the families? */
static bool is_served(const struct router *r, const struct route_channels *to)
{
	return channel_attempts(&r->channels, to->v4) > 0 || channel_attempts(&r->channels, to->v6) > 0;
}

/* The status or the alert in the answer that it would get */
static uint16_t refusal_code(enum router_verdict verdict, uint8_t protocol)
{
	char answer[REFUSE_ANSWER_MAX];
	size_t len;

	if (protocol == TRP_PROTO_H2C && verdict != VERDICT_WRONG_PROTOCOL)
		protocol = TRP_PROTO_HTTP1; /* the same status */
	len = refuse_answer((enum refusal)(verdict - VERDICT_REFUSED), protocol, 0, answer);

	if (protocol == TRP_PROTO_HTTP1 && len > 12)
		return (uint16_t)strtoul(answer + 9, NULL, 10); /* "HTTP/1.1 404 ..." */
	if (protocol == TRP_PROTO_TLS && len == 7)
		return (uint8_t)answer[6];
	return 0;
}

static void copy_route(const struct router_msg *m, const struct route_hit *hit, struct router_msg *reply)
{
	reply->rank = hit->rank;
	reply->listener = hit->listener;
	reply->service = hit->to.service;
	reply->channel4 = hit->to.v4;
	reply->channel6 = hit->to.v6;
	if (hit->rank == RANK_EXACT) {
		reply->name_len = m->name_len;
		memcpy(reply->name, m->name, m->name_len);
	} else if (hit->rank == RANK_WILDCARD) {
		reply->name_len = (uint8_t)(m->name_len - hit->at + 1);
		reply->name[0] = '*';
		memcpy(reply->name + 1, m->name + hit->at, (size_t)(m->name_len - hit->at));
	}
}

void explain(struct router *r, const struct router_msg *m, struct router_msg *reply)
{
	const struct route_key key = {m->listener, m->protocol, m->name_len, m->name};
	enum router_verdict verdict;
	struct route_hit hit;

	client_decide(r, &key, &verdict, &hit);
	if (verdict == VERDICT_HANDED_ON) {
		copy_route(m, &hit, reply);
		if (!is_served(r, &hit.to))
			verdict = VERDICT_NO_SERVICE;
	}
	reply->verdict = (uint8_t)verdict;
	reply->protocol = m->protocol;
	if (verdict != VERDICT_HANDED_ON)
		reply->code = refusal_code(verdict, m->protocol);
}
