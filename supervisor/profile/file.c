/* SPDX-License-Identifier: ISC */
/* file.c: from a file to lang_apply(). libinih trims, cuts comments and separates key and value,
 * but hides the line number, cuts long names without a word, reports only the first bad line and
 * cannot tell a continued value from a second one. The reader below is called once for each line,
 * so it sees all that first. */
#include "lang.h"
#include "base/io.h"
#include "base/utf8.h"

#include <fcntl.h>
#include <ini.h>
#include <string.h>
#include <sys/stat.h>

#define READ_TRIES 10 /* a millisecond apart */

enum line_kind { LINE_NOTHING, LINE_SECTION, LINE_KEY, LINE_CONTINUED };

/* A line that cannot be used: what it would have said is lost. */
#define REFUSE(f, key, ...)                                                                        \
	do {                                                                                       \
		(f)->lang->lost = true;                                                            \
		profile_error((f)->lang->errors, (f)->path, (f)->line, key, __VA_ARGS__);          \
	} while (0)

/* Length of the character at s, 0 if it is not UTF-8 or a control character other than tab and line
 * end. */
static size_t text_char(const char *s, size_t left)
{
	unsigned char c = (unsigned char)s[0];

	if (c < 0x20 || c == 0x7f)
		return c == '\t' || c == '\n' || c == '\r';
	if (c == 0xc2 && left > 1 && (unsigned char)s[1] < 0xa0)
		return 0;
	return trp_utf8_length(s, left);
}

bool lang_check_text(struct profile_errors *errors, const char *path, const char *text, size_t len)
{
	unsigned line = 1;
	size_t n;

	for (const char *s = text, *end = text + len; s < end; s += n) {
		if (*s == '\r' && (s + 1 == end || s[1] != '\n')) { /* what follows would look like a line, and be part of this one */
			profile_error(errors, path, line, NULL, "a carriage return stands here that ends no line");
			return false;
		}
		n = text_char(s, (size_t)(end - s));
		if (n == 0) {
			profile_error(errors, path, line, NULL,
				"the byte 0x%02x does not belong here, expected UTF-8 text without "
				"control characters",
				(unsigned char)*s);
			return false;
		}
		line += *s == '\n';
	}
	return true;
}

static bool check_text(struct lang_file *f)
{
	bool good = lang_check_text(f->lang->errors, f->path, f->next, (size_t)(f->end - f->next));

	f->lang->lost |= !good;
	return good;
}

/* "[name]" and then nothing but a comment. Returns false if the line must not reach libinih. */
static bool read_section(struct lang_file *f, const char *line, size_t len)
{
	const char *close = memchr(line, ']', len), *rest;
	char name[LANG_WORD_MAX + 1];

	f->has_key = false;
	f->skip_section = true;
	if (!close) {
		REFUSE(f, NULL, "the section has no ']', expected [NAME]");
		return false;
	}
	for (rest = close + 1; rest < line + len && strchr(" \t\r", *rest); rest++)
		;
	if (rest < line + len && *rest != ';' && *rest != '#') {
		REFUSE(f, NULL,
			"there is text behind the ']' of a section, expected the end of the line");
		return false;
	}
	len = (size_t)(close - line - 1);
	if (len > LANG_WORD_MAX) {
		REFUSE(f, NULL, "the section's name is longer than %d bytes", LANG_WORD_MAX);
		return false;
	}
	memcpy(name, line + 1, len);
	name[len] = '\0';
	f->skip_section = lang_open_section(f, name) < 0;
	f->lang->lost |= f->skip_section;
	return !f->skip_section;
}

/* A line that should be "key = value". */
static bool read_key(struct lang_file *f, const char *line, size_t len)
{
	size_t key = 0;

	while (key < len && line[key] != '=' && line[key] != ':')
		key++;
	f->skip_continued = true;
	if (key == len || line[key] == ':') {
		REFUSE(f, NULL, "this is neither a [section] nor KEY = VALUE");
		return false;
	}
	while (key > 0 && strchr(" \t", line[key - 1]))
		key--;
	if (key == 0 || key > LANG_WORD_MAX) {
		REFUSE(f, NULL,
			key ? "the key is longer than %d bytes"
			    : "there is no key before the '=' (at most %d bytes)",
			LANG_WORD_MAX);
		return false;
	}
	f->skip_continued = false;
	f->has_key = true;
	return true;
}

/* Sets f->kind; false: libinih shall see an empty line instead. */
static bool classify(struct lang_file *f, const char *line, size_t len, size_t size)
{
	size_t indent = 0;

	while (indent < len && strchr(" \t\r", line[indent]))
		indent++;
	if (indent == len || line[indent] == ';' || line[indent] == '#')
		return false;
	if (len >= size) {
		REFUSE(f, NULL,
			"the line is longer than %zu bytes; continue it on a new line that begins "
			"with a blank",
			size - 1);
		f->skip_continued = true;
		f->skip_section |= line[0] == '[';
		return false;
	}
	if (indent == 0 && line[0] == '[') {
		f->kind = LINE_SECTION;
		return read_section(f, line, len);
	}
	if (f->skip_section || (indent > 0 && f->skip_continued))
		return false;
	if (indent == 0) {
		f->kind = LINE_KEY;
		return read_key(f, line, len);
	}
	if (!f->has_key) {
		REFUSE(f, NULL,
			"an indented line continues the value above it, but there is none; keys "
			"begin in the first column");
		return false;
	}
	f->kind = LINE_CONTINUED;
	return true;
}

/* Reader of ini_parse_stream(): called once for each line. */
static char *next_line(char *buf, int size, void *stream)
{
	struct lang_file *f = stream;
	const char *line = f->next, *nl;
	size_t len;

	/* libinih names only the first line that it cannot use */
	if (f->kind >= LINE_KEY && !f->handled && !f->skip_continued)
		REFUSE(f, NULL, "this is neither a [section] nor KEY = VALUE");
	f->kind = LINE_NOTHING;
	if (line == f->end || f->lang->oom)
		return NULL;
	nl = memchr(line, '\n', (size_t)(f->end - line));
	len = (size_t)((nl ? nl : f->end) - line);
	f->next = nl ? nl + 1 : f->end;
	f->line++;
	f->handled = false;
	buf[0] = '\0';
	if (len > 0 && line[len - 1] == '\r')
		len--;
	if (classify(f, line, len, (size_t)size)) {
		memcpy(buf, line, len);
		buf[len] = '\0';
	}
	return buf;
}

static int handle(void *user, const char *section, const char *name, const char *value)
{
	struct lang_file *f = user;

	(void)section; /* the reader knows it already, with what it means */
	f->handled = true;
	lang_apply(f, name, value, f->kind == LINE_CONTINUED);
	return 1;
}

static int read_lines(struct lang_file *f)
{
	size_t before = f->lang->errors->n;
	int r;

	if (f->end - f->next >= 3 && memcmp(f->next, "\xef\xbb\xbf", 3) == 0)
		f->next += 3;
	if (!check_text(f))
		return 0;
	r = ini_parse_stream(next_line, f, handle, f);
	if (r > 0 && f->lang->errors->n == before)
		profile_error(f->lang->errors, f->path, (unsigned)r, NULL,
			"syntax error, expected [section] or KEY = VALUE");
	return f->lang->oom ? -ENOMEM : 0;
}

const char *lang_check_owner(const struct stat *st)
{
	bool sticky = S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX); /* nobody takes away what is another's */

	if (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode))
		return "not a regular file";
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return "owned by somebody else, expected root or the user of this program as owner";
	if ((st->st_mode & (S_IWGRP | S_IWOTH)) && !sticky)
		return "writable by others than its owner, who could change what is run; chmod "
		       "go-w it";
	return NULL;
}

/* What it said when it was read before. */
static int load_again(const struct profile_sources *t, const char *path, struct lang_file *f, char *buf, ssize_t *ret_len)
{
	for (size_t i = 0; i < t->n; i++) {
		if (strcmp(t->v[i].path, path) != 0 || t->v[i].len > LANG_FILE_MAX)
			continue;
		memcpy(buf, t->v[i].text, t->v[i].len);
		f->ino = i + 1;
		*ret_len = (ssize_t)t->v[i].len;
		return 0;
	}
	return -ENOENT;
}

/* As much of it as there is room for; its length. */
static ssize_t take_stand_in(const struct profile_stand_in *s, char *buf)
{
	memcpy(buf, s->text, s->len < LANG_FILE_MAX ? s->len : LANG_FILE_MAX);
	return (ssize_t)s->len;
}

static bool is_unchanged(const struct stat *a, const struct stat *b)
{
	return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Its bytes as they were at one time: who writes it in place, and does not put another in its place, may be half through, and what is still to
 * come may be its limits. NULL, or why not. */
static const char *read_whole(int fd, char *buf, ssize_t *ret_len)
{
	struct stat before, after;

	for (int i = 0; i < READ_TRIES; i++) {
		ssize_t n, len = 0;
		if (fstat(fd, &before) < 0 || lseek(fd, 0, SEEK_SET) < 0)
			return strerror(errno);
		while ((n = read(fd, buf + len, (size_t)(LANG_FILE_MAX + 1 - len))) != 0) {
			if (n < 0 && errno != EINTR)
				return strerror(errno);
			if (n > 0)
				len += n;
		}
		if (fstat(fd, &after) < 0)
			return strerror(errno);
		*ret_len = len;
		if (is_unchanged(&before, &after) && (len == after.st_size || len > LANG_FILE_MAX))
			return NULL;
		trp_sleep_ms(1);
	}
	return "is being changed while it is read";
}

/* Opens path and takes its bytes. 0 with *ret_len < 0: refused, message written. */
static int read_bytes(struct lang_file *f, const char *path, char *buf, ssize_t *ret_len)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	const char *why = NULL;
	struct stat st = {0};
	ssize_t len = 0;
	const struct profile_stand_in *stand_in = f->lang->stand_in;

	if (fd < 0 && errno == ENOENT)
		return -ENOENT;
	if (fd < 0 || fstat(fd, &st) < 0)
		why = strerror(errno);
	else
		why = S_ISDIR(st.st_mode) ? "not a regular file" : lang_check_owner(&st);
	if (!why)
		why = read_whole(fd, buf, &len);
	if (!why && stand_in && strcmp(path, stand_in->path) == 0)
		len = take_stand_in(stand_in, buf);
	if (!why && len > LANG_FILE_MAX)
		why = "larger than 64 KiB";
	f->lang->lost |= why != NULL;
	if (why)
		profile_error(f->lang->errors, path, 0, NULL, "%s", why);
	f->dev = st.st_dev;
	f->ino = st.st_ino;
	*ret_len = why ? -1 : len;
	return 0;
}

static int load_bytes(struct lang_file *f, const char *path, char *buf, ssize_t *ret_len)
{
	struct lang *l = f->lang;
	int r = l->source ? load_again(l->source, path, f, buf, ret_len) : read_bytes(f, path, buf, ret_len);

	if (r == 0 && *ret_len >= 0 && l->copy)
		r = profile_sources_add(l->copy, path, buf, (size_t)*ret_len, !f->parent);
	return r;
}

/* Gives the file a number and a name that lives as long as the profile. */
static int enter(struct lang_file *f, const char *path, const char *buf, size_t len)
{
	struct lang *l = f->lang;

	if (l->n_files >= LANG_FILES_MAX) {
		if (l->n_files++ == LANG_FILES_MAX)
			profile_error(l->errors, path, 0, NULL, "more than %d files in one profile",
				LANG_FILES_MAX);
		return 0;
	}
	if (strv_push(&l->files, path) < 0) {
		l->oom = true;
		return -ENOMEM;
	}
	f->path = l->files.v[l->files.n - 1];
	f->serial = ++l->n_files;
	f->next = buf;
	f->end = buf + len;
	return read_lines(f);
}

int lang_read_buffer(struct lang *l, const char *path, const char *buf, size_t len)
{
	struct lang_file f = {.lang = l, .base = l->base};

	if (len > LANG_FILE_MAX) {
		profile_error(l->errors, path, 0, NULL, "larger than 64 KiB");
		return 0;
	}
	return enter(&f, path, buf, len);
}

int lang_read(struct lang *l, const char *path)
{
	struct lang_file f = {.lang = l, .base = l->base};
	cleanup_free char *buf = malloc(LANG_FILE_MAX + 1);
	ssize_t len;
	int r;

	if (!buf)
		return -ENOMEM;
	r = load_bytes(&f, path, buf, &len);
	if (r < 0 || len < 0)
		return r;
	return enter(&f, path, buf, (size_t)len);
}

/* include = PATH, relative to the file that says so. Its keys count as written in the section of
 * that line. */
int lang_include(struct lang_file *f, const char *path)
{
	const char *slash = strrchr(f->path, '/');
	cleanup_free char *full = NULL, *buf = malloc(LANG_FILE_MAX + 1);
	struct lang_file sub = {.lang = f->lang,
		.parent = f,
		.depth = f->depth + 1,
		.section = f->section,
		.base = f->base};
	ssize_t len;

	if (path[0] == '/' || !slash)
		full = strdup(path);
	else
		full = trp_asprintf("%.*s/%s", (int)(slash - f->path), f->path, path);
	if (!full || !buf)
		return -ENOMEM;
	if (sub.depth > LANG_INCLUDE_MAX) {
		REFUSE(f, "include", "more than %d files deep", LANG_INCLUDE_MAX);
		return -EBADMSG;
	}
	if (load_bytes(&sub, full, buf, &len) < 0) {
		REFUSE(f, "include", "there is no file %s", full);
		return -EBADMSG;
	}
	for (const struct lang_file *up = f; up && len >= 0; up = up->parent)
		if (up->dev == sub.dev && up->ino == sub.ino) {
			REFUSE(f, "include", "%s is being read already, it would include itself",
				full);
			return -EBADMSG;
		}
	return len < 0 ? -EBADMSG : enter(&sub, full, buf, (size_t)len);
}
