/* SPDX-License-Identifier: ISC */
/* several.c: clients that came in one message. */
#include "native.h"
#include "base/fdpass.h"
#include "base/several.h"
#include "base/util.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>

_Static_assert(TRP_CLIENTS_MAX == TRP_SEVERAL_MAX, "what one message may hold");
_Static_assert(TRP_FDPASS_MAX >= TRP_SEVERAL_MAX, "what one message may hold");

/* Asks for each. */
static int try_room(int fd)
{
	int taken[TRP_SEVERAL_MAX], n = 0, r = 0;

	while (n < TRP_SEVERAL_MAX && r == 0) {
		taken[n] = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (taken[n] < 0)
			r = -errno;
		else
			n++;
	}
	while (n > 0)
		close(taken[--n]);
	return r;
}

/* Is there room for as many descriptors as a message may hold? The kernel takes it off the queue before it finds that there
 * is not, and those clients would be lost. Mostly poll(2) tells: above the lowest that is free there are enough. */
static int probe_room(int fd)
{
	struct pollfd p[2 * TRP_SEVERAL_MAX];
	struct rlimit limit;
	int lowest = fcntl(fd, F_DUPFD_CLOEXEC, 0), unused = 0;

	if (lowest < 0)
		return -errno;
	close(lowest);
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || (rlim_t)lowest + TRP_ARRAY_SIZE(p) > limit.rlim_cur)
		return try_room(fd);
	for (size_t i = 0; i < TRP_ARRAY_SIZE(p); i++)
		p[i] = (struct pollfd){.fd = lowest + (int)i};
	if (poll(p, TRP_ARRAY_SIZE(p), 0) < 0)
		return try_room(fd);
	for (size_t i = 0; i < TRP_ARRAY_SIZE(p); i++)
		unused += p[i].revents & POLLNVAL ? 1 : 0;
	return unused >= TRP_SEVERAL_MAX ? 0 : try_room(fd);
}

static void close_all(const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
}

/* Messages that are no handoff are dropped. Returns how many came, or -errno as trp_accept() */
static int take(int listener, int flags, char *msg, int *ret_fds)
{
	for (;;) {
		size_t n_fds = 0;
		int r = probe_room(listener);
		if (r < 0)
			return r;
		ssize_t n = trp_fd_recv_upto_once(listener, msg, TRP_SEVERAL_SIZE, ret_fds, TRP_SEVERAL_MAX, &n_fds,
			flags & SOCK_CLOEXEC ? MSG_CMSG_CLOEXEC : 0);
		if (n == -ECONNRESET || (n == 0 && n_fds == 0))
			return -EINVAL;
		if (n == -EMSGSIZE || n == -EBADMSG)
			continue;
		if (n < 0)
			return (int)n;
		r = trp_several_check(msg, (size_t)n, n_fds);
		if (r > 0)
			return r;
		close_all(ret_fds, n_fds);
	}
}

int trp_accept_several(int listener, int *fds, struct trp_client *clients, int n, int flags)
{
	int family = native_family(listener), came;
	char msg[TRP_SEVERAL_SIZE];

	if (family < 0 || !fds || n < TRP_SEVERAL_MAX || flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC))
		return -EINVAL;
	came = take(listener, flags, msg, fds);
	for (int i = 0; i < came; i++) {
		struct trp_handoff h;
		trp_several_get(msg, (size_t)i, &h);
		adapter_settle(fds[i], family, flags, &h);
		if (clients)
			native_describe(fds[i], &h, &clients[i]);
	}
	return came;
}
