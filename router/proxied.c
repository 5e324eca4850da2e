/* SPDX-License-Identifier: ISC */
/* proxied.c: clients that come through a trusted load balancer, which says in front of their first byte who they are
 * (PROXY protocol). The header is taken off the connection: the one thing that is read of a socket that is handed on. */
#include "router/protocol/proxyproto.h"
#include "router/router.h"
#include "base/util.h"

#include <sys/socket.h>

bool proxied_expected(const struct router *r, const struct client *c)
{
	return trust_has(&r->listeners[c->listener].trust, &c->peer);
}

static enum proxied_result read_header(struct router *r, struct client *c, const struct proxyproto *p)
{
	if (recv(c->fd, r->peek, p->len, MSG_DONTWAIT) != (ssize_t)p->len)
		return PROXIED_BAD;
	c->proxied = PROXIED_TAKEN;
	if (p->peer.family == 0)
		return PROXIED_DONE; /* the balancer's own connection: a health check */
	c->peer = p->peer;
	c->local = p->local;
	/* the balancer is not limited, who comes through it is */
	return limit_arrival(r, &c->peer) ? PROXIED_DONE : PROXIED_LIMITED;
}

enum proxied_result proxied_look(struct router *r, struct client *c, uint32_t *ret_need)
{
	struct proxyproto p;
	ssize_t n;

	do
		n = recv(c->fd, r->peek, PROXYPROTO_MAX, MSG_PEEK | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n == 0 || (n < 0 && errno != EAGAIN))
		return PROXIED_CLOSED;
	c->seen = n > 0 ? (uint32_t)n : 0;
	proxyproto_parse(r->peek, c->seen, &p);
	switch (p.verdict) {
	case PARSE_NEED:
		*ret_need = p.need;
		return PROXIED_NEED;
	case PARSE_FOUND:
		return read_header(r, c, &p);
	default:
		return PROXIED_BAD;
	}
}
