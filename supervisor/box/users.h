/* SPDX-License-Identifier: ISC */
/* users.h: who a service runs as inside its sandbox: a number, or a name of the root's own /etc/passwd. */
#pragma once

#include <sys/types.h>

/* root: directory whose etc/passwd and etc/group are read (never through a link out of it); NULL: numbers only.
 * group NULL: the user's. 0, -ENOENT unknown name, -ERANGE beyond the range, -EINVAL what is there is no regular file, other
 * -errno. */
int users_resolve(const char *root, const char *user, const char *group, uid_t *ret_uid, gid_t *ret_gid);
