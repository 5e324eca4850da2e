/* SPDX-License-Identifier: ISC */
/* listen.c: bind, listen, shutdown: how a listener becomes a channel and stops being one. */
#include "preload.h"

#include <fcntl.h>
#include <stddef.h>
#include <string.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif
#ifndef IPV6_FREEBIND
#define IPV6_FREEBIND 78
#endif

/* Is it a stream socket of TCP (or multipath TCP)? Returns its family, else 0. */
static int tcp_family(int fd)
{
	int family = sys_getint(fd, SOL_SOCKET, SO_DOMAIN), protocol;

	if (family != AF_INET && family != AF_INET6)
		return 0;
	if (sys_getint(fd, SOL_SOCKET, SO_TYPE) != SOCK_STREAM)
		return 0;
	protocol = sys_getint(fd, SOL_SOCKET, SO_PROTOCOL);
	return protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP ? family : 0;
}

static int sys_bind(int fd, const void *addr, socklen_t len)
{
	return (int)trp_syscall(SYS_bind, fd, (long)addr, len, 0, 0, 0);
}

/* A service may be told to bind an address of the host, which the sandbox's network does not have. */
EXPORT int bind(int fd, __CONST_SOCKADDR_ARG addr, socklen_t len)
{
	int r = sys_bind(fd, addr.__sockaddr__, len), one = 1;

	if (r == -EADDRNOTAVAIL) {
		int family = tcp_family(fd);
		if (family == AF_INET)
			trp_raw_setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &one, sizeof(one));
		else if (family == AF_INET6)
			trp_raw_setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &one, sizeof(one));
		if (family)
			r = sys_bind(fd, addr.__sockaddr__, len);
	}
	return finish(r);
}

/* Both descriptors' file and descriptor flags become the same, as far as a program sets them. */
static int put_over(int from, int to)
{
	int cloexec = trp_raw_fcntl(to, F_GETFD, 0), status = trp_raw_fcntl(to, F_GETFL, 0);

	if (cloexec < 0 || status < 0)
		return -EBADF;
	trp_raw_fcntl(from, F_SETFL, status & O_NONBLOCK);
	return sys_dup3(from, to, cloexec & FD_CLOEXEC ? O_CLOEXEC : 0);
}

static void remember(const struct channel_id *id, int fd, const struct sockaddr_in6 *bound,
	socklen_t len, int backlog, int v6only)
{
	struct listener *l = listener_get(id);

	if (!l)
		return;
	options_snapshot(&l->options, fd, id->family);
	l->bound = *bound;
	l->bound_len = len;
	l->options.backlog = backlog;
	l->options.v6only = v6only;
	listener_stop(l, false);
}

/* fd is a TCP socket that listens: puts the channel in its place if its port is one of the profile. */
static int replace_listener(int fd, int family, int backlog)
{
	struct sockaddr_in6 bound;
	socklen_t len = sizeof(bound);
	struct channel_id id = {.family = (uint16_t)family};
	struct rearm registrations;
	int channel, v6only = 0, r;

	memset(&bound, 0, sizeof(bound));
	r = sys_getsockname(fd, &bound, &len);
	if (r < 0)
		return r;
	id.port = ntohs(bound.sin6_port); /* at the same place in a struct sockaddr_in */
	if (family == AF_INET6)
		v6only = sys_getint(fd, IPPROTO_IPV6, IPV6_V6ONLY) == 1;

	channel = adapter_ask(id.port, family, v6only, backlog, 0);
	if (channel == -ENOENT || channel == -ECONNREFUSED)
		return 0; /* its own listener it is */
	if (channel < 0)
		return channel;
	remember(&id, fd, &bound, len, backlog, v6only);
	options_carry(fd, channel);
	rearm_collect(fd, &registrations);
	r = put_over(channel, fd);
	trp_raw_close(channel);
	if (r < 0)
		return r;
	rearm_apply(fd, &registrations);
	channel_hint(fd, true);
	channel_made(fd, true);
	return 0;
}

EXPORT int listen(int fd, int backlog)
{
	struct channel_id id;
	int family, r;

	r = (int)trp_syscall(SYS_listen, fd, backlog, 0, 0, 0, 0);
	if (r < 0) /* a channel is connected: EINVAL. To listen again is no error */
		return finish(r == -EINVAL && channel_identify(fd, &id) ? 0 : r);
	family = tcp_family(fd);
	return finish(family ? replace_listener(fd, family, backlog) : 0);
}

/* A socket in the state in which shutdown(2) leaves a listener: bound, but listening no more. */
static int stopped_socket(const struct channel_id *id, const struct listener *l)
{
	int fd = trp_raw_socket(id->family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	struct sockaddr_storage bound;

	if (fd < 0)
		return fd;
	trp_raw_setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	trp_raw_setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	if (l && id->family == AF_INET6)
		trp_raw_setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &l->options.v6only, sizeof(l->options.v6only));
	if (l)
		options_replay(&l->options, fd);
	sys_bind(fd, &bound, listener_bound(id, &bound));
	return fd;
}

/* The channel is shared with the daemon, with other processes and with the next instance: a real
 * shutdown(2) would end it for all of them. */
static int stop_listener(int fd, const struct channel_id *id)
{
	struct listener *l = listener_known(id, fd);
	struct rearm registrations;
	bool other = channel_has_other(fd, id); /* which goes on */
	int fresh, r;

	fresh = stopped_socket(id, l);
	if (fresh < 0)
		return fresh;
	if (l && !other)
		listener_stop(l, true);
	rearm_collect(fd, &registrations);
	rearm_remove(fd, &registrations); /* of the channel, which lives on */
	r = put_over(fresh, fd);
	trp_raw_close(fresh);
	rearm_apply(fd, &registrations);
	channel_hint(fd, false);
	channel_made(fd, false);
	wait_wake(id, other ? fd : -1);
	pollers_wake(fd);
	return r < 0 ? r : 0;
}

EXPORT int shutdown(int fd, int how)
{
	struct channel_id id;

	if (how >= SHUT_RD && how <= SHUT_RDWR && channel_identify(fd, &id))
		return finish(how == SHUT_WR ? 0 : stop_listener(fd, &id));
	return finish(trp_syscall(SYS_shutdown, fd, how, 0, 0, 0, 0));
}
