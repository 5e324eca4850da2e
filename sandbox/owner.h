/* SPDX-License-Identifier: ISC */
/* owner.h: inside sandbox/ only: who makes a sandbox's user namespace. */
#pragma once

#include "base/util.h"
#include <sys/types.h>

/* The kernel counts inotify instances and watches, timers and queued signals, locked memory, message queues, processes and
 * namespaces of a user namespace against its owner too, the effective user of who made it (ucounts, kernel/ucount.c; limits:
 * /proc/sys/user, /proc/sys/fs/inotify, and the maker's rlimits). Were that root, all services and the host's own root would share
 * them, and any service could use them up. So it is an id of the sandbox's own range, which nobody has outside of it: the
 * rights of an owner over the namespace are those of nobody. */
struct owner {
	bool changed;
	int securebits;
	int dumpable;
};

/* The calling process becomes that effective user, with all of its capabilities, for the moment of clone3(2). 0 or -errno, with
 * nothing changed. Not root: 0, and nothing is done. */
int owner_enter(struct owner *o, uid_t uid);
/* Back. In the daemon only, the child stays; a failure ends the daemon, which must not go on as somebody else. */
void owner_leave(struct owner *o);
