/* SPDX-License-Identifier: ISC */
/* watchdog.c: what a service says about time by sd_notify(3): its signs of life, and that something takes longer. All of it comes from
 * inside: it can have itself ended sooner, but a time-out only as much later as its profile allows. */
#include "supervisor/reap.h"
#include "supervisor/service.h"
#include "supervisor/timeout.h"

static void on_missed(struct ev_loop *loop, ev_timer *t, int events)
{
	struct service *s = t->data;

	(void)events;
	ev_timer_stop(loop, t);
	if (reap_has_ended(s->run.box.pidfd)) /* how, is seen in this turn */
		return;
	instance_catch_up(s);
	if (ev_is_active(t) || !service_is_up(s))
		return;
	service_say(s, "failed", "no sign of life (WATCHDOG=1) for %.3g s; ending it with SIGABRT", (double)s->run.watchdog_us / 1e6);
	service_event(s, EVENT_WATCHDOG);
}

void watchdog_start(struct service *s)
{
	struct instance *run = &s->run;

	ev_timer_stop(s->d->loop, &run->watchdog);
	if (run->watchdog_us == 0 || !run->running || !service_is_up(s) || s->frozen)
		return;
	ev_now_update(s->d->loop); /* as timeout_set() does */
	ev_timer_init(&run->watchdog, on_missed, (double)run->watchdog_us / 1e6, 0);
	run->watchdog.data = s;
	ev_timer_start(s->d->loop, &run->watchdog);
}

void watchdog_stop(struct service *s)
{
	ev_timer_stop(s->d->loop, &s->run.watchdog);
}

/* The profile's time holds unless it asks for a shorter one: who turns its own watchdog off has taken over the upstream. */
static void set_time(struct service *s, uint64_t us)
{
	uint64_t most = s->profile->watchdog_ms * 1000u;

	if (us < WATCHDOG_LEAST_US || most == 0)
		return;
	s->run.watchdog_us = us < most ? us : most;
	watchdog_start(s);
}

static void take_trigger(struct service *s)
{
	if (s->profile->watchdog_ms == 0 || (s->state != STATE_STARTING && !service_is_up(s)))
		return;
	service_say(s, "failed", "asks to be ended (WATCHDOG=trigger); ending it with SIGABRT");
	service_event(s, EVENT_WATCHDOG);
}

void watchdog_take(struct service *s, const struct notify_state *said)
{
	if (said->has_watchdog_us)
		set_time(s, said->watchdog_us);
	if (said->watchdog)
		watchdog_start(s);
	if (said->extend_us > 0)
		timeout_extend(s, said->extend_us);
	if (said->trigger)
		take_trigger(s);
}
