/* SPDX-License-Identifier: ISC */
#include "router/lockdown.h"
#include "base/util.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
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
	{SCMP_SYS(close), 0, {}},
	/* listeners: O_NONBLOCK */
	{SCMP_SYS(fcntl), 1, {CONFINE_EQUALS(1, F_GETFL)}},
	{SCMP_SYS(fcntl), 1, {CONFINE_EQUALS(1, F_SETFL)}},
	/* channels and control */
	{SCMP_SYS(sendmsg), 1, {CONFINE_BITS(2, MSG_DONTWAIT | MSG_NOSIGNAL)}},
	/* the loop */
	{SCMP_SYS(epoll_ctl), 0, {}},
	{SCMP_SYS(epoll_wait), 0, {}},
	{SCMP_SYS(epoll_pwait), 0, {}},
	{SCMP_SYS(clock_gettime), 0, {}},
	{SCMP_SYS(write), 1, {CONFINE_EQUALS(0, STDERR_FILENO)}},
	{SCMP_SYS(exit_group), 0, {}},
	{SCMP_SYS(rt_sigreturn), 0, {}},
	/* malloc() when a route or channel is added */
	{SCMP_SYS(brk), 0, {}},
	{SCMP_SYS(mmap), 2,
		{CONFINE_BITS(2, PROT_READ | PROT_WRITE), CONFINE_EQUALS(3, MAP_PRIVATE | MAP_ANONYMOUS)}},
	{SCMP_SYS(mremap), 0, {}},
	{SCMP_SYS(munmap), 0, {}},
};

/* Harmless if they should succeed after all. Nothing may be made of memory here: the arguments are
 * what the filter must refuse without looking at what they point to. */
static const struct confine_attempt attempts[] = {
	{"openat() works", SYS_openat, {AT_FDCWD, (long)"/", O_RDONLY | O_CLOEXEC}},
	{"socket() works", SYS_socket, {AF_INET, SOCK_STREAM}},
	{"socketpair() works", SYS_socketpair, {AF_UNIX, SOCK_STREAM, 0, -1}},
	{"connect() works", SYS_connect, {-1}},
	{"bind() works", SYS_bind, {-1}},
	{"listen() works", SYS_listen, {-1}},
	{"sendto() with an address works", SYS_sendto, {-1, (long)"", 0, 0, (long)"", 1}},
	{"sendto() with MSG_FASTOPEN works", SYS_sendto, {-1, (long)"", 0, MSG_FASTOPEN}},
	{"sendmsg() with MSG_FASTOPEN works", SYS_sendmsg, {-1, 0, MSG_FASTOPEN}},
	{"recvmsg() works on any descriptor", SYS_recvmsg, {-1}},
	{"read() works", SYS_read, {-1}},
	{"write() works on any descriptor", SYS_write, {-1}},
	{"splice() works", SYS_splice, {-1, 0, -1}},
	{"sendfile() works", SYS_sendfile, {-1, -1}},
	{"setsockopt() works for any option", SYS_setsockopt, {-1, SOL_SOCKET, SO_MARK}},
	{"setsockopt() works at any level", SYS_setsockopt, {-1, 6, SO_RCVLOWAT}},
	{"getsockopt() works", SYS_getsockopt, {-1}},
	{"fcntl() works for any command", SYS_fcntl, {-1, F_DUPFD}},
	{"ioctl() works", SYS_ioctl, {-1}},
	{"execve() works", SYS_execve, {(long)"", 0, 0}},
	{"execveat() works", SYS_execveat, {-1, (long)"", 0, 0, 0}},
	{"clone() works", SYS_clone, {SIGCHLD}},
	{"clone3() works", SYS_clone3, {0, 0}},
	{"ptrace() works", SYS_ptrace, {PTRACE_PEEKDATA, -1}},
	{"process_vm_readv() works", SYS_process_vm_readv, {-1}},
	{"pidfd_open() works", SYS_pidfd_open, {-1}},
	{"kill() works", SYS_kill, {-1, 0}},
	{"mount() works", SYS_mount, {(long)"", (long)"", (long)"", 0, 0}},
	{"unshare() works", SYS_unshare, {0}},
	{"setns() works", SYS_setns, {-1}},
	{"chroot() works", SYS_chroot, {(long)""}},
	{"bpf() works", SYS_bpf, {-1}},
	{"io_uring_setup() works", SYS_io_uring_setup, {0, 0}},
	{"prctl() works", SYS_prctl, {PR_GET_DUMPABLE}},
	{"seccomp() works", SYS_seccomp, {-1}},
	{"mprotect() works", SYS_mprotect, {0, 0, PROT_EXEC}},
	{"mmap() makes code", SYS_mmap,
		{0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1}},
	{"mmap() maps files", SYS_mmap, {0, 4096, PROT_READ, MAP_PRIVATE, -1}},
	{"memfd_create() works", SYS_memfd_create, {(long)"", 0}},
	{"setuid() works", SYS_setuid, {-1}},
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

int lockdown_enter(int control_fd, struct confine_failure *f)
{
	const struct confine_rule control = {SCMP_SYS(recvmsg), 1, {CONFINE_EQUALS(0, control_fd)}};
	const struct confine policy = {.rules = rules,
		.n_rules = TRP_ARRAY_SIZE(rules),
		.more = &control,
		.n_more = 1,
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
