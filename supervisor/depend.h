/* SPDX-License-Identifier: ISC */
/* depend.h: what services say of each other: requires, wants, after, conflicts. Who waits for whom at start and stop. */
#pragma once

#include "supervisor/service.h"

/* Does s require that service, itself or through others? */
bool depend_requires(const struct service *s, const char *name);
/* Something that is up, or on its way, and requires s. NULL: nothing. */
struct service *depend_active_dependent(const struct service *s);
/* These are started now, one after the other: none of them passes over one whose turn is still to come. */
void depend_announce(struct service *const *services, size_t n);
/* Starts what s wants, for which it does not wait. */
void depend_start_wanted(struct service *s);
/* s waits: starts what it requires and is not up. EVENT_REQUIRED_UP as soon as that is, and all that it only comes after;
 * EVENT_REQUIRED_DOWN if it cannot be. */
void depend_await(struct service *s);
/* The state of s has changed: what that means for all others. */
void depend_changed(struct service *s);
/* As service_event(EVENT_STOP), after everything that requires it has stopped, and what comes after it of those with stop_asked. */
void depend_stop(struct service *s);
/* Two of those services, or of what they require and want, that exclude each other. False: there are none. */
bool depend_contradiction(struct service *const *services, size_t n, const struct service **ret_a, const struct service **ret_b);
