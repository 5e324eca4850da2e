/* SPDX-License-Identifier: ISC */
#include "supervisor/sockdestroy.h"
#include "base/util.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

int sockdestroy_open(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

	return fd < 0 ? -errno : fd;
}

int sockdestroy(int fd, const struct trp_addr *local, const struct trp_addr *peer, uint64_t cookie)
{
	static uint32_t seq;
	struct {
		struct nlmsghdr head;
		struct inet_diag_req_v2 req;
	} ask = {.head = {.nlmsg_len = sizeof(ask),
			 .nlmsg_type = SOCK_DESTROY,
			 .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK,
			 .nlmsg_seq = ++seq},
		.req = {.sdiag_family = AF_INET6, /* finds IPv4 connections by their v4-mapped addresses too */
			.sdiag_protocol = IPPROTO_TCP,
			.idiag_states = ~0u,
			.id = {.idiag_sport = local->port,
				.idiag_dport = peer->port,
				.idiag_if = local->scope_id,
				.idiag_cookie = {(uint32_t)cookie, (uint32_t)(cookie >> 32)}}}};
	struct {
		struct nlmsghdr head;
		struct nlmsgerr error;
		char rest[256];
	} answer;
	ssize_t n;

	memcpy(ask.req.id.idiag_src, local->ip, sizeof(local->ip));
	memcpy(ask.req.id.idiag_dst, peer->ip, sizeof(peer->ip));
	if (send(fd, &ask, sizeof(ask), 0) < 0)
		return -errno;
	do { /* the kernel has answered when send() returns */
		n = recv(fd, &answer, sizeof(answer), MSG_DONTWAIT);
		if (n < 0)
			return -errno;
	} while ((size_t)n < sizeof(answer.head) + sizeof(answer.error) || answer.head.nlmsg_type != NLMSG_ERROR ||
		answer.head.nlmsg_seq != seq);
	return answer.error.error;
}
