/* SPDX-License-Identifier: ISC */
/* proxyproto.h: the header with which a load balancer in front of us says who its client is. Pure.
 *
 * "The PROXY protocol", versions 1 and 2, of HAProxy's doc/proxy-protocol.txt. It is read from trusted addresses only, and
 * taken off the connection before anything else is looked at: the one thing that the router reads. */
#pragma once

#include "base/handoff.h"
#include "router/protocol/parser.h"

#define PROXYPROTO_MAX 4096 /* a header that is longer (by its TLVs) is BAD */

struct proxyproto {
	enum parse_verdict verdict; /* NEED, FOUND or BAD */
	uint32_t need; /* NEED: total bytes before it is worth calling again; never more than the header surely has */
	uint32_t len;  /* FOUND: bytes of the header */
	/* FOUND: as a dual-stack socket has them (IPv4 is v4-mapped); family 0: the connection's own addresses hold (UNKNOWN,
	 * LOCAL, or a transport that is not TCP) */
	struct trp_addr peer, local;
	const char *why; /* BAD: a static text */
};

void proxyproto_parse(const uint8_t *bytes, size_t len, struct proxyproto *out);
