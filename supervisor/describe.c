/* SPDX-License-Identifier: ISC */
#include "supervisor/describe.h"
#include "supervisor/box/adapter.h"
#include "supervisor/controlmsg.h"
#include "supervisor/enable.h"
#include "supervisor/live.h"
#include "supervisor/observer.h"
#include "supervisor/profile/keys.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

json_t *describe_number(uint64_t v)
{
	return v == UINT64_MAX ? json_null() : json_integer((json_int_t)v);
}

static json_t *words(const struct strv *s)
{
	json_t *a = json_array();

	for (size_t i = 0; i < s->n; i++)
		json_array_append_new(a, json_string(s->v[i]));
	return a;
}

static bool is_up(const struct service *s, uint16_t port)
{
	for (size_t i = 0; i < s->n_channels; i++)
		if (s->channels[i].port == port && s->channels[i].listened && s->place == PLACE_CHANNELS)
			return true;
	return false;
}

/* What a person would type to get there by this listener and protocol. False: a name that is none, or no protocol of browsers. */
static bool url_of(const struct service *s, size_t listener, enum trp_protocol protocol, const char *host, char *out, size_t size)
{
	static const struct {
		const char *scheme;
		uint16_t port;
	} usual[TRP_PROTO_COUNT] = {[TRP_PROTO_HTTP1] = {"http", 80}, [TRP_PROTO_TLS] = {"https", 443}};
	uint16_t port = s->d->config->listeners[listener].port;

	if (!usual[protocol].scheme || !host[0] || host[0] == '*')
		return false;
	if (port == usual[protocol].port)
		snprintf(out, size, "%s://%s/", usual[protocol].scheme, host);
	else
		snprintf(out, size, "%s://%s:%u/", usual[protocol].scheme, host, port);
	return true;
}

/* The first of "urls" */
static bool first_url(const struct service *s, char *out, size_t size)
{
	const struct profile *p = s->profile;

	for (size_t i = 0; i <= p->hosts.n; i++)
		for (int k = 0; k < TRP_PROTO_COUNT; k++)
			for (size_t l = 0; p->port[k] && l < s->d->n_listeners; l++) {
				const char *name = route_name_on(s->d, l, p, (enum trp_protocol)k, i);
				if (name && url_of(s, l, (enum trp_protocol)k, name, out, size))
					return true;
			}
	return false;
}

/* Routes, and the addresses that a person would type. */
static void describe_routes(const struct service *s, json_t *out)
{
	const struct profile *p = s->profile;
	json_t *routes = json_array(), *urls = json_array();

	for (size_t i = 0; i <= p->hosts.n; i++)
		for (int k = 0; k < TRP_PROTO_COUNT; k++) {
			enum trp_protocol protocol = (enum trp_protocol)k;
			const char *host = NULL;
			json_t *listeners = json_array();
			char url[400];
			for (size_t l = 0; l < s->d->n_listeners; l++) {
				const char *name = route_name_on(s->d, l, p, protocol, i);
				if (!name)
					continue;
				host = name;
				json_array_append_new(listeners, json_string(s->d->config->listeners[l].name));
				if (url_of(s, l, protocol, host, url, sizeof(url)))
					json_array_append_new(urls, json_string(url));
			}
			if (!host) {
				json_decref(listeners);
				continue;
			}
			json_array_append_new(routes,
				json_pack("{s:s,s:s,s:i,s:o,s:b}", "host", host[0] ? host : "*", "protocol",
					trp_protocol_words[k], "port", p->port[k], "listeners", listeners, "up",
					is_up(s, p->port[k])));
		}
	json_object_set_new(out, "routes", routes);
	json_object_set_new(out, "urls", urls);
}

/* Of its control group, and of its clients */
static void describe_group(const struct service *s, json_t *out)
{
	uint64_t memory = UINT64_MAX, pids = UINT64_MAX, cpu = UINT64_MAX;

	if (s->has_cgroup && s->run.running)
		cgroup_usage(&s->cgroup, &memory, &pids, &cpu);
	json_object_set_new(out, "memory", describe_number(memory));
	json_object_set_new(out, "processes", describe_number(pids));
	json_object_set_new(out, "cpu_us", describe_number(cpu));
	json_object_set_new(out, "connections", describe_number(observer_live(s->d->observer, s->number)));
}

static void describe_use(const struct service *s, json_t *out)
{
	uint64_t waits, waited_ms;
	json_t *listens = json_array();

	describe_group(s, out);
	logs_waited(s->logs, &waits, &waited_ms);
	json_object_set_new(out, "oom_kills", s->run.running ? json_integer((json_int_t)s->run.oom.kills) : json_null());
	json_object_set_new(out, "io_missing", s->io_missing[0] ? controlmsg_string(s->io_missing, strlen(s->io_missing)) : json_null());
	json_object_set_new(out, "log_waits", describe_number(waits));
	json_object_set_new(out, "log_waited_ms", describe_number(waited_ms));
	json_object_set_new(out, "log_dropped", describe_number(logs_dropped(s->logs)));
	json_object_set_new(out, "log_lost", describe_number(logs_lost(s->logs)));
	json_object_set_new(out, "log_syslog_dropped", describe_number(logs_not_taken(s->logs, LOG_SYSLOG)));
	json_object_set_new(out, "log_journal_dropped", describe_number(logs_not_taken(s->logs, LOG_JOURNAL)));
	for (size_t i = 0; i < s->n_channels; i++)
		if (s->channels[i].listened && s->run.running)
			json_array_append_new(listens,
				json_pack("{s:i,s:i}", "port", s->channels[i].port, "family",
					s->channels[i].family == AF_INET ? 4 : 6));
	json_object_set_new(out, "listens", listens);
}

static json_t *root_text(const struct profile *p)
{
	switch ((enum profile_root)p->root) {
	case ROOT_HOST:
		return json_string("host");
	case ROOT_PACKAGES:
		return json_sprintf("packages: %zu", p->packages.n);
	case ROOT_DIRECTORY:
		return json_string(p->root_directory);
	case ROOT_NONE:
		return json_string("none");
	}
	return json_null();
}

static void describe_adapter(const struct service *s, json_t *out)
{
	json_object_set_new(out, "adapter", json_string(adapter_name(s->adapter)));
	json_object_set_new(out, "adapter_why", controlmsg_string(s->adapter_why, strlen(s->adapter_why)));
}

/* Their names: never more of them. */
static json_t *credentials(const struct profile *p)
{
	json_t *list = json_array();

	for (size_t i = 0; i < p->n_credentials; i++)
		json_array_append_new(list, json_string(p->credentials[i].name));
	return list;
}

static json_t *needs_restart(const struct service *s)
{
	struct strv keys = {0};
	json_t *list;

	(void)live_waiting(s, &keys);
	list = words(&keys);
	strv_free(&keys);
	return list;
}

/* What makes it ready, with auto resolved; until the next call. */
static const char *readiness(const struct profile *p)
{
	static char text[16];

	if (p->ready == READY_AUTO)
		return profile_ready_words[profile_is_routed(p) ? READY_LISTEN : READY_STARTED];
	if (p->ready == READY_FD) {
		snprintf(text, sizeof(text), "fd:%u", p->ready_fd);
		return text;
	}
	return profile_ready_words[p->ready];
}

static void describe_beside(const struct service *s, json_t *out)
{
	const struct service *n = s->beside;

	json_object_set_new(out, "beside",
		n ? json_pack("{s:s,s:I,s:o}", "state", service_state_name(n->state), "since", (json_int_t)n->since, "pid",
			    n->run.running ? json_integer(n->run.box.pid) : json_null())
		  : json_null());
}

static json_t *kept_descriptors(const struct service *s)
{
	unsigned refused, kept = sdnotify_kept(s, &refused);

	return s->profile->keep_descriptors == 0 ? json_null() : json_pack("{s:i,s:i,s:I}", "kept", (int)kept, "refused", (int)refused, "most",
		(json_int_t)s->profile->keep_descriptors);
}

json_t *describe_service(struct service *s)
{
	const struct profile *p = s->profile;
	pid_t main_pid = instance_main_pid(s);
	json_t *o = json_pack("{s:s,s:s,s:s,s:I,s:o,s:i,s:o,s:s,s:o,s:I}", "service", s->name, "description",
		p->description ? p->description : "", "state", service_state_name(s->state), "since",
		(json_int_t)s->since, "pid", s->run.running ? json_integer(s->run.box.pid) : json_null(), "restarts",
		(int)s->restarts, "message", controlmsg_string(s->message, strlen(s->message)), "profile", p->file, "requires", words(&p->requires), "uid_base",
		(json_int_t)s->uid_base);

	if (!o)
		return json_object();
	json_object_set_new(o, "enabled", json_string(enable_word(s->d, s->name)));
	json_object_set_new(o, "needs_restart", needs_restart(s));
	json_object_set_new(o, "frozen", json_boolean(s->frozen));
	json_object_set_new(o, "frozen_idle", json_boolean(s->doze.on));
	json_object_set_new(o, "credentials", credentials(p));
	json_object_set_new(o, "timer", timers_describe(s));
	json_object_set_new(o, "readiness", json_string(readiness(p)));
	json_object_set_new(o, "kept_descriptors", kept_descriptors(s));
	json_object_set_new(o, "health", health_describe(s));
	json_object_set_new(o, "watchdog_ms", p->watchdog_ms ? json_integer((json_int_t)p->watchdog_ms) : json_null());
	json_object_set_new(o, "wanted", json_boolean(s->wanted));
	json_object_set_new(o, "main_pid", describe_number(main_pid > 0 ? (uint64_t)main_pid : UINT64_MAX));
	json_object_set_new(o, "says", s->run.running ? json_string(s->run.says) : json_string(""));
	json_object_set_new(o, "learning", learning_word(s) ? json_string(learning_word(s)) : json_null());
	json_object_set_new(o, "root", root_text(p));
	describe_routes(s, o);
	describe_beside(s, o);
	describe_use(s, o);
	describe_adapter(s, o);
	json_object_set_new(o, "clients", ledgers_of_service(s->d->ledgers, s->number));
	return o;
}

json_t *describe_brief(const struct service *s)
{
	char url[400];
	json_t *o = json_pack("{s:s,s:s,s:s,s:b,s:b,s:I,s:o}", "service", s->name, "description",
		s->profile->description ? s->profile->description : "", "state", service_state_name(s->state), "frozen", s->frozen, "frozen_idle",
		s->doze.on, "since",
		(json_int_t)s->since, "pid", s->run.running ? json_integer(s->run.box.pid) : json_null());

	if (!o)
		return json_object();
	describe_group(s, o);
	json_object_set_new(o, "url", first_url(s, url, sizeof(url)) ? json_string(url) : json_null());
	if (profile_is_timed(s->profile))
		json_object_set_new(o, "timer", timers_describe(s));
	if (s->profile->check_kind != CHECK_NONE)
		json_object_set_new(o, "health", health_describe(s));
	return o;
}

static json_t *describe_counters(const struct router_stats *stats)
{
#define COUNTER(f) {#f, offsetof(struct router_stats, f)}
	static const struct {
		const char *name;
		size_t offset;
	} counters[] = {COUNTER(accepted), COUNTER(handed_on), COUNTER(no_route), COUNTER(no_service), COUNTER(queue_full),
		COUNTER(bad_request), COUNTER(wrong_protocol), COUNTER(timed_out), COUNTER(closed_early), COUNTER(waiting),
		COUNTER(client_rate), COUNTER(client_waiting), COUNTER(over_rate),
		COUNTER(redirected), COUNTER(too_many)};
#undef COUNTER
	json_t *o = json_object();

	for (size_t i = 0; i < TRP_ARRAY_SIZE(counters); i++)
		json_object_set_new(o, counters[i].name,
			json_integer((json_int_t) * (const uint64_t *)(const void *)((const char *)stats + counters[i].offset)));
	return o;
}

static json_t *describe_listener(const struct config_listener *l, json_t *protocols)
{
	json_t *o = json_pack("{s:s,s:i,s:o}", "name", l->name, "port", l->port, "protocols", protocols);
	char text[CONFIG_LISTENER_TEXT];

	config_listener_text(l, text);
	json_object_set_new(o, "bound", json_string(text));
	return o;
}

#define PIDS_MAX 192 /* the most workers there can be, and two sets that have not finished */

static json_t *router_pids(const struct daemon *d, bool retired)
{
	pid_t pids[PIDS_MAX];
	size_t n = routerproc_pids(d->router, retired, pids, PIDS_MAX);
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_integer(pids[i]));
	return list;
}

json_t *describe_routers(const struct daemon *d)
{
	return json_pack("{s:o,s:o}", "pids", router_pids(d, false), "retired", router_pids(d, true));
}

json_t *describe_daemon(const struct daemon *d, const struct router_stats *stats)
{
	json_t *listeners = json_array(), *counters = json_null();

	for (size_t i = 0; i < d->n_listeners; i++) {
		const struct config_listener *l = &d->config->listeners[i];
		json_t *protocols = json_array();
		for (int k = 0; k < TRP_PROTO_COUNT; k++)
			if (l->protocols & (1u << k))
				json_array_append_new(protocols, json_string(trp_protocol_words[k]));
		json_array_append_new(listeners, describe_listener(l, protocols));
	}
	if (stats)
		counters = describe_counters(stats);
	return json_pack("{s:s,s:i,s:I,s:s,s:o,s:{s:i},s:{s:i,s:o,s:o,s:o}}", "version", TRP_VERSION, "pid", getpid(), "since",
		(json_int_t)d->started, "config", d->config->file ? d->config->file : "", "listeners", listeners,
		"observer", "pid", observer_pid(d->observer), "router", "pid", routerproc_pid(d->router), "pids", router_pids(d, false), "retired", router_pids(d, true), "stats", counters);
}
