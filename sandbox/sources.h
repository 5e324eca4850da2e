/* SPDX-License-Identifier: ISC */
/* sources.h: inside sandbox/ only, IN THE DAEMON: the host's trees that a sandbox will see, cloned as detached mounts.
 *
 * They are cloned before the child exists, which inherits the descriptors: what is missing on the host is found out
 * with nothing to clean up, and the child needs no right to the host's paths. Only the idmap has to wait for the
 * child's user namespace; it is set on the same mount through the daemon's descriptor. */
#pragma once

#include "sandbox/plan.h"

/* Opens plan->sources[first] to [end - 1] into trees[] (-1: optional and absent). root_fd: spec->root or -1. On error all of these are
 * closed, ret_failure tells which. */
int sources_open(const struct plan *plan, size_t first, size_t end, int root_fd, int *trees, struct sandbox_failure *ret_failure);
void sources_close(int *trees, size_t n);

/* Whose they are is known: gives those that are tmpfs, and what is to be seen in them, to the ids of the sandbox. */
int sources_own(const struct plan *plan, const int *trees, uid_t uid_base, struct sandbox_failure *ret_failure);

/* Maps the trees that ask for it to the user namespace of userns_fd. */
int sources_idmap(
	const struct plan *plan, const int *trees, int userns_fd, struct sandbox_failure *ret_failure);
