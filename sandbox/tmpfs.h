/* SPDX-License-Identifier: ISC */
/* tmpfs.h: inside sandbox/ only, in the daemon and in the child (no malloc). */
#pragma once

#include "sandbox/plan.h"

/* A tmpfs of s->number bytes that is not attached, its root with s->mode and these ids of the caller's user namespace; attr: MOUNT_ATTR_... Its
 * directory entries are bounded as its bytes are: a file without content costs the host about 1 KiB of kernel memory too. A
 * descriptor or -errno. */
int tmpfs_make(const struct plan_step *s, uid_t uid, gid_t gid, uint64_t attr);
