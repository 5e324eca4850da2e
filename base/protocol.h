/* SPDX-License-Identifier: ISC */
/* protocol.h: the protocols of enum trp_protocol as the configuration names them: the words of "protocols" in
 * trpsup.conf and the keys of [route] in a profile. What the router knows of them besides is in router/protocol/opening.c. */
#pragma once

#include "base/handoff.h"
#include <stdbool.h>

#define TRP_PROTOCOLS_ALL ((1u << TRP_PROTO_COUNT) - 1)

/* Indexed by enum trp_protocol; NULL at the end. */
extern const char *const trp_protocol_words[TRP_PROTO_COUNT + 1];

/* Does its opening name a host? If not, one service has all its clients of a listener. */
bool trp_protocol_has_names(enum trp_protocol protocol);
