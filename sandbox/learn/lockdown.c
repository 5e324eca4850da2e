/* SPDX-License-Identifier: ISC */
/* lockdown.c: what trp-learn keeps: to look, and to let go on what has stopped. */
#include "learn.h"
#include "base/log.h"
#include "sandbox/beside.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define OWN_ID 65531 /* beside trp-notify's */

#define PTRACE(request) {SCMP_SYS(ptrace), 1, {BESIDE_EQUALS(0, request)}}

static const struct beside_rule rules[] = {
	/* watching; none that changes something */
	PTRACE(PTRACE_SEIZE), PTRACE(PTRACE_SYSCALL), PTRACE(PTRACE_CONT), PTRACE(PTRACE_LISTEN), PTRACE(PTRACE_INTERRUPT),
	PTRACE(PTRACE_GETEVENTMSG), PTRACE(PTRACE_GET_SYSCALL_INFO),
	{SCMP_SYS(wait4), 0, {}},
	{SCMP_SYS(readlinkat), 0, {}},
};

static const struct beside_attempt attempts[] = {
	{"ptrace() writes memory", SYS_ptrace, {PTRACE_POKEDATA, -1}},
	{"ptrace() sets registers", SYS_ptrace, {PTRACE_SETREGSET, -1}},
	{"ptrace() suspends filters", SYS_ptrace, {PTRACE_SETOPTIONS, -1}},
	{"ptrace() changes calls", SYS_ptrace, {PTRACE_SETSIGINFO, -1}},
	{"ptrace() attaches in the old way", SYS_ptrace, {PTRACE_ATTACH, -1}},
	{"process_vm_writev() works", SYS_process_vm_writev, {-1}},
	{"sockets can be made", SYS_socket, {AF_INET, SOCK_STREAM | SOCK_CLOEXEC}},
	{"sendto() works", SYS_sendto, {-1}},
	{"pidfd_getfd() works", SYS_pidfd_getfd, {-1}},
	{"kcmp() works", SYS_kcmp, {-1}},
};

int lockdown_enter(int pidfd)
{
	const struct beside b = {.id = OWN_ID,
		.caps = 1u << CAP_DAC_READ_SEARCH, /* to read links of /proc/PID/fd, which are the owner's */
		.rules = rules,
		.n_rules = TRP_ARRAY_SIZE(rules),
		.attempts = attempts,
		.n_attempts = TRP_ARRAY_SIZE(attempts)};
	const char *what = beside_lockdown(pidfd, &b);

	if (what)
		log_error("not locked down, so not started: %s: %m", what);
	return what ? -1 : 0;
}
