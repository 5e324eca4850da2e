/* SPDX-License-Identifier: ISC */
/* verbs_usage.h: the method of `trpsup top`. */
#pragma once

#include "supervisor/control.h"

void verb_usage(struct control_call *call, const json_t *params, void *user);
