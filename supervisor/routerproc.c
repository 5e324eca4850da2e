/* SPDX-License-Identifier: ISC */
/* routerproc.c: the set of routers. All that are there share the listeners and the channels; none knows of another. */
#include "supervisor/routerproc.h"
#include "base/log.h"
#include "sandbox/seccomp.h"
#include "supervisor/daemon.h"
#include "supervisor/keep.h"
#include "supervisor/observer.h"
#include "supervisor/routerwatch.h"
#include "supervisor/service.h"
#include "supervisor/worker.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#define ROUTER_IDS    "@router" /* their own range: no service can have this name */
#define RESPAWN_MIN   0.1
#define RESPAWN_MAX   10.0
#define STATS_SECONDS 2.0
#define RETIRE_SECONDS 12.0 /* beyond the longest deadline: for who lingers, and for the router itself */

struct routerproc {
	struct daemon *d;
	void (*resync)(struct daemon *d);
	struct seccomp_filter seccomp;
	struct cgroup cgroup; /* without limits: so that a later daemon finds routers that were left */
	bool has_cgroup;
	struct worker_launch launch;
	struct worker *workers;
	struct worker *only; /* what is told is for this one */
	struct routerwatch watch;

	struct router_stats past; /* of those that have finished */
	struct router_stats sum;
	size_t n_asked, n_answers;
	ev_timer stats_timer;
	void (*stats_done)(void *data, const struct router_stats *stats);
	void *stats_data;

	STAILQ_HEAD(, question) questions;
	STAILQ_HEAD(, barrier) barriers;
	uint32_t last_barrier;

	int next_exec_fd; /* -1: no upgrade is under way */
	void (*upgrade_done)(void *data, const char *error);
	void *upgrade_data;
};

static void stats_add(struct router_stats *sum, const struct router_stats *s)
{
	uint64_t *to = (uint64_t *)sum;
	const uint64_t *from = (const uint64_t *)s;

	for (size_t i = 0; i < sizeof(*s) / sizeof(*from); i++)
		to[i] += from[i];
}

/* One router that has not yet done what it was told. */
struct barrier {
	STAILQ_ENTRY(barrier) link;
	const struct worker *asked;
	uint32_t seq, number; /* of those with one number the last to go calls done() */
	void (*done)(void *data, bool all);
	void *data;
};

/* w has done what it was told up to seq, or has ended. */
static void pass_barriers(struct routerproc *r, const struct worker *w, const uint32_t *seq)
{
	struct barrier *b, *next, *o;

	for (b = STAILQ_FIRST(&r->barriers); b; b = next) {
		next = STAILQ_NEXT(b, link);
		if (b->asked != w || (seq && (int32_t)(*seq - b->seq) < 0))
			continue;
		STAILQ_REMOVE(&r->barriers, b, barrier, link);
		STAILQ_FOREACH(o, &r->barriers, link)
			if (o->number == b->number)
				break;
		if (!o && b->done) {
			b->done(b->data, true); /* may ask for another */
			next = STAILQ_FIRST(&r->barriers);
		}
		free(b);
	}
}

static void passed(struct worker *w, uint32_t seq)
{
	pass_barriers(w->owner, w, &seq);
}

/* A ROUTER_EXPLAIN that is not answered yet */
struct question {
	STAILQ_ENTRY(question) link;
	const struct worker *asked;
	uint32_t seq;
	void (*done)(void *data, const struct router_msg *answer);
	void *data;
};

/* The first that waits for an answer of w. answer NULL: it gets none. False: nobody waits for that. */
static bool give_answer(struct routerproc *r, const struct worker *w, const struct router_msg *answer)
{
	struct question *q = STAILQ_FIRST(&r->questions);

	while (q && q->asked != w)
		q = STAILQ_NEXT(q, link);
	if (!q || (answer && answer->seq != q->seq))
		return false;
	STAILQ_REMOVE(&r->questions, q, question, link);
	q->done(q->data, answer);
	free(q);
	return true;
}

/* A worker has answered, or never will. */
static void stats_one_less(struct routerproc *r, struct worker *w)
{
	void (*done)(void *, const struct router_stats *) = r->stats_done;

	if (!w->asked)
		return;
	w->asked = false;
	if (--r->n_asked > 0)
		return;
	ev_timer_stop(r->d->loop, &r->stats_timer);
	stats_add(&r->sum, &r->past);
	r->stats_done = NULL;
	done(r->stats_data, r->n_answers ? &r->sum : NULL);
}

/* One that does not answer keeps nobody waiting; its answer may come later. */
static void on_no_stats(struct ev_loop *loop, ev_timer *t, int events)
{
	struct routerproc *r = t->data;

	(void)loop;
	(void)events;
	for (struct worker *w = r->workers; w; w = w->next) {
		w->late += w->asked;
		if (w->asked)
			worker_ping(w);
		stats_one_less(r, w);
	}
}

/* What it was asked is not going to be answered. */
static void give_up(struct routerproc *r, struct worker *w)
{
	stats_one_less(r, w);
	pass_barriers(r, w, NULL);
	while (give_answer(r, w, NULL))
		;
}

static bool answered(struct worker *w, const struct router_msg *m)
{
	struct routerproc *r = w->owner;

	if (m->type == ROUTER_EXPLAINED)
		return give_answer(r, w, m);
	if (m->type != ROUTER_STATS_REPLY || !(w->asked || w->late || w->role == WORKER_RETIRED))
		return false;
	w->last = m->stats;
	if (w->late > 0) {
		w->late--;
	} else if (w->asked) {
		stats_add(&r->sum, &m->stats);
		r->n_answers++;
		stats_one_less(r, w);
	}
	return true;
}

/* Of listeners nothing is told to those who are not to accept, or not yet. */
static void send_msg(struct routerproc *r, struct router_msg *msg, const int *fd)
{
	bool listener = msg->type == ROUTER_LISTENER_ADD || msg->type == ROUTER_TRUST_ADD;

	for (struct worker *w = r->workers; w; w = w->next)
		if ((!r->only || w == r->only) && (!listener || w->listening) && !w->adopted)
			worker_send(w, msg, fd ? *fd : -1);
}

/* Whose PROXY protocol the listener takes that comes next */
static void tell_trust(struct routerproc *r, uint32_t listener, const struct config_listener *c)
{
	for (size_t i = 0; i < c->n_trusted; i += ROUTER_TRUST_MAX) {
		struct router_msg some = {.type = ROUTER_TRUST_ADD, .id = listener};
		size_t left = c->n_trusted - i;
		some.n_members = (uint32_t)(left < ROUTER_TRUST_MAX ? left : ROUTER_TRUST_MAX);
		memcpy(some.trusted, c->trusted + i, some.n_members * sizeof(*c->trusted));
		send_msg(r, &some, NULL);
	}
}

/* To one router, the first that has the listener. */
static void give_early(struct routerproc *r, struct listener *l)
{
	struct worker *w = r->only ? r->only : r->workers;

	while (w && !w->listening)
		w = w->next;
	while (w && l->n_early > 0) {
		struct router_msg msg = {.type = ROUTER_CLIENT_ADD, .id = l->id};
		struct sockaddr_storage peer = {0};
		socklen_t len = sizeof(peer);
		int fd = l->early[--l->n_early];
		if (getpeername(fd, (struct sockaddr *)&peer, &len) == 0) {
			trp_addr_from_sockaddr(&msg.peer, (struct sockaddr *)&peer);
			worker_send(w, &msg, fd);
		}
		close(fd);
	}
}

void routerproc_listener_set(struct routerproc *r, size_t index)
{
	const struct config_listener *c = &r->d->config->listeners[index];
	struct router_msg msg = {.type = ROUTER_LISTENER_ADD,
		.id = r->d->listeners[index].id,
		.protocols = c->protocols,
		.deadline_ms = (uint32_t)c->deadline_ms,
		.redirect = {r->d->listeners[index].redirect_to, r->d->listeners[index].redirect_port, 0}};

	observer_listener(r->d->observer, index); /* its name is known before its clients are */
	tell_trust(r, msg.id, c);
	send_msg(r, &msg, &r->d->listeners[index].fd);
	routerwatch_listener(&r->watch, r->d->listeners[index].fd);
	give_early(r, &r->d->listeners[index]);
}

void routerproc_listener_del(struct routerproc *r, uint32_t id)
{
	struct router_msg msg = {.type = ROUTER_LISTENER_DEL, .id = id};

	send_msg(r, &msg, NULL);
}

static void tell_listeners(struct routerproc *r, struct worker *w)
{
	w->listening = true;
	r->only = w;
	for (size_t i = 0; i < r->d->n_listeners; i++)
		routerproc_listener_set(r, i);
	r->only = NULL;
}

struct router_rate routerproc_rate(uint64_t interval_ns, uint64_t burst)
{
	uint64_t second = interval_ns ? 1000000000u / interval_ns : 0;

	if (burst == 0)
		burst = second > 10 ? second : 10;
	return (struct router_rate){.interval_ns = interval_ns, .burst = (uint32_t)burst};
}

void routerproc_limits_set(struct routerproc *r)
{
	const struct config *c = r->d->config;
	struct router_msg msg = {.type = ROUTER_LIMITS_SET,
		.limits = {.rate = routerproc_rate(c->client_interval_ns, c->client_burst),
			.waiting_permille = (uint32_t)c->client_waiting_permille}};

	send_msg(r, &msg, NULL);
}

/* The listeners last: a client must not come before its route. */
static int start(struct routerproc *r, struct worker *w, const struct worker_launch *launch)
{
	struct worker_launch now = *launch;
	int error;

	w->late = 0;
	now.batch = r->d->config->router_scheduling == ROUTER_SCHEDULING_BATCH;
	now.adapts = r->d->config->router_scheduling == ROUTER_SCHEDULING_AUTO;
	error = worker_spawn(w, &now);
	if (error < 0)
		return error;
	observer_slots(r->d->observer);
	r->only = w;
	routerproc_limits_set(r);
	r->resync(r->d);
	r->only = NULL;
	if (w->role == WORKER_CURRENT)
		tell_listeners(r, w);
	worker_sync(w);
	return 0;
}

static void remove_worker(struct routerproc *r, struct worker *w)
{
	struct worker **p = &r->workers;

	while (*p != w)
		p = &(*p)->next;
	*p = w->next;
	give_up(r, w);
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
	give_up(r, w);
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
		stats_add(&r->past, &w->last);
		remove_worker(r, w);
		break;
	}
}

static void on_overdue(struct ev_loop *loop, ev_timer *t, int events)
{
	(void)loop;
	(void)events;
	log_error("a router that was replaced does not end; killing it");
	worker_kill(t->data);
}

/* One of an earlier daemon accepts nobody any more: nobody is routed by what that had told it. */
static void has_last_client(void *data, bool all)
{
	struct routerproc *r = data;

	(void)all;
	job_check(r->d);
}

static void await_last_client(struct routerproc *r, struct worker *w)
{
	struct barrier *b = calloc(1, sizeof(*b));

	if (!b)
		return;
	*b = (struct barrier){.asked = w, .seq = worker_ask(w), .number = ++r->last_barrier, .done = has_last_client, .data = r};
	STAILQ_INSERT_TAIL(&r->barriers, b, link);
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
		await_last_client(r, w);
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
	w->answered = answered;
	w->now_synced = now_synced;
	w->passed = passed;
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

static bool any_adopted(const struct routerproc *r)
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
	if (any_adopted(r))
		return true;
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

	if (!any_adopted(r))
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
	for (struct barrier *b; (b = STAILQ_FIRST(&r->barriers)); free(b))
		STAILQ_REMOVE_HEAD(&r->barriers, link);
	while (r->workers)
		remove_worker(r, r->workers);
	for (int tries = 0; r->has_cgroup && tries < 100; tries++) {
		if (cgroup_destroy(r->d->cgroups, &r->cgroup) == 0)
			break;
		nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
	}
	seccomp_filter_free(&r->seccomp);
	trp_close(&r->launch.exec_fd);
	trp_close(&r->next_exec_fd);
	free(r);
}

void routerproc_channel_add(struct routerproc *r, uint32_t id, uint32_t service, int fd)
{
	struct router_msg msg = {.type = ROUTER_CHANNEL_ADD, .id = id, .service = service};
	send_msg(r, &msg, &fd);
}

void routerproc_channel_del(struct routerproc *r, uint32_t id)
{
	struct router_msg msg = {.type = ROUTER_CHANNEL_DEL, .id = id};
	send_msg(r, &msg, NULL);
}

void routerproc_channel_several(struct routerproc *r, uint32_t id)
{
	struct router_msg msg = {.type = ROUTER_CHANNEL_SEVERAL, .id = id};
	send_msg(r, &msg, NULL);
}

void routerproc_group_set(struct routerproc *r, uint32_t id, const uint32_t *channels, uint32_t n)
{
	struct router_msg msg = {.type = ROUTER_GROUP_SET, .id = id, .n_members = n};

	memcpy(msg.members, channels, n * sizeof(*channels));
	send_msg(r, &msg, NULL);
}

void routerproc_barrier(struct routerproc *r, void (*done)(void *data, bool all), void *data)
{
	uint32_t number = ++r->last_barrier;
	bool all = !any_adopted(r);
	size_t n = 0;

	for (struct worker *w = all ? r->workers : NULL; w && all; w = w->next) {
		struct barrier *b = w->control >= 0 ? calloc(1, sizeof(*b)) : NULL;
		all = b || w->control < 0;
		if (!b)
			continue;
		*b = (struct barrier){.asked = w, .seq = worker_ask(w), .number = number, .done = done, .data = data};
		STAILQ_INSERT_TAIL(&r->barriers, b, link);
		worker_ping(w); /* one that hangs ends */
		n++;
	}
	if (all && n > 0)
		return;
	if (!all)
		routerproc_barrier_forget(r, data);
	done(data, all);
}

void routerproc_barrier_forget(struct routerproc *r, const void *data)
{
	struct barrier *b;

	STAILQ_FOREACH(b, &r->barriers, link)
		if (b->data == data)
			b->done = NULL;
}

void routerproc_refuse(
	struct routerproc *r, uint32_t service, enum router_verdict verdict, const struct trp_handoff *h, int fd)
{
	struct router_msg msg = {.type = ROUTER_REFUSE, .service = service, .verdict = (uint8_t)verdict, .handoff = *h};
	struct worker *w = r ? r->workers : NULL;

	while (w && !(w->listening && !w->adopted))
		w = w->next;
	if (w && h->protocol < TRP_PROTO_COUNT) /* else there is nobody who could: it sees a close */
		worker_send(w, &msg, fd);
}

void routerproc_quota_set(struct routerproc *r, uint32_t id, const struct router_quota *quota)
{
	struct router_msg msg = {.type = ROUTER_QUOTA_SET, .id = id, .quota = *quota};
	send_msg(r, &msg, NULL);
}

static void route_msg(struct routerproc *r, struct router_msg *msg, const char *host)
{
	size_t len = strlen(host);

	msg->name_len = (uint8_t)len;
	memcpy(msg->name, host, len);
	send_msg(r, msg, NULL);
}

void routerproc_route_set(struct routerproc *r, uint32_t listener, enum trp_protocol protocol, const char *host,
	uint32_t service, bool plain, uint32_t channel4, uint32_t channel6)
{
	struct router_msg msg = {.type = ROUTER_ROUTE_SET,
		.plain = plain,
		.listener = listener,
		.protocol = (uint8_t)protocol,
		.service = service,
		.channel4 = channel4,
		.channel6 = channel6};
	route_msg(r, &msg, host);
}

void routerproc_route_del(struct routerproc *r, uint32_t listener, enum trp_protocol protocol, const char *host)
{
	struct router_msg msg = {.type = ROUTER_ROUTE_DEL, .listener = listener, .protocol = (uint8_t)protocol};
	route_msg(r, &msg, host);
}

/* One that serves, or it would not have all routes and listeners. */
static struct worker *serving(struct routerproc *r)
{
	for (struct worker *w = r->workers; w; w = w->next)
		if (w->role == WORKER_CURRENT && w->synced && !w->adopted)
			return w;
	return NULL;
}

void routerproc_explain(struct routerproc *r, uint32_t listener, enum trp_protocol protocol, const char *host,
	void (*done)(void *data, const struct router_msg *answer), void *data)
{
	struct router_msg msg = {.type = ROUTER_EXPLAIN, .listener = listener, .protocol = (uint8_t)protocol};
	struct worker *w = serving(r);
	struct question *q = w ? calloc(1, sizeof(*q)) : NULL;

	if (!q) {
		done(data, NULL);
		return;
	}
	*q = (struct question){.asked = w, .seq = w->seq + 1, .done = done, .data = data};
	STAILQ_INSERT_TAIL(&r->questions, q, link);
	r->only = w;
	route_msg(r, &msg, host);
	r->only = NULL;
	worker_ping(w);
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

bool routerproc_knows(const struct routerproc *r)
{
	const struct barrier *b;

	for (const struct worker *w = r->workers; w; w = w->next)
		if (w->adopted && w->role == WORKER_CURRENT)
			return false;
	STAILQ_FOREACH(b, &r->barriers, link)
		if (b->done == has_last_client)
			return false;
	return true;
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

void routerproc_stats(struct routerproc *r, void (*done)(void *data, const struct router_stats *stats), void *data)
{
	struct router_msg msg = {.type = ROUTER_STATS};

	if (!r->stats_done) {
		r->sum = (struct router_stats){0};
		r->n_asked = r->n_answers = 0;
		for (struct worker *w = r->workers; w; w = w->next) {
			w->asked = w->ready && w->role != WORKER_NEXT;
			r->n_asked += w->asked;
		}
	}
	if (r->stats_done || r->n_asked == 0) {
		done(data, NULL);
		return;
	}
	r->stats_done = done;
	r->stats_data = data;
	ev_timer_init(&r->stats_timer, on_no_stats, STATS_SECONDS, 0);
	r->stats_timer.data = r;
	ev_timer_start(r->d->loop, &r->stats_timer);
	for (struct worker *w = r->workers; w; w = w->next)
		if (w->asked)
			worker_send(w, &msg, -1);
}
