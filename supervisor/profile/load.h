/* SPDX-License-Identifier: ISC */
/* load.h: a profile while it is being made, internal to supervisor/profile/. */
#pragma once

#include "supervisor/profile/keys.h"

#define VAR_USES 16 /* at least profile_n_variables */

struct profile_loading {
	struct profile *p;
	const struct profile_paths *paths;
	struct profile_errors *errors;
	struct lang lang;
	bool again; /* it was right when it was read before, and something may run by it */
	/* by number of the variable: where it was used first, and whether that was said to be wrong
	 */
	struct profile_where used[VAR_USES];
};

/* lookup.c: which files make up a profile. service is a valid name. */
/* Main file: NAME@INSTANCE.ini or NAME.ini of the first directory that has one. -ENOENT, or -EINVAL for a directory that others can
 * write to (message written). */
int lookup_main(const struct profile_paths *paths, const char *service, char **ret,
	struct profile_errors *errors);
/* Drop-ins in the order in which they are read. 0, -ENOMEM, or another -errno with a message. */
int lookup_dropins(const struct profile_paths *paths, const char *service, struct strv *ret, struct profile_errors *errors);

/* expand.c: hook of struct lang, whose user is a struct profile_loading. */
int expand_variables(const struct lang_value *v, const char *text, char **ret);
/* Where ${name} was used first; line 0: nowhere. */
struct profile_where expand_used(const struct profile_loading *l, const char *name);

/* check.c: what can be seen only when all of it was read. Messages go to l->errors. */
void check_profile(const struct profile_loading *l);
/* health.c: the keys of [health] */
void check_health(const struct profile_loading *l);
/* relay.c: the keys of [relay] and those that contradict them */
void check_relay(const struct profile_loading *l);
/* ... and with adapter = loopback, to which some of [relay] applies */
void check_loopback(const struct profile_loading *l);
/* ... and with any other, to which nothing of it does */
void check_no_relay(const struct profile_loading *l);
/* Gives a checked profile with adapter = relay its program and its empty root. */
int relay_complete(const struct profile_loading *l);
/* claims.c: has each name of each listener one owner in the set? 0, also with errors, or -ENOMEM. */
int check_claims(struct profile *const *set, size_t n, struct profile_errors *errors);
/* diff.c: what restart is by default. */
void profile_settle_restart(struct profile *p);
/* check_exec.c: do the programs exist? */
void check_programs(const struct profile_loading *l);

/* For the fuzzer and the tests: a profile from memory, no lookup and no drop-ins. path is for
 * messages. */
int profile_load_buffer(const struct profile_paths *paths, const char *service, const char *path,
	const char *buf, size_t len, struct profile **ret, struct profile_errors *errors);
