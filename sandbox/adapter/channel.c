/* SPDX-License-Identifier: ISC */
#include "channel.h"
#include "base/fdpass.h"
#include "base/rawsys.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#ifndef IPV6_ADDRFORM
#define IPV6_ADDRFORM 1
#endif

static int connect_init(void)
{
	static const char name[] = TRP_ADAPTER_ADDRESS;
	struct timeval limit = {.tv_sec = ADAPTER_TIMEOUT_S};
	struct sockaddr_un addr;
	int fd, r;

	fd = trp_raw_socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	addr.sun_family = AF_UNIX;
	addr.sun_path[0] = '\0';
	for (size_t i = 0; i < sizeof(name) - 1; i++)
		addr.sun_path[1 + i] = name[i];
	trp_raw_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	trp_raw_setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	do
		r = trp_raw_connect(fd, &addr, offsetof(struct sockaddr_un, sun_path) + sizeof(name));
	while (r == -EINTR);
	if (r < 0) {
		trp_raw_close(fd);
		return r;
	}
	return fd;
}

int adapter_ask(uint16_t port, int family, int v6only, int backlog, int several)
{
	struct trp_adapter_ask ask = {.magic = TRP_ADAPTER_MAGIC,
		.port = port,
		.family = (uint16_t)family,
		.v6only = v6only != 0,
		.several = several != 0,
		.backlog = backlog};
	struct trp_adapter_answer answer;
	int channel = -1, fd, r;
	size_t n_fds = 0;
	ssize_t n;

	fd = connect_init();
	if (fd < 0)
		return fd;
	r = trp_fd_send(fd, &ask, sizeof(ask), NULL, 0, 0);
	if (r < 0) {
		trp_raw_close(fd);
		return r;
	}
	n = trp_fd_recv_upto(fd, &answer, sizeof(answer), &channel, 1, &n_fds, 0);
	trp_raw_close(fd);
	if (n < 0)
		return (int)n;
	if (n == (ssize_t)sizeof(answer) && answer.magic == TRP_ADAPTER_MAGIC) {
		if (answer.status == 0 && n_fds == 1)
			return channel;
		if (answer.status < 0 && n_fds == 0)
			return answer.status;
	}
	if (n_fds == 1)
		trp_raw_close(channel);
	return n == 0 ? -ECONNRESET : -EPROTO;
}

#define NO_SOCKET_TYPE 15 /* none has this number, and the kernel has four bits for it */

/* Is there room for one more descriptor? The kernel takes a message off the queue before it finds that
 * there is none (MSG_CTRUNC), and that client would be lost without a word. One call says it of two: socketpair(2) reserves its
 * descriptors before it finds that there are no such sockets, and makes nothing (net/socket.c). Where there are no two,
 * openat(2) says it of one, which it reserves before it looks at the directory, which is none. A program that may not open files is asked in
 * two calls. */
static int probe_room(int channel)
{
	int pair[2], fd;

	if (trp_raw_socketpair(AF_UNIX, NO_SOCKET_TYPE | SOCK_CLOEXEC, 0, pair) == -EINVAL)
		return 0;
	fd = trp_raw_openat(-1, ".", O_PATH | O_CLOEXEC);
	if (fd == -EBADF)
		return 0;
	if (fd != -EMFILE)
		fd = trp_raw_fcntl(channel, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	trp_raw_close(fd);
	return 0;
}

int adapter_settle(int fd, int family, int flags, const struct trp_handoff *h)
{
	const int has = h->flags & TRP_HANDOFF_NONBLOCK ? O_NONBLOCK : 0, want = flags & SOCK_NONBLOCK ? O_NONBLOCK : 0;
	int inet = AF_INET, is = AF_INET6;

	if (family == AF_INET &&
		trp_raw_setsockopt(fd, IPPROTO_IPV6, IPV6_ADDRFORM, &inet, sizeof(inet)) == 0)
		is = AF_INET;
	/* it has no other status flag */
	if (has != want)
		trp_raw_fcntl(fd, F_SETFL, want);
	return is;
}

int adapter_receive(int channel, int flags, int wait, struct trp_handoff *ret, struct sockaddr_un *ret_name, socklen_t *ret_len)
{
	int recv_flags = (flags & SOCK_CLOEXEC ? MSG_CMSG_CLOEXEC : 0) | (wait ? 0 : MSG_DONTWAIT);
	int fd, r;
	ssize_t n;

	for (;;) {
		r = probe_room(channel);
		if (r < 0)
			return r;
		*ret_len = sizeof(*ret_name);
		n = trp_fd_recv_named_once(channel, ret, sizeof(*ret), &fd, recv_flags, ret_name, ret_len);
		if (n == 0 || n == -ECONNRESET)
			return -EINVAL;
		if (n == -EMSGSIZE || n == -EBADMSG)
			continue;
		if (n < 0)
			return (int)n;
		if (trp_handoff_check(ret, (size_t)n) == 0)
			return fd;
		trp_raw_close(fd);
	}
}

int adapter_take(
	int channel, int family, int flags, int wait, struct trp_handoff *ret, int *ret_family)
{
	struct sockaddr_un name;
	socklen_t len;
	int fd = adapter_receive(channel, flags, wait, ret, &name, &len);

	if (fd >= 0)
		*ret_family = adapter_settle(fd, family, flags, ret);
	return fd;
}
