/* SPDX-License-Identifier: ISC */
/* sockopt.c: getsockopt, setsockopt: a channel answers like a listening TCP socket. */
#include "preload.h"

#include <stddef.h>
#include <string.h>
#include <linux/tcp.h>

#ifndef TCP_LISTEN
#define TCP_LISTEN 10 /* the kernel's net/tcp_states.h, as in netinet/tcp.h */
#endif

static void give_int(int value, void *to, socklen_t *len)
{
	if (*len > sizeof(value))
		*len = sizeof(value);
	memcpy(to, &value, *len);
}

/* What the socket itself is. Returns false for other options. */
static bool identity(int name, const struct channel_id *id, void *value, socklen_t *len)
{
	switch (name) {
	case SO_TYPE:
		give_int(SOCK_STREAM, value, len);
		return true;
	case SO_DOMAIN:
		give_int(id->family, value, len);
		return true;
	case SO_PROTOCOL:
		give_int(IPPROTO_TCP, value, len);
		return true;
	case SO_ACCEPTCONN:
		give_int(1, value, len);
		return true;
	default:
		return false;
	}
}

/* Options of TCP and IP that a unix socket does not have: what the program set, else zeros. */
static void read_inet(
	int level, int name, const struct listener *l, int option, void *value, socklen_t *len)
{
	if (l && option != OPTION_NONE && option_recall(l, option, value, len))
		return;
	if (level == IPPROTO_TCP && name == TCP_INFO) {
		struct tcp_info info;
		memset(&info, 0, sizeof(info));
		info.tcpi_state = TCP_LISTEN;
		info.tcpi_sacked = l ? (uint32_t)l->backlog : 0; /* of a listener: its backlog */
		if (*len > sizeof(info))
			*len = sizeof(info);
		memcpy(value, &info, *len);
		return;
	}
	give_int(level == IPPROTO_IPV6 && name == IPV6_V6ONLY && l ? l->v6only : 0, value, len);
}

EXPORT int getsockopt(int fd, int level, int name, void *restrict value, socklen_t *restrict len)
{
	socklen_t room = len ? *len : 0;
	int r = sys_getsockopt(fd, level, name, value, len), option = option_find(level, name);
	const struct listener *l;
	struct channel_id id;

	if (r < 0 && r != -EOPNOTSUPP && r != -ENOPROTOOPT)
		return finish(r);
	if (r == 0 && (level != SOL_SOCKET ||
			      (option == OPTION_NONE && name != SO_TYPE && name != SO_DOMAIN &&
				      name != SO_PROTOCOL && name != SO_ACCEPTCONN)))
		return 0;
	if ((int)room < 0 || !value || !channel_identify(fd, &id))
		return finish(r);
	l = listener_find(&id);
	*len = room;
	if (level == SOL_SOCKET) {
		if (identity(name, &id, value, len) ||
			(l && option != OPTION_NONE && option_recall(l, option, value, len)))
			return 0;
		return finish(sys_getsockopt(fd, level, name, value, len));
	}
	if (level != IPPROTO_TCP && level != IPPROTO_IP && level != IPPROTO_IPV6)
		return finish(r);
	read_inet(level, name, l, option, value, len);
	return 0;
}

/* On a listener a filter chooses connections; on the channel it would throw clients away. */
static bool is_filter(int level, int name)
{
	return level == SOL_SOCKET &&
		(name == SO_ATTACH_FILTER || name == SO_ATTACH_BPF || name == SO_LOCK_FILTER);
}

EXPORT int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	int option = option_find(level, name), r;
	struct listener *l;
	struct channel_id id;

	if (is_filter(level, name) && channel_identify(fd, &id))
		return 0;
	r = trp_raw_setsockopt(fd, level, name, value, len);
	if (r < 0 && r != -EOPNOTSUPP && r != -ENOPROTOOPT)
		return finish(r);
	if (r == 0 && (level != SOL_SOCKET || option == OPTION_NONE))
		return 0;
	if (!channel_identify(fd, &id))
		return finish(r);
	l = listener_get(&id);
	if (l && option != OPTION_NONE && value)
		option_remember(l, option, value, len);
	return 0;
}
