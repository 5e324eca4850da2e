/* SPDX-License-Identifier: ISC */
/* seccomp_options.c: the options of setsockopt, getsockopt and prctl that a sandbox may use. Lists, and what makes rules of them.
 *
 * A passed socket belongs to the host's network, and so does what its options do and tell: interfaces and addresses (IP_UNICAST_IF,
 * IPV6_PKTINFO, memberships and IPV6_2292PKTOPTIONS answer differently for those that exist), other ways than the one that the client
 * came by (IP_OPTIONS and IPV6_RTHDR are source routes), modules and protocols in the socket's place (TCP_ULP), the network namespace
 * (SO_NETNS_COOKIE), the processor and queue of the card (SO_INCOMING_CPU, SO_INCOMING_NAPI_ID), the client's connection before a
 * DNAT (SO_ORIGINAL_DST). A filter cannot tell it from the program's own sockets, which have nothing but lo to use all that with. So what
 * servers use is allowed, and of the rest the kernel knows nothing: ENOPROTOOPT, with which programs reckon. */
#include "sandbox/seccomp_policy.h"

#include <linux/netlink.h>
#include <linux/prctl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>

/* Newer than some headers. */
#define SO_PASSPIDFD_      76
#define SO_PEERPIDFD_      77
#define SO_RCVTIMEO_NEW_   66
#define SO_SNDTIMEO_NEW_   67
#define SO_PASSRIGHTS_     83
#define PR_SET_MDWE_       65
#define PR_GET_MDWE_       66
#define PR_GET_AUXV_       0x41555856

enum { GET = 1, SET = 2, BOTH = GET | SET };

static const struct option {
	int level, name;
	unsigned allowed;
} options[] = {
	{SOL_SOCKET, SO_REUSEADDR, BOTH}, {SOL_SOCKET, SO_TYPE, GET}, {SOL_SOCKET, SO_ERROR, GET}, {SOL_SOCKET, SO_DONTROUTE, GET},
	{SOL_SOCKET, SO_BROADCAST, BOTH}, {SOL_SOCKET, SO_SNDBUF, BOTH}, {SOL_SOCKET, SO_RCVBUF, BOTH}, {SOL_SOCKET, SO_KEEPALIVE, BOTH},
	{SOL_SOCKET, SO_OOBINLINE, BOTH}, {SOL_SOCKET, SO_LINGER, BOTH}, {SOL_SOCKET, SO_REUSEPORT, BOTH},
	{SOL_SOCKET, SO_PASSCRED, BOTH}, {SOL_SOCKET, SO_PEERCRED, GET}, {SOL_SOCKET, SO_RCVLOWAT, BOTH}, {SOL_SOCKET, SO_SNDLOWAT, GET},
	{SOL_SOCKET, SO_RCVTIMEO, BOTH}, {SOL_SOCKET, SO_SNDTIMEO, BOTH}, {SOL_SOCKET, SO_RCVTIMEO_NEW_, BOTH},
	{SOL_SOCKET, SO_SNDTIMEO_NEW_, BOTH}, {SOL_SOCKET, SO_PEERNAME, GET}, {SOL_SOCKET, SO_TIMESTAMP, BOTH},
	{SOL_SOCKET, SO_TIMESTAMPNS, BOTH}, {SOL_SOCKET, SO_ACCEPTCONN, GET}, {SOL_SOCKET, SO_PROTOCOL, GET}, {SOL_SOCKET, SO_DOMAIN, GET},
	{SOL_SOCKET, SO_RXQ_OVFL, BOTH}, {SOL_SOCKET, SO_PEEK_OFF, BOTH}, {SOL_SOCKET, SO_MAX_PACING_RATE, BOTH}, {SOL_SOCKET, SO_MEMINFO, GET},
	{SOL_SOCKET, SO_COOKIE, GET}, {SOL_SOCKET, SO_PEERGROUPS, GET}, {SOL_SOCKET, SO_PASSPIDFD_, BOTH}, {SOL_SOCKET, SO_PEERPIDFD_, GET},
	{SOL_SOCKET, SO_PASSRIGHTS_, BOTH},

	{IPPROTO_IP, IP_TOS, BOTH}, {IPPROTO_IP, IP_TTL, BOTH}, {IPPROTO_IP, IP_PKTINFO, BOTH}, {IPPROTO_IP, IP_MTU_DISCOVER, BOTH},
	{IPPROTO_IP, IP_RECVERR, BOTH}, {IPPROTO_IP, IP_RECVTTL, BOTH}, {IPPROTO_IP, IP_RECVTOS, BOTH}, {IPPROTO_IP, IP_MTU, GET},
	{IPPROTO_IP, IP_FREEBIND, BOTH}, {IPPROTO_IP, IP_MINTTL, BOTH}, {IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, BOTH},
	{IPPROTO_IP, IP_MULTICAST_TTL, BOTH}, {IPPROTO_IP, IP_MULTICAST_LOOP, BOTH}, {IPPROTO_IP, IP_MULTICAST_ALL, BOTH},

	{IPPROTO_IPV6, IPV6_ADDRFORM, SET}, {IPPROTO_IPV6, IPV6_UNICAST_HOPS, BOTH}, {IPPROTO_IPV6, IPV6_MULTICAST_HOPS, BOTH},
	{IPPROTO_IPV6, IPV6_MULTICAST_LOOP, BOTH}, {IPPROTO_IPV6, IPV6_MULTICAST_ALL, BOTH}, {IPPROTO_IPV6, IPV6_MTU_DISCOVER, BOTH},
	{IPPROTO_IPV6, IPV6_MTU, BOTH}, {IPPROTO_IPV6, IPV6_RECVERR, BOTH}, {IPPROTO_IPV6, IPV6_V6ONLY, BOTH},
	{IPPROTO_IPV6, IPV6_RECVPKTINFO, BOTH}, {IPPROTO_IPV6, IPV6_RECVHOPLIMIT, BOTH}, {IPPROTO_IPV6, IPV6_RECVTCLASS, BOTH},
	{IPPROTO_IPV6, IPV6_TCLASS, BOTH}, {IPPROTO_IPV6, IPV6_DONTFRAG, BOTH}, {IPPROTO_IPV6, IPV6_AUTOFLOWLABEL, BOTH},
	{IPPROTO_IPV6, IPV6_MINHOPCOUNT, BOTH}, {IPPROTO_IPV6, IPV6_FREEBIND, BOTH},

	{IPPROTO_TCP, TCP_NODELAY, BOTH}, {IPPROTO_TCP, TCP_MAXSEG, BOTH}, {IPPROTO_TCP, TCP_CORK, BOTH}, {IPPROTO_TCP, TCP_KEEPIDLE, BOTH},
	{IPPROTO_TCP, TCP_KEEPINTVL, BOTH}, {IPPROTO_TCP, TCP_KEEPCNT, BOTH}, {IPPROTO_TCP, TCP_SYNCNT, BOTH}, {IPPROTO_TCP, TCP_LINGER2, BOTH},
	{IPPROTO_TCP, TCP_DEFER_ACCEPT, BOTH}, {IPPROTO_TCP, TCP_WINDOW_CLAMP, BOTH}, {IPPROTO_TCP, TCP_INFO, GET},
	{IPPROTO_TCP, TCP_QUICKACK, BOTH}, {IPPROTO_TCP, TCP_CONGESTION, BOTH}, {IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, BOTH},
	{IPPROTO_TCP, TCP_THIN_DUPACK, BOTH}, {IPPROTO_TCP, TCP_USER_TIMEOUT, BOTH}, {IPPROTO_TCP, TCP_FASTOPEN, BOTH},
	{IPPROTO_TCP, TCP_NOTSENT_LOWAT, BOTH}, {IPPROTO_TCP, TCP_CC_INFO, GET}, {IPPROTO_TCP, TCP_INQ, BOTH},

	{IPPROTO_UDP, UDP_CORK, BOTH}, {IPPROTO_UDP, UDP_SEGMENT, BOTH}, {IPPROTO_UDP, UDP_GRO, BOTH},

	/* of the sandbox's own network always */
	{SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, SET}, {SOL_NETLINK, NETLINK_DROP_MEMBERSHIP, SET}, {SOL_NETLINK, NETLINK_PKTINFO, BOTH},
	{SOL_NETLINK, NETLINK_NO_ENOBUFS, BOTH}, {SOL_NETLINK, NETLINK_CAP_ACK, BOTH}, {SOL_NETLINK, NETLINK_EXT_ACK, BOTH},
	{SOL_NETLINK, NETLINK_GET_STRICT_CHK, BOTH},
};

static int add_options(struct seccomp_rules *rules, int nr, unsigned what)
{
	int r = 0;

	for (size_t i = 0; i < TRP_ARRAY_SIZE(options) && r == 0; i++)
		if (options[i].allowed & what)
			r = seccomp_push(rules, (struct seccomp_rule){.nr = nr,
				.action = SECCOMP_RET_ALLOW,
				.n_conds = 2,
				.conds = {{1, UINT32_MAX, (uint32_t)options[i].level}, {2, UINT32_MAX, (uint32_t)options[i].name}}});
	return r < 0 ? r : seccomp_push(rules, (struct seccomp_rule){.nr = nr, .action = SECCOMP_RET_ERRNO | ENOPROTOOPT});
}

int seccomp_rules_setsockopt(struct seccomp_rules *rules, int nr, unsigned policy)
{
	(void)policy;
	return add_options(rules, nr, SET);
}

int seccomp_rules_getsockopt(struct seccomp_rules *rules, int nr, unsigned policy)
{
	(void)policy;
	return add_options(rules, nr, GET);
}

/* About the caller's own process. Not: to see its memory as another's (PR_SET_MM), to take calls from the kernel
 * (PR_SET_SYSCALL_USER_DISPATCH), to share pages with others whose contents the time of a write then tells (PR_SET_MEMORY_MERGE), to say who
 * runs beside it on a core (PR_SCHED_CORE). */
static const int process_options[] = {PR_SET_PDEATHSIG, PR_GET_PDEATHSIG, PR_GET_DUMPABLE, PR_SET_DUMPABLE, PR_GET_KEEPCAPS,
	PR_SET_KEEPCAPS, PR_GET_TIMING, PR_SET_NAME, PR_GET_NAME, PR_GET_SECCOMP, PR_CAPBSET_READ, PR_CAPBSET_DROP, PR_GET_TSC,
	PR_GET_SECUREBITS, PR_SET_SECUREBITS, PR_SET_TIMERSLACK, PR_GET_TIMERSLACK, PR_SET_CHILD_SUBREAPER, PR_GET_CHILD_SUBREAPER,
	PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS, PR_SET_THP_DISABLE, PR_GET_THP_DISABLE, PR_CAP_AMBIENT, PR_GET_SPECULATION_CTRL,
	PR_SET_SPECULATION_CTRL, PR_PAC_RESET_KEYS, PR_PAC_SET_ENABLED_KEYS, PR_PAC_GET_ENABLED_KEYS, PR_SET_TAGGED_ADDR_CTRL,
	PR_GET_TAGGED_ADDR_CTRL, PR_SVE_SET_VL, PR_SVE_GET_VL, PR_SET_VMA, PR_SET_PTRACER, PR_SET_MDWE_, PR_GET_MDWE_, PR_GET_AUXV_};

static int push_option(struct seccomp_rules *rules, int nr, int option)
{
	return seccomp_push(rules, (struct seccomp_rule){
		.nr = nr, .action = SECCOMP_RET_ALLOW, .n_conds = 1, .conds = {{0, UINT32_MAX, (uint32_t)option}}});
}

int seccomp_rules_prctl(struct seccomp_rules *rules, int nr, unsigned policy)
{
	int r = 0;

	for (size_t i = 0; i < TRP_ARRAY_SIZE(process_options) && r == 0; i++)
		r = push_option(rules, nr, process_options[i]);
	if (r == 0 && policy & SECCOMP_SELF_FILTER) /* it is seccomp(2) by another name */
		r = push_option(rules, nr, PR_SET_SECCOMP);
	/* as of an older kernel */
	return r < 0 ? r : seccomp_push(rules, (struct seccomp_rule){.nr = nr, .action = SECCOMP_RET_ERRNO | EINVAL});
}
