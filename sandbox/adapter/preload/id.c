/* SPDX-License-Identifier: ISC */
#include "preload.h"

#include <stddef.h>
#include <string.h>

#define HINTS 4096

/* One bit for each descriptor number: it was a channel when last seen. Only ever a hint about which
 * question to ask the kernel first. */
static uint8_t hints[HINTS / 8];
static uint8_t made[HINTS / 8]; /* those over which listen(2) has put one */

static bool bit_get(const uint8_t *bits, unsigned i)
{
	return __atomic_load_n(&bits[i / 8], __ATOMIC_RELAXED) & (1u << (i % 8));
}

static void bit_set(uint8_t *bits, unsigned i, bool value)
{
	uint8_t bit = (uint8_t)(1u << (i % 8));

	if (value)
		__atomic_fetch_or(&bits[i / 8], bit, __ATOMIC_RELAXED);
	else
		__atomic_fetch_and(&bits[i / 8], (uint8_t)~bit, __ATOMIC_RELAXED);
}

bool channel_hinted(int fd)
{
	return bit_get(hints, (unsigned)fd % HINTS);
}

void channel_hint(int fd, bool is_channel)
{
	bit_set(hints, (unsigned)fd % HINTS, is_channel);
}

void channel_made(int fd, bool by_listen)
{
	if (fd < HINTS)
		bit_set(made, (unsigned)fd, by_listen);
}

bool channel_has_other(int fd, const struct channel_id *id)
{
	struct channel_id here;

	for (int i = 0; i < HINTS; i++)
		if (i != fd && bit_get(made, (unsigned)i) && channel_identify(i, &here) && here.port == id->port && here.family == id->family)
			return true;
	return false;
}

/* "trpsup:PPPPP:F:HHHHHHHHHHHHHHHH" */
static bool parse_name(const char *s, struct channel_id *ret)
{
	static const char prefix[] = TRP_CHANNEL_PREFIX;
	const size_t digits = sizeof(prefix) - 1;
	unsigned port = 0;

	if (memcmp(s, prefix, digits) != 0 || s[digits + 5] != ':' || s[digits + 7] != ':')
		return false;
	for (size_t i = digits; i < digits + 5; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
		port = port * 10 + (unsigned)(s[i] - '0');
	}
	if (port < 1 || port > 65535 || (s[digits + 6] != '4' && s[digits + 6] != '6'))
		return false;
	ret->port = (uint16_t)port;
	ret->family = s[digits + 6] == '4' ? AF_INET : AF_INET6;
	return true;
}

bool channel_named(const struct sockaddr_un *addr, socklen_t len, struct channel_id *ret)
{
	return len == offsetof(struct sockaddr_un, sun_path) + 1 + TRP_CHANNEL_NAME_LEN && addr->sun_family == AF_UNIX &&
		addr->sun_path[0] == '\0' && parse_name(addr->sun_path + 1, ret);
}

bool channel_identify(int fd, struct channel_id *ret)
{
	struct sockaddr_un addr;
	socklen_t len = sizeof(addr);
	bool is;

	is = sys_getsockname(fd, &addr, &len) == 0 && channel_named(&addr, len, ret);
	if (is != channel_hinted(fd))
		channel_hint(fd, is);
	return is;
}
