/* SPDX-License-Identifier: ISC */
/* cgroup_host.h: inside sandbox/ only: what cgroup.c needs to know of the host's hierarchies. */
#pragma once

#include "sandbox/cgroup.h"

enum cgroup_controller { CGROUP_PIDS, CGROUP_MEMORY, CGROUP_CPU, CGROUP_IO, CGROUP_CONTROLLERS };
_Static_assert(CGROUP_CONTROLLERS == CGROUP_V1_MAX, "one v1 group for each");

struct cgroup_host {
	int v2_fd;                     /* the group that holds all, in v2; -1: none */
	bool v2_has[CGROUP_CONTROLLERS];
	int v1_fd[CGROUP_CONTROLLERS]; /* the same in v1; -1: not there, or v2 has the controller */
	int v2_parent_fd, v1_parent_fd[CGROUP_CONTROLLERS]; /* to remove it at the end */
	char base[64];
	const char *within; /* NULL: below our own group */
};

const char *cgroup_controller_name(enum cgroup_controller c);
