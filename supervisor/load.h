/* SPDX-License-Identifier: ISC */
/* load.h: from profiles on disk to services of the daemon. A set of profiles is taken whole or not at all. */
#pragma once

#include "supervisor/service.h"

/* Finds or makes the service and all that it requires. Profiles are read anew for those that are not active, and for the
 * named one with reload; they take effect when the service next starts. The new set is checked together with everything that
 * is active: on an error nothing is changed. 0, -ENOENT, -EINVAL with errors, other -errno. */
int load_service(struct daemon *d, const char *name, bool reload, struct service **ret, struct profile_errors *errors);

/* The same for several: all of them or none. *ret_bad: which of the names it was, of one that cannot be read. ret has room for n. */
int load_services(struct daemon *d, const char *const *names, size_t n, bool reload, struct service **ret, size_t *ret_bad,
	struct profile_errors *errors);

/* All profiles of services that are up, or keep their names, read anew for a configuration that is to come, and not given to anybody yet. */
struct load_set;
/* gone: those whose profile is no more, which keep the one that they have. 0; or -errno with errors, and *ret is NULL. */
int load_all(struct daemon *d, const struct config *config, const struct profile_paths *paths, struct load_set **ret, struct strv *gone,
	struct profile_errors *errors);
/* A sentence in changes for each of them that is idle or has failed, and has another profile then: nothing runs, all of it counts. */
void load_say(const struct load_set *set, struct strv *changes);
/* Each service gets its own: pending, if it is active. set is freed. -ENOMEM: not all have. */
int load_give(struct load_set *set);
void load_free(struct load_set *set);

/* Each on a line of the daemon's log; they are freed, and errors is empty again. */
void load_log_errors(struct profile_errors *errors);

/* Puts the pending profile in force. */
void load_apply_pending(struct service *s);
