/* SPDX-License-Identifier: ISC */
#include "sandbox/order.h"
#include "base/fdpass.h"

#include <string.h>

#define ALIGN 16u
#define CHUNK (64u * 1024) /* what fits into a socket's buffer of the usual size, twice */

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

struct order *order_write(void *memory, size_t size, const struct order_parts *parts)
{
	const struct sandbox_spec *spec = parts->spec;
	const struct plan *plan = parts->plan;
	struct pool p = {.at = memory, .end = (char *)memory + size};
	struct order *o = take(&p, 1, sizeof(*o));

	if (!o)
		return NULL;
	o->fds = copy(&p, spec->fds, spec->n_fds, sizeof(*spec->fds));
	o->trees = copy(&p, parts->trees, plan->n_sources, sizeof(*parts->trees));
	o->own = take(&p, plan->n_tmpfs, sizeof(*o->own));
	copy_spec(&p, spec, &o->spec);
	o->spec.fds = o->fds;
	copy_plan(&p, plan, &o->plan);
	if (p.full)
		return NULL;
	memcpy(o->groups, parts->groups, sizeof(o->groups));
	o->plan.n_sources = plan->n_sources;
	o->birth = parts->birth;
	o->size = (size_t)(p.at - (char *)memory);
	return o;
}

/* Where descriptor i is kept: the program, those of the birth, the control groups, the program's own, the trees. NULL: there are no more. */
static int *place_of(struct order *o, size_t i)
{
	struct birth *b = &o->birth;
	int *const single[] = {&o->spec.exec_fd, &b->entry.pidfd, &b->network, &b->cgroup, &b->sync, &b->status};

	if (i < TRP_ARRAY_SIZE(single))
		return single[i];
	i -= TRP_ARRAY_SIZE(single);
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

static int count_descriptors(struct order *o)
{
	size_t at = 0;
	int n = 0;

	while (place(o, &at))
		n++;
	return n;
}

/* In messages of at most CHUNK bytes and TRP_FDPASS_MAX descriptors; one of a byte that means nothing if only descriptors are left. The first
 * one has all numbers of descriptors in it: they were copied first. */
int order_send(int sock, struct order *o)
{
	size_t sent = 0, at = 0;
	int left = o->n_descriptors = count_descriptors(o);

	while (sent < o->size || left > 0) {
		size_t len = o->size - sent < CHUNK ? o->size - sent : CHUNK;
		int fds[TRP_FDPASS_MAX], r;
		size_t n = 0;
		for (; n < TRP_FDPASS_MAX && left > 0; left--)
			fds[n++] = *place(o, &at);
		r = trp_fd_send(sock, len ? (const char *)o + sent : "", len ? len : 1, fds, n, 0);
		if (r < 0)
			return r;
		sent += len;
	}
	return 0;
}

static int put_descriptors(struct order *o, size_t *at, const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int *fd = place(o, at);
		if (!fd)
			return -EBADMSG;
		*fd = fds[i];
	}
	return 0;
}

int order_receive(int sock, void *memory, size_t size)
{
	struct order *o = memory;
	size_t got = 0, at = 0;
	int left = 1, r;
	char nothing;

	while (left > 0 || got < o->size) {
		const bool more = got == 0 || got < o->size;
		int fds[TRP_FDPASS_MAX];
		size_t n_fds = 0;
		ssize_t n = trp_fd_recv_upto(sock, more ? (char *)memory + got : &nothing, more ? size - got : 1, fds, TRP_FDPASS_MAX, &n_fds, 0);
		if (n <= 0)
			return (int)n;
		if (got == 0 && ((size_t)n < sizeof(*o) || o->size > size))
			return -EBADMSG;
		if (got == 0)
			left = o->n_descriptors;
		got += more ? (size_t)n : 0;
		left -= (int)n_fds;
		r = put_descriptors(o, &at, fds, n_fds);
		if (r < 0)
			return r;
	}
	return 1;
}
