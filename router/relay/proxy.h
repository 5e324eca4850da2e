/* SPDX-License-Identifier: ISC */
/* proxy.h: the header that tells a target who its client is: "The PROXY protocol", versions 1 and 2
 * (haproxy.org/download/2.8/doc/proxy-protocol.txt, sections 2.1 and 2.2). Pure. */
#pragma once

#include "base/handoff.h"

enum proxy_version { PROXY_NO, PROXY_V1, PROXY_V2 };

#define PROXY_HEADER_MAX 108 /* version 1: 107 and a NUL; version 2 here: 16 + 36 */

/* Writes the header for a connection from peer to local (v4-mapped addresses count as IPv4) and returns its
 * length; 0 for PROXY_NO. peer NULL, or a pair that is not of one family: "not known" (UNKNOWN, LOCAL), which
 * is also what a health check says of itself. */
size_t proxy_header(enum proxy_version version, const struct trp_addr *peer,
	const struct trp_addr *local, char out[PROXY_HEADER_MAX]);
