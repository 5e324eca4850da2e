/* SPDX-License-Identifier: ISC */
/* verbs_exec.h: the method of `trpsup exec`. */
#pragma once

#include "supervisor/control.h"

void verb_exec(struct control_call *call, const json_t *params, void *user);
