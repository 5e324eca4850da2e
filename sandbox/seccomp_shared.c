/* SPDX-License-Identifier: ISC */
/* seccomp_shared.c: one program for all services of the same policy, compiled when the first of them starts. Runs in the daemon, which
 * has one thread. */
#include "sandbox/seccomp.h"

#include <string.h>

struct shared {
	struct seccomp_filter filter; /* first: what is handed out */
	struct shared *next;
	unsigned users;
	bool notify;
	size_t n;
	char **words;
};

static struct shared *all;

static void free_words(char **words, size_t n)
{
	for (size_t i = 0; words && i < n; i++)
		free(words[i]);
	free(words);
}

static char **copy_words(const char *const *words, size_t n)
{
	char **copy = calloc(n + 1, sizeof(*copy));

	for (size_t i = 0; copy && i < n; i++) {
		copy[i] = strdup(words[i]);
		if (!copy[i]) {
			free_words(copy, i);
			return NULL;
		}
	}
	return copy;
}

static bool is_policy(const struct shared *s, const char *const *words, size_t n, bool notify)
{
	bool same = s->notify == notify && s->n == n;

	for (size_t i = 0; i < n && same; i++)
		same = strcmp(s->words[i], words[i]) == 0;
	return same;
}

static int add(const char *const *words, size_t n, bool notify, struct shared **ret)
{
	struct shared *s = calloc(1, sizeof(*s));
	int r = -ENOMEM;

	if (s)
		s->words = copy_words(words, n);
	if (s && s->words)
		r = (notify ? seccomp_compile_notify : seccomp_compile)(words, n, &s->filter);
	if (r < 0) {
		if (s)
			free_words(s->words, n);
		free(s);
		return r;
	}
	s->n = n;
	s->notify = notify;
	s->next = all;
	*ret = all = s;
	return 0;
}

int seccomp_share(const char *const *words, size_t n, bool notify, const struct seccomp_filter **f)
{
	struct shared *s = all;
	int r = 0;

	while (s && !is_policy(s, words, n, notify))
		s = s->next;
	if (!s)
		r = add(words, n, notify, &s);
	if (r < 0)
		return r;
	s->users++;
	seccomp_unshare(f);
	*f = &s->filter;
	return 0;
}

void seccomp_unshare(const struct seccomp_filter **f)
{
	for (struct shared **p = &all; *f && *p; p = &(*p)->next) {
		struct shared *s = *p;
		if (&s->filter != *f)
			continue;
		*f = NULL;
		if (--s->users > 0)
			return;
		*p = s->next;
		seccomp_filter_free(&s->filter);
		free_words(s->words, s->n);
		free(s);
		return;
	}
}
