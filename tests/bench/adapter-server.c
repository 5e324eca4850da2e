/* SPDX-License-Identifier: ISC */
/* adapter-server: the least that a server can do with a client: epoll_wait, accept4, read, write,
 * close. It is the same program behind every adapter: with -DWITH_LIBTRP it takes its clients by
 * libtrp, else by socket, bind, listen and accept4, linked dynamically or statically.
 * tests/bench/adapters.py measures it.
 *
 *   adapter-server PORT
 *
 * Answers 1 KiB to whatever comes in one read. Who asks for /hold is answered and kept until it
 * closes. */
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#ifdef WITH_LIBTRP
#include "sandbox/adapter/native/trp.h"
#endif

#define BODY 1024

static char answer[256 + BODY];
static size_t answer_len;

static void prepare_answer(void)
{
	int n = snprintf(answer, sizeof(answer),
		"HTTP/1.1 200 OK\r\nServer: adapter-server\r\nContent-Type: text/plain\r\n"
		"Content-Length: %d\r\nConnection: close\r\n\r\n",
		BODY);

	memset(answer + n, 'b', BODY);
	answer_len = (size_t)n + BODY;
}

#ifdef WITH_LIBTRP
static int open_listener(uint16_t port)
{
	int fd = trp_listen(port, AF_INET, 0, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		errx(1, "trp_listen: %s", strerror(-fd));
	return fd;
}

static int accept_client(int listener)
{
	struct trp_client client;
	int fd = trp_accept(listener, &client, SOCK_CLOEXEC);

	if (fd < 0 && fd != -EAGAIN)
		errx(1, "trp_accept: %s", strerror(-fd));
	return fd;
}
#else
/* Clients that have not yet said anything wait in the kernel, as they do at the router. */
static int open_listener(uint16_t port)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_ANY)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) < 0 ||
		setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &(int){10}, sizeof(int)) < 0 ||
		bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 4096) < 0)
		err(1, "port %u", port);
	return fd;
}

static int accept_client(int listener)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);
	int fd = accept4(listener, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC);

	if (fd < 0 && errno != EAGAIN)
		err(1, "accept4");
	return fd;
}
#endif

static void watch(int epoll, int fd)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev) < 0)
		err(1, "epoll_ctl");
}

static void serve(int epoll, int client)
{
	static const char hold[] = "GET /hold ";
	char request[4096];
	ssize_t n = read(client, request, sizeof(request));

	if (n > 0 && write(client, answer, answer_len) != (ssize_t)answer_len)
		warn("an answer was cut");
	if (n > (ssize_t)sizeof(hold) && memcmp(request, hold, sizeof(hold) - 1) == 0)
		watch(epoll, client);
	else
		close(client);
}

int main(int argc, char **argv)
{
	int port = argc == 2 ? atoi(argv[1]) : 0, listener, epoll = epoll_create1(EPOLL_CLOEXEC);

	if (port < 1 || port > 65535)
		errx(2, "usage: adapter-server PORT");
	if (epoll < 0)
		err(1, "epoll_create1");
	prepare_answer();
	listener = open_listener((uint16_t)port);
	watch(epoll, listener);
	for (;;) {
		struct epoll_event ev;
		int client;

		if (epoll_wait(epoll, &ev, 1, -1) < 0) {
			if (errno != EINTR)
				err(1, "epoll_wait");
			continue;
		}
		if (ev.data.fd != listener)
			close(ev.data.fd); /* one of those that were held has gone */
		else if ((client = accept_client(listener)) >= 0)
			serve(epoll, client);
	}
}
