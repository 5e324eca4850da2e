/* SPDX-License-Identifier: ISC */
/* logstream.h: the answer to trpsup.Logs: the last lines of a log and, if asked, those that come,
 * at the client's pace. In trpsupd. A slow client gets them later (as long as the rotated files
 * still have them); it is never dropped for it. */
#pragma once

#include "control.h"
#include "logs.h"

/* Answers call, now and later. l must live until the call has ended (as a service's log does).
 * Without "more" the answer is the error org.varlink.service.ExpectedMore. */
void logstream_start(
	struct ev_loop *loop, struct control_call *call, struct logs *l, unsigned n, bool follow);
