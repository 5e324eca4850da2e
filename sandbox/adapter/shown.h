/* SPDX-License-Identifier: ISC */
/* shown.h: accepted sockets whose own names would mislead the program, and the names that it is shown instead by
 * getpeername(2) and getsockname(2): what the preload and notify adapters have in common. Compiles freestanding.
 *
 *   foreign   stayed AF_INET6 although its listener is AF_INET (the client had closed its half before it was taken, and
 *             IPV6_ADDRFORM needs an established connection): shown as IPv4
 *   proxied   a trusted load balancer said who its client is (TRP_HANDOFF_PROXIED): the kernel knows the balancer's
 *             address only
 *
 * The socket's cookie is the key, so that dup, fork and a new use of the number do no harm. A process that executes another
 * program begins with an empty table. Bounded: the oldest in a crowded place is forgotten, its own names hold then. */
#pragma once

#include "base/handoff.h"

#include <stdbool.h>
#include <sys/socket.h>

/* To be called for each client that was taken: remembers what is to be remembered. listener_family: the program's;
 * socket_family: what the client's socket is now. */
void shown_note(int client, int listener_family, int socket_family, const struct trp_handoff *h);

/* The name to show for fd: of its peer, or its own. Returns the length, 0: what the kernel says is right. */
socklen_t shown_name(int fd, bool peer, struct sockaddr_storage *out);

/* Has nothing ever been noted? Saves a system call where that is so. */
bool shown_none(void);
