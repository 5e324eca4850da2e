/* SPDX-License-Identifier: ISC */
#include "supervisor/learn/learner.h"
#include "base/fdpass.h"
#include "base/io.h"
#include "supervisor/helper.h"
#include "supervisor/reap.h"
#include "supervisor/service.h"

#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define MESSAGES_PER_TURN 256
/* What a program does at its start is some thousands; what trp-learn says last, 1,500, is there before LINGER_SECONDS are over */
#define MESSAGES_A_SECOND 5000
#define MESSAGES_AT_ONCE  10000
#define LAST_MESSAGES     4096 /* more than its socket holds: it may have given its end to somebody who goes on */
#define LINGER_SECONDS    2.0

int learner_prepare(struct service *s)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	s->run.learner.go = pair[0];
	s->run.learner.init_end = pair[1];
	return 0;
}

/* Up to max messages; how many. *ret_over: there are none any more, and none will come. */
static size_t read_messages(struct service *s, size_t max, bool *ret_over)
{
	struct learn_msg msg;
	size_t i = 0;

	for (; i < max && s->run.learner.control >= 0; i++) {
		ssize_t n = trp_fd_recv(s->run.learner.control, &msg, sizeof(msg), NULL, 0, MSG_DONTWAIT);
		*ret_over = n == 0 || n == -ECONNRESET;
		if (n == -EAGAIN || *ret_over)
			break;
		if (n != sizeof(msg) || msg.magic != LEARN_MAGIC)
			continue;
		s->run.learner.ended = s->run.learner.ended || msg.type == LEARN_END;
		learning_take(s, &msg);
	}
	return i;
}

/* What its socket still holds when it has ended. */
static void read_last(struct service *s)
{
	bool over;

	(void)read_messages(s, LAST_MESSAGES, &over);
}

static void on_message(struct ev_loop *loop, ev_io *w, int events)
{
	struct service *s = w->data;
	bool over = false;
	size_t n = read_messages(s, MESSAGES_PER_TURN, &over);

	(void)events;
	if (over || !pace_take(&s->run.learner.pace, (double)n))
		ev_io_stop(loop, w); /* its end is seen by the pidfd */
}

static void go_on(struct pace *p)
{
	struct service *s = p->data;

	if (s->run.learner.pid)
		ev_io_start(s->d->loop, &s->run.learner.on_message);
}

static void on_end(struct ev_loop *loop, ev_io *w, int events)
{
	struct service *s = w->data;
	struct learner *l = &s->run.learner;
	char how[80], text[120];
	int status;

	(void)events;
	if (reap_status(l->pidfd, &status) <= 0)
		return;
	ev_io_stop(loop, w);
	ev_timer_stop(loop, &l->timer);
	l->pid = 0;
	read_last(s);
	if (!l->ended && !s->run.stop_asked) { /* else it follows the sandbox's init */
		reap_text(status, how, sizeof(how));
		snprintf(text, sizeof(text), "trp-learn, which watches it, %s", how);
		instance_lost(s, text);
	}
	if (l->lingering)
		ev_io_start(loop, &s->run.on_end); /* which goes on now */
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int events)
{
	struct service *s = w->data;

	(void)loop;
	(void)events;
	reap_kill(s->run.learner.pidfd, SIGKILL);
}

static void watch(struct service *s)
{
	struct learner *l = &s->run.learner;

	ev_io_init(&l->on_end, on_end, l->pidfd, EV_READ);
	ev_io_init(&l->on_message, on_message, l->control, EV_READ);
	ev_timer_init(&l->timer, on_timer, LINGER_SECONDS, 0.);
	pace_init(&l->pace, s->d->loop, MESSAGES_A_SECOND, MESSAGES_AT_ONCE, go_on, s);
	l->on_end.data = l->on_message.data = l->timer.data = s;
	ev_io_start(s->d->loop, &l->on_end);
	ev_io_start(s->d->loop, &l->on_message);
}

/* A file with the instructions, or -errno. */
static int filter_file(const struct seccomp_filter *f)
{
	cleanup_close int fd = memfd_create("filter", MFD_CLOEXEC);
	int r = fd < 0 ? -errno : trp_write_all(fd, f->insns, f->len * sizeof(f->insns[0]));

	return r < 0 ? r : trp_steal_fd(&fd);
}

int learner_start(struct service *s, int err)
{
	struct learner *l = &s->run.learner;
	cleanup_close int theirs = -1, filter = filter_file(s->seccomp), reference = filter_file(s->learning.reference);
	int pair[2], r;
	char pid[16];

	if (filter < 0 || reference < 0)
		return filter < 0 ? filter : reference;
	r = trp_fd_pair(pair);
	if (r < 0)
		return r;
	l->control = pair[0];
	theirs = pair[1];
	snprintf(pid, sizeof(pid), "%d", s->run.box.pid);
	r = helper_start("trp-learn", pid, (const int[]){err, theirs, l->go, s->run.box.pidfd, filter, reference}, 6, &l->pid,
		&l->pidfd);
	trp_close(&l->go);
	trp_close(&l->init_end); /* its init has it: if trp-learn ends before it watches, init sees that */
	if (r < 0)
		return r;
	watch(s);
	return helper_join(s->has_cgroup ? &s->cgroup : NULL, l->pid);
}

bool learner_linger(struct service *s)
{
	struct learner *l = &s->run.learner;

	if (l->pid == 0)
		return false;
	l->lingering = true;
	ev_io_stop(s->d->loop, &s->run.on_end);
	ev_timer_start(s->d->loop, &l->timer);
	return true;
}

void learner_stop(struct service *s)
{
	struct learner *l = &s->run.learner;
	bool watched = l->control >= 0;

	ev_io_stop(s->d->loop, &l->on_end);
	ev_io_stop(s->d->loop, &l->on_message);
	ev_timer_stop(s->d->loop, &l->timer);
	pace_stop(&l->pace);
	helper_end(l->pid, l->pidfd);
	l->pid = 0;
	read_last(s);
	if (watched)
		learning_run_ended(s, l->ended);
	trp_close(&l->pidfd);
	trp_close(&l->control);
	trp_close(&l->go);
	trp_close(&l->init_end);
}
