/* SPDX-License-Identifier: ISC */
/* statedisk.c: see statedisk.h. In the daemon; what may take long is a child's. */
#include "supervisor/statedisk.h"
#include "base/io.h"
#include "supervisor/helper.h"
#include "supervisor/loopdev.h"
#include "supervisor/reap.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define MARK    ".grows"
#define PATIENCE_MS 60000
#define LOCK_FD 3 /* of the scripts: the image, open */

/* $0: the image; $1: the size it is to have. Its tables are written when they are needed, and nothing is kept for root. What they say goes to the daemon's log. */
#define MAKE "mkfs.ext4 -q -F -m 0 -E lazy_itable_init=1,lazy_journal_init=1,nodiscard \"$0\""
/* One that a daemon has started which was killed is waited for. The last one that had it mounted may take a moment; whoever keeps it (a copy of the
 * host's mounts in some other namespace) is said. From the mark until it is taken away the image may have a size that its file system has not. */
#define GROW                                                                                                                          \
	"flock " TRP_STR(LOCK_FD) "\n"                                                                                                          \
	"for i in 1 2 3 4 5 6 7 8 9 10; do in_use=$(losetup -j \"$0\") && [ -n \"$in_use\" ] || break; sleep .2; done\n"                \
	"[ -z \"$in_use\" ] || { echo \"state-size: cannot grow while it is in use: $in_use\" >&2; exit 3; }\n"                          \
	"e2fsck -fp \"$0\" > /dev/null; [ $? -le 1 ] || exit 5\n"                                                     \
	"old=$(stat -c %s \"$0\") && : > \"$0" MARK "\" || exit 4\n"                                                       \
	"truncate -s \">$1\" \"$0\" && resize2fs \"$0\" > /dev/null || { truncate -s \"$old\" \"$0\"; exit 4; }\n"                     \
	"rm -f \"$0" MARK "\""

char *statedisk_image(const char *state_dir, const char *service)
{
	return trp_asprintf("%s/disks/%s.img", state_dir, service);
}

static int say(char *err, size_t size, int error, const char *what, const char *path)
{
	snprintf(err, size, "%s %s: %s", what, path, strerror(-error));
	return error;
}

static void finish(struct statedisk *d)
{
	ev_io_stop(d->loop, &d->ended);
	trp_close(&d->pidfd);
	d->pid = 0;
	free(d->image);
	free(d->part);
	d->image = d->part = NULL;
}

static void on_ended(struct ev_loop *loop, ev_io *w, int events)
{
	struct statedisk *d = w->data;
	char how[80], text[200] = "";
	int status, error = 0;

	(void)loop;
	(void)events;
	if (reap_status(d->pidfd, &status) <= 0)
		return;
	if (status != 0) {
		error = -EIO;
		reap_text(status, how, sizeof(how));
		snprintf(text, sizeof(text), "state-size: %s, which makes its disk, %s", d->part ? "mkfs.ext4" : "resize2fs", how);
	} else if (d->part && rename(d->part, d->image) < 0) {
		error = -errno;
		snprintf(text, sizeof(text), "state-size: rename %.100s: %s", d->part, strerror(-error));
	}
	if (error < 0 && d->part)
		unlink(d->part);
	finish(d);
	d->done(d, error, text);
}

/* fd: of path */
static int start(struct statedisk *d, struct ev_loop *loop, const char *script, const char *path, int fd, uint64_t size)
{
	static char *const envp[] = {(char *)"PATH=/usr/sbin:/sbin:/usr/bin:/bin", NULL};
	char text[24];
	char *const argv[] = {(char *)"sh", (char *)"-c", (char *)script, (char *)path, text, NULL};
	posix_spawn_file_actions_t files;
	int r;

	snprintf(text, sizeof(text), "%llu", (unsigned long long)size);
	d->again = false;
	posix_spawn_file_actions_init(&files);
	r = -posix_spawn_file_actions_adddup2(&files, fd, LOCK_FD);
	if (r == 0)
		r = helper_run("/bin/sh", argv, envp, &files, &d->pid, &d->pidfd);
	posix_spawn_file_actions_destroy(&files);
	if (r < 0)
		return r;
	d->loop = loop;
	ev_io_init(&d->ended, on_ended, d->pidfd, EV_READ);
	d->ended.data = d;
	ev_io_start(loop, &d->ended);
	return 0;
}

static bool is_empty(const char *dir)
{
	DIR *stream = opendir(dir);
	struct dirent *entry;
	bool empty = true;

	if (!stream)
		return errno == ENOENT;
	while (empty && (entry = readdir(stream)) != NULL)
		empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
	closedir(stream);
	return empty;
}

static int make_new(struct statedisk *d, struct ev_loop *loop, const char *image, const char *dir, uint64_t size, char *err, size_t err_size)
{
	cleanup_free char *part = trp_asprintf("%s.part", image), *name = strdup(image);
	cleanup_free char *parent = strndup(image, (size_t)(strrchr(image, '/') - image));
	cleanup_close int fd = -1;
	int r;

	if (!part || !name || !parent)
		return say(err, err_size, -ENOMEM, "state-size:", image);
	if (!is_empty(dir)) {
		snprintf(err, err_size, "state-size: %s has files already, which lie on the host's file system: move them away, start the service, "
			"and copy them back", dir);
		return -ENOTEMPTY;
	}
	r = trp_mkdir_p(parent, 0700);
	if (r < 0)
		return say(err, err_size, r, "state-size: mkdir", parent);
	unlink(part); /* what a daemon has started that was killed may still write to it */
	fd = open(part, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
		return say(err, err_size, -errno, "state-size:", part);
	r = start(d, loop, MAKE, part, fd, size);
	if (r < 0)
		return say(err, err_size, r, "state-size: /bin/sh, for", part);
	d->image = trp_steal_ptr(&name);
	d->part = trp_steal_ptr(&part);
	return 0;
}

/* Not mounted, so that what grows it may check it: the service is not running. */
static int grow(struct statedisk *d, struct ev_loop *loop, const char *image, int fd, const char *dir, uint64_t size, char *err, size_t err_size)
{
	int r;

	statedisk_unmount(dir);
	d->image = strdup(image);
	r = d->image ? start(d, loop, GROW, image, fd, size) : -ENOMEM;
	if (r == 0)
		return 0;
	free(d->image);
	d->image = NULL;
	return say(err, err_size, r, "state-size: cannot grow", image);
}

/* Also if that cannot be said. */
static bool is_marked(const char *image)
{
	cleanup_free char *mark = trp_asprintf("%s" MARK, image);

	return !mark || access(mark, F_OK) == 0;
}

/* Its file system has the size of the file, and nobody is at it. fd is locked then, or as soon as who has it locked has ended; but there are file
 * systems that know no locks. */
static bool is_whole(const char *image, int fd)
{
	return (flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) && !is_marked(image);
}

int statedisk_make(struct statedisk *d, struct ev_loop *loop, const char *image, const char *dir, uint64_t size, char *err, size_t err_size)
{
	cleanup_close int fd = open(image, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	bool whole = fd >= 0 && is_whole(image, fd);
	struct stat st;

	if (d->pid) { /* for a start that was given up */
		d->again = true;
		return 0;
	}
	if (fd < 0 && errno == ENOENT)
		return size == UINT64_MAX ? 1 : make_new(d, loop, image, dir, size, err, err_size);
	if (fd < 0 || fstat(fd, &st) < 0)
		return say(err, err_size, -errno, "state-size:", image);
	if (size == UINT64_MAX)
		size = (uint64_t)st.st_size;
	if (whole && (uint64_t)st.st_size == size)
		return 1;
	if ((uint64_t)st.st_size > size) {
		snprintf(err, err_size, "state-size: %s has %llu bytes already, and does not shrink", image, (unsigned long long)st.st_size);
		return -EFBIG;
	}
	return grow(d, loop, image, fd, dir, size, err, err_size);
}

void statedisk_cancel(struct statedisk *d)
{
	struct pollfd end = {.fd = d->pidfd, .events = POLLIN};

	if (!d->pid)
		return;
	/* resize2fs moves what the tenant has there */
	if (!d->part && is_marked(d->image))
		(void)poll(&end, 1, PATIENCE_MS);
	kill(-d->pid, SIGKILL); /* its session: the shell and what it runs */
	helper_end(d->pid, d->pidfd);
	if (d->part)
		unlink(d->part);
	finish(d);
}

/* What is shown is a directory of it, mounted over its root: lost+found is nobody's business, and some programs would take it for
 * theirs. e2fsck needs it, the more so when the disk is full. */
static int mount_device(const char *device, const char *dir)
{
	cleanup_free char *data = trp_asprintf("%s/data", dir);
	int r;

	if (!data)
		return -ENOMEM;
	if (mount(device, dir, "ext4", MS_NOSUID | MS_NODEV, "discard,errors=remount-ro") < 0)
		return -errno;
	if ((mkdir(data, 0700) < 0 && errno != EEXIST) || mount(data, dir, NULL, MS_BIND, NULL) < 0) {
		r = -errno;
		statedisk_unmount(dir);
		return r;
	}
	return 0;
}

int statedisk_mount(const char *image, const char *dir, char *err, size_t err_size)
{
	cleanup_close int file = open(image, O_RDWR | O_CLOEXEC | O_NOFOLLOW), device = -1;
	char path[LOOPDEV_PATH_MAX];
	int r;

	if (file < 0)
		return errno == ENOENT ? 0 : say(err, err_size, -errno, "state-size:", image);
	statedisk_unmount(dir);
	r = loopdev_find(file, path);
	if (r == 0) {
		r = device = loopdev_attach(file, path);
		if (r < 0)
			return say(err, err_size, r, "state-size: no loop device (/dev/loop-control) for", image);
	}
	if (r >= 0)
		r = mount_device(path, dir);
	return r < 0 ? say(err, err_size, r, "state-size: mount", image) : 1;
}

void statedisk_unmount(const char *dir)
{
	while (umount2(dir, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
		;
}

void statedisk_sweep(const char *state_dir)
{
	cleanup_free char *disks = trp_asprintf("%s/disks", state_dir);
	DIR *stream = disks ? opendir(disks) : NULL;
	struct dirent *entry;

	while (stream && (entry = readdir(stream)) != NULL) {
		size_t len = strlen(entry->d_name);
		cleanup_free char *dir = NULL;
		if (len <= 4 || strcmp(entry->d_name + len - 4, ".img") != 0)
			continue;
		dir = trp_asprintf("%s/state/%.*s", state_dir, (int)len - 4, entry->d_name);
		if (dir)
			statedisk_unmount(dir);
	}
	if (stream)
		closedir(stream);
}
