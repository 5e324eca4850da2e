/* SPDX-License-Identifier: ISC */
/* controlmsg.h: the bytes of the control protocol, without any I/O: where a message ends, and what
 * a call says (Varlink: https://varlink.org/Method-Call). Pure; tests/fuzz/fuzz_control.c runs it.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum controlmsg_frame {
	CONTROLMSG_NEED,  /* no NUL yet */
	CONTROLMSG_WHOLE, /* a message of ret_len bytes, then its NUL */
	CONTROLMSG_LONG,  /* more than max bytes without a NUL */
};

enum controlmsg_frame controlmsg_frame(const char *buf, size_t len, size_t max, size_t *ret_len);

struct controlmsg {
	json_t *object;     /* the caller's; the others point into it */
	const char *method; /* "INTERFACE.Method" */
	size_t interface_len;
	json_t *params; /* an object; an empty one is put there if the call had none */
	bool more, oneway;
};

enum controlmsg_call {
	CONTROLMSG_OK,
	CONTROLMSG_NO_MEMORY,
	CONTROLMSG_BAD_JSON, /* also duplicate keys, \u0000, deeper than jansson's limit */
	CONTROLMSG_NO_METHOD,
	CONTROLMSG_BAD_PARAMETERS,
	CONTROLMSG_BAD_FLAG,
	CONTROLMSG_UPGRADE,
};

/* ret is written only with CONTROLMSG_OK. */
enum controlmsg_call controlmsg_parse(const char *text, size_t len, struct controlmsg *ret);
void controlmsg_free(struct controlmsg *m);
/* One sentence for a result that is not OK. */
const char *controlmsg_text(enum controlmsg_call result);

/* A JSON string of bytes that need not be UTF-8 (log lines, error texts): what JSON cannot carry
 * stands as \xNN. */
json_t *controlmsg_string(const char *text, size_t len);
