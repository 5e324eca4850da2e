/* SPDX-License-Identifier: ISC */
#include "supervisor/notifier.h"
#include "base/fdpass.h"
#include "supervisor/helper.h"
#include "supervisor/reap.h"
#include "supervisor/service.h"

#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>

int notifier_prepare(struct service *s, int *ret_init_end)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	s->run.notifier.hand_over = pair[0];
	*ret_init_end = pair[1];
	return 0;
}

static void take_message(struct service *s, const struct trp_init_msg *msg)
{
	if (msg->type == TRP_INIT_LISTEN)
		instance_listened(s, msg);
}

static void on_message(struct ev_loop *loop, ev_io *w, int events)
{
	struct service *s = w->data;

	(void)events;
	if (!instance_hear(s, s->run.notifier.control, take_message))
		ev_io_stop(loop, w);
}

void notifier_listen(struct service *s, bool on)
{
	struct notifier *n = &s->run.notifier;

	if (on && n->pid > 0)
		ev_io_start(s->d->loop, &n->on_message);
	else
		ev_io_stop(s->d->loop, &n->on_message);
}

static void on_end(struct ev_loop *loop, ev_io *w, int events)
{
	struct service *s = w->data;
	char how[80], text[120];
	int status;

	(void)events;
	if (reap_status(s->run.notifier.pidfd, &status) <= 0)
		return;
	ev_io_stop(loop, w);
	s->run.notifier.pid = 0;
	if (s->run.stop_asked || reap_has_ended(s->run.box.pidfd))
		return; /* it follows the sandbox's init, and may be seen first */
	reap_text(status, how, sizeof(how));
	snprintf(text, sizeof(text), "trp-notify, its adapter, %s", how);
	instance_lost(s, text);
}

void notifier_watch(struct service *s)
{
	struct notifier *n = &s->run.notifier;

	ev_io_init(&n->on_end, on_end, n->pidfd, EV_READ);
	ev_io_init(&n->on_message, on_message, n->control, EV_READ);
	n->on_end.data = n->on_message.data = s;
	ev_io_start(s->d->loop, &n->on_end);
	ev_io_start(s->d->loop, &n->on_message);
}

int notifier_start(struct service *s, int err)
{
	struct notifier *n = &s->run.notifier;
	cleanup_close int theirs = -1;
	int pair[2], r;

	r = trp_fd_pair(pair);
	if (r < 0)
		return r;
	n->control = pair[0];
	theirs = pair[1];
	r = instance_send_channels(s, n->control);
	if (r == 0)
		r = helper_start("trp-notify", NULL, (const int[]){err, theirs, n->hand_over, s->run.box.pidfd}, 4, &n->pid, &n->pidfd);
	trp_close(&n->hand_over);
	if (r < 0)
		return r;
	notifier_watch(s);
	return helper_join(s->has_cgroup ? &s->cgroup : NULL, n->pid);
}

void notifier_stop(struct service *s)
{
	struct notifier *n = &s->run.notifier;

	ev_io_stop(s->d->loop, &n->on_end);
	ev_io_stop(s->d->loop, &n->on_message);
	helper_end(n->pid, n->pidfd);
	n->pid = 0;
	trp_close(&n->pidfd);
	trp_close(&n->control);
	trp_close(&n->hand_over);
}
