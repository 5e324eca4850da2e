/* SPDX-License-Identifier: ISC */
/* oom.c: runs in the daemon. The kernel tells that memory of a group was short, by one epoll set for all services (libev knows no EPOLLPRI). It may do
 * so without end, for a hostile service and for one that reads files at its limit: so each telling is the last one until the count was looked at a
 * few times, at longer and longer distances. Nobody is woken for a service that has the memory that it wants. */
#include "supervisor/oom.h"
#include "base/io.h"
#include "base/log.h"
#include "supervisor/record.h"
#include "supervisor/service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#define LOOK_SECONDS  0.01 /* then twice as long each time: v1 tells before the kernel kills */
#define LOOKS_MAX     6    /* together 0.6 s; then it is watched again */
#define READY_A_TURN  16
#define BORNE_AT_ONCE 4    /* more of them after it was asked to end: it does not end, it goes on */
#define NOTE_SECONDS  1.0  /* then twice as long each time, up to */
#define NOTE_MAX      64.0

struct oom_poll {
	struct daemon *d;
	int fd;
	ev_io on_ready;
};

static void look(struct service *s);

static void on_timer(struct ev_loop *loop, ev_timer *t, int events)
{
	(void)loop, (void)events;
	look(t->data);
}

static void on_ready(struct ev_loop *loop, ev_io *w, int events)
{
	struct oom_poll *p = w->data;
	struct epoll_event e;

	(void)loop, (void)events;
	/* one by one: what is done for the first may end the watch over another */
	for (int i = 0; i < READY_A_TURN && epoll_wait(p->fd, &e, 1, 0) == 1; i++) {
		struct service *s = e.data.ptr;
		s->run.oom.looks = 0;
		look(s);
	}
}

static struct oom_poll *poll_of(struct daemon *d)
{
	struct oom_poll *p = d->oom;

	if (p)
		return p;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->d = d;
	p->fd = epoll_create1(EPOLL_CLOEXEC);
	if (p->fd < 0) {
		free(p);
		return NULL;
	}
	ev_io_init(&p->on_ready, on_ready, p->fd, EV_READ);
	p->on_ready.data = p;
	ev_io_start(d->loop, &p->on_ready);
	return d->oom = p;
}

void oom_close(struct daemon *d)
{
	if (!d->oom)
		return;
	ev_io_stop(d->loop, &d->oom->on_ready);
	trp_close(&d->oom->fd);
	free(d->oom);
	d->oom = NULL;
}

static int watch_once(struct service *s, int op)
{
	struct epoll_event e = {.events = s->run.oom.events | EPOLLONESHOT, .data.ptr = s};

	return epoll_ctl(s->d->oom->fd, op, s->run.oom.watch, &e) < 0 ? -errno : 0;
}

/* ---- what follows ---- */

static void describe(const struct service *s, unsigned n, char *out, size_t size)
{
	const uint64_t limit = s->profile->limit_memory;
	char text[64] = "";

	if (limit != UINT64_MAX)
		snprintf(text, sizeof(text), " (memory = %llu%s)", (unsigned long long)(limit % (1 << 20) ? limit : limit >> 20), limit % (1 << 20) ? "" : "M");
	if (n == 1)
		snprintf(out, size, "out of memory: the kernel has killed a process of it%s", text);
	else
		snprintf(out, size, "out of memory: the kernel has killed %u processes of it%s", n, text);
}

/* Those of a service that goes on, or is about to end anyhow: it may be so a thousand times in a second. */
static void note(struct service *s)
{
	struct oom *o = &s->run.oom;
	double now = trp_now_seconds();
	char text[200];

	if (now < o->next_note)
		return;
	if (now > o->next_note + NOTE_MAX || o->pause <= 0)
		o->pause = NOTE_SECONDS;
	o->next_note = now + o->pause;
	o->pause = o->pause * 2 < NOTE_MAX ? o->pause * 2 : NOTE_MAX;
	describe(s, o->kills, text, sizeof(text));
	service_say(s, "note", "%s", text);
}

static void end_it(struct service *s)
{
	struct oom *o = &s->run.oom;
	char text[sizeof(s->run.lost)];

	describe(s, o->kills, text, sizeof(text));
	if (s->profile->limit_oom == OOM_KILL) {
		if (!s->run.lost[0])
			instance_lost(s, text);
		return;
	}
	if (s->state == STATE_ABORTING && o->borne > 0 && o->kills - o->borne < BORNE_AT_ONCE)
		return;
	if (service_transition(s->state, EVENT_MEMORY).action == ACTION_NONE) {
		note(s);
		return;
	}
	if (o->borne == 0 || s->state != STATE_ABORTING)
		service_say(s, "failed", "%s; ending it", text);
	o->borne = o->kills;
	service_event(s, EVENT_MEMORY);
}

/* How many more than when it was last looked. */
static unsigned count(struct service *s)
{
	struct oom *o = &s->run.oom;
	uint64_t kills = s->has_cgroup ? cgroup_oom_kills(&s->cgroup, o->watch) : UINT64_MAX;
	unsigned more = 0;

	if (kills == UINT64_MAX)
		return 0;
	if (o->seen != UINT_MAX)
		more = (unsigned)kills - o->seen;
	o->seen = (unsigned)kills;
	o->kills += more;
	return more;
}

static void look_later(struct service *s, double seconds)
{
	struct oom *o = &s->run.oom;

	ev_timer_init(&o->timer, on_timer, seconds, 0.);
	o->timer.data = s;
	ev_timer_start(s->d->loop, &o->timer);
}

static void look(struct service *s)
{
	struct oom *o = &s->run.oom;
	const bool ends = s->profile->limit_oom != OOM_CONTINUE;

	ev_timer_stop(s->d->loop, &o->timer);
	if (count(s) > 0) {
		o->looks = ends ? 0 : LOOKS_MAX - 1;
		if (ends)
			end_it(s);
		else
			note(s);
		record_save(s);
	}
	if (o->watch < 0)
		return;
	if (o->looks == LOOKS_MAX)
		(void)watch_once(s, EPOLL_CTL_MOD);
	else
		look_later(s, LOOK_SECONDS * (1 << o->looks++));
}

bool oom_is_cause(struct service *s)
{
	(void)count(s);
	return s->run.oom.kills > 0 && s->profile->limit_oom != OOM_CONTINUE;
}

/* ---- the watch ---- */

static void watch(struct service *s)
{
	struct oom *o = &s->run.oom;
	int r;

	if (!s->has_cgroup)
		return;
	r = poll_of(s->d) ? cgroup_oom_watch(&s->cgroup, &o->events) : -ENOMEM;
	if (r >= 0) {
		o->watch = r;
		r = watch_once(s, EPOLL_CTL_ADD);
	}
	if (r == 0)
		return;
	trp_close(&o->watch);
	log_warn("%s: this host does not tell when the kernel kills a process of it for want of memory (oom): %s", s->name, strerror(-r));
}

void oom_start(struct service *s)
{
	watch(s);
	(void)count(s); /* what is in it already */
}

void oom_adopt(struct service *s)
{
	watch(s);
	look_later(s, 0.); /* when all are adopted */
}

void oom_stop(struct service *s)
{
	struct oom *o = &s->run.oom;

	ev_timer_stop(s->d->loop, &o->timer);
	if (o->watch >= 0 && s->d->oom)
		(void)epoll_ctl(s->d->oom->fd, EPOLL_CTL_DEL, o->watch, NULL);
	trp_close(&o->watch);
}
