/* SPDX-License-Identifier: ISC */
#include "preload.h"

#include <stddef.h>
#include <string.h>
#include <linux/tcp.h>

/* What the kernel copies from a listener to the sockets that it accepts. Without it gunicorn had stalls
 * of 40 ms (TCP_NODELAY). */
static const struct {
	int level, name;
	uint8_t size;
	bool doubled; /* getsockopt(2) gives twice of what was set */
} options[] = {
	{SOL_SOCKET, SO_KEEPALIVE, sizeof(int), false},
	{SOL_SOCKET, SO_LINGER, sizeof(struct linger), false},
	{SOL_SOCKET, SO_OOBINLINE, sizeof(int), false},
	{SOL_SOCKET, SO_RCVBUF, sizeof(int), true},
	{SOL_SOCKET, SO_SNDBUF, sizeof(int), true},
	{SOL_SOCKET, SO_RCVTIMEO, 16, false},
	{SOL_SOCKET, SO_SNDTIMEO, 16, false},
	{IPPROTO_TCP, TCP_NODELAY, sizeof(int), false},
	{IPPROTO_TCP, TCP_CORK, sizeof(int), false},
	{IPPROTO_TCP, TCP_KEEPIDLE, sizeof(int), false},
	{IPPROTO_TCP, TCP_KEEPINTVL, sizeof(int), false},
	{IPPROTO_TCP, TCP_KEEPCNT, sizeof(int), false},
	{IPPROTO_TCP, TCP_USER_TIMEOUT, sizeof(int), false},
	{IPPROTO_TCP, TCP_LINGER2, sizeof(int), false},
	{IPPROTO_TCP, TCP_NOTSENT_LOWAT, sizeof(int), false},
	{IPPROTO_TCP, TCP_CONGESTION, 16, false},
	{IPPROTO_IP, IP_TOS, sizeof(int), false},
	{IPPROTO_IP, IP_TTL, sizeof(int), false},
	{IPPROTO_IPV6, IPV6_TCLASS, sizeof(int), false},
	{IPPROTO_IPV6, IPV6_UNICAST_HOPS, sizeof(int), false},
};
#define N_OPTIONS ((int)(sizeof(options) / sizeof(options[0])))
_Static_assert(N_OPTIONS <= OPTIONS_MAX, "struct listener has a value and a bit for each");

int option_find(int level, int name)
{
	for (int i = 0; i < N_OPTIONS; i++)
		if (options[i].level == level && options[i].name == name)
			return i;
	return OPTION_NONE;
}

void option_remember(struct listener *l, int option, const void *value, socklen_t len)
{
	if (len < options[option].size && options[option].name != TCP_CONGESTION)
		return;
	if (len > options[option].size)
		len = options[option].size;
	memset(&l->values[option], 0, sizeof(l->values[option]));
	memcpy(&l->values[option], value, len);
	__atomic_fetch_or(&l->set, 1u << option, __ATOMIC_RELEASE);
}

bool option_recall(const struct listener *l, int option, void *value, socklen_t *len)
{
	union option_value v;

	if (!(__atomic_load_n(&l->set, __ATOMIC_ACQUIRE) & (1u << option)))
		return false;
	v = l->values[option];
	if (options[option].doubled)
		v.number *= 2;
	if (*len > options[option].size)
		*len = options[option].size;
	memcpy(value, &v, *len);
	return true;
}

static bool read_option(int sock, int option, union option_value *ret)
{
	socklen_t len = options[option].size;

	memset(ret, 0, sizeof(*ret));
	if (sys_getsockopt(sock, options[option].level, options[option].name, ret, &len) < 0)
		return false;
	if (options[option].doubled)
		ret->number /= 2;
	return true;
}

void options_snapshot(struct listener *l, int sock, int family)
{
	int fresh = trp_raw_socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	union option_value here, there;

	__atomic_store_n(&l->set, 0, __ATOMIC_RELEASE);
	if (fresh < 0)
		return;
	for (int i = 0; i < N_OPTIONS; i++)
		if (read_option(sock, i, &here) && read_option(fresh, i, &there) &&
			memcmp(&here, &there, sizeof(here)) != 0)
			option_remember(l, i, &here, options[i].size);
	trp_raw_close(fresh);
}

/* Errors do not matter: the client is served with what the kernel would take. */
void options_replay(const struct listener *l, int sock)
{
	uint32_t set = __atomic_load_n(&l->set, __ATOMIC_ACQUIRE);

	for (; set; set &= set - 1) {
		int i = __builtin_ctz(set);
		trp_raw_setsockopt(sock, options[i].level, options[i].name, &l->values[i],
			options[i].size);
	}
}
