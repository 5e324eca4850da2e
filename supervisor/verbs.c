/* SPDX-License-Identifier: ISC */
#include "supervisor/verbs.h"
#include "base/parse.h"
#include "supervisor/controlmsg.h"
#include "supervisor/describe.h"
#include "supervisor/load.h"
#include "supervisor/logstream.h"

#include <stdio.h>
#include <string.h>

#define SERVICES_MAX 256
#define STATUS_LINES 10

static void invalid(struct control_call *call, const char *parameter)
{
	control_error(call, "org.varlink.service.InvalidParameter", json_pack("{s:s}", "parameter", parameter));
}

static void failed(struct control_call *call, const char *text)
{
	control_error(call, "trpsup.Failed", json_pack("{s:s}", "text", text));
}

static void no_such(struct control_call *call, const char *service, const char *text)
{
	control_error(call, "trpsup.NoSuchService", json_pack("{s:s,s:s}", "service", service, "text", text));
}

/* The "services" of a call; the strings are borrowed from params. False: answered with an error. */
static bool take_names(struct control_call *call, const json_t *params, const char *names[SERVICES_MAX], size_t *n)
{
	const json_t *list = json_object_get(params, "services");
	size_t i;
	json_t *word;

	*n = 0;
	if (!json_is_array(list) || json_array_size(list) == 0 || json_array_size(list) > SERVICES_MAX) {
		invalid(call, "services");
		return false;
	}
	json_array_foreach((json_t *)list, i, word)
	{
		const char *name = json_string_value(word);
		if (!name || !trp_valid_service_name(name)) {
			no_such(call, name ? name : "", "not a service name");
			return false;
		}
		names[(*n)++] = name;
	}
	return true;
}

/* The one "service" of a call, known to the daemon. NULL: answered with an error. */
static struct service *take_service(struct control_call *call, const json_t *params, struct daemon *d)
{
	const char *name = json_string_value(json_object_get(params, "service"));
	struct service *s;

	if (!name) {
		invalid(call, "service");
		return NULL;
	}
	s = service_find(d, name);
	if (!s)
		no_such(call, name, "it has not been started since the daemon started");
	return s;
}

static void bad_profile(struct control_call *call, const char *name, int error, const struct profile_errors *errors)
{
	json_t *lines = json_array();
	char text[200];

	for (size_t i = 0; i < errors->n; i++)
		json_array_append_new(lines, json_string(errors->v[i]));
	if (errors->n == 0) {
		snprintf(text, sizeof(text), "%s: %s", name, strerror(-error));
		json_array_append_new(lines, json_string(text));
	}
	if (error == -ENOENT) {
		no_such(call, name, errors->n ? errors->v[0] : "no such profile");
		json_decref(lines);
		return;
	}
	control_error(call, "trpsup.BadProfile", json_pack("{s:o}", "errors", lines));
}

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

/* Start and Restart: all profiles are read and checked before anything is touched. */
static void bring_up(struct control_call *call, const json_t *params, struct daemon *d, enum service_event event)
{
	const char *names[SERVICES_MAX];
	struct service *services[SERVICES_MAX];
	struct profile_errors errors = {0};
	const json_t *wait = json_object_get(params, "wait");
	size_t n;

	if (!take_names(call, params, names, &n))
		return;
	if (d->stopping) {
		failed(call, "the daemon is stopping");
		return;
	}
	for (size_t i = 0; i < n; i++) {
		int r = load_service(d, names[i], event == EVENT_RESTART, &services[i], &errors);
		if (r < 0) {
			bad_profile(call, names[i], r, &errors);
			profile_errors_free(&errors);
			return;
		}
	}
	if (!json_is_false(wait) && job_open(d, call, JOB_UP, names, n) < 0) {
		failed(call, "out of memory");
		return;
	}
	if (json_is_false(wait))
		control_reply(call, json_pack("{s:[]}", "results"), false);
	for (size_t i = 0; i < n; i++) {
		services[i]->wanted = true;
		prefetch_images(d, services[i]);
		service_event(services[i], event);
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
		if (service_requires(s, r->name))
			r->wanted = false;
}

static void verb_stop(struct control_call *call, const json_t *params, void *user)
{
	const char *names[SERVICES_MAX];
	struct daemon *d = user;
	size_t n;

	if (!take_names(call, params, names, &n))
		return;
	for (size_t i = 0; i < n; i++)
		if (!service_find(d, names[i])) {
			no_such(call, names[i], "it has not been started since the daemon started");
			return;
		}
	if (job_open(d, call, JOB_DOWN, names, n) < 0) {
		failed(call, "out of memory");
		return;
	}
	for (size_t i = 0; i < n; i++) {
		if (json_is_true(json_object_get(params, "with_requirements")))
			release_requirements(d, service_find(d, names[i]));
		service_stop(service_find(d, names[i]));
	}
	job_arm(d);
}

static void verb_reload(struct control_call *call, const json_t *params, void *user)
{
	const char *names[SERVICES_MAX];
	json_t *results = json_array();
	struct daemon *d = user;
	size_t n;

	if (!take_names(call, params, names, &n)) {
		json_decref(results);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		struct service *s = service_find(d, names[i]);
		int r = s ? instance_send(s, TRP_INIT_SIGNAL, s->profile->reload_signal) : -ESRCH;
		json_array_append_new(results,
			json_pack("{s:s,s:s,s:b,s:s}", "service", names[i], "state",
				s ? service_state_name(s->state) : "stopped", "ok", r == 0, "text",
				r == 0 ? "told to reload" : "does not run"));
	}
	control_reply(call, json_pack("{s:o}", "results", results), false);
}

static void verb_signal(struct control_call *call, const json_t *params, void *user)
{
	struct service *s = take_service(call, params, user);
	json_int_t signo = json_integer_value(json_object_get(params, "signal"));

	if (!s)
		return;
	if (signo < 1 || signo > 64) {
		invalid(call, "signal");
		return;
	}
	if (instance_send(s, TRP_INIT_SIGNAL, (int)signo) < 0)
		failed(call, "it does not run");
	else
		control_reply(call, NULL, false);
}

static void verb_list(struct control_call *call, const json_t *params, void *user)
{
	struct daemon *d = user;
	json_t *list = json_array();

	(void)params;
	for (struct service *s = d->services; s; s = s->next)
		json_array_append_new(list, describe_service(s));
	control_reply(call, json_pack("{s:o}", "services", list), false);
}

static void append_line(void *data, const char *text, size_t len)
{
	json_array_append_new(data, controlmsg_string(text, len));
}

static void verb_status(struct control_call *call, const json_t *params, void *user)
{
	struct service *s = take_service(call, params, user);
	json_t *lines;

	if (!s)
		return;
	lines = json_array();
	logs_tail(s->logs, STATUS_LINES, append_line, lines);
	control_reply(call, json_pack("{s:o,s:o}", "service", describe_service(s), "log", lines), false);
}

static void verb_logs(struct control_call *call, const json_t *params, void *user)
{
	struct service *s = take_service(call, params, user);
	const json_t *number = json_object_get(params, "lines");
	json_int_t n = number ? json_integer_value(number) : STATUS_LINES;

	if (!s)
		return;
	if (n < 0 || n > UINT32_MAX) {
		invalid(call, "lines");
		return;
	}
	logstream_start(s->d->loop, call, s->logs, (unsigned)n, json_is_true(json_object_get(params, "follow")));
}

struct info_call {
	struct control_call *call;
	struct daemon *d;
};

static void info_gone(void *data)
{
	((struct info_call *)data)->call = NULL;
}

static void info_stats(void *data, const struct router_stats *stats)
{
	struct info_call *i = data;

	if (i->call) {
		control_on_gone(i->call, NULL, NULL);
		control_reply(i->call, describe_daemon(i->d, stats), false);
	}
	free(i);
}

static void verb_info(struct control_call *call, const json_t *params, void *user)
{
	struct info_call *i = calloc(1, sizeof(*i));

	(void)params;
	if (!i) {
		failed(call, "out of memory");
		return;
	}
	i->call = call;
	i->d = user;
	control_on_gone(call, info_gone, i);
	routerproc_stats(i->d->router, info_stats, i);
}

const struct control_verb *verbs_table(size_t *ret_n)
{
	static const struct control_verb table[] = {
		{"trpsup.Start", verb_start, "start services and what they require"},
		{"trpsup.Stop", verb_stop, "stop services, after those that require them"},
		{"trpsup.Restart", verb_restart, "stop and start, with profiles read anew"},
		{"trpsup.Reload", verb_reload, "send the reload signal"},
		{"trpsup.Signal", verb_signal, "send a signal to the main process"},
		{"trpsup.List", verb_list, "all services that the daemon knows"},
		{"trpsup.Status", verb_status, "one service, with its last log lines"},
		{"trpsup.Logs", verb_logs, "log lines, and those to come"},
		{"trpsup.Info", verb_info, "the daemon, its listeners and its router"},
	};
	*ret_n = TRP_ARRAY_SIZE(table);
	return table;
}
