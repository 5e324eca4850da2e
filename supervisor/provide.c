/* SPDX-License-Identifier: ISC */
/* provide.c: what a service has before it is spawned: its root file system, its disk, what its credentials come from, and a turn of
 * the loop. Ends in EVENT_IMAGE_READY or EVENT_IMAGE_FAILED, at once or later. */
#include "base/io.h"
#include "supervisor/credentials.h"
#include "supervisor/image.h"
#include "supervisor/service.h"

#include <stddef.h>

static void image_progress(struct image_request *r, const char *text)
{
	struct service *s = (struct service *)(void *)((char *)r - offsetof(struct service, image));
	service_say(s, "image", "%s", text);
}

static struct service *earlier(struct service *first, struct service *s)
{
	return s && s->turn && (!first || s->turn < first->turn) ? s : first;
}

static void on_turn(struct ev_loop *loop, ev_timer *t, int events)
{
	struct daemon *d = t->data;
	struct service *first = NULL;

	(void)events;
	for (struct service *s = d->services; s; s = s->next)
		first = earlier(earlier(first, s), s->beside);
	if (!first)
		return;
	ev_timer_set(t, 0., 0.);
	ev_timer_start(loop, t);
	first->turn = 0;
	if (first->state == STATE_IMAGE && !first->image_wanted)
		service_event(first, EVENT_IMAGE_READY);
}

/* A start takes milliseconds in which the daemon hears nobody, and no time runs for those that were started before. So the
 * first one in a turn of the loop is made at once, the others in one turn each. */
static void take_turn(struct service *s)
{
	struct daemon *d = s->d;

	if (!ev_is_active(&d->turn)) {
		ev_timer_init(&d->turn, on_turn, 0., 0.);
		d->turn.data = d;
		ev_timer_start(d->loop, &d->turn);
		service_event(s, EVENT_IMAGE_READY);
	} else {
		s->turn = ++d->turns;
	}
}

/* Its root and its disk are there. What its credentials come from is asked now, without that anybody waits; what is wrong with that is said by
 * the start itself, and may pass. turn: others may be started just now. */
static void have_disk(struct service *s, bool turn)
{
	if (credentials_fetch(s))
		service_say(s, "note", "waits for its credentials");
	else if (turn)
		take_turn(s);
	else
		service_event(s, EVENT_IMAGE_READY);
}

void credentials_fetched(struct service *s)
{
	if (s->state == STATE_IMAGE)
		take_turn(s);
}

static void make_disk(struct service *s);

/* Perhaps for a start that was called off. */
static void disk_done(struct statedisk *d, int error, const char *text)
{
	struct service *s = (struct service *)(void *)((char *)d - offsetof(struct service, disk));

	if (s->state == STATE_IMAGE && s->image_wanted) /* it is looked at when this start has its root */
		return;
	if (s->state == STATE_IMAGE && d->again) { /* this start may need another size */
		make_disk(s);
		return;
	}
	if (error < 0)
		service_say(s, "failed", "%s", text);
	if (error < 0 || s->state != STATE_IMAGE)
		service_event(s, error < 0 ? EVENT_IMAGE_FAILED : EVENT_IMAGE_READY);
	else
		have_disk(s, false);
}

/* Its root is there; its disk? */
static void make_disk(struct service *s)
{
	int r;

	if (s->shadow) { /* it is in use */
		have_disk(s, false);
		return;
	}
	s->disk.done = disk_done;
	r = prepare_disk(s);
	if (r > 0 || trp_is_shortage(r)) { /* if it lasts the start itself fails of it, and is tried again */
		have_disk(s, true);
	} else if (r < 0) {
		service_say(s, "failed", "%s", s->message);
		service_event(s, EVENT_IMAGE_FAILED);
	}
}

static void image_done(struct image_request *r, int error, const char *text)
{
	struct service *s = (struct service *)(void *)((char *)r - offsetof(struct service, image));

	s->image_wanted = false;
	service_say(s, error < 0 ? "failed" : "image", "%s", text);
	if (error < 0)
		service_event(s, EVENT_IMAGE_FAILED);
	else
		make_disk(s);
}

void service_provide(struct service *s)
{
	const struct profile *p = s->profile;
	char err[200] = "";
	int r = 1;

	s->turn = 0; /* of a start that was called off */
	if (p->root == ROOT_PACKAGES) {
		s->image = (struct image_request){.progress = image_progress, .done = image_done};
		r = image_request(s->d->images, p->suite, &p->packages, &s->image, err, sizeof(err));
	}
	if (r < 0) {
		service_say(s, "failed", "%s", err);
		service_event(s, EVENT_IMAGE_FAILED);
	} else if (r > 0) {
		make_disk(s);
	} else {
		s->image_wanted = true;
		service_say(s, "image", "building its root file system from %zu packages, this takes a minute or two",
			p->packages.n);
	}
}
