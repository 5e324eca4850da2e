/* SPDX-License-Identifier: ISC */
#include "supervisor/probe.h"
#include "base/fdpass.h"
#include "base/io.h"
#include "supervisor/closesoon.h"
#include "supervisor/hello.h"
#include "supervisor/service.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define RECEIVE_BYTES 16384 /* of an answer that the kernel holds; init reads a few */
#define STRANGERS_MAX 16    /* other connections that are taken for ours: the port is seen by all in that network */
#define REQUEST_MAX   (PROFILE_CHECK_PATH_MAX + 512)

static socklen_t loopback_address(int family, bool mapped, struct sockaddr_storage *ret)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)ret;
	struct sockaddr_in *in = (struct sockaddr_in *)(void *)ret;

	memset(ret, 0, sizeof(*ret));
	ret->ss_family = (sa_family_t)family;
	if (family == AF_INET)
		in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else if (mapped)
		inet_pton(AF_INET6, "::ffff:127.0.0.1", &in6->sin6_addr);
	else
		in6->sin6_addr = in6addr_loopback;
	return family == AF_INET ? sizeof(*in) : sizeof(*in6);
}

/* As a listener of trpsup.conf is, for IPv4 too: so an IPv4 client has an IPv6 socket. */
static int make_listener(const struct service *s, int client_family)
{
	struct sockaddr_storage at;
	bool mapped = client_family == AF_INET;
	cleanup_close int fd = sandbox_socket(&s->run.box, AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);
	int family = AF_INET6, off = 0;

	if (fd == -EAFNOSUPPORT && mapped) {
		family = AF_INET;
		fd = sandbox_socket(&s->run.box, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	}
	if (fd < 0)
		return fd;
	if (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&at, loopback_address(family, mapped, &at)) < 0 || listen(fd, STRANGERS_MAX) < 0)
		return -errno;
	return trp_steal_fd(&fd);
}

static uint16_t port_of(const struct sockaddr_storage *sa)
{
	return sa->ss_family == AF_INET ? ((const struct sockaddr_in *)(const void *)sa)->sin_port : ((const struct sockaddr_in6 *)(const void *)sa)->sin6_port;
}

static int connect_client(const struct service *s, int listener, int family)
{
	cleanup_close int fd = sandbox_socket(&s->run.box, family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	int bytes = RECEIVE_BYTES, on = 1;
	struct sockaddr_storage at, to;
	socklen_t len = sizeof(at), to_len = loopback_address(family, false, &to);

	if (fd < 0)
		return fd;
	if (getsockname(listener, (struct sockaddr *)&at, &len) < 0)
		return -errno;
	if (family == AF_INET)
		((struct sockaddr_in *)(void *)&to)->sin_port = port_of(&at);
	else
		((struct sockaddr_in6 *)(void *)&to)->sin6_port = port_of(&at);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	/* with adapter = loopback trp-relay connects from this very address and port, to another one */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (connect(fd, (struct sockaddr *)&to, to_len) < 0 && errno != EINPROGRESS)
		return -errno;
	return trp_steal_fd(&fd);
}

static int send_request(const struct service *s, int client)
{
	const struct profile *p = s->profile;
	unsigned char request[REQUEST_MAX];
	size_t len = 0;

	if (p->check_kind == CHECK_TCP)
		return shutdown(client, SHUT_WR) < 0 ? -errno : 0;
	if (p->check_kind == CHECK_TLS)
		len = hello_make(profile_check_host(p), request, sizeof(request));
	else
		len = (size_t)snprintf((char *)request, sizeof(request),
			"GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: trpsup-check\r\nAccept: */*\r\nConnection: close\r\n\r\n", p->check_path,
			profile_check_host(p));
	if (len == 0 || len >= sizeof(request))
		return -EMSGSIZE;
	return send(client, request, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len ? 0 : -errno;
}

static uint8_t protocol_of(const struct profile *p)
{
	uint8_t k = 0;

	if (p->check_kind == CHECK_HTTP || p->check_kind == CHECK_TLS)
		return p->check_kind == CHECK_HTTP ? TRP_PROTO_HTTP1 : TRP_PROTO_TLS;
	while (k + 1 < TRP_PROTO_COUNT && p->port[k] != p->check_port)
		k++;
	return k;
}

static int put_server(const struct service *s, int server, const struct sockaddr_storage *peer)
{
	const struct profile *p = s->profile;
	const struct channel *c = route_taken(s, p->check_port);
	const char *name = p->check_kind == CHECK_TCP ? "" : profile_check_host(p);
	struct trp_handoff h = {.protocol = protocol_of(p), .accepted_ns = trp_now_ns()};

	if (!c)
		return -ENOENT;
	trp_addr_from_sockaddr(&h.peer, (const struct sockaddr *)peer);
	trp_handoff_seal(&h, name, strlen(name));
	return channel_put(c, &h, server);
}

/* Both ends are there. Each goes to where it is used, and none stays here. */
static int hand_over(struct service *s, int server, const struct sockaddr_storage *peer)
{
	struct trp_init_msg msg = {.magic = TRP_INIT_MAGIC, .type = TRP_INIT_CHECK, .value = (int32_t)s->profile->check_timeout_ms,
		.value2 = (int32_t)s->health.number};
	struct probe *b = &s->health.probe;
	int r = send_request(s, b->client);

	msg.port = s->profile->check_kind == CHECK_HTTP ? TRP_CHECK_HTTP : s->profile->check_kind == CHECK_TLS ? TRP_CHECK_TLS : TRP_CHECK_TCP;
	if (r == 0)
		r = put_server(s, server, peer);
	if (r == 0 && trp_fd_send(s->run.control, &msg, sizeof(msg), &b->client, 1, MSG_DONTWAIT) < 0)
		r = -ECOMM;
	return r;
}

static void on_accept(struct ev_loop *loop, ev_io *w, int events)
{
	struct service *s = w->data;
	struct probe *b = &s->health.probe;
	struct sockaddr_storage own, peer;
	socklen_t len = sizeof(own);
	int server = -1, r;

	(void)loop, (void)events;
	if (getsockname(b->client, (struct sockaddr *)&own, &len) < 0)
		return;
	for (int i = 0; i < STRANGERS_MAX && server < 0; i++) {
		len = sizeof(peer);
		server = accept4(b->listener, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC);
		if (server < 0 && trp_is_shortage(errno)) /* of ours: it would stay where it is, and be told again and again */
			health_not_made(s, strerror(errno));
		if (server < 0)
			return; /* not yet: the timer ends it */
		if (port_of(&peer) != port_of(&own))
			close_soon(&server); /* another process of the sandbox */
	}
	if (server < 0) {
		health_not_made(s, "others connect where it does");
		return;
	}
	r = hand_over(s, server, &peer);
	close_soon(&server);
	probe_stop(s);
	if (r == -EAGAIN)
		health_done(s, false, "no room in its channel: it does not accept its clients");
	else if (r < 0)
		health_not_made(s, strerror(-r));
}

void probe_begin(struct service *s)
{
	struct probe *b = &s->health.probe;
	const struct channel *c = route_taken(s, s->profile->check_port);
	int family = c ? c->family : AF_INET;

	cleanup_close int listener = c ? make_listener(s, family) : -1;
	int client = listener < 0 ? listener : connect_client(s, listener, family);

	if (client < 0) {
		health_not_made(s, c ? strerror(-client) : "it does not listen");
		return;
	}
	*b = (struct probe){.going = true, .listener = trp_steal_fd(&listener), .client = client};
	ev_io_init(&b->on_accept, on_accept, b->listener, EV_READ);
	b->on_accept.data = s;
	ev_io_start(s->d->loop, &b->on_accept);
	on_accept(s->d->loop, &b->on_accept, EV_READ); /* as a rule it is there */
}

void probe_stop(struct service *s)
{
	struct probe *b = &s->health.probe;

	if (!b->going)
		return;
	b->going = false;
	ev_io_stop(s->d->loop, &b->on_accept);
	trp_close(&b->listener);
	close_soon(&b->client);
}
