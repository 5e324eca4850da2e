/* SPDX-License-Identifier: ISC */
/* logfile.h: one log file and its rotated predecessors NAME.1 (the youngest) to NAME.n, below a
 * directory descriptor. All return 0 or -errno. The access log is one; logger/logstore.c names its old files itself. */
#pragma once

#include "base/util.h"

struct logfile {
	int dir_fd;
	char *name;
	int fd; /* -1: could not be opened; tried again with the next write */
	uint64_t size;
	uint64_t max_size;
	unsigned n_old;
};

/* Takes dir_fd over on success. A file that cannot be opened yet is no error. */
int logfile_init(
	struct logfile *f, int dir_fd, const char *service, uint64_t max_size, unsigned n_old);
void logfile_free(struct logfile *f);

/* Appends whole lines. ret_done: bytes of them that are in the file, always whole lines, also on
 * failure (what a full disk cut off is taken back). */
int logfile_write(struct logfile *f, const char *lines, size_t len, size_t *ret_done);
/* Would len bytes more make the file larger than it may be? */
bool logfile_full(const struct logfile *f, size_t len);
int logfile_rotate(struct logfile *f);
/* Removes the files beyond n_old. */
void logfile_prune(struct logfile *f);
