/* SPDX-License-Identifier: ISC */
/* route.c: a service's channels, and what the router is told about its names. */
#include "base/log.h"
#include "supervisor/service.h"

#include <limits.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static bool carries(const struct config_listener *l, const struct profile *p, enum trp_protocol protocol)
{
	return (l->protocols & (1u << protocol)) &&
		(p->listeners.n == 0 || strv_has(&p->listeners, l->name));
}

bool daemon_listener_carries(const struct daemon *d, size_t index, const struct profile *p, enum trp_protocol protocol)
{
	return carries(&d->config->listeners[index], p, protocol);
}

static struct channel *find_channel(const struct service *s, uint16_t port, uint16_t family)
{
	for (size_t i = 0; i < s->n_channels; i++)
		if (s->channels[i].port == port && s->channels[i].family == family)
			return (struct channel *)&s->channels[i];
	return NULL;
}

static void keep_channel(struct service *s, const struct channel *c)
{
	keep_put(s->d->keep, s->key, "channel-router", c->id, c->router_end);
	keep_put(s->d->keep, s->key, "channel-service", c->id, c->service_end);
}

static void drop_channel(struct service *s, const struct channel *c)
{
	keep_drop(s->d->keep, s->key, "channel-router", c->id);
	keep_drop(s->d->keep, s->key, "channel-service", c->id);
}

static void close_channel(struct service *s, struct channel *c)
{
	drop_channel(s, c);
	routerproc_channel_del(s->d->router, c->id);
	shutdown(c->service_end, SHUT_RD); /* no more of them */
	channel_deal(c->service_end, UINT_MAX, hold_give, s);
	channel_close(c);
}

/* Clients may come to the old one as long as a router has it: it is kept, too. */
static int renew(struct service *s, struct channel *c)
{
	int r = renew_channel(s, c);

	if (r == 0)
		keep_channel(s, c);
	return r;
}

/* Does what takes clients out of there look whether O_NONBLOCK is set? Programs have libtrp in them, of whatever version; trp-notify
 * does not take out at once what it has changed; trp-relay passes the socket itself on to a unix: target. */
static bool knows_nonblock(const struct service *s)
{
	return s->adapter == ADAPTER_PRELOAD;
}

/* The adapter of the next run may be another one. */
static int keep_using(struct service *s, struct channel *c)
{
	const bool nonblock = knows_nonblock(s);

	if (c->nonblock != nonblock) {
		c->nonblock = nonblock;
		routerproc_channel_add(s->d->router, s->number, c);
	}
	channel_restore(c);
	return channel_set_queue(c, s->profile->queue);
}

/* A channel that a service has shut down is made anew; the others keep the clients that wait in them. */
static int need_channel(struct service *s, uint16_t port, uint16_t family)
{
	struct channel *c = find_channel(s, port, family);
	int r;

	if (c && channel_is_usable(c) && (c->several || (c->nonblock && !knows_nonblock(s)))) {
		c->nonblock = knows_nonblock(s);
		return renew(s, c);
	}
	if (c && channel_is_usable(c))
		return keep_using(s, c);
	if (c) {
		close_channel(s, c);
		*c = s->channels[--s->n_channels];
	}
	r = channel_open(port, family, s->profile->queue, &s->channels[s->n_channels]);
	if (r < 0)
		return r;
	c = &s->channels[s->n_channels++];
	c->nonblock = knows_nonblock(s);
	keep_channel(s, c);
	routerproc_channel_add(s->d->router, s->number, c);
	return 0;
}

/* After a restart with another profile some ports may not be needed any more. */
static void drop_unneeded(struct service *s)
{
	for (size_t i = 0; i < s->n_channels;) {
		bool needed = false;
		for (int k = 0; k < TRP_PROTO_COUNT; k++)
			needed |= s->profile->port[k] == s->channels[i].port;
		if (needed) {
			i++;
			continue;
		}
		close_channel(s, &s->channels[i]);
		s->channels[i] = s->channels[--s->n_channels];
	}
}

int route_channels(struct service *s)
{
	drop_unneeded(s);
	for (size_t i = 0; i < s->n_channels; i++) /* by this run nothing is yet */
		s->channels[i].listened = false;
	for (int k = 0; k < TRP_PROTO_COUNT; k++) {
		uint16_t port = s->profile->port[k];
		if (!port)
			continue;
		int r = need_channel(s, port, AF_INET);
		if (r == 0)
			r = need_channel(s, port, AF_INET6);
		if (r < 0)
			return r;
	}
	quota_tell(s);
	return 0;
}

/* Where clients of each family go. A dual-stack listener gets both from its IPv6 channel; a program that only
 * listens on one family gets the others too: the family of the public socket is no reason to turn a client away. */
void route_pick(const struct service *s, uint16_t port, uint32_t *c4, uint32_t *c6)
{
	const struct channel *v4 = find_channel(s, port, AF_INET), *v6 = find_channel(s, port, AF_INET6);

	/* with adapter = loopback the upstream sees a client of its own family only: there is no other way to tell who it is */
	bool other = s->adapter != ADAPTER_LOOPBACK;

	*c4 = *c6 = s->place == PLACE_NOWHERE ? 0 : s->waiting.id;
	if (s->place != PLACE_CHANNELS || !route_taken(s, port))
		return;
	*c4 = *c6 = 0;
	if (v4 && v4->listened)
		*c4 = v4->id;
	else if (other && v6 && v6->listened)
		*c4 = v6->id;
	if (v6 && v6->listened)
		*c6 = v6->id;
	else if (other && v4 && v4->listened)
		*c6 = v4->id;
}

static bool is_ipv4(const struct trp_addr *a)
{
	return a->family == AF_INET || IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)(const void *)a->ip);
}

/* Nothing is received, not even to look: they may be shared with its processes. */
bool route_is_queued(const struct service *s)
{
	for (size_t i = 0; i < s->n_channels; i++) {
		int bytes = 0;
		if (ioctl(s->channels[i].router_end, SIOCOUTQ, &bytes) < 0 || bytes > 0)
			return true;
	}
	return false;
}

bool route_has_clients(const struct service *s)
{
	bool any = false;

	for (size_t i = 0; i < s->n_channels; i++)
		any |= channel_has_client(s->channels[i].service_end);
	return any;
}

const struct channel *route_channel_for(const struct service *s, const struct trp_handoff *h)
{
	uint32_t c4, c6, id;

	if (h->protocol >= TRP_PROTO_COUNT || !s->profile->port[h->protocol] || s->place != PLACE_CHANNELS)
		return NULL;
	route_pick(s, s->profile->port[h->protocol], &c4, &c6);
	id = is_ipv4(&h->peer) ? c4 : c6;
	if (id && id == s->waiting.id)
		return &s->waiting;
	for (size_t i = 0; i < s->n_channels; i++)
		if (s->channels[i].id == id)
			return &s->channels[i];
	return NULL;
}

static const char *name_on(const struct config_listener *l, const struct profile *p, enum trp_protocol protocol, size_t i)
{
	const char *name = carries(l, p, protocol) ? profile_route_name(p, protocol, i) : NULL;
	bool more = !name && i == p->hosts.n && !p->default_route && p->port[protocol];

	if (more && trp_protocol_has_names(protocol) && carries(l, p, protocol) && config_gives_default(l, p))
		return "";
	return name;
}

const char *route_name_on(const struct daemon *d, size_t l, const struct profile *p, enum trp_protocol protocol, size_t i)
{
	return name_on(&d->config->listeners[l], p, protocol, i);
}

static bool has_route(
	const struct daemon *d, const struct profile *p, size_t l, enum trp_protocol protocol, const char *host)
{
	const char *own;

	for (size_t i = 0; (own = route_name_on(d, l, p, protocol, i)); i++)
		if (strcmp(own, host) == 0)
			return true;
	return false;
}

/* Does another have it, or get it by the reload that is being carried out? Then it is replaced there, and nobody finds it missing meanwhile. */
static bool others_have(const struct service *s, size_t l, enum trp_protocol protocol, const char *host)
{
	for (const struct service *o = s->d->services; o; o = o->next)
		if (o != s && o->routes_told && o->profile->port[protocol] &&
			(has_route(s->d, o->profile, l, protocol, host) || (o->pending && has_route(s->d, o->pending, l, protocol, host))))
			return true;
	return false;
}

static void tell_route(struct service *s, size_t l, enum trp_protocol protocol, const char *host)
{
	uint32_t c4, c6;

	if (s->profile->share)
		share_channels(s, protocol, &c4, &c6);
	else
		route_pick(s, s->profile->port[protocol], &c4, &c6);
	routerproc_route_set(s->d->router, s->d->listeners[l].id, protocol, host, s->number,
		s->profile->plain_http && protocol == TRP_PROTO_HTTP1, c4, c6);
}

/* Its next start is to be without it (a port is not taken from one that runs), and another has it already. */
static bool has_given_up(const struct service *s, size_t l, enum trp_protocol protocol, const char *host)
{
	return s->pending && !has_route(s->d, s->pending, l, protocol, host) && others_have(s, l, protocol, host);
}

/* Calls the router for each (listener, protocol, name) of p: sets it; or, if not set, deletes it, unless kept or another service has it too. */
static void each_route(struct service *s, const struct profile *p, bool set, const struct profile *kept)
{
	for (int k = 0; k < TRP_PROTO_COUNT; k++) {
		enum trp_protocol protocol = (enum trp_protocol)k;
		for (size_t l = 0; p->port[k] && l < s->d->n_listeners; l++) {
			const char *host;
			for (size_t i = 0; (host = route_name_on(s->d, l, p, protocol, i)); i++) {
				if (set && !has_given_up(s, l, protocol, host))
					tell_route(s, l, protocol, host);
				else if (!set && !(kept && has_route(s->d, kept, l, protocol, host)) && !others_have(s, l, protocol, host))
					routerproc_route_del(s->d->router, s->d->listeners[l].id, protocol, host);
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

int route_adopt(struct service *s, const struct channel *known)
{
	struct channel c = *known;

	channel_id_used(c.id);
	if (s->n_channels == SERVICE_CHANNELS_MAX || !keep_has(s->d->keep, s->key, "channel-router", c.id) ||
		!keep_has(s->d->keep, s->key, "channel-service", c.id))
		return -ENOENT; /* the other end goes with what nobody takes over */
	c.router_end = keep_take(s->d->keep, s->key, "channel-router", c.id);
	c.service_end = keep_take(s->d->keep, s->key, "channel-service", c.id);
	if (c.router_end < 0 || c.service_end < 0) /* named twice */
		return -ENOENT;
	s->channels[s->n_channels++] = c;
	return 0;
}

/* Routers have been told that clients go elsewhere now, but may not have read it: who still comes there goes there, too. */
static void leave_channel(struct service *s, struct channel *c)
{
	routerproc_channel_del(s->d->router, c->id);
	renew_follow(s->shadow ? s->beside : s, c->id, c->service_end);
	/* the router's end last, as in hold.c */
	keep_drop(s->d->keep, s->key, "channel-service", c->id);
	keep_drop(s->d->keep, s->key, "channel-router", c->id);
	trp_close(&c->router_end);
}

void route_rest(struct service *s)
{
	for (size_t i = 0; i < s->n_channels; i++)
		leave_channel(s, &s->channels[i]);
	s->n_channels = 0;
	quota_tell(s);
}

void route_close(struct service *s)
{
	for (size_t i = 0; i < s->n_channels; i++)
		if (s->shadow && s->outgoing)
			leave_channel(s, &s->channels[i]);
		else
			close_channel(s, &s->channels[i]);
	s->n_channels = 0;
	renew_stop(s);
	quota_tell(s);
}

/* Are there news of it? */
static bool take_listen(struct service *s, const struct trp_init_msg *msg, uint16_t family, bool *ret_opened)
{
	struct channel *c = find_channel(s, msg->port, family);
	bool several = c && msg->several == 1 && !c->several && channel_take_several(c, s->profile->queue) == 0;

	if (several)
		routerproc_channel_several(s->d->router, c->id);
	if (!c || c->listened)
		return several; /* a tenant may say anything, and as often as it likes */
	return c->listened = *ret_opened = true;
}

bool route_listened(struct service *s, const struct trp_init_msg *msg)
{
	const bool both = msg->family == AF_UNSPEC;
	bool opened = false, news = take_listen(s, msg, both ? AF_INET : msg->family, &opened);

	if (both)
		news |= take_listen(s, msg, AF_INET6, &opened);
	if (opened && s->routes_told)
		route_update(s);
	if (opened)
		hold_update(s);
	return news;
}

bool route_any_listened(const struct service *s)
{
	for (size_t i = 0; i < s->n_channels; i++)
		if (s->channels[i].listened)
			return true;
	return false;
}

const struct channel *route_taken(const struct service *s, uint16_t port)
{
	const struct channel *v4 = find_channel(s, port, AF_INET), *v6 = find_channel(s, port, AF_INET6);

	return v4 && v4->listened ? v4 : v6 && v6->listened ? v6 : NULL;
}

bool route_all_listened(const struct service *s)
{
	for (int k = 0; k < TRP_PROTO_COUNT; k++) {
		uint16_t port = s->profile->port[k];
		if (port && !route_taken(s, port))
			return false;
	}
	return true;
}

static void tell_channels(struct service *s)
{
	for (size_t i = 0; i < s->n_channels; i++) {
		routerproc_channel_add(s->d->router, s->number, &s->channels[i]);
		if (s->channels[i].several)
			routerproc_channel_several(s->d->router, s->channels[i].id);
	}
	if (s->waiting.id)
		routerproc_channel_add(s->d->router, s->number, &s->waiting);
	if (s->n_channels > 0 || s->waiting.id)
		quota_tell(s);
}

void route_resync(struct daemon *d)
{
	for (struct service *s = d->services; s; s = s->next) {
		tell_channels(s);
		if (s->beside && !s->beside->outgoing) /* it may take its place */
			tell_channels(s->beside);
	}
	for (struct service *s = d->services; s; s = s->next)
		if (s->routes_told)
			route_update(s);
}

/* Its processes have it, and nobody can give them another. */
static bool has_lost_channel(const struct service *s)
{
	for (size_t i = 0; i < s->n_channels; i++)
		if (s->channels[i].listened && !channel_is_usable(&s->channels[i]))
			return true;
	return false;
}

void route_check(struct daemon *d)
{
	for (struct service *s = d->services; s; s = s->next) {
		hold_check(s);
		if (service_is_up(s) && s->run.running && !s->shadow && !s->run.stop_asked && has_lost_channel(s))
			instance_lost(s, "the channel through which its clients come was shut down");
	}
}

static size_t listener_by_id(const struct daemon *d, uint32_t id)
{
	size_t l = 0;

	while (l < d->n_listeners && d->listeners[l].id != id)
		l++;
	return l;
}

/* The routes that s had on an old listener of this number. */
static void forget_changed(const struct service *s, const struct config_listener *old, uint32_t id)
{
	const struct profile *p = s->profile;
	struct daemon *d = s->d;
	size_t l = listener_by_id(d, id);

	for (int k = 0; k < TRP_PROTO_COUNT; k++) {
		enum trp_protocol protocol = (enum trp_protocol)k;
		const char *host;
		for (size_t i = 0; (host = name_on(old, p, protocol, i)); i++)
			if (l == d->n_listeners || !(has_route(d, p, l, protocol, host) || others_have(s, l, protocol, host)))
				routerproc_route_del(d->router, id, protocol, host);
	}
}

void route_reconfigure(struct daemon *d, const struct config *old, const struct listener *old_listeners, size_t n_old)
{
	for (struct service *s = d->services; s; s = s->next)
		for (size_t j = 0; s->routes_told && j < n_old; j++)
			forget_changed(s, &old->listeners[j], old_listeners[j].id);
	for (struct service *s = d->services; s; s = s->next)
		if (s->routes_told)
			route_update(s);
}
