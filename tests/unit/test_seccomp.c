/* SPDX-License-Identifier: ISC */
/* The system call filter, run in user space: what would the kernel answer to (architecture, number, arguments)?
 * seccomp(2), Linux Documentation/networking/filter.rst. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "bpf_run.h"

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
		"statx", "copy_file_range", "fallocate", "io_setup", "io_submit", "io_getevents", "io_destroy",
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
	static const char *const words[] = {"@default", SECCOMP_WORD_NO_WRITE_EXECUTE}, *const memfd[] = {"@default", SECCOMP_WORD_MEMFD_EXEC};
	struct seccomp_filter f;

	(void)state;
	assert_int_equal(ANSWER(__NR_madvise, 0, 0, MADV_MERGEABLE), ERRNO(EINVAL));
	ALLOWED(__NR_madvise, 0, 0, MADV_DONTNEED);
	DENIED(__NR_memfd_create, 0, MFD_CLOEXEC);
	DENIED(__NR_memfd_create, 0, MFD_CLOEXEC | 0x10 /* MFD_EXEC */);
	ALLOWED(__NR_memfd_create, 0, MFD_CLOEXEC | 8 /* MFD_NOEXEC_SEAL */);
	ALLOWED(__NR_mmap, 0, 0, PROT_WRITE | PROT_EXEC);
	ALLOWED(__NR_mprotect, 0, 0, PROT_EXEC);

	assert_int_equal(seccomp_compile(memfd, 2, &f), 0);
	assert_int_equal(answer_of(&f, __NR_memfd_create, (const uint64_t[6]){0}), SECCOMP_RET_ALLOW);
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

static void test_words(void **state)
{
	(void)state;
	assert_int_equal(WITH("ptrace", 0, "@default"), ENOSYS_IS);
	assert_int_equal(WITH("ptrace", 0, "@default", "@debug"), SECCOMP_RET_ALLOW);
	assert_int_equal(WITH("ptrace", 0, "@default", "@debug", "-ptrace"), ENOSYS_IS);
	assert_int_equal(WITH("ptrace", 0, "@default", "-ptrace", "ptrace"), SECCOMP_RET_ALLOW);
	assert_int_equal(WITH("io_setup", 0, "@default"), SECCOMP_RET_ALLOW);
	assert_int_equal(WITH("io_setup", 0, "@default", "-@aio"), ENOSYS_IS);
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
#endif
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_notify),
		cmocka_unit_test(test_bad_words),
		cmocka_unit_test(test_table),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
