/* SPDX-License-Identifier: ISC */
/* spare.h: inside sandbox/ only, IN THE DAEMON: what of a sandbox is the same whosever it will be: its network namespace, what is mounted, and the
 * sockets by which its first process is told whose it is. One is kept for the next start, for which then only the rest is left. Each is used
 * once: nobody has been in it before. The process itself is born at the start, in its v2 control group: to move it there would take longer than
 * its birth (cgroup.h). */
#pragma once

#include "sandbox/plan.h"

struct spare {
	struct plan_base base;
	int network;       /* where it is to be born; -1: that is made then */
	int sync[2], status[2]; /* equip_ways() */
	int *trees;        /* by index of base's sources; NULL: there is nothing */
	size_t n_trees;
};
#define SPARE_NONE {.network = -1, .sync = {-1, -1}, .status = {-1, -1}}

/* Makes all but its network. 0, or -errno and what failed. */
int spare_begin(const struct plan_base *base, struct spare *ret, struct sandbox_failure *ret_failure);
/* Makes its network, if it has one of its own that the daemon can make for it. The same. */
int spare_make_network(struct spare *s, struct sandbox_failure *ret_failure);
/* The one that is kept, if it is what is wanted. */
bool spare_take(const struct plan_base *base, struct spare *ret);
void spare_discard(struct spare *s);
