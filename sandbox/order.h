/* SPDX-License-Identifier: ISC */
/* order.h: inside sandbox/ only: what the forker (forker.h) is told of the sandbox that is to be made.
 *
 * It is copied into memory that lies at the same place in both, so that its pointers are right in either; the descriptors go along with it. */
#pragma once

#include "sandbox/cgroup.h"
#include "sandbox/plan.h"

/* One more process in a sandbox that runs (enter.h). */
struct entry {
	int pidfd; /* of its init; -1: it is a sandbox's first process */
	unsigned short rows, columns;
};

/* How it comes into the world. */
struct birth {
	struct entry entry;
	uid_t owner;              /* of its user namespace: owner.h; of a first process */
	bool new_network;         /* made with it, and owned by it */
	bool network_is_ready;    /* lo is up in network */
	bool among_tenants;       /* those who run in its group already can make it slow: nobody is to wait for it */
	int network;              /* where it is to be born: a namespace, or the pidfd of who is in it; -1: the daemon's, or new_network */
	int cgroup;               /* the v2 group in which it is to be born; -1: the daemon's */
	int sync, status;         /* the child's ends */
};
#define BIRTH_NOWHERE {.entry = {.pidfd = -1}, .network = -1, .cgroup = -1, .sync = -1, .status = -1}

/* At the beginning of that memory, as all that it points to. */
struct order {
	size_t size;              /* bytes, with all that it points to */
	struct birth birth;
	struct sandbox_spec spec; /* of it what the child's steps look at */
	struct plan plan;
	struct sandbox_fd *fds;   /* spec.fds */
	int *trees;               /* by index of the plan's sources; -1: not there */
	int groups[CGROUP_V1_MAX]; /* doors of the control groups, -1: none */
	dev_t *own;               /* room for plan.n_tmpfs */
	int n_descriptors;        /* that are sent */
};

/* Bytes that order_write() may need. */
size_t order_size(const struct sandbox_spec *spec, const struct plan *plan);
/* What it is made of. */
struct order_parts {
	const struct sandbox_spec *spec;
	const struct plan *plan;
	const int *trees;  /* of the plan's sources */
	const int *groups; /* CGROUP_V1_MAX: cgroup_open_doors()'s */
	struct birth birth;
};

/* IN THE DAEMON. memory is all 0. The order at its beginning; or NULL: size is too small. */
struct order *order_write(void *memory, size_t size, const struct order_parts *parts);
/* IN THE DAEMON. 0 or -errno. */
int order_send(int sock, struct order *o);
/* IN THE FORKER. To the same memory, with the numbers that the descriptors have here. 1, 0: end of file; or -errno. */
int order_receive(int sock, void *memory, size_t size);
