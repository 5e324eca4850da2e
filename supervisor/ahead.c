/* SPDX-License-Identifier: ISC */
#include "supervisor/ahead.h"
#include "supervisor/ids.h"
#include "supervisor/service.h"

#define AFTER_SECONDS 0.05 /* after the last start: one that follows at once makes its own rather than that it waits for ours */
#define AHEAD_IDS     "@ahead" /* a range of owners: no service can have this name */

static bool is_taken(const struct daemon *d, uid_t owner)
{
	for (const struct service *s = d->services; s; s = s->next)
		if (s->run.box.pidfd >= 0 && s->run.box.owner == owner)
			return true;
	return false;
}

/* An id that owns the user namespace of no service that runs: each has limits of its own (sandbox/owner.h). -errno: none. */
static int free_owner(const struct daemon *d, uid_t *ret)
{
	static uint32_t next;
	uint32_t base;
	int r = ids_get(d->ids, AHEAD_IDS, &base);

	for (uint32_t i = 0; r == 0 && i < IDS_RANGE; i++) {
		*ret = base + (next + i) % IDS_RANGE;
		if (is_taken(d, *ret))
			continue;
		next += i + 1;
		return 0;
	}
	return r < 0 ? r : -ENOSPC;
}

static void on_time(struct ev_loop *loop, ev_timer *t, int events)
{
	const struct daemon *d = t->data;
	uid_t owner;

	(void)events;
	ev_timer_stop(loop, t);
	if (!d->stopping && free_owner(d, &owner) == 0)
		(void)sandbox_prepare(owner); /* the next start says what is wrong */
}

void ahead_init(struct daemon *d)
{
	ev_timer_init(&d->ahead, on_time, AFTER_SECONDS, AFTER_SECONDS);
	d->ahead.data = d;
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
