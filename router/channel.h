/* SPDX-License-Identifier: ISC */
/* channel.h: the router ends of the handoff channels by their numbers. Allocates only in
 * channel_add(). */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct channel {
	uint32_t id; /* 0: free */
	int fd;
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
/* The descriptor, still the table's, or -1. */
int channel_find(const struct channel_table *t, uint32_t id);
