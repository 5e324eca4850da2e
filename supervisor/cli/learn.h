/* SPDX-License-Identifier: ISC */
/* learn.h: what was learnt of a service, as profile lines. All text in it is the service's word: names of files of its choice. */
#pragma once

#include "cli.h"

/* The words for `syscalls =`, in fresh memory; exits if there is none. */
struct strv learn_words(const json_t *facts, bool exact);
/* Prints profile lines, and comments with what they rest on and what the profile grants in vain. profile may be NULL. */
void learn_print(const json_t *learnt, const struct profile *profile, bool exact);
/* How many system calls a check refused that learning allowed. checked: of the daemon's reply, may be NULL. */
size_t learn_missed(const json_t *checked);
/* The same, and prints them. */
size_t learn_print_missed(const json_t *reply);
/* {"syscalls":[...],"processes":n,"memory":n,"open-files":n}: those that are known */
json_t *learn_suggestion(const json_t *facts, bool exact);

/* learn_paths.c: comments on files, and on what of the profile they need */
void learn_print_paths(const json_t *facts, const struct profile *profile);
