/* SPDX-License-Identifier: ISC */
#include "init.h"
#include "base/parse.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static char **step_argv[INIT_STEPS_MAX];
static int n_steps;

static int current = -1;    /* index of the step that runs */
static pid_t current_pid = -1;
static int exec_pipe = -1;  /* read end: errno of a failed execve, nothing if it went well */
static bool stopping;
static int result = -1;

/* Each command's arguments are followed by the next ARGC or by the end: that place becomes its NULL. */
int steps_parse(int argc, char **argv)
{
	uint64_t steps, words;
	int at = 2;

	if (argc < 2 || trp_parse_u64(argv[1], &steps) < 0 || steps < 1 || steps > INIT_STEPS_MAX)
		return -EINVAL;
	for (uint64_t i = 0; i < steps; i++) {
		if (at >= argc || trp_parse_u64(argv[at], &words) < 0 || words < 1 ||
			words > (uint64_t)(argc - at - 1))
			return -EINVAL;
		argv[at] = NULL;
		step_argv[i] = argv + at + 1;
		if (step_argv[i][0][0] != '/')
			return -EINVAL;
		at += 1 + (int)words;
	}
	if (at != argc)
		return -EINVAL;
	n_steps = (int)steps;
	return 0;
}

/* In the child, which is not dumpable until execve(2) has closed what it must not keep. */
static void __attribute__((noreturn)) run_child(char **argv, bool is_main, int report)
{
	struct sigaction dfl = {.sa_handler = SIG_DFL};
	sigset_t none;
	int error;

	setsid();
	for (int s = 1; s <= SIGRTMAX; s++)
		sigaction(s, &dfl, NULL); /* the two that cannot be set are default */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (!is_main)
		unsetenv("NOTIFY_SOCKET"); /* a server that a setup step runs for a moment is not what is waited for */
	error = is_main ? -trap_load() : 0; /* a setup step's listeners are its own */
	if (!error) {
		execve(argv[0], argv, environ);
		error = errno;
	}
	while (write(report, &error, sizeof(error)) < 0 && errno == EINTR)
		;
	_exit(127);
}

static void start(int index)
{
	int p[2];
	pid_t pid;

	if (pipe2(p, O_CLOEXEC | O_NONBLOCK) < 0) {
		control_report(TRP_INIT_EXEC_FAILED, index, errno);
		result = 126;
		return;
	}
	pid = fork();
	if (pid == 0)
		run_child(step_argv[index], index == n_steps - 1, p[1]);
	close(p[1]);
	if (pid < 0) {
		control_report(TRP_INIT_EXEC_FAILED, index, errno);
		close(p[0]);
		result = 126;
		return;
	}
	current = index;
	current_pid = pid;
	exec_pipe = p[0];
	control_report(TRP_INIT_STEP, index, pid);
}

void steps_start(void)
{
	if (stopping)
		result = 0;
	else
		start(0);
}

void steps_obey(const struct init_order *order)
{
	bool is_main = current == n_steps - 1;

	if (order->stop)
		stopping = true;
	/* a plain signal is for the upstream: a setup step would be killed by a reload */
	if (order->signo && current_pid > 0 && (is_main || order->stop))
		kill(current_pid, order->signo);
}

void steps_child_ended(pid_t pid, int status)
{
	int error, index = current;
	bool exec_failed, good = WIFEXITED(status) && WEXITSTATUS(status) == 0;

	if (pid != current_pid)
		return; /* an orphan */
	exec_failed = read(exec_pipe, &error, sizeof(error)) == (ssize_t)sizeof(error);
	trp_close(&exec_pipe);
	current_pid = -1;
	current = -1;
	if (good && !stopping && index + 1 < n_steps) {
		start(index + 1);
		return;
	}
	if (exec_failed)
		control_report(TRP_INIT_EXEC_FAILED, index, error);
	else
		control_report(TRP_INIT_EXITED, index, status);
	result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int steps_result(void)
{
	return result;
}
