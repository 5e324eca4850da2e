/* SPDX-License-Identifier: ISC */
#include "supervisor/profile/collapse.h"
#include "base/io.h"

#include <string.h>

#define LINES_DEEP 4
#define LINES_TOP  12

/* '/' comes before all else, so that what is below a directory stands right behind it. */
static int compare(const void *a, const void *b)
{
	const unsigned char *x = *(const unsigned char *const *)a, *y = *(const unsigned char *const *)b;

	while (*x && *x == *y) {
		x++;
		y++;
	}
	return (*x == '/' ? 1 : *x ? *x + 1 : 0) - (*y == '/' ? 1 : *y ? *y + 1 : 0);
}

static void cut_back(struct strv *ret, size_t n)
{
	while (ret->n > n)
		free(ret->v[--ret->n]);
	if (ret->v)
		ret->v[n] = NULL;
}

static int push_prefix(struct strv *ret, const char *path, size_t len)
{
	cleanup_free char *line = trp_asprintf("%.*s/**", (int)len, path);

	return line ? strv_push(ret, line) : -ENOMEM;
}

/* How many from the first on have the same component behind len bytes; its end. */
static size_t same_component(const char *const *paths, size_t n, size_t len, size_t *ret_end)
{
	size_t end = len + 1 + strcspn(paths[0] + len + 1, "/"), i = 1;

	while (i < n && strncmp(paths[i], paths[0], end) == 0 && (paths[i][end] == '/' || paths[i][end] == '\0'))
		i++;
	*ret_end = end;
	return i;
}

/* The lines for n sorted paths that begin with the same len bytes, and go on behind them with a slash. */
static int collapse(const char *const *paths, size_t n, size_t len, unsigned depth, struct strv *ret)
{
	size_t before = ret->n;
	int r = 0;

	for (size_t i = 0, end, same; i < n && r == 0; i += same) {
		size_t own = 0;
		same = same_component(paths + i, n - i, len, &end);
		while (own < same && paths[i + own][end] == '\0')
			own++;
		if (own > 0)
			r = strv_push(ret, paths[i]);
		if (r == 0 && same > own)
			r = collapse(paths + i + own, same - own, end, depth + 1, ret);
	}
	if (r < 0 || depth == 0 || ret->n - before <= (depth == 1 ? LINES_TOP : LINES_DEEP))
		return r;
	cut_back(ret, before);
	return push_prefix(ret, paths[0], len);
}

int collapse_paths(const char **paths, size_t n, struct strv *ret)
{
	qsort(paths, n, sizeof(paths[0]), compare);
	return collapse(paths, n, 0, 0, ret);
}
