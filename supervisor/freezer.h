/* SPDX-License-Identifier: ISC */
/* freezer.h: a service whose processes stand still (cgroup.freeze of its control group): it keeps its memory, its connections and its
 * place, and clients wait in its channels. Whatever ends it thaws it first. */
#pragma once

#include "supervisor/service.h"

/* One that is ready; at once or in a moment, see freezer_is_frozen(). idle: for want of use (doze.h), until a client comes; else until somebody
 * thaws it, also if it stood still for want of use before. 0 (also if it was); or -errno with a sentence in err. */
int freezer_freeze(struct service *s, bool idle, char *err, size_t err_size);
/* 0, also if it was not frozen; or -errno. */
int freezer_thaw(struct service *s);
/* Do all of its processes stand still, by the kernel's word? */
bool freezer_is_frozen(const struct service *s);
