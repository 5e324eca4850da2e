/* SPDX-License-Identifier: ISC */
/* local.h: what the verbs that read profiles themselves share. */
#pragma once

#include "cli.h"

/* Loads a profile by the name that `profile_list()` gives. If it cannot be loaded without an
 * instance (a template), it is tried as NAME@example, so that it is read and checked all the same;
 * *ret_template says so. Like profile_load(). */
int local_load(const struct profile_paths *paths, const char *name, struct profile **ret,
	bool *ret_template, struct profile_errors *errors);
