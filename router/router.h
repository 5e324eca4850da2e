/* SPDX-License-Identifier: ISC */
/* router.h: the state of one trp-router process (a single thread), and who calls whom:
 *
 *   loop.c     epoll_wait -> control.c  messages of the daemon
 *                         -> accept.c   a listener has clients: accept, then client.c at once
 *                         -> wait.c     a waiting client has sent more, or its time is up: client.c
 *   client.c   peek, decide, hand on or refuse; never waits. What must wait goes to wait.c
 *
 * A client that has sent its opening when it is accepted (TCP_DEFER_ACCEPT) costs accept4,
 * recvfrom, sendmsg and close, and is never seen by epoll. No libev here: it takes for granted that
 * a closed descriptor leaves its epoll set, which is not so for one that was passed on.
 *
 * Libraries do not log: notice is called for what an operator should know. */
#pragma once

#include "base/handoff.h"
#include "router/channel.h"
#include "router/control.h"
#include "router/parser.h"
#include "router/route.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROUTER_LISTENERS_MAX 256
#define ROUTER_WAITING_MAX   16384

/* One client, as long as the router has it. On the fast path it lives on the stack only. */
struct client {
	uint64_t accepted_ns; /* CLOCK_MONOTONIC */
	struct trp_addr peer;
	int fd;
	uint16_t listener; /* index in router.listeners */
	uint8_t protocol;  /* enum trp_protocol, as far as it is known */
	uint16_t looks;    /* at its first bytes so far */
	uint32_t lowat;    /* what SO_RCVLOWAT was set to, 0: never */
	uint32_t seen;     /* bytes there at the last look */
};

struct wait_queue {
	uint32_t first, last; /* slots, 0: none */
};

struct listener {
	uint32_t id;
	int fd; /* -1: deleted (its slot is taken as long as clients of it wait), or never used */
	uint32_t protocols;
	uint64_t deadline_ns;
	uint8_t alone, unasked; /* accept.c: clients come one at a time */
	struct wait_queue waiting; /* one duration for all: the first in is the first to end */
};

/* A client that waits: for its opening to be complete, or, when it was answered, for its end. */
struct waiter {
	struct client client;
	uint64_t deadline_ns;
	uint32_t generation; /* tells an event for an earlier user of this slot */
	uint32_t prev, next; /* in its queue; next also in the list of free slots */
	uint32_t drained;    /* bytes thrown away since it was answered */
	bool lingers;        /* was answered */
	bool used;
};

struct wait_pool {
	struct waiter slots[ROUTER_WAITING_MAX + 1]; /* 0 is none */
	uint32_t free, n_touched, n, limit;
	struct wait_queue lingering;
};

/* What the epoll data say: kind in the top byte, generation in the next three, index below */
enum source { SOURCE_CONTROL = 1, SOURCE_LISTENER, SOURCE_WAITER };
#define SOURCE_DATA(kind, generation, index)                                                       \
	((uint64_t)(kind) << 56 | (uint64_t)((generation)&0xffffffu) << 32 | (uint32_t)(index))

struct router {
	int epoll_fd, control_fd;
	bool control_open, reply_due;
	struct router_msg reply; /* reply_due: the daemon has no room for it yet */
	uint64_t now_ns;
	uint64_t paused_until_ns; /* not 0: out of descriptors, no listener is watched until then */
	uint64_t pause_told_ns;   /* when notice was called for that */
	size_t fd_limit;          /* RLIMIT_NOFILE */
	void (*notice)(const char *text);

	struct route_table routes;
	struct channel_table channels;
	struct router_stats stats;
	struct trp_handoff handoff; /* reused for each message */
	struct parse_result opening;
	struct listener listeners[ROUTER_LISTENERS_MAX];
	uint32_t n_listeners; /* slots in use and below */
	uint8_t peek[PARSER_MAX_BYTES];
	struct wait_pool pool;
};

/* loop.c. The caller has set notice, fd_limit and routes.seed and the rest to 0. 0 or -errno. */
int router_init(struct router *r, int control_fd);
/* Never returns but for an error: -errno, with *why. */
int router_run(struct router *r, const char **why);
void router_update_clock(struct router *r);
int router_watch(struct router *r, int fd, uint32_t events, uint64_t data);
/* Before a descriptor leaves this process or is closed while another process has it. */
void router_unwatch(struct router *r, int fd);

/* control.c: handles what lies in the control socket. 0 or -errno, with *why: the message was
 * wrong. */
int control_ready(struct router *r, const char **why);
/* Sends, or keeps it for when there is room; no further message is read until then. */
int control_reply(struct router *r, const struct router_msg *m);

/* accept.c */
void listener_ready(struct router *r, uint32_t index);
int listener_add(struct router *r, const struct router_msg *m, int fd);
void listener_del(struct router *r, uint32_t id);
void listeners_resume(struct router *r);

/* client.c: a client that was just accepted. Takes c->fd over. */
void client_arrived(struct router *r, struct client *c);
enum client_end { CLIENT_GOES_ON, CLIENT_HALF_CLOSED, CLIENT_TIME_UP };
/* Looks at its bytes. Returns 0 when it is decided (client_settle() is next), else the number of
 * bytes to wait for. */
uint32_t client_look(struct router *r, struct client *c, enum client_end end);
/* Does what client_look() decided. Nothing else may hold or watch c->fd. */
void client_settle(struct router *r, struct client *c);
/* Throws away what it sent, counting. True: time to close (end of file, error, or too much). */
bool client_drain(int fd, uint32_t *drained);

/* wait.c */
void wait_init(struct router *r);
/* Takes the client over. need: bytes until it is worth looking again (0: it was answered and
 * lingers). */
void wait_add(struct router *r, const struct client *c, uint32_t need);
void wait_ready(struct router *r, uint32_t slot, uint32_t generation, uint32_t events);
/* Ends those whose time is up. Returns milliseconds until the next deadline, -1: none. */
int wait_expire(struct router *r);
/* Makes room for descriptors: how many may wait depends on how many are in use. */
void wait_limit(struct router *r);
/* Drops the one that has waited longest. False: none waits. */
bool wait_evict(struct router *r);
