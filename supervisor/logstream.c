/* SPDX-License-Identifier: ISC */
#include "logstream.h"
#include "controlmsg.h"

#include <string.h>

#define REPLY_BYTES (16 * 1024) /* of log text in one reply; as JSON at most six times as much */
#define GATHER      0.02        /* seconds for which new lines are gathered into one reply */

struct logstream {
	struct ev_loop *loop;
	struct control_call *call;
	struct logs *logs;
	struct logs_reader *reader;
	bool follow;
	struct logs_watcher
		watcher; /* only says that there is something; the text is read from the file */
	ev_timer gather;
};

static void stream_end(struct logstream *s)
{
	ev_timer_stop(s->loop, &s->gather);
	if (s->follow)
		logs_unwatch(s->logs, &s->watcher);
	logs_reader_close(s->reader);
	free(s);
}

static void on_gone(void *data)
{
	stream_end(data);
}

static void add_line(void *data, const char *text, size_t len)
{
	json_array_append_new(data, controlmsg_string(text, len));
}

/* As many lines as the client takes. May end the stream. */
static void pump(void *data)
{
	struct logstream *s = data;
	struct control_call *call = s->call;
	int r = 1;

	while (r > 0 && control_pending(call) < CONTROL_OUTPUT_LOW) {
		json_t *lines = json_array();
		r = logs_reader_next(s->reader, REPLY_BYTES, add_line, lines);
		if (json_array_size(lines) > 0)
			control_reply(call, json_pack("{s:o}", "lines", lines), true);
		else
			json_decref(lines);
	}
	if (r > 0 || (r == 0 && s->follow))
		return;
	stream_end(s);
	if (r < 0)
		control_error(call, "trpsup.Failed",
			json_pack("{s:s+}", "text", "the log cannot be read: ", strerror(-r)));
	else
		control_reply(call, json_pack("{s:[]}", "lines"), false);
}

static void on_gather(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	pump(w->data);
}

static void on_line(struct logs_watcher *w, const char *text, size_t len)
{
	struct logstream *s = (struct logstream *)((char *)w - offsetof(struct logstream, watcher));

	(void)text;
	(void)len;
	if (!ev_is_active(&s->gather)) {
		ev_timer_set(&s->gather, GATHER, 0.);
		ev_timer_start(s->loop, &s->gather);
	}
}

void logstream_start(
	struct ev_loop *loop, struct control_call *call, struct logs *l, unsigned n, bool follow)
{
	struct logstream *s;
	int r;

	if (!control_wants_more(call)) {
		control_error(call, "org.varlink.service.ExpectedMore", NULL);
		return;
	}
	s = calloc(1, sizeof(*s));
	r = s ? logs_reader_open(l, n, &s->reader) : -ENOMEM;
	if (r < 0) {
		free(s);
		control_error(call, "trpsup.Failed",
			json_pack("{s:s+}", "text", "the log cannot be read: ", strerror(-r)));
		return;
	}
	s->loop = loop;
	s->call = call;
	s->logs = l;
	s->follow = follow;
	s->watcher.line = on_line;
	ev_timer_init(&s->gather, on_gather, GATHER, 0.);
	s->gather.data = s;
	if (follow)
		logs_watch(l, &s->watcher);
	control_on_gone(call, on_gone, s);
	control_on_drain(call, pump, s);
	pump(s);
}
