/* SPDX-License-Identifier: ISC */
/* local.h: what the verbs that read profiles themselves share. */
#pragma once

#include "cli.h"

/* Loads a profile by the name that `profile_list()` gives. If it cannot be loaded without an
 * instance (a template), it is tried as NAME@example, so that it is read and checked all the same;
 * *ret_template says so. Like profile_load(). */
int local_load(const struct profile_paths *paths, const char *name, struct profile **ret,
	bool *ret_template, struct profile_errors *errors);

/* Each once, to standard error. */
void local_print_errors(const struct profile_errors *errors);
/* verb_check.c: as `trpsup check NAME`, with what it requires. 0, -EINVAL with errors, -ENOMEM. */
int local_check(const struct config *config, const struct profile_paths *paths, const char *name, struct profile_errors *errors);
/* Is an argument a profile's file (it has a slash, or ends in .ini), and not a name? 1: *ret_name is the profile's and *ret_dir its
 * directory (the caller's); 0: a name; -EINVAL: a file that is none, said in errors; -ENOMEM. */
int local_file(const char *arg, char **ret_name, char **ret_dir, struct profile_errors *errors);
/* That directory before all others. *ret_dirs is the caller's, and borrowed by paths. */
int local_look_first(struct profile_paths *paths, const char *dir, const char ***ret_dirs);
