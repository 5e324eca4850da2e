/* SPDX-License-Identifier: ISC */
/* A file stays readable as it was opened when it is rotated, compressed or removed. */
#include "supervisor/logread/source.h"
#include "base/io.h"
#include "base/util.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define FIRST_LINE 64 /* bytes by which a file is known again: their time has microseconds */

static int open_file(int dir_fd, const char *service, enum log_file_kind kind, uint64_t stamp)
{
	char name[LOGTEXT_NAME];
	struct stat st;
	int fd;

	logtext_file(service, kind, stamp, name);
	fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
	if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)))
		trp_close(&fd);
	return fd;
}

static int by_stamp(const void *a, const void *b)
{
	const struct source_part *x = a, *y = b;

	return x->stamp != y->stamp ? (x->stamp > y->stamp) - (x->stamp < y->stamp) : (int)x->packed - (int)y->packed;
}

static int add_part(struct source *s, uint64_t stamp, bool packed)
{
	struct source_part *grown = reallocarray(s->parts, s->n_parts + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	s->parts = grown;
	s->parts[s->n_parts++] = (struct source_part){.stamp = stamp, .packed = packed};
	return 0;
}

/* Those that were rotated after that time, and the current one. */
static int list(struct source *s, uint64_t after)
{
	cleanup_close int copy = openat(s->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct log_name n;
	struct dirent *e;
	size_t kept = 0;
	int r = 0;

	if (!dir)
		return -errno;
	trp_steal_fd(&copy);
	s->n_parts = 0;
	trp_close(&s->current);
	/* before the others: what is rotated meanwhile is listed, and known again by its first line */
	s->current = open_file(s->dir_fd, s->service, LOG_FILE_CURRENT, 0);
	while (r == 0 && (e = readdir(dir)))
		if (logtext_parse_file(e->d_name, &n) && strcmp(n.service, s->service) == 0 && n.stamp > after &&
			(n.kind == LOG_FILE_OLD || n.kind == LOG_FILE_PACKED))
			r = add_part(s, n.stamp, n.kind == LOG_FILE_PACKED);
	closedir(dir);
	if (s->n_parts > 0)
		qsort(s->parts, s->n_parts, sizeof(*s->parts), by_stamp);
	for (size_t i = 0; i < s->n_parts; i++) /* just being compressed: both are there for a moment */
		if (kept == 0 || s->parts[kept - 1].stamp != s->parts[i].stamp)
			s->parts[kept++] = s->parts[i];
	s->n_parts = kept;
	if (kept > 0)
		s->last_stamp = s->parts[kept - 1].stamp;
	return r == 0 ? add_part(s, UINT64_MAX, false) : r;
}

static void leave_part(struct source *s)
{
	if (s->gz)
		gzclose_r(s->gz); /* closes fd */
	else
		trp_close(&s->fd);
	s->gz = NULL;
	s->fd = -1;
}

static void enter_part(struct source *s)
{
	const struct source_part *p = &s->parts[s->part];
	bool packed = p->packed;

	leave_part(s);
	s->at = s->len = 0;
	if (p->stamp == UINT64_MAX) {
		s->fd = s->current < 0 ? -1 : fcntl(s->current, F_DUPFD_CLOEXEC, 0);
		if (s->fd >= 0)
			lseek(s->fd, 0, SEEK_SET);
		return;
	}
	s->fd = open_file(s->dir_fd, s->service, packed ? LOG_FILE_PACKED : LOG_FILE_OLD, p->stamp);
	if (s->fd < 0 && !packed) { /* compressed meanwhile */
		packed = true;
		s->fd = open_file(s->dir_fd, s->service, LOG_FILE_PACKED, p->stamp);
	}
	if (s->fd >= 0 && packed) {
		s->gz = gzdopen(s->fd, "r");
		if (!s->gz)
			trp_close(&s->fd);
	}
}

int source_open(struct source *s, int dir_fd, const char *service)
{
	int r;

	*s = (struct source){.dir_fd = dir_fd, .fd = -1, .current = -1, .buf = malloc(SOURCE_BUF)};
	strncpy(s->service, service, sizeof(s->service) - 1);
	r = s->buf ? list(s, 0) : -ENOMEM;
	if (r == 0)
		enter_part(s);
	else
		source_close(s);
	return r;
}

void source_close(struct source *s)
{
	leave_part(s);
	trp_close(&s->current);
	free(s->parts);
	free(s->buf);
	s->parts = NULL;
	s->buf = NULL;
}

void source_seek(struct source *s, size_t i)
{
	s->part = i;
	enter_part(s);
}

/* More bytes into the buffer. False: there are none, or it is full. */
static bool fill(struct source *s)
{
	ssize_t n;

	if (s->at > 0) {
		memmove(s->buf, s->buf + s->at, s->len - s->at);
		s->len -= s->at;
		s->at = 0;
	}
	if (s->fd < 0 || s->len == SOURCE_BUF)
		return false;
	n = s->gz ? gzread(s->gz, s->buf + s->len, (unsigned)(SOURCE_BUF - s->len)) : read(s->fd, s->buf + s->len, SOURCE_BUF - s->len);
	if (n <= 0) /* a damaged file ends where it is damaged */
		return false;
	s->len += (size_t)n;
	return true;
}

static void take(struct source *s, size_t len, size_t newline, const char **ret, size_t *ret_len)
{
	*ret = s->buf + s->at;
	*ret_len = len;
	s->at += len + newline;
}

bool source_next(struct source *s, bool past_part, const char **ret, size_t *ret_len)
{
	for (;;) {
		const char *end = memchr(s->buf + s->at, '\n', s->len - s->at);
		bool last = s->part + 1 == s->n_parts;

		if (end) {
			take(s, (size_t)(end - s->buf) - s->at, 1, ret, ret_len);
			return true;
		}
		if (fill(s))
			continue;
		if (s->len == SOURCE_BUF || (s->len > 0 && !last)) { /* not ours, or cut off */
			take(s, s->len, 0, ret, ret_len);
			return true;
		}
		if (last || !past_part)
			return false;
		s->part++;
		enter_part(s);
	}
}

/* Is it the file that we have read? */
static bool is_ours(const struct source *s, uint64_t stamp, int ours)
{
	char here[FIRST_LINE], there[FIRST_LINE];
	cleanup_close int fd = open_file(s->dir_fd, s->service, LOG_FILE_OLD, stamp);
	ssize_t n = pread(ours, here, sizeof(here), 0), m;

	if (fd >= 0)
		return trp_same_file(fd, ours);
	fd = open_file(s->dir_fd, s->service, LOG_FILE_PACKED, stamp);
	gzFile gz = fd < 0 ? NULL : gzdopen(fd, "r");
	if (!gz)
		return false;
	trp_steal_fd(&fd);
	m = gzread(gz, there, sizeof(there));
	gzclose_r(gz);
	return n > 0 && n == m && memcmp(here, there, (size_t)n) == 0;
}

bool source_moved_on(struct source *s)
{
	char name[LOGTEXT_NAME];
	struct stat now, ours;
	cleanup_close int old = -1;
	uint64_t before = s->last_stamp;

	logtext_file(s->service, LOG_FILE_CURRENT, 0, name);
	if (fstatat(s->dir_fd, name, &now, AT_SYMLINK_NOFOLLOW) < 0)
		return false; /* not made again yet, or there is none at all */
	if (s->fd >= 0 && fstat(s->fd, &ours) == 0 && ours.st_ino == now.st_ino && ours.st_dev == now.st_dev) {
		if (lseek(s->fd, 0, SEEK_CUR) <= ours.st_size)
			return false;
		source_seek(s, s->part); /* emptied by hand */
		return true;
	}
	if (fill(s)) /* what was written to it between our last look and its rotation */
		return true;
	old = trp_steal_fd(&s->fd);
	if (list(s, before) < 0)
		return false;
	s->part = old >= 0 && s->n_parts > 1 && is_ours(s, s->parts[0].stamp, old) ? 1 : 0;
	enter_part(s);
	return true;
}
