/* SPDX-License-Identifier: ISC */
/* cgroup.h: one control group for each service, in whatever the host has: a pure v2 tree, v1 controllers, or
 * both (hybrid: limits through v1, cgroup.kill through v2). */
#pragma once

#include "base/util.h"
#include <sys/types.h>

#define CGROUP_UNLIMITED UINT64_MAX

enum cgroup_io_limit {
	CGROUP_IO_READ, /* bytes in a second */
	CGROUP_IO_WRITE,
	CGROUP_IO_READ_OPS, /* requests in a second */
	CGROUP_IO_WRITE_OPS,
	CGROUP_IO_WEIGHT, /* share of the disk's time where it is short, 1 to CGROUP_WEIGHT_MAX */
	CGROUP_IO_LIMITS
};
#define CGROUP_IO_DEVICES 16

/* On each device by itself. Whole disks: the kernel counts for those, not for partitions. */
struct cgroup_io {
	uint64_t limit[CGROUP_IO_LIMITS]; /* 0: none */
	dev_t devices[CGROUP_IO_DEVICES];
	size_t n_devices;
};

struct cgroup_limits {
	uint64_t pids;         /* CGROUP_UNLIMITED: no limit */
	uint64_t memory;       /* bytes; swap is not added to it */
	bool oom_group;        /* a kill for want of memory takes all of it, where v2 has the memory controller */
	uint64_t cpu_permille; /* 1000 = one processor */
	uint32_t cpu_weight;   /* share of the processors where they are short, 1 to CGROUP_WEIGHT_MAX; 0: CGROUP_WEIGHT */
	struct cgroup_io io;   /* for a group that wants some; they are set by cgroup_io_set() */
	bool stays;            /* one that is there goes on, with the memory that is counted in it */
};
#define CGROUP_NO_LIMITS {.pids = CGROUP_UNLIMITED, .memory = CGROUP_UNLIMITED, .cpu_permille = CGROUP_UNLIMITED}
#define CGROUP_WEIGHT     100 /* the kernel's default */
#define CGROUP_WEIGHT_MAX 10000

/* Where groups go, found once at start from /proc/self/mountinfo and /proc/self/cgroup: below the daemon's
 * own group in each hierarchy. In a pure v2 tree the daemon first moves itself into a leaf of its group, because
 * a group with enabled controllers holds no processes. */
struct cgroup_host;

/* base: name of the group that holds all ("trpsup"). within: the group (a path as in /proc/self/cgroup) in which it is to be instead of
 * the daemon's own, where a hierarchy has it: one that was made for us, all whose processes may be moved; borrowed; NULL: none. -ENOTSUP with a text in err: no pids, memory or cpu
 * controller is to be had. The host is the caller's; free with cgroup_host_free(), which removes base if empty. */
int cgroup_host_open(const char *base, const char *within, struct cgroup_host **ret, char *err, size_t err_size);
/* Does an error of these functions say that the host has groups, but none to spare now (cgroup.max.descendants, the kernel's numbers for them)? */
bool cgroup_is_shortage(int error);
/* The processors' share of all that is in base against the groups and processes beside it; weight as in struct cgroup_limits. Where the daemon
 * has a group of its own beside base, that gets the same: services cannot push it aside. 0, or -errno: the kernel did not take it. */
int cgroup_host_set_weight(const struct cgroup_host *host, unsigned weight);
void cgroup_host_free(struct cgroup_host *host);
/* Open directory of the group base in v2, or -1 where there is no v2 tree. Owned by host. */
int cgroup_host_v2_fd(const struct cgroup_host *host);

#define CGROUP_V1_MAX 4

struct cgroup {
	char name[160];
	int v2_fd;                /* O_DIRECTORY, -1: no v2 tree */
	bool births;              /* one may be born in such a group, if it was never killed: cgroup_birthplace() */
	int v1_fd[CGROUP_V1_MAX]; /* O_DIRECTORY, -1 where not used */
};
#define CGROUP_NONE .v2_fd = -1, .v1_fd = {-1, -1, -1, -1} /* members of one that is not open */
_Static_assert(CGROUP_V1_MAX == 4, "each is in CGROUP_NONE");

/* name: of a service or a program. Its directory is called so, or @of-NAME where the kernel may have a file of that name.
 * Makes the group (a leftover of the same name is killed, and removed if it can be unless limits->stays, else reused) and sets every limit but those of io: one that cannot be
 * set is an error with its file in err. */
int cgroup_create(struct cgroup_host *host, const char *name, const struct cgroup_limits *limits,
	struct cgroup *ret, char *err, size_t err_size);
/* Sets limits->io of a group that was made with it. Error: -ENOTSUP (no controller, no throttling, or no scheduler that knows
 * weights), or of write(2); ret_failed is the limit that could not be set, err says why. */
int cgroup_io_set(const struct cgroup_host *host, const struct cgroup *cg, const struct cgroup_io *io, enum cgroup_io_limit *ret_failed,
	char *err, size_t err_size);
bool cgroup_io_wanted(const struct cgroup_io *io);
/* As cgroup_in_force(), of what cgroup_io_set() has set. */
bool cgroup_io_in_force(const struct cgroup_host *host, const struct cgroup *cg, const struct cgroup_io *io, char *differs, size_t size);
/* Sets every limit but those of io of a group that is in use. Else as cgroup_create(): those before the one that cannot be set are new. */
int cgroup_set_limits(const struct cgroup_host *host, const struct cgroup *cg, const struct cgroup_limits *limits, char *err, size_t err_size);
/* The v2 group, for CLONE_INTO_CGROUP; -1: nobody is to be born in it (there is none, or the kernel would kill it at once: cgroup_birth.c). Then it is
 * to be moved there: cgroup_attach_v2(). */
int cgroup_birthplace(const struct cgroup *cg);
/* From now on nobody is: who was born there was killed, and not by us. cgroup_kill() says so by itself. */
void cgroup_no_births(const struct cgroup *cg);
/* Puts a process into the groups. The kernel lets nobody fork meanwhile: the first one in a while waits for a grace period of RCU, some ms. So a
 * sandbox's first process is born in its v2 group, and goes into those of v1 itself. */
int cgroup_attach(const struct cgroup *cg, pid_t pid);
/* The same for v2 alone; nothing where there is no v2 tree. */
int cgroup_attach_v2(const struct cgroup *cg, pid_t pid);
/* Opens what cgroup_enter() needs, -1 where there is no v1 group: the rights are those of who opens it. 0 or -errno, and then none is open. */
int cgroup_open_doors(const struct cgroup *cg, int ret[CGROUP_V1_MAX]);
#define CGROUP_DOORS_CLOSED {-1, -1, -1, -1}
void cgroup_close_doors(int doors[CGROUP_V1_MAX]);
/* IN A CHILD with one thread: goes into the v1 groups, and closes doors. A thread that moves itself alone stops nobody else, and so waits for
 * nothing (cgroup_procs_write_start() in kernel/cgroup/cgroup.c, Linux 5.5). */
int cgroup_enter(const int doors[CGROUP_V1_MAX]);
/* Has all processes in it stand still, or go on (cgroup.freeze). The former takes a moment: cgroup_is_frozen(). Those that are killed end all the
 * same. 0; -EOPNOTSUPP: there is no v2 tree, or an old kernel; or other -errno. */
int cgroup_freeze(const struct cgroup *cg, bool freeze);
bool cgroup_is_frozen(const struct cgroup *cg);
bool cgroup_can_freeze(const struct cgroup *cg);
/* Why a group cannot, in a sentence. */
#define CGROUP_NO_FREEZER "this host has no cgroup v2 tree, or a kernel before 5.2 (cgroup.freeze)"
/* SIGKILL to every process in it: cgroup.kill, else by reading cgroup.procs until it is empty. */
int cgroup_kill(const struct cgroup *cg);
/* Kills and removes a group of that name that an earlier daemon left. 1: there was one, 0: none, or -errno. */
int cgroup_clear(struct cgroup_host *host, const char *name);
/* Opens the group of that name that an earlier daemon made, as it is. -ENOENT: it is not there, or not in every hierarchy. */
int cgroup_adopt(struct cgroup_host *host, const char *name, struct cgroup *ret);
bool cgroup_is_empty(const struct cgroup *cg);
/* Closes its descriptors; the group stays. */
void cgroup_close(struct cgroup *cg);
/* rmdir in each hierarchy; -EBUSY while processes are in it. Closes the descriptors on success. */
int cgroup_destroy(struct cgroup_host *host, struct cgroup *cg);
/* The same, tried again for ms while who was killed is leaving. */
int cgroup_remove(struct cgroup_host *host, struct cgroup *cg, unsigned ms);
/* Current use, for status: bytes, number, microseconds of CPU. Fields that cannot be read are UINT64_MAX. */
void cgroup_usage(const struct cgroup *cg, uint64_t *memory, uint64_t *pids, uint64_t *cpu_us);
/* Bytes that it has read from disks, and written to them; UINT64_MAX: the kernel does not count that for it. */
void cgroup_io_usage(const struct cgroup *cg, uint64_t *ret_read, uint64_t *ret_written);
/* Are these limits what the kernel has, read back file by file? If not, differs says which one is not. */
bool cgroup_in_force(const struct cgroup_host *host, const struct cgroup *cg, const struct cgroup_limits *limits, char *differs, size_t size);
/* cgroup_oom.c: a descriptor that says by epoll(7), with ret_events, that memory of the group was short: in v1 before the kernel kills, which it need
 * not come to, in v2 also when its limit is met and nobody killed. The caller's; or -errno: -ENOTSUP: it has no memory controller. */
int cgroup_oom_watch(const struct cgroup *cg, uint32_t *ret_events);
/* How many of its processes the kernel has killed for want of memory since the group was made; UINT64_MAX: it does not say. watch: of
 * cgroup_oom_watch(), which then says nothing until there is something new; or -1. */
uint64_t cgroup_oom_kills(const struct cgroup *cg, int watch);
/* The most memory that it has used at a time, in bytes; UINT64_MAX: the kernel does not say. */
uint64_t cgroup_memory_peak(const struct cgroup *cg);
