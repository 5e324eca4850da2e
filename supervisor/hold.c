/* SPDX-License-Identifier: ISC */
#include "supervisor/hold.h"
#include "base/io.h"
#include "supervisor/depend.h"
#include "supervisor/service.h"

#include <limits.h>
#include <string.h>

#define REFUSED_PER_TURN 64 /* then others have their turn */
#define AGAIN_SECONDS 1.0   /* between two looks at where nobody waits although it can be read: a router has shut it down */

/* Does it require, itself or through others, something that is about to come back? */
static bool lacks_requirement(const struct service *s)
{
	for (const struct service *r = s->d->services; r; r = r->next)
		if (r->profile && service_is_active(r) && !service_is_up(r) && r->state != STATE_STOPPING && r->profile->ready != READY_EXIT &&
			depend_requires(s, r->name))
			return true;
	return false;
}

static enum service_place place_for(const struct service *s)
{
	const bool may_wait = s->profile->hold_ms > 0;

	if (!profile_is_routed(s->profile))
		return PLACE_NOWHERE;
	switch (s->state) {
	case STATE_READY:
	case STATE_RELOADING:
		return may_wait && (!route_any_listened(s) || s->quiet || lacks_requirement(s)) ? PLACE_WAITING : PLACE_CHANNELS;
	case STATE_STOPPED:
	case STATE_FAILED:
	case STATE_STOPPING:
		return PLACE_NOWHERE;
	default:
		return may_wait ? PLACE_WAITING : PLACE_NOWHERE;
	}
}

/* Also of one that is up, for a port that nothing listens on yet. */
static bool needs_waiting(const struct service *s, enum service_place place)
{
	return place == PLACE_WAITING || (place == PLACE_CHANNELS && s->profile->hold_ms > 0 && !route_all_listened(s));
}

static void refuse(const struct service *s, const struct trp_handoff *h, int fd, enum router_verdict verdict)
{
	routerproc_refuse(s->d->router, s->number, verdict, h, fd);
}

static void refuse_late(void *data, const struct trp_handoff *h, int fd)
{
	refuse(data, h, fd, VERDICT_HELD_TOO_LONG);
}

bool hold_put(const struct service *s, const struct trp_handoff *h, int fd)
{
	const struct channel *c = s->place == PLACE_WAITING ? &s->waiting : route_channel_for(s, h);

	return c && channel_put(c, h, fd) == 0;
}

/* The one of its instances that serves. */
static struct service *serving(struct service *s)
{
	return s->shadow ? s->beside : s;
}

void hold_give(void *data, const struct trp_handoff *h, int fd)
{
	struct service *s = serving(data);
	const bool shared = s->profile->share;

	if (h->listener == 0) /* a check (probe.c) of a run that is over: it would start the next one */
		return;
	if (s->place == PLACE_CHANNELS && hold_put(s, h, fd))
		return;
	if (shared && share_put(s, true, h, fd))
		return;
	if (s->place == PLACE_WAITING && hold_put(s, h, fd))
		return;
	if (shared && share_put(s, false, h, fd))
		return;
	refuse(s, h, fd, VERDICT_NO_SERVICE);
}

/* Those in hand all find room; the bound is for who comes then. */
static void widen(struct service *s, bool wide)
{
	for (size_t i = 0; i < s->n_channels; i++)
		if (wide)
			channel_widen(&s->channels[i]);
		else
			channel_narrow(&s->channels[i], s->profile->queue);
	if (s->waiting.id && wide)
		channel_widen(&s->waiting);
	else if (s->waiting.id)
		channel_narrow(&s->waiting, s->profile->queue);
}

unsigned hold_deal(struct service *s, int service_end, unsigned max)
{
	unsigned n;

	widen(serving(s), true);
	n = channel_deal(service_end, max, hold_give, s);
	widen(serving(s), false);
	return n;
}

static void watch(struct service *s);

static void look_later(struct service *s, double seconds)
{
	ev_timer_stop(s->d->loop, &s->hold_timer);
	ev_now_update(s->d->loop);
	ev_timer_set(&s->hold_timer, seconds, 0.);
	ev_timer_start(s->d->loop, &s->hold_timer);
}

/* Refuses those who have waited too long, and sets the time for the next. */
static void expire(struct service *s)
{
	const uint64_t hold = s->profile->hold_ms * 1000000u, now = trp_now_ns();
	uint64_t first;
	unsigned n = 0;

	if (s->waiting.id == 0)
		return;
	while ((first = channel_first(s->waiting.service_end)) != 0 && first + hold <= now && n < REFUSED_PER_TURN)
		n += channel_deal(s->waiting.service_end, 1, refuse_late, s);
	if (n > 0 && !s->hold_told)
		logs_note(s->logs, "clients that have waited for %.3g s are told to come later", (double)s->profile->hold_ms / 1000.0);
	s->hold_told |= n > 0;
	if (first == 0) {
		watch(s);
		return;
	}
	if (first > now) /* as the router says it */
		first = now;
	look_later(s, first + hold > now ? (double)(first + hold - now) / 1e9 : 0.);
}

static void on_timer(struct ev_loop *loop, ev_timer *t, int events)
{
	struct service *s = t->data;

	(void)loop;
	(void)events;
	hold_check(s);
	if (s->state == STATE_STARTING) {
		instance_catch_up(s); /* it may be ready, if it is the daemon that had to wait */
		if (s->place != PLACE_WAITING)
			return;
	}
	expire(s);
}

/* The first that comes; from then on the timer is enough. */
static void on_client(struct ev_loop *loop, ev_io *w, int events)
{
	(void)events;
	struct service *s = w->data;

	ev_io_stop(loop, w);
	if (!hold_anybody(s)) {
		look_later(s, AGAIN_SECONDS);
		return;
	}
	if (s->state == STATE_IDLE) {
		service_say(s, "note", "somebody wants it");
		service_event(s, EVENT_CLIENT);
	}
	expire(s);
}

static void unwatch(struct service *s)
{
	ev_io_stop(s->d->loop, &s->on_waiting);
	ev_timer_stop(s->d->loop, &s->hold_timer);
}

static void watch(struct service *s)
{
	if (s->state == STATE_IDLE) /* whoever came before is the reason to start it */
		ev_timer_stop(s->d->loop, &s->hold_timer);
	if (ev_is_active(&s->on_waiting) || ev_is_active(&s->hold_timer))
		return;
	ev_io_init(&s->on_waiting, on_client, s->waiting.service_end, EV_READ);
	ev_timer_init(&s->hold_timer, on_timer, 0., 0.);
	s->on_waiting.data = s->hold_timer.data = s;
	ev_io_start(s->d->loop, &s->on_waiting);
}

static void keep(struct service *s)
{
	keep_put(s->d->keep, s->name, "waiting-router", s->waiting.id, s->waiting.router_end);
	keep_put(s->d->keep, s->name, "waiting-service", s->waiting.id, s->waiting.service_end);
}

/* Where that fails it is tried again when the watch over it comes to nothing. */
void hold_check(struct service *s)
{
	if (s->waiting.id == 0 || channel_is_usable(&s->waiting))
		return;
	unwatch(s);
	if (renew_channel(s, &s->waiting) == 0)
		keep(s);
	watch(s);
}

/* The router's end last: if that alone is left nobody takes it over, and it is closed. The other end would be emptied, too. */
static void drop(struct service *s, uint32_t id)
{
	keep_drop(s->d->keep, s->name, "waiting-service", id);
	keep_drop(s->d->keep, s->name, "waiting-router", id);
}

static int open_waiting(struct service *s)
{
	int r = channel_open_waiting(s->profile->queue, &s->waiting);

	if (r < 0) {
		s->waiting.id = 0;
		return r;
	}
	keep(s);
	routerproc_channel_add(s->d->router, s->number, &s->waiting);
	quota_tell(s);
	return 0;
}

/* Everybody there goes elsewhere. Routers may still send there, until they have read that they must not: renew.c passes those on. */
static void leave(struct service *s, struct channel *old)
{
	unwatch(s);
	hold_deal(s, old->service_end, UINT_MAX);
	routerproc_channel_del(s->d->router, old->id);
	quota_tell(s);
	renew_follow(s, old->id, old->service_end);
	drop(s, old->id);
	trp_close(&old->router_end);
}

static void close_waiting(struct service *s)
{
	struct channel old = s->waiting;

	s->waiting.id = 0;
	leave(s, &old);
}

/* Who waits for a port that is listened on now goes there; the others wait on, in a new one. */
static void sift(struct service *s)
{
	struct channel old = s->waiting;

	if (!hold_anybody(s))
		return;
	if (open_waiting(s) < 0) {
		s->waiting = old;
		return;
	}
	route_update(s);
	leave(s, &old);
}

/* What lies in the channels of a run that has ended waits with the others, where its time is looked at. */
static void collect(struct service *s)
{
	for (size_t i = 0; i < s->n_channels; i++)
		if (channel_first(s->channels[i].service_end) != 0)
			hold_deal(s, s->channels[i].service_end, UINT_MAX);
}

bool hold_anybody(const struct service *s)
{
	return s->waiting.id && channel_first(s->waiting.service_end) != 0;
}

void hold_update(struct service *s)
{
	enum service_place place = place_for(s);
	bool waits = needs_waiting(s, place), opened = false;

	if (s->shadow)
		return;
	if (waits && s->waiting.id == 0) {
		int r = open_waiting(s);
		if (r < 0)
			service_say(s, "note", "clients cannot wait until it is up: %s", strerror(-r));
		if (r < 0 && place == PLACE_WAITING)
			place = PLACE_NOWHERE;
		opened = waits = r == 0;
	}
	if (place != s->place || opened) {
		s->place = place;
		if (place != PLACE_NOWHERE || s->routes_told)
			route_update(s);
	} else if (place == PLACE_NOWHERE && service_is_active(s) && !s->routes_told && profile_is_routed(s->profile)) {
		route_update(s); /* it is known, but not up */
	}
	if (place == PLACE_CHANNELS)
		s->hold_told = false;
	if (!waits && s->waiting.id)
		close_waiting(s);
	else if (waits && place == PLACE_CHANNELS)
		sift(s);
	if (place == PLACE_WAITING && !s->run.running)
		collect(s);
	if (waits)
		watch(s);
}

void hold_profile(struct service *s)
{
	widen(s, false);
	hold_update(s);
	if (ev_is_active(&s->hold_timer)) /* it was set for how long they might wait before */
		expire(s);
}

void hold_adopt(struct service *s)
{
	uint32_t id = s->waiting.id;

	s->waiting.id = 0;
	channel_id_used(id);
	if (id && keep_has(s->d->keep, s->name, "waiting-router", id) && keep_has(s->d->keep, s->name, "waiting-service", id)) {
		s->waiting = (struct channel){.id = id,
			.router_end = keep_take(s->d->keep, s->name, "waiting-router", id),
			.service_end = keep_take(s->d->keep, s->name, "waiting-service", id)};
	} else if (s->place == PLACE_WAITING) { /* the other end goes with what nobody takes over */
		s->place = PLACE_NOWHERE;
	}
}

void hold_hand_over(struct service *from, struct service *to)
{
	unwatch(from);
	to->place = from->place;
	to->waiting = from->waiting;
	to->hold_told = from->hold_told;
	from->waiting.id = 0;
	from->place = PLACE_NOWHERE;
	if (to->waiting.id) /* its limits go with it: those of the other end when that does */
		quota_tell(to);
	renew_hand_over(from, to);
}

void hold_end(struct service *s)
{
	unwatch(s);
	if (s->waiting.id)
		channel_close(&s->waiting);
	s->waiting.id = 0;
}
