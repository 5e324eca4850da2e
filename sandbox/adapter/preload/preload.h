/* SPDX-License-Identifier: ISC */
/* preload.h: the preload adapter. It is loaded into an unmodified, dynamically linked server (glibc: by
 * /etc/ld.so.preload, musl: by LD_PRELOAD) and lets it receive its clients through a channel while it
 * believes that it accept()ed them itself.
 *
 * Principle: make the real call; when its result shows that the descriptor may be a channel, ask
 * getsockname(2), which tells after any dup, fork, exec or passing. There is no table of descriptors and
 * nothing of close, dup, fork or exec is replaced. What the program set on its listener is remembered by
 * (port, family) in static memory, which fork copies; after an exec it is what the channel holds (options_carry()), else defaults.
 *
 * Freestanding: no libc function is called but __errno_location(). Internal functions return -errno. */
#pragma once

#include "base/rawsys.h"
#include "sandbox/adapter/channel.h"
#include "sandbox/adapter/options.h"
#include "sandbox/adapter/rearm.h"
#include "sandbox/adapter/shown.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#define EXPORT __attribute__((visibility("default")))

struct channel_id {
	uint16_t port; /* host byte order */
	uint16_t family;
};

struct listener {
	uint32_t key;     /* atomic: 0 = free, else family and port */
	uint32_t stopped; /* atomic: shutdown(2) was called and listen(2) not again */
	socklen_t bound_len; /* 0: not known (after an exec) */
	struct sockaddr_in6 bound;
	struct options options;
};

/* id.c: is it a channel? Keeps no state but a hint for each descriptor number that saves a call. */
bool channel_identify(int fd, struct channel_id *ret);
/* The same by the name of either end. */
bool channel_named(const struct sockaddr_un *addr, socklen_t len, struct channel_id *ret);
bool channel_hinted(int fd);
void channel_hint(int fd, bool is_channel);
/* Is fd the number of a listener of its own (listen(2) has made it), not of a duplicate? Known of the first 4,096 numbers. */
void channel_made(int fd, bool by_listen);
/* Has this process another one of the same port and family? */
bool channel_has_other(int fd, const struct channel_id *id);

/* listener.c: what is remembered of the listeners of this process */
struct listener *listener_find(const struct channel_id *id);
/* A listener is stopped, or goes on. */
void listener_stop(struct listener *l, bool stopped);
bool listener_any_stopped(void);
/* NULL when the table is full: nothing is remembered then */
struct listener *listener_get(const struct channel_id *id);
/* The same; if it is new, with what fd, the channel, holds of its options: this process has not called listen(2) for it */
struct listener *listener_known(const struct channel_id *id, int fd);
/* Where the program bound it; after an exec only family and port are known. Returns the length. */
socklen_t listener_bound(const struct channel_id *id, struct sockaddr_storage *ret);

/* wait.c: threads that block in accept(2), so that shutdown(2) can wake them as the kernel does */
struct wait {
	int slot;       /* -1: none free */
	bool unblocked; /* the signal that wakes us was blocked */
};
void wait_enter(const struct channel_id *id, int fd, struct wait *ret); /* wait_leave() ends it */
bool wait_leave(const struct wait *w); /* true: shutdown(2) wanted it woken */
/* fd: only those that wait there, -1: all. */
void wait_wake(const struct channel_id *id, int fd);
/* One thread that is in a system call. False: the program has a handler of its own for our signal. */
bool wait_interrupt(int tid);

/* procfs.c */
void procfs_each(const char *path, void look(int dir, const char *name, void *data), void *data);
const char *procfs_skip(const char *p, const char *end); /* blanks */
/* Digits of the base at p, behind blanks; NULL if there are none */
const char *procfs_number(const char *p, const char *end, unsigned base, uint64_t *ret);

/* pollers.c: threads that wait in poll(2) or select(2) for fd, which is another file since: they look again */
void pollers_wake(int fd);

/* rearm.c */
void rearm_collect(int fd, struct rearm *ret);
void rearm_apply(int fd, const struct rearm *r);
void rearm_remove(int fd, const struct rearm *r);

/* As the kernel gives addresses back: cut to *len, *len becomes the whole length. */
void copy_address(const void *from, socklen_t from_len, struct sockaddr *to, socklen_t *len);

/* The C library's result: errno and -1 for an error. */
int finish(long result);

/* accept(2) is a cancellation point (pthreads(7)): between these two the thread can be cancelled. cancel_allow() returns what
 * cancel_restore() wants. */
void cancel_point(void); /* here, if somebody has asked for it */
int cancel_allow(void);
void cancel_restore(int before);

static inline int sys_getsockname(int fd, void *addr, socklen_t *len)
{
	return (int)trp_syscall(SYS_getsockname, fd, (long)addr, (long)len, 0, 0, 0);
}

static inline int sys_getpeername(int fd, void *addr, socklen_t *len)
{
	return (int)trp_syscall(SYS_getpeername, fd, (long)addr, (long)len, 0, 0, 0);
}

static inline int sys_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	return (int)trp_syscall(SYS_getsockopt, fd, level, name, (long)value, (long)len, 0);
}

static inline int sys_getint(int fd, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);
	int r = sys_getsockopt(fd, level, name, &value, &len);

	return r < 0 ? r : value;
}

static inline int sys_dup3(int from, int to, int flags)
{
	return (int)trp_syscall(SYS_dup3, from, to, flags, 0, 0, 0);
}
