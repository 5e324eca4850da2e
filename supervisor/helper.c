/* SPDX-License-Identifier: ISC */
#include "supervisor/helper.h"
#include "base/io.h"
#include "supervisor/box/box.h"
#include "supervisor/profile/config.h"
#include "supervisor/reap.h"
#include "supervisor/reaplater.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#define FIRST_COPY 16 /* above all numbers that the process is given */

/* Nothing of the numbers that the process finds may lie in the way of another. */
static int add_files(posix_spawn_file_actions_t *files, const int *from, size_t n, int *copies)
{
	int r = posix_spawn_file_actions_addopen(files, 0, "/dev/null", O_RDWR, 0);

	if (r == 0)
		r = posix_spawn_file_actions_adddup2(files, 0, 1);
	for (size_t i = 0; i < n && r == 0; i++) {
		copies[i] = fcntl(from[i], F_DUPFD_CLOEXEC, FIRST_COPY);
		r = copies[i] < 0 ? errno : posix_spawn_file_actions_adddup2(files, copies[i], 2 + (int)i);
	}
	return -r;
}

int helper_run(const char *path, char *const argv[], char *const envp[], const posix_spawn_file_actions_t *files, pid_t *ret_pid, int *ret_pidfd)
{
	posix_spawnattr_t attr;
	sigset_t all, none;
	pid_t pid;
	int r;

	sigfillset(&all);
	sigemptyset(&none);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
	r = -posix_spawn(&pid, path, files, &attr, argv, envp);
	posix_spawnattr_destroy(&attr);
	if (r < 0)
		return r;
	r = reap_pidfd(pid);
	if (r < 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		return r;
	}
	*ret_pid = pid;
	*ret_pidfd = r;
	return 0;
}

int helper_start(const char *name, const char *argument, const int *from, size_t n, pid_t *ret_pid, int *ret_pidfd)
{
	cleanup_free char *path = trp_asprintf("%s/%s", config_libexec(), name);
	char *const argv[] = {(char *)name, (char *)argument, NULL};
	static char *const envp[] = {NULL};
	posix_spawn_file_actions_t files;
	int copies[HELPER_FDS_MAX], r;

	if (!path)
		return -ENOMEM;
	if (n > HELPER_FDS_MAX)
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		copies[i] = -1;
	posix_spawn_file_actions_init(&files);
	r = add_files(&files, from, n, copies);
	if (r == 0)
		r = helper_run(path, argv, envp, &files, ret_pid, ret_pidfd);
	for (size_t i = 0; i < n; i++)
		trp_close(&copies[i]);
	posix_spawn_file_actions_destroy(&files);
	return r;
}

void helper_end(pid_t pid, int pidfd)
{
	siginfo_t info;

	if (pid <= 0)
		return;
	reap_kill(pidfd, SIGKILL);
	while (waitid(P_PID, (id_t)pid, &info, WEXITED) < 0 && errno == EINTR)
		;
	reap_await(pidfd);
}

struct left {
	ev_io end;
	ev_timer again;
	void (*ended)(void);
};

static void on_left(struct ev_loop *loop, ev_io *w, int events)
{
	struct left *l = w->data;
	int status;

	(void)events;
	if (reap_status(w->fd, &status) == 0) {
		reap_later(loop, w, &l->again);
		return;
	}
	ev_io_stop(loop, w);
	close(w->fd);
	if (l->ended)
		l->ended();
	free(l);
}

void helper_leave(struct ev_loop *loop, int pidfd)
{
	helper_leave_then(loop, pidfd, NULL);
}

void helper_leave_then(struct ev_loop *loop, int pidfd, void (*ended)(void))
{
	struct left *l = calloc(1, sizeof(*l));

	reap_kill(pidfd, SIGKILL);
	if (!l) {
		close(pidfd);
		if (ended)
			ended();
		return;
	}
	l->ended = ended;
	ev_io_init(&l->end, on_left, pidfd, EV_READ);
	l->end.data = l;
	ev_io_start(loop, &l->end);
}

/* As all that is the service's: before the daemon and the router. */
static int let_go_first(pid_t pid)
{
	char path[64], score[16];

	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", pid);
	snprintf(score, sizeof(score), "%d", BOX_OOM_SCORE);
	return trp_write_file(AT_FDCWD, path, score);
}

int helper_join(const struct cgroup *cg, pid_t pid)
{
	int r = cg ? cgroup_attach(cg, pid) : 0;

	return r < 0 ? r : let_go_first(pid);
}
