/* SPDX-License-Identifier: ISC */
/* line.h: one line of the access log. Pure. */
#pragma once

#include "base/handoff.h"
#include <stdbool.h>
#include <stddef.h>

/* Two names from the daemon of at most 130, the client's name of at most 253 bytes, each six times as long when all of them are
 * escaped in JSON */
#define LINE_MAX_BYTES 4096

enum line_end {
	LINE_NOT_BEGUN, /* refused: it has no end to be told of */
	LINE_CLOSED,    /* its socket is gone */
	LINE_KICKED,
	LINE_LOST,      /* it is gone, but its figures are not known */
	LINE_UNSEEN,    /* there was no room to wait for its end */
};

struct line {
	uint64_t time_us; /* CLOCK_REALTIME at accept */
	struct trp_addr peer;
	const char *listener, *protocol, *service, *verdict; /* NULL or "": not known */
	const char *name; /* as the client sent it: anything may be in it */
	size_t name_len;
	uint8_t flags; /* TRP_HANDOFF_* */
	uint64_t route_us;
	enum line_end end;
	uint64_t bytes_in, bytes_out, duration_us;
	uint32_t rtt_us, retrans;
};

/* With its newline. Returns its length. */
size_t line_format(const struct line *l, bool json, char out[LINE_MAX_BYTES]);
/* A line about the log itself: "dropped" n records ... */
size_t line_note(uint64_t time_us, const char *what, uint64_t n, bool json, char out[LINE_MAX_BYTES]);
