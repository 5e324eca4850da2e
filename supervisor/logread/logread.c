/* SPDX-License-Identifier: ISC */
#include "supervisor/logread/logread.h"
#include "base/util.h"
#include "supervisor/logread/source.h"

#include <dirent.h>
#include <fcntl.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOKED_AT   8 /* first lines: somebody may have cut it by hand */
#define ALL_STREAMS ((1u << LOG_STREAMS) - 1)

struct stream {
	struct source source;
	bool dry;         /* nothing to be had until it is woken */
	const char *line; /* NULL: none was read */
	size_t len;
	uint64_t order; /* its time; never before the one before it, whatever the clock did */
};

struct logread {
	int dir_fd;
	struct logread_request q;
	bool all, has_grep;
	regex_t grep;
	struct stream *streams;
	size_t n;
	uint64_t skip; /* of the first lines, which are too many */
	void (*line)(void *data, const char *service, const char *text, size_t len);
	void *data;
};

static bool matches(struct logread *r, const char *line, size_t len, uint64_t *time)
{
	struct log_line l = {.text = line, .len = len};
	bool ours = logtext_line(line, len, &l);
	regmatch_t whole;

	if (ours)
		*time = l.time;
	if (ours ? l.time < r->q.since || l.time > r->q.until || !(r->q.streams & 1u << l.stream)
		 : r->q.since > 0 || r->q.until < UINT64_MAX || r->q.streams != ALL_STREAMS)
		return false;
	if (!r->has_grep)
		return true;
	whole = (regmatch_t){0, (regoff_t)l.len};
	return regexec(&r->grep, l.text, 1, &whole, REG_STARTEND) == 0;
}

/* Is its name made up, as the clock had been set back behind the one before (logstore.c)? Of the first that is there nobody knows. */
static bool is_made_up(const struct source *s, size_t i)
{
	return i == 0 || s->parts[i].stamp == s->parts[i - 1].stamp + 1;
}

/* Is something of the i-th part within the times? Its last line is not younger than its name, its first not older than the name before, if that
 * is a time at which something was. Of the current one it is not known whether the clock was set back. */
static bool part_matters(const struct logread *r, const struct source *s, size_t i)
{
	const bool last = i + 1 == s->n_parts;

	return s->parts[i].stamp >= r->q.since && (last || is_made_up(s, i) || is_made_up(s, i - 1) || s->parts[i - 1].stamp <= r->q.until);
}

static bool next_match(struct logread *r, struct source *s, bool past_part, const char **line, size_t *len, uint64_t *time)
{
	while (source_next(s, past_part, line, len))
		if (matches(r, *line, *len, time))
			return true;
	return false;
}

/* Goes to the last lines of one service that were asked for, from the newest file back. Returns their number. */
static uint64_t seek_last(struct logread *r, struct source *s)
{
	uint64_t have = 0, want = r->q.lines, time, here = 0;
	size_t part = s->n_parts, len;
	const char *line;

	while (part > 0 && have < want) {
		part--;
		here = 0;
		if (!part_matters(r, s, part))
			continue;
		source_seek(s, part);
		while (next_match(r, s, false, &line, &len, &time))
			here++;
		have += here;
	}
	if (want == 0) {
		source_seek(s, s->n_parts - 1);
		while (source_next(s, true, &line, &len))
			;
		return 0;
	}
	source_seek(s, part);
	for (; have > want; have--)
		next_match(r, s, false, &line, &len, &time);
	return have;
}

static void seek_since(struct logread *r, struct source *s)
{
	size_t part = 0;

	while (part + 1 < s->n_parts && !part_matters(r, s, part))
		part++;
	source_seek(s, part);
}

static int add_stream(struct logread *r, const char *service)
{
	struct stream *grown = reallocarray(r->streams, r->n + 1, sizeof(*grown));
	int e;

	if (!grown)
		return -ENOMEM;
	r->streams = grown;
	grown[r->n] = (struct stream){0};
	e = source_open(&grown[r->n].source, r->dir_fd, service);
	if (e == 0)
		r->n++;
	return e;
}

static struct stream *find(struct logread *r, const char *service)
{
	for (size_t i = 0; i < r->n; i++)
		if (strcmp(r->streams[i].source.service, service) == 0)
			return &r->streams[i];
	return NULL;
}

/* Has it a line of ours? The access log, and those of images that were built, lie there too and have names like a service's. */
static bool is_log(struct source *s)
{
	struct log_line l;
	const char *line;
	size_t len, n = 0;
	bool ours = false;

	while (!ours && n < LOOKED_AT && source_next(s, true, &line, &len)) {
		ours = logtext_line(line, len, &l);
		n++;
	}
	source_seek(s, 0);
	return ours || n == 0;
}

static void leave_out(struct logread *r)
{
	source_close(&r->streams[--r->n].source);
}

static int add_all(struct logread *r)
{
	cleanup_close int copy = openat(r->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct log_name n;
	struct dirent *e;
	int error = 0;

	if (!dir)
		return -errno;
	trp_steal_fd(&copy);
	while (error == 0 && (e = readdir(dir)))
		if (logtext_parse_file(e->d_name, &n) && n.kind != LOG_FILE_UNPACKED && !find(r, n.service)) {
			error = add_stream(r, n.service);
			if (error == 0 && !is_log(&r->streams[r->n - 1].source))
				leave_out(r);
		}
	closedir(dir);
	return error;
}

/* names: as in the request. */
static int add_named(struct logread *r, const char *name, char *err, size_t size)
{
	bool stranger = *name == LOGREAD_STRANGER;
	const struct source *s;
	int e;

	name += stranger;
	if (find(r, name))
		return 0;
	e = add_stream(r, name);
	if (e < 0 || !stranger)
		return e;
	s = &r->streams[r->n - 1].source;
	if (s->n_parts > 1 || s->current >= 0)
		return 0;
	snprintf(err, size, "%s", name);
	return -ENOENT;
}

static int compile(struct logread *r, char *err, size_t size)
{
	char why[200];
	int e;

	if (!r->q.grep[0])
		return 0;
	e = regcomp(&r->grep, r->q.grep, REG_EXTENDED);
	if (e != 0) {
		regerror(e, &r->grep, why, sizeof(why));
		snprintf(err, size, "not a regular expression: %s", why);
		return -EINVAL;
	}
	r->has_grep = true;
	return 0;
}

static void seek(struct logread *r)
{
	uint64_t have = 0;

	for (size_t i = 0; i < r->n; i++) {
		if (r->q.lines == UINT64_MAX)
			seek_since(r, &r->streams[i].source);
		else
			have += seek_last(r, &r->streams[i].source);
	}
	r->skip = have > r->q.lines ? have - r->q.lines : 0;
}

int logread_open(int dir_fd, const struct logread_request *q, const char *names, size_t n,
	void (*line)(void *data, const char *service, const char *text, size_t len), void *data, struct logread **ret, char *err,
	size_t err_size)
{
	struct logread *r = calloc(1, sizeof(*r));
	int e;

	if (!r)
		return -ENOMEM;
	r->dir_fd = dir_fd;
	r->q = *q;
	r->all = n == 0;
	r->line = line;
	r->data = data;
	e = compile(r, err, err_size);
	if (e == 0 && r->all)
		e = add_all(r);
	for (; e == 0 && n > 0; n--, names += strlen(names) + 1)
		e = add_named(r, names, err, err_size);
	if (e < 0) {
		logread_close(r);
		return e;
	}
	seek(r);
	*ret = r;
	return 0;
}

void logread_close(struct logread *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n; i++)
		source_close(&r->streams[i].source);
	if (r->has_grep)
		regfree(&r->grep);
	free(r->streams);
	free(r);
}

static bool has_line(struct logread *r, struct stream *s)
{
	uint64_t time = s->order;

	if (s->line || s->dry)
		return s->line != NULL;
	do {
		if (next_match(r, &s->source, true, &s->line, &s->len, &time)) {
			s->order = time > s->order ? time : s->order;
			return true;
		}
	} while (r->q.follow && source_moved_on(&s->source));
	s->line = NULL;
	s->dry = true;
	return false;
}

int logread_go(struct logread *r)
{
	for (;;) {
		struct stream *first = NULL;
		for (size_t i = 0; i < r->n; i++)
			if (has_line(r, &r->streams[i]) && (!first || r->streams[i].order < first->order))
				first = &r->streams[i];
		if (!first)
			return 0;
		if (r->skip > 0)
			r->skip--;
		else
			r->line(r->data, first->source.service, first->line, first->len);
		first->line = NULL;
	}
}

void logread_wake(struct logread *r, const char *service)
{
	struct stream *s = find(r, service);

	if (!service[0]) {
		for (size_t i = 0; i < r->n; i++)
			r->streams[i].dry = false;
		if (r->all)
			(void)add_all(r);
		return;
	}
	if (s)
		s->dry = false;
	else if (r->all)
		(void)add_stream(r, service); /* without memory it is seen the next time */
}
