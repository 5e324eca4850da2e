/* SPDX-License-Identifier: ISC */
/* verbs_upgrade.h: calls of the control protocol by which a program that runs is replaced, or ends alone (doc/protocol.md). */
#pragma once

#include "supervisor/control.h"

void verb_router_upgrade(struct control_call *call, const json_t *params, void *user);
void verb_upgrade(struct control_call *call, const json_t *params, void *user);
void verb_detach(struct control_call *call, const json_t *params, void *user);
