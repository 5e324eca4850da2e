/* SPDX-License-Identifier: ISC */
#include "supervisor/depend.h"
#include "base/io.h"
#include "supervisor/load.h"

#include <string.h>

static bool requires_directly(const struct service *s, const char *name)
{
	return s->profile && strv_has(&s->profile->requires, name);
}

bool depend_requires(const struct service *s, const char *name)
{
	if (!s->profile)
		return false;
	if (requires_directly(s, name))
		return true;
	for (size_t i = 0; i < s->profile->requires.n; i++) {
		const struct service *r = service_find(s->d, s->profile->requires.v[i]);
		if (r && depend_requires(r, name))
			return true;
	}
	return false;
}

struct service *depend_active_dependent(const struct service *s)
{
	for (struct service *o = s->d->services; o; o = o->next)
		if (o != s && service_is_active(o) && requires_directly(o, s->name))
			return o;
	return NULL;
}

/* Is s to start after o, and to stop before it, if both are to? */
static bool comes_after(const struct service *s, const struct service *o)
{
	return s != o && s->profile && o->profile && (strv_has(&s->profile->after, o->name) || strv_has(&o->profile->before, s->name));
}

/* Do they exclude each other? */
static bool exclude_each_other(const struct service *a, const struct service *b)
{
	return a != b && a->profile && b->profile &&
		(strv_has(&a->profile->conflicts, b->name) || strv_has(&b->profile->conflicts, a->name));
}

/* ---- at start ---- */

/* Is it on its way, or about to be? */
static bool is_coming(const struct service *s)
{
	return (s->start_asked || service_is_active(s)) && !service_is_up(s);
}

/* Does o, which is on its way, come after s itself or after others that do? What is in a circle is refused when it is read together; what
 * came together otherwise must not wait for ever. */
static bool is_in_circle(struct service *o, const struct service *s)
{
	o->marked = true;
	for (struct service *x = s->d->services; x; x = x->next)
		if (!x->marked && is_coming(x) && comes_after(o, x) && (x == s || is_in_circle(x, s)))
			return true;
	return false;
}

/* Is something that s comes after on its way, or about to be? */
static bool must_wait(const struct service *s)
{
	for (struct service *o = s->d->services; o; o = o->next) {
		if (!is_coming(o) || !comes_after(s, o))
			continue;
		for (struct service *x = s->d->services; x; x = x->next)
			x->marked = false;
		if (!is_in_circle(o, s))
			return true;
	}
	return false;
}

/* One on demand is not on its way when it is started. */
void depend_announce(struct service *const *services, size_t n)
{
	for (size_t i = 0; i < n; i++)
		services[i]->start_asked = !service_is_active(services[i]) && service_start_event(services[i]) == EVENT_START;
}

void depend_start_wanted(struct service *s)
{
	for (size_t i = 0; i < s->profile->wants.n; i++) {
		struct service *w = service_find(s->d, s->profile->wants.v[i]);
		if (!w || (service_is_active(w) && w->state != STATE_STOPPING && w->state != STATE_LEAVING))
			continue;
		service_say(s, "note", "wants %s: starting it", w->name);
		service_event(w, service_start_event(w));
	}
}

/* Stops what s, which starts, excludes. True if all of it is down. */
static bool stop_conflicting(struct service *s)
{
	bool all = true;

	for (struct service *o = s->d->services, *next; o; o = next) {
		next = o->next;
		if (!exclude_each_other(s, o) || !service_is_active(o))
			continue;
		if (o->state != STATE_STOPPING && !o->stop_after_dependents) {
			service_say(s, "waiting", "conflicts with %s: stopping it first", o->name);
			service_say(o, "note", "%s is started, which conflicts with it", s->name);
			depend_stop(o);
		}
		all &= !service_is_active(o);
	}
	return all;
}

/* Has r, which runs once and ends, done its work for s since s began to wait? */
static bool has_done_its_work(const struct service *r, const struct service *s)
{
	return r->profile->ready == READY_EXIT && r->worked >= s->changed;
}

void depend_await(struct service *s)
{
	bool all;

	load_apply_pending(s);
	all = stop_conflicting(s);
	if (s->state != STATE_WAITING)
		return; /* the last of them went down at once, and all else was there */
	for (size_t i = 0; i < s->profile->requires.n; i++) {
		struct service *r = service_find(s->d, s->profile->requires.v[i]);
		if (!r) { /* load.c made it; it cannot go while somebody requires it */
			service_say(s, "failed", "requires %s, which is not there", s->profile->requires.v[i]);
			service_event(s, EVENT_REQUIRED_DOWN);
			return;
		}
		r->stop_after_dependents = false; /* s was started after that was asked for */
		doze_end(r, "another service needs it"); /* which does not come by its channels */
		if (has_done_its_work(r, s))
			continue;
		if (!service_is_active(r) || r->state == STATE_STOPPING || r->state == STATE_LEAVING)
			service_event(r, EVENT_START);
		if (s->state != STATE_WAITING)
			return; /* the requirement failed at once */
		if (!service_is_up(r)) {
			all = false;
			service_say(s, "waiting", "waits for %s", r->name);
		}
	}
	if (all && !must_wait(s))
		service_event(s, EVENT_REQUIRED_UP);
}

/* ---- at stop ---- */

/* Must s go on while others go down? Those that require it, and those that are to stop too and come after it. */
static bool keeps_up(const struct service *s)
{
	for (const struct service *o = s->d->services; o; o = o->next)
		if (o != s && service_is_active(o) && (requires_directly(o, s->name) || (o->stop_asked && comes_after(o, s))))
			return true;
	return false;
}

void depend_stop(struct service *s)
{
	struct service *o, *next;

	s->wanted = false;
	s->stop_asked = true;
	if (!keeps_up(s)) {
		service_event(s, EVENT_STOP);
		return;
	}
	s->stop_after_dependents = true;
	for (o = s->d->services; o; o = next) {
		next = o->next;
		if (o != s && service_is_active(o) && requires_directly(o, s->name) && o->state != STATE_STOPPING)
			depend_stop(o);
	}
}

/* ---- whenever one has changed ---- */

/* Can o never get what it waits for from s? */
static bool waits_in_vain(const struct service *o, const struct service *s)
{
	return requires_directly(o, s->name) &&
		(s->state == STATE_FAILED || (s->state == STATE_STOPPED && !has_done_its_work(s, o)));
}

/* Is there something new for o, which waits, in the state of s? */
static bool may_go_on(const struct service *o, const struct service *s)
{
	bool after = comes_after(o, s);

	if (service_is_up(s))
		return after || depend_requires(o, s->name);
	return (after || exclude_each_other(o, s)) && !service_is_active(s);
}

/* Is it needed by something that is up or on its way, which requires or wants it? */
static bool is_needed(const struct service *s)
{
	for (const struct service *o = s->d->services; o; o = o->next)
		if (o != s && service_is_active(o) && (requires_directly(o, s->name) || strv_has(&o->profile->wants, s->name)))
			return true;
	return false;
}

/* What was only started because s named it there goes with s. */
static void release(const struct service *s, const struct strv *names)
{
	bool down = s->state == STATE_STOPPED || s->state == STATE_IDLE;

	for (size_t i = 0; down && i < names->n; i++) {
		struct service *r = service_find(s->d, names->v[i]);
		if (r && service_is_active(r) && !r->wanted && !is_needed(r))
			service_event(r, EVENT_STOP);
	}
}

void depend_changed(struct service *s)
{
	for (struct service *o = s->d->services, *next; o; o = next) {
		next = o->next;
		if (service_is_up(o) && depend_requires(o, s->name))
			hold_update(o);
		if (o->state == STATE_WAITING && waits_in_vain(o, s)) {
			service_say(o, "failed", "requires %s, which %s: %s", s->name,
				s->state == STATE_FAILED ? "failed" : "has ended", s->message);
			service_event(o, EVENT_REQUIRED_DOWN);
		} else if (o->state == STATE_WAITING && may_go_on(o, s)) {
			depend_await(o);
		}
		if (o->beside && o->beside->state == STATE_WAITING && may_go_on(o->beside, s))
			depend_await(o->beside);
		if (o->stop_after_dependents && !keeps_up(o)) {
			o->stop_after_dependents = false;
			service_event(o, EVENT_STOP);
		}
	}
	release(s, &s->profile->requires);
	release(s, &s->profile->wants);
}

/* ---- before any of it ---- */

/* s and all that it requires or wants are marked. */
static void mark(struct service *s)
{
	const struct strv *const lists[] = {&s->profile->requires, &s->profile->wants};

	if (s->marked || !s->profile)
		return;
	s->marked = true;
	for (size_t l = 0; l < TRP_ARRAY_SIZE(lists); l++)
		for (size_t i = 0; i < lists[l]->n; i++) {
			struct service *o = service_find(s->d, lists[l]->v[i]);
			if (o)
				mark(o);
		}
}

bool depend_contradiction(struct service *const *services, size_t n, const struct service **ret_a, const struct service **ret_b)
{
	const struct daemon *d = n ? services[0]->d : NULL;
	bool found = false;

	for (struct service *s = d ? d->services : NULL; s; s = s->next)
		s->marked = false;
	for (size_t i = 0; i < n; i++)
		mark(services[i]);
	for (const struct service *a = d ? d->services : NULL; a && !found; a = a->next)
		for (size_t i = 0; a->marked && i < a->profile->conflicts.n && !found; i++) {
			const struct service *b = service_find(a->d, a->profile->conflicts.v[i]);
			found = b && b != a && b->marked;
			if (found) {
				*ret_a = a;
				*ret_b = b;
			}
		}
	return found;
}
