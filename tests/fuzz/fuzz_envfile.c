/* SPDX-License-Identifier: ISC */
/* Environment files of any bytes: variables that execve(2) can take, or a message; and what was read, written in quotes, reads the same. */
#include "supervisor/profile/envfile.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static char *write_all(const struct env_set *set, size_t *ret_len)
{
	size_t size = 1;
	char *text, *at;

	for (size_t i = 0; i < set->n; i++)
		size += strlen(set->v[i].name) + 2 * strlen(set->v[i].value) + 4;
	text = at = malloc(size);
	require(text != NULL);
	for (size_t i = 0; i < set->n; i++) {
		at = stpcpy(stpcpy(at, set->v[i].name), "=\"");
		for (const char *c = set->v[i].value; *c; c++) {
			if (strchr("\"\\$`", *c))
				*at++ = '\\';
			*at++ = *c;
		}
		at = stpcpy(at, "\"\n");
	}
	*ret_len = (size_t)(at - text);
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct profile_errors errors = {0}, none = {0};
	struct env_set set = {0}, again = {0};
	int r = envfile_parse("x.env", (const char *)data, size, &set, &errors);
	size_t len;
	char *text;

	require((r == 0) == (errors.n == 0) && set.n <= ENVFILE_VARS);
	text = write_all(&set, &len);
	require(envfile_parse("again", text, len, &again, &none) == 0 && again.n == set.n);
	for (size_t i = 0; i < set.n; i++) {
		require(!env_name_problem(set.v[i].name) && strlen(set.v[i].value) <= size && set.v[i].where.line > 0);
		require(strcmp(set.v[i].name, again.v[i].name) == 0 && strcmp(set.v[i].value, again.v[i].value) == 0);
	}
	free(text);
	env_set_free(&set);
	env_set_free(&again);
	profile_errors_free(&errors);
	return 0;
}
