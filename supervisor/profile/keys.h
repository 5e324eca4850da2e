/* SPDX-License-Identifier: ISC */
/* keys.h: the tables of both languages, for the manual's test, completion and messages. */
#pragma once

#include "supervisor/profile/lang.h"

extern const struct lang_section profile_sections[];
extern const size_t profile_n_sections;
extern const struct lang_key profile_keys[];
extern const size_t profile_n_keys;

extern const struct lang_section config_sections[];
extern const size_t config_n_sections;
extern const struct lang_key config_keys[];
extern const size_t config_n_keys;

/* Words of enum profile_ready and the like, for status. */
extern const char *const profile_ready_words[];
extern const char *const profile_adapter_words[];
extern const char *const profile_reload_words[];
extern const char *const profile_over_rate_words[];
extern const char *const profile_restart_words[];
extern const char *const profile_balance_words[];
extern const char *const profile_proxy_words[];

/* Where a key of p was set; line 0 of its main file if it was not. For late messages
 * (profile_error()). */
struct profile_where profile_where(const struct profile *p, const char *section, const char *key);

/* The variables ${...}: for the manual's test and the completion. */
struct profile_variable {
	const char *name;
	const char *help;
};
extern const struct profile_variable profile_variables[];
extern const size_t profile_n_variables;
