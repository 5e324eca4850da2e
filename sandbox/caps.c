/* SPDX-License-Identifier: ISC */
/* caps.c: ids and capabilities. Runs IN THE CHILD, a forked copy with one thread.
 *
 * The ids by raw system calls: libc's setresuid() would signal threads that the copy does not have. Order: securebits and
 * bounding set while CAP_SETPCAP is there, then the ids (capabilities survive that because of NO_SETUID_FIXUP), then
 * every set is emptied and looked at. */
#include "sandbox/child.h"

#include <linux/capability.h>
#include <linux/securebits.h>
#include <string.h>
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
	unsigned long cap = 0;

	(void)c, (void)s;
	if (prctl(PR_SET_SECUREBITS, SECUREBITS, 0, 0, 0) < 0)
		return -errno;
	/* also those of a newer kernel that libcap has no name for: the kernel says where they end */
	while (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0)
		cap++;
	return errno == EINVAL && cap > CAP_SYS_ADMIN ? 0 : -errno;
}

int child_ids(struct child *c, const struct plan_step *s)
{
	(void)s;
	return set_ids(c->spec->uid, c->spec->gid);
}

/* By the system calls: libcap allocates, and each page that a forked copy writes to is copied first. */
static int empty_sets(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {0};

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 || syscall(SYS_capset, &header, sets) < 0)
		return -errno;
	memset(sets, 0xff, sizeof(sets));
	if (syscall(SYS_capget, &header, sets) < 0)
		return -errno;
	/* the kernel said yes: did it? */
	for (size_t i = 0; i < TRP_ARRAY_SIZE(sets); i++)
		if (sets[i].effective || sets[i].permitted || sets[i].inheritable)
			return -ENOTRECOVERABLE;
	return 0;
}

int child_drop_caps(struct child *c, const struct plan_step *s)
{
	int r = empty_sets();

	(void)c, (void)s;
	if (r == 0 && (prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN, 0, 0, 0) != 0 || prctl(PR_GET_SECUREBITS, 0, 0, 0, 0) != SECUREBITS))
		r = -ENOTRECOVERABLE;
	return r;
}

int child_no_new_privs(struct child *c, const struct plan_step *s)
{
	(void)c, (void)s;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}
