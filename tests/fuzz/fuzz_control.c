/* SPDX-License-Identifier: ISC */
/* The control protocol's framing and calls, as the daemon takes them from a client: all messages of
 * the input in turn. What must hold is said where it is checked. */
#include "base/utf8.h"
#include "supervisor/control.h"
#include "supervisor/controlmsg.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(c)                                                                                    \
	do {                                                                                       \
		if (!(c))                                                                          \
			abort();                                                                   \
	} while (0)

/* A message that was cut anywhere is either incomplete or ends at the same place. */
static void check_prefix(const char *buf, size_t len, size_t whole)
{
	size_t half = whole / 2, got = 0;

	MUST(controlmsg_frame(buf, half, CONTROL_MESSAGE_MAX, &got) == CONTROLMSG_NEED);
	MUST(controlmsg_frame(buf, whole + 1, CONTROL_MESSAGE_MAX, &got) == CONTROLMSG_WHOLE &&
		got == whole);
	MUST(whole <= CONTROL_MESSAGE_MAX && whole < len);
}

static void check_call(const char *text, size_t len)
{
	struct controlmsg m, again;
	enum controlmsg_call r = controlmsg_parse(text, len, &m);
	char *dumped;

	MUST(controlmsg_text(r));
	if (r != CONTROLMSG_OK)
		return;
	MUST(json_is_object(m.object) && json_is_object(m.params));
	MUST(m.interface_len > 0 && m.method[m.interface_len] == '.' &&
		m.method[m.interface_len + 1]);
	MUST(!strchr(m.method + m.interface_len + 1, '.'));
	/* what was understood can be written and is understood in the same way */
	dumped = json_dumps(m.object, JSON_COMPACT);
	MUST(dumped && !memchr(dumped, '\n', strlen(dumped)));
	MUST(controlmsg_parse(dumped, strlen(dumped), &again) == CONTROLMSG_OK);
	MUST(strcmp(m.method, again.method) == 0 && m.more == again.more &&
		m.oneway == again.oneway);
	MUST(json_equal(m.params, again.params));
	controlmsg_free(&again);
	controlmsg_free(&m);
	free(dumped);
}

/* Any bytes become a string that JSON can carry, and one that no terminal obeys. */
static void check_string(const char *text, size_t len)
{
	json_t *s = controlmsg_string(text, len);
	char *shown = trp_escape(text, len, TRP_ESCAPE_CONTROL);

	MUST(json_is_string(s) && strlen(json_string_value(s)) == json_string_length(s));
	MUST(shown);
	for (const char *c = shown; *c; c++)
		MUST((unsigned char)*c >= 0x20 || *c == '\t');
	json_decref(s);
	s = json_string(shown);
	MUST(s);
	json_decref(s);
	free(shown);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *at = (const char *)data;
	size_t left = size, len = 0;

	while (controlmsg_frame(at, left, CONTROL_MESSAGE_MAX, &len) == CONTROLMSG_WHOLE) {
		check_prefix(at, left, len);
		check_call(at, len);
		check_string(at, len);
		at += len + 1;
		left -= len + 1;
	}
	check_string((const char *)data, size);
	return 0;
}
