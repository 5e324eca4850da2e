/* SPDX-License-Identifier: ISC */
#include "supervisor/notifier.h"
#include "base/fdpass.h"
#include "base/io.h"
#include "supervisor/reap.h"
#include "supervisor/service.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define MESSAGES_PER_TURN 16
#define FIRST_COPY        16 /* above all numbers that the process is given */

int notifier_prepare(struct service *s, int *ret_init_end)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	s->run.notifier.hand_over = pair[0];
	*ret_init_end = pair[1];
	return 0;
}

static void on_message(struct ev_loop *loop, ev_io *w, int events)
{
	struct service *s = w->data;
	struct trp_init_msg msg;

	(void)events;
	for (int i = 0; i < MESSAGES_PER_TURN; i++) {
		ssize_t n = trp_fd_recv(s->run.notifier.control, &msg, sizeof(msg), NULL, 0, MSG_DONTWAIT);
		if (n == -EAGAIN)
			return;
		if (n == 0 || n == -ECONNRESET) {
			ev_io_stop(loop, w); /* its end is seen by the pidfd */
			return;
		}
		if (n == sizeof(msg) && msg.magic == TRP_INIT_MAGIC && msg.type == TRP_INIT_LISTEN)
			instance_listened(s, &msg);
	}
}

static bool has_ended(int pidfd)
{
	struct pollfd p = {.fd = pidfd, .events = POLLIN};

	return poll(&p, 1, 0) > 0;
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
	if (s->run.stop_asked || has_ended(s->run.box.pidfd))
		return; /* it follows the sandbox's init, and may be seen first */
	reap_text(status, how, sizeof(how));
	snprintf(text, sizeof(text), "trp-notify, its adapter, %s", how);
	instance_lost(s, text);
}

/* The numbers that the process finds: nothing of 0 to 5 may lie in the way of another. */
static int add_files(posix_spawn_file_actions_t *files, const int from[4], int copies[4])
{
	int r = posix_spawn_file_actions_addopen(files, 0, "/dev/null", O_RDWR, 0);

	if (r == 0)
		r = posix_spawn_file_actions_adddup2(files, 0, 1);
	for (int i = 0; i < 4 && r == 0; i++) {
		copies[i] = fcntl(from[i], F_DUPFD_CLOEXEC, FIRST_COPY);
		r = copies[i] < 0 ? errno : posix_spawn_file_actions_adddup2(files, copies[i], 2 + i);
	}
	return -r;
}

/* All other descriptors of the daemon are close-on-exec. */
static int run(const char *path, const int from[4], pid_t *ret)
{
	static char *const envp[] = {NULL};
	char *const argv[] = {(char *)"trp-notify", NULL};
	int copies[4] = {-1, -1, -1, -1}, r;
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t all, none;

	sigfillset(&all);
	sigemptyset(&none);
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
	r = add_files(&files, from, copies);
	if (r == 0)
		r = -posix_spawn(ret, path, &files, &attr, argv, envp);
	for (int i = 0; i < 4; i++)
		trp_close(&copies[i]);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return r;
}

static void watch(struct service *s)
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
	cleanup_free char *path = trp_asprintf("%s/trp-notify", config_libexec());
	cleanup_close int theirs = -1;
	int pair[2], off = 0, r;

	if (!path)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	n->control = pair[0];
	theirs = pair[1];
	setsockopt(n->control, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof(off));
	r = instance_send_channels(s, n->control);
	if (r == 0)
		r = run(path, (const int[]){err, theirs, n->hand_over, s->run.box.pidfd}, &n->pid);
	trp_close(&n->hand_over);
	if (r < 0)
		return r;
	n->pidfd = reap_pidfd(n->pid);
	if (n->pidfd < 0) {
		r = n->pidfd;
		kill(n->pid, SIGKILL);
		waitpid(n->pid, NULL, 0);
		n->pid = 0;
		return r;
	}
	watch(s);
	/* what it uses is the service's, and cannot be left behind */
	return s->has_cgroup ? cgroup_attach(&s->cgroup, n->pid, true) : 0;
}

void notifier_stop(struct service *s)
{
	struct notifier *n = &s->run.notifier;
	siginfo_t info;

	ev_io_stop(s->d->loop, &n->on_end);
	ev_io_stop(s->d->loop, &n->on_message);
	if (n->pid > 0) {
		reap_kill(n->pidfd, SIGKILL); /* it waits for nothing that could keep it */
		while (waitid(P_PID, (id_t)n->pid, &info, WEXITED) < 0 && errno == EINTR)
			;
	}
	n->pid = 0;
	trp_close(&n->pidfd);
	trp_close(&n->control);
	trp_close(&n->hand_over);
}
