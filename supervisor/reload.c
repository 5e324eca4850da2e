/* SPDX-License-Identifier: ISC */
#include "supervisor/reload.h"
#include "base/log.h"
#include "supervisor/live.h"
#include "supervisor/load.h"
#include "supervisor/logger.h"
#include "supervisor/service.h"

#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define NONE SIZE_MAX

/* Old and new listeners are told apart by what they are bound to, so that one can be renamed, too. */
struct reload {
	struct daemon *d;
	struct config *next;
	struct listener *listeners; /* of next, in its order */
	size_t *from;               /* for each: the old one whose socket it keeps, or NONE */
	bool *kept, *parked;        /* for each old one */
	struct profile_paths paths;
	struct load_set *set; /* the services' profiles */
	struct strv gone;
	struct profile_errors *errors;
	struct strv *changes;
};

#define say(r, ...) (void)strv_push_format((r)->changes, __VA_ARGS__)

static void keep_text(struct reload *r, const char *key, char **mine, char **theirs)
{
	char *t = *mine;

	if (strcmp(*mine, *theirs) != 0)
		say(r, "%s: stays %s until the daemon is restarted", key, *mine);
	/* the old string lives on in the new configuration: others may have it */
	*mine = *theirs;
	*theirs = t;
}

static void keep_number(struct reload *r, const char *key, const uint64_t *mine, uint64_t *theirs)
{
	if (*mine != *theirs)
		say(r, "%s: stays %llu until the daemon is restarted", key, (unsigned long long)*mine);
	*theirs = *mine;
}

static bool same_words(const struct strv *a, const struct strv *b)
{
	bool same = a->n == b->n;

	for (size_t i = 0; i < a->n && same; i++)
		same = strcmp(a->v[i], b->v[i]) == 0;
	return same;
}

/* One that does not exist is no reason to refuse the rest, as it is none at a start; but then nobody would see it. */
static void compare_start(struct reload *r)
{
	struct profile_errors missing = {0};

	say(r, "start: counts when the daemon is started the next time");
	config_check_start(r->next, &r->paths, &missing);
	for (size_t i = 0; i < missing.n; i++)
		say(r, "%s", missing.v[i]);
	profile_errors_free(&missing);
}

/* What is open or mounted by these names stays so as long as the daemon runs. */
static void compare_daemon(struct reload *r)
{
	struct config *old = r->d->config, *next = r->next;

	if (!same_words(&old->profile_dirs, &next->profile_dirs))
		say(r, "profile-dirs: changed");
	if (!same_words(&old->start, &next->start))
		compare_start(r);
	if (old->workers != next->workers)
		say(r, "workers: counts when the routers are replaced (trpsup upgrade-router) or the daemon is restarted");
	if (old->router_scheduling != next->router_scheduling)
		say(r, "router-scheduling: counts when the routers are replaced (trpsup upgrade-router) or the daemon is restarted");
	if (old->client_interval_ns != next->client_interval_ns || old->client_burst != next->client_burst ||
		old->client_waiting_permille != next->client_waiting_permille)
		say(r, "[clients]: limits changed");
	if (old->cpu_weight != next->cpu_weight)
		say(r, "cpu-weight: changed");
	if (old->log_total != next->log_total)
		say(r, "log-total: changed");
}

static void tell_log_limits(struct daemon *d)
{
	for (struct service *s = d->services; s; s = s->next) {
		struct log_limits limits;
		if (!s->profile)
			continue;
		logger_limits(d, s->profile, &limits);
		logs_set_limits(s->logs, &limits);
	}
}

static void keep_fixed(struct reload *r)
{
	struct config *old = r->d->config, *next = r->next;

	keep_text(r, "run-dir", &old->run_dir, &next->run_dir);
	keep_text(r, "state-dir", &old->state_dir, &next->state_dir);
	keep_text(r, "log-dir", &old->log_dir, &next->log_dir);
	keep_text(r, "syslog-socket", &old->syslog_socket, &next->syslog_socket);
	keep_text(r, "journal-socket", &old->journal_socket, &next->journal_socket);
	keep_text(r, "cgroup", &old->cgroup, &next->cgroup);
	keep_number(r, "uid-base", &old->uid_base, &next->uid_base);
	keep_number(r, "uid-ranges", &old->uid_ranges, &next->uid_ranges);
	keep_number(r, "access-log-size", &old->access_log_size, &next->access_log_size);
	keep_number(r, "access-log-files", &old->access_log_files, &next->access_log_files);
	if (old->access_log != next->access_log)
		say(r, "access-log: stays as it is until the daemon is restarted");
	next->access_log = old->access_log;
	next->not_observed = false; /* that says it */
}

/* The profiles of all services that are up, as they are now: each must be right, all together, and their names must be served by somebody. */
static int read_services(struct reload *r)
{
	size_t before = r->errors->n;
	int e;

	config_profile_paths(r->next, &r->paths);
	config_check_defaults(r->next, &r->paths, r->errors);
	e = load_all(r->d, r->next, &r->paths, &r->set, &r->gone, r->errors);
	return e == 0 && r->errors->n > before ? -EINVAL : e;
}

/* What can be put in force at once is. */
static void apply_services(struct reload *r)
{
	load_say(r->set, r->changes);
	if (load_give(trp_steal_ptr(&r->set)) < 0)
		say(r, "not all profiles were taken: out of memory");
	for (size_t i = 0; i < r->gone.n; i++)
		say(r, "%s: its profile is gone; it goes on with the one that it has", r->gone.v[i]);
	live_apply_all(r->d, r->changes);
}

/* An interface that was made anew has another number, and the old socket hears nothing any more. */
static bool same_device(const struct config_listener *a, const struct listener *l, const struct config_listener *b)
{
	if (!a->device || !b->device)
		return !a->device && !b->device;
	return strcmp(a->device, b->device) == 0 && (int)if_nametoindex(b->device) == l->ifindex;
}

static bool same_socket(const struct config_listener *a, const struct listener *l, const struct config_listener *b)
{
	if (a->fd_name || b->fd_name)
		return a->fd_name && b->fd_name && strcmp(a->fd_name, b->fd_name) == 0 && a->port == b->port;
	return a->port == b->port && a->family == b->family && a->has_address == b->has_address &&
		(!a->has_address || IN6_ARE_ADDR_EQUAL(&a->ip, &b->ip)) && same_device(a, l, b);
}

static void match(struct reload *r)
{
	const struct daemon *d = r->d;

	for (size_t i = 0; i < r->next->n_listeners; i++) {
		r->from[i] = NONE;
		for (size_t j = 0; j < d->n_listeners && r->from[i] == NONE; j++)
			if (same_socket(&d->config->listeners[j], &d->listeners[j], &r->next->listeners[i])) {
				r->from[i] = j;
				r->kept[j] = true;
				r->listeners[i] = d->listeners[j];
			}
	}
}

/* As long as an old one listens, nothing that overlaps it can be bound. It is shut down, not closed: should the new one not
 * come about, it listens again, with the same filter in the same group. */
static void park(struct reload *r, size_t i)
{
	struct daemon *d = r->d;

	for (size_t j = 0; j < d->n_listeners; j++) {
		if (r->kept[j] || r->parked[j] ||
			!config_listeners_overlap(&d->config->listeners[j], &r->next->listeners[i]))
			continue;
		routerproc_listener_del(d->router, d->listeners[j].id);
		shutdown(d->listeners[j].fd, SHUT_RD);
		r->parked[j] = true;
	}
}

static int open_new(struct reload *r)
{
	char err[300];

	for (size_t i = 0; i < r->next->n_listeners; i++)
		if (r->from[i] == NONE)
			park(r, i);
	for (size_t i = 0; i < r->next->n_listeners; i++) {
		const struct config_listener *c = &r->next->listeners[i];
		int e;
		if (r->from[i] != NONE)
			continue;
		e = listener_open(c, ++r->d->last_listener_id, r->d->cgroup_dir, &r->listeners[i], err, sizeof(err));
		if (e < 0) {
			profile_error(r->errors, c->where.file, c->where.line, NULL, "%s", err);
			return e;
		}
	}
	return 0;
}

static void undo(struct reload *r)
{
	struct daemon *d = r->d;

	for (size_t i = 0; i < r->next->n_listeners; i++)
		if (r->from[i] == NONE && r->listeners[i].fd >= 0)
			listener_close(&r->listeners[i], d->cgroup_dir);
	for (size_t j = 0; j < d->n_listeners; j++) {
		if (!r->parked[j])
			continue;
		if (listener_relisten(&d->listeners[j]) < 0)
			log_error("listener %s: cannot listen again: %m", d->config->listeners[j].name);
		routerproc_listener_set(d->router, j);
	}
}

static bool same_trust(const struct config_listener *a, const struct config_listener *b)
{
	return a->n_trusted == b->n_trusted &&
	       (a->n_trusted == 0 || memcmp(a->trusted, b->trusted, a->n_trusted * sizeof(*a->trusted)) == 0);
}

static bool same_words_or_none(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* A listener that keeps its socket. */
static void update_kept(struct reload *r, const struct config_listener *a, const struct listener *was, size_t i)
{
	const struct config_listener *b = &r->next->listeners[i];
	const struct listener *l = &r->d->listeners[i];

	if (strcmp(a->name, b->name) != 0)
		say(r, "listener %s: is called %s now", a->name, b->name);
	if (a->protocols != b->protocols)
		say(r, "listener %s: protocols changed", b->name);
	if (a->deadline_ms != b->deadline_ms)
		say(r, "listener %s: deadline changed", b->name);
	if (!same_trust(a, b))
		say(r, "listener %s: proxy-protocol changed", b->name);
	if (!same_words_or_none(a->default_service, b->default_service))
		say(r, "listener %s: default is %s now", b->name, b->default_service ? b->default_service : "nobody");
	if (a->redirect_https != b->redirect_https)
		say(r, "listener %s: clients %s sent to https now", b->name, b->redirect_https ? "are" : "are not");
	if (a->protocols == b->protocols && a->deadline_ms == b->deadline_ms && same_trust(a, b) &&
		was->redirect_to == l->redirect_to && was->redirect_port == l->redirect_port)
		return;
	listener_update(&r->d->listeners[i], b);
	routerproc_listener_set(r->d->router, i);
}

/* The router: nobody comes in any more where a listener is to go; then routes; then the new ones, so that no client finds
 * a listener without them. */
static void commit(struct reload *r)
{
	struct daemon *d = r->d;
	struct config *old = d->config;
	struct listener *old_listeners = d->listeners;
	size_t n_old = d->n_listeners;
	char text[CONFIG_LISTENER_TEXT];

	for (size_t j = 0; j < n_old; j++)
		if (!r->kept[j] && !r->parked[j])
			routerproc_listener_del(d->router, old_listeners[j].id);
	keep_fixed(r);
	d->config = r->next;
	d->listeners = r->listeners;
	d->n_listeners = r->next->n_listeners;
	listeners_redirect(d->config, d->listeners);
	config_profile_paths(d->config, &d->paths);
	route_reconfigure(d, old, old_listeners, n_old);
	for (size_t i = 0; i < d->n_listeners; i++) {
		const struct config_listener *c = &d->config->listeners[i];
		if (r->from[i] != NONE) {
			update_kept(r, &old->listeners[r->from[i]], &old_listeners[r->from[i]], i);
			continue;
		}
		config_listener_text(c, text);
		say(r, "listener %s: added, %s", c->name, text);
		routerproc_listener_set(d->router, i);
	}
	routerproc_limits_set(d->router);
	tell_log_limits(d);
	daemon_set_weight(d);
	listeners_keep(d->keep, d->config, d->listeners, d->n_listeners);
	for (size_t j = 0; j < n_old; j++) {
		int e;
		if (r->kept[j])
			continue;
		config_listener_text(&old->listeners[j], text);
		say(r, "listener %s: removed, %s", old->listeners[j].name, text);
		e = listener_retire(&old_listeners[j], d->cgroup_dir);
		if (e < 0)
			log_error("listener %s: its sockets cannot be kept from listening: %s", old->listeners[j].name,
				strerror(-e));
	}
	free(old_listeners);
	config_free(old);
	r->next = NULL;
	r->listeners = NULL;
}

static int prepare(struct reload *r)
{
	size_t n_old = r->d->n_listeners, n = r->next->n_listeners;

	r->listeners = calloc(n + 1, sizeof(*r->listeners));
	r->from = calloc(n + 1, sizeof(*r->from));
	r->kept = calloc(n_old + 1, sizeof(*r->kept));
	r->parked = calloc(n_old + 1, sizeof(*r->parked));
	if (!r->listeners || !r->from || !r->kept || !r->parked)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		r->listeners[i].fd = r->listeners[i].cgroup_fd = -1;
	r->next->not_observed = r->d->config->access_log == ACCESS_LOG_NO;
	return 0;
}

int reload_config(struct daemon *d, struct strv *changes, struct profile_errors *errors)
{
	struct reload r = {.d = d, .errors = errors, .changes = changes};
	int e = config_load(d->config_path, &r.next, errors);

	if (e == 0)
		e = prepare(&r);
	if (e == 0)
		e = read_services(&r);
	if (e == 0) {
		match(&r);
		e = open_new(&r);
		if (e < 0)
			undo(&r);
	}
	if (e == 0) {
		compare_daemon(&r);
		commit(&r);
		apply_services(&r);
	}
	load_free(r.set);
	strv_free(&r.gone);
	config_free(r.next);
	free(r.listeners);
	free(r.from);
	free(r.kept);
	free(r.parked);
	return e;
}
