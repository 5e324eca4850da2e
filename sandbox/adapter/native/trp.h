/* SPDX-License-Identifier: ISC */
/* trp.h: libtrp, for servers that are written for trpsup. Link with -ltrp. C and C++.
 *
 * A server inside a sandbox has no network of its own: clients reach it as connected sockets that the router
 * hands over. libtrp replaces socket, bind, listen and accept; from then on the client is an ordinary TCP
 * socket of the kernel, with nothing read from it, and no byte of it goes through another process.
 *
 *	int listener = trp_listen(8080, AF_INET6, 0, SOCK_NONBLOCK | SOCK_CLOEXEC);
 *	struct pollfd p = {.fd = listener, .events = POLLIN};
 *	while (poll(&p, 1, -1) > 0) {
 *		struct trp_client client;
 *		int fd = trp_accept(listener, &client, SOCK_CLOEXEC);
 *		...
 *	}
 *
 * Functions return a descriptor or 0, or a negative errno value. All may
 * be called from any thread and after fork(2). A listener may be polled, duplicated, inherited and passed on,
 * and several processes may accept from it. */
#pragma once

#include <stdint.h>
#include <sys/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What the first bytes of the connection were. */
enum trp_client_protocol {
	TRP_CLIENT_UNKNOWN = 0,
	TRP_CLIENT_HTTP1 = 1,
	TRP_CLIENT_TLS = 2, /* a ClientHello lies in the socket */
	TRP_CLIENT_SSH = 3,
	TRP_CLIENT_POSTGRES = 4, /* without TLS, or with an SSLRequest */
	TRP_CLIENT_H2C = 5,      /* HTTP/2 without TLS */
	TRP_CLIENT_MINECRAFT = 6,
	TRP_CLIENT_XMPP = 7,
	TRP_CLIENT_XMPP_SERVER = 8,
};

struct trp_client {
	struct sockaddr_storage peer;  /* an IPv4 client is AF_INET here, whatever the socket's family */
	struct sockaddr_storage local; /* where it connected to; ss_family AF_UNSPEC if it is gone already */
	socklen_t peer_len, local_len;
	enum trp_client_protocol protocol;
	uint32_t listener;    /* number of the router's listener, as in its status */
	uint64_t accepted_ns; /* CLOCK_MONOTONIC at accept(2), nanoseconds */
	char name[256];       /* host name that was asked for, lower case, without a port; "" if none was */
};

/* A flag of trp_listen(): clients that come together are taken by one system call, with trp_accept_several(). Fewer may wait
 * then than the profile's queue says: never more, and a third of it if they come in twos. */
#define TRP_SEVERAL     1
#define TRP_CLIENTS_MAX 32 /* so many at a time */

/* Begins to serve a port of the service's profile, and tells the supervisor so (that is readiness).
 * family: AF_INET6, with v6only 0 for clients of both families; or AF_INET for IPv4 clients only. flags:
 * SOCK_NONBLOCK, SOCK_CLOEXEC, TRP_SEVERAL. Returns the listener, the caller's to close, or
 *   -EBUSY         this run of the service has listened there already, the one time with and the other without TRP_SEVERAL
 *   -ENOENT        the profile does not route to this port, or this is a setup step
 *   -ECONNREFUSED  not inside a trpsup sandbox
 *   -EINVAL        port 0, another family, other flags
 * or what else went wrong. */
int trp_listen(uint16_t port, int family, int v6only, int flags);

/* Takes the next client. flags: SOCK_NONBLOCK, SOCK_CLOEXEC for its socket. client may be NULL. The socket is
 * AF_INET6 also for IPv4 clients, but for a listener of AF_INET. Nothing is set on it; TCP_NODELAY is yours
 * to set. Returns it, the caller's to close, or
 *   -EAGAIN            nobody there (listener with SOCK_NONBLOCK)
 *   -EINTR             a signal came
 *   -EMFILE, -ENFILE   no descriptor is free; the client keeps its place in the queue
 *   -EINVAL            the listener is closed for good, has TRP_SEVERAL, or is none */
int trp_accept(int listener, struct trp_client *client, int flags);

/* Takes the next clients, 1 to TRP_CLIENTS_MAX, their sockets into fds; n: room in fds and clients, at least TRP_CLIENTS_MAX. They
 * have left the queue together: what this process does not serve nobody serves. clients may be NULL. Returns how many; or as
 * trp_accept(), with -EMFILE already when fewer than TRP_CLIENTS_MAX descriptors are free. */
int trp_accept_several(int listener, int *fds, struct trp_client *clients, int n, int flags);

#ifdef __cplusplus
}
#endif
