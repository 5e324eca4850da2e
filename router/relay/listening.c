/* SPDX-License-Identifier: ISC */
#include "router/relay/listening.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#define ANSWER_MAX 32768 /* as the kernel makes them for who offers that much room */

int listening_family(const struct trp_addr *a)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	return a->family == AF_INET || memcmp(a->ip, mapped, sizeof(mapped)) == 0 ? LISTENING_V4 : LISTENING_V6;
}

bool listening_serves(const struct listening *l, int family)
{
	return l->family[family].any || l->family[family].at.family;
}

/* A dual-stack socket says so by this attribute's being 0. */
static bool is_v6only(const struct nlmsghdr *head)
{
	const size_t fixed = NLMSG_LENGTH(sizeof(struct inet_diag_msg));
	const uint8_t *p = (const uint8_t *)head + NLMSG_ALIGN(fixed);
	size_t left = head->nlmsg_len > NLMSG_ALIGN(fixed) ? head->nlmsg_len - NLMSG_ALIGN(fixed) : 0;

	while (left >= sizeof(struct nlattr)) {
		struct nlattr a;
		memcpy(&a, p, sizeof(a));
		if (a.nla_len < sizeof(a) || a.nla_len > left)
			return false;
		if (a.nla_type == INET_DIAG_SKV6ONLY && (size_t)a.nla_len > sizeof(a))
			return p[NLA_HDRLEN] != 0;
		if ((size_t)NLA_ALIGN(a.nla_len) >= left)
			return false;
		p += NLA_ALIGN(a.nla_len);
		left -= NLA_ALIGN(a.nla_len);
	}
	return false;
}

static void note(struct listening *l, const struct inet_diag_msg *m, bool v6only)
{
	static const uint8_t zero[16];
	bool any = memcmp(m->id.idiag_src, zero, m->idiag_family == AF_INET ? 4 : 16) == 0;
	struct trp_addr at = {.family = m->idiag_family, .port = m->id.idiag_sport};
	int family;

	memcpy(at.ip, m->id.idiag_src, m->idiag_family == AF_INET ? 4 : 16);
	family = listening_family(&at);
	l->queued += m->idiag_rqueue;
	if (!any) {
		l->family[family].at = at;
		return;
	}
	if (m->idiag_family == AF_INET) {
		l->family[LISTENING_V4].any = true;
		return;
	}
	l->family[LISTENING_V6].any = true;
	l->family[LISTENING_V4].any |= !v6only;
}

enum listening_result listening_parse(const void *buf, size_t len, uint32_t seq, uint16_t port, struct listening *l)
{
	const uint8_t *p = buf;

	while (len >= sizeof(struct nlmsghdr)) {
		struct nlmsghdr head;
		struct inet_diag_msg m;
		memcpy(&head, p, sizeof(head));
		if (head.nlmsg_len < sizeof(head) || head.nlmsg_len > len)
			return LISTENING_BAD;
		if (head.nlmsg_seq == seq && head.nlmsg_type == NLMSG_DONE)
			return LISTENING_DONE;
		if (head.nlmsg_seq == seq && head.nlmsg_type == NLMSG_ERROR)
			return LISTENING_BAD;
		if (head.nlmsg_seq == seq && head.nlmsg_type == SOCK_DIAG_BY_FAMILY) {
			if (head.nlmsg_len < NLMSG_LENGTH(sizeof(m)))
				return LISTENING_BAD;
			memcpy(&m, p + NLMSG_HDRLEN, sizeof(m));
			if (m.id.idiag_sport == htons(port) && m.idiag_state == TCP_LISTEN &&
				(m.idiag_family == AF_INET || m.idiag_family == AF_INET6))
				note(l, &m, is_v6only((const struct nlmsghdr *)(const void *)p));
		}
		if (NLMSG_ALIGN(head.nlmsg_len) >= len)
			break;
		p += NLMSG_ALIGN(head.nlmsg_len);
		len -= NLMSG_ALIGN(head.nlmsg_len);
	}
	return LISTENING_MORE;
}

bool listening_address(const struct listening *l, const struct trp_addr *local, uint16_t port, struct trp_addr *ret)
{
	int family = listening_family(local);

	if (!listening_serves(l, family))
		return false;
	*ret = l->family[family].any ? *local : l->family[family].at;
	ret->port = htons(port);
	return true;
}

/* The kernel has the answer ready when send(2) returns, or makes the rest of it in recv(2): this does not wait. */
static int ask_family(int sock, uint8_t family, uint16_t port, struct listening *l)
{
	static uint32_t seq;
	static char answer[ANSWER_MAX] __attribute__((aligned(8)));
	const struct {
		struct nlmsghdr head;
		struct inet_diag_req_v2 req;
	} ask = {.head = {.nlmsg_len = sizeof(ask),
			 .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			 .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
			 .nlmsg_seq = ++seq},
		.req = {.sdiag_family = family,
			.sdiag_protocol = IPPROTO_TCP,
			.idiag_states = 1u << TCP_LISTEN,
			.id = {.idiag_sport = htons(port)}}};

	if (send(sock, &ask, sizeof(ask), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return -errno;
	for (;;) {
		ssize_t n = recv(sock, answer, sizeof(answer), MSG_DONTWAIT);
		enum listening_result r;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		r = listening_parse(answer, (size_t)n, seq, port, l);
		if (r != LISTENING_MORE)
			return r == LISTENING_DONE ? 0 : -EPROTO;
	}
}

int listening_ask(int sock, uint16_t port, struct listening *ret)
{
	struct listening l = {0};
	int r = ask_family(sock, AF_INET, port, &l);

	if (r == 0)
		r = ask_family(sock, AF_INET6, port, &l);
	if (r == 0)
		*ret = l;
	return r;
}
