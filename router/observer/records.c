/* SPDX-License-Identifier: ISC */
/* records.c: from the routers' records to lines. */
#include "router/observer/observer.h"
#include "base/protocol.h"
#include "router/verdict.h"

#include <string.h>
#include <time.h>

static const char *service_name(const struct observer *o, uint32_t number)
{
	return number < LEDGER_SERVICES ? o->services[number] : NULL;
}

static const char *listener_name(const struct observer *o, uint32_t id)
{
	for (uint32_t i = 0; i < o->n_listeners; i++)
		if (o->listeners[i].id == id)
			return o->listeners[i].name;
	return NULL;
}

/* What a router says of a protocol that it did not recognise is "raw" only if that is what the client was handed on as. */
static const char *protocol_name(uint8_t protocol, bool handed_on)
{
	return protocol < TRP_PROTO_COUNT && (protocol != TRP_PROTO_NONE || handed_on) ? trp_protocol_words[protocol] : NULL;
}

static uint64_t to_real_us(uint64_t monotonic_ns)
{
	struct timespec ts;
	uint64_t now = observer_clock();

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000 - (now > monotonic_ns ? (now - monotonic_ns) / 1000 : 0);
}

static void log_record(struct observer *o, const struct ledger_record *r, enum line_end end)
{
	const bool handed_on = r->verdict == VERDICT_HANDED_ON;
	const struct line l = {.time_us = to_real_us(r->accepted_ns),
		.peer = r->peer,
		.listener = listener_name(o, r->listener),
		.protocol = protocol_name(r->protocol, handed_on),
		.service = service_name(o, r->service),
		.verdict = router_verdict_word(r->verdict),
		.name = r->name,
		.name_len = r->name_len <= TRP_HANDOFF_NAME_MAX ? r->name_len : 0,
		.flags = r->flags,
		.route_us = r->decided_ns > r->accepted_ns ? (r->decided_ns - r->accepted_ns) / 1000 : 0,
		.end = end};

	log_line(o, &l);
}

void records_end(struct observer *o, struct live_entry *e, enum line_end end, const struct line *figures)
{
	struct line l = *figures;
	uint64_t now = observer_clock();

	l.time_us = to_real_us(e->accepted_ns);
	l.peer = e->peer;
	l.listener = listener_name(o, e->listener);
	l.protocol = protocol_name(e->protocol, true);
	l.service = service_name(o, e->service);
	l.verdict = router_verdict_word(VERDICT_HANDED_ON);
	l.name = e->name;
	l.name_len = e->name_len <= TRP_HANDOFF_NAME_MAX ? e->name_len : 0;
	l.flags = e->flags;
	l.route_us = e->route_us;
	l.end = end == LINE_CLOSED && e->kicked ? LINE_KICKED : end;
	l.duration_us = now > e->accepted_ns ? (now - e->accepted_ns) / 1000 : 0;
	log_line(o, &l);
	table_del(&o->table, e);
}

/* One that was handed on and taken back is no connection of its service any more: one line for it, with why. */
static void take_back(struct observer *o, const struct ledger_record *r)
{
	struct live_entry *e = table_find(&o->table, r->cookie);

	if (e)
		table_del(&o->table, e);
	log_record(o, r, LINE_NOT_BEGUN);
}

static void take(struct observer *o, const struct ledger_record *r)
{
	struct live_entry *e = r->verdict == VERDICT_HANDED_ON ? table_add(&o->table, r) : NULL;

	if (r->verdict != VERDICT_HANDED_ON && r->cookie && o->n_early < EARLY_MAX && !table_find(&o->table, r->cookie))
		o->early[o->n_early++] = *r;
	else if (r->verdict != VERDICT_HANDED_ON)
		take_back(o, r);
	else if (!e)
		log_record(o, r, LINE_UNSEEN);
	else if (o->sample.running)
		e->sampled = o->sample.number; /* came too late to be seen by this look: that does not mean that it is gone */
}

static void tell_dropped(struct observer *o, uint32_t slot)
{
	struct ledger *l = &o->ledgers[slot];
	uint64_t dropped = __atomic_load_n(&l->dropped, __ATOMIC_RELAXED), told = l->told;

	if (dropped > told)
		log_note_line(o, "dropped", dropped - told);
	if (dropped != told)
		l->told = dropped;
}

static bool take_all(struct observer *o)
{
	struct ledger_record r;
	bool any = false;

	for (uint32_t slot = 0; slot < o->n_slots; slot++) {
		for (int i = 0; i < LEDGER_RING && ledger_take(&o->ledgers[slot], &r); i++) {
			take(o, &r);
			any = true;
		}
		tell_dropped(o, slot);
	}
	return any;
}

/* A client is refused by another router than the one that had handed it on, perhaps, and that one's ring is read later. When all have been read once
 * more, what was written before is known. */
bool records_take(struct observer *o)
{
	bool any = take_all(o);
	uint32_t n = o->n_early;

	if (n == 0)
		return any;
	take_all(o);
	for (uint32_t i = 0; i < n; i++)
		take_back(o, &o->early[i]);
	o->n_early -= n;
	memmove(o->early, o->early + n, o->n_early * sizeof(o->early[0]));
	return true;
}
