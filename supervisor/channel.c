/* SPDX-License-Identifier: ISC */
#include "supervisor/channel.h"
#include "sandbox/initmsg.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83 /* Linux 6.16 */
#endif

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

int channel_open(uint16_t port, uint16_t family, struct channel *ret)
{
	static uint32_t last_id;
	cleanup_close int router_end = -1, service_end = -1;
	int pair[2], off = 0, r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	router_end = pair[0];
	service_end = pair[1];
	/* Nobody may push descriptors at the router: kernels before 6.16 have no such option, there the router never reads from a
	 * channel and what a service sends stays in its own send buffer. */
	setsockopt(router_end, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof(off));
	r = bind_name(service_end, port, family);
	if (r < 0)
		return r;
	*ret = (struct channel){.id = ++last_id,
		.port = port,
		.family = family,
		.router_end = trp_steal_fd(&router_end),
		.service_end = trp_steal_fd(&service_end)};
	return 0;
}

void channel_close(struct channel *c)
{
	trp_close(&c->router_end);
	trp_close(&c->service_end);
}

bool channel_is_usable(const struct channel *c)
{
	struct pollfd p[2] = {{.fd = c->router_end, .events = POLLRDHUP}, {.fd = c->service_end, .events = POLLRDHUP}};

	return poll(p, 2, 0) >= 0 && !((p[0].revents | p[1].revents) & (POLLRDHUP | POLLHUP | POLLERR));
}
