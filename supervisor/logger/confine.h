/* SPDX-License-Identifier: ISC */
/* confine.h: how trp-logger and trp-logread become small. Both stay user 0, whose files the logs are, but that one without a
 * capability, in a root that is the log directory and nothing else, under a filter of their own. */
#pragma once

#include "sandbox/beside.h"

/* dir: the log directory, the working directory afterwards. Gives up all that is not needed and tries whether it is gone. NULL; or
 * what went wrong, with errno: then the program must end. */
const char *confine(const char *dir, const struct beside_rule *rules, size_t n_rules, const struct beside_attempt *attempts, size_t n_attempts);
