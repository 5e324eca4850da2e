/* SPDX-License-Identifier: ISC */
/* conn.c: one client's connection, from its intake to its end. */
#include "router/relay/relay.h"
#include "base/log.h"
#include "router/protocol/refuse.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define MS              1000000ull
#define REFUSED_MS      2000 /* for the client to read why */
#define SOCKET_EVENTS   (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)
#define CONN_OF_CLOCK(l) ((struct conn *)(void *)((char *)(l) - offsetof(struct conn, clock)))

enum { CLIENT, TARGET };

static void unlink_clock(struct conn *c)
{
	c->clock.prev->next = c->clock.next;
	c->clock.next->prev = c->clock.prev;
}

/* To the end of a list: each list is in the order of moved_ns, because all in it have the same time-out. */
static void set_clock(struct relay *r, struct conn *c, enum conn_clock clock)
{
	struct conn_link *list = &r->clocks[clock];

	if (c->clock.next)
		unlink_clock(c);
	c->moved_ns = r->now_ns;
	c->clock.prev = list->prev;
	c->clock.next = list;
	list->prev->next = &c->clock;
	list->prev = &c->clock;
}

static void uncount(struct conn *c)
{
	if (c->counted)
		c->set->targets[c->target].active--;
	c->counted = false;
}

/* The upstream is told of a client's end as the network would tell it: who has not ended in order is reset, and its address and port
 * are free at once for the client to come back. */
static void reset_target(struct conn *c)
{
	const struct linger at_once = {.l_onoff = 1};

	if (c->fd[TARGET] >= 0 && (c->reset || !c->flow[0].shut || !c->flow[1].shut))
		setsockopt(c->fd[TARGET], SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

static void end(struct relay *r, struct conn *c)
{
	if (r->opt.loopback)
		reset_target(c);
	for (int i = 0; i < 2; i++)
		flow_drop(r, &c->flow[i]);
	uncount(c);
	peers_del(c);
	relay_unwatch_close(r, &c->fd[CLIENT]);
	trp_close(&c->fd[TARGET]);
	unlink_clock(c);
	c->state = CONN_DEAD;
	if (!c->queued) {
		c->next = r->dead;
		r->dead = c;
	}
	r->n_conns--;
	intake_switch(r, true);
}

void conn_free_dead(struct relay *r)
{
	while (r->dead) {
		struct conn *c = r->dead;
		r->dead = c->next;
		free(c);
	}
}

/* Takes what the client still sends, so that the close does not become a reset that destroys the answer on its way. */
static void drain(struct relay *r, struct conn *c)
{
	static char buffer[4096];
	ssize_t n;

	for (int i = 0; i < 16; i++) {
		n = recv(c->fd[CLIENT], buffer, sizeof(buffer), MSG_TRUNC | MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			end(r, c);
			return;
		}
	}
	relay_enqueue(r, c);
}

static void refuse(struct relay *r, struct conn *c, int error)
{
	char answer[REFUSE_ANSWER_MAX];
	size_t len = refuse_answer(REFUSE_NO_SERVICE, c->protocol, 0, answer);

	r->refused++;
	if (r->now_ns - r->complained_ns >= RELAY_COMPLAIN_NS || r->complained_ns == 0) {
		r->complained_ns = r->now_ns;
		log_warn("%s (%s): a client is turned away, %llu so far",
			r->opt.loopback ? "the program cannot be reached from a client's own address"
					: "no target can be reached",
			strerror(-error), (unsigned long long)r->refused);
	}
	if (len == 0 || send(c->fd[CLIENT], answer, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ||
		shutdown(c->fd[CLIENT], SHUT_WR) < 0) {
		end(r, c);
		return;
	}
	c->state = CONN_REFUSED;
	set_clock(r, c, CLOCK_REFUSED);
	drain(r, c);
}

/* Begins a connection to the next target. error: what became of the last one. */
static void dial(struct relay *r, struct conn *c, int error)
{
	for (;;) {
		int at = target_pick(c->set, r->opt.balance, &c->peer, c->tried, r->now_ns);
		if (at == TARGET_NONE) {
			refuse(r, c, error);
			return;
		}
		c->target = (int8_t)at;
		c->tried |= 1ull << at;
		c->fd[TARGET] = dial_start(&c->set->targets[at]);
		if (c->fd[TARGET] >= 0)
			break;
		error = c->fd[TARGET];
		dial_note(r, c->set, (size_t)at, error);
	}
	c->set->targets[c->target].active++;
	c->counted = true;
	c->hung_up[TARGET] = false;
	set_clock(r, c, CLOCK_CONNECT);
	if (relay_watch(r, c->fd[TARGET], SOCKET_EVENTS, &c->side[TARGET]) < 0)
		end(r, c);
}

static void dial_failed(struct relay *r, struct conn *c, int error)
{
	dial_note(r, c->set, (size_t)c->target, error);
	uncount(c);
	trp_close(&c->fd[TARGET]);
	dial(r, c, error);
}

/* Into an empty send buffer: all of it or nothing. */
static int send_header(struct relay *r, struct conn *c)
{
	char header[PROXY_HEADER_MAX];
	struct sockaddr_storage local;
	socklen_t size = sizeof(local);
	ssize_t n;
	size_t len;

	if (r->opt.proxy == PROXY_NO)
		return 0;
	if (!c->local.family && getsockname(c->fd[CLIENT], (struct sockaddr *)&local, &size) == 0)
		trp_addr_from_sockaddr(&c->local, (struct sockaddr *)&local);
	len = proxy_header(r->opt.proxy, &c->peer, &c->local, header);
	n = send(c->fd[TARGET], header, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

static void connected(struct relay *r, struct conn *c)
{
	int error = dial_result(c->fd[TARGET]);

	if (error == 0)
		error = send_header(r, c);
	if (error < 0) {
		dial_failed(r, c, error);
		return;
	}
	dial_note(r, c->set, (size_t)c->target, 0);
	c->state = CONN_OPEN;
	set_clock(r, c, CLOCK_IDLE);
	relay_enqueue(r, c);
}

/* The client's socket goes on to one of the set's unix sockets, as it is. Returns 0 when somebody has it, else why not. */
static int pass_on(struct relay *r, struct target_set *set, int fd, const struct trp_handoff *h)
{
	uint64_t tried = 0;
	int error = -ECONNREFUSED;

	for (;;) {
		int at = target_pick(set, r->opt.balance, &h->peer, tried, r->now_ns);
		if (at == TARGET_NONE)
			return error;
		tried |= 1ull << at;
		error = dial_pass(&set->targets[at], fd);
		dial_note(r, set, (size_t)at, error);
		if (error == 0)
			return 0;
	}
}

/* Takes fd. NULL: it is closed. */
static struct conn *make(struct relay *r, struct target_set *set, int fd, const struct trp_handoff *h)
{
	struct conn *c = calloc(1, sizeof(*c));
	int on = 1;

	/* the router has closed its own: the description's flags are ours alone */
	if (!c || fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK) < 0) {
		close(fd);
		free(c);
		return NULL;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	*c = (struct conn){.side = {{SOURCE_CLIENT}, {SOURCE_TARGET}},
		.state = CONN_CONNECTING,
		.protocol = h->protocol,
		.target = TARGET_NONE,
		.fd = {fd, -1},
		.set = set,
		.peer = h->peer,
		.local = h->local};
	r->n_conns++;
	r->clients++;
	set_clock(r, c, CLOCK_CONNECT);
	if (relay_watch(r, fd, SOCKET_EVENTS, &c->side[CLIENT]) == 0)
		return c;
	end(r, c);
	return NULL;
}

void conn_open(struct relay *r, struct target_set *set, int fd, const struct trp_handoff *h)
{
	int error = r->opt.pass_on ? pass_on(r, set, fd, h) : -ECONNREFUSED;
	struct conn *c;

	if (error == 0) {
		r->clients++;
		close(fd);
		return;
	}
	c = make(r, set, fd, h);
	if (c && r->opt.pass_on)
		refuse(r, c, error);
	else if (c)
		dial(r, c, 0);
}

void conn_open_loopback(struct relay *r, int fd, int target, const struct trp_handoff *h, int error)
{
	struct conn *c = make(r, NULL, fd, h);

	if (!c) {
		trp_close(&target);
		return;
	}
	c->fd[TARGET] = target;
	if (error == 0)
		error = send_header(r, c);
	if (error < 0) {
		trp_close(&c->fd[TARGET]);
		refuse(r, c, error);
		return;
	}
	c->state = CONN_OPEN;
	set_clock(r, c, CLOCK_IDLE);
	peers_add(r, c);
	if (relay_watch(r, target, SOCKET_EVENTS, &c->side[TARGET]) < 0)
		end(r, c);
	else
		relay_enqueue(r, c);
}

void conn_ready(struct relay *r, struct conn *c, int side, uint32_t events)
{
	if (events & (EPOLLHUP | EPOLLERR))
		c->hung_up[side] = true;
	switch ((enum conn_state)c->state) {
	case CONN_CONNECTING:
		if (side == TARGET)
			connected(r, c);
		else if (c->hung_up[CLIENT])
			end(r, c);
		return;
	case CONN_OPEN:
		relay_enqueue(r, c);
		return;
	case CONN_REFUSED:
		drain(r, c);
		return;
	case CONN_DEAD:
		return;
	}
}

void conn_run(struct relay *r, struct conn *c)
{
	bool moved = false, again = false;

	if (c->state == CONN_DEAD) {
		c->next = r->dead;
		r->dead = c;
		return;
	}
	if (c->state == CONN_REFUSED) {
		drain(r, c);
		return;
	}
	for (int side = 0; side < 2; side++) {
		enum flow_result result =
			flow_run(r, &c->flow[side], c->fd[side], c->fd[1 - side], &moved);
		again |= result == FLOW_AGAIN;
		c->hung_up[side] |= result == FLOW_NO_SENDER;
		c->hung_up[1 - side] |= result == FLOW_NO_READER;
		c->reset |= result == (side == CLIENT ? FLOW_NO_SENDER : FLOW_NO_READER);
	}
	/* over in both directions; or one side is gone and all that it had sent was passed on */
	if ((c->flow[0].shut && c->flow[1].shut) || (c->hung_up[0] && c->flow[0].shut) ||
		(c->hung_up[1] && c->flow[1].shut)) {
		end(r, c);
		return;
	}
	if (moved)
		set_clock(r, c, CLOCK_IDLE);
	if (again)
		relay_enqueue(r, c);
}

bool conn_give_way(struct relay *r, const struct trp_handoff *h)
{
	struct conn *c = peers_find(r, &h->peer, &h->local);

	if (!c)
		return false;
	conn_run(r, c);
	if (c->state != CONN_DEAD) {
		c->reset = true;
		end(r, c);
	}
	return true;
}

static void expire(struct relay *r, struct conn *c)
{
	if (c->state == CONN_CONNECTING)
		dial_failed(r, c, -ETIMEDOUT);
	else
		end(r, c);
}

int conn_expire(struct relay *r)
{
	const uint64_t limits[CLOCK_COUNT] = {[CLOCK_CONNECT] = r->opt.connect_timeout_ms * MS,
		[CLOCK_IDLE] = r->opt.idle_timeout_ms * MS,
		[CLOCK_REFUSED] = REFUSED_MS * MS};
	uint64_t next = UINT64_MAX;

	for (int i = 0; i < CLOCK_COUNT; i++) {
		struct conn_link *list = &r->clocks[i];
		while (limits[i] && list->next != list) {
			struct conn *c = CONN_OF_CLOCK(list->next);
			uint64_t due = c->moved_ns + limits[i];
			if (due > r->now_ns) {
				next = due < next ? due : next;
				break;
			}
			expire(r, c);
		}
	}
	return next == UINT64_MAX ? -1 : (int)((next - r->now_ns) / MS) + 1;
}
