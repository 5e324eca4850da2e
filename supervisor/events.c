/* SPDX-License-Identifier: ISC */
#include "supervisor/events.h"
#include "supervisor/controlmsg.h"
#include "supervisor/service.h"

#include <string.h>

#define KEPT        32 /* of each service */
#define IN_A_REPLY  64

struct event {
	uint64_t number; /* of all services together, from 1 */
	double time;
	enum service_state state;
	int from;         /* enum service_state; -1: it stays in its state */
	const char *word; /* static: event of the state machine, or what kind of sentence */
	char *text;       /* NULL: none */
};

struct event_ring {
	struct event events[KEPT];
	size_t n, next;
};

struct event_stream {
	struct event_stream *next;
	struct daemon *d;
	struct control_call *call;
	struct strv names; /* empty: all */
	double since;
	uint64_t told; /* number of the last that was told */
	bool follow;
};

/* An event on its way to a client. */
struct row {
	const struct service *s;
	const struct event *e;
};

void events_free(struct event_ring *ring)
{
	for (size_t i = 0; ring && i < ring->n; i++)
		free(ring->events[i].text);
	free(ring);
}

static bool wanted(const struct event_stream *st, const struct service *s)
{
	return st->names.n == 0 || strv_has(&st->names, s->name);
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = ((const struct row *)a)->e->number, y = ((const struct row *)b)->e->number;

	return x < y ? -1 : x > y;
}

/* All that are to be told, in their order. NULL with *ret_n > 0: no memory. */
static struct row *collect(const struct event_stream *st, size_t *ret_n)
{
	struct row *rows;
	size_t n = 0, room = 0;

	for (const struct service *s = st->d->services; s; s = s->next)
		room += s->events && wanted(st, s) ? s->events->n : 0;
	*ret_n = room;
	rows = room ? calloc(room, sizeof(*rows)) : NULL;
	if (!rows)
		return NULL;
	for (const struct service *s = st->d->services; s; s = s->next)
		for (size_t i = 0; s->events && wanted(st, s) && i < s->events->n; i++)
			if (s->events->events[i].number > st->told && s->events->events[i].time >= st->since)
				rows[n++] = (struct row){s, &s->events->events[i]};
	qsort(rows, n, sizeof(*rows), by_number);
	*ret_n = n;
	return rows;
}

static json_t *to_json(const struct row *r)
{
	const struct event *e = r->e;

	return json_pack("{s:s,s:f,s:s,s:o,s:s,s:o}", "service", r->s->name, "time", e->time, "state", service_state_name(e->state), "from",
		e->from < 0 ? json_null() : json_string(service_state_name((enum service_state)e->from)), e->from < 0 ? "word" : "cause",
		e->word, "text", e->text ? controlmsg_string(e->text, strlen(e->text)) : json_null());
}

static void stream_free(struct event_stream *st)
{
	for (struct event_stream **p = &st->d->event_streams; *p; p = &(*p)->next)
		if (*p == st) {
			*p = st->next;
			break;
		}
	strv_free(&st->names);
	free(st);
}

/* As many as the client takes. May end the stream. */
static void pump(void *data)
{
	struct event_stream *st = data;
	struct control_call *call = st->call;
	size_t n, i = 0;
	cleanup_free struct row *rows = collect(st, &n);
	json_t *list = json_array();

	while (rows && i < n && control_pending(call) < CONTROL_OUTPUT_LOW) {
		for (size_t k = 0; k < IN_A_REPLY && i < n; k++, i++)
			json_array_append_new(list, to_json(&rows[i]));
		st->told = rows[i - 1].e->number;
		if (i == n && !st->follow)
			break;
		control_reply(call, json_pack("{s:o}", "events", list), true);
		list = json_array();
	}
	if (st->follow || (rows && i < n)) { /* on_drain goes on */
		json_decref(list);
		return;
	}
	stream_free(st);
	control_on_gone(call, NULL, NULL);
	control_reply(call, json_pack("{s:o}", "events", list), false);
}

static void on_gone(void *data)
{
	stream_free(data);
}

void events_stream(struct control_call *call, struct daemon *d, struct strv *names, double since, bool follow)
{
	struct event_stream *st = calloc(1, sizeof(*st));

	if (!st) {
		strv_free(names);
		control_error(call, "trpsup.Failed", json_pack("{s:s}", "text", "out of memory"));
		return;
	}
	*st = (struct event_stream){.next = d->event_streams, .d = d, .call = call, .names = *names, .since = since, .follow = follow};
	*names = (struct strv){0};
	d->event_streams = st;
	control_on_gone(call, on_gone, st);
	control_on_drain(call, pump, st);
	pump(st);
}

static void add(struct service *s, struct event e)
{
	struct event_ring *ring = s->events ? s->events : calloc(1, sizeof(*ring));
	struct event *at;

	s->events = ring;
	if (!ring) {
		free(e.text);
		return;
	}
	at = &ring->events[ring->next];
	free(at->text);
	*at = e;
	at->number = ++s->d->last_event;
	at->time = ev_time();
	at->state = s->state;
	ring->next = (ring->next + 1) % KEPT;
	ring->n += ring->n < KEPT;
	for (struct event_stream *st = s->d->event_streams, *next; st; st = next) {
		next = st->next;
		if (st->follow && wanted(st, s) && control_pending(st->call) < CONTROL_OUTPUT_LOW)
			pump(st);
	}
}

void event_state(struct service *s, int from, const char *cause)
{
	add(s, (struct event){.from = from, .word = cause});
}

void event_say(struct service *s, const char *word, const char *text)
{
	add(s, (struct event){.from = -1, .word = word, .text = strdup(text)});
}
