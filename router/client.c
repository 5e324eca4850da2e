/* SPDX-License-Identifier: ISC */
/* One client: peek, decide, hand on or refuse. Nothing in here waits, and nothing is read from a
 * socket that is handed on. */
#include "router/protocol/opening.h"
#include "router/redirect.h"
#include "router/router.h"
#include "base/util.h"

#include <string.h>
#include <sys/socket.h>

#define PEEK_FIRST 4096 /* most openings are shorter; what follows them need not be copied */
#define LOOKS_MAX  1024 /* a client that sends byte by byte makes us parse each time, */
#define LOOKED_MAX (4u * 1024 * 1024) /* and all that is there: 64 KiB in segments of 600 bytes are less */
#define DRAIN_TURN (64u * 1024) /* before others have their turn */
#define DRAIN_MAX  (64u * 1024 * 1024)

enum decision { DECIDE_HAND_ON, DECIDE_REFUSE, DECIDE_CLOSE };

/* What client_look() decided, for the client_settle() that follows it. */
static struct {
	enum decision what;
	enum refusal why;
	struct route_hit hit;
	const char *name; /* that was asked for, if that is known */
	uint8_t name_len;
} decided;

static void decide_anew(void)
{
	decided.hit.to = (struct route_channels){.v4 = 0};
	decided.name_len = 0;
}

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

/* It has reset the connection: there is nobody to answer. */
static uint32_t decide_gone(struct router *r, struct client *c)
{
	r->stats.closed_early++;
	note_client(r, c, &(struct note){.verdict = VERDICT_CLOSED_EARLY});
	return decide_close();
}

static bool accepts(const struct router *r, const struct client *c, enum trp_protocol protocol)
{
	return r->listeners[c->listener].protocols & 1u << protocol;
}

/* Is a a closer route for the client's name than b? */
static bool is_closer(const struct route_hit *a, const struct route_hit *b)
{
	return a->rank < b->rank || (a->rank == RANK_WILDCARD && b->rank == RANK_WILDCARD && a->at < b->at);
}

/* A name whose last label is a number is an IPv4 address (and a top level domain never one). */
static bool is_address(const struct route_key *key)
{
	size_t i = key->name_len;

	if (i > 0 && key->name[0] == '[')
		return true;
	while (i > 0 && key->name[i - 1] >= '0' && key->name[i - 1] <= '9')
		i--;
	return i < key->name_len && (i == 0 || key->name[i - 1] == '.');
}

/* Is it to be answered with the way to https? Only for names: what a default route serves under whatever name has no
 * certificate for it. Nor is a wildcard the way to what has a closer name here, on_http (NULL: nothing has): that is somebody else's. An address is
 * never said in TLS (RFC 6066 section 3): who asked for it gets the default there. */
static bool redirects(
	const struct router *r, const struct client *c, const struct route_key *http, const struct route_hit *on_http)
{
	const struct listener *l = &r->listeners[c->listener];
	struct route_key tls = *http;
	struct route_hit hit;

	if (!l->redirect.listener || c->protocol != TRP_PROTO_HTTP1 || http->name_len == 0)
		return false;
	tls.listener = l->redirect.listener;
	tls.protocol = TRP_PROTO_TLS;
	if (is_address(http)) {
		tls.name_len = 0;
		return on_http && on_http->rank == RANK_EXACT && route_find_hit(&r->routes, &tls, &hit) == ROUTE_HIT &&
			hit.to.service && hit.to.service == on_http->to.service && redirect_wanted(r->peek, c->seen);
	}
	return route_find_hit(&r->routes, &tls, &hit) == ROUTE_HIT && hit.rank != RANK_DEFAULT &&
		!(on_http && is_closer(on_http, &hit)) && redirect_wanted(r->peek, c->seen);
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
	enum route_match found;

	decided.name = name;
	decided.name_len = name_len;
	found = route_find_hit(&r->routes, &key, &decided.hit);
	if (!(found == ROUTE_HIT && decided.hit.to.plain) && redirects(r, c, &key, found == ROUTE_HIT ? &decided.hit : NULL))
		return decide_refuse(REFUSE_REDIRECT);
	switch (found) {
	case ROUTE_HIT:
		decided.what = DECIDE_HAND_ON;
		return 0;
	case ROUTE_ELSEWHERE:
		return decide_refuse(REFUSE_MISDIRECTED);
	case ROUTE_MISS:
		break;
	}
	return decide_refuse(REFUSE_NO_ROUTE);
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
		c->looked += c->seen;
		c->protocol = (uint8_t)opening_look(r->peek, c->seen, r->listeners[c->listener].protocols, &r->opening);
		if (r->opening.verdict != PARSE_NEED || n < (ssize_t)want)
			return n < 0 ? -EAGAIN : n;
		want = sizeof(r->peek);
	}
}

/* Bytes that belong to no protocol of the listener's */
static uint32_t decide_unknown(struct router *r, struct client *c)
{
	c->protocol = TRP_PROTO_NONE;
	return accepts(r, c, TRP_PROTO_NONE) ? decide_route(r, c, "", 0)
					     : decide_refuse(REFUSE_BAD);
}

/* Of a protocol in which neither side waits for the other (RFC 4253 section 4.2): there are clients that do (libssh, ssh-keyscan). */
static uint32_t decide_ssh(struct router *r, struct client *c)
{
	c->protocol = TRP_PROTO_SSH;
	return decide_route(r, c, "", 0);
}

/* Its time is up; what has come of HTTP/2 is whole, and no request. gRPC's clients want the server's SETTINGS first: nobody knows for whom that
 * one is, so it is whose those are that name nobody. */
static bool waits_for_server(struct router *r, struct client *c)
{
	if (c->protocol != TRP_PROTO_H2C || !accepts(r, c, TRP_PROTO_H2C) || !r->opening.whole)
		return false;
	decide_route(r, c, "", 0);
	return decided.what == DECIDE_HAND_ON;
}

/* Nothing more will come, or it comes too late. A client that waits for the server to speak first may be what the listener is for. */
static uint32_t decide_no_more(struct router *r, struct client *c, enum refusal why)
{
	if (accepts(r, c, TRP_PROTO_NONE))
		return decide_unknown(r, c);
	if (why == REFUSE_TIMED_OUT && c->seen == 0 && accepts(r, c, TRP_PROTO_SSH))
		return decide_ssh(r, c);
	return decide_refuse(why);
}

static uint32_t decide_verdict(struct router *r, struct client *c, enum client_end end)
{
	const struct parse_result *o = &r->opening;

	c->flags = o->flags;
	c->detail = o->detail;
	if (c->protocol == TRP_PROTO_NONE && o->verdict == PARSE_OTHER)
		return decide_unknown(r, c);
	if (o->verdict == PARSE_NEED) {
		if (end == CLIENT_HALF_CLOSED)
			return decide_no_more(r, c, REFUSE_CLOSED_EARLY);
		if (end == CLIENT_TIME_UP)
			return waits_for_server(r, c) ? 0 : decide_no_more(r, c, REFUSE_TIMED_OUT);
		return c->looks < LOOKS_MAX && c->looked < LOOKED_MAX ? o->need : decide_refuse(REFUSE_TIMED_OUT);
	}
	if (!accepts(r, c, c->protocol))
		return decide_refuse(REFUSE_WRONG_PROTOCOL);
	if (o->verdict == PARSE_BAD)
		return decide_refuse(REFUSE_BAD);
	return decide_route(r, c, o->name, o->verdict == PARSE_FOUND ? o->name_len : 0);
}

/* The load balancer's header. Nobody is answered whom it did not name: the answer would be the balancer's. */
static bool look_for_proxy(struct router *r, struct client *c, enum client_end end, uint32_t *ret_need)
{
	*ret_need = 0;
	c->looks++;
	switch (proxied_look(r, c, ret_need)) {
	case PROXIED_DONE:
		return true;
	case PROXIED_NEED:
		if (end == CLIENT_GOES_ON && c->looks < LOOKS_MAX)
			return false;
		*ret_need = decide_refuse(end == CLIENT_HALF_CLOSED ? REFUSE_CLOSED_EARLY : REFUSE_TIMED_OUT);
		return false;
	case PROXIED_BAD:
		*ret_need = decide_refuse(REFUSE_BAD);
		return false;
	case PROXIED_CLOSED:
		*ret_need = decide_gone(r, c);
		return false;
	case PROXIED_LIMITED:
		note_client(r, c, &(struct note){.verdict = VERDICT_CLIENT_RATE});
		*ret_need = decide_close();
		return false;
	}
	return false;
}

uint32_t client_look(struct router *r, struct client *c, enum client_end end)
{
	uint32_t need;
	ssize_t n;

	decide_anew();
	if (c->proxied == PROXIED_EXPECTED && !look_for_proxy(r, c, end, &need))
		return need;
	if (r->listeners[c->listener].protocols == 1u << TRP_PROTO_NONE)
		return decide_route(r, c, "", 0); /* no need to look */
	c->looks++;
	n = peek(r, c);
	if (n == 0)
		end = CLIENT_HALF_CLOSED;
	if (n < 0 && n != -EAGAIN)
		return decide_gone(r, c);
	if (n < 0 && r->listeners[c->listener].protocols == 1u << TRP_PROTO_SSH)
		return decide_ssh(r, c); /* nobody else's */
	return decide_verdict(r, c, end);
}

/* REFUSE_REDIRECT comes straight from client_look(): its bytes are those in r->peek. */
static size_t make_answer(const struct router *r, const struct client *c, enum refusal *why, char out[REDIRECT_ANSWER_MAX])
{
	size_t len = 0;

	if (*why == REFUSE_REDIRECT) {
		len = redirect_answer(r->peek, c->seen, r->opening.name, r->opening.name_len,
			r->listeners[c->listener].redirect.port, out);
		if (len == 0)
			*why = REFUSE_TOO_LONG;
	}
	return len ? len : refuse_answer(*why, c->protocol, c->detail, out);
}

void client_refuse(struct router *r, struct client *c, enum refusal why, const struct note *n)
{
	struct note note = n ? *n : (struct note){.service = 0};
	char answer[REDIRECT_ANSWER_MAX];
	size_t len = make_answer(r, c, &why, answer);
	uint32_t drained = 0;

	++*refuse_counter(why, &r->stats);
	note.verdict = VERDICT_REFUSED + why;
	note_client(r, c, &note);
	/* What the client sent and still sends is thrown away before the close, or the reset that
	 * follows an unread byte would overtake the answer. */
	if (len == 0 || send(c->fd, answer, len, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)len ||
		shutdown(c->fd, SHUT_WR) < 0 || client_drain(c->fd, &drained)) {
		close(c->fd);
		return;
	}
	wait_add(r, c, 0);
}

void client_refuse_late(struct router *r, struct client *c, enum refusal why, const struct note *n)
{
	const uint8_t protocol = c->protocol;

	r->opening.detail = 0;
	if (peek(r, c) >= 0 && c->protocol == protocol)
		c->detail = r->opening.detail;
	c->protocol = protocol; /* what it sent may have been read */
	client_refuse(r, c, why, n);
}

bool client_drain(int fd, uint32_t *drained)
{
	uint32_t taken = 0;
	ssize_t n;

	do {
		/* MSG_TRUNC: tcp(7), thrown away without a copy */
		n = recv(fd, NULL, DRAIN_TURN, MSG_DONTWAIT | MSG_TRUNC);
		if (n > 0)
			taken += (uint32_t)n;
	} while ((n > 0 && taken < DRAIN_TURN) || (n < 0 && errno == EINTR));
	*drained += taken;
	if (n > 0)
		return *drained >= DRAIN_MAX;
	return n == 0 || errno != EAGAIN;
}

static bool is_ipv4(const struct trp_addr *peer)
{
	return peer->family == AF_INET ||
	       IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)(const void *)peer->ip);
}

static void hand_on(struct router *r, struct client *c)
{
	const struct route_channels *to = &decided.hit.to;

	handon_add(r, c, is_ipv4(&c->peer) ? to->v4 : to->v6, to->service, decided.name, decided.name_len);
}

void client_settle(struct router *r, struct client *c)
{
	switch (decided.what) {
	case DECIDE_HAND_ON:
		hand_on(r, c);
		break;
	case DECIDE_REFUSE:
		client_refuse(r, c, decided.why, &(struct note){.name = decided.name, .name_len = decided.name_len});
		break;
	case DECIDE_CLOSE:
		close(c->fd);
		break;
	}
}

void client_decide(
	struct router *r, const struct route_key *key, enum router_verdict *ret_verdict, struct route_hit *ret_hit)
{
	struct client c = {.protocol = key->protocol, .fd = -1};

	decide_anew();
	while (c.listener < r->n_listeners &&
		(r->listeners[c.listener].fd < 0 || r->listeners[c.listener].id != key->listener))
		c.listener++;
	*ret_verdict = VERDICT_NO_ROUTE; /* no such listener */
	if (c.listener < r->n_listeners) {
		r->opening.verdict = key->name_len ? PARSE_FOUND : key->protocol ? PARSE_NONE : PARSE_OTHER;
		r->opening.name_len = key->name_len;
		memcpy(r->opening.name, key->name, key->name_len);
		decide_verdict(r, &c, CLIENT_GOES_ON);
		*ret_verdict = decided.what == DECIDE_REFUSE ? VERDICT_REFUSED + decided.why : VERDICT_HANDED_ON;
	}
	*ret_hit = decided.hit;
}

void client_arrived(struct router *r, struct client *c)
{
	uint32_t need;

	c->local = (struct trp_addr){0};
	c->proxied = proxied_expected(r, c) ? PROXIED_EXPECTED : PROXIED_NO;
	if (c->proxied == PROXIED_NO && !limit_arrival(r, &c->peer)) {
		note_client(r, c, &(struct note){.verdict = VERDICT_CLIENT_RATE});
		close(c->fd); /* its bytes are unread: the client sees a reset */
		return;
	}
	c->protocol = TRP_PROTO_NONE;
	c->lowat = 0;
	c->looks = 0;
	c->looked = 0;
	c->flags = c->detail = 0;
	c->seen = 0;
	need = client_look(r, c, CLIENT_GOES_ON);
	if (need > 0)
		wait_add(r, c, need);
	else
		client_settle(r, c);
}
