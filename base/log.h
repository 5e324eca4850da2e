/* SPDX-License-Identifier: ISC */
/* log.h: what programs (never libraries) say about themselves, on standard error.
 *
 * One line for each call: "<level>program: text". With log_to_journal the level is the "<N>" prefix of
 * sd-daemon(3); on a terminal it is left out. errno is kept by every call. No call allocates. */
#pragma once

#include "util.h"

enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARN = 4, LOG_LEVEL_INFO = 6, LOG_LEVEL_DEBUG = 7 };

/* name: kept by reference, shown in front of each line. */
void log_init(const char *name, enum log_level max_level);
void log_set_level(enum log_level max_level);

void log_debug(const char *fmt, ...) TRP_PRINTF(1, 2);
void log_info(const char *fmt, ...) TRP_PRINTF(1, 2);
void log_warn(const char *fmt, ...) TRP_PRINTF(1, 2);
void log_error(const char *fmt, ...) TRP_PRINTF(1, 2);
/* log_error(), then exit(1) */
void log_fatal(const char *fmt, ...) TRP_PRINTF(1, 2) __attribute__((noreturn));
