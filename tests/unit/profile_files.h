/* SPDX-License-Identifier: ISC */
/* profile_files.h: a directory of profiles for the tests of the profile language. */
#pragma once

#include "base/io.h"
#include "supervisor/profile/profile.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static char files_dir[64];
static struct profile_errors errors;

static inline int files_setup(void **state)
{
	(void)state;
	strcpy(files_dir, "/tmp/trp-profile-XXXXXX");
	return mkdtemp(files_dir) ? 0 : -1;
}

static inline int files_teardown(void **state)
{
	(void)state;
	profile_errors_free(&errors);
	return trp_remove_tree(AT_FDCWD, files_dir);
}

/* The full name of a file in the directory; valid until the fourth call from here. */
static inline const char *file_path(const char *name)
{
	static char paths[4][256];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", files_dir, name);
	return path;
}

/* Writes a file, with the directories above it. */
static inline void file_write(const char *name, const char *text)
{
	const char *path = file_path(name);
	char dir[256];

	snprintf(dir, sizeof(dir), "%s", path);
	*strrchr(dir, '/') = '\0';
	assert_int_equal(trp_mkdir_p(dir, 0755), 0);
	assert_int_equal(trp_write_atomic(AT_FDCWD, path, text, strlen(text), 0644), 0);
}

/* A profile with so many binds, variables and words of its command (at least 2), in fresh memory. */
static inline char *files_large_profile(size_t binds, size_t vars, size_t words)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	fprintf(f, "[service]\ncommand = /bin/sh\n");
	for (size_t i = 1; i < words; i++)
		fprintf(f, " x\n");
	fprintf(f, "[sandbox]\n");
	for (size_t i = 0; i < binds; i++)
		fprintf(f, "bind = /srv /opt/%zu\n", i);
	fprintf(f, "[environment]\n");
	for (size_t i = 0; i < vars; i++)
		fprintf(f, "V%zu = x\n", i);
	assert_int_equal(fclose(f), 0);
	return text;
}

/* Exactly these messages; $ stands for the directory. NULL ends the list. */
static inline void errors_are(struct profile_errors *e, ...)
{
	char line[1024], *dollar;
	const char *want;
	va_list ap;
	size_t i = 0;

	va_start(ap, e);
	for (; (want = va_arg(ap, const char *)); i++) {
		snprintf(line, sizeof(line), "%s", want);
		while ((dollar = strchr(line, '$'))) {
			memmove(dollar + strlen(files_dir), dollar + 1, strlen(dollar));
			memcpy(dollar, files_dir, strlen(files_dir));
		}
		assert_true(i < e->n);
		assert_string_equal(e->v[i], line);
	}
	va_end(ap);
	assert_int_equal(e->n, i);
	profile_errors_free(e);
}
