/* SPDX-License-Identifier: ISC */
/* depend.h: what services say of each other: requires, wants, after, conflicts. Who waits for whom at start and stop. */
#pragma once

#include "supervisor/service.h"

/* Something that is up, or on its way, and requires s. NULL: nothing. */
struct service *depend_active_dependent(const struct service *s);
/* Must s go on while others go down? Those that require it, and those that are to stop too and come after it. */
bool depend_keeps_up(const struct service *s);
/* Is s to start after o, and to stop before it, if both are to? */
bool depend_comes_after(const struct service *s, const struct service *o);
/* Is something that s comes after on its way, or about to be? */
bool depend_must_wait(const struct service *s);
/* These are started now, one after the other: none of them passes over one whose turn is still to come. */
void depend_announce(struct service *const *services, size_t n);
/* Is it needed by something that is up or on its way, which requires or wants it? */
bool depend_is_needed(const struct service *s);
/* Do they exclude each other? */
bool depend_conflict(const struct service *a, const struct service *b);
/* Starts what s wants, for which it does not wait. */
void depend_start_wanted(struct service *s);
/* Stops what s, which starts, excludes. True if all of it is down. */
bool depend_stop_conflicting(struct service *s);
/* Two of those services, or of what they require and want, that exclude each other. False: there are none. */
bool depend_contradiction(struct service *const *services, size_t n, const struct service **ret_a, const struct service **ret_b);
