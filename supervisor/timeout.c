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

/* What its state has by this profile; 0: nothing of it. */
static uint64_t time_by(const struct service *s, const struct profile *p)
{
	switch (s->state) {
	case STATE_STARTING:
		return p->start_timeout_ms;
	case STATE_RELOADING:
		return p->reload_timeout_ms;
	case STATE_DRAINING:
		return p->drain_ms ? p->drain_ms : 1;
	case STATE_BACKOFF:
		return service_backoff_ms(s->failures_in_a_row, p->restart_delay_ms, p->restart_delay_max_ms);
	case STATE_LEAVING:
	case STATE_STOPPING:
	case STATE_RESTARTING:
	case STATE_ABORTING:
	case STATE_RESTING:
		return p->stop_timeout_ms;
	default:
		return 0;
	}
}

static bool may_ask_for_more(const struct service *s)
{
	return s->state != STATE_DRAINING && s->state != STATE_BACKOFF;
}

void timeout_again(struct service *s)
{
	const uint64_t ms = s->state == STATE_BACKOFF ? 0 : time_by(s, s->profile);

	if (ms > 0 && may_ask_for_more(s))
		timeout_grant(s, ms);
	else if (ms > 0)
		timeout_set(s, ms);
}

void timeout_profile(struct service *s, const struct profile *old)
{
	const double more = ((double)time_by(s, s->profile) - (double)time_by(s, old)) / 1000.0;
	double left;

	if (!ev_is_active(&s->timer) || (may_ask_for_more(s) && s->timer_most <= 0.)) /* it is being killed */
		return;
	s->timer_most += more + ((double)s->profile->timeout_extension_ms - (double)old->timeout_extension_ms) / 1000.0;
	ev_now_update(s->d->loop);
	left = ev_timer_remaining(s->d->loop, &s->timer) + more;
	if (more != 0.)
		timeout_set(s, left > 0.001 ? (uint64_t)(left * 1000.0) : 1);
}
