/* SPDX-License-Identifier: ISC */
#include "router/message.h"
#include "base/parse.h"
#include "base/util.h"

#include <string.h>

#define PROTOCOLS_ALL (1u << TRP_PROTO_NONE | 1u << TRP_PROTO_HTTP1 | 1u << TRP_PROTO_TLS)
#define DEADLINE_MAX  (24u * 60 * 60 * 1000)

/* The name must be as the parsers write names, or it would never match. */
static const char *check_route(const struct router_msg *m)
{
	char text[TRP_HANDOFF_NAME_MAX + 1], canonical[254];

	if (m->protocol > TRP_PROTO_TLS)
		return "route: unknown protocol";
	if (m->name_len > TRP_HANDOFF_NAME_MAX)
		return "route: name too long";
	if (m->name_len == 0)
		return NULL;
	if (m->protocol == TRP_PROTO_NONE)
		return "route: a name without a protocol";
	memcpy(text, m->name, m->name_len);
	text[m->name_len] = '\0';
	if (text[0] == '[')
		return NULL; /* an IPv6 literal: HTTP clients may ask for one */
	if (trp_canonical_host(text, true, canonical) < 0 || strlen(canonical) != m->name_len ||
		memcmp(text, canonical, m->name_len) != 0)
		return "route: name not canonical";
	return NULL;
}

static const char *check_listener(const struct router_msg *m)
{
	if (m->id == ROUTER_ANY_LISTENER)
		return "listener: number 0";
	if (m->protocols == 0 || (m->protocols & ~PROTOCOLS_ALL))
		return "listener: no or unknown protocols";
	if (m->deadline_ms == 0 || m->deadline_ms > DEADLINE_MAX)
		return "listener: deadline";
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
	{ROUTER_GROUP_SET, 0, check_group},
	{ROUTER_ROUTE_SET, 0, check_route},
	{ROUTER_ROUTE_DEL, 0, check_route},
	{ROUTER_SYNC, 0, NULL},
	{ROUTER_STATS, 0, NULL},
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
