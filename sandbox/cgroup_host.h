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
	bool births; /* a process of the daemon's can be born in a new v2 group, and live */
	int v2_parent_fd, v1_parent_fd[CGROUP_CONTROLLERS]; /* to remove it at the end */
	char base[64];
	const char *within; /* NULL: below our own group */
};

/* The number in a group's file, or behind key in it; UINT64_MAX: it cannot be read. The kernel gives all of such a file to the first read(). */
uint64_t cgroup_number(int dir, const char *file, const char *key);
uint64_t cgroup_number_of_fd(int fd, const char *key);

const char *cgroup_controller_name(enum cgroup_controller c);

/* Tries it, in a group below v2_fd. */
bool cgroup_births_work(int v2_fd);
