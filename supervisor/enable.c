/* SPDX-License-Identifier: ISC */
#include "supervisor/enable.h"
#include "base/io.h"
#include "base/log.h"
#include "base/parse.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define FILE_MAX (1u << 20)

static char *path_of(const struct daemon *d)
{
	return trp_asprintf("%s/enabled", d->config->state_dir);
}

int enable_load(struct daemon *d)
{
	cleanup_free char *path = path_of(d), *text = NULL;
	char *rest, *line;
	int r = path ? trp_read_file(AT_FDCWD, path, FILE_MAX, &text, NULL) : -ENOMEM;

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	for (rest = text; r == 0 && (line = strsep(&rest, "\n"));) {
		if (!*line)
			continue;
		if (!trp_valid_service_name(line))
			log_error("%s: '%.80s' is not the name of a service; left out", path, line);
		else if (!strv_has(&d->enabled, line))
			r = strv_push(&d->enabled, line);
	}
	return r;
}

bool enable_has(const struct daemon *d, const char *name)
{
	return strv_has(&d->enabled, name);
}

const char *enable_word(const struct daemon *d, const char *name)
{
	return strv_has(&d->config->start, name) ? "config" : enable_has(d, name) ? "yes" : "no";
}

static int save(const struct daemon *d, const struct strv *names)
{
	cleanup_free char *path = path_of(d), *text = NULL;
	size_t size;
	FILE *f = path ? open_memstream(&text, &size) : NULL;

	if (!f)
		return -ENOMEM;
	for (size_t i = 0; i < names->n; i++)
		fprintf(f, "%s\n", names->v[i]);
	if (fclose(f) != 0)
		return -ENOMEM;
	return trp_write_atomic(AT_FDCWD, path, text, size, 0644);
}

int enable_set(struct daemon *d, const char *name, bool on)
{
	struct strv next = {0};
	int r = 0;

	if (enable_has(d, name) == on)
		return 0;
	for (size_t i = 0; i < d->enabled.n && r == 0; i++)
		if (strcmp(d->enabled.v[i], name) != 0)
			r = strv_push(&next, d->enabled.v[i]);
	if (r == 0 && on)
		r = strv_push(&next, name);
	if (r == 0)
		r = save(d, &next);
	if (r < 0) {
		strv_free(&next);
		return r;
	}
	strv_free(&d->enabled);
	d->enabled = next;
	return 1;
}
