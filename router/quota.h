/* SPDX-License-Identifier: ISC */
/* quota.h: what one service may use of the router: clients by rate, clients that wait in its channels, and its part of the
 * descriptors in flight.
 *
 * The kernel counts the descriptors that lie in sockets against their sender's user (unix(7), ETOOMANYREFS): here all that
 * wait in all channels, against RLIMIT_NOFILE. So services that accept nobody could leave none for the others.
 * Therefore half of the room is divided equally, for sure, and of what is left of the other half one service may have a quarter:
 * however many are stuck, there is always something left, and the others' parts are not touched.
 *
 * How many wait is known as an upper bound only: it is counted up with each client and looked at (SIOCOUTQ) when the count
 * says that there is no room, so not at all for a service that keeps up, but now and then.
 *
 * Several routers are one user to the kernel, and send into the same channels: each has a part of the room. What it finds waiting in a channel
 * counts wholly against it, whosever it is: so none is counted by nobody.
 *
 * How many are open the observer counts, which reads of each client in the ledger. Those that it may not have read are
 * added, so a burst does not get past the limit. */
#pragma once

#include "router/channel.h"
#include "router/control.h"
#include "router/ledger.h"
#include "router/rate.h"

struct quota {
	struct quota *next;
	uint32_t id;
	struct rate rate;
	uint64_t full_ns;
	uint32_t queue;  /* how many may wait in its channels together; 0: as many as fit into each */
	uint32_t queued; /* at most so many wait there */
	uint32_t pending; /* admitted, but not sent yet: the channels do not show them */
	uint32_t max_live, service;
	uint32_t unseen; /* clients that the observer may not have counted yet */
	uint64_t mark;   /* it has when it has read the ledger so far */
	uint32_t n_channels;
	uint32_t channels[ROUTER_GROUP_MAX];
};

struct quotas {
	struct quota *first;
	uint32_t n;
	uint32_t room;      /* how many of this router's may wait in all channels together; set by the caller at first */
	uint32_t share;     /* ... of one service for sure */
	uint64_t beyond;    /* clients that wait beyond their services' shares */
	uint64_t looked_ns; /* at all of them */
	const uint32_t *live; /* open connections by the service's number, of the observer; NULL: there is none */
	const struct ledger *ledger;
};

/* Makes or replaces the quota id; with no channel it is forgotten. Channels that are not there (yet) are passed over.
 * 0 or -ENOMEM. */
int quota_set(struct quotas *t, struct channel_table *channels, uint32_t id, const struct router_quota *limits);
/* May the service of c have one more? Counts it then. 0, -EAGAIN: too many wait, -EDQUOT: they come too fast, -EUSERS:
 * it has as many open as it may. */
int quota_admit(struct quotas *t, struct channel_table *channels, struct channel *c, uint64_t now_ns);
/* A client of q that was admitted was sent, or could not be, and stands in the ledger. To be called for each. */
void quota_noted(struct quotas *t, struct quota *q);
/* c is about to be deleted. */
void quota_leave(struct quotas *t, struct channel *c);
