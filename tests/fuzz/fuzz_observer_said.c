/* SPDX-License-Identifier: ISC */
/* What trp-observer, had it been taken over, says to the daemon, and what it writes into the table of connections (router/live.h). First byte 0: messages,
 * each 20 bytes of one; else entries of the table, and what trpsup conns makes of each. What must hold: an unknown message is none; of an entry only one whose numbers
 * are within their tables and whose name ends is seen, as text. */
#include "supervisor/observer.h"
#include "supervisor/verbs_conns.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#include "supervisor/observer.c" /* their statics are what is tried */
#define next_row conns_next_row
#define end_rows conns_end_rows
#define service_name conns_service_name
#include "supervisor/verbs_conns.c"

static unsigned n_given;

static void given(void *data, uint32_t look)
{
	(void)data;
	(void)look;
	n_given++;
}

static void check_messages(struct observer *o, const uint8_t *data, size_t size)
{
	struct observer_msg m;
	unsigned asked = 3, fulls = 2, sampled = asked;

	STAILQ_INIT(&o->samples);
	for (uint32_t i = 1; i <= asked; i++) {
		struct sample *s = calloc(1, sizeof(*s));
		*s = (struct sample){.seq = i, .done = given};
		STAILQ_INSERT_TAIL(&o->samples, s, link);
	}
	n_given = 0;
	o->samples_asked = sampled;
	o->logs_told = fulls;
	for (; size >= 20; data += 20, size -= 20) {
		bool was_ready = o->ready, known;
		memset(&m, 0, sizeof(m));
		memcpy(&m, data, 20);
		known = take_message(o, &m);
		if (known != ((m.type == OBSERVER_READY && !was_ready) || (m.type == OBSERVER_FULL && fulls > 0) ||
				    (m.type == OBSERVER_SAMPLED && sampled > 0)))
			abort();
		fulls -= known && m.type == OBSERVER_FULL;
		sampled -= known && m.type == OBSERVER_SAMPLED;
	}
	give_samples(o, 0, 0);
	if (n_given != asked)
		abort(); /* each once, whatever it says */
}

static void check_entries(struct observer *o, const uint8_t *data, size_t size)
{
	struct conns c = {.d = o->d, .look = 0};
	json_t *row;
	size_t n = 0;

	for (; size > 0 && n < 8; n++) {
		size_t len = size < sizeof(struct live_entry) ? size : sizeof(struct live_entry);
		memset(&o->live->entries[n], 0, sizeof(struct live_entry));
		memcpy(&o->live->entries[n], data, len);
		o->live->entries[n].sampled = 0;
		data += len;
		size -= len;
	}
	o->live->n_touched = n == 8 ? UINT32_MAX : (uint32_t)n;
	while ((row = conns_next_row(&c))) {
		if (!json_string_value(json_object_get(row, "name")) || !json_string_value(json_object_get(row, "protocol")) ||
			!json_string_value(json_object_get(row, "client")))
			abort();
		json_decref(row);
	}
	if (c.at > LIVE_MAX)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct live *live;
	static struct daemon d;
	struct observer o = {.d = &d, .live_fd = -1, .ends_fd = -1, .control = -1};

	if (size < 1)
		return 0;
	if (!live) {
		live = aligned_alloc(4096, sizeof(*live));
		memset(live, 0, sizeof(*live));
		d.loop = ev_loop_new(EVFLAG_AUTO);
	}
	o.live = live;
	d.observer = &o;
	if (data[0] == 0)
		check_messages(&o, data + 1, size - 1);
	else
		check_entries(&o, data + 1, size - 1);
	return 0;
}
