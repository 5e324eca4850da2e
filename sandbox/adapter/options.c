/* SPDX-License-Identifier: ISC */
#include "options.h"
#include "base/rawsys.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <netinet/in.h>
#include <linux/tcp.h>

#ifndef TCP_LISTEN
#define TCP_LISTEN 10 /* the kernel's net/tcp_states.h, as in netinet/tcp.h */
#endif

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
	{SOL_SOCKET, SO_RCVLOWAT, sizeof(int), false},
	{SOL_SOCKET, SO_MAX_PACING_RATE, sizeof(int), false},
	{IPPROTO_TCP, TCP_NODELAY, sizeof(int), false},
	{IPPROTO_TCP, TCP_CORK, sizeof(int), false},
	{IPPROTO_TCP, TCP_KEEPIDLE, sizeof(int), false},
	{IPPROTO_TCP, TCP_KEEPINTVL, sizeof(int), false},
	{IPPROTO_TCP, TCP_KEEPCNT, sizeof(int), false},
	{IPPROTO_TCP, TCP_USER_TIMEOUT, sizeof(int), false},
	{IPPROTO_TCP, TCP_LINGER2, sizeof(int), false},
	{IPPROTO_TCP, TCP_NOTSENT_LOWAT, sizeof(int), false},
	{IPPROTO_TCP, TCP_CONGESTION, 16, false},
	{IPPROTO_TCP, TCP_QUICKACK, sizeof(int), false},
	{IPPROTO_TCP, TCP_WINDOW_CLAMP, sizeof(int), false},
	{IPPROTO_TCP, TCP_INQ, sizeof(int), false},
	{IPPROTO_IP, IP_TOS, sizeof(int), false},
	{IPPROTO_IP, IP_TTL, sizeof(int), false},
	{IPPROTO_IP, IP_MTU_DISCOVER, sizeof(int), false},
	{IPPROTO_IP, IP_RECVERR, sizeof(int), false},
	{IPPROTO_IPV6, IPV6_TCLASS, sizeof(int), false},
	{IPPROTO_IPV6, IPV6_UNICAST_HOPS, sizeof(int), false},
};
#define N_OPTIONS ((int)(sizeof(options) / sizeof(options[0])))
_Static_assert(N_OPTIONS <= OPTIONS_MAX, "struct options has a value and a bit for each");

int option_find(int level, int name)
{
	for (int i = 0; i < N_OPTIONS; i++)
		if (options[i].level == level && options[i].name == name)
			return i;
	return OPTION_NONE;
}

void option_remember(struct options *o, int option, const void *value, socklen_t len)
{
	union option_value v;

	if (len < options[option].size && options[option].name != TCP_CONGESTION)
		return;
	if (len > options[option].size)
		len = options[option].size;
	memset(&v, 0, sizeof(v));
	memcpy(&v, value, len);
	if (memcmp(&o->values[option], &v, sizeof(v)) != 0)
		o->values[option] = v;
	__atomic_fetch_or(&o->set, 1u << option, __ATOMIC_RELEASE);
}

bool option_recall(const struct options *o, int option, void *value, socklen_t *len)
{
	union option_value v;

	if (!(__atomic_load_n(&o->set, __ATOMIC_ACQUIRE) & (1u << option)))
		return false;
	v = o->values[option];
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
	if (trp_raw_getsockopt(sock, options[option].level, options[option].name, ret, &len) < 0)
		return false;
	if (options[option].doubled)
		ret->number /= 2;
	return true;
}

/* At no time less is set than before and after: the program may have another listener there, from which a thread accepts. */
void options_snapshot(struct options *o, int sock, int family)
{
	int fresh = trp_raw_socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	union option_value here, there;
	uint32_t set = 0;

	for (int i = 0; fresh >= 0 && i < N_OPTIONS; i++)
		if (read_option(sock, i, &here) && read_option(fresh, i, &there) &&
			memcmp(&here, &there, sizeof(here)) != 0) {
			option_remember(o, i, &here, options[i].size);
			set |= 1u << i;
		}
	__atomic_store_n(&o->set, set, __ATOMIC_RELEASE);
	if (fresh >= 0)
		trp_raw_close(fresh);
}

void options_take(struct options *o, const struct options *more)
{
	for (uint32_t set = more->set; set; set &= set - 1) {
		int i = __builtin_ctz(set);
		option_remember(o, i, &more->values[i], options[i].size);
	}
}

/* Not the doubled ones: sizes of buffers differ between the families where nobody has set them. */
void options_carry(int sock, int channel)
{
	union option_value value;

	for (int i = 0; i < N_OPTIONS; i++)
		if (options[i].level == SOL_SOCKET && !options[i].doubled && read_option(sock, i, &value))
			trp_raw_setsockopt(channel, options[i].level, options[i].name, &value, options[i].size);
}

/* Errors do not matter: the client is served with what the kernel would take. */
void options_replay(const struct options *o, int sock)
{
	uint32_t set = __atomic_load_n(&o->set, __ATOMIC_ACQUIRE);

	for (; set; set &= set - 1) {
		int i = __builtin_ctz(set);
		trp_raw_setsockopt(sock, options[i].level, options[i].name, &o->values[i],
			options[i].size);
	}
}

static void give_int(int value, void *to, socklen_t *len)
{
	if (*len > sizeof(value))
		*len = sizeof(value);
	memcpy(to, &value, *len);
}

bool option_identity(int name, int family, void *value, socklen_t *len)
{
	switch (name) {
	case SO_TYPE:
		give_int(SOCK_STREAM, value, len);
		return true;
	case SO_DOMAIN:
		give_int(family, value, len);
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

void option_read_inet(int level, int name, const struct options *o, void *value, socklen_t *len)
{
	int option = option_find(level, name);

	if (o && option != OPTION_NONE && option_recall(o, option, value, len))
		return;
	if (level == IPPROTO_TCP && name == TCP_INFO) {
		struct tcp_info info;
		memset(&info, 0, sizeof(info));
		info.tcpi_state = TCP_LISTEN;
		info.tcpi_sacked = o ? (uint32_t)o->backlog : 0; /* of a listener: its backlog */
		if (*len > sizeof(info))
			*len = sizeof(info);
		memcpy(value, &info, *len);
		return;
	}
	give_int(level == IPPROTO_IPV6 && name == IPV6_V6ONLY && o ? o->v6only : 0, value, len);
}

bool option_is_filter(int level, int name)
{
	return level == SOL_SOCKET &&
		(name == SO_ATTACH_FILTER || name == SO_ATTACH_BPF || name == SO_LOCK_FILTER);
}
