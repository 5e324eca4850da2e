/* SPDX-License-Identifier: ISC */
#include "profile.h"
#include "base/io.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A broken file has one cause, not thousands: what is beyond this many lines helps nobody. */
#define ERRORS_MAX 100

static void push(struct profile_errors *e, char *line)
{
	char **grown = line ? realloc(e->v, (e->n + 1) * sizeof(*grown)) : NULL;

	if (!grown) {
		free(line);
		return;
	}
	e->v = grown;
	e->v[e->n++] = line;
}

static char *place(const char *file, unsigned line, const char *key)
{
	const char *sep = key ? ": " : "";

	if (!key)
		key = "";
	if (!file)
		return trp_asprintf("%s%s", key, sep);
	if (line == 0)
		return trp_asprintf("%s: %s%s", file, key, sep);
	return trp_asprintf("%s:%u: %s%s", file, line, key, sep);
}

void profile_error(struct profile_errors *e, const char *file, unsigned line, const char *key,
	const char *fmt, ...)
{
	cleanup_free char *where = NULL, *what = NULL;
	va_list ap;

	if (e->n > ERRORS_MAX)
		return;
	if (e->n == ERRORS_MAX) {
		push(e, trp_asprintf("%s: more errors are not shown", file ? file : "profile"));
		return;
	}
	where = place(file, line, key);
	va_start(ap, fmt);
	if (vasprintf(&what, fmt, ap) < 0)
		what = NULL;
	va_end(ap);
	if (where && what)
		push(e, trp_asprintf("%s%s", where, what));
}

void profile_errors_free(struct profile_errors *e)
{
	for (size_t i = 0; i < e->n; i++)
		free(e->v[i]);
	free(e->v);
	e->v = NULL;
	e->n = 0;
}
