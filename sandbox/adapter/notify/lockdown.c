/* SPDX-License-Identifier: ISC */
/* lockdown.c: what trp-notify keeps. The network namespace is the service's, because a socket whose listener was shut down is
 * replaced by one that must be of that namespace; there is nothing in it but its loopback, and connect(2) is not allowed. */
#include "notify.h"
#include "base/log.h"
#include "sandbox/beside.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define OWN_ID 65532 /* Debian gives it to nobody */

/* Everything else gives BESIDE_ERRNO. */
static const struct beside_rule rules[] = {
	/* the filter's descriptor */
	{SCMP_SYS(ioctl), 1, {BESIDE_EQUALS(1, SECCOMP_IOCTL_NOTIF_RECV)}},
	{SCMP_SYS(ioctl), 1, {BESIDE_EQUALS(1, SECCOMP_IOCTL_NOTIF_SEND)}},
	{SCMP_SYS(ioctl), 1, {BESIDE_EQUALS(1, SECCOMP_IOCTL_NOTIF_ID_VALID)}},
	{SCMP_SYS(ioctl), 1, {BESIDE_EQUALS(1, SECCOMP_IOCTL_NOTIF_ADDFD)}},
	{SCMP_SYS(ioctl), 1, {BESIDE_EQUALS(1, SECCOMP_IOW(4, __u64))}}, /* SET_FLAGS */
	/* the upstream's processes */
	{SCMP_SYS(kcmp), 0, {}},
	{SCMP_SYS(getpid), 0, {}},
	{SCMP_SYS(process_vm_writev), 0, {}},
	{SCMP_SYS(pidfd_open), 0, {}},
	{SCMP_SYS(pidfd_getfd), 0, {}},
	/* /proc */
	{SCMP_SYS(getdents64), 0, {}},
	/* channels, clients and listeners */
	{SCMP_SYS(recvfrom), 0, {}},
	{SCMP_SYS(getsockopt), 0, {}},
	{SCMP_SYS(setsockopt), 0, {}},
	{SCMP_SYS(getsockname), 0, {}},
	{SCMP_SYS(getpeername), 0, {}},
	{SCMP_SYS(socket), 2, {BESIDE_EQUALS(0, AF_INET), BESIDE_EQUALS(1, SOCK_STREAM | SOCK_CLOEXEC)}},
	{SCMP_SYS(socket), 2, {BESIDE_EQUALS(0, AF_INET6), BESIDE_EQUALS(1, SOCK_STREAM | SOCK_CLOEXEC)}},
	{SCMP_SYS(bind), 0, {}},
	{SCMP_SYS(listen), 0, {}},
	{SCMP_SYS(fcntl), 1, {BESIDE_EQUALS(1, F_GETFL)}},
	{SCMP_SYS(fcntl), 1, {BESIDE_EQUALS(1, F_SETFL)}},
	{SCMP_SYS(fcntl), 1, {BESIDE_EQUALS(1, F_GETFD)}},
	{SCMP_SYS(fcntl), 1, {BESIDE_EQUALS(1, F_DUPFD_CLOEXEC)}},
	{SCMP_SYS(dup3), 0, {}},
	{SCMP_SYS(epoll_ctl), 0, {}},
	/* the loop */
	{SCMP_SYS(poll), 0, {}},
	{SCMP_SYS(ppoll), 0, {}},
	{SCMP_SYS(clock_gettime), 0, {}},
};

static const struct beside_attempt attempts[] = {
	{"sendto() works", SYS_sendto, {-1}},
	{"sendmsg() with MSG_FASTOPEN works", SYS_sendmsg, {-1, 0, MSG_FASTOPEN}},
	{"accept4() works", SYS_accept4, {-1}},
	{"ptrace() works", SYS_ptrace, {PTRACE_PEEKDATA, -1}},
};

int lockdown_enter(int pidfd)
{
	const struct beside b = {.id = OWN_ID,
		.in_network = true,
		.rules = rules,
		.n_rules = TRP_ARRAY_SIZE(rules),
		.attempts = attempts,
		.n_attempts = TRP_ARRAY_SIZE(attempts)};
	const char *what = beside_lockdown(pidfd, &b);

	if (what)
		log_error("not locked down, so not started: %s: %m", what);
	return what ? -1 : 0;
}
