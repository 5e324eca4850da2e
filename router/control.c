/* SPDX-License-Identifier: ISC */
/* What the daemon tells the router. The daemon is trusted: a message that makes no sense ends the
 * router. */
#include "router/message.h"
#include "router/router.h"
#include "base/fdpass.h"
#include "base/util.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#define MESSAGES_MAX 256 /* handled before clients have their turn */

/* In its place, which needs no memory: one that could not be watched again would never hear the daemon any more. */
static void watch_control(struct router *r, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.u64 = SOURCE_DATA(SOURCE_CONTROL, 0, 0)};

	epoll_ctl(r->epoll_fd, EPOLL_CTL_MOD, r->control_fd, &ev);
}

static bool has_listener(const struct router *r)
{
	for (uint32_t i = 0; i < r->n_listeners; i++)
		if (r->listeners[i].fd >= 0)
			return true;
	return false;
}

/* The daemon is gone, perhaps to be replaced: clients are still to be served. The descriptor stays
 * open, because the system call filter knows its number. Without a listener (it was killed while it started us) nobody will ever come, and no
 * other daemon knows of us. */
static void control_gone(struct router *r)
{
	if (!r->control_open)
		return;
	r->control_open = false;
	r->reply_due = false;
	router_unwatch(r, r->control_fd);
	if (!has_listener(r)) {
		r->retired = true; /* at the end of this turn, or when who waits here has been served */
		return;
	}
	r->notice("the daemon closed the control socket; going on with what is there");
}

int control_reply(struct router *r, const struct router_msg *m)
{
	int err = trp_fd_send(r->control_fd, m, sizeof(*m), NULL, 0, MSG_DONTWAIT);

	if (err == -EAGAIN) {
		r->reply = *m;
		if (!r->reply_due)
			watch_control(r, EPOLLOUT);
		r->reply_due = true;
		return 0;
	}
	if (err == -EPIPE || err == -ECONNRESET) {
		control_gone(r);
		return 0;
	}
	return err;
}

int control_reply_stats(struct router *r, uint32_t seq)
{
	struct router_msg reply = {
		.magic = ROUTER_CONTROL_MAGIC,
		.type = ROUTER_STATS_REPLY,
		.seq = seq,
		.stats = r->stats,
	};

	return control_reply(r, &reply);
}

static int reply_synced(struct router *r, const struct router_msg *m)
{
	struct router_msg reply = {
		.magic = ROUTER_CONTROL_MAGIC, .type = ROUTER_SYNCED, .seq = m->seq};

	return control_reply(r, &reply);
}

static int reply_explained(struct router *r, const struct router_msg *m)
{
	struct router_msg reply = {.magic = ROUTER_CONTROL_MAGIC, .type = ROUTER_EXPLAINED, .seq = m->seq};

	explain(r, m, &reply);
	return control_reply(r, &reply);
}

static void del_channel(struct router *r, uint32_t id)
{
	struct channel *c = channel_pick(&r->channels, id, 0);

	if (c)
		quota_leave(&r->quotas, c);
	channel_del(&r->channels, id);
}

/* It may be gone already: a message of its service came late. */
static void take_several(struct router *r, uint32_t id)
{
	struct channel *c = channel_pick(&r->channels, id, 0);

	if (c && c->id == id && c->fd >= 0)
		c->several = true;
}

/* *fd is the message's descriptor; set to -1 when it is taken over. 0 or -errno. */
static int apply(struct router *r, const struct router_msg *m, int *fd)
{
	const struct route_key key = {m->listener, m->protocol, m->name_len, m->name};
	int err = 0;

	switch ((enum router_msg_type)m->type) {
	case ROUTER_LISTENER_ADD:
		err = listener_add(r, m, *fd);
		break;
	case ROUTER_TRUST_ADD:
		return trust_add(&r->trust_told, m->id, m->trusted, m->n_members);
	case ROUTER_CLIENT_ADD:
		listener_give(r, m, *fd);
		break;
	case ROUTER_REFUSE:
		listener_take_back(r, m, *fd);
		break;
	case ROUTER_LISTENER_DEL:
		listener_del(r, m->id);
		break;
	case ROUTER_CHANNEL_ADD:
		del_channel(r, m->id);
		err = channel_add(&r->channels, m->id, *fd);
		channel_own(&r->channels, m->id, m->service);
		if (err == 0)
			channel_pick(&r->channels, m->id, 0)->nonblock = m->nonblock != 0;
		break;
	case ROUTER_CHANNEL_SEVERAL:
		take_several(r, m->id);
		return 0;
	case ROUTER_GROUP_SET:
		return channel_group(&r->channels, m->id, m->members, m->n_members);
	case ROUTER_CHANNEL_DEL:
		del_channel(r, m->id);
		break;
	case ROUTER_ROUTE_SET:
		return route_set(
			&r->routes, &key, (struct route_channels){m->channel4, m->channel6, m->service, m->plain != 0});
	case ROUTER_ROUTE_DEL:
		route_del(&r->routes, &key);
		return 0;
	case ROUTER_LIMITS_SET:
		r->limits = (struct limits){{m->limits.rate.interval_ns, m->limits.rate.burst},
			m->limits.waiting_permille};
		return 0;
	case ROUTER_QUOTA_SET:
		return quota_set(&r->quotas, &r->channels, m->id, &m->quota);
	case ROUTER_SYNC:
		return reply_synced(r, m);
	case ROUTER_STATS:
		return control_reply_stats(r, m->seq);
	case ROUTER_RETIRE:
		listeners_retire(r);
		return 0;
	case ROUTER_EXPLAIN:
		return reply_explained(r, m);
	default:
		return -EBADMSG;
	}
	if (err < 0)
		return err;
	*fd = -1;
	wait_limit(r);
	return 0;
}

int control_ready(struct router *r, const char **why)
{
	struct router_msg m;
	size_t n_fds = 0;
	ssize_t len;
	int err;

	if (r->reply_due) {
		r->reply_due = false;
		watch_control(r, EPOLLIN);
		err = control_reply(r, &r->reply);
		if (err < 0)
			*why = "control: reply";
		return err;
	}
	for (int i = 0; i < MESSAGES_MAX && r->control_open && !r->reply_due; i++) {
		cleanup_close int fd = -1;
		len = trp_fd_recv_upto(r->control_fd, &m, sizeof(m), &fd, 1, &n_fds, MSG_DONTWAIT);
		if (len == -EAGAIN)
			return 0;
		if (len == 0 || len == -ECONNRESET) {
			control_gone(r);
			return 0;
		}
		*why = len < 0 ? "control: receiving" : message_check(&m, (size_t)len, n_fds);
		if (*why)
			return len < 0 ? (int)len : -EBADMSG;
		err = apply(r, &m, &fd);
		if (err < 0) {
			*why = "control: message cannot be carried out";
			return err;
		}
	}
	return 0;
}
