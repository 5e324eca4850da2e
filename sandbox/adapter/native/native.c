/* SPDX-License-Identifier: ISC */
#include "native.h"
#include "base/util.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>

_Static_assert((int)TRP_CLIENT_HTTP1 == (int)TRP_PROTO_HTTP1, "trp.h shows the message's numbers");
_Static_assert((int)TRP_CLIENT_TLS == (int)TRP_PROTO_TLS, "trp.h shows the message's numbers");
_Static_assert((int)TRP_CLIENT_SSH == (int)TRP_PROTO_SSH, "trp.h shows the message's numbers");
_Static_assert((int)TRP_CLIENT_MINECRAFT == (int)TRP_PROTO_MINECRAFT, "trp.h shows the message's numbers");
_Static_assert((int)TRP_CLIENT_XMPP_SERVER == (int)TRP_PROTO_XMPP_SERVER, "trp.h shows the message's numbers");
_Static_assert((int)TRP_CLIENT_XMPP == (int)TRP_PROTO_XMPP, "trp.h shows the message's numbers");
_Static_assert((int)TRP_CLIENT_H2C == (int)TRP_PROTO_H2C, "trp.h shows the message's numbers");
_Static_assert((int)TRP_CLIENT_POSTGRES == (int)TRP_PROTO_POSTGRES, "trp.h shows the message's numbers");
_Static_assert(sizeof(((struct trp_client *)0)->name) > TRP_HANDOFF_NAME_MAX, "with its NUL");

#define FLAGS (SOCK_NONBLOCK | SOCK_CLOEXEC)
/* SO_RCVLOWAT of a listener with TRP_SEVERAL: means nothing to a SOCK_SEQPACKET socket, and stays with it when it is inherited
 * or passed on. */
#define SEVERAL_MARK 2

int trp_listen(uint16_t port, int family, int v6only, int flags)
{
	cleanup_close int fd = -1;
	const int several = (flags & TRP_SEVERAL) != 0, mark = several ? SEVERAL_MARK : 1;

	if (port == 0 || (family != AF_INET && family != AF_INET6) || flags & ~(FLAGS | TRP_SEVERAL))
		return -EINVAL;
	fd = adapter_ask(port, family, v6only, SOMAXCONN, several);
	if (fd < 0)
		return fd;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &mark, sizeof(mark)) < 0)
		return -errno;
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
int native_family(int fd)
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

static bool is_several(int listener)
{
	int mark = 0;
	socklen_t len = sizeof(mark);

	return getsockopt(listener, SOL_SOCKET, SO_RCVLOWAT, &mark, &len) == 0 && mark == SEVERAL_MARK;
}

void native_describe(int fd, const struct trp_handoff *h, struct trp_client *client)
{
	client->peer_len = address(fd, &h->peer, ask_peer, &client->peer);
	client->local_len = address(fd, &h->local, ask_local, &client->local);
	client->protocol = (enum trp_client_protocol)h->protocol;
	client->listener = h->listener;
	client->accepted_ns = h->accepted_ns;
	memcpy(client->name, h->name, (size_t)h->name_len + 1);
}

int trp_accept(int listener, struct trp_client *client, int flags)
{
	int family = native_family(listener), fd;
	struct trp_handoff h;

	if (family < 0 || flags & ~FLAGS || is_several(listener))
		return -EINVAL;
	fd = adapter_take(listener, family, flags, 1, &h, &family);
	if (fd >= 0 && client)
		native_describe(fd, &h, client);
	return fd;
}
