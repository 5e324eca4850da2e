/* SPDX-License-Identifier: ISC */
/* source.h: the log of one service as one row of lines, over all its files and from one to the next. */
#pragma once

#include "supervisor/logger/logtext.h"
#include <sys/types.h>

#define SOURCE_BUF (16 * 1024) /* more than any line that trpsupd writes; a longer one comes in pieces */

struct source_part {
	uint64_t stamp; /* UINT64_MAX: the current file */
	bool packed;
};

struct source {
	int dir_fd;
	char service[LOGTEXT_SERVICE];
	struct source_part *parts; /* oldest first, the current one last */
	size_t n_parts, part;      /* part: that is being read */
	int fd;                    /* of it, or -1 */
	struct gzFile_s *gz;       /* of it, if it is compressed */
	int current;               /* the current file as it was when the parts were listed, or -1 */
	uint64_t last_stamp;       /* of the newest rotated file then */
	char *buf;
	size_t at, len;
};

/* Lists its files. 0 or -errno; a service that has none is no error. */
int source_open(struct source *s, int dir_fd, const char *service);
void source_close(struct source *s);
/* Goes to the begin of the i-th part. */
void source_seek(struct source *s, size_t i);
/* The next line, without newline: in the buffer until the next call. False: that is all for now. With past_part false it ends with the
 * part that it stands in. */
bool source_next(struct source *s, bool past_part, const char **ret, size_t *ret_len);
/* At its end: is there more, because its file was rotated since? */
bool source_moved_on(struct source *s);
