/* SPDX-License-Identifier: ISC */
#include "sandbox/beside.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <malloc.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define WORK_DIR "/tmp"

/* As real root: the mount namespace belongs to the host's user namespace, so nothing in it can be changed later. */
static const char *empty_root(void)
{
	const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;

	if (unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS) < 0)
		return "unshare";
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return "private mounts";
	if (mount("tmpfs", WORK_DIR, "tmpfs", flags, "size=64k,mode=0555") < 0 || chdir(WORK_DIR) < 0 ||
		mkdir("proc", 0555) < 0)
		return "empty root";
	/* hidepid: of the host's processes only those that we might trace are there */
	if (mount("proc", "proc", "proc", flags, "hidepid=ptraceable,subset=pid") < 0)
		return "procfs";
	if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return "pivot_root";
	if (mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | flags, NULL) < 0)
		return "read-only root";
	return NULL;
}

static int set_caps(uint32_t caps)
{
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct d[2] = {{.effective = caps, .permitted = caps}};

	return (int)syscall(SYS_capset, &h, d);
}

/* In the service's user namespace all capabilities are ours, until the last step here. */
static const char *become_small(int pidfd, const struct beside *b)
{
	const unsigned long secure = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |
		SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED | SECBIT_KEEP_CAPS;

	if (!b->in_network && unshare(CLONE_NEWNET) < 0)
		return "network namespace";
	if (setns(pidfd, CLONE_NEWUSER | (b->in_network ? CLONE_NEWNET : 0)) < 0)
		return "setns";
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
		if (prctl(PR_CAPBSET_DROP, cap) < 0)
			return "bounding set";
	if (prctl(PR_SET_SECUREBITS, secure) < 0)
		return "securebits";
	if (setgroups(0, NULL) < 0 || setresgid(b->id, b->id, b->id) < 0 || setresuid(b->id, b->id, b->id) < 0)
		return "ids";
	if (set_caps(1u << CAP_SYS_PTRACE | b->caps) < 0)
		return "capabilities";
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return "no_new_privs";
	umask(077);
	return NULL;
}

/* What every such process needs besides: to look at /proc (nothing can be written or made there or anywhere), to talk to the daemon and
 * trp-init (not with MSG_FASTOPEN, which connects), and the C library. */
static const struct beside_rule common_rules[] = {
	{SCMP_SYS(process_vm_readv), 0, {}},
	{SCMP_SYS(openat), 1, {BESIDE_NO_BITS(2, O_ACCMODE | O_CREAT)}},
	{SCMP_SYS(newfstatat), 0, {}},
	{SCMP_SYS(fstat), 0, {}},
	{SCMP_SYS(read), 0, {}},
	{SCMP_SYS(close), 0, {}},
	{SCMP_SYS(recvmsg), 0, {}},
	{SCMP_SYS(sendmsg), 1, {BESIDE_NO_BITS(2, MSG_FASTOPEN)}},
	{SCMP_SYS(write), 1, {BESIDE_EQUALS(0, STDERR_FILENO)}},
	{SCMP_SYS(writev), 1, {BESIDE_EQUALS(0, STDERR_FILENO)}},
	{SCMP_SYS(brk), 0, {}},
	{SCMP_SYS(mmap), 2, {BESIDE_NO_BITS(2, PROT_EXEC), BESIDE_EQUALS(3, MAP_PRIVATE | MAP_ANONYMOUS)}},
	{SCMP_SYS(munmap), 0, {}},
	{SCMP_SYS(mremap), 0, {}},
	{SCMP_SYS(restart_syscall), 0, {}},
	{SCMP_SYS(exit_group), 0, {}},
};

static int add_rules(scmp_filter_ctx ctx, const struct beside_rule *rules, size_t n)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, rules[i].nr, rules[i].n_args, rules[i].args);
	return r;
}

const char *beside_filter(const struct beside_rule *common, size_t n_common, const struct beside_rule *own, size_t n_own)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(BESIDE_ERRNO));
	int r = ctx ? seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2) : -ENOMEM;

	if (r == 0)
		r = add_rules(ctx, common, n_common);
	if (r == 0)
		r = add_rules(ctx, own, n_own);
	if (r == 0)
		r = seccomp_load(ctx);
	if (ctx)
		seccomp_release(ctx);
	malloc_trim(0); /* one such process for each service: what the library needed goes back */
	errno = -r;
	return r < 0 ? "system call filter" : NULL;
}

/* What no process beside a sandbox may do. */
static const struct beside_attempt never[] = {
	{"connect() works", SYS_connect, {-1}},
	{"unix sockets can be made", SYS_socket, {AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC}},
	{"netlink sockets can be made", SYS_socket, {AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC}},
	{"files can be written", SYS_openat, {AT_FDCWD, (long)"/", O_WRONLY}},
	{"files can be made", SYS_openat, {AT_FDCWD, (long)"/", O_CREAT}},
	{"write() works on any descriptor", SYS_write, {-1}},
	{"ioctl() works for any request", SYS_ioctl, {-1, 0x8910}},
	{"execve() works", SYS_execve, {(long)"", 0, 0}},
	{"execveat() works", SYS_execveat, {-1, (long)"", 0, 0, 0}},
	{"clone3() works", SYS_clone3, {0, 0}},
	{"kill() works", SYS_kill, {0x7fffffff, 0}},
	{"pidfd_send_signal() works", SYS_pidfd_send_signal, {-1, 0, 0, 0}},
	{"mount() works", SYS_mount, {(long)"", (long)"", (long)"", 0, 0}},
	{"unshare() works", SYS_unshare, {0}},
	{"setns() works", SYS_setns, {-1}},
	{"bpf() works", SYS_bpf, {-1}},
	{"prctl() works", SYS_prctl, {PR_GET_DUMPABLE}},
	{"seccomp() works", SYS_seccomp, {-1}},
	{"setuid() works", SYS_setuid, {-1}},
	{"capset() works", SYS_capset, {0, 0}},
	{"mprotect() works", SYS_mprotect, {0, 0, PROT_EXEC}},
	{"mmap() makes code", SYS_mmap, {0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1}},
};

/* Not by what the calls above returned, but by trying. */
static const char *prove_before(uid_t id, uint32_t caps)
{
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct d[2] = {0};
	const uint32_t only = 1u << CAP_SYS_PTRACE | caps;
	uid_t r, e, s;

	errno = 0;
	if (access("/etc/passwd", F_OK) == 0 || access("/usr", F_OK) == 0)
		return "the host's files are seen";
	if (access("/proc/1/status", F_OK) == 0 || access("/proc/sys", F_OK) == 0)
		return "the host's processes are seen";
	if (mkdir("/x", 0700) == 0)
		return "the root can be written to";
	if (syscall(SYS_capget, &h, d) < 0 || d[0].effective != only || d[0].permitted != only || d[0].inheritable ||
		d[1].effective || d[1].permitted)
		return "other capabilities are left";
	if (getresuid(&r, &e, &s) < 0 || r != id || e != id || s != id || setresuid(0, 0, 0) == 0)
		return "root's id can be had back";
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 || prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN) != 0)
		return "privileges could be gained";
	return NULL;
}

const char *beside_try(const struct beside_attempt *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const long *a = list[i].args;
		if (syscall(list[i].nr, a[0], a[1], a[2], a[3], a[4], a[5]) != -1 || errno != BESIDE_ERRNO)
			return list[i].what;
	}
	return NULL;
}

const char *beside_lockdown(int pidfd, const struct beside *b)
{
	const char *what = empty_root();

	if (!what)
		what = become_small(pidfd, b);
	if (!what)
		what = prove_before(b->id, b->caps);
	if (!what)
		what = beside_filter(common_rules, TRP_ARRAY_SIZE(common_rules), b->rules, b->n_rules);
	if (!what)
		what = beside_try(never, TRP_ARRAY_SIZE(never));
	if (!what)
		what = beside_try(b->attempts, b->n_attempts);
	return what;
}

const char *beside_nobody(uid_t id)
{
	const struct rlimit none = {1, 1}; /* no dump, not even to a core_pattern with "|": sandbox.h */

	if (chdir("/") < 0 || setrlimit(RLIMIT_CORE, &none) < 0)
		return "limits";
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
		if (prctl(PR_CAPBSET_DROP, cap) < 0)
			return "bounding set";
	if (setgroups(0, NULL) < 0 || setresgid(id, id, id) < 0 || setresuid(id, id, id) < 0)
		return "ids";
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return "no_new_privs";
	return setresuid(0, 0, 0) == 0 ? "root's id can be had back" : NULL;
}
