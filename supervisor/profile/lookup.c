/* SPDX-License-Identifier: ISC */
/* lookup.c: which files make up a profile. */
#include "load.h"
#include "base/io.h"
#include "base/parse.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* "x.ini" -> length of "x", 0 for other names and hidden files */
static size_t ini_stem(const char *name)
{
	size_t len = strlen(name);

	return len > 4 && name[0] != '.' && strcmp(name + len - 4, ".ini") == 0 ? len - 4 : 0;
}

/* 1 with an entry, 0 at the end. -errno: what else there is cannot be read, and is not missing. */
static int next_entry(DIR *d, struct dirent **ret)
{
	errno = 0;
	*ret = readdir(d);
	return *ret ? 1 : -errno;
}

/* Names of the profiles in one directory. */
static int list_directory(const char *path, struct strv *names)
{
	DIR *d = opendir(path);
	struct dirent *e;
	int r = 0, more = 0;

	if (!d)
		return errno == ENOENT ? 0 : -errno;
	while (r == 0 && (more = next_entry(d, &e)) > 0) {
		cleanup_free char *name = strndup(e->d_name, ini_stem(e->d_name));
		if (!name)
			r = -ENOMEM;
		else if (trp_valid_service_name(name) && !strv_has(names, name))
			r = strv_push(names, name);
	}
	r = r < 0 ? r : more;
	closedir(d);
	return r;
}

int profile_list(const struct profile_paths *paths, struct strv *ret)
{
	struct strv names = {0};
	int r = 0;

	for (size_t i = 0; i < paths->n_dirs && r == 0; i++)
		r = list_directory(paths->dirs[i], &names);
	if (r < 0) {
		strv_free(&names);
		return r;
	}
	if (names.n > 0)
		qsort(names.v, names.n, sizeof(*names.v), compare);
	*ret = names;
	return 0;
}

const char *profile_nearest(const char *word, const char *const *names, size_t n)
{
	const char *suffix = strrchr(word, '.');
	size_t len = suffix ? (size_t)(suffix - word) : 0;

	if (suffix && (strcmp(suffix, ".service") == 0 || strcmp(suffix, ".ini") == 0))
		for (size_t i = 0; i < n; i++)
			if (strncmp(names[i], word, len) == 0 && !names[i][len])
				return names[i];
	return trp_nearest(word, names, n);
}

static void not_found(const struct profile_paths *paths, const char *service, const char *name,
	struct profile_errors *errors)
{
	struct strv names = {0};
	cleanup_free char *dirs = NULL;
	const char *near = NULL;
	size_t size;
	FILE *f = open_memstream(&dirs, &size);

	if (!f)
		return;
	for (size_t i = 0; i < paths->n_dirs; i++)
		fprintf(f, "%s%s", i ? ", " : "", paths->dirs[i]);
	if (fclose(f) != 0)
		return;
	if (profile_list(paths, &names) == 0)
		near = profile_nearest(name, (const char *const *)names.v, names.n);
	if (near)
		profile_error(errors, NULL, 0, service,
			"there is no profile %s.ini in %s; did you mean '%s'?", name, dirs, near);
	else
		profile_error(
			errors, NULL, 0, service, "there is no profile %s.ini in %s", name, dirs);
	strv_free(&names);
}

/* Whoever can write there can put a link to another file in the place of one, a drop-in beside it, or take one away. */
static int check_directory(const char *path, struct profile_errors *errors)
{
	const char *why = NULL;
	struct stat st;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		why = lang_check_owner(&st);
	if (why)
		profile_error(errors, path, 0, NULL, "%s", why);
	return why ? -EINVAL : 0;
}

static int check_directories(const struct profile_paths *paths, struct profile_errors *errors)
{
	int r = 0;

	for (size_t i = 0; i < paths->n_dirs; i++)
		if (check_directory(paths->dirs[i], errors) < 0)
			r = -EINVAL;
	return r;
}

int lookup_main(const struct profile_paths *paths, const char *service, char **ret,
	struct profile_errors *errors)
{
	size_t len = strcspn(service, "@");
	cleanup_free char *name = strndup(service, len);

	if (!name)
		return -ENOMEM;
	if (check_directories(paths, errors) < 0)
		return -EINVAL;
	for (size_t i = 0; i < paths->n_dirs; i++)
		for (const char *n = service; n; n = n == service && service[len] ? name : NULL) {
			cleanup_free char *path = trp_asprintf("%s/%s.ini", paths->dirs[i], n);
			struct stat st;
			if (!path)
				return -ENOMEM;
			/* lstat: a dangling link is a mistake to report, not a file to pass over; and so is one that cannot be looked at:
			 * another of that name is not what was meant */
			if (lstat(path, &st) < 0 && errno == ENOENT)
				continue;
			*ret = trp_steal_ptr(&path);
			return 0;
		}
	not_found(paths, service, name, errors);
	return -ENOENT;
}

/* Drop-ins of one directory NAME.ini.d that no earlier one masks. base: file names so far, beside
 * ret. */
static int add_dropins(const char *dir, struct strv *base, struct strv *ret)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	int r = 0, more = 0;

	if (!d)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	while (r == 0 && (more = next_entry(d, &e)) > 0) {
		cleanup_free char *entry = NULL;
		if (!ini_stem(e->d_name) || strv_has(base, e->d_name))
			continue;
		/* '/' sorts nowhere: the file's name in front makes the order, cut off again below
		 */
		entry = trp_asprintf("%s/%s", e->d_name, dir);
		r = !entry ? -ENOMEM : strv_push(base, e->d_name);
		if (r == 0)
			r = strv_push(ret, entry);
	}
	closedir(d);
	return r < 0 ? r : more;
}

static int compare_names(const void *a, const void *b)
{
	const char *x = *(char *const *)a, *y = *(char *const *)b;
	size_t nx = strcspn(x, "/"), ny = strcspn(y, "/");
	int c = memcmp(x, y, nx < ny ? nx : ny);

	return c ? c : (nx > ny) - (nx < ny);
}

int lookup_dropins(const struct profile_paths *paths, const char *service, struct strv *ret, struct profile_errors *errors)
{
	struct strv base = {0}, found = {0}, out = {0};
	size_t len = strcspn(service, "@");
	int r = 0;

	/* those of the instance mask those of the template */
	for (int template = service[len] ? 0 : 1; template <2 && r == 0; template ++)
		for (size_t i = 0; i < paths->n_dirs && r == 0; i++) {
			cleanup_free char *dir = trp_asprintf("%s/%.*s.ini.d", paths->dirs[i],
				template ? (int)len : (int)strlen(service), service);
			r = !dir ? -ENOMEM : check_directory(dir, errors);
			if (r < 0)
				break;
			r = add_dropins(dir, &base, &found);
			if (r < 0 && r != -ENOMEM)
				profile_error(errors, dir, 0, NULL, "%s", strerror(-r));
		}
	if (r == 0 && found.n > 0)
		qsort(found.v, found.n, sizeof(*found.v), compare_names);
	for (size_t i = 0; i < found.n && r == 0; i++) {
		size_t name = strcspn(found.v[i], "/");
		cleanup_free char *path =
			trp_asprintf("%s/%.*s", found.v[i] + name + 1, (int)name, found.v[i]);
		r = path ? strv_push(&out, path) : -ENOMEM;
	}
	strv_free(&base);
	strv_free(&found);
	if (r < 0)
		strv_free(&out);
	else
		*ret = out;
	return r;
}
