/* SPDX-License-Identifier: ISC */
/* kernel_model.h: sockets, listeners and channels for fuzz_clients.c, which do what the input says. Aborts where the router does what it must not:
 * uses a descriptor that it has not got, closes or hands on one that is watched, lets a call wait. */
#pragma once

#include "router/router.h"
#include "base/util.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define FD_FIRST   100000 /* no descriptor of ours */
#define SOCKETS	   256 /* of one input */
#define BUFFER	   65536
#define LISTENERS  3
#define CHANNELS   3
#define CHANNEL_FD 80000 /* + number */
#define LISTEN_FD  90000
#define MS	   1000000ull

static struct router r;

static struct sock {
	bool open, watched, eof, reset, handed, nonblock;
	int lowat;
	uint64_t epoll_data;
	size_t n, done; /* bytes that came; of them taken */
	uint8_t *bytes;
} socks[SOCKETS];
static int n_socks, n_backlog; /* the last ones wait to be accepted */
static uint8_t backlog_peer[SOCKETS];

static struct handed {
	struct trp_handoff header;
	int fd, sock;
} handed[SOCKETS];
static int n_handed;

static int room[CHANNELS], refuse_with; /* of channels */
static uint32_t lies[CHANNELS]; /* clients that wait there */
static int fail_watch, fail_accept, short_send;
static uint64_t notes, arrivals, clock_step;

static struct input {
	const uint8_t *at;
	size_t left;
} in;

static uint8_t next(void)
{
	if (in.left == 0)
		return 0;
	in.left--;
	return *in.at++;
}

static void must(bool holds)
{
	if (!holds)
		abort();
}

/* ---- the kernel ---- */

static struct sock *sock_of(int fd)
{
	must(fd >= FD_FIRST && fd < FD_FIRST + n_socks - n_backlog && socks[fd - FD_FIRST].open);
	return &socks[fd - FD_FIRST];
}

static ssize_t model_recv(int fd, void *buf, size_t len, int flags)
{
	struct sock *s = sock_of(fd);
	size_t n = s->n - s->done < len ? s->n - s->done : len;

	must(flags & MSG_DONTWAIT);
	if (s->reset) {
		errno = ECONNRESET;
		return -1;
	}
	if (n == 0 && !s->eof) {
		errno = EAGAIN;
		return -1;
	}
	if (buf && n)
		memcpy(buf, s->bytes + s->done, n);
	if (!(flags & MSG_PEEK))
		s->done += n;
	return (ssize_t)n;
}

static ssize_t model_send(int fd, const void *buf, size_t len, int flags)
{
	struct sock *s = sock_of(fd);

	(void)buf;
	must(flags & MSG_DONTWAIT && flags & MSG_NOSIGNAL);
	if (s->reset) {
		errno = EPIPE;
		return -1;
	}
	return (ssize_t)(short_send ? len / 2 : len);
}

static int model_shutdown(int fd, int how)
{
	must(how == SHUT_WR);
	sock_of(fd);
	return 0;
}

static int model_close(int fd)
{
	if (fd < FD_FIRST)
		return 0; /* a listener */
	struct sock *s = sock_of(fd);
	must(!s->watched);
	s->open = false;
	return 0;
}

static int model_close_range(unsigned first, unsigned last, int flags)
{
	(void)flags;
	must(first <= last);
	for (unsigned fd = first; fd <= last; fd++)
		model_close((int)fd);
	return 0;
}

static int model_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	must(level == SOL_SOCKET && name == SO_RCVLOWAT && len == sizeof(int));
	memcpy(&sock_of(fd)->lowat, value, sizeof(int));
	return 0;
}

static int model_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	if (level == SOL_SOCKET) {
		uint64_t cookie = (uint64_t)fd;
		must(name == SO_COOKIE && *len == sizeof(cookie));
		sock_of(fd);
		memcpy(value, &cookie, sizeof(cookie));
		return 0;
	}
	struct tcp_info info = {.tcpi_state = TCP_LISTEN, .tcpi_unacked = (uint32_t)n_backlog};
	must(level == IPPROTO_TCP && name == TCP_INFO && *len <= sizeof(info));
	memcpy(value, &info, *len);
	return 0;
}

static int model_fcntl(int fd, int op, ...)
{
	if (op == F_SETFL && fd >= FD_FIRST)
		sock_of(fd)->nonblock = false;
	return 0;
}

static struct trp_addr peer_of(uint8_t n)
{
	struct trp_addr a = {.family = AF_INET6, .port = n, .ip = {0x20, 1, 0xd, 0xb8, [7] = n & 7, [15] = n}};
	struct trp_addr v4 = {.family = AF_INET6, .port = n, .ip = {[10] = 0xff, 0xff, 192, 0, 2, n & 3}};

	return n & 0x80 ? v4 : a;
}

static int model_accept4(int fd, struct sockaddr *sa, socklen_t *len, int flags)
{
	struct trp_addr peer;
	struct sock *s;

	(void)fd;
	if (fail_accept > 0) {
		errno = --fail_accept % 2 ? EMFILE : ECONNABORTED;
		return -1;
	}
	if (n_backlog == 0) {
		errno = EAGAIN;
		return -1;
	}
	s = &socks[n_socks - n_backlog];
	peer = peer_of(backlog_peer[n_socks - n_backlog]);
	n_backlog--;
	s->open = true;
	s->nonblock = flags & SOCK_NONBLOCK;
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = peer.port};
	memcpy(&in6.sin6_addr, peer.ip, 16);
	memcpy(sa, &in6, sizeof(in6));
	*len = sizeof(in6);
	arrivals++;
	return (int)(s - socks) + FD_FIRST;
}

/* What the receiver gets is as accept() made it. */
static int hand(int sock, const void *msg, size_t len, int fd)
{
	struct sock *s = sock_of(fd);
	struct trp_handoff h = {0};

	must(sock >= CHANNEL_FD && sock < CHANNEL_FD + CHANNELS && !s->watched && s->lowat <= 1);
	must(len <= sizeof(h));
	memcpy(&h, msg, len);
	must(trp_handoff_check(&h, h.size) == 0 && s->nonblock == !!(h.flags & TRP_HANDOFF_NONBLOCK));
	if (room[sock - CHANNEL_FD] <= 0)
		return refuse_with;
	room[sock - CHANNEL_FD]--;
	lies[sock - CHANNEL_FD]++;
	must(n_handed < SOCKETS);
	s->handed = true;
	handed[n_handed++] = (struct handed){h, fd, sock};
	return 0;
}

static int model_fd_send(int sock, const void *msg, size_t len, const int *fds, size_t n, int flags)
{
	must(flags == MSG_DONTWAIT && n >= 1 && n <= HANDON_MAX);
	if (n == 1)
		return hand(sock, msg, len, fds[0]);
	must(trp_several_check(msg, len, n) == (int)n);
	if (room[sock - CHANNEL_FD] < (int)n)
		return -EAGAIN;
	for (size_t i = 0; i < n; i++) {
		struct trp_handoff h;
		trp_several_get(msg, i, &h);
		must(hand(sock, &h, h.size, fds[i]) == 0);
	}
	return 0;
}

static int model_fd_send_many(int sock, const struct trp_fd_msg *msgs, size_t n, int flags)
{
	size_t sent = 0;
	int err = 0;

	must(flags == MSG_DONTWAIT && n >= 1 && n <= HANDON_MAX);
	while (sent < n && (err = hand(sock, msgs[sent].data, msgs[sent].len, msgs[sent].fd)) == 0)
		sent++;
	return sent ? (int)sent : err;
}

/* How much lies in a channel */
static int model_ioctl(int sock, unsigned long request, int *ret)
{
	must(request == SIOCOUTQ && sock >= CHANNEL_FD && sock < CHANNEL_FD + CHANNELS);
	*ret = (int)lies[sock - CHANNEL_FD] * 768;
	return 0;
}

/* ---- the router's other parts ---- */

void router_update_clock(struct router *router)
{
	router->now_ns += clock_step;
}

int router_watch(struct router *router, int fd, uint32_t events, uint64_t data)
{
	(void)router, (void)events;
	if (fail_watch > 0) {
		fail_watch--;
		return -ENOMEM;
	}
	if (fd >= FD_FIRST) {
		struct sock *s = sock_of(fd);
		must(!s->watched);
		s->watched = true;
		s->epoll_data = data;
	}
	return 0;
}

void router_unwatch(struct router *router, int fd)
{
	(void)router;
	if (fd >= FD_FIRST)
		sock_of(fd)->watched = false;
}

static void notice(const char *text)
{
	(void)text;
}

/* From here on these are what the router calls. */
#define recv	       model_recv
#define send	       model_send
#define shutdown       model_shutdown
#define close	       model_close
#define close_range    model_close_range
#define setsockopt     model_setsockopt
#define getsockopt     model_getsockopt
#define fcntl	       model_fcntl
#define accept4	       model_accept4
#define trp_fd_send    model_fd_send
#define trp_fd_send_many model_fd_send_many
#define ioctl	       model_ioctl
