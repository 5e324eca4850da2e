/* SPDX-License-Identifier: ISC */
#include "conn.h"
#include "http.h"
#include "base/io.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* Milliseconds; absolute from the entry into the state, so that a slow sender wins nothing by sending. */
static const unsigned limit_ms[] = {
	[CONN_IDLE] = 30000, [CONN_HEAD] = 10000, [CONN_WRITE] = 30000, [CONN_DRAIN] = 2000};

static void enter(struct conn *c, enum conn_state state)
{
	c->state = state;
	c->deadline_ms = trp_now_ms() + limit_ms[state];
}

void conn_open(struct conn *c, int fd)
{
	c->fd = fd;
	c->close_after = false;
	c->in_len = c->out_len = c->out_done = 0;
	enter(c, CONN_IDLE);
}

short conn_events(const struct conn *c)
{
	return c->state == CONN_WRITE ? POLLOUT : POLLIN;
}

static const char *peer_text(const struct trp_client *client, char *out, size_t size)
{
	char ip[INET6_ADDRSTRLEN] = "?";

	if (client->peer.ss_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)&client->peer;
		inet_ntop(AF_INET, &in->sin_addr, ip, sizeof(ip));
		snprintf(out, size, "%s port %u", ip, ntohs(in->sin_port));
	} else {
		const struct sockaddr_in6 *in6 = (const void *)&client->peer;
		inet_ntop(AF_INET6, &in6->sin6_addr, ip, sizeof(ip));
		snprintf(out, size, "%s port %u", ip, ntohs(in6->sin6_port));
	}
	return out;
}

/* with_body: an answer to HEAD has the same head (RFC 9110 section 9.3.2) */
static void answer(struct conn *c, const char *status, const char *extra, const char *body, bool with_body)
{
	int n = snprintf(c->out, sizeof(c->out),
		"HTTP/1.1 %s\r\n"
		"Content-Type: text/plain\r\n"
		"X-Content-Type-Options: nosniff\r\n"
		"Content-Length: %zu\r\n"
		"%s%s\r\n%s",
		status, strlen(body), extra, c->close_after ? "Connection: close\r\n" : "",
		with_body ? body : "");

	/* cannot be cut: target and host come from a buffer of half the size */
	c->out_len = (size_t)n < sizeof(c->out) ? (size_t)n : sizeof(c->out) - 1;
	c->out_done = 0;
	enter(c, CONN_WRITE);
}

static void say_hello(struct conn *c, const struct request *r)
{
	const char *service = getenv("TRP_SERVICE");
	char body[CONN_IN_MAX + 1024], peer[80];

	snprintf(body, sizeof(body),
		"hello from %s\n"
		"you are %s\n"
		"you asked for %.*s\n"
		"of host %.*s\n"
		"routed as %s\n",
		service ? service : "trp-hello", peer_text(&c->client, peer, sizeof(peer)),
		(int)r->target_len, r->target, (int)r->host_len, r->host,
		c->client.name[0] ? c->client.name : "(no name)");
	answer(c, "200 OK", "", body, !r->head);
}

/* Answers the request that lies complete in c->in, if one does. */
static void look(struct conn *c, bool going_down)
{
	struct request r;

	switch (http_parse(c->in, c->in_len, &r)) {
	case HEAD_MORE:
		if (c->in_len < sizeof(c->in))
			return;
		c->close_after = true;
		answer(c, "431 Request Header Fields Too Large", "", "request too long\n", true);
		return;
	case HEAD_BAD:
		c->close_after = true;
		answer(c, "400 Bad Request", "", "bad request\n", true);
		return;
	case HEAD_COMPLETE:
		break;
	}
	/* bodies are not read, so what follows one cannot be told from it */
	c->close_after = going_down || !r.keep_alive || r.has_body;
	if (r.get || r.head)
		say_hello(c, &r);
	else
		answer(c, "405 Method Not Allowed", "Allow: GET, HEAD\r\n", "only GET and HEAD\n", true);
	c->in_len -= r.head_len;
	memmove(c->in, c->in + r.head_len, c->in_len);
}

static bool step_read(struct conn *c, bool going_down)
{
	ssize_t n = read(c->fd, c->in + c->in_len, sizeof(c->in) - c->in_len);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0)
		return false;
	c->in_len += (size_t)n;
	if (c->state == CONN_IDLE)
		enter(c, CONN_HEAD);
	look(c, going_down);
	return true;
}

static bool step_write(struct conn *c, bool going_down)
{
	ssize_t n = send(c->fd, c->out + c->out_done, c->out_len - c->out_done, MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	c->out_done += (size_t)n;
	if (c->out_done < c->out_len)
		return true;
	if (c->close_after) {
		shutdown(c->fd, SHUT_WR);
		enter(c, CONN_DRAIN);
		return true;
	}
	enter(c, c->in_len ? CONN_HEAD : CONN_IDLE);
	if (c->in_len)
		look(c, going_down); /* pipelined */
	return true;
}

static bool step_drain(struct conn *c)
{
	ssize_t n = read(c->fd, c->in, sizeof(c->in));

	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

bool conn_step(struct conn *c, bool going_down)
{
	enum conn_state before;
	bool alive;

	do {
		before = c->state;
		if (c->state == CONN_WRITE)
			alive = step_write(c, going_down);
		else if (c->state == CONN_DRAIN)
			alive = step_drain(c);
		else
			alive = step_read(c, going_down);
		/* an answer is sent at once: it nearly always fits */
	} while (alive && c->state == CONN_WRITE && before != CONN_WRITE);
	return alive;
}
