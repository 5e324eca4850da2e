/* SPDX-License-Identifier: ISC */
/* check.c: what can be seen only when all of a profile was read. A key without an effect is a
 * mistake of its author, so it is refused, not ignored. */
#include "load.h"

#include <string.h>

static void complain(
	const struct profile_loading *l, const char *section, const char *key, const char *text)
{
	struct profile_where w = profile_where(l->p, section, key);

	profile_error(l->errors, w.file, w.line, key, "%s", text);
}

static bool was_set(const struct profile_loading *l, const char *section, const char *key)
{
	return profile_where(l->p, section, key).line != 0;
}

static void check_service(const struct profile_loading *l)
{
	const struct profile *p = l->p;
	bool routed = p->port[ROUTE_HTTP] || p->port[ROUTE_TLS];

	if (p->adapter == ADAPTER_RELAY || p->targets.n > 0)
		check_relay(l);
	else if (p->command.n == 0 && !was_set(l, "service", "command") && !l->lang.lost)
		profile_error(l->errors, p->file, 0, "command",
			"missing in [service], expected a command line with an absolute "
			"path first");
	else if (p->command.n == 0 && l->errors->n == 0)
		complain(l, "service", "command", "was reset and not given again");
	if (p->ready == READY_LISTEN && !routed)
		complain(l, "service", "ready", "'listen' needs http or tls in [route]");
	if (p->ready == READY_EXIT && p->restart == RESTART_ALWAYS)
		complain(l, "service", "restart",
			"'always' contradicts ready = exit: it would run in a loop");
	if (p->ready == READY_EXIT && routed)
		complain(l, "service", "ready",
			"'exit' contradicts [route]: it has ended when clients come");
	if (p->adapter == ADAPTER_NONE && routed)
		complain(l, "service", "adapter",
			"'none' contradicts [route]: nothing could receive the clients");
	if (p->restart_delay_max_ms < p->restart_delay_ms)
		complain(l, "service", "restart-delay-max", "shorter than restart-delay");
	if (strv_has(&p->requires, p->service))
		complain(l, "service", "requires", "a service cannot require itself");
	if (strv_has(&p->after, p->service))
		complain(l, "service", "after", "a service cannot start after itself");
}

static void check_route(const struct profile_loading *l)
{
	const struct profile *p = l->p;
	bool routed = p->port[ROUTE_HTTP] || p->port[ROUTE_TLS],
	     named = p->hosts.n > 0 || p->default_route;

	if (named && !routed && !was_set(l, "route", "http") && !was_set(l, "route", "tls"))
		complain(l, "route", p->hosts.n > 0 ? "host" : "default",
			"[route] names no port of the upstream, expected http or tls");
	if (routed && !named && !was_set(l, "route", "host") && !was_set(l, "route", "default"))
		complain(l, "route", p->port[ROUTE_HTTP] ? "http" : "tls",
			"nobody would get there, expected host or default = yes in "
			"[route]");
	if (p->listeners.n > 0 && !routed && !named)
		complain(l, "route", "listener",
			"has no effect without host and http or tls in [route]");
	if (routed && p->port[ROUTE_HTTP] == p->port[ROUTE_TLS])
		complain(l, "route", "tls",
			"the same port as http, but they are two protocols: expected two ports");
}

static void check_sandbox(const struct profile_loading *l)
{
	const struct profile *p = l->p;

	if (p->root == ROOT_PACKAGES && p->packages.n == 0 &&
		(l->errors->n == 0 || !was_set(l, "sandbox", "packages")))
		complain(l, "sandbox", "root", "'packages' needs packages = NAME... in [sandbox]");
	if (p->root != ROOT_PACKAGES && p->packages.n > 0)
		complain(l, "sandbox", "packages", "needs root = packages");
	if (p->root != ROOT_PACKAGES && p->suite)
		complain(l, "sandbox", "suite", "needs root = packages");
	if (p->root != ROOT_HOST && p->host_files.n > 0)
		complain(l, "sandbox", "host-files", "needs root = host");
	if (!p->state && p->state_at.n > 0)
		complain(l, "sandbox", "state-at", "needs state = yes");
	for (size_t i = 0; i < p->use.n; i++)
		if (!strv_has(&p->requires, p->use.v[i])) {
			struct profile_where w = profile_where(p, "sandbox", "use");
			profile_error(l->errors, w.file, w.line, "use", "'%s' is not in requires",
				p->use.v[i]);
		}
	for (size_t i = 0; i < p->n_secrets; i++) {
		const struct profile_secret *s = &p->secrets[i];
		if (s->service && !strv_has(&p->requires, s->service))
			profile_error(l->errors, s->where.file, s->where.line, "secret",
				"'%s/%s': '%s' is not in requires", s->service, s->name,
				s->service);
	}
}

/* Two things cannot be seen at one place inside. */
static void check_targets(const struct profile_loading *l)
{
	const struct profile *p = l->p;

	for (size_t i = 0; i < p->n_binds; i++)
		for (size_t j = 0; j < p->state_at.n; j++)
			if (strcmp(strchr(p->state_at.v[j], ':') + 1, p->binds[i].target) == 0)
				profile_error(l->errors, p->binds[i].where.file,
					p->binds[i].where.line, "bind",
					"the target '%s' is taken already by state-at",
					p->binds[i].target);
}

/* A variable that names something which this profile does not have. */
static void check_variables(const struct profile_loading *l)
{
	const struct {
		const char *name, *needs;
		bool there;
	} vars[] = {
		{"state", "state = yes", l->p->state},
		{"publish", "publish = yes", l->p->publish},
		{"secrets", "secret = NAME", l->p->n_secrets > 0},
	};

	for (size_t i = 0; i < TRP_ARRAY_SIZE(vars); i++) {
		struct profile_where w = expand_used(l, vars[i].name);
		if (w.line && !vars[i].there)
			profile_error(l->errors, w.file, w.line, NULL,
				"${%s} needs %s in [sandbox]", vars[i].name, vars[i].needs);
	}
}

void check_profile(const struct profile_loading *l)
{
	check_service(l);
	check_route(l);
	check_sandbox(l);
	check_targets(l);
	check_variables(l);
}
