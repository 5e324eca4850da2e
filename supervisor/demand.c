/* SPDX-License-Identifier: ISC */
/* demand.c: is a service used? A stop must not meet a client. So routes first lead away from it, to where clients wait; when all routers
 * have done that, nobody can come to it any more, and only then its queue and its sockets are looked at. Somebody there, or somebody
 * who waits by now: routes lead back. Nobody: it is stopped, and who comes meanwhile waits for its next start. */
#include "supervisor/demand.h"
#include "supervisor/depend.h"
#include "supervisor/livesocks.h"
#include "supervisor/observer.h"
#include "supervisor/service.h"

#define LOOKS     8    /* in the time of idle-stop, but */
#define LOOK_MIN  0.05 /* seconds apart at least, and */
#define LOOK_MAX  30.0 /* at most */
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

	s->seen_cpu = cpu;
	s->seen_clients = handed_on;
	if (works || came || route_is_queued(s))
		return true;
	return s->d->observer ? observer_live(s->d->observer, s->number) > 0 : has_connections(s);
}

static void lead_back(struct service *s)
{
	s->quiet = false;
	s->used_at = ev_now(s->d->loop);
	hold_update(s);
}

static void on_quiet(void *data, bool all)
{
	struct service *s = data;

	if (!s->quiet)
		return;
	if (!all || s->state != STATE_READY || hold_anybody(s) || route_is_queued(s) || has_connections(s)) {
		lead_back(s);
		return;
	}
	service_say(s, "note", "nobody has used it for %.3g s", (double)s->profile->idle_stop_ms / 1000.0);
	service_event(s, EVENT_UNUSED);
}

static double look_seconds(const struct service *s)
{
	double seconds = (double)s->profile->idle_stop_ms / 1000.0 / LOOKS;

	return seconds < LOOK_MIN ? LOOK_MIN : seconds > LOOK_MAX ? LOOK_MAX : seconds;
}

static void on_look(struct ev_loop *loop, ev_timer *t, int events)
{
	struct service *s = t->data;
	double now = ev_now(loop);

	(void)events;
	if (s->quiet)
		return;
	if (is_used(s, look_seconds(s)) || s->overlap == OVERLAP_GOING || s->frozen || depend_active_dependent(s))
		s->used_at = now;
	if (now - s->used_at < (double)s->profile->idle_stop_ms / 1000.0)
		return;
	s->quiet = true;
	hold_update(s);
	routerproc_barrier(s->d->router, on_quiet, s);
}

void demand_stop(struct service *s)
{
	ev_timer_stop(s->d->loop, &s->use_timer);
	if (s->quiet)
		routerproc_barrier_forget(s->d->router, s);
	s->quiet = false;
}

void demand_update(struct service *s)
{
	const struct profile *p = s->profile;
	double seconds = look_seconds(s);

	if (s->state != STATE_READY || s->shadow || p->start != START_ON_DEMAND || p->idle_stop_ms == 0) {
		demand_stop(s);
		return;
	}
	if (ev_is_active(&s->use_timer))
		return;
	s->used_at = ev_now(s->d->loop);
	s->seen_cpu = cpu_of(s);
	s->seen_clients = ledgers_handed_on(s->d->ledgers, s->number);
	ev_timer_init(&s->use_timer, on_look, seconds, seconds);
	s->use_timer.data = s;
	ev_timer_start(s->d->loop, &s->use_timer);
}
