/* SPDX-License-Identifier: ISC */
/* listener.h: the public sockets. A passed socket is a live capability to this network namespace, so each listener
 * carries what keeps a hostile service from using it for anything but the client that it was made for:
 *
 *  1. an IPv6 socket (IPv4 is v4-mapped in it), never SO_REUSEPORT: nobody can bind beside it;
 *  2. a classic BPF filter, attached and locked (SO_LOCK_FILTER) before listen(), inherited by every accepted socket: once
 *     reconnected or listening elsewhere it receives nothing. It compares the TCP destination port with the listener's,
 *     and whatever else the listener is bound to (listenfilter.h), because another address, the other family or another interface
 *     is free to be bound at the same port;
 *  3. where there are cgroup v2 and its programs (else services that do not allow that are refused, containment.h): the socket is created in a group of its own whose connect and bind programs
 *     refuse everything (accepted sockets keep that group wherever they go), and, when the listener is gone and its
 *     port free to be taken, no socket of it may listen any more. */
#pragma once

#include "supervisor/listenfilter.h"

struct keep;

struct listener {
	uint32_t id;   /* its number in the router, routes and handoffs: never used again for another */
	int fd;        /* the listening socket */
	int cgroup_fd; /* its group's directory; -1: no cgroup v2 here, or no programs for it */
	int ifindex;   /* of its interface, 0: all */
	uint32_t redirect_to; /* number of the listener to which it sends clients for TLS, 0: none */
	uint16_t redirect_port;
	int *early; /* clients of an inherited one that came before its filter; the router gets them with it */
	size_t n_early;
};

/* That of an earlier daemon, with the clients in its backlog, or -ENOENT; or another -errno: it is there, and cannot be taken over now (want of
 * descriptors). */
int listener_adopt(struct keep *keep, const struct config_listener *c, int cgroup_dir, struct listener *ret);
/* Ends those of an earlier daemon that are not in all, which were adopted (fd -1: was not), and removes the groups of such. */
void listeners_end_rest(struct keep *keep, int cgroup_dir, const struct listener *all, size_t n);
/* all[], which are those of c, are kept for the next daemon, and no others. */
void listeners_keep(struct keep *keep, const struct config *c, const struct listener *all, size_t n);
/* cgroup_dir: directory of the daemon's group in cgroup v2, or -1. On failure a clear sentence is in err. */
int listener_open(
	const struct config_listener *c, uint32_t id, int cgroup_dir, struct listener *ret, char *err, size_t err_size);
/* Closes it and removes its group. */
void listener_close(struct listener *l, int cgroup_dir);
/* The same while sockets accepted from it may live: none of them may listen from now on. 0, or -errno of that. */
int listener_retire(struct listener *l, int cgroup_dir);
/* Sets the redirections of all[], which are those of c. */
void listeners_redirect(const struct config *c, struct listener *all);
/* What can be changed while it listens. */
void listener_update(struct listener *l, const struct config_listener *c);
/* After shutdown(2): listens again. 0 or -errno. */
int listener_relisten(struct listener *l);
/* Attaches and locks the filter. */
int listener_lock(int fd, const struct listenscope *scope);
