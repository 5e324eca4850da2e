/* SPDX-License-Identifier: ISC */
/* spare.h: inside sandbox/ only, IN THE DAEMON: a sandbox that is made as far as it is the same whosever it will be. One is kept for the next start,
 * for which then only the rest is left. Each is used once: nobody has been in it before. What is kept depends on where the last one was started:
 *   in a v2 control group   its network namespace, what is mounted, and the memory and sockets by which it is told whose it is. Its child is
 *                           born at the start, in that group: to move it there would take longer than its birth (cgroup.h)
 *   else                    a child too, that waits (PLAN_ORDER) in namespaces and a root with /proc, /dev, /tmp and /run */
#pragma once

#include "sandbox/plan.h"

struct spare {
	struct plan_base base;
	struct plan plan;  /* of base; until it is born */
	uid_t owner;       /* of its user namespace: owner.h */
	bool in_cgroup;    /* born in the v2 group that was asked for */
	pid_t pid;
	int pidfd;         /* -1: not born */
	int network;       /* where it is to be born; -1: that is made then, or it has been born */
	int status;        /* read end, non-blocking: struct sandbox_failure */
	int sync;
	int status_end, sync_end; /* the child's, until it is born */
	int *trees;        /* by index of the plan's sources: when it is born those that are tmpfs */
	size_t n_trees;
	void *memory;      /* for the order (order.h), shared with the child; NULL: there is nothing */
	size_t memory_size;
};
#define SPARE_NONE {.pidfd = -1, .network = -1, .status = -1, .sync = -1, .status_end = -1, .sync_end = -1}

/* What is asked for when one is born, besides its base. */
struct spare_wish {
	uid_t owner;
	const struct sandbox *network_of; /* with a base that has no network of its own; NULL: the host's */
	const struct cgroup *cgroup;      /* to be born in, if it has a v2 group; or NULL */
	size_t memory_size;
};

/* Makes all but its child. 0, or -errno and what failed. */
int spare_begin(const struct plan_base *base, size_t memory_size, struct spare *ret, struct sandbox_failure *ret_failure);
/* Its child. 0, or -errno and what failed, and s is to be discarded; that the child fails is seen later, by its status. */
int spare_bear(struct spare *s, const struct spare_wish *wish, struct sandbox_failure *ret_failure);
/* The one that is kept, if it is what is wanted: one that is alive, or is still to be born. */
bool spare_take(const struct plan_base *base, const struct spare_wish *wish, struct spare *ret);
/* Ends the child, if it is still ours, and frees all. */
void spare_discard(struct spare *s);
