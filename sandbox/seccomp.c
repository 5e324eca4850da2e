/* SPDX-License-Identifier: ISC */
/* seccomp.c: words -> BPF. Runs in the daemon (libseccomp allocates and is slow: 2.7 ms); the
 * result is loaded by one system call in the child.
 *
 * Arguments are compared on their low 32 bits where the kernel looks at no more of them: a
 * comparison of all 64 would let a program pass by setting a bit that the kernel drops. */
#include "sandbox/seccomp_policy.h"

#include "base/io.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <netinet/in.h>

/* where the low 32 bits of a 64-bit argument lie */
#define LOW_HALF (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 0 : 4)

#define LOW32(arg, value) SCMP_CMP64(arg, SCMP_CMP_MASKED_EQ, 0xffffffff, (value))

#define NAMESPACE_FLAGS                                                                            \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |             \
		CLONE_NEWPID | CLONE_NEWNET)

/* Terminals of the program's own (there are none but what it inherits), descriptors, sockets
 * without their interfaces, files. Not TIOCSTI, TIOCLINUX, TIOCSETD, nothing of 0x8910-0x89ff. */
/* of newer C libraries; the header that has them cannot be included beside termios.h */
#define TCGETS2_  _IOC(_IOC_READ, 'T', 0x2a, 44)
#define TCSETS2_  _IOC(_IOC_WRITE, 'T', 0x2b, 44)
#define TCSETSW2_ _IOC(_IOC_WRITE, 'T', 0x2c, 44)
#define TCSETSF2_ _IOC(_IOC_WRITE, 'T', 0x2d, 44)

static const unsigned ioctl_requests[] = {TCGETS2_, TCSETS2_, TCSETSW2_, TCSETSF2_, TCGETS, TCSETS,
	TCSETSW, TCSETSF, TCSBRK, TCXONC, TCFLSH, TIOCGWINSZ, TIOCSWINSZ, TIOCGPGRP, TIOCSPGRP,
	TIOCGSID, TIOCSCTTY, TIOCNOTTY, TIOCGPTN, TIOCSPTLCK, TIOCOUTQ, FIONREAD, FIONBIO, FIOASYNC,
	FIOCLEX, FIONCLEX, FIOQSIZE, SIOCATMARK, FIOSETOWN, FIOGETOWN, SIOCSPGRP, SIOCGPGRP,
	FS_IOC_GETFLAGS, FS_IOC_GETVERSION, FS_IOC_FSGETXATTR, FICLONE, FICLONERANGE, FIDEDUPERANGE,
	FIGETBSZ};

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

static int add(scmp_filter_ctx ctx, int nr, unsigned n, const struct scmp_arg_cmp *args)
{
	return seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, nr, n, args);
}

static int add_socket(scmp_filter_ctx ctx, int nr)
{
	int r = 0;

	for (size_t i = 0; i < TRP_ARRAY_SIZE(socket_rules) && r == 0; i++) {
		const struct socket_rule *s = &socket_rules[i];
		struct scmp_arg_cmp args[] = {LOW32(0, s->family), LOW32(2, (unsigned)s->protocol)};
		r = add(ctx, nr, s->protocol < 0 ? 1 : 2, args);
	}
	return r;
}

/* socketpair() makes no other; and what trp-init needs of socket(). */
static int add_unix(scmp_filter_ctx ctx, int nr)
{
	return add(ctx, nr, 1, &LOW32(0, AF_UNIX));
}

static int add_ioctl(scmp_filter_ctx ctx, int nr)
{
	int r = 0;

	for (size_t i = 0; i < TRP_ARRAY_SIZE(ioctl_requests) && r == 0; i++)
		r = add(ctx, nr, 1, &LOW32(1, ioctl_requests[i]));
	return r;
}

static int add_clone(scmp_filter_ctx ctx, int nr)
{
	return add(ctx, nr, 1, &SCMP_CMP64(0, SCMP_CMP_MASKED_EQ, NAMESPACE_FLAGS, 0));
}

static int add_personality(scmp_filter_ctx ctx, int nr)
{
	int r = add(ctx, nr, 1, &LOW32(0, 0xffffffff)); /* asks */

	return r < 0 ? r : add(ctx, nr, 1, &LOW32(0, 0)); /* plain Linux */
}

/* Calls of which only some arguments are allowed, whoever names them. */
static const struct {
	const char *name;
	int (*add)(scmp_filter_ctx ctx, int nr);
} conditional[] = {
	{"socket", add_socket},
	{"socketpair", add_unix},
	{"ioctl", add_ioctl},
	{"clone", add_clone},
	{"personality", add_personality},
};

/* The set of chosen calls, by number. */
#define NR_MAX 1024
struct chosen {
	bool on[NR_MAX];
};

static int resolve(const char *name)
{
	int nr = seccomp_syscall_resolve_name(name);

	return nr >= 0 && nr < NR_MAX ? nr : -1; /* negative: not of this machine, or not known */
}

static void choose(struct chosen *c, const char *const *names, bool on)
{
	for (; *names; names++) {
		int nr = resolve(*names);
		if (nr >= 0)
			c->on[nr] = on;
	}
}

static const struct seccomp_group *find_group(const char *name)
{
	size_t n;
	const struct seccomp_group *g = seccomp_groups(&n);

	for (size_t i = 0; i < n; i++)
		if (strcmp(g[i].name, name) == 0)
			return &g[i];
	return NULL;
}

static bool in_tables(const char *name)
{
	size_t n;
	const struct seccomp_group *g = seccomp_groups(&n);

	for (size_t i = 0; i < n; i++)
		for (const char *const *s = g[i].syscalls; *s; s++)
			if (strcmp(*s, name) == 0)
				return true;
	return false;
}

bool seccomp_valid_name(const char *name)
{
	if (name[0] == '@')
		return strcmp(name, "@default") == 0 || find_group(name);
	return in_tables(name) || seccomp_syscall_resolve_name(name) != __NR_SCMP_ERROR;
}

static int apply_word(struct chosen *c, const char *word)
{
	bool on = word[0] != '-';
	const char *name = on ? word : word + 1;
	size_t n;
	const struct seccomp_group *g = seccomp_groups(&n);

	if (!seccomp_valid_name(name))
		return -EINVAL;
	if (strcmp(name, "@default") == 0) {
		for (size_t i = 0; i < n; i++)
			if (g[i].is_default)
				choose(c, g[i].syscalls, on);
		return 0;
	}
	if (name[0] == '@')
		choose(c, find_group(name)->syscalls, on);
	else
		choose(c, (const char *const[]){name, NULL}, on);
	return 0;
}

static int add_call(scmp_filter_ctx ctx, int nr)
{
	for (size_t i = 0; i < TRP_ARRAY_SIZE(conditional); i++)
		if (resolve(conditional[i].name) == nr)
			return conditional[i].add(ctx, nr);
	return add(ctx, nr, 0, NULL);
}

/* What trap.c of trp-init does. */
static int add_listener(scmp_filter_ctx ctx, const struct chosen *c)
{
	int nr = resolve("seccomp");
	struct scmp_arg_cmp args[] = {
		LOW32(0, SECCOMP_SET_MODE_FILTER), LOW32(1, SECCOMP_FILTER_FLAG_NEW_LISTENER)};

	if (nr < 0)
		return -EOPNOTSUPP;
	return c->on[nr] ? 0 : add(ctx, nr, 2, args);
}

static int fill(scmp_filter_ctx ctx, struct chosen *c)
{
	int socket_nr = resolve("socket");
	bool only_unix = socket_nr >= 0 && !c->on[socket_nr];
	int r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);

	if (r == 0)
		r = seccomp_attr_set(
			ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* binary tree: 80 us less per exec */
	choose(c, seccomp_always, true);
	for (int nr = 0; nr < NR_MAX && r == 0; nr++)
		if (c->on[nr])
			r = nr == socket_nr && only_unix ? add_unix(ctx, nr) : add_call(ctx, nr);
	return r;
}

/* Socket options that are refused although setsockopt() is allowed: a passed socket belongs to the
 * host's network and must not be tied to one of its devices. libseccomp has no "all but these" for
 * an allowed call on 32 bits of an argument, so this stands in front of its program, which does the
 * rest (also the check of the architecture). */
static const struct sock_filter prologue[] = {
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setsockopt, 0, 6),
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1]) + LOW_HALF),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SOL_SOCKET, 0, 4),
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2]) + LOW_HALF),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SO_BINDTODEVICE, 1, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SO_BINDTOIFINDEX, 0, 1),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
};

static int export(scmp_filter_ctx ctx, struct seccomp_filter *ret)
{
	cleanup_close int fd = memfd_create("seccomp", MFD_CLOEXEC);
	cleanup_free char *bytes = NULL;
	char path[32];
	size_t len;
	int r;

	if (fd < 0)
		return -errno;
	r = seccomp_export_bpf(ctx, fd);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	r = trp_read_file(AT_FDCWD, path, BPF_MAXINSNS * sizeof(struct sock_filter), &bytes, &len);
	if (r < 0)
		return r;
	if (len == 0 || len % sizeof(struct sock_filter) != 0)
		return -EIO;
	struct sock_filter *insns = malloc(sizeof(prologue) + len);
	if (!insns)
		return -ENOMEM;
	memcpy(insns, prologue, sizeof(prologue));
	memcpy(insns + TRP_ARRAY_SIZE(prologue), bytes, len);
	ret->len = (unsigned short)(TRP_ARRAY_SIZE(prologue) + len / sizeof(struct sock_filter));
	ret->insns = insns;
	return 0;
}

static int compile(const char *const *words, size_t n, bool notify, struct seccomp_filter *ret)
{
	struct chosen chosen = {0};
	scmp_filter_ctx ctx;
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = apply_word(&chosen, words[i]);
	if (r < 0)
		return r;
	ctx = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	if (!ctx)
		return -ENOMEM;
	r = fill(ctx, &chosen);
	if (r == 0 && notify)
		r = add_listener(ctx, &chosen);
	if (r == 0)
		r = export(ctx, ret);
	seccomp_release(ctx);
	return r;
}

int seccomp_compile(const char *const *words, size_t n, struct seccomp_filter *ret)
{
	return compile(words, n, false, ret);
}

int seccomp_compile_notify(const char *const *words, size_t n, struct seccomp_filter *ret)
{
	return compile(words, n, true, ret);
}

void seccomp_filter_free(struct seccomp_filter *f)
{
	free(f->insns);
	*f = (struct seccomp_filter){0};
}
