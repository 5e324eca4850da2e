/* SPDX-License-Identifier: ISC */
/* seccomp_tables.c: the tables of system calls that one kernel has, and which call of one is which of another. Runs in the daemon and in
 * trpsup, which have one thread. */
#include "sandbox/seccomp_look.h"
#include "sandbox/seccomp_policy.h"

#include <seccomp.h>
#include <string.h>

/* Calls of i386 that have other names than those that do the same here: what words say of a call holds for its variants too. Arguments
 * that are looked at are at the same place, or seccomp_args.c has rules of their own for them. Not here, so never allowed by a group: socketcall(2). */
static const struct variant {
	const char *name, *of;
} variants[] = {
	/* 64-bit files, 32-bit ids */
	{"_llseek", "lseek"}, {"fcntl64", "fcntl"}, {"sendfile64", "sendfile"}, {"stat64", "stat"}, {"lstat64", "lstat"}, {"fstat64", "fstat"},
	{"fstatat64", "newfstatat"}, {"statfs64", "statfs"}, {"fstatfs64", "fstatfs"}, {"truncate64", "truncate"}, {"ftruncate64", "ftruncate"},
	{"fadvise64_64", "fadvise64"}, {"chown32", "chown"}, {"fchown32", "fchown"}, {"lchown32", "lchown"}, {"getuid32", "getuid"},
	{"geteuid32", "geteuid"}, {"getgid32", "getgid"}, {"getegid32", "getegid"}, {"getresuid32", "getresuid"}, {"getresgid32", "getresgid"},
	{"getgroups32", "getgroups"}, {"setuid32", "setuid"}, {"setgid32", "setgid"}, {"setreuid32", "setreuid"}, {"setregid32", "setregid"},
	{"setresuid32", "setresuid"}, {"setresgid32", "setresgid"}, {"setfsuid32", "setfsuid"}, {"setfsgid32", "setfsgid"},
	{"setgroups32", "setgroups"},
	/* 64-bit times */
	{"clock_gettime64", "clock_gettime"}, {"clock_settime64", "clock_settime"}, {"clock_adjtime64", "clock_adjtime"},
	{"clock_getres_time64", "clock_getres"}, {"clock_nanosleep_time64", "clock_nanosleep"}, {"timer_gettime64", "timer_gettime"},
	{"timer_settime64", "timer_settime"}, {"timerfd_gettime64", "timerfd_gettime"}, {"timerfd_settime64", "timerfd_settime"},
	{"utimensat_time64", "utimensat"}, {"pselect6_time64", "pselect6"}, {"ppoll_time64", "ppoll"}, {"io_pgetevents_time64", "io_pgetevents"},
	{"recvmmsg_time64", "recvmmsg"}, {"mq_timedsend_time64", "mq_timedsend"}, {"mq_timedreceive_time64", "mq_timedreceive"},
	{"semtimedop_time64", "semtimedop"}, {"rt_sigtimedwait_time64", "rt_sigtimedwait"}, {"futex_time64", "futex"},
	{"sched_rr_get_interval_time64", "sched_rr_get_interval"},
	/* what was there first */
	{"waitpid", "wait4"}, {"_newselect", "select"}, {"ugetrlimit", "getrlimit"}, {"mmap2", "mmap"}, {"readdir", "getdents"},
	{"nice", "setpriority"}, {"signal", "rt_sigaction"}, {"sigaction", "rt_sigaction"}, {"sigprocmask", "rt_sigprocmask"},
	{"sigpending", "rt_sigpending"}, {"sigsuspend", "rt_sigsuspend"}, {"sigreturn", "rt_sigreturn"}, {"stime", "settimeofday"},
	{"umount", "umount2"},
	/* where a thread's own data are */
	{"set_thread_area", "arch_prctl"},
};

uint32_t seccomp_audit_arch(unsigned table)
{
#if defined(__x86_64__)
	if (table == SECCOMP_X86)
		return AUDIT_ARCH_I386;
#endif
	return table == SECCOMP_NATIVE ? SECCOMP_NATIVE_ARCH : 0;
}

/* libseccomp has i386's socket() and the like as parts of socketcall() and ipc(), by numbers that are none: names are looked for the other way. */
static const char *x86_name(int nr)
{
	static char *names[SECCOMP_NR_MAX];
	static bool known;

	for (int i = 0; i < SECCOMP_NR_MAX && !known; i++)
		names[i] = seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86, i);
	known = true;
	return names[nr];
}

int seccomp_number(const char *name)
{
	int nr = seccomp_syscall_resolve_name(name);

	return nr >= 0 && nr < SECCOMP_NR_MAX ? nr : -1; /* negative: not of this machine, or not known */
}

bool seccomp_is_call(unsigned table, int nr, const char *name)
{
	const char *known;

	if (table == SECCOMP_NATIVE)
		return seccomp_number(name) == nr;
	known = x86_name(nr);
	return known && strcmp(known, name) == 0;
}

int seccomp_number_in(unsigned table, const char *name)
{
	if (table == SECCOMP_NATIVE)
		return seccomp_number(name);
	for (int nr = 0; nr < SECCOMP_NR_MAX; nr++)
		if (seccomp_is_call(table, nr, name))
			return nr;
	return -1;
}

static void choose_one(unsigned table, const char *name, bool on, bool calls[SECCOMP_NR_MAX])
{
	int nr = seccomp_number_in(table, name);

	if (nr >= 0)
		calls[nr] = on;
}

void seccomp_choose_call(unsigned table, const char *name, bool on, bool calls[SECCOMP_NR_MAX])
{
	choose_one(table, name, on, calls);
	for (size_t i = 0; table != SECCOMP_NATIVE && i < TRP_ARRAY_SIZE(variants); i++)
		if (strcmp(variants[i].of, name) == 0)
			choose_one(table, variants[i].name, on, calls);
}

const char *seccomp_variant_of(const char *name)
{
	for (size_t i = 0; i < TRP_ARRAY_SIZE(variants); i++)
		if (strcmp(variants[i].name, name) == 0)
			return variants[i].of;
	return NULL;
}

bool seccomp_ask_x86(const char *name, struct seccomp_question *ret)
{
	const uint32_t arch = seccomp_audit_arch(SECCOMP_X86);
	int nr = arch ? seccomp_number_in(SECCOMP_X86, name) : -1;

	if (nr >= 0)
		*ret = (struct seccomp_question){.arch = arch, .nr = (uint32_t)nr};
	return nr >= 0;
}
