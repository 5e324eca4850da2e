/* SPDX-License-Identifier: ISC */
#include "trp.h"
#include "base/util.h"
#include "sandbox/adapter/channel.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>

_Static_assert((int)TRP_CLIENT_HTTP1 == (int)TRP_PROTO_HTTP1, "trp.h shows the message's numbers");
_Static_assert((int)TRP_CLIENT_TLS == (int)TRP_PROTO_TLS, "trp.h shows the message's numbers");
_Static_assert(sizeof(((struct trp_client *)0)->name) > TRP_HANDOFF_NAME_MAX, "with its NUL");

#define FLAGS (SOCK_NONBLOCK | SOCK_CLOEXEC)

int trp_listen(uint16_t port, int family, int v6only, int flags)
{
	cleanup_close int fd = -1;

	if (port == 0 || (family != AF_INET && family != AF_INET6) || flags & ~FLAGS)
		return -EINVAL;
	fd = adapter_ask(port, family, v6only, SOMAXCONN);
	if (fd < 0)
		return fd;
	/* set as asked, not only added: the file is shared with the instance before this one */
	if (fcntl(fd, F_SETFL, flags & SOCK_NONBLOCK ? O_NONBLOCK : 0) < 0 ||
		fcntl(fd, F_SETFD, flags & SOCK_CLOEXEC ? FD_CLOEXEC : 0) < 0)
		return -errno;
	return trp_steal_fd(&fd);
}

/* The address as IPv4 if it can be; else as it is. */
static socklen_t plain_address(const struct trp_addr *a, struct sockaddr_storage *out)
{
	size_t len = trp_addr_to_sockaddr(a, AF_INET, out);

	return (socklen_t)(len ? len : trp_addr_to_sockaddr(a, 0, out));
}

/* The recorded address, else what the socket says (it says nothing after a reset). */
static socklen_t address(int fd, const struct trp_addr *recorded,
	int ask(int, struct sockaddr *, socklen_t *), struct sockaddr_storage *out)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	struct trp_addr a = *recorded;

	if (a.family == 0) {
		memset(&sa, 0, sizeof(sa));
		if (ask(fd, (struct sockaddr *)&sa, &len) == 0)
			trp_addr_from_sockaddr(&a, (struct sockaddr *)&sa);
	}
	return plain_address(&a, out);
}

static int ask_local(int fd, struct sockaddr *sa, socklen_t *len)
{
	return getsockname(fd, sa, len);
}

static int ask_peer(int fd, struct sockaddr *sa, socklen_t *len)
{
	return getpeername(fd, sa, len);
}

/* The channel's name says which family it is for ("\0trpsup:PPPPP:F:..."). */
static int channel_family(int fd)
{
	char addr[sizeof(sa_family_t) + 1 + TRP_CHANNEL_NAME_LEN];
	socklen_t len = sizeof(addr);
	const size_t family_at = sizeof(sa_family_t) + 1 + sizeof(TRP_CHANNEL_PREFIX) - 1 + 6;

	if (getsockname(fd, (struct sockaddr *)(void *)addr, &len) < 0 || len != sizeof(addr) ||
		memcmp(addr + sizeof(sa_family_t) + 1, TRP_CHANNEL_PREFIX,
			sizeof(TRP_CHANNEL_PREFIX) - 1) != 0)
		return -EINVAL;
	return addr[family_at] == '4' ? AF_INET : AF_INET6;
}

int trp_accept(int listener, struct trp_client *client, int flags)
{
	int family = channel_family(listener), fd;
	struct trp_handoff h;

	if (family < 0 || flags & ~FLAGS)
		return -EINVAL;
	fd = adapter_take(listener, family, flags, 1, &h, &family);
	if (fd >= 0 && client) {
		client->peer_len = address(fd, &h.peer, ask_peer, &client->peer);
		client->local_len = address(fd, &h.local, ask_local, &client->local);
		client->protocol = (enum trp_client_protocol)h.protocol;
		client->listener = h.listener;
		client->accepted_ns = h.accepted_ns;
		memcpy(client->name, h.name, (size_t)h.name_len + 1);
	}
	return fd;
}
