/* SPDX-License-Identifier: ISC */
/* instance.c: one run of a service, from its spawn to its end: what its init, its sandbox and its sd_notify socket say becomes
 * events of the state machine. Everything that comes from inside is untrusted: fixed-size messages, bounded datagrams, a bounded
 * number of them for each turn of the loop. */
#include "base/fdpass.h"
#include "base/io.h"
#include "supervisor/ahead.h"
#include "supervisor/initsock.h"
#include "supervisor/lateclose.h"
#include "supervisor/launch.h"
#include "supervisor/mainpid.h"
#include "supervisor/notified.h"
#include "supervisor/prestop.h"
#include "supervisor/reap.h"
#include "supervisor/record.h"
#include "supervisor/service.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define MESSAGES_PER_TURN 64
#define HEARD_PER_TURN    16 /* of a process beside it */
#define CAUGHT_UP_TURNS   5  /* as much as its sockets hold */
#define MESSAGES_A_SECOND 1000 /* of all its sockets together */
#define MESSAGES_AT_ONCE  2000
#define MAINS_IN_A_ROW    10  /* changes of the main process that are told at once; then one in a second */

static int send_init(struct service *s, enum trp_init_type type, int value, int value2)
{
	struct trp_init_msg msg = {.magic = TRP_INIT_MAGIC, .type = (uint16_t)type, .value = value, .value2 = value2};

	if (!s->run.running)
		return -ESRCH;
	return trp_fd_send(s->run.control, &msg, sizeof(msg), NULL, 0, MSG_DONTWAIT);
}

int instance_send(struct service *s, enum trp_init_type type, int value)
{
	return send_init(s, type, value, 0);
}

int instance_tell_stop(struct service *s, int signo)
{
	return send_init(s, TRP_INIT_STOP, signo, s->run.pre_stop);
}

int instance_stop(struct service *s, int signo)
{
	return loopback_stop_first(s, signo) ? 0 : instance_tell_stop(s, signo);
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

	if (!run->running || !run->upstream_runs || !run->main_known)
		return false;
	switch ((enum profile_ready)s->profile->ready) {
	case READY_AUTO:
	case READY_LISTEN:
		return route_all_listened(s);
	case READY_STARTED:
		return true;
	case READY_NOTIFY:
	case READY_FD:
		return run->says_ready;
	case READY_CHECK:
		return route_all_listened(s) && health_is_ready(s);
	case READY_EXIT: /* judge() says so */
		return false;
	}
	return false;
}

void instance_check_ready(struct service *s)
{
	if (s->state == STATE_STARTING && instance_is_ready(s))
		service_event(s, EVENT_READY);
	else if (s->state == STATE_STARTING && s->profile->ready == READY_CHECK)
		health_update(s);
}

void instance_claim(struct service *s)
{
	if (s->run.claimed && s->run.upstream_runs)
		(void)instance_send(s, TRP_INIT_CLAIM, s->run.claimed);
}

static void on_step(struct service *s, const struct trp_init_msg *msg)
{
	/* steps only go up, and the upstream is the last: who says more of them wants to fill our log */
	if (msg->value <= s->run.last_step || (size_t)msg->value > s->run.n_setup)
		return;
	s->run.last_step = msg->value;
	if ((size_t)msg->value < s->run.n_setup) {
		service_say(s, "setup", "setup step %d of %zu", msg->value + 1, s->run.n_setup);
		return;
	}
	s->run.upstream_runs = true;
	s->run.main_known = !s->profile->pid_file;
	s->run.main_inside = s->run.main_known ? msg->value2 : 0;
	instance_claim(s); /* said before we heard that it runs: the two come by different ways */
	record_save(s);
	if (s->state == STATE_STARTING && !instance_is_ready(s))
		service_say(s, "note", "%s runs; waiting until it %s", s->profile->command.v[0],
			s->profile->ready == READY_NOTIFY || s->profile->ready == READY_FD ? "says that it is ready" :
			s->profile->ready == READY_EXIT    ? "has done its work" :
			s->profile->ready == READY_CHECK   ? "passes its check" :
			s->profile->ready == READY_STARTED ? "has written its pid file" :
							     "listens");
	instance_check_ready(s);
}

/* The number is the sandbox's own word, and used for nothing but to be shown. */
static void on_main(struct service *s, const struct trp_init_msg *msg)
{
	struct instance *run = &s->run;
	bool first = !run->main_known;

	if ((!s->profile->pid_file && s->profile->ready != READY_NOTIFY) || !run->upstream_runs || msg->value < 2)
		return;
	run->main_known = true;
	run->main_inside = msg->value;
	run->main_pid = 0;
	if (run->next_main < trp_now_seconds())
		run->next_main = trp_now_seconds();
	if (!first && run->next_main < trp_now_seconds() + MAINS_IN_A_ROW) {
		run->next_main += 1.0;
		logs_note(s->logs, "its main process is %d now", instance_main_pid(s));
	}
	instance_check_ready(s);
	record_save(s);
}

pid_t instance_main_pid(struct service *s)
{
	struct instance *run = &s->run;

	if (!run->running || !run->main_known)
		return -1;
	if (run->main_pid <= 0)
		run->main_pid = mainpid_on_host(run->box.pid, run->main_inside);
	return run->main_pid;
}

void instance_listened(struct service *s, const struct trp_init_msg *msg)
{
	if (route_listened(s, msg))
		record_save(s); /* each is a file that is written, and it may be said without end */
	instance_check_ready(s);
}

/* The newline on its descriptor, or that none can come any more; each is believed once. */
static void on_ready(struct service *s, const struct trp_init_msg *msg)
{
	struct instance *run = &s->run;

	if (s->profile->ready != READY_FD || !run->upstream_runs || run->says_ready || run->never_ready)
		return;
	run->says_ready = msg->value == 1;
	run->never_ready = !run->says_ready;
	record_save(s);
	if (run->never_ready)
		service_event(s, EVENT_NEVER_READY);
	instance_check_ready(s);
}

static void watch_messages(struct pace *p)
{
	struct service *s = p->data;
	struct instance *run = &s->run;

	ev_io_start(s->d->loop, &run->on_control);
	if (run->notify >= 0)
		ev_io_start(s->d->loop, &run->on_notify);
	notifier_listen(s, true);
	loopback_listen(s, true);
}

void instance_took(struct service *s, unsigned n)
{
	struct instance *run = &s->run;

	if (n == 0 || pace_take(&run->messages, n))
		return;
	ev_io_stop(s->d->loop, &run->on_control);
	ev_io_stop(s->d->loop, &run->on_notify);
	notifier_listen(s, false);
	loopback_listen(s, false);
}

void instance_catch_up(struct service *s)
{
	struct instance *run = &s->run;

	for (int i = 0; i < CAUGHT_UP_TURNS && run->running; i++) {
		if (ev_is_active(&run->on_control))
			ev_invoke(s->d->loop, &run->on_control, EV_READ);
		if (ev_is_active(&run->on_notify))
			ev_invoke(s->d->loop, &run->on_notify, EV_READ);
	}
}

bool instance_hear(struct service *s, int control, void (*take)(struct service *s, const struct trp_init_msg *msg))
{
	struct trp_init_msg msg;
	unsigned i = 0;

	for (; i < HEARD_PER_TURN; i++) {
		enum initsock_got got = initsock_look(control, &msg);
		if (got == INITSOCK_NONE)
			break;
		if (got == INITSOCK_END || got == INITSOCK_RESET)
			return false;
		if (got == INITSOCK_MESSAGE)
			take(s, &msg);
		initsock_done(control);
	}
	instance_took(s, i);
	return true;
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
	case TRP_INIT_MAIN:
		on_main(s, msg);
		return;
	case TRP_INIT_NO_MAIN:
		if (s->run.no_main || !s->profile->pid_file)
			return;
		s->run.no_main = true;
		record_save(s);
		return;
	case TRP_INIT_STOP_STEP:
	case TRP_INIT_STOP_EXITED:
	case TRP_INIT_STOP_EXEC_FAILED:
	case TRP_INIT_STOPS_OVER:
		prestop_take(s, msg);
		return;
	case TRP_INIT_READY:
		on_ready(s, msg);
		return;
	case TRP_INIT_CHECKED:
		health_checked(s, msg->value, msg->value2);
		return;
	case TRP_INIT_EXITED: /* once, as the next: each is a file that is written */
		if (s->run.reported)
			return;
		s->run.reported = true;
		s->run.reported_step = msg->value;
		s->run.reported_status = msg->value2;
		record_save(s);
		return;
	case TRP_INIT_EXEC_FAILED:
		if (s->run.exec_failed)
			return;
		s->run.exec_failed = true;
		s->run.reported_step = msg->value;
		s->run.exec_errno = msg->value2;
		record_save(s);
		return;
	default: /* a tenant may say anything */
		return;
	}
}

/* Reads what init said, a bounded number of messages, and returns how many. */
static unsigned read_control(struct service *s)
{
	struct trp_init_msg msg;
	unsigned i = 0;

	for (; i < MESSAGES_PER_TURN && s->run.control >= 0; i++) {
		enum initsock_got got = initsock_look(s->run.control, &msg);
		if (got == INITSOCK_NONE)
			break;
		if (got == INITSOCK_RESET)
			continue;
		if (got == INITSOCK_END) {
			ev_io_stop(s->d->loop, &s->run.on_control); /* its end is seen by the pidfd */
			break;
		}
		if (got == INITSOCK_MESSAGE)
			take_message(s, &msg);
		initsock_done(s->run.control);
	}
	return i;
}

static void on_control(struct ev_loop *loop, ev_io *w, int events)
{
	(void)loop;
	(void)events;
	instance_took(w->data, read_control(w->data));
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
	/* nothing more will come: trp-init was executed, or the child has ended */
	keep_drop(s->d->keep, s->key, "init-status", 0);
	close_later(loop, &s->run.box.status_fd);
}

static void on_end(struct ev_loop *loop, ev_io *w, int events)
{
	struct service *s = w->data;
	enum service_event event;
	int status;

	(void)loop;
	(void)events;
	if (loopback_linger(s) || learner_linger(s) || reap_status(s->run.box.pidfd, &status) <= 0)
		return;
	(void)read_control(s);
	if (ev_is_active(&s->run.on_status))
		on_status(s->d->loop, &s->run.on_status, EV_READ);
	logs_drain(s->logs);
	s->run.running = false;
	event = instance_judge(s, status);
	instance_release(s);
	service_gone(s, event);
}

/* What of a run must outlive the daemon, under the names by which the keeper has it. */
static const struct kept {
	const char *what;
	size_t at;
	bool must; /* a run without it cannot be taken over */
} kept[] = {
	{"init", offsetof(struct instance, box.pidfd), true},
	{"init-status", offsetof(struct instance, box.status_fd), false},
	{"init-control", offsetof(struct instance, control), true},
	{"notify", offsetof(struct instance, notify), false},
	{"notifier", offsetof(struct instance, notifier.pidfd), false},
	{"notifier-control", offsetof(struct instance, notifier.control), false},
	{"relay", offsetof(struct instance, loopback.box.pidfd), false},
	{"relay-status", offsetof(struct instance, loopback.box.status_fd), false},
	{"relay-control", offsetof(struct instance, loopback.control), false},
};

static int *kept_fd(struct instance *run, const struct kept *k)
{
	return (int *)(void *)((char *)run + k->at);
}

static void keep_all(struct service *s)
{
	for (size_t i = 0; i < TRP_ARRAY_SIZE(kept); i++)
		if (*kept_fd(&s->run, &kept[i]) >= 0)
			keep_put(s->d->keep, s->key, kept[i].what, 0, *kept_fd(&s->run, &kept[i]));
}

static void keep_none(struct service *s)
{
	for (size_t i = 0; i < TRP_ARRAY_SIZE(kept); i++)
		keep_drop(s->d->keep, s->key, kept[i].what, 0);
}

void instance_release(struct service *s)
{
	struct instance *run = &s->run;
	struct ev_loop *loop = s->d->loop;

	health_stop(s);
	keep_none(s);

	ev_io_stop(loop, &run->on_end);
	ev_io_stop(loop, &run->on_status);
	ev_io_stop(loop, &run->on_control);
	ev_io_stop(loop, &run->on_notify);
	pace_stop(&run->messages);
	watchdog_stop(s);
	oom_stop(s);
	trp_close(&run->box.pidfd);
	trp_close(&run->box.status_fd);
	trp_close(&run->control);
	trp_close(&run->notify);
	notifier_stop(s);
	loopback_end(s);
	learner_stop(s);
	run->box.pid = 0;
	run->running = false;
}

static void watch(struct service *s)
{
	struct instance *run = &s->run;
	struct ev_loop *loop = s->d->loop;

	ev_io_init(&run->on_end, on_end, run->box.pidfd, EV_READ);
	if (run->box.status_fd >= 0)
		ev_io_init(&run->on_status, on_status, run->box.status_fd, EV_READ);
	ev_io_init(&run->on_control, on_control, run->control, EV_READ);
	run->on_end.data = run->on_status.data = run->on_control.data = run->on_notify.data = s;
	ev_io_start(loop, &run->on_end);
	if (run->box.status_fd >= 0)
		ev_io_start(loop, &run->on_status);
	ev_io_start(loop, &run->on_control);
	pace_init(&run->messages, loop, MESSAGES_A_SECOND, MESSAGES_AT_ONCE, watch_messages, s);
	if (run->notify >= 0) {
		ev_io_init(&run->on_notify, notified_ready, run->notify, EV_READ);
		run->on_notify.data = s;
		ev_io_start(loop, &run->on_notify);
	}
}

/* Pipes, control socket, channels, then the sandbox. */
static int spawn(struct service *s, int out_err[2], int pair[2])
{
	cleanup_close int notify = -1, from_before = -1;
	int r = 0;

	if (s->profile->ready == READY_NOTIFY)
		r = sdnotify_run(s, &from_before);
	else if (!s->shadow)
		sdnotify_end(s); /* its profile was another one */
	if (r == 0)
		r = logs_pipes(s->logs, &out_err[0], &out_err[1]);
	if (r == 0)
		r = trp_fd_pair(pair);
	if (r < 0)
		return r;
	s->run.control = trp_steal_fd(&pair[0]);
	r = instance_send_channels(s, s->run.control);
	if (r == 0 && s->adapter == ADAPTER_NOTIFY)
		r = notifier_prepare(s, &notify);
	if (r == 0 && s->learning.on)
		r = learner_prepare(s);
	return r < 0 ? r : launch_service(s, out_err, pair[1], notify, from_before);
}

/* The process beside the sandbox, which has been made: if this fails, it is ended as if its adapter had. */
static void start_adapter(struct service *s, int err)
{
	bool loopback = s->adapter == ADAPTER_LOOPBACK;
	int r = loopback ? loopback_start(s, err) : notifier_start(s, err);
	char text[sizeof(s->run.lost)], why[300];

	if (r == 0)
		return;
	if (s->run.loopback.failure.stage != SANDBOX_STAGE_NONE)
		sandbox_failure_text(&s->run.loopback.failure, why, sizeof(why));
	else
		snprintf(why, sizeof(why), "%s", strerror(-r));
	snprintf(text, sizeof(text), "%s, its adapter, cannot be started: %.75s", loopback ? "trp-relay" : "trp-notify", why);
	instance_lost(s, text);
}

/* The same with the process that watches. */
static void start_learner(struct service *s, int err)
{
	char text[sizeof(s->run.lost)];
	int r;

	learning_run_began(s);
	r = learner_start(s, err);
	if (r == 0)
		return;
	snprintf(text, sizeof(text), "trp-learn, which is to watch it, cannot be started: %s", strerror(-r));
	instance_lost(s, text);
}

void instance_none(struct service *s)
{
	s->run = (struct instance){
		.control = -1, .notify = -1, .box = {.pidfd = -1, .status_fd = -1}, .last_step = -1, .last_stop = -1, .last_stop_end = -1, .notifier = NOTIFIER_NONE,
		.loopback = LOOPBACK_NONE, .learner = LEARNER_NONE, .oom = OOM_NONE};
}

int instance_spawn(struct service *s)
{
	int out_err[2] = {-1, -1}, pair[2] = {-1, -1}, r;

	instance_none(s);
	s->run.n_setup = s->profile->setup.n;
	s->run.watchdog_us = s->profile->watchdog_ms * 1000u;
	s->message[0] = '\0';
	r = prepare_host(s);
	if (r == 0)
		r = route_channels(s);
	if (r == 0)
		oom_start(s);
	if (r == 0)
		r = spawn(s, out_err, pair);
	if (r == 0 && (s->adapter == ADAPTER_NOTIFY || s->adapter == ADAPTER_LOOPBACK))
		start_adapter(s, out_err[1]);
	if (r == 0 && s->learning.on)
		start_learner(s, out_err[1]);
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
	keep_all(s);
	ahead_again(s->d);
	return 0;
}

void instance_discard(struct service *s)
{
	if (s->run.box.pidfd >= 0) {
		reap_kill(s->run.box.pidfd, SIGKILL);
		reap_await(s->run.box.pidfd);
	}
	instance_release(s);
}

int instance_adopt(struct service *s)
{
	struct instance *run = &s->run;
	bool whole = true;
	pid_t pid;

	run->n_setup = s->profile->setup.n;
	if (run->box.owner == 0) /* of a daemon that prepared none */
		run->box.owner = sandbox_owner(s->uid_base, IDS_RANGE);
	for (size_t i = 0; i < TRP_ARRAY_SIZE(kept); i++) {
		int fd = keep_take(s->d->keep, s->key, kept[i].what, 0);
		*kept_fd(run, &kept[i]) = fd;
		whole &= fd >= 0 || !kept[i].must;
	}
	if ((s->adapter == ADAPTER_NOTIFY && (run->notifier.pidfd < 0 || run->notifier.control < 0)) ||
		(s->adapter == ADAPTER_LOOPBACK && (run->loopback.box.pidfd < 0 || run->loopback.control < 0)))
		whole = false;
	pid = run->box.pidfd >= 0 ? reap_pid(run->box.pidfd) : -1;
	if (!whole || (pid > 0 && pid != run->box.pid)) {
		instance_discard(s);
		return -ENOENT;
	}
	/* one that has ended meanwhile is found by its pidfd, and what its init said of it lies in the socket */
	run->running = true;
	run->watchdog_us = s->profile->watchdog_ms * 1000u;
	health_command_adopt(s);
	watch(s);
	watchdog_start(s);
	if (s->adapter == ADAPTER_NOTIFY && run->notifier.pid > 0)
		notifier_watch(s);
	if (s->adapter == ADAPTER_LOOPBACK && run->loopback.box.pid > 0)
		loopback_watch(s);
	return 0;
}
