/* SPDX-License-Identifier: ISC */
#include "supervisor/overlap.h"
#include "base/io.h"
#include "supervisor/adopt.h"
#include "base/log.h"
#include "supervisor/events.h"
#include "supervisor/live.h"
#include "supervisor/load.h"
#include "supervisor/livesocks.h"
#include "supervisor/observer.h"
#include "supervisor/profile/keys.h"
#include "supervisor/record.h"
#include "supervisor/service.h"
#include "supervisor/timeout.h"

#include <stdio.h>
#include <string.h>

#define LOOK_FIRST 0.1 /* whether it has connections: then twice as long each time, up to */
#define LOOK_MAX   1.0
#define FREE_AGAIN 0.05

void overlap_other_key(const char *name, const char *key, char *out, size_t size)
{
	snprintf(out, size, "%s%s", name, strcmp(name, key) == 0 ? "~2" : "");
}

static bool no(char *err, size_t size, const struct service *s, const char *section, const char *key, const char *text)
{
	struct profile_where where = profile_where(s->pending, section, key);

	snprintf(err, size, "%s: %s:%u: %s: %s", s->name, where.file ? where.file : s->pending->file, where.line, key, text);
	return false;
}

bool overlap_possible(const struct service *s, char *err, size_t size)
{
	const struct profile *p = s->pending;

	if (p->overlap == OVERLAP_NO)
		return no(err, size, s, "service", "overlap", "its profile says that no two instances may run at a time");
	if (p->ready == READY_EXIT)
		return no(err, size, s, "service", "ready", "it runs once and ends: there is nothing to take over");
	if (p->limit_state_size != s->profile->limit_state_size)
		return no(err, size, s, "limits", "state-size", "has changed; its disk cannot while it is in use: restart it without --overlap");
	if (s->beside) {
		snprintf(err, size, s->beside->outgoing ? "%s: an instance that was replaced still finishes with its clients"
						       : "%s: another instance of it is being started already", s->name);
		return false;
	}
	if (s->learning.on) {
		snprintf(err, size, "%s: it is being learnt from", s->name);
		return false;
	}
	return true;
}

/* Another struct for the same service. */
static struct service *new_beside(struct service *s)
{
	struct service *n = calloc(1, sizeof(*n));

	if (n)
		n->name = strdup(s->name);
	if (!n || !n->name) {
		free(n);
		return NULL;
	}
	n->d = s->d;
	n->number = s->number;
	n->logs = s->logs;
	n->shadow = true;
	n->since = ev_time();
	n->changed = trp_now_seconds();
	n->has_disk = s->has_disk;
	n->publish_mounted = s->publish_mounted;
	instance_none(n);
	n->cgroup = (struct cgroup){CGROUP_NONE};
	n->fetch.pidfd = n->fetch.out = -1;
	overlap_other_key(s->name, s->key, n->key, sizeof(n->key));
	n->beside = s;
	s->beside = n;
	return n;
}

int overlap_begin(struct service *s)
{
	struct service *n = new_beside(s);

	if (!n)
		return -ENOMEM;
	n->profile = trp_steal_ptr(&s->pending);
	s->overlap = OVERLAP_GOING;
	s->overlap_why[0] = '\0';
	service_say(s, "note", "starting another instance beside it");
	service_event(n, EVENT_START);
	return 0;
}

static void drop_texts(struct service *n)
{
	struct profile *profile = trp_steal_ptr(&n->profile), *pending = trp_steal_ptr(&n->pending);

	live_forget(n);
	if (profile)
		record_let_go(n, profile->text_hash);
	if (pending)
		record_let_go(n, pending->text_hash);
	profile_free(profile);
	profile_free(pending);
}

static void free_beside(struct service *n)
{
	ev_timer_stop(n->d->loop, &n->timer);
	ev_timer_stop(n->d->loop, &n->beside_timer);
	if (n->beside)
		n->beside->beside = NULL;
	drop_texts(n);
	statedisk_cancel(&n->disk);
	credentials_cancel(n);
	seccomp_unshare(&n->seccomp);
	events_free(n->events);
	free(n->root);
	free(n->name);
	free(n);
}

static void later(struct service *s, double seconds, void (*then)(struct ev_loop *, ev_timer *, int))
{
	ev_timer_stop(s->d->loop, &s->beside_timer);
	ev_timer_init(&s->beside_timer, then, seconds, 0.);
	s->beside_timer.data = s;
	ev_timer_start(s->d->loop, &s->beside_timer);
}

/* Its control group is empty a moment after its last process has ended. */
static void on_free(struct ev_loop *loop, ev_timer *t, int events)
{
	struct service *n = t->data, *s = n->beside;
	struct daemon *d = n->d;

	(void)loop;
	(void)events;
	if (!service_sweep(n)) {
		later(n, FREE_AGAIN, on_free);
		return;
	}
	free_beside(n);
	if (!service_is_active(s))
		service_let_go(s);
	record_save(s);
	job_check(d);
}

/* What belongs to the service, not to one of its instances. */
static void hand_over(struct service *from, struct service *to)
{
	struct learning learning = to->learning;
	struct event_ring *events = to->events;

	to->wanted = from->wanted;
	to->stop_asked = from->stop_asked; /* it waits until what comes after it is down */
	to->stop_after_dependents = from->stop_after_dependents;
	to->worked = from->worked;
	to->restored = from->restored;
	to->window_start = from->window_start;
	to->window_failures = from->window_failures;
	to->publish_mounted |= from->publish_mounted;
	to->has_disk = from->has_disk;
	to->learning = from->learning; /* not on: none of its watchers is active */
	from->learning = learning;
	to->events = from->events;
	from->events = events;
	demand_stop(from);
	hold_hand_over(from, to);
	sdnotify_hand_over(from, to);
	to->pending = trp_steal_ptr(&from->pending); /* of a reload meanwhile */
	live_catch_up(to);
	to->routes_told = from->routes_told;
	from->routes_told = false;
}

/* n is ready: from now on it is the service, and the other is beside it. */
static void take_place(struct service *n)
{
	struct service *s = n->beside, **at = &n->d->services;

	while (*at != s)
		at = &(*at)->next;
	*at = n;
	n->next = s->next;
	s->next = NULL;
	n->shadow = false;
	s->shadow = s->outgoing = true;
	hand_over(s, n);
	n->overlap = OVERLAP_DONE;
	demand_update(n);
	hold_update(n); /* before: a port may be one that nothing listens on yet */
	if (n->routes_told)
		route_replace(n, s->profile);
	service_say(n, "ready", "ready, in place of the instance before");
	if (s->state == STATE_STOPPED) { /* it ended by itself before: no change of it is to come */
		prepare_undo(s);
		overlap_changed(s);
	} else {
		service_event(s, EVENT_REPLACED);
	}
	record_save(n);
}

static void fail(struct service *n)
{
	struct service *s = n->beside;

	if (s->overlap != OVERLAP_GOING)
		return;
	s->overlap = OVERLAP_FAILED;
	service_say(s, "failed", "the new instance did not become ready%s%s; the one before stays", s->overlap_why[0] ? ": " : "",
		s->overlap_why);
}

void overlap_changed(struct service *n)
{
	if (!n->outgoing && service_is_up(n)) {
		take_place(n);
		return;
	}
	if (!n->outgoing && (n->state == STATE_BACKOFF || n->state == STATE_FAILED)) {
		fail(n);
		if (n->state == STATE_BACKOFF) {
			service_event(n, EVENT_STOP);
			return;
		}
	}
	if (service_is_active(n))
		return;
	if (!n->outgoing)
		fail(n);
	later(n, 0., on_free);
}

static bool has_clients(const struct service *s)
{
	size_t n = 0;

	return route_is_queued(s) || !s->has_cgroup || livesocks_count(&s->cgroup, &n) < 0 || n > 0;
}

static void on_look(struct ev_loop *loop, ev_timer *t, int events)
{
	struct service *s = t->data;

	(void)loop;
	(void)events;
	if (s->state != STATE_DRAINING)
		return;
	if (!has_clients(s)) {
		service_event(s, EVENT_DRAINED);
		return;
	}
	s->look = s->look * 2 < LOOK_MAX ? s->look * 2 : LOOK_MAX;
	later(s, s->look, on_look);
}

void overlap_drain(struct service *s)
{
	s->look = LOOK_FIRST;
	later(s, s->look, on_look);
}

void overlap_end(struct service *s)
{
	struct service *n = s->beside;

	if (!n || s->shadow)
		return;
	if (!n->outgoing && s->overlap == OVERLAP_GOING) {
		s->overlap = OVERLAP_FAILED;
		snprintf(s->overlap_why, sizeof(s->overlap_why), "it was stopped or restarted meanwhile");
	}
	if (service_is_active(n))
		service_event(n, EVENT_STOP);
}

void overlap_free(struct service *s)
{
	if (!s->beside)
		return;
	instance_discard(s->beside);
	route_close(s->beside);
	service_sweep(s->beside);
	free_beside(s->beside);
}

/* It runs as it was started; of the profile as it is now, only how it is ended concerns it. One that cannot be read now is as the other instance's. */
static int load_profile(struct service *n)
{
	struct profile_errors errors = {0}, again = {0};
	int r = profile_load(&n->d->paths, n->name, &n->profile, &errors);

	if (r < 0)
		r = record_profile_of(n->d, n->name, n->beside->profile->text_hash, &n->profile, &again);
	profile_errors_free(&errors);
	profile_errors_free(&again);
	return r;
}

static bool adopt(struct service *n, const json_t *json)
{
	if (load_profile(n) < 0)
		return false;
	if (record_restore(json, n) < 0 || adopt_channels(n, json) < 0 || prepare_adopt(n) < 0)
		return false;
	if (n->has_cgroup && (!n->d->cgroups || cgroup_adopt(n->d->cgroups, n->key, &n->cgroup) < 0))
		return false;
	return n->run.running && instance_adopt(n) == 0;
}

void overlap_adopt(struct service *s, const json_t *json)
{
	struct service *n = new_beside(s);

	if (!n)
		return;
	n->outgoing = true;
	if (!adopt(n, json)) {
		log_warn("%s: the instance that was replaced cannot be taken over; ended", s->name);
		instance_discard(n);
		if (n->profile) /* else it has got no further */
			route_close(n);
		n->has_cgroup = false; /* what is left of it is found by its name */
		free_beside(n);
		return;
	}
	timeout_again(n);
	oom_adopt(n);
	if (n->state == STATE_DRAINING)
		overlap_drain(n);
}
