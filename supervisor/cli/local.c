/* SPDX-License-Identifier: ISC */
#include "local.h"
#include "show.h"
#include "base/io.h"

#include <limits.h>
#include <string.h>

#define EXAMPLE "example"

int local_load(const struct profile_paths *paths, const char *name, struct profile **ret,
	bool *ret_template, struct profile_errors *errors)
{
	struct profile_errors plain = {0}, instance = {0};
	cleanup_free char *example = trp_asprintf("%s@" EXAMPLE, name);
	bool template = false;
	int r = profile_load(paths, name, ret, &plain);

	if (r < 0 && r != -ENOENT && example && !strchr(name, '@')) {
		/* errors that have nothing to do with the missing instance are the same in both */
		r = profile_load(paths, example, ret, &instance);
		template = r == 0 || instance.n < plain.n;
	}
	if (r < 0) {
		const struct profile_errors *from = template ? &instance : &plain;
		for (size_t i = 0; i < from->n; i++)
			profile_error(errors, NULL, 0, NULL, "%s", from->v[i]);
	} else {
		*ret_template = template;
	}
	profile_errors_free(&plain);
	profile_errors_free(&instance);
	return r;
}

int local_file(const char *arg, char **ret_name, char **ret_dir, struct profile_errors *errors)
{
	size_t len = strlen(arg);
	const char *slash = strrchr(arg, '/'), *base = slash ? slash + 1 : arg;
	cleanup_free char *name = NULL, *dir = NULL;
	char real[PATH_MAX];

	if (!slash && !(len > 4 && strcmp(arg + len - 4, ".ini") == 0))
		return 0;
	if (!realpath(arg, real)) {
		profile_error(errors, arg, 0, NULL, "%s", strerror(errno));
		return -EINVAL;
	}
	len = strlen(base);
	if (len <= 4 || strcmp(base + len - 4, ".ini") != 0) {
		profile_error(errors, arg, 0, NULL, "a profile's file is called NAME.ini");
		return -EINVAL;
	}
	name = strndup(base, len - 4);
	dir = slash ? strndup(arg, (size_t)(slash - arg) + (slash == arg)) : strdup(".");
	if (!name || !dir)
		return -ENOMEM;
	*ret_name = trp_steal_ptr(&name);
	*ret_dir = trp_steal_ptr(&dir);
	return 1;
}

int local_look_first(struct profile_paths *paths, const char *dir, const char ***ret_dirs)
{
	const char **dirs = calloc(paths->n_dirs + 1, sizeof(*dirs));

	if (!dirs)
		return -ENOMEM;
	dirs[0] = dir;
	memcpy(dirs + 1, paths->dirs, paths->n_dirs * sizeof(*dirs));
	paths->dirs = dirs;
	paths->n_dirs++;
	*ret_dirs = dirs;
	return 0;
}

void local_print_errors(const struct profile_errors *errors)
{
	for (size_t i = 0; i < errors->n; i++) {
		size_t k = 0;
		while (strcmp(errors->v[k], errors->v[i]) != 0)
			k++;
		if (k < i)
			continue;
		show_text(stderr, errors->v[i]);
		fputc('\n', stderr);
	}
}
