/* SPDX-License-Identifier: ISC */
/* diff.c: what has changed in a profile, and what of that a service that runs can have at once. A value has changed if its text has: also
 * one that is only written otherwise. Pure. */
#include "load.h"
#include "base/io.h"

#include <string.h>

static const char *text_of(const struct profile *p, size_t row)
{
	return p->texts && p->texts[row] ? p->texts[row] : profile_keys[row].fallback;
}

static bool same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* "key", or "key in [section]" where another has one of that name. */
static char *key_text(const struct lang_key *k)
{
	size_t namesakes = 0;

	for (size_t i = 0; i < profile_n_keys; i++)
		namesakes += strcmp(profile_keys[i].name, k->name) == 0;
	return namesakes == 1 ? strdup(k->name) : trp_asprintf("%s in [%s]", k->name, k->section);
}

static int push_key(struct strv *list, const struct lang_key *k)
{
	cleanup_free char *text = key_text(k);

	return text ? strv_push(list, text) : -ENOMEM;
}

static bool same_env(const struct profile *a, const struct profile *b)
{
	bool r = a->env.n == b->env.n;

	for (size_t i = 0; i < a->env.n && r; i++)
		r = strcmp(a->env.v[i].name, b->env.v[i].name) == 0 && strcmp(a->env.v[i].value, b->env.v[i].value) == 0;
	return r;
}

int profile_diff(const struct profile *a, const struct profile *b, struct strv *ret_live, struct strv *ret_restart)
{
	int r = 0;

	for (size_t i = 0; i < profile_n_keys && r == 0; i++)
		if (!same(text_of(a, i), text_of(b, i)))
			r = push_key(profile_keys[i].live ? ret_live : ret_restart, &profile_keys[i]);
	if (r == 0 && !same_env(a, b))
		r = strv_push(ret_restart, "[environment]");
	if (r == 0 && !same(a->files_dir, b->files_dir))
		r = strv_push(ret_restart, "the directory of its files");
	return r;
}

bool profile_key_is_live(const char *section, const char *key)
{
	for (size_t i = 0; i < profile_n_keys; i++)
		if (strcmp(profile_keys[i].section, section) == 0 && strcmp(profile_keys[i].name, key) == 0)
			return profile_keys[i].live;
	return false;
}

static const char *find_file(const struct profile *p, const char *path)
{
	for (size_t i = 0; p->files && p->files[i]; i++)
		if (strcmp(p->files[i], path) == 0)
			return p->files[i];
	return NULL;
}

/* Every file of from is one of p too, so that its places can be told. */
static int take_files(struct profile *p, const struct profile *from)
{
	size_t n = 0, more = 0, at;
	char **grown;

	while (p->files && p->files[n])
		n++;
	while (from->files && from->files[more])
		more++;
	grown = reallocarray(p->files, n + more + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	p->files = grown;
	p->files[at = n] = NULL;
	for (size_t i = 0; i < more; i++) {
		if (find_file(p, from->files[i]))
			continue;
		p->files[at] = strdup(from->files[i]);
		if (!p->files[at])
			return -ENOMEM;
		p->files[++at] = NULL;
	}
	return 0;
}

static struct profile_where move_where(const struct profile *p, struct profile_where where)
{
	if (where.file)
		where.file = find_file(p, where.file);
	return where;
}

static void swap(void *a, void *b, size_t size)
{
	char *x = a, *y = b;

	for (size_t i = 0; i < size; i++) {
		char c = x[i];
		x[i] = y[i];
		y[i] = c;
	}
}

void profile_settle_restart(struct profile *p)
{
	if (profile_where(p, "service", "restart").line == 0) /* one that is run by time: its next time comes anyway */
		p->restart = profile_is_timed(p) ? RESTART_NO : RESTART_ON_FAILURE;
}

int profile_take_live(struct profile *p, struct profile *from, const struct strv *keys)
{
	int r = take_files(p, from);

	if (r < 0)
		return r;
	for (size_t i = 0; i < profile_n_keys; i++) {
		const struct lang_key *k = &profile_keys[i];
		cleanup_free char *text = k->live ? key_text(k) : NULL;
		if (!text || !strv_has(keys, text))
			continue;
		swap((char *)p + k->offset, (char *)from + k->offset, k->size);
		swap(&p->texts[i], &from->texts[i], sizeof(p->texts[i]));
		p->where[i] = move_where(p, from->where[i]);
	}
	profile_settle_restart(p);
	if (!strv_has(keys, "host"))
		return 0;
	/* beside the names: where each stands */
	swap(&p->host_where, &from->host_where, sizeof(p->host_where));
	for (size_t i = 0; i < p->hosts.n; i++)
		p->host_where[i] = move_where(p, p->host_where[i]);
	p->hosts_where = move_where(p, from->hosts_where);
	return 0;
}
