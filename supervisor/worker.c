/* SPDX-License-Identifier: ISC */
/* worker.c: a router is not trusted: anything but its few fixed-size answers, and it is killed; what that means for the
 * others is routerproc.c's subject. */
#include "supervisor/worker.h"
#include "base/fdpass.h"
#include "base/io.h"
#include "base/log.h"
#include "supervisor/ids.h"
#include "supervisor/keep.h"
#include "supervisor/ledger.h"
#include "supervisor/reap.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KEPT_BY       "@router"
#define SNDBUF        (8 << 20)
#define READY_SECONDS 10.0
#define ADOPTED_SEQ   (1u << 30) /* beyond those whose answers an earlier daemon has not read */
#define SYNC_SECONDS  60.0 /* from there to all routes */
#ifdef TRP_ROUTER_SANITIZED
#define ROUTER_ROOT "/" /* for tests only: the sanitizers are libraries */
#else
#define ROUTER_ROOT NULL
#endif
#define STUCK_SECONDS 10.0 /* it reads nothing of what waits for it */
#define HANG_SECONDS  10.0 /* ... or answers nothing */
#define LAST_MESSAGES 16   /* that are taken from one at a time */
#define OLD_MESSAGES  4096 /* ... that were for the daemon before: more than its socket holds */

struct worker *worker_new(void *owner, unsigned slot)
{
	struct worker *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->owner = owner;
	w->slot = slot;
	w->control = w->box.pidfd = w->box.status_fd = -1;
	return w;
}

/* Only clients depend on this router: all else is told the next one anyhow. */
static void give_back(struct worker *w, struct router_msg *m, int fd)
{
	if ((m->type == ROUTER_REFUSE || m->type == ROUTER_CLIENT_ADD) && w->unread)
		w->unread(w, m, fd);
}

static void clear_out(struct worker *w)
{
	struct router_msg m;
	int fd;

	w->listening = false;
	while (outbox_take(&w->out, &m, &fd)) {
		give_back(w, &m, fd);
		trp_close(&fd);
	}
}

static void forget(struct worker *w)
{
	keep_drop(w->keep, KEPT_BY, "process", w->slot);
	keep_drop(w->keep, KEPT_BY, "control", w->slot);
	ev_io_stop(w->loop, &w->on_end);
	ev_io_stop(w->loop, &w->on_status);
	ev_io_stop(w->loop, &w->on_message);
	ev_io_stop(w->loop, &w->on_room);
	ev_timer_stop(w->loop, &w->timer);
	ev_timer_stop(w->loop, &w->stuck);
	ev_timer_stop(w->loop, &w->hang);
	w->ping_seq = 0;
	w->syncs = 0;
	clear_out(w);
	trp_close(&w->box.pidfd);
	trp_close(&w->box.status_fd);
	trp_close(&w->control);
	w->box.pid = 0;
	w->ready = w->synced = w->adopted = false;
}

void worker_kill(struct worker *w)
{
	if (w->box.pid)
		reap_kill(w->box.pidfd, SIGKILL);
}

void worker_free(struct worker *w)
{
	int status;

	if (!w)
		return;
	worker_kill(w);
	while (w->box.pid && reap_status(w->box.pidfd, &status) == 0)
		trp_sleep_ms(1);
	if (w->loop)
		forget(w);
	free(w);
}

/* Why it is killed, unless there is a reason already. */
static void condemn(struct worker *w, const char *why)
{
	if (!w->failure[0]) {
		snprintf(w->failure, sizeof(w->failure), "%s", why);
		log_error("router (pid %d): %s; killing it", w->box.pid, why);
	}
	ev_io_stop(w->loop, &w->on_message);
	w->listening = false;
	worker_kill(w);
}

static void on_late(struct ev_loop *loop, ev_timer *t, int events);

/* False: nothing more is to be read. */
static bool take_message(struct worker *w)
{
	struct router_msg m;
	ssize_t n = trp_fd_recv(w->control, &m, sizeof(m), NULL, 0, MSG_DONTWAIT);

	if (n == -EAGAIN)
		return false;
	if (n == 0) { /* it has ended, or will have: its pidfd says how */
		ev_io_stop(w->loop, &w->on_message);
		worker_kill(w);
		return false;
	}
	if (n == -ECONNRESET) /* it has ended without having read all; what it said still comes */
		return true;
	if (n == sizeof(m) && m.magic == ROUTER_CONTROL_MAGIC) {
		if (m.type == ROUTER_READY && !w->ready) {
			w->ready = true;
			worker_later(w, SYNC_SECONDS, on_late);
			return true;
		}
		if (m.type == ROUTER_SYNCED && (w->syncs > 0 || w->adopted)) {
			w->syncs -= w->syncs > 0;
			if (m.seq == w->ping_seq) {
				ev_timer_stop(w->loop, &w->hang);
				w->ping_seq = 0;
			}
			if (w->ready && !w->synced && m.seq == w->sync_seq) {
				ev_timer_stop(w->loop, &w->timer);
				w->synced = true;
				w->now_synced(w);
			}
			w->passed(w, m.seq);
			return true;
		}
		if (w->answered(w, &m) || w->adopted) /* then somebody else may have asked it */
			return true;
	}
	condemn(w, "unexpected message");
	return false;
}

/* What it said may lie there, if it is the daemon that had to wait. */
static void on_late(struct ev_loop *loop, ev_timer *t, int events)
{
	struct worker *w = t->data;
	const bool ready = w->ready;

	(void)loop;
	(void)events;
	for (int i = 0; i < LAST_MESSAGES && w->ready == ready && !w->synced && take_message(w); i++)
		;
	if (w->ready == ready && !w->synced)
		condemn(w, "not ready in time");
}

static void on_message(struct ev_loop *loop, ev_io *watcher, int events)
{
	(void)loop;
	(void)events;
	take_message(watcher->data);
}

static void take_status(struct worker *w)
{
	struct sandbox_failure failure;
	ssize_t n = read(w->box.status_fd, &failure, sizeof(failure));

	if (n < 0)
		return;
	ev_io_stop(w->loop, &w->on_status);
	if (n == sizeof(failure)) {
		sandbox_failure_text(&failure, w->failure, sizeof(w->failure));
		log_error("router: %s", w->failure);
	}
}

/* Sends what there is room for. */
static int flush(struct worker *w)
{
	int sent = outbox_flush(&w->out, w->control);

	if (sent > 0)
		ev_timer_again(w->loop, &w->stuck);
	if (sent < 0) {
		clear_out(w);
		if (sent != -EPIPE && sent != -ECONNRESET) /* those: it is gone */
			condemn(w, strerror(-sent));
	}
	if (!w->out.first) {
		ev_io_stop(w->loop, &w->on_room);
		ev_timer_stop(w->loop, &w->stuck);
	}
	return sent;
}

/* There may be room, if it is the daemon that had to wait. */
static void on_stuck(struct ev_loop *loop, ev_timer *t, int events)
{
	(void)loop;
	(void)events;
	if (flush(t->data) == 0)
		condemn(t->data, "does not read what it is told");
}

/* Its answer may be there already, if it is the daemon that had to wait. */
static void on_hang(struct ev_loop *loop, ev_timer *t, int events)
{
	struct worker *w = t->data;

	(void)events;
	for (int i = 0; i < LAST_MESSAGES && w->ping_seq && take_message(w); i++)
		;
	if (w->ping_seq && ev_is_active(&w->stuck))
		ev_timer_again(loop, t); /* it was not told yet */
	else if (w->ping_seq)
		condemn(w, "does not answer");
}

static void on_status(struct ev_loop *loop, ev_io *watcher, int events)
{
	(void)loop;
	(void)events;
	take_status(watcher->data);
}

/* It ended before it was ready: perhaps because of where it was born. */
static void no_births(const struct worker *w)
{
	if (w->cgroup)
		cgroup_no_births(w->cgroup);
}

static void on_end(struct ev_loop *loop, ev_io *watcher, int events)
{
	struct worker *w = watcher->data;
	char text[80];
	int status;

	(void)loop;
	(void)events;
	if (reap_status(w->box.pidfd, &status) <= 0)
		return;
	if (ev_is_active(&w->on_status))
		take_status(w);
	for (int i = 0; i < LAST_MESSAGES && take_message(w); i++)
		; /* its last words: a retired one says what it has counted */
	if (!w->ready)
		no_births(w);
	reap_text(status, text, sizeof(text));
	if (!w->failure[0])
		snprintf(w->failure, sizeof(w->failure), "%s", text);
	if (w->role != WORKER_RETIRED || status != 0)
		log_error("router (pid %d) %s", w->box.pid, text);
	else
		log_info("router (pid %d) has finished", w->box.pid);
	forget(w);
	w->ended(w);
}

/* The socket has room again. */
static void on_room(struct ev_loop *loop, ev_io *watcher, int events)
{
	(void)loop, (void)events;
	flush(watcher->data);
}

void worker_send(struct worker *w, struct router_msg *m, int fd)
{
	int error;

	if (w->control < 0)
		return;
	m->magic = ROUTER_CONTROL_MAGIC;
	m->seq = ++w->seq;
	error = outbox_send(&w->out, w->control, m, fd);
	if (error < 0) {
		w->listening = false;
		give_back(w, m, fd);
		if (error != -EPIPE && error != -ECONNRESET)
			condemn(w, strerror(-error));
		return;
	}
	if (w->out.first && !ev_is_active(&w->on_room)) {
		ev_io_start(w->loop, &w->on_room);
		ev_timer_again(w->loop, &w->stuck);
	}
}

uint32_t worker_ask(struct worker *w)
{
	struct router_msg m = {.type = ROUTER_SYNC};

	worker_send(w, &m, -1);
	w->syncs++;
	return m.seq;
}

void worker_sync(struct worker *w)
{
	w->sync_seq = worker_ask(w);
}

void worker_ping(struct worker *w)
{
	if (!w->synced || w->ping_seq)
		return;
	w->ping_seq = worker_ask(w);
	ev_timer_again(w->loop, &w->hang);
}

void worker_later(struct worker *w, double seconds, void (*then)(struct ev_loop *, ev_timer *, int))
{
	ev_timer_stop(w->loop, &w->timer);
	ev_timer_init(&w->timer, then, seconds, 0);
	w->timer.data = w;
	ev_timer_start(w->loop, &w->timer);
}

static int spawn_box(struct worker *w, const struct worker_launch *launch, int their_end)
{
	const bool counts = ledgers_use_slot(launch->ledgers, w->slot);
	char slot[32], routers[32];
	const bool live = counts && launch->live_fd >= 0;
	const char *argv[7] = {"trp-router", "--expect-sandbox"};
	size_t argc = 2;
	static const char *const envp[] = {NULL};
	cleanup_close int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct sandbox_failure failure;
	struct rlimit nofile;
	int error;

	if (null < 0 || getrlimit(RLIMIT_NOFILE, &nofile) < 0)
		return -errno;
	const struct sandbox_fd fds[] = {{null, 0}, {null, 1}, {STDERR_FILENO, 2}, {their_end, ROUTER_CONTROL_FD},
		{ledgers_fd(launch->ledgers), ROUTER_LEDGER_FD}, {ledgers_wake_fd(launch->ledgers), ROUTER_WAKE_FD},
		{launch->live_fd, ROUTER_LIVE_FD}};
	const struct sandbox_rlimit limits[] = {{RLIMIT_NOFILE, nofile.rlim_max}, {RLIMIT_CORE, SANDBOX_NO_CORE}};
	struct sandbox_spec spec = {.name = "router",
		.hostname = "router",
		.root = ROUTER_ROOT,
		.uid_base = launch->uid_base,
		.uid_count = IDS_RANGE,
		.uid = 1,
		.gid = 1,
		.tmp_size = 65536,
		.argv = argv,
		.envp = envp,
		.exec_fd = launch->exec_fd,
		.fds = fds,
		.n_fds = TRP_ARRAY_SIZE(fds) - (live ? 0 : counts ? 1 : 3),
		.rlimits = limits,
		.n_rlimits = TRP_ARRAY_SIZE(limits),
		.first_unprivileged_port = 1024,
		/* each client needs it for some microseconds */
		.scheduling = launch->batch ? SANDBOX_BATCH : SANDBOX_PROMPT,
		.cgroup = launch->cgroup,
		.seccomp = launch->seccomp,
		.landlock_optional = true};
	snprintf(slot, sizeof(slot), "--ledger=%u", w->slot);
	if (counts)
		argv[argc++] = slot;
	if (live)
		argv[argc++] = "--live";
	if (launch->adapts)
		argv[argc++] = "--adapt";
	snprintf(routers, sizeof(routers), "--routers=%llu", (unsigned long long)launch->routers);
	if (launch->routers > 1)
		argv[argc++] = routers;
	error = sandbox_spawn(&spec, &w->box, &failure);
	if (error < 0) {
		sandbox_failure_text(&failure, w->failure, sizeof(w->failure));
		log_error("router: %s", w->failure);
	}
	return error;
}

static void watch(struct worker *w)
{
	ev_io_init(&w->on_end, on_end, w->box.pidfd, EV_READ);
	if (w->box.status_fd >= 0)
		ev_io_init(&w->on_status, on_status, w->box.status_fd, EV_READ);
	ev_io_init(&w->on_message, on_message, w->control, EV_READ);
	ev_io_init(&w->on_room, on_room, w->control, EV_WRITE);
	ev_timer_init(&w->stuck, on_stuck, 0, STUCK_SECONDS);
	ev_timer_init(&w->hang, on_hang, 0, HANG_SECONDS);
	w->on_end.data = w->on_status.data = w->on_message.data = w->on_room.data = w->stuck.data = w->hang.data = w;
	ev_io_start(w->loop, &w->on_end);
	if (w->box.status_fd >= 0)
		ev_io_start(w->loop, &w->on_status);
	ev_io_start(w->loop, &w->on_message);
}

/* What it answered to the daemon that is no more is nobody's. */
static void discard_answers(struct worker *w)
{
	struct router_msg m;

	for (int i = 0; i < OLD_MESSAGES && trp_fd_recv(w->control, &m, sizeof(m), NULL, 0, MSG_DONTWAIT) > 0; i++)
		;
}

bool worker_adopt(struct worker *w, const struct worker_launch *launch)
{
	w->loop = launch->loop;
	w->keep = launch->keep;
	w->box.pidfd = keep_take(w->keep, KEPT_BY, "process", w->slot);
	w->control = keep_take(w->keep, KEPT_BY, "control", w->slot);
	w->box.pid = w->box.pidfd < 0 ? -1 : reap_pid(w->box.pidfd);
	if (w->box.pid <= 0 || w->control < 0) {
		w->box.pid = 0;
		keep_drop(w->keep, KEPT_BY, "process", w->slot);
		keep_drop(w->keep, KEPT_BY, "control", w->slot);
		trp_close(&w->box.pidfd);
		trp_close(&w->control);
		return false;
	}
	discard_answers(w);
	watch(w);
	w->adopted = w->ready = w->synced = w->listening = true;
	w->seq = ADOPTED_SEQ;
	return true;
}

int worker_spawn(struct worker *w, const struct worker_launch *launch)
{
	int pair[2], size = SNDBUF, error;

	w->loop = launch->loop;
	w->keep = launch->keep;
	w->cgroup = launch->cgroup;
	w->failure[0] = '\0';
	error = trp_fd_pair(pair);
	if (error == 0) {
		if (setsockopt(pair[0], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
			log_warn("router: control buffer: %m");
		error = spawn_box(w, launch, pair[1]);
		close(pair[1]);
		if (error < 0)
			close(pair[0]);
	}
	if (error < 0) {
		no_births(w);
		if (!w->failure[0])
			snprintf(w->failure, sizeof(w->failure), "%s", strerror(-error));
		return error;
	}
	w->control = pair[0];
	watch(w);
	worker_later(w, READY_SECONDS, on_late);
	keep_put(w->keep, KEPT_BY, "process", w->slot, w->box.pidfd);
	keep_put(w->keep, KEPT_BY, "control", w->slot, w->control);
	return 0;
}
