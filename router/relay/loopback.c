/* SPDX-License-Identifier: ISC */
/* loopback.c: adapter = loopback. We are in the upstream's network namespace, where every address is local: a client is connected to the
 * upstream's listening socket from its own address and port, so that accept(2) there tells who it is.
 *
 * A client is looked at where it lies (MSG_PEEK gives its descriptor), connected, and only then taken out of the channel, which is the backlog: as long as
 * the upstream does not listen, or its own backlog is full, clients stay there and outlive it. Nobody else reads the channel. Connecting is over
 * when connect(2) returns, as a rule; where it is not, the channel waits for that one.
 *
 * Whether the upstream listens is asked of the kernel (listening.h), not tried: a connection would be a client to it. Asked again and again
 * at the start, and after a connection was refused; not while all is well. */
#include "router/relay/relay.h"
#include "base/fdpass.h"
#include "base/log.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define MS             1000000ull
#define PER_TURN       64
#define LOOK_FIRST_NS  (2 * MS)
#define LOOK_MAX_NS    (500 * MS)
#define LOOK_LATE_NS   (5000 * MS) /* since anything came: a second family may be listened on a little later; then nothing wakes us any more */
#define RETRY_FIRST_NS (2 * MS)   /* the upstream's backlog is full */
#define RETRY_MAX_NS   (50 * MS)
#define DRAIN_NS       (400 * MS)
#define DRAIN_STEP_NS  (3 * MS)

static struct upstream *upstream_of(struct relay *r, const struct channel *ch)
{
	return &r->upstreams[ch->set - r->sets];
}

static bool is_dialing(const struct channel *ch)
{
	return ch->client_fd >= 0;
}

/* A program opens its sockets one after the other: as long as we look, the clients of a family that is not there yet wait. */
static bool may_take(struct relay *r, const struct channel *ch)
{
	const struct upstream *u = upstream_of(r, ch);
	int family = ch->family == AF_INET ? LISTENING_V4 : LISTENING_V6;

	return ch->fd >= 0 && !r->stopping && !is_dialing(ch) && u->open &&
		(listening_serves(&u->at, family) || r->look_due_ns == 0);
}

void loopback_watch(struct relay *r, struct channel *ch)
{
	bool on = !r->intake_off && may_take(r, ch);
	struct epoll_event ev = {.events = on ? EPOLLIN : RELAY_NO_EVENTS, .data.ptr = &ch->source};

	if (ch->fd >= 0 && on != ch->watched)
		epoll_ctl(r->epoll_fd, EPOLL_CTL_MOD, ch->fd, &ev);
	ch->watched = on;
}

static void watch_all(struct relay *r)
{
	for (size_t i = 0; i < r->n_channels; i++)
		loopback_watch(r, &r->channels[i]);
}

/* The message goes; its descriptor with it, as nobody asks for it. */
static void take_out(const struct channel *ch)
{
	char byte;

	(void)recv(ch->fd, &byte, 1, MSG_DONTWAIT | MSG_TRUNC);
}

/* What lies first in the channel becomes its client_fd and handoff. False: nothing does. */
static bool look(struct relay *r, struct channel *ch)
{
	for (;;) {
		int fd = -1;
		ssize_t n = trp_fd_recv_once(
			ch->fd, &ch->handoff, sizeof(ch->handoff), &fd, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		if (n == -EINTR)
			continue;
		if (n == 0 || n == -ECONNRESET)
			relay_unwatch_close(r, &ch->fd); /* router and daemon are gone; what is open goes on */
		if (n <= 0 && n != -EMSGSIZE && n != -EBADMSG)
			return false;
		if (n > 0 && trp_handoff_check(&ch->handoff, (size_t)n) == 0) {
			ch->client_fd = fd;
			ch->pause_ns = 0;
			return true;
		}
		trp_close(&fd);
		take_out(ch); /* no handoff */
	}
}

/* It stays in the channel. */
static void leave(struct channel *ch)
{
	trp_close(&ch->client_fd);
	trp_close(&ch->dial_fd);
	ch->due_ns = 0;
}

/* error 0: it is connected by dial_fd; else it is told that there is no service. */
static void settle(struct relay *r, struct channel *ch, int error)
{
	int client = trp_steal_fd(&ch->client_fd), target = trp_steal_fd(&ch->dial_fd);

	take_out(ch);
	ch->due_ns = 0;
	if (error < 0)
		trp_close(&target);
	else
		ch->full_since_ns = 0;
	conn_open_loopback(r, client, target, &ch->handoff, error);
}

static void look_soon(struct relay *r)
{
	r->look_since_ns = r->now_ns;
	r->look_pause_ns = LOOK_FIRST_NS;
	r->look_due_ns = r->now_ns + LOOK_FIRST_NS;
}

static void closed(struct relay *r, struct channel *ch)
{
	struct upstream *u = upstream_of(r, ch);

	leave(ch);
	u->open = false;
	u->closed_ns = r->now_ns;
	look_soon(r);
	watch_all(r);
}

/* To where it spoke to, as far as the upstream listens there. */
static bool destination(struct relay *r, struct channel *ch, struct trp_addr *ret)
{
	struct trp_handoff *h = &ch->handoff;
	struct trp_addr local;
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	if (!h->local.family && getsockname(ch->client_fd, (struct sockaddr *)&sa, &len) == 0)
		trp_addr_from_sockaddr(&h->local, (struct sockaddr *)&sa);
	local = h->local;
	if (!local.family || listening_family(&local) != listening_family(&h->peer)) {
		bool v4 = listening_family(&h->peer) == LISTENING_V4;
		local = (struct trp_addr){.family = v4 ? AF_INET : AF_INET6, .ip = {[0] = v4 ? 127 : 0, [3] = v4, [15] = !v4}};
	}
	return listening_address(&upstream_of(r, ch)->at, &local, ch->port, ret);
}

/* Connects client_fd. False: the channel has to wait, for it or for the upstream. */
static bool attempt(struct relay *r, struct channel *ch)
{
	struct trp_addr to;
	int fd;

	if (!destination(r, ch, &to)) {
		settle(r, ch, -EAFNOSUPPORT);
		return true;
	}
	fd = dial_from(&ch->handoff.peer, &to, &ch->dial_fd);
	if ((fd == -EADDRNOTAVAIL || fd == -EADDRINUSE) && conn_give_way(r, &ch->handoff))
		fd = dial_from(&ch->handoff.peer, &to, &ch->dial_fd);
	if (fd == -ECONNREFUSED) {
		closed(r, ch);
		return false;
	}
	if (fd != -EINPROGRESS) {
		settle(r, ch, fd);
		return true;
	}
	if (ch->full_since_ns == 0)
		ch->full_since_ns = r->now_ns;
	ch->pause_ns = ch->pause_ns ? ch->pause_ns * 2 : RETRY_FIRST_NS;
	if (ch->pause_ns > RETRY_MAX_NS)
		ch->pause_ns = RETRY_MAX_NS;
	ch->due_ns = r->now_ns + ch->pause_ns;
	relay_watch(r, ch->dial_fd, EPOLLOUT | EPOLLONESHOT, &ch->dial_source);
	return false;
}

void loopback_ready(struct relay *r, struct channel *ch)
{
	for (int i = 0; i < PER_TURN && may_take(r, ch); i++) {
		if (r->n_conns >= r->conns_max) {
			intake_switch(r, false);
			return;
		}
		if (!look(r, ch) || !attempt(r, ch))
			break;
	}
	loopback_watch(r, ch);
}

/* A connection that was not decided at once is. It is watched for other things from now on. */
static void decided(struct relay *r, struct channel *ch, int error)
{
	epoll_ctl(r->epoll_fd, EPOLL_CTL_DEL, ch->dial_fd, NULL);
	if (error == -ECONNREFUSED)
		closed(r, ch);
	else
		settle(r, ch, error);
}

void loopback_dialed(struct relay *r, struct channel *ch)
{
	if (ch->dial_fd < 0)
		return;
	decided(r, ch, dial_result(ch->dial_fd));
	loopback_watch(r, ch);
}

/* -EAGAIN: it is not decided. */
static int ask(int fd)
{
	return send(fd, "", 0, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* The upstream's backlog is full: the kernel's next try would be in a second. When that has lasted for as long as a client may wait, those behind it
 * need not do so again, one after the other. */
static void try_again(struct relay *r, struct channel *ch)
{
	int error;

	if (ch->due_ns == 0 || r->now_ns < ch->due_ns)
		return;
	error = ask(ch->dial_fd); /* the answer may be there, and not have been looked at */
	if (error != -EAGAIN) {
		decided(r, ch, error);
	} else {
		trp_close(&ch->dial_fd);
		if (r->now_ns - ch->full_since_ns >= r->opt.connect_timeout_ms * MS)
			settle(r, ch, -ETIMEDOUT);
		else
			attempt(r, ch);
	}
	loopback_watch(r, ch);
}

/* Both families in one message, if both are new: with the first the service is ready, and clients of the other would be refused. */
static void tell_open(struct relay *r, struct upstream *u, uint16_t port)
{
	static const uint16_t families[] = {[LISTENING_V4] = AF_INET, [LISTENING_V6] = AF_INET6};
	uint16_t family = 0;
	int n = 0;

	for (int f = 0; f < LISTENING_FAMILIES; f++) {
		if (!listening_serves(&u->at, f) || u->told[f])
			continue;
		u->told[f] = true;
		family = families[f];
		n++;
	}
	if (n > 0)
		control_listens(r, port, n == 1 ? family : AF_UNSPEC, !u->at.family[LISTENING_V4].any);
}

/* It was open, and has not been for longer than a connection may take: who waits gets an answer. */
static void refuse_waiting(struct relay *r, struct upstream *u)
{
	if (!u->closed_ns || r->now_ns - u->closed_ns < r->opt.connect_timeout_ms * MS)
		return;
	for (size_t i = 0; i < r->n_channels; i++) {
		struct channel *ch = &r->channels[i];
		while (ch->fd >= 0 && upstream_of(r, ch) == u && !is_dialing(ch) && r->n_conns < r->conns_max && look(r, ch))
			settle(r, ch, -ECONNREFUSED);
	}
}

static unsigned families(const struct upstream *u)
{
	return listening_serves(&u->at, LISTENING_V4) + 2u * listening_serves(&u->at, LISTENING_V6);
}

/* Returns whether the port is listened on. */
static bool look_at(struct relay *r, struct upstream *u, uint16_t port)
{
	const bool was_open = u->open;
	unsigned before = families(u);
	int error = listening_ask(r->diag_fd, port, &u->at);

	if (error < 0 && error != -EAGAIN)
		log_fatal("the kernel does not tell who listens: %s", strerror(-error));
	u->open = error == 0 && families(u);
	if (was_open && !u->open) /* nobody has been refused yet */
		u->closed_ns = r->now_ns;
	if (!u->open) {
		refuse_waiting(r, u);
		return false;
	}
	u->closed_ns = 0;
	u->unchanged = was_open && families(u) == before ? u->unchanged + 1 : 0;
	if (u->unchanged == 0) { /* the next of its sockets may come at once, or a little later, however long the first took */
		r->look_pause_ns = LOOK_FIRST_NS;
		r->look_since_ns = r->now_ns;
	}
	if (u->unchanged >= 2) /* so that ready means all of them, as a rule */
		tell_open(r, u, port);
	return true;
}

/* Returns whether each port is. */
static bool look_at_all(struct relay *r)
{
	bool all = true;

	for (size_t i = 0; i < r->n_sets; i++)
		all &= look_at(r, &r->upstreams[i], r->set_port[i]);
	return all;
}

static void look_if_due(struct relay *r)
{
	bool all;

	if (r->look_due_ns == 0 || r->now_ns < r->look_due_ns)
		return;
	all = look_at_all(r);
	r->look_pause_ns += r->look_pause_ns / 2;
	if (r->look_pause_ns > LOOK_MAX_NS)
		r->look_pause_ns = LOOK_MAX_NS;
	r->look_due_ns = all && r->now_ns - r->look_since_ns > LOOK_LATE_NS ? 0 : r->now_ns + r->look_pause_ns;
	watch_all(r);
}

void loopback_begin(struct relay *r)
{
	look_soon(r);
	watch_all(r);
}

void loopback_drain(struct relay *r)
{
	if (r->stopping)
		return;
	r->stopping = true;
	for (size_t i = 0; i < r->n_channels; i++) {
		leave(&r->channels[i]);
		relay_unwatch_close(r, &r->channels[i].fd);
	}
	r->look_due_ns = 0;
	r->drain_end_ns = r->now_ns + DRAIN_NS;
	r->drain_due_ns = r->now_ns;
}

/* Who is connected and not yet accepted would be lost when the upstream closes its socket. */
static void drain_if_due(struct relay *r)
{
	uint32_t queued = 0;

	if (r->drain_due_ns == 0 || r->now_ns < r->drain_due_ns)
		return;
	for (size_t i = 0; i < r->n_sets; i++) {
		struct listening at = {.queued = 0};
		if (listening_ask(r->diag_fd, r->set_port[i], &at) == 0)
			queued += at.queued;
	}
	r->drain_due_ns = r->now_ns + DRAIN_STEP_NS;
	if (queued > 0 && r->now_ns < r->drain_end_ns)
		return;
	r->drain_due_ns = 0;
	control_drained(r);
}

int loopback_run(struct relay *r)
{
	uint64_t next = UINT64_MAX;

	if (!r->opt.loopback)
		return -1;
	look_if_due(r);
	drain_if_due(r);
	for (size_t i = 0; i < r->n_channels; i++) {
		try_again(r, &r->channels[i]);
		if (r->channels[i].due_ns && r->channels[i].due_ns < next)
			next = r->channels[i].due_ns;
	}
	if (r->look_due_ns && r->look_due_ns < next)
		next = r->look_due_ns;
	if (r->drain_due_ns && r->drain_due_ns < next)
		next = r->drain_due_ns;
	if (next == UINT64_MAX)
		return r->stopping && r->n_conns == 0 ? 0 : -1; /* that was the last thing to be done */
	return next <= r->now_ns ? 0 : (int)((next - r->now_ns) / MS) + 1;
}
