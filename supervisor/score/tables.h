/* SPDX-License-Identifier: ISC */
/* tables.h: inside supervisor/score/ only: the tables of controls and what their judges share. */
#pragma once

#include "sandbox/seccomp_look.h"
#include "supervisor/score/score.h"

/* For judges: sets exposure (percent) and what it has. */
void score_set(struct score_row *row, unsigned exposure, const char *fmt, ...) TRP_PRINTF(3, 4);
/* For the ones that verify: this one has not what is configured. */
void score_broken(struct score_row *row, const char *fmt, ...) TRP_PRINTF(2, 3);

/* ---- parts that the tables share ---- */

/* A control is one row of one of these; nothing else knows them. */
extern const struct score_control score_box_controls[], score_path_controls[], score_call_controls[], score_share_controls[],
	score_limit_controls[];
extern const size_t score_n_box_controls, score_n_path_controls, score_n_call_controls, score_n_share_controls, score_n_limit_controls;

/* A place of the plan, and whose it is. */
enum score_place_kind {
	PLACE_SYSTEM, /* of its root */
	PLACE_MEMORY, /* a tmpfs of its own */
	PLACE_STATE,  /* its state directory */
	PLACE_SHARED, /* a directory that is published */
	PLACE_FILES,  /* the profile's files, programs of ours, sockets to the daemon */
	PLACE_HOST,   /* anything else of the host's */
};
struct score_place {
	enum score_place_kind kind;
	const char *path;   /* inside */
	const char *source; /* on the host; NULL: memory of its own */
	bool writable, noexec;
	const struct profile_bind *bind; /* that the profile asked for it by, or NULL */
};
/* Calls each for every mount of the plan but those of an image's root, of /dev and /proc. */
void score_places(const struct score_view *v, void (*each)(void *data, const struct score_place *place), void *data);
/* How much showing this path of the host gives away: percent, and the floor. Pure, by the path alone. */
unsigned score_path_grave(const char *path, bool writable, unsigned *ret_least, const char **ret_why);

/* Numbers of the system calls that the filter answers so: always, or for some arguments. names: of those that are notable. */
struct score_calls {
	unsigned known, always, some;
};
void score_count_calls(const struct score_view *v, struct score_calls *ret);
/* SECCOMP_MAY_... of a call by name; 0: this machine has none of that name. */
unsigned score_call(const struct score_view *v, const char *name);
json_t *score_notable_calls(const struct score_view *v);
