/* SPDX-License-Identifier: ISC */
/* set.c: what can be seen only across profiles. */
#include "keys.h"
#include "base/parse.h"

#include <stdio.h>
#include <string.h>

/* Do both listen to clients of one listener? An empty list is all of them. */
static bool share_listener(const struct profile *a, const struct profile *b)
{
	if (a->listeners.n == 0 || b->listeners.n == 0)
		return true;
	for (size_t i = 0; i < a->listeners.n; i++)
		if (strv_has(&b->listeners, a->listeners.v[i]))
			return true;
	return false;
}

/* A protocol with names that both serve for some listener, NULL if there is none. */
static const char *share_protocol(const struct profile *a, const struct profile *b)
{
	for (int k = 0; k < TRP_PROTO_COUNT; k++)
		if (trp_protocol_has_names((enum trp_protocol)k) && a->port[k] && b->port[k] && share_listener(a, b))
			return trp_protocol_words[k];
	return NULL;
}

static void check_nameless(const struct profile *a, const struct profile *b, struct profile_errors *errors)
{
	for (int k = 0; k < TRP_PROTO_COUNT; k++) {
		const char *word = trp_protocol_words[k];
		struct profile_where wa = profile_where(a, "route", word), wb = profile_where(b, "route", word);
		if (!trp_protocol_has_names((enum trp_protocol)k) && a->port[k] && b->port[k] && share_listener(a, b))
			profile_error(errors, wb.file, wb.line, word,
				"%s claims it, but %s has it already at %s:%u; a protocol without host names has one owner "
				"for each listener (listener = NAME tells them apart)",
				b->service, a->service, wa.file, wa.line);
	}
}

static bool same_words(const struct strv *a, const struct strv *b)
{
	for (size_t i = 0; i < a->n; i++)
		if (!strv_has(b, a->v[i]))
			return false;
	return a->n == b->n;
}

/* Two instances of one profile, share = yes: one set of names, of which clients go to either. */
static void check_shared(const struct profile *a, const struct profile *b, struct profile_errors *errors)
{
	struct profile_where w = profile_where(b, "route", "share");

	for (size_t k = 0; k < TRP_PROTO_COUNT; k++)
		if (!a->port[k] != !b->port[k] || a->default_route != b->default_route ||
			!same_words(&a->hosts, &b->hosts) || !same_words(&a->listeners, &b->listeners)) {
			profile_error(errors, w.file, w.line, "share",
				"%s and %s must have the same host, default, listener and protocols", a->service,
				b->service);
			return;
		}
}

static void check_hosts(
	const struct profile *a, const struct profile *b, struct profile_errors *errors)
{
	const char *protocol = share_protocol(a, b);
	struct profile_where wa, wb;

	if (a->share && b->share && strcmp(a->name, b->name) == 0) {
		check_shared(a, b, errors);
		return;
	}
	check_nameless(a, b, errors);
	if (!protocol)
		return;
	for (size_t i = 0; i < b->hosts.n; i++)
		for (size_t j = 0; j < a->hosts.n; j++)
			if (strcmp(a->hosts.v[j], b->hosts.v[i]) == 0)
				profile_error(errors, b->host_where[i].file, b->host_where[i].line,
					"host",
					"%s claims '%s' for %s, but %s has it already at %s:%u; a "
					"name has one owner",
					b->service, b->hosts.v[i], protocol, a->service,
					a->host_where[j].file, a->host_where[j].line);
	if (!a->default_route || !b->default_route)
		return;
	wa = profile_where(a, "route", "default");
	wb = profile_where(b, "route", "default");
	profile_error(errors, wb.file, wb.line, "default",
		"%s claims the default for %s, but %s has it already at %s:%u", b->service,
		protocol, a->service, wa.file, wa.line);
}

static size_t find(struct profile *const *set, size_t n, const char *service)
{
	size_t i = 0;

	while (i < n && strcmp(set[i]->service, service) != 0)
		i++;
	return i;
}

/* Do the services exist that p names by this key? groups: may they be groups? */
static int check_named(struct profile *const *set, size_t n, const struct profile *p, const char *section, const char *key,
	const struct strv *words, bool groups, struct profile_errors *errors)
{
	cleanup_free const char **names = calloc(n, sizeof(*names));
	struct profile_where w = profile_where(p, section, key);

	if (!names)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		names[i] = set[i]->service;
	for (size_t i = 0; i < words->n; i++) {
		const char *word = words->v[i], *near;
		size_t at = find(set, n, word);
		if (at < n && (groups || set[at]->members.n == 0))
			continue;
		near = at < n ? NULL : trp_nearest(word, names, n);
		if (at < n)
			profile_error(errors, w.file, w.line, key, "'%s' is a group, expected its members", word);
		else if (near && strcmp(near, p->service) != 0)
			profile_error(errors, w.file, w.line, key,
				"there is no service '%s'; did you mean '%s'?", word, near);
		else
			profile_error(errors, w.file, w.line, key, "there is no service '%s'", word);
	}
	return 0;
}

static int check_names(struct profile *const *set, size_t n, const struct profile *p, struct profile_errors *errors)
{
	int r = check_named(set, n, p, "service", "requires", &p->requires, false, errors);

	if (r == 0)
		r = check_named(set, n, p, "service", "wants", &p->wants, false, errors);
	return r == 0 ? check_named(set, n, p, "group", "members", &p->members, true, errors) : r;
}

/* A walk along requires, after and others' before, and along the members of groups, for cycles. */
struct walk {
	struct profile *const *set;
	size_t n;
	struct profile_errors *errors;
	unsigned char *state; /* 0 not seen, 1 on the path, 2 done */
	size_t *path;
	size_t depth;
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
	const struct profile *p = k->set[to], *next;
	const char *key;

	if (!f)
		return;
	while (k->path[from] != to)
		from++;
	next = from + 1 < k->depth ? k->set[k->path[from + 1]] : p;
	for (; from < k->depth; from++)
		fprintf(f, "%s -> ", k->set[k->path[from]]->service);
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
	if (to == k->n || to == at)
		return;
	if (k->state[to] == 1)
		report_cycle(k, to);
	else if (k->state[to] == 0)
		walk(k, to);
}

static void walk(struct walk *k, size_t at)
{
	const struct profile *p = k->set[at];
	const struct strv *const lists[] = {&p->requires, &p->after, &p->members};

	k->state[at] = 1;
	k->path[k->depth++] = at;
	for (size_t l = 0; l < TRP_ARRAY_SIZE(lists); l++)
		for (size_t i = 0; i < lists[l]->n; i++)
			go(k, at, find(k->set, k->n, lists[l]->v[i]));
	for (size_t to = 0; to < k->n; to++)
		if (strv_has(&k->set[to]->before, p->service))
			go(k, at, to);
	k->depth--;
	k->state[at] = 2;
}

int profile_check_set(struct profile *const *set, size_t n, struct profile_errors *errors)
{
	cleanup_free unsigned char *state = calloc(n + 1, 1);
	cleanup_free size_t *path = calloc(n + 1, sizeof(*path));
	struct walk k = {.set = set, .n = n, .errors = errors, .state = state, .path = path};
	size_t before = errors->n;

	if (!state || !path)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < i; j++)
			check_hosts(set[j], set[i], errors);
		if (check_names(set, n, set[i], errors) < 0)
			return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++)
		if (state[i] == 0)
			walk(&k, i);
	return errors->n > before ? -EINVAL : 0;
}
