/* SPDX-License-Identifier: ISC */
/* quota.c: what the router is told of a service's limits. */
#include "supervisor/service.h"

_Static_assert(SERVICE_CHANNELS_MAX + 1 <= ROUTER_GROUP_MAX, "one message tells all channels of a service");

void quota_tell(struct service *s)
{
	const struct profile *p = s->profile;
	struct router_quota quota = {.rate = routerproc_rate(p->route_interval_ns, p->route_burst),
		.queue = (uint32_t)p->queue,
		.max_live = (uint32_t)p->max_connections,
		.service = s->number,
		.n_channels = (uint32_t)s->n_channels};

	if (s->quota == 0)
		s->quota = channel_next_id();
	for (size_t i = 0; i < s->n_channels; i++)
		quota.channels[i] = s->channels[i].id;
	if (s->waiting.id)
		quota.channels[quota.n_channels++] = s->waiting.id;
	routerproc_quota_set(s->d->router, s->quota, &quota);
}
