/* SPDX-License-Identifier: ISC */
/* closesoon.h: close(2) of what a service can have touched. */
#pragma once

/* Closes *fd, and sets it to -1. A service can have set SO_LINGER on a TCP socket that it also has; if it lets go of it just before, close(2) is the last
 * and waits for its peer, for as long as the service likes. A signal ends that wait, and one comes after 20 ms. Runs in the daemon, which has
 * no other use for SIGALRM and ITIMER_REAL. */
void close_soon(int *fd);
