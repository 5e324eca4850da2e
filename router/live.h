/* SPDX-License-Identifier: ISC */
/* live.h: what trp-observer and the daemon say to each other: the table of the connections that are open, in memory that the daemon made
 * and that outlives an observer, and fixed-size messages on the observer's descriptor OBSERVER_CONTROL_FD. doc/protocol.md has
 * them field by field.
 *
 * The daemon does not trust the observer: it copies an entry and checks the copy. */
#pragma once

#include "router/ledger.h"

#define OBSERVER_CONTROL_FD 3
#define OBSERVER_LEDGER_FD  4 /* all slots */
#define OBSERVER_WAKE_FD    5 /* eventfd: a router wrote while the observer slept */
#define OBSERVER_LIVE_FD    6 /* struct live */
#define OBSERVER_ENDS_FD    7 /* NETLINK_SOCK_DIAG of the host's network, in the groups of TCP sockets that die */
#define OBSERVER_DIAG_FD    8 /* another one, to ask for those that live */

#define LIVE_MAX            65536 /* connections; of those beyond it only the beginning is known */

struct live_entry {
	uint64_t cookie; /* of the socket; 0: free. Written last */
	uint64_t accepted_ns; /* CLOCK_MONOTONIC */
	uint32_t route_us;    /* from accept to the handoff */
	uint32_t listener, service, channel;
	struct trp_addr peer; /* who the client is; behind a load balancer (PROXY protocol) not the socket's other end */
	struct trp_addr local, remote; /* the socket's ends, IPv4 v4-mapped; family 0 until the kernel was asked */
	uint8_t protocol;
	uint8_t state; /* TCP_ESTABLISHED ... (netinet/tcp.h), as of the last look */
	uint8_t kicked; /* the daemon writes: by trpsup kick */
	uint8_t name_len;
	uint32_t sampled; /* number of that look */
	uint32_t rtt_us, retrans;
	uint64_t bytes_in, bytes_out;
	char name[TRP_HANDOFF_NAME_MAX + 2];
	uint8_t flags; /* TRP_HANDOFF_* */
};

struct live {
	uint32_t n;         /* in use */
	uint32_t n_touched; /* that ever were */
	uint32_t by_service[LEDGER_SERVICES]; /* of them */
	struct live_entry entries[LIVE_MAX] __attribute__((aligned(4096)));
} __attribute__((aligned(4096)));

#define OBSERVER_MAGIC 0x4f505254u /* "TRPO" */

enum observer_msg_type {
	/* daemon -> observer */
	OBSERVER_LOG = 1,      /* + fd: the file to append to; size: of it so far; max: ask for another beyond; json */
	OBSERVER_NO_LOG = 2,   /* lines are not wanted */
	OBSERVER_SERVICE = 3,  /* id, name: of its number */
	OBSERVER_LISTENER = 4, /* id, name, port */
	OBSERVER_SLOTS = 5,    /* id: that many of the ledger are in use */
	OBSERVER_SAMPLE = 6,   /* look at all that live; answered by OBSERVER_SAMPLED with the same seq or a later one */
	/* observer -> daemon */
	OBSERVER_READY = 32,
	OBSERVER_FULL = 33, /* the log is as long as it may be: another one, please */
	OBSERVER_SAMPLED = 34, /* id: number of that look, which those that were found have in sampled */
};

struct observer_msg {
	uint32_t magic;
	uint16_t type; /* enum observer_msg_type */
	uint8_t json;
	uint8_t reserved;
	uint32_t seq, id;
	uint64_t size, max;
	uint16_t port;
	char name[130]; /* terminated */
};
