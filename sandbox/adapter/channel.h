/* SPDX-License-Identifier: ISC */
/* channel.h: what the preload adapter and libtrp have in common: asking init for a channel and taking
 * clients out of it. Runs inside the sandbox. Compiles freestanding. */
#pragma once

#include "base/handoff.h"
#include "sandbox/initmsg.h"

#include <sys/un.h>

/* Asks trp-init for the channel of (ask->port, ask->family). Returns a close-on-exec descriptor, the
 * caller's; or -errno:
 *   -ENOENT        not a port of the profile
 *   -EBUSY         another process listens there with the other value of several
 *   -ECONNREFUSED  there is no init: not inside a sandbox
 *   another        init could not answer (-EAGAIN: not within ADAPTER_TIMEOUT_S) or something lies */
int adapter_ask(uint16_t port, int family, int v6only, int backlog, int several);
#define ADAPTER_TIMEOUT_S 10

/* Makes the socket of a client that came with h what accept4(2) with these flags would give (but for SOCK_CLOEXEC), of that family where it can
 * be; returns the one that it is. */
int adapter_settle(int fd, int family, int flags, const struct trp_handoff *h);

/* The same as adapter_take(), for who settles the client himself, whichever channel it came from: *ret_name is that of the channel's other
 * end (sandbox/initmsg.h), which has the same port and family in it; *ret_len 0: it has none, the daemon that made it is an older one. */
int adapter_receive(int channel, int flags, int wait, struct trp_handoff *ret, struct sockaddr_un *ret_name, socklen_t *ret_len);

/* accept4(2) on a channel: takes the next client; flags: SOCK_CLOEXEC | SOCK_NONBLOCK. Blocks as the
 * channel's O_NONBLOCK says, or not at all with wait == 0. Messages that are no handoff are dropped. With
 * family AF_INET the socket is made an AF_INET one where the kernel can (the client is IPv4 and the
 * connection is established), else it stays AF_INET6.
 * Returns the socket, with *ret filled in and its family in *ret_family; or -errno: -EAGAIN, -EINTR, -EMFILE
 * and -ENFILE before a client was taken, -EINVAL the channel was closed for good. */
int adapter_take(
	int channel, int family, int flags, int wait, struct trp_handoff *ret, int *ret_family);
