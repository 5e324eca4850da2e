/* SPDX-License-Identifier: ISC */
/* intake.c: clients come out of the handoff channels, as many as there is room for. */
#include "router/relay/relay.h"
#include "base/fdpass.h"
#include "base/log.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#define PER_TURN 64

static void watch_all(struct relay *r, bool on)
{
	for (size_t i = 0; i < r->n_channels; i++) {
		if (r->opt.loopback) {
			loopback_watch(r, &r->channels[i]);
			continue;
		}
		struct epoll_event ev = {.events = on ? EPOLLIN : RELAY_NO_EVENTS, .data.ptr = &r->channels[i].source};
		if (r->channels[i].fd >= 0)
			epoll_ctl(r->epoll_fd, EPOLL_CTL_MOD, r->channels[i].fd, &ev);
	}
}

void intake_switch(struct relay *r, bool on)
{
	if (r->stopping || r->intake_off == !on)
		return;
	r->intake_off = !on;
	watch_all(r, on);
	if (on || (r->full_ns && r->now_ns - r->full_ns < RELAY_COMPLAIN_NS))
		return;
	r->full_ns = r->now_ns;
	log_warn("%zu connections: open-files of the profile allows no more, clients wait", r->n_conns);
}

void intake_ready(struct relay *r, struct channel *ch)
{
	if (r->opt.loopback) {
		loopback_ready(r, ch);
		return;
	}
	for (int i = 0; i < PER_TURN && ch->fd >= 0 && !r->stopping; i++) {
		struct trp_handoff h;
		int fd = -1;
		ssize_t n;
		if (r->n_conns >= r->conns_max) {
			intake_switch(r, false);
			return;
		}
		n = trp_fd_recv(ch->fd, &h, sizeof(h), &fd, 1, MSG_DONTWAIT);
		if (n == -EAGAIN)
			return;
		if (n == 0 || n == -ECONNRESET) { /* router and daemon are gone; what is open goes on */
			relay_unwatch_close(r, &ch->fd);
			return;
		}
		if (n < 0)
			continue;
		if (trp_handoff_check(&h, (size_t)n) < 0) {
			trp_close(&fd);
			continue;
		}
		conn_open(r, ch->set, fd, &h);
	}
}
