/* SPDX-License-Identifier: ISC */
/* mounts.c: the steps that build the new root. All run IN THE CHILD: those before PLAN_WAIT while its user namespace has no ids yet, so that
 * nothing can be made in a file system, the others as id 0 of it. */
#include "base/io.h"
#include "sandbox/child.h"
#include "sandbox/openat2.h"
#include "sandbox/tmpfs.h"
#include "sandbox/weaken.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

int child_private(struct child *c, const struct plan_step *s)
{
	(void)c, (void)s;
	return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ? -errno : 0;
}

static int attach(int tree, int target)
{
	int r = move_mount(tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
	return r < 0 ? -errno : 0;
}

/* A tmpfs of ours, made by the daemon or here. Not attached yet. */
static int own_tmpfs(struct child *c, const struct plan_step *s)
{
	const uint64_t attr = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (s->noexec ? MOUNT_ATTR_NOEXEC : 0);
	cleanup_close int mnt = s->source >= 0 ? fcntl(c->trees[s->source], F_DUPFD_CLOEXEC, 0) : tmpfs_make(s, s->uid, s->gid, attr);
	struct stat st;

	if (mnt < 0)
		return s->source >= 0 ? -errno : mnt;
	if (fstat(mnt, &st) < 0)
		return -errno;
	if (c->n_own == c->plan->n_tmpfs)
		return -EOVERFLOW;
	c->own[c->n_own++] = st.st_dev;
	return trp_steal_fd(&mnt);
}

int child_root(struct child *c, const struct plan_step *s)
{
	cleanup_close int old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (old < 0)
		return -errno;
	c->root_fd = own_tmpfs(c, s);
	return c->root_fd < 0 ? c->root_fd : attach(c->root_fd, old);
}

static int attach_at(struct child *c, int tree, const char *path)
{
	cleanup_close int target = -1;
	struct stat st;

	if (fstat(tree, &st) < 0)
		return -errno;
	target = target_open(c, path, S_ISDIR(st.st_mode) ? TARGET_DIR : TARGET_FILE);
	if (target < 0)
		return target;
	return attach(tree, target);
}

int child_tree(struct child *c, const struct plan_step *s)
{
	int tree = c->trees[s->source];

	return tree < 0 ? 0 : attach_at(c, tree, s->path); /* < 0: optional, and not on the host */
}

int child_symlink(struct child *c, const struct plan_step *s)
{
	const char *name;
	cleanup_close int parent = target_open_parent(c, s->path, &name);
	char text[512];
	ssize_t n;

	if (parent < 0)
		return parent;
	n = readlinkat(parent, name, text, sizeof(text) - 1);
	if (n >= 0) {
		text[n] = '\0';
		return strcmp(text, s->text) == 0 ? 0 : -EEXIST;
	}
	if (errno == EINVAL)
		return -EEXIST;
	if (!target_is_own(c, parent))
		return -ENOENT;
	return symlinkat(s->text, parent, name) < 0 ? -errno : 0;
}

int child_tmpfs(struct child *c, const struct plan_step *s)
{
	cleanup_close int tree = own_tmpfs(c, s);

	return tree < 0 ? tree : attach_at(c, tree, s->path);
}

/* The file or directory path of the new root once more, read-only. Not attached yet. */
static int copy_read_only(struct child *c, const char *path)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC};
	cleanup_close int from = target_open_existing(c, path), tree = -1;

	if (from < 0)
		return from;
	tree = open_tree(from, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree < 0 || mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return -errno;
	return trp_steal_fd(&tree);
}

/* Shows it at target too. */
static int show(struct child *c, const char *path, int target)
{
	cleanup_close int tree = copy_read_only(c, path);

	return tree < 0 ? tree : attach(tree, target);
}

static int write_data(int dir, const char *name, const struct plan_step *s)
{
	cleanup_close int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return -errno;
	r = trp_write_all(fd, s->data, s->data_len);
	if (r < 0)
		return r;
	/* chown first: it would take setuid bits off, and mode is what was asked for */
	return fchown(fd, s->uid, s->gid) < 0 || fchmod(fd, s->mode) < 0 ? -errno : 0;
}

static int make_dir(int dir, const char *name, const struct plan_step *s)
{
	cleanup_close int fd = -1;

	if (mkdirat(dir, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return fchown(fd, s->uid, s->gid) < 0 || fchmod(fd, s->mode) < 0 ? -errno : 0;
}

/* Makes it in the hidden directory and shows it over target, which must exist or be on a tmpfs of
 * ours. */
static int overlay(struct child *c, const struct plan_step *s, enum target_kind kind)
{
	char path[64];
	cleanup_close int target = target_open(c, s->path, kind);
	cleanup_close int hidden = target_open_existing(c, PLAN_HIDDEN_DIR);
	int r;

	if (target < 0)
		return target;
	if (hidden < 0)
		return hidden;
	snprintf(path, sizeof(path), PLAN_HIDDEN_DIR "/%td", s - c->plan->steps);
	const char *name = path + sizeof(PLAN_HIDDEN_DIR);
	r = kind == TARGET_DIR ? make_dir(hidden, name, s) : write_data(hidden, name, s);
	return r < 0 ? r : show(c, path, target);
}

/* On the root's tmpfs, which will be read-only, the file is the real thing. Anywhere else (/run, a
 * read-only image) it is mounted over its place, so that whoever owns the directory cannot replace
 * it. */
int child_data(struct child *c, const struct plan_step *s)
{
	const char *name;
	cleanup_close int parent = target_open_parent(c, s->path, &name);

	if (parent < 0)
		return parent;
	if (target_is_root_fs(c, parent))
		return write_data(parent, name, s);
	trp_close(&parent);
	return overlay(c, s, TARGET_FILE);
}

int child_dir(struct child *c, const struct plan_step *s)
{
	const char *name;
	cleanup_close int parent = target_open_parent(c, s->path, &name);

	if (parent < 0)
		return parent;
	if (target_is_own(c, parent))
		return make_dir(parent, name, s);
	trp_close(&parent);
	return overlay(c, s, TARGET_DIR);
}

/* In a user namespace the kernel allows a new procfs only while another one that is not masked can
 * be seen in the mount namespace: the old root's. Hence before pivot (-EPERM afterwards). */
int child_proc(struct child *c, const struct plan_step *s)
{
	cleanup_close int fs = fsopen("proc", FSOPEN_CLOEXEC), mnt = -1;

	if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "hidepid", "invisible", 0) < 0 ||
		(s->text && !weakened(CONTROL_PROC_SUBSET) && fsconfig(fs, FSCONFIG_SET_STRING, "subset", "pid", 0) < 0) ||
		fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	mnt = fsmount(
		fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	return mnt < 0 ? -errno : attach_at(c, mnt, s->path);
}

/* The first of each kind is made of what is hidden, the others are copies of its mount, with its attributes. */
int child_mask(struct child *c, const struct plan_step *s)
{
	cleanup_close int target = target_open_existing(c, s->path), tree = -1;
	struct stat st;
	int *first, r;

	if (target == -ENOENT)
		return 0; /* this kernel has no such file */
	if (target < 0)
		return target;
	if (fstat(target, &st) < 0)
		return -errno;
	first = &c->masks[S_ISDIR(st.st_mode)];
	if (*first >= 0) {
		tree = open_tree(*first, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
		return tree < 0 ? -errno : attach(tree, target);
	}
	tree = copy_read_only(c, S_ISDIR(st.st_mode) ? PLAN_EMPTY_DIR : PLAN_EMPTY_FILE);
	r = tree < 0 ? tree : attach(tree, target);
	if (r == 0)
		*first = trp_steal_fd(&tree);
	return r;
}

int child_readonly(struct child *c, const struct plan_step *s)
{
	cleanup_close int target = target_open_existing(c, s->path);

	if (target == -ENOENT)
		return 0;
	return target < 0 ? target : show(c, s->path, target);
}

int child_seal(struct child *c, const struct plan_step *s)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
	cleanup_close int fd = -1;

	if (strcmp(s->path, "/") == 0 && fchmodat(c->root_fd, PLAN_HIDDEN_NAME, 0500, 0) < 0)
		return -errno;
	fd = target_open_existing(c, s->path);
	if (fd < 0)
		return fd;
	return mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0 ? -errno : 0;
}

/* pivot_root(2), "pivot_root(".", ".")": the old root ends up on top of the new one and is taken
 * off. */
int child_pivot(struct child *c, const struct plan_step *s)
{
	(void)s;
	if (fchdir(c->root_fd) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
		umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return -errno;
	return 0;
}
