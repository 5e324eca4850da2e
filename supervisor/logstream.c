/* SPDX-License-Identifier: ISC */
#include "logstream.h"
#include "base/fdpass.h"
#include "base/parse.h"
#include "controlmsg.h"
#include "supervisor/answer.h"
#include "supervisor/helper.h"
#include "supervisor/logger.h"
#include "supervisor/logreadmsg.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define DEFAULT_LINES 50
#define READERS_MAX 96   /* also those that a disk keeps from ending */
#define WOKEN_MAX   64   /* services that are named to the reader; if there are more, it looks at all */
#define PER_TURN    64   /* messages of a reader; as a rule its client is served sooner */
#define GATHER      0.02 /* seconds for which news are gathered */

struct logstream {
	struct daemon *d;
	struct control_call *call;
	char *names; /* that were asked for, each with its NUL; of n services, 0: all */
	size_t n, names_len;
	bool follow;
	int sock, pidfd;
	ev_io on_reply;
	struct logsink_barrier barrier; /* until what was said so far is in the files */
	struct logread_request request;
	struct logsink_watcher watcher;
	ev_timer gather;
	char woken[WOKEN_MAX][LOGTEXT_SERVICE];
	size_t n_woken;
	bool wakes_all; /* more have written than can be named */
};

static unsigned n_readers;

static void reader_ended(void)
{
	n_readers--;
}

static void stream_end(struct logstream *s)
{
	ev_timer_stop(s->d->loop, &s->gather);
	ev_io_stop(s->d->loop, &s->on_reply);
	logsink_unwait(logger_sink(s->d->logger), &s->barrier);
	if (s->follow)
		logsink_unwatch(logger_sink(s->d->logger), &s->watcher);
	if (s->pidfd >= 0)
		helper_leave_then(s->d->loop, s->pidfd, reader_ended);
	trp_close(&s->sock);
	free(s->names);
	free(s);
}

static void on_gone(void *data)
{
	stream_end(data);
}

static void fail(struct logstream *s, const char *text)
{
	struct control_call *call = s->call;

	stream_end(s);
	answer_failed(call, text);
}

/* "SERVICE LINE" lines to the two arrays of a reply. */
static json_t *lines_of(const struct logstream *s, const char *text, size_t len)
{
	json_t *lines = json_array(), *services = s->n == 1 ? NULL : json_array();
	const char *end, *space;

	for (; (end = memchr(text, '\n', len)); len -= (size_t)(end + 1 - text), text = end + 1) {
		space = memchr(text, ' ', (size_t)(end - text));
		if (!space)
			continue;
		if (services)
			json_array_append_new(services, controlmsg_string(text, (size_t)(space - text)));
		json_array_append_new(lines, controlmsg_string(space + 1, (size_t)(end - space - 1)));
	}
	return services ? json_pack("{s:o,s:o}", "lines", lines, "services", services) : json_pack("{s:o}", "lines", lines);
}

/* False: the stream has ended. */
static bool take_reply(struct logstream *s, const struct logread_reply *in, size_t len)
{
	struct control_call *call = s->call;
	json_t *lines;

	switch (in->type) {
	case LOGREAD_LINES:
	case LOGREAD_WAITS:
		if (len > 0)
			control_reply(call, lines_of(s, in->text, len), true);
		return true;
	case LOGREAD_END:
		lines = lines_of(s, in->text, len);
		if (len > 0)
			control_reply(call, lines, true);
		else
			json_decref(lines);
		lines = lines_of(s, "", 0);
		stream_end(s);
		control_reply(call, lines, false);
		return false;
	case LOGREAD_UNKNOWN:
		lines = controlmsg_string(in->text, len);
		stream_end(s);
		answer_no_such(call, json_string_value(lines), "it is not known, and has no log");
		json_decref(lines);
		return false;
	default:
		lines = controlmsg_string(in->text, len);
		stream_end(s);
		answer_failed(call, json_string_value(lines));
		json_decref(lines);
		return false;
	}
}

/* As much as the client takes. */
static void on_reply(struct ev_loop *loop, ev_io *w, int events)
{
	struct logstream *s = w->data;
	static struct logread_reply in;

	(void)events;
	for (int i = 0; control_pending(s->call) < CONTROL_OUTPUT_LOW; i++) {
		if (i == PER_TURN)
			return; /* the rest is still there */
		ssize_t n = trp_fd_recv(s->sock, &in, sizeof(in), NULL, 0, MSG_DONTWAIT);
		if (n == -EAGAIN)
			return;
		if (n < (ssize_t)offsetof(struct logread_reply, text) || in.magic != LOGREAD_MAGIC) {
			fail(s, "the log cannot be read: trp-logread has ended");
			return;
		}
		if (!take_reply(s, &in, (size_t)n - offsetof(struct logread_reply, text)))
			return;
	}
	ev_io_stop(loop, w);
}

static void on_drain(void *data)
{
	struct logstream *s = data;

	ev_io_start(s->d->loop, &s->on_reply);
}

/* What it does not take now it is told later. */
static void on_gather(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct logstream *s = w->data;

	(void)revents;
	if (s->wakes_all) {
		if (trp_fd_send(s->sock, "", 1, NULL, 0, MSG_DONTWAIT) == -EAGAIN)
			return;
		s->wakes_all = false;
		s->n_woken = 0;
	}
	while (s->n_woken > 0) {
		const char *name = s->woken[s->n_woken - 1];
		if (trp_fd_send(s->sock, name, strlen(name) + 1, NULL, 0, MSG_DONTWAIT) == -EAGAIN)
			break;
		s->n_woken--;
	}
	if (s->n_woken == 0)
		ev_timer_stop(loop, w);
}

static bool has_name(const struct logstream *s, const char *service)
{
	for (const char *at = s->names; at < s->names + s->names_len; at += strlen(at) + 1)
		if (strcmp(at + (*at == LOGREAD_STRANGER), service) == 0)
			return true;
	return s->n == 0;
}

static void on_written(struct logsink_watcher *w, const char *service)
{
	struct logstream *s = (struct logstream *)((char *)w - offsetof(struct logstream, watcher));

	if (!has_name(s, service))
		return;
	for (size_t i = 0; i < s->n_woken; i++)
		if (strcmp(s->woken[i], service) == 0)
			return;
	if (s->n_woken == WOKEN_MAX) {
		s->wakes_all = true;
		return;
	}
	strcpy(s->woken[s->n_woken++], service);
	if (!ev_is_active(&s->gather))
		ev_timer_again(s->d->loop, &s->gather);
}

/* Names that the daemon knows, and others, which must have a log. */
static bool add_name(struct logstream *s, const char *name)
{
	bool stranger = name && !service_find(s->d, name);
	size_t len = name ? strlen(name) + 1 : 0;
	char *grown;

	if (!name || !trp_valid_service_name(name) || s->names_len + len + 1 > LOGREAD_NAMES_MAX)
		return false;
	grown = realloc(s->names, s->names_len + len + 1);
	if (!grown)
		return false;
	s->names = grown;
	if (stranger)
		s->names[s->names_len++] = LOGREAD_STRANGER;
	memcpy(s->names + s->names_len, name, len);
	s->names_len += len;
	s->n++;
	return true;
}

/* NULL, or the parameter that is wrong. */
static const char *take_names(struct logstream *s, const json_t *params)
{
	const json_t *one = json_object_get(params, "service"), *many = json_object_get(params, "services"), *name;
	bool all = json_is_true(json_object_get(params, "all"));
	size_t i;

	if (all)
		return one ? "service" : many ? "services" : NULL;
	if (one || !many)
		return many || !add_name(s, json_string_value(one)) ? "service" : NULL;
	if (json_array_size(many) == 0)
		return "services";
	json_array_foreach ((json_t *)many, i, name)
		if (!add_name(s, json_string_value(name)))
			return "services";
	return NULL;
}

static bool take_time(const json_t *params, const char *key, uint64_t *ret)
{
	const json_t *v = json_object_get(params, key);

	if (!v)
		return true;
	if (!json_is_integer(v) || json_integer_value(v) < 0)
		return false;
	*ret = (uint64_t)json_integer_value(v);
	return true;
}

static bool take_streams(const json_t *list, uint32_t *ret)
{
	const json_t *word;
	size_t i;

	if (!list)
		return true;
	*ret = 0;
	json_array_foreach ((json_t *)list, i, word) {
		unsigned k = 0;
		while (k < LOG_STREAMS && (!json_is_string(word) || strcmp(logtext_streams[k], json_string_value(word)) != 0))
			k++;
		if (k == LOG_STREAMS)
			return false;
		*ret |= 1u << k;
	}
	return *ret != 0;
}

/* NULL, or the parameter that is wrong. */
static const char *take_request(const json_t *params, struct logread_request *q)
{
	const json_t *lines = json_object_get(params, "lines"), *grep = json_object_get(params, "grep");

	*q = (struct logread_request){.magic = LOGREAD_MAGIC, .streams = (1u << LOG_STREAMS) - 1, .lines = DEFAULT_LINES,
		.until = UINT64_MAX, .follow = json_is_true(json_object_get(params, "follow"))};
	if (!take_time(params, "since", &q->since))
		return "since";
	if (!take_time(params, "until", &q->until))
		return "until";
	if (!take_streams(json_object_get(params, "streams"), &q->streams))
		return "streams";
	if (q->since > 0)
		q->lines = UINT64_MAX;
	if (lines && !json_is_null(lines)) {
		if (!json_is_integer(lines) || json_integer_value(lines) < 0)
			return "lines";
		q->lines = (uint64_t)json_integer_value(lines);
	} else if (lines) {
		q->lines = UINT64_MAX;
	}
	if (grep && (!json_is_string(grep) || json_string_length(grep) >= sizeof(q->grep)))
		return "grep";
	if (grep)
		strcpy(q->grep, json_string_value(grep));
	return NULL;
}

static int start_reader(struct logstream *s)
{
	int pair[2], r = n_readers < READERS_MAX ? trp_fd_pair(pair) : -EUSERS;
	pid_t pid;

	if (r < 0)
		return r;
	s->sock = pair[0];
	r = helper_start("trp-logread", s->d->config->log_dir, (const int[]){STDERR_FILENO, pair[1]}, 2, &pid, &s->pidfd);
	close(pair[1]);
	n_readers += r == 0;
	return r;
}

static int send_request(struct logstream *s)
{
	cleanup_free char *message = malloc(sizeof(s->request) + s->names_len);

	if (!message)
		return -ENOMEM;
	memcpy(message, &s->request, sizeof(s->request));
	if (s->names_len > 0)
		memcpy(message + sizeof(s->request), s->names, s->names_len);
	return trp_fd_send(s->sock, message, sizeof(s->request) + s->names_len, NULL, 0, MSG_DONTWAIT);
}

/* Whoever stops a service and then asks for its log sees its last words. */
static void on_passed(struct logsink_barrier *b)
{
	struct logstream *s = (struct logstream *)((char *)b - offsetof(struct logstream, barrier));

	if (send_request(s) < 0)
		shutdown(s->sock, SHUT_RDWR); /* its end is then read, and answered */
}

static struct logstream *new_stream(struct daemon *d, struct control_call *call)
{
	struct logstream *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->d = d;
	s->call = call;
	s->sock = s->pidfd = -1;
	s->watcher.written = on_written;
	s->barrier.passed = on_passed;
	ev_init(&s->on_reply, on_reply);
	ev_timer_init(&s->gather, on_gather, 0.0, GATHER);
	s->on_reply.data = s->gather.data = s;
	return s;
}

void logstream_start(struct daemon *d, struct control_call *call, const json_t *params)
{
	struct logstream *s;
	const char *wrong;
	char text[200];
	int r;

	if (!control_wants_more(call)) {
		control_error(call, "org.varlink.service.ExpectedMore", NULL);
		return;
	}
	s = new_stream(d, call);
	if (!s) {
		answer_failed(call, strerror(ENOMEM));
		return;
	}
	wrong = take_request(params, &s->request);
	if (!wrong)
		wrong = take_names(s, params);
	if (wrong) {
		stream_end(s);
		answer_invalid(call, wrong);
		return;
	}
	r = start_reader(s);
	if (r < 0) {
		snprintf(text, sizeof(text), "the log cannot be read: %s", strerror(-r));
		fail(s, text);
		return;
	}
	s->follow = s->request.follow;
	if (s->follow)
		logsink_watch(logger_sink(d->logger), &s->watcher);
	ev_io_set(&s->on_reply, s->sock, EV_READ);
	ev_io_start(d->loop, &s->on_reply);
	control_on_gone(call, on_gone, s);
	control_on_drain(call, on_drain, s);
	logsink_wait(logger_sink(d->logger), &s->barrier);
}
