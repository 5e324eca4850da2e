/* SPDX-License-Identifier: ISC */
/* share.c: instances of one profile under the same names (share = yes): the router spreads clients over a group of their
 * channels. Who stops leaves the group before it is told to stop, and what still waits in its channels goes to the others (hold.c). */
#include "supervisor/service.h"

#include <string.h>
#include <sys/socket.h>

/* The groups of one profile, for the daemon's life: one for each protocol and family of the client. */
struct share_group {
	struct share_group *next;
	char *name; /* of the profile, without an instance */
	uint32_t id4[TRP_PROTO_COUNT], id6[TRP_PROTO_COUNT];
};

_Static_assert(PROFILE_SHARE_MAX <= ROUTER_GROUP_MAX, "each of them gets clients");

static struct share_group *group_of(struct daemon *d, const char *name)
{
	struct share_group *g = d->groups;

	while (g && strcmp(g->name, name) != 0)
		g = g->next;
	if (g)
		return g;
	g = calloc(1, sizeof(*g));
	if (!g || !(g->name = strdup(name))) {
		free(g);
		return NULL;
	}
	for (int k = 0; k < TRP_PROTO_COUNT; k++) {
		g->id4[k] = channel_next_id();
		g->id6[k] = channel_next_id();
	}
	g->next = d->groups;
	return d->groups = g;
}

static bool is_sibling(const struct service *s, const struct service *o)
{
	return o->profile && o->profile->share && strcmp(o->profile->name, s->profile->name) == 0;
}

/* The best there are: without those whose checks fail; else without those whose clients would have to wait until it is restarted or thawed. */
enum fitness { HEALTHY, READY, ANY };

static bool is_fit(const struct service *s, enum fitness least)
{
	const bool frozen = s->frozen && !s->doze.on; /* its next client ends that */

	return least == ANY || (service_is_up(s) && !frozen && (least == READY || !health_is_unhealthy(s)));
}

static uint32_t collect(const struct service *s, enum trp_protocol protocol, bool v6, enum fitness least, uint32_t *ret)
{
	uint32_t n = 0;

	for (const struct service *o = s->d->services; o && n < ROUTER_GROUP_MAX; o = o->next) {
		uint32_t c4, c6;
		if (!is_sibling(s, o) || !is_fit(o, least))
			continue;
		route_pick(o, o->profile->port[protocol], &c4, &c6);
		if (v6)
			c4 = c6;
		if (c4 && (least == ANY || c4 != o->waiting.id))
			ret[n++] = c4;
	}
	return n;
}

/* Tells the group of one family: with adapter = loopback an instance may have none for the other. Its number, or 0: nobody is in it. */
static uint32_t tell_group(const struct service *s, enum trp_protocol protocol, bool v6, uint32_t id)
{
	uint32_t members[ROUTER_GROUP_MAX], n = 0;

	for (enum fitness least = HEALTHY; n == 0 && least <= ANY; least++)
		n = collect(s, protocol, v6, least, members);
	routerproc_group_set(s->d->router, id, members, n);
	return n > 0 ? id : 0;
}

void share_channels(struct service *s, enum trp_protocol protocol, uint32_t *ret_c4, uint32_t *ret_c6)
{
	const struct share_group *g = group_of(s->d, s->profile->name);

	*ret_c4 = g ? tell_group(s, protocol, false, g->id4[protocol]) : 0;
	*ret_c6 = g ? tell_group(s, protocol, true, g->id6[protocol]) : 0;
}

void share_changed(struct service *s)
{
	if (s->routes_told && !s->shadow && s->profile->share)
		route_update(s);
}

struct service *share_other(const struct service *s)
{
	for (struct service *o = s->d->services; o; o = o->next)
		if (o != s && is_sibling(s, o) && o->routes_told)
			return o;
	return NULL;
}

bool share_put(const struct service *s, bool ready, const struct trp_handoff *h, int fd)
{
	for (enum fitness least = HEALTHY; least <= (ready ? READY : ANY); least++)
		for (const struct service *o = s->d->services; o; o = o->next)
			if (o != s && is_sibling(s, o) && is_fit(o, least) && hold_put(o, h, fd))
				return true;
	return false;
}

void share_free(struct daemon *d)
{
	while (d->groups) {
		struct share_group *g = d->groups;
		d->groups = g->next;
		free(g->name);
		free(g);
	}
}
