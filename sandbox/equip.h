/* SPDX-License-Identifier: ISC */
/* equip.h: inside sandbox/ only: what only the daemon may do for a child that waits for its word. */
#pragma once

#include "sandbox/owner.h"
#include "sandbox/sandbox.h"

/* The effective user that owns the sandbox's user namespace (owner.h). */
int equip_become_owner(uid_t uid, struct owner *o);
/* Hard limits as high as spec's, and its place when memory is used up, of a process in the sandbox's user namespace, which
 * is owner's. 0, or -errno with ret_failure. */
int equip_limits(const struct sandbox_spec *spec, uid_t owner, pid_t pid, struct sandbox_failure *ret_failure);
