/* SPDX-License-Identifier: ISC */
/* target.c: paths of the new root. Runs IN THE CHILD, before pivot_root. A bind mount may show a
 * directory that a tenant filled with links earlier: each lookup is one openat2(RESOLVE_IN_ROOT)
 * from the new root. */
#include "sandbox/child.h"
#include "sandbox/openat2.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#define RESOLVE (RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)

bool target_is_own(const struct child *c, int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return false;
	for (size_t i = 0; i < c->n_own; i++)
		if (c->own[i] == st.st_dev)
			return true;
	return false;
}

bool target_is_root_fs(const struct child *c, int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && c->n_own > 0 && st.st_dev == c->own[0];
}

int target_open_existing(const struct child *c, const char *path)
{
	return trp_openat2(c->root_fd, path, O_PATH, RESOLVE);
}

/* The directory prefix, made if it is not there and its parent (an open directory) is on a tmpfs of
 * ours. */
static int open_or_make_dir(const struct child *c, int parent, const char *prefix)
{
	int fd = trp_openat2(c->root_fd, prefix, O_PATH | O_DIRECTORY, RESOLVE);

	if (fd != -ENOENT || !target_is_own(c, parent))
		return fd;
	if (mkdirat(parent, strrchr(prefix, '/') + 1, 0755) < 0 && errno != EEXIST)
		return -errno;
	return trp_openat2(c->root_fd, prefix, O_PATH | O_DIRECTORY, RESOLVE);
}

int target_open_parent(const struct child *c, const char *path, const char **ret_name)
{
	cleanup_close int cur = fcntl(c->root_fd, F_DUPFD_CLOEXEC, 0);
	char prefix[PATH_MAX];
	const char *last = strrchr(path, '/');

	if (cur < 0)
		return -errno;
	if (strlen(path) >= sizeof(prefix))
		return -ENAMETOOLONG;
	for (const char *end = strchr(path + 1, '/'); end; end = strchr(end + 1, '/')) {
		memcpy(prefix, path, (size_t)(end - path));
		prefix[end - path] = '\0';
		int next = open_or_make_dir(c, cur, prefix);
		if (next < 0)
			return next;
		trp_close(&cur);
		cur = next;
	}
	*ret_name = last + 1;
	return trp_steal_fd(&cur);
}

int target_open(const struct child *c, const char *path, enum target_kind kind)
{
	cleanup_close int parent = -1;
	const char *name;
	int fd = target_open_existing(c, path);

	if (fd != -ENOENT)
		return fd;
	parent = target_open_parent(c, path, &name);
	if (parent < 0)
		return parent;
	if (!target_is_own(c, parent))
		return -ENOENT;
	if (kind == TARGET_DIR) {
		if (mkdirat(parent, name, 0755) < 0)
			return -errno;
	} else {
		cleanup_close int file =
			openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
		if (file < 0)
			return -errno;
	}
	return target_open_existing(c, path);
}
