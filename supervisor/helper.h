/* SPDX-License-Identifier: ISC */
/* helper.h: a process of ours that the daemon starts beside a sandbox as root, and that makes itself small (sandbox/beside.h). */
#pragma once

#include "sandbox/cgroup.h"
#include <ev.h>
#include <spawn.h>
#include <sys/types.h>

#define HELPER_FDS_MAX 8

/* Executes a program as a session of its own, with every signal at its default: nothing of the daemon is in it but the descriptors that
 * files (NULL: none besides 0 to 2) names, as all of the daemon's are close-on-exec. 0 and its pid and pidfd, or -errno. */
int helper_run(const char *path, char *const argv[], char *const envp[], const posix_spawn_file_actions_t *files, pid_t *ret_pid,
	int *ret_pidfd);
/* Executes trpsup's own program of that name with one argument (NULL: none) and an empty environment. Its descriptors are 0 and 1
 * /dev/null, and from 2 on those of from (n of them: borrowed; the first is its standard error). 0 and its pid and pidfd, or -errno. */
int helper_start(const char *name, const char *argument, const int *from, size_t n, pid_t *ret_pid, int *ret_pidfd);
/* Kills it and waits for its end; pid 0: there is none. It must be one that waits for nothing which could keep it. */
void helper_end(pid_t pid, int pidfd);
/* Kills it, and takes its end from the loop whenever that comes: one that waits for a disk ends when that answers. Takes pidfd over. */
void helper_leave(struct ev_loop *loop, int pidfd);
/* The same; ended() is called then, or now if there is no memory to wait for it. */
void helper_leave_then(struct ev_loop *loop, int pidfd, void (*ended)(void));
/* What it uses is the service's, and it cannot be left behind: into its group (NULL: it has none). And when memory is used up it goes
 * as the service does, not before the daemon. 0 or -errno. */
int helper_join(const struct cgroup *cg, pid_t pid);
