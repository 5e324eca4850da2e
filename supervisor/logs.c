/* SPDX-License-Identifier: ISC */
/* In trpsupd: from the pipes of a service to the lines of its log. */
#include "logs.h"
#include "logfile.h"
#include "base/io.h"
#include "base/log.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#define READ_MAX (16 * 1024) /* bytes of one pipe for each turn of the loop */
#define DRAIN_MAX                                                                                  \
	(1024 * 1024 + 4096) /* /proc/sys/fs/pipe-max-size: what a service can have left behind */
#define HEAD_MAX   48        /* "2026-11-23T07:31:15.123456Z out " */
#define BATCH_SIZE (64 * 1024)

struct stream {
	LIST_ENTRY(stream) link;
	struct logs *logs;
	const char *tag;
	ev_io io;
	size_t len; /* bytes of a line whose end has not come */
	char line[LOGS_LINE_MAX];
};

struct logs {
	struct ev_loop *loop;
	struct logfile file;
	uint64_t lost; /* lines that could not be written */
	int lost_error;
	LIST_HEAD(, stream) streams;
	struct logs_watcher *watchers;
};

/* Lines on their way to one file. Empty between two calls from the loop, so all services share it.
 */
static struct {
	char text[BATCH_SIZE];
	size_t len;
	char stamp[32]; /* when these bytes were read */
} batch;

static void batch_stamp(void)
{
	struct timespec now;
	struct tm tm;
	size_t n;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	n = strftime(batch.stamp, sizeof(batch.stamp), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(batch.stamp + n, sizeof(batch.stamp) - n, ".%06ldZ", now.tv_nsec / 1000);
}

static uint64_t count_lines(const char *text, size_t len)
{
	uint64_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += text[i] == '\n';
	return n;
}

static void lines_lost(struct logs *l, uint64_t n, int error)
{
	if (n > 0 && l->lost == 0)
		log_warn("%s: lines are lost: %s", l->file.name, strerror(-error));
	l->lost += n;
	l->lost_error = error;
}

/* The note about lines that were lost, as the first thing after writing works again. */
static int write_lost_note(struct logs *l)
{
	char note[HEAD_MAX + 160];
	size_t done;
	int n = snprintf(note, sizeof(note), "%s sup %llu lines are missing here: %s\n",
		batch.stamp, (unsigned long long)l->lost, strerror(-l->lost_error));
	int r = logfile_write(&l->file, note, (size_t)n, &done);

	if (r == 0)
		l->lost = 0;
	return r;
}

static void tell_watchers(struct logs *l)
{
	const char *at = batch.text, *end;
	struct logs_watcher *w, *next;

	if (!l->watchers)
		return;
	for (; (end = memchr(at, '\n', (size_t)(batch.text + batch.len - at))); at = end + 1)
		for (w = l->watchers; w; w = next) {
			next = w->next;
			w->line(w, at, (size_t)(end - at));
		}
}

static void batch_flush(struct logs *l)
{
	size_t done = 0;
	int r = 0;

	if (batch.len == 0)
		return;
	if (l->lost > 0)
		r = write_lost_note(l);
	if (r == 0)
		r = logfile_write(&l->file, batch.text, batch.len, &done);
	if (r < 0)
		lines_lost(l, count_lines(batch.text + done, batch.len - done), r);
	tell_watchers(l);
	batch.len = 0;
}

static void batch_line(struct logs *l, const char *tag, const char *text, size_t len)
{
	size_t whole = HEAD_MAX + len;
	bool full =
		l->file.size + batch.len > 0 && l->file.size + batch.len + whole > l->file.max_size;
	int r;

	if (full || batch.len + whole > sizeof(batch.text))
		batch_flush(l);
	if (logfile_full(&l->file, whole)) {
		r = logfile_rotate(&l->file);
		if (r < 0 && logfile_full(&l->file, whole)) {
			/* the cap holds: better no line than a file without end */
			lines_lost(l, 1, r);
			return;
		}
	}
	batch.len += (size_t)snprintf(
		batch.text + batch.len, sizeof(batch.text) - batch.len, "%s %s ", batch.stamp, tag);
	for (size_t i = 0; i < len; i++)
		batch.text[batch.len++] = text[i] == '\0' ? '?' : text[i];
	batch.text[batch.len++] = '\n';
}

static void stream_line_end(struct stream *s)
{
	batch_line(s->logs, s->tag, s->line, s->len);
	s->len = 0;
}

static void stream_bytes(struct stream *s, const char *at, size_t n)
{
	while (n > 0) {
		const char *end = memchr(at, '\n', n);
		size_t part = end ? (size_t)(end - at) : n, room = sizeof(s->line) - s->len;

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
			stream_line_end(s);
		} else if (n > 0) {
			stream_line_end(s); /* too long: the rest becomes a line of its own */
		}
	}
}

static void stream_free(struct stream *s)
{
	ev_io_stop(s->logs->loop, &s->io);
	close(s->io.fd);
	LIST_REMOVE(s, link);
	free(s);
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
		return n;
	}
	if (s->len > 0)
		stream_line_end(s);
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
	return s;
}

static void stream_start(struct stream *s, int fd)
{
	ev_io_init(&s->io, on_readable, fd, EV_READ);
	s->io.data = s;
	ev_io_start(s->logs->loop, &s->io);
	LIST_INSERT_HEAD(&s->logs->streams, s, link);
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
		batch_line(l, "sup", at, (size_t)(end - at));
	if (*at || at == text)
		batch_line(l, "sup", at, strlen(at));
	batch_flush(l);
}

int logs_open(struct ev_loop *loop, const char *dir, const char *service, uint64_t file_size,
	unsigned n_files, struct logs **ret)
{
	cleanup_close int dir_fd = -1;
	cleanup_free struct logs *l = calloc(1, sizeof(*l));
	int r = trp_mkdir_p(dir, 0750);

	if (r < 0)
		return r;
	dir_fd = open(dir, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	if (dir_fd < 0)
		return -errno;
	if (!l)
		return -ENOMEM;
	r = logfile_init(&l->file, dir_fd, service, file_size, n_files);
	if (r < 0)
		return r;
	trp_steal_fd(&dir_fd);
	l->loop = loop;
	LIST_INIT(&l->streams);
	*ret = trp_steal_ptr(&l);
	return 0;
}

void logs_close(struct logs *l)
{
	struct stream *s;

	if (!l)
		return;
	logs_drain(l);
	while ((s = LIST_FIRST(&l->streams)))
		stream_free(s);
	logfile_free(&l->file);
	free(l);
}

void logs_set_limits(struct logs *l, uint64_t file_size, unsigned n_files)
{
	l->file.max_size = file_size;
	l->file.n_old = n_files;
	logfile_prune(&l->file);
}

int logs_reader_open(struct logs *l, unsigned n, struct logs_reader **ret)
{
	return logread_open(&l->file, n, ret);
}

int logs_tail(struct logs *l, unsigned n, void (*line)(void *data, const char *text, size_t len),
	void *data)
{
	struct logs_reader *reader;
	int r;

	if (n == 0)
		return 0;
	r = logs_reader_open(l, n, &reader);
	if (r < 0)
		return r;
	do
		r = logs_reader_next(reader, BATCH_SIZE, line, data);
	while (r > 0);
	logs_reader_close(reader);
	return r;
}

void logs_watch(struct logs *l, struct logs_watcher *w)
{
	w->next = l->watchers;
	l->watchers = w;
}

void logs_unwatch(struct logs *l, struct logs_watcher *w)
{
	for (struct logs_watcher **at = &l->watchers; *at; at = &(*at)->next)
		if (*at == w) {
			*at = w->next;
			return;
		}
}
