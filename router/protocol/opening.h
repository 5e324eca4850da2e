/* SPDX-License-Identifier: ISC */
/* opening.h: which protocol do the first bytes of a connection speak, and who is asked for? Pure.
 */
#pragma once

#include "base/handoff.h"
#include "router/protocol/parser.h"

/* Asks the parsers of the protocols that are accepted (bits 1 << enum trp_protocol); the others only if none of those
 * takes the bytes for its own and nothing but known protocols is accepted, so that the client can be told in its own.
 * Returns the protocol of the first that takes them (also when it needs more or finds them bad; out->verdict is never
 * PARSE_OTHER then), or TRP_PROTO_NONE: out->verdict is PARSE_NEED if there is nothing yet, else PARSE_OTHER. */
enum trp_protocol opening_look(const uint8_t *bytes, size_t len, uint32_t accepted, struct parse_result *out);
