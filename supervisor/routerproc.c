/* SPDX-License-Identifier: ISC */
#include "supervisor/routerproc.h"
#include "base/fdpass.h"
#include "base/log.h"
#include "sandbox/sandbox.h"
#include "supervisor/daemon.h"
#include "supervisor/reap.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define ROUTER_IDS     "@router" /* its own range: no service can have this name */
#define ROUTER_SNDBUF  (8 << 20)
#define RESPAWN_MIN    0.1
#define RESPAWN_MAX    10.0
#define READY_SECONDS  10.0

struct routerproc {
	struct daemon *d;
	void (*resync)(struct daemon *d);
	int exec_fd;
	struct seccomp_filter seccomp;

	struct cgroup cgroup; /* without limits: so that a later daemon finds a router that was left */
	bool has_cgroup;
	struct sandbox box; /* pid 0: not running */
	int control;
	ev_io on_end, on_status, on_message;
	ev_timer timer; /* until ROUTER_READY, or until the next try */
	double delay;
	bool ready;
	uint32_t seq;

	void (*stats_done)(void *data, const struct router_stats *stats);
	void *stats_data;
};

static int spawn(struct routerproc *r);

static void give_stats(struct routerproc *r, const struct router_stats *stats)
{
	void (*done)(void *, const struct router_stats *) = r->stats_done;

	r->stats_done = NULL;
	if (done)
		done(r->stats_data, stats);
}

static void forget(struct routerproc *r)
{
	struct ev_loop *loop = r->d->loop;

	ev_io_stop(loop, &r->on_end);
	ev_io_stop(loop, &r->on_status);
	ev_io_stop(loop, &r->on_message);
	ev_timer_stop(loop, &r->timer);
	trp_close(&r->box.pidfd);
	trp_close(&r->box.status_fd);
	trp_close(&r->control);
	r->box.pid = 0;
	r->ready = false;
	give_stats(r, NULL);
}

static void on_retry(struct ev_loop *loop, ev_timer *t, int events)
{
	struct routerproc *r = t->data;

	(void)loop;
	(void)events;
	if (spawn(r) < 0)
		log_error("router: cannot be started, will be tried again");
}

static void retry_later(struct routerproc *r)
{
	forget(r);
	ev_timer_init(&r->timer, on_retry, r->delay, 0);
	r->timer.data = r;
	ev_timer_start(r->d->loop, &r->timer);
	r->delay = r->delay * 2 < RESPAWN_MAX ? r->delay * 2 : RESPAWN_MAX;
}

static void on_end(struct ev_loop *loop, ev_io *w, int events)
{
	struct routerproc *r = w->data;
	char text[80];
	int status;

	(void)loop;
	(void)events;
	if (reap_status(r->box.pidfd, &status) <= 0)
		return;
	reap_text(status, text, sizeof(text));
	log_error("router (pid %d) %s; starting another", r->box.pid, text);
	retry_later(r);
}

/* The router is not trusted: anything but its few fixed-size answers, and it is replaced. */
static void on_message(struct ev_loop *loop, ev_io *w, int events)
{
	struct routerproc *r = w->data;
	struct router_msg msg;
	ssize_t n = trp_fd_recv(r->control, &msg, sizeof(msg), NULL, 0, MSG_DONTWAIT);

	(void)events;
	if (n == -EAGAIN)
		return;
	if (n == sizeof(msg) && msg.magic == ROUTER_CONTROL_MAGIC) {
		if (msg.type == ROUTER_READY && !r->ready) {
			r->ready = true;
			r->delay = RESPAWN_MIN;
			ev_timer_stop(loop, &r->timer);
			log_info("router ready (pid %d)", r->box.pid);
			return;
		}
		if (msg.type == ROUTER_STATS_REPLY) {
			give_stats(r, &msg.stats);
			return;
		}
		if (msg.type == ROUTER_SYNCED)
			return;
	}
	ev_io_stop(loop, w);
	if (n != 0)
		log_error("router: unexpected message; replacing it");
	reap_kill(r->box.pidfd, SIGKILL);
}

static void on_status(struct ev_loop *loop, ev_io *w, int events)
{
	struct routerproc *r = w->data;
	struct sandbox_failure failure;
	ssize_t n = read(r->box.status_fd, &failure, sizeof(failure));
	char text[400];

	(void)events;
	if (n < 0)
		return;
	ev_io_stop(loop, w);
	if (n == sizeof(failure)) {
		sandbox_failure_text(&failure, text, sizeof(text));
		log_error("router: %s", text);
	}
}

static void on_late(struct ev_loop *loop, ev_timer *t, int events)
{
	struct routerproc *r = t->data;

	(void)loop;
	(void)events;
	log_error("router (pid %d) is not ready in time; replacing it", r->box.pid);
	reap_kill(r->box.pidfd, SIGKILL);
}

static void send_msg(struct routerproc *r, struct router_msg *msg, const int *fd)
{
	int error;

	if (r->control < 0)
		return;
	msg->magic = ROUTER_CONTROL_MAGIC;
	msg->seq = ++r->seq;
	error = trp_fd_send(r->control, msg, sizeof(*msg), fd, fd ? 1 : 0, MSG_DONTWAIT);
	if (error < 0 && error != -EPIPE && error != -ECONNRESET) {
		/* it has not read 8 MiB of messages: it is stuck */
		log_error("router: %s; replacing it", strerror(-error));
		reap_kill(r->box.pidfd, SIGKILL);
	}
}

static void add_listeners(struct routerproc *r)
{
	for (size_t i = 0; i < r->d->n_listeners; i++) {
		const struct config_listener *c = &r->d->config->listeners[i];
		struct router_msg msg = {.type = ROUTER_LISTENER_ADD,
			.id = (uint32_t)i + 1,
			.protocols = c->protocols,
			.deadline_ms = (uint32_t)c->deadline_ms};
		send_msg(r, &msg, &r->d->listeners[i].fd);
	}
}

static int spawn_box(struct routerproc *r, int their_end)
{
	static const char *const argv[] = {"trp-router", "--expect-sandbox", NULL};
	static const char *const envp[] = {NULL};
	cleanup_close int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct sandbox_failure failure;
	struct rlimit nofile;
	uint32_t base;
	char text[400];
	int error = ids_get(r->d->ids, ROUTER_IDS, &base);

	if (error < 0 || null < 0 || getrlimit(RLIMIT_NOFILE, &nofile) < 0)
		return error < 0 ? error : -errno;
	const struct sandbox_fd fds[] = {{null, 0}, {null, 1}, {STDERR_FILENO, 2}, {their_end, ROUTER_CONTROL_FD}};
	const struct sandbox_rlimit limits[] = {{RLIMIT_NOFILE, nofile.rlim_max}, {RLIMIT_CORE, 0}};
	struct sandbox_spec spec = {.name = "router",
		.hostname = "router",
		.uid_base = base,
		.uid_count = IDS_RANGE,
		.uid = 1,
		.gid = 1,
		.tmp_size = 65536,
		.argv = argv,
		.envp = envp,
		.exec_fd = r->exec_fd,
		.fds = fds,
		.n_fds = TRP_ARRAY_SIZE(fds),
		.rlimits = limits,
		.n_rlimits = TRP_ARRAY_SIZE(limits),
		.first_unprivileged_port = 1024,
		.cgroup = r->has_cgroup ? &r->cgroup : NULL,
		.seccomp = &r->seccomp,
		.landlock_optional = true};
	error = sandbox_spawn(&spec, &r->box, &failure);
	if (error < 0) {
		sandbox_failure_text(&failure, text, sizeof(text));
		log_error("router: %s", text);
	}
	return error;
}

static void watch(struct routerproc *r)
{
	struct ev_loop *loop = r->d->loop;

	ev_io_init(&r->on_end, on_end, r->box.pidfd, EV_READ);
	ev_io_init(&r->on_status, on_status, r->box.status_fd, EV_READ);
	ev_io_init(&r->on_message, on_message, r->control, EV_READ);
	ev_timer_init(&r->timer, on_late, READY_SECONDS, 0);
	r->on_end.data = r->on_status.data = r->on_message.data = r->timer.data = r;
	ev_io_start(loop, &r->on_end);
	ev_io_start(loop, &r->on_status);
	ev_io_start(loop, &r->on_message);
	ev_timer_start(loop, &r->timer);
}

static int spawn(struct routerproc *r)
{
	int pair[2], size = ROUTER_SNDBUF, error;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	if (setsockopt(pair[0], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
		log_warn("router: control buffer: %m");
	error = spawn_box(r, pair[1]);
	close(pair[1]);
	if (error < 0) {
		close(pair[0]);
		retry_later(r);
		return error;
	}
	r->control = pair[0];
	watch(r);
	add_listeners(r);
	r->resync(r->d);
	return 0;
}

int routerproc_open(struct daemon *d, void (*resync)(struct daemon *d), struct routerproc **ret, char *err, size_t err_size)
{
	/* coarse: what starting needs; the router then locks itself down to the calls of its loop and tries it */
	static const char *const words[] = {"@default", "seccomp"};
	struct routerproc *r = calloc(1, sizeof(*r));
	int error;

	if (!r)
		return -ENOMEM;
	r->d = d;
	r->resync = resync;
	r->delay = RESPAWN_MIN;
	r->control = r->box.pidfd = r->box.status_fd = -1;
	r->exec_fd = daemon_open_program("trp-router");
	error = r->exec_fd < 0 ? r->exec_fd : seccomp_compile(words, TRP_ARRAY_SIZE(words), &r->seccomp);
	if (error == 0 && d->cgroups) {
		const struct cgroup_limits none = {CGROUP_UNLIMITED, CGROUP_UNLIMITED, CGROUP_UNLIMITED};
		error = cgroup_create(d->cgroups, ROUTER_IDS, &none, &r->cgroup, err, err_size);
		if (error < 0)
			log_error("router: %s", err);
		r->has_cgroup = error == 0;
	}
	if (error == 0) {
		d->router = r;
		error = spawn(r);
	}
	if (error < 0) {
		snprintf(err, err_size, "trp-router: %s", strerror(-error));
		d->router = NULL;
		routerproc_close(r);
		return error;
	}
	*ret = r;
	return 0;
}

void routerproc_close(struct routerproc *r)
{
	int status;

	if (!r)
		return;
	if (r->box.pid) {
		reap_kill(r->box.pidfd, SIGKILL);
		while (reap_status(r->box.pidfd, &status) == 0)
			nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
	forget(r);
	for (int tries = 0; r->has_cgroup && tries < 100; tries++) {
		if (cgroup_destroy(r->d->cgroups, &r->cgroup) == 0)
			break;
		nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
	}
	seccomp_filter_free(&r->seccomp);
	trp_close(&r->exec_fd);
	free(r);
}

void routerproc_channel_add(struct routerproc *r, uint32_t id, int fd)
{
	struct router_msg msg = {.type = ROUTER_CHANNEL_ADD, .id = id};
	send_msg(r, &msg, &fd);
}

void routerproc_channel_del(struct routerproc *r, uint32_t id)
{
	struct router_msg msg = {.type = ROUTER_CHANNEL_DEL, .id = id};
	send_msg(r, &msg, NULL);
}

void routerproc_group_set(struct routerproc *r, uint32_t id, const uint32_t *channels, uint32_t n)
{
	struct router_msg msg = {.type = ROUTER_GROUP_SET, .id = id, .n_members = n};

	memcpy(msg.members, channels, n * sizeof(*channels));
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
	uint32_t channel4, uint32_t channel6)
{
	struct router_msg msg = {.type = ROUTER_ROUTE_SET,
		.listener = listener,
		.protocol = (uint8_t)protocol,
		.channel4 = channel4,
		.channel6 = channel6};
	route_msg(r, &msg, host);
}

void routerproc_route_del(struct routerproc *r, uint32_t listener, enum trp_protocol protocol, const char *host)
{
	struct router_msg msg = {.type = ROUTER_ROUTE_DEL, .listener = listener, .protocol = (uint8_t)protocol};
	route_msg(r, &msg, host);
}

pid_t routerproc_pid(const struct routerproc *r)
{
	return r ? r->box.pid : 0;
}

void routerproc_stats(struct routerproc *r, void (*done)(void *data, const struct router_stats *stats), void *data)
{
	struct router_msg msg = {.type = ROUTER_STATS};

	if (!r->ready || r->stats_done) {
		done(data, NULL);
		return;
	}
	r->stats_done = done;
	r->stats_data = data;
	send_msg(r, &msg, NULL);
}
