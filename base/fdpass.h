/* SPDX-License-Identifier: ISC */
/* fdpass.h: descriptors over unix sockets. The only code in the tree that touches SCM_RIGHTS
 * (unix(7), cmsg(3)). Compiles freestanding with -DTRP_FREESTANDING for the preload adapter. */
#pragma once

#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83 /* Linux 6.16: 0 = no descriptors are taken on this socket */
#endif

/* Most descriptors in one message that this program sends or receives, and most messages at a time. */
#define TRP_FDPASS_MAX 32

/* A close-on-exec SOCK_SEQPACKET pair to a process that is not trusted: nobody can send descriptors to ret[0], where the kernel has
 * SO_PASSRIGHTS. (Elsewhere trp_fd_recv() closes them, which a TCP socket with SO_LINGER makes slow.) 0 or -errno. Not in the preload
 * adapter. */
int trp_fd_pair(int ret[2]);

/* Sends one message of len bytes (len >= 1) with n_fds descriptors (0 to TRP_FDPASS_MAX). The caller
 * keeps its descriptors. flags: MSG_DONTWAIT or 0; MSG_NOSIGNAL is always set.
 * Returns 0 or -errno: -EAGAIN the queue is full, -EPIPE/-ECONNRESET the other end is gone,
 * -ETOOMANYREFS too many descriptors in flight for this user, -EINVAL n_fds. */
int trp_fd_send(int sock, const void *msg, size_t len, const int *fds, size_t n_fds, int flags);

/* One of several messages: len bytes (len >= 1) with one descriptor. */
struct trp_fd_msg {
	const void *data;
	size_t len;
	int fd;
};

/* Sends up to n messages (1 to TRP_FDPASS_MAX) in their order by one system call. The caller keeps its descriptors.
 * Returns how many were sent, at least 1; or -errno of the first, as trp_fd_send(). Not in the preload adapter. */
int trp_fd_send_many(int sock, const struct trp_fd_msg *msgs, size_t n, int flags);

/* Receives one message of at most size bytes with exactly n_fds descriptors (n_fds may be 0). They
 * come close-on-exec and are the caller's to close. flags: MSG_DONTWAIT or 0.
 * Returns the length, 0 at end of file, or -errno: -EAGAIN nothing there, -EMSGSIZE the message or
 * its descriptors were truncated, -EBADMSG another number of descriptors, or an empty message of a sender that is bound to a
 * name (of others that is 0, too). On every error each
 * descriptor that came is closed and ret_fds is untouched. */
ssize_t trp_fd_recv(int sock, void *buf, size_t size, int *ret_fds, size_t n_fds, int flags);

/* Like trp_fd_recv(), for messages with any number from 0 to max descriptors. */
ssize_t trp_fd_recv_upto(
	int sock, void *buf, size_t size, int *ret_fds, size_t max, size_t *ret_n, int flags);

/* The same by one recvmsg(2), as trp_fd_recv_once() does it. */
ssize_t trp_fd_recv_upto_once(
	int sock, void *buf, size_t size, int *ret_fds, size_t max, size_t *ret_n, int flags);

/* One recvmsg(2) for one message with exactly one descriptor, as accept(2) works: -EINTR is returned, and
 * the descriptor is close-on-exec only with MSG_CMSG_CLOEXEC in flags. Else as trp_fd_recv(). */
ssize_t trp_fd_recv_once(int sock, void *buf, size_t size, int *ret_fd, int flags);
/* The same, and to what the sender's end is bound: *name_len is the room for it, and becomes its length, 0: to nothing. On every error it is
 * not to be looked at. */
ssize_t trp_fd_recv_named_once(int sock, void *buf, size_t size, int *ret_fd, int flags, void *name, socklen_t *name_len);
