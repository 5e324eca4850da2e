/* SPDX-License-Identifier: ISC */
#include "supervisor/listenfilter.h"

#include <arpa/inet.h>
#include <string.h>

/* Offsets: positive from the TCP header, where a TCP socket's filter begins; SKF_NET_OFF from the IP header (RFC 791,
 * RFC 8200 section 3); SKF_AD_OFF what the kernel knows of the packet. */
#define TCP_DESTINATION  2
#define IP_VERSION       (SKF_NET_OFF + 0)
#define IPV4_DESTINATION (SKF_NET_OFF + 16)
#define IPV6_DESTINATION (SKF_NET_OFF + 24)
#define IN_INTERFACE     (SKF_AD_OFF + SKF_AD_IFINDEX)

struct program {
	struct sock_filter *insns;
	size_t n;
};

static void emit(struct program *p, uint16_t code, uint32_t k)
{
	p->insns[p->n++] = (struct sock_filter)BPF_STMT(code, k);
}

/* Loads, and drops the segment unless it is this. Where dropping is, is filled in at the end. */
static void require(struct program *p, uint16_t size, int offset, uint32_t value)
{
	emit(p, BPF_LD | size | BPF_ABS, (uint32_t)offset);
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, value);
}

static void require_version(struct program *p, uint32_t version)
{
	emit(p, BPF_LD | BPF_B | BPF_ABS, (uint32_t)IP_VERSION);
	emit(p, BPF_ALU | BPF_RSH | BPF_K, 4);
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, version);
}

size_t listenfilter_make(const struct listenscope *s, struct sock_filter out[LISTENFILTER_MAX])
{
	struct program p = {.insns = out};

	require(&p, BPF_H, TCP_DESTINATION, s->port);
	if (s->ifindex)
		require(&p, BPF_W, IN_INTERFACE, (uint32_t)s->ifindex);
	/* also without an address: a socket that has left its connection could be bound to the other family */
	if (s->family != FAMILY_BOTH)
		require_version(&p, s->family == FAMILY_IPV4 ? 4 : 6);
	if (s->has_address && s->family == FAMILY_IPV4)
		require(&p, BPF_W, IPV4_DESTINATION, ntohl(s->ip.s6_addr32[3]));
	for (int i = 0; s->has_address && s->family == FAMILY_IPV6 && i < 4; i++)
		require(&p, BPF_W, IPV6_DESTINATION + 4 * i, ntohl(s->ip.s6_addr32[i]));
	emit(&p, BPF_RET | BPF_K, 0xffffffff);
	for (size_t i = 0; i < p.n; i++)
		if (out[i].code == (BPF_JMP | BPF_JEQ | BPF_K))
			out[i].jf = (uint8_t)(p.n - i - 1);
	emit(&p, BPF_RET | BPF_K, 0);
	return p.n;
}
