/* SPDX-License-Identifier: ISC */
#include "envfile.h"
#include "lang.h"
#include "base/io.h"
#include "base/trusted.h"

#include <string.h>

struct reader {
	const char *path;
	const char *at, *end;
	unsigned line;
	char *out; /* room for what is left of the text */
	size_t n;
	struct profile_errors *errors;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* "\n" or "\r\n": its length, else 0. */
static size_t line_end(const struct reader *r)
{
	if (r->at < r->end && *r->at == '\n')
		return 1;
	return r->end - r->at >= 2 && r->at[0] == '\r' && r->at[1] == '\n' ? 2 : 0;
}

static void take(struct reader *r)
{
	r->line += *r->at == '\n';
	r->out[r->n++] = *r->at++;
}

static void skip_line(struct reader *r)
{
	while (r->at < r->end && *r->at != '\n')
		r->at++;
}

/* Blank lines and comments. */
static void skip_to_name(struct reader *r)
{
	while (r->at < r->end) {
		if (*r->at == '#' || *r->at == ';')
			skip_line(r);
		else if (!is_blank(*r->at) && !line_end(r))
			return;
		if (r->at < r->end)
			r->line += *r->at++ == '\n';
	}
}

/* From the opening quote to behind the closing one. False: there is none. */
static bool quoted(struct reader *r)
{
	char quote = *r->at++;

	while (r->at < r->end && *r->at != quote) {
		if (quote == '"' && *r->at == '\\' && r->end - r->at >= 2) {
			if (r->at[1] == '\n') {
				r->at += 2;
				r->line++;
				continue;
			}
			r->at += strchr("\"\\$`", r->at[1]) != NULL;
		}
		take(r);
	}
	return r->at++ < r->end;
}

/* Behind "=", to the end of the line. NULL, or what is wrong. */
static const char *value(struct reader *r)
{
	bool plain = false; /* something stands there without quotes: no quote means anything any more */
	size_t keep = 0;    /* what is not just blanks at the end */

	for (r->n = 0; r->at < r->end && !line_end(r);) {
		if (!plain && is_blank(*r->at)) {
			r->at++;
		} else if (!plain && (*r->at == '"' || *r->at == '\'')) {
			const char *open = *r->at == '"' ? "a \" is not closed" : "a ' is not closed";
			if (!quoted(r))
				return open;
			keep = r->n;
		} else if (*r->at == '\\') {
			r->at++;
			if (r->at == r->end)
				return "nothing follows the backslash at the end";
			if (line_end(r)) {
				r->at += line_end(r);
				r->line++;
				continue;
			}
			plain = true;
			take(r);
			keep = r->n;
		} else {
			bool blank = is_blank(*r->at);
			plain = true;
			take(r);
			keep = blank ? keep : r->n;
		}
	}
	r->n = keep;
	return NULL;
}

/* A name in fresh memory, and at behind "="; NULL with *ret_why: there is none in this line; NULL without: no memory. */
static char *name(struct reader *r, const char **ret_why)
{
	const char *from = r->at, *to;

	while (r->at < r->end && *r->at != '=' && *r->at != '\n')
		r->at++;
	*ret_why = r->at == r->end || *r->at != '=' ? "expected NAME=VALUE" : NULL;
	for (to = r->at; to > from && is_blank(to[-1]); to--)
		;
	if (*ret_why)
		return NULL;
	r->at++;
	return strndup(from, (size_t)(to - from));
}

static int assignment(struct reader *r, struct env_set *set)
{
	struct profile_where where = {r->path, r->line};
	const char *why;
	cleanup_free char *key = name(r, &why);
	const char *problem = key ? env_name_problem(key) : why;

	if (!key && !why)
		return -ENOMEM;
	if (!key) {
		profile_error(r->errors, where.file, where.line, NULL, "%s", why);
		return -EINVAL;
	}
	why = value(r);
	if (why || problem) {
		profile_error(r->errors, where.file, where.line, key[0] ? key : NULL, "%s", why ? why : problem);
		return -EINVAL;
	}
	if (set->n >= ENVFILE_VARS && !env_set_find(set, key)) {
		profile_error(r->errors, where.file, where.line, key, "more than %d variables", ENVFILE_VARS);
		r->at = r->end;
		return -EINVAL;
	}
	return env_set_give(set, key, strndup(r->out, r->n), where);
}

int envfile_parse(const char *path, const char *text, size_t len, struct env_set *set, struct profile_errors *errors)
{
	cleanup_free char *out = malloc(len + 1);
	struct reader r = {.path = path, .at = text, .end = text + len, .line = 1, .out = out, .errors = errors};
	int error = 0;

	if (!out)
		return -ENOMEM;
	if (!lang_check_text(errors, path, text, len))
		return -EINVAL;
	for (skip_to_name(&r); r.at < r.end && error != -ENOMEM; skip_to_name(&r)) {
		int one = assignment(&r, set);
		error = one < 0 ? one : error;
	}
	explicit_bzero(out, len + 1);
	return error;
}

static int read_one(const struct profile_env_file *f, struct env_set *set, struct profile_errors *errors)
{
	cleanup_free char *text = NULL;
	char why[300];
	size_t len;
	int r = trp_read_trusted(f->path, ENVFILE_MAX, &text, &len, why, sizeof(why));

	if (r == -ENOENT && f->optional)
		return 0;
	if (r == -EFBIG)
		profile_error(errors, f->path, 0, NULL, "larger than 64 KiB");
	else if (r < 0)
		profile_error(errors, f->where.file, f->where.line, "environment-file", "%s: %s", f->path, why);
	if (r < 0)
		return r;
	r = envfile_parse(f->path, text, len, set, errors);
	explicit_bzero(text, len);
	return r;
}

int envfile_read_all(const struct profile *p, struct env_set *ret, struct profile_errors *errors)
{
	struct env_set set = {0};
	int r = 0;

	for (size_t i = 0; i < p->n_env_files && r != -ENOMEM; i++) {
		int one = read_one(&p->env_files[i], &set, errors);
		r = one < 0 ? one : r;
	}
	if (r < 0)
		env_set_free(&set);
	else
		*ret = set;
	return r;
}
