/* SPDX-License-Identifier: ISC */
/* group.h: a profile with [group] stands for its members, wherever a call names services. It never runs itself. */
#pragma once

#include "supervisor/daemon.h"

/* Appends name to ret or, if its profile is a group, the members, those of groups among them, each once. A name without a (sound)
 * profile is appended as it is: whoever starts it says what is wrong. 0, -ENOMEM, or -EINVAL with errors: groups in a circle (all of it
 * is named), a member that does not exist, more than max names. ret has something in it then, too. */
int group_expand(struct daemon *d, const char *name, size_t max, struct strv *ret, struct profile_errors *errors);
/* The profile of that name, if it was the last one that group_expand() has read, in this turn of the loop: it need not be read once more. The
 * caller's; or NULL. */
struct profile *group_take_seen(struct daemon *d, const char *name);
void group_forget_seen(struct daemon *d);
