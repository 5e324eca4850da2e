/* SPDX-License-Identifier: ISC */
/* route.c: a service's channels, and what the router is told about its names. */
#include "base/log.h"
#include "supervisor/service.h"

#include <string.h>
#include <sys/socket.h>

enum trp_protocol route_protocol(enum profile_route_kind kind)
{
	static const enum trp_protocol protocols[ROUTE_KINDS] = {
		[ROUTE_HTTP] = TRP_PROTO_HTTP1, [ROUTE_TLS] = TRP_PROTO_TLS};
	return protocols[kind];
}

bool daemon_listener_carries(
	const struct daemon *d, size_t index, const struct profile *p, enum profile_route_kind kind)
{
	const struct config_listener *l = &d->config->listeners[index];

	return (l->protocols & (1u << route_protocol(kind))) &&
		(p->listeners.n == 0 || strv_has(&p->listeners, l->name));
}

static struct channel *find_channel(const struct service *s, uint16_t port, uint16_t family)
{
	for (size_t i = 0; i < s->n_channels; i++)
		if (s->channels[i].port == port && s->channels[i].family == family)
			return (struct channel *)&s->channels[i];
	return NULL;
}

/* A channel that a service has shut down is made anew; the others keep the clients that wait in them. */
static int need_channel(struct service *s, uint16_t port, uint16_t family)
{
	struct channel *c = find_channel(s, port, family);
	int r;

	if (c && channel_is_usable(c))
		return 0;
	if (c) {
		routerproc_channel_del(s->d->router, c->id);
		channel_close(c);
		*c = s->channels[--s->n_channels];
	}
	r = channel_open(port, family, &s->channels[s->n_channels]);
	if (r < 0)
		return r;
	c = &s->channels[s->n_channels++];
	routerproc_channel_add(s->d->router, c->id, c->router_end);
	return 0;
}

/* After a restart with another profile some ports may not be needed any more. */
static void drop_unneeded(struct service *s)
{
	for (size_t i = 0; i < s->n_channels;) {
		bool needed = false;
		for (int kind = 0; kind < ROUTE_KINDS; kind++)
			needed |= s->profile->port[kind] == s->channels[i].port;
		if (needed) {
			i++;
			continue;
		}
		routerproc_channel_del(s->d->router, s->channels[i].id);
		channel_close(&s->channels[i]);
		s->channels[i] = s->channels[--s->n_channels];
	}
}

int route_channels(struct service *s)
{
	drop_unneeded(s);
	for (size_t i = 0; i < s->n_channels; i++)
		s->channels[i].taken = false;
	for (int kind = 0; kind < ROUTE_KINDS; kind++) {
		uint16_t port = s->profile->port[kind];
		if (!port)
			continue;
		int r = need_channel(s, port, AF_INET);
		if (r == 0)
			r = need_channel(s, port, AF_INET6);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Where clients of each family go. A dual-stack listener gets both from its IPv6 channel; a program that only
 * listens on one family gets the others too: the family of the public socket is no reason to turn a client away. */
void route_pick(const struct service *s, uint16_t port, uint32_t *c4, uint32_t *c6)
{
	const struct channel *v4 = find_channel(s, port, AF_INET), *v6 = find_channel(s, port, AF_INET6);

	*c4 = *c6 = 0;
	if (!s->served || s->state == STATE_STOPPING || s->state == STATE_STOPPED || s->state == STATE_FAILED)
		return;
	if (v4 && v4->listened)
		*c4 = v4->id;
	else if (v6 && v6->listened)
		*c4 = v6->id;
	if (v6 && v6->listened)
		*c6 = v6->id;
	else if (v4 && v4->listened)
		*c6 = v4->id;
}

static bool has_route(
	const struct daemon *d, const struct profile *p, size_t l, enum profile_route_kind kind, const char *host)
{
	if (!p->port[kind] || !daemon_listener_carries(d, l, p, kind))
		return false;
	return host[0] ? strv_has(&p->hosts, host) : p->default_route;
}

static void tell_route(struct service *s, size_t l, enum profile_route_kind kind, const char *host)
{
	uint32_t c4, c6;

	if (s->profile->share)
		share_channels(s, kind, &c4, &c6);
	else
		route_pick(s, s->profile->port[kind], &c4, &c6);
	routerproc_route_set(s->d->router, (uint32_t)l + 1, route_protocol(kind), host, c4, c6);
}

/* Calls the router for each (listener, kind, name) of p: sets it; or, if not set, deletes it unless kept has it too. */
static void each_route(struct service *s, const struct profile *p, bool set, const struct profile *kept)
{
	for (int k = 0; k < ROUTE_KINDS; k++) {
		enum profile_route_kind kind = (enum profile_route_kind)k;
		if (!p->port[kind])
			continue;
		for (size_t l = 0; l < s->d->n_listeners; l++) {
			if (!daemon_listener_carries(s->d, l, p, kind))
				continue;
			for (size_t h = 0; h < p->hosts.n + p->default_route; h++) {
				const char *host = h < p->hosts.n ? p->hosts.v[h] : "";
				if (set)
					tell_route(s, l, kind, host);
				else if (!kept || !has_route(s->d, kept, l, kind, host))
					routerproc_route_del(s->d->router, (uint32_t)l + 1, route_protocol(kind), host);
			}
		}
	}
}

void route_update(struct service *s)
{
	each_route(s, s->profile, true, NULL);
	s->routes_told = true;
}

void route_forget(struct service *s)
{
	struct service *other = s->profile->share ? share_other(s) : NULL;
	bool told = s->routes_told;

	s->routes_told = false;
	if (told && other)
		route_update(other);
	else if (told)
		each_route(s, s->profile, false, NULL);
}

void route_replace(struct service *s, const struct profile *old)
{
	bool told = s->routes_told;

	route_update(s);
	if (told)
		each_route(s, old, false, s->profile);
}

void route_close(struct service *s)
{
	if (s->profile->share)
		share_move(s);
	for (size_t i = 0; i < s->n_channels; i++) {
		routerproc_channel_del(s->d->router, s->channels[i].id);
		channel_close(&s->channels[i]);
	}
	s->n_channels = 0;
}

void route_listened(struct service *s, const struct trp_init_msg *msg)
{
	struct channel *c = find_channel(s, msg->port, msg->family);

	if (!c || (c->taken && c->listened))
		return; /* a tenant may say anything, and as often as it likes */
	c->listened = c->taken = true;
	if (s->routes_told)
		route_update(s);
}

bool route_all_listened(const struct service *s)
{
	for (int kind = 0; kind < ROUTE_KINDS; kind++) {
		uint16_t port = s->profile->port[kind];
		const struct channel *v4, *v6;
		if (!port)
			continue;
		v4 = find_channel(s, port, AF_INET);
		v6 = find_channel(s, port, AF_INET6);
		if (!(v4 && v4->taken) && !(v6 && v6->taken))
			return false;
	}
	return true;
}

void route_resync(struct daemon *d)
{
	for (struct service *s = d->services; s; s = s->next)
		for (size_t i = 0; i < s->n_channels; i++)
			routerproc_channel_add(d->router, s->channels[i].id, s->channels[i].router_end);
	for (struct service *s = d->services; s; s = s->next)
		if (s->routes_told)
			route_update(s);
}
