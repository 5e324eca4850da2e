/* SPDX-License-Identifier: ISC */
/* router.h: the state of one trp-router process (a single thread), and who calls whom:
 *
 *   loop.c     epoll_wait -> control.c  messages of the daemon
 *                         -> accept.c   a listener has clients: accept, then client.c at once
 *                         -> wait.c     a waiting client has sent more, or its time is up: client.c
 *   client.c   peek, decide, hand on or refuse; never waits. What must wait goes to wait.c
 *
 *   handon.c   those that are handed on, together where several were accepted together
 *
 * A client that has sent its opening when it is accepted (TCP_DEFER_ACCEPT) costs accept4 and recvfrom,
 * its share of a sendmmsg and a close_range (alone: sendmsg and close), and is never seen by epoll. No libev here: it takes for granted that
 * a closed descriptor leaves its epoll set, which is not so for one that was passed on.
 *
 * Libraries do not log: notice is called for what an operator should know. */
#pragma once

#include "base/fdpass.h"
#include "base/handoff.h"
#include "base/several.h"
#include "router/channel.h"
#include "router/control.h"
#include "router/limit.h"
#include "router/ledger.h"
#include "router/protocol/parser.h"
#include "router/quota.h"
#include "router/protocol/refuse.h"
#include "router/route.h"
#include "router/tempo.h"
#include "router/trust.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROUTER_LISTENERS_MAX 512 /* twice those of trpsup.conf: a slot is kept while clients of it wait */
#define ROUTER_LISTENER_GONE ROUTER_LISTENERS_MAX /* of clients that are taken back: theirs was removed meanwhile */
#define ROUTER_WAITING_MAX   16384

/* Does it come through a load balancer that says who it is? */
enum proxied {
	PROXIED_NO,
	PROXIED_EXPECTED, /* the header is still to come */
	PROXIED_TAKEN,    /* it was taken off; peer and local are the client's */
};

/* One client, as long as the router has it. On the fast path it lives on the stack only. */
struct client {
	uint64_t accepted_ns; /* CLOCK_MONOTONIC */
	struct trp_addr peer;
	int fd;
	uint16_t listener; /* index in router.listeners */
	uint8_t protocol;  /* enum trp_protocol, as far as it is known */
	uint16_t looks;    /* at its first bytes so far */
	uint32_t looked;   /* bytes in them */
	uint32_t lowat;    /* what SO_RCVLOWAT was set to, 0: never */
	uint32_t seen;     /* bytes there at the last look */
	uint32_t flags, detail; /* of its opening, as struct parse_result has them */
	uint8_t proxied;        /* enum proxied */
	bool nonblock;          /* its socket's O_NONBLOCK */
	struct trp_addr local;  /* as a load balancer told it, else family 0 */
};

/* TRP_HANDOFF_* for the handoff and the ledger */
static inline uint32_t client_flags(const struct client *c)
{
	return c->flags | (c->local.family ? TRP_HANDOFF_PROXIED : 0);
}

struct wait_queue {
	uint32_t first, last; /* slots, 0: none */
};

struct listener {
	uint32_t id;
	int fd; /* -1: deleted (its slot is taken as long as clients of it wait), or never used */
	uint32_t protocols;
	uint64_t deadline_ns;
	struct trust trust; /* whose PROXY protocol is believed */
	struct router_redirect redirect;
	uint8_t alone, unasked; /* accept.c: clients come one at a time */
	bool nonblock; /* whose receivers know of O_NONBLOCK: those of its last clients */
	struct wait_queue waiting; /* one duration for all: the first in is the first to end */
};

/* A client that waits: for its opening to be complete, or, when it was answered, for its end. */
struct waiter {
	struct client client;
	uint64_t deadline_ns;
	uint32_t generation; /* tells an event for an earlier user of this slot */
	uint32_t prev, next; /* in its queue; next also in the list of free slots */
	uint64_t answered_ns; /* lingers */
	uint32_t drained;    /* bytes thrown away since it was answered */
	uint32_t prefix, prefix_prev, prefix_next; /* limit.c: its prefix, and the others of that in the pool */
	bool lingers;        /* was answered */
	bool used;
};

struct wait_pool {
	struct waiter slots[ROUTER_WAITING_MAX + 1]; /* 0 is none */
	uint32_t free, n_touched, n, limit;
	struct wait_queue lingering;
};

#define HANDON_MAX TRP_FDPASS_MAX

/* Clients of one turn of a listener that are to be handed on. Empty outside of that turn. */
struct handon {
	bool held; /* for handon_flush(); else each goes at once */
	uint8_t packed[TRP_SEVERAL_SIZE]; /* of those that leave together */
	uint32_t n;
	struct handon_client {
		struct client client;
		uint32_t to; /* channel or group */
		uint32_t via, service; /* that channel, and whose it is */
		int channel; /* its descriptor, -1: none */
		int error;   /* why it cannot go there */
		struct quota *quota; /* that admitted it, until it is told that this is noted */
		bool done, sent;
		bool several; /* may share a message */
		size_t len;
		struct trp_handoff header;
	} clients[HANDON_MAX];
};

/* What the epoll data say: kind in the top byte, generation in the next three, index below */
enum source { SOURCE_CONTROL = 1, SOURCE_LISTENER, SOURCE_WAITER };
#define SOURCE_DATA(kind, generation, index)                                                       \
	((uint64_t)(kind) << 56 | (uint64_t)((generation)&0xffffffu) << 32 | (uint32_t)(index))

struct router {
	int epoll_fd, control_fd;
	bool control_open, reply_due;
	bool retired; /* accepts no more; ends when nobody waits */
	struct router_msg reply; /* reply_due: the daemon has no room for it yet */
	uint64_t now_ns;
	uint64_t paused_until_ns; /* not 0: out of descriptors, no listener is watched until then */
	uint64_t pause_told_ns;   /* when notice was called for that */
	size_t fd_limit;          /* RLIMIT_NOFILE */
	uint32_t routers;         /* so many are one user, whose descriptors in flight the kernel counts together; 0: 1 */
	bool adapts;              /* to how many come: tempo.h */
	struct tempo tempo;
	void (*notice)(const char *text);

	struct route_table routes;
	struct channel_table channels;
	struct trust trust_told; /* for the listener that comes next */
	struct router_stats stats;
	struct ledger *ledger;
	bool may_wake; /* the reader of the ledger's records, by ROUTER_WAKE_FD */
	struct handon handon;
	struct parse_result opening;
	struct listener listeners[ROUTER_LISTENERS_MAX + 1]; /* the last is none, see ROUTER_LISTENER_GONE */
	uint32_t n_listeners; /* slots in use and below */
	uint8_t peek[PARSER_MAX_BYTES];
	struct wait_pool pool;
	struct quotas quotas;
	struct limits limits;
	struct prefix_table prefixes; /* its seed is set by the caller of router_init() */
};

/* loop.c. The caller has set notice, fd_limit, routers, adapts, ledger and routes.seed and the rest to 0. 0 or -errno. */
int router_init(struct router *r, int control_fd);
/* Returns 0 when it was told to retire and has finished; else -errno, with *why. */
int router_run(struct router *r, const char **why);
/* May it do what tempo.h is for, locked down as it is? 0 or -errno. */
int router_try_tempo(void);
void router_update_clock(struct router *r);
int router_watch(struct router *r, int fd, uint32_t events, uint64_t data);
/* Before a descriptor leaves this process or is closed while another process has it. */
void router_unwatch(struct router *r, int fd);

/* control.c: handles what lies in the control socket. 0 or -errno, with *why: the message was
 * wrong. */
int control_ready(struct router *r, const char **why);
/* Sends, or keeps it for when there is room; no further message is read until then. */
int control_reply(struct router *r, const struct router_msg *m);
/* Says what was counted; seq: of the question, 0: there was none. */
int control_reply_stats(struct router *r, uint32_t seq);

/* accept.c */
void listener_ready(struct router *r, uint32_t index);
int listener_add(struct router *r, const struct router_msg *m, int fd);
void listener_del(struct router *r, uint32_t id);
/* A client that somebody else has accepted. Takes fd over. */
void listener_give(struct router *r, const struct router_msg *m, int fd);
/* One that was handed on by a router, and is to be refused now. Takes fd over. */
void listener_take_back(struct router *r, const struct router_msg *m, int fd);
void listeners_resume(struct router *r);
/* For ever: others accept from now on. */
void listeners_retire(struct router *r);

/* client.c: a client that was just accepted. Takes c->fd over. */
void client_arrived(struct router *r, struct client *c);
enum client_end { CLIENT_GOES_ON, CLIENT_HALF_CLOSED, CLIENT_TIME_UP };
/* Looks at its bytes, also when its time is up: what came in time counts, though this process is late. Returns 0 when it is decided
 * (client_settle() is next; always so when its time is up), else the number of bytes to wait for. */
uint32_t client_look(struct router *r, struct client *c, enum client_end end);
/* Does what client_look() decided. Nothing else may hold or watch c->fd. */
void client_settle(struct router *r, struct client *c);
/* What became of a client, for the counters and the log. */
struct note {
	enum router_verdict verdict;
	uint32_t service, channel; /* 0: none */
	const char *name;          /* that was asked for */
	uint8_t name_len;
	bool taken_back; /* it was handed on, and that was noted */
};
/* Answers it, and closes it or lets it linger. n: what is known of it but for the verdict; NULL: nothing. */
void client_refuse(struct router *r, struct client *c, enum refusal why, const struct note *n);
/* What would be decided for one of this protocol that asks for this name on this listener. name_len 0: for none. */
void client_decide(
	struct router *r, const struct route_key *key, enum router_verdict *ret_verdict, struct route_hit *ret_hit);
/* The same with one that was handed on before, of which only its message is known. */
void client_refuse_late(struct router *r, struct client *c, enum refusal why, const struct note *n);
/* Throws away some of what it sent, counting. True: time to close (end of file, error, or too much in all). */
bool client_drain(int fd, uint32_t *drained);

/* handon.c: hands the client on to a channel or group; the name is what was asked for. At once, or, after handon_hold(),
 * at the latest in handon_flush(). */
void handon_add(struct router *r, const struct client *c, uint32_t to, uint32_t service, const char *name, uint8_t name_len);
void handon_hold(struct router *r);
/* Sends and closes those that are held. False: there was none. */
bool handon_flush(struct router *r);

/* note.c: counts a client, and writes it down if somebody wants that. Before its descriptor is closed: who reads of its
 * end must have been able to read of its beginning. */
void note_client(struct router *r, const struct client *c, const struct note *n);

/* explain.c: who would get a client, and why */
void explain(struct router *r, const struct router_msg *m, struct router_msg *reply);

/* proxied.c: must the PROXY protocol's header stand in front of what c sends? */
bool proxied_expected(const struct router *r, const struct client *c);
/* Looks for it, and takes it off the connection when it is all there. */
enum proxied_result {
	PROXIED_DONE, /* the opening is next */
	PROXIED_NEED, /* *ret_need bytes */
	PROXIED_BAD,
	PROXIED_CLOSED,
	PROXIED_LIMITED, /* the client that it names has come too often */
};
enum proxied_result proxied_look(struct router *r, struct client *c, uint32_t *ret_need);

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
/* Drops all that wait for one of the listeners that are gone: where one has waited longest. False: nobody waits for any. */
bool wait_free_listener(struct router *r);
