/* SPDX-License-Identifier: ISC */
/* channel.h: the router ends of the handoff channels by their numbers, and groups of them: one name that several
 * services share. Allocates only in channel_add() and channel_group(). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHANNEL_GROUP_MAX 32

struct channel_group {
	uint32_t n;
	uint32_t next; /* the member whose turn it is */
	uint32_t members[CHANNEL_GROUP_MAX];
};

struct quota;

struct channel {
	uint32_t id; /* 0: free */
	int fd;      /* -1: a group */
	uint32_t service; /* whose it is, 0: nobody's; only counted */
	struct channel_group *group;
	struct quota *quota; /* of its service, NULL: none; quota.c */
	bool nonblock; /* its receiver looks at TRP_HANDOFF_NONBLOCK */
	bool several; /* its receiver takes messages with several clients */
	uint32_t queued;     /* at most so many clients wait in it; quota.c */
};

/* Open addressing; room is a power of two and at least a quarter of it is free. */
struct channel_table {
	struct channel *slots;
	size_t room, used;
};

/* id != 0. Takes the descriptor over; that of an older channel with this number is closed. 0 or
 * -ENOMEM (fd stays the caller's). */
int channel_add(struct channel_table *t, uint32_t id, int fd);
/* Closes and forgets; nothing happens if there is none. */
void channel_del(struct channel_table *t, uint32_t id);
/* Makes or replaces a group; n 0 is as channel_del(). id != 0 and not a channel's; n <= CHANNEL_GROUP_MAX. The members need not
 * be there, or not yet. 0, -ENOMEM, -EINVAL. */
int channel_group(struct channel_table *t, uint32_t id, const uint32_t *members, uint32_t n);
/* The descriptor, still the table's, or -1. Of a group: the member whose turn it is, and with attempt 1, 2, ... those
 * behind it; -1 also for members that are not there. */
int channel_find(const struct channel_table *t, uint32_t id, uint32_t attempt);
/* The same with all that is known of it, or NULL. */
struct channel *channel_pick(const struct channel_table *t, uint32_t id, uint32_t attempt);
void channel_own(struct channel_table *t, uint32_t id, uint32_t service);
/* How many attempts there are: 1 for a channel, 0 for nothing. */
uint32_t channel_attempts(const struct channel_table *t, uint32_t id);
