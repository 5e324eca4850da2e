/* SPDX-License-Identifier: ISC */
/* upgrade.h: trpsupd executes its own program file as it is now. It stays the same process: its children are still its children, so
 * what they end with is not lost, and everything else it finds as a daemon does that comes after one that was killed (adopt.h). */
#pragma once

#include "supervisor/daemon.h"

struct upgrade;

#define UPGRADE_PATIENCE_SECONDS 30.0 /* for what is in the way and passes by itself: routers that are being replaced, say */

/* First the new program is started as a child that has nothing of the daemon's, to say whether it could (upgrade_check()). If not,
 * nothing changes. call: who is told, or NULL; anyway: also if services cannot be taken over. */
void upgrade_begin(struct daemon *d, struct control_call *call, bool anyway);
/* Outside of the loop. Returns if the program could not be executed, or there is none to execute: false then, the loop is over for
 * another reason. */
bool upgrade_execute(struct daemon *d);
/* Ends the daemon alone: the next one takes over what it has started. Does not return. */
void upgrade_detach(struct daemon *d);
/* At the end of a start that comes from one: answers who asked for it. */
void upgrade_done(struct daemon *d);
/* Ends what has begun. */
void upgrade_cancel(struct daemon *d);

/* trpsupd --check: whether a daemon would start with this configuration, and what it would not take over of one that runs. Changes
 * nothing. The program's exit code. */
int upgrade_check(const char *config_path);
