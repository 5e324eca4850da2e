/* SPDX-License-Identifier: ISC */
#include "preload.h"

#include <fcntl.h>
#include <stddef.h>
#include <string.h>

static int real_accept(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	int before = cancel_allow(), r = (int)trp_syscall(SYS_accept4, fd, (long)addr, (long)len, flags, 0, 0);

	cancel_restore(before);
	return r;
}

static bool is_stopped(const struct channel_id *id)
{
	const struct listener *l = listener_find(id);

	return l && __atomic_load_n(&l->stopped, __ATOMIC_SEQ_CST);
}

/* The next client, waiting for it if the listener blocks. First without waiting: that needs no slot. tried: that has been done. */
static int take(
	int fd, const struct channel_id *id, int flags, bool tried, struct trp_handoff *h, int *ret_family)
{
	int r = tried ? -EAGAIN : adapter_take(fd, id->family, flags, 0, h, ret_family), status, before;
	struct sockaddr_un name;
	struct wait w;
	socklen_t len;
	bool woken;

	if (r != -EAGAIN)
		return r;
	status = trp_raw_fcntl(fd, F_GETFL, 0);
	if (status < 0 || status & O_NONBLOCK)
		return -EAGAIN;
	wait_enter(id, fd, &w);
	before = cancel_allow();
	r = is_stopped(id) ? -EINVAL : adapter_receive(fd, flags, 1, h, &name, &len);
	cancel_restore(before);
	woken = wait_leave(&w);
	if (r >= 0)
		*ret_family = adapter_settle(r, id->family, flags, h);
	/* ENOTCONN: it was begun again after a signal, and is no channel any more */
	return r == -ENOTCONN || (r == -EINTR && (woken || is_stopped(id))) ? -EINVAL : r;
}

/* The peer as the router saw it: getpeername(2) fails when the client has reset the connection since. */
static void give_peer(int client, const struct channel_id *id, const struct trp_handoff *h,
	struct sockaddr *addr, socklen_t *len)
{
	struct sockaddr_storage peer;
	socklen_t peer_len = (socklen_t)trp_addr_to_sockaddr(&h->peer, id->family, &peer);

	if (peer_len == 0)
		peer_len = (socklen_t)trp_addr_to_sockaddr(&h->peer, 0, &peer);
	if (peer_len == 0) {
		peer_len = sizeof(peer);
		if (sys_getpeername(client, &peer, &peer_len) < 0)
			peer_len = 0;
	}
	copy_address(&peer, peer_len, addr, len);
}

static bool is_valid(const struct sockaddr *addr, const socklen_t *len, int flags)
{
	return !(flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) && (!addr || (len && (int)*len >= 0));
}

/* What is left to be done for one that was taken. family: the socket's. */
static void introduce(
	int fd, int client, const struct channel_id *id, int family, const struct trp_handoff *h, struct sockaddr *addr, socklen_t *len)
{
	const struct listener *l = listener_known(id, fd);

	if (l)
		options_replay(&l->options, client);
	shown_note(client, id->family, family, h);
	if (addr)
		give_peer(client, id, h, addr, len);
}

static int accept_channel(
	int fd, const struct channel_id *id, struct sockaddr *addr, socklen_t *len, int flags, bool tried)
{
	struct trp_handoff h;
	int client, family;

	if (!is_valid(addr, len, flags) || is_stopped(id))
		return -EINVAL;
	client = take(fd, id, flags, tried, &h, &family);
	if (client >= 0)
		introduce(fd, client, id, family, &h, addr, len);
	return client;
}

/* A client that lies there already, of what was a channel when last seen. Which one it is its message tells, so that the kernel need not be asked
 * first. (A socket that has become another since, and is accept()ed from, listens or should: there is nothing to be received from it.)
 * Or -errno, of which -EAGAIN says that there is none; then nothing is known of fd. */
static int accept_at_once(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	struct sockaddr_un name;
	struct channel_id id;
	struct trp_handoff h;
	socklen_t name_len;
	int client;

	if (!is_valid(addr, len, flags) || listener_any_stopped())
		return -EINVAL;
	client = adapter_receive(fd, flags, 0, &h, &name, &name_len);
	if (client < 0)
		return client;
	if (!channel_named(&name, name_len, &id) && !channel_identify(fd, &id)) {
		trp_raw_close(client); /* nobody's */
		return -EINVAL;
	}
	introduce(fd, client, &id, adapter_settle(client, id.family, flags, &h), &h, addr, len);
	return client;
}

EXPORT int accept4(int fd, __SOCKADDR_ARG addr, socklen_t *restrict len, int flags)
{
	bool hinted = channel_hinted(fd);
	struct channel_id id;
	int r = -EINVAL;

	if (hinted) {
		cancel_point(); /* a client that waits is then for others */
		r = accept_at_once(fd, addr.__sockaddr__, len, flags);
		if (r >= 0)
			return finish(r);
	} else {
		r = real_accept(fd, addr.__sockaddr__, len, flags);
		if (r != -EINVAL && r != -EOPNOTSUPP)
			return finish(r);
	}
	if (channel_identify(fd, &id))
		return finish(accept_channel(fd, &id, addr.__sockaddr__, len, flags, hinted && r == -EAGAIN));
	return finish(hinted ? real_accept(fd, addr.__sockaddr__, len, flags) : r);
}

EXPORT int accept(int fd, __SOCKADDR_ARG addr, socklen_t *restrict len)
{
	return accept4(fd, addr, len, 0);
}
