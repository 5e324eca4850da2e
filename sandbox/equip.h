/* SPDX-License-Identifier: ISC */
/* equip.h: inside sandbox/ only: what only the daemon may do for a child that waits for its word. */
#pragma once

#include "sandbox/owner.h"
#include "sandbox/sandbox.h"

/* The pairs of descriptors, close-on-exec, by which a child is told to go on and says what went wrong (status[0] is non-blocking); the first of each
 * is the daemon's. 0 or -errno. */
int equip_ways(int ret_sync[2], int ret_status[2]);
/* The doors of its group (cgroup_open_doors()), if it has one and nobody has it stand still. 0, or -errno with ret_failure. */
int equip_open_group(const struct cgroup *cg, int ret[CGROUP_V1_MAX], struct sandbox_failure *ret_failure);
/* The effective user that owns the sandbox's user namespace (owner.h). */
int equip_become_owner(uid_t uid, struct owner *o);
/* Hard limits as high as spec's, and its place when memory is used up, of a process in the sandbox's user namespace, which
 * is owner's. 0, or -errno with ret_failure. */
int equip_limits(const struct sandbox_spec *spec, uid_t owner, pid_t pid, struct sandbox_failure *ret_failure);
/* Its scheduling, which all that descends from it inherits. 0, or -errno with ret_failure: batch is not to be had. Prompt where the kernel lets us. */
int equip_scheduling(enum sandbox_scheduling scheduling, pid_t pid, struct sandbox_failure *ret_failure);
