/* SPDX-License-Identifier: ISC */
/* logstore.h: the log files of all services in one directory: writing, rotating, and what is removed when. In trp-logger; it waits
 * for its disk as long as that takes. Times are microseconds since 1970, the caller's, so that tests have their own. */
#pragma once

#include "supervisor/logmsg.h"

struct logstore;

/* dir_fd: borrowed. Looks at what is there, and removes what a compression that was broken off has left. 0 or -errno. */
int logstore_open(int dir_fd, uint64_t now, struct logstore **ret);
void logstore_free(struct logstore *s);

/* Appends whole lines (none: only the limits are taken), rotating as the limits say. What cannot be written is lost: so many lines
 * in ret_lost, with why as -errno in ret_error; a line of the supervisor's says so in the file once writing works again. */
void logstore_write(struct logstore *s, const char *service, const struct log_limits *limits, const char *lines, size_t len,
	uint64_t now, uint64_t *ret_lost, int *ret_error);
/* Lines that were lost, of which no line of its file tells yet; and more of them, which a logger before this one knew of. */
uint64_t logstore_unsaid(struct logstore *s, const char *service);
void logstore_know_lost(struct logstore *s, const char *service, uint64_t lines, int error);
/* The last whole lines of the service's current file, at most size bytes. Their number, 0 if there are none. */
size_t logstore_tail(struct logstore *s, const char *service, char *buf, size_t size);

/* What is to be done because time has passed. Returns when it is to be called again, UINT64_MAX: not before the next write. */
uint64_t logstore_tick(struct logstore *s, uint64_t now);

/* The oldest file that is to be compressed, one at a time: opened for reading, and a new file for what comes out. 0, -ENOENT: none;
 * the descriptors are the caller's. Then logstore_packed(), whether it went well. */
int logstore_pack(struct logstore *s, int *ret_in, int *ret_out);
void logstore_packed(struct logstore *s, bool good, uint64_t now);
