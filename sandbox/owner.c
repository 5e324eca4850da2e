/* SPDX-License-Identifier: ISC */
/* owner.c: see owner.h. Runs in the daemon, which has one thread. */
#include "sandbox/owner.h"

#include <linux/securebits.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SAME ((uid_t)-1)

int owner_enter(struct owner *o, uid_t uid)
{
	*o = (struct owner){.securebits = prctl(PR_GET_SECUREBITS, 0, 0, 0, 0), .dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0)};
	if (geteuid() != 0)
		return 0; /* unprivileged: it is the owner of its own already */
	if (o->securebits < 0 || o->dumpable < 0)
		return -errno;
	/* else the capabilities would go with the id */
	if (prctl(PR_SET_SECUREBITS, o->securebits | SECBIT_NO_SETUID_FIXUP, 0, 0, 0) < 0)
		return -errno;
	if (syscall(SYS_setresuid, SAME, uid, SAME) < 0) {
		int error = -errno;
		prctl(PR_SET_SECUREBITS, o->securebits, 0, 0, 0);
		return error;
	}
	o->changed = true;
	/* the change has cleared it, and the child's /proc/self would be somebody else's */
	if (o->dumpable == 1)
		prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	return 0;
}

void owner_leave(struct owner *o)
{
	if (!o->changed)
		return;
	if (syscall(SYS_setresuid, SAME, 0, SAME) < 0 || prctl(PR_SET_SECUREBITS, o->securebits, 0, 0, 0) < 0 ||
		(o->dumpable == 1 && prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0))
		abort();
	o->changed = false;
}
