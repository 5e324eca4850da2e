/* SPDX-License-Identifier: ISC */
#include "supervisor/lateclose.h"
#include "base/util.h"

#include <stdlib.h>

struct late {
	ev_timer timer;
	int fd;
};

static void on_turn(struct ev_loop *loop, ev_timer *t, int events)
{
	struct late *l = t->data;

	(void)loop;
	(void)events;
	trp_close(&l->fd);
	free(l);
}

void close_later(struct ev_loop *loop, int *fd)
{
	struct late *l = *fd < 0 ? NULL : malloc(sizeof(*l));

	if (!l) {
		trp_close(fd);
		return;
	}
	l->fd = trp_steal_fd(fd);
	ev_timer_init(&l->timer, on_turn, 0., 0.);
	l->timer.data = l;
	ev_timer_start(loop, &l->timer);
}
