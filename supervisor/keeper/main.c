/* SPDX-License-Identifier: ISC */
/* trp-keeper: holds duplicates of trpsupd's descriptors, so that a daemon that is killed loses none: the next one fetches them.
 *
 * Started by the daemon with a listening socket as descriptor 3 and an id of its own as argument. May never: read or write what it
 * holds, open, connect, execute; it has no capability, and its filter leaves it the calls of its loop, and
 * those that pass something for the daemon's connection alone. */
#include "base/fdpass.h"
#include "base/log.h"
#include "base/util.h"
#include "sandbox/beside.h"
#include "supervisor/keeptable.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DENIED ENOSYS /* what the filter answers */
/* The lowest that is free when nobody is connected: 0 to 3 are never closed, and what is kept has come while somebody was. So the filter can
 * tell the daemon's connection from all that is kept. */
#define CLIENT_FD (KEEP_LISTEN_FD + 1)

static struct keep_table table; /* what was never used of it takes no memory */
static int client = -1;

static void drop(const struct keep_key *key)
{
	struct keep_item *i = keep_table_find(&table, key);

	if (!i)
		return;
	close(i->fd);
	keep_table_remove(&table, i);
}

static void put(const struct keep_key *key, int fd)
{
	drop(key);
	if (!keep_table_add(&table, key, fd))
		close(fd);
}

/* Blocks while the daemon does not read: there is nobody else to serve. */
static void give_all(void)
{
	struct keep_msg m = {.magic = KEEP_MAGIC, .type = KEEP_ITEM};
	int r = 0;

	for (size_t i = 0; i < table.n && r == 0; i++) {
		m.key = table.items[i].key;
		r = trp_fd_send(client, &m, sizeof(m), &table.items[i].fd, 1, 0);
	}
	m = (struct keep_msg){.magic = KEEP_MAGIC, .type = KEEP_DONE};
	if (r < 0 || trp_fd_send(client, &m, sizeof(m), NULL, 0, 0) < 0)
		trp_close(&client);
}

/* False: there is none, or nobody is there any more. */
static bool take_message(void)
{
	struct keep_msg m;
	size_t n_fds = 0;
	int fd = -1;
	ssize_t n = trp_fd_recv_upto(client, &m, sizeof(m), &fd, 1, &n_fds, MSG_DONTWAIT);

	if (n == -EAGAIN)
		return false;
	if (n != sizeof(m) || m.magic != KEEP_MAGIC || n_fds != (m.type == KEEP_PUT)) {
		trp_close(&fd);
		trp_close(&client); /* it has ended; what it gave stays for the next */
		return false;
	}
	switch (m.type) {
	case KEEP_PUT:
		put(&m.key, fd);
		break;
	case KEEP_DROP:
		drop(&m.key);
		break;
	case KEEP_FETCH:
		give_all();
		break;
	case KEEP_FINISH:
		exit(0);
	default:
		break;
	}
	return client >= 0;
}

/* The daemon holds a lock on its run directory: whoever comes later is the one that lives. What the one before has said last may still
 * be unread: the next is to find that too. */
static void take_client(void)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	while (client >= 0 && take_message())
		;
	trp_close(&client);
	client = accept4(KEEP_LISTEN_FD, NULL, NULL, SOCK_CLOEXEC);
	if (client >= 0 && (getsockopt(client, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0 || cred.uid != 0))
		trp_close(&client);
}

/* That descriptor alone; the kernel looks at 32 bits, and more of them are nobody's. */
#define FD_IS(fd) SCMP_A0_64(SCMP_CMP_EQ, fd, 0)

static const char *install_filter(void)
{
	static const int allowed[] = {SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(restart_syscall), SCMP_SYS(exit_group)};
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(DENIED));
	int r = ctx ? 0 : -ENOMEM;

	for (size_t i = 0; i < TRP_ARRAY_SIZE(allowed) && r == 0; i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed[i], 0);
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(accept4), 1, FD_IS(KEEP_LISTEN_FD));
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(getsockopt), 1, FD_IS(CLIENT_FD));
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(recvmsg), 1, FD_IS(CLIENT_FD));
	/* not with MSG_FASTOPEN, which connects */
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(sendmsg), 2, FD_IS(CLIENT_FD), SCMP_A2_64(SCMP_CMP_MASKED_EQ, MSG_FASTOPEN, 0));
	/* from 4 on, whatever is above 32 bits: another descriptor would come in the place of the listening one */
	_Static_assert(KEEP_LISTEN_FD == 3, "the bits of all others");
	for (int bit = 2; bit < 32 && r == 0; bit++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(close), 1, SCMP_A0_64(SCMP_CMP_MASKED_EQ, 1ull << bit, 1ull << bit));
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(write), 1, SCMP_A0_64(SCMP_CMP_MASKED_EQ, 0xffffffffu, STDERR_FILENO));
	if (r == 0)
		r = seccomp_load(ctx);
	if (ctx)
		seccomp_release(ctx);
	errno = -r;
	return r < 0 ? "system call filter" : NULL;
}

/* Not by what the calls above returned, but by trying. Each is harmless if it should succeed. */
static const char *prove(void)
{
	static const struct {
		const char *what;
		long nr, args[4];
	} tries[] = {
		{"openat() works", SYS_openat, {AT_FDCWD, (long)"/", 0}},
		{"read() works", SYS_read, {-1}},
		{"write() works on any descriptor", SYS_write, {-1}},
		{"recvfrom() works", SYS_recvfrom, {-1}},
		{"recvmsg() works on any descriptor", SYS_recvmsg, {-1}},
		{"sendmsg() works on any descriptor", SYS_sendmsg, {-1}},
		{"accept4() works on any descriptor", SYS_accept4, {-1}},
		{"getsockopt() works on any descriptor", SYS_getsockopt, {-1}},
		{"close() works on the listening socket", SYS_close, {KEEP_LISTEN_FD | 1L << 32}},
		{"socket() works", SYS_socket, {AF_UNIX, SOCK_STREAM}},
		{"connect() works", SYS_connect, {-1}},
		{"setsockopt() works", SYS_setsockopt, {-1}},
		{"shutdown() works", SYS_shutdown, {-1}},
		{"ioctl() works", SYS_ioctl, {-1}},
		{"pidfd_send_signal() works", SYS_pidfd_send_signal, {-1}},
		{"kill() works", SYS_kill, {0x7fffffff, 0}},
		{"execve() works", SYS_execve, {(long)""}},
		{"execveat() works", SYS_execveat, {-1, (long)""}},
		{"clone3() works", SYS_clone3, {0}},
		{"mmap() works", SYS_mmap, {0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS}},
		{"ptrace() works", SYS_ptrace, {-1}},
		{"setns() works", SYS_setns, {-1}},
	};

	for (size_t i = 0; i < TRP_ARRAY_SIZE(tries); i++) {
		const long *a = tries[i].args;
		if (syscall(tries[i].nr, a[0], a[1], a[2], a[3]) != -1 || errno != DENIED)
			return tries[i].what;
	}
	return NULL;
}

int main(int argc, char **argv)
{
	const char *what;
	sigset_t all;

	log_init("trp-keeper", LOG_LEVEL_INFO);
	if (argc != 2 || strcmp(argv[1], "--version") == 0) {
		bool asked = argc == 2;
		puts(asked ? "trp-keeper " TRP_VERSION : "trp-keeper is started by trpsupd");
		return asked ? 0 : 2;
	}
	sigfillset(&all); /* SIGKILL ends us, or the daemon's word */
	if (sigprocmask(SIG_SETMASK, &all, NULL) < 0)
		log_fatal("sigprocmask: %m");
	what = beside_nobody((uid_t)strtoul(argv[1], NULL, 10));
	if (!what)
		what = install_filter();
	if (!what)
		what = prove();
	if (what)
		log_fatal("%s: %m", what);
	for (;;) {
		struct pollfd p[] = {{.fd = KEEP_LISTEN_FD, .events = POLLIN}, {.fd = client, .events = POLLIN}};
		if (poll(p, 2, -1) < 0)
			continue;
		if (p[1].revents)
			take_message();
		if (p[0].revents)
			take_client();
	}
}
