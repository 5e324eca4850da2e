/* SPDX-License-Identifier: ISC */
/* routertell.c: what all routers are told (router/control.h): listeners, channels, routes and limits. */
#include "supervisor/channel.h"
#include "supervisor/observer.h"
#include "supervisor/routerset.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void routers_send(struct routerproc *r, struct router_msg *msg, const int *fd)
{
	bool listener = msg->type == ROUTER_LISTENER_ADD || msg->type == ROUTER_TRUST_ADD;

	for (struct worker *w = r->workers; w; w = w->next)
		if ((!r->only || w == r->only) && (!listener || w->listening) && !w->adopted)
			worker_send(w, msg, fd ? *fd : -1);
}

/* Whose PROXY protocol the listener takes that comes next */
static void tell_trust(struct routerproc *r, uint32_t listener, const struct config_listener *c)
{
	for (size_t i = 0; i < c->n_trusted; i += ROUTER_TRUST_MAX) {
		struct router_msg some = {.type = ROUTER_TRUST_ADD, .id = listener};
		size_t left = c->n_trusted - i;
		some.n_members = (uint32_t)(left < ROUTER_TRUST_MAX ? left : ROUTER_TRUST_MAX);
		memcpy(some.trusted, c->trusted + i, some.n_members * sizeof(*c->trusted));
		routers_send(r, &some, NULL);
	}
}

/* To one router, the first that has the listener. */
static void give_early(struct routerproc *r, struct listener *l)
{
	struct worker *w = r->only ? r->only : r->workers;

	while (w && !w->listening)
		w = w->next;
	while (w && l->n_early > 0) {
		struct router_msg msg = {.type = ROUTER_CLIENT_ADD, .id = l->id};
		struct sockaddr_storage peer = {0};
		socklen_t len = sizeof(peer);
		int fd = l->early[--l->n_early];
		if (getpeername(fd, (struct sockaddr *)&peer, &len) == 0) {
			trp_addr_from_sockaddr(&msg.peer, (struct sockaddr *)&peer);
			worker_send(w, &msg, fd);
		}
		close(fd);
	}
}

void routerproc_listener_set(struct routerproc *r, size_t index)
{
	const struct config_listener *c = &r->d->config->listeners[index];
	struct router_msg msg = {.type = ROUTER_LISTENER_ADD,
		.id = r->d->listeners[index].id,
		.protocols = c->protocols,
		.deadline_ms = (uint32_t)c->deadline_ms,
		.redirect = {r->d->listeners[index].redirect_to, r->d->listeners[index].redirect_port, 0}};

	observer_listener(r->d->observer, index); /* its name is known before its clients are */
	tell_trust(r, msg.id, c);
	routers_send(r, &msg, &r->d->listeners[index].fd);
	routerwatch_listener(&r->watch, r->d->listeners[index].fd);
	give_early(r, &r->d->listeners[index]);
}

void routerproc_listener_del(struct routerproc *r, uint32_t id)
{
	struct router_msg msg = {.type = ROUTER_LISTENER_DEL, .id = id};

	routers_send(r, &msg, NULL);
}

struct router_rate routerproc_rate(uint64_t interval_ns, uint64_t burst)
{
	uint64_t second = interval_ns ? 1000000000u / interval_ns : 0;

	if (burst == 0)
		burst = second > 10 ? second : 10;
	return (struct router_rate){.interval_ns = interval_ns, .burst = (uint32_t)burst};
}

void routerproc_limits_set(struct routerproc *r)
{
	const struct config *c = r->d->config;
	struct router_msg msg = {.type = ROUTER_LIMITS_SET,
		.limits = {.rate = routerproc_rate(c->client_interval_ns, c->client_burst),
			.waiting_permille = (uint32_t)c->client_waiting_permille}};

	routers_send(r, &msg, NULL);
}

void routerproc_channel_add(struct routerproc *r, uint32_t service, const struct channel *c)
{
	struct router_msg msg = {.type = ROUTER_CHANNEL_ADD, .id = c->id, .service = service, .nonblock = c->nonblock};
	routers_send(r, &msg, &c->router_end);
}

void routerproc_channel_del(struct routerproc *r, uint32_t id)
{
	struct router_msg msg = {.type = ROUTER_CHANNEL_DEL, .id = id};
	routers_send(r, &msg, NULL);
}

void routerproc_channel_several(struct routerproc *r, uint32_t id)
{
	struct router_msg msg = {.type = ROUTER_CHANNEL_SEVERAL, .id = id};
	routers_send(r, &msg, NULL);
}

void routerproc_group_set(struct routerproc *r, uint32_t id, const uint32_t *channels, uint32_t n)
{
	struct router_msg msg = {.type = ROUTER_GROUP_SET, .id = id, .n_members = n};

	memcpy(msg.members, channels, n * sizeof(*channels));
	routers_send(r, &msg, NULL);
}

void routerproc_quota_set(struct routerproc *r, uint32_t id, const struct router_quota *quota)
{
	struct router_msg msg = {.type = ROUTER_QUOTA_SET, .id = id, .quota = *quota};
	routers_send(r, &msg, NULL);
}

/* What has a client in it is for any router that has the listeners, or the next one. */
static void send_to_one(struct routerproc *r, struct router_msg *msg, int fd)
{
	struct worker *w = r->workers;

	while (w && !(w->listening && !w->adopted))
		w = w->next;
	if (w)
		worker_send(w, msg, fd);
	else
		(void)outbox_keep(&r->refused, msg, fd); /* more of them than descriptors to spare see a close */
}

void routerproc_refuse(
	struct routerproc *r, uint32_t service, enum router_verdict verdict, const struct trp_handoff *h, int fd)
{
	struct router_msg msg = {.type = ROUTER_REFUSE, .service = service, .verdict = (uint8_t)verdict, .handoff = *h};

	if (r && h->protocol < TRP_PROTO_COUNT) /* else there is nobody who could: it sees a close */
		send_to_one(r, &msg, fd);
}

void routers_unread(struct worker *w, struct router_msg *msg, int fd)
{
	send_to_one(w->owner, msg, fd);
}

void routers_give_refused(struct routerproc *r, struct worker *w)
{
	struct router_msg msg;
	int fd;

	while (w->listening && outbox_take(&r->refused, &msg, &fd)) {
		worker_send(w, &msg, fd);
		trp_close(&fd);
	}
}

void routers_send_route(struct routerproc *r, struct router_msg *msg, const char *host)
{
	size_t len = strlen(host);

	msg->name_len = (uint8_t)len;
	memcpy(msg->name, host, len);
	routers_send(r, msg, NULL);
}

void routerproc_route_set(struct routerproc *r, uint32_t listener, enum trp_protocol protocol, const char *host,
	uint32_t service, bool plain, uint32_t channel4, uint32_t channel6)
{
	struct router_msg msg = {.type = ROUTER_ROUTE_SET,
		.plain = plain,
		.listener = listener,
		.protocol = (uint8_t)protocol,
		.service = service,
		.channel4 = channel4,
		.channel6 = channel6};
	routers_send_route(r, &msg, host);
}

void routerproc_route_del(struct routerproc *r, uint32_t listener, enum trp_protocol protocol, const char *host)
{
	struct router_msg msg = {.type = ROUTER_ROUTE_DEL, .listener = listener, .protocol = (uint8_t)protocol};
	routers_send_route(r, &msg, host);
}
