/* SPDX-License-Identifier: ISC */
/* rowstream.h: a long table as the answer to a call, in pieces at the pace of the client. */
#pragma once

#include "supervisor/control.h"

/* Where rows come from. next(data): the next one, or NULL: that was the last. end(data) is called once. */
struct row_source {
	json_t *(*next)(void *data);
	void (*end)(void *data);
	void *data;
};

/* Answers call with replies {"NAME": [rows...]}, the last of them with what is left. name: static. A call without "more" gets them
 * all in one reply if there are few, else ExpectedMore. */
void rowstream_start(struct control_call *call, const char *name, const struct row_source *source);
/* The same of an array, which it takes over. */
void rowstream_array(struct control_call *call, const char *name, json_t *rows);
