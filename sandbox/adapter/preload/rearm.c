/* SPDX-License-Identifier: ISC */
/* rearm.c: listen(2) puts the channel in the place of the program's socket, and what was registered with
 * epoll before that goes with the old file (boost::asio registers at open). shutdown(2) puts a socket in the place of the channel,
 * whose registrations stay and could never be removed again. procfs lists the
 * registrations, so nothing needs to be watched in the hot path (of our thread: the first one may have ended, and its descriptors with it).
 * Without /proc nothing is found. */
#include "preload.h"

#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>

static const char *take_word(const char *p, const char *end, const char *word, size_t len)
{
	p = procfs_skip(p, end);
	if ((size_t)(end - p) < len || memcmp(p, word, len) != 0)
		return NULL;
	return p + len;
}

/* "tfd:        5 events:       19 data:                5 ..." (proc(5)) */
static void parse_line(const char *p, const char *end, int epoll, int fd, struct rearm *ret)
{
	uint64_t tfd, events, data;

	if (!(p = take_word(p, end, "tfd:", 4)) || !(p = procfs_number(p, end, 10, &tfd)) ||
		!(p = take_word(p, end, "events:", 7)) || !(p = procfs_number(p, end, 16, &events)) ||
		!(p = take_word(p, end, "data:", 5)) || !(p = procfs_number(p, end, 16, &data)))
		return;
	if (tfd != (uint64_t)fd || ret->n == REARM_MAX)
		return;
	ret->seen[ret->n].epoll = epoll;
	ret->seen[ret->n].events = (uint32_t)events;
	ret->seen[ret->n].data = data;
	ret->n++;
}

/* Lines longer than the buffer do not occur: each has a fixed form. */
static void read_info(int info, int epoll, int fd, struct rearm *ret)
{
	char buf[1024];
	size_t have = 0;

	for (;;) {
		long n = trp_syscall(
			SYS_read, info, (long)(buf + have), (long)(sizeof(buf) - have), 0, 0, 0);
		if (n <= 0)
			return;
		have += (size_t)n;
		size_t start = 0;
		for (size_t i = 0; i < have; i++)
			if (buf[i] == '\n') {
				parse_line(buf + start, buf + i, epoll, fd, ret);
				start = i + 1;
			}
		memmove(buf, buf + start, have - start);
		have -= start;
		if (have == sizeof(buf))
			return;
	}
}

struct collect {
	int infos, fd;
	struct rearm *ret;
};

static void look_at(int links, const char *name, void *data)
{
	static const char target[] = "anon_inode:[eventpoll]";
	const struct collect *c = data;
	char link[sizeof(target)];
	uint64_t number;
	int info;

	if (trp_syscall(SYS_readlinkat, links, (long)name, (long)link, sizeof(link), 0, 0) !=
			sizeof(target) - 1 ||
		memcmp(link, target, sizeof(target) - 1) != 0)
		return;
	if (!procfs_number(name, name + 10, 10, &number))
		return;
	info = trp_raw_openat(c->infos, name, O_RDONLY | O_CLOEXEC);
	if (info < 0)
		return;
	read_info(info, (int)number, c->fd, c->ret);
	trp_raw_close(info);
}

void rearm_collect(int fd, struct rearm *ret)
{
	struct collect c = {
		.infos = trp_raw_openat(AT_FDCWD, "/proc/thread-self/fdinfo", O_RDONLY | O_DIRECTORY | O_CLOEXEC), .fd = fd, .ret = ret};

	ret->n = 0;
	if (c.infos < 0)
		return;
	procfs_each("/proc/thread-self/fd", look_at, &c);
	trp_raw_close(c.infos);
}

static void control(int operation, int fd, const struct rearm *r)
{
	for (int i = 0; i < r->n; i++) {
		struct epoll_event ev = {.events = r->seen[i].events, .data.u64 = r->seen[i].data};
		trp_syscall(SYS_epoll_ctl, r->seen[i].epoll, operation, fd, (long)&ev, 0, 0);
	}
}

void rearm_apply(int fd, const struct rearm *r)
{
	control(EPOLL_CTL_ADD, fd, r);
}

void rearm_remove(int fd, const struct rearm *r)
{
	control(EPOLL_CTL_DEL, fd, r);
}
