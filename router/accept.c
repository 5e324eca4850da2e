/* SPDX-License-Identifier: ISC */
/* Listeners: clients come in. */
#include "router/router.h"
#include "base/util.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define BATCH_MAX     64 /* clients accepted before others have their turn */
#define RETIRE_TURNS  64 /* a whole backlog */
#define ALONE_SURE    8  /* turns in a row with one client */
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
		if (r->listeners[i].fd >= 0 && watch_listener(r, &r->listeners[i]) < 0) {
			pause_listeners(r); /* still short: one that is not watched now would never be again */
			return;
		}
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
	case EINVAL: /* shut down by the daemon, which puts another in its place */
		listener_del(r, l->id);
		break;
	default: /* it listens no more */
		r->notice("a listener is broken and was dropped");
		listener_del(r, l->id);
	}
}

/* How many may be accepted now; BATCH_MAX also if that is not known. accept4() makes a file and an inode before it finds that
 * nobody is left, which is dear as an accept; this is half of it. Of a listener tcpi_unacked is the number of connections in its queue
 * (tcp_get_info() in net/ipv4/tcp.c, sk_ack_backlog). */
static int count_ready(const struct listener *l)
{
	struct tcp_info info;
	socklen_t len = offsetof(struct tcp_info, tcpi_sacked);

	if (getsockopt(l->fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0 || info.tcpi_state != TCP_LISTEN)
		return BATCH_MAX;
	return info.tcpi_unacked < BATCH_MAX ? (int)info.tcpi_unacked : BATCH_MAX;
}

/* How many to accept in this turn. Where clients come one at a time, to ask each time for another costs more than it saves. It
 * is still done now and then, to see whether that has changed. */
static int plan_turn(struct listener *l)
{
	int n;

	if (l->alone == ALONE_SURE && l->unasked++ < ALONE_SURE)
		return 1;
	n = count_ready(l);
	if (n != 1)
		l->alone = 0;
	else if (l->alone < ALONE_SURE)
		l->alone++;
	l->unasked = 0;
	return n;
}

/* False: nobody is left for now. */
static bool accept_turn(struct router *r, uint32_t index)
{
	struct listener *l = &r->listeners[index];
	struct client c = {.listener = (uint16_t)index};
	const int n = plan_turn(l);
	union {
		struct sockaddr any;
		struct sockaddr_in6 in6;
	} peer;
	socklen_t len;

	for (int i = 0; i < n && l->fd >= 0 && r->paused_until_ns == 0; i++) {
		len = sizeof(peer);
		/* O_NONBLOCK belongs to the description, which the service gets (handon.c: suit()) */
		c.nonblock = l->nonblock;
		c.fd = accept4(l->fd, &peer.any, &len, SOCK_CLOEXEC | (l->nonblock ? SOCK_NONBLOCK : 0));
		if (c.fd < 0) {
			if (is_clients_error(errno))
				continue;
			/* those that are held have descriptors which could be free */
			if (errno != EAGAIN && handon_flush(r))
				continue;
			accept_failed(r, l, errno);
			return false;
		}
		r->stats.accepted++;
		router_update_clock(r);
		c.accepted_ns = r->now_ns;
		trp_addr_from_sockaddr(&c.peer, &peer.any);
		client_arrived(r, &c);
	}
	return n > 0 && l->fd >= 0 && r->paused_until_ns == 0;
}

void listener_ready(struct router *r, uint32_t index)
{
	handon_hold(r);
	accept_turn(r, index);
	handon_flush(r);
}

/* Each client wakes one of the routers that watch its listener (EPOLLEXCLUSIVE). Those who woke this one would wait for the
 * next client to wake another: so it watches no more first, then takes them. */
void listeners_retire(struct router *r)
{
	r->retired = true;
	for (uint32_t i = 0; i < r->n_listeners; i++) {
		struct listener *l = &r->listeners[i];
		if (l->fd < 0)
			continue;
		router_unwatch(r, l->fd);
		for (int turns = 0; turns < RETIRE_TURNS; turns++) {
			handon_hold(r);
			bool more = accept_turn(r, i);
			handon_flush(r);
			if (!more)
				break;
		}
		trp_close(&l->fd);
	}
}

static struct listener *find_listener(struct router *r, uint32_t id)
{
	for (uint32_t i = 0; i < r->n_listeners; i++)
		if (r->listeners[i].fd >= 0 && r->listeners[i].id == id)
			return &r->listeners[i];
	return NULL;
}

/* A place for one more, NULL: there is none */
static struct listener *free_place(struct router *r)
{
	for (uint32_t i = 0; i < ROUTER_LISTENERS_MAX; i++) {
		if (r->listeners[i].fd >= 0 || r->listeners[i].waiting.first != 0)
			continue;
		if (i >= r->n_listeners)
			r->n_listeners = i + 1;
		return &r->listeners[i];
	}
	return NULL;
}

int listener_add(struct router *r, const struct router_msg *m, int fd)
{
	struct listener *l;
	int flags = fcntl(fd, F_GETFL);

	if (r->retired)
		return -EBADMSG;
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	listener_del(r, m->id);
	l = free_place(r);
	if (!l && wait_free_listener(r))
		l = free_place(r);
	if (!l)
		return -ENOSPC;
	l->id = m->id;
	l->fd = fd;
	l->protocols = m->protocols;
	trust_take(&l->trust, &r->trust_told, m->id);
	l->redirect = m->redirect;
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

void listener_give(struct router *r, const struct router_msg *m, int fd)
{
	const struct listener *l = find_listener(r, m->id);
	struct client c = {.peer = m->peer, .fd = fd};

	if (!l) {
		close(fd);
		return;
	}
	c.listener = (uint16_t)(l - r->listeners);
	r->stats.accepted++;
	router_update_clock(r);
	c.accepted_ns = r->now_ns;
	client_arrived(r, &c);
}

void listener_take_back(struct router *r, const struct router_msg *m, int fd)
{
	const struct trp_handoff *h = &m->handoff;
	const struct listener *l = find_listener(r, h->listener);
	const struct note note = {.service = m->service, .name = h->name, .name_len = h->name_len, .taken_back = true};
	struct client c = {.accepted_ns = h->accepted_ns, .peer = h->peer, .local = h->local, .fd = fd,
		.protocol = h->protocol, .flags = h->flags & ~TRP_HANDOFF_NONBLOCK};

	if (h->listener == 0) { /* a check of the daemon's */
		close(fd);
		return;
	}
	if (!l) {
		r->listeners[ROUTER_LISTENER_GONE] = (struct listener){.id = h->listener, .fd = -1, .protocols = 1u << h->protocol};
		l = &r->listeners[ROUTER_LISTENER_GONE];
	}
	c.listener = (uint16_t)(l - r->listeners);
	router_update_clock(r);
	client_refuse_late(r, &c, (enum refusal)(m->verdict - VERDICT_REFUSED), &note);
}
