/* SPDX-License-Identifier: ISC */
/* blockdev.c: st_dev says it for most file systems (sysfs: Documentation/ABI/testing/sysfs-block). Runs in the daemon. */
#include "supervisor/blockdev.h"
#include "base/io.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/magic.h>
#include <linux/major.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#define DEPTH_MAX 4 /* a loop device on an overlay on ... */
#define TEXT_MAX  (1u << 20)

static int find(const char *path, struct blockdevs *devs, int depth);

static int add(struct blockdevs *devs, dev_t dev)
{
	for (size_t i = 0; i < devs->n; i++)
		if (devs->v[i] == dev)
			return 1;
	if (devs->n == TRP_ARRAY_SIZE(devs->v))
		return -E2BIG;
	devs->v[devs->n++] = dev;
	return 1;
}

/* "254:0\n" */
static int read_dev(int dir, const char *file, dev_t *ret)
{
	cleanup_free char *text = NULL;
	unsigned maj, min;

	if (trp_read_file(dir, file, 64, &text, NULL) < 0 || sscanf(text, "%u:%u", &maj, &min) != 2)
		return -ENODEV;
	*ret = makedev(maj, min);
	return 0;
}

int blockdev_whole(int sys, dev_t dev, dev_t *ret)
{
	char path[64];

	snprintf(path, sizeof(path), "%u:%u/dev", major(dev), minor(dev));
	if (faccessat(sys, path, F_OK, 0) < 0)
		return -ENODEV;
	snprintf(path, sizeof(path), "%u:%u/partition", major(dev), minor(dev));
	if (faccessat(sys, path, F_OK, 0) < 0) {
		*ret = dev;
		return 0;
	}
	snprintf(path, sizeof(path), "%u:%u/../dev", major(dev), minor(dev));
	return read_dev(sys, path, ret);
}

/* The kernel does the I/O of a loop device in the name of who wanted it: its file's disk counts too. */
static void add_backing(int sys, dev_t dev, struct blockdevs *devs, int depth)
{
	cleanup_free char *file = NULL;
	char path[64];

	snprintf(path, sizeof(path), "%u:%u/loop/backing_file", major(dev), minor(dev));
	if (trp_read_file(sys, path, 8192, &file, NULL) < 0)
		return;
	file[strcspn(file, "\n")] = '\0';
	find(file, devs, depth - 1); /* it may be gone; the loop device itself is limited all the same */
}

static int add_disk(dev_t dev, struct blockdevs *devs, int depth)
{
	cleanup_close int sys = open("/sys/dev/block", O_PATH | O_DIRECTORY | O_CLOEXEC);
	dev_t whole;
	int r = sys < 0 ? -ENODEV : blockdev_whole(sys, dev, &whole);

	if (r == 0)
		r = add(devs, whole);
	if (r > 0 && major(whole) == LOOP_MAJOR && depth > 0)
		add_backing(sys, whole, devs, depth);
	return r;
}

/* It may have several, and its st_dev is none of them. */
static int add_btrfs(const char *path, struct blockdevs *devs, int depth)
{
	struct btrfs_ioctl_fs_info_args info = {0};
	cleanup_close int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	char dir_path[128] = "/sys/fs/btrfs/";
	size_t len = strlen(dir_path);
	struct dirent *entry;
	int r = -ENODEV;
	DIR *dir;

	if (fd < 0 || ioctl(fd, BTRFS_IOC_FS_INFO, &info) < 0)
		return -ENODEV;
	for (size_t i = 0; i < BTRFS_FSID_SIZE; i++)
		len += (size_t)snprintf(dir_path + len, sizeof(dir_path) - len, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", info.fsid[i]);
	snprintf(dir_path + len, sizeof(dir_path) - len, "/devices");
	dir = opendir(dir_path);
	while (dir && (entry = readdir(dir))) {
		char file[sizeof(entry->d_name) + 8];
		dev_t dev;
		if (entry->d_name[0] == '.')
			continue;
		snprintf(file, sizeof(file), "%s/dev", entry->d_name);
		r = read_dev(dirfd(dir), file, &dev);
		if (r == 0)
			r = add_disk(dev, devs, depth);
		if (r < 0)
			break;
	}
	if (dir)
		closedir(dir);
	return r;
}

/* Each of "a:b". Names with ":" or blanks in them are escaped: those we do not take apart. */
static int add_layers(char *list, struct blockdevs *devs, int depth)
{
	char *save = NULL;
	int any = -ENODEV;

	if (strchr(list, '\\'))
		return -ENODEV;
	for (char *dir = strtok_r(list, ":", &save); dir; dir = strtok_r(NULL, ":", &save)) {
		int r = dir[0] == '/' ? find(dir, devs, depth - 1) : -ENODEV;
		if (r < 0)
			return r;
		any = any > r ? any : r;
	}
	return any;
}

/* proc_pid_mountinfo(5); overlay is the one whose super options name directories */
static int add_overlay(int fd, struct blockdevs *devs, int depth)
{
	static const char *const keys[] = {"lowerdir=", "lowerdir+=", "datadir+=", "upperdir="};
	cleanup_free char *text = NULL;
	char id[32], *save = NULL, *line, *at;
	struct statx stx;
	int any = -ENODEV;

	if (depth == 0 || statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx) < 0 || !(stx.stx_mask & STATX_MNT_ID) ||
		trp_read_file(AT_FDCWD, "/proc/self/mountinfo", TEXT_MAX, &text, NULL) < 0)
		return -ENODEV;
	snprintf(id, sizeof(id), "%llu ", (unsigned long long)stx.stx_mnt_id);
	for (line = strtok_r(text, "\n", &save); line && strncmp(line, id, strlen(id)) != 0;)
		line = strtok_r(NULL, "\n", &save);
	at = line ? strstr(line, " - overlay ") : NULL;
	at = at ? strrchr(at, ' ') : NULL;
	for (at = at ? strtok_r(at + 1, ",", &save) : NULL; at; at = strtok_r(NULL, ",", &save))
		for (size_t i = 0; i < TRP_ARRAY_SIZE(keys); i++) {
			int r;
			if (strncmp(at, keys[i], strlen(keys[i])) != 0)
				continue;
			r = add_layers(at + strlen(keys[i]), devs, depth);
			if (r < 0)
				return r;
			any = any > r ? any : r;
		}
	return any;
}

static int find(const char *path, struct blockdevs *devs, int depth)
{
	cleanup_close int fd = open(path, O_PATH | O_CLOEXEC);
	struct statfs fs;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0)
		return -errno;
	switch ((unsigned long)fs.f_type) {
	case TMPFS_MAGIC:
	case RAMFS_MAGIC:
	case PROC_SUPER_MAGIC:
	case SYSFS_MAGIC:
	case DEVPTS_SUPER_MAGIC:
		return 0;
	case BTRFS_SUPER_MAGIC:
		return add_btrfs(path, devs, depth);
	case OVERLAYFS_SUPER_MAGIC:
		return add_overlay(fd, devs, depth);
	default:
		return add_disk(st.st_dev, devs, depth);
	}
}

int blockdev_find(const char *path, struct blockdevs *devs)
{
	return find(path, devs, DEPTH_MAX);
}
