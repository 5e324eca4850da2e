/* SPDX-License-Identifier: ISC */
#include "profile.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void strv_free(struct strv *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->v[i]);
	free(s->v);
	s->v = NULL;
	s->n = 0;
}

int strv_push(struct strv *s, const char *word)
{
	cleanup_free char *copy = strdup(word);
	char **grown;

	if (!copy)
		return -ENOMEM;
	grown = realloc(s->v, (s->n + 2) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	s->v = grown;
	s->v[s->n++] = trp_steal_ptr(&copy);
	s->v[s->n] = NULL;
	return 0;
}

int strv_push_format(struct strv *s, const char *fmt, ...)
{
	cleanup_free char *text = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0) {
		text = NULL;
		return -ENOMEM;
	}
	return strv_push(s, text);
}

bool strv_has(const struct strv *s, const char *word)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->v[i], word) == 0)
			return true;
	return false;
}
