/* SPDX-License-Identifier: ISC */
/* sockopt.c: getsockopt, setsockopt: a channel answers like a listening TCP socket. */
#include "preload.h"

#include <stddef.h>
#include <string.h>

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
		if (option_identity(name, id.family, value, len) ||
			(l && option != OPTION_NONE && option_recall(&l->options, option, value, len)))
			return 0;
		return finish(sys_getsockopt(fd, level, name, value, len));
	}
	if (level != IPPROTO_TCP && level != IPPROTO_IP && level != IPPROTO_IPV6)
		return finish(r);
	option_read_inet(level, name, l ? &l->options : NULL, value, len);
	return 0;
}

EXPORT int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	int option = option_find(level, name), r;
	struct listener *l;
	struct channel_id id;

	if (option_is_filter(level, name) && channel_identify(fd, &id))
		return 0;
	r = trp_raw_setsockopt(fd, level, name, value, len);
	if (r < 0 && r != -EOPNOTSUPP && r != -ENOPROTOOPT)
		return finish(r);
	if (r == 0 && (level != SOL_SOCKET || option == OPTION_NONE))
		return 0;
	if (!channel_identify(fd, &id))
		return finish(r);
	l = listener_known(&id, fd);
	if (l && option != OPTION_NONE && value)
		option_remember(&l->options, option, value, len);
	return 0;
}
