/* SPDX-License-Identifier: ISC */
#include "supervisor/exec.h"
#include "base/io.h"
#include "base/log.h"
#include "supervisor/controlmsg.h"
#include "supervisor/inside.h"
#include "supervisor/reap.h"
#include "supervisor/reaplater.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

/* Commands at a time. Each holds a control connection (CONTROL_CLIENTS_MAX): those that do not end leave the rest to whoever wants to end them. */
#define EXECS_OF_SERVICE_MAX 16
#define EXECS_MAX            128
#define KEPT_AS   "exec"

/* What a shell says when it cannot execute a command. */
enum { CODE_NOT_EXECUTABLE = 126, CODE_NOT_FOUND = 127 };

struct exec {
	struct exec *next;
	struct daemon *d;
	char *service;
	uint32_t number;           /* under which the keeper has it */
	struct control_call *call; /* NULL: its client has left */
	struct inside in;
	ev_io on_sync, on_status, on_end;
	ev_timer again; /* for on_end */
	bool terminal, input, said;
	int ends[3]; /* for the client: the terminal; or standard input, output, error */
};

static uint32_t last_number;

static void exec_free(struct exec *e)
{
	struct ev_loop *loop = e->d->loop;

	for (struct exec **p = &e->d->execs; *p; p = &(*p)->next)
		if (*p == e) {
			*p = e->next;
			break;
		}
	ev_io_stop(loop, &e->on_sync);
	ev_io_stop(loop, &e->on_status);
	ev_io_stop(loop, &e->on_end);
	ev_timer_stop(loop, &e->again);
	if (e->call)
		control_on_gone(e->call, NULL, NULL);
	keep_drop(e->d->keep, e->service, KEPT_AS, e->number);
	for (size_t i = 0; i < TRP_ARRAY_SIZE(e->ends); i++)
		trp_close(&e->ends[i]);
	inside_release(&e->in);
	free(e->service);
	free(e);
}

/* As a terminal that is closed. What ignores that goes on until the service ends. */
static void on_gone(void *data)
{
	struct exec *e = data;

	e->call = NULL;
	reap_kill(e->in.entry.child.pidfd, SIGHUP);
}

/* It runs: the client gets what leads to it. */
static void say_running(struct exec *e)
{
	int fds[CONTROL_FDS_MAX] = {e->in.entry.child.pidfd};
	json_t *names = json_pack("[s]", "process");
	size_t n = 1;

	for (size_t i = 0; i < TRP_ARRAY_SIZE(e->ends); i++) {
		static const char *const words[] = {"stdin", "stdout", "stderr"};
		if (e->ends[i] < 0)
			continue;
		fds[n++] = e->ends[i];
		json_array_append_new(names, json_string(e->terminal ? "terminal" : words[i]));
	}
	e->said = true;
	if (e->call)
		control_reply_fds(e->call, json_pack("{s:i,s:o}", "pid", (int)e->in.entry.child.pid, "descriptors", names), true, fds, n);
	else
		json_decref(names);
	for (size_t i = 0; i < TRP_ARRAY_SIZE(e->ends); i++)
		trp_close(&e->ends[i]);
}

static void read_status(struct exec *e)
{
	struct sandbox_failure failure;
	ssize_t n;

	if (e->in.entry.child.status_fd < 0)
		return;
	n = read(e->in.entry.child.status_fd, &failure, sizeof(failure));
	if (n < 0)
		return;
	ev_io_stop(e->d->loop, &e->on_status);
	trp_close(&e->in.entry.child.status_fd);
	if (n == sizeof(failure))
		e->in.failure = failure;
	else if (e->in.failure.stage == SANDBOX_STAGE_NONE && !e->in.box)
		say_running(e);
}

static void on_status(struct ev_loop *loop, ev_io *w, int events)
{
	(void)loop, (void)events;
	read_status(w->data);
}

static void on_sync(struct ev_loop *loop, ev_io *w, int events)
{
	struct exec *e = w->data;
	int master;

	(void)events;
	ev_io_stop(loop, w);
	inside_admit(&e->in, &master);
	if (e->terminal)
		e->ends[0] = master;
}

static void say_failed(struct exec *e)
{
	bool missing = e->in.failure.stage == SANDBOX_STAGE_EXEC && e->in.failure.error == ENOENT;
	char text[400];

	inside_failure_text(&e->in, text, sizeof(text));
	control_error(e->call, "trpsup.Failed",
		json_pack("{s:o,s:i}", "text", controlmsg_string(text, strlen(text)), "exit_code", missing ? CODE_NOT_FOUND : CODE_NOT_EXECUTABLE));
}

static void say_end(struct exec *e, int status)
{
	if (e->in.failure.stage != SANDBOX_STAGE_NONE)
		say_failed(e);
	else if (status == REAP_UNKNOWN || !e->said)
		control_error(e->call, "trpsup.Failed", json_pack("{s:s}", "text", "it was killed before it was executed"));
	else if (WIFEXITED(status))
		control_reply(e->call, json_pack("{s:i,s:n}", "exit_code", WEXITSTATUS(status), "signal"), false);
	else
		control_reply(e->call, json_pack("{s:n,s:i}", "exit_code", "signal", WTERMSIG(status)), false);
}

static void on_end(struct ev_loop *loop, ev_io *w, int events)
{
	struct exec *e = w->data;
	int status;

	(void)events;
	if (reap_status(e->in.entry.child.pidfd, &status) <= 0) {
		reap_later(loop, w, &e->again);
		return;
	}
	read_status(e);
	if (e->call)
		say_end(e, status);
	exec_free(e);
}

static void watch(struct exec *e)
{
	struct ev_loop *loop = e->d->loop;

	ev_io_init(&e->on_end, on_end, e->in.entry.child.pidfd, EV_READ);
	e->on_end.data = e->on_status.data = e->on_sync.data = e;
	ev_io_start(loop, &e->on_end);
	if (e->in.entry.child.status_fd < 0)
		return;
	ev_io_init(&e->on_status, on_status, e->in.entry.child.status_fd, EV_READ);
	ev_io_init(&e->on_sync, on_sync, e->in.entry.sync_fd, EV_READ);
	e->on_status.data = e->on_sync.data = e;
	ev_io_start(loop, &e->on_status);
	ev_io_start(loop, &e->on_sync);
}

/* ends: the command's, and e->ends the client's. Owned by who runs the command, so that it may open /dev/stdout by name. */
static int make_pipes(struct exec *e, int ends[3])
{
	for (int i = 0; i < 3; i++) {
		int p[2], in = i == 0;
		if (in && !e->input) {
			ends[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
			if (ends[i] < 0)
				return -errno;
			continue;
		}
		if (pipe2(p, O_CLOEXEC) < 0)
			return -errno;
		ends[i] = p[in ? 0 : 1];
		e->ends[i] = p[in ? 1 : 0];
		if (fchown(ends[i], e->in.spec.uid_base + e->in.spec.uid, e->in.spec.uid_base + e->in.spec.gid) < 0)
			return -errno;
	}
	return 0;
}

static int enter(struct exec *e, const struct service *s, const struct exec_wish *wish)
{
	const struct sandbox_terminal terminal = {.rows = wish->rows, .columns = wish->columns};
	int ends[3] = {-1, -1, -1};
	int r = wish->terminal ? 0 : make_pipes(e, ends);

	if (r == 0)
		r = inside_enter(&e->in, s, wish->command, wish->terminal ? &terminal : NULL, ends);
	for (int i = 0; i < 3; i++)
		trp_close(&ends[i]);
	return r;
}

static struct exec *exec_new(struct service *s)
{
	struct exec *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->d = s->d;
	e->number = ++last_number;
	inside_init(&e->in);
	for (size_t i = 0; i < TRP_ARRAY_SIZE(e->ends); i++)
		e->ends[i] = -1;
	e->service = strdup(s->name);
	if (!e->service) {
		free(e);
		return NULL;
	}
	e->next = s->d->execs;
	s->d->execs = e;
	return e;
}

static const char *obstacle(const struct service *s)
{
	size_t n = 0, own = 0;

	for (const struct exec *e = s->d->execs; e; e = e->next) {
		n++;
		own += strcmp(e->service, s->name) == 0;
	}
	return own >= EXECS_OF_SERVICE_MAX ? TRP_STR(EXECS_OF_SERVICE_MAX) " commands run in it already"
		: n >= EXECS_MAX           ? TRP_STR(EXECS_MAX) " commands run already"
					   : inside_obstacle(s);
}

int exec_start(struct service *s, const struct exec_wish *wish, struct control_call *call, char *err, size_t err_size)
{
	const char *why;
	struct exec *e;
	int r;

	doze_end(s, "a command is run in it");
	why = obstacle(s);
	err[0] = '\0';
	if (why) {
		snprintf(err, err_size, "%s", why);
		return -EBUSY;
	}
	e = exec_new(s);
	if (!e)
		return -ENOMEM;
	e->terminal = wish->terminal;
	e->input = wish->input;
	r = inside_describe(&e->in, s, wish->user, wish->terminal ? wish->term : NULL, err, err_size);
	if (r == 0)
		r = enter(e, s, wish);
	if (r < 0) {
		if (e->in.failure.stage != SANDBOX_STAGE_NONE)
			inside_failure_text(&e->in, err, err_size);
		else if (!err[0])
			snprintf(err, err_size, "%s", strerror(-r));
		exec_free(e);
		return r;
	}
	log_info("%s: exec %s as %u (pid %d)", s->name, wish->command->v[0], e->in.spec.uid, e->in.entry.child.pid);
	e->call = call;
	control_on_gone(call, on_gone, e);
	keep_put(e->d->keep, e->service, KEPT_AS, e->number, e->in.entry.child.pidfd);
	watch(e);
	return 0;
}

void exec_adopt(struct service *s)
{
	uint32_t number;
	int fd;

	while ((fd = keep_take_any(s->d->keep, s->name, KEPT_AS, &number)) >= 0) {
		struct exec *e = exec_new(s);
		if (!e) {
			keep_drop(s->d->keep, s->name, KEPT_AS, number);
			close(fd);
			continue;
		}
		e->number = number;
		last_number = number > last_number ? number : last_number;
		e->in.entry.child.pidfd = fd;
		e->in.entry.child.pid = reap_pid(fd);
		watch(e);
	}
}

bool exec_any(const struct service *s)
{
	for (const struct exec *e = s->d->execs; e; e = e->next)
		if (strcmp(e->service, s->name) == 0)
			return true;
	return false;
}

bool exec_is_child(const struct daemon *d, pid_t pid)
{
	for (const struct exec *e = d->execs; e; e = e->next)
		if (e->in.entry.child.pid == pid)
			return true;
	return false;
}

void exec_close(struct daemon *d)
{
	while (d->execs) {
		reap_kill(d->execs->in.entry.child.pidfd, SIGKILL);
		reap_await(d->execs->in.entry.child.pidfd);
		exec_free(d->execs);
	}
}
