/* SPDX-License-Identifier: ISC */
/* caps.c: ids and capabilities. Runs IN THE CHILD.
 *
 * Raw system calls: libc's setresuid() would signal threads that a forked copy of the daemon does
 * not have, libcap allocates. Order: securebits and bounding set while CAP_SETPCAP is there, then
 * the ids (capabilities survive that because of NO_SETUID_FIXUP), then every set is emptied and
 * looked at. */
#include "sandbox/child.h"

#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define SECUREBITS                                                                                 \
	(SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |                           \
		SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |                          \
		SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED)

static int set_ids(uid_t uid, gid_t gid)
{
	if (syscall(SYS_setgroups, 0, NULL) < 0 || syscall(SYS_setresgid, gid, gid, gid) < 0 ||
		syscall(SYS_setresuid, uid, uid, uid) < 0)
		return -errno;
	return 0;
}

/* The daemon's own id has no name in the new namespace; what we make must belong to somebody in it.
 */
int child_ns_root(struct child *c, const struct plan_step *s)
{
	(void)c, (void)s;
	return set_ids(0, 0);
}

int child_bounding(struct child *c, const struct plan_step *s)
{
	(void)c, (void)s;
	if (prctl(PR_SET_SECUREBITS, SECUREBITS, 0, 0, 0) < 0)
		return -errno;
	for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return -errno;
	return 0;
}

int child_ids(struct child *c, const struct plan_step *s)
{
	(void)s;
	return set_ids(c->spec->uid, c->spec->gid);
}

static bool any(const struct __user_cap_data_struct d[2])
{
	return d[0].effective | d[0].permitted | d[0].inheritable | d[1].effective |
	       d[1].permitted | d[1].inheritable;
}

int child_drop_caps(struct child *c, const struct plan_step *s)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {0}, now[2];

	(void)c, (void)s;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ||
		syscall(SYS_capset, &head, none) < 0 || syscall(SYS_capget, &head, now) < 0)
		return -errno;
	if (any(now) || prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN, 0, 0, 0) != 0 ||
		prctl(PR_GET_SECUREBITS, 0, 0, 0, 0) != SECUREBITS)
		return -ENOTRECOVERABLE; /* the kernel said yes and did not */
	return 0;
}

int child_no_new_privs(struct child *c, const struct plan_step *s)
{
	(void)c, (void)s;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}
