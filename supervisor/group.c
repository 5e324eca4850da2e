/* SPDX-License-Identifier: ISC */
#include "supervisor/group.h"
#include "supervisor/profile/keys.h"
#include "supervisor/service.h"

#include <stdio.h>
#include <string.h>

struct expansion {
	struct daemon *d;
	struct strv *out, path; /* path: the groups on the way to the name that is looked at */
	size_t max;
	struct profile_errors *errors;
};

static int expand(struct expansion *x, const char *name, const struct profile *in);

static int refuse_circle(struct expansion *x, const char *name, const struct profile *in)
{
	cleanup_free char *text = NULL;
	struct profile_where w = profile_where(in, "group", "members");
	size_t size, i = 0;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return -ENOMEM;
	while (strcmp(x->path.v[i], name) != 0)
		i++;
	for (; i < x->path.n; i++)
		fprintf(f, "%s -> ", x->path.v[i]);
	fprintf(f, "%s", name);
	if (fclose(f) != 0)
		return -ENOMEM;
	profile_error(x->errors, w.file, w.line, "members", "the groups contain each other in a circle: %s", text);
	return -EINVAL;
}

static int add(struct expansion *x, const char *name)
{
	if (strv_has(x->out, name))
		return 0;
	if (x->out->n < x->max)
		return strv_push(x->out, name);
	profile_error(x->errors, NULL, 0, name, "more than %zu services in one call", x->max);
	return -EINVAL;
}

static int add_members(struct expansion *x, const struct profile *p)
{
	int r = strv_push(&x->path, p->service);

	for (size_t i = 0; i < p->members.n && r == 0; i++)
		r = expand(x, p->members.v[i], p);
	if (r < 0)
		return r;
	free(x->path.v[--x->path.n]);
	x->path.v[x->path.n] = NULL;
	return 0;
}

/* in: the group that names it; NULL: the call does. */
static int expand(struct expansion *x, const char *name, const struct profile *in)
{
	struct profile_errors errors = {0};
	const struct service *s = service_find(x->d, name);
	struct profile *p = NULL;
	bool sound;
	int r;

	if (in && strv_has(&x->path, name))
		return refuse_circle(x, name, in);
	if (s && service_is_active(s))
		return add(x, name);
	r = profile_load(&x->d->paths, name, &p, &errors);
	sound = r == 0 && errors.n == 0;
	profile_errors_free(&errors);
	if (r == -ENOMEM)
		return r;
	if (r == -ENOENT && in) {
		struct profile_where w = profile_where(in, "group", "members");
		profile_error(x->errors, w.file, w.line, "members", "there is no service '%s'", name);
		return -EINVAL;
	}
	if (sound && p->members.n == 0) {
		group_forget_seen(x->d);
		x->d->seen = p;
		x->d->seen_turn = ev_iteration(x->d->loop);
		return add(x, name);
	}
	r = p && p->members.n > 0 ? add_members(x, p) : add(x, name);
	profile_free(p);
	return r;
}

void group_forget_seen(struct daemon *d)
{
	profile_free(d->seen);
	d->seen = NULL;
}

struct profile *group_take_seen(struct daemon *d, const char *name)
{
	struct profile *seen;

	if (!d->seen || d->seen_turn != ev_iteration(d->loop) || strcmp(d->seen->service, name) != 0)
		return NULL;
	seen = trp_steal_ptr(&d->seen);
	return seen;
}

int group_expand(struct daemon *d, const char *name, size_t max, struct strv *ret, struct profile_errors *errors)
{
	struct expansion x = {.d = d, .out = ret, .max = max, .errors = errors};
	int r = expand(&x, name, NULL);

	strv_free(&x.path);
	return r;
}
