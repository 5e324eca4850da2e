/* SPDX-License-Identifier: ISC */
/* sockopt.c: what a program asks its listener, and tells it: a channel answers like a listening TCP socket. */
#include "notify.h"

#include <string.h>

#define VALUE_MAX 512 /* struct tcp_info is the longest */

int getsockname_call(struct channel *ch, const struct call *c)
{
	return target_put_address(c, &ch->bound, ch->bound_len, c->args[1], c->args[2]);
}

int getsockopt_call(struct channel *ch, const struct call *c)
{
	int level = (int)c->args[1], name = (int)c->args[2], room, r;
	socklen_t len;
	char value[VALUE_MAX];

	r = target_read(c, c->args[4], &room, sizeof(room));
	if (r < 0)
		return r;
	if (room < 0)
		return -EINVAL;
	len = (socklen_t)room < sizeof(value) ? (socklen_t)room : sizeof(value);
	memset(value, 0, sizeof(value));
	if (level != SOL_SOCKET)
		option_read_inet(level, name, &ch->options, value, &len);
	else if (!option_identity(name, ch->family, value, &len))
		return CALL_PASS_ON;
	r = target_write(c, c->args[3], value, len);
	return r < 0 ? r : target_write(c, c->args[4], &len, sizeof(len));
}

int setsockopt_call(struct channel *ch, const struct call *c)
{
	int level = (int)c->args[1], name = (int)c->args[2], option = option_find(level, name), r;
	size_t len = (uint32_t)c->args[4];
	char value[sizeof(union option_value)];

	if (level == SOL_SOCKET && option_is_filter(level, name))
		return 0;
	if (option == OPTION_NONE)
		return level == SOL_SOCKET ? CALL_PASS_ON : 0;
	if (len > sizeof(value))
		len = sizeof(value);
	r = target_read(c, c->args[3], value, len);
	/* those of the socket itself hold for the channel too, above all the time that accept(2) waits */
	if (r == 0 && level == SOL_SOCKET && setsockopt(ch->fd, level, name, value, (socklen_t)len) < 0)
		r = -errno;
	if (r == 0)
		option_remember(&ch->options, option, value, (socklen_t)len);
	return r;
}
