/* SPDX-License-Identifier: ISC */
/* name.c: getsockname, getpeername: a channel looks like a bound, unconnected TCP socket. */
#include "preload.h"

#include <stddef.h>
#include <string.h>

/* Where the program bound it; after an exec only family and port are known. */
static void give_bound(const struct channel_id *id, struct sockaddr *addr, socklen_t *len)
{
	const struct listener *l = listener_find(id);
	struct trp_addr any = {.family = id->family, .port = htons(id->port)};
	struct sockaddr_storage sa;

	if (l && l->bound_len)
		copy_address(&l->bound, l->bound_len, addr, len);
	else
		copy_address(&sa, (socklen_t)trp_addr_to_sockaddr(&any, 0, &sa), addr, len);
}

/* How much room the caller gave is needed again after the real call has changed it. */
static bool maybe_family(const struct sockaddr *addr, socklen_t room, int family)
{
	return room < sizeof(addr->sa_family) || addr->sa_family == family;
}

/* A socket that an AF_INET listener accepted but that the kernel keeps as AF_INET6: its address as IPv4.
 * get: the system call that has just been made. */
static void show_as_ipv4(int fd, int get(int, void *, socklen_t *), struct sockaddr *addr,
	socklen_t room, socklen_t *len)
{
	struct sockaddr_storage six, four;
	socklen_t six_len = sizeof(six), four_len;
	struct trp_addr a;

	if (!foreign_is(fd) || get(fd, &six, &six_len) < 0)
		return;
	trp_addr_from_sockaddr(&a, (const struct sockaddr *)&six);
	four_len = (socklen_t)trp_addr_to_sockaddr(&a, AF_INET, &four);
	if (four_len == 0)
		return;
	*len = room;
	copy_address(&four, four_len, addr, len);
}

EXPORT int getsockname(int fd, __SOCKADDR_ARG addr, socklen_t *restrict len)
{
	socklen_t room = len ? *len : 0;
	int r = sys_getsockname(fd, addr.__sockaddr__, len);
	struct channel_id id;

	if (r < 0)
		return finish(r);
	if (maybe_family(addr.__sockaddr__, room, AF_UNIX) && channel_identify(fd, &id)) {
		*len = room;
		give_bound(&id, addr.__sockaddr__, len);
	} else if (maybe_family(addr.__sockaddr__, room, AF_INET6)) {
		show_as_ipv4(fd, sys_getsockname, addr.__sockaddr__, room, len);
	}
	return 0;
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
	if (maybe_family(addr.__sockaddr__, room, AF_INET6))
		show_as_ipv4(fd, sys_getpeername, addr.__sockaddr__, room, len);
	return 0;
}
