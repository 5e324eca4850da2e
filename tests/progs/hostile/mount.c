/* SPDX-License-Identifier: ISC */
/* mount.c: mounts, roots and namespaces of its own making. */
#include "hostile.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PLACE "/tmp/hostile-mount"

static struct outcome mount_tmpfs(int sock)
{
	(void)sock;
	mkdir(PLACE, 0755);
	return judge(mount("none", PLACE, "tmpfs", 0, NULL), "mounted a file system");
}

static struct outcome mount_bind(int sock)
{
	(void)sock;
	mkdir(PLACE, 0755);
	return judge(mount("/usr", PLACE, NULL, MS_BIND, NULL), "mounted a directory anew");
}

static struct outcome mount_proc(int sock)
{
	(void)sock;
	mkdir(PLACE, 0755);
	return judge(mount("proc", PLACE, "proc", 0, NULL), "has a /proc without masks");
}

static struct outcome mount_cgroup(int sock)
{
	(void)sock;
	mkdir(PLACE, 0755);
	return judge(mount("none", PLACE, "cgroup2", 0, NULL), "has the control groups");
}

static struct outcome unmount(int sock)
{
	(void)sock;
	return judge(umount2("/dev/shm", MNT_DETACH), "took a mount away");
}

static struct outcome remount(int sock)
{
	(void)sock;
	return judge(mount(NULL, "/dev", NULL, MS_REMOUNT | MS_BIND, NULL), "/dev is writable");
}

static struct outcome fsmount_tmpfs(int sock)
{
	int fs = (int)syscall(SYS_fsopen, "tmpfs", 0), mnt;

	(void)sock;
	if (fs < 0 || syscall(SYS_fsconfig, fs, 6 /* FSCONFIG_CMD_CREATE */, NULL, NULL, 0) < 0)
		return refused(errno);
	mnt = (int)syscall(SYS_fsmount, fs, 0, 0);
	mkdir(PLACE, 0755);
	return judge(mnt < 0 ? mnt : syscall(SYS_move_mount, mnt, "", AT_FDCWD, PLACE, 4 /* MOVE_MOUNT_F_EMPTY_PATH */),
		"mounted a file system");
}

static struct outcome clone_tree(int sock)
{
	(void)sock;
	return judge(syscall(SYS_open_tree, AT_FDCWD, "/usr", 1 /* OPEN_TREE_CLONE */), "cloned a mount");
}

static struct outcome set_attributes(int sock)
{
	struct {
		uint64_t set, clear, propagation, userns_fd;
	} attr = {.clear = 1 /* MOUNT_ATTR_RDONLY */};

	(void)sock;
	return judge(syscall(SYS_mount_setattr, AT_FDCWD, "/dev", 0, &attr, sizeof(attr)), "/dev is writable");
}

static struct outcome pivot(int sock)
{
	(void)sock;
	/* a mount namespace of this process alone: the others keep their root */
	if (unshare(CLONE_NEWNS) < 0)
		return refused(errno);
	return judge(chdir("/tmp") < 0 ? -1 : syscall(SYS_pivot_root, ".", "."), "has another root");
}

static struct outcome change_root(int sock)
{
	(void)sock;
	return judge(chroot("/tmp"), "has another root");
}

static struct outcome unshare_user(int sock)
{
	(void)sock;
	return judge(unshare(CLONE_NEWUSER), "is root of a namespace of its own");
}

static struct outcome unshare_user_mount(int sock)
{
	(void)sock;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return refused(errno);
	return mount_tmpfs(sock);
}

static struct outcome unshare_net(int sock)
{
	(void)sock;
	return judge(unshare(CLONE_NEWNET), "has another network namespace");
}

static struct outcome clone_user(int sock)
{
	long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);

	(void)sock;
	if (pid == 0)
		_exit(0);
	return judge(pid, "is root of a namespace of its own");
}

static struct outcome clone3_user(int sock)
{
	struct clone_args args = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	(void)sock;
	if (pid == 0)
		_exit(0);
	return judge(pid, "is root of a namespace of its own");
}

#define M "mount"
#define ALL "seccomp landlock capabilities"
static const struct attack attacks[] = {
	{"mount", M, mount_tmpfs, ALL, "ENOSYS", 0},
	{"mount-bind", M, mount_bind, ALL, "ENOSYS", 0},
	{"mount-proc", M, mount_proc, ALL, "ENOSYS", 0},
	{"mount-cgroup", M, mount_cgroup, ALL, "ENOSYS", 0},
	{"umount", M, unmount, ALL, "ENOSYS", 0},
	{"remount", M, remount, ALL, "ENOSYS", 0},
	{"fsmount", M, fsmount_tmpfs, ALL, "ENOSYS", 0},
	{"open-tree", M, clone_tree, "seccomp capabilities", "ENOSYS", 0},
	{"mount-setattr", M, set_attributes, "seccomp capabilities", "ENOSYS", 0},
	{"pivot-root", M, pivot, ALL, "ENOSYS", 0},
	{"chroot", M, change_root, "seccomp capabilities", "ENOSYS", 0},
	{"unshare-user", M, unshare_user, "seccomp max-userns", "ENOSYS", 0},
	{"unshare-user-mount", M, unshare_user_mount, "seccomp landlock max-userns", "ENOSYS", 0},
	{"unshare-net", M, unshare_net, "seccomp capabilities", "ENOSYS", 0},
	{"clone-user", M, clone_user, "seccomp max-userns", "ENOSYS", 0},
	{"clone3-user", M, clone3_user, "seccomp max-userns", "ENOSYS", 0},
};
const struct table mount_attacks = TABLE(attacks);
