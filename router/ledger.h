/* SPDX-License-Identifier: ISC */
/* ledger.h: memory that a router shares with the daemon and the observer, made by the daemon: counters, and a ring of records, one for
 * each client that was decided. So the counters need no message and outlive a router that was killed, and a record costs no
 * system call unless the reader sleeps.
 *
 * One struct ledger for each router process (a slot of one sealed memfd). Nobody trusts what he finds there: indexes are
 * masked, records are copied first and checked then, a full ring costs records (they are counted), never a client. */
#pragma once

#include "base/handoff.h"

#define LEDGER_SLOTS     256
#define LEDGER_SERVICES  16384 /* numbers from 1 on; 0: clients that are nobody's */
#define LEDGER_LISTENERS 1024  /* the router's numbers of them; 0: of higher ones */
#define LEDGER_PROTOCOLS 16
#define LEDGER_VERDICTS  32
#define LEDGER_RING      8192 /* records; a power of two */

struct ledger_counts {
	uint64_t n[LEDGER_VERDICTS]; /* by enum router_verdict */
};

struct ledger_record {
	uint64_t cookie;      /* SO_COOKIE of a client that was handed on, or taken back; 0: none */
	uint64_t accepted_ns; /* CLOCK_MONOTONIC */
	uint64_t decided_ns;
	uint32_t listener, service, channel; /* channel: that it was put into, 0: none */
	struct trp_addr peer;
	uint8_t protocol; /* enum trp_protocol */
	uint8_t verdict;  /* enum router_verdict */
	uint8_t flags;    /* TRP_HANDOFF_* */
	uint8_t name_len;
	char name[TRP_HANDOFF_NAME_MAX + 3];
};

struct ledger {
	/* the router writes */
	uint64_t head;    /* records written so far */
	uint64_t dropped; /* ... and those for which there was no room */
	/* the reader of the ring writes */
	uint64_t tail __attribute__((aligned(64)));
	uint32_t asleep; /* it waits for its eventfd */
	uint64_t told;   /* ... of those dropped: it has said so in the access log */
	/* the daemon writes */
	uint32_t recording __attribute__((aligned(64))); /* 0: counters only */
	struct ledger_counts listeners[LEDGER_LISTENERS][LEDGER_PROTOCOLS] __attribute__((aligned(64)));
	struct ledger_counts services[LEDGER_SERVICES];
	struct ledger_record ring[LEDGER_RING] __attribute__((aligned(4096)));
} __attribute__((aligned(4096)));

/* router: one client more. protocol as in the record. */
void ledger_count(struct ledger *l, uint32_t listener, uint8_t protocol, uint32_t service, uint8_t verdict);
/* router: is anybody interested in records? */
static inline int ledger_records(const struct ledger *l)
{
	return __atomic_load_n(&l->recording, __ATOMIC_RELAXED) != 0;
}
/* router: appends a copy. 1: the reader sleeps and must be woken; 0: it does not, or there was no room (counted). */
int ledger_append(struct ledger *l, const struct ledger_record *r);

/* reader: the next record, copied; its bytes are still untrusted. 0: there is none. */
int ledger_take(struct ledger *l, struct ledger_record *ret);
/* reader: about to wait for the eventfd. 0: do not, there is something. */
int ledger_sleep(struct ledger *l);
void ledger_awake(struct ledger *l);
