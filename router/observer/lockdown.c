/* SPDX-License-Identifier: ISC */
/* lockdown.c: what an observer does: read what lies in its descriptors and append lines to a file. Its netlink sockets are of the
 * host's network, but it has no capability: it can look, and change nothing. */
#include "router/observer/observer.h"
#include "base/util.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>

static const struct confine_rule rules[] = {
	{SCMP_SYS(poll), 0, {}},
	{SCMP_SYS(restart_syscall), 0, {}}, /* that, after SIGSTOP and SIGCONT */
	/* the daemon */
	{SCMP_SYS(recvmsg), 1, {CONFINE_EQUALS(0, OBSERVER_CONTROL_FD)}},
	{SCMP_SYS(sendmsg), 2, {CONFINE_EQUALS(0, OBSERVER_CONTROL_FD), CONFINE_BITS(2, MSG_DONTWAIT | MSG_NOSIGNAL)}},
	{SCMP_SYS(close), 0, {}},
	/* the eventfd */
	{SCMP_SYS(read), 1, {CONFINE_EQUALS(0, OBSERVER_WAKE_FD)}},
	/* the kernel */
	{SCMP_SYS(recvfrom), 3, {CONFINE_EQUALS(0, OBSERVER_ENDS_FD), CONFINE_EQUALS(3, MSG_DONTWAIT), CONFINE_NULL(4)}},
	{SCMP_SYS(recvfrom), 3, {CONFINE_EQUALS(0, OBSERVER_DIAG_FD), CONFINE_EQUALS(3, MSG_DONTWAIT), CONFINE_NULL(4)}},
	{SCMP_SYS(sendto), 3, {CONFINE_EQUALS(0, OBSERVER_DIAG_FD), CONFINE_EQUALS(3, MSG_DONTWAIT), CONFINE_NULL(4)}},
	/* the log, and messages */
	{SCMP_SYS(write), 0, {}},
	{SCMP_SYS(clock_gettime), 0, {}},
	{SCMP_SYS(exit_group), 0, {}},
	{SCMP_SYS(rt_sigreturn), 0, {}},
	/* malloc() when a service gets its name */
	{SCMP_SYS(brk), 0, {}},
	{SCMP_SYS(mmap), 2,
		{CONFINE_BITS(2, PROT_READ | PROT_WRITE), CONFINE_EQUALS(3, MAP_PRIVATE | MAP_ANONYMOUS)}},
	{SCMP_SYS(mremap), 0, {}},
	{SCMP_SYS(munmap), 0, {}},
};

static const struct confine_attempt attempts[] = {
	{"socket() works", SYS_socket, {AF_INET, SOCK_STREAM}},
	{"socket() makes netlink sockets", SYS_socket, {AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC}},
	{"connect() works", SYS_connect, {-1}},
	{"bind() works", SYS_bind, {-1}},
	{"listen() works", SYS_listen, {-1}},
	{"accept4() works", SYS_accept4, {-1}},
	{"sendto() works on any descriptor", SYS_sendto, {-1, (long)"", 0, MSG_DONTWAIT}},
	{"sendto() works with an address", SYS_sendto, {OBSERVER_DIAG_FD, (long)"", 0, MSG_DONTWAIT, (long)"", 1}},
	{"sendmsg() works on any descriptor", SYS_sendmsg, {-1, 0, MSG_DONTWAIT}},
	{"recvmsg() works on any descriptor", SYS_recvmsg, {-1}},
	{"recvfrom() works on any descriptor", SYS_recvfrom, {-1, (long)"", 0, MSG_DONTWAIT}},
	{"read() works on any descriptor", SYS_read, {-1}},
	{"pread64() works", SYS_pread64, {-1}},
	{"lseek() works", SYS_lseek, {-1}},
	{"ftruncate() works", SYS_ftruncate, {-1, 0}},
	{"setsockopt() works", SYS_setsockopt, {-1}},
	{"getsockopt() works", SYS_getsockopt, {-1}},
	{"fcntl() works", SYS_fcntl, {-1, F_DUPFD}},
	{"ioctl() works", SYS_ioctl, {-1}},
	{"mmap() maps files", SYS_mmap, {0, 4096, PROT_READ, MAP_SHARED, -1}},
};

int observer_lockdown(struct confine_failure *f)
{
	const struct confine policy = {.rules = rules,
		.n_rules = TRP_ARRAY_SIZE(rules),
		.attempts = attempts,
		.n_attempts = TRP_ARRAY_SIZE(attempts)};

	if (confine_check(f) < 0)
		return -1;
	return confine_enter(&policy, f);
}
