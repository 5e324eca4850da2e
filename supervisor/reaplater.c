/* SPDX-License-Identifier: ISC */
#include "supervisor/reaplater.h"

#define AGAIN_SECONDS 0.1

static void on_again(struct ev_loop *loop, ev_timer *t, int events)
{
	(void)events;
	ev_io_start(loop, t->data);
}

void reap_later(struct ev_loop *loop, ev_io *end, ev_timer *again)
{
	ev_io_stop(loop, end);
	ev_timer_init(again, on_again, AGAIN_SECONDS, 0.);
	again->data = end;
	ev_timer_start(loop, again);
}
