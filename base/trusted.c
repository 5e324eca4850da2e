/* SPDX-License-Identifier: ISC */
/* trusted.c: walks a path itself, one name at a time, so that what was looked at is what is gone through: who could change a name below
 * would have to be one of those that are trusted. */
#include "trusted.h"
#include "io.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define LINKS_MAX 40

struct walk {
	int dir;
	char rest[PATH_MAX]; /* what is still to be gone */
	char name[NAME_MAX + 1];
	unsigned links;
	char *why;
	size_t why_size;
};

static int refuse(const struct walk *w, int error, const char *what, const char *why)
{
	snprintf(w->why, w->why_size, "%s%s%s", what, what[0] ? ": " : "", why);
	return error;
}

/* A link has no mode of its own. */
static int check_owner(const struct walk *w, const struct stat *st)
{
	bool sticky = S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX);

	if (st->st_uid != 0 && st->st_uid != geteuid())
		return refuse(w, -EPERM, w->name, "belongs to another user, expected root");
	if (!S_ISLNK(st->st_mode) && (st->st_mode & (S_IWGRP | S_IWOTH)) && !sticky)
		return refuse(w, -EPERM, w->name, "others than root can write to it; chmod go-w it");
	return 0;
}

static int enter(struct walk *w, const char *name)
{
	int fd = openat(w->dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return refuse(w, -errno, w->name, strerror(errno));
	trp_close(&w->dir);
	w->dir = fd;
	return 0;
}

/* The link's text takes the place of its name. */
static int follow(struct walk *w)
{
	char text[PATH_MAX], joined[PATH_MAX];
	ssize_t n = readlinkat(w->dir, w->name, text, sizeof(text) - 1);
	int len;

	if (n <= 0)
		return refuse(w, n < 0 ? -errno : -ENOENT, w->name, strerror(n < 0 ? errno : ENOENT));
	text[n] = '\0';
	if (++w->links > LINKS_MAX)
		return refuse(w, -ELOOP, w->name, strerror(ELOOP));
	len = snprintf(joined, sizeof(joined), "%s/%s", text, w->rest);
	if (len >= (int)sizeof(joined))
		return refuse(w, -ENAMETOOLONG, w->name, strerror(ENAMETOOLONG));
	strcpy(w->rest, joined);
	return text[0] == '/' ? enter(w, "/") : 0;
}

/* Moves the next name from rest to name. False: there is none. */
static bool next_name(struct walk *w, int *ret_error)
{
	size_t skip = strspn(w->rest, "/"), len = strcspn(w->rest + skip, "/");

	*ret_error = 0;
	if (len == 0)
		return false;
	if (len > NAME_MAX) {
		*ret_error = -ENAMETOOLONG;
		return false;
	}
	memcpy(w->name, w->rest + skip, len);
	w->name[len] = '\0';
	memmove(w->rest, w->rest + skip + len, strlen(w->rest + skip + len) + 1);
	return true;
}

/* The file itself, which was looked at by its name. Returns the descriptor. */
static int open_file(const struct walk *w)
{
	cleanup_close int fd = openat(w->dir, w->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return refuse(w, -errno, "", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return refuse(w, -EINVAL, "", "not a regular file");
	r = check_owner(w, &st);
	return r < 0 ? r : trp_steal_fd(&fd);
}

static int step(struct walk *w)
{
	struct stat st;
	int r;

	if (fstatat(w->dir, w->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return refuse(w, -errno, w->rest[0] ? w->name : "", strerror(errno));
	if (!S_ISLNK(st.st_mode) && !S_ISDIR(st.st_mode)) {
		if (w->rest[strspn(w->rest, "/")])
			return refuse(w, -ENOTDIR, w->name, strerror(ENOTDIR));
		return S_ISREG(st.st_mode) ? open_file(w) : refuse(w, -EINVAL, "", "not a regular file");
	}
	r = check_owner(w, &st);
	if (r < 0)
		return r;
	return S_ISLNK(st.st_mode) ? follow(w) : enter(w, w->name);
}

int trp_open_trusted(const char *path, char *why, size_t why_size)
{
	cleanup_close int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct walk w = {.dir = -1, .why = why, .why_size = why_size};
	int r = 0;

	why[0] = '\0';
	if (root < 0)
		return refuse(&w, -errno, "/", strerror(errno));
	if (path[0] != '/' || strlen(path) >= sizeof(w.rest))
		return refuse(&w, -EINVAL, "", "not an absolute path");
	w.dir = trp_steal_fd(&root);
	strcpy(w.rest, path);
	while (r == 0 && next_name(&w, &r))
		r = step(&w);
	trp_close(&w.dir);
	if (r < 0 && !why[0])
		return refuse(&w, r, "", strerror(-r));
	return r == 0 ? refuse(&w, -EINVAL, "", "not a regular file") : r;
}

int trp_read_trusted(const char *path, size_t max, char **ret, size_t *ret_len, char *why, size_t why_size)
{
	cleanup_close int fd = trp_open_trusted(path, why, why_size);
	int r;

	if (fd < 0)
		return fd;
	r = trp_read_fd(fd, max, ret, ret_len);
	if (r == -EFBIG)
		snprintf(why, why_size, "larger than %zu bytes", max);
	else if (r < 0)
		snprintf(why, why_size, "%s", strerror(-r));
	return r;
}
