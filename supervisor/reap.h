/* SPDX-License-Identifier: ISC */
/* reap.h: children by pidfd: no pid is ever used again under us (pidfd_open(2), waitid(2) P_PIDFD). */
#pragma once

#include "base/util.h"
#include <sys/types.h>

/* A descriptor for a child that has not been reaped, close-on-exec, or -errno. */
int reap_pidfd(pid_t child);
/* Reaps the child if it has ended: 1 and a wait(2) status; 0 it runs; or -errno. */
int reap_status(int pidfd, int *ret_status);
/* As kill(2). -ESRCH once it is gone. */
int reap_kill(int pidfd, int signo);
/* "exited with code 3", "killed by signal 9 (KILL)" */
void reap_text(int status, char *out, size_t size);
