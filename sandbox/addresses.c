/* SPDX-License-Identifier: ISC */
/* addresses.c: every address becomes local to the sandbox's network namespace (adapter = loopback): "local 0.0.0.0/0 dev lo" and
 * "local ::/0 dev lo" in the local table, as ip-route(8) writes it. Runs IN THE CHILD, as id 0 of the user namespace that owns the
 * network namespace, before anything of the tenant's runs; who comes later has no capability to change it. */
#include "sandbox/child.h"

#include "base/io.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define NO_TIME_WAIT_FILE "/proc/sys/net/ipv4/tcp_max_tw_buckets"

struct route_request {
	struct nlmsghdr head;
	struct rtmsg route;
	struct rtattr out_attr;
	uint32_t out;
};

static int add_route(int sock, unsigned char family, uint32_t lo)
{
	const struct route_request req = {
		.head = {.nlmsg_len = sizeof(req),
			.nlmsg_type = RTM_NEWROUTE,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL},
		.route = {.rtm_family = family, /* to 0/0 */
			.rtm_table = RT_TABLE_LOCAL,
			.rtm_protocol = RTPROT_STATIC,
			.rtm_scope = RT_SCOPE_HOST,
			.rtm_type = RTN_LOCAL},
		.out_attr = {.rta_len = RTA_LENGTH(sizeof(lo)), .rta_type = RTA_OIF},
		.out = lo};
	struct {
		struct nlmsghdr head;
		struct nlmsgerr error;
		char echo[256];
	} answer;
	ssize_t n;

	if (send(sock, &req, sizeof(req), 0) < 0)
		return -errno;
	n = recv(sock, &answer, sizeof(answer), 0);
	if (n < 0)
		return -errno;
	if ((size_t)n < offsetof(typeof(answer), echo) || answer.head.nlmsg_type != NLMSG_ERROR)
		return -EPROTO;
	return answer.error.error;
}

/* All connections here are made on lo, which loses and doubles nothing: TIME_WAIT protects nobody, and would make a client
 * that uses its port again within a minute collide with itself. */
static int no_time_wait(struct child *c)
{
	int r = trp_write_file(AT_FDCWD, NO_TIME_WAIT_FILE, "0");

	if (r < 0)
		snprintf(c->detail, sizeof(c->detail), "%s", NO_TIME_WAIT_FILE);
	return r;
}

int child_all_addresses(struct child *c, const struct plan_step *s)
{
	cleanup_close int sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	uint32_t lo = if_nametoindex("lo");
	int r;

	(void)s;
	if (sock < 0 || lo == 0)
		return -errno;
	r = add_route(sock, AF_INET, lo);
	if (r == 0)
		r = add_route(sock, AF_INET6, lo);
	return r < 0 ? r : no_time_wait(c);
}
