/* SPDX-License-Identifier: ISC */
/* parser_check.h: what must be true of every parser of router/protocol/parser.h, for every input. */
#pragma once

#include "base/parse.h"
#include "router/protocol/parser.h"

#include <stdlib.h>
#include <string.h>

#define MUST(condition)                                                                            \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

/* 0xfe 0x01: Minecraft's old ping if nothing follows, what follows decides else. It is the one opening that ends with a segment. */
static inline int ends_with_segment(const uint8_t *bytes, size_t len)
{
	return len > 2 && bytes[0] == 0xfe && bytes[1] == 1;
}

static void check_name(const struct parse_result *r)
{
	char canonical[254];

	MUST(r->name_len > 0 && r->name_len <= 253 && strlen(r->name) == r->name_len);
	MUST((r->name[0] == '[' ? trp_canonical_literal(r->name, canonical) : trp_canonical_host(r->name, false, canonical)) == 0);
	MUST(strcmp(canonical, r->name) == 0);
}

/* A parser that has once decided does not change its mind for what follows behind, unless the verdict was
 * NEED; and NEED never asks for less than one byte more. */
static void check_parser(parse_fn *parse, const uint8_t *bytes, size_t len)
{
	static struct parse_result r, part;

	memset(&r, 0xee, sizeof(r));
	parse(bytes, len, &r);
	MUST(r.verdict <= PARSE_OTHER);
	if (r.verdict == PARSE_NEED)
		MUST(r.need > len && r.need <= PARSER_MAX_BYTES);
	if (r.verdict == PARSE_BAD)
		MUST(r.why && r.why[0]);
	if (r.verdict == PARSE_FOUND)
		check_name(&r);
	/* the way the router comes to it: from the first byte on, as far as asked for */
	for (size_t at = len > 0 && !ends_with_segment(bytes, len) ? 1 : len; at < len; at = part.need) {
		parse(bytes, at, &part);
		if (part.verdict == PARSE_NEED) {
			MUST(part.need > at);
			continue;
		}
		MUST(part.verdict == r.verdict);
		if (r.verdict == PARSE_FOUND)
			MUST(strcmp(part.name, r.name) == 0);
		break;
	}
}
