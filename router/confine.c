/* SPDX-License-Identifier: ISC */
#include "router/confine.h"
#include "base/util.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>

int confine_fail(struct confine_failure *f, const char *what, int error)
{
	f->what = what;
	f->error = error;
	return -1;
}

static int add_rules(scmp_filter_ctx ctx, const struct confine_rule *rules, size_t n)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = seccomp_rule_add_array(
			ctx, SCMP_ACT_ALLOW, rules[i].nr, rules[i].n_args, rules[i].args);
	return r;
}

static int install_filter(const struct confine *c, struct confine_failure *f)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(CONFINE_ERRNO));
	int r;

	if (!ctx)
		return confine_fail(f, "seccomp_init", ENOMEM);
	r = add_rules(ctx, c->rules, c->n_rules);
	if (r == 0)
		r = add_rules(ctx, c->more, c->n_more);
	if (r == 0)
		r = seccomp_load(ctx); /* sets no_new_privs too */
	seccomp_release(ctx);
	return r < 0 ? confine_fail(f, "cannot load the system call filter", -r) : 0;
}

/* What no program of this folder ever needs. Harmless if it should succeed after all. */
static const struct confine_attempt never[] = {
	{"openat() works", SYS_openat, {AT_FDCWD, (long)"/", O_RDONLY | O_CLOEXEC}},
	{"socketpair() works", SYS_socketpair, {AF_UNIX, SOCK_STREAM, 0, -1}},
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
	{"bpf() works", SYS_bpf, {-1}},
	{"io_uring_setup() works", SYS_io_uring_setup, {0, 0}},
	{"prctl() works", SYS_prctl, {PR_GET_DUMPABLE}},
	{"seccomp() works", SYS_seccomp, {-1}},
	{"mprotect() works", SYS_mprotect, {0, 0, PROT_EXEC}},
	{"mmap() makes code", SYS_mmap, {0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1}},
	{"mmap() maps files", SYS_mmap, {0, 4096, PROT_READ, MAP_PRIVATE, -1}},
	{"memfd_create() works", SYS_memfd_create, {(long)"", 0}},
	{"setuid() works", SYS_setuid, {-1}},
};

static int prove(const struct confine_attempt *attempts, size_t n, struct confine_failure *f)
{
	for (size_t i = 0; i < n; i++) {
		const struct confine_attempt *t = &attempts[i];
		const long *a = t->args;
		long r = syscall(t->nr, a[0], a[1], a[2], a[3], a[4], a[5]);
		if (r == 0 && t->nr == SYS_clone)
			_exit(0); /* the child that should not be */
		if (r != -1)
			return confine_fail(f, t->what, 0);
		if (errno != CONFINE_ERRNO)
			return confine_fail(f, t->what, errno);
	}
	return 0;
}

int confine_enter(const struct confine *c, struct confine_failure *f)
{
	if (prctl(PR_SET_DUMPABLE, 0) < 0) /* no core either, which would have clients' bytes in it */
		return confine_fail(f, "prctl(PR_SET_DUMPABLE)", errno);
	if (install_filter(c, f) < 0)
		return -1;
	if (prove(never, TRP_ARRAY_SIZE(never), f) < 0)
		return -1;
	return prove(c->attempts, c->n_attempts, f);
}

static int check_capabilities(struct confine_failure *f)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct sets[2] = {0};

	if (syscall(SYS_capget, &head, sets) < 0)
		return confine_fail(f, "capget", errno);
	for (size_t i = 0; i < TRP_ARRAY_SIZE(sets); i++)
		if (sets[i].effective || sets[i].permitted || sets[i].inheritable)
			return confine_fail(f, "there are capabilities", 0);
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
		if (prctl(PR_CAPBSET_READ, cap) != 0)
			return confine_fail(f, "the capability bounding set is not empty", 0);
	return 0;
}

int confine_check(struct confine_failure *f)
{
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return confine_fail(f, "no_new_privs is not set", 0);
	return check_capabilities(f);
}
