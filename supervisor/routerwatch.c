/* SPDX-License-Identifier: ISC */
/* routerwatch.c: the listeners are in an epoll of their own, which is closed with the first client. So nothing is left
 * registered of a listener that the routers have and the daemon has closed, and a client costs the daemon nothing in a pause. */
#include "supervisor/routerwatch.h"
#include "base/log.h"
#include "base/util.h"
#include "supervisor/listener.h"

#include <errno.h>
#include <sys/epoll.h>

#define PAUSE_SECONDS 10.0

void routerwatch_listener(struct routerwatch *w, int fd)
{
	struct epoll_event e = {.events = EPOLLIN};

	if (w->epoll_fd >= 0 && epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, fd, &e) < 0 && errno != EEXIST)
		log_warn("a listener is not watched for clients that no router takes: %m");
}

/* The time is set each time: a timer that has run out has nothing left of its own (ev(3)). */
static void pause_watching(struct routerwatch *w)
{
	ev_timer_set(&w->pause, PAUSE_SECONDS, 0.);
	ev_timer_start(w->loop, &w->pause);
}

static void on_knock(struct ev_loop *loop, ev_io *io, int events)
{
	struct routerwatch *w = io->data;

	(void)events;
	ev_io_stop(loop, io);
	trp_close(&w->epoll_fd);
	pause_watching(w);
	w->knocked(w->data);
}

static void listen_for_clients(struct routerwatch *w)
{
	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (w->epoll_fd < 0) {
		log_warn("routers are not watched for a while: epoll: %m");
		pause_watching(w);
		return;
	}
	for (size_t i = 0; i < *w->n_listeners; i++)
		routerwatch_listener(w, (*w->listeners)[i].fd);
	ev_io_init(&w->knock, on_knock, w->epoll_fd, EV_READ);
	w->knock.data = w;
	ev_io_start(w->loop, &w->knock);
}

static void on_pause(struct ev_loop *loop, ev_timer *t, int events)
{
	(void)loop;
	(void)events;
	listen_for_clients(t->data);
}

void routerwatch_start(struct routerwatch *w)
{
	w->epoll_fd = -1;
	ev_timer_init(&w->pause, on_pause, 0., 0.);
	w->pause.data = w;
	listen_for_clients(w);
}

void routerwatch_stop(struct routerwatch *w)
{
	if (!w->loop)
		return;
	ev_timer_stop(w->loop, &w->pause);
	if (w->epoll_fd >= 0)
		ev_io_stop(w->loop, &w->knock);
	trp_close(&w->epoll_fd);
}
