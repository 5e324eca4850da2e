/* SPDX-License-Identifier: ISC */
#include "supervisor/reap.h"
#include "base/io.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

int reap_pidfd(pid_t child)
{
	int fd = (int)syscall(SYS_pidfd_open, child, 0);
	return fd < 0 ? -errno : fd;
}

bool reap_has_ended(int pidfd)
{
	struct pollfd p = {.fd = pidfd, .events = POLLIN};

	return poll(&p, 1, 0) > 0;
}

void reap_await(int pidfd)
{
	struct pollfd p = {.fd = pidfd, .events = POLLIN};

	poll(&p, 1, 1000);
}

pid_t reap_pid(int pidfd)
{
	cleanup_free char *text = NULL;
	char path[64];
	const char *at;
	int r;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	r = trp_read_file(AT_FDCWD, path, 4096, &text, NULL);
	if (r < 0)
		return r;
	at = strstr(text, "\nPid:");
	return at ? (pid_t)strtol(at + 5, NULL, 10) : -EINVAL;
}

int reap_status(int pidfd, int *ret_status)
{
	siginfo_t info = {0};

	if (waitid((idtype_t)P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG) < 0) {
		if (errno != ECHILD)
			return -errno;
		/* an earlier daemon's child: whoever is its parent now learns how it ended, we only see that it did */
		if (!reap_has_ended(pidfd))
			return 0;
		*ret_status = REAP_UNKNOWN;
		return 1;
	}
	if (info.si_pid == 0)
		return 0;
	/* the encoding of wait(2), so that WIFEXITED and friends read it */
	if (info.si_code == CLD_EXITED)
		*ret_status = (info.si_status & 0xff) << 8;
	else
		*ret_status = (info.si_status & 0x7f) | (info.si_code == CLD_DUMPED ? 0x80 : 0);
	return 1;
}

int reap_kill(int pidfd, int signo)
{
	return syscall(SYS_pidfd_send_signal, pidfd, signo, NULL, 0) < 0 ? -errno : 0;
}

void reap_text(int status, char *out, size_t size)
{
	const char *abbrev;

	if (status == REAP_UNKNOWN) {
		snprintf(out, size, "ended, how is not known: it was started by an earlier trpsupd");
		return;
	}
	if (WIFEXITED(status)) {
		snprintf(out, size, "exited with code %d", WEXITSTATUS(status));
		return;
	}
	abbrev = sigabbrev_np(WTERMSIG(status));
	snprintf(out, size, "killed by signal %d (%s)", WTERMSIG(status), abbrev ? abbrev : "real-time");
}
