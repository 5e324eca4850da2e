/* SPDX-License-Identifier: ISC */
#include "supervisor/ahead.h"
#include "supervisor/service.h"

#define AFTER_SECONDS 0.05 /* after the last start: one that follows at once makes its own rather than that it waits for ours */

static void on_time(struct ev_loop *loop, ev_timer *t, int events)
{
	const struct daemon *d = t->data;

	(void)events;
	ev_timer_stop(loop, t);
	if (!d->stopping)
		(void)sandbox_prepare(); /* the next start says what is wrong */
}

void ahead_init(struct daemon *d)
{
	ev_timer_init(&d->ahead, on_time, AFTER_SECONDS, AFTER_SECONDS);
	d->ahead.data = d;
}

void ahead_begin(void)
{
	(void)sandbox_prepare(); /* as above */
}

void ahead_again(struct daemon *d)
{
	ev_timer_again(d->loop, &d->ahead);
}

void ahead_stop(struct daemon *d)
{
	ev_timer_stop(d->loop, &d->ahead);
	sandbox_unprepare();
}
