/* SPDX-License-Identifier: ISC */
/* overlap.h: two instances of one service at a time (`trpsup restart --overlap`): the new one is started beside the one that serves, with
 * a control group and channels of its own but the same ids and state; when it is ready it takes its place, and the other finishes with those who have
 * a connection to it. The one that does not serve is a struct service too, with the same name, but in no list: s->beside of the other. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct service;

enum overlap_result { OVERLAP_NONE, OVERLAP_GOING, OVERLAP_DONE, OVERLAP_FAILED };

/* Can another instance of s be started beside it, from s->pending? If not, why. */
bool overlap_possible(const struct service *s, char *err, size_t size);
/* Starts it. 0, or -ENOMEM. s->overlap says how it ends, s->overlap_why why it failed. */
int overlap_begin(struct service *s);
/* The state of the one that does not serve has changed, as all that follows from that is done. */
void overlap_changed(struct service *s);
/* Sees whether the one that was replaced has connections, now and again, until it has none. */
void overlap_drain(struct service *s);
/* The one beside s, if there is one, ends now. */
void overlap_end(struct service *s);
/* The same without a word, at the daemon's end. */
void overlap_free(struct service *s);
/* "NAME" and "NAME~2" by turns: what the keeper, the control group and the run directory of an instance are called. */
void overlap_other_key(const char *name, const char *key, char *out, size_t size);
/* One that was replaced, from the record of an earlier daemon; what cannot be taken over is ended. */
void overlap_adopt(struct service *s, const json_t *json);
