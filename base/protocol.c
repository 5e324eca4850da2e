/* SPDX-License-Identifier: ISC */
#include "protocol.h"

const char *const trp_protocol_words[TRP_PROTO_COUNT + 1] = {
	[TRP_PROTO_NONE] = "raw",
	[TRP_PROTO_HTTP1] = "http",
	[TRP_PROTO_TLS] = "tls",
	[TRP_PROTO_SSH] = "ssh",
	[TRP_PROTO_POSTGRES] = "postgres",
	[TRP_PROTO_H2C] = "h2c",
	[TRP_PROTO_MINECRAFT] = "minecraft",
	[TRP_PROTO_XMPP] = "xmpp",
	[TRP_PROTO_XMPP_SERVER] = "xmpp-server",
};

bool trp_protocol_has_names(enum trp_protocol protocol)
{
	const uint32_t nameless = 1u << TRP_PROTO_NONE | 1u << TRP_PROTO_SSH | 1u << TRP_PROTO_POSTGRES;

	return !(nameless & 1u << protocol);
}
