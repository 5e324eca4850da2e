/* SPDX-License-Identifier: ISC */
/* pollers.c: shutdown(2) of a listener wakes who waits for it in poll(2) or select(2), which is how many servers end their loop. The
 * channel cannot wake them: nothing has happened to it. /proc/self/task/TID/syscall says which threads wait so (proc(5)); a signal
 * has them look again, and then they see what has taken the channel's place. Without /proc, or where the signal is blocked, they
 * sleep on. */
#include "preload.h"

#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <time.h>

#define LOOKS_MAX 20 /* a millisecond between them */
#define FDS_MAX   4096

struct search {
	int fd, own_tid, memory;
	bool again; /* one that runs just now may be on its way to sleep */
};

/* Of our own process; by a system call, because the thread may have given the memory back since. */
static bool read_memory(const struct search *s, uint64_t at, void *to, size_t len)
{
	return trp_syscall(SYS_pread64, s->memory, (long)to, (long)len, (long)at, 0, 0) == (long)len;
}

static bool is_polled(const struct search *s, uint64_t at, uint64_t n)
{
	struct pollfd p;

	for (uint64_t i = 0; i < n && i < FDS_MAX && read_memory(s, at + i * sizeof(p), &p, sizeof(p)); i++)
		if (p.fd == s->fd)
			return true;
	return false;
}

static bool is_selected(const struct search *s, uint64_t n, uint64_t at)
{
	uint8_t bits;

	return (uint64_t)s->fd < n && read_memory(s, at + (unsigned)s->fd / 8, &bits, 1) && bits & 1u << (s->fd % 8);
}

static bool waits_for(const struct search *s, uint64_t call, const uint64_t args[2])
{
	switch (call) {
#if defined(SYS_poll)
	case SYS_poll:
#endif
	case SYS_ppoll:
		return is_polled(s, args[0], args[1]);
#if defined(SYS_select)
	case SYS_select:
#endif
	case SYS_pselect6:
		return is_selected(s, args[0], args[1]);
	default:
		return false;
	}
}

/* "7 0x7f... 0x1 ...", or "running" */
static void look_at(int tasks, const char *name, void *data)
{
	struct search *s = data;
	char path[32], text[256];
	uint64_t tid, call, args[2];
	const char *p, *end;
	size_t len = 0;
	long n = -1;
	int fd;

	if (!procfs_number(name, name + 10, 10, &tid) || (int)tid == s->own_tid)
		return;
	for (; name[len]; len++)
		path[len] = name[len];
	__builtin_memcpy(path + len, "/syscall", sizeof("/syscall"));
	fd = trp_raw_openat(tasks, path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = trp_syscall(SYS_read, fd, (long)text, sizeof(text), 0, 0, 0);
		trp_raw_close(fd);
	}
	if (n <= 0)
		return;
	end = text + n;
	p = procfs_number(text, end, 10, &call);
	for (int i = 0; p && i < 2; i++) {
		p = procfs_skip(p, end);
		p = end - p > 2 ? procfs_number(p + 2, end, 16, &args[i]) : NULL;
	}
	if (!p)
		s->again |= text[0] == 'r';
	else if (waits_for(s, call, args))
		s->again |= wait_interrupt((int)tid);
}

void pollers_wake(int fd)
{
	struct search s = {.fd = fd,
		.own_tid = (int)trp_syscall(SYS_gettid, 0, 0, 0, 0, 0, 0),
		.memory = trp_raw_openat(AT_FDCWD, "/proc/thread-self/mem", O_RDONLY | O_CLOEXEC),
		.again = true};
	struct timespec ms = {.tv_nsec = 1000000};

	for (int i = 0; s.memory >= 0 && s.again && i < LOOKS_MAX; i++) {
		if (i > 0)
			trp_syscall(SYS_nanosleep, (long)&ms, 0, 0, 0, 0, 0);
		s.again = false;
		procfs_each("/proc/self/task", look_at, &s);
	}
	if (s.memory >= 0)
		trp_raw_close(s.memory);
}
