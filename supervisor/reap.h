/* SPDX-License-Identifier: ISC */
/* reap.h: children by pidfd: no pid is ever used again under us (pidfd_open(2), waitid(2) P_PIDFD). */
#pragma once

#include "base/util.h"
#include <sys/types.h>

/* A descriptor for a child that has not been reaped, close-on-exec, or -errno. */
int reap_pidfd(pid_t child);
/* Reaps the child if it has ended: 1 and a wait(2) status; 0 it runs; or -errno. */
int reap_status(int pidfd, int *ret_status);
/* Of a process whose parent we are not, because an earlier daemon started it: status when it has ended. No wait(2) status reads so. */
#define REAP_UNKNOWN (-1)
bool reap_has_ended(int pidfd);
/* Waits for the end of one that was killed, whoever started it. */
void reap_await(int pidfd);
/* Its pid; -1: it has ended and was reaped; other -errno: no pidfd. */
pid_t reap_pid(int pidfd);
/* As kill(2). -ESRCH once it is gone. */
int reap_kill(int pidfd, int signo);
/* "exited with code 3", "killed by signal 9 (KILL)" */
void reap_text(int status, char *out, size_t size);
