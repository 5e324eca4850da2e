/* SPDX-License-Identifier: ISC */
#include "router/observer/diag.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

/* enum tcp_state of the kernel, in bits */
#define STATES_ALL      0xfffu
#define STATE_TIME_WAIT (1u << 6)
#define STATE_LISTEN    (1u << 10)

static void take_address(struct trp_addr *to, int family, const __be32 ip[4], __be16 port)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	*to = (struct trp_addr){.family = AF_INET6, .port = port};
	if (family == AF_INET6) {
		memcpy(to->ip, ip, 16);
	} else {
		memcpy(to->ip, mapped, 12);
		memcpy(to->ip + 12, ip, 4);
	}
}

static void take_info(struct diag_socket *s, const void *data, size_t len)
{
	struct tcp_info info;

	if (len < offsetof(struct tcp_info, tcpi_bytes_retrans) + sizeof(info.tcpi_bytes_retrans))
		return; /* a kernel before 4.19 */
	memset(&info, 0, sizeof(info));
	memcpy(&info, data, len < sizeof(info) ? len : sizeof(info));
	s->has_info = true;
	s->bytes_in = info.tcpi_bytes_received;
	s->bytes_out = info.tcpi_bytes_sent >= info.tcpi_bytes_retrans ? info.tcpi_bytes_sent - info.tcpi_bytes_retrans : 0;
	s->rtt_us = info.tcpi_rtt;
	s->retrans = info.tcpi_total_retrans;
}

static int take_errno(const uint8_t *data, size_t len)
{
	int error = 0;

	memcpy(&error, data, len < sizeof(error) ? len : sizeof(error));
	return error < 0 && error > -4096 ? -error : 0;
}

static enum diag_result take_socket(const uint8_t *data, size_t len, struct diag_socket *ret)
{
	struct inet_diag_msg m;
	struct nlattr a;
	size_t at = sizeof(m);

	if (len < sizeof(m))
		return DIAG_OTHER;
	memcpy(&m, data, sizeof(m));
	if (m.idiag_family != AF_INET && m.idiag_family != AF_INET6)
		return DIAG_OTHER;
	memset(ret, 0, sizeof(*ret));
	ret->cookie = (uint64_t)m.id.idiag_cookie[1] << 32 | m.id.idiag_cookie[0];
	ret->state = m.idiag_state;
	take_address(&ret->local, m.idiag_family, m.id.idiag_src, m.id.idiag_sport);
	ret->local.scope_id = m.id.idiag_if;
	take_address(&ret->peer, m.idiag_family, m.id.idiag_dst, m.id.idiag_dport);
	while (at + sizeof(a) <= len) {
		memcpy(&a, data + at, sizeof(a));
		if (a.nla_len < sizeof(a) || a.nla_len > len - at)
			break;
		if (a.nla_type == INET_DIAG_PROTOCOL && a.nla_len > sizeof(a) && data[at + sizeof(a)] != IPPROTO_TCP)
			return DIAG_OTHER;
		if (a.nla_type == INET_DIAG_INFO)
			take_info(ret, data + at + sizeof(a), a.nla_len - sizeof(a));
		at += NLA_ALIGN(a.nla_len);
	}
	return DIAG_SOCKET;
}

enum diag_result diag_next(const void *buf, size_t len, size_t *at, struct diag_socket *ret, int *ret_error)
{
	const uint8_t *data = (const uint8_t *)buf + *at;
	struct nlmsghdr h;
	size_t body;

	if (*at >= len || len - *at < sizeof(h))
		return DIAG_END;
	memcpy(&h, data, sizeof(h));
	if (h.nlmsg_len < sizeof(h) || h.nlmsg_len > len - *at)
		return DIAG_END;
	*at += NLMSG_ALIGN(h.nlmsg_len);
	body = h.nlmsg_len - sizeof(h);
	switch (h.nlmsg_type) {
	case SOCK_DIAG_BY_FAMILY:
		return take_socket(data + sizeof(h), body, ret);
	case NLMSG_DONE:
		*ret_error = take_errno(data + sizeof(h), body); /* what is behind it was not to be had */
		return *ret_error ? DIAG_ERROR : DIAG_DONE;
	case NLMSG_ERROR: /* begins with it, too */
		*ret_error = take_errno(data + sizeof(h), body);
		return DIAG_ERROR;
	default:
		return DIAG_OTHER;
	}
}

size_t diag_request(void *buf, int family, uint16_t port, uint32_t seq)
{
	struct {
		struct nlmsghdr head;
		struct inet_diag_req_v2 req;
	} ask = {.head = {.nlmsg_len = sizeof(ask),
			 .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			 .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
			 .nlmsg_seq = seq},
		.req = {.sdiag_family = (uint8_t)family,
			.sdiag_protocol = IPPROTO_TCP,
			.idiag_ext = 1 << (INET_DIAG_INFO - 1),
			.idiag_states = STATES_ALL & ~STATE_TIME_WAIT & ~STATE_LISTEN,
			.id = {.idiag_sport = htons(port)}}};

	_Static_assert(sizeof(ask) <= DIAG_REQUEST_MAX, "callers have room");
	memcpy(buf, &ask, sizeof(ask));
	return sizeof(ask);
}
