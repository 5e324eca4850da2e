/* SPDX-License-Identifier: ISC */
/* One client: peek, decide, hand on or refuse. Nothing in here waits, and nothing is read from a
 * socket that is handed on. */
#include "router/opening.h"
#include "router/refuse.h"
#include "router/router.h"
#include "base/fdpass.h"
#include "base/util.h"

#include <string.h>
#include <sys/socket.h>

#define PEEK_FIRST 4096 /* most openings are shorter; what follows them need not be copied */
#define LOOKS_MAX  1024 /* a client that sends byte by byte makes us parse each time */
#define DRAIN_MAX  (256u * 1024)

enum decision { DECIDE_HAND_ON, DECIDE_REFUSE, DECIDE_CLOSE };

/* What client_look() decided, for the client_settle() that follows it. */
static struct {
	enum decision what;
	enum refusal why;
	struct route_channels to;
	const char *name;
	uint8_t name_len;
} decided;

static uint32_t decide_refuse(enum refusal why)
{
	decided.what = DECIDE_REFUSE;
	decided.why = why;
	return 0;
}

static uint32_t decide_close(void)
{
	decided.what = DECIDE_CLOSE;
	return 0;
}

static bool accepts(const struct router *r, const struct client *c, enum trp_protocol protocol)
{
	return r->listeners[c->listener].protocols & 1u << protocol;
}

static uint32_t decide_route(
	struct router *r, const struct client *c, const char *name, uint8_t name_len)
{
	const struct route_key key = {
		.listener = r->listeners[c->listener].id,
		.protocol = c->protocol,
		.name = name,
		.name_len = name_len,
	};

	switch (route_find(&r->routes, &key, &decided.to)) {
	case ROUTE_HIT:
		decided.what = DECIDE_HAND_ON;
		decided.name = name;
		decided.name_len = name_len;
		return 0;
	case ROUTE_ELSEWHERE:
		return decide_refuse(REFUSE_MISDIRECTED);
	case ROUTE_MISS:
		break;
	}
	return decide_refuse(REFUSE_NO_ROUTE);
}

/* Bytes that belong to no protocol of the listener's */
static uint32_t decide_unknown(struct router *r, struct client *c)
{
	c->protocol = TRP_PROTO_NONE;
	return accepts(r, c, TRP_PROTO_NONE) ? decide_route(r, c, "", 0)
					     : decide_refuse(REFUSE_BAD);
}

static uint32_t decide_verdict(struct router *r, struct client *c, enum client_end end)
{
	const struct parse_result *o = &r->opening;

	if (c->protocol == TRP_PROTO_NONE && o->verdict == PARSE_OTHER)
		return decide_unknown(r, c);
	/* as raw as the listener is told to be: not to be kept waiting for the end of what it does
	 * not look at */
	if (c->protocol != TRP_PROTO_NONE && !accepts(r, c, c->protocol) &&
		accepts(r, c, TRP_PROTO_NONE))
		return decide_unknown(r, c);
	if (o->verdict == PARSE_NEED) {
		if (end == CLIENT_HALF_CLOSED)
			return decide_refuse(REFUSE_CLOSED_EARLY);
		return c->looks < LOOKS_MAX ? o->need : decide_refuse(REFUSE_TIMED_OUT);
	}
	if (!accepts(r, c, c->protocol))
		return decide_refuse(REFUSE_WRONG_PROTOCOL);
	if (o->verdict == PARSE_BAD)
		return decide_refuse(REFUSE_BAD);
	return decide_route(r, c, o->name, o->verdict == PARSE_FOUND ? o->name_len : 0);
}

/* The time is up: a client that waits for the server to speak first may be what the listener is
 * for. */
static uint32_t decide_time_up(struct router *r, struct client *c)
{
	return accepts(r, c, TRP_PROTO_NONE) ? decide_unknown(r, c)
					     : decide_refuse(REFUSE_TIMED_OUT);
}

/* Peeks and parses; more than PEEK_FIRST only if the parser asks for it. Returns the bytes there,
 * -errno */
static ssize_t peek(struct router *r, struct client *c)
{
	size_t want = PEEK_FIRST;
	ssize_t n;

	for (;;) {
		n = recv(c->fd, r->peek, want, MSG_PEEK | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			return -errno;
		c->seen = n > 0 ? (uint32_t)n : 0;
		c->protocol = (uint8_t)opening_look(r->peek, c->seen, &r->opening);
		if (r->opening.verdict != PARSE_NEED || n < (ssize_t)want)
			return n < 0 ? -EAGAIN : n;
		want = sizeof(r->peek);
	}
}

uint32_t client_look(struct router *r, struct client *c, enum client_end end)
{
	ssize_t n;

	if (end == CLIENT_TIME_UP)
		return decide_time_up(r, c);
	if (r->listeners[c->listener].protocols == 1u << TRP_PROTO_NONE)
		return decide_route(r, c, "", 0); /* no need to look */
	c->looks++;
	n = peek(r, c);
	if (n == 0)
		end = CLIENT_HALF_CLOSED;
	if (n < 0 && n != -EAGAIN) {
		r->stats.closed_early++;
		return decide_close();
	}
	return decide_verdict(r, c, end);
}

static void refuse(struct router *r, struct client *c, enum refusal why)
{
	char answer[REFUSE_ANSWER_MAX];
	size_t len = refuse_answer(why, c->protocol, answer);
	uint32_t drained = 0;

	++*refuse_counter(why, &r->stats);
	/* What the client sent and still sends is thrown away before the close, or the reset that
	 * follows an unread byte would overtake the answer. */
	if (len == 0 || send(c->fd, answer, len, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)len ||
		shutdown(c->fd, SHUT_WR) < 0 || client_drain(c->fd, &drained)) {
		close(c->fd);
		return;
	}
	wait_add(r, c, 0);
}

bool client_drain(int fd, uint32_t *drained)
{
	ssize_t n;

	do {
		/* MSG_TRUNC: tcp(7), thrown away without a copy */
		n = recv(fd, NULL, DRAIN_MAX, MSG_DONTWAIT | MSG_TRUNC);
		if (n > 0)
			*drained += (uint32_t)n;
	} while ((n > 0 && *drained < DRAIN_MAX) || (n < 0 && errno == EINTR));
	return n >= 0 || errno != EAGAIN;
}

static bool is_ipv4(const struct trp_addr *peer)
{
	return peer->family == AF_INET ||
	       IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)(const void *)peer->ip);
}

/* To the channel, or to the first of a group that takes it. 0 or the error that the client is told of: a full queue
 * rather than a missing service. */
static int send_to(struct router *r, uint32_t id, size_t len, int fd)
{
	uint32_t attempts = channel_attempts(&r->channels, id);
	int err = -ENOENT;

	for (uint32_t i = 0; i < attempts; i++) {
		int channel = channel_find(&r->channels, id, i);
		int now = channel < 0 ? -ENOENT : trp_fd_send(channel, &r->handoff, len, &fd, 1, MSG_DONTWAIT);
		if (now == 0 || now == -ETOOMANYREFS)
			return now;
		if (err != -EAGAIN)
			err = now;
	}
	return err;
}

static void hand_on(struct router *r, struct client *c)
{
	struct trp_handoff *h = &r->handoff;
	size_t len;
	int err;

	h->protocol = c->protocol;
	h->listener = r->listeners[c->listener].id;
	h->accepted_ns = c->accepted_ns;
	h->peer = c->peer;
	len = trp_handoff_seal(h, decided.name, decided.name_len);
	err = send_to(r, is_ipv4(&c->peer) ? decided.to.v4 : decided.to.v6, len, c->fd);
	if (err == -EAGAIN || err == -ETOOMANYREFS)
		return refuse(r, c, REFUSE_QUEUE_FULL);
	if (err < 0)
		return refuse(r, c, REFUSE_NO_SERVICE);
	r->stats.handed_on++;
	/* at once: as long as anybody else has it, the client would not see the service's close */
	close(c->fd);
}

void client_settle(struct router *r, struct client *c)
{
	switch (decided.what) {
	case DECIDE_HAND_ON:
		hand_on(r, c);
		break;
	case DECIDE_REFUSE:
		refuse(r, c, decided.why);
		break;
	case DECIDE_CLOSE:
		close(c->fd);
		break;
	}
}

void client_arrived(struct router *r, struct client *c)
{
	uint32_t need;

	c->protocol = TRP_PROTO_NONE;
	c->lowat = 0;
	c->looks = 0;
	c->seen = 0;
	need = client_look(r, c, CLIENT_GOES_ON);
	if (need > 0)
		wait_add(r, c, need);
	else
		client_settle(r, c);
}
