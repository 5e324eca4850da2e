/* SPDX-License-Identifier: ISC */
/* stops.c: what is to be done while the service still runs and is about to be told to end: taking itself out of a list, writing its data
 * down. The daemon bounds the time: when that is over it says so, and the signal goes out all the same. */
#include "init.h"

#include <signal.h>
#include <stdio.h>

static char ***stop_argv;
static int n_stops;
static int at = -1; /* index of the one that runs */
static pid_t running = -1;
static int exec_pipe = -1;
static char main_entry[sizeof("MAINPID=") + 10]; /* "MAINPID=1234", as systemd has it */

void stops_set(char ***argvs, int n)
{
	stop_argv = argvs;
	n_stops = n;
}

bool stops_running(void)
{
	return running > 0;
}

/* The next that can be started, if there is one. */
static void start_next(void)
{
	static char **env;

	if (!env)
		env = steps_environment(main_entry);
	while (running < 0 && at + 1 < n_stops) {
		at++;
		pid_t pid = steps_spawn(stop_argv[at], env, false, &exec_pipe);
		if (pid < 0) {
			control_report(TRP_INIT_STOP_EXEC_FAILED, at, -pid);
			continue;
		}
		running = pid;
		control_report(TRP_INIT_STOP_STEP, at, pid);
	}
}

bool stops_begin(pid_t main_pid)
{
	snprintf(main_entry, sizeof(main_entry), "MAINPID=%d", main_pid);
	start_next();
	return stops_running();
}

void stops_skip(void)
{
	n_stops = 0;
	if (running > 0)
		kill(-running, SIGKILL); /* it has a session of its own, and what it started is most likely there */
	running = -1;
	trp_close(&exec_pipe);
}

bool stops_child_ended(pid_t pid, int status)
{
	int error;

	if (pid != running)
		return false;
	running = -1;
	error = steps_exec_error(&exec_pipe);
	if (error)
		control_report(TRP_INIT_STOP_EXEC_FAILED, at, error);
	else
		control_report(TRP_INIT_STOP_EXITED, at, status);
	start_next();
	return true;
}
