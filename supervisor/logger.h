/* SPDX-License-Identifier: ISC */
/* logger.h: the trp-logger process, which the daemon starts, and starts again when it ends: what was on its way then is not lost, but
 * for the message that it had in hand. */
#pragma once

#include "supervisor/logsink.h"

#define LOG_DIR_MODE 0750

struct daemon;
struct logger;
struct profile;

/* 0, or -errno, which was logged. */
int logger_open(struct daemon *d, struct logger **ret);
/* After the last service's log was closed: waits until all is written, or the disk does nothing any more. NULL is fine. */
void logger_close(struct logger *l);
/* Before the daemon goes and leaves all to another: waits as logger_close() does. */
void logger_settle(struct logger *l);
struct logsink *logger_sink(struct logger *l);
/* What a service's profile and the daemon's configuration say about its files. */
void logger_limits(const struct daemon *d, const struct profile *p, struct log_limits *ret);
