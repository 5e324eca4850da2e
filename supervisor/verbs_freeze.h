/* SPDX-License-Identifier: ISC */
/* verbs_freeze.h: the methods of `trpsup freeze` and thaw. */
#pragma once

#include "supervisor/control.h"

void verb_freeze(struct control_call *call, const json_t *params, void *user);
void verb_thaw(struct control_call *call, const json_t *params, void *user);
