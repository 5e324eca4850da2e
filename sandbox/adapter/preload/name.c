/* SPDX-License-Identifier: ISC */
/* name.c: getsockname, getpeername, recv: a channel looks like a bound, unconnected TCP socket. */
#include "preload.h"

#include <stddef.h>
#include <string.h>

/* How much room the caller gave is needed again after the real call has changed it. */
static bool maybe_family(const struct sockaddr *addr, socklen_t room, int family)
{
	return room < sizeof(addr->sa_family) || addr->sa_family == family;
}

/* An accepted socket that is to be shown by another name than the kernel's */
static void show(int fd, bool peer, struct sockaddr *addr, socklen_t room, socklen_t *len)
{
	struct sockaddr_storage sa;
	socklen_t sa_len;

	if (shown_none() || (!maybe_family(addr, room, AF_INET6) && !maybe_family(addr, room, AF_INET)))
		return;
	sa_len = shown_name(fd, peer, &sa);
	if (sa_len == 0)
		return;
	*len = room;
	copy_address(&sa, sa_len, addr, len);
}

EXPORT int getsockname(int fd, __SOCKADDR_ARG addr, socklen_t *restrict len)
{
	socklen_t room = len ? *len : 0;
	int r = sys_getsockname(fd, addr.__sockaddr__, len);
	struct sockaddr_storage sa;
	struct channel_id id;

	if (r < 0)
		return finish(r);
	if (maybe_family(addr.__sockaddr__, room, AF_UNIX) && channel_identify(fd, &id)) {
		*len = room;
		copy_address(&sa, listener_bound(&id, &sa), addr.__sockaddr__, len);
	} else {
		show(fd, false, addr.__sockaddr__, room, len);
	}
	return 0;
}

/* The C library's own, which is a cancellation point as recv() is. Weak: a program without one calls neither. */
extern ssize_t recvfrom(int, void *restrict, size_t, int, __SOCKADDR_ARG, socklen_t *restrict)
	__attribute__((weak, visibility("default")));

/* Python's ssl module does it to a listener, to see whether somebody has spoken already. On the channel it would take a client
 * out and lose it. */
EXPORT ssize_t recv(int fd, void *buffer, size_t len, int flags)
{
	struct channel_id id;

	if (channel_hinted(fd) && channel_identify(fd, &id))
		return finish(-ENOTCONN);
	return recvfrom(fd, buffer, len, flags, (__SOCKADDR_ARG){.__sockaddr__ = NULL}, NULL);
}

EXPORT int getpeername(int fd, __SOCKADDR_ARG addr, socklen_t *restrict len)
{
	socklen_t room = len ? *len : 0;
	int r = sys_getpeername(fd, addr.__sockaddr__, len);
	struct channel_id id;

	if (r < 0)
		return finish(r);
	if (maybe_family(addr.__sockaddr__, room, AF_UNIX) && channel_identify(fd, &id))
		return finish(-ENOTCONN);
	show(fd, true, addr.__sockaddr__, room, len);
	return 0;
}
