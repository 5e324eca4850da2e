/* SPDX-License-Identifier: ISC */
#include "supervisor/logger/confine.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* Reading the directory and its files, talking to the daemon (not with MSG_FASTOPEN, which connects), and the C library. */
static const struct beside_rule common_rules[] = {
	{SCMP_SYS(getdents64), 0, {}},
	{SCMP_SYS(newfstatat), 0, {}},
	{SCMP_SYS(fstat), 0, {}},
	{SCMP_SYS(read), 0, {}},
	{SCMP_SYS(pread64), 0, {}},
	{SCMP_SYS(lseek), 0, {}},
	{SCMP_SYS(close), 0, {}},
	{SCMP_SYS(poll), 0, {}},
	{SCMP_SYS(ppoll), 0, {}},
	{SCMP_SYS(recvmsg), 0, {}},
	{SCMP_SYS(sendmsg), 1, {BESIDE_NO_BITS(2, MSG_FASTOPEN)}},
	{SCMP_SYS(fcntl), 1, {BESIDE_EQUALS(1, F_GETFL)}}, /* fdopendir(3) */
	{SCMP_SYS(fcntl), 1, {BESIDE_EQUALS(1, F_SETFD)}},
	{SCMP_SYS(clock_gettime), 0, {}},
	{SCMP_SYS(brk), 0, {}},
	{SCMP_SYS(mmap), 2, {BESIDE_NO_BITS(2, PROT_EXEC), BESIDE_EQUALS(3, MAP_PRIVATE | MAP_ANONYMOUS)}},
	{SCMP_SYS(munmap), 0, {}},
	{SCMP_SYS(mremap), 0, {}},
	{SCMP_SYS(restart_syscall), 0, {}},
	{SCMP_SYS(exit_group), 0, {}},
};

static const struct beside_attempt never[] = {
	{"connect() works", SYS_connect, {-1}},
	{"socket() works", SYS_socket, {AF_UNIX, SOCK_STREAM}},
	{"ioctl() works", SYS_ioctl, {-1}},
	{"execve() works", SYS_execve, {(long)""}},
	{"execveat() works", SYS_execveat, {-1, (long)""}},
	{"clone3() works", SYS_clone3, {0}},
	{"new namespaces can be made", SYS_clone, {0x10000000 /* CLONE_NEWUSER */ | 0x80000000 /* invalid with it */}},
	{"kill() works", SYS_kill, {0x7fffffff, 0}},
	{"pidfd_send_signal() works", SYS_pidfd_send_signal, {-1}},
	{"ptrace() works", SYS_ptrace, {-1}},
	{"chroot() works", SYS_chroot, {(long)""}},
	{"mount() works", SYS_mount, {(long)"", (long)"", (long)""}},
	{"unshare() works", SYS_unshare, {0}},
	{"setns() works", SYS_setns, {-1}},
	{"mknodat() works", SYS_mknodat, {-1, (long)""}},
	{"symlinkat() works", SYS_symlinkat, {(long)"", -1, (long)""}},
	{"linkat() works", SYS_linkat, {-1, (long)"", -1, (long)""}},
	{"fchownat() works", SYS_fchownat, {-1, (long)""}},
	{"mprotect() works", SYS_mprotect, {0, 0, PROT_EXEC}},
	{"mmap() makes code", SYS_mmap, {0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1}},
};

static const char *drop_capabilities(void)
{
	const unsigned long secure = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |
		SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED | SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED;
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct d[2] = {0};

	if (prctl(PR_SET_SECUREBITS, secure) < 0)
		return "securebits";
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
		if (prctl(PR_CAPBSET_DROP, cap) < 0)
			return "bounding set";
	if (setgroups(0, NULL) < 0)
		return "groups";
	if (syscall(SYS_capset, &h, d) < 0)
		return "capabilities";
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return "no_new_privs";
	if (syscall(SYS_capget, &h, d) < 0 || d[0].effective || d[0].permitted || d[0].inheritable || d[1].effective || d[1].permitted)
		return "capabilities are left";
	return NULL;
}

const char *confine(const char *dir, const struct beside_rule *rules, size_t n_rules, const struct beside_attempt *attempts, size_t n_attempts)
{
	const struct rlimit none = {1, 1}; /* no dump, not even to a core_pattern with "|": sandbox.h */
	const char *what;

	umask(027);
	if (setrlimit(RLIMIT_CORE, &none) < 0)
		return "limits";
	if (chdir(dir) < 0 || chroot(".") < 0)
		return dir;
	what = drop_capabilities();
	if (!what && (access("/etc/passwd", F_OK) == 0 || access("/proc/self", F_OK) == 0))
		what = "the host's files are seen";
	if (!what && (chroot(".") == 0 || setresuid(1, 1, 1) == 0))
		what = "capabilities are left";
	if (!what)
		what = beside_filter(common_rules, TRP_ARRAY_SIZE(common_rules), rules, n_rules);
	if (!what)
		what = beside_try(never, TRP_ARRAY_SIZE(never));
	if (!what)
		what = beside_try(attempts, n_attempts);
	return what;
}
