/* SPDX-License-Identifier: ISC */
/* cgroup.h: one control group for each service, in whatever the host has: a pure v2 tree, v1 controllers, or
 * both (hybrid: limits through v1, cgroup.kill through v2). */
#pragma once

#include "base/util.h"
#include <sys/types.h>

#define CGROUP_UNLIMITED UINT64_MAX

struct cgroup_limits {
	uint64_t pids;         /* CGROUP_UNLIMITED: no limit */
	uint64_t memory;       /* bytes; swap is not added to it */
	uint64_t cpu_permille; /* 1000 = one processor */
};

/* Where groups go, found once at start from /proc/self/mountinfo and /proc/self/cgroup: below the daemon's
 * own group in each hierarchy. In a pure v2 tree the daemon first moves itself into a leaf of its group, because
 * a group with enabled controllers holds no processes. */
struct cgroup_host;

/* base: name of the group that holds all ("trpsup"). -ENOTSUP with a text in err: no pids, memory or cpu
 * controller is to be had. The host is the caller's; free with cgroup_host_free(), which removes base if empty. */
int cgroup_host_open(const char *base, struct cgroup_host **ret, char *err, size_t err_size);
void cgroup_host_free(struct cgroup_host *host);
/* Open directory of the group base in v2, or -1 where there is no v2 tree. Owned by host. */
int cgroup_host_v2_fd(const struct cgroup_host *host);

#define CGROUP_V1_MAX 3

struct cgroup {
	char name[160];
	int v2_fd;                /* O_DIRECTORY, -1: no v2 tree. For CLONE_INTO_CGROUP */
	int v1_fd[CGROUP_V1_MAX]; /* O_DIRECTORY, -1 where not used */
};

/* Makes the group (a leftover of the same name is killed and reused) and sets every limit: one that cannot be
 * set is an error with its file in err. */
int cgroup_create(struct cgroup_host *host, const char *name, const struct cgroup_limits *limits,
	struct cgroup *ret, char *err, size_t err_size);
/* Puts a process into the v1 groups (and v2 too if it was not cloned into it). */
int cgroup_attach(const struct cgroup *cg, pid_t pid, bool v2_too);
/* SIGKILL to every process in it: cgroup.kill, else by reading cgroup.procs until it is empty. */
int cgroup_kill(const struct cgroup *cg);
/* Kills and removes a group of that name that an earlier daemon left. 1: there was one, 0: none, or -errno. */
int cgroup_clear(struct cgroup_host *host, const char *name);
bool cgroup_is_empty(const struct cgroup *cg);
/* rmdir in each hierarchy; -EBUSY while processes are in it. Closes the descriptors on success. */
int cgroup_destroy(struct cgroup_host *host, struct cgroup *cg);
/* Current use, for status: bytes, number, microseconds of CPU. Fields that cannot be read are UINT64_MAX. */
void cgroup_usage(const struct cgroup *cg, uint64_t *memory, uint64_t *pids, uint64_t *cpu_us);
