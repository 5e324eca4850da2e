/* SPDX-License-Identifier: ISC */
/* doze.c: runs in the daemon, which is not woken for a client of a service that runs: channels are watched only while it stands still. */
#include "supervisor/doze.h"
#include "base/log.h"
#include "supervisor/freezer.h"
#include "supervisor/livesocks.h"
#include "supervisor/service.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_SECONDS  0.005 /* whether all of it stand still: then twice as long each time */
#define LOOKS_MAX     9     /* 2.5 s: one that waits for a disk that long is not idle */
#define AGAIN_SECONDS 1.0   /* if it cannot be thawed */

void doze_unwatch(struct service *s)
{
	struct doze *z = &s->doze;

	for (size_t i = 0; i < z->n; i++)
		ev_io_stop(s->d->loop, &z->watches[i]);
	free(z->watches);
	z->watches = NULL;
	z->n = 0;
	ev_timer_stop(s->d->loop, &z->timer);
}

static void on_again(struct ev_loop *loop, ev_timer *t, int events)
{
	(void)loop, (void)events;
	doze_end(t->data, "a try before failed");
}

static void later(struct service *s, double seconds, void (*then)(struct ev_loop *, ev_timer *, int))
{
	ev_timer_stop(s->d->loop, &s->doze.timer);
	ev_timer_init(&s->doze.timer, then, seconds, 0.);
	s->doze.timer.data = s;
	ev_timer_start(s->d->loop, &s->doze.timer);
}

void doze_end(struct service *s, const char *why)
{
	if (!s->doze.on)
		return;
	log_debug("%s: thawed: %s", s->name, why);
	if (freezer_thaw(s) == 0)
		return;
	doze_unwatch(s); /* else its clients wake us again and again */
	later(s, AGAIN_SECONDS, on_again);
}

/* Only now nothing of it can change: a client that it had taken just before is seen. */
static void on_look(struct ev_loop *loop, ev_timer *t, int events)
{
	struct service *s = t->data;
	struct doze *z = &s->doze;
	size_t n = 0;

	(void)loop, (void)events;
	if (!freezer_is_frozen(s)) {
		if (++z->looks == LOOKS_MAX)
			doze_end(s, "a process of it does not stand still");
		else
			later(s, LOOK_SECONDS * (1 << z->looks), on_look);
		return;
	}
	if (livesocks_count(&s->cgroup, &n) < 0 || n > 0)
		doze_end(s, "it has a connection");
}

static void on_client(struct ev_loop *loop, ev_io *w, int events)
{
	(void)loop, (void)events;
	doze_end(w->data, "a client came");
}

static int watch(struct service *s)
{
	struct doze *z = &s->doze;

	z->watches = calloc(s->n_channels, sizeof(*z->watches));
	if (!z->watches)
		return -ENOMEM;
	z->n = s->n_channels;
	z->looks = 0;
	for (size_t i = 0; i < z->n; i++) {
		ev_io_init(&z->watches[i], on_client, s->channels[i].service_end, EV_READ);
		z->watches[i].data = s;
		ev_io_start(s->d->loop, &z->watches[i]);
	}
	later(s, LOOK_SECONDS, on_look);
	return 0;
}

void doze_begin(struct service *s)
{
	char err[200] = "out of memory";

	if (s->frozen || s->n_channels == 0)
		return;
	if (watch(s) == 0 && freezer_freeze(s, true, err, sizeof(err)) == 0)
		return;
	doze_unwatch(s);
	if (!s->doze.refused)
		service_say(s, "note", "cannot stand still while nobody uses it: %s", err);
	s->doze.refused = true;
}

void doze_adopt(struct service *s)
{
	int r;

	if (!s->run.running || !s->has_cgroup || (!s->frozen && !service_is_up(s)))
		return;
	r = cgroup_freeze(&s->cgroup, s->frozen);
	if (r < 0 && (s->frozen || r != -EOPNOTSUPP)) { /* it may stand still or not: until that is known it is tried again to have it go on */
		s->frozen = s->doze.on = true;
		doze_end(s, "what it does is not known");
		return;
	}
	if (s->doze.on && watch(s) < 0)
		doze_end(s, "out of memory");
}
