/* SPDX-License-Identifier: ISC */
/* control.c: the daemon's socket. The relay is its own init: it speaks that protocol, with itself as the only step. */
#include "router/relay/relay.h"
#include "base/fdpass.h"
#include "base/log.h"
#include "sandbox/initmsg.h"

#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

static struct target_set *set_for(struct relay *r, uint16_t port)
{
	struct target_set *set;

	for (size_t i = 0; i < r->n_sets; i++)
		if (r->set_port[i] == port)
			return &r->sets[i];
	if (r->n_sets == RELAY_SETS_MAX)
		return NULL;
	r->set_port[r->n_sets] = port;
	set = &r->sets[r->n_sets++];
	*set = (struct target_set){.n = r->opt.n_targets};
	for (size_t i = 0; i < set->n; i++) {
		set->targets[i].addr = r->opt.targets[i];
		if (!r->opt.pass_on && trp_endpoint_port(&set->targets[i].addr) == 0)
			trp_endpoint_set_port(&set->targets[i].addr, port);
	}
	return set;
}

static void take_channel(struct relay *r, const struct trp_init_msg *m, int fd)
{
	struct target_set *set = r->n_channels < RELAY_CHANNELS_MAX ? set_for(r, m->port) : NULL;

	if (!set) {
		log_warn("more channels than there can be: port %u is not served", m->port);
		trp_close(&fd);
		return;
	}
	r->channels[r->n_channels++] = (struct channel){.source = {SOURCE_CHANNEL},
		.fd = fd,
		.port = m->port,
		.family = m->family,
		.set = set,
		.dial_source = {SOURCE_DIAL},
		.watched = true,
		.client_fd = -1,
		.dial_fd = -1};
}

/* TERM ends at once, QUIT after the last connection; the others are for programs that have something to reload. */
static void obey(struct relay *r, int signo)
{
	if (signo == SIGQUIT && r->opt.loopback) {
		loopback_drain(r);
	} else if (signo == SIGQUIT) {
		r->stopping = true;
		for (size_t i = 0; i < r->n_channels; i++)
			relay_unwatch_close(r, &r->channels[i].fd);
	} else if (signo == SIGTERM || signo == SIGINT || signo == SIGKILL) {
		r->end = true;
	}
}

/* One message. False: there is none. */
static bool read_one(struct relay *r, bool channels)
{
	struct trp_init_msg m;
	size_t n_fds = 0;
	int fd = -1;
	ssize_t n = trp_fd_recv_upto(r->control_fd, &m, sizeof(m), &fd, 1, &n_fds, MSG_DONTWAIT);

	if (n == 0 || n == -ECONNRESET || n == -EPIPE) {
		trp_close(&r->control_fd); /* the daemon has died: the service lives on */
		return false;
	}
	if (n < 0)
		return n == -EMSGSIZE || n == -EBADMSG;
	if (n == (ssize_t)sizeof(m) && m.magic == TRP_INIT_MAGIC) {
		if (m.type == TRP_INIT_CHANNEL && n_fds == 1 && channels)
			take_channel(r, &m, trp_steal_fd(&fd));
		if (m.type == TRP_INIT_SIGNAL || m.type == TRP_INIT_STOP)
			obey(r, m.value);
	}
	trp_close(&fd);
	return true;
}

void control_take_channels(struct relay *r)
{
	while (r->control_fd >= 0 && read_one(r, true))
		;
}

void control_ready(struct relay *r)
{
	while (r->control_fd >= 0 && read_one(r, false))
		;
}

static void tell(struct relay *r, struct trp_init_msg m)
{
	m.magic = TRP_INIT_MAGIC;
	if (r->control_fd >= 0)
		(void)trp_later_send(&r->later, r->control_fd, &m, sizeof(m));
}

int control_run(struct relay *r)
{
	return r->control_fd >= 0 ? trp_later_flush(&r->later, r->control_fd) : -1;
}

void control_listens(struct relay *r, uint16_t port, uint16_t family, bool v6only)
{
	tell(r, (struct trp_init_msg){.type = TRP_INIT_LISTEN, .port = port, .family = family, .v6only = v6only});
}

void control_drained(struct relay *r)
{
	tell(r, (struct trp_init_msg){.type = TRP_INIT_DRAINED});
}

void control_announce(struct relay *r)
{
	if (r->opt.loopback) {
		loopback_begin(r);
		return;
	}
	tell(r, (struct trp_init_msg){.type = TRP_INIT_STEP, .value = 0, .value2 = 1});
	for (size_t i = 0; i < r->n_channels; i++)
		tell(r, (struct trp_init_msg){.type = TRP_INIT_LISTEN,
				.port = r->channels[i].port,
				.family = r->channels[i].family,
				.v6only = r->channels[i].family == AF_INET6});
}

void control_farewell(struct relay *r)
{
	tell(r, (struct trp_init_msg){.type = TRP_INIT_EXITED, .value = 0, .value2 = 0});
}
