/* SPDX-License-Identifier: ISC */
/* seccomp_args.c: the calls of which only some arguments are allowed, whoever names them. Tables, and what makes rules of them. */
#include "sandbox/seccomp_policy.h"

#include <linux/fs.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>

#define NAMESPACE_FLAGS                                                                            \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |             \
		CLONE_NEWPID | CLONE_NEWNET)

/* of newer C libraries; the header that has them cannot be included beside termios.h */
#define TCGETS2_  _IOC(_IOC_READ, 'T', 0x2a, 44)
#define TCSETS2_  _IOC(_IOC_WRITE, 'T', 0x2b, 44)
#define TCSETSW2_ _IOC(_IOC_WRITE, 'T', 0x2c, 44)
#define TCSETSF2_ _IOC(_IOC_WRITE, 'T', 0x2d, 44)

#define MFD_NOEXEC_SEAL_ 8u /* Linux 6.3 */

/* Of headers that cannot be included beside those of the C library. */
#define MFD_HUGETLB_ 4u
#define SHM_HUGETLB_ 04000u

/* Terminals of the program's own (there are none but what it inherits), descriptors, sockets
 * without their interfaces, files. Not TIOCSTI, TIOCLINUX, TIOCSETD, nothing of 0x8910-0x89ff. */
static const unsigned ioctl_requests[] = {TCGETS2_, TCSETS2_, TCSETSW2_, TCSETSF2_, TCGETS, TCSETS,
	TCSETSW, TCSETSF, TCSBRK, TCXONC, TCFLSH, TIOCGWINSZ, TIOCSWINSZ, TIOCGPGRP, TIOCSPGRP,
	TIOCGSID, TIOCSCTTY, TIOCNOTTY, TIOCGPTN, TIOCSPTLCK, TIOCOUTQ, FIONREAD, FIONBIO, FIOASYNC,
	FIOCLEX, FIONCLEX, FIOQSIZE, SIOCATMARK, FIOSETOWN, FIOGETOWN, SIOCSPGRP, SIOCGPGRP,
	FS_IOC_GETFLAGS, FS_IOC_GETVERSION, FS_IOC_FSGETXATTR, FICLONE, FICLONERANGE, FIDEDUPERANGE,
	FIGETBSZ};

/* Of i386, where a long is shorter. */
#define FS_IOC32_GETFLAGS_   _IOR('f', 1, int)
#define FS_IOC32_GETVERSION_ _IOR('v', 1, int)

static const unsigned ioctl_requests_x86[] = {FS_IOC32_GETFLAGS_, FS_IOC32_GETVERSION_};

struct socket_rule {
	unsigned family;
	int protocol; /* -1: any */
};

/* Protocols are named because asking for one can load its kernel module (SCTP, DCCP, L2TP). Not
 * MPTCP: what programs fall back to is TCP, which the adapters know. */
static const struct socket_rule socket_rules[] = {
	{AF_UNIX, -1},
	{AF_INET, 0},
	{AF_INET, IPPROTO_TCP},
	{AF_INET, IPPROTO_UDP},
	{AF_INET, IPPROTO_ICMP},
	{AF_INET6, 0},
	{AF_INET6, IPPROTO_TCP},
	{AF_INET6, IPPROTO_UDP},
	{AF_INET6, IPPROTO_ICMPV6},
	{AF_NETLINK, NETLINK_ROUTE},
};

int seccomp_push(struct seccomp_rules *rules, struct seccomp_rule rule)
{
	if (rules->n == rules->size) {
		size_t more = rules->size ? rules->size * 2 : 512;
		struct seccomp_rule *grown = reallocarray(rules->v, more, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		rules->v = grown;
		rules->size = more;
	}
	rules->v[rules->n++] = rule;
	return 0;
}

#define SOCKET_TYPE_MASK 0xfu /* of the second argument of socket(2); the rest are flags */

/* args[a] == x, on the bits that the kernel looks at */
#define IS(a, x)      {.arg = (a), .mask = 0xffffffff, .value = (x)}
#define NONE_OF(a, m) {.arg = (a), .mask = (m), .value = 0}
#define ALL_OF(a, m)  {.arg = (a), .mask = (m), .value = (m)}
#define CONDS(...)                                                                                 \
	.n_conds = TRP_ARRAY_SIZE(((const struct seccomp_cond[]){__VA_ARGS__})), .conds = {__VA_ARGS__}
#define RULE(act, ...) seccomp_push(rules, (struct seccomp_rule){.nr = nr, .action = (act), CONDS(__VA_ARGS__)})
#define ALLOW(...)     RULE(SECCOMP_RET_ALLOW, __VA_ARGS__)

static int allow_all(struct seccomp_rules *rules, int nr)
{
	return seccomp_push(rules, (struct seccomp_rule){.nr = nr, .action = SECCOMP_RET_ALLOW});
}

static int add_socket(struct seccomp_rules *rules, int nr, unsigned policy)
{
	int r = 0;

	(void)policy;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(socket_rules) && r == 0; i++) {
		const struct socket_rule *s = &socket_rules[i];
		/* as the kernel says without CAP_NET_RAW. (Of AF_NETLINK a raw socket is the same as another.) */
		if (s->family == AF_INET || s->family == AF_INET6)
			r = RULE(SECCOMP_RET_ERRNO | EPERM, IS(0, s->family), IS(2, (unsigned)s->protocol),
				{.arg = 1, .mask = SOCKET_TYPE_MASK, .value = SOCK_RAW});
		if (r == 0)
			r = s->protocol < 0 ? ALLOW(IS(0, s->family)) : ALLOW(IS(0, s->family), IS(2, (unsigned)s->protocol));
	}
	return r;
}

/* socketpair() makes no other; and what trp-init needs of socket(). */
int seccomp_rules_unix(struct seccomp_rules *rules, int nr)
{
	return ALLOW(IS(0, AF_UNIX));
}

static int add_ioctl(struct seccomp_rules *rules, int nr, unsigned policy)
{
	int r = 0;

	(void)policy;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(ioctl_requests) && r == 0; i++)
		r = ALLOW(IS(1, ioctl_requests[i]));
	for (size_t i = 0; i < TRP_ARRAY_SIZE(ioctl_requests_x86) && r == 0 && rules->table == SECCOMP_X86; i++)
		r = ALLOW(IS(1, ioctl_requests_x86[i]));
	return r;
}

static int add_clone(struct seccomp_rules *rules, int nr, unsigned policy)
{
	return policy & SECCOMP_NAMESPACES ? allow_all(rules, nr) : ALLOW(NONE_OF(0, NAMESPACE_FLAGS));
}

static int add_personality(struct seccomp_rules *rules, int nr, unsigned policy)
{
	int r = ALLOW(IS(0, 0xffffffff)); /* asks */

	(void)policy;
	return r < 0 ? r : ALLOW(IS(0, 0)); /* plain Linux */
}

/* RLIMIT_CORE is SANDBOX_NO_CORE, which a program could lower to 0, at which the kernel starts the host's core handler. */
static int add_rlimit(struct seccomp_rules *rules, int nr, unsigned resource_arg)
{
	int r = RULE(SECCOMP_RET_ERRNO | EPERM, IS(resource_arg, RLIMIT_CORE));

	return r < 0 ? r : allow_all(rules, nr);
}

static int add_setrlimit(struct seccomp_rules *rules, int nr, unsigned policy)
{
	(void)policy;
	return add_rlimit(rules, nr, 0);
}

/* getrlimit() of C libraries is one with no new limit: a null pointer. */
static int add_prlimit(struct seccomp_rules *rules, int nr, unsigned policy)
{
	int r = ALLOW(IS(1, RLIMIT_CORE), IS(2, 0), IS(SECCOMP_HIGH | 2, 0));

	(void)policy;
	return r < 0 ? r : add_rlimit(rules, nr, 1);
}

/* Not: pages that the kernel shares with equal ones of other processes, whose contents the time of a write to them tells (and
 * virtual machines of the host ask for that); memory errors. As of a kernel without these. */
static int add_madvise(struct seccomp_rules *rules, int nr, unsigned policy)
{
	static const unsigned refused[] = {MADV_MERGEABLE, MADV_HWPOISON, 101 /* MADV_SOFT_OFFLINE */};
	int r = 0;

	(void)policy;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(refused) && r == 0; i++)
		r = RULE(SECCOMP_RET_ERRNO | EINVAL, IS(2, refused[i]));
	return r < 0 ? r : allow_all(rules, nr);
}

/* Huge pages come from a pool that is the host's, and the memory controller does not count them: as if it had none left. */
static int without_huge_pages(struct seccomp_rules *rules, int nr, unsigned flags_arg, uint32_t flag)
{
	return RULE(SECCOMP_RET_ERRNO | ENOMEM, ALL_OF(flags_arg, flag));
}

/* Who wants a file in memory that is data says so since Linux 6.3; for all others there is none. */
static int add_memfd_create(struct seccomp_rules *rules, int nr, unsigned policy)
{
	int r = without_huge_pages(rules, nr, 1, MFD_HUGETLB_);

	/* mmap(2) asks for no right to execute it, but that it does not lie in a place without */
	if (r < 0 || (policy & SECCOMP_NO_SECOND_MAPPING && !(policy & SECCOMP_MEMFD_EXEC)))
		return r;
	return policy & SECCOMP_MEMFD_EXEC ? allow_all(rules, nr) : ALLOW(ALL_OF(1, MFD_NOEXEC_SEAL_));
}

/* As PR_SET_MDWE, for kernels without it: no call whose third argument has all of these bits. */
static int without_bits(struct seccomp_rules *rules, int nr, unsigned policy, uint32_t bits)
{
	int r = 0;

	if (policy & SECCOMP_NO_WRITE_EXECUTE)
		r = RULE(SECCOMP_RET_ERRNO | EPERM, ALL_OF(2, bits));
	return r < 0 ? r : allow_all(rules, nr);
}

static int add_mmap(struct seccomp_rules *rules, int nr, unsigned policy)
{
	int r = without_huge_pages(rules, nr, 3, MAP_HUGETLB);

	return r < 0 ? r : without_bits(rules, nr, policy, PROT_WRITE | PROT_EXEC);
}

static int add_mprotect(struct seccomp_rules *rules, int nr, unsigned policy)
{
	return without_bits(rules, nr, policy, PROT_EXEC);
}

static int add_shmget(struct seccomp_rules *rules, int nr, unsigned policy)
{
	int r = without_huge_pages(rules, nr, 2, SHM_HUGETLB_);

	(void)policy;
	return r < 0 ? r : allow_all(rules, nr);
}

static int add_shmat(struct seccomp_rules *rules, int nr, unsigned policy)
{
	int r = policy & SECCOMP_NO_SECOND_MAPPING ? RULE(SECCOMP_RET_ERRNO | EPERM, ALL_OF(2, SHM_EXEC)) : 0;

	return r < 0 ? r : without_bits(rules, nr, policy, SHM_EXEC);
}

/* What trap.c of trp-init does. */
int seccomp_rules_listener(struct seccomp_rules *rules, int nr)
{
	return ALLOW(IS(0, SECCOMP_SET_MODE_FILTER), IS(1, SECCOMP_FILTER_FLAG_NEW_LISTENER));
}

static int add_socketpair(struct seccomp_rules *rules, int nr, unsigned policy)
{
	(void)policy;
	return seccomp_rules_unix(rules, nr);
}

/* The number of the call is in the low half of the first argument, its version in the other one; what follows is what the call has. */
#define IPC_CALL(number) {.arg = 0, .mask = 0xffff, .value = (number)}
#define IPC_SHMAT        21
#define IPC_SHMGET       23

int seccomp_rules_ipc(struct seccomp_rules *rules, int nr, unsigned policy, const bool native[SECCOMP_NR_MAX])
{
	static const struct {
		unsigned number;
		const char *name;
	} calls[] = {{1, "semop"}, {2, "semget"}, {3, "semctl"}, {4, "semtimedop"}, {11, "msgsnd"}, {12, "msgrcv"}, {13, "msgget"},
		{14, "msgctl"}, {IPC_SHMAT, "shmat"}, {22, "shmdt"}, {IPC_SHMGET, "shmget"}, {24, "shmctl"}};
	int r = RULE(SECCOMP_RET_ERRNO | ENOMEM, IPC_CALL(IPC_SHMGET), ALL_OF(3, SHM_HUGETLB_));

	if (r == 0 && policy & (SECCOMP_NO_WRITE_EXECUTE | SECCOMP_NO_SECOND_MAPPING))
		r = RULE(SECCOMP_RET_ERRNO | EPERM, IPC_CALL(IPC_SHMAT), ALL_OF(2, SHM_EXEC));
	for (size_t i = 0; i < TRP_ARRAY_SIZE(calls) && r == 0; i++) {
		int chosen = seccomp_number(calls[i].name);
		if (chosen >= 0 && native[chosen])
			r = ALLOW(IPC_CALL(calls[i].number));
	}
	return r;
}

/* mmap() of i386 has its arguments in memory, where no filter sees them. Nothing has used it since there is mmap2(). */
static int add_nothing(struct seccomp_rules *rules, int nr, unsigned policy)
{
	(void)rules;
	(void)nr;
	(void)policy;
	return 0;
}

struct conditional {
	const char *name;
	int (*add)(struct seccomp_rules *rules, int nr, unsigned policy);
};

static const struct conditional of_x86[] = {{"mmap", add_nothing}, {"mmap2", add_mmap}};

static const struct conditional conditional[] = {
	{"socket", add_socket},
	{"socketpair", add_socketpair},
	{"ioctl", add_ioctl},
	{"clone", add_clone},
	{"personality", add_personality},
	{"setsockopt", seccomp_rules_setsockopt},
	{"getsockopt", seccomp_rules_getsockopt},
	{"prctl", seccomp_rules_prctl},
	{"setrlimit", add_setrlimit},
	{"prlimit64", add_prlimit},
	{"madvise", add_madvise},
	{"memfd_create", add_memfd_create},
	{"mmap", add_mmap},
	{"mprotect", add_mprotect},
	{"pkey_mprotect", add_mprotect},
	{"shmget", add_shmget},
	{"shmat", add_shmat},
};

int seccomp_rules_of_call(struct seccomp_rules *rules, int nr, unsigned policy)
{
	for (size_t i = 0; i < TRP_ARRAY_SIZE(of_x86) && rules->table == SECCOMP_X86; i++)
		if (seccomp_is_call(SECCOMP_X86, nr, of_x86[i].name))
			return of_x86[i].add(rules, nr, policy);
	for (size_t i = 0; i < TRP_ARRAY_SIZE(conditional); i++)
		if (seccomp_is_call(rules->table, nr, conditional[i].name))
			return conditional[i].add(rules, nr, policy);
	return allow_all(rules, nr);
}
