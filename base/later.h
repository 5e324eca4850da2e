/* SPDX-License-Identifier: ISC */
/* later.h: the few messages by which one of ours tells the daemon something once. Where there is no memory or no room for one just then (a service's group may
 * have none) it is sent later, and those after it behind it. */
#pragma once

#include <stddef.h>

#define TRP_LATER_MAX   64
#define TRP_LATER_BYTES 32
#define TRP_LATER_MS    100 /* between two attempts */

/* All zero: none waits. */
struct trp_later {
	size_t n;
	struct {
		size_t len;
		char bytes[TRP_LATER_BYTES];
	} messages[TRP_LATER_MAX];
};

/* Sends it, or keeps it for trp_later_flush(). len <= TRP_LATER_BYTES. 0 or -errno: nobody gets it. */
int trp_later_send(struct trp_later *l, int sock, const void *msg, size_t len);
/* Sends those that wait. Milliseconds until that is to be done again, or -1: none waits any more. */
int trp_later_flush(struct trp_later *l, int sock);
