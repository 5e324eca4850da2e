/* SPDX-License-Identifier: ISC */
/* load.h: from profiles on disk to services of the daemon. A set of profiles is taken whole or not at all. */
#pragma once

#include "supervisor/service.h"

/* Finds or makes the service and all that it requires. Profiles are read anew for those that are not active, and for the
 * named one with reload; they take effect when the service next starts. The new set is checked together with everything that
 * is active: on an error nothing is changed. 0, -ENOENT, -EINVAL with errors, other -errno. */
int load_service(struct daemon *d, const char *name, bool reload, struct service **ret, struct profile_errors *errors);

/* Puts the pending profile in force. */
void load_apply_pending(struct service *s);
