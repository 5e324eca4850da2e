/* SPDX-License-Identifier: ISC */
/* sockdestroy.h: ends TCP connections of the host's network from outside (SOCK_DESTROY, sock_diag(7)). Needs CAP_NET_ADMIN. */
#pragma once

#include "base/handoff.h"

/* A socket for it, or -errno. */
int sockdestroy_open(void);
/* The connection of that cookie between these two (IPv6 or v4-mapped; local.scope_id: the interface that it is bound to) is reset.
 * 0, or -errno: -ENOENT there is none (any more), -EOPNOTSUPP this kernel cannot. */
int sockdestroy(int fd, const struct trp_addr *local, const struct trp_addr *peer, uint64_t cookie);
