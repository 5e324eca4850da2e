/* SPDX-License-Identifier: ISC */
#include "supervisor/timeout.h"
#include "base/io.h"
#include "supervisor/prestop.h"

#define MOMENT_MS 1

/* What it has said lies there if the daemon had to wait: it may have done what is waited for, or have asked for more time when there was some left. */
static bool is_late(struct service *s)
{
	const enum service_state before = s->state;

	if (!s->run.running)
		return true;
	timeout_set(s, MOMENT_MS);
	instance_catch_up(s);
	if (s->state != before || !ev_is_active(&s->timer) || ev_timer_remaining(s->d->loop, &s->timer) > 2 * MOMENT_MS / 1000.)
		return false;
	timeout_set(s, 0);
	return true;
}

static void on_timer(struct ev_loop *loop, ev_timer *t, int events)
{
	struct service *s = t->data;

	(void)loop;
	(void)events;
	if (!is_late(s))
		return;
	if (prestop_late(s))
		timeout_again(s);
	else
		service_event(s, EVENT_TIMEOUT);
}

void timeout_set(struct service *s, uint64_t ms)
{
	ev_timer_stop(s->d->loop, &s->timer);
	if (ms == 0 || ms == UINT64_MAX)
		return;
	ev_now_update(s->d->loop); /* from now on, not since this turn of the loop began: many starts in one turn take seconds */
	ev_timer_init(&s->timer, on_timer, (double)ms / 1000.0, 0);
	s->timer.data = s;
	ev_timer_start(s->d->loop, &s->timer);
}

void timeout_grant(struct service *s, uint64_t ms)
{
	timeout_set(s, ms);
	s->timer_most = trp_now_seconds() + (double)ms / 1000.0 + (double)s->profile->timeout_extension_ms / 1000.0;
}

void timeout_extend(struct service *s, uint64_t us)
{
	double now = trp_now_seconds(), end = now + (double)us / 1e6;

	if (!ev_is_active(&s->timer) || !s->run.running)
		return;
	if (end > s->timer_most)
		end = s->timer_most;
	if (end - now > ev_timer_remaining(s->d->loop, &s->timer))
		timeout_set(s, (uint64_t)((end - now) * 1000.0));
}

void timeout_again(struct service *s)
{
	const struct profile *p = s->profile;

	if (s->state == STATE_STARTING)
		timeout_grant(s, p->start_timeout_ms);
	else if (s->state == STATE_RELOADING)
		timeout_grant(s, p->reload_timeout_ms);
	else if (s->state == STATE_DRAINING)
		timeout_set(s, p->drain_ms ? p->drain_ms : 1);
	else if (s->state == STATE_LEAVING || s->state == STATE_STOPPING || s->state == STATE_RESTARTING || s->state == STATE_ABORTING ||
		s->state == STATE_RESTING)
		timeout_grant(s, p->stop_timeout_ms);
}
