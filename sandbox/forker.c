/* SPDX-License-Identifier: ISC */
/* forker.c: see forker.h. */
#include "sandbox/forker.h"
#include "base/fdpass.h"
#include "base/io.h"
#include "sandbox/child.h"
#include "sandbox/clone3.h"
#include "sandbox/weaken.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define MEMORY_SIZE (512 * 1024) /* pages that are not written to cost nothing */
#define STACK_SIZE  (256 * 1024)
#define GUARD_SIZE  4096
#define BIRTH_MS    1000 /* for the forker, which is then taken to be stopped */
#define PATIENCE_MS 100 /* with a child that is slow: then it keeps its forker's memory for itself, and another one is made */
#define FORKERS     2 /* that are tried for one child */

static struct forker {
	int pidfd; /* -1: there is none */
	int sock;
	void *memory;
	size_t size;
	pid_t *born; /* in a page of both; 0: nobody yet */
	bool busy;   /* it has not said that it is through with the last order */
} forker = {.pidfd = -1, .sock = -1};

static int map(size_t size, int kind, void *ret)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, kind | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return -errno;
	*(void **)ret = p;
	return 0;
}

/* IN THE FORKER. What a child is made of is gone before the next one. */
static void serve(struct forker *f, void *stack) __attribute__((noreturn));
static void serve(struct forker *f, void *stack)
{
	while (order_receive(FORKER_SOCKET, f->memory, f->size) > 0) {
		pid_t pid = birth(f->memory, f->born, stack, STACK_SIZE);
		syscall(SYS_close_range, FORKER_HOME + 1, ~0U, 0);
		explicit_bzero(f->memory, ((struct order *)f->memory)->size);
		if (trp_fd_send(FORKER_SOCKET, &pid, sizeof(pid), NULL, 0, 0) < 0)
			break;
	}
	_exit(0);
}

static void run(struct forker *f, int sock, void *stack) __attribute__((noreturn));
static void run(struct forker *f, int sock, void *stack)
{
	const sigset_t none = {0};
	int high = fcntl(sock, F_DUPFD_CLOEXEC, FORKER_HOME + 1), home = fcntl(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), F_DUPFD_CLOEXEC, FORKER_HOME + 1);

	prctl(PR_SET_NAME, "trp-forker");
	child_default_signals();
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* what the daemon has open is none of its children's, and its end must be seen although we are here */
	if (high < 0 || home < 0 || dup3(home, FORKER_HOME, O_CLOEXEC) < 0 || dup3(high, FORKER_SOCKET, O_CLOEXEC) < 0 ||
		(!weakened(CONTROL_DESCRIPTORS) && syscall(SYS_close_range, FORKER_HOME + 1, ~0U, 0) < 0))
		_exit(1);
	serve(f, stack);
}

/* The stack is only in the forker. */
static int make(struct forker *f)
{
	struct clone_args args = {
		.flags = CLONE_PIDFD | CLONE_CLEAR_SIGHAND, .pidfd = (uint64_t)(uintptr_t)&f->pidfd, .exit_signal = SIGCHLD};
	const struct timeval patience = {.tv_sec = BIRTH_MS / 1000}; /* with one that does not take an order which its socket has no room for */
	cleanup_close int sock = -1, end = -1;
	int pair[2], r;
	void *stack = NULL;
	long pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	sock = pair[0];
	end = pair[1];
	r = setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ? -errno
	                                                                               : map(GUARD_SIZE + STACK_SIZE, MAP_PRIVATE, &stack);
	if (r < 0)
		return r;
	pid = mprotect(stack, GUARD_SIZE, PROT_NONE) < 0 ? -1 : syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		run(f, end, (char *)stack + GUARD_SIZE);
	r = pid < 0 ? -errno : 0;
	munmap(stack, GUARD_SIZE + STACK_SIZE);
	if (r == 0)
		f->sock = trp_steal_fd(&sock);
	return r;
}

static void unmap(struct forker *f)
{
	if (f->memory)
		munmap(f->memory, f->size);
	if (f->born)
		munmap(f->born, sizeof(*f->born));
}

static int start(size_t size)
{
	struct forker f = {.pidfd = -1, .sock = -1, .size = size > MEMORY_SIZE ? size : MEMORY_SIZE};
	int r = map(f.size, MAP_PRIVATE, &f.memory);

	if (r == 0)
		r = map(sizeof(*f.born), MAP_SHARED, &f.born);
	if (r == 0)
		r = make(&f);
	if (r < 0)
		unmap(&f);
	else
		forker = f;
	return r;
}

/* What it says at the end of an order, the child's number or -errno, or FORKER_BORN before. False: nothing that could be that. */
static bool hear(struct forker *f, pid_t *ret)
{
	pid_t pid;

	if (recv(f->sock, &pid, sizeof(pid), MSG_DONTWAIT) != sizeof(pid))
		return false;
	f->busy = pid == FORKER_BORN;
	*ret = pid;
	return true;
}

/* Is it there, and at the end of what it was told? */
static bool is_free(struct forker *f)
{
	struct pollfd p = {.fd = f->sock, .events = POLLIN};

	pid_t said;

	while (f->busy && poll(&p, 1, PATIENCE_MS) > 0 && hear(f, &said))
		;
	return !f->busy && poll(&p, 1, 0) == 0;
}

/* It has room for an order of size bytes, all 0. */
static int get_ready(size_t size)
{
	if (forker.pidfd >= 0 && size <= forker.size && is_free(&forker))
		return 0;
	forker_stop();
	return start(size);
}

static pid_t born(const struct forker *f)
{
	return __atomic_load_n(f->born, __ATOMIC_ACQUIRE);
}

/* The child's number, or -errno; -ECHILD: there is none, nor a forker any more. Who is born has said so, or the forker has, which has closed the child's
 * ends then; else the forker is ended, so that the end of those is the child's. */
static pid_t await_birth(struct forker *f)
{
	struct pollfd p = {.fd = f->sock, .events = POLLIN};
	int waited = 0;
	pid_t said;

	do {
		bool spoke = poll(&p, 1, PATIENCE_MS) > 0;
		if (spoke && !hear(f, &said))
			break;
		if (spoke && (said < 0 || born(f) > 0))
			return said < 0 ? said : born(f);
		waited += PATIENCE_MS;
	} while (waited < BIRTH_MS && born(f) == 0);
	forker_end_child(&f->pidfd);
	return born(f) > 0 ? born(f) : -ECHILD; /* it may have just been made */
}

/* A pidfd; or -errno, and it is no more. -ECHILD: it is none of ours. */
static int claim(pid_t pid)
{
	siginfo_t info;
	int fd, error;

	if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
		return -errno;
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd >= 0)
		return fd;
	error = -errno;
	kill(pid, SIGKILL);
	while (waitid(P_PID, (id_t)pid, &info, WEXITED) < 0 && errno == EINTR)
		;
	return error;
}

static int bear(const struct order_parts *parts, pid_t *ret_pid, int *ret_pidfd)
{
	const size_t size = order_size(parts->spec, parts->plan);
	struct order *o;
	pid_t pid;
	int r = get_ready(size);

	if (r < 0)
		return r;
	o = order_write(forker.memory, forker.size, parts);
	if (!o) {
		forker_stop(); /* its memory is not all 0 any more */
		return -E2BIG;
	}
	*forker.born = 0;
	r = order_send(forker.sock, o);
	explicit_bzero(o, size);
	forker.busy = true;
	pid = r < 0 ? -ECHILD : await_birth(&forker);
	r = pid < 0 ? pid : claim(pid);
	if (r == -ECHILD)
		forker_stop();
	if (r < 0)
		return r;
	*ret_pid = pid;
	*ret_pidfd = r;
	return 0;
}

int forker_bear(struct order_parts *parts, pid_t *ret_pid, int *ret_pidfd)
{
	int r = -ECHILD;

	if (weaken_any()) /* one that is made without what is left out, for this child alone */
		forker_stop();
	for (int i = 0; i < FORKERS && r == -ECHILD; i++)
		r = bear(parts, ret_pid, ret_pidfd);
	if (weaken_any())
		forker_stop();
	trp_close(&parts->birth.sync); /* or its end would not be seen */
	trp_close(&parts->birth.status);
	return r;
}

int forker_start(void)
{
	if (forker.pidfd >= 0)
		return 0;
	forker_stop(); /* what is left of one that had to be killed */
	return start(0);
}

void forker_end_child(int *pidfd)
{
	siginfo_t info;

	syscall(SYS_pidfd_send_signal, *pidfd, SIGKILL, NULL, 0);
	while (waitid(P_PIDFD, (id_t)*pidfd, &info, WEXITED) < 0 && errno == EINTR)
		;
	trp_close(pidfd);
}

void forker_stop(void)
{
	if (forker.pidfd >= 0)
		forker_end_child(&forker.pidfd);
	unmap(&forker);
	trp_close(&forker.sock);
	forker = (struct forker){.pidfd = -1, .sock = -1};
}
