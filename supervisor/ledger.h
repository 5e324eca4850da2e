/* SPDX-License-Identifier: ISC */
/* ledger.h: the daemon's side of router/ledger.h: makes the memory that its routers count in, and adds up what they counted. It
 * outlives each of them, so no counter is lost with a router. */
#pragma once

#include "router/control.h"
#include "router/ledger.h"
#include <jansson.h>
#include <stdbool.h>

struct keep;
struct ledgers;

/* That of an earlier daemon, whose counters go on, or fresh. 0 or -errno */
int ledgers_open(struct keep *keep, struct ledgers **ret);
void ledgers_close(struct ledgers *l);

/* A router is about to be given that slot (--ledger=SLOT, ROUTER_LEDGER_FD and ROUTER_WAKE_FD), which no other that lives has; its
 * counters go on from where they were. False: there is no such slot, and it counts for nobody. */
bool ledgers_use_slot(struct ledgers *l, unsigned slot);
int ledgers_fd(const struct ledgers *l);
int ledgers_wake_fd(const struct ledgers *l);
/* Whether routers write records too. */
void ledgers_record(struct ledgers *l, bool on);

/* A number for a new service, 1 to LEDGER_SERVICES - 1; 0 when all are given away: it is counted with those of nobody. */
uint32_t ledgers_number(struct ledgers *l);
/* An earlier daemon gave it away. */
void ledgers_number_used(struct ledgers *l, uint32_t number);

/* Sums over all routers, as a JSON object {"handed_on": 1, ...} with all verdicts. */
json_t *ledgers_of_service(const struct ledgers *l, uint32_t number);
json_t *ledgers_of_listener(const struct ledgers *l, uint32_t listener, uint8_t protocol);

uint64_t ledgers_handed_on(const struct ledgers *l, uint32_t number);

/* Slots are used below this number. */
unsigned ledgers_used(const struct ledgers *l);
