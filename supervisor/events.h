/* SPDX-License-Identifier: ISC */
/* events.h: what happened to services lately: changes of their state, and what was said of them. The last of each service are kept, so that
 * one that fails again and again does not push out what happened to the others. Kept since the daemon started, in memory. */
#pragma once

#include "supervisor/control.h"
#include "supervisor/profile/profile.h"

struct service;
struct daemon;
struct event_ring;

/* It has just come into its state from another, by an event of the state machine. */
void event_state(struct service *s, int from, const char *cause);
/* Something was said of it. word: static ("failed", "note"). */
void event_say(struct service *s, const char *word, const char *text);
void events_free(struct event_ring *ring);

/* Answers call, which must want more, with the events of these services (none: all) since a time (seconds since 1970), oldest first; with
 * follow it goes on with those that come until the client leaves. names is taken over. */
void events_stream(struct control_call *call, struct daemon *d, struct strv *names, double since, bool follow);
