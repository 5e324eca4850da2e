/* SPDX-License-Identifier: ISC */
#include "router/lockdown.h"
#include "base/util.h"
#include "router/control.h"

#include <fcntl.h>
#include <sched.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <linux/close_range.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>

/* What a router does. Everything else gives CONFINE_ERRNO. */
static const struct confine_rule rules[] = {
	/* clients */
	{SCMP_SYS(accept4), 0, {}},
	{SCMP_SYS(recvfrom), 2, {CONFINE_BITS(3, MSG_PEEK | MSG_DONTWAIT | MSG_TRUNC), CONFINE_NULL(4)}},
	/* no address and no MSG_FASTOPEN: that connects */
	{SCMP_SYS(sendto), 2, {CONFINE_BITS(3, MSG_DONTWAIT | MSG_NOSIGNAL), CONFINE_NULL(4)}},
	{SCMP_SYS(shutdown), 1, {CONFINE_EQUALS(1, SHUT_WR)}},
	{SCMP_SYS(setsockopt), 2, {CONFINE_EQUALS(1, SOL_SOCKET), CONFINE_EQUALS(2, SO_RCVLOWAT)}},
	/* by it the access log finds the end of a client's connection */
	{SCMP_SYS(getsockopt), 2, {CONFINE_EQUALS(1, SOL_SOCKET), CONFINE_EQUALS(2, SO_COOKIE)}},
	{SCMP_SYS(close), 0, {}},
	/* how many a listener has */
	{SCMP_SYS(getsockopt), 2, {CONFINE_EQUALS(1, IPPROTO_TCP), CONFINE_EQUALS(2, TCP_INFO)}},
	/* listeners: O_NONBLOCK */
	{SCMP_SYS(fcntl), 1, {CONFINE_EQUALS(1, F_GETFL)}},
	{SCMP_SYS(fcntl), 1, {CONFINE_EQUALS(1, F_SETFL)}},
	/* channels and control */
	{SCMP_SYS(sendmsg), 1, {CONFINE_BITS(2, MSG_DONTWAIT | MSG_NOSIGNAL)}},
	{SCMP_SYS(sendmmsg), 1, {CONFINE_BITS(3, MSG_DONTWAIT | MSG_NOSIGNAL)}},
	/* how much lies in a channel (quota.c) */
	{SCMP_SYS(ioctl), 1, {CONFINE_EQUALS(1, SIOCOUTQ)}},
	/* clients that were handed on together */
	{SCMP_SYS(close_range), 1, {CONFINE_EQUALS(2, 0)}},
	/* the loop */
	{SCMP_SYS(epoll_ctl), 0, {}},
	{SCMP_SYS(epoll_wait), 0, {}},
	{SCMP_SYS(epoll_pwait), 0, {}},
	{SCMP_SYS(clock_gettime), 0, {}},
	/* its own turn at the processor, when many clients come (tempo.h) */
	{SCMP_SYS(sched_setscheduler), 2, {CONFINE_EQUALS(0, 0), CONFINE_EQUALS(1, SCHED_BATCH)}},
	{SCMP_SYS(sched_setscheduler), 2, {CONFINE_EQUALS(0, 0), CONFINE_EQUALS(1, SCHED_OTHER)}},
	{SCMP_SYS(write), 1, {CONFINE_EQUALS(0, STDERR_FILENO)}},
	{SCMP_SYS(exit_group), 0, {}},
	{SCMP_SYS(rt_sigreturn), 0, {}},
	/* malloc() when a route or channel is added */
	{SCMP_SYS(brk), 0, {}},
	{SCMP_SYS(mmap), 2,
		{CONFINE_BITS(2, PROT_READ | PROT_WRITE), CONFINE_EQUALS(3, MAP_PRIVATE | MAP_ANONYMOUS)}},
	{SCMP_SYS(mremap), 0, {}},
	{SCMP_SYS(munmap), 0, {}},
#ifdef TRP_ROUTER_SANITIZED
	/* for tests only: the memory of the sanitizers, and their report */
	{SCMP_SYS(mmap), 2, {CONFINE_BITS(2, PROT_READ | PROT_WRITE),
		CONFINE_EQUALS(3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)}},
	{SCMP_SYS(mmap), 2, {CONFINE_BITS(2, PROT_READ | PROT_WRITE),
		CONFINE_EQUALS(3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED)}},
	{SCMP_SYS(mmap), 2, {CONFINE_BITS(2, PROT_READ | PROT_WRITE),
		CONFINE_EQUALS(3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED)}},
	{SCMP_SYS(madvise), 0, {}},
	{SCMP_SYS(sigaltstack), 0, {}},
	{SCMP_SYS(getpid), 0, {}},
	{SCMP_SYS(gettid), 0, {}},
	{SCMP_SYS(sched_yield), 0, {}},
	{SCMP_SYS(futex), 0, {}},
#endif
};

/* Harmless if they should succeed after all. Nothing may be made of memory here: the arguments are
 * what the filter must refuse without looking at what they point to. */
static const struct confine_attempt attempts[] = {
	{"socket() works", SYS_socket, {AF_INET, SOCK_STREAM}},
	{"connect() works", SYS_connect, {-1}},
	{"bind() works", SYS_bind, {-1}},
	{"listen() works", SYS_listen, {-1}},
	{"sendto() with an address works", SYS_sendto, {-1, (long)"", 0, 0, (long)"", 1}},
	{"sendto() with MSG_FASTOPEN works", SYS_sendto, {-1, (long)"", 0, MSG_FASTOPEN}},
	{"sendmsg() with MSG_FASTOPEN works", SYS_sendmsg, {-1, 0, MSG_FASTOPEN}},
	{"sendmmsg() with MSG_FASTOPEN works", SYS_sendmmsg, {-1, 0, 0, MSG_FASTOPEN}},
	{"close_range() unshares", SYS_close_range, {-1, -1, CLOSE_RANGE_UNSHARE}},
	{"close_range() works with CLOSE_RANGE_CLOEXEC", SYS_close_range, {-1, -1, CLOSE_RANGE_CLOEXEC}},
	{"recvmsg() works on any descriptor", SYS_recvmsg, {-1}},
	{"read() works", SYS_read, {-1}},
	{"write() works on any descriptor", SYS_write, {-1}},
	{"splice() works", SYS_splice, {-1, 0, -1}},
	{"sendfile() works", SYS_sendfile, {-1, -1}},
	{"setsockopt() works for any option", SYS_setsockopt, {-1, SOL_SOCKET, SO_MARK}},
	{"setsockopt() works at any level", SYS_setsockopt, {-1, 6, SO_RCVLOWAT}},
	{"getsockopt() works", SYS_getsockopt, {-1}},
	{"getsockopt() works for any option", SYS_getsockopt, {-1, SOL_SOCKET, SO_PEERCRED}},
	{"getsockopt() works at any level", SYS_getsockopt, {-1, IPPROTO_TCP, SO_COOKIE}},
	{"getsockopt() works for any option of TCP", SYS_getsockopt, {-1, IPPROTO_TCP, TCP_CONGESTION}},
	{"fcntl() works for any command", SYS_fcntl, {-1, F_DUPFD}},
	{"ioctl() works", SYS_ioctl, {-1}},
	{"ioctl() works for SIOCINQ", SYS_ioctl, {-1, SIOCINQ}},
	{"ioctl() works for interfaces", SYS_ioctl, {-1, SIOCGIFCONF}},
	{"sched_setscheduler() works for others", SYS_sched_setscheduler, {1, SCHED_BATCH}},
	{"sched_setscheduler() works for any policy", SYS_sched_setscheduler, {0, SCHED_IDLE}},
	{"chroot() works", SYS_chroot, {(long)""}},
};

/* One answer of RTM_GETLINK. 1: the dump goes on, 0: it is done and clean. */
static int check_links(const struct nlmsghdr *h, ssize_t left, struct confine_failure *f)
{
	for (; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
		const struct ifinfomsg *link = NLMSG_DATA(h);
		if (h->nlmsg_type == NLMSG_DONE)
			return 0;
		if (h->nlmsg_type != RTM_NEWLINK)
			return confine_fail(f, "cannot list the network interfaces", 0);
		if ((link->ifi_flags & IFF_UP) && !(link->ifi_flags & IFF_LOOPBACK))
			return confine_fail(f, "the network namespace is not empty", 0);
	}
	return 1;
}

static int check_network(struct confine_failure *f)
{
	struct {
		struct nlmsghdr head;
		struct ifinfomsg link;
	} ask = {.head = {.nlmsg_len = sizeof(ask), .nlmsg_type = RTM_GETLINK,
			 .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP}};
	union {
		struct nlmsghdr align;
		char bytes[32768];
	} answer;
	cleanup_close int s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	ssize_t n;
	int r = 1;

	if (s < 0 || send(s, &ask, sizeof(ask), 0) < 0)
		return confine_fail(f, "cannot ask for the network interfaces", errno);
	while (r > 0) {
		n = recv(s, &answer, sizeof(answer), 0);
		if (n < 0)
			return confine_fail(f, "cannot list the network interfaces", errno);
		r = check_links(&answer.align, n, f);
	}
	return r;
}

int lockdown_enter(int control_fd, bool may_wake, struct confine_failure *f)
{
	const struct confine_rule more[] = {
		{SCMP_SYS(recvmsg), 1, {CONFINE_EQUALS(0, control_fd)}},
		{SCMP_SYS(write), 1, {CONFINE_EQUALS(0, ROUTER_WAKE_FD)}}, /* an eventfd */
	};
	const struct confine policy = {.rules = rules,
		.n_rules = TRP_ARRAY_SIZE(rules),
		.more = more,
		.n_more = may_wake ? 2 : 1,
		.attempts = attempts,
		.n_attempts = TRP_ARRAY_SIZE(attempts)};

	return confine_enter(&policy, f);
}

int lockdown_check_sandbox(struct confine_failure *f)
{
	if (confine_check(f) < 0)
		return -1;
	return check_network(f);
}
