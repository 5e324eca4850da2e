/* SPDX-License-Identifier: ISC */
/* child.h: inside sandbox/ only: the state of the child between clone3 and execveat, and its steps.
 *
 * Everything declared here runs IN THE CHILD, which has the forker's memory (forker.h), or a copy of it. No malloc, no stdio, no libc call that knows of threads, and nothing static is changed. Each step returns 0 or -errno. */
#pragma once

#include "sandbox/plan.h"

struct child {
	const struct sandbox_spec *spec;
	const struct plan *plan;
	const int *trees; /* detached mounts, by index of plan->sources; -1: optional and not there. NULL: an entry */
	const int *groups; /* what the daemon opened of the v1 control groups (cgroup_open_doors()) */
	dev_t *own;       /* st_dev of each tmpfs that we made; room for plan->n_tmpfs */
	size_t n_own;
	int sync_fd;
	int status_fd;
	int exec_fd;
	int root_fd; /* the new root */
	bool network_is_ready; /* made by the daemon, with lo up and its ports */
	int masks[2];     /* mounts that cover a file, a directory; -1: none yet */
	const struct entry *entry; /* of one more process in a sandbox that runs (order.h) */
	int terminal, master;  /* of an entry with one, else -1 */
	bool no_landlock;      /* the kernel has none, and the profile accepts that */
	char detail[120]; /* what exactly failed; set by a step that knows better than its path */
};

/* Runs the plan. Never returns: execveat, or a struct sandbox_failure on status_fd and _exit. */
void child_run(struct child *c) __attribute__((noreturn));
/* IN THE FORKER, for all of its children. A handler of the daemon's is gone with clone3's CLEAR_SIGHAND; what it ignores (SIGPIPE) would stay ignored. */
void child_default_signals(void);

/* target.c: paths inside the new root, before pivot. None follows a link out of it. */
enum target_kind { TARGET_DIR, TARGET_FILE };
/* An O_PATH descriptor of path (>= 0) or -errno. What is missing is made if it lies on a tmpfs of ours. */
int target_open(const struct child *c, const char *path, enum target_kind kind);
/* The same for the directory that holds path; *ret_name points at path's last component. */
int target_open_parent(const struct child *c, const char *path, const char **ret_name);
/* An existing path; -ENOENT otherwise. */
int target_open_existing(const struct child *c, const char *path);
/* Is fd on one of our own tmpfs? On the root's? */
bool target_is_own(const struct child *c, int fd);
bool target_is_root_fs(const struct child *c, int fd);

/* mounts.c */
int child_private(struct child *c, const struct plan_step *s);
int child_root(struct child *c, const struct plan_step *s);
int child_tree(struct child *c, const struct plan_step *s);
int child_symlink(struct child *c, const struct plan_step *s);
int child_tmpfs(struct child *c, const struct plan_step *s);
int child_data(struct child *c, const struct plan_step *s);
int child_dir(struct child *c, const struct plan_step *s);
int child_proc(struct child *c, const struct plan_step *s);
int child_mask(struct child *c, const struct plan_step *s);
int child_readonly(struct child *c, const struct plan_step *s);
int child_seal(struct child *c, const struct plan_step *s);
int child_pivot(struct child *c, const struct plan_step *s);

/* caps.c */
int child_ns_root(struct child *c, const struct plan_step *s);
int child_bounding(struct child *c, const struct plan_step *s);
int child_ids(struct child *c, const struct plan_step *s);
int child_drop_caps(struct child *c, const struct plan_step *s);
int child_no_new_privs(struct child *c, const struct plan_step *s);

/* enter_child.c */
int child_enter(struct child *c, const struct plan_step *s);
int child_terminal(struct child *c, const struct plan_step *s);
int child_inside(struct child *c, const struct plan_step *s);
int child_controlling(struct child *c, const struct plan_step *s);
/* As execvp(3), with PATH of the spec's environment. Returns -errno; -EPERM: without Landlock what the service could have written is not executed. */
int child_exec_by_name(struct child *c);

/* addresses.c */
int child_all_addresses(struct child *c, const struct plan_step *s);

/* landlock.c */
int child_landlock(struct child *c, const struct plan_step *s);
