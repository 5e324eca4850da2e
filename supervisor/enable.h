/* SPDX-License-Identifier: ISC */
/* enable.h: services that are started with the daemon because somebody said so (trpsup enable), besides those that trpsup.conf names. In
 * STATE_DIR/enabled, a name a line, written whole each time. */
#pragma once

#include "supervisor/daemon.h"

/* A line that is no name is left out, and logged. 0, also if there is no file; or -errno. */
int enable_load(struct daemon *d);
bool enable_has(const struct daemon *d, const char *name);
/* 1: that is new; 0: it was so already; or -errno, and nothing has changed. */
int enable_set(struct daemon *d, const char *name, bool on);
/* "yes", "no", or "config": trpsup.conf names it. */
const char *enable_word(const struct daemon *d, const char *name);
