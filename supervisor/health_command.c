/* SPDX-License-Identifier: ISC */
/* health_command.c: a check that is a command inside the service's sandbox. Its output is a tenant's: bounded, and shown as printable ASCII. */
#include "base/io.h"
#include "base/log.h"
#include "supervisor/helper.h"
#include "supervisor/inside.h"
#include "supervisor/reap.h"
#include "supervisor/reaplater.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#define KEPT_AS    "check"
#define SHOWN_MAX  120         /* bytes of its output */
#define OUTPUT_MAX (256 * 1024) /* it may write; who writes more has no end */
#define PIECE      4096
#define PIECES     16          /* of it in a turn of the loop */

struct health_command {
	struct service *s;
	struct inside in;
	int out;
	char shown[SHOWN_MAX + 1];
	size_t n_shown, n_read;
	ev_io on_sync, on_status, on_end, on_out;
	ev_timer again; /* for on_end */
};

/* All that it has started and that has not left its session; it has not been reaped, so the number is nobody else's. */
static void kill_all(const struct health_command *c)
{
	if (c->in.entry.child.pid > 0)
		kill(-c->in.entry.child.pid, SIGKILL);
	reap_kill(c->in.entry.child.pidfd, SIGKILL);
}

static void command_free(struct health_command *c)
{
	struct service *s = c->s;
	struct ev_loop *loop = s->d->loop;

	ev_io_stop(loop, &c->on_sync);
	ev_io_stop(loop, &c->on_status);
	ev_io_stop(loop, &c->on_end);
	ev_timer_stop(loop, &c->again);
	ev_io_stop(loop, &c->on_out);
	keep_drop(s->d->keep, s->key, KEPT_AS, 0);
	trp_close(&c->out);
	inside_release(&c->in);
	s->health.command = NULL;
	free(c);
}

void health_command_abort(struct service *s)
{
	struct health_command *c = s->health.command;

	if (!c)
		return;
	if (c->in.entry.child.pidfd >= 0) {
		kill_all(c);
		helper_leave(s->d->loop, trp_steal_fd(&c->in.entry.child.pidfd));
	}
	command_free(c);
}

static void show(struct health_command *c, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n && c->n_shown < SHOWN_MAX; i++) {
		bool printable = bytes[i] > ' ' && bytes[i] <= '~';
		if (printable || (c->n_shown > 0 && c->shown[c->n_shown - 1] != ' '))
			c->shown[c->n_shown++] = printable ? bytes[i] : ' ';
	}
}

static void finish(struct health_command *c, bool passed, const char *what)
{
	struct service *s = c->s;
	char text[200];

	while (c->n_shown > 0 && c->shown[c->n_shown - 1] == ' ')
		c->n_shown--;
	c->shown[c->n_shown] = '\0';
	snprintf(text, sizeof(text), "%.70s%s%s", what, c->shown[0] ? ": " : "", c->shown);
	health_done(s, passed, text); /* which lets go of c */
}

/* False: it has written too much. */
static bool read_output(struct health_command *c)
{
	char piece[PIECE];
	ssize_t n = 0;

	for (int i = 0; i < PIECES && (n = read(c->out, piece, sizeof(piece))) > 0; i++) {
		show(c, piece, (size_t)n);
		c->n_read += (size_t)n;
	}
	if (n == 0)
		ev_io_stop(c->s->d->loop, &c->on_out);
	return c->n_read <= OUTPUT_MAX;
}

static void on_out(struct ev_loop *loop, ev_io *w, int events)
{
	struct health_command *c = w->data;

	(void)loop, (void)events;
	if (!read_output(c))
		finish(c, false, "its output has no end");
}

static void read_status(struct health_command *c)
{
	struct sandbox_failure failure;
	ssize_t n = c->in.entry.child.status_fd < 0 ? -1 : read(c->in.entry.child.status_fd, &failure, sizeof(failure));

	if (n < 0)
		return;
	ev_io_stop(c->s->d->loop, &c->on_status);
	trp_close(&c->in.entry.child.status_fd);
	if (n == sizeof(failure))
		c->in.failure = failure;
}

static void on_status(struct ev_loop *loop, ev_io *w, int events)
{
	(void)loop, (void)events;
	read_status(w->data);
}

static void on_sync(struct ev_loop *loop, ev_io *w, int events)
{
	struct health_command *c = w->data;
	int none;

	(void)events;
	ev_io_stop(loop, w);
	inside_admit(&c->in, &none);
}

static void on_end(struct ev_loop *loop, ev_io *w, int events)
{
	struct health_command *c = w->data;
	char text[100] = "";
	int status;

	(void)events;
	kill_all(c); /* what it left: it is not reaped yet */
	if (reap_status(c->in.entry.child.pidfd, &status) <= 0) {
		reap_later(loop, w, &c->again);
		return;
	}
	trp_close(&c->in.entry.child.pidfd);
	read_status(c);
	(void)read_output(c);
	if (c->in.failure.stage != SANDBOX_STAGE_NONE) {
		snprintf(text, sizeof(text), "%s: %s", c->s->profile->check_command.v[0], strerror(c->in.failure.error));
		finish(c, false, text);
		return;
	}
	if (status != REAP_UNKNOWN)
		reap_text(status, text, sizeof(text));
	finish(c, status != REAP_UNKNOWN && WIFEXITED(status) && WEXITSTATUS(status) == 0, text);
}

void health_command_late(struct service *s)
{
	char text[60];

	if (reap_has_ended(s->health.command->in.entry.child.pidfd)) /* how, is seen in this turn */
		return;
	snprintf(text, sizeof(text), "no end within %.3g s", (double)s->profile->check_timeout_ms / 1000.0);
	(void)read_output(s->health.command);
	finish(s->health.command, false, text);
}

static void watch(struct health_command *c)
{
	struct ev_loop *loop = c->s->d->loop;

	ev_io_init(&c->on_end, on_end, c->in.entry.child.pidfd, EV_READ);
	ev_io_init(&c->on_status, on_status, c->in.entry.child.status_fd, EV_READ);
	ev_io_init(&c->on_sync, on_sync, c->in.entry.sync_fd, EV_READ);
	ev_io_init(&c->on_out, on_out, c->out, EV_READ);
	c->on_end.data = c->on_status.data = c->on_sync.data = c->on_out.data = c;
	ev_io_start(loop, &c->on_end);
	ev_io_start(loop, &c->on_status);
	ev_io_start(loop, &c->on_sync);
	ev_io_start(loop, &c->on_out);
}

static int enter(struct health_command *c)
{
	const struct sandbox_spec *spec = &c->in.spec;
	cleanup_close int null = open("/dev/null", O_RDWR | O_CLOEXEC), out = -1;
	int p[2], ends[3];

	if (null < 0 || pipe2(p, O_CLOEXEC) < 0)
		return -errno;
	c->out = p[0];
	out = p[1];
	if (trp_set_nonblock(c->out, true) < 0 || fchown(out, spec->uid_base + spec->uid, spec->uid_base + spec->gid) < 0)
		return -errno;
	ends[0] = null;
	ends[1] = ends[2] = out;
	return inside_enter(&c->in, c->s, &c->s->profile->check_command, NULL, ends);
}

int health_command_begin(struct service *s, char *err, size_t err_size)
{
	const char *why = inside_obstacle(s);
	struct health_command *c = why ? NULL : calloc(1, sizeof(*c));
	int r;

	if (!c) {
		snprintf(err, err_size, "%s", why ? why : "out of memory");
		return why ? -EBUSY : -ENOMEM;
	}
	err[0] = '\0';
	c->s = s;
	c->out = -1;
	inside_init(&c->in);
	s->health.command = c;
	r = inside_describe(&c->in, s, NULL, NULL, err, err_size);
	if (r == 0)
		r = enter(c);
	if (r < 0) {
		if (c->in.failure.stage != SANDBOX_STAGE_NONE)
			inside_failure_text(&c->in, err, err_size);
		else if (!err[0])
			snprintf(err, err_size, "%s", strerror(-r));
		command_free(c);
		return r;
	}
	keep_put(s->d->keep, s->key, KEPT_AS, 0, c->in.entry.child.pidfd);
	watch(c);
	return 0;
}

void health_command_adopt(struct service *s)
{
	int fd = keep_take(s->d->keep, s->key, KEPT_AS, 0);
	pid_t pid = fd < 0 ? -1 : reap_pid(fd);

	if (fd < 0)
		return;
	if (pid > 0)
		kill(-pid, SIGKILL);
	helper_leave(s->d->loop, fd);
	keep_drop(s->d->keep, s->key, KEPT_AS, 0);
}
