/* SPDX-License-Identifier: ISC */
/* network.h: inside sandbox/ only: for a moment the daemon, or the forker, is in a sandbox's network namespace, so that what it makes there (a socket, a
 * process) belongs to that one. A process that is born there in a user namespace of its own has no right over it. */
#pragma once

#include "sandbox/sandbox.h"

/* Returns a descriptor of where we were, for network_leave(); or -errno, and we have not moved. */
int network_enter(const struct sandbox *box);
/* Makes a fresh one, with lo up; ports below first_port belong to CAP_NET_BIND_SERVICE. A descriptor of it, or -errno and what exactly failed in detail. */
int network_make(uint16_t first_port, char *detail, size_t size);
/* As network_enter(), into that one. */
int network_enter_fd(int fd);
/* -1: nothing to be done. errno stays. */
void network_leave(int home);

/* In the network namespace of the caller, in which it needs CAP_NET_ADMIN. 0 or -errno. */
int network_loopback_up(void);
int network_first_port(uint64_t port, char *detail, size_t size);
