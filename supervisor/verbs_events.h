/* SPDX-License-Identifier: ISC */
/* verbs_events.h: the methods of `trpsup events`, enable and disable. */
#pragma once

#include "supervisor/control.h"

void verb_events(struct control_call *call, const json_t *params, void *user);
void verb_enable(struct control_call *call, const json_t *params, void *user);
void verb_disable(struct control_call *call, const json_t *params, void *user);
