/* SPDX-License-Identifier: ISC */
#include "supervisor/logger/logstore.h"
#include "base/io.h"
#include "supervisor/logfile.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct file {
	struct file *next;
	char service[LOGTEXT_SERVICE];
	struct logfile log;
	struct log_limits limits;
	bool known;     /* limits: the daemon has named it */
	uint64_t first; /* time of its first line */
	uint64_t lost;  /* lines, since writing last worked */
	int lost_error;
	uint64_t old_bytes;
	size_t n_old;
};

struct old {
	struct file *of;
	uint64_t stamp, size;
	bool packed, unfit; /* unfit: to compress it has failed */
};

struct logstore {
	int dir_fd;
	struct file *files;
	struct old *old; /* of all services, oldest first */
	size_t n_old, old_size;
	uint64_t all;    /* limits.all as it was last said */
	uint64_t due;
	struct file *packing; /* NULL: nothing is being compressed */
	uint64_t packing_stamp;
};

static struct file *get_file(struct logstore *s, const char *service)
{
	struct file *f = s->files;

	while (f && strcmp(f->service, service) != 0)
		f = f->next;
	if (f)
		return f;
	f = calloc(1, sizeof(*f));
	if (!f)
		return NULL;
	snprintf(f->service, sizeof(f->service), "%s", service);
	f->log = (struct logfile){.dir_fd = s->dir_fd, .name = trp_asprintf("%s.log", service), .fd = -1, .max_size = UINT64_MAX};
	if (!f->log.name) {
		free(f);
		return NULL;
	}
	f->next = s->files;
	s->files = f;
	return f;
}

/* Where it belongs by its time. */
static int add_old(struct logstore *s, const struct old *o)
{
	size_t at = s->n_old;

	if (s->n_old == s->old_size) {
		size_t size = s->old_size ? s->old_size * 2 : 64;
		struct old *grown = reallocarray(s->old, size, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		s->old = grown;
		s->old_size = size;
	}
	while (at > 0 && s->old[at - 1].stamp > o->stamp)
		at--;
	memmove(s->old + at + 1, s->old + at, (s->n_old - at) * sizeof(*o));
	s->old[at] = *o;
	s->n_old++;
	o->of->old_bytes += o->size;
	o->of->n_old++;
	return 0;
}

static void old_name(const struct old *o, char name[LOGTEXT_NAME])
{
	logtext_file(o->of->service, o->packed ? LOG_FILE_PACKED : LOG_FILE_OLD, o->stamp, name);
}

/* One that cannot be removed is not counted any more: there is nothing else to be done about it. */
static void remove_old(struct logstore *s, struct old *o)
{
	char name[LOGTEXT_NAME];

	old_name(o, name);
	unlinkat(s->dir_fd, name, 0);
	o->of->old_bytes -= o->size;
	o->of->n_old--;
	s->n_old--;
	memmove(o, o + 1, (size_t)(s->old + s->n_old - o) * sizeof(*o));
}

static struct old *oldest(struct logstore *s, const struct file *f)
{
	for (size_t i = 0; i < s->n_old; i++)
		if (s->old[i].of == f)
			return &s->old[i];
	return NULL;
}

static uint64_t min_due(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void prune_file(struct logstore *s, struct file *f, uint64_t now)
{
	const struct log_limits *l = &f->limits;
	struct old *o;

	while (f->known && (o = oldest(s, f))) {
		if (f->n_old <= l->files && (!l->total || f->old_bytes + f->log.size <= l->total) && (!l->keep || o->stamp + l->keep > now)) {
			if (l->keep)
				s->due = min_due(s->due, o->stamp + l->keep);
			return;
		}
		remove_old(s, o);
	}
}

/* It is at the expense of whoever has the most, so that one who floods costs the others nothing. */
static void prune_all(struct logstore *s)
{
	while (s->all) {
		struct file *most = NULL;
		uint64_t sum = 0;
		for (struct file *f = s->files; f; f = f->next) {
			sum += f->old_bytes + f->log.size;
			if (f->n_old > 0 && (!most || f->old_bytes + f->log.size > most->old_bytes + most->log.size))
				most = f;
		}
		if (sum <= s->all || !most)
			return;
		remove_old(s, oldest(s, most));
	}
}

static void take_entry(struct logstore *s, const char *name)
{
	struct log_name n;
	struct stat st;
	struct file *f;

	if (!logtext_parse_file(name, &n) || fstatat(s->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return;
	if (n.kind == LOG_FILE_UNPACKED) {
		unlinkat(s->dir_fd, name, 0);
		return;
	}
	f = get_file(s, n.service);
	if (f && n.kind == LOG_FILE_CURRENT)
		f->log.size = (uint64_t)st.st_size;
	else if (f)
		add_old(s, &(struct old){.of = f, .stamp = n.stamp, .size = (uint64_t)st.st_size, .packed = n.kind == LOG_FILE_PACKED});
}

/* Killed between the two names of one: what is compressed is whole, or it would not have its name. */
static void remove_twins(struct logstore *s)
{
	for (size_t i = 0; i < s->n_old; i++) {
		struct old *o = &s->old[i];
		for (size_t k = 0; k < s->n_old && !o->packed; k++)
			if (s->old[k].packed && s->old[k].of == o->of && s->old[k].stamp == o->stamp) {
				remove_old(s, o);
				i--;
				break;
			}
	}
}

int logstore_open(int dir_fd, uint64_t now, struct logstore **ret)
{
	cleanup_close int copy = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct logstore *s = calloc(1, sizeof(*s));
	DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
	struct dirent *e;

	if (!s || !dir) {
		int r = s ? -errno : -ENOMEM;
		if (dir) {
			trp_steal_fd(&copy);
			closedir(dir);
		}
		free(s);
		return r;
	}
	trp_steal_fd(&copy);
	s->dir_fd = dir_fd;
	s->due = now;
	while ((e = readdir(dir)))
		take_entry(s, e->d_name);
	closedir(dir);
	remove_twins(s);
	*ret = s;
	return 0;
}

void logstore_free(struct logstore *s)
{
	struct file *f;

	while (s && (f = s->files)) {
		s->files = f->next;
		f->log.dir_fd = -1; /* not its own */
		logfile_free(&f->log);
		free(f);
	}
	if (s)
		free(s->old);
	free(s);
}

static int rotate(struct logstore *s, struct file *f, uint64_t now)
{
	struct old o = {.of = f, .stamp = now, .size = f->log.size};
	char name[LOGTEXT_NAME];
	int r = 0;

	for (size_t i = 0; i < s->n_old; i++)
		if (s->old[i].of == f && s->old[i].stamp >= o.stamp)
			o.stamp = s->old[i].stamp + 1; /* their order is that of their names, whatever becomes of the clock */
	old_name(&o, name);
	if (renameat(s->dir_fd, f->log.name, s->dir_fd, name) == 0)
		r = add_old(s, &o);
	else if (errno != ENOENT) /* else somebody has removed it */
		return -errno;
	trp_close(&f->log.fd);
	f->log.size = 0;
	prune_file(s, f, now);
	return r;
}

static uint64_t count_lines(const char *text, size_t len)
{
	uint64_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += text[i] == '\n';
	return n;
}

/* The note about lines that were lost, as the first thing after writing works again. */
static int write_lost_note(struct file *f, uint64_t now)
{
	char note[LOGTEXT_TIME + 160], time[LOGTEXT_TIME];
	size_t done;
	int n, r;

	logtext_time(now, time);
	n = snprintf(note, sizeof(note), "%s sup %llu lines are missing here: %s\n", time, (unsigned long long)f->lost,
		strerror(-f->lost_error));
	r = logfile_write(&f->log, note, (size_t)n, &done);
	if (r == 0)
		f->lost = 0;
	return r;
}

/* Bytes of whole lines for which its file has room; an empty one has room for a line of any length. */
static size_t fitting(const struct file *f, const char *lines, size_t len)
{
	uint64_t room = f->limits.size > f->log.size ? f->limits.size - f->log.size : 0;
	const char *end;

	if (len <= room)
		return len;
	end = memrchr(lines, '\n', (size_t)room);
	if (!end && f->log.size == 0)
		end = memchr(lines, '\n', len);
	return end ? (size_t)(end - lines) + 1 : 0;
}

/* Of the file that was there before us the first line says it. */
static void find_first(struct logstore *s, struct file *f, uint64_t now)
{
	cleanup_close int fd = openat(s->dir_fd, f->log.name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
	char head[LOGTEXT_TIME];
	ssize_t n = fd < 0 ? -1 : pread(fd, head, sizeof(head), 0);

	if (n <= 0 || !logtext_parse_time(head, (size_t)n, &f->first))
		f->first = now;
}

static bool too_old(const struct file *f, uint64_t now)
{
	return f->limits.age && f->log.size > 0 && now >= f->first + f->limits.age;
}

/* One write, at most to the file's end; *done: bytes that are in it. */
static int write_some(struct logstore *s, struct file *f, const char *lines, size_t len, uint64_t now, size_t *done)
{
	size_t part;
	int r = 0;

	*done = 0;
	part = too_old(f, now) ? 0 : fitting(f, lines, len);
	if (part == 0) {
		r = rotate(s, f, now);
		part = r == 0 ? fitting(f, lines, len) : 0;
	}
	if (r == 0 && f->lost > 0)
		r = write_lost_note(f, now);
	if (r < 0)
		return r;
	if (f->log.size == 0)
		f->first = now;
	return logfile_write(&f->log, lines, part, done);
}

void logstore_write(struct logstore *s, const char *service, const struct log_limits *limits, const char *lines, size_t len,
	uint64_t now, uint64_t *ret_lost, int *ret_error)
{
	struct file *f = get_file(s, service);
	size_t done;
	int r = f ? 0 : -ENOMEM;

	s->all = limits->all;
	if (f) {
		f->limits = *limits;
		if (!f->known)
			find_first(s, f, now);
		if (f->first > now) /* the clock was set back: else it would be as old as its limit only when it has come there again */
			f->first = now;
		f->known = true;
	}
	for (; r == 0 && len > 0; lines += done, len -= done) {
		r = write_some(s, f, lines, len, now, &done);
		if (r == 0 && done == 0)
			r = -EIO; /* no line has an end */
	}
	*ret_lost = count_lines(lines, len);
	*ret_error = r;
	if (!f)
		return;
	f->lost += *ret_lost;
	f->lost_error = r < 0 ? r : f->lost_error;
	if (f->limits.age && f->log.size > 0)
		s->due = min_due(s->due, f->first + f->limits.age);
	prune_file(s, f, now);
	prune_all(s);
}

uint64_t logstore_unsaid(struct logstore *s, const char *service)
{
	const struct file *f = get_file(s, service);

	return f ? f->lost : 0;
}

void logstore_know_lost(struct logstore *s, const char *service, uint64_t lines, int error)
{
	struct file *f = lines > 0 ? get_file(s, service) : NULL;

	if (!f)
		return;
	f->lost += lines;
	f->lost_error = error < 0 ? error : -EIO;
}

size_t logstore_tail(struct logstore *s, const char *service, char *buf, size_t size)
{
	struct file *f = get_file(s, service);
	cleanup_close int fd = f ? openat(s->dir_fd, f->log.name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK) : -1;
	struct stat st;
	char *begin = buf, *end;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	n = pread(fd, buf, size, (uint64_t)st.st_size > size ? st.st_size - (off_t)size : 0);
	end = n > 0 ? memrchr(buf, '\n', (size_t)n) : NULL;
	if (!end)
		return 0;
	if ((uint64_t)st.st_size > size) /* it begins inside of a line */
		begin = (char *)memchr(buf, '\n', (size_t)n) + 1;
	memmove(buf, begin, (size_t)(end + 1 - begin));
	return (size_t)(end + 1 - begin);
}

uint64_t logstore_tick(struct logstore *s, uint64_t now)
{
	if (now < s->due)
		return s->due;
	s->due = UINT64_MAX;
	for (struct file *f = s->files; f; f = f->next) {
		if (f->known && too_old(f, now))
			rotate(s, f, now); /* if that fails, the next write tries again */
		else if (f->known && f->limits.age && f->log.size > 0)
			s->due = min_due(s->due, f->first + f->limits.age);
		prune_file(s, f, now);
	}
	prune_all(s);
	return s->due;
}

static struct old *find_packing(struct logstore *s)
{
	for (size_t i = 0; i < s->n_old; i++)
		if (s->old[i].of == s->packing && s->old[i].stamp == s->packing_stamp)
			return &s->old[i];
	return NULL;
}

int logstore_pack(struct logstore *s, int *ret_in, int *ret_out)
{
	struct old *o = NULL;
	char from[LOGTEXT_NAME], to[LOGTEXT_NAME];
	cleanup_close int in = -1, out = -1;

	for (size_t i = 0; i < s->n_old && !o; i++)
		if (!s->old[i].packed && !s->old[i].unfit && s->old[i].of->known && s->old[i].of->limits.compress)
			o = &s->old[i];
	if (s->packing || !o)
		return -ENOENT;
	old_name(o, from);
	logtext_file(o->of->service, LOG_FILE_UNPACKED, o->stamp, to);
	in = openat(s->dir_fd, from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
	if (in >= 0)
		out = openat(s->dir_fd, to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (in < 0 || out < 0) {
		int r = -errno;
		o->unfit = true;
		return r == -ENOENT ? -EIO : r;
	}
	s->packing = o->of;
	s->packing_stamp = o->stamp;
	*ret_in = trp_steal_fd(&in);
	*ret_out = trp_steal_fd(&out);
	return 0;
}

void logstore_packed(struct logstore *s, bool good, uint64_t now)
{
	struct old *o = s->packing ? find_packing(s) : NULL;
	char from[LOGTEXT_NAME], made[LOGTEXT_NAME], to[LOGTEXT_NAME];
	struct file *f = s->packing;
	struct stat st;

	if (!f)
		return;
	logtext_file(f->service, LOG_FILE_OLD, s->packing_stamp, from);
	logtext_file(f->service, LOG_FILE_UNPACKED, s->packing_stamp, made);
	logtext_file(f->service, LOG_FILE_PACKED, s->packing_stamp, to);
	s->packing = NULL;
	if (o && good && fstatat(s->dir_fd, made, &st, AT_SYMLINK_NOFOLLOW) == 0 && renameat(s->dir_fd, made, s->dir_fd, to) == 0) {
		unlinkat(s->dir_fd, from, 0);
		f->old_bytes += (uint64_t)st.st_size - o->size;
		o->size = (uint64_t)st.st_size;
		o->packed = true;
	} else {
		unlinkat(s->dir_fd, made, 0);
		if (o)
			o->unfit = true;
	}
	prune_file(s, f, now);
}
