/* SPDX-License-Identifier: ISC */
/* enter.h: one more process in a sandbox that runs, with no control less than those that run there. Runs in the daemon, which waits for nothing that
 * they could make slow.
 *
 *   daemon                                   child of the forker's (forker.h; in the sandbox's pid namespace, else the host's yet)
 *   plan_make_entry() (pure)
 *   gives the order ---------------------->  born in its v2 group; goes into its v1 groups by itself (cgroup.h); cannot be looked into; joins all
 *                                            namespaces of the sandbox's init; makes the terminal, of a devpts of its own
 *   sandbox_admit() <----------------------  says that it is inside, with the terminal's master
 *   raises limits, gives the word -------->  runs the steps of a start that bind a process, and executes argv[0], which is
 *                                            looked for inside, with the tenant's rights
 *   status pipe: EOF = the program runs
 *
 * No program of the host is executed inside, so that none can be reached by /proc/PID/exe, and no descriptor of the host's comes in
 * but those of spec->fds. */
#pragma once

#include "sandbox/sandbox.h"

struct sandbox_terminal {
	unsigned short rows, columns;
};

struct sandbox_entry {
	struct sandbox child; /* as after sandbox_spawn() */
	int sync_fd;          /* readable: it is inside, or it has failed */
	bool attach;          /* it could not be born in its v2 group */
};

/* spec: as that of box, with what the process differs in (argv, envp, uid, gid, fds); exec_fd is -1. box must have executed its program, or
 * its root is not its own yet. terminal NULL: none. On success the caller owns all descriptors of ret. -errno with ret_failure. */
int sandbox_enter(const struct sandbox_spec *spec, const struct sandbox *box, const struct sandbox_terminal *terminal,
	struct sandbox_entry *ret, struct sandbox_failure *ret_failure);
/* sync_fd is readable; it is closed. With a terminal *ret_master is its other end, which is the caller's. -EPIPE: the child has
 * failed, and says on its status pipe why. Other -errno with ret_failure: it must be killed. */
int sandbox_admit(const struct sandbox_spec *spec, struct sandbox_entry *entry, int *ret_master, struct sandbox_failure *ret_failure);
