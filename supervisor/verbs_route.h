/* SPDX-License-Identifier: ISC */
/* verbs_route.h: methods of the control protocol about names and those who ask for them. */
#pragma once

#include "supervisor/control.h"

void verb_routes(struct control_call *call, const json_t *params, void *user);
void verb_explain(struct control_call *call, const json_t *params, void *user);
void verb_counters(struct control_call *call, const json_t *params, void *user);
