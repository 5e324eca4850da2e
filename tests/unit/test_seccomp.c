/* SPDX-License-Identifier: ISC */
/* The system call filter, run in user space: what would the kernel answer to (architecture, number, arguments)?
 * seccomp(2), Linux Documentation/networking/filter.rst. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "bpf_run.h"
#include "sandbox/seccomp_policy.h"

#include <asm/unistd.h>
#include <linux/audit.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>

#define HIGH      0xdeadbeef00000000ull /* bits that the kernel drops from a 32-bit argument */
#define X32_BIT   0x40000000
#define ENOSYS_IS (SECCOMP_RET_ERRNO | ENOSYS)

static struct seccomp_filter filter;

static uint32_t answer_of(const struct seccomp_filter *f, int nr, const uint64_t args[6])
{
	struct seccomp_data d = {.nr = nr, .arch = seccomp_arch_native() == SCMP_ARCH_X86_64
							   ? AUDIT_ARCH_X86_64
							   : AUDIT_ARCH_AARCH64};

	if (args)
		memcpy(d.args, args, sizeof(d.args));
	return interpret(f, &d);
}

#define ANSWER(nr, ...) answer_of(&filter, nr, (const uint64_t[6]){__VA_ARGS__})
#define ALLOWED(nr, ...) assert_int_equal(ANSWER(nr, __VA_ARGS__), SECCOMP_RET_ALLOW)
#define DENIED(nr, ...)  assert_int_equal(ANSWER(nr, __VA_ARGS__), ENOSYS_IS)

static int by_name(const char *name)
{
	int nr = seccomp_syscall_resolve_name(name);

	assert_int_not_equal(nr, __NR_SCMP_ERROR);
	return nr;
}

static uint32_t compiled_answer(const char *const *words, size_t n, const char *name, uint64_t arg0)
{
	struct seccomp_filter f;
	uint32_t answer;

	assert_int_equal(seccomp_compile(words, n, &f), 0);
	answer = answer_of(&f, by_name(name), (const uint64_t[6]){arg0});
	seccomp_filter_free(&f);
	assert_null(f.insns);
	return answer;
}
#define WITH(name, arg0, ...)                                                                      \
	compiled_answer((const char *const[]){__VA_ARGS__},                                        \
		TRP_ARRAY_SIZE(((const char *const[]){__VA_ARGS__})), name, arg0)

/* What real servers (Apache, PHP, MariaDB, nginx, node, Java, Python, Go) were seen to need. */
static void test_servers_can_work(void **state)
{
	static const char *const needed[] = {"read", "write", "openat", "close", "mmap", "mprotect", "futex",
		"rseq", "set_robust_list", "membarrier", "prlimit64", "getrandom", "sysinfo",
		"statx", "copy_file_range", "fallocate",
		"sched_getaffinity", "sched_yield", "mincore", "madvise", "get_mempolicy", "set_mempolicy",
		"shmget", "shmat", "shmdt", "shmctl", "semget", "semop", "semctl", "inotify_init1",
		"timerfd_create", "eventfd2", "signalfd4", "epoll_create1", "epoll_pwait", "setuid",
		"setresuid", "setgroups", "capget", "capset", "execve", "execveat", "wait4", "waitid",
		"accept4", "sendmsg", "recvmsg", "sendfile", "splice", "pidfd_open", "getrusage", "flock",
		"landlock_create_ruleset", "name_to_handle_at", "rt_sigreturn", "sigaltstack", "exit_group"};

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(needed); i++)
		if (ANSWER(by_name(needed[i])) != SECCOMP_RET_ALLOW)
			fail_msg("%s is denied", needed[i]);
}

static void test_never(void **state)
{
	static const char *const never[] = {"unshare", "setns", "clone3", "mount", "umount2", "pivot_root",
		"chroot", "fsopen", "fsconfig", "fsmount", "fspick", "open_tree", "move_mount", "mount_setattr",
		"ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "pidfd_getfd", "process_madvise",
		"bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter",
		"io_uring_register", "add_key", "request_key", "keyctl", "open_by_handle_at", "seccomp",
		"init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot",
		"swapon", "swapoff", "settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "syslog",
		"acct", "quotactl", "lookup_dcookie", "vhangup", "sethostname", "setdomainname",
		"move_pages", "migrate_pages", "fanotify_init", "memfd_secret", "vmsplice"};

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(never); i++)
		if (ANSWER(by_name(never[i])) != ENOSYS_IS)
			fail_msg("%s is allowed", never[i]);
	DENIED(9999);
	DENIED(-1);
}

static void test_clone_without_namespaces(void **state)
{
	static const uint64_t flags[] = {CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWIPC,
		CLONE_NEWUTS, CLONE_NEWCGROUP};

	(void)state;
	ALLOWED(__NR_clone, 17 /* SIGCHLD */);
	ALLOWED(__NR_clone, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM);
	for (size_t i = 0; i < TRP_ARRAY_SIZE(flags); i++) {
		DENIED(__NR_clone, flags[i]);
		DENIED(__NR_clone, flags[i] | 17 | CLONE_VM);
		DENIED(__NR_clone, flags[i] | HIGH);
	}
}

static void test_ioctl_is_a_list(void **state)
{
	(void)state;
	ALLOWED(__NR_ioctl, 0, FIONBIO);
	ALLOWED(__NR_ioctl, 0, FIONREAD);
	ALLOWED(__NR_ioctl, 0, TCGETS);
	ALLOWED(__NR_ioctl, 0, TIOCGWINSZ);
	ALLOWED(__NR_ioctl, 0, HIGH | FIONBIO); /* sign extension of a negative int must not break */
	DENIED(__NR_ioctl, 0, TIOCSTI);
	DENIED(__NR_ioctl, 0, HIGH | TIOCSTI);
	DENIED(__NR_ioctl, 0, TIOCLINUX);
	DENIED(__NR_ioctl, 0, HIGH | TIOCLINUX);
	DENIED(__NR_ioctl, 0, TIOCSETD);
	for (uint64_t request = 0x8910; request <= 0x89ff; request++) {
		DENIED(__NR_ioctl, 0, request);
		DENIED(__NR_ioctl, 0, HIGH | request);
	}
	DENIED(__NR_ioctl, TCGETS, SIOCGIFCONF); /* the request is the second argument */
}

static void test_core_limit(void **state)
{
	(void)state;
	ALLOWED(__NR_setrlimit, RLIMIT_NOFILE);
	ALLOWED(__NR_prlimit64, 0, RLIMIT_NOFILE, 1);
	ALLOWED(__NR_getrlimit, RLIMIT_CORE);
	assert_int_equal(ANSWER(__NR_setrlimit, RLIMIT_CORE, 1), SECCOMP_RET_ERRNO | EPERM);
	assert_int_equal(ANSWER(__NR_setrlimit, HIGH | RLIMIT_CORE, 1), SECCOMP_RET_ERRNO | EPERM);
	assert_int_equal(ANSWER(__NR_prlimit64, 0, RLIMIT_CORE, 1), SECCOMP_RET_ERRNO | EPERM);
	assert_int_equal(ANSWER(__NR_prlimit64, 0, HIGH | RLIMIT_CORE, HIGH), SECCOMP_RET_ERRNO | EPERM);
	ALLOWED(__NR_prlimit64, 0, RLIMIT_CORE, 0); /* reads */
}

static void test_socket_families(void **state)
{
	static const unsigned denied[] = {AF_VSOCK, AF_ALG, AF_PACKET, AF_BLUETOOTH, AF_KEY, AF_TIPC, AF_XDP,
		AF_RDS, AF_CAN, AF_UNSPEC};

	(void)state;
	ALLOWED(__NR_socket, AF_UNIX, SOCK_STREAM, 0);
	ALLOWED(__NR_socket, AF_INET, SOCK_STREAM, 0);
	ALLOWED(__NR_socket, AF_INET, SOCK_STREAM, IPPROTO_TCP);
	ALLOWED(__NR_socket, AF_INET6, SOCK_DGRAM, IPPROTO_UDP);
	ALLOWED(__NR_socket, HIGH | AF_INET6, SOCK_STREAM, HIGH | IPPROTO_TCP);
	ALLOWED(__NR_socket, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	ALLOWED(__NR_socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	for (size_t i = 0; i < 2; i++) {
		const unsigned family = i ? AF_INET6 : AF_INET, raw = SECCOMP_RET_ERRNO | EPERM;
		assert_int_equal(ANSWER(__NR_socket, family, SOCK_RAW, 0), raw);
		assert_int_equal(ANSWER(__NR_socket, HIGH | family, SOCK_RAW | SOCK_CLOEXEC | HIGH, i ? IPPROTO_ICMPV6 : IPPROTO_ICMP), raw);
		assert_int_equal(ANSWER(__NR_socket, family, SOCK_RAW | SOCK_NONBLOCK, IPPROTO_UDP), raw);
	}
	DENIED(__NR_socket, AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER);
	DENIED(__NR_socket, AF_NETLINK, SOCK_RAW, HIGH | NETLINK_KOBJECT_UEVENT);
	DENIED(__NR_socket, AF_INET, SOCK_STREAM, IPPROTO_SCTP);
	DENIED(__NR_socket, AF_INET, SOCK_STREAM, IPPROTO_MPTCP);
	for (size_t i = 0; i < TRP_ARRAY_SIZE(denied); i++) {
		DENIED(__NR_socket, denied[i]);
		DENIED(__NR_socket, HIGH | denied[i]);
	}
	ALLOWED(__NR_socketpair, AF_UNIX, SOCK_SEQPACKET, 0);
	DENIED(__NR_socketpair, AF_TIPC, SOCK_STREAM, 0);
}

#define ERRNO(e) (SECCOMP_RET_ERRNO | (e))

/* Of a passed socket each of these reaches or tells something of the host's network. */
static void test_socket_options_are_a_list(void **state)
{
	static const struct {
		int level, name;
	} refused[] = {{SOL_SOCKET, SO_BINDTODEVICE}, {SOL_SOCKET, SO_BINDTOIFINDEX}, {SOL_SOCKET, SO_MARK}, {SOL_SOCKET, SO_ATTACH_FILTER},
		{SOL_SOCKET, SO_DETACH_FILTER}, {SOL_SOCKET, SO_ATTACH_BPF}, {SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF}, {SOL_SOCKET, SO_LOCK_FILTER},
		{SOL_SOCKET, SO_NETNS_COOKIE}, {SOL_SOCKET, SO_INCOMING_CPU}, {SOL_SOCKET, SO_INCOMING_NAPI_ID}, {SOL_SOCKET, SO_PEERSEC},
		{SOL_SOCKET, SO_TXTIME}, {SOL_SOCKET, SO_ZEROCOPY}, {SOL_SOCKET, SO_TIMESTAMPING}, {SOL_SOCKET, SO_CNX_ADVICE},
		{SOL_SOCKET, SO_SNDBUFFORCE}, {SOL_SOCKET, SO_BUSY_POLL}, {IPPROTO_IP, IP_OPTIONS}, {IPPROTO_IP, IP_UNICAST_IF},
		{IPPROTO_IP, IP_ADD_MEMBERSHIP}, {IPPROTO_IP, MCAST_JOIN_GROUP}, {IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP}, {IPPROTO_IP, IP_PKTOPTIONS},
		{IPPROTO_IP, IP_TRANSPARENT}, {IPPROTO_IP, IP_MULTICAST_IF}, {IPPROTO_IP, 80 /* SO_ORIGINAL_DST */}, {IPPROTO_IP, 64 /* iptables */},
		{IPPROTO_IPV6, IPV6_UNICAST_IF}, {IPPROTO_IPV6, IPV6_PKTINFO}, {IPPROTO_IPV6, IPV6_2292PKTOPTIONS}, {IPPROTO_IPV6, IPV6_RTHDR},
		{IPPROTO_IPV6, IPV6_JOIN_ANYCAST}, {IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP}, {IPPROTO_IPV6, 32 /* IPV6_FLOWLABEL_MGR */},
		{IPPROTO_IPV6, IPV6_MULTICAST_IF}, {IPPROTO_TCP, TCP_REPAIR}, {IPPROTO_TCP, TCP_ULP}, {IPPROTO_TCP, TCP_FASTOPEN_CONNECT},
		{IPPROTO_TCP, TCP_MD5SIG}, {IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE}, {IPPROTO_TCP, TCP_SAVED_SYN}, {IPPROTO_RAW, 1}, {282 /* SOL_TLS */, 1},
		{284 /* SOL_MPTCP */, 1}, {SOL_NETLINK, NETLINK_LISTEN_ALL_NSID}, {0xffff, 0}};

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(refused); i++) {
		uint64_t level = (uint64_t)refused[i].level, name = (uint64_t)refused[i].name;
		assert_int_equal(ANSWER(__NR_setsockopt, 0, level, name), ERRNO(ENOPROTOOPT));
		assert_int_equal(ANSWER(__NR_getsockopt, 0, level, name), ERRNO(ENOPROTOOPT));
		assert_int_equal(ANSWER(__NR_setsockopt, 0, HIGH | level, HIGH | name), ERRNO(ENOPROTOOPT));
	}
	ALLOWED(__NR_setsockopt, 0, SOL_SOCKET, SO_REUSEADDR);
	ALLOWED(__NR_setsockopt, 0, IPPROTO_TCP, TCP_NODELAY);
	ALLOWED(__NR_setsockopt, 0, IPPROTO_IPV6, IPV6_V6ONLY);
	ALLOWED(__NR_setsockopt, 0, IPPROTO_IPV6, IPV6_ADDRFORM);
	ALLOWED(__NR_getsockopt, 0, SOL_SOCKET, SO_ERROR);
	ALLOWED(__NR_getsockopt, 0, SOL_SOCKET, SO_PEERCRED);
	ALLOWED(__NR_getsockopt, 0, IPPROTO_TCP, TCP_INFO);
	/* what can only be read, only set */
	assert_int_equal(ANSWER(__NR_setsockopt, 0, IPPROTO_TCP, TCP_INFO), ERRNO(ENOPROTOOPT));
	assert_int_equal(ANSWER(__NR_getsockopt, 0, IPPROTO_IPV6, IPV6_ADDRFORM), ERRNO(ENOPROTOOPT));
}

static void test_prctl_is_a_list(void **state)
{
	static const uint64_t refused[] = {PR_SET_MM, PR_SET_SYSCALL_USER_DISPATCH, PR_SCHED_CORE, 67 /* PR_SET_MEMORY_MERGE */,
		PR_TASK_PERF_EVENTS_DISABLE, PR_SET_SECCOMP, PR_SET_IO_FLUSHER, 0, 9999};

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(refused); i++)
		assert_int_equal(ANSWER(__NR_prctl, refused[i]), ERRNO(EINVAL));
	ALLOWED(__NR_prctl, PR_SET_NAME);
	ALLOWED(__NR_prctl, PR_SET_PDEATHSIG);
	ALLOWED(__NR_prctl, PR_SET_VMA);
	assert_int_equal(WITH("prctl", PR_SET_SECCOMP, "@default", "@self-filter"), SECCOMP_RET_ALLOW);
}

static void test_memory(void **state)
{
	static const char *const words[] = {"@default", SECCOMP_WORD_NO_WRITE_EXECUTE}, *const memfd[] = {"@default", SECCOMP_WORD_MEMFD_EXEC},
		*const once[] = {"@default", SECCOMP_WORD_NO_SECOND_MAPPING};
	struct seccomp_filter f;

	(void)state;
	assert_int_equal(ANSWER(__NR_madvise, 0, 0, MADV_MERGEABLE), ERRNO(EINVAL));
	ALLOWED(__NR_madvise, 0, 0, MADV_DONTNEED);
	DENIED(__NR_memfd_create, 0, MFD_CLOEXEC);
	DENIED(__NR_memfd_create, 0, MFD_CLOEXEC | 0x10 /* MFD_EXEC */);
	ALLOWED(__NR_memfd_create, 0, MFD_CLOEXEC | 8 /* MFD_NOEXEC_SEAL */);
	/* of the host's pool of huge pages, which no limit on memory counts */
	assert_int_equal(ANSWER(__NR_mmap, 0, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB), ERRNO(ENOMEM));
	assert_int_equal(ANSWER(__NR_mmap, 0, 0, PROT_READ, HIGH | MAP_HUGETLB | 21 << 26 /* of 2 MiB */), ERRNO(ENOMEM));
	ALLOWED(__NR_mmap, 0, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS);
	assert_int_equal(ANSWER(__NR_memfd_create, 0, MFD_HUGETLB | 8), ERRNO(ENOMEM));
	assert_int_equal(ANSWER(__NR_shmget, 0, 0, SHM_HUGETLB | 0600), ERRNO(ENOMEM));
	ALLOWED(__NR_shmget, 0, 0, 0600);
	ALLOWED(__NR_mmap, 0, 0, PROT_WRITE | PROT_EXEC);
	ALLOWED(__NR_mprotect, 0, 0, PROT_EXEC);

	assert_int_equal(seccomp_compile(memfd, 2, &f), 0);
	assert_int_equal(answer_of(&f, __NR_memfd_create, (const uint64_t[6]){0}), SECCOMP_RET_ALLOW);
	assert_int_equal(answer_of(&f, __NR_memfd_create, (const uint64_t[6]){0, MFD_HUGETLB}), ERRNO(ENOMEM));
	seccomp_filter_free(&f);
	assert_int_equal(WITH("shmget", 0, "@default", SECCOMP_WORD_NO_SECOND_MAPPING), SECCOMP_RET_ALLOW);
	assert_int_equal(seccomp_compile(once, 2, &f), 0);
	assert_int_equal(answer_of(&f, __NR_memfd_create, (const uint64_t[6]){0, 8}), ENOSYS_IS);
	assert_int_equal(answer_of(&f, __NR_shmat, (const uint64_t[6]){0, 0, SHM_RDONLY | SHM_EXEC}), ERRNO(EPERM));
	assert_int_equal(answer_of(&f, __NR_shmat, (const uint64_t[6]){0, 0, SHM_RDONLY}), SECCOMP_RET_ALLOW);
	seccomp_filter_free(&f);
	assert_int_equal(seccomp_compile(words, 2, &f), 0);
#define MEMORY(nr, prot) answer_of(&f, nr, (const uint64_t[6]){0, 0, prot})
	assert_int_equal(MEMORY(__NR_mmap, PROT_READ | PROT_WRITE | PROT_EXEC), ERRNO(EPERM));
	assert_int_equal(MEMORY(__NR_mmap, HIGH | PROT_WRITE | PROT_EXEC), ERRNO(EPERM));
	assert_int_equal(MEMORY(__NR_mmap, PROT_READ | PROT_EXEC), SECCOMP_RET_ALLOW);
	assert_int_equal(MEMORY(__NR_mmap, PROT_READ | PROT_WRITE), SECCOMP_RET_ALLOW);
	assert_int_equal(MEMORY(__NR_mprotect, PROT_EXEC), ERRNO(EPERM));
	assert_int_equal(MEMORY(__NR_pkey_mprotect, PROT_READ | PROT_EXEC), ERRNO(EPERM));
	assert_int_equal(MEMORY(__NR_mprotect, PROT_READ | PROT_WRITE), SECCOMP_RET_ALLOW);
	assert_int_equal(MEMORY(__NR_shmat, SHM_EXEC), ERRNO(EPERM));
#undef MEMORY
	seccomp_filter_free(&f);
}

static void test_namespaces_if_asked(void **state)
{
	static const char *const words[] = {"@default", SECCOMP_WORD_NAMESPACES};
	struct seccomp_filter f;

	(void)state;
	assert_int_equal(seccomp_compile(words, 2, &f), 0);
	assert_int_equal(answer_of(&f, __NR_clone, (const uint64_t[6]){CLONE_NEWUSER}), SECCOMP_RET_ALLOW);
	seccomp_filter_free(&f);
	/* no word of a profile */
	assert_false(seccomp_valid_name(SECCOMP_WORD_NAMESPACES));
}

static void test_personality_asks_only(void **state)
{
	(void)state;
	ALLOWED(__NR_personality, 0xffffffff);
	ALLOWED(__NR_personality, 0);
	DENIED(__NR_personality, ADDR_NO_RANDOMIZE);
	DENIED(__NR_personality, READ_IMPLIES_EXEC);
	DENIED(__NR_personality, HIGH | READ_IMPLIES_EXEC);
}

#ifdef __x86_64__
static void test_foreign_tables(void **state)
{
	struct seccomp_data d = {.nr = 1, .arch = AUDIT_ARCH_I386}; /* i386: exit */

	(void)state;
	assert_int_equal(interpret(&filter, &d), SECCOMP_RET_KILL_PROCESS);
	d.arch = AUDIT_ARCH_AARCH64;
	assert_int_equal(interpret(&filter, &d), SECCOMP_RET_KILL_PROCESS);
	for (int nr = 0; nr < 600; nr++)
		assert_int_equal(ANSWER(nr | X32_BIT), SECCOMP_RET_KILL_PROCESS);
}
#endif

#if defined(__x86_64__)
/* --- architectures = native x86 --- */

#define X86(...)        ((const char *const[]){"@default", SECCOMP_WORD_X86, __VA_ARGS__}), 2 + TRP_ARRAY_SIZE(((const char *const[]){__VA_ARGS__}))
#define SOCKETCALL      102
#define IPC             117
#define OLD_MMAP        90

/* Of a call with an i386 number. */
static uint32_t x86_answer(const char *const *words, size_t n, int nr, const uint64_t args[6])
{
	struct seccomp_data d = {.nr = nr, .arch = AUDIT_ARCH_I386};
	struct seccomp_filter f;
	uint32_t answer;

	assert_int_equal(seccomp_compile(words, n, &f), 0);
	memcpy(d.args, args, sizeof(d.args));
	answer = interpret(&f, &d);
	seccomp_filter_free(&f);
	return answer;
}

static int x86_nr(const char *name)
{
	int nr = seccomp_number_in(SECCOMP_X86, name);

	if (nr < 0)
		fail_msg("i386 has no %s", name);
	return nr;
}

#define ARGS(...) ((const uint64_t[6]){__VA_ARGS__})

/* What is looked at of native calls is of these, too. */
static void test_x86_arguments(void **state)
{
	const struct {
		const char *call;
		uint64_t args[6];
		uint32_t answer;
	} calls[] = {
		{"socket", {AF_INET, SOCK_STREAM}, SECCOMP_RET_ALLOW}, {"socket", {AF_ALG}, ENOSYS_IS}, {"socket", {AF_PACKET}, ENOSYS_IS},
		{"socket", {AF_INET, SOCK_RAW, IPPROTO_TCP}, ERRNO(EPERM)}, {"connect", {5}, SECCOMP_RET_ALLOW},
		{"setsockopt", {5, SOL_SOCKET, SO_KEEPALIVE}, SECCOMP_RET_ALLOW}, {"setsockopt", {5, SOL_SOCKET, SO_BINDTODEVICE}, ERRNO(ENOPROTOOPT)},
		{"setsockopt", {5, SOL_SOCKET, SO_DETACH_FILTER}, ERRNO(ENOPROTOOPT)}, {"setsockopt", {5, IPPROTO_TCP, TCP_ULP}, ERRNO(ENOPROTOOPT)},
		{"getsockopt", {5, SOL_SOCKET, SO_NETNS_COOKIE}, ERRNO(ENOPROTOOPT)}, {"ioctl", {5, SIOCGIFCONF}, ENOSYS_IS},
		{"ioctl", {5, TIOCSTI}, ENOSYS_IS}, {"ioctl", {5, FIONREAD}, SECCOMP_RET_ALLOW}, {"ioctl", {5, 0x80046601}, SECCOMP_RET_ALLOW},
		{"clone", {CLONE_NEWUSER}, ENOSYS_IS}, {"clone", {CLONE_THREAD}, SECCOMP_RET_ALLOW}, {"clone3", {0}, ENOSYS_IS},
		{"prctl", {PR_SET_SECCOMP}, ERRNO(EINVAL)}, {"setrlimit", {RLIMIT_CORE}, ERRNO(EPERM)}, {"personality", {READ_IMPLIES_EXEC}, ENOSYS_IS},
		{"prlimit64", {0, RLIMIT_CORE, 4096}, ERRNO(EPERM)}, {"memfd_create", {0, MFD_CLOEXEC}, ENOSYS_IS},
		{"madvise", {0, 0, MADV_MERGEABLE}, ERRNO(EINVAL)}, {"ptrace", {0}, ENOSYS_IS}, {"bpf", {0}, ENOSYS_IS},
		{"io_uring_setup", {0}, ENOSYS_IS}, {"mount", {0}, ENOSYS_IS}, {"umount", {0}, ENOSYS_IS}, {"vm86", {0}, ENOSYS_IS},
		{"vm86old", {0}, ENOSYS_IS}, {"modify_ldt", {0}, ENOSYS_IS}, {"stime", {0}, ENOSYS_IS}, {"clock_settime64", {0}, ENOSYS_IS},
		{"idle", {0}, ENOSYS_IS}, {"mmap2", {0, 0, PROT_READ | PROT_WRITE}, SECCOMP_RET_ALLOW}, {"mmap2", {0, 0, PROT_READ, MAP_HUGETLB}, ERRNO(ENOMEM)},
		{"shmget", {0, 0, SHM_HUGETLB}, ERRNO(ENOMEM)}, {"ipc", {23, 0, 0, SHM_HUGETLB}, ERRNO(ENOMEM)}, {"ipc", {23}, SECCOMP_RET_ALLOW},
		 {"mmap", {0}, ENOSYS_IS},
		{"clock_gettime64", {0}, SECCOMP_RET_ALLOW}, {"futex_time64", {0}, SECCOMP_RET_ALLOW}, {"chown32", {0}, SECCOMP_RET_ALLOW},
		{"set_thread_area", {0}, SECCOMP_RET_ALLOW}, {"sigreturn", {0}, SECCOMP_RET_ALLOW}, {"waitpid", {0}, SECCOMP_RET_ALLOW},
		{"socketcall", {3 /* connect */, 0x1000}, ENOSYS_IS}, {"ipc", {21 /* shmat */}, SECCOMP_RET_ALLOW},
		{"ipc", {1 << 16 | 21}, SECCOMP_RET_ALLOW}, {"ipc", {5}, ENOSYS_IS}, {"ipc", {HIGH | 5}, ENOSYS_IS},
	};

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(calls); i++) {
		uint32_t answer = x86_answer(X86("@default"), x86_nr(calls[i].call), calls[i].args);
		if (answer != calls[i].answer)
			fail_msg("row %zu, %s: %#x, not %#x", i, calls[i].call, answer, calls[i].answer);
	}
}

/* What words take out is out by all of its names, and what they name is in. */
static void test_x86_words(void **state)
{
	struct seccomp_filter f;
	struct seccomp_data d = {.nr = __NR_getpid | X32_BIT, .arch = AUDIT_ARCH_X86_64};

	(void)state;
	assert_int_equal(x86_answer(X86("socketcall"), SOCKETCALL, ARGS(1)), SECCOMP_RET_ALLOW);
	assert_int_equal(x86_answer(X86("-chown"), x86_nr("chown32"), ARGS(0)), ENOSYS_IS);
	assert_int_equal(x86_answer(X86("-chown"), x86_nr("chown"), ARGS(0)), ENOSYS_IS);
	assert_int_equal(x86_answer(X86("-chown32"), x86_nr("chown"), ARGS(0)), SECCOMP_RET_ALLOW);
	assert_int_equal(x86_answer(X86("-@ipc"), IPC, ARGS(23)), ENOSYS_IS);
	assert_int_equal(x86_answer(X86("-semget"), IPC, ARGS(2)), ENOSYS_IS);
	assert_int_equal(x86_answer(X86("-semget"), IPC, ARGS(23)), SECCOMP_RET_ALLOW);
	assert_int_equal(x86_answer(X86("-@network"), x86_nr("socket"), ARGS(AF_INET)), ENOSYS_IS);
	assert_int_equal(x86_answer(X86("-@network"), x86_nr("connect"), ARGS(5)), ENOSYS_IS);
	/* memory that is never written, then executed: by none of the ways that lead there */
	assert_int_equal(x86_answer(X86(SECCOMP_WORD_NO_WRITE_EXECUTE), x86_nr("mmap2"), ARGS(0, 0, PROT_WRITE | PROT_EXEC)), ERRNO(EPERM));
	assert_int_equal(x86_answer(X86(SECCOMP_WORD_NO_WRITE_EXECUTE), x86_nr("mprotect"), ARGS(0, 0, PROT_EXEC)), ERRNO(EPERM));
	assert_int_equal(x86_answer(X86(SECCOMP_WORD_NO_WRITE_EXECUTE), OLD_MMAP, ARGS(0)), ENOSYS_IS);
	assert_int_equal(x86_answer(X86(SECCOMP_WORD_NO_WRITE_EXECUTE), x86_nr("shmat"), ARGS(0, 0, SHM_EXEC)), ERRNO(EPERM));
	assert_int_equal(x86_answer(X86(SECCOMP_WORD_NO_WRITE_EXECUTE), IPC, ARGS(1 << 16 | 21, 0, SHM_EXEC)), ERRNO(EPERM));
	assert_int_equal(x86_answer(X86(SECCOMP_WORD_NO_WRITE_EXECUTE), IPC, ARGS(21)), SECCOMP_RET_ALLOW);
	assert_int_equal(x86_answer(X86(SECCOMP_WORD_NO_SECOND_MAPPING), IPC, ARGS(21, 0, SHM_EXEC)), ERRNO(EPERM));
	assert_int_equal(x86_answer(X86(SECCOMP_WORD_NO_SECOND_MAPPING), x86_nr("shmat"), ARGS(0, 0, SHM_EXEC)), ERRNO(EPERM));
	assert_int_equal(x86_answer(X86(SECCOMP_WORD_NO_SECOND_MAPPING), x86_nr("memfd_create"), ARGS(0, 8)), ENOSYS_IS);
	/* trp-notify's descriptor is for a native trp-init */
	assert_int_equal(seccomp_compile_notify((const char *const[]){"@default", SECCOMP_WORD_X86}, 2, &f), 0);
	assert_int_equal(interpret(&f, &d), SECCOMP_RET_KILL_PROCESS);
	d = (struct seccomp_data){.nr = x86_nr("seccomp"), .arch = AUDIT_ARCH_I386, .args = {SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER}};
	assert_int_equal(interpret(&f, &d), ENOSYS_IS);
	d.arch = AUDIT_ARCH_AARCH64;
	assert_int_equal(interpret(&f, &d), SECCOMP_RET_KILL_PROCESS);
	seccomp_filter_free(&f);
	assert_false(seccomp_valid_name(SECCOMP_WORD_X86));
}

/* Nothing of i386 is allowed whose native name, or that which it is a variant of, is not. */
static void test_x86_is_no_more(void **state)
{
	static const char *const policies[][4] = {{SECCOMP_WORD_X86, "@default", NULL}, {SECCOMP_WORD_X86, NULL}, {SECCOMP_WORD_X86, "@network", NULL},
		{SECCOMP_WORD_X86, "@default", "-@file-system", NULL}};

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(policies); i++) {
		struct seccomp_rules rules[SECCOMP_TABLES];
		bool native[SECCOMP_NR_MAX];
		size_t n = 0, calls = 0;
		while (policies[i][n])
			n++;
		assert_int_equal(seccomp_rules_make(policies[i], n, false, rules), 0);
		assert_int_equal(seccomp_choose(policies[i], n, native), 0);
		for (size_t k = 0; k < rules[SECCOMP_X86].n; k++) {
			char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86, rules[SECCOMP_X86].v[k].nr);
			const char *of = seccomp_variant_of(name);
			int nr = seccomp_number(of ? of : name);
			if (strcmp(name, "ipc") != 0 && (nr < 0 || !native[nr]))
				fail_msg("policy %zu: %s", i, name);
			free(name);
			calls++;
		}
		assert_true(calls > 40);
		seccomp_rules_free(rules);
	}
}
#endif

static void test_words(void **state)
{
	(void)state;
	assert_int_equal(WITH("ptrace", 0, "@default"), ENOSYS_IS);
	assert_int_equal(WITH("ptrace", 0, "@default", "@debug"), SECCOMP_RET_ALLOW);
	assert_int_equal(WITH("ptrace", 0, "@default", "@debug", "-ptrace"), ENOSYS_IS);
	assert_int_equal(WITH("ptrace", 0, "@default", "-ptrace", "ptrace"), SECCOMP_RET_ALLOW);
	assert_int_equal(WITH("io_setup", 0, "@default"), ENOSYS_IS);
	assert_int_equal(WITH("io_setup", 0, "@default", "@aio"), SECCOMP_RET_ALLOW);
	assert_int_equal(WITH("msgget", 0, "@default"), SECCOMP_RET_ALLOW);
	assert_int_equal(WITH("msgget", 0, "@default", "-@ipc"), ENOSYS_IS);
	assert_int_equal(WITH("mkdirat", 0, "@network"), ENOSYS_IS);
	/* what trp-init needs cannot be taken away, and is no more than it needs */
	assert_int_equal(WITH("execve", 0, "@default", "-@process", "-execve"), SECCOMP_RET_ALLOW);
	assert_int_equal(WITH("socket", AF_UNIX, "@default", "-socket"), SECCOMP_RET_ALLOW);
	assert_int_equal(WITH("socket", AF_INET, "@default", "-socket"), ENOSYS_IS);
	assert_int_equal(WITH("clone", CLONE_NEWUSER, "clone"), ENOSYS_IS);
}

/* trp-init's own filter, and no other way to use the call. */
static void test_notify(void **state)
{
	const char *const words[] = {"@default"};
	const int nr = by_name("seccomp");
	struct seccomp_filter f;

	(void)state;
	assert_int_equal(seccomp_compile_notify(words, 1, &f), 0);
#define SECCOMP(op, flags) answer_of(&f, nr, (const uint64_t[6]){op, flags})
	assert_int_equal(SECCOMP(SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER), SECCOMP_RET_ALLOW);
	assert_int_equal(SECCOMP(SECCOMP_SET_MODE_FILTER, 0), ENOSYS_IS);
	assert_int_equal(SECCOMP(SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC), ENOSYS_IS);
	assert_int_equal(SECCOMP(SECCOMP_SET_MODE_FILTER,
				 SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_TSYNC), ENOSYS_IS);
	assert_int_equal(SECCOMP(SECCOMP_SET_MODE_STRICT, 0), ENOSYS_IS);
	assert_int_equal(SECCOMP(SECCOMP_GET_ACTION_AVAIL, SECCOMP_FILTER_FLAG_NEW_LISTENER), ENOSYS_IS);
#undef SECCOMP
	assert_int_equal(answer_of(&f, by_name("ptrace"), (const uint64_t[6]){0}), ENOSYS_IS);
	assert_int_equal(answer_of(&f, by_name("accept4"), (const uint64_t[6]){0}), SECCOMP_RET_ALLOW);
	seccomp_filter_free(&f);
	assert_int_equal(ANSWER(nr, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER), ENOSYS_IS);
}

static void test_bad_words(void **state)
{
	static const char *const bad[] = {"@no-such", "-@no-such", "no_such_call", "", "-", "@", "--read", "@Default"};
	struct seccomp_filter f = {.len = 7};

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(bad); i++) {
		assert_int_equal(seccomp_compile(&bad[i], 1, &f), -EINVAL);
		assert_int_equal(f.len, 7);
		assert_false(seccomp_valid_name(bad[i]));
	}
	assert_true(seccomp_valid_name("@default"));
	assert_true(seccomp_valid_name("@aio"));
	assert_true(seccomp_valid_name("openat"));
	assert_true(seccomp_valid_name("mseal")); /* newer than this libseccomp, but in our tables */
}

static void test_table(void **state)
{
	size_t n;
	const struct seccomp_group *g = seccomp_groups(&n);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(g[i].name[0], '@');
		assert_true(strlen(g[i].help) > 10);
		assert_non_null(g[i].syscalls[0]);
		for (size_t j = 0; j < i; j++) {
			assert_string_not_equal(g[i].name, g[j].name);
			for (const char *const *a = g[i].syscalls; *a; a++)
				for (const char *const *b = g[j].syscalls; *b; b++)
					assert_string_not_equal(*a, *b);
		}
	}
	print_message("@default: %u instructions\n", filter.len);
	assert_in_range(filter.len, 100, 2000);
}

static int setup(void **state)
{
	(void)state;
	return seccomp_compile((const char *const[]){"@default"}, 1, &filter);
}

static int teardown(void **state)
{
	(void)state;
	seccomp_filter_free(&filter);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_servers_can_work),
		cmocka_unit_test(test_never),
		cmocka_unit_test(test_clone_without_namespaces),
		cmocka_unit_test(test_ioctl_is_a_list),
		cmocka_unit_test(test_core_limit),
		cmocka_unit_test(test_socket_families),
		cmocka_unit_test(test_socket_options_are_a_list),
		cmocka_unit_test(test_prctl_is_a_list),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_namespaces_if_asked),
		cmocka_unit_test(test_personality_asks_only),
#ifdef __x86_64__
		cmocka_unit_test(test_foreign_tables),
		cmocka_unit_test(test_x86_arguments),
		cmocka_unit_test(test_x86_words),
		cmocka_unit_test(test_x86_is_no_more),
#endif
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_notify),
		cmocka_unit_test(test_bad_words),
		cmocka_unit_test(test_table),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
