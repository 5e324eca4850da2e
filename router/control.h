/* SPDX-License-Identifier: ISC */
/* control.h: the messages between the daemon and trp-router: fixed size, SOCK_SEQPACKET, native byte order, on the
 * router's descriptor ROUTER_CONTROL_FD. doc/protocol.md has them field by field.
 *
 * The daemon is trusted, so the router exits on a message that it cannot understand; the daemon in turn
 * treats the router's answers as untrusted: any answer but these is a reason to replace the router. */
#pragma once

#include "base/cidr.h"
#include "base/handoff.h"
#include <stdint.h>

#define ROUTER_CONTROL_FD    3
#define ROUTER_LEDGER_FD     4 /* with --ledger=SLOT: shared memory, router/ledger.h */
#define ROUTER_LIVE_FD       6 /* with --live: struct live of router/live.h, of which the counts are read */
#define ROUTER_WAKE_FD       5 /* ... and the eventfd that wakes who reads it */
#define ROUTER_CONTROL_MAGIC 0x52505254u /* "TRPR" */

enum router_msg_type {
	/* daemon -> router */
	ROUTER_LISTENER_ADD = 1, /* + fd: a listening socket. id, protocols, deadline_ms, redirect */
	ROUTER_LISTENER_DEL = 2, /* id: stop accepting on it and close it */
	ROUTER_CHANNEL_ADD = 3,  /* + fd: the router end of a handoff channel. id (never 0) */
	ROUTER_CHANNEL_DEL = 4,  /* id; routes that still name it answer 503 */
	ROUTER_ROUTE_SET = 5,    /* (listener, protocol, name) -> channel4, channel6; replaces */
	ROUTER_ROUTE_DEL = 6,    /* (listener, protocol, name) */
	ROUTER_GROUP_SET = 9,    /* id: members[n_members] are channels; clients are spread over them. 0: no such group */
	ROUTER_SYNC = 7,         /* answered by ROUTER_SYNCED with the same seq when all before it is done */
	ROUTER_STATS = 8,        /* answered by ROUTER_STATS_REPLY */
	ROUTER_LIMITS_SET = 20,  /* limits: of each client prefix; replaces */
	ROUTER_RETIRE = 24,      /* another router has taken over: accept no more, finish with those who wait, say the last
				    ROUTER_STATS_REPLY, exit 0 */
	ROUTER_EXPLAIN = 10,     /* (listener, protocol, name): what would a client get? Answered by ROUTER_EXPLAINED */
	ROUTER_TRUST_ADD = 21,   /* id: the listener that the next LISTENER_ADD makes or changes takes the PROXY protocol from
				    trusted[n_members] too */
	ROUTER_CLIENT_ADD = 25,  /* + fd: a client that was accepted for this router. id: its listener; peer */
	ROUTER_QUOTA_SET = 22,   /* id: the service whose channels these are, its limits; without channels: forgotten */
	ROUTER_REFUSE = 27,      /* + fd: a client that waited for its service in vain and was taken back. handoff: its message;
				    service; verdict: NO_SERVICE or HELD_TOO_LONG */
	ROUTER_CHANNEL_SEVERAL = 26, /* id: several clients in one message from now on, until the channel is replaced */
	/* router -> daemon */
	ROUTER_READY = 32,       /* locked down and verified */
	ROUTER_SYNCED = 33,
	ROUTER_STATS_REPLY = 34, /* struct router_stats in stats */
	ROUTER_EXPLAINED = 35,   /* seq as asked; verdict, rank, code, service, listener and name of the route that matches,
				    channel4, channel6 */
};

#define ROUTER_ANY_LISTENER 0u
#define ROUTER_GROUP_MAX    32
#define ROUTER_TRUST_MAX    12 /* in one message */

/* What became of a client. Counted for each service, and for each listener and protocol (router/ledger.h). */
enum router_verdict {
	VERDICT_HANDED_ON = 0,
	VERDICT_REFUSED = 1, /* + enum refusal of refuse.h, in its order: */
	VERDICT_NO_ROUTE = 1,
	VERDICT_MISDIRECTED,
	VERDICT_NO_SERVICE,
	VERDICT_QUEUE_FULL,
	VERDICT_BAD,
	VERDICT_WRONG_PROTOCOL,
	VERDICT_TIMED_OUT,
	VERDICT_CLOSED_EARLY,
	VERDICT_OVER_RATE,
	VERDICT_REDIRECTED, /* to https */
	VERDICT_TOO_LONG,
	VERDICT_TOO_MANY,
	VERDICT_HELD_TOO_LONG, /* was handed on, waited, and was taken back */
	VERDICT_REFUSED_END,
	/* not told anything */
	VERDICT_CLIENT_RATE = 24, /* its prefix was over its rate */
	VERDICT_CLIENT_WAITING,   /* waited, and others of its prefix came */
	VERDICT_COUNT,
};

/* Why a route matches (ROUTER_EXPLAINED) */
enum route_rank { RANK_NONE, RANK_EXACT, RANK_WILDCARD, RANK_DEFAULT };

struct router_stats {
	uint64_t accepted, handed_on;
	uint64_t no_route, no_service, queue_full, bad_request, wrong_protocol, timed_out, closed_early;
	uint64_t waiting; /* in peek now */
	uint64_t client_rate;    /* closed at once: their prefix was over its rate */
	uint64_t client_waiting; /* of those that waited, dropped because others of their prefix came */
	uint64_t over_rate;      /* told to come later: the service gets no more at a time */
	uint64_t redirected;     /* to https */
	uint64_t too_many;       /* told to come later: it has as many open as it may */
};

/* Of new connections: a token bucket. */
struct router_rate {
	uint64_t interval_ns; /* one in so long, up to an hour; 0: no limit */
	uint32_t burst;       /* so many at once, 1 to 1,000,000 */
	uint32_t reserved;
};

struct router_limits {
	struct router_rate rate;
	uint32_t waiting_permille; /* of the places for clients that wait for their opening; 0: no limit */
};

struct router_quota {
	struct router_rate rate; /* of clients handed on */
	uint32_t queue;          /* clients that may wait in its channels, together; 0: as many as fit into each */
	uint32_t n_channels;
	uint32_t channels[ROUTER_GROUP_MAX];
	uint32_t max_live; /* connections that it may have open, those that wait among them; 0: no limit */
	uint32_t service;  /* under which they are counted */
};

/* HTTP for a name that has a TLS route on listener is told to go there. */
struct router_redirect {
	uint32_t listener; /* 0: none */
	uint16_t port;
	uint16_t reserved;
};

struct router_msg {
	uint32_t magic;
	uint16_t type;      /* enum router_msg_type */
	uint8_t protocol;   /* ROUTE_*: enum trp_protocol; TRP_PROTO_NONE is the route for what has no known opening */
	uint8_t name_len;   /* ROUTE_*: 0 = the default route of (listener, protocol) */
	uint32_t seq;
	uint32_t id;        /* LISTENER_*, CHANNEL_* */
	uint32_t listener;  /* ROUTE_*: ROUTER_ANY_LISTENER or an id */
	uint32_t channel4;  /* ROUTE_SET: for clients whose address is IPv4 (v4-mapped); 0 = service is not up: 503 */
	uint32_t channel6;  /* ROUTE_SET: for the others */
	uint32_t protocols; /* LISTENER_ADD: bit (1 << enum trp_protocol) for each protocol accepted there */
	uint32_t deadline_ms; /* LISTENER_ADD: from accept to a complete opening; absolute */
	uint32_t n_members;   /* GROUP_SET, TRUST_ADD */
	uint32_t service;     /* CHANNEL_ADD, ROUTE_SET, REFUSE: whose it is, for the counters; below LEDGER_SERVICES, 0: nobody's */
	union {
		uint8_t verdict; /* EXPLAINED, REFUSE: enum router_verdict */
		uint8_t plain;   /* ROUTE_SET: 1: HTTP of this name is never redirected */
		uint8_t nonblock; /* CHANNEL_ADD: 1: its receiver looks at TRP_HANDOFF_NONBLOCK */
	};
	uint8_t rank;         /* EXPLAINED: enum route_rank */
	uint16_t code;        /* EXPLAINED: what a refused client is told: HTTP's status or TLS's alert. 0: nothing */
	union {
		char name[TRP_HANDOFF_NAME_MAX + 3]; /* ROUTE_*: canonical; "*.example.org" is a wildcard for any
							depth below; the longest wins */
		uint32_t members[ROUTER_GROUP_MAX]; /* GROUP_SET */
		struct router_stats stats;
		struct router_limits limits; /* LIMITS_SET */
		struct router_redirect redirect; /* LISTENER_ADD */
		struct trp_addr peer;            /* CLIENT_ADD */
		struct trp_cidr trusted[ROUTER_TRUST_MAX]; /* TRUST_ADD: at least one */
		struct router_quota quota;   /* QUOTA_SET */
		struct trp_handoff handoff;  /* REFUSE */
	};
};
