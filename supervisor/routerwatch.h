/* SPDX-License-Identifier: ISC */
/* routerwatch.h: when to ask whether the routers still do something. One that hangs cannot say so, and while nobody comes
 * nobody is harmed: so the next client that knocks at a listener is the reason to ask, then there is a pause. A host to which
 * nothing comes wakes nobody up; a busy one asks every ten seconds. */
#pragma once

#include <ev.h>
#include <stddef.h>

struct listener;

struct routerwatch {
	struct ev_loop *loop;
	struct listener **listeners; /* as they are when it begins to listen */
	const size_t *n_listeners;
	void (*knocked)(void *data);
	void *data;
	int epoll_fd; /* of the listeners; -1: pause */
	ev_io knock;
	ev_timer pause;
};

/* knocked(data): somebody may be there; ask the routers. Begins at once. */
void routerwatch_start(struct routerwatch *w);
/* There is one more. */
void routerwatch_listener(struct routerwatch *w, int fd);
void routerwatch_stop(struct routerwatch *w);
