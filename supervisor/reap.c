/* SPDX-License-Identifier: ISC */
#include "supervisor/reap.h"

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

int reap_status(int pidfd, int *ret_status)
{
	siginfo_t info = {0};

	if (waitid((idtype_t)P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG) < 0)
		return -errno;
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

	if (WIFEXITED(status)) {
		snprintf(out, size, "exited with code %d", WEXITSTATUS(status));
		return;
	}
	abbrev = sigabbrev_np(WTERMSIG(status));
	snprintf(out, size, "killed by signal %d (%s)", WTERMSIG(status), abbrev ? abbrev : "real-time");
}
