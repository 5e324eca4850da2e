/* SPDX-License-Identifier: ISC */
/* several.h: the handoff message with several clients, for receivers that asked for it. doc/protocol.md has it: 2 to 32
 * slots of TRP_SLOT_BYTES, each with one struct trp_handoff (its first size bytes, then zeros), and as many descriptors
 * in their order. A message with one client (base/handoff.h) is shorter than a slot: the length tells them apart.
 *
 * A slot is as long as what the smallest message with one client takes of a send buffer, and a message takes at least its
 * length. So the size of a channel's buffer bounds the clients that wait there whether they come singly or not.
 * Pure functions. */
#pragma once

#include "base/handoff.h"

#define TRP_SLOT_BYTES   768
#define TRP_SEVERAL_MAX  32
#define TRP_SEVERAL_SIZE (TRP_SLOT_BYTES * TRP_SEVERAL_MAX)

/* Writes the sealed h into slot i of msg (room for TRP_SEVERAL_SIZE bytes). */
void trp_several_put(void *msg, size_t i, const struct trp_handoff *h);

/* Is it a message with one client or several, each of them a handoff that we understand, that came with as many
 * descriptors? Returns how many, or -EBADMSG. */
int trp_several_check(const void *msg, size_t len, size_t n_fds);

/* Client i of a message that was found good. */
void trp_several_get(const void *msg, size_t i, struct trp_handoff *ret);
