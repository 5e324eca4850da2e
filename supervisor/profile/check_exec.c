/* SPDX-License-Identifier: ISC */
/* check_exec.c: does the program of a command exist? Asked where the answer is known before the
 * start: on the host, in a root directory, in bound directories. What root = packages will hold is
 * not known yet. */
#include "load.h"
#include "sandbox/openat2.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Is path inside dir? Then what follows, beginning with "/". */
static const char *below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && path[len] == '/' ? path + len : NULL;
}

/* As the sandbox will see it: links in root never lead out of it. */
static int look(const char *root, const char *path, struct stat *ret)
{
	cleanup_close int dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC), fd = -1;

	if (dir < 0)
		return -errno;
	fd = trp_openat2(dir, path, O_PATH, RESOLVE_IN_ROOT);
	if (fd < 0)
		return fd;
	return fstat(fd, ret) < 0 ? -errno : 0;
}

/* Where on the host is path of the sandbox? Root and rest; NULL: cannot be said before the start.
 */
static const char *locate(const struct profile_loading *l, const char *path, const char **ret_rest)
{
	static const char *const made_at_start[] = {"/trp", "/tmp", "/run", "/dev", "/proc"};
	const struct profile *p = l->p;
	const char *rest, *root = NULL;
	size_t longest = 0;

	for (size_t i = 0; i < p->n_binds; i++) {
		const struct profile_bind *b = &p->binds[i];
		rest = strcmp(path, b->target) == 0 ? "" : below(path, b->target);
		if (rest && strlen(b->target) > longest) {
			longest = strlen(b->target);
			*ret_rest = rest;
			root = b->source;
		}
	}
	if (root)
		return root;
	if (p->files_dir && (rest = below(path, "/trp/profile"))) {
		*ret_rest = rest;
		return p->files_dir;
	}
	/* before those: a build tree may lie below /tmp, and is shown there all the same */
	if (l->paths->libexec && below(path, l->paths->libexec)) {
		*ret_rest = path;
		return "/";
	}
	for (size_t i = 0; i < TRP_ARRAY_SIZE(made_at_start); i++)
		if (below(path, made_at_start[i]))
			return NULL;
	for (size_t i = 0; i < p->state_at.n; i++)
		if (below(path, strchr(p->state_at.v[i], ':') + 1))
			return NULL;
	*ret_rest = path;
	return p->root == ROOT_HOST ? "/" : p->root == ROOT_DIRECTORY ? p->root_directory : NULL;
}

/* With root = host, is path (with its links: real) seen inside? Of the host's directories with programs that is /usr (supervisor/box/spec.c).
 * Binds and ${libexec} were looked at before, for path itself. */
static bool host_shows(const struct profile_loading *l, const char *path)
{
	static const char *const shown[] = {"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc"};

	for (size_t i = 0; i < TRP_ARRAY_SIZE(shown); i++)
		if (below(path, shown[i]))
			return true;
	for (size_t i = 0; i < l->p->n_binds; i++)
		if (strcmp(path, l->p->binds[i].target) == 0 || below(path, l->p->binds[i].target))
			return true;
	return l->paths->libexec && below(path, l->paths->libexec);
}

static bool is_seen(const struct profile_loading *l, const char *path)
{
	cleanup_free char *real = realpath(path, NULL);

	return host_shows(l, path) && (!real || host_shows(l, real));
}

static void check_program(
	const struct profile_loading *l, const char *path, struct profile_where w, const char *key)
{
	const struct profile *p = l->p;
	const char *rest = "", *root = locate(l, path, &rest);
	struct stat st;
	int r;

	if (!root && p->root == ROOT_NONE)
		profile_error(l->errors, w.file, w.line, key,
			"%s: with root = none there is no such program inside, expected one "
			"below ${libexec} or in a bind",
			path);
	if (!root)
		return;
	if (rest[0])
		r = look(root, rest, &st);
	else
		r = stat(root, &st) < 0 ? -errno : 0;
	if (r < 0)
		profile_error(l->errors, w.file, w.line, key, "%s: %s%s%s", path, strerror(-r),
			root[1] ? " in " : "", root[1] ? root : "");
	else if (!S_ISREG(st.st_mode))
		profile_error(l->errors, w.file, w.line, key, "%s: not a regular file", path);
	else if (!(st.st_mode & 0111))
		profile_error(l->errors, w.file, w.line, key, "%s: not executable", path);
	else if (rest == path && p->root == ROOT_HOST && !is_seen(l, path))
		profile_error(l->errors, w.file, w.line, key, "%s: with root = host only the host's /usr is seen inside, expected a program there or in a bind",
			path);
}

static void check_commands(const struct profile_loading *l, const struct profile_commands *c, const char *key)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->v[i].n > 0)
			check_program(l, c->v[i].v[0], c->where[i], key);
}

void check_programs(const struct profile_loading *l)
{
	const struct profile *p = l->p;

	if (p->command.n > 0)
		check_program(
			l, p->command.v[0], profile_where(p, "service", "command"), "command");
	if (p->check_command.n > 0)
		check_program(l, p->check_command.v[0], profile_where(p, "health", "check"), "check");
	check_commands(l, &p->setup, "setup");
	check_commands(l, &p->pre_stop, "pre-stop");
}
