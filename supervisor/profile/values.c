/* SPDX-License-Identifier: ISC */
#include "values.h"
#include "base/parse.h"
#include "sandbox/cgroup.h"

#include <string.h>

static void *field(const struct lang_value *v, void *base)
{
	return (char *)base + v->key->offset;
}

/* Replaces the string in *field. */
static int set_string(char **p, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		return -ENOMEM;
	free(*p);
	*p = copy;
	return 0;
}

static bool is_unlimited(const struct lang_value *v)
{
	return v->key->max == CGROUP_UNLIMITED && strcmp(v->text, "unlimited") == 0;
}

/* A number into its field if it lies in the key's range. */
static int set_number(const struct lang_value *v, void *base, int r, uint64_t n)
{
	if (r < 0)
		return r;
	if (v->key->max && (n < v->key->min || n > v->key->max))
		return -ERANGE;
	if (v->key->most && n > v->key->most && !is_unlimited(v))
		return -ERANGE;
	*(uint64_t *)field(v, base) = n;
	return 0;
}

bool value_is_path(const char *text)
{
	if (text[0] != '/')
		return false;
	for (const char *s = text; s; s = strchr(s + 1, '/')) {
		size_t len = strcspn(s + 1, "/");
		if ((len == 0 && s != text) || (len == 0 && text[1] == '/') ||
			(len == 1 && s[1] == '.') || (len == 2 && s[1] == '.' && s[2] == '.'))
			return false;
	}
	return true;
}

int value_text(const struct lang_value *v, void *base)
{
	return set_string(field(v, base), v->text);
}

int value_refuse_comment(const struct lang_value *v)
{
	for (const char *s = v->text; (s = strchr(s, '#')); s++)
		if (s > v->text && strchr(" \t", s[-1]))
			return lang_refuse(v, "'#' begins no comment behind a value, expected ;");
	return 0;
}

int value_path(const struct lang_value *v, void *base)
{
	int r = value_refuse_comment(v);

	if (r < 0)
		return r;
	return value_is_path(v->text) ? set_string(field(v, base), v->text) : -EINVAL;
}

int value_word(const struct lang_value *v, void *base)
{
	if (!trp_valid_service_name(v->text) || strchr(v->text, '@'))
		return -EINVAL;
	return set_string(field(v, base), v->text);
}

const char *const value_bool_words[] = {"yes", "no", NULL};

int value_bool(const struct lang_value *v, void *base)
{
	return trp_parse_bool(v->text, field(v, base));
}

int value_choice(const struct lang_value *v, void *base)
{
	for (unsigned i = 0; v->key->words[i]; i++)
		if (strcmp(v->key->words[i], v->text) == 0) {
			*(unsigned *)field(v, base) = i;
			return 0;
		}
	return -EINVAL;
}

int value_number(const struct lang_value *v, void *base)
{
	uint64_t n = CGROUP_UNLIMITED;
	int r = is_unlimited(v) ? 0 : trp_parse_u64(v->text, &n);

	return set_number(v, base, r, n);
}

int value_size(const struct lang_value *v, void *base)
{
	uint64_t n = CGROUP_UNLIMITED;
	int r = is_unlimited(v) ? 0 : trp_parse_size(v->text, &n);

	return set_number(v, base, r, n);
}

int value_percent(const struct lang_value *v, void *base)
{
	uint64_t n = CGROUP_UNLIMITED;
	int r = is_unlimited(v) ? 0 : trp_parse_percent(v->text, &n);

	return set_number(v, base, r, n);
}

int value_duration(const struct lang_value *v, void *base)
{
	uint64_t ms = 0;
	int r = trp_parse_duration(v->text, &ms);

	return set_number(v, base, r, ms);
}

int value_rate(const struct lang_value *v, void *base)
{
	uint64_t interval_ns = 0;
	int r = strcmp(v->text, "unlimited") == 0 ? 0 : trp_parse_rate(v->text, &interval_ns);

	return set_number(v, base, r, interval_ns);
}

int value_port(const struct lang_value *v, void *base)
{
	return trp_parse_port(v->text, field(v, base));
}

int value_signal(const struct lang_value *v, void *base)
{
	return trp_parse_signal(v->text, field(v, base));
}

int value_command(const struct lang_value *v, void *base)
{
	struct strv *command = field(v, base);

	if (!v->continued)
		strv_free(command);
	if (!v->words)
		return 0;
	if (!v->continued && !value_is_path(v->words->v[0]))
		return lang_refuse(v,
			"'%s' is not valid, expected the program's absolute path first",
			v->words->v[0]);
	for (size_t i = 0; i < v->words->n; i++)
		if (strv_push(command, v->words->v[i]) < 0)
			return -ENOMEM;
	return 0;
}

static int add(const struct lang_value *v, void *base, bool valid)
{
	struct strv *list = field(v, base);

	if (!valid)
		return -EINVAL;
	return strv_has(list, v->text) ? 0 : strv_push(list, v->text);
}

static int reset(const struct lang_value *v, void *base)
{
	strv_free(field(v, base));
	return 0;
}

int value_services(const struct lang_value *v, void *base)
{
	return v->text ? add(v, base, trp_valid_service_name(v->text)) : reset(v, base);
}

int value_names(const struct lang_value *v, void *base)
{
	return v->text ? add(v, base, trp_valid_service_name(v->text) && !strchr(v->text, '@'))
		       : reset(v, base);
}

int value_paths(const struct lang_value *v, void *base)
{
	return v->text ? add(v, base, value_is_path(v->text)) : reset(v, base);
}

int value_listed(const struct lang_value *v, void *base)
{
	bool valid = false;

	if (!v->text)
		return reset(v, base);
	for (size_t i = 0; v->key->words[i]; i++)
		valid |= strcmp(v->key->words[i], v->text) == 0;
	return add(v, base, valid);
}
