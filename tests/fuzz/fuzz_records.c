/* SPDX-License-Identifier: ISC */
/* What a router that was taken over writes into its ledger, as trp-observer takes it: the input is records, one behind the other; the first byte says
 * in which form lines are written. What must hold: the table has as many entries as it counts, and
 * each line that is written is one line. */
#include "router/observer/observer.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* of main.c */
uint64_t observer_clock(void)
{
	return 1000000000;
}

static void check_lines(const struct log *l)
{
	for (size_t i = 0; i < l->len; i++)
		if ((unsigned char)l->buffer[i] != '\n' && ((unsigned char)l->buffer[i] < ' ' || (unsigned char)l->buffer[i] > '~'))
			abort();
	if (l->len > 0 && l->buffer[l->len - 1] != '\n')
		abort();
}

static void check_table(struct observer *o)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < o->table.live->n_touched; i++) {
		struct live_entry *e = &o->table.live->entries[i];
		if (e->cookie == 0)
			continue;
		n++;
		if (table_find(&o->table, e->cookie) != e)
			abort();
	}
	if (n != o->table.live->n)
		abort();
	for (uint32_t i = 0; i < o->table.live->n_touched; i++)
		if (o->table.live->entries[i].cookie)
			table_del(&o->table, &o->table.live->entries[i]);
	if (o->table.live->n != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct observer o;
	struct ledger *l;
	size_t n = 0;

	if (size < 1)
		return 0;
	if (!o.ledgers) {
		o.ledgers = aligned_alloc(4096, sizeof(*o.ledgers));
		if (!o.ledgers || table_init(&o.table, mmap(NULL, sizeof(struct live), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) < 0)
			abort();
		memset(o.ledgers, 0, sizeof(*o.ledgers));
		o.n_slots = 1;
	}
	l = o.ledgers;
	l->tail = l->head = l->dropped = l->told = 0;
	o.log = (struct log){.fd = 0, .json = data[0] & 1}; /* nothing is flushed: it is looked at */
	for (data++, size--; size > 0 && n < 64; n++) {
		size_t len = size < sizeof(l->ring[0]) ? size : sizeof(l->ring[0]);
		memset(&l->ring[n], 0, sizeof(l->ring[n]));
		memcpy(&l->ring[n], data, len);
		data += len;
		size -= len;
	}
	l->head = n;
	records_take(&o);
	check_lines(&o.log);
	check_table(&o);
	return 0;
}
