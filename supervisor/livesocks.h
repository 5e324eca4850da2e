/* SPDX-License-Identifier: ISC */
/* livesocks.h: who has a connection to an instance: the TCP sockets of the host's network that its processes have open. A passed
 * socket is one of those, and stays one however the process got it, duplicates or hides it; its own network's are not. */
#pragma once

#include "sandbox/cgroup.h"

/* Of all processes in the group. Not those that merely listen. 0 or -errno. */
int livesocks_count(const struct cgroup *cg, size_t *ret);
