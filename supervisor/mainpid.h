/* SPDX-License-Identifier: ISC */
/* mainpid.h: a process of a sandbox has one number inside and another one on the host. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/* The host's number of the child of init (host's number) that is called inside in there, or -1. By /proc; what a tenant can choose
 * of it, names of processes, the kernel escapes. */
pid_t mainpid_on_host(pid_t init, pid_t inside);

/* Pure: the number in the innermost namespace that /proc/PID/status tells (NSpid), or -1. */
pid_t mainpid_innermost(const char *status, size_t len);
