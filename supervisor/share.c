/* SPDX-License-Identifier: ISC */
/* share.c: instances of one profile under the same names (share = yes): the router spreads clients over a group of their
 * channels. Who stops leaves the group before it is told to stop, and what still waits in its channels goes to the others. */
#include "supervisor/service.h"

#include <string.h>
#include <sys/socket.h>

/* The groups of one profile, for the daemon's life: one for each kind of route and family of the client. */
struct share_group {
	struct share_group *next;
	char *name; /* of the profile, without an instance */
	uint32_t id4[ROUTE_KINDS], id6[ROUTE_KINDS];
};

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
	for (int kind = 0; kind < ROUTE_KINDS; kind++) {
		g->id4[kind] = channel_next_id();
		g->id6[kind] = channel_next_id();
	}
	g->next = d->groups;
	return d->groups = g;
}

static bool is_sibling(const struct service *s, const struct service *o)
{
	return o->profile && o->profile->share && strcmp(o->profile->name, s->profile->name) == 0;
}

struct members {
	uint32_t v4[ROUTER_GROUP_MAX], v6[ROUTER_GROUP_MAX];
	uint32_t n;
};

/* only_ready: without those whose clients would have to wait for a restart. */
static void collect(const struct service *s, enum profile_route_kind kind, bool only_ready, struct members *m)
{
	m->n = 0;
	for (const struct service *o = s->d->services; o && m->n < ROUTER_GROUP_MAX; o = o->next) {
		uint32_t c4, c6;
		if (!is_sibling(s, o) || (only_ready && o->state != STATE_READY))
			continue;
		route_pick(o, o->profile->port[kind], &c4, &c6);
		if (!c4 || !c6)
			continue;
		m->v4[m->n] = c4;
		m->v6[m->n++] = c6;
	}
}

void share_channels(struct service *s, enum profile_route_kind kind, uint32_t *ret_c4, uint32_t *ret_c6)
{
	struct share_group *g = group_of(s->d, s->profile->name);
	struct members m = {.n = 0};

	if (g)
		collect(s, kind, true, &m);
	if (g && m.n == 0)
		collect(s, kind, false, &m);
	*ret_c4 = *ret_c6 = 0;
	if (!g)
		return;
	routerproc_group_set(s->d->router, g->id4[kind], m.v4, m.n);
	routerproc_group_set(s->d->router, g->id6[kind], m.v6, m.n);
	if (m.n > 0) {
		*ret_c4 = g->id4[kind];
		*ret_c6 = g->id6[kind];
	}
}

struct service *share_other(const struct service *s)
{
	for (struct service *o = s->d->services; o; o = o->next)
		if (o != s && is_sibling(s, o) && o->routes_told)
			return o;
	return NULL;
}

static const struct channel *channel_by_id(const struct service *s, uint32_t id)
{
	for (size_t i = 0; i < s->n_channels; i++)
		if (s->channels[i].id == id)
			return &s->channels[i];
	return NULL;
}

void share_move(struct service *s)
{
	for (const struct service *o = s->d->services; o; o = o->next) {
		if (o == s || !is_sibling(s, o) || o->state != STATE_READY)
			continue;
		for (int kind = 0; kind < ROUTE_KINDS; kind++)
			for (size_t i = 0; i < s->n_channels; i++) {
				uint32_t c4, c6;
				if (s->channels[i].port != s->profile->port[kind])
					continue;
				route_pick(o, o->profile->port[kind], &c4, &c6);
				const struct channel *to =
					channel_by_id(o, s->channels[i].family == AF_INET ? c4 : c6);
				if (to)
					channel_move(&s->channels[i], to);
			}
		return;
	}
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
