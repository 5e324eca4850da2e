/* SPDX-License-Identifier: ISC */
#include "supervisor/describe.h"
#include "supervisor/adapter.h"
#include "supervisor/controlmsg.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static json_t *number_or_null(uint64_t v)
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
		if (s->channels[i].port == port && s->channels[i].listened && s->served)
			return true;
	return false;
}

static const char *const kind_names[ROUTE_KINDS] = {[ROUTE_HTTP] = "http", [ROUTE_TLS] = "tls"};

/* Routes, and the addresses that a person would type. */
static void describe_routes(const struct service *s, json_t *out)
{
	static const struct {
		const char *scheme;
		uint16_t port;
	} usual[ROUTE_KINDS] = {[ROUTE_HTTP] = {"http", 80}, [ROUTE_TLS] = {"https", 443}};
	const struct profile *p = s->profile;
	json_t *routes = json_array(), *urls = json_array();

	for (size_t h = 0; h < p->hosts.n + p->default_route; h++) {
		const char *host = h < p->hosts.n ? p->hosts.v[h] : "*";
		for (int kind = 0; kind < ROUTE_KINDS; kind++) {
			json_t *listeners = json_array();
			char url[400];
			for (size_t l = 0; p->port[kind] && l < s->d->n_listeners; l++) {
				uint16_t port = s->d->config->listeners[l].port;
				if (!daemon_listener_carries(s->d, l, p, (enum profile_route_kind)kind))
					continue;
				json_array_append_new(listeners, json_string(s->d->config->listeners[l].name));
				if (host[0] == '*')
					continue;
				if (port == usual[kind].port)
					snprintf(url, sizeof(url), "%s://%s/", usual[kind].scheme, host);
				else
					snprintf(url, sizeof(url), "%s://%s:%u/", usual[kind].scheme, host, port);
				json_array_append_new(urls, json_string(url));
			}
			if (p->port[kind])
				json_array_append_new(routes,
					json_pack("{s:s,s:s,s:i,s:o,s:b}", "host", host, "protocol", kind_names[kind],
						"port", p->port[kind], "listeners", listeners, "up",
						is_up(s, p->port[kind])));
			else
				json_decref(listeners);
		}
	}
	json_object_set_new(out, "routes", routes);
	json_object_set_new(out, "urls", urls);
}

static void describe_use(const struct service *s, json_t *out)
{
	uint64_t memory = UINT64_MAX, pids = UINT64_MAX, cpu = UINT64_MAX;
	json_t *listens = json_array();

	if (s->has_cgroup && s->run.running)
		cgroup_usage(&s->cgroup, &memory, &pids, &cpu);
	json_object_set_new(out, "memory", number_or_null(memory));
	json_object_set_new(out, "processes", number_or_null(pids));
	json_object_set_new(out, "cpu_us", number_or_null(cpu));
	for (size_t i = 0; i < s->n_channels; i++)
		if (s->channels[i].taken && s->run.running)
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

json_t *describe_service(const struct service *s)
{
	const struct profile *p = s->profile;
	json_t *o = json_pack("{s:s,s:s,s:s,s:I,s:o,s:i,s:o,s:s,s:o,s:I}", "service", s->name, "description",
		p->description ? p->description : "", "state", service_state_name(s->state), "since",
		(json_int_t)s->since, "pid", s->run.running ? json_integer(s->run.box.pid) : json_null(), "restarts",
		(int)s->restarts, "message", controlmsg_string(s->message, strlen(s->message)), "profile", p->file, "requires", words(&p->requires), "uid_base",
		(json_int_t)s->uid_base);

	if (!o)
		return json_object();
	json_object_set_new(o, "wanted", json_boolean(s->wanted));
	json_object_set_new(o, "root", root_text(p));
	describe_routes(s, o);
	describe_use(s, o);
	describe_adapter(s, o);
	return o;
}

json_t *describe_daemon(const struct daemon *d, const struct router_stats *stats)
{
	json_t *listeners = json_array(), *counters = json_null();

	for (size_t i = 0; i < d->n_listeners; i++) {
		const struct config_listener *l = &d->config->listeners[i];
		json_t *protocols = json_array();
		for (int kind = 0; kind < ROUTE_KINDS; kind++)
			if (l->protocols & (1u << route_protocol((enum profile_route_kind)kind)))
				json_array_append_new(protocols, json_string(kind_names[kind]));
		json_array_append_new(listeners,
			json_pack("{s:s,s:i,s:o}", "name", l->name, "port", l->port, "protocols", protocols));
	}
	if (stats)
		counters = json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "accepted", (json_int_t)stats->accepted,
			"handed_on", (json_int_t)stats->handed_on, "no_route", (json_int_t)stats->no_route, "no_service",
			(json_int_t)stats->no_service, "queue_full", (json_int_t)stats->queue_full, "bad_request",
			(json_int_t)stats->bad_request, "wrong_protocol", (json_int_t)stats->wrong_protocol, "timed_out",
			(json_int_t)stats->timed_out, "closed_early", (json_int_t)stats->closed_early, "waiting",
			(json_int_t)stats->waiting);
	return json_pack("{s:s,s:i,s:I,s:s,s:o,s:{s:i,s:o}}", "version", TRP_VERSION, "pid", getpid(), "since",
		(json_int_t)d->started, "config", d->config->file ? d->config->file : "", "listeners", listeners, "router",
		"pid", routerproc_pid(d->router), "stats", counters);
}
