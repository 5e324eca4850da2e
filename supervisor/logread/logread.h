/* SPDX-License-Identifier: ISC */
/* logread.h: the lines of services' logs, also of those files that were rotated and compressed: selected, merged by time, and those
 * that come later. In trp-logread. */
#pragma once

#include "supervisor/logreadmsg.h"

struct logread;

/* dir_fd: borrowed. names: of n services, each with its NUL; n 0: all. line() gets each line without its newline. 0, -EINVAL with a
 * sentence in err, -ENOENT with the name of one that must have a log and has none, or -errno. */
int logread_open(int dir_fd, const struct logread_request *q, const char *names, size_t n,
	void (*line)(void *data, const char *service, const char *text, size_t len), void *data, struct logread **ret, char *err,
	size_t err_size);
void logread_close(struct logread *r);

/* Gives all that is there. 0 or -errno. */
int logread_go(struct logread *r);
/* This service ("": each, and there may be new ones) has written something: the next logread_go() looks. */
void logread_wake(struct logread *r, const char *service);
