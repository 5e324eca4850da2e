/* SPDX-License-Identifier: ISC */
#include "supervisor/pid1.h"
#include "base/io.h"
#include "base/log.h"
#include "supervisor/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define AGAIN_SECONDS 1

/* What is for the daemon. */
static const int passed[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR2, SIGQUIT};

static void waited_for(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGCHLD);
	for (size_t i = 0; i < sizeof(passed) / sizeof(*passed); i++)
		sigaddset(set, passed[i]);
}

/* Does it run at all? A file that is just being replaced, or lacks a library, must not end the container. */
static bool runs(char *program)
{
	char *const argv[] = {program, (char *)"--version", NULL};
	posix_spawn_file_actions_t files;
	int status = -1;
	pid_t pid;

	if (posix_spawn_file_actions_init(&files) != 0)
		return false;
	if (posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0) == 0 && posix_spawn(&pid, program, &files, NULL, argv, environ) == 0)
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	posix_spawn_file_actions_destroy(&files);
	return status == 0;
}

/* In the daemon that is started again. The one before it may have been upgraded, while process 1 is what it was. */
static void become_what_is_there(char *program, char **argv)
{
	if (program[0] && runs(program))
		execv(program, argv);
	log_warn("%s cannot be executed; the trpsupd of which process 1 is one goes on", program);
}

/* In the daemon: 0. */
static pid_t start_daemon(void)
{
	pid_t pid = fork();

	if (pid < 0)
		log_fatal("fork: %m");
	if (pid == 0) {
		sigset_t none;
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		setsid(); /* what is typed at a terminal comes by process 1, once */
	}
	return pid;
}

/* Everybody who has ended. True: the daemon is among them, *ret_status says how. */
static bool reap_all(pid_t daemon, int *ret_status)
{
	bool it_was = false;
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0 || (pid < 0 && errno == EINTR))
		if (pid == daemon) {
			*ret_status = status;
			it_was = true;
		}
	return it_was;
}

void pid1_stay_behind(char **argv)
{
	char program[PATH_MAX];
	sigset_t set;
	pid_t daemon;
	int status, signo;

	if (getpid() != 1)
		return;
	daemon_own_program(program, sizeof(program));
	waited_for(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	daemon = start_daemon();
	while (daemon > 0) {
		signo = sigwaitinfo(&set, NULL);
		if (signo < 0)
			continue;
		if (signo != SIGCHLD) {
			kill(daemon, signo);
			continue;
		}
		if (!reap_all(daemon, &status))
			continue;
		if (WIFEXITED(status))
			exit(WEXITSTATUS(status));
		log_error("trpsupd (pid %d) was killed by signal %d; starting it again", daemon, WTERMSIG(status));
		trp_sleep_ms(AGAIN_SECONDS * 1000);
		daemon = start_daemon();
		if (daemon == 0)
			become_what_is_there(program, argv);
	}
}
