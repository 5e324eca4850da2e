/* SPDX-License-Identifier: ISC */
/* listener.h: the public sockets. A passed socket is a live capability to this network namespace, so each listener
 * carries what keeps a hostile service from using it for anything but the client that it was made for:
 *
 *  1. one dual-stack wildcard socket ([::], V6ONLY off), never SO_REUSEPORT: nobody can bind beside it;
 *  2. a classic BPF filter "TCP destination port == its own", attached and locked (SO_LOCK_FILTER) before listen(),
 *     inherited by every accepted socket: once reconnected or listening elsewhere it receives nothing;
 *  3. where cgroup v2 is mounted: the socket is created in a group of its own whose connect and bind programs
 *     refuse everything (accepted sockets keep that group wherever they go). */
#pragma once

#include "base/util.h"

struct listener {
	char name[64];
	uint16_t port;
	int fd;        /* the listening socket */
	int cgroup_fd; /* its group's directory; -1: no cgroup v2 here */
};

/* cgroup_dir: directory of the daemon's group in cgroup v2, or -1. On failure a clear sentence is in err. */
int listener_open(const char *name, uint16_t port, int cgroup_dir, struct listener *ret, char *err, size_t err_size);
/* Closes it and removes its group. */
void listener_close(struct listener *l, int cgroup_dir);
