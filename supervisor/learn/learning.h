/* SPDX-License-Identifier: ISC */
/* learning.h: services that are learnt from. A learning run is asked for by name, is said in status and in the log, keeps
 * every namespace, mount and limit of the profile, and may make the system calls of @default and of the profile: what is in neither
 * is refused as ever, and only counted. A check is a run under the words that the caller gives, with the same as the reference.
 *
 * What was seen is kept in STATE_DIR/learn/NAME.json, added up over runs, until it is reset. */
#pragma once

#include "sandbox/learnmsg.h"
#include "sandbox/seccomp.h"
#include "supervisor/profile/profile.h"

#include <ev.h>
#include <jansson.h>

struct service;

struct learning {
	bool on;           /* its next runs are watched */
	bool was_active;   /* before: it goes on afterwards */
	struct strv check; /* the words of a check; empty: it is learnt from */
	const struct seccomp_filter *reference; /* what a learning run may do */
	ev_timer limit;
	double run_began; /* trp_now_seconds() */
	json_t *run;      /* of the run that is going on; NULL: none */
	bool run_checks;  /* it is one of a check */
	json_t *known;    /* of all before; NULL: not read from its file yet */
	json_t *checked;  /* of the last check */
	json_t *checked_words;
};

/* The next runs are to be watched, for so many seconds (0: until it is ended) and if words is not empty as a check with them.
 * words: taken over. -EALREADY: it is on, or its last run not over; -ERANGE: a word is wider than what it may learn under. The caller restarts it. */
int learning_begin(struct service *s, double seconds, struct strv *words);
/* They are not: it is down, say. Nothing if it is not on. */
void learning_end(struct service *s);
/* The same, and it becomes what it was before: started again with its own filter, or stopped. */
void learning_finish(struct service *s);
void learning_free(struct service *s);
/* "learning", "checking", or NULL: it is not watched, and neither will its next run be. */
const char *learning_word(const struct service *s);

/* prepare.c: the filters for a run that is to be watched. 0 or -errno. */
int learning_filters(struct service *s);
void learning_run_began(struct service *s);
/* learner.c */
void learning_take(struct service *s, const struct learn_msg *msg);
void learning_run_ended(struct service *s, bool complete);

/* For the control protocol: all that is known, with the run that is going on. NULL and a text: its file is damaged. */
json_t *learning_describe(struct service *s, char *err, size_t err_size);
/* Forgets all, and removes the file. */
int learning_reset(struct service *s);

/* facts.c, pure: what was seen as JSON (doc/protocol.md) */
json_t *facts_new(void);
void facts_take(json_t *facts, const struct learn_msg *msg);
void facts_peak(json_t *facts, const char *name, uint64_t value);
void facts_add(json_t *facts, const json_t *more);
/* Is it of this shape? Else it is not used. */
bool facts_valid(const json_t *facts);
