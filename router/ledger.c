/* SPDX-License-Identifier: ISC */
#include "router/ledger.h"

#include <string.h>

#define MASK (LEDGER_RING - 1)

_Static_assert((LEDGER_RING & MASK) == 0, "indexes are masked");
_Static_assert(sizeof(struct ledger) % 4096 == 0, "slots are mapped one by one");

/* The only writer is the router; readers want no more than whole numbers. */
static void add(uint64_t *n)
{
	__atomic_store_n(n, *n + 1, __ATOMIC_RELAXED);
}

void ledger_count(struct ledger *l, uint32_t listener, uint8_t protocol, uint32_t service, uint8_t verdict)
{
	if (verdict >= LEDGER_VERDICTS)
		return;
	listener = listener < LEDGER_LISTENERS ? listener : 0;
	protocol = protocol < LEDGER_PROTOCOLS ? protocol : 0;
	service = service < LEDGER_SERVICES ? service : 0;
	add(&l->listeners[listener][protocol].n[verdict]);
	add(&l->services[service].n[verdict]);
}

int ledger_append(struct ledger *l, const struct ledger_record *r)
{
	uint64_t head = l->head;
	struct ledger_record *to = &l->ring[head & MASK];

	if (head - __atomic_load_n(&l->tail, __ATOMIC_ACQUIRE) >= LEDGER_RING) {
		add(&l->dropped);
		return 0;
	}
	memcpy(to, r, offsetof(struct ledger_record, name) + r->name_len);
	__atomic_store_n(&l->head, head + 1, __ATOMIC_SEQ_CST);
	/* after the head: either the reader sees this record when it looks a last time, or it is seen asleep here */
	if (!__atomic_load_n(&l->asleep, __ATOMIC_SEQ_CST))
		return 0;
	__atomic_store_n(&l->asleep, 0, __ATOMIC_RELAXED);
	return 1;
}

int ledger_take(struct ledger *l, struct ledger_record *ret)
{
	uint64_t tail = l->tail, head = __atomic_load_n(&l->head, __ATOMIC_ACQUIRE);

	if (head == tail)
		return 0;
	if (head - tail > LEDGER_RING)
		tail = head - LEDGER_RING; /* somebody wrote nonsense: go on with what may be there */
	*ret = l->ring[tail & MASK];
	__atomic_store_n(&l->tail, tail + 1, __ATOMIC_RELEASE);
	return 1;
}

int ledger_sleep(struct ledger *l)
{
	__atomic_store_n(&l->asleep, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&l->head, __ATOMIC_SEQ_CST) == l->tail)
		return 1;
	ledger_awake(l);
	return 0;
}

void ledger_awake(struct ledger *l)
{
	__atomic_store_n(&l->asleep, 0, __ATOMIC_RELAXED);
}
