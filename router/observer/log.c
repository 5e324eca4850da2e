/* SPDX-License-Identifier: ISC */
#include "router/observer/observer.h"
#include "base/util.h"

#include <string.h>
#include <time.h>

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* The note about those that could not be written, as the first thing when it works again */
static bool write_note(struct log *l)
{
	char note[1 + LINE_MAX_BYTES] = "\n";
	size_t torn = l->torn, len = line_note(now_us(), "unwritten", l->unwritten, l->json, note + torn) + torn;
	ssize_t n = write(l->fd, note, len);

	if (n != (ssize_t)len) {
		l->torn |= n > 0;
		return false;
	}
	l->size += len;
	l->unwritten = 0;
	l->torn = false;
	return true;
}

void log_flush(struct observer *o)
{
	struct log *l = &o->log;
	size_t done = 0;

	if (l->len == 0 || l->fd < 0)
		return;
	if (l->unwritten == 0 || write_note(l))
		while (done < l->len) {
			ssize_t n = write(l->fd, l->buffer + done, l->len - done);
			if (n <= 0 && errno != EINTR)
				break; /* a full disk, or the file's limit */
			done += n > 0 ? (size_t)n : 0;
		}
	for (size_t i = done; i < l->len; i++)
		l->unwritten += l->buffer[i] == '\n';
	l->torn |= done > 0 && l->buffer[done - 1] != '\n';
	l->size += done;
	l->len = 0;
	if (l->size >= l->max && !l->full) {
		l->full = true;
		control_say(o, OBSERVER_FULL, 0);
	}
}

static void append(struct observer *o, const char *line, size_t len)
{
	struct log *l = &o->log;

	if (l->len + len > sizeof(l->buffer))
		log_flush(o);
	memcpy(l->buffer + l->len, line, len);
	l->len += len;
}

void log_line(struct observer *o, const struct line *line)
{
	char text[LINE_MAX_BYTES];

	if (o->log.fd >= 0)
		append(o, text, line_format(line, o->log.json, text));
}

void log_note_line(struct observer *o, const char *what, uint64_t n)
{
	char text[LINE_MAX_BYTES];

	if (o->log.fd >= 0)
		append(o, text, line_note(now_us(), what, n, o->log.json, text));
}
