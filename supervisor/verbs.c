/* SPDX-License-Identifier: ISC */
#include "supervisor/verbs.h"
#include "base/log.h"
#include "base/parse.h"
#include "supervisor/answer.h"
#include "supervisor/controlmsg.h"
#include "supervisor/depend.h"
#include "supervisor/describe.h"
#include "supervisor/inforce.h"
#include "supervisor/keep.h"
#include "supervisor/load.h"
#include "supervisor/logstream.h"
#include "supervisor/manager.h"
#include "supervisor/reload.h"
#include "supervisor/verbs_conns.h"
#include "supervisor/verbs_events.h"
#include "supervisor/verbs_exec.h"
#include "supervisor/verbs_freeze.h"
#include "supervisor/verbs_learn.h"
#include "supervisor/verbs_route.h"
#include "supervisor/verbs_timers.h"
#include "supervisor/verbs_upgrade.h"
#include "supervisor/verbs_usage.h"

#include <stdio.h>
#include <string.h>

#define SERVICES_MAX ANSWER_SERVICES_MAX
#define STATUS_LINES 10

static void free_names(struct strv *names)
{
	strv_free(names);
}

#define cleanup_names __attribute__((cleanup(free_names)))

/* Roots that will be needed are built at the same time, not one after the other as the services come up. A failure is
 * reported by the service that needs it. */
static void prefetch_images(struct daemon *d, const struct service *s)
{
	const struct profile *p = s->profile;
	char err[200];

	if (p->root == ROOT_PACKAGES)
		image_request(d->images, p->suite, &p->packages, NULL, err, sizeof(err));
	for (size_t i = 0; i < p->requires.n; i++) {
		const struct service *r = service_find(d, p->requires.v[i]);
		if (r)
			prefetch_images(d, r);
	}
}

/* Of two that exclude each other the second would stop the first: nobody means that. */
static bool refuse_contradiction(struct control_call *call, struct service *const *services, size_t n)
{
	const struct service *a, *b;
	char text[300];

	if (!depend_contradiction(services, n, &a, &b))
		return false;
	snprintf(text, sizeof(text), "%s conflicts with %s: they cannot be started together", a->name, b->name);
	answer_failed(call, text);
	return true;
}

/* Which of them are to be restarted beside what runs. False: one cannot, and the call was answered. */
static bool choose_overlap(struct control_call *call, const json_t *params, struct service *const *services, size_t n, bool *ret)
{
	const json_t *asked = json_object_get(params, "overlap");
	char err[500];

	for (size_t i = 0; i < n; i++) {
		const struct service *s = services[i];
		bool always = s->pending && s->pending->overlap == OVERLAP_ALWAYS && !json_is_false(asked);
		ret[i] = service_is_up(s) && s->pending && (json_is_true(asked) || always);
		if (!ret[i] || overlap_possible(s, err, sizeof(err)))
			continue;
		answer_failed(call, err);
		return false;
	}
	return true;
}

/* A restart ends the instance that is being started beside it, and who waits for that hears of it now; a start lets it go on. */
static void call_off_overlap(struct service *s, enum service_event event)
{
	if (s->overlap == OVERLAP_GOING && event != EVENT_RESTART)
		return;
	if (s->overlap == OVERLAP_GOING) {
		overlap_end(s);
		job_check(s->d);
	}
	s->overlap = OVERLAP_NONE;
}

/* Start and Restart: all profiles are read and checked before anything is touched. */
static void bring_up(struct control_call *call, const json_t *params, struct daemon *d, enum service_event event)
{
	cleanup_names struct strv names = {0};
	struct service *services[SERVICES_MAX];
	struct profile_errors errors = {0};
	const json_t *wait = json_object_get(params, "wait");
	bool overlap[SERVICES_MAX] = {false}, any = false;
	size_t n, bad;
	int r;

	if (!answer_services(call, params, d, &names))
		return;
	n = names.n;
	if (d->stopping) {
		answer_failed(call, "the daemon is stopping");
		return;
	}
	r = load_services(d, (const char *const *)names.v, n, event == EVENT_RESTART, services, &bad, &errors);
	if (r < 0) {
		answer_bad_profile(call, names.v[bad], r, &errors);
		profile_errors_free(&errors);
		return;
	}
	if (refuse_contradiction(call, services, n))
		return;
	if (event == EVENT_RESTART && !choose_overlap(call, params, services, n, overlap))
		return;
	for (size_t i = 0; i < n; i++)
		any |= overlap[i];
	if (!json_is_false(wait) && job_open(d, call, any ? JOB_OVERLAP : JOB_UP, (const char *const *)names.v, n) < 0) {
		answer_failed(call, "out of memory");
		return;
	}
	if (json_is_false(wait))
		control_reply(call, json_pack("{s:[]}", "results"), false);
	depend_announce(services, n);
	for (size_t i = 0; i < n; i++) {
		services[i]->wanted = true;
		call_off_overlap(services[i], event);
		if (overlap[i] && overlap_begin(services[i]) == 0)
			continue;
		prefetch_images(d, services[i]);
		timers_arm(services[i]);
		service_event(services[i], event == EVENT_START && !profile_is_timed(services[i]->profile) ? service_start_event(services[i]) : event);
	}
	job_arm(d);
}

static void verb_start(struct control_call *call, const json_t *params, void *user)
{
	bring_up(call, params, user, EVENT_START);
}

static void verb_restart(struct control_call *call, const json_t *params, void *user)
{
	bring_up(call, params, user, EVENT_RESTART);
}

/* What was started by itself, but is needed by nobody else, goes with the service that requires it. */
static void release_requirements(struct daemon *d, const struct service *s)
{
	for (struct service *r = d->services; r; r = r->next)
		if (depend_requires(s, r->name))
			r->wanted = false;
}

static void verb_stop(struct control_call *call, const json_t *params, void *user)
{
	cleanup_names struct strv names = {0};
	struct daemon *d = user;

	if (!answer_services(call, params, d, &names))
		return;
	if (job_open(d, call, JOB_DOWN, (const char *const *)names.v, names.n) < 0) {
		answer_failed(call, "out of memory");
		return;
	}
	for (size_t i = 0; i < names.n; i++) { /* all, before the first goes: their order counts */
		struct service *s = service_find(d, names.v[i]);
		if (s)
			s->stop_asked = true;
	}
	for (size_t i = 0; i < names.n; i++) {
		struct service *s = service_find(d, names.v[i]);
		if (s && json_is_true(json_object_get(params, "with_requirements")))
			release_requirements(d, s);
		if (s)
			timers_disarm(s);
		if (s)
			depend_stop(s);
	}
	job_arm(d);
}

static void verb_reload(struct control_call *call, const json_t *params, void *user)
{
	cleanup_names struct strv names = {0};
	struct daemon *d = user;

	if (!answer_services(call, params, d, &names))
		return;
	if (job_open(d, call, JOB_RELOAD, (const char *const *)names.v, names.n) < 0) {
		answer_failed(call, "out of memory");
		return;
	}
	for (size_t i = 0; i < names.n; i++) {
		struct service *s = service_find(d, names.v[i]);
		if (s && service_is_up(s))
			service_event(s, EVENT_RELOAD);
		else if (s)
			s->reload = RELOAD_NONE;
	}
	job_arm(d);
}

static void verb_reload_config(struct control_call *call, const json_t *params, void *user)
{
	struct profile_errors errors = {0};
	struct strv changes = {0};
	struct daemon *d = user;
	json_t *lines = json_array();
	int r;

	(void)params;
	manager_reloading();
	r = reload_config(d, &changes, &errors);
	manager_ready();
	if (r < 0 && errors.n == 0)
		profile_error(&errors, d->config->file, 0, NULL, "%s", strerror(-r));
	for (size_t i = 0; r < 0 && i < errors.n; i++)
		json_array_append_new(lines, json_string(errors.v[i]));
	for (size_t i = 0; r == 0 && i < changes.n; i++) {
		log_info("%s", changes.v[i]);
		json_array_append_new(lines, json_string(changes.v[i]));
	}
	if (r < 0)
		control_error(call, "trpsup.BadConfig", json_pack("{s:o}", "errors", lines));
	else
		control_reply(call, json_pack("{s:o}", "changes", lines), false);
	profile_errors_free(&errors);
	strv_free(&changes);
}

static void verb_signal(struct control_call *call, const json_t *params, void *user)
{
	struct service *s = answer_service(call, params, user);
	json_int_t signo = json_integer_value(json_object_get(params, "signal"));

	if (!s)
		return;
	if (signo < 1 || signo > 64) {
		answer_invalid(call, "signal");
		return;
	}
	doze_end(s, "it gets a signal");
	if (instance_send(s, TRP_INIT_SIGNAL, (int)signo) < 0)
		answer_failed(call, "it does not run");
	else
		control_reply(call, NULL, false);
}

static void verb_list(struct control_call *call, const json_t *params, void *user)
{
	const bool brief = json_is_true(json_object_get(params, "brief"));
	struct daemon *d = user;
	json_t *list = json_array();

	for (struct service *s = d->services; s; s = s->next)
		json_array_append_new(list, brief ? describe_brief(s) : describe_service(s));
	control_reply(call, json_pack("{s:o}", "services", list), false);
}

static void append_line(void *data, const char *text, size_t len)
{
	json_array_append_new(data, controlmsg_string(text, len));
}

static void verb_status(struct control_call *call, const json_t *params, void *user)
{
	struct service *s = answer_service(call, params, user);
	json_t *lines;

	if (!s)
		return;
	lines = json_array();
	logs_last(s->logs, STATUS_LINES, append_line, lines);
	control_reply(call, json_pack("{s:o,s:o}", "service", describe_service(s), "log", lines), false);
}

static void verb_score(struct control_call *call, const json_t *params, void *user)
{
	struct service *s = answer_service(call, params, user);
	char err[400] = "out of memory";
	json_t *o;

	if (!s)
		return;
	if (!s->run.running) { /* what it was prepared from may be gone; the profile alone says the same */
		answer_failed(call, "it does not run");
		return;
	}
	o = inforce_score(s, err, sizeof(err));
	if (o)
		control_reply(call, o, false);
	else
		answer_failed(call, err);
}

static void verb_logs(struct control_call *call, const json_t *params, void *user)
{
	logstream_start(user, call, params);
}

/* A call that is answered when the routers have answered; its client may leave before. */
struct router_call {
	struct control_call *call; /* NULL: its client has left */
	struct daemon *d;
};

static void router_call_gone(void *data)
{
	((struct router_call *)data)->call = NULL;
}

/* NULL: answered with an error. */
static struct router_call *router_call_open(struct control_call *call, struct daemon *d)
{
	struct router_call *r = calloc(1, sizeof(*r));

	if (!r) {
		answer_failed(call, "out of memory");
		return NULL;
	}
	*r = (struct router_call){call, d};
	control_on_gone(call, router_call_gone, r);
	return r;
}

/* It is answered now, if the result is not NULL. */
static struct control_call *router_call_close(struct router_call *r)
{
	struct control_call *call = r->call;

	if (call)
		control_on_gone(call, NULL, NULL);
	free(r);
	return call;
}

static void info_stats(void *data, const struct router_stats *stats)
{
	struct daemon *d = ((struct router_call *)data)->d;
	struct control_call *call = router_call_close(data);

	if (call)
		control_reply(call, describe_daemon(d, stats), false);
}

static void verb_info(struct control_call *call, const json_t *params, void *user)
{
	struct router_call *r = router_call_open(call, user);

	(void)params;
	if (r)
		routerproc_stats(r->d->router, info_stats, r);
}

const struct control_verb *verbs_table(size_t *ret_n)
{
	static const struct control_verb table[] = {
		{"trpsup.Start", verb_start, "start services and what they require"},
		{"trpsup.Stop", verb_stop, "stop services, after those that require them"},
		{"trpsup.Restart", verb_restart, "stop and start, with profiles read anew"},
		{"trpsup.Reload", verb_reload, "send the reload signal"},
		{"trpsup.ReloadConfig", verb_reload_config, "read trpsup.conf and the profiles of services that run anew"},
		{"trpsup.Signal", verb_signal, "send a signal to the main process"},
		{"trpsup.Exec", verb_exec, "run a command inside the sandbox of a service"},
		{"trpsup.Enable", verb_enable, "start services with the daemon"},
		{"trpsup.Disable", verb_disable, "start them no more with the daemon"},
		{"trpsup.Freeze", verb_freeze, "have the processes of services stand still"},
		{"trpsup.Thaw", verb_thaw, "have them go on"},
		{"trpsup.Usage", verb_usage, "what services have used, in one short row each"},
		{"trpsup.Events", verb_events, "what happened to services lately, and what will"},
		{"trpsup.Timers", verb_timers, "services that are run by time: when next, and how the last run ended"},
		{"trpsup.List", verb_list, "all services that the daemon knows"},
		{"trpsup.Status", verb_status, "one service, with its last log lines"},
		{"trpsup.Score", verb_score, "how far one service is confined, and whether that is in force"},
		{"trpsup.Logs", verb_logs, "log lines, and those to come"},
		{"trpsup.Routes", verb_routes, "all names and whose they are"},
		{"trpsup.Explain", verb_explain, "who would get a client that asks for a name, and why"},
		{"trpsup.Counters", verb_counters, "what became of clients, by service and by listener"},
		{"trpsup.Conns", verb_conns, "the connections that are open"},
		{"trpsup.Kick", verb_kick, "ends connections of a client or a service"},
		{"trpsup.Learn", verb_learn, "run a service watched, to learn what it needs"},
		{"trpsup.LearnStop", verb_learn_stop, "end that"},
		{"trpsup.Learnt", verb_learnt, "what was learnt of a service"},
		{"trpsup.LearnReset", verb_learn_reset, "forget it"},
		{"trpsup.Info", verb_info, "the daemon, its listeners and its router"},
		{"trpsup.Upgrade", verb_upgrade, "execute the daemon's program file as it is now; everything goes on"},
		{"trpsup.Detach", verb_detach, "end the daemon alone: the next one takes over what runs"},
		{"trpsup.RouterUpgrade", verb_router_upgrade, "replace the routers by those of the program file as it is now"},
	};
	*ret_n = TRP_ARRAY_SIZE(table);
	return table;
}
