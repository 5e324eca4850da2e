/* SPDX-License-Identifier: ISC */
/* verbs_timers.h: the call about services that are run by time. */
#pragma once

#include "supervisor/daemon.h"
#include <jansson.h>

void verb_timers(struct control_call *call, const json_t *params, void *user);
