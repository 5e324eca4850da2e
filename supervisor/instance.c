/* SPDX-License-Identifier: ISC */
/* instance.c: one run of a service, from its spawn to its end: what its init, its sandbox and its sd_notify socket say becomes
 * events of the state machine. Everything that comes from inside is untrusted: fixed-size messages, bounded datagrams, a bounded
 * number of them for each turn of the loop. */
#include "base/fdpass.h"
#include "base/io.h"
#include "supervisor/notify.h"
#include "supervisor/profile/keys.h"
#include "supervisor/reap.h"
#include "supervisor/service.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#define MESSAGES_PER_TURN 64
#define STATUS_SECONDS    1.0 /* at most one STATUS= is passed on in this time */

int instance_send(struct service *s, enum trp_init_type type, int value)
{
	struct trp_init_msg msg = {.magic = TRP_INIT_MAGIC, .type = (uint16_t)type, .value = value};

	if (!s->run.running)
		return -ESRCH;
	return trp_fd_send(s->run.control, &msg, sizeof(msg), NULL, 0, MSG_DONTWAIT);
}

int instance_send_channels(struct service *s, int sock)
{
	for (size_t i = 0; i < s->n_channels; i++) {
		struct trp_init_msg msg = {.magic = TRP_INIT_MAGIC,
			.type = TRP_INIT_CHANNEL,
			.port = s->channels[i].port,
			.family = s->channels[i].family};
		int r = trp_fd_send(sock, &msg, sizeof(msg), &s->channels[i].service_end, 1, MSG_DONTWAIT);
		if (r < 0)
			return r;
	}
	return 0;
}

bool instance_is_ready(const struct service *s)
{
	const struct instance *run = &s->run;

	if (!run->running || !run->upstream_runs)
		return false;
	switch ((enum profile_ready)s->profile->ready) {
	case READY_AUTO:
	case READY_LISTEN:
		return route_all_listened(s);
	case READY_STARTED:
		return true;
	case READY_NOTIFY: /* on_notify() says so */
	case READY_EXIT:   /* gone() says so */
		return false;
	}
	return false;
}

static void check_ready(struct service *s)
{
	if (s->state == STATE_STARTING && instance_is_ready(s))
		service_event(s, EVENT_READY);
}

static void on_step(struct service *s, const struct trp_init_msg *msg)
{
	if (msg->value <= s->run.last_step) /* steps only go up: who repeats one wants to fill our log */
		return;
	s->run.last_step = msg->value;
	if (msg->value >= 0 && (size_t)msg->value < s->run.n_setup) {
		service_say(s, "setup", "setup step %d of %zu", msg->value + 1, s->run.n_setup);
		return;
	}
	s->run.upstream_runs = true;
	if (s->state == STATE_STARTING && !instance_is_ready(s))
		service_say(s, "note", "%s runs; waiting until it %s", s->profile->command.v[0],
			s->profile->ready == READY_NOTIFY ? "says that it is ready" :
			s->profile->ready == READY_EXIT   ? "has done its work" :
							    "listens");
	check_ready(s);
}

void instance_listened(struct service *s, const struct trp_init_msg *msg)
{
	route_listened(s, msg);
	check_ready(s);
}

void instance_lost(struct service *s, const char *what)
{
	snprintf(s->run.lost, sizeof(s->run.lost), "%s", what);
	reap_kill(s->run.box.pidfd, SIGKILL); /* of its pid 1: all in it end; on_end() goes on */
}

static void take_message(struct service *s, const struct trp_init_msg *msg)
{
	switch (msg->type) {
	case TRP_INIT_STEP:
		on_step(s, msg);
		return;
	case TRP_INIT_LISTEN:
		instance_listened(s, msg);
		return;
	case TRP_INIT_EXITED:
		s->run.reported = true;
		s->run.reported_step = msg->value;
		s->run.reported_status = msg->value2;
		return;
	case TRP_INIT_EXEC_FAILED:
		s->run.exec_failed = true;
		s->run.reported_step = msg->value;
		s->run.exec_errno = msg->value2;
		return;
	default: /* a tenant may say anything */
		return;
	}
}

/* Reads what init said, a bounded number of messages. */
static void read_control(struct service *s)
{
	struct trp_init_msg msg;

	for (int i = 0; i < MESSAGES_PER_TURN && s->run.control >= 0; i++) {
		ssize_t n = trp_fd_recv(s->run.control, &msg, sizeof(msg), NULL, 0, MSG_DONTWAIT);
		if (n == -EAGAIN)
			return;
		if (n == -ECONNRESET)
			continue; /* it ended without having read all of ours; what it said still comes */
		if (n == 0) {
			ev_io_stop(s->d->loop, &s->run.on_control); /* its end is seen by the pidfd */
			return;
		}
		if (n == sizeof(msg) && msg.magic == TRP_INIT_MAGIC)
			take_message(s, &msg);
	}
}

static void on_control(struct ev_loop *loop, ev_io *w, int events)
{
	(void)loop;
	(void)events;
	read_control(w->data);
}

static void on_notify(struct ev_loop *loop, ev_io *w, int events)
{
	struct service *s = w->data;
	char text[NOTIFY_MAX];
	struct notify_state state;

	(void)events;
	for (int i = 0; i < MESSAGES_PER_TURN && s->run.notify >= 0; i++) {
		ssize_t n = recv(s->run.notify, text, sizeof(text), MSG_DONTWAIT | MSG_TRUNC);
		if (n < 0)
			return;
		if ((size_t)n > sizeof(text))
			continue;
		notify_parse(text, (size_t)n, &state);
		if (state.status[0] && s->state == STATE_STARTING && ev_now(loop) >= s->run.next_status) {
			s->run.next_status = ev_now(loop) + STATUS_SECONDS;
			service_say(s, "note", "%s", state.status);
		}
		if (state.ready && s->state == STATE_STARTING && s->profile->ready == READY_NOTIFY)
			service_event(s, EVENT_READY);
	}
}

static void on_status(struct ev_loop *loop, ev_io *w, int events)
{
	struct service *s = w->data;
	struct sandbox_failure failure;
	ssize_t n = read(s->run.box.status_fd, &failure, sizeof(failure));

	(void)events;
	if (n < 0)
		return;
	ev_io_stop(loop, w);
	if (n == sizeof(failure))
		s->run.failure = failure;
}

/* Errors that may be gone at the next try; all others are the profile's or the host's and will stay. */
enum service_event instance_error_event(int error)
{
	static const int list[] = {EAGAIN, ENOMEM, EMFILE, ENFILE, ETXTBSY, EINTR, EBUSY, ENOSPC};

	for (size_t i = 0; i < TRP_ARRAY_SIZE(list); i++)
		if (error == list[i])
			return EVENT_GONE_AGAIN;
	return EVENT_GONE_FAILED;
}

/* Says how it ended and returns the event that the profile's policy makes of it. */
static enum service_event judge(struct service *s, int init_status)
{
	const struct instance *run = &s->run;
	const struct profile *p = s->profile;
	int status = run->reported ? run->reported_status : init_status;
	bool clean = run->reported && run->upstream_runs && WIFEXITED(status) && WEXITSTATUS(status) == 0;
	char text[400];

	if (run->failure.stage != SANDBOX_STAGE_NONE) {
		sandbox_failure_text(&run->failure, text, sizeof(text));
		service_say(s, "failed", "%s", text);
		return instance_error_event(run->failure.error);
	}
	if (run->lost[0]) {
		service_say(s, "failed", "%s", run->lost);
		return p->restart == RESTART_NO ? EVENT_GONE_FAILED : EVENT_GONE_AGAIN;
	}
	if (run->exec_failed) {
		bool setup = run->reported_step >= 0 && (size_t)run->reported_step < run->n_setup;
		const char *key = setup ? "setup" : "command";
		struct profile_where where =
			setup ? p->setup_where[run->reported_step] : profile_where(p, "service", key);
		service_say(s, "failed", "%s:%u: %s: cannot execute %s inside its root: %s", where.file, where.line, key,
			setup ? p->setup[run->reported_step].v[0] : p->command.v[0], strerror(run->exec_errno));
		return instance_error_event(run->exec_errno);
	}
	reap_text(status, text, sizeof(text));
	if (run->reported && run->reported_step >= 0 && (size_t)run->reported_step < run->n_setup)
		service_say(s, run->stop_asked ? "note" : "failed", "setup step %d (%s) %s", run->reported_step + 1,
			p->setup[run->reported_step].v[0], text);
	else
		service_say(s, clean || run->stop_asked ? "note" : "failed", "%s %s%s", p->command.v[0], text,
			s->state == STATE_STARTING && !run->stop_asked && p->ready != READY_EXIT ? " before it was ready" : "");
	if (p->ready == READY_EXIT && clean && s->state == STATE_STARTING) {
		s->worked = ev_time();
		service_event(s, EVENT_READY);
	}
	if (p->restart == RESTART_ALWAYS || (p->restart == RESTART_ON_FAILURE && !clean))
		return EVENT_GONE_AGAIN;
	return clean ? EVENT_GONE_DONE : EVENT_GONE_FAILED;
}

static void on_end(struct ev_loop *loop, ev_io *w, int events)
{
	struct service *s = w->data;
	enum service_event event;
	int status;

	(void)loop;
	(void)events;
	if (reap_status(s->run.box.pidfd, &status) <= 0)
		return;
	read_control(s);
	if (ev_is_active(&s->run.on_status))
		on_status(s->d->loop, &s->run.on_status, EV_READ);
	logs_drain(s->logs);
	s->run.running = false;
	event = judge(s, status);
	instance_release(s);
	service_gone(s, event);
}

void instance_release(struct service *s)
{
	struct instance *run = &s->run;
	struct ev_loop *loop = s->d->loop;

	ev_io_stop(loop, &run->on_end);
	ev_io_stop(loop, &run->on_status);
	ev_io_stop(loop, &run->on_control);
	ev_io_stop(loop, &run->on_notify);
	trp_close(&run->box.pidfd);
	trp_close(&run->box.status_fd);
	trp_close(&run->control);
	trp_close(&run->notify);
	notifier_stop(s);
	run->box.pid = 0;
	run->running = false;
}

static void watch(struct service *s)
{
	struct instance *run = &s->run;
	struct ev_loop *loop = s->d->loop;

	ev_io_init(&run->on_end, on_end, run->box.pidfd, EV_READ);
	ev_io_init(&run->on_status, on_status, run->box.status_fd, EV_READ);
	ev_io_init(&run->on_control, on_control, run->control, EV_READ);
	run->on_end.data = run->on_status.data = run->on_control.data = run->on_notify.data = s;
	ev_io_start(loop, &run->on_end);
	ev_io_start(loop, &run->on_status);
	ev_io_start(loop, &run->on_control);
	if (run->notify >= 0) {
		ev_io_init(&run->on_notify, on_notify, run->notify, EV_READ);
		run->on_notify.data = s;
		ev_io_start(loop, &run->on_notify);
	}
}

static int open_notify(struct service *s)
{
	cleanup_free char *run = prepare_run_dir(s);
	cleanup_free char *path = run ? trp_asprintf("%s/notify", run) : NULL;
	uid_t uid;
	gid_t gid;
	int r;

	if (!path)
		return -ENOMEM;
	r = prepare_user(s, &uid, &gid);
	return r < 0 ? r : notify_open(path, s->uid_base + uid, s->uid_base + gid, &s->run.notify);
}

/* Pipes, control socket, channels, then the sandbox. */
static int spawn(struct service *s, int out_err[2], int pair[2])
{
	cleanup_close int notify = -1;
	int off = 0, r = 0;

	if (s->profile->ready == READY_NOTIFY)
		r = open_notify(s);
	if (r == 0)
		r = logs_pipes(s->logs, &out_err[0], &out_err[1]);
	if (r == 0 && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		r = -errno;
	if (r < 0)
		return r;
	setsockopt(pair[0], SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof(off));
	s->run.control = trp_steal_fd(&pair[0]);
	r = instance_send_channels(s, s->run.control);
	if (r == 0 && s->adapter == ADAPTER_NOTIFY)
		r = notifier_prepare(s, &notify);
	return r < 0 ? r : spawn_sandbox(s, out_err, pair[1], notify);
}

/* The sandbox has been made: if this fails, it is ended as if its adapter had. */
static void start_notifier(struct service *s, int err)
{
	int r = notifier_start(s, err);
	char text[120];

	if (r == 0)
		return;
	snprintf(text, sizeof(text), "trp-notify, its adapter, cannot be started: %s", strerror(-r));
	instance_lost(s, text);
}

int instance_spawn(struct service *s)
{
	int out_err[2] = {-1, -1}, pair[2] = {-1, -1}, r;

	s->run = (struct instance){
		.control = -1, .notify = -1, .box = {.pidfd = -1, .status_fd = -1}, .n_setup = s->profile->n_setup, .last_step = -1,
		.notifier = NOTIFIER_NONE};
	s->message[0] = '\0';
	r = prepare_host(s);
	if (r == 0)
		r = route_channels(s);
	if (r == 0)
		r = spawn(s, out_err, pair);
	if (r == 0 && s->adapter == ADAPTER_NOTIFY)
		start_notifier(s, out_err[1]);
	trp_close(&out_err[0]);
	trp_close(&out_err[1]);
	trp_close(&pair[0]);
	trp_close(&pair[1]);
	if (r < 0) {
		char text[400];
		if (s->run.failure.stage != SANDBOX_STAGE_NONE)
			sandbox_failure_text(&s->run.failure, text, sizeof(text));
		else
			snprintf(text, sizeof(text), "%s", s->message[0] ? s->message : strerror(-r));
		service_say(s, "failed", "%s", text);
		instance_release(s);
		return r;
	}
	s->run.running = true;
	watch(s);
	return 0;
}
