/* SPDX-License-Identifier: ISC */
#include "supervisor/closesoon.h"

#include <signal.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define WAIT_US 20000

static void on_alarm(int signo)
{
	(void)signo;
}

static void set_alarm(long us)
{
	/* again and again: the first one may come before close(2) has begun */
	const struct itimerval t = {.it_interval.tv_usec = us, .it_value.tv_usec = us};

	setitimer(ITIMER_REAL, &t, NULL);
}

void close_soon(int *fd)
{
	const struct sigaction act = {.sa_handler = on_alarm};
	const struct linger off = {0};
	static bool handled;

	if (*fd < 0)
		return;
	handled = handled || sigaction(SIGALRM, &act, NULL) == 0;
	setsockopt(*fd, SOL_SOCKET, SO_LINGER, &off, sizeof(off)); /* as a rule it is this that holds */
	if (handled)
		set_alarm(WAIT_US);
	close(*fd);
	if (handled)
		set_alarm(0);
	*fd = -1;
}
