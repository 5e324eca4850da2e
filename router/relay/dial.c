/* SPDX-License-Identifier: ISC */
#include "router/relay/relay.h"
#include "base/fdpass.h"
#include "base/log.h"

#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#ifndef IPV6_FREEBIND
#define IPV6_FREEBIND 78
#endif
#define LO_INDEX 1 /* of lo, in each network namespace */

int dial_start(const struct target *t)
{
	cleanup_close int fd = socket(t->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd < 0)
		return -errno;
	/* the sender has decided how large a segment is */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	if (connect(fd, (const struct sockaddr *)&t->addr, trp_endpoint_len(&t->addr)) < 0 &&
		errno != EINPROGRESS)
		return -errno;
	return trp_steal_fd(&fd);
}

/* What is bound to an interface is to be found on lo, which is all that there is. */
static socklen_t to_sockaddr(const struct trp_addr *a, struct sockaddr_storage *ret)
{
	size_t len = trp_addr_to_sockaddr(a, listening_family(a) == LISTENING_V4 ? AF_INET : AF_INET6, ret);
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)ret;

	if (ret->ss_family == AF_INET6)
		in6->sin6_scope_id = IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr) ? LO_INDEX : 0;
	return (socklen_t)len;
}

int dial_from(const struct trp_addr *from, const struct trp_addr *to, int *ret_fd)
{
	struct sockaddr_storage src, dst;
	socklen_t src_len = to_sockaddr(from, &src), dst_len = to_sockaddr(to, &dst);
	cleanup_close int fd = src_len ? socket(src.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) : -1;
	int on = 1, r = 0;

	if (src_len == 0 || dst_len == 0)
		return -EAFNOSUPPORT;
	if (fd < 0)
		return -errno;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	/* another client may have the same address and port, if it spoke to another address or port of ours */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (src.ss_family == AF_INET6) /* a route makes IPv4 addresses local to bind(2), not IPv6 ones */
		setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&src, src_len) < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&dst, dst_len) < 0) {
		if (errno != EINPROGRESS)
			return -errno;
		/* the answer has come while the call was on its way out */
		if (connect(fd, (struct sockaddr *)&dst, dst_len) < 0)
			r = errno == EALREADY ? -EINPROGRESS : -errno;
	}
	if (r == 0 || r == -EINPROGRESS)
		*ret_fd = trp_steal_fd(&fd);
	return r;
}

int dial_pass(const struct target *t, int client)
{
	cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&t->addr, trp_endpoint_len(&t->addr)) < 0)
		return -errno; /* EAGAIN: its backlog is full, and there is nothing to wait for */
	return trp_fd_send(fd, "0", 1, &client, 1, MSG_DONTWAIT);
}

int dial_result(int fd)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return -errno;
	return -error;
}

/* Errors that say nothing about the target. */
static bool is_our_own(int error)
{
	static const int list[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM, EADDRNOTAVAIL, EAGAIN};

	for (size_t i = 0; i < TRP_ARRAY_SIZE(list); i++)
		if (error == -list[i])
			return true;
	return false;
}

void dial_note(struct relay *r, struct target_set *set, size_t target, int error)
{
	struct target *t = &set->targets[target];
	char text[TRP_ENDPOINT_TEXT];

	if (is_our_own(error))
		return;
	trp_endpoint_text(&t->addr, text);
	if (error == 0 && target_good(t))
		log_info("target %s is back", text);
	else if (error < 0 && target_bad(t, r->opt.health_failures, r->now_ns))
		log_warn("target %s is taken out: %s", text, strerror(-error));
}
