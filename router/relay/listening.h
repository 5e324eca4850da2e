/* SPDX-License-Identifier: ISC */
/* listening.h: where a port of this network namespace is listened on, as sock_diag(7) tells, and what that means for a client. Pure, but
 * for listening_ask(). */
#pragma once

#include "base/handoff.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LISTENING_V4, LISTENING_V6, LISTENING_FAMILIES };

/* One port. */
struct listening {
	struct {
		bool any;          /* on the wildcard address */
		struct trp_addr at; /* else on this one; family 0: not at all */
	} family[LISTENING_FAMILIES];
	uint32_t queued; /* connections that nobody has accepted yet */
};

enum listening_result { LISTENING_MORE, LISTENING_DONE, LISTENING_BAD };
/* One datagram of a dump's answer; what it says of port (host byte order) is added to *l. */
enum listening_result listening_parse(const void *buf, size_t len, uint32_t seq, uint16_t port, struct listening *l);

/* Index of a family: LISTENING_V4 for AF_INET and v4-mapped addresses. */
int listening_family(const struct trp_addr *a);
bool listening_serves(const struct listening *l, int family);

/* Where a client that spoke to local is to be connected to: at that address if the port is open on all of them, else where it is open. False: nowhere that a
 * client of this family could come to. */
bool listening_address(const struct listening *l, const struct trp_addr *local, uint16_t port, struct trp_addr *ret);

/* Asks the kernel by sock, a NETLINK_SOCK_DIAG socket. 0 or -errno. */
int listening_ask(int sock, uint16_t port, struct listening *ret);
