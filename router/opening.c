/* SPDX-License-Identifier: ISC */
#include "router/opening.h"
#include "base/util.h"
#include "router/name.h"

static const struct {
	enum trp_protocol protocol;
	parse_fn *parse;
} parsers[] = {
	{TRP_PROTO_TLS, parse_tls},
	{TRP_PROTO_HTTP1, parse_http1},
};

enum trp_protocol opening_look(const uint8_t *bytes, size_t len, struct parse_result *out)
{
	out->name_len = 0;
	if (len == 0) {
		parse_need(out, 1);
		return TRP_PROTO_NONE;
	}
	for (size_t i = 0; i < TRP_ARRAY_SIZE(parsers); i++) {
		parsers[i].parse(bytes, len, out);
		if (out->verdict != PARSE_OTHER)
			return parsers[i].protocol;
	}
	return TRP_PROTO_NONE;
}
