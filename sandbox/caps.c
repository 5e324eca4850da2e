/* SPDX-License-Identifier: ISC */
/* caps.c: ids and capabilities. Runs IN THE CHILD, a forked copy with one thread.
 *
 * The ids by raw system calls: libc's setresuid() would signal threads that the copy does not have. Order: securebits and
 * bounding set while CAP_SETPCAP is there, then the ids (capabilities survive that because of NO_SETUID_FIXUP), then
 * every set is emptied and looked at. */
#include "sandbox/child.h"

#include <linux/securebits.h>
#include <sys/capability.h>
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
	if (cap_set_secbits(SECUREBITS) < 0)
		return -errno;
	/* also those of a newer kernel that libcap has no name for: the kernel says where they end */
	for (cap_value_t cap = 0; CAP_IS_SUPPORTED(cap); cap++)
		if (cap_drop_bound(cap) < 0)
			return -errno;
	return 0;
}

int child_ids(struct child *c, const struct plan_step *s)
{
	(void)s;
	return set_ids(c->spec->uid, c->spec->gid);
}

static int empty_sets(void)
{
	cap_t none = cap_init(), now = NULL;
	int r = none && cap_reset_ambient() == 0 && cap_set_proc(none) == 0 ? 0 : -errno;

	if (r == 0) {
		now = cap_get_proc();
		/* the kernel said yes: did it? */
		r = !now ? -errno : cap_compare(now, none) == 0 ? 0 : -ENOTRECOVERABLE;
	}
	cap_free(now);
	cap_free(none);
	return r;
}

int child_drop_caps(struct child *c, const struct plan_step *s)
{
	int r = empty_sets();

	(void)c, (void)s;
	if (r == 0 && (cap_get_bound(CAP_SYS_ADMIN) != 0 || cap_get_secbits() != SECUREBITS))
		r = -ENOTRECOVERABLE;
	return r;
}

int child_no_new_privs(struct child *c, const struct plan_step *s)
{
	(void)c, (void)s;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}
