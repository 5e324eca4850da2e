/* SPDX-License-Identifier: ISC */
/* lang.c: from "section, key, value" to the parser of the key's row. */
#include "lang.h"
#include "base/io.h"
#include "base/parse.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int lang_refuse(const struct lang_value *v, const char *fmt, ...)
{
	cleanup_free char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	profile_error(v->lang->errors, v->where.file, v->where.line, v->name, "%s",
		text ? text : "not valid");
	return -EBADMSG;
}

const struct lang_section *lang_find_section(const struct lang *l, const char *name, size_t len)
{
	for (size_t i = 0; i < l->n_sections; i++)
		if (strlen(l->sections[i].name) == len &&
			strncmp(l->sections[i].name, name, len) == 0)
			return &l->sections[i];
	return NULL;
}

/* section NULL: any */
const struct lang_key *lang_find_key(const struct lang *l, const char *section, const char *name)
{
	for (size_t i = 0; i < l->n_keys; i++)
		if ((!section || strcmp(l->keys[i].section, section) == 0) &&
			strcmp(l->keys[i].name, name) == 0)
			return &l->keys[i];
	return NULL;
}

struct profile_where lang_where(const struct lang *l, const char *section, const char *name)
{
	const struct lang_key *k = lang_find_key(l, section, name);

	return k ? l->where[k - l->keys] : (struct profile_where){0};
}

static void mark(
	struct lang *l, const struct lang_key *k, struct profile_where where, unsigned serial)
{
	l->where[k - l->keys] = where;
	l->serial[k - l->keys] = serial;
}

static int unknown_section(struct lang_file *f, const char *name, size_t len)
{
	const char *names[LANG_KEYS_MAX], *near;
	cleanup_free char *word = strndup(name, len);
	struct lang *l = f->lang;

	for (size_t i = 0; i < l->n_others; i++)
		if (word && strcmp(l->others[i].name, word) == 0) {
			profile_error(l->errors, f->path, f->line, NULL, "[%s]: unknown section; it belongs to %s", name, l->others_are);
			return -EBADMSG;
		}
	for (size_t i = 0; i < l->n_sections; i++)
		names[i] = l->sections[i].name;
	near = word ? trp_nearest(word, names, l->n_sections) : NULL;
	if (near)
		profile_error(l->errors, f->path, f->line, NULL,
			"[%s]: unknown section; did you mean '[%s%s]'?", name, near,
			lang_find_section(l, near, strlen(near))->named ? " NAME" : "");
	else
		profile_error(l->errors, f->path, f->line, NULL, "[%s]: unknown section", name);
	return -EBADMSG;
}

int lang_open_section(struct lang_file *f, const char *name)
{
	struct profile_where here = {f->path, f->line};
	size_t len = strcspn(name, " \t");
	const struct lang_section *s = lang_find_section(f->lang, name, len);
	const char *word = name + len + strspn(name + len, " \t");
	struct lang *l = f->lang;

	if (!s)
		return unknown_section(f, name, len);
	if (s->named != (*word != '\0')) {
		profile_error(l->errors, f->path, f->line, NULL, "[%s]: expected [%s%s]", name,
			s->name, s->named ? " NAME" : "");
		return -EBADMSG;
	}
	f->section = s;
	f->base = l->base;
	if (!s->named)
		return 0;
	for (size_t i = 0; i < l->n_keys; i++)
		if (strcmp(l->keys[i].section, s->name) == 0)
			l->serial[i] = 0;
	f->base = l->open_section(l, word, here);
	return f->base ? 0 : -EBADMSG;
}

static void unknown_key(const struct lang_value *v, const struct lang_file *f)
{
	struct lang *l = v->lang;
	const struct lang_key *elsewhere = lang_find_key(l, NULL, v->name);
	const struct lang_foreign *foreign = lang_find_foreign(l, v->name);
	const char *names[LANG_KEYS_MAX], *near;
	size_t n = 0;

	if (l->include && strcmp(v->name, "include") == 0) {
		lang_refuse(v, "belongs to the top of a file or to [%s]", l->sections[0].name);
		return;
	}
	if (elsewhere) {
		lang_refuse(v, "unknown key in [%s]; it belongs to [%s]", f->section->name,
			elsewhere->section);
		mark(l, elsewhere, v->where, 0);
		return;
	}
	if (foreign && strcmp(foreign->section, f->section->name) != 0) {
		lang_refuse(v, "unknown key in [%s]; did you mean '%s' in [%s]?", f->section->name, foreign->name, foreign->section);
		mark(l, lang_find_key(l, foreign->section, foreign->name), v->where, 0);
		return;
	}
	for (size_t i = 0; i < l->n_keys; i++)
		if (strcmp(l->keys[i].section, f->section->name) == 0)
			names[n++] = l->keys[i].name;
	near = foreign ? foreign->name : trp_nearest(v->name, names, n);
	if (!near) {
		lang_refuse(v, "unknown key in [%s]", f->section->name);
		return;
	}
	lang_refuse(v, "unknown key in [%s]; did you mean '%s'?", f->section->name, near);
	/* so that nobody complains that it is missing, too */
	mark(l, lang_find_key(l, f->section->name, near), v->where, 0);
}

/* The message for what the parser itself said nothing about. */
static int judge(const struct lang_value *v, int r)
{
	const char *near = NULL;
	size_t n = 0;

	if (r == 0 || r == -EBADMSG)
		return r;
	if (r == -ENOMEM) {
		v->lang->oom = true;
		return r;
	}
	if (r == -ERANGE)
		return lang_refuse(v, "'%s' is out of range, expected %s", v->text ? v->text : "",
			v->key->expects);
	while (v->key->words && v->key->words[n])
		n++;
	if (n > 0 && v->text)
		near = trp_nearest(v->text, v->key->words, n);
	if (near)
		return lang_refuse(v, "'%s' is not valid, expected %s; did you mean '%s'?", v->text,
			v->key->expects, near);
	if (!v->text)
		return lang_refuse(v, "expected %s", v->key->expects);
	return lang_refuse(v, "'%s' is not valid, expected %s", v->text, v->key->expects);
}

static int expand(const struct lang_value *v, const char *text, char **ret)
{
	if (v->lang->expand)
		return v->lang->expand(v, text, ret);
	*ret = strdup(text);
	return *ret ? 0 : -ENOMEM;
}

/* The value as text, of which it can be told whether it has changed. text NULL: it is reset. */
static int note(const struct lang_value *v, const char *text)
{
	char **at = v->key && v->lang->texts ? &v->lang->texts[v->key - v->lang->keys] : NULL;
	bool adds = v->key && (v->key->kind == LANG_LIST || v->key->kind == LANG_LINES || v->continued);
	char *joined;

	if (!at || !v->where.file) /* of a fallback the table tells */
		return 0;
	joined = !text ? NULL : adds && *at ? trp_asprintf("%s\n%s", *at, text) : strdup(text);
	if (text && !joined)
		return -ENOMEM;
	free(*at);
	*at = joined;
	return 0;
}

static int apply_text(struct lang_value *v, lang_parser parse, const char *text, void *base)
{
	cleanup_free char *expanded = NULL;
	int r = expand(v, text, &expanded);

	v->text = expanded;
	if (r == 0)
		r = parse(v, base);
	if (r == 0)
		r = note(v, expanded);
	r = judge(v, r);
	v->text = NULL;
	return r;
}

static int note_words(const struct lang_value *v, const struct strv *words)
{
	cleanup_free char *text = words_join(words);

	return text ? note(v, text) : -ENOMEM;
}

/* It would be an argument of the program, in silence. */
static int refuse_shell(const struct lang_value *v, const char *text)
{
	size_t len;
	const char *word = words_for_shell(text, &len);

	if (!word)
		return 0;
	if (*word == '#')
		return lang_refuse(v, "'#' begins no comment behind a value, expected ;, or \"#\" if it is an argument");
	return lang_refuse(v, "no shell reads this, expected /bin/sh -c '...', or \"%.*s\" in quotes if it is an argument", (int)len, word);
}

/* Split first, then expand: a variable's value never becomes two words. */
static int apply_words(struct lang_value *v, const char *text, void *base)
{
	struct strv words = {0}, expanded = {0};
	const char *why = NULL;
	int r = words_split(text, &words, &why);

	if (r == -EINVAL)
		r = lang_refuse(v, "%s", why);
	if (r == 0 && v->key->kind != LANG_LIST)
		r = refuse_shell(v, text);
	for (size_t i = 0; i < words.n && r != -ENOMEM; i++) {
		cleanup_free char *word = NULL;
		if (v->key->kind == LANG_LIST) {
			r = apply_text(v, v->key->parse, words.v[i], base);
			continue;
		}
		int one = expand(v, words.v[i], &word);
		r = one < 0 ? one : r;
		if (one == 0 && strv_push(&expanded, word) < 0)
			r = -ENOMEM;
	}
	if (r == 0 && v->key->kind != LANG_LIST) {
		v->words = &expanded;
		r = v->key->parse(v, base);
		if (r == 0)
			r = note_words(v, &expanded);
	}
	strv_free(&words);
	strv_free(&expanded);
	v->words = NULL;
	return judge(v, r);
}

/* "  user = www" below another key: most likely not meant as a part of that key's value. */
static bool looks_like_key(const struct lang_file *f, const char *value)
{
	size_t name = strcspn(value, " \t="), blank = strspn(value + name, " \t");
	char word[LANG_WORD_MAX + 1];

	if (value[name + blank] != '=' || name == 0 || name > LANG_WORD_MAX)
		return false;
	memcpy(word, value, name);
	word[name] = '\0';
	if (f->section->free_names)
		return strspn(word,
			       "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") ==
		       name;
	return blank > 0 && lang_find_key(f->lang, f->section->name, word);
}

/* "  [limits]": all that stands below would belong to the section above, and be variables where names are free. */
static bool looks_like_section(const struct lang_file *f, const char *value)
{
	const char *end = value[0] == '[' ? strchr(value, ']') : NULL;

	return end && !end[1] && lang_find_section(f->lang, value + 1, strcspn(value + 1, " \t]"));
}

static int reset(const struct lang_value *v, void *base)
{
	int r = v->key->parse(v, base);

	return r == 0 ? note(v, NULL) : r;
}

static void apply_row(struct lang_file *f, struct lang_value *v, const char *value)
{
	const struct lang_key *k = v->key;
	size_t row = (size_t)(k - v->lang->keys);
	struct profile_where before = v->lang->where[row];
	bool once = k->kind == LANG_SCALAR || k->kind == LANG_LINE;

	if (v->continued && k->kind == LANG_SCALAR) {
		lang_refuse(v, "takes one line, but an indented line continues it; keys begin in "
			       "the first column");
		return;
	}
	if (once && !v->continued && v->lang->serial[row] == f->serial && *value) {
		lang_refuse(v, "given twice, first in line %u", before.line);
		return;
	}
	if (!v->continued)
		mark(v->lang, k, v->where, *value ? f->serial : 0);
	if (!*value && k->kind == LANG_SCALAR)
		lang_refuse(v, "has no value, expected %s", k->expects);
	else if (!*value)
		judge(v, reset(v, f->base));
	else if (k->kind == LANG_SCALAR)
		apply_text(v, k->parse, value, f->base);
	else
		apply_words(v, value, f->base);
}

static void apply_include(struct lang_file *f, const struct lang_value *v, const char *value)
{
	if (v->continued)
		lang_refuse(v, "takes one line, but an indented line continues it; keys begin in "
			       "the first column");
	else if (!*value)
		lang_refuse(v, "has no value, expected a path such as ../common.ini");
	else if (lang_include(f, value) == -ENOMEM)
		f->lang->oom = true;
}

void lang_apply(struct lang_file *f, const char *name, const char *value, bool continued)
{
	struct lang *l = f->lang;
	struct lang_value v = {
		.lang = l, .name = name, .where = {f->path, f->line}, .continued = continued};
	bool top = !f->section || f->section == l->sections;

	if (l->oom)
		return;
	if (l->include && top && strcmp(name, "include") == 0) {
		apply_include(f, &v, value);
		return;
	}
	if (!f->section) {
		lang_refuse(&v, "stands before the first [section]");
		f->skip_continued = true;
		l->lost = true;
		return;
	}
	if (continued && looks_like_key(f, value)) {
		lang_refuse(&v,
			"the indented line '%s' would continue this value; a key begins in the "
			"first column",
			value);
		return;
	}
	if (continued && looks_like_section(f, value)) {
		lang_refuse(&v, "the indented line '%s' would continue this value; a section begins in the first column", value);
		f->skip_section = true;
		return;
	}
	v.key = lang_find_key(l, f->section->name, name);
	if (v.key) {
		apply_row(f, &v, value);
	} else if (f->section->free_names) {
		apply_text(
			&v, continued ? l->free_continued : f->section->free_names, value, f->base);
	} else {
		unknown_key(&v, f);
		f->skip_continued = true;
	}
}

static int apply_fallback(struct lang *l, const struct lang_key *k)
{
	struct lang_value v = {.lang = l, .key = k, .name = k->name};

	return k->kind == LANG_SCALAR ? apply_text(&v, k->parse, k->fallback, l->base)
				      : apply_words(&v, k->fallback, l->base);
}

int lang_init(struct lang *l)
{
	int r = 0;

	l->where = calloc(l->n_keys, sizeof(*l->where));
	l->serial = calloc(l->n_keys, sizeof(*l->serial));
	l->texts = calloc(l->n_keys, sizeof(*l->texts));
	if (!l->where || !l->serial || !l->texts)
		return -ENOMEM;
	for (size_t i = 0; i < l->n_keys && r == 0; i++) {
		const struct lang_section *s =
			lang_find_section(l, l->keys[i].section, strlen(l->keys[i].section));
		if (l->keys[i].fallback && l->keys[i].kind == LANG_SCALAR && !s->named)
			r = apply_fallback(l, &l->keys[i]);
	}
	return r;
}

int lang_finish(struct lang *l)
{
	int r = l->oom ? -ENOMEM : 0;

	for (size_t i = 0; i < l->n_keys && r == 0; i++) {
		const struct lang_key *k = &l->keys[i];
		const struct strv *list = (const void *)((const char *)l->base + k->offset);
		if (k->kind == LANG_LIST && k->fallback && list->n == 0)
			r = apply_fallback(l, k);
	}
	return r;
}

void lang_free(struct lang *l)
{
	free(l->where);
	free(l->serial);
	for (size_t i = 0; l->texts && i < l->n_keys; i++)
		free(l->texts[i]);
	free(l->texts);
	l->texts = NULL;
	strv_free(&l->files);
	l->where = NULL;
	l->serial = NULL;
}
