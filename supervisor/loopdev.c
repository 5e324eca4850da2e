/* SPDX-License-Identifier: ISC */
#include "supervisor/loopdev.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#define TRIES 16 /* of finding a free one that nobody else takes meanwhile */

static bool has_file(const char *path, const struct stat *file)
{
	struct loop_info64 info;
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	/* ENXIO: it has none */
	return fd >= 0 && ioctl(fd, LOOP_GET_STATUS64, &info) == 0 && info.lo_device == file->st_dev && info.lo_inode == file->st_ino;
}

int loopdev_find(int file_fd, char ret_path[LOOPDEV_PATH_MAX])
{
	struct dirent *entry;
	struct stat file;
	int found = 0;
	DIR *dir;

	if (fstat(file_fd, &file) < 0)
		return -errno;
	dir = opendir("/sys/block");
	if (!dir)
		return -errno;
	while (!found && (entry = readdir(dir)) != NULL) {
		char path[LOOPDEV_PATH_MAX], backing[64];
		if (strncmp(entry->d_name, "loop", 4) != 0 || strlen(entry->d_name) > 12)
			continue;
		snprintf(backing, sizeof(backing), "%.12s/loop/backing_file", entry->d_name);
		if (faccessat(dirfd(dir), backing, F_OK, 0) < 0)
			continue;
		snprintf(path, sizeof(path), "/dev/%.12s", entry->d_name);
		if (has_file(path, &file)) {
			memcpy(ret_path, path, sizeof(path));
			found = 1;
		}
	}
	closedir(dir);
	return found;
}

int loopdev_attach(int file_fd, char ret_path[LOOPDEV_PATH_MAX])
{
	struct loop_config config = {.fd = (uint32_t)file_fd, .info.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO};
	cleanup_close int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);

	if (control < 0)
		return -errno;
	for (int i = 0; i < TRIES; i++) {
		char path[LOOPDEV_PATH_MAX];
		int n = ioctl(control, LOOP_CTL_GET_FREE);
		cleanup_close int fd = -1;
		if (n < 0)
			return -errno;
		snprintf(path, sizeof(path), "/dev/loop%d", n);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			return -errno;
		if (ioctl(fd, LOOP_CONFIGURE, &config) == 0) {
			memcpy(ret_path, path, sizeof(path));
			return trp_steal_fd(&fd);
		}
		if (errno == EINVAL && (config.info.lo_flags & LO_FLAGS_DIRECT_IO))
			config.info.lo_flags &= ~(uint32_t)LO_FLAGS_DIRECT_IO; /* not with this file system: through the page cache then */
		else if (errno != EBUSY)
			return -errno;
	}
	return -EBUSY;
}
