/* SPDX-License-Identifier: ISC */
/* values.h: parsers of values, for the tables of keys.c and config.c. Each is a lang_parser (see
 * there for the result). */
#pragma once

#include "supervisor/profile/lang.h"

/* values.c: the field at key->offset of base is a ... */
int value_text(const struct lang_value *v, void *base); /* char * */
int value_path(
	const struct lang_value *v, void *base); /* char *, an absolute path without . and .. */
int value_word(const struct lang_value *v, void *base);   /* char *, of a-z 0-9 . _ - */
int value_bool(const struct lang_value *v, void *base);   /* bool */
extern const char *const value_bool_words[]; /* as they are written best, to be named if another is not valid */
int value_choice(const struct lang_value *v, void *base); /* unsigned, index into key->words */
int value_number(const struct lang_value *v,
	void *base); /* uint64_t; also "unlimited" if key->max is UINT64_MAX */
int value_size(const struct lang_value *v, void *base);     /* uint64_t bytes; the same */
int value_percent(const struct lang_value *v, void *base);  /* uint64_t permille; the same */
int value_duration(const struct lang_value *v, void *base); /* uint64_t milliseconds */
int value_rate(const struct lang_value *v, void *base);     /* uint64_t: nanoseconds for one; 0: "unlimited" */
int value_port(const struct lang_value *v, void *base);     /* uint16_t */
int value_signal(const struct lang_value *v, void *base);   /* int */
int value_command(const struct lang_value *v, void *base);  /* struct strv, LANG_LINE */
int value_services(const struct lang_value *v, void *base); /* struct strv of full service names */
int value_names(
	const struct lang_value *v, void *base); /* struct strv of names without an instance */
int value_paths(const struct lang_value *v, void *base);  /* struct strv of absolute paths */
int value_listed(const struct lang_value *v, void *base); /* struct strv of key->words */
bool value_is_path(const char *text);
/* A path may have blanks, and so a comment as a shell has it. 0 or -EBADMSG */
int value_refuse_comment(const struct lang_value *v);

/* host.c: what the routes have for this name. 0 or a lang_parser's error */
int value_canonical_host(const struct lang_value *v, char ret[254]);

/* values_profile.c: base is a struct profile */
int value_user(const struct lang_value *v, void *base);
int value_check(const struct lang_value *v, void *base);
int value_status(const struct lang_value *v, void *base); /* struct profile_range */
int value_plain_host(const struct lang_value *v, void *base); /* char *: canonical, no wildcard */
int value_ready(const struct lang_value *v, void *base);
int value_root(const struct lang_value *v, void *base);
int value_commands(const struct lang_value *v, void *base); /* struct profile_commands at key->offset, LANG_LINES */
int value_host(const struct lang_value *v, void *base);
int value_target(const struct lang_value *v, void *base);
int value_packages(const struct lang_value *v, void *base);
int value_host_files(const struct lang_value *v, void *base);
int value_bind(const struct lang_value *v, void *base);
int value_secret(const struct lang_value *v, void *base);
int value_state_at(const struct lang_value *v, void *base);
int value_syscalls(const struct lang_value *v, void *base);
int value_calendar(const struct lang_value *v, void *base);

/* values_credential.c: the same */
int value_credential(const struct lang_value *v, void *base);
int value_credential_command(const struct lang_value *v, void *base);
void credential_free(struct profile_credential *c);
/* A name of a file of a secret or a credential? */
bool value_is_file_name(const char *text);

/* values_env.c: the same */
int value_env(const struct lang_value *v, void *base);
int value_env_continued(const struct lang_value *v, void *base);
int value_env_file(const struct lang_value *v, void *base);
