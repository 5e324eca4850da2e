/* SPDX-License-Identifier: ISC */
/* controlsock.h: the listening unix socket of the control protocol and who may use it. In trpsupd.
 */
#pragma once

#include "base/util.h"
#include <sys/types.h>

struct controlsock {
	int fd; /* listening, non-blocking, close-on-exec */
	char *path;
	dev_t dev; /* of the socket file, so that only our own is removed at the end */
	ino_t ino;
};

/* The socket appears at path with mode 0600 and already listening: it is made in a private
 * directory beside it (PATH.new) and renamed. Errors as control_open(). */
int controlsock_open(const char *path, struct controlsock *ret);
/* One that listens there already. -ENOENT: nothing is at path, or no socket. */
int controlsock_adopt(const char *path, int fd, struct controlsock *ret);
void controlsock_close(struct controlsock *s);

/* May the process at the other end of fd give orders: does it run as root or as the daemon's own
 * user (SO_PEERCRED, unix(7): as it was when it connected)? A refusal is logged. ret_pid is written
 * if it may. */
bool controlsock_peer_ok(int fd, pid_t *ret_pid);
