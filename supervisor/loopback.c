/* SPDX-License-Identifier: ISC */
#include "supervisor/loopback.h"
#include "base/fdpass.h"
#include "supervisor/helper.h"
#include "supervisor/launch.h"
#include "supervisor/reap.h"
#include "supervisor/service.h"

#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define DRAIN_SECONDS     1.0   /* the relay itself gives up after 0.4 s */
#define LINGER_SECONDS    2.0

static void upstream_may_end(struct service *s)
{
	int signo = s->run.loopback.stop_signal;

	if (signo)
		instance_tell_stop(s, signo);
	s->run.loopback.stop_signal = 0;
}

static void take_message(struct service *s, const struct trp_init_msg *msg)
{
	if (msg->type == TRP_INIT_LISTEN)
		instance_listened(s, msg);
	if (msg->type == TRP_INIT_DRAINED)
		upstream_may_end(s);
}

static void on_message(struct ev_loop *loop, ev_io *w, int events)
{
	struct service *s = w->data;

	(void)events;
	if (!instance_hear(s, s->run.loopback.control, take_message))
		ev_io_stop(loop, w);
}

void loopback_listen(struct service *s, bool on)
{
	struct loopback *l = &s->run.loopback;

	if (on && l->box.pid > 0)
		ev_io_start(s->d->loop, &l->on_message);
	else
		ev_io_stop(s->d->loop, &l->on_message);
}

static void on_status(struct ev_loop *loop, ev_io *w, int events)
{
	struct service *s = w->data;
	struct sandbox_failure failure;
	ssize_t n = read(s->run.loopback.box.status_fd, &failure, sizeof(failure));

	(void)events;
	if (n < 0)
		return;
	ev_io_stop(loop, w);
	if (n == sizeof(failure))
		s->run.loopback.failure = failure;
}

static void lost(struct service *s, int status)
{
	const struct loopback *l = &s->run.loopback;
	char how[300], text[sizeof(s->run.lost)];

	if (l->failure.stage != SANDBOX_STAGE_NONE)
		sandbox_failure_text(&l->failure, how, sizeof(how));
	else
		reap_text(status, how, sizeof(how));
	snprintf(text, sizeof(text), "trp-relay, its adapter, %.90s", how);
	instance_lost(s, text);
}

static void on_end(struct ev_loop *loop, ev_io *w, int events)
{
	struct service *s = w->data;
	struct loopback *l = &s->run.loopback;
	bool expected = l->stop_signal || l->lingering || s->run.stop_asked;
	int status;

	(void)events;
	if (reap_status(l->box.pidfd, &status) <= 0)
		return;
	ev_io_stop(loop, w);
	if (ev_is_active(&l->on_status))
		on_status(loop, &l->on_status, EV_READ);
	l->box.pid = 0;
	ev_timer_stop(loop, &l->timer);
	upstream_may_end(s);
	if (l->lingering)
		ev_io_start(loop, &s->run.on_end); /* which goes on now */
	else if (!expected && !reap_has_ended(s->run.box.pidfd))
		lost(s, status);
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int events)
{
	struct service *s = w->data;

	(void)loop;
	(void)events;
	if (s->run.loopback.lingering)
		reap_kill(s->run.loopback.box.pidfd, SIGKILL);
	else
		upstream_may_end(s);
}

void loopback_watch(struct service *s)
{
	struct loopback *l = &s->run.loopback;
	struct ev_loop *loop = s->d->loop;

	ev_io_init(&l->on_end, on_end, l->box.pidfd, EV_READ);
	if (l->box.status_fd >= 0)
		ev_io_init(&l->on_status, on_status, l->box.status_fd, EV_READ);
	ev_io_init(&l->on_message, on_message, l->control, EV_READ);
	ev_timer_init(&l->timer, on_timer, 0., 0.);
	l->on_end.data = l->on_status.data = l->on_message.data = l->timer.data = s;
	ev_io_start(loop, &l->on_end);
	if (l->box.status_fd >= 0)
		ev_io_start(loop, &l->on_status);
	ev_io_start(loop, &l->on_message);
}

int loopback_start(struct service *s, int err)
{
	struct loopback *l = &s->run.loopback;
	cleanup_close int theirs = -1;
	int pair[2], r = trp_fd_pair(pair);

	if (r < 0)
		return r;
	l->control = pair[0];
	theirs = pair[1];
	r = instance_send_channels(s, l->control);
	if (r == 0)
		r = launch_loopback(s, err, theirs);
	if (r == 0)
		loopback_watch(s);
	return r;
}

static void tell_stop(struct service *s, double seconds)
{
	const struct trp_init_msg msg = {.magic = TRP_INIT_MAGIC, .type = TRP_INIT_STOP, .value = SIGQUIT};
	struct loopback *l = &s->run.loopback;

	trp_fd_send(l->control, &msg, sizeof(msg), NULL, 0, MSG_DONTWAIT);
	ev_timer_stop(s->d->loop, &l->timer);
	ev_timer_set(&l->timer, seconds, 0.);
	ev_timer_start(s->d->loop, &l->timer);
}

bool loopback_stop_first(struct service *s, int signo)
{
	struct loopback *l = &s->run.loopback;

	if (l->box.pid == 0)
		return false;
	l->stop_signal = signo;
	tell_stop(s, DRAIN_SECONDS);
	return true;
}

bool loopback_linger(struct service *s)
{
	struct loopback *l = &s->run.loopback;

	if (l->box.pid == 0 || reap_has_ended(l->box.pidfd))
		return false;
	l->lingering = true;
	ev_io_stop(s->d->loop, &s->run.on_end);
	tell_stop(s, LINGER_SECONDS);
	return true;
}

void loopback_end(struct service *s)
{
	struct loopback *l = &s->run.loopback;

	ev_io_stop(s->d->loop, &l->on_end);
	ev_io_stop(s->d->loop, &l->on_message);
	ev_io_stop(s->d->loop, &l->on_status);
	ev_timer_stop(s->d->loop, &l->timer);
	helper_end(l->box.pid, l->box.pidfd);
	l->box.pid = 0;
	trp_close(&l->box.pidfd);
	trp_close(&l->box.status_fd);
	trp_close(&l->control);
}
