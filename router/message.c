/* SPDX-License-Identifier: ISC */
#include "router/message.h"
#include "router/ledger.h"
#include "router/rate.h"
#include "base/parse.h"
#include "base/protocol.h"
#include "base/util.h"

#include <string.h>

#define DEADLINE_MAX (24u * 60 * 60 * 1000)

/* The name must be as the parsers write names, or it would never match. */
static const char *check_route(const struct router_msg *m)
{
	char text[TRP_HANDOFF_NAME_MAX + 1], canonical[254];

	if (m->protocol >= TRP_PROTO_COUNT)
		return "route: unknown protocol";
	if (m->name_len > TRP_HANDOFF_NAME_MAX)
		return "route: name too long";
	if (m->name_len == 0)
		return NULL;
	if (!trp_protocol_has_names((enum trp_protocol)m->protocol))
		return "route: a name in a protocol without names";
	memcpy(text, m->name, m->name_len);
	text[m->name_len] = '\0';
	if (trp_canonical_route(text, canonical) < 0 || strlen(canonical) != m->name_len ||
		memcmp(text, canonical, m->name_len) != 0)
		return "route: name not canonical";
	return NULL;
}

static const char *check_listener(const struct router_msg *m)
{
	if (m->id == ROUTER_ANY_LISTENER)
		return "listener: number 0";
	if (m->protocols == 0 || (m->protocols & ~TRP_PROTOCOLS_ALL))
		return "listener: no or unknown protocols";
	if (m->deadline_ms == 0 || m->deadline_ms > DEADLINE_MAX)
		return "listener: deadline";
	if (!m->redirect.listener != !m->redirect.port)
		return "listener: redirection without a port, or a port without it";
	return NULL;
}

static const char *check_channel(const struct router_msg *m)
{
	return m->id == 0 ? "channel: number 0" : NULL;
}

static const char *check_group(const struct router_msg *m)
{
	return m->id == 0 ? "group: number 0" : m->n_members > ROUTER_GROUP_MAX ? "group: too many members" : NULL;
}

static const char *check_rate(const struct router_rate *r)
{
	if (r->interval_ns > RATE_INTERVAL_MAX)
		return "rate: too slow";
	if (r->interval_ns > 0 && (r->burst == 0 || r->burst > RATE_BURST_MAX))
		return "rate: burst";
	return NULL;
}

static const char *check_limits(const struct router_msg *m)
{
	return m->limits.waiting_permille > 1000 ? "limits: share of the waiting" : check_rate(&m->limits.rate);
}

static const char *check_trust(const struct router_msg *m)
{
	if (m->n_members == 0 || m->n_members > ROUTER_TRUST_MAX)
		return "trust: number of ranges";
	for (uint32_t i = 0; i < m->n_members; i++)
		if (m->trusted[i].bits > 128)
			return "trust: length of a range";
	return m->id == ROUTER_ANY_LISTENER ? "listener: number 0" : NULL;
}

static const char *check_quota(const struct router_msg *m)
{
	if (m->id == 0)
		return "quota: number 0";
	if (m->quota.service >= LEDGER_SERVICES)
		return "quota: number of the service";
	return m->quota.n_channels > ROUTER_GROUP_MAX ? "quota: too many channels" : check_rate(&m->quota.rate);
}

static const char *check_refuse(const struct router_msg *m)
{
	struct trp_handoff h = m->handoff;

	if (m->verdict != VERDICT_NO_SERVICE && m->verdict != VERDICT_HELD_TOO_LONG)
		return "refusal: verdict";
	if (m->service >= LEDGER_SERVICES)
		return "refusal: number of the service";
	if (m->handoff.protocol >= TRP_PROTO_COUNT)
		return "refusal: unknown protocol";
	return trp_handoff_check(&h, h.size) < 0 ? "refusal: not a client's message" : NULL;
}

/* Which messages the daemon may send, and with how many descriptors */
static const struct {
	uint16_t type;
	uint8_t n_fds;
	const char *(*check)(const struct router_msg *m);
} permitted[] = {
	{ROUTER_LISTENER_ADD, 1, check_listener},
	{ROUTER_LISTENER_DEL, 0, NULL},
	{ROUTER_CHANNEL_ADD, 1, check_channel},
	{ROUTER_CHANNEL_DEL, 0, check_channel},
	{ROUTER_CLIENT_ADD, 1, NULL},
	{ROUTER_REFUSE, 1, check_refuse},
	{ROUTER_CHANNEL_SEVERAL, 0, check_channel},
	{ROUTER_GROUP_SET, 0, check_group},
	{ROUTER_ROUTE_SET, 0, check_route},
	{ROUTER_ROUTE_DEL, 0, check_route},
	{ROUTER_SYNC, 0, NULL},
	{ROUTER_LIMITS_SET, 0, check_limits},
	{ROUTER_TRUST_ADD, 0, check_trust},
	{ROUTER_QUOTA_SET, 0, check_quota},
	{ROUTER_STATS, 0, NULL},
	{ROUTER_RETIRE, 0, NULL},
	{ROUTER_EXPLAIN, 0, check_route},
};

const char *message_check(const struct router_msg *m, size_t len, size_t n_fds)
{
	if (len != sizeof(*m) || m->magic != ROUTER_CONTROL_MAGIC)
		return "message: length or magic";
	for (size_t i = 0; i < TRP_ARRAY_SIZE(permitted); i++) {
		if (permitted[i].type != m->type)
			continue;
		if (permitted[i].n_fds != n_fds)
			return "message: number of descriptors";
		return permitted[i].check ? permitted[i].check(m) : NULL;
	}
	return "message: type";
}
