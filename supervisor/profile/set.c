/* SPDX-License-Identifier: ISC */
/* set.c: what can be seen only across profiles. */
#include "load.h"
#include "base/parse.h"

#include <stdio.h>
#include <string.h>

/* The services of a set in the order of their names. */
struct named {
	const char *service;
	size_t at;
};

static int compare_named(const void *a, const void *b)
{
	return strcmp(((const struct named *)a)->service, ((const struct named *)b)->service);
}

struct set {
	struct profile *const *v;
	size_t n;
	struct named *sorted;
};

/* Its place in the set; n: it is not there. */
static size_t find(const struct set *set, const char *service)
{
	const struct named key = {service, 0}, *found = bsearch(&key, set->sorted, set->n, sizeof(key), compare_named);

	return found ? found->at : set->n;
}

static int say_missing(const struct set *set, const struct profile *p, struct profile_where w, const char *key, const char *word,
	struct profile_errors *errors)
{
	cleanup_free const char **names = calloc(set->n, sizeof(*names));
	const char *near;

	if (!names)
		return -ENOMEM;
	for (size_t i = 0; i < set->n; i++)
		names[i] = set->v[i]->service;
	near = profile_nearest(word, names, set->n);
	if (near && strcmp(near, p->service) != 0) /* not one that it cannot name */
		profile_error(errors, w.file, w.line, key, "there is no service '%s'; did you mean '%s'?", word, near);
	else
		profile_error(errors, w.file, w.line, key, "there is no service '%s'", word);
	return 0;
}

/* Do the services exist that p names by this key? groups: may they be groups? */
static int check_named(const struct set *set, const struct profile *p, const char *section, const char *key,
	const struct strv *words, bool groups, struct profile_errors *errors)
{
	int r = 0;

	for (size_t i = 0; i < words->n && r == 0; i++) {
		size_t at = find(set, words->v[i]);
		struct profile_where w = profile_where(p, section, key);
		if (at == set->n)
			r = say_missing(set, p, w, key, words->v[i], errors);
		else if (!groups && set->v[at]->members.n > 0)
			profile_error(errors, w.file, w.line, key, "'%s' is a group, expected its members", words->v[i]);
	}
	return r;
}

/* What p wants of another's directory and secrets is there. (That they exist was looked at.) */
static void check_shown(const struct set *set, const struct profile *p, struct profile_errors *errors)
{
	for (size_t i = 0; i < p->use.n; i++) {
		size_t at = find(set, p->use.v[i]);
		struct profile_where w = profile_where(p, "sandbox", "use");
		if (at < set->n && !set->v[at]->publish)
			profile_error(errors, w.file, w.line, "use", "'%s' shows nothing, expected publish = yes in %s", p->use.v[i],
				set->v[at]->file);
	}
}

static bool has_secret(const struct profile *p, const char *name)
{
	for (size_t i = 0; i < p->n_secrets; i++)
		if (!p->secrets[i].service && strcmp(p->secrets[i].name, name) == 0)
			return true;
	return false;
}

/* One that it does not have itself would be made for p alone. */
static void check_secrets(const struct set *set, const struct profile *p, struct profile_errors *errors)
{
	for (size_t i = 0; i < p->n_secrets; i++) {
		const struct profile_secret *s = &p->secrets[i];
		const struct profile *other = NULL;
		const char *near, *names[64];
		size_t n = 0;
		if (s->service && find(set, s->service) < set->n)
			other = set->v[find(set, s->service)];
		if (!other || has_secret(other, s->name))
			continue;
		for (size_t k = 0; k < other->n_secrets && n < TRP_ARRAY_SIZE(names); k++)
			if (!other->secrets[k].service)
				names[n++] = other->secrets[k].name;
		near = trp_nearest(s->name, names, n);
		profile_error(errors, s->where.file, s->where.line, "secret", "'%s/%s': there is no secret of that name in %s%s%s%s", s->service,
			s->name, other->file, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
	}
}

static int check_names(const struct set *set, const struct profile *p, struct profile_errors *errors)
{
	int r = check_named(set, p, "service", "requires", &p->requires, false, errors);

	check_shown(set, p, errors);
	check_secrets(set, p, errors);
	if (r == 0)
		r = check_named(set, p, "service", "wants", &p->wants, false, errors);
	return r == 0 ? check_named(set, p, "group", "members", &p->members, true, errors) : r;
}

/* A walk along requires, after and others' before, and along the members of groups, for cycles. */
struct walk {
	const struct set *set;
	struct profile_errors *errors;
	unsigned char *state; /* 0 not seen, 1 on the path, 2 done */
	size_t *path;
	size_t depth;
	size_t *before, n_before; /* those that name others there */
};

/* The key by which p waits for next, and whose it is. */
static const char *first_link(const struct profile *p, const struct profile *next, const struct profile **ret)
{
	*ret = p;
	if (strv_has(&p->requires, next->service))
		return "requires";
	if (strv_has(&p->after, next->service))
		return "after";
	*ret = next;
	return "before";
}

static void report_cycle(struct walk *k, size_t to)
{
	cleanup_free char *text = NULL;
	struct profile_where w;
	size_t size, from = 0;
	FILE *f = open_memstream(&text, &size);
	const struct profile *p = k->set->v[to], *next;
	const char *key;

	if (!f)
		return;
	while (k->path[from] != to)
		from++;
	next = from + 1 < k->depth ? k->set->v[k->path[from + 1]] : p;
	for (; from < k->depth; from++)
		fprintf(f, "%s -> ", k->set->v[k->path[from]]->service);
	fprintf(f, "%s", p->service);
	if (fclose(f) != 0)
		return;
	if (p->members.n > 0) {
		w = profile_where(p, "group", "members");
		profile_error(k->errors, w.file, w.line, "members", "the groups contain each other in a circle: %s", text);
		return;
	}
	key = first_link(p, next, &p);
	w = profile_where(p, "service", key);
	profile_error(k->errors, w.file, w.line, key, "the services wait for each other in a circle: %s", text);
}

static void walk(struct walk *k, size_t at);

static void go(struct walk *k, size_t at, size_t to)
{
	if (to == k->set->n || to == at)
		return;
	if (k->state[to] == 1)
		report_cycle(k, to);
	else if (k->state[to] == 0)
		walk(k, to);
}

static void walk(struct walk *k, size_t at)
{
	const struct profile *p = k->set->v[at];
	const struct strv *const lists[] = {&p->requires, &p->after, &p->members};

	k->state[at] = 1;
	k->path[k->depth++] = at;
	for (size_t l = 0; l < TRP_ARRAY_SIZE(lists); l++)
		for (size_t i = 0; i < lists[l]->n; i++)
			go(k, at, find(k->set, lists[l]->v[i]));
	for (size_t i = 0; i < k->n_before; i++)
		if (strv_has(&k->set->v[k->before[i]]->before, p->service))
			go(k, at, k->before[i]);
	k->depth--;
	k->state[at] = 2;
}

int profile_check_set(struct profile *const *set, size_t n, struct profile_errors *errors)
{
	cleanup_free unsigned char *state = calloc(n + 1, 1);
	cleanup_free size_t *path = calloc(n + 1, sizeof(*path)), *with_before = calloc(n + 1, sizeof(*path));
	cleanup_free struct named *sorted = calloc(n + 1, sizeof(*sorted));
	const struct set all = {set, n, sorted};
	struct walk k = {.set = &all, .errors = errors, .state = state, .path = path, .before = with_before};
	size_t before = errors->n;
	int r;

	if (!state || !path || !with_before || !sorted)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		sorted[i] = (struct named){set[i]->service, i};
		if (set[i]->before.n > 0)
			with_before[k.n_before++] = i;
	}
	qsort(sorted, n, sizeof(*sorted), compare_named);
	r = check_claims(set, n, errors);
	for (size_t i = 0; i < n && r == 0; i++)
		r = check_names(&all, set[i], errors);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++)
		if (state[i] == 0)
			walk(&k, i);
	return errors->n > before ? -EINVAL : 0;
}
