/* SPDX-License-Identifier: ISC */
/* trap.c: the second system call filter, of the upstream alone, for the notify adapter. It hands the calls that a listener is used
 * with to trp-notify, by the descriptor that seccomp(2) gives for it. It is emulation, not a lock: the service's own
 * filter, loaded before us, decides what is allowed, and the stricter answer of the two counts.
 *
 * It also takes away what the service's filter had to allow for it: to ask for such a descriptor once more. */
#include "init.h"
#include "base/fdpass.h"
#include "sandbox/seccomp_abi.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define NOTIFY SECCOMP_RET_USER_NOTIF
#define REFUSE (SECCOMP_RET_ERRNO | ENOSYS)

/* Arguments 1 and 2 where they are looked at: the low 32 bits, as the kernel takes them (all are int). */
static const struct trap {
	int nr;
	uint32_t action;
	unsigned n_args;
	uint32_t args[2];
} traps[] = {
#if defined(SYS_accept)
	{SYS_accept, NOTIFY, 0, {0}},
#endif
	{SYS_accept4, NOTIFY, 0, {0}},
	{SYS_bind, NOTIFY, 0, {0}},
	{SYS_listen, NOTIFY, 0, {0}},
	{SYS_getsockname, NOTIFY, 0, {0}},
	{SYS_getpeername, NOTIFY, 0, {0}},
	/* not SHUT_WR: nothing happens to a listener, nor to a channel */
	{SYS_shutdown, NOTIFY, 1, {SHUT_RD}},
	{SYS_shutdown, NOTIFY, 1, {SHUT_RDWR}},
	{SYS_getsockopt, NOTIFY, 1, {IPPROTO_IP}},
	{SYS_getsockopt, NOTIFY, 1, {IPPROTO_TCP}},
	{SYS_getsockopt, NOTIFY, 1, {IPPROTO_IPV6}},
	{SYS_getsockopt, NOTIFY, 2, {SOL_SOCKET, SO_TYPE}},
	{SYS_getsockopt, NOTIFY, 2, {SOL_SOCKET, SO_DOMAIN}},
	{SYS_getsockopt, NOTIFY, 2, {SOL_SOCKET, SO_PROTOCOL}},
	{SYS_getsockopt, NOTIFY, 2, {SOL_SOCKET, SO_ACCEPTCONN}},
	{SYS_setsockopt, NOTIFY, 1, {IPPROTO_IP}},
	{SYS_setsockopt, NOTIFY, 1, {IPPROTO_TCP}},
	{SYS_setsockopt, NOTIFY, 1, {IPPROTO_IPV6}},
	/* not SO_KEEPALIVE: many set it on each client. trp-notify reads it from the channel */
	{SYS_setsockopt, NOTIFY, 2, {SOL_SOCKET, SO_LINGER}},
	{SYS_setsockopt, NOTIFY, 2, {SOL_SOCKET, SO_OOBINLINE}},
	{SYS_setsockopt, NOTIFY, 2, {SOL_SOCKET, SO_RCVBUF}},
	{SYS_setsockopt, NOTIFY, 2, {SOL_SOCKET, SO_SNDBUF}},
	{SYS_setsockopt, NOTIFY, 2, {SOL_SOCKET, SO_RCVTIMEO}},
	{SYS_setsockopt, NOTIFY, 2, {SOL_SOCKET, SO_SNDTIMEO}},
	{SYS_setsockopt, NOTIFY, 2, {SOL_SOCKET, SO_RCVLOWAT}},
	{SYS_setsockopt, NOTIFY, 2, {SOL_SOCKET, SO_MAX_PACING_RATE}},
	{SYS_setsockopt, NOTIFY, 2, {SOL_SOCKET, SO_ATTACH_FILTER}},
	{SYS_setsockopt, NOTIFY, 2, {SOL_SOCKET, SO_ATTACH_BPF}},
	{SYS_setsockopt, NOTIFY, 2, {SOL_SOCKET, SO_LOCK_FILTER}},
	{SYS_seccomp, REFUSE, 1, {SECCOMP_FILTER_FLAG_NEW_LISTENER}},
};

#define INSNS_MAX (8 + TRP_ARRAY_SIZE(traps) * 7)

struct program {
	struct sock_filter insns[INSNS_MAX];
	unsigned short len;
};

static void emit(struct program *p, uint16_t code, uint8_t yes, uint8_t no, uint32_t k)
{
	p->insns[p->len++] = (struct sock_filter){code, yes, no, k};
}

static void load(struct program *p, size_t offset)
{
	emit(p, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)offset);
}

/* Row by row; those of one system call stand together, so that a call that is none of them takes few steps. */
static void compile(struct program *p)
{
	const size_t n = TRP_ARRAY_SIZE(traps);

	load(p, offsetof(struct seccomp_data, arch));
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, SECCOMP_NATIVE_ARCH);
	emit(p, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW); /* the service's filter ends it */
	load(p, offsetof(struct seccomp_data, nr));
	for (size_t first = 0, end; first < n; first = end) {
		uint8_t skip = 1; /* the load at the end */
		for (end = first; end < n && traps[end].nr == traps[first].nr; end++)
			skip = (uint8_t)(skip + 2 * traps[end].n_args + 1);
		emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, skip, (uint32_t)traps[first].nr);
		for (size_t i = first; i < end; i++) {
			unsigned args = traps[i].n_args;
			for (unsigned a = 0; a < args; a++) {
				load(p, seccomp_half(a + 1));
				emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, (uint8_t)(2 * (args - a) - 1), traps[i].args[a]);
			}
			emit(p, BPF_RET | BPF_K, 0, 0, traps[i].action);
		}
		load(p, offsetof(struct seccomp_data, nr));
	}
	emit(p, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW);
}

static int sock = -1;

int trap_open(int fd)
{
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return errno == EBADF ? 0 : -errno; /* another adapter */
	sock = fd;
	return 0;
}

int trap_load(void)
{
	struct program p = {.len = 0};
	struct sock_fprog prog = {.filter = p.insns};
	long fd;
	int r;

	if (sock < 0)
		return 0;
	compile(&p);
	prog.len = p.len;
	fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog);
	if (fd < 0)
		return -errno;
	r = trp_fd_send(sock, "n", 1, &(int){(int)fd}, 1, 0);
	close((int)fd);
	return r;
}
