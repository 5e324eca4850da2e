/* SPDX-License-Identifier: ISC */
/* logstream.h: the answer to trpsup.Logs: lines of the logs and, if asked, those that come, at the client's pace. In trpsupd, which
 * passes on what a trp-logread of this client's own reads. A slow client gets them later (as long as the rotated files still have
 * them); it is never dropped for it. */
#pragma once

#include "control.h"
#include "supervisor/daemon.h"

/* Answers call, now and later. */
void logstream_start(struct daemon *d, struct control_call *call, const json_t *params);
