/* SPDX-License-Identifier: ISC */
/* diag.h: messages of NETLINK_SOCK_DIAG (sock_diag(7)) about TCP sockets. Pure. */
#pragma once

#include "base/handoff.h"
#include <stdbool.h>
#include <stddef.h>

struct diag_socket {
	uint64_t cookie;
	struct trp_addr peer, local; /* AF_INET6, IPv4 v4-mapped; local.scope_id: the interface that it is bound to */
	uint8_t state;
	bool has_info; /* the rest is known */
	uint64_t bytes_in, bytes_out; /* out: without what was sent again */
	uint32_t rtt_us, retrans;
};

enum diag_result { DIAG_SOCKET, DIAG_OTHER, DIAG_DONE, DIAG_ERROR, DIAG_END };

/* The message at *at of what was received; *at moves behind it. DIAG_SOCKET: it is in *ret. DIAG_OTHER: none of a TCP socket,
 * or not understood. DIAG_DONE: the end of a dump. DIAG_ERROR: there was none, or not all of it; *ret_error is the errno (0: an acknowledgement).
 * DIAG_END: there is none (any more). */
enum diag_result diag_next(const void *buf, size_t len, size_t *at, struct diag_socket *ret, int *ret_error);

/* A request for all TCP sockets of that family (AF_INET, AF_INET6) with this local port (0: any), but for listening ones and those in
 * TIME_WAIT. Returns its length. */
#define DIAG_REQUEST_MAX 128
size_t diag_request(void *buf, int family, uint16_t port, uint32_t seq);
