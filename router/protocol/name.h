/* SPDX-License-Identifier: ISC */
/* name.h: what the parsers of this folder share. Pure. */
#pragma once

#include "router/protocol/parser.h"
#include <stdbool.h>

/* A host name as a client wrote it -> out->name and name_len, canonical as the configuration's
 * names are (base/parse.h). False, and out untouched: it is none. */
bool name_take(const uint8_t *bytes, size_t len, struct parse_result *out);

/* The same for what may stand in a Host field: host or [IPv6], then perhaps ":" and a port, which
 * is dropped. RFC 9110 section 7.2, RFC 3986 section 3.2. */
bool name_take_authority(const uint8_t *bytes, size_t len, struct parse_result *out);

static inline void parse_need(struct parse_result *out, size_t need)
{
	out->verdict = PARSE_NEED;
	out->need = (uint32_t)need;
}

static inline void parse_bad(struct parse_result *out, const char *why)
{
	out->verdict = PARSE_BAD;
	out->why = why;
}
