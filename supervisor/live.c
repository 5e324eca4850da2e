/* SPDX-License-Identifier: ISC */
#include "supervisor/live.h"
#include "base/io.h"
#include "base/log.h"
#include "supervisor/box/box.h"
#include "supervisor/load.h"
#include "supervisor/logger.h"
#include "supervisor/record.h"
#include "supervisor/timeout.h"

#include <stdio.h>
#include <string.h>

static const char *const limit_keys[] = {"processes", "memory", "oom", "cpu", "cpu-weight", NULL};
static const char *const name_keys[] = {"host", "default", "plain-http", "listener", NULL};

static bool has_any(const struct strv *keys, const char *const *names)
{
	for (; *names; names++)
		if (strv_has(keys, *names))
			return true;
	return false;
}

static void move(struct strv *from, const char *key, struct strv *to)
{
	for (size_t i = 0; i < from->n; i++) {
		if (strcmp(from->v[i], key) != 0 || strv_push(to, key) < 0)
			continue;
		free(from->v[i]);
		memmove(&from->v[i], &from->v[i + 1], (from->n - i) * sizeof(from->v[0])); /* with the NULL */
		from->n--;
		return;
	}
}

void live_say(struct strv *changes, const struct service *s, const struct strv *keys, const char *what)
{
	cleanup_free char *text = NULL;
	size_t size;
	FILE *f = keys->n > 0 ? open_memstream(&text, &size) : NULL;

	if (!f)
		return;
	for (size_t i = 0; i < keys->n; i++)
		fprintf(f, "%s%s", i ? ", " : "", keys->v[i]);
	if (fclose(f) == 0)
		(void)strv_push_format(changes, "%s: %s: %s", s->name, text, what);
}

/* The limits of its group. What the kernel does not take waits for a restart, and the old ones stand. */
static void set_limits(struct service *s, struct strv *live, struct strv *restart, struct strv *changes)
{
	struct cgroup_limits old = box_limits(s->profile), new = box_limits(s->pending);
	uint64_t memory = UINT64_MAX, pids, cpu;
	char err[200] = "";

	if (!s->has_cgroup || !has_any(live, limit_keys))
		return;
	cgroup_usage(&s->cgroup, &memory, &pids, &cpu);
	if (strv_has(live, "memory") && memory != UINT64_MAX && new.memory < memory) { /* the kernel would kill it for that */
		(void)strv_push_format(changes, "%s: memory: it uses more than the new limit", s->name);
		move(live, "memory", restart);
		new.memory = old.memory;
	}
	if (cgroup_set_limits(s->d->cgroups, &s->cgroup, &new, err, sizeof(err)) == 0)
		return;
	(void)strv_push_format(changes, "%s: %s", s->name, err);
	if (cgroup_set_limits(s->d->cgroups, &s->cgroup, &old, err, sizeof(err)) < 0)
		log_error("%s: %s", s->name, err);
	for (size_t i = 0; limit_keys[i]; i++)
		move(live, limit_keys[i], restart);
}

/* s->profile has them; old is what it was before, in these keys. */
static void put_in_force(struct service *s, const struct profile *old, const struct strv *live)
{
	struct log_limits limits;

	logger_limits(s->d, s->profile, &limits);
	logs_set_limits(s->logs, &limits);
	logs_set_rate(s->logs, s->profile->log_rate, s->profile->log_burst, s->profile->log_over_rate == PROFILE_LOG_DROP);
	if (has_any(live, name_keys))
		route_replace(s, old);
	quota_tell(s);
	hold_profile(s);
	timers_profile(s, old);
	timeout_profile(s, old);
	health_profile(s);
	demand_again(s);
}

void live_forget(struct service *s)
{
	char hash[sizeof(s->live_text)];

	memcpy(hash, s->live_text, sizeof(hash));
	strv_free(&s->live_keys);
	s->live_text[0] = '\0';
	record_let_go(s, hash);
}

/* Nothing of it needs a restart: it takes the place of the old one. */
static void take_whole(struct service *s, const struct strv *live)
{
	struct profile *old = s->profile;

	s->profile = trp_steal_ptr(&s->pending);
	live_forget(s);
	if (live->n > 0)
		put_in_force(s, old, live);
	record_let_go(s, old->text_hash);
	profile_free(old);
}

/* For the next daemon. Those of an earlier reload have the same values in this one, or are among the new; a limit that was not taken has another. */
static int note_live(struct service *s, const struct strv *live, const struct strv *restart)
{
	struct strv all = {0};
	int r = 0;

	for (size_t i = 0; i < s->live_keys.n && r == 0; i++)
		if (!strv_has(restart, s->live_keys.v[i]) && !strv_has(live, s->live_keys.v[i]))
			r = strv_push(&all, s->live_keys.v[i]);
	for (size_t i = 0; i < live->n && r == 0; i++)
		r = strv_push(&all, live->v[i]);
	live_forget(s);
	s->live_keys = all;
	if (all.n > 0)
		memcpy(s->live_text, s->pending->text_hash, sizeof(s->live_text));
	return r;
}

/* The pending one stays whole for the next start; the keys are taken from another copy of it. */
static int take_part(struct service *s, const struct strv *live)
{
	struct profile_errors errors = {0};
	struct profile *copy = NULL;
	int r = record_profile_of(s->d, s->name, s->pending->text_hash, &copy, &errors);

	if (r == -ENOENT) /* nothing could be kept */
		r = profile_load(&s->d->paths, s->name, &copy, &errors);
	if (r == 0)
		r = profile_take_live(s->profile, copy, live);
	if (r == 0) { /* what it is served by has not changed */
		memcpy(copy->port, s->profile->port, sizeof(copy->port));
		copy->share = s->profile->share;
		put_in_force(s, copy, live);
	}
	load_log_errors(&errors);
	profile_free(copy);
	return r;
}

/* Is another instance to take its place? That gets the pending one then. */
static bool has_successor(const struct service *s)
{
	return s->beside && !s->shadow && !s->beside->outgoing;
}

static void apply(struct service *s, struct strv *changes)
{
	struct strv live = {0}, restart = {0};
	bool waits = false;
	int r = profile_diff(s->profile, s->pending, &live, &restart);

	if (r == 0) {
		set_limits(s, &live, &restart, changes);
		waits = restart.n > 0 || has_successor(s);
		if (!waits)
			take_whole(s, &live);
		else if (live.n > 0)
			r = take_part(s, &live);
		if (r == 0 && waits)
			r = note_live(s, &live, &restart);
	}
	if (r < 0)
		(void)strv_push_format(changes, "%s: not changed: %s", s->name, strerror(-r));
	if (r == 0)
		live_say(changes, s, &live, "in force now");
	if (r == 0)
		live_say(changes, s, &restart, "after a restart of it");
	strv_free(&live);
	strv_free(&restart);
}

void live_apply_all(struct daemon *d, struct strv *changes)
{
	for (struct service *s = d->services; s; s = s->next) {
		if (!s->pending || !service_is_active(s))
			continue;
		apply(s, changes);
		record_save(s);
	}
}

void live_catch_up(struct service *s)
{
	struct strv changes = {0};

	if (s->pending)
		apply(s, &changes);
	for (size_t i = 0; i < changes.n; i++)
		log_info("%s", changes.v[i]);
	strv_free(&changes);
}

int live_waiting(const struct service *s, struct strv *ret)
{
	/* what is in force differs no more */
	return s->pending && service_is_active(s) ? profile_diff(s->profile, s->pending, ret, ret) : 0;
}
