/* SPDX-License-Identifier: ISC */
#include "logfile.h"
#include "base/io.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define OLD_NAME_MAX 160 /* a service's name is at most 127 bytes */

static int file_open(struct logfile *f)
{
	struct stat st;
	/* O_NONBLOCK: should the name be a FIFO, nobody waits */
	cleanup_close int fd = openat(f->dir_fd, f->name,
		O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK,
		0640);

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if ((st.st_mode & 07777) != 0640 && fchmod(fd, 0640) < 0)
		return -errno;
	f->size = (uint64_t)st.st_size;
	f->fd = trp_steal_fd(&fd);
	return 0;
}

int logfile_init(
	struct logfile *f, int dir_fd, const char *service, uint64_t max_size, unsigned n_old)
{
	char *name;

	if (strlen(service) > OLD_NAME_MAX - 16)
		return -ENAMETOOLONG;
	name = trp_asprintf("%s.log", service);
	if (!name)
		return -ENOMEM;
	*f = (struct logfile){
		.dir_fd = dir_fd, .name = name, .fd = -1, .max_size = max_size, .n_old = n_old};
	file_open(f);
	logfile_prune(f);
	return 0;
}

void logfile_free(struct logfile *f)
{
	trp_close(&f->fd);
	trp_close(&f->dir_fd);
	free(f->name);
	f->name = NULL;
}

/* What was being written when the machine went down may end in the middle of a line: what comes now is not the rest of it. In
 * trp-logger alone, which may wait for a disk. */
static void end_last_line(struct logfile *f)
{
	cleanup_close int fd = f->size == 0 ? -1 : openat(f->dir_fd, f->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
	char last;

	if (fd >= 0 && pread(fd, &last, 1, (off_t)f->size - 1) == 1 && last != '\n' && write(f->fd, "\n", 1) == 1)
		f->size++;
}

/* The file may have been emptied or removed by hand since the last write. */
static int file_refresh(struct logfile *f)
{
	struct stat st;
	int r;

	if (f->fd >= 0 && fstat(f->fd, &st) == 0 && st.st_nlink > 0) {
		f->size = (uint64_t)st.st_size;
		return 0;
	}
	trp_close(&f->fd);
	r = file_open(f);
	if (r == 0)
		end_last_line(f);
	return r;
}

int logfile_write(struct logfile *f, const char *lines, size_t len, size_t *ret_done)
{
	size_t done = 0;
	int r = file_refresh(f);

	while (r == 0 && done < len) {
		ssize_t n = write(f->fd, lines + done, len - done);
		if (n > 0)
			done += (size_t)n;
		else if (n == 0 || errno != EINTR)
			r = n < 0 ? -errno : -EIO;
	}
	if (done < len) {
		const char *end = memrchr(lines, '\n', done);
		size_t whole = end ? (size_t)(end - lines) + 1 : 0;
		if (done > whole && ftruncate(f->fd, (off_t)(f->size + whole)) < 0 && r == 0)
			r = -errno;
		done = whole;
	}
	f->size += done;
	*ret_done = done;
	return r;
}

bool logfile_full(const struct logfile *f, size_t len)
{
	return f->size > 0 && f->size + len > f->max_size;
}

static void old_name(const struct logfile *f, unsigned i, char ret[OLD_NAME_MAX])
{
	snprintf(ret, OLD_NAME_MAX, "%s.%u", f->name, i);
}

int logfile_rotate(struct logfile *f)
{
	char from[OLD_NAME_MAX], to[OLD_NAME_MAX];
	int before, r;

	for (unsigned i = f->n_old; i > 1; i--) {
		old_name(f, i - 1, from);
		old_name(f, i, to);
		if (renameat(f->dir_fd, from, f->dir_fd, to) < 0 && errno != ENOENT)
			return -errno;
	}
	old_name(f, 1, to);
	if ((f->n_old > 0 ? renameat(f->dir_fd, f->name, f->dir_fd, to)
			  : unlinkat(f->dir_fd, f->name, 0)) < 0 &&
		errno != ENOENT)
		return -errno;
	before = f->fd;
	r = file_open(f);
	if (r == 0)
		trp_close(&before); /* else it goes on with that, whatever its name is now */
	return r;
}

void logfile_prune(struct logfile *f)
{
	char name[OLD_NAME_MAX];

	for (unsigned i = f->n_old + 1; i != 0; i++) {
		old_name(f, i, name);
		if (unlinkat(f->dir_fd, name, 0) < 0)
			return;
	}
}
