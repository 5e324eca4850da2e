/* SPDX-License-Identifier: ISC */
#include "supervisor/load.h"
#include "base/log.h"

#include <string.h>

#define SET_MAX 1024

/* Profiles that were read for one call and not yet given to their services. */
struct load_set {
	struct daemon *d;
	struct profile *fresh[SET_MAX];
	size_t n;
};

static bool in_set(const struct load_set *set, const char *name)
{
	for (size_t i = 0; i < set->n; i++)
		if (strcmp(set->fresh[i]->service, name) == 0)
			return true;
	return false;
}

/* Reads name's profile and those of what it requires. Cycles end here; profile_check_set() reports them. */
static int collect(struct load_set *set, const char *name, bool reload, struct profile_errors *errors)
{
	struct service *s = service_find(set->d, name);
	const struct profile *p;
	int r;

	if (in_set(set, name))
		return 0;
	if (s && service_is_active(s) && !reload) {
		p = s->pending ? s->pending : s->profile;
	} else {
		if (set->n == SET_MAX)
			return -E2BIG;
		r = profile_load(&set->d->paths, name, &set->fresh[set->n], errors);
		if (r < 0)
			return r;
		p = set->fresh[set->n++];
		r = config_check_profile(set->d->config, p, errors);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < p->requires.n; i++) {
		r = collect(set, p->requires.v[i], false, errors);
		if (r < 0)
			return r == -ENOENT ? -EINVAL : r; /* what was asked for exists */
	}
	return 0;
}

/* All that would be in force together: the fresh ones and every other service's that is active, or that has failed and keeps
 * its names (with its own, it would take another's from the router when it is stopped). */
static int check(const struct load_set *set, struct profile_errors *errors)
{
	struct profile **all;
	size_t n = set->n;
	int r;

	for (struct service *s = set->d->services; s; s = s->next)
		n++;
	all = calloc(n + 1, sizeof(struct profile *));
	if (!all)
		return -ENOMEM;
	n = 0;
	for (size_t i = 0; i < set->n; i++)
		all[n++] = set->fresh[i];
	for (struct service *s = set->d->services; s; s = s->next)
		if ((service_is_active(s) || s->routes_told) && !in_set(set, s->name))
			all[n++] = s->pending ? s->pending : s->profile;
	r = profile_check_set(all, n, errors);
	free(all);
	return r;
}

static struct service *new_service(struct daemon *d, const char *name)
{
	struct service *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->d = d;
	s->name = strdup(name);
	s->since = ev_time();
	s->run.control = s->run.notify = s->run.box.pidfd = s->run.box.status_fd = -1;
	if (!s->name || logs_open(d->loop, d->config->log_dir, name, 4 << 20, 3, &s->logs) < 0) {
		log_error("%s: cannot open its log in %s", name, d->config->log_dir);
		free(s->name);
		free(s);
		return NULL;
	}
	s->next = d->services;
	d->services = s;
	return s;
}

/* Gives the profiles to their services. Memory is all that can fail: what was made so far is stopped and harmless. */
static int commit(struct load_set *set)
{
	for (size_t i = 0; i < set->n; i++) {
		struct service *s = service_find(set->d, set->fresh[i]->service);
		if (!s)
			s = new_service(set->d, set->fresh[i]->service);
		if (!s)
			return -ENOMEM;
		profile_free(s->pending);
		s->pending = trp_steal_ptr(&set->fresh[i]);
		if (!service_is_active(s))
			load_apply_pending(s);
	}
	return 0;
}

int load_service(struct daemon *d, const char *name, bool reload, struct service **ret, struct profile_errors *errors)
{
	struct load_set *set = calloc(1, sizeof(*set));
	int r;

	if (!set)
		return -ENOMEM;
	set->d = d;
	r = collect(set, name, reload, errors);
	if (r == 0)
		r = check(set, errors);
	if (r == 0)
		r = commit(set);
	for (size_t i = 0; i < set->n; i++)
		profile_free(set->fresh[i]);
	free(set);
	if (r == 0)
		*ret = service_find(d, name);
	return r;
}

void load_apply_pending(struct service *s)
{
	struct profile *old = s->profile;

	if (!s->pending)
		return;
	/* names of the old profile go; a service that waits for its restart keeps its clients under the new names, and
	 * without a moment in which a name that both have is unknown to the router */
	if (old && !s->served)
		route_forget(s);
	s->profile = trp_steal_ptr(&s->pending);
	logs_set_limits(s->logs, s->profile->log_size, (unsigned)s->profile->log_files);
	if (old && s->served)
		route_replace(s, old);
	profile_free(old);
}
