/* SPDX-License-Identifier: ISC */
/* Reading the log files back. A reader keeps its file open: what it has not read yet stays readable
 * when the file is rotated or even removed. */
#include "logfile.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define CHUNK (32 * 1024) /* more than any line that logs.c writes */

struct logs_reader {
	struct logfile *file;
	int fd; /* -1: its file does not exist (yet) */
	uint64_t generation;
	uint64_t offset;
	char chunk[CHUNK];
};

/* The file of that generation, or -errno. */
static int open_generation(const struct logfile *f, uint64_t generation)
{
	char name[256];
	uint64_t age = f->generation - generation;
	int fd;

	if (age == 0)
		snprintf(name, sizeof(name), "%s", f->name);
	else
		snprintf(name, sizeof(name), "%s.%llu", f->name, (unsigned long long)age);
	fd = openat(f->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

/* Goes back over the file (its end: *offset) until *want line starts were seen; *offset is then the
 * start of the first of those lines, or 0. */
static int seek_back(struct logs_reader *r, unsigned *want)
{
	uint64_t end = r->offset;

	while (end > 0) {
		size_t len = end < CHUNK ? (size_t)end : CHUNK;
		ssize_t n = pread(r->fd, r->chunk, len, (off_t)(end - len));
		if (n < 0)
			return -errno;
		if ((size_t)n < len) /* it shrank under us */
			break;
		for (size_t i = len; i > 0; i--) {
			uint64_t at = end - len + i;
			if (r->chunk[i - 1] != '\n' || at == r->offset)
				continue;
			if (--*want == 0) {
				r->offset = at;
				return 0;
			}
		}
		end -= len;
	}
	if (r->offset > 0)
		--*want;
	r->offset = 0;
	return 0;
}

/* From the current file back through the older ones. */
static int seek_lines(struct logs_reader *r, unsigned want)
{
	struct stat st;
	int rc, fd;

	for (;;) {
		if (fstat(r->fd, &st) < 0)
			return -errno;
		r->offset = (uint64_t)st.st_size;
		if (want == 0)
			return 0;
		rc = seek_back(r, &want);
		if (rc < 0 || want == 0)
			return rc;
		/* generations below 0 are files of an earlier life of the daemon: the difference
		 * counts */
		fd = open_generation(r->file, r->generation - 1);
		if (fd < 0)
			return fd == -ENOENT ? 0 : fd;
		trp_close(&r->fd);
		r->fd = fd;
		r->generation--;
	}
}

int logread_open(struct logfile *f, unsigned n, struct logs_reader **ret)
{
	struct logs_reader *r = malloc(sizeof(*r));
	int rc = 0;

	if (!r)
		return -ENOMEM;
	r->file = f;
	r->generation = f->generation;
	r->offset = 0;
	r->fd = open_generation(f, f->generation);
	if (r->fd >= 0)
		rc = seek_lines(r, n);
	else if (r->fd != -ENOENT)
		rc = r->fd;
	if (rc < 0) {
		logs_reader_close(r);
		return rc;
	}
	*ret = r;
	return 0;
}

/* At the end of its file: on to the next one, if there is. */
static bool next_file(struct logs_reader *r)
{
	struct stat st;
	bool removed = r->fd < 0 || fstat(r->fd, &st) < 0 || st.st_nlink == 0;

	if (r->generation == r->file->generation && !removed) {
		if ((uint64_t)st.st_size >= r->offset)
			return false;
		r->offset = 0; /* emptied by hand */
		return st.st_size > 0;
	}
	trp_close(&r->fd);
	r->offset = 0;
	while (r->fd < 0 && r->generation != r->file->generation)
		r->fd = open_generation(r->file, ++r->generation);
	if (r->fd < 0) /* the current one was removed and is not made again yet */
		r->fd = open_generation(r->file, r->generation);
	return r->fd >= 0;
}

int logs_reader_next(struct logs_reader *r, size_t max_bytes,
	void (*line)(void *data, const char *text, size_t len), void *data)
{
	size_t given = 0;

	do {
		ssize_t n = r->fd >= 0 ? pread(r->fd, r->chunk, CHUNK, (off_t)r->offset) : 0;
		const char *at = r->chunk, *end;
		if (n < 0)
			return -errno;
		if (n == 0) {
			if (!next_file(r))
				return 0;
			continue;
		}
		while (given < max_bytes && (end = memchr(at, '\n', (size_t)(r->chunk + n - at)))) {
			line(data, at, (size_t)(end - at));
			given += (size_t)(end - at) + 1;
			at = end + 1;
		}
		/* no newline at all: not written by us, or the end of a file that was cut off */
		if (at == r->chunk && given < max_bytes) {
			line(data, at, (size_t)n);
			given += (size_t)n;
			at += n;
		}
		r->offset += (uint64_t)(at - r->chunk);
	} while (given < max_bytes);
	return 1;
}

void logs_reader_close(struct logs_reader *r)
{
	if (!r)
		return;
	trp_close(&r->fd);
	free(r);
}
