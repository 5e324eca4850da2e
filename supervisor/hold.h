/* SPDX-License-Identifier: ISC */
/* hold.h: where a service's clients go while it is not up, or does not listen for them yet. They wait in a channel of their own, which no sandbox ever gets: so nobody can
 * touch them there, and whoever has waited too long can be taken out and be refused by a router. When the service is up they are put into
 * its channels. At most one such channel for a service, only while somebody may have to wait. */
#pragma once

#include "base/handoff.h"

#include <stdbool.h>

struct service;

enum service_place {
	PLACE_NOWHERE,  /* 503 */
	PLACE_WAITING,  /* they wait until it is up, at most for as long as its profile says */
	PLACE_CHANNELS, /* to itself */
};

/* After its state, its profile, what listens or what it requires has changed: sends clients where they belong now, those who wait too. */
void hold_update(struct service *s);
/* Where they wait is made anew, with them in it, if a router has shut it down: it would be for ever. */
void hold_check(struct service *s);
/* Its profile is another one, in how long or how many of them may wait: those who wait already, too. */
void hold_profile(struct service *s);
/* Does anybody wait until it is up? */
bool hold_anybody(const struct service *s);
/* A client that has waited somewhere goes there, or is refused. data: the service. fd: borrowed. */
void hold_give(void *data, const struct trp_handoff *h, int fd);
/* All clients that are at that end now, at most max, each to hold_give(). They find room in its channels; who comes then must find it. Returns how many. */
unsigned hold_deal(struct service *s, int service_end, unsigned max);
/* Where its clients go now. False: nowhere, or it is full there. fd: borrowed. */
bool hold_put(const struct service *s, const struct trp_handoff *h, int fd);
/* Who waits for from waits for to: another instance of it, which has no such channel yet. */
void hold_hand_over(struct service *from, struct service *to);
/* At the end of the daemon: nobody waits any more. */
void hold_end(struct service *s);
/* The waiting channel of an earlier daemon, by its number in s->waiting.id. */
void hold_adopt(struct service *s);
