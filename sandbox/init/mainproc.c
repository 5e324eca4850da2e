/* SPDX-License-Identifier: ISC */
/* mainproc.c: with a pid file, which process is the service's main one? Everything in the sandbox can write that file (and claim
 * to be it by sd_notify(3), MAINPID=), and what it says is believed of init's own children alone: they cannot be init, a thread, another's process or a number that has been used
 * again, a signal for one reaches nobody else, and its end is told to us. A daemon is our child when those that started it
 * have ended. So nothing is won by writing there that a process of the service does not have anyway. */
#include "init.h"
#include "base/pidfile.h"

#include <sys/wait.h>

#define LOOK_AGAIN_MS 20

static const char *file;
static pid_t claimed = -1;

void mainproc_set_file(const char *path)
{
	file = path;
}

bool mainproc_has_file(void)
{
	return file != NULL;
}

void mainproc_forget(void)
{
	/* what an earlier instance left in a kept directory says nothing about this one */
	if (file)
		(void)unlink(file);
}

/* A child that we have not reaped: it runs, or its end is about to be seen. */
static bool is_child(pid_t pid)
{
	siginfo_t info;

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

pid_t mainproc_named(void)
{
	pid_t pid;

	if (file && trp_pidfile_read(file, &pid) == 0 && is_child(pid))
		return pid;
	return claimed > 1 && is_child(claimed) ? claimed : -1;
}

bool mainproc_claim(pid_t pid)
{
	claimed = pid;
	return claimed > 1 && is_child(claimed);
}

bool mainproc_may_change(void)
{
	return file || claimed > 1;
}

int mainproc_look_again_ms(void)
{
	return LOOK_AGAIN_MS;
}
