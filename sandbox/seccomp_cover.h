/* SPDX-License-Identifier: ISC */
/* seccomp_cover.h: from the system calls that a program made to the words of a profile. Pure, but for memory. */
#pragma once

#include "sandbox/seccomp.h"

/* The name of a system call of this machine, "#NR" if it has none; the caller frees it. NULL: no memory. */
char *seccomp_call_name(int nr);

/* What to write after `syscalls =` so that these calls (names) are allowed: groups of which enough is used, and single
 * calls. exact: single calls only. Those that a filter always allows need no word. ret: room for n words, which belong to the
 * tables or to names; in the order of the tables, single calls behind. Returns how many. */
size_t seccomp_cover(const char *const *names, size_t n, bool exact, const char **ret);

/* Is it allowed whatever the words are? (Not socket, of which that is true for AF_UNIX only.) */
bool seccomp_is_always(const char *name);
/* The group that a call is in; NULL: none. */
const struct seccomp_group *seccomp_group_of(const char *name);
/* Do the words let the call through (some form of it)? */
bool seccomp_words_allow(const char *const *words, size_t n, const char *name);
/* Do the words (valid ones) allow no call that outer does not allow? */
bool seccomp_within(const char *const *words, size_t n, const char *const *outer, size_t n_outer);
/* Has word ("@default", a group or a call, without a -) all calls of other? */
bool seccomp_covers(const char *word, const char *other);
