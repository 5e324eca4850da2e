/* SPDX-License-Identifier: ISC */
/* spare.h: inside sandbox/ only, IN THE DAEMON: a sandbox that is made as far as it is the same whosever it will be: namespaces, and in them a
 * root with /proc, /dev, /tmp and /run, and a child that waits in there (PLAN_ORDER). One is kept for the next start, for which then only the
 * rest is left. Each is used once: nobody has been in it before. */
#pragma once

#include "sandbox/plan.h"

struct spare {
	struct plan_base base;
	uid_t owner;       /* of its user namespace: owner.h */
	bool in_cgroup;    /* born in the v2 group that was asked for */
	pid_t pid;
	int pidfd;
	int status;        /* read end, non-blocking: struct sandbox_failure */
	int sync;
	int *trees;        /* by index of the plan's sources: those that are tmpfs */
	size_t n_trees;
	void *memory;      /* for the order (order.h), shared with the child */
	size_t memory_size;
};
#define SPARE_NONE {.pidfd = -1, .status = -1, .sync = -1}

/* What is asked for when one is made, besides its base. */
struct spare_wish {
	uid_t owner;
	const struct sandbox *network_of; /* with a base that has no network of its own; NULL: the host's */
	const struct cgroup *cgroup;      /* to be born in, if it has a v2 group; or NULL */
	size_t memory_size;
};

/* Makes one. 0, or -errno and what failed; that its child fails is seen later, by its status. */
int spare_make(const struct plan_base *base, const struct spare_wish *wish, struct spare *ret, struct sandbox_failure *ret_failure);
/* The one that is kept, if it is alive and what is wanted. */
bool spare_take(const struct plan_base *base, size_t memory_size, struct spare *ret);
/* Ends the child, if it is still ours, and frees all. */
void spare_discard(struct spare *s);
