/* SPDX-License-Identifier: ISC */
/* service.c: events in, actions out. */
#include "supervisor/service.h"
#include "base/log.h"
#include "supervisor/load.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define KILL_AGAIN_MS  5000 /* SIGKILL is repeated while something of the group is still there */
#define STABLE_SECONDS 10.0 /* ready for so long: the next failure is the first of a new row */

struct service *service_find(struct daemon *d, const char *name)
{
	for (struct service *s = d->services; s; s = s->next)
		if (strcmp(s->name, name) == 0)
			return s;
	return NULL;
}

bool service_is_active(const struct service *s)
{
	return s->state != STATE_STOPPED && s->state != STATE_FAILED;
}

static bool requires_directly(const struct service *s, const char *name)
{
	return s->profile && strv_has(&s->profile->requires, name);
}

bool service_requires(const struct service *s, const char *name)
{
	if (!s->profile)
		return false;
	if (requires_directly(s, name))
		return true;
	for (size_t i = 0; i < s->profile->requires.n; i++) {
		const struct service *r = service_find(s->d, s->profile->requires.v[i]);
		if (r && service_requires(r, name))
			return true;
	}
	return false;
}

/* Something that is up, or on its way, and requires s. */
static struct service *active_dependent(const struct service *s)
{
	for (struct service *o = s->d->services; o; o = o->next)
		if (o != s && service_is_active(o) && requires_directly(o, s->name))
			return o;
	return NULL;
}

void service_say(struct service *s, const char *event, const char *fmt, ...)
{
	char text[sizeof(s->message)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	snprintf(s->message, sizeof(s->message), "%s", text);
	if (strcmp(event, "failed") == 0)
		log_warn("%s: %s", s->name, text);
	else
		log_info("%s: %s", s->name, text);
	logs_note(s->logs, "%s", text);
	job_say(s, event, text);
}

static void on_timer(struct ev_loop *loop, ev_timer *t, int events)
{
	(void)loop;
	(void)events;
	service_event(t->data, EVENT_TIMEOUT);
}

static void set_timer(struct service *s, uint64_t ms)
{
	ev_timer_stop(s->d->loop, &s->timer);
	if (ms == 0 || ms == UINT64_MAX)
		return;
	ev_timer_init(&s->timer, on_timer, (double)ms / 1000.0, 0);
	s->timer.data = s;
	ev_timer_start(s->d->loop, &s->timer);
}

/* Has r, which runs once and ends, done its work for s since s began to wait? */
static bool has_done_its_work(const struct service *r, const struct service *s)
{
	return r->profile->ready == READY_EXIT && r->worked >= s->since;
}

/* What it requires, and what it only wants to come after: all ready? Starts what is not. */
static void action_require(struct service *s)
{
	bool all = true;

	load_apply_pending(s);
	for (size_t i = 0; i < s->profile->requires.n; i++) {
		struct service *r = service_find(s->d, s->profile->requires.v[i]);
		if (!r) { /* load.c made it; it cannot go while somebody requires it */
			service_say(s, "failed", "requires %s, which is not there", s->profile->requires.v[i]);
			service_event(s, EVENT_REQUIRED_DOWN);
			return;
		}
		r->stop_after_dependents = false; /* s was started after that was asked for */
		if (has_done_its_work(r, s))
			continue;
		if (r->state == STATE_STOPPED || r->state == STATE_FAILED || r->state == STATE_STOPPING)
			service_event(r, EVENT_START);
		if (s->state != STATE_WAITING)
			return; /* the requirement failed at once */
		if (r->state != STATE_READY) {
			all = false;
			service_say(s, "waiting", "waits for %s", r->name);
		}
	}
	for (size_t i = 0; i < s->profile->after.n; i++) {
		const struct service *a = service_find(s->d, s->profile->after.v[i]);
		if (a && service_is_active(a) && a->state != STATE_READY)
			all = false;
	}
	if (all)
		service_event(s, EVENT_REQUIRED_UP);
}

static void image_progress(struct image_request *r, const char *text)
{
	struct service *s = (struct service *)(void *)((char *)r - offsetof(struct service, image));
	service_say(s, "image", "%s", text);
}

static void image_done(struct image_request *r, int error, const char *text)
{
	struct service *s = (struct service *)(void *)((char *)r - offsetof(struct service, image));

	s->image_wanted = false;
	service_say(s, error < 0 ? "failed" : "image", "%s", text);
	service_event(s, error < 0 ? EVENT_IMAGE_FAILED : EVENT_IMAGE_READY);
}

static void action_image(struct service *s)
{
	const struct profile *p = s->profile;
	char err[200] = "";
	int r = 1;

	if (p->root == ROOT_PACKAGES) {
		s->image = (struct image_request){.progress = image_progress, .done = image_done};
		r = image_request(s->d->images, p->suite, &p->packages, &s->image, err, sizeof(err));
	}
	if (r < 0) {
		service_say(s, "failed", "%s", err);
		service_event(s, EVENT_IMAGE_FAILED);
	} else if (r > 0) {
		service_event(s, EVENT_IMAGE_READY);
	} else {
		s->image_wanted = true;
		service_say(s, "image", "building its root file system from %zu packages, this takes a minute or two",
			p->packages.n);
	}
}

static void action_spawn(struct service *s)
{
	int r;

	service_say(s, "starting", "starting");
	r = instance_spawn(s);
	if (r < 0) {
		service_gone(s, instance_error_event(-r));
		return;
	}
	set_timer(s, s->profile->start_timeout_ms);
}

static void action_up(struct service *s)
{
	set_timer(s, 0);
	s->served = true;
	route_update(s);
	service_say(s, "ready", "ready");
}

static void action_term(struct service *s)
{
	int r;

	if (s->state == STATE_ABORTING)
		service_say(s, "failed", "not ready after %llu s; ending it",
			(unsigned long long)(s->profile->start_timeout_ms / 1000));
	else
		service_say(s, "note", "stopping");
	s->run.stop_asked = s->state != STATE_ABORTING;
	if (s->routes_told)
		route_update(s);
	r = instance_send(s, TRP_INIT_STOP, s->profile->stop_signal);
	set_timer(s, r < 0 ? 1 : s->profile->stop_timeout_ms);
}

static void action_kill(struct service *s)
{
	service_say(s, "note", "does not stop; killing it");
	if (s->has_cgroup)
		cgroup_kill(&s->cgroup);
	if (s->run.running)
		kill(s->run.box.pid, SIGKILL); /* not reaped yet: the pid is still ours */
	set_timer(s, KILL_AGAIN_MS);
}

static void action_delay(struct service *s)
{
	const struct profile *p = s->profile;
	unsigned shift = s->failures_in_a_row > 1 ? s->failures_in_a_row - 1 : 0;
	uint64_t ms = shift < 20 ? p->restart_delay_ms << shift : p->restart_delay_max_ms;

	if (ms > p->restart_delay_max_ms)
		ms = p->restart_delay_max_ms;
	s->restarts++;
	if (p->share && s->routes_told)
		route_update(s); /* the others take its share until it is back */
	log_info("%s: next try in %llu ms", s->name, (unsigned long long)ms);
	set_timer(s, ms ? ms : 1);
}

static void action_down(struct service *s)
{
	set_timer(s, 0);
	if (s->image_wanted)
		image_forget(s->d->images, &s->image);
	s->image_wanted = false;
	s->served = false;
	s->restarts = s->failures_in_a_row = 0;
	route_close(s);
	if (!service_sweep(s))
		ev_timer_start(s->d->loop, &s->d->sweep); /* a group empties itself a moment after its last process */
	if (s->state == STATE_FAILED) {
		if (s->profile->hosts.n > 0 || s->profile->default_route)
			route_update(s); /* names stay known: 503, not 404 */
	} else {
		route_forget(s);
		prepare_undo(s);
		service_say(s, "stopped", "stopped");
	}
}

/* Can o never get what it waits for from s? */
static bool waits_in_vain(const struct service *o, const struct service *s)
{
	return requires_directly(o, s->name) &&
		(s->state == STATE_FAILED || (s->state == STATE_STOPPED && !has_done_its_work(s, o)));
}

/* Is there something new for o, which waits, in the state of s? */
static bool may_go_on(const struct service *o, const struct service *s)
{
	bool comes_after = strv_has(&o->profile->after, s->name);

	if (s->state == STATE_READY)
		return comes_after || service_requires(o, s->name);
	return comes_after && !service_is_active(s);
}

/* After the state of one service has changed, those that it concerns. */
static void tell_others(struct service *s)
{
	for (struct service *o = s->d->services, *next; o; o = next) {
		next = o->next;
		if (o->state == STATE_WAITING && waits_in_vain(o, s)) {
			service_say(o, "failed", "requires %s, which %s: %s", s->name,
				s->state == STATE_FAILED ? "failed" : "has ended", s->message);
			service_event(o, EVENT_REQUIRED_DOWN);
		} else if (o->state == STATE_WAITING && may_go_on(o, s)) {
			action_require(o);
		}
		if (!service_is_active(s) && o->stop_after_dependents && !active_dependent(o)) {
			o->stop_after_dependents = false;
			service_event(o, EVENT_STOP);
		}
	}
	/* what was only started because s required it goes with s */
	for (size_t i = 0; s->state == STATE_STOPPED && i < s->profile->requires.n; i++) {
		struct service *r = service_find(s->d, s->profile->requires.v[i]);
		if (r && service_is_active(r) && !r->wanted && !active_dependent(r))
			service_event(r, EVENT_STOP);
	}
}

static void (*const actions[ACTION_COUNT])(struct service *s) = {
	[ACTION_REQUIRE] = action_require,
	[ACTION_IMAGE] = action_image,
	[ACTION_SPAWN] = action_spawn,
	[ACTION_UP] = action_up,
	[ACTION_TERM] = action_term,
	[ACTION_KILL] = action_kill,
	[ACTION_DELAY] = action_delay,
	[ACTION_DOWN] = action_down,
};

void service_event(struct service *s, enum service_event event)
{
	struct service_transition t = service_transition(s->state, event);
	bool changed = t.next != s->state;

	log_debug("%s: %s in %s -> %s", s->name, service_event_name(event), service_state_name(s->state),
		service_state_name(t.next));
	if (t.action == ACTION_IMPOSSIBLE) {
		log_error("%s: event %s in state %s: a defect, ignored", s->name, service_event_name(event),
			service_state_name(s->state));
		return;
	}
	if (event == EVENT_START || event == EVENT_RESTART)
		s->stop_after_dependents = false;
	if (changed) {
		s->state = t.next;
		s->since = ev_time();
	}
	if (actions[t.action])
		actions[t.action](s);
	/* an action may have gone on to another state, which then has told the others itself */
	if (changed && s->state == t.next)
		tell_others(s);
	if (changed)
		job_check(s->d);
}

/* Too many failures in the window: no further try until somebody asks. */
static bool over_limit(struct service *s)
{
	const struct profile *p = s->profile;
	double now = ev_time();

	if (p->start_limit_burst == 0)
		return false;
	if (now - s->window_start > (double)p->start_limit_ms / 1000.0) {
		s->window_start = now;
		s->window_failures = 0;
	}
	return ++s->window_failures >= p->start_limit_burst;
}

void service_gone(struct service *s, enum service_event event)
{
	set_timer(s, 0);
	if (s->has_cgroup)
		cgroup_kill(&s->cgroup);
	if (event == EVENT_GONE_AGAIN && (s->state == STATE_STARTING || s->state == STATE_READY || s->state == STATE_ABORTING)) {
		if (s->state == STATE_READY && ev_time() - s->since > STABLE_SECONDS)
			s->failures_in_a_row = 0;
		s->failures_in_a_row++;
		if (over_limit(s)) {
			service_say(s, "failed", "%s; %u failures in %llu s: not tried again", s->message[0] ? s->message : "failed",
				s->window_failures, (unsigned long long)(s->profile->start_limit_ms / 1000));
			s->window_failures = 0;
			event = EVENT_GONE_FAILED;
		}
	}
	service_event(s, event);
}

void service_stop(struct service *s)
{
	struct service *o, *next;

	s->wanted = false;
	if (!active_dependent(s)) {
		service_event(s, EVENT_STOP);
		return;
	}
	s->stop_after_dependents = true;
	for (o = s->d->services; o; o = next) {
		next = o->next;
		if (o != s && service_is_active(o) && requires_directly(o, s->name) && o->state != STATE_STOPPING)
			service_stop(o);
	}
}

bool service_sweep(struct service *s)
{
	if (service_is_active(s) || !s->has_cgroup)
		return true;
	if (cgroup_destroy(s->d->cgroups, &s->cgroup) < 0)
		return false;
	s->has_cgroup = false;
	return true;
}

void service_free(struct service *s)
{
	struct daemon *d = s->d;

	for (struct service **p = &d->services; *p; p = &(*p)->next)
		if (*p == s) {
			*p = s->next;
			break;
		}
	ev_timer_stop(d->loop, &s->timer);
	service_sweep(s);
	prepare_undo(s); /* one that has failed still has its directories, and what is mounted there */
	seccomp_filter_free(&s->seccomp);
	if (s->logs)
		logs_close(s->logs);
	profile_free(s->profile);
	profile_free(s->pending);
	free(s->root);
	free(s->name);
	free(s);
}
