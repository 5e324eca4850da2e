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
#include "supervisor/timeout.h"

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

static void action_hold(struct service *s)
{
	timeout_set(s, 0); /* of the pause that somebody cut short */
	load_apply_pending(s);
	hold_update(s);
	depend_start_wanted(s);
	if (s->state == STATE_WAITING)
		depend_await(s);
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
	timeout_grant(s, s->profile->start_timeout_ms);
}

static void action_up(struct service *s)
{
	timeout_set(s, 0);
	s->up_since = trp_now_seconds();
	watchdog_start(s);
	service_say(s, "ready", "ready");
}

static void action_reload(struct service *s)
{
	/* the key is in force at once, but this run may still be one that cannot say anything */
	bool says_so = s->profile->reload == RELOAD_NOTIFY && s->profile->ready == READY_NOTIFY;
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
		timeout_grant(s, s->profile->reload_timeout_ms);
	else
		service_event(s, EVENT_READY);
}

static void action_await_reload(struct service *s)
{
	s->reload = RELOAD_GOING;
	s->reload_seen = true;
	timeout_grant(s, s->profile->reload_timeout_ms);
	service_say(s, "note", "reloads");
}

static void action_reloaded(struct service *s)
{
	timeout_set(s, 0);
	if (s->reload != RELOAD_GOING)
		return;
	s->reload = RELOAD_DONE;
	service_say(s, "ready", "reloaded");
}

static void action_reload_late(struct service *s)
{
	timeout_set(s, 0);
	s->reload = RELOAD_FAILED;
	service_say(s, "failed", "not reloaded after %llu s: it %s; left as it is",
		(unsigned long long)(s->profile->reload_timeout_ms / 1000),
		s->reload_seen ? "has not said READY=1" : "has not said RELOADING=1");
}

static void action_await_end(struct service *s)
{
	service_say(s, "note", "says that it ends");
	timeout_grant(s, s->profile->stop_timeout_ms);
}

static void action_term(struct service *s)
{
	const bool late = s->state == STATE_ABORTING && s->up_since == 0 && s->run.oom.borne == 0;
	int r;

	(void)freezer_thaw(s);
	if (late && s->run.never_ready)
		service_say(s, "failed", "closed descriptor %u without a newline, so it cannot say any more that it is ready; ending it",
			s->profile->ready_fd);
	else if (late)
		service_say(s, "failed", "not ready after %llu s%s%s; ending it",
			(unsigned long long)(s->profile->start_timeout_ms / 1000),
			s->run.upstream_runs && !s->run.main_known ? ": no process of it is named in " : "",
			s->run.upstream_runs && !s->run.main_known ? s->profile->pid_file : "");
	else if (s->state != STATE_ABORTING)
		service_say(s, "note", "stopping");
	s->run.stop_asked = s->state != STATE_ABORTING;
	s->run.pre_stop = prestop_wanted(s);
	r = instance_stop(s, s->profile->stop_signal);
	timeout_grant(s, r < 0 ? 1 : s->profile->stop_timeout_ms);
}

static void action_abort(struct service *s)
{
	(void)freezer_thaw(s);
	if (instance_stop(s, SIGABRT) < 0)
		timeout_set(s, 1);
	else
		timeout_grant(s, s->profile->stop_timeout_ms);
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
	timeout_set(s, KILL_AGAIN_MS);
}

static void action_delay(struct service *s)
{
	const struct profile *p = s->profile;
	uint64_t ms = service_backoff_ms(s->failures_in_a_row, p->restart_delay_ms, p->restart_delay_max_ms);

	s->restarts++;
	log_info("%s: next try in %llu ms", s->name, (unsigned long long)ms);
	timeout_set(s, ms ? ms : 1);
}

/* What is the service's, not this instance's: the one beside it uses it, too. */
void service_let_go(struct service *s)
{
	if (s->beside)
		return; /* overlap.c comes here when that is gone */
	sdnotify_end(s);
	if (s->state != STATE_FAILED)
		prepare_undo(s);
}

static void action_down(struct service *s)
{
	timeout_set(s, 0);
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
	service_let_go(s);
	if (!service_sweep(s))
		ev_timer_start(s->d->loop, &s->d->sweep); /* a group empties itself a moment after its last process */
	if (s->state == STATE_FAILED) {
		if (profile_is_routed(s->profile))
			route_update(s); /* names stay known: 503, not 404 */
	} else {
		route_forget(s);
		service_say(s, "stopped", "stopped");
	}
}

static void action_drain(struct service *s)
{
	(void)freezer_thaw(s); /* nobody can thaw it by its name any more, and its clients are to be finished with */
	watchdog_stop(s);
	timeout_set(s, s->profile->drain_ms ? s->profile->drain_ms : 1);
	service_say(s, "note", "finishes with its clients, for at most %.3g s", (double)s->profile->drain_ms / 1000.0);
	overlap_drain(s);
}

/* Its root, its group and the like are made anew at the next start, as they are after a stop. */
static void action_rest(struct service *s)
{
	timeout_set(s, 0);
	s->restarts = s->failures_in_a_row = 0;
	route_rest(s);
	learning_end(s);
	service_let_go(s);
	if (!service_sweep(s))
		ev_timer_start(s->d->loop, &s->d->sweep);
	timers_arm(s);
	service_say(s, "idle", "idle: its %s starts it", s->timed.armed ? "time" : "first client");
}

static void (*const actions[ACTION_COUNT])(struct service *s) = {
	[ACTION_REQUIRE] = action_hold,
	[ACTION_IMAGE] = service_provide,
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
	if (event == EVENT_START || event == EVENT_RESTART)
		s->stop_after_dependents = s->stop_asked = s->start_asked = false;
	if (changed) {
		int from = s->state;
		s->state = t.next;
		s->since = ev_time();
		s->changed = trp_now_seconds();
		if (!s->shadow)
			event_state(s, from, service_event_name(event));
		timers_state(s, from);
		demand_update(s);
		hold_update(s); /* before its routes would lead to what is ended now, or from a place that goes */
	}
	if (event == EVENT_STOP || (event == EVENT_RESTART && s->overlap == OVERLAP_GOING))
		overlap_end(s); /* then jobs are looked at: this one is on its way by now */
	if (actions[t.action])
		actions[t.action](s);
	record_save(s);
	/* an action may have gone on to another state, which then has told the others itself */
	if (changed && s->state == t.next && s->shadow)
		overlap_changed(s);
	if (changed && s->state == t.next && !s->shadow)
		depend_changed(s);
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
	double now = trp_now_seconds();

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

	timeout_set(s, 0);
	(void)freezer_thaw(s); /* the group may be the next run's */
	if (s->has_cgroup)
		cgroup_kill(&s->cgroup);

	if ((event == EVENT_GONE_AGAIN || event == EVENT_START_TEMPORARY) && !asked) {
		if (s->up_since > 0 && trp_now_seconds() - s->up_since > STABLE_SECONDS)
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
	if (event == EVENT_GONE_IDLE && !asked && (hold_anybody(s) || route_has_clients(s)) && over_limit(s)) {
		service_say(s, "failed", "ended %u times in %llu s while clients waited for it: not started again", s->window_failures,
			(unsigned long long)(s->profile->start_limit_ms / 1000));
		s->window_failures = 0;
		event = EVENT_GONE_LIMIT;
	}
	service_event(s, event);
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
	record_forget(s);
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
	strv_free(&s->live_keys);
	free(s->root);
	free(s->name);
	free(s);
}
