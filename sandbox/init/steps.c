/* SPDX-License-Identifier: ISC */
#include "init.h"
#include "base/parse.h"
#include "sandbox/weaken.h"

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
static bool upstream_was_started;
static bool stopping;
static int stop_signo; /* for a main process that is not known yet */
static bool main_known; /* the upstream runs and, with a pid file, the file names current_pid */
static int result = -1;

/* Each command's arguments are followed by the next ARGC or by the end: that place becomes its NULL. */
int steps_parse(int argc, char **argv)
{
	uint64_t steps, stops, words;
	int at = 3;

	if (argc >= 2 && ready_parse(argv[1])) {
		argv++;
		argc--;
	}
	if (argc >= 2 && argv[1][0] == '/') {
		mainproc_set_file(argv[1]);
		argv++;
		argc--;
	}
	if (argc < 3 || trp_parse_u64(argv[1], &steps) < 0 || trp_parse_u64(argv[2], &stops) < 0 || steps < 1 || steps > INIT_STEPS_MAX ||
		stops > INIT_STEPS_MAX - steps)
		return -EINVAL;
	for (uint64_t i = 0; i < steps + stops; i++) {
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
	stops_set(step_argv + steps, (int)stops);
	return 0;
}

char **steps_environment(char *more)
{
	char **env;
	size_t n = 0, at = 0;

	while (environ[n])
		n++;
	env = calloc(n + 2, sizeof(*env));
	if (!env)
		return NULL;
	for (size_t i = 0; environ[i]; i++)
		if (strncmp(environ[i], "NOTIFY_SOCKET=", strlen("NOTIFY_SOCKET=")) != 0)
			env[at++] = environ[i];
	env[at] = more;
	return env;
}

/* A setup step's: a server that it runs for a moment is not what is waited for. */
static char **setup_environment(void)
{
	static char **env;

	if (!env)
		env = steps_environment(NULL);
	return env;
}

/* In the child of vfork(2): it may change nothing but its own attributes, and we wait until it has executed or exited. (Who could
 * stop it in between is the tenant, and we are his.) It is as little dumpable as we are until execve(2) has closed what it
 * must not keep. No signal of ours has another disposition than the default. */
static void __attribute__((noreturn)) run_child(char **argv, char **env, bool is_main, int report)
{
	sigset_t none;
	int error;

	if (!weakened(CONTROL_SESSION))
		setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	error = is_main ? -trap_load() : 0; /* a setup step's listeners are its own */
	if (!error && is_main)
		error = -kept_give(&report);
	if (!error && is_main)
		error = -ready_give(&report);
	if (!error) {
		execve(argv[0], argv, env);
		error = errno;
	}
	while (write(report, &error, sizeof(error)) < 0 && errno == EINTR)
		;
	_exit(127);
}

pid_t steps_spawn(char **argv, char **env, bool is_main, int *ret_pipe)
{
	int p[2], error;
	pid_t pid;

	if (!env || pipe2(p, O_CLOEXEC | O_NONBLOCK) < 0)
		return env ? -errno : -ENOMEM;
	pid = vfork(); /* not fork(): half the time, and no page of ours is copied */
	if (pid == 0)
		run_child(argv, env, is_main, p[1]);
	error = errno;
	close(p[1]);
	if (pid < 0) {
		close(p[0]);
		return -error;
	}
	*ret_pipe = p[0];
	return pid;
}

int steps_exec_error(int *pipe)
{
	int error;
	bool failed = read(*pipe, &error, sizeof(error)) == (ssize_t)sizeof(error);

	trp_close(pipe);
	return failed ? error : 0;
}

static void start(int index)
{
	const bool is_main = index == n_steps - 1;
	pid_t pid;

	if (is_main)
		mainproc_forget();
	pid = is_main ? ready_open() : 0;
	if (pid == 0)
		pid = steps_spawn(step_argv[index], is_main ? kept_take(environ) : setup_environment(), is_main, &exec_pipe);
	if (is_main) {
		ready_given();
		kept_given();
	}
	if (pid < 0) {
		control_report(TRP_INIT_EXEC_FAILED, index, -pid);
		result = 126;
		return;
	}
	current = index;
	current_pid = pid;
	upstream_was_started = is_main;
	main_known = is_main && !mainproc_has_file();
	control_report(TRP_INIT_STEP, index, pid);
}

void steps_start(void)
{
	if (stopping)
		result = 0;
	else
		start(0);
}

/* With SIGCONT: a process that is stopped, or that somebody has stopped, ends by no other signal but SIGKILL until it goes on. */
static void stop(pid_t pid)
{
	kill(pid, stop_signo);
	kill(pid, SIGCONT);
}

static void set_main(pid_t pid)
{
	bool is_new = pid != current_pid;

	current_pid = pid;
	main_known = true;
	control_main(pid);
	if (stopping && is_new && !stops_running()) /* the order was for whoever is the main process */
		stop(pid);
}

static void give_signal(const struct init_order *order)
{
	bool is_main = current == n_steps - 1;

	if (order->stop && current_pid > 0)
		stop(current_pid);
	else if (order->stop && is_main) /* whoever there is: one of them is to be the main process */
		stop(-1);
	else if (order->signo && current_pid > 0 && is_main) /* for the upstream: a setup step would be killed by a reload */
		kill(current_pid, order->signo);
}

void steps_obey(const struct init_order *order)
{
	bool is_main = current == n_steps - 1;

	/* one whose parent still runs is taken when the present one ends; one that is known has said nothing new */
	if (order->claim && is_main && mainproc_claim(order->claim) && main_known && order->claim != current_pid)
		set_main(order->claim);

	if (order->stop) {
		stopping = true;
		stop_signo = order->signo;
		if (order->stops_first && (stops_running() || (is_main && main_known && current_pid > 0 && stops_begin(current_pid))))
			return; /* stops_over() goes on */
		stops_skip();
	}
	give_signal(order);
	if (order->stops_first)
		control_report(TRP_INIT_STOPS_OVER, 0, 0);
}

static void stops_over(void)
{
	give_signal(&(struct init_order){.stop = true, .signo = stop_signo});
	control_report(TRP_INIT_STOPS_OVER, 0, 0);
}

/* Is the upstream there or on its way, but no main process of it known? */
static bool looking(void)
{
	return current == n_steps - 1 && !main_known && result < 0;
}

/* The upstream's process ended. Does it live on in another? */
static bool lives_on(bool good)
{
	pid_t next;

	if (!mainproc_may_change() || (!main_known && !good))
		return false;
	current_pid = -1;
	next = mainproc_named();
	if (next > 0)
		set_main(next);
	return next > 0 || !main_known; /* a daemon that is on its way to writing its file: steps_tick() */
}

int steps_timeout(void)
{
	return looking() ? mainproc_look_again_ms() : -1;
}

void steps_tick(void)
{
	pid_t pid = looking() ? mainproc_named() : -1;

	/* while the command runs, a daemon of its own is not our child yet: it could only be what an orphan pretends */
	if (pid > 0 && (current_pid < 0 || pid == current_pid))
		set_main(pid);
}

void steps_no_child_left(void)
{
	if (!looking() || current_pid > 0)
		return;
	control_report(TRP_INIT_NO_MAIN, current, 0);
	result = 1;
}

void steps_child_ended(pid_t pid, int status)
{
	int error, index = current;
	bool good = WIFEXITED(status) && WEXITSTATUS(status) == 0;

	if (pid != current_pid) {
		if (stops_child_ended(pid, status) && !stops_running())
			stops_over();
		return; /* else an orphan */
	}
	error = steps_exec_error(&exec_pipe);
	if (index == n_steps - 1 && !error && lives_on(good))
		return;
	current_pid = -1;
	current = -1;
	if (good && !stopping && index + 1 < n_steps) {
		start(index + 1);
		return;
	}
	if (error)
		control_report(TRP_INIT_EXEC_FAILED, index, error);
	else
		control_report(TRP_INIT_EXITED, index, status);
	result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int steps_result(void)
{
	return result;
}

bool steps_upstream_was_started(void)
{
	return upstream_was_started;
}
