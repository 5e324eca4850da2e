/* SPDX-License-Identifier: ISC */
/* listen.c: bind, listen, shutdown: how a listener becomes a channel and stops being one. */
#include "notify.h"

#include <fcntl.h>
#include <string.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif
#ifndef IPV6_FREEBIND
#define IPV6_FREEBIND 78
#endif

static int get_int(int fd, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	return getsockopt(fd, level, name, &value, &len) < 0 ? -errno : value;
}

/* Is it a stream socket of TCP (or multipath TCP)? Returns its family, else 0. */
static int tcp_family(int fd)
{
	int family = get_int(fd, SOL_SOCKET, SO_DOMAIN), protocol = get_int(fd, SOL_SOCKET, SO_PROTOCOL);

	if ((family != AF_INET && family != AF_INET6) || get_int(fd, SOL_SOCKET, SO_TYPE) != SOCK_STREAM)
		return 0;
	return protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP ? family : 0;
}

/* The channel whose port sock is bound to, or NULL. */
static struct channel *wanted_channel(int sock, struct sockaddr_in6 *bound, socklen_t *len)
{
	int family = tcp_family(sock);

	if (!family || getsockname(sock, (struct sockaddr *)bound, len) < 0)
		return NULL;
	return channel_find(ntohs(bound->sin6_port), (uint16_t)family); /* at the same place in a struct sockaddr_in */
}

/* As the program has set its own. */
static void copy_flags(int sock, const struct channel *ch)
{
	int status = fcntl(sock, F_GETFL);

	if (status >= 0)
		fcntl(ch->fd, F_SETFL, status & O_NONBLOCK);
	options_carry(sock, ch->fd);
}

static void remember(struct channel *ch, int sock, int backlog)
{
	options_snapshot(&ch->options, sock, ch->family);
	ch->options.backlog = backlog;
	ch->options.v6only = ch->family == AF_INET6 && get_int(sock, IPPROTO_IPV6, IPV6_V6ONLY) == 1;
}

/* *sock: our duplicate of the program's socket; closed, so that its file goes when it is replaced. */
static int replace_listener(const struct call *c, int pidfd, int *sock)
{
	struct sockaddr_in6 bound = {0};
	socklen_t len = sizeof(bound);
	struct channel *ch = wanted_channel(*sock, &bound, &len);
	int cloexec, r, backlog = (int)c->args[1];
	struct rearm registrations;

	if (!ch)
		return CALL_PASS_ON; /* its own listener it is */
	/* for real: somebody else may have that port */
	if (listen(*sock, backlog) < 0)
		return -errno;
	cloexec = target_is_cloexec(c->tid, c->fd);
	if (cloexec < 0)
		return cloexec;
	copy_flags(*sock, ch);
	remember(ch, *sock, backlog);
	ch->bound = bound;
	ch->bound_len = len;
	rearm_collect(c->tid, c->fd, &registrations);
	trp_close(sock);
	r = call_replace(c, ch->fd, cloexec);
	if (r < 0)
		return r;
	rearm_apply(pidfd, c->fd, ch->fd, &registrations);
	channel_listens(ch);
	return 0;
}

/* A service may be told to bind an address of the host, which the sandbox's network does not have. */
int bind_call(const struct call *c)
{
	cleanup_close int sock = target_socket(c, NULL);
	int family = sock < 0 ? 0 : tcp_family(sock), one = 1;

	if (family == AF_INET)
		setsockopt(sock, IPPROTO_IP, IP_FREEBIND, &one, sizeof(one));
	else if (family == AF_INET6)
		setsockopt(sock, IPPROTO_IPV6, IPV6_FREEBIND, &one, sizeof(one));
	return CALL_PASS_ON;
}

int listen_call(const struct call *c)
{
	cleanup_close int pidfd = -1, sock = -1;

	if (channel_of(c))
		return 0; /* to listen again is no error */
	sock = target_socket(c, &pidfd);
	return sock < 0 ? CALL_PASS_ON : replace_listener(c, pidfd, &sock);
}

/* A socket in the state in which shutdown(2) leaves a listener: bound, but listening no more. */
static int stopped_socket(const struct channel *ch)
{
	cleanup_close int low = socket(ch->family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = low < 0 ? -1 : fcntl(low, F_DUPFD_CLOEXEC, NOTIFY_OWN_FDS), one = 1, status = fcntl(ch->fd, F_GETFL);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	if (ch->family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &ch->options.v6only, sizeof(ch->options.v6only));
	options_replay(&ch->options, fd);
	/* if somebody took the port meanwhile, unbound is what is left */
	(void)!bind(fd, (const struct sockaddr *)&ch->bound, ch->bound_len);
	if (status >= 0)
		fcntl(fd, F_SETFL, status & O_NONBLOCK);
	return fd;
}

/* The channel is shared with the daemon and with the next instance: a real shutdown(2) would end it for all of them. */
int shutdown_call(struct channel *ch, const struct call *c)
{
	cleanup_close int pidfd = -1, fresh = -1;
	struct rearm registrations;
	int sock = target_socket(c, &pidfd), cloexec, r;

	if (sock < 0)
		return -EIO;
	trp_close(&sock); /* out of rearm()'s way */
	cloexec = target_is_cloexec(c->tid, c->fd);
	fresh = stopped_socket(ch);
	if (fresh < 0 || cloexec < 0)
		return fresh < 0 ? fresh : cloexec;
	rearm_collect(c->tid, c->fd, &registrations);
	rearm_remove(pidfd, c->fd, ch->fd, &registrations);
	r = call_replace(c, fresh, cloexec);
	if (r < 0)
		return r;
	rearm_apply(pidfd, c->fd, fresh, &registrations);
	accept_stop(ch, target_process(c->tid));
	return 0;
}
