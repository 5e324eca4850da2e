/* SPDX-License-Identifier: ISC */
#include "lang.h"

#include <stdio.h>
#include <string.h>

/* One word at *p, unquoted into out (as large as the rest of the line). */
static int take_word(const char **p, char *out, const char **why)
{
	const char *s = *p;
	char quote = 0;

	for (; *s && (quote || !strchr(" \t", *s)); s++) {
		if (quote && *s == quote) {
			quote = 0;
		} else if (!quote && (*s == '"' || *s == '\'')) {
			quote = *s;
		} else if (*s == '\\' && (!quote || (quote == '"' && strchr("\"\\", s[1])))) {
			if (!s[1]) {
				*why = "nothing follows the backslash at the end";
				return -EINVAL;
			}
			*out++ = *++s;
		} else {
			*out++ = *s;
		}
	}
	*out = '\0';
	*p = s;
	if (quote) {
		*why = quote == '"' ? "a \" is not closed (a \" inside is written as \\\"; a blank "
				      "and ; begin a comment)"
				    : "a ' is not closed (outside of quotes it is written as \\'; "
				      "a blank and ; begin a comment)";
		return -EINVAL;
	}
	return 0;
}

int words_split(const char *line, struct strv *ret, const char **why)
{
	cleanup_free char *word = malloc(strlen(line) + 1);
	struct strv words = {0};
	int r = word ? 0 : -ENOMEM;

	while (r == 0) {
		line += strspn(line, " \t");
		if (!*line)
			break;
		r = take_word(&line, word, why);
		if (r == 0)
			r = strv_push(&words, word);
	}
	if (r < 0) {
		strv_free(&words);
		return r;
	}
	*ret = words;
	return 0;
}

static bool is_for_shell(const char *word, size_t len)
{
	static const char *const whole[] = {"&", "&&", "#"}, *const begin[] = {"|", "<", ">", "&>", "1>", "2>"};

	for (size_t i = 0; i < TRP_ARRAY_SIZE(whole); i++)
		if (strlen(whole[i]) == len && memcmp(word, whole[i], len) == 0)
			return true;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(begin); i++)
		if (strncmp(word, begin[i], strlen(begin[i])) == 0)
			return true;
	return false;
}

const char *words_for_shell(const char *line, size_t *len)
{
	cleanup_free char *word = malloc(strlen(line) + 1);
	const char *from, *why;

	while (word) {
		from = line += strspn(line, " \t");
		if (!*line || take_word(&line, word, &why) < 0)
			break;
		*len = (size_t)(line - from);
		if (is_for_shell(from, *len))
			return from;
	}
	return NULL;
}

static bool is_plain(const char *word)
{
	return *word && !word[strcspn(word, " \t'\"\\;#")];
}

char *words_join(const struct strv *words)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	for (size_t i = 0; i < words->n; i++) {
		const char *word = words->v[i];
		if (i > 0)
			fputc(' ', f);
		if (is_plain(word)) {
			fputs(word, f);
			continue;
		}
		fputc('"', f);
		for (; *word; word++) {
			if (*word == '"' || *word == '\\')
				fputc('\\', f);
			fputc(*word, f);
		}
		fputc('"', f);
	}
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
