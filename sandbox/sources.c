/* SPDX-License-Identifier: ISC */
/* sources.c: see sources.h. Runs in the daemon, as root of the host: a path of the host may lead
 * through directories that a tenant writes to, so links are followed only where none but root can
 * have made them. */
#include "sandbox/sources.h"

#include "sandbox/openat2.h"
#include "sandbox/tmpfs.h"
#include "sandbox/weaken.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define MAX_LINKS 40

static const char *const root_names[] = {"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64",
	"/libx32", "/etc", "/var", "/opt", "/srv"};
_Static_assert(TRP_ARRAY_SIZE(root_names) <= PLAN_ROOT_MAX, "room for all");

int plan_root_scan(int root_fd, struct plan_root_entry ret[PLAN_ROOT_MAX])
{
	int n = 0;

	for (size_t i = 0; i < TRP_ARRAY_SIZE(root_names); i++) {
		const char *name = root_names[i] + 1;
		struct plan_root_entry *e = &ret[n];
		struct stat st;

		if (fstatat(root_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			if (errno == ENOENT)
				continue;
			return -errno;
		}
		*e = (struct plan_root_entry){.name = root_names[i]};
		if (S_ISLNK(st.st_mode)) {
			ssize_t len = readlinkat(root_fd, name, e->link, sizeof(e->link));
			if (len <= 0 || (size_t)len == sizeof(e->link))
				return len < 0 ? -errno : -ENAMETOOLONG;
			e->link[len] = '\0';
		} else if (!S_ISDIR(st.st_mode)) {
			continue;
		}
		n++;
	}
	return n;
}

static bool only_root_writes(const struct stat *st)
{
	return st->st_uid == 0 && (st->st_mode & 022) == 0;
}

/* A link in dir, both root's: its text is put before what is left to walk. Anything else is -ELOOP.
 */
static int splice_link(int dir, int link, char walk[PATH_MAX], size_t rest_at)
{
	struct stat dir_st, link_st;
	char text[PATH_MAX];
	size_t rest_len = strlen(walk + rest_at);
	ssize_t n;

	if (fstat(dir, &dir_st) < 0 || fstat(link, &link_st) < 0)
		return -errno;
	if (!only_root_writes(&dir_st) || link_st.st_uid != 0)
		return -ELOOP;
	n = readlinkat(link, "", text, sizeof(text));
	if (n < 0)
		return -errno;
	if ((size_t)n + 1 + rest_len + 1 > PATH_MAX)
		return -ENAMETOOLONG;
	memmove(walk + n + 1, walk + rest_at, rest_len + 1);
	memcpy(walk, text, (size_t)n);
	walk[n] = '/';
	return 0;
}

/* Walks path component by component. -ELOOP: a link that others than root could have made. */
static int open_following(const char *path)
{
	cleanup_close int cur = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char walk[PATH_MAX];
	int links = 0;

	if (cur < 0)
		return -errno;
	if (strlen(path) >= sizeof(walk))
		return -ENAMETOOLONG;
	strcpy(walk, path);
	for (char *p = walk; *p;) {
		size_t skip = strspn(p, "/"), len = strcspn(p + skip, "/");
		cleanup_close int next = -1;
		char name[NAME_MAX + 1];
		struct stat st;

		if (len == 0)
			break;
		if (len > NAME_MAX)
			return -ENAMETOOLONG;
		memcpy(name, p + skip, len);
		name[len] = '\0';
		next = openat(cur, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0 || fstat(next, &st) < 0)
			return -errno;
		if (!S_ISLNK(st.st_mode)) {
			trp_close(&cur);
			cur = trp_steal_fd(&next);
			p += skip + len;
			continue;
		}
		int r = ++links > MAX_LINKS
				? -ELOOP
				: splice_link(cur, next, walk, (size_t)(p + skip + len - walk));
		if (r < 0)
			return r;
		p = walk;
		if (*p == '/') {
			trp_close(&cur);
			cur = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
			if (cur < 0)
				return -errno;
		}
	}
	return trp_steal_fd(&cur);
}

static int open_source_path(const struct plan_source *s, int root_fd)
{
	int fd;

	if (s->from_root) {
		fd = openat(root_fd, s->path + 1, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		return fd < 0 ? -errno : fd;
	}
	fd = trp_openat2(AT_FDCWD, s->path, O_PATH, weakened(CONTROL_SOURCE_LINKS) ? 0 : RESOLVE_NO_SYMLINKS);
	if (fd == -ELOOP && s->follow)
		return open_following(s->path);
	return fd;
}

/* The flags are set here, whatever its maker did. */
static int take_made(const struct plan_source *s)
{
	struct mount_attr attr = {.attr_set = s->attr & ~weaken_mount()};
	cleanup_close int tree = fcntl(s->tree, F_DUPFD_CLOEXEC, 0);

	if (tree < 0 || mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return -errno;
	return trp_steal_fd(&tree);
}

static int open_tree_of(const struct plan_source *s, int root_fd)
{
	cleanup_close int path = open_source_path(s, root_fd), tree = -1;
	/* private: what is mounted on the host later must not appear inside */
	struct mount_attr attr = {.attr_set = s->attr & ~weaken_mount(), .propagation = MS_PRIVATE};

	if (path < 0)
		return path;
	tree = open_tree(
		path, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	if (tree < 0 ||
		mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0)
		return -errno;
	return trp_steal_fd(&tree);
}

static int make_entry(int dir, const struct plan_entry *e)
{
	if (S_ISLNK(e->mode))
		return symlinkat(e->link, dir, e->name) < 0 ? -errno : 0;
	if (S_ISDIR(e->mode)) {
		if (mkdirat(dir, e->name, 0700) < 0)
			return -errno;
	} else {
		cleanup_close int fd = openat(dir, e->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0400);
		if (fd < 0)
			return -errno;
	}
	return fchmodat(dir, e->name, e->mode & 07777, 0) < 0 ? -errno : 0;
}

/* Root's for now. */
static int make_tmpfs(const struct plan *plan, const struct plan_source *s)
{
	cleanup_close int tree = tmpfs_make(&plan->steps[s->step], 0, 0, s->attr);
	int r = tree < 0 ? tree : 0;

	for (size_t i = 0; i < s->n_entries && r == 0; i++)
		r = make_entry(tree, &s->entries[i]);
	return r < 0 ? r : trp_steal_fd(&tree);
}

int sources_open(const struct plan *plan, size_t first, size_t end, int root_fd, int *trees, struct sandbox_failure *ret_failure)
{
	for (size_t i = first; i < end; i++) {
		const struct plan_source *s = &plan->sources[i];
		int r = s->tmpfs ? make_tmpfs(plan, s) : s->made ? take_made(s) : open_tree_of(s, root_fd);

		trees[i] = r < 0 ? -1 : r;
		if (r >= 0 || (r == -ENOENT && s->optional))
			continue;
		sources_close(trees + first, i - first);
		sandbox_failure_set(ret_failure, s->stage, -r, s->path);
		return r;
	}
	return 0;
}

int sources_own(const struct plan *plan, const int *trees, uid_t uid_base, struct sandbox_failure *ret_failure)
{
	for (size_t i = 0; i < plan->n_sources; i++) {
		const struct plan_source *s = &plan->sources[i];
		const struct plan_step *step = &plan->steps[s->step];
		int r = 0;

		if (!s->tmpfs)
			continue;
		if (fchownat(trees[i], "", uid_base + step->uid, uid_base + step->gid, AT_EMPTY_PATH) < 0)
			r = -errno;
		for (size_t k = 0; k < s->n_entries && r == 0; k++)
			if (s->entries[k].seen && fchownat(trees[i], s->entries[k].name, uid_base, uid_base, AT_SYMLINK_NOFOLLOW) < 0)
				r = -errno;
		if (r < 0) {
			sandbox_failure_set(ret_failure, s->stage, -r, s->path);
			return r;
		}
	}
	return 0;
}

void sources_close(int *trees, size_t n)
{
	for (size_t i = 0; i < n; i++)
		trp_close(&trees[i]);
}

int sources_idmap(const struct plan *plan, const int *trees, int userns_fd,
	struct sandbox_failure *ret_failure)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)userns_fd};

	for (size_t i = 0; i < plan->n_sources; i++) {
		if (!plan->sources[i].idmap || trees[i] < 0)
			continue;
		if (mount_setattr(
			    trees[i], "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) == 0)
			continue;
		int r = -errno;
		sandbox_failure_set(ret_failure, plan->sources[i].stage, -r, plan->sources[i].path);
		return r;
	}
	return 0;
}
