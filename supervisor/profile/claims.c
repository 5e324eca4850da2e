/* SPDX-License-Identifier: ISC */
/* claims.c: does each name have one owner? All claims are sorted, so that a thousand profiles need not be compared with each other. */
#include "load.h"

#include <string.h>

enum kind { KIND_HOST, KIND_DEFAULT, KIND_NAMELESS };

struct claim {
	enum kind kind;
	const char *name; /* the host, or the word of a protocol without host names */
	size_t at;        /* in the set */
	size_t i;         /* among its hosts, or the number of the protocol */
};

struct claims {
	struct claim *v;
	size_t n;
};

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

static void add(struct claims *c, enum kind kind, const char *name, size_t at, size_t i)
{
	c->v[c->n++] = (struct claim){kind, name, at, i};
}

static void add_claims(struct claims *c, const struct profile *p, size_t at)
{
	for (size_t i = 0; i < p->hosts.n; i++)
		add(c, KIND_HOST, p->hosts.v[i], at, i);
	if (p->default_route)
		add(c, KIND_DEFAULT, "", at, 0);
	for (size_t k = 0; k < TRP_PROTO_COUNT; k++)
		if (!trp_protocol_has_names((enum trp_protocol)k) && p->port[k])
			add(c, KIND_NAMELESS, trp_protocol_words[k], at, k);
}

static int compare_claims(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;
	int r = x->kind != y->kind ? (x->kind < y->kind ? -1 : 1) : strcmp(x->name, y->name);

	if (r != 0)
		return r;
	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return x->i < y->i ? -1 : x->i > y->i;
}

static void dispute(const struct profile *a, const struct claim *of_a, const struct profile *b, const struct claim *of_b,
	struct profile_errors *errors)
{
	const char *protocol = share_protocol(a, b);
	struct profile_where wa, wb;

	switch (of_a->kind) {
	case KIND_HOST:
		if (!protocol)
			break;
		wa = a->host_where[of_a->i];
		wb = b->host_where[of_b->i];
		profile_error(errors, wb.file, wb.line, "host",
			"%s claims '%s' for %s, but %s has it already at %s:%u; a name has one owner", b->service, of_b->name, protocol,
			a->service, wa.file, wa.line);
		break;
	case KIND_DEFAULT:
		if (!protocol)
			break;
		wa = profile_where(a, "route", "default");
		wb = profile_where(b, "route", "default");
		profile_error(errors, wb.file, wb.line, "default", "%s claims the default for %s, but %s has it already at %s:%u",
			b->service, protocol, a->service, wa.file, wa.line);
		break;
	case KIND_NAMELESS:
		if (!share_listener(a, b))
			break;
		wa = profile_where(a, "route", of_a->name);
		wb = profile_where(b, "route", of_b->name);
		profile_error(errors, wb.file, wb.line, of_b->name,
			"%s claims it, but %s has it already at %s:%u; a protocol without host names has one owner "
			"for each listener (listener = NAME tells them apart)",
			b->service, a->service, wa.file, wa.line);
		break;
	}
}

struct instance {
	const struct profile *p;
	size_t at;
};

static int compare_instances(const void *a, const void *b)
{
	const struct instance *x = a, *y = b;
	int r = strcmp(x->p->name, y->p->name);

	return r != 0 ? r : x->at < y->at ? -1 : x->at > y->at;
}

static void refuse_more(const struct profile *p, struct profile_errors *errors)
{
	struct profile_where w = profile_where(p, "route", "share");

	profile_error(errors, w.file, w.line, "share", "more than %d instances of %s, over which clients could not be spread", PROFILE_SHARE_MAX,
		p->name);
}

/* Of those that share their names the first claims them for all; the others are marked. */
static int merge_shared(struct profile *const *set, size_t n, bool *others, struct profile_errors *errors)
{
	cleanup_free struct instance *all = calloc(n + 1, sizeof(*all));
	size_t count = 0, first = 0;

	if (!all)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		if (set[i]->share)
			all[count++] = (struct instance){set[i], i};
	qsort(all, count, sizeof(*all), compare_instances);
	for (size_t i = 1; i < count; i++) {
		if (strcmp(all[i].p->name, all[first].p->name) != 0) {
			first = i;
			continue;
		}
		others[all[i].at] = true;
		if (i - first == PROFILE_SHARE_MAX)
			refuse_more(all[i].p, errors);
		check_shared(all[first].p, all[i].p, errors);
	}
	return 0;
}

int check_claims(struct profile *const *set, size_t n, struct profile_errors *errors)
{
	cleanup_free bool *others = calloc(n + 1, sizeof(*others));
	struct claims c = {0};
	size_t most = 1;
	int r = others ? merge_shared(set, n, others, errors) : -ENOMEM;

	for (size_t i = 0; i < n; i++)
		most += set[i]->hosts.n + 1 + TRP_PROTO_COUNT;
	c.v = r == 0 ? calloc(most, sizeof(*c.v)) : NULL;
	if (!c.v)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		if (!others[i])
			add_claims(&c, set[i], i);
	qsort(c.v, c.n, sizeof(*c.v), compare_claims);
	for (size_t i = 0; i < c.n; i++)
		for (size_t j = i + 1; j < c.n && c.v[j].kind == c.v[i].kind && strcmp(c.v[j].name, c.v[i].name) == 0; j++)
			if (c.v[i].at != c.v[j].at)
				dispute(set[c.v[i].at], &c.v[i], set[c.v[j].at], &c.v[j], errors);
	free(c.v);
	return 0;
}
