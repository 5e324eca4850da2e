/* SPDX-License-Identifier: ISC */
/* service.c: events in, actions out. */
#include "supervisor/service.h"
#include "base/io.h"
#include "base/log.h"
#include "supervisor/depend.h"
#include "supervisor/events.h"
#include "supervisor/freezer.h"
#include "supervisor/load.h"
#include "supervisor/prestop.h"
#include "supervisor/reap.h"
#include "supervisor/record.h"

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

bool service_is_up(const struct service *s)
{
	return s->state == STATE_READY || s->state == STATE_RELOADING;
}

bool service_is_active(const struct service *s)
{
	return s->state != STATE_STOPPED && s->state != STATE_FAILED && s->state != STATE_IDLE;
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

/* Of an instance beside the one that serves. */
static void say_beside(struct service *s, const char *event, const char *text)
{
	const char *who = s->outgoing ? "the instance before" : "the new instance";
	char line[sizeof(s->message) + 32];

	snprintf(s->message, sizeof(s->message), "%s", text);
	if (strcmp(event, "failed") == 0 && !s->outgoing)
		snprintf(s->beside->overlap_why, sizeof(s->beside->overlap_why), "%s", text);
	snprintf(line, sizeof(line), "%s: %s", who, text);
	log_info("%s: %s", s->name, line);
	logs_note(s->logs, "%s", line);
	job_say(s, "note", line);
}

void service_say(struct service *s, const char *event, const char *fmt, ...)
{
	char text[sizeof(s->message)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (s->shadow) {
		say_beside(s, event, text);
		return;
	}
	snprintf(s->message, sizeof(s->message), "%s", text);
	if (strcmp(event, "failed") == 0)
		log_warn("%s: %s", s->name, text);
	else
		log_info("%s: %s", s->name, text);
	logs_note(s->logs, "%s", text);
	job_say(s, event, text);
	event_say(s, event, text);
}

static void on_timer(struct ev_loop *loop, ev_timer *t, int events)
{
	struct service *s = t->data;

	(void)loop;
	(void)events;
	if (prestop_late(s))
		service_rearm(s);
	else
		service_event(s, EVENT_TIMEOUT);
}

static void set_timer(struct service *s, uint64_t ms)
{
	ev_timer_stop(s->d->loop, &s->timer);
	if (ms == 0 || ms == UINT64_MAX)
		return;
	ev_now_update(s->d->loop); /* from now on, not since this turn of the loop began: many starts in one turn take seconds */
	ev_timer_init(&s->timer, on_timer, (double)ms / 1000.0, 0);
	s->timer.data = s;
	ev_timer_start(s->d->loop, &s->timer);
}

/* set_timer() for something that the service is to do itself. */
static void set_timeout(struct service *s, uint64_t ms)
{
	set_timer(s, ms);
	s->timer_most = ev_now(s->d->loop) + (double)ms / 1000.0 + (double)s->profile->timeout_extension_ms / 1000.0;
}

void service_extend(struct service *s, uint64_t us)
{
	double now = ev_now(s->d->loop), end = now + (double)us / 1e6;

	if (!ev_is_active(&s->timer) || !s->run.running)
		return;
	if (end > s->timer_most)
		end = s->timer_most;
	if (end - now > ev_timer_remaining(s->d->loop, &s->timer))
		set_timer(s, (uint64_t)((end - now) * 1000.0));
}

void service_rearm(struct service *s)
{
	const struct profile *p = s->profile;

	if (s->state == STATE_STARTING)
		set_timeout(s, p->start_timeout_ms);
	else if (s->state == STATE_RELOADING)
		set_timeout(s, p->reload_timeout_ms);
	else if (s->state == STATE_DRAINING)
		set_timer(s, p->drain_ms ? p->drain_ms : 1);
	else if (s->state == STATE_LEAVING || s->state == STATE_STOPPING || s->state == STATE_RESTARTING || s->state == STATE_ABORTING ||
		s->state == STATE_RESTING)
		set_timeout(s, p->stop_timeout_ms);
}

/* Has r, which runs once and ends, done its work for s since s began to wait? */
static bool has_done_its_work(const struct service *r, const struct service *s)
{
	return r->profile->ready == READY_EXIT && r->worked >= s->since;
}

/* What it requires, and what it only wants to come after: all ready? Starts what is not. */
static void action_require(struct service *s)
{
	bool all;

	load_apply_pending(s);
	all = depend_stop_conflicting(s);
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
	if (all && !depend_must_wait(s))
		service_event(s, EVENT_REQUIRED_UP);
}

static void action_hold(struct service *s)
{
	set_timer(s, 0); /* of the pause that somebody cut short */
	load_apply_pending(s);
	hold_update(s);
	depend_start_wanted(s);
	if (s->state == STATE_WAITING)
		action_require(s);
}

static void image_progress(struct image_request *r, const char *text)
{
	struct service *s = (struct service *)(void *)((char *)r - offsetof(struct service, image));
	service_say(s, "image", "%s", text);
}

static void on_turn(struct ev_loop *loop, ev_timer *t, int events)
{
	struct daemon *d = t->data;
	struct service *first = NULL;

	(void)events;
	for (struct service *s = d->services; s; s = s->next)
		if (s->turn && (!first || s->turn < first->turn))
			first = s;
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

static void disk_done(struct statedisk *d, int error, const char *text)
{
	struct service *s = (struct service *)(void *)((char *)d - offsetof(struct service, disk));

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
	if (r < 0) {
		service_say(s, "failed", "%s", s->message);
		service_event(s, EVENT_IMAGE_FAILED);
	} else if (r > 0) {
		have_disk(s, true);
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

static void action_image(struct service *s)
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

static void action_spawn(struct service *s)
{
	int r;

	service_say(s, "starting", "starting");
	s->up_since = 0;
	s->reload = RELOAD_NONE;
	health_reset(s);
	r = instance_spawn(s);
	if (r < 0) {
		service_gone(s, instance_error_event(-r));
		return;
	}
	set_timeout(s, s->profile->start_timeout_ms);
}

static void action_up(struct service *s)
{
	set_timer(s, 0);
	s->up_since = ev_time();
	watchdog_start(s);
	service_say(s, "ready", "ready");
}

static void action_reload(struct service *s)
{
	bool says_so = s->profile->reload == RELOAD_NOTIFY;
	int r;

	s->reload_asked_us = trp_now_ns() / 1000u;
	s->reload_seen = false;
	(void)freezer_thaw(s);
	r = instance_send(s, TRP_INIT_SIGNAL, s->profile->reload_signal);
	s->reload = r < 0 ? RELOAD_FAILED : says_so ? RELOAD_GOING : RELOAD_DONE;
	if (r < 0)
		service_say(s, "failed", "cannot be told to reload: %s", strerror(-r));
	else
		service_say(s, "note", "told to reload%s", says_so ? "; waiting until it says that it has" : "");
	if (s->reload == RELOAD_GOING)
		set_timeout(s, s->profile->reload_timeout_ms);
	else
		service_event(s, EVENT_READY);
}

static void action_await_reload(struct service *s)
{
	s->reload = RELOAD_GOING;
	s->reload_seen = true;
	set_timeout(s, s->profile->reload_timeout_ms);
	service_say(s, "note", "reloads");
}

static void action_reloaded(struct service *s)
{
	set_timer(s, 0);
	if (s->reload != RELOAD_GOING)
		return;
	s->reload = RELOAD_DONE;
	service_say(s, "ready", "reloaded");
}

static void action_reload_late(struct service *s)
{
	set_timer(s, 0);
	s->reload = RELOAD_FAILED;
	service_say(s, "failed", "not reloaded after %llu s: it %s; left as it is",
		(unsigned long long)(s->profile->reload_timeout_ms / 1000),
		s->reload_seen ? "has not said READY=1" : "has not said RELOADING=1");
}

static void action_await_end(struct service *s)
{
	service_say(s, "note", "says that it ends");
	set_timeout(s, s->profile->stop_timeout_ms);
}

static void action_term(struct service *s)
{
	int r;

	(void)freezer_thaw(s);
	if (s->state == STATE_ABORTING && s->run.never_ready && s->up_since == 0)
		service_say(s, "failed", "closed descriptor %u without a newline, so it cannot say any more that it is ready; ending it",
			s->profile->ready_fd);
	else if (s->state == STATE_ABORTING && s->up_since == 0)
		service_say(s, "failed", "not ready after %llu s%s%s; ending it",
			(unsigned long long)(s->profile->start_timeout_ms / 1000),
			s->run.upstream_runs && !s->run.main_known ? ": no process of it is named in " : "",
			s->run.upstream_runs && !s->run.main_known ? s->profile->pid_file : "");
	else if (s->state != STATE_ABORTING)
		service_say(s, "note", "stopping");
	s->run.stop_asked = s->state != STATE_ABORTING;
	s->run.pre_stop = prestop_wanted(s);
	r = instance_stop(s, s->profile->stop_signal);
	set_timeout(s, r < 0 ? 1 : s->profile->stop_timeout_ms);
}

static void action_abort(struct service *s)
{
	(void)freezer_thaw(s);
	if (instance_stop(s, SIGABRT) < 0)
		set_timer(s, 1);
	else
		set_timeout(s, s->profile->stop_timeout_ms);
}

static void action_kill(struct service *s)
{
	service_say(s, "note", "does not stop; killing it");
	s->timer_most = 0;
	(void)freezer_thaw(s);
	if (s->has_cgroup)
		cgroup_kill(&s->cgroup);
	if (s->run.running)
		reap_kill(s->run.box.pidfd, SIGKILL);
	set_timer(s, KILL_AGAIN_MS);
}

static void action_delay(struct service *s)
{
	const struct profile *p = s->profile;
	uint64_t ms = service_backoff_ms(s->failures_in_a_row, p->restart_delay_ms, p->restart_delay_max_ms);

	s->restarts++;
	log_info("%s: next try in %llu ms", s->name, (unsigned long long)ms);
	set_timer(s, ms ? ms : 1);
}

static void action_down(struct service *s)
{
	set_timer(s, 0);
	if (s->image_wanted)
		image_forget(s->d->images, &s->image);
	s->image_wanted = false;
	credentials_cancel(s);
	s->restarts = s->failures_in_a_row = 0;
	route_close(s);
	if (s->shadow) {
		prepare_undo(s);
		service_say(s, "stopped", "has ended");
		return;
	}
	learning_end(s);
	sdnotify_end(s);
	if (!service_sweep(s))
		ev_timer_start(s->d->loop, &s->d->sweep); /* a group empties itself a moment after its last process */
	if (s->state == STATE_FAILED) {
		if (profile_is_routed(s->profile))
			route_update(s); /* names stay known: 503, not 404 */
	} else {
		route_forget(s);
		prepare_undo(s);
		service_say(s, "stopped", "stopped");
	}
}

static void action_drain(struct service *s)
{
	watchdog_stop(s);
	set_timer(s, s->profile->drain_ms ? s->profile->drain_ms : 1);
	service_say(s, "note", "finishes with its clients, for at most %.3g s", (double)s->profile->drain_ms / 1000.0);
	overlap_drain(s);
}

/* Its root, its group and the like are made anew at the next start, as they are after a stop. */
static void action_rest(struct service *s)
{
	set_timer(s, 0);
	s->restarts = s->failures_in_a_row = 0;
	route_close(s);
	learning_end(s);
	sdnotify_end(s);
	if (!service_sweep(s))
		ev_timer_start(s->d->loop, &s->d->sweep);
	prepare_undo(s);
	timers_arm(s);
	service_say(s, "idle", "idle: its %s starts it", s->timed.armed ? "time" : "first client");
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
	bool comes_after = depend_comes_after(o, s);

	if (service_is_up(s))
		return comes_after || service_requires(o, s->name);
	return (comes_after || depend_conflict(o, s)) && !service_is_active(s);
}

/* What was only started because s named it there goes with s. */
static void release(const struct service *s, const struct strv *names)
{
	bool down = s->state == STATE_STOPPED || s->state == STATE_IDLE;

	for (size_t i = 0; down && i < names->n; i++) {
		struct service *r = service_find(s->d, names->v[i]);
		if (r && service_is_active(r) && !r->wanted && !depend_is_needed(r))
			service_event(r, EVENT_STOP);
	}
}

/* After the state of one service has changed, those that it concerns. */
static void tell_others(struct service *s)
{
	for (struct service *o = s->d->services, *next; o; o = next) {
		next = o->next;
		if (service_is_up(o) && service_requires(o, s->name))
			hold_update(o);
		if (o->state == STATE_WAITING && waits_in_vain(o, s)) {
			service_say(o, "failed", "requires %s, which %s: %s", s->name,
				s->state == STATE_FAILED ? "failed" : "has ended", s->message);
			service_event(o, EVENT_REQUIRED_DOWN);
		} else if (o->state == STATE_WAITING && may_go_on(o, s)) {
			action_require(o);
		}
		if (o->beside && o->beside->state == STATE_WAITING && may_go_on(o->beside, s))
			action_require(o->beside);
		if (o->stop_after_dependents && !depend_keeps_up(o)) {
			o->stop_after_dependents = false;
			service_event(o, EVENT_STOP);
		}
	}
	release(s, &s->profile->requires);
	release(s, &s->profile->wants);
}

static void (*const actions[ACTION_COUNT])(struct service *s) = {
	[ACTION_REQUIRE] = action_hold,
	[ACTION_IMAGE] = action_image,
	[ACTION_SPAWN] = action_spawn,
	[ACTION_UP] = action_up,
	[ACTION_RELOAD] = action_reload,
	[ACTION_AWAIT_RELOAD] = action_await_reload,
	[ACTION_RELOADED] = action_reloaded,
	[ACTION_RELOAD_LATE] = action_reload_late,
	[ACTION_AWAIT_END] = action_await_end,
	[ACTION_TERM] = action_term,
	[ACTION_ABORT] = action_abort,
	[ACTION_KILL] = action_kill,
	[ACTION_DELAY] = action_delay,
	[ACTION_DOWN] = action_down,
	[ACTION_DRAIN] = action_drain,
	[ACTION_REST] = action_rest,
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
	if (event == EVENT_STOP || (event == EVENT_RESTART && s->overlap == OVERLAP_GOING))
		overlap_end(s);
	if (event == EVENT_START || event == EVENT_RESTART)
		s->stop_after_dependents = s->stop_asked = s->start_asked = false;
	if (changed) {
		int from = s->state;
		s->state = t.next;
		s->since = ev_time();
		if (!s->shadow)
			event_state(s, from, service_event_name(event));
		timers_state(s, from);
		demand_update(s);
		hold_update(s); /* before its routes would lead to what is ended now, or from a place that goes */
	}
	if (actions[t.action])
		actions[t.action](s);
	record_save(s);
	/* an action may have gone on to another state, which then has told the others itself */
	if (changed && s->state == t.next && s->shadow)
		overlap_changed(s);
	if (changed && s->state == t.next && !s->shadow)
		tell_others(s);
	if (changed) {
		health_update(s);
		job_check(s->d);
	}
}

enum service_event service_start_event(const struct service *s)
{
	return s->profile->start == START_ON_DEMAND || profile_is_timed(s->profile) ? EVENT_ARM : EVENT_START;
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
	bool asked = s->state == STATE_STOPPING || s->state == STATE_RESTARTING || s->state == STATE_RESTING || s->shadow;

	set_timer(s, 0);
	(void)freezer_thaw(s); /* the group may be the next run's */
	if (s->has_cgroup)
		cgroup_kill(&s->cgroup);

	if ((event == EVENT_GONE_AGAIN || event == EVENT_START_TEMPORARY) && !asked) {
		if (s->up_since > 0 && ev_time() - s->up_since > STABLE_SECONDS)
			s->failures_in_a_row = 0;
		s->failures_in_a_row++;
		if (over_limit(s)) {
			service_say(s, "failed", "%s; %u failures in %llu s: not tried again", s->message[0] ? s->message : "failed",
				s->window_failures, (unsigned long long)(s->profile->start_limit_ms / 1000));
			s->window_failures = 0;
			event = EVENT_GONE_LIMIT;
		}
	}
	/* a client would start it again at once: that must come to an end, too */
	if (event == EVENT_GONE_IDLE && !asked && (hold_anybody(s) || route_is_queued(s)) && over_limit(s)) {
		service_say(s, "failed", "ended %u times in %llu s while clients waited for it: not started again", s->window_failures,
			(unsigned long long)(s->profile->start_limit_ms / 1000));
		s->window_failures = 0;
		event = EVENT_GONE_LIMIT;
	}
	service_event(s, event);
}

void service_stop(struct service *s)
{
	struct service *o, *next;

	s->wanted = false;
	s->stop_asked = true;
	if (!depend_keeps_up(s)) {
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
	overlap_free(s);
	sdnotify_end(s);
	ev_timer_stop(d->loop, &s->timer);
	demand_stop(s);
	hold_end(s);
	record_remove(s);
	record_drop_sources(d, s->profile);
	record_drop_sources(d, s->pending);
	keep_drop_all(d->keep, s->name);
	learning_free(s);
	statedisk_cancel(&s->disk);
	credentials_cancel(s);
	service_sweep(s);
	prepare_disk_undo(s);
	prepare_undo(s); /* one that has failed still has its directories, and what is mounted there */
	seccomp_unshare(&s->seccomp);
	if (s->logs)
		logs_close(s->logs);
	events_free(s->events);
	profile_free(s->profile);
	profile_free(s->pending);
	free(s->root);
	free(s->name);
	free(s);
}
