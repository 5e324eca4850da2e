/* SPDX-License-Identifier: ISC */
/* routerproc.c: the set of routers. All that are there share the listeners and the channels; none knows of another. */
#include "base/log.h"
#include "supervisor/keep.h"
#include "supervisor/observer.h"
#include "supervisor/routerset.h"
#include "supervisor/service.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define ROUTER_IDS    "@router" /* their own range: no service can have this name */
#define RESPAWN_MIN   0.1
#define RESPAWN_MAX   10.0
#define REFUSED_MAX   (1024 * sizeof(struct router_msg)) /* their descriptors are ours meanwhile */
#define RETIRE_SECONDS 40.0 /* beyond the longest deadline: for who lingers, and for the router itself */

static void tell_listeners(struct routerproc *r, struct worker *w)
{
	w->listening = true;
	r->only = w;
	for (size_t i = 0; i < r->d->n_listeners; i++)
		routerproc_listener_set(r, i);
	r->only = NULL;
	routers_give_refused(r, w);
}

/* The listeners last: a client must not come before its route. */
static int start(struct routerproc *r, struct worker *w, const struct worker_launch *launch)
{
	struct worker_launch now = *launch;
	int error;

	w->late = 0;
	now.batch = r->d->config->router_scheduling == ROUTER_SCHEDULING_BATCH;
	now.adapts = r->d->config->router_scheduling == ROUTER_SCHEDULING_AUTO;
	now.routers = r->d->config->workers;
	error = worker_spawn(w, &now);
	if (error < 0)
		return error;
	observer_slots(r->d->observer);
	r->only = w;
	routerproc_limits_set(r);
	r->resync(r->d);
	r->only = NULL;
	if (w->role == WORKER_CURRENT && r->listens)
		tell_listeners(r, w);
	worker_sync(w);
	return 0;
}

void routerproc_listen(struct routerproc *r)
{
	r->listens = true;
	for (struct worker *w = r->workers; w; w = w->next)
		if (w->role == WORKER_CURRENT && w->box.pid && !w->listening)
			tell_listeners(r, w);
}

static void remove_worker(struct routerproc *r, struct worker *w)
{
	struct worker **p = &r->workers;

	while (*p != w)
		p = &(*p)->next;
	*p = w->next;
	routers_give_up(r, w);
	worker_free(w);
}

static void retry_later(struct routerproc *r, struct worker *w);

static void on_retry(struct ev_loop *loop, ev_timer *t, int events)
{
	struct worker *w = t->data;
	struct routerproc *r = w->owner;

	(void)loop;
	(void)events;
	if (start(r, w, &r->launch) < 0) {
		log_error("router: cannot be started, will be tried again");
		retry_later(r, w);
	}
}

static void retry_later(struct routerproc *r, struct worker *w)
{
	routers_give_up(r, w);
	worker_later(w, w->delay, on_retry);
	w->delay = w->delay * 2 < RESPAWN_MAX ? w->delay * 2 : RESPAWN_MAX;
}

static void end_upgrade(struct routerproc *r, const char *error)
{
	void (*done)(void *, const char *) = r->upgrade_done;

	r->upgrade_done = NULL;
	trp_close(&r->next_exec_fd);
	done(r->upgrade_data, error);
}

/* Those that serve go on; the new ones are ended. */
static void fail_upgrade(struct routerproc *r, const char *why)
{
	char error[440];

	snprintf(error, sizeof(error), "the new router: %s", why);
	log_error("upgrade given up: %s", error);
	for (struct worker *w = r->workers, *next; w; w = next) {
		next = w->next;
		if (w->role == WORKER_NEXT)
			remove_worker(r, w);
	}
	end_upgrade(r, error);
}

static void ended(struct worker *w)
{
	struct routerproc *r = w->owner;
	char why[sizeof(w->failure)];

	switch (w->role) {
	case WORKER_CURRENT:
		retry_later(r, w);
		break;
	case WORKER_NEXT:
		memcpy(why, w->failure, sizeof(why));
		fail_upgrade(r, why);
		break;
	case WORKER_RETIRED:
		w->last.waiting = 0;
		routers_count(&r->past, &w->last);
		remove_worker(r, w);
		break;
	}
	route_check(r->d);
}

static void on_overdue(struct ev_loop *loop, ev_timer *t, int events)
{
	(void)loop;
	(void)events;
	log_error("a router that was replaced does not end; killing it");
	worker_kill(t->data);
}

/* Whoever waits in it has a deadline, so it has one too. */
static void retire(struct routerproc *r, struct worker *w)
{
	struct router_msg msg = {.type = ROUTER_RETIRE};
	uint64_t longest = 0;

	if (!w->box.pid) {
		remove_worker(r, w); /* was to be started again */
		return;
	}
	for (size_t i = 0; i < r->d->n_listeners; i++)
		if (r->d->config->listeners[i].deadline_ms > longest)
			longest = r->d->config->listeners[i].deadline_ms;
	w->role = WORKER_RETIRED;
	w->listening = false;
	worker_send(w, &msg, -1);
	if (w->adopted)
		routers_await_last_client(r, w);
	worker_later(w, (double)longest / 1000 + RETIRE_SECONDS, on_overdue);
}

/* All that are next are ready: they take over. The daemon has the listeners, so nobody is refused in between. */
static void take_over(struct routerproc *r)
{
	for (struct worker *w = r->workers, *next; w; w = next) {
		next = w->next;
		if (w->role == WORKER_CURRENT)
			retire(r, w);
		else if (w->role == WORKER_NEXT) {
			w->role = WORKER_CURRENT;
			tell_listeners(r, w);
		}
	}
	trp_close(&r->launch.exec_fd);
	r->launch.exec_fd = trp_steal_fd(&r->next_exec_fd);
	end_upgrade(r, NULL);
}

static void now_synced(struct worker *w)
{
	struct routerproc *r = w->owner;

	w->delay = RESPAWN_MIN;
	log_info("router ready (pid %d)", w->box.pid);
	for (struct worker *o = r->workers; o; o = o->next)
		if (w->role == WORKER_NEXT && o->role == WORKER_NEXT && !o->synced)
			return;
	if (w->role == WORKER_NEXT)
		take_over(r);
	job_check(r->d); /* it knows what those that an earlier daemon had were never told */
}

static struct worker *add_worker_at(struct routerproc *r, enum worker_role role, unsigned slot)
{
	struct worker *w = worker_new(r, slot), **last = &r->workers;

	if (!w)
		return NULL;
	w->role = role;
	w->delay = RESPAWN_MIN;
	w->answered = routers_answered;
	w->now_synced = now_synced;
	w->passed = routers_passed;
	w->unread = routers_unread;
	w->ended = ended;
	while (*last)
		last = &(*last)->next;
	*last = w;
	return w;
}

static struct worker *add_worker(struct routerproc *r, enum worker_role role)
{
	unsigned slot = 0;

	for (struct worker *o = r->workers; o;) {
		bool taken = o->slot == slot;
		slot += taken;
		o = taken ? r->workers : o->next;
	}
	return add_worker_at(r, role, slot);
}

/* As many as the configuration says. 0, or -errno with the reason in why. */
static int start_all(struct routerproc *r, enum worker_role role, const struct worker_launch *launch, char *why, size_t size)
{
	int error = 0;

	for (uint64_t i = 0; i < r->d->config->workers && error == 0; i++) {
		struct worker *w = add_worker(r, role);
		error = w ? start(r, w, launch) : -ENOMEM;
		if (error < 0)
			snprintf(why, size, "%s", w && w->failure[0] ? w->failure : strerror(-error));
	}
	return error;
}

void routerproc_upgrade(struct routerproc *r, void (*done)(void *data, const char *error), void *data)
{
	struct worker_launch launch = r->launch;
	char why[400];

	if (r->upgrade_done) {
		done(data, "an upgrade is under way already");
		return;
	}
	r->upgrade_done = done;
	r->upgrade_data = data;
	r->next_exec_fd = launch.exec_fd = daemon_open_program("trp-router");
	if (r->next_exec_fd < 0)
		fail_upgrade(r, strerror(-r->next_exec_fd));
	else if (start_all(r, WORKER_NEXT, &launch, why, sizeof(why)) < 0)
		fail_upgrade(r, why);
}

bool routers_any_adopted(const struct routerproc *r)
{
	for (const struct worker *w = r->workers; w; w = w->next)
		if (w->adopted)
			return true;
	return false;
}

/* Those of an earlier daemon serve on until ours are ready: as in an upgrade. */
static bool adopt(struct routerproc *r)
{
	if (cgroup_adopt(r->d->cgroups, ROUTER_IDS, &r->cgroup) < 0)
		return false;
	r->has_cgroup = true;
	r->launch.cgroup = &r->cgroup;
	for (unsigned slot = 0; slot < LEDGER_SLOTS; slot++) {
		struct worker *w = keep_has(r->d->keep, ROUTER_IDS, "control", slot) ? add_worker_at(r, WORKER_CURRENT, slot) : NULL;
		if (w && !worker_adopt(w, &r->launch))
			remove_worker(r, w);
	}
	if (routers_any_adopted(r))
		return true;
	cgroup_close(&r->cgroup);
	cgroup_clear(r->d->cgroups, ROUTER_IDS);
	r->has_cgroup = false;
	r->launch.cgroup = NULL;
	return false;
}

static int open_launch(struct routerproc *r, char *err, size_t err_size)
{
	/* coarse: what starting needs; the router then locks itself down to the calls of its loop and tries it */
	static const char *const words[] = {"@default", "seccomp"};
	struct cgroup_limits limits = CGROUP_NO_LIMITS;
	struct daemon *d = r->d;
	int error;

	r->launch = (struct worker_launch){.loop = d->loop, .seccomp = &r->seccomp, .ledgers = d->ledgers, .keep = d->keep,
		.live_fd = observer_live_fd(d->observer)};
	r->launch.exec_fd = daemon_open_program("trp-router");
	error = r->launch.exec_fd < 0 ? r->launch.exec_fd : seccomp_compile(words, TRP_ARRAY_SIZE(words), &r->seccomp);
	if (error == 0)
		error = ids_get(d->ids, ROUTER_IDS, &r->launch.uid_base);
	if (error < 0 || !d->cgroups)
		return error;
	/* every client of every service needs it for a moment: it must not queue behind services that use up the processors */
	limits.cpu_weight = CGROUP_WEIGHT_MAX;
	if (adopt(r))
		return 0;
	error = cgroup_create(d->cgroups, ROUTER_IDS, &limits, &r->cgroup, err, err_size);
	if (error < 0)
		log_error("router: %s", err);
	r->has_cgroup = error == 0;
	r->launch.cgroup = &r->cgroup;
	return error;
}

static void on_knock(void *data)
{
	struct routerproc *r = data;

	for (struct worker *w = r->workers; w; w = w->next)
		worker_ping(w);
}

/* Ours could not take over: then the others must not go on with what nobody tells them of any more. */
static void on_adopted(void *data, const char *error)
{
	struct routerproc *r = data;

	if (!error)
		return;
	for (struct worker *w = r->workers; w; w = w->next)
		if (w->adopted)
			worker_kill(w); /* ended() starts another in its place */
}

static int start_first(struct routerproc *r, char *why, size_t size)
{
	int error;

	if (!routers_any_adopted(r))
		return start_all(r, WORKER_CURRENT, &r->launch, why, size);
	log_info("the routers of an earlier trpsupd serve until others are ready");
	r->upgrade_done = on_adopted;
	r->upgrade_data = r;
	r->next_exec_fd = fcntl(r->launch.exec_fd, F_DUPFD_CLOEXEC, 0);
	error = start_all(r, WORKER_NEXT, &r->launch, why, size);
	if (error < 0)
		fail_upgrade(r, why);
	return 0;
}

int routerproc_open(struct daemon *d, void (*resync)(struct daemon *d), struct routerproc **ret, char *err, size_t err_size)
{
	struct routerproc *r = calloc(1, sizeof(*r));
	char why[400] = "";
	int error;

	if (!r)
		return -ENOMEM;
	r->d = d;
	r->resync = resync;
	r->next_exec_fd = -1;
	r->watch.epoll_fd = -1;
	r->refused.max = REFUSED_MAX;
	STAILQ_INIT(&r->questions);
	STAILQ_INIT(&r->barriers);
	error = open_launch(r, err, err_size);
	if (error == 0) {
		d->router = r;
		error = start_first(r, why, sizeof(why));
	}
	if (error < 0) {
		snprintf(err, err_size, "trp-router: %s", why[0] ? why : strerror(-error));
		d->router = NULL;
		routerproc_close(r);
		return error;
	}
	r->watch = (struct routerwatch){.loop = d->loop, .listeners = &d->listeners, .n_listeners = &d->n_listeners,
		.knocked = on_knock, .data = r};
	routerwatch_start(&r->watch);
	*ret = r;
	return 0;
}

void routerproc_close(struct routerproc *r)
{
	if (!r)
		return;
	routerwatch_stop(&r->watch);
	if (r->upgrade_done)
		end_upgrade(r, "the daemon stops");
	for (struct worker *w = r->workers; w; w = w->next)
		worker_kill(w); /* all, before the first is waited for */
	routers_drop_barriers(r);
	while (r->workers)
		remove_worker(r, r->workers);
	outbox_clear(&r->refused);
	if (r->has_cgroup)
		cgroup_remove(r->d->cgroups, &r->cgroup, 1000);
	seccomp_filter_free(&r->seccomp);
	trp_close(&r->launch.exec_fd);
	trp_close(&r->next_exec_fd);
	free(r);
}

size_t routerproc_pids(const struct routerproc *r, bool retired, pid_t *ret_pids, size_t max)
{
	size_t n = 0;

	for (const struct worker *w = r ? r->workers : NULL; w && n < max; w = w->next)
		if (w->box.pid && w->role == (retired ? WORKER_RETIRED : WORKER_CURRENT))
			ret_pids[n++] = w->box.pid;
	return n;
}

size_t routerproc_all(const struct routerproc *r, pid_t *ret_pids, size_t max)
{
	size_t n = 0;

	for (const struct worker *w = r->workers; w && n < max; w = w->next)
		if (w->box.pid)
			ret_pids[n++] = w->box.pid;
	return n;
}

bool routerproc_is_upgrading(const struct routerproc *r)
{
	return r->upgrade_done != NULL;
}

pid_t routerproc_pid(const struct routerproc *r)
{
	pid_t pid;

	return routerproc_pids(r, false, &pid, 1) ? pid : 0;
}
