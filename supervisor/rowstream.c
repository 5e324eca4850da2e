/* SPDX-License-Identifier: ISC */
#include "supervisor/rowstream.h"

#define ROWS_EACH 100  /* in one reply */
#define ROWS_ONE  1000 /* in a single one */

struct rowstream {
	struct control_call *call;
	const char *name;
	struct row_source source;
};

/* Up to max rows. *ret_all: there are no more. */
static json_t *take(const struct row_source *source, size_t max, bool *ret_all)
{
	json_t *rows = json_array(), *row;

	*ret_all = false;
	while (json_array_size(rows) < max) {
		row = source->next(source->data);
		if (!row) {
			*ret_all = true;
			break;
		}
		json_array_append_new(rows, row);
	}
	return rows;
}

static void stream_free(void *data)
{
	struct rowstream *s = data;

	s->source.end(s->source.data);
	free(s);
}

static void pump(void *data)
{
	struct rowstream *s = data;
	struct control_call *call = s->call;
	const char *name = s->name;
	bool all = false;

	while (!all && control_pending(call) < CONTROL_OUTPUT_LOW) {
		json_t *rows = take(&s->source, ROWS_EACH, &all);
		if (all)
			stream_free(s);
		control_reply(call, json_pack("{s:o}", name, rows), !all);
	}
}

static void one_reply(struct control_call *call, const char *name, const struct row_source *source)
{
	bool all;
	json_t *rows = take(source, ROWS_ONE, &all);

	if (all) {
		control_reply(call, json_pack("{s:o}", name, rows), false);
	} else {
		json_decref(rows);
		control_error(call, "org.varlink.service.ExpectedMore", NULL);
	}
	source->end(source->data);
}

void rowstream_start(struct control_call *call, const char *name, const struct row_source *source)
{
	struct rowstream *s;

	if (!control_wants_more(call)) {
		one_reply(call, name, source);
		return;
	}
	s = calloc(1, sizeof(*s));
	if (!s) {
		source->end(source->data);
		control_error(call, "trpsup.Failed", json_pack("{s:s}", "text", "out of memory"));
		return;
	}
	*s = (struct rowstream){.call = call, .name = name, .source = *source};
	control_on_gone(call, stream_free, s);
	control_on_drain(call, pump, s);
	pump(s);
}

struct array_source {
	json_t *rows;
	size_t at;
};

static json_t *next_of_array(void *data)
{
	struct array_source *a = data;

	return json_incref(json_array_get(a->rows, a->at++));
}

static void end_of_array(void *data)
{
	struct array_source *a = data;

	json_decref(a->rows);
	free(a);
}

void rowstream_array(struct control_call *call, const char *name, json_t *rows)
{
	struct array_source *a = calloc(1, sizeof(*a));

	if (!a) {
		json_decref(rows);
		control_error(call, "trpsup.Failed", json_pack("{s:s}", "text", "out of memory"));
		return;
	}
	a->rows = rows;
	rowstream_start(call, name, &(struct row_source){next_of_array, end_of_array, a});
}
