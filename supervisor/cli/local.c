/* SPDX-License-Identifier: ISC */
#include "local.h"
#include "base/io.h"

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
