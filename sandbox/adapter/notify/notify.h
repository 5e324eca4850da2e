/* SPDX-License-Identifier: ISC */
/* notify.h: trp-notify, the notify adapter. One process for each run of a service, outside of its sandbox: it answers the system
 * calls with which the upstream uses its listener (seccomp_unotify(2), trapped by sandbox/init/trap.c), so that also a static
 * program, or one that makes its system calls itself (Go), receives its clients from a channel.
 *
 * All that it learns from the upstream is hostile. It can look into and write to the processes of that one sandbox, and it has
 * the service's channels, which the tenant has too. A call that is not for a listener of ours is passed on: it was allowed by
 * the service's own filter before. Between our look and the kernel's the tenant can change what a descriptor is; as
 * nothing is refused here, nothing is gained by that.
 *
 * One thread, one poll(2) loop, nothing blocks. Functions return 0 (or what they say) or -errno. */
#pragma once

#include "base/handoff.h"
#include "base/util.h"
#include "sandbox/adapter/options.h"
#include "sandbox/adapter/rearm.h"
#include "sandbox/adapter/shown.h"
#include "sandbox/initmsg.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/types.h>

#define NOTIFY_PIDFD_FD 5 /* of trp-init; beside TRP_INIT_CONTROL_FD and TRP_INIT_NOTIFY_FD */
/* Our own descriptors lie from here on, so that the numbers below are free for rearm() */
#define NOTIFY_OWN_FDS  512
#define CHANNELS_MAX    16

struct channel {
	uint16_t port; /* host byte order */
	uint16_t family;
	int fd;        /* the service end: the same open file that the upstream has */
	bool taken;    /* it has been given to the upstream */
	struct options options;
	struct sockaddr_in6 bound; /* where the program bound its socket; also a sockaddr_in */
	socklen_t bound_len;
};

/* A system call that waits for its answer. */
struct call {
	uint64_t id;
	pid_t tid; /* as seen from here */
	int nr;
	int fd;    /* the first argument */
	uint64_t args[6];
};

/* What handlers return beside 0 and -errno. */
#define CALL_PASS_ON (-5001) /* not ours: the kernel is to do it */
#define CALL_LATER   (-5002) /* it waits, or has been answered */

/* call.c: the descriptor of the filter */
int call_open(int fd); /* takes fd over */
int call_fd(void);     /* -1: not yet there, or nobody is left to serve */
void call_close(void);
int call_receive(struct call *ret); /* 1, 0: none there */
void call_answer(const struct call *c, int result);
bool call_is_waiting(const struct call *c); /* false: its thread has been killed or interrupted */
/* The caller gets a duplicate of fd, whose number is the call's result. -ENOENT: it waits no more; -EMFILE: no room. */
int call_give(const struct call *c, int fd, bool cloexec);
/* The caller's descriptor c->fd becomes one of fd's file. The call still waits. */
int call_replace(const struct call *c, int fd, bool cloexec);

/* target.c: the upstream's processes */
int target_read(const struct call *c, uint64_t from, void *to, size_t len);
int target_write(const struct call *c, uint64_t to, const void *from, size_t len);
/* As the kernel gives addresses and values back: cut to *len, *len becomes the whole length. */
int target_put_address(const struct call *c, const void *from, socklen_t from_len, uint64_t addr, uint64_t len);
bool target_is(const struct call *c, int our_fd); /* is its c->fd the same file? */
pid_t target_process(pid_t tid);
int target_fetch(int pidfd, int fd);          /* a duplicate */
/* A duplicate of c->fd, with a pidfd of the caller (ours to close) where it is wanted; or -errno. */
int target_socket(const struct call *c, int *ret_pidfd);
int target_is_cloexec(pid_t tid, int fd); /* 1 or 0 */

/* rearm.c */
void rearm_collect(pid_t tid, int fd, struct rearm *ret);
/* file: a descriptor of ours for what the program's fd is (or will be, or was) */
void rearm_apply(int pidfd, int fd, int file, const struct rearm *r);
void rearm_remove(int pidfd, int fd, int file, const struct rearm *r);

/* accept.c; fill: at most CHANNELS_MAX entries of p */
int accept_call(struct channel *ch, const struct call *c);
void accept_stop(struct channel *ch, pid_t process); /* its threads that wait where ch was replaced get EINVAL */
size_t accept_poll_fill(struct pollfd *p);
void accept_poll_done(const struct pollfd *p, size_t n);
int accept_timeout(void); /* milliseconds, -1: none */
/* One thread waits in one call only: an earlier one has been interrupted. */
void accept_forget(pid_t tid);

/* name.c: getsockname(2) and getpeername(2) of what is no channel. */
int name_call(const struct call *c);

/* listen.c */
int bind_call(const struct call *c);
int listen_call(const struct call *c);
int shutdown_call(struct channel *ch, const struct call *c);

/* sockopt.c */
int getsockopt_call(struct channel *ch, const struct call *c);
int setsockopt_call(struct channel *ch, const struct call *c);
int getsockname_call(struct channel *ch, const struct call *c);

/* channels.c: what the daemon gave us, and what it is told */
int channels_open(int control); /* takes it over, and the channels that lie in it */
int channels_control_fd(void);  /* -1: the daemon is gone, the service lives on */
int channels_timeout(void);     /* says again what could not be said; milliseconds until it must be called again, -1: not for that */
void channels_read(void);       /* what the daemon says: only that it is gone */
struct channel *channel_of(const struct call *c); /* that its descriptor is, or NULL */
struct channel *channel_find(uint16_t port, uint16_t family);
struct channel *channel_at(size_t i); /* NULL: no more */
void channel_listens(struct channel *ch); /* tells the daemon */

/* lockdown.c: gives up all that is not needed and tries whether it is gone. Says what went wrong and returns -1. */
int lockdown_enter(int pidfd);
