/* SPDX-License-Identifier: ISC */
/* enter_child.c: the steps of one more process in a sandbox that runs. IN THE CHILD: a copy of the forker that goes among processes
 * which are not trusted. None of them may look into it (it is not dumpable, and until it has entered it belongs to the host's user
 * namespace), and nothing that they made is opened before it is one of them. */
#include "sandbox/child.h"

#include "base/fdpass.h"
#include "sandbox/openat2.h"
#include "sandbox/order.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

/* TIOCGPTPEER opens the other end by no name: nothing that lies in the sandbox is asked for it. */
#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

/* Its pid namespace we were born in. */
int child_enter(struct child *c, const struct plan_step *s)
{
	const int all = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
	struct stat before, after;

	(void)s;
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || stat("/", &before) < 0)
		return -errno;
	if (setns(c->entry->pidfd, all) < 0 || stat("/", &after) < 0)
		return -errno;
	/* one that has not left the host's root yet */
	return before.st_dev == after.st_dev && before.st_ino == after.st_ino ? -EBUSY : 0;
}

static int open_devpts(void)
{
	cleanup_close int fs = fsopen("devpts", FSOPEN_CLOEXEC);
	int mnt;

	if (fs < 0 || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	mnt = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
	return mnt < 0 ? -errno : mnt;
}

/* Of a file system of its own that is mounted nowhere, so that no other process of the sandbox can open it by a path, neither end is
 * the host's, and all of it is gone with the last descriptor. */
int child_terminal(struct child *c, const struct plan_step *s)
{
	const struct winsize size = {.ws_row = c->entry->rows, .ws_col = c->entry->columns};
	cleanup_close int devpts = open_devpts();
	int locked = 0;

	(void)s;
	if (devpts < 0)
		return devpts;
	c->master = openat(devpts, "ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (c->master < 0 || ioctl(c->master, TIOCSPTLCK, &locked) < 0)
		return -errno;
	c->terminal = ioctl(c->master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (c->terminal < 0 || fchown(c->terminal, c->spec->uid, c->spec->gid) < 0 || ioctl(c->master, TIOCSWINSZ, &size) < 0)
		return -errno;
	return 0;
}

int child_inside(struct child *c, const struct plan_step *s)
{
	(void)s;
	return trp_fd_send(c->sync_fd, "i", 1, &c->master, c->master >= 0, 0);
}

int child_controlling(struct child *c, const struct plan_step *s)
{
	(void)c, (void)s;
	return ioctl(STDIN_FILENO, TIOCSCTTY, 0) < 0 ? -errno : 0;
}

static const char *path_of(const struct child *c)
{
	for (size_t i = 0; c->spec->envp[i]; i++)
		if (strncmp(c->spec->envp[i], "PATH=", 5) == 0)
			return c->spec->envp[i] + 5;
	return "";
}

/* The daemon's program is what /proc/self/exe is until execve(2), and a script or a link of the service's may name that. Landlock has no rule for
 * it. Without Landlock only what lies where nobody in here can write is executed, by the name that the kernel has for it: no link is on the way, and
 * on a read-only mount nobody puts another there. */
static int where_nobody_writes(const char *path, char ret[PATH_MAX])
{
	cleanup_close int fd = trp_openat2(AT_FDCWD, path, O_PATH, RESOLVE_NO_MAGICLINKS);
	struct statfs fs;
	char name[32];
	ssize_t n;

	if (fd < 0)
		return fd;
	if (fstatfs(fd, &fs) < 0)
		return -errno;
	if (!(fs.f_flags & ST_RDONLY))
		return -EPERM;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	n = readlink(name, ret, PATH_MAX - 1);
	if (n < 0)
		return -errno;
	ret[n] = '\0';
	return ret[0] == '/' ? 0 : -EPERM;
}

static int execute(struct child *c, const char *path)
{
	char real[PATH_MAX];
	int r = c->no_landlock ? where_nobody_writes(path, real) : 0;

	if (r < 0)
		return r;
	syscall(SYS_execve, c->no_landlock ? real : path, c->spec->argv, c->spec->envp);
	return -errno;
}

int child_exec_by_name(struct child *c)
{
	const char *name = c->spec->argv[0];
	char path[PATH_MAX];
	int result = -ENOENT;

	if (strchr(name, '/'))
		return execute(c, name);
	for (const char *dir = path_of(c); *dir;) {
		int len = (int)strcspn(dir, ":"), r;
		if (len > 0 && snprintf(path, sizeof(path), "%.*s/%s", len, dir, name) < (int)sizeof(path)) {
			r = execute(c, path);
			if (r != -ENOENT && r != -ENOTDIR && r != -EACCES && r != -EPERM)
				return r;
			if (r == -EACCES || r == -EPERM)
				result = r;
		}
		dir += len + (dir[len] == ':');
	}
	return result;
}
