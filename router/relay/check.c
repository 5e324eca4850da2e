/* SPDX-License-Identifier: ISC */
/* check.c: health checks: each target is connected to at intervals, so that one that is out comes back without
 * a client having to try, and one that has gone is known before a client meets it. */
#include "router/relay/relay.h"
#include "base/util.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define MS 1000000ull

int check_init(struct relay *r)
{
	/* a unix target expects a client on each connection: there is nothing to try it with */
	bool checked = r->opt.health_interval_ms > 0 && !r->opt.pass_on;
	size_t n = 0;

	for (size_t s = 0; s < r->n_sets; s++) {
		r->sets[s].checked = checked;
		n += r->sets[s].n;
	}
	if (!checked || n == 0)
		return 0;
	r->checks = calloc(n, sizeof(*r->checks));
	if (!r->checks)
		return -ENOMEM;
	for (size_t s = 0; s < r->n_sets; s++)
		for (size_t t = 0; t < r->sets[s].n; t++, r->n_checks++)
			/* spread over the interval: they never come in a burst */
			r->checks[r->n_checks] = (struct check){.source = {SOURCE_CHECK},
				.fd = -1,
				.set = &r->sets[s],
				.target = t,
				.due_ns = r->now_ns + r->opt.health_interval_ms * MS * r->n_checks / n};
	return 0;
}

static void finish(struct relay *r, struct check *c, int error)
{
	trp_close(&c->fd);
	c->due_ns = r->now_ns + r->opt.health_interval_ms * MS;
	dial_note(r, c->set, c->target, error);
}

void check_ready(struct relay *r, struct check *c)
{
	char header[PROXY_HEADER_MAX];
	size_t len = proxy_header(r->opt.proxy, NULL, NULL, header);
	int error;

	if (c->fd < 0)
		return;
	error = dial_result(c->fd);
	/* a target that wants the header would complain about a connection without */
	if (error == 0 && len > 0 && send(c->fd, header, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		error = -errno;
	finish(r, c, error);
}

static void begin(struct relay *r, struct check *c)
{
	int fd = dial_start(&c->set->targets[c->target]);

	if (fd < 0) {
		finish(r, c, fd);
		return;
	}
	c->fd = fd;
	c->due_ns = r->now_ns + r->opt.connect_timeout_ms * MS;
	if (relay_watch(r, fd, EPOLLOUT | EPOLLONESHOT, &c->source) < 0)
		finish(r, c, -errno);
}

int check_run(struct relay *r)
{
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; i < r->n_checks; i++) {
		struct check *c = &r->checks[i];
		if (r->now_ns >= c->due_ns) {
			if (c->fd >= 0)
				finish(r, c, -ETIMEDOUT);
			else
				begin(r, c);
		}
		if (c->due_ns < next)
			next = c->due_ns;
	}
	if (next == UINT64_MAX)
		return -1;
	return next <= r->now_ns ? 0 : (int)((next - r->now_ns) / MS) + 1;
}
