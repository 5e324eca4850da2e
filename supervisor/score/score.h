/* SPDX-License-Identifier: ISC */
/* score.h: how far a service is confined, as a table of controls and one number (trpsup score, doc/security.md).
 *
 * It judges the very description that the sandbox is made from (supervisor/box/, sandbox/plan.h, the compiled filter), and for a
 * service that runs compares it with what the kernel says of its processes. Pure; reading /proc is supervisor/inforce.c.
 *
 *   mean  = sum(weight x exposure) / sum(weight), exposure from 0 (none) to 1, times ten
 *   total = the larger of mean and the highest floor of a row: what gives the host away is not made good by other controls
 *
 * The words and their bounds are those of systemd-analyze security. */
#pragma once

#include "sandbox/plan.h"
#include "supervisor/box/box.h"

#include <jansson.h>

#define SCORE_FLOOR_HOST  90 /* tenths: with it the host is as good as taken over */
#define SCORE_FLOOR_GRAVE 75
#define SCORE_FLOOR_BAD   50
#define SCORE_PROCESSES_MAX 4096

struct score_view;
struct score_row;
struct score_process;
struct score_group;

struct score_control {
	const char *name;  /* "no-new-privileges" */
	const char *title; /* one line */
	unsigned weight;   /* 1 to 20 */
	const char *section, *key; /* of the profile, where it is weakened; NULL: nowhere */
	const char *advice;        /* what to write there; %s is nothing special */
	void (*judge)(const struct score_view *v, struct score_row *row);
	/* Compares one process of the service; NULL: nothing can be seen. */
	void (*verify)(const struct score_view *v, const struct score_process *p, struct score_row *row);
	/* Compares the control group. */
	void (*verify_group)(const struct score_view *v, const struct score_group *g, struct score_row *row);
};

struct score_row {
	const struct score_control *control;
	unsigned exposure; /* percent */
	unsigned least;    /* tenths: the total is not below that */
	char has[256];     /* what this service has */
	char advice[256];  /* "": nothing to change, or nothing that can be */
	struct profile_where where; /* of the key; line 0: it is not written, the default holds */
	unsigned looked;   /* processes (or groups) that were compared */
	bool broken;       /* one of them has not what is configured */
	char found[256];   /* the first that has not, and what it has */
};

#define SCORE_ROWS_MAX 80

struct score {
	struct score_row rows[SCORE_ROWS_MAX];
	size_t n;
	unsigned mean, total; /* thousandths: 0 to 10000 */
	const struct score_row *raised; /* whose floor made the total, or NULL */
	bool broken; /* something that is configured is not in force */
};

/* What the kernel says of a process of the service. */
enum score_ns { NS_USER, NS_MNT, NS_PID, NS_NET, NS_IPC, NS_UTS, NS_CGROUP, NS_COUNT };
extern const char *const score_ns_names[NS_COUNT]; /* as in /proc/PID/ns */

struct score_process {
	pid_t pid;
	/* RELAY: trp-relay --loopback in a sandbox beside it; HELPER: trp-notify, trp-learn, with a right over its processes */
	enum { SCORE_UPSTREAM, SCORE_RELAY, SCORE_HELPER } role;
	bool in_group;       /* found in the service's control group */
	unsigned own_ns;     /* bit for each enum score_ns: it is not the daemon's */
	unsigned seccomp;    /* /proc/PID/status: 2 is a filter */
	bool no_new_privs;
	uint64_t caps[5];    /* inheritable, permitted, effective, bounding, ambient */
	uint32_t ids[8];     /* real, effective, saved and file system uid, then gid; on the host */
	uint64_t limit_core, limit_files, limit_file_size, limit_locked; /* hard; UINT64_MAX: none */
	int oom_score_adj;
	char writable[160];  /* first mount that is writable and not in the plan; "" */
	char loose[160];     /* first mount without nosuid, or a device that is not one of ours; "" */
	char proc_options[160];
	bool mounts_known;
};

struct score_group {
	char differs[200]; /* first limit that is not in force; "": all are */
};

/* Parses the text of /proc/PID/status, limits, mountinfo into ret. 0; -EBADMSG: something is not there; -ESRCH: the process has ended, and
 * what else is read of it is not what it had (cgroups(7): a process that has ended is in the root of a hierarchy of version 1). */
int score_read_status(const char *text, struct score_process *ret);
int score_read_limits(const char *text, struct score_process *ret);
int score_read_mounts(const struct plan *plan, const char *text, struct score_process *ret);

/* Made from a site; the box is the service's own. */
struct score_view {
	const struct profile *profile;
	const struct box_site *site;
	const struct sandbox_spec *spec;
	struct plan plan;
	struct cgroup_limits limits;
	struct box *box;
	const struct seccomp_filter *filter;
};

/* site needs no group and no secrets; root_fd: open directory of its root, or -1. 0 or -errno with a sentence in err. */
int score_view_make(const struct box_site *site, int root_fd, struct score_view *ret, char *err, size_t err_size);
void score_view_free(struct score_view *v);

void score_judge(const struct score_view *v, struct score *ret);
void score_verify(const struct score_view *v, const struct score_process *processes, size_t n, const struct score_group *group,
	struct score *s);
/* "OK": of a total in thousandths. */
const char *score_word(unsigned total);

/* All of it. NULL: no memory. */
json_t *score_json(const struct score_view *v, const struct score *s);
/* What it can reach, as lists: paths, system calls, names, networks, secrets. */
json_t *score_reach(const struct score_view *v);
