/* SPDX-License-Identifier: ISC */
/* network.c: with sockets of its own: what of the host's network, and of the kernel's, can be reached. */
#include "hostile.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif
#ifndef AF_XDP
#define AF_XDP 44
#endif

static struct outcome host_by(int type, int protocol)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, protocol);
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char text[64];

	if (fd < 0)
		return refused(errno);
	sa.sin_port = htons((uint16_t)job_number(type == SOCK_DGRAM ? "udp" : "target"));
	if (!sa.sin_port)
		return absent("no target");
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || send(fd, "x", 1, MSG_NOSIGNAL) < 0)
		return refused(errno);
	poll(&p, 1, 1000);
	return judge(recv(fd, text, sizeof(text), MSG_DONTWAIT), "the host's server answered");
}

static struct outcome host_tcp(int sock)
{
	(void)sock;
	return host_by(SOCK_STREAM, 0);
}

static struct outcome host_udp(int sock)
{
	(void)sock;
	return host_by(SOCK_DGRAM, 0);
}

static struct outcome host_mptcp(int sock)
{
	(void)sock;
	return host_by(SOCK_STREAM, IPPROTO_MPTCP);
}

/* Asks for a dump and calls each() with every answer until it says something. */
static struct outcome dump(int protocol, void *request, uint32_t len, struct outcome (*each)(const struct nlmsghdr *))
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
	struct nlmsghdr *h = request;
	static char answer[65536] __attribute__((aligned(8)));

	if (fd < 0)
		return refused(errno);
	h->nlmsg_len = len;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	if (send(fd, request, len, 0) < 0)
		return refused(errno);
	for (;;) {
		ssize_t n = recv(fd, answer, sizeof(answer), 0);
		if (n < 0)
			return refused(errno);
		const struct nlmsghdr *m = (const struct nlmsghdr *)(const void *)answer;
		for (unsigned left = (unsigned)n; NLMSG_OK(m, left); m = NLMSG_NEXT(m, left)) {
			if (m->nlmsg_type == NLMSG_ERROR)
				return refused(-((const struct nlmsgerr *)NLMSG_DATA(m))->error);
			if (m->nlmsg_type == NLMSG_DONE)
				return refused_silently(); /* nothing of the host's among them */
			struct outcome o = each(m);
			if (o.verdict)
				return o;
		}
	}
}

static struct outcome is_host_link(const struct nlmsghdr *m)
{
	const struct ifinfomsg *i = NLMSG_DATA(m);
	unsigned left = (unsigned)IFLA_PAYLOAD(m);

	for (const struct rtattr *a = IFLA_RTA(i); RTA_OK(a, left); a = RTA_NEXT(a, left))
		if (a->rta_type == IFLA_IFNAME && job("interface") && strcmp(RTA_DATA(a), job("interface")) == 0)
			return succeeded("sees the host's %s", (const char *)RTA_DATA(a));
	return (struct outcome){0};
}

static struct outcome netlink_links(int sock)
{
	struct {
		struct nlmsghdr h;
		struct ifinfomsg i;
	} request = {.h.nlmsg_type = RTM_GETLINK};

	(void)sock;
	if (!job("interface"))
		return absent("no interface");
	return dump(NETLINK_ROUTE, &request, sizeof(request), is_host_link);
}

static struct outcome is_host_socket(const struct nlmsghdr *m)
{
	const struct inet_diag_msg *d = NLMSG_DATA(m);

	return ntohs(d->id.idiag_sport) == job_number("target") ? succeeded("sees the host's sockets") : (struct outcome){0};
}

static struct outcome netlink_sockets(int sock)
{
	struct {
		struct nlmsghdr h;
		struct inet_diag_req_v2 r;
	} request = {.h.nlmsg_type = SOCK_DIAG_BY_FAMILY,
		.r = {.sdiag_family = AF_INET6, .sdiag_protocol = IPPROTO_TCP, .idiag_states = 0xffffffff}};

	(void)sock;
	if (!job("target"))
		return absent("no target");
	return dump(NETLINK_SOCK_DIAG, &request, sizeof(request), is_host_socket);
}

/* To take another's address. */
static struct outcome add_address(int sock)
{
	struct {
		struct nlmsghdr h;
		struct ifaddrmsg a;
		struct rtattr attr;
		struct in_addr ip;
	} request = {.h = {.nlmsg_len = sizeof(request), .nlmsg_type = RTM_NEWADDR, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE},
		.a = {.ifa_family = AF_INET, .ifa_prefixlen = 32, .ifa_index = 1},
		.attr = {.rta_len = RTA_LENGTH(4), .rta_type = IFA_LOCAL}};
	struct {
		struct nlmsghdr h;
		struct nlmsgerr e;
		char more[256];
	} answer;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	(void)sock;
	inet_pton(AF_INET, "203.0.113.77", &request.ip);
	if (fd < 0 || send(fd, &request, sizeof(request), 0) < 0 || recv(fd, &answer, sizeof(answer), 0) < 0)
		return refused(errno);
	errno = -answer.e.error;
	return judge(answer.e.error ? -1 : 0, "has an address that is not its own");
}

static struct outcome abstract_socket(int sock)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const char *name = job("abstract");

	(void)sock;
	if (!name)
		return absent("no abstract socket");
	strncpy(sa.sun_path + 1, name, sizeof(sa.sun_path) - 2);
	return judge(connect(fd, (struct sockaddr *)&sa, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name))),
		"is connected to the host's abstract socket");
}

static struct outcome family(int family, int type, int protocol)
{
	int fd = socket(family, type | SOCK_CLOEXEC, protocol);

	if (fd < 0 && (errno == EAFNOSUPPORT || errno == EPROTONOSUPPORT))
		return absent("no such sockets");
	return judge(fd, "has such a socket");
}

#define FAMILY(name, ...) \
	static struct outcome name(int sock) \
	{ \
		(void)sock; \
		return family(__VA_ARGS__); \
	}
FAMILY(raw, AF_INET, SOCK_RAW, IPPROTO_ICMP)
FAMILY(raw6, AF_INET6, SOCK_RAW, IPPROTO_ICMPV6)
FAMILY(packet, AF_PACKET, SOCK_RAW, 0)
FAMILY(xdp, AF_XDP, SOCK_RAW, 0)
FAMILY(vsock, AF_VSOCK, SOCK_STREAM, 0)
FAMILY(generic, AF_NETLINK, SOCK_RAW, NETLINK_GENERIC)
FAMILY(uevent, AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT)
FAMILY(alg, AF_ALG, SOCK_SEQPACKET, 0)
FAMILY(sctp, AF_INET, SOCK_STREAM, IPPROTO_SCTP)

#define N "network"
static const struct attack attacks[] = {
	{"host-tcp", N, host_tcp, "netns", "ECONNREFUSED", 0},
	{"host-udp", N, host_udp, "netns", "ECONNREFUSED", 0},
	{"host-mptcp", N, host_mptcp, "seccomp netns", "ENOSYS", 0},
	{"netlink-links", N, netlink_links, "netns", "silently", 0},
	{"netlink-sockets", N, netlink_sockets, "seccomp netns", "ENOSYS", 0},
	{"add-address", N, add_address, "capabilities", "EPERM", 0},
	{"abstract-socket", N, abstract_socket, "netns landlock", "ECONNREFUSED", 0},
	{"socket-raw", N, raw, "seccomp capabilities", "EPERM", 0},
	{"socket-raw6", N, raw6, "seccomp capabilities", "EPERM", 0},
	{"socket-packet", N, packet, "seccomp capabilities", "ENOSYS", 0},
	{"socket-xdp", N, xdp, "seccomp capabilities", "ENOSYS", 0},
	{"socket-vsock", N, vsock, "seccomp", "ENOSYS", 0},
	{"socket-netlink-generic", N, generic, "seccomp", "ENOSYS", 0},
	{"socket-netlink-uevent", N, uevent, "seccomp", "ENOSYS", 0},
	{"socket-alg", N, alg, "seccomp", "ENOSYS", 0},
	{"socket-sctp", N, sctp, "seccomp", "ENOSYS", 0},
};
const struct table network_attacks = TABLE(attacks);
