/* SPDX-License-Identifier: ISC */
/* beside.h: how a process of ours that stands beside one sandbox (trp-notify, trp-learn) becomes small: from the host's root to an
 * id of the service's own range, in its user namespace, with CAP_SYS_PTRACE there (for the sandbox's processes and no others), alone in an empty root in which /proc shows those processes only, under a filter of its own. */
#pragma once

#include "base/util.h"

#include <seccomp.h>
#include <sys/types.h>

#define BESIDE_ERRNO ENOSYS /* what the filter answers */

#define BESIDE_EQUALS(n, v)  {n, SCMP_CMP_MASKED_EQ, 0xffffffffu, (unsigned)(v)}
#define BESIDE_NO_BITS(n, v) {n, SCMP_CMP_MASKED_EQ, (unsigned)(v), 0}

/* A call that is allowed, if its arguments are these. */
struct beside_rule {
	int nr;
	unsigned n_args;
	struct scmp_arg_cmp args[2];
};

/* A call that must give BESIDE_ERRNO. Harmless if it should succeed after all. */
struct beside_attempt {
	const char *what; /* "connect() works" */
	long nr;
	long args[6];
};

struct beside {
	uid_t id;        /* inside the service's range; nobody else's there */
	uint32_t caps;   /* further capabilities that it keeps, as bits */
	bool in_network; /* in the sandbox's network namespace; else in an empty one of its own */
	const struct beside_rule *rules; /* besides those that every such process needs: look at /proc, read the sandbox's memory,
	                                    talk to the daemon */
	size_t n_rules;
	const struct beside_attempt *attempts; /* besides those that no such process may make */
	size_t n_attempts;
};

/* pidfd: of the sandbox's init. Gives up all that is not needed and tries whether it is gone. NULL; or
 * what went wrong, with errno: then the program must end. */
const char *beside_lockdown(int pidfd, const struct beside *b);

/* For those that stay in the host's namespaces, without any right there: that id, no group, no capability, no core. As above. */
const char *beside_nobody(uid_t id);
/* For other processes of ours that make themselves small: a filter that allows these and answers BESIDE_ERRNO to all else, and whether
 * each attempt is answered so. As above. */
const char *beside_filter(const struct beside_rule *common, size_t n_common, const struct beside_rule *own, size_t n_own);
const char *beside_try(const struct beside_attempt *list, size_t n);
