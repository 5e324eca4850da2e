/* SPDX-License-Identifier: ISC */
#include "init.h"
#include "base/fdpass.h"

int learn_wait(int fd)
{
	int type;
	socklen_t len = sizeof(type);
	char byte;
	ssize_t n;

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0)
		return errno == EBADF ? 0 : -errno;
	/* only now are we a process that trp-learn has a right over: before execve(2) we were the daemon's copy */
	n = trp_fd_send(fd, "i", 1, NULL, 0, 0);
	if (n == 0)
		n = trp_fd_recv(fd, &byte, 1, NULL, 0, 0);
	close(fd);
	return n == 1 ? 0 : n < 0 ? (int)n : -EPIPE;
}
