/* SPDX-License-Identifier: ISC */
/* check.c: what can be seen only when all of a profile was read. A key without an effect is a
 * mistake of its author, so it is refused, not ignored. */
#include "load.h"
#include "base/parse.h"
#include "sandbox/seccomp.h"

#include <string.h>

#define DESCRIPTORS_LEFT 16 /* of open-files, besides those that were kept */

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

static void check_steps(const struct profile_loading *l)
{
	const struct profile *p = l->p;

	if (p->setup.n + p->pre_stop.n > PROFILE_STEPS_MAX)
		complain(l, "service", p->setup.n > 0 ? "setup" : "pre-stop", "more than " TRP_STR(PROFILE_STEPS_MAX) " commands, with those of pre-stop");
	if (p->ready == READY_EXIT && p->pre_stop.n > 0)
		complain(l, "service", "pre-stop", "has no effect with ready = exit: it runs only for a service that was ready");
}

/* Any of these was set: it means nothing. */
static void refuse_set(const struct profile_loading *l, const char *section, const char *const *keys, const char *text)
{
	for (; *keys; keys++)
		if (was_set(l, section, *keys))
			complain(l, section, *keys, text);
}

static void check_log(const struct profile_loading *l)
{
	static const char *const of_files[] = {"log-size", "log-files", "log-age", "log-keep", "log-total", "log-compress", NULL},
		*const of_rate[] = {"log-burst", "log-over-rate", NULL};
	const struct profile *p = l->p;

	if (!strv_has(&p->log_to, "file"))
		refuse_set(l, "service", of_files, "has no effect without file in log-to");
	else if (p->log_total < p->log_size)
		complain(l, "service", "log-total", "less than log-size, which one file may have");
	if (p->log_rate == CGROUP_UNLIMITED)
		refuse_set(l, "service", of_rate, "has no effect with log-rate = unlimited");
}

static void check_timer(const struct profile_loading *l)
{
	static const char *const with[] = {"random-delay", "persistent", NULL};
	struct profile *p = l->p;
	const char *key = p->calendars.n > 0 ? "calendar" : p->timer_interval_ms > 0 ? "interval" : "delay-after-boot";

	if (!profile_is_timed(p)) {
		refuse_set(l, "timer", with, "has no effect without calendar, interval or delay-after-boot");
		return;
	}
	if (p->ready != READY_EXIT)
		complain(l, "timer", key, "needs ready = exit in [service]: what is run by time must end");
	if (p->timer_persistent && p->calendars.n == 0 && p->timer_interval_ms == 0)
		complain(l, "timer", "persistent", "has no effect without calendar or interval");
	profile_settle_restart(p);
}

/* Its own, or a relay. */
static void check_program(const struct profile_loading *l)
{
	const struct profile *p = l->p;
	/* with targets it was meant to be a relay */
	const bool needs_command = p->adapter == ADAPTER_LOOPBACK || (p->adapter != ADAPTER_RELAY && p->targets.n == 0);

	if (p->adapter == ADAPTER_RELAY)
		check_relay(l);
	else if (p->adapter == ADAPTER_LOOPBACK)
		check_loopback(l);
	else
		check_no_relay(l);
	if (!needs_command || p->command.n > 0)
		return;
	if (!was_set(l, "service", "command") && !l->lang.lost)
		profile_error(l->errors, p->file, 0, "command",
			"missing in [service], expected a command line with an absolute "
			"path first");
	else if (l->errors->n == 0)
		complain(l, "service", "command", "was reset and not given again");
}

static void check_service(const struct profile_loading *l)
{
	static const char *const of_notify[] = {"reload-timeout", "timeout-extension", NULL};
	const struct profile *p = l->p;
	bool routed = profile_is_routed(p);

	check_program(l);
	if (p->ready == READY_LISTEN && !routed)
		complain(l, "service", "ready", "'listen' needs http, tls or another protocol in [route]");
	if (p->ready == READY_FD && p->ready_fd >= p->limit_open_files)
		complain(l, "service", "ready", "a descriptor with that number needs a larger open-files in [limits]");
	if (p->ready == READY_EXIT && p->restart == RESTART_ALWAYS)
		complain(l, "service", "restart",
			"'always' contradicts ready = exit: it would run in a loop");
	if (p->ready == READY_EXIT && routed)
		complain(l, "service", "ready",
			"'exit' contradicts [route]: it has ended when clients come");
	if (p->ready == READY_EXIT && p->pid_file)
		complain(l, "service", "pid-file",
			"contradicts ready = exit, which waits for the end of the command itself");
	if (p->adapter == ADAPTER_NONE && routed)
		complain(l, "service", "adapter",
			"'none' contradicts [route]: nothing could receive the clients");
	if (p->start == START_ON_DEMAND && !routed)
		complain(l, "service", "start", "'on-demand' needs http, tls or another protocol in [route]: who should start it?");
	if (p->start == START_ON_DEMAND && routed && p->hold_ms == 0)
		complain(l, "route", "hold", "0 contradicts start = on-demand: its first client could not wait until it is up");
	if (was_set(l, "service", "idle-stop") && p->start != START_ON_DEMAND)
		complain(l, "service", "idle-stop", "has no effect without start = on-demand");
	if (p->idle_freeze_ms > 0 && !routed)
		complain(l, "service", "idle-freeze", "needs http, tls or another protocol in [route]: who should make it go on?");
	if (p->idle_freeze_ms > 0 && p->adapter == ADAPTER_RELAY)
		complain(l, "service", "idle-freeze", "has no effect with adapter = relay: nothing runs that could stand still");
	if (p->idle_freeze_ms > 0 && p->start == START_ON_DEMAND && p->idle_stop_ms > 0 && p->idle_stop_ms <= p->idle_freeze_ms)
		complain(l, "service", "idle-freeze", "has no effect: it is stopped before (idle-stop)");
	if (p->overlap == OVERLAP_ALWAYS && p->ready == READY_EXIT)
		complain(l, "service", "overlap", "'always' contradicts ready = exit: it has ended when it could be replaced");
	if (was_set(l, "service", "drain") && p->overlap == OVERLAP_NO)
		complain(l, "service", "drain", "has no effect with overlap = no");
	if (p->reload == RELOAD_NOTIFY && p->ready != READY_NOTIFY)
		complain(l, "service", "reload", "'notify' needs ready = notify");
	if (p->keep_descriptors > 0 && p->ready != READY_NOTIFY)
		complain(l, "service", "keep-descriptors", "needs ready = notify");
	if (p->keep_descriptors + DESCRIPTORS_LEFT > p->limit_open_files)
		complain(l, "service", "keep-descriptors", "needs a larger open-files in [limits]: they and " TRP_STR(DESCRIPTORS_LEFT) " more");
	if (p->watchdog_ms > 0 && p->ready != READY_NOTIFY)
		complain(l, "service", "watchdog", "needs ready = notify");
	if (p->ready != READY_NOTIFY)
		refuse_set(l, "service", of_notify, "has no effect without ready = notify");
	if (p->restart_delay_max_ms < p->restart_delay_ms && was_set(l, "service", "restart-delay-max"))
		complain(l, "service", "restart-delay-max", "shorter than restart-delay");
	else if (p->restart_delay_max_ms < p->restart_delay_ms)
		complain(l, "service", "restart-delay", "longer than restart-delay-max, expected a longer one of that, too");
	if (strv_has(&p->requires, p->service))
		complain(l, "service", "requires", "a service cannot require itself");
	if (strv_has(&p->after, p->service))
		complain(l, "service", "after", "a service cannot start after itself");
	if (strv_has(&p->before, p->service))
		complain(l, "service", "before", "a service cannot start before itself");
	for (size_t i = 0; i < p->before.n; i++)
		if (strv_has(&p->requires, p->before.v[i]) || strv_has(&p->after, p->before.v[i]))
			complain(l, "service", "before", "names a service that it requires or starts after");
	if (strv_has(&p->wants, p->service))
		complain(l, "service", "wants", "a service cannot want itself");
	if (strv_has(&p->conflicts, p->service))
		complain(l, "service", "conflicts", "a service cannot conflict with itself");
	for (size_t i = 0; i < p->conflicts.n; i++)
		if (strv_has(&p->requires, p->conflicts.v[i]) || strv_has(&p->wants, p->conflicts.v[i]))
			complain(l, "service", "conflicts", "names a service that it requires or wants");
}

/* The key of the first protocol of this sort that has a port; NULL: none has. */
static const char *routed_protocol(const struct profile *p, bool with_names)
{
	for (int k = 0; k < TRP_PROTO_COUNT; k++)
		if (p->port[k] && trp_protocol_has_names((enum trp_protocol)k) == with_names)
			return trp_protocol_words[k];
	return NULL;
}

/* A port that was refused is not missing. */
static bool tried_protocol(const struct profile_loading *l)
{
	for (size_t i = 0; i < TRP_PROTO_COUNT; i++)
		if (was_set(l, "route", trp_protocol_words[i]))
			return true;
	return false;
}

static size_t count_words(const struct profile_commands *c)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n; i++)
		n += c->v[i].n;
	return n;
}

static size_t count_mounts(const struct profile *p)
{
	return p->n_binds + p->host_files.n + p->n_secrets + p->state_at.n + p->use.n;
}

/* What no start has room for. */
static void check_room(const struct profile_loading *l)
{
	const struct profile *p = l->p;
	const char *most = p->n_binds > 0 ? "bind" : p->host_files.n > 0 ? "host-files" : p->n_secrets > 0 ? "secret" : "state-at";

	if (count_mounts(p) > PROFILE_MOUNTS_MAX)
		complain(l, "sandbox", most,
			"more than " TRP_STR(PROFILE_MOUNTS_MAX) " lines of bind and words of host-files, secret, state-at and use, all together");
	if (p->command.n + count_words(&p->setup) + count_words(&p->pre_stop) > PROFILE_WORDS_MAX)
		complain(l, "service", "command", "more than " TRP_STR(PROFILE_WORDS_MAX) " words, with those of setup and pre-stop");
	if (p->env.n > PROFILE_VARS_MAX)
		profile_error(l->errors, p->env.v[PROFILE_VARS_MAX].where.file, p->env.v[PROFILE_VARS_MAX].where.line,
			p->env.v[PROFILE_VARS_MAX].name, "more than %d variables in [environment]", PROFILE_VARS_MAX);
}

/* What cannot be had by any start. */
static void check_limits(const struct profile_loading *l)
{
	const struct profile *p = l->p;

	if (p->limit_processes == 1 && p->adapter != ADAPTER_RELAY)
		complain(l, "limits", "processes", "1 is trp-init alone, expected at least 2");
}

static void check_route_limits(const struct profile_loading *l)
{
	static const char *const keys[] = {"rate", "burst", "queue", "hold", "max-connections", NULL};

	if (!profile_is_routed(l->p))
		refuse_set(l, "route", keys, "limits clients, but [route] names no port for a protocol");
	if (was_set(l, "route", "burst") && l->p->route_interval_ns == 0)
		complain(l, "route", "burst", "means nothing without rate, expected rate = 200/s or the like");
}

static void check_route(const struct profile_loading *l)
{
	const struct profile *p = l->p;
	const char *routed = routed_protocol(p, true), *nameless = routed_protocol(p, false);
	bool named = p->hosts.n > 0 || p->default_route;

	if (named && !routed && (nameless || !tried_protocol(l)))
		complain(l, "route", p->hosts.n > 0 ? "host" : "default",
			nameless ? "has no effect: none of the protocols in [route] names a host"
				 : "[route] names no port of the upstream, expected http or tls");
	/* what was refused is not missing */
	if (routed && !named && ((!was_set(l, "route", "host") && !was_set(l, "route", "default")) || l->errors->n == 0))
		complain(l, "route", routed,
			"nobody would get there, expected host or default = yes in "
			"[route]");
	if (p->listeners.n > 0 && !routed && !nameless && !named)
		complain(l, "route", "listener",
			"has no effect without host and http or tls in [route]");
	if (p->plain_http && !p->port[TRP_PROTO_HTTP1] && !was_set(l, "route", "http"))
		complain(l, "route", "plain-http", "has no effect without http in [route]");
	if (p->port[TRP_PROTO_HTTP1] && p->port[TRP_PROTO_HTTP1] == p->port[TRP_PROTO_TLS])
		complain(l, "route", "tls",
			"the same port as http, but they are two protocols: expected two ports");
}

/* A passed socket is fenced by the service's filter too, which does not see what io_uring and socketcall(2) of i386 do. */
static void check_unseen_calls(const struct profile_loading *l)
{
	static const char *const words[] = {"@io-uring", "io_uring_setup", "io_uring_enter", "io_uring_register", "socketcall"};
	const struct profile *p = l->p;
	bool passed = profile_is_routed(p) && p->adapter != ADAPTER_LOOPBACK;

	for (size_t i = 0; passed && i < TRP_ARRAY_SIZE(words); i++)
		if (strv_has(&p->syscalls, words[i])) {
			struct profile_where w = profile_where(p, "sandbox", "syscalls");
			profile_error(l->errors, w.file, w.line, "syscalls",
				"'%s' needs adapter = loopback, because the service gets clients and %s must not "
				"have their sockets",
				words[i], strstr(words[i], "uring") ? "io_uring" : words[i]);
		}
	if (strv_has(&p->syscalls, "socketcall") && !strv_has(&p->architectures, "x86"))
		complain(l, "sandbox", "syscalls", "'socketcall' needs architectures = native x86: it is a system call of i386");
}

/* user-namespaces gives these back whatever syscalls says (box_filter_words()). */
static void check_namespaces(const struct profile_loading *l)
{
	static const char *const removed[] = {"-unshare", "-setns", "-chroot"};
	struct profile_where w = profile_where(l->p, "sandbox", "syscalls");

	for (size_t i = 0; l->p->user_namespaces && i < TRP_ARRAY_SIZE(removed); i++)
		if (strv_has(&l->p->syscalls, removed[i]))
			profile_error(l->errors, w.file, w.line, "syscalls", "'%s' contradicts user-namespaces = yes, which is that call among others",
				removed[i]);
}

static void check_architectures(const struct profile_loading *l)
{
	const struct profile *p = l->p;

	if (!strv_has(&p->architectures, "x86"))
		return;
	if (!seccomp_has_x86())
		complain(l, "sandbox", "architectures", "'x86': this machine has no i386 system calls, expected native");
	else if (!strv_has(&p->architectures, "native"))
		complain(l, "sandbox", "architectures", "'x86' alone: trp-init makes native system calls, expected native x86");
	if (p->adapter == ADAPTER_NOTIFY)
		complain(l, "service", "adapter", "'notify' sees native system calls only, so it contradicts architectures = native x86: expected loopback");
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
	if (!p->state && strv_has(&p->exec_from, "state"))
		complain(l, "sandbox", "exec-from", "'state' needs state = yes");
	if (!p->state && was_set(l, "limits", "state-size"))
		complain(l, "limits", "state-size", "needs state = yes in [sandbox]");
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

static const char *state_target(const struct profile *p, size_t i)
{
	return strchr(p->state_at.v[i], ':') + 1;
}

/* Two things cannot be seen at one place inside. What is shown later hides what was shown below it: first the binds, then state-at, each in their
 * order. */
static void check_bind_target(const struct profile_loading *l, const struct profile_bind *b)
{
	const struct profile *p = l->p;

	for (const struct profile_bind *later = b + 1; later < p->binds + p->n_binds; later++)
		if (trp_path_within(b->target, later->target))
			profile_error(l->errors, b->where.file, b->where.line, "bind",
				"the target '%s' lies in '%s' of %s:%u, which would hide it: expected behind that", b->target, later->target,
				later->where.file, later->where.line);
	for (size_t i = 0; i < p->state_at.n; i++)
		if (strcmp(state_target(p, i), b->target) == 0)
			profile_error(l->errors, b->where.file, b->where.line, "bind", "the target '%s' is taken already by state-at", b->target);
		else if (trp_path_within(b->target, state_target(p, i)))
			profile_error(l->errors, b->where.file, b->where.line, "bind", "the target '%s' lies in that of state-at = %s, which would hide it",
				b->target, p->state_at.v[i]);
}

static void check_targets(const struct profile_loading *l)
{
	const struct profile *p = l->p;
	struct profile_where w = profile_where(p, "sandbox", "state-at");

	for (size_t i = 0; i < p->n_binds; i++)
		check_bind_target(l, &p->binds[i]);
	for (size_t i = 0; i < p->state_at.n; i++)
		for (size_t later = i + 1; later < p->state_at.n; later++)
			if (trp_path_within(state_target(p, i), state_target(p, later)))
				profile_error(l->errors, w.file, w.line, "state-at", "the target of '%s' lies in that of '%s', which would hide it: expected behind that",
					p->state_at.v[i], p->state_at.v[later]);
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
		{"credentials", "credential = NAME:PATH", l->p->n_credentials > 0},
	};

	for (size_t i = 0; i < TRP_ARRAY_SIZE(vars); i++) {
		struct profile_where w = expand_used(l, vars[i].name);
		if (w.line && !vars[i].there)
			profile_error(l->errors, w.file, w.line, NULL,
				"${%s} needs %s in [sandbox]", vars[i].name, vars[i].needs);
	}
}

/* It has no program, so nothing can be said of one. */
static void check_group(const struct profile_loading *l)
{
	const struct profile *p = l->p;

	for (size_t i = 0; i < profile_n_keys; i++) {
		const struct lang_key *k = &profile_keys[i];
		bool fits = strcmp(k->section, "group") == 0 || strcmp(k->name, "description") == 0;
		if (!fits && was_set(l, k->section, k->name))
			complain(l, k->section, k->name, "has no effect in a group, which has members and a description only");
	}
	if (p->env.n > 0)
		profile_error(l->errors, p->env.v[0].where.file, p->env.v[0].where.line, p->env.v[0].name,
			"has no effect in a group, which has members and a description only");
	if (strv_has(&p->members, p->service))
		complain(l, "group", "members", "a group cannot be a member of itself");
}

void check_profile(const struct profile_loading *l)
{
	if (l->p->members.n > 0) {
		check_group(l);
		return;
	}
	if (was_set(l, "group", "members")) {
		complain(l, "group", "members", "was reset and not given again");
		return;
	}
	check_service(l);
	check_steps(l);
	check_log(l);
	check_timer(l);
	check_route(l);
	check_route_limits(l);
	check_health(l);
	check_sandbox(l);
	check_limits(l);
	check_room(l);
	check_unseen_calls(l);
	check_namespaces(l);
	check_architectures(l);
	check_targets(l);
	check_variables(l);
}
