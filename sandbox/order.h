/* SPDX-License-Identifier: ISC */
/* order.h: inside sandbox/ only: what a child that waits is told: whose sandbox it is in.
 *
 * The plan goes through memory that daemon and child share, mapped before the child was born, so that its pointers are the same in both;
 * the descriptors go through the sync socket. The daemon writes all before it sends, and nothing afterwards. */
#pragma once

#include "sandbox/cgroup.h"
#include "sandbox/plan.h"

/* In the shared memory, as all that it points to. */
struct order {
	struct sandbox_spec spec; /* of it what the child's steps look at */
	struct plan plan;
	struct sandbox_fd *fds;   /* spec.fds */
	int *trees;               /* by index of the plan's sources; -1: not there, or attached before PLAN_ORDER */
	int groups[CGROUP_V1_MAX]; /* doors of the control groups, -1: none */
	dev_t *own;               /* room for plan.n_tmpfs */
	int n_descriptors;        /* that are sent: the program, groups, fds, trees */
};

/* Bytes that order_write() may need. */
size_t order_size(const struct sandbox_spec *spec, const struct plan *plan);
/* IN THE DAEMON. trees[] of the plan's sources; groups: cgroup_open_doors()'s. The order at the beginning of memory, or NULL: size is too small. */
struct order *order_write(void *memory, size_t size, const struct sandbox_spec *spec, const struct plan *plan, const int *trees,
	const int groups[CGROUP_V1_MAX]);
/* IN THE DAEMON. 0 or -errno. */
int order_send(int sync_fd, struct order *o);
/* IN THE CHILD. 1, 0: end of file, the daemon does not want it any more; or -errno. */
int order_receive(int sync_fd, struct order **ret);
