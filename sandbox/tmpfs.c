/* SPDX-License-Identifier: ISC */
#include "sandbox/tmpfs.h"
#include "sandbox/weaken.h"

#include <stdio.h>
#include <sys/mount.h>

static int set_number(int fs, const char *key, unsigned long long value, bool octal)
{
	char text[32];

	snprintf(text, sizeof(text), octal ? "%llo" : "%llu", value);
	return fsconfig(fs, FSCONFIG_SET_STRING, key, text, 0) < 0 ? -errno : 0;
}

int tmpfs_make(const struct plan_step *s, uid_t uid, gid_t gid, uint64_t attr)
{
	cleanup_close int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
	int mnt, r;

	if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "source", "tmpfs", 0) < 0)
		return -errno;
	r = set_number(fs, "size", s->number, false);
	if (r == 0)
		r = set_number(fs, "nr_inodes", s->number / 2048 + 1024, false);
	if (r == 0)
		r = set_number(fs, "mode", s->mode, true);
	if (r == 0)
		r = set_number(fs, "uid", uid, false);
	if (r == 0)
		r = set_number(fs, "gid", gid, false);
	if (r < 0)
		return r;
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	mnt = fsmount(fs, FSMOUNT_CLOEXEC, (unsigned)(attr & ~weaken_mount()));
	return mnt < 0 ? -errno : mnt;
}
