/* SPDX-License-Identifier: ISC */
/* demand.c: is a service used? If not it is frozen (doze.h), or stopped, or the one after the other. A stop must not meet a client.
 * So routes first lead away from it, to where clients wait; when all routers have done that, nobody can come to it any more, and
 * only then its queue and its sockets are looked at. Somebody there, or somebody who waits by now: routes lead back. Nobody: it is
 * stopped, and who comes meanwhile waits for its next start. */
#include "supervisor/demand.h"
#include "base/io.h"
#include "supervisor/depend.h"
#include "supervisor/exec.h"
#include "supervisor/livesocks.h"
#include "supervisor/observer.h"
#include "supervisor/service.h"

#define LOOKS     8    /* in the time of idle-freeze or idle-stop, but */
#define LOOK_MIN  0.05 /* seconds apart at least, and */
#define LOOK_MAX  30.0 /* at most */
#define SLACK     0.02 /* the loop's timers count from the beginning of its turn, so they come that much too soon */
#define WORK_PART 0.01 /* it works if it used so much of one processor since the last look */

bool demand_quiet(const struct service *s)
{
	return s->quiet;
}

static uint64_t cpu_of(const struct service *s)
{
	uint64_t memory, pids, cpu = UINT64_MAX;

	if (s->has_cgroup)
		cgroup_usage(&s->cgroup, &memory, &pids, &cpu);
	return cpu;
}

/* Exactly, but dearly. What cannot be known counts as one. */
static bool has_connections(const struct service *s)
{
	size_t n = 0;

	return !s->has_cgroup || livesocks_count(&s->cgroup, &n) < 0 || n > 0;
}

/* From outside: by the observer if there is one, or by its own sockets; by what it has accepted meanwhile; by its processor time. */
static bool is_used(struct service *s, double seconds)
{
	const uint64_t cpu = cpu_of(s), handed_on = ledgers_handed_on(s->d->ledgers, s->number);
	const bool works = cpu != UINT64_MAX && cpu > s->seen_cpu && (double)(cpu - s->seen_cpu) / 1e6 > seconds * WORK_PART;
	const bool came = handed_on != s->seen_clients;
	uint64_t live;

	s->seen_cpu = cpu;
	s->seen_clients = handed_on;
	if (works || came || route_is_queued(s))
		return true;
	live = observer_live(s->d->observer, s->number);
	return live == UINT64_MAX ? has_connections(s) : live > 0;
}

/* Is it to stay as it is, whether it has clients or not? */
static bool must_stay(const struct service *s)
{
	return s->overlap == OVERLAP_GOING || depend_active_dependent(s) || (s->frozen && !s->doze.on);
}

static void lead_back(struct service *s)
{
	s->quiet = false;
	s->used_at = trp_now_seconds();
	hold_update(s);
}

static void on_quiet(void *data, bool all)
{
	struct service *s = data;

	if (!s->quiet)
		return;
	if (!all || s->state != STATE_READY || must_stay(s) || hold_anybody(s) || route_is_queued(s) || has_connections(s)) {
		lead_back(s);
		return;
	}
	service_say(s, "note", "nobody has used it for %.3g s", (double)s->profile->idle_stop_ms / 1000.0);
	service_event(s, EVENT_UNUSED);
}

static double stop_seconds(const struct service *s)
{
	return s->profile->start == START_ON_DEMAND ? (double)s->profile->idle_stop_ms / 1000.0 : 0.;
}

static double freeze_seconds(const struct service *s)
{
	return (double)s->profile->idle_freeze_ms / 1000.0;
}

static double look_seconds(const struct service *s)
{
	double seconds = (freeze_seconds(s) > 0. && !s->doze.on ? freeze_seconds(s) : stop_seconds(s)) / LOOKS;

	return seconds < LOOK_MIN ? LOOK_MIN : seconds > LOOK_MAX ? LOOK_MAX : seconds;
}

/* Would nobody miss it if it stood still? What is run inside by us would stand still with it; and somebody must look at one that is not well. */
static bool may_doze(const struct service *s)
{
	for (size_t i = 0; i < s->n_channels; i++)
		if (!channel_is_usable(&s->channels[i]))
			return false;
	return s->place == PLACE_CHANNELS && route_any_listened(s) && !hold_anybody(s) && !s->health.going && !health_is_unhealthy(s) &&
		!s->learning.on && !exec_any(s) && !has_connections(s);
}

/* One that stands still for want of use is not: its clients end that. */
static bool is_needed(struct service *s)
{
	return must_stay(s) || (!s->doze.on && is_used(s, look_seconds(s)));
}

static void on_look(struct ev_loop *loop, ev_timer *t, int events)
{
	struct service *s = t->data;
	double now = trp_now_seconds(), idle;

	(void)loop, (void)events;
	if (s->quiet)
		return;
	if (is_needed(s))
		s->used_at = now;
	idle = now - s->used_at + SLACK;
	if (stop_seconds(s) > 0. && idle >= stop_seconds(s)) {
		s->quiet = true;
		hold_update(s);
		routerproc_barrier(s->d->router, on_quiet, s);
	} else if (freeze_seconds(s) > 0. && idle >= freeze_seconds(s) && !s->frozen && now + SLACK >= s->doze.not_before) {
		s->doze.not_before = now + freeze_seconds(s);
		if (may_doze(s))
			doze_begin(s);
	}
}

void demand_stop(struct service *s)
{
	ev_timer_stop(s->d->loop, &s->use_timer);
	doze_unwatch(s);
	if (s->quiet)
		routerproc_barrier_forget(s->d->router, s);
	s->quiet = false;
}

/* While it stands still there is nothing to be seen before the time at which it is stopped. */
static void look_at(struct service *s)
{
	double seconds = look_seconds(s), first = seconds;

	if (s->doze.on)
		first = s->used_at + stop_seconds(s) - trp_now_seconds();
	ev_timer_init(&s->use_timer, on_look, first > 0. ? first : 0., seconds);
	s->use_timer.data = s;
	if (!s->doze.on || stop_seconds(s) > 0.)
		ev_timer_start(s->d->loop, &s->use_timer);
}

void demand_update(struct service *s)
{
	if (s->state != STATE_READY || s->shadow || (stop_seconds(s) <= 0. && freeze_seconds(s) <= 0.)) {
		const bool quiet = s->quiet;
		demand_stop(s);
		if (quiet) /* nobody looks any more: what its clients wait for would not come */
			hold_update(s);
		doze_end(s, "it has something to do");
		return;
	}
	if (s->doze.on && freeze_seconds(s) <= 0.) {
		doze_end(s, "it is not to stand still any more");
		return;
	}
	if (ev_is_active(&s->use_timer))
		return;
	s->used_at = trp_now_seconds();
	s->doze.not_before = 0.;
	s->seen_cpu = cpu_of(s);
	s->seen_clients = ledgers_handed_on(s->d->ledgers, s->number);
	look_at(s);
}

void demand_again(struct service *s)
{
	ev_timer_stop(s->d->loop, &s->use_timer);
	demand_update(s);
}
