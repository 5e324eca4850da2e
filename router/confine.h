/* SPDX-License-Identifier: ISC */
/* confine.h: how a program of this folder gives up what its work does not need, from a table, and
 * tries the forbidden things afterwards: no trust in return codes. Runs once, before the first
 * client. lockdown.c has the router's table, relay/ and observer/ have their own. */
#pragma once

#include <errno.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>

#define CONFINE_ERRNO ENOSYS     /* of a call that is not in the table */
#define CONFINE_LOW32 0xffffffffu /* the kernel reads the low half of an int only: so must the filter */

/* All bits of argument n that are not in allowed must be clear. */
#define CONFINE_BITS(n, allowed) {n, SCMP_CMP_MASKED_EQ, CONFINE_LOW32 & ~(unsigned)(allowed), 0}
#define CONFINE_EQUALS(n, value) {n, SCMP_CMP_MASKED_EQ, CONFINE_LOW32, (unsigned)(value)}
#define CONFINE_NULL(n)          {n, SCMP_CMP_EQ, 0, 0}

struct confine_failure {
	const char *what; /* static text */
	int error;        /* errno, 0 if it says nothing */
};

/* A system call that stays possible if all its n_args conditions hold. */
struct confine_rule {
	int nr;
	unsigned n_args;
	struct scmp_arg_cmp args[4];
};

/* One that the filter must refuse, harmless if it should succeed after all. */
struct confine_attempt {
	const char *what;
	long nr;
	long args[6];
};

struct confine {
	const struct confine_rule *rules;
	size_t n_rules;
	const struct confine_rule *more; /* that are known only when it runs */
	size_t n_more;
	const struct confine_attempt *attempts; /* besides those that hold for all programs */
	size_t n_attempts;
};

/* Always returns -1. */
int confine_fail(struct confine_failure *f, const char *what, int error);

/* No capability in any set, no_new_privs? To be called before confine_enter(). 0, or -1 and *f. */
int confine_check(struct confine_failure *f);

/* No core, not dumpable, the filter for the life of the process (sets no_new_privs), then the
 * attempts. 0, or -1 and *f. */
int confine_enter(const struct confine *c, struct confine_failure *f);
