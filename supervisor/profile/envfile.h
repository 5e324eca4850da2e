/* SPDX-License-Identifier: ISC */
/* envfile.h: variables of the environment that stand in files of their own: NAME=VALUE lines, as systemd's EnvironmentFile= has them.
 *
 *   # or ; begin a comment line        NAME=plain text, blanks at its ends dropped
 *   NAME="with \" \\ \$ \`, over lines"  NAME='as it is, over lines'
 *   NAME=a backslash at the end \
 *   goes on                            another backslash takes the next character as it is
 *
 * Quotes count where the value begins, or behind another quoted part. Nothing is expanded. What systemd passes over (a line without
 * "=", a name that is none) is an error here. */
#pragma once

#include "supervisor/profile/profile.h"

#define ENVFILES_MAX 16          /* of one profile */
#define ENVFILE_MAX  (64 * 1024) /* bytes of one */
#define ENVFILE_VARS PROFILE_VARS_MAX /* of all files of one profile */

/* Pure. Adds what text says to set, where it takes the place of what has that name; path is for messages and must live as long as set. 0;
 * -EINVAL with a message for each mistake, and set holds what was right; -ENOMEM. Fuzzed. */
int envfile_parse(const char *path, const char *text, size_t len, struct env_set *set, struct profile_errors *errors);
/* All of a profile's files in their order. Only root may write to them (base/trusted.h). 0 and *ret (the caller's, to be given to
 * env_set_free() before p is freed); or -errno with messages: of a file that is missing, the place in the profile, too. */
int envfile_read_all(const struct profile *p, struct env_set *ret, struct profile_errors *errors);

/* values_env.c */
/* Why there can be no variable of that name, or NULL. Static text. */
const char *env_name_problem(const char *name);
struct profile_env *env_set_find(const struct env_set *set, const char *name);
/* value is the set's from now on, also on failure; NULL is -ENOMEM, so that strdup() can be its argument. */
int env_set_give(struct env_set *set, const char *name, char *value, struct profile_where where);
/* Forgets the values in memory, too. */
void env_set_free(struct env_set *set);
