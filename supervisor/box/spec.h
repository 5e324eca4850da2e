/* SPDX-License-Identifier: ISC */
/* spec.h: inside supervisor/box/ only: a description while it is being made. */
#pragma once

#include "base/io.h"
#include "supervisor/box/box.h"
#include "supervisor/ids.h"

#define MOUNTS_MAX    256
#define STRINGS_MAX   2048
#define RLIMITS_MAX   16

/* Strings live until box_free(). */
struct box {
	struct box_site site;
	struct sandbox_spec spec;
	struct sandbox_mount mounts[MOUNTS_MAX];
	size_t n_mounts;
	struct sandbox_rlimit rlimits[RLIMITS_MAX];
	size_t n_rlimits;
	char *strings[STRINGS_MAX];
	size_t n_strings;
	const char *argv[STRINGS_MAX];
	const char *envp[STRINGS_MAX];
	size_t n_argv, n_envp;
	uint16_t ports[PROFILE_TARGETS_MAX + TRP_PROTO_COUNT];
	bool overflow; /* something did not fit, or memory is out */
};

/* Keeps a string for the box's life; NULL (out of memory) is noted. */
const char *box_keep(struct box *b, char *text);
struct sandbox_mount *box_add(struct box *b, struct sandbox_mount m);

/* relay.c */
int box_fill_relay(struct box *b);
int box_fill_loopback(struct box *b);
