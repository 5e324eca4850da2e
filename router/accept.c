/* SPDX-License-Identifier: ISC */
/* Listeners: clients come in. */
#include "router/router.h"
#include "base/util.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define BATCH_MAX     64 /* clients accepted before others have their turn */
#define ALONE_SURE    8
#define PAUSE_NS      (100u * 1000 * 1000) /* out of descriptors: try again after */
#define PAUSE_TELL_NS (10ull * 1000 * 1000 * 1000)

static int watch_listener(struct router *r, struct listener *l)
{
	/* EXCLUSIVE: of several routers on one listener, one is woken */
	return router_watch(r, l->fd, EPOLLIN | EPOLLEXCLUSIVE,
		SOURCE_DATA(SOURCE_LISTENER, 0, l - r->listeners));
}

/* accept4() would fail again and again, and the listener stay readable: without this the loop
 * spins. */
static void pause_listeners(struct router *r)
{
	if (r->pause_told_ns == 0 || r->now_ns - r->pause_told_ns > PAUSE_TELL_NS) {
		r->pause_told_ns = r->now_ns;
		r->notice("out of descriptors or memory: clients have to wait (RLIMIT_NOFILE too "
			  "low?)");
	}
	wait_evict(r);
	r->paused_until_ns = r->now_ns + PAUSE_NS;
	for (uint32_t i = 0; i < r->n_listeners; i++)
		if (r->listeners[i].fd >= 0)
			router_unwatch(r, r->listeners[i].fd);
}

void listeners_resume(struct router *r)
{
	r->paused_until_ns = 0;
	for (uint32_t i = 0; i < r->n_listeners; i++)
		if (r->listeners[i].fd >= 0)
			watch_listener(r, &r->listeners[i]);
}

/* May accept4() be called again after this error? accept(2): errors of the client's connection come
 * out of it. */
static bool is_clients_error(int error)
{
	switch (error) {
	case ECONNABORTED:
	case EINTR:
	case EPROTO:
	case ENETDOWN:
	case ENOPROTOOPT:
	case EHOSTDOWN:
	case ENONET:
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EPERM:
		return true;
	default:
		return false;
	}
}

static void accept_failed(struct router *r, struct listener *l, int error)
{
	switch (error) {
	case EAGAIN:
		break;
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
		pause_listeners(r);
		break;
	default: /* it listens no more */
		r->notice("a listener is broken and was dropped");
		listener_del(r, l->id);
	}
}

/* A turn found the listener empty after n clients. */
static void count_turn(struct listener *l, int n)
{
	if (n != 1)
		l->alone = 0;
	else if (l->alone < ALONE_SURE)
		l->alone++;
	l->unasked = 0;
}

/* Where clients come one at a time, to ask each time for another costs more than it saves. It is
 * still done now and then, to see whether that has changed. */
static bool comes_alone(struct listener *l, int n)
{
	return n == 1 && l->alone == ALONE_SURE && l->unasked++ < ALONE_SURE;
}

void listener_ready(struct router *r, uint32_t index)
{
	struct listener *l = &r->listeners[index];
	struct client c = {.listener = (uint16_t)index};
	union {
		struct sockaddr any;
		struct sockaddr_in6 in6;
	} peer;
	socklen_t len;

	for (int i = 0; i < BATCH_MAX && l->fd >= 0 && r->paused_until_ns == 0; i++) {
		len = sizeof(peer);
		/* without SOCK_NONBLOCK: that belongs to the description, which the service gets */
		c.fd = accept4(l->fd, &peer.any, &len, SOCK_CLOEXEC);
		if (c.fd < 0) {
			if (is_clients_error(errno))
				continue;
			count_turn(l, i);
			accept_failed(r, l, errno);
			return;
		}
		r->stats.accepted++;
		router_update_clock(r);
		c.accepted_ns = r->now_ns;
		trp_addr_from_sockaddr(&c.peer, &peer.any);
		client_arrived(r, &c);
		if (comes_alone(l, i + 1))
			return;
	}
}

static struct listener *find_listener(struct router *r, uint32_t id)
{
	for (uint32_t i = 0; i < r->n_listeners; i++)
		if (r->listeners[i].fd >= 0 && r->listeners[i].id == id)
			return &r->listeners[i];
	return NULL;
}

int listener_add(struct router *r, const struct router_msg *m, int fd)
{
	struct listener *l = NULL;
	int flags = fcntl(fd, F_GETFL);
	uint32_t i;

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	listener_del(r, m->id);
	for (i = 0; i < ROUTER_LISTENERS_MAX && !l; i++)
		if (r->listeners[i].fd < 0 && r->listeners[i].waiting.first == 0)
			l = &r->listeners[i];
	if (!l)
		return -ENOSPC;
	if (i > r->n_listeners)
		r->n_listeners = i;
	l->id = m->id;
	l->fd = fd;
	l->protocols = m->protocols;
	l->deadline_ns = m->deadline_ms * (uint64_t)1000000;
	if (r->paused_until_ns)
		return 0;
	int err = watch_listener(r, l);
	if (err < 0)
		l->fd = -1;
	return err;
}

void listener_del(struct router *r, uint32_t id)
{
	struct listener *l = find_listener(r, id);

	if (!l)
		return;
	router_unwatch(r, l->fd); /* the daemon has it too: closing is not enough */
	trp_close(&l->fd);
}
