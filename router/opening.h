/* SPDX-License-Identifier: ISC */
/* opening.h: which protocol do the first bytes of a connection speak, and who is asked for? Pure.
 */
#pragma once

#include "base/handoff.h"
#include "router/parser.h"

/* Asks the parsers in turn. Returns the protocol of the first that takes the bytes for its own
 * (also when it needs more or finds them bad; out->verdict is never PARSE_OTHER then), or
 * TRP_PROTO_NONE: out->verdict is PARSE_NEED if there is nothing yet, else PARSE_OTHER. */
enum trp_protocol opening_look(const uint8_t *bytes, size_t len, struct parse_result *out);
