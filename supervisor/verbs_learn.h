/* SPDX-License-Identifier: ISC */
/* verbs_learn.h: the methods of `trpsup learn`. */
#pragma once

#include "supervisor/control.h"

void verb_learn(struct control_call *call, const json_t *params, void *user);
void verb_learn_stop(struct control_call *call, const json_t *params, void *user);
void verb_learnt(struct control_call *call, const json_t *params, void *user);
void verb_learn_reset(struct control_call *call, const json_t *params, void *user);
