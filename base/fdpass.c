/* SPDX-License-Identifier: ISC */
#include "fdpass.h"
#include "rawsys.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>

/* A control buffer that is aligned for its header, as cmsg(3) asks. */
union fdpass_control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int) * TRP_FDPASS_MAX)];
};

static void copy_ints(int *to, const int *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = from[i];
}

/* Puts n_fds descriptors beside the message; control: aligned room for them. */
static void attach(struct msghdr *hdr, char *control, const int *fds, size_t n_fds)
{
	struct cmsghdr *c;

	hdr->msg_control = control;
	hdr->msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
	c = CMSG_FIRSTHDR(hdr);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
	copy_ints((int *)(void *)CMSG_DATA(c), fds, n_fds);
}

int trp_fd_send(int sock, const void *msg, size_t len, const int *fds, size_t n_fds, int flags)
{
	union fdpass_control control;
	struct iovec iov = {.iov_base = (void *)msg, .iov_len = len};
	struct msghdr hdr = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	if (n_fds > TRP_FDPASS_MAX)
		return -EINVAL;
	if (n_fds > 0)
		attach(&hdr, control.bytes, fds, n_fds);
	do
		n = trp_raw_sendmsg(sock, &hdr, flags | MSG_NOSIGNAL);
	while (n == -EINTR);
	return n < 0 ? (int)n : 0;
}

#ifndef TRP_FREESTANDING
int trp_fd_pair(int ret[2])
{
	int off = 0;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret) < 0)
		return -errno;
	setsockopt(ret[0], SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof(off));
	return 0;
}

int trp_fd_send_many(int sock, const struct trp_fd_msg *msgs, size_t n, int flags)
{
	struct mmsghdr hdrs[TRP_FDPASS_MAX];
	struct iovec iovs[TRP_FDPASS_MAX];
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} controls[TRP_FDPASS_MAX];
	int sent;

	if (n == 0 || n > TRP_FDPASS_MAX)
		return -EINVAL;
	if (n == 1) {
		sent = trp_fd_send(sock, msgs->data, msgs->len, &msgs->fd, 1, flags);
		return sent < 0 ? sent : 1;
	}
	for (size_t i = 0; i < n; i++) {
		iovs[i] = (struct iovec){.iov_base = (void *)msgs[i].data, .iov_len = msgs[i].len};
		hdrs[i].msg_hdr = (struct msghdr){.msg_iov = &iovs[i], .msg_iovlen = 1};
		attach(&hdrs[i].msg_hdr, controls[i].bytes, &msgs[i].fd, 1);
	}
	do
		sent = sendmmsg(sock, hdrs, (unsigned)n, flags | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : sent;
}
#endif

#define SCM_PIDFD_ 4 /* Linux 6.5 */

/* Collects the descriptors of every SCM_RIGHTS header into fds; returns how many there are. One of the sender nobody here asks for; but who shares the socket
 * can have set SO_PASSPIDFD: it is closed. */
static size_t collect(struct msghdr *hdr, int *fds)
{
	size_t n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(hdr); c; c = CMSG_NXTHDR(hdr, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_PIDFD_ && c->cmsg_len >= CMSG_LEN(sizeof(int)))
			trp_raw_close(*(const int *)(const void *)CMSG_DATA(c));
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t here = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		copy_ints(fds + n, (const int *)(const void *)CMSG_DATA(c), here);
		n += here;
	}
	return n;
}

static void close_all(const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		trp_raw_close(fds[i]);
}

/* An empty message must not look like the end of file. That has neither descriptors nor a sender, who is known if he is bound to a name, as the ends of channels are. */
static int is_empty_message(const struct msghdr *hdr, ssize_t n, size_t n_fds)
{
	return n == 0 && (n_fds > 0 || hdr->msg_namelen > 0);
}

/* One recvmsg(2). Too many descriptors, a truncated message, or an empty one: all of them are closed. name NULL: nobody wants it. */
static ssize_t receive_named(int sock, void *buf, size_t size, int *ret_fds, size_t max, size_t *ret_n, int flags, void *name, socklen_t *name_len)
{
	union fdpass_control control;
	struct sockaddr_un sender;
	struct iovec iov = {.iov_base = buf, .iov_len = size};
	struct msghdr hdr = {.msg_name = name ? name : &sender,
		.msg_namelen = name ? *name_len : sizeof(sender),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes)};
	int fds[TRP_FDPASS_MAX];
	size_t n_fds;
	ssize_t n;

	n = trp_raw_recvmsg(sock, &hdr, flags);
	if (n < 0)
		return n;
	n_fds = collect(&hdr, fds);
	if (n_fds > max || is_empty_message(&hdr, n, n_fds) || (hdr.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
		close_all(fds, n_fds);
		return hdr.msg_flags & (MSG_TRUNC | MSG_CTRUNC) ? -EMSGSIZE : -EBADMSG;
	}
	copy_ints(ret_fds, fds, n_fds);
	*ret_n = n_fds;
	*name_len = hdr.msg_namelen;
	return n;
}

static ssize_t receive(
	int sock, void *buf, size_t size, int *ret_fds, size_t max, size_t *ret_n, int flags)
{
	socklen_t none = 0;

	return receive_named(sock, buf, size, ret_fds, max, ret_n, flags, NULL, &none);
}

/* The same with exactly n_fds, but for the end of file, which has none. */
static ssize_t receive_exact(int sock, void *buf, size_t size, int *ret_fds, size_t n_fds, int flags, void *name, socklen_t *name_len)
{
	int fds[TRP_FDPASS_MAX];
	size_t got = 0;
	ssize_t n;

	n = receive_named(sock, buf, size, fds, TRP_FDPASS_MAX, &got, flags, name, name_len);
	if (n <= 0)
		return n;
	if (got != n_fds) {
		close_all(fds, got);
		return -EBADMSG;
	}
	copy_ints(ret_fds, fds, n_fds);
	return n;
}

ssize_t trp_fd_recv_upto(
	int sock, void *buf, size_t size, int *ret_fds, size_t max, size_t *ret_n, int flags)
{
	ssize_t n;

	do
		n = receive(sock, buf, size, ret_fds, max, ret_n, flags | MSG_CMSG_CLOEXEC);
	while (n == -EINTR);
	return n;
}

ssize_t trp_fd_recv_upto_once(
	int sock, void *buf, size_t size, int *ret_fds, size_t max, size_t *ret_n, int flags)
{
	return receive(sock, buf, size, ret_fds, max, ret_n, flags);
}

ssize_t trp_fd_recv(int sock, void *buf, size_t size, int *ret_fds, size_t n_fds, int flags)
{
	socklen_t none;
	ssize_t n;

	do {
		none = 0;
		n = receive_exact(sock, buf, size, ret_fds, n_fds, flags | MSG_CMSG_CLOEXEC, NULL, &none);
	} while (n == -EINTR);
	return n;
}

ssize_t trp_fd_recv_once(int sock, void *buf, size_t size, int *ret_fd, int flags)
{
	socklen_t none = 0;

	return receive_exact(sock, buf, size, ret_fd, 1, flags, NULL, &none);
}

ssize_t trp_fd_recv_named_once(int sock, void *buf, size_t size, int *ret_fd, int flags, void *name, socklen_t *name_len)
{
	return receive_exact(sock, buf, size, ret_fd, 1, flags, name, name_len);
}
