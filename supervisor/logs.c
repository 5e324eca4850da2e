/* SPDX-License-Identifier: ISC */
/* In trpsupd: from the pipes of a service to the lines of its log. */
#include "logs.h"
#include "base/io.h"
#include "supervisor/keep.h"
#include "supervisor/pace.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#define READ_MAX (16 * 1024) /* bytes of one pipe for each turn of the loop */
#define DRAIN_MAX                                                                                  \
	(1024 * 1024 + 4096) /* /proc/sys/fs/pipe-max-size: what a service can have left behind */
#define HEAD_MAX   48        /* "2026-11-23T07:31:15.123456Z out+ " */
#define WAITED_SECONDS 60.0 /* a line about waiting is written at most so often */
#define DROP_SECONDS 1.0 /* so often it is said how many lines were dropped */
#define DROP_FACTOR  16  /* with log-over-rate = drop so much more than log-rate is read at most: to drop it costs, too */
#define PARTIAL_SECONDS 1.0 /* a line whose end does not come is written as it is */
#define LAST_SIZE (8 * 1024) /* of its last lines, for who asks for them at once */
#define LAST_FIRST 512       /* at first: most services say little */

struct stream {
	LIST_ENTRY(stream) link;
	struct logs *logs;
	const char *tag;
	uint32_t number; /* no other of this log has it */
	ev_io io;
	ev_timer partial; /* while a line waits for its end */
	size_t len; /* bytes of a line whose end has not come */
	char *line; /* of LOGS_LINE_MAX; NULL: there are none */
};

struct logs {
	struct ev_loop *loop;
	char *name; /* of its file: under which its pipes are kept */
	struct logq *queue;
	LIST_HEAD(, stream) streams;
	struct keep *keep; /* NULL: nobody keeps the pipes */
	uint32_t last_number;
	struct pace pace; /* bytes */
	bool drops;       /* what is beyond pace, instead of waiting; but not beyond this: */
	struct pace hard;
	uint64_t over;    /* lines that were dropped and not said yet */
	uint64_t dropped; /* all of them */
	ev_timer say_over;
	double next_waited; /* trp_now_seconds() from which it is said again that the service has to wait */
	char *last; /* of last_size, at most LAST_SIZE bytes, of which n_last are whole lines */
	size_t last_size, n_last;
};

struct queue {
	struct logq q; /* first */
	struct logs *logs;
};

/* Lines on their way to one file. Empty between two calls from the loop, so all services share it.
 */
static struct {
	char text[LOG_TEXT_MAX];
	size_t len;
	uint64_t lines;
	char stamp[LOGTEXT_TIME]; /* when these bytes were read */
} batch;

static void batch_stamp(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	logtext_time((uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000, batch.stamp);
}

/* Room for so many bytes more, up to LAST_SIZE in all. */
static void grow_last(struct logs *l, size_t len)
{
	size_t want = l->n_last + len < LAST_SIZE ? l->n_last + len : LAST_SIZE, size = l->last_size ? l->last_size : LAST_FIRST;
	char *grown;

	while (size < want)
		size *= 2;
	if (size == l->last_size)
		return;
	grown = realloc(l->last, size);
	if (grown) {
		l->last = grown;
		l->last_size = size;
	}
}

/* Of what is too much the oldest lines go. */
static void remember(struct logs *l, const char *lines, size_t len)
{
	const char *end;
	size_t drop;

	grow_last(l, len);
	if (!l->last)
		return;
	drop = l->n_last + len > l->last_size ? l->n_last + len - l->last_size : 0;
	if (drop >= l->n_last) {
		end = drop > l->n_last ? memchr(lines + drop - l->n_last - 1, '\n', len - (drop - l->n_last - 1)) : lines - 1;
		len -= (size_t)(end + 1 - lines);
		memcpy(l->last, end + 1, len);
		l->n_last = len;
		return;
	}
	if (drop > 0) {
		end = memchr(l->last + drop - 1, '\n', l->n_last - (drop - 1)); /* each ends with one */
		drop = (size_t)(end + 1 - l->last);
		memmove(l->last, end + 1, l->n_last - drop);
	}
	memcpy(l->last + l->n_last - drop, lines, len);
	l->n_last += len - drop;
}

static void batch_flush(struct logs *l)
{
	if (batch.len == 0)
		return;
	logq_put(l->queue, batch.text, batch.len, batch.lines);
	remember(l, batch.text, batch.len);
	batch.len = 0;
	batch.lines = 0;
}

static void batch_line(struct logs *l, const char *tag, bool goes_on, const char *text, size_t len)
{
	if (batch.len + HEAD_MAX + len > sizeof(batch.text))
		batch_flush(l);
	batch.len += (size_t)snprintf(
		batch.text + batch.len, sizeof(batch.text) - batch.len, "%s %s%s ", batch.stamp, tag, goes_on ? "+" : "");
	for (size_t i = 0; i < len; i++)
		batch.text[batch.len++] = text[i] == '\0' ? '?' : text[i];
	batch.text[batch.len++] = '\n';
	batch.lines++;
}

static void stream_line_end(struct stream *s, bool goes_on)
{
	struct logs *l = s->logs;

	if (l->drops && l->pace.resting) {
		l->over++;
		l->dropped++;
		s->len = 0;
		if (!ev_is_active(&l->say_over))
			ev_timer_again(l->loop, &l->say_over);
		return;
	}
	batch_line(s->logs, s->tag, goes_on, s->line, s->len);
	s->len = 0;
}

/* Of a line that is all in what is read now: for whichever stream is being read. */
static char whole[LOGS_LINE_MAX];

/* What waits for its end has memory of its own; where there is none it is a line as it is. */
static void stream_keep(struct stream *s)
{
	if (s->line == whole && s->len > 0) {
		char *own = malloc(LOGS_LINE_MAX);
		if (own) {
			s->line = memcpy(own, whole, s->len);
			return;
		}
		stream_line_end(s, true);
	}
	if (s->len > 0)
		return;
	if (s->line != whole)
		free(s->line);
	s->line = NULL;
}

static void stream_bytes(struct stream *s, const char *at, size_t n)
{
	if (!s->line)
		s->line = whole;
	while (n > 0) {
		const char *end = memchr(at, '\n', n);
		size_t part = end ? (size_t)(end - at) : n, room = LOGS_LINE_MAX - s->len;

		if (part > room) {
			part = room;
			end = NULL;
		}
		memcpy(s->line + s->len, at, part);
		s->len += part;
		at += part;
		n -= part;
		if (end) {
			at++;
			n--;
			stream_line_end(s, false);
		} else if (n > 0) {
			stream_line_end(s, true); /* too long: the rest becomes a line of its own */
		}
	}
	stream_keep(s);
}

static void on_partial(struct ev_loop *loop, ev_timer *t, int events)
{
	struct stream *s = t->data;

	(void)events;
	ev_timer_stop(loop, t);
	if (s->len == 0)
		return;
	batch_stamp();
	stream_line_end(s, true);
	stream_keep(s);
	batch_flush(s->logs);
}

static void stream_free(struct stream *s)
{
	ev_io_stop(s->logs->loop, &s->io);
	ev_timer_stop(s->logs->loop, &s->partial);
	keep_drop(s->logs->keep, s->logs->name, s->tag, s->number);
	close(s->io.fd);
	LIST_REMOVE(s, link);
	free(s->line);
	free(s);
}

/* It writes faster than its log may grow, or than its disk takes it: its pipes fill up, and it waits in write(2). */
bool logs_waits(const struct logs *l)
{
	return (l->pace.resting && !l->drops) || l->hard.resting || logq_blocked(l->queue);
}

static void set_reading(struct logs *l)
{
	struct stream *s;

	LIST_FOREACH (s, &l->streams, link) {
		if (logs_waits(l))
			ev_io_stop(l->loop, &s->io);
		else
			ev_io_start(l->loop, &s->io);
	}
}

static void say_over(struct logs *l)
{
	uint64_t n = l->over;

	ev_timer_stop(l->loop, &l->say_over);
	l->over = 0;
	if (n > 0)
		logs_note(l, "%llu lines dropped: more than its log-rate allows", (unsigned long long)n);
}

static void on_say_over(struct ev_loop *loop, ev_timer *t, int events)
{
	(void)loop;
	(void)events;
	say_over(t->data);
}

/* False: enough for now. */
static bool take_pace(struct logs *l, double bytes)
{
	bool within = pace_take(&l->pace, bytes);

	return l->drops ? pace_take(&l->hard, bytes) : within;
}

static void go_on_hard(struct pace *p)
{
	set_reading(p->data);
}

static void go_on_reading(struct pace *p)
{
	struct logs *l = p->data;

	if (l->drops)
		return; /* it did not wait */
	if (trp_now_seconds() >= l->next_waited) {
		l->next_waited = trp_now_seconds() + WAITED_SECONDS;
		logs_note(l, "writes more than its log-rate allows: it was made to wait %llu times, %.1f s in all",
			(unsigned long long)p->rests, p->rested);
	}
	set_reading(l);
}

/* Reads once. Returns the bytes, 0 if nothing is there now, -1 if the stream ended (and was freed).
 */
static ssize_t stream_read(struct stream *s)
{
	char buf[READ_MAX];
	ssize_t n = read(s->io.fd, buf, sizeof(buf));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	batch_stamp();
	if (n > 0) {
		stream_bytes(s, buf, (size_t)n);
		batch_flush(s->logs);
		if (!take_pace(s->logs, (double)n))
			set_reading(s->logs);
		if (s->len > 0)
			ev_timer_again(s->logs->loop, &s->partial);
		else
			ev_timer_stop(s->logs->loop, &s->partial);
		return n;
	}
	if (s->len > 0)
		stream_line_end(s, false);
	batch_flush(s->logs);
	stream_free(s);
	return -1;
}

static void on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	(void)loop;
	(void)revents;
	stream_read(w->data);
}

static struct stream *stream_new(struct logs *l, const char *tag)
{
	struct stream *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->logs = l;
	s->tag = tag;
	s->number = ++l->last_number;
	ev_timer_init(&s->partial, on_partial, 0.0, PARTIAL_SECONDS);
	s->partial.data = s;
	return s;
}

static void stream_start(struct stream *s, int fd)
{
	ev_io_init(&s->io, on_readable, fd, EV_READ);
	s->io.data = s;
	keep_put(s->logs->keep, s->logs->name, s->tag, s->number, fd);
	if (!logs_waits(s->logs))
		ev_io_start(s->logs->loop, &s->io);
	LIST_INSERT_HEAD(&s->logs->streams, s, link);
}

static void adopt_streams(struct logs *l, const char *tag)
{
	uint32_t number;
	int fd;

	while ((fd = keep_take_any(l->keep, l->name, tag, &number)) >= 0) {
		struct stream *s = stream_new(l, tag);
		if (!s) {
			keep_drop(l->keep, l->name, tag, number);
			close(fd);
			continue;
		}
		s->number = number;
		l->last_number = number > l->last_number ? number : l->last_number;
		stream_start(s, fd);
	}
}

void logs_keep(struct logs *l, struct keep *keep)
{
	l->keep = keep;
	adopt_streams(l, "out");
	adopt_streams(l, "err");
}

/* A pipe whose read end does not block; the write end is the service's and does. */
static int make_pipe(int *ret_read, int *ret_write)
{
	int p[2], r;

	if (pipe2(p, O_CLOEXEC) < 0)
		return -errno;
	r = trp_set_nonblock(p[0], true);
	if (r < 0) {
		close(p[0]);
		close(p[1]);
		return r;
	}
	*ret_read = p[0];
	*ret_write = p[1];
	return 0;
}

int logs_pipes(struct logs *l, int *ret_out, int *ret_err)
{
	cleanup_close int out_r = -1, out_w = -1, err_r = -1, err_w = -1;
	cleanup_free struct stream *out = stream_new(l, "out"), *err = stream_new(l, "err");
	int r;

	if (!out || !err)
		return -ENOMEM;
	r = make_pipe(&out_r, &out_w);
	if (r == 0)
		r = make_pipe(&err_r, &err_w);
	if (r < 0)
		return r;
	stream_start(trp_steal_ptr(&out), trp_steal_fd(&out_r));
	stream_start(trp_steal_ptr(&err), trp_steal_fd(&err_r));
	*ret_out = trp_steal_fd(&out_w);
	*ret_err = trp_steal_fd(&err_w);
	return 0;
}

void logs_drain(struct logs *l)
{
	struct stream *s, *next;

	for (s = LIST_FIRST(&l->streams); s; s = next) {
		ssize_t n, sum = 0;
		next = LIST_NEXT(s, link);
		do {
			n = stream_read(s);
			sum += n;
		} while (n > 0 && sum < DRAIN_MAX);
	}
}

void logs_end_lines(struct logs *l)
{
	struct stream *s;

	batch_stamp();
	LIST_FOREACH (s, &l->streams, link)
		if (s->len > 0)
			stream_line_end(s, true);
	batch_flush(l);
	say_over(l);
}

void logs_note(struct logs *l, const char *fmt, ...)
{
	char text[LOGS_LINE_MAX];
	const char *at = text, *end;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	batch_stamp();
	for (; (end = strchr(at, '\n')); at = end + 1)
		batch_line(l, "sup", false, at, (size_t)(end - at));
	if (*at || at == text)
		batch_line(l, "sup", false, at, strlen(at));
	batch_flush(l);
}

static void on_room(struct logq *q)
{
	struct logs *l = ((struct queue *)q)->logs;

	set_reading(l);
}

/* What was there before us, unless there is something by now. */
static void on_tail(struct logq *q, const char *lines, size_t len)
{
	struct logs *l = ((struct queue *)q)->logs;
	cleanup_free char *ours = l->n_last > 0 ? malloc(l->n_last) : NULL;
	size_t n = l->n_last;

	if (n > 0 && !ours)
		return;
	if (n > 0)
		memcpy(ours, l->last, n);
	l->n_last = 0;
	remember(l, lines, len);
	if (n > 0)
		remember(l, ours, n);
}

int logs_open(struct ev_loop *loop, struct logsink *sink, const char *service, const struct log_limits *limits, struct logs **ret)
{
	cleanup_free struct logs *l = calloc(1, sizeof(*l));
	cleanup_free struct queue *q = calloc(1, sizeof(*q));
	cleanup_free char *name = trp_asprintf("%s.log", service);

	if (!l || !q || !name)
		return -ENOMEM;
	l->loop = loop;
	l->name = trp_steal_ptr(&name);
	LIST_INIT(&l->streams);
	pace_init(&l->pace, loop, 0, 1, go_on_reading, l);
	pace_init(&l->hard, loop, 0, 1, go_on_hard, l);
	ev_timer_init(&l->say_over, on_say_over, 0.0, DROP_SECONDS);
	l->say_over.data = l;
	q->q.room = on_room;
	q->q.tail = on_tail;
	q->logs = l;
	l->queue = &q->q;
	logq_open(sink, l->queue, service);
	trp_steal_ptr(&q);
	logq_set_limits(l->queue, limits);
	*ret = trp_steal_ptr(&l);
	return 0;
}

void logs_close(struct logs *l)
{
	struct stream *s;

	if (!l)
		return;
	logs_drain(l);
	say_over(l);
	pace_stop(&l->pace);
	pace_stop(&l->hard);
	while ((s = LIST_FIRST(&l->streams)))
		stream_free(s);
	logq_close(l->queue);
	free(l->last);
	free(l->name);
	free(l);
}

void logs_set_limits(struct logs *l, const struct log_limits *limits)
{
	logq_set_limits(l->queue, limits);
}

void logs_set_rate(struct logs *l, uint64_t rate, uint64_t burst, bool drops)
{
	bool bounded = rate <= UINT64_MAX / DROP_FACTOR;

	pace_set(&l->pace, rate, burst);
	pace_set(&l->hard, bounded ? rate * DROP_FACTOR : UINT64_MAX, burst);
	if (!drops)
		say_over(l);
	l->drops = drops;
	set_reading(l);
}

void logs_waited(const struct logs *l, uint64_t *ret_times, uint64_t *ret_ms)
{
	*ret_times = l->pace.rests;
	*ret_ms = (uint64_t)(l->pace.rested * 1000);
}

uint64_t logs_dropped(const struct logs *l)
{
	return l->dropped;
}

uint64_t logs_lost(const struct logs *l)
{
	return l->queue->lost;
}

uint64_t logs_not_taken(const struct logs *l, enum log_socket k)
{
	return l->queue->not_taken[k];
}

void logs_last(const struct logs *l, unsigned n, void (*line)(void *data, const char *text, size_t len), void *data)
{
	const char *at;

	if (l->n_last == 0)
		return;
	at = l->last + l->n_last;
	while (n > 0 && at > l->last) {
		const char *before = memrchr(l->last, '\n', (size_t)(at - 1 - l->last));
		at = before ? before + 1 : l->last;
		n--;
	}
	while (at < l->last + l->n_last) {
		const char *end = memchr(at, '\n', (size_t)(l->last + l->n_last - at));
		line(data, at, (size_t)(end - at));
		at = end + 1;
	}
}
