/* SPDX-License-Identifier: ISC */
/* verbs_conns.h: methods of the control protocol about connections that are open. */
#pragma once

#include "supervisor/control.h"

void verb_conns(struct control_call *call, const json_t *params, void *user);
void verb_kick(struct control_call *call, const json_t *params, void *user);
