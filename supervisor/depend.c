/* SPDX-License-Identifier: ISC */
#include "supervisor/depend.h"

#include <string.h>

struct service *depend_active_dependent(const struct service *s)
{
	for (struct service *o = s->d->services; o; o = o->next)
		if (o != s && service_is_active(o) && strv_has(&o->profile->requires, s->name))
			return o;
	return NULL;
}

bool depend_keeps_up(const struct service *s)
{
	for (const struct service *o = s->d->services; o; o = o->next)
		if (o != s && service_is_active(o) && (strv_has(&o->profile->requires, s->name) ||
			(o->stop_asked && depend_comes_after(o, s))))
			return true;
	return false;
}

bool depend_comes_after(const struct service *s, const struct service *o)
{
	return s != o && s->profile && o->profile && (strv_has(&s->profile->after, o->name) || strv_has(&o->profile->before, s->name));
}

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
		if (!x->marked && is_coming(x) && depend_comes_after(o, x) && (x == s || is_in_circle(x, s)))
			return true;
	return false;
}

bool depend_must_wait(const struct service *s)
{
	for (struct service *o = s->d->services; o; o = o->next) {
		if (!is_coming(o) || !depend_comes_after(s, o))
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

bool depend_is_needed(const struct service *s)
{
	for (const struct service *o = s->d->services; o; o = o->next)
		if (o != s && service_is_active(o) &&
			(strv_has(&o->profile->requires, s->name) || strv_has(&o->profile->wants, s->name)))
			return true;
	return false;
}

bool depend_conflict(const struct service *a, const struct service *b)
{
	return a != b && a->profile && b->profile &&
		(strv_has(&a->profile->conflicts, b->name) || strv_has(&b->profile->conflicts, a->name));
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

bool depend_stop_conflicting(struct service *s)
{
	bool all = true;

	for (struct service *o = s->d->services, *next; o; o = next) {
		next = o->next;
		if (!depend_conflict(s, o) || !service_is_active(o))
			continue;
		if (o->state != STATE_STOPPING && !o->stop_after_dependents) {
			service_say(s, "waiting", "conflicts with %s: stopping it first", o->name);
			service_say(o, "note", "%s is started, which conflicts with it", s->name);
			service_stop(o);
		}
		all &= !service_is_active(o);
	}
	return all;
}

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
