/* SPDX-License-Identifier: ISC */
#include "supervisor/channel.h"
#include "base/fdpass.h"
#include "base/handoff.h"
#include "sandbox/initmsg.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#define CHANNEL_QUEUE_MIN     256
#define CHANNEL_QUEUE_MAX     4096
#define CHANNEL_MESSAGE_BYTES 768 /* what a message with a descriptor takes of the send buffer */

static int bind_name(int fd, uint16_t port, uint16_t family)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	uint64_t random;

	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return -errno;
	snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, TRP_CHANNEL_PREFIX "%05u:%c:%016llx", port,
		family == AF_INET ? '4' : '6', (unsigned long long)random);
	if (bind(fd, (struct sockaddr *)&name, offsetof(struct sockaddr_un, sun_path) + 1 + TRP_CHANNEL_NAME_LEN) < 0)
		return -errno;
	return 0;
}

/* Clients that wait in one channel, as a listen backlog. All descriptors in flight of one user count against its
 * RLIMIT_NOFILE (unix(7), ETOOMANYREFS): with a 24th of it for each, a few services that accept nobody leave the others
 * room. */
static int queue_bytes(void)
{
	struct rlimit nofile = {.rlim_max = 0};
	rlim_t queue;

	getrlimit(RLIMIT_NOFILE, &nofile);
	queue = nofile.rlim_max / 24;
	if (queue > CHANNEL_QUEUE_MAX)
		queue = CHANNEL_QUEUE_MAX;
	if (queue < CHANNEL_QUEUE_MIN)
		queue = CHANNEL_QUEUE_MIN;
	return (int)queue * CHANNEL_MESSAGE_BYTES / 2; /* socket(7): the kernel doubles what it is told */
}

int channel_open(uint16_t port, uint16_t family, struct channel *ret)
{
	cleanup_close int router_end = -1, service_end = -1;
	int pair[2], off = 0, bytes = queue_bytes(), r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	router_end = pair[0];
	service_end = pair[1];
	/* One way only: what a service pushed at the router would lie there until the router's or our close(2) of it, and the
	 * close of a TCP socket with SO_LINGER blocks for as long as its owner likes. */
	if (shutdown(router_end, SHUT_RD) < 0)
		return -errno;
	setsockopt(router_end, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof(off)); /* a second lock, where the kernel has it */
	/* without the privilege: as much as net.core.wmem_max allows */
	if (setsockopt(router_end, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) < 0 &&
		setsockopt(router_end, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)) < 0)
		return -errno;
	r = bind_name(service_end, port, family);
	if (r < 0)
		return r;
	*ret = (struct channel){.id = channel_next_id(),
		.port = port,
		.family = family,
		.router_end = trp_steal_fd(&router_end),
		.service_end = trp_steal_fd(&service_end)};
	return 0;
}

uint32_t channel_next_id(void)
{
	static uint32_t last;

	return ++last;
}

void channel_move(struct channel *from, const struct channel *to)
{
	char header[sizeof(struct trp_handoff)];
	ssize_t n;

	do {
		int client = -1;
		n = trp_fd_recv(from->service_end, header, sizeof(header), &client, 1, MSG_DONTWAIT);
		if (n > 0 && trp_fd_send(to->router_end, header, (size_t)n, &client, 1, MSG_DONTWAIT) < 0)
			n = 0;
		trp_close(&client);
	} while (n > 0);
}

/* Lets the clients go that still wait. A service can get at them without taking them out (MSG_PEEK) and set SO_LINGER: the
 * close would then block us for as long as it likes. Nobody but us has them any more: its sandbox has ended. */
static void let_go(int service_end)
{
	const struct linger off = {0};
	char header[sizeof(struct trp_handoff)];
	ssize_t n;

	shutdown(service_end, SHUT_RD); /* no more of them */
	do {
		int client = -1;
		n = trp_fd_recv(service_end, header, sizeof(header), &client, 1, MSG_DONTWAIT);
		if (client >= 0)
			setsockopt(client, SOL_SOCKET, SO_LINGER, &off, sizeof(off));
		trp_close(&client);
	} while (n > 0);
}

void channel_close(struct channel *c)
{
	if (c->service_end >= 0)
		let_go(c->service_end);
	trp_close(&c->router_end);
	trp_close(&c->service_end);
}

bool channel_is_usable(const struct channel *c)
{
	/* only this direction is in use; SHUT_RD on the service's end is what a hostile one can do to it */
	struct pollfd p = {.fd = c->service_end, .events = POLLRDHUP};

	return poll(&p, 1, 0) >= 0 && !(p.revents & (POLLRDHUP | POLLHUP | POLLERR));
}
