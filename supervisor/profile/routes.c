/* SPDX-License-Identifier: ISC */
/* routes.c: what [route] comes to. */
#include "profile.h"

bool profile_is_timed(const struct profile *p)
{
	return p->calendars.n > 0 || p->timer_interval_ms > 0 || p->timer_boot_ms > 0;
}

bool profile_is_routed(const struct profile *p)
{
	for (size_t i = 0; i < TRP_PROTO_COUNT; i++)
		if (p->port[i])
			return true;
	return false;
}

const char *profile_route_name(const struct profile *p, enum trp_protocol protocol, size_t i)
{
	if (!p->port[protocol])
		return NULL;
	if (!trp_protocol_has_names(protocol))
		return i == 0 ? "" : NULL;
	if (i < p->hosts.n)
		return p->hosts.v[i];
	return i == p->hosts.n && p->default_route ? "" : NULL;
}
