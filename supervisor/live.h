/* SPDX-License-Identifier: ISC */
/* live.h: a new profile for a service that runs. Keys that the table marks as live (supervisor/profile/keys.c) are put in force at once; with
 * others it waits as pending until the service is started the next time. */
#pragma once

#include "supervisor/service.h"

/* Of every service that has one pending. changes: a sentence for what is in force now, and for what needs a restart. */
void live_apply_all(struct daemon *d, struct strv *changes);
/* One sentence for these keys; none if there are none. */
void live_say(struct strv *changes, const struct service *s, const struct strv *keys, const char *what);
/* Of one instance, which is about to take the place of another and has no routes yet: a reload meant that other one. */
void live_catch_up(struct service *s);
/* The keys of its profile are those that it was started with: it has another, or is to go. */
void live_forget(struct service *s);
/* The keys of its pending profile that are not in force yet: none if it has no such profile. 0 or -ENOMEM. */
int live_waiting(const struct service *s, struct strv *ret);
