/* SPDX-License-Identifier: ISC */
#include "router/protocol/opening.h"
#include "base/protocol.h"
#include "base/util.h"
#include "router/protocol/name.h"

/* In the order in which they are asked. No opening belongs to two of them, once some bytes of it are there, but for
 * what these rows say: doc/protocol.md, "Which protocol is it?" */
static const struct {
	enum trp_protocol protocol;
	parse_fn *parse;
} parsers[] = {
	{TRP_PROTO_TLS, parse_tls},
	{TRP_PROTO_SSH, parse_ssh}, /* before HTTP, for which "SSH-2.0-x" could be a method */
	{TRP_PROTO_POSTGRES, parse_postgres},
	{TRP_PROTO_MINECRAFT, parse_minecraft},
	{TRP_PROTO_XMPP, parse_xmpp}, /* the two differ by a namespace */
	{TRP_PROTO_XMPP_SERVER, parse_xmpp_server},
	{TRP_PROTO_H2C, parse_h2}, /* its preface begins as a request does */
	{TRP_PROTO_HTTP1, parse_http1},
};

_Static_assert(TRP_ARRAY_SIZE(parsers) == TRP_PROTO_COUNT - 1, "a parser for each but TRP_PROTO_NONE");

static enum trp_protocol ask(const uint8_t *bytes, size_t len, uint32_t protocols, struct parse_result *out)
{
	for (size_t i = 0; i < TRP_ARRAY_SIZE(parsers); i++) {
		if (!(protocols & 1u << parsers[i].protocol))
			continue;
		parsers[i].parse(bytes, len, out);
		if (out->verdict != PARSE_OTHER)
			return parsers[i].protocol;
	}
	out->verdict = PARSE_OTHER;
	return TRP_PROTO_NONE;
}

enum trp_protocol opening_look(const uint8_t *bytes, size_t len, uint32_t accepted, struct parse_result *out)
{
	enum trp_protocol protocol;

	out->name_len = 0;
	out->whole = false;
	out->flags = 0;
	out->detail = 0;
	if (len == 0) {
		parse_need(out, 1);
		return TRP_PROTO_NONE;
	}
	protocol = ask(bytes, len, accepted, out);
	if (protocol != TRP_PROTO_NONE || accepted & 1u << TRP_PROTO_NONE)
		return protocol;
	return ask(bytes, len, ~accepted, out);
}
