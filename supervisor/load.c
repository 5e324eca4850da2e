/* SPDX-License-Identifier: ISC */
#include "supervisor/load.h"
#include "base/io.h"
#include "supervisor/group.h"
#include "supervisor/live.h"
#include "supervisor/logger.h"
#include "supervisor/observer.h"
#include "supervisor/record.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>

#define SET_MAX 8192

/* Profiles that were read for one call and not yet given to their services. */
struct load_set {
	struct daemon *d;
	const struct config *config;
	const struct profile_paths *paths;
	struct profile *fresh[SET_MAX];
	struct profile *waiting[SET_MAX]; /* of one that is taken over: its pending one, or NULL */
	size_t n;
};

static bool in_set(const struct load_set *set, const char *name)
{
	for (size_t i = 0; i < set->n; i++)
		if (strcmp(set->fresh[i]->service, name) == 0)
			return true;
	return false;
}

static int collect(struct load_set *set, const char *name, bool reload, struct profile_errors *errors);

static int collect_all(struct load_set *set, const struct strv *names, struct profile_errors *errors)
{
	for (size_t i = 0; i < names->n; i++) {
		int r = collect(set, names->v[i], false, errors);
		if (r < 0)
			return r == -ENOENT ? -EINVAL : r; /* what was asked for exists */
	}
	return 0;
}

static int read_profile(struct load_set *set, const char *name, struct profile_errors *errors)
{
	struct profile *seen = set->paths == &set->d->paths ? group_take_seen(set->d, name) : NULL;

	if (!seen)
		return profile_load(set->paths, name, &set->fresh[set->n], errors);
	set->fresh[set->n] = seen;
	return 0;
}

/* Reads name's profile and those of what it requires and wants. Cycles end here; profile_check_set() reports them. */
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
		r = set->d->adopting ? record_profile(set->d, name, &set->fresh[set->n], &set->waiting[set->n], errors) : -ENOENT;
		if (r == -ENOENT)
			r = read_profile(set, name, errors);
		if (r < 0)
			return r;
		p = set->fresh[set->n++];
		r = config_check_profile(set->config, p, errors);
		if (r < 0)
			return r;
	}
	if (p->members.n > 0) {
		profile_error(errors, p->file, 0, NULL, "%s is a group: its members can be named here, not itself", name);
		return -EINVAL;
	}
	r = collect_all(set, &p->requires, errors);
	return r == 0 ? collect_all(set, &p->wants, errors) : r;
}

static bool has_profile(struct profile *const *all, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(all[i]->service, name) == 0)
			return true;
	return false;
}

/* While services are taken over, one that has been may require some whose turn is still to come: they are there, too. */
static size_t add_required(const struct load_set *set, struct profile **all, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < all[i]->requires.n; k++) {
			const struct service *s = service_find(set->d, all[i]->requires.v[k]);
			struct profile *p = s && s->pending ? s->pending : s ? s->profile : NULL;
			if (p && !has_profile(all, n, p->service))
				all[n++] = p;
		}
	return n;
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
	if (set->d->adopting)
		n = add_required(set, all, n);
	r = profile_check_set(all, n, errors);
	free(all);
	return r;
}

static struct service *new_service(struct daemon *d, const struct profile *p)
{
	const char *name = p->service;
	struct service *s = calloc(1, sizeof(*s));
	struct log_limits limits;

	if (!s)
		return NULL;
	logger_limits(d, p, &limits);
	s->d = d;
	s->name = strdup(name);
	s->number = ledgers_number(d->ledgers);
	s->cgroup = (struct cgroup){CGROUP_NONE};
	s->fetch.pidfd = s->fetch.out = -1;
	s->since = ev_time();
	s->changed = trp_now_seconds();
	s->run.control = s->run.notify = s->run.box.pidfd = s->run.box.status_fd = -1;
	if (!s->name || logs_open(d->loop, logger_sink(d->logger), name, &limits, &s->logs) < 0) {
		free(s->name);
		free(s);
		return NULL;
	}
	snprintf(s->key, sizeof(s->key), "%s", name);
	logs_keep(s->logs, d->keep);
	s->next = d->services;
	d->services = s;
	observer_service(d->observer, s);
	return s;
}

/* Another one is in its place already. */
static void let_go(struct service *s, struct profile *old)
{
	if (old)
		record_let_go(s, old->text_hash);
	profile_free(old);
}

/* Gives the profiles to their services. Memory is all that can fail: what was made so far is stopped and harmless. */
static int commit(struct load_set *set)
{
	for (size_t i = 0; i < set->n; i++) {
		struct service *s = service_find(set->d, set->fresh[i]->service);
		struct profile *old;
		if (!s)
			s = new_service(set->d, set->fresh[i]);
		if (!s)
			return -ENOMEM;
		old = s->pending;
		record_keep_sources(set->d, set->fresh[i]);
		s->pending = trp_steal_ptr(&set->fresh[i]);
		if (!service_is_active(s))
			load_apply_pending(s);
		if (set->waiting[i])
			s->pending = trp_steal_ptr(&set->waiting[i]);
		let_go(s, old);
	}
	return 0;
}

void load_free(struct load_set *set)
{
	for (size_t i = 0; set && i < set->n; i++) {
		profile_free(set->fresh[i]);
		profile_free(set->waiting[i]);
	}
	free(set);
}

/* Of one whose profile is gone the one that it has must fit. */
static int collect_again(struct load_set *set, const struct service *s, struct strv *gone, struct profile_errors *errors)
{
	struct profile_errors own = {0};
	int r = collect(set, s->name, true, &own);

	if (r == -ENOENT) {
		r = config_check_profile(set->config, s->pending ? s->pending : s->profile, errors);
		if (r == 0)
			r = strv_push(gone, s->name);
	} else {
		for (size_t i = 0; i < own.n; i++)
			profile_error(errors, NULL, 0, NULL, "%s", own.v[i]);
	}
	profile_errors_free(&own);
	return r;
}

int load_all(struct daemon *d, const struct config *config, const struct profile_paths *paths, struct load_set **ret, struct strv *gone,
	struct profile_errors *errors)
{
	struct load_set *set = calloc(1, sizeof(*set));
	int r = set ? 0 : -ENOMEM;

	*ret = NULL;
	if (set)
		*set = (struct load_set){.d = d, .config = config, .paths = paths};
	for (const struct service *s = d->services; set && s; s = s->next) {
		int one = service_is_active(s) || s->routes_told || s->timed.armed ? collect_again(set, s, gone, errors) : 0;
		r = r < 0 ? r : one;
	}
	if (r == 0)
		r = check(set, errors);
	if (r < 0)
		load_free(set);
	else
		*ret = set;
	return r;
}

void load_say(const struct load_set *set, struct strv *changes)
{
	for (size_t i = 0; i < set->n; i++) {
		const struct service *s = service_find(set->d, set->fresh[i]->service);
		struct strv keys = {0};
		if (s && s->profile && !service_is_active(s) && s->state != STATE_STOPPED && profile_diff(s->profile, set->fresh[i], &keys, &keys) == 0)
			live_say(changes, s, &keys, "in force now");
		strv_free(&keys);
	}
}

int load_give(struct load_set *set)
{
	int r = commit(set);

	load_free(set);
	return r;
}

int load_services(struct daemon *d, const char *const *names, size_t n, bool reload, struct service **ret, size_t *ret_bad,
	struct profile_errors *errors)
{
	struct load_set *set = calloc(1, sizeof(*set));
	size_t i = 0;
	int r = 0;

	*ret_bad = 0;
	if (!set)
		return -ENOMEM;
	*set = (struct load_set){.d = d, .config = d->config, .paths = &d->paths};
	while (r == 0 && i < n)
		r = collect(set, names[i++], reload, errors);
	if (r < 0)
		*ret_bad = i - 1;
	else
		r = check(set, errors);
	if (r == 0)
		r = commit(set);
	load_free(set);
	for (i = 0; r == 0 && i < n; i++)
		ret[i] = service_find(d, names[i]);
	return r;
}

int load_service(struct daemon *d, const char *name, bool reload, struct service **ret, struct profile_errors *errors)
{
	size_t bad;

	return load_services(d, &name, 1, reload, ret, &bad, errors);
}

void load_log_errors(struct profile_errors *errors)
{
	for (size_t i = 0; i < errors->n; i++)
		log_error("%s", errors->v[i]);
	profile_errors_free(errors);
	*errors = (struct profile_errors){0};
}

void load_apply_pending(struct service *s)
{
	struct profile *old = s->profile;
	struct log_limits limits;

	if (!s->pending)
		return;
	/* names of the old profile go, without a moment in which a name that both have is unknown to the router */
	s->profile = trp_steal_ptr(&s->pending);
	live_forget(s);
	logger_limits(s->d, s->profile, &limits);
	logs_set_limits(s->logs, &limits);
	logs_set_rate(s->logs, s->profile->log_rate, s->profile->log_burst, s->profile->log_over_rate == PROFILE_LOG_DROP);
	if (old && s->routes_told)
		route_replace(s, old);
	if (old && s->waiting.id) { /* its clients wait for its next start by this one */
		quota_tell(s);
		hold_profile(s);
	}
	timers_profile(s, old);
	let_go(s, old);
}
