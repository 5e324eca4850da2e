/* SPDX-License-Identifier: ISC */
#include "supervisor/health.h"
#include "base/io.h"
#include "base/log.h"
#include "sandbox/initmsg.h"
#include "supervisor/events.h"
#include "supervisor/record.h"
#include "supervisor/service.h"

#include <stdio.h>
#include <string.h>

#define FIRST_PAUSE  0.05 /* seconds, while it starts; twice as long each time, up to interval */
#define INIT_SECONDS 2.0  /* more than the check has: for its init to say so */
#define STATUS_MAX   999

static void check(struct service *s);

static bool is_starting(const struct service *s)
{
	return s->state == STATE_STARTING && s->profile->ready == READY_CHECK;
}

static bool is_wanted(const struct service *s)
{
	const struct profile *p = s->profile;
	bool by_channel = p->check_kind != CHECK_COMMAND;

	if (p->check_kind == CHECK_NONE || !s->run.running || !s->run.upstream_runs || s->frozen)
		return false;
	if (s->learning.on && !by_channel) /* what it may do there is not what it may do */
		return false;
	return service_is_up(s) || (is_starting(s) && s->run.main_known && (!by_channel || route_all_listened(s)));
}

static void on_timer(struct ev_loop *loop, ev_timer *t, int events)
{
	struct service *s = t->data;

	(void)loop, (void)events;
	if (s->health.going) {
		instance_catch_up(s);
		if (!s->health.going || ev_is_active(t)) /* its answer had come, or nobody is to check it any more */
			return;
	}
	if (!s->health.going)
		check(s);
	else if (s->health.command)
		health_command_late(s);
	else
		health_done(s, false, "its init does not answer");
}

static void set_timer(struct service *s, double seconds)
{
	struct health *h = &s->health;

	ev_timer_stop(s->d->loop, &h->timer);
	ev_now_update(s->d->loop); /* as timeout_set() does */
	ev_timer_init(&h->timer, on_timer, seconds, 0.);
	h->timer.data = s;
	ev_timer_start(s->d->loop, &h->timer);
}

static void next(struct service *s)
{
	double interval = (double)s->profile->check_interval_ms / 1000.0;
	struct health *h = &s->health;

	h->going = false;
	ev_timer_stop(s->d->loop, &h->timer);
	if (!is_wanted(s))
		return;
	if (is_starting(s)) {
		h->pause = h->pause > 0 ? h->pause * 2 : FIRST_PAUSE;
		interval = h->pause < interval ? h->pause : interval;
	}
	set_timer(s, interval);
}

static void abort_check(struct service *s)
{
	probe_stop(s);
	health_command_abort(s);
	s->health.going = false;
	ev_timer_stop(s->d->loop, &s->health.timer);
}

static void check(struct service *s)
{
	struct health *h = &s->health;
	double seconds = (double)s->profile->check_timeout_ms / 1000.0;
	char err[200];
	int r;

	h->going = true;
	h->number = h->number ? h->number + 1 : (uint32_t)trp_now_ns(); /* not that of an earlier daemon */
	if (s->profile->check_kind != CHECK_COMMAND) {
		set_timer(s, seconds + INIT_SECONDS);
		probe_begin(s);
		return;
	}
	set_timer(s, seconds);
	r = health_command_begin(s, err, sizeof(err));
	if (r < 0)
		health_not_made(s, err);
}

void health_reset(struct service *s)
{
	abort_check(s);
	s->health = (struct health){.number = s->health.number};
}

void health_update(struct service *s)
{
	if (!is_wanted(s))
		abort_check(s);
	else if (!s->health.going && !ev_is_active(&s->health.timer))
		check(s);
}

void health_profile(struct service *s)
{
	const double interval = (double)s->profile->check_interval_ms / 1000.0;
	struct health *h = &s->health;

	if (!h->going && ev_is_active(&h->timer) && ev_timer_remaining(s->d->loop, &h->timer) > interval)
		set_timer(s, interval);
}

void health_stop(struct service *s)
{
	abort_check(s);
}

/* In its start period, which ends with its first success. */
static bool is_excused(const struct service *s)
{
	return s->up_since > 0 && trp_now_seconds() - s->up_since < (double)s->profile->check_start_ms / 1000.0;
}

static void say_unhealthy(struct service *s)
{
	const struct profile *p = s->profile;

	service_say(s, "unhealthy", "unhealthy (%u of %llu: %s)%s", s->health.count.failures, (unsigned long long)p->check_failures, s->health.last,
		p->check_unhealthy == UNHEALTHY_RESTART ? "; ending it" : "");
}

/* By what its profile says now: it may have been unhealthy before that said so. */
static bool must_end(const struct service *s)
{
	return health_is_unhealthy(s) && s->profile->check_unhealthy == UNHEALTHY_RESTART && service_is_up(s);
}

static void changed(struct service *s, enum health_news news, unsigned before)
{
	s->health.since = ev_time();
	if (news == HEALTH_NOW_UNHEALTHY)
		say_unhealthy(s);
	else if (before == HEALTH_UNHEALTHY)
		service_say(s, "healthy", "healthy again");
	else if (!s->shadow)
		event_say(s, "healthy", "healthy");
	share_changed(s);
	record_save(s);
	if (news == HEALTH_NOW_UNHEALTHY && must_end(s))
		service_event(s, EVENT_UNHEALTHY);
	else if (is_starting(s) && instance_is_ready(s))
		service_event(s, EVENT_READY);
}

void health_done(struct service *s, bool passed, const char *text)
{
	const struct profile *p = s->profile;
	struct health *h = &s->health;
	unsigned before = h->count.state, failures = h->count.failures;
	enum health_news news;

	if (!h->going)
		return;
	probe_stop(s);
	health_command_abort(s);
	if (!passed)
		snprintf(h->last, sizeof(h->last), "%s", text);
	log_debug("%s: check %s%s", s->name, passed ? "passed" : "failed: ", passed ? "" : text);
	news = health_count(&h->count, passed, is_starting(s) || is_excused(s), p->check_failures, p->check_successes);
	next(s);
	if (!passed && must_end(s))
		news = HEALTH_NOW_UNHEALTHY;
	if (news != HEALTH_SAME)
		changed(s, news, before);
	else if (h->count.failures != failures)
		record_save(s);
}

void health_not_made(struct service *s, const char *why)
{
	probe_stop(s);
	log_debug("%s: not checked: %s", s->name, why);
	next(s);
}

void health_checked(struct service *s, int32_t number, int32_t result)
{
	const struct profile *p = s->profile;
	bool http = p->check_kind == CHECK_HTTP;
	char text[80];

	if (!s->health.going || s->health.command || (uint32_t)number != s->health.number)
		return;
	if (http && result >= 100 && result <= STATUS_MAX)
		snprintf(text, sizeof(text), "HTTP %d", result);
	else if (result == TRP_CHECK_LATE)
		snprintf(text, sizeof(text), "no answer within %.3g s", (double)p->check_timeout_ms / 1000.0);
	else if (result == TRP_CHECK_CLOSED)
		snprintf(text, sizeof(text), "closed without an answer");
	else if (result <= TRP_CHECK_ALERT && result >= TRP_CHECK_ALERT - 255)
		snprintf(text, sizeof(text), "TLS alert %d", TRP_CHECK_ALERT - result);
	else
		snprintf(text, sizeof(text), "no answer of %s", http ? "HTTP" : "TLS");
	health_done(s, http ? result >= p->check_status.from && result <= p->check_status.to : result == 0, text);
}

bool health_is_ready(const struct service *s)
{
	/* a command is not run while it is learnt from: nobody could say it */
	return s->health.count.state == HEALTH_HEALTHY || (s->learning.on && s->profile->check_kind == CHECK_COMMAND);
}

bool health_is_unhealthy(const struct service *s)
{
	return s->profile->check_kind != CHECK_NONE && s->health.count.state == HEALTH_UNHEALTHY;
}

static json_t *describe_check(const struct profile *p)
{
	switch ((enum profile_check)p->check_kind) {
	case CHECK_HTTP:
		return json_sprintf("http:%s", p->check_path);
	case CHECK_TCP:
		return json_sprintf("tcp:%u", p->check_port);
	case CHECK_TLS:
		return json_string("tls");
	case CHECK_COMMAND:
		return json_sprintf("command %s", p->check_command.v[0]);
	case CHECK_NONE:
		break;
	}
	return json_null();
}

json_t *health_describe(const struct service *s)
{
	static const char *const words[] = {"unknown", "healthy", "unhealthy"};
	const struct health *h = &s->health;

	if (s->profile->check_kind == CHECK_NONE)
		return json_null();
	return json_pack("{s:s,s:o,s:o,s:I,s:I,s:s}", "state", words[s->run.running && h->count.state <= HEALTH_UNHEALTHY ? h->count.state : 0], "since",
		h->since > 0 ? json_integer((json_int_t)h->since) : json_null(), "check", describe_check(s->profile), "failures",
		(json_int_t)h->count.failures, "of", (json_int_t)s->profile->check_failures, "last", h->last);
}
