/* SPDX-License-Identifier: ISC */
#include "sandbox/order.h"
#include "base/fdpass.h"

#include <string.h>

#define ALIGN 16u

/* Memory that is given out from its beginning to its end. */
struct pool {
	char *at, *end;
	bool full;
};

static size_t rounded(size_t n)
{
	return (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

/* Room for n elements, all 0 (the memory is fresh); NULL: full. */
static void *take(struct pool *p, size_t n, size_t element)
{
	size_t size = rounded(n * element);
	void *room = p->at;

	if (p->full || (size_t)(p->end - p->at) < size) {
		p->full = true;
		return NULL;
	}
	p->at += size;
	return room;
}

static void *copy(struct pool *p, const void *data, size_t n, size_t element)
{
	void *room = data ? take(p, n, element) : NULL;

	if (room && n > 0)
		memcpy(room, data, n * element);
	return room;
}

static const char *copy_text(struct pool *p, const char *text)
{
	return text ? copy(p, text, strlen(text) + 1, 1) : NULL;
}

static size_t count(const char *const *v)
{
	size_t n = 0;

	while (v[n])
		n++;
	return n;
}

static const char *const *copy_texts(struct pool *p, const char *const *v)
{
	size_t n = count(v);
	const char **room = take(p, n + 1, sizeof(*room));

	for (size_t i = 0; room && i < n; i++)
		room[i] = copy_text(p, v[i]);
	return room;
}

static size_t text_size(const char *text)
{
	return text ? rounded(strlen(text) + 1) : 0;
}

static size_t texts_size(const char *const *v)
{
	size_t size = rounded((count(v) + 1) * sizeof(*v));

	for (; *v; v++)
		size += text_size(*v);
	return size;
}

size_t order_size(const struct sandbox_spec *spec, const struct plan *plan)
{
	size_t size = rounded(sizeof(struct order)) + texts_size(spec->argv) + texts_size(spec->envp) +
		rounded(sizeof(*spec->seccomp)) + rounded(spec->seccomp->len * sizeof(*spec->seccomp->insns)) +
		rounded(spec->n_fds * sizeof(*spec->fds)) + rounded(spec->n_connect_ports * sizeof(*spec->connect_ports)) +
		rounded(plan->n_steps * sizeof(*plan->steps)) + rounded(plan->n_rules * sizeof(*plan->rules)) +
		rounded(plan->n_sources * sizeof(int)) + rounded(plan->n_tmpfs * sizeof(dev_t));

	for (size_t i = 0; i < plan->n_steps; i++)
		size += text_size(plan->steps[i].path) + text_size(plan->steps[i].text) + rounded(plan->steps[i].data_len);
	for (size_t i = 0; i < plan->n_rules; i++)
		size += text_size(plan->rules[i].path);
	return size;
}

static void copy_plan(struct pool *p, const struct plan *plan, struct plan *ret)
{
	*ret = (struct plan){.n_steps = plan->n_steps, .n_rules = plan->n_rules, .n_tmpfs = plan->n_tmpfs, .n_base = plan->n_base};
	ret->steps = copy(p, plan->steps, plan->n_steps, sizeof(*plan->steps));
	ret->rules = copy(p, plan->rules, plan->n_rules, sizeof(*plan->rules));
	for (size_t i = 0; !p->full && i < plan->n_steps; i++) {
		struct plan_step *s = &ret->steps[i];
		s->path = copy_text(p, s->path);
		s->text = copy_text(p, s->text);
		s->data = copy(p, s->data, s->data_len, 1);
	}
	for (size_t i = 0; !p->full && i < plan->n_rules; i++)
		ret->rules[i].path = copy_text(p, ret->rules[i].path);
}

static void copy_spec(struct pool *p, const struct sandbox_spec *spec, struct sandbox_spec *ret)
{
	struct seccomp_filter *filter = copy(p, spec->seccomp, 1, sizeof(*filter));

	*ret = *spec;
	ret->name = ret->hostname = ret->root = ret->cwd = NULL; /* the steps have what they need */
	ret->mounts = NULL;
	ret->rlimits = NULL;
	ret->argv = copy_texts(p, spec->argv);
	ret->envp = copy_texts(p, spec->envp);
	ret->connect_ports = copy(p, spec->connect_ports, spec->n_connect_ports, sizeof(*spec->connect_ports));
	ret->seccomp = filter;
	if (filter)
		filter->insns = copy(p, filter->insns, filter->len, sizeof(*filter->insns));
}

struct order *order_write(void *memory, size_t size, const struct sandbox_spec *spec, const struct plan *plan, const int *trees,
	const int groups[CGROUP_V1_MAX])
{
	struct pool p = {.at = memory, .end = (char *)memory + size};
	struct order *o = take(&p, 1, sizeof(*o));

	if (!o)
		return NULL;
	copy_spec(&p, spec, &o->spec);
	copy_plan(&p, plan, &o->plan);
	o->fds = copy(&p, spec->fds, spec->n_fds, sizeof(*spec->fds));
	o->spec.fds = o->fds;
	o->trees = copy(&p, trees, plan->n_sources, sizeof(*trees));
	o->own = take(&p, plan->n_tmpfs, sizeof(*o->own));
	if (p.full)
		return NULL;
	memcpy(o->groups, groups, sizeof(o->groups));
	o->n_descriptors = 1 + (int)spec->n_fds;
	for (size_t i = 0; i < CGROUP_V1_MAX; i++)
		o->n_descriptors += groups[i] >= 0;
	for (size_t i = 0; i < plan->n_sources; i++) {
		if (i < plan->n_base)
			o->trees[i] = -1;
		o->n_descriptors += o->trees[i] >= 0;
	}
	o->plan.n_sources = plan->n_sources;
	return o;
}

/* Where the child keeps the number of descriptor i: the program, the control groups, the program's own, the trees. NULL: there are no more. */
static int *place_of(struct order *o, size_t i)
{
	if (i == 0)
		return &o->spec.exec_fd;
	i--;
	if (i < CGROUP_V1_MAX)
		return &o->groups[i];
	i -= CGROUP_V1_MAX;
	if (i < o->spec.n_fds)
		return &o->fds[i].from;
	i -= o->spec.n_fds;
	return i < o->plan.n_sources ? &o->trees[i] : NULL;
}

/* The next one that is there. */
static int *place(struct order *o, size_t *at)
{
	int *fd;

	do
		fd = place_of(o, (*at)++);
	while (fd && *fd < 0);
	return fd;
}

int order_send(int sync_fd, struct order *o)
{
	int fds[TRP_FDPASS_MAX], r = 0;
	size_t n = 0, at = 0;
	const int *fd;

	do {
		fd = place(o, &at); /* the child has written to those before it only */
		if (fd)
			fds[n++] = *fd;
		if (n == TRP_FDPASS_MAX || (!fd && n > 0)) {
			r = trp_fd_send(sync_fd, &o, sizeof(o), fds, n, 0);
			n = 0;
		}
	} while (fd && r == 0);
	return r;
}

int order_receive(int sync_fd, struct order **ret)
{
	size_t at = 0;
	struct order *o = NULL;
	int left = 1;

	while (left > 0) {
		int fds[TRP_FDPASS_MAX];
		size_t n = 0;
		ssize_t got = trp_fd_recv_upto(sync_fd, &o, sizeof(o), fds, TRP_FDPASS_MAX, &n, 0);
		if (got <= 0)
			return (int)got;
		if (got != sizeof(o) || n == 0)
			return -EBADMSG;
		if (at == 0)
			left = o->n_descriptors;
		for (size_t i = 0; i < n && left > 0; i++, left--) {
			int *fd = place(o, &at);
			if (!fd)
				return -EBADMSG;
			*fd = fds[i];
		}
	}
	*ret = o;
	return 1;
}
