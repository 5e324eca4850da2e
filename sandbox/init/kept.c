/* SPDX-License-Identifier: ISC */
/* kept.c: descriptors that an earlier run of the service had kept, on their way to the upstream: from 3 on, with LISTEN_FDS, LISTEN_PID and LISTEN_FDNAMES, as
 * sd_listen_fds_with_names(3) takes them. trp-sdnotify sends them; it is ours, but what it holds is the service's. */
#include "init.h"
#include "base/fdpass.h"
#include "base/io.h"
#include "base/log.h"
#include "sandbox/keptmsg.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define FIRST   3    /* SD_LISTEN_FDS_START */
#define WAIT_MS 2000 /* it may be busy with what the service had it close */

static int sock = -1;
static int fds[KEPT_MAX];
static size_t n_fds;
/* Without a value in the program's file: it takes memory in those inits only that fill it. */
static char names[sizeof("LISTEN_FDNAMES=") + KEPT_MAX * KEPT_NAME_MAX];
static char count[32], pid[32];

int kept_open(int fd)
{
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return errno == EBADF ? 0 : -errno; /* nothing is kept */
	sock = fd;
	return 0;
}

/* Above all numbers that the upstream gets them by. */
static void add(int fd, const char *name, size_t total)
{
	int high = fcntl(fd, F_DUPFD_CLOEXEC, FIRST + (int)total);
	size_t len = strlen(names);

	close(fd);
	if (high < 0 || n_fds == KEPT_MAX) {
		trp_close(&high);
		return;
	}
	snprintf(names + len, sizeof(names) - len, "%s%.*s", n_fds ? ":" : "LISTEN_FDNAMES=", KEPT_NAME_MAX - 1, name);
	fds[n_fds++] = high;
}

/* False: it was the last, or nothing more comes. */
static bool take_message(void)
{
	static struct kept_msg m;
	int got[KEPT_IN_ONE];
	size_t n = 0;
	struct pollfd p = {.fd = sock, .events = POLLIN};
	ssize_t len;

	if (poll(&p, 1, WAIT_MS) <= 0)
		return false;
	len = trp_fd_recv_upto(sock, &m, sizeof(m), got, KEPT_IN_ONE, &n, MSG_DONTWAIT);
	if (len != (ssize_t)sizeof(m) || m.magic != KEPT_MAGIC || m.n != n)
		return false;
	for (size_t i = 0; i < n; i++)
		add(got[i], m.names[i], n_fds + n - i + m.left);
	return m.left > 0;
}

char **kept_take(char **env)
{
	size_t n = 0;
	char **more;

	if (sock < 0)
		return env;
	while (take_message())
		;
	trp_close(&sock);
	while (env[n])
		n++;
	more = n_fds ? calloc(n + 4, sizeof(*more)) : NULL;
	if (!more)
		return env;
	memcpy(more, env, n * sizeof(*more));
	snprintf(count, sizeof(count), "LISTEN_FDS=%zu", n_fds);
	more[n] = count;
	more[n + 1] = names;
	more[n + 2] = pid;
	return more;
}

int kept_give(int *report)
{
	if (n_fds == 0)
		return 0;
	snprintf(pid, sizeof(pid), "LISTEN_PID=%d", getpid());
	if (*report < FIRST + (int)n_fds) {
		int high = fcntl(*report, F_DUPFD_CLOEXEC, FIRST + (int)n_fds);
		if (high < 0)
			return -errno;
		*report = high;
	}
	for (size_t i = 0; i < n_fds; i++)
		if (dup2(fds[i], FIRST + (int)i) < 0)
			return -errno;
	return 0;
}

void kept_given(void)
{
	while (n_fds > 0)
		close(fds[--n_fds]);
}
