/* SPDX-License-Identifier: ISC */
/* control.h: the messages between the daemon and trp-router: fixed size, SOCK_SEQPACKET, native byte order, on the
 * router's descriptor ROUTER_CONTROL_FD. doc/protocol.md has them field by field.
 *
 * The daemon is trusted, so the router exits on a message that it cannot understand; the daemon in turn
 * treats the router's answers as untrusted: any answer but these is a reason to replace the router. */
#pragma once

#include "base/handoff.h"
#include <stdint.h>

#define ROUTER_CONTROL_FD    3
#define ROUTER_CONTROL_MAGIC 0x52505254u /* "TRPR" */

enum router_msg_type {
	/* daemon -> router */
	ROUTER_LISTENER_ADD = 1, /* + fd: a listening socket. id, protocols, deadline_ms */
	ROUTER_LISTENER_DEL = 2, /* id: stop accepting on it and close it */
	ROUTER_CHANNEL_ADD = 3,  /* + fd: the router end of a handoff channel. id (never 0) */
	ROUTER_CHANNEL_DEL = 4,  /* id; routes that still name it answer 503 */
	ROUTER_ROUTE_SET = 5,    /* (listener, protocol, name) -> channel4, channel6; replaces */
	ROUTER_ROUTE_DEL = 6,    /* (listener, protocol, name) */
	ROUTER_GROUP_SET = 9,    /* id: members[n_members] are channels; clients are spread over them. 0: no such group */
	ROUTER_SYNC = 7,         /* answered by ROUTER_SYNCED with the same seq when all before it is done */
	ROUTER_STATS = 8,        /* answered by ROUTER_STATS_REPLY */
	/* router -> daemon */
	ROUTER_READY = 32,       /* locked down and verified */
	ROUTER_SYNCED = 33,
	ROUTER_STATS_REPLY = 34, /* struct router_stats in stats */
};

#define ROUTER_ANY_LISTENER 0u
#define ROUTER_GROUP_MAX    32

struct router_stats {
	uint64_t accepted, handed_on;
	uint64_t no_route, no_service, queue_full, bad_request, wrong_protocol, timed_out, closed_early;
	uint64_t waiting; /* in peek now */
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
	uint32_t n_members;   /* GROUP_SET */
	union {
		char name[TRP_HANDOFF_NAME_MAX + 3]; /* ROUTE_*: canonical; "*.example.org" is a wildcard for any
							depth below; the longest wins */
		uint32_t members[ROUTER_GROUP_MAX]; /* GROUP_SET */
		struct router_stats stats;
	};
};
