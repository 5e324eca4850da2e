/* SPDX-License-Identifier: ISC */
/* client: the load of the measurements. Makes a number of HTTP requests, each on a connection of
 * its own, a fixed number of them at a time, and wants every one answered whole: status 200, the
 * length that was announced and expected, then the server's FIN. Anything else ends it with 1 and a
 * sentence, for a measurement with errors in it is none.
 *
 *   client ADDRESS PORT HOST PATH REQUESTS CONCURRENT BODY_BYTES
 *
 * Prints "requests=N seconds=S bytes=N slowest_ms=M". The server closes first (Connection: close),
 * so that the client's end never resets a connection and its ports are free again at once. */
#include "base/parse.h"
#include "base/util.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONCURRENT_MAX 1024
#define HEAD_MAX       2048
#define STALL_MS       10000
#define EVENTS         64

struct conn {
	int fd;
	bool sent;
	uint64_t started_ns;
	size_t head_len; /* of head, complete as soon as body is known */
	bool in_body;
	uint64_t body; /* bytes of it so far */
	char head[HEAD_MAX + 1];
};

static struct {
	struct sockaddr_in addr;
	char request[1024];
	size_t request_len;
	uint64_t requests, body_bytes;
	int epoll_fd;
	uint64_t opened, done, bytes, slowest_ns;
} load;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void open_next(struct conn *c)
{
	struct epoll_event ev = {.events = EPOLLOUT, .data.ptr = c};

	memset(c, 0, offsetof(struct conn, head));
	c->started_ns = now_ns();
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		err(1, "socket");
	if (connect(c->fd, (struct sockaddr *)&load.addr, sizeof(load.addr)) < 0 &&
		errno != EINPROGRESS)
		err(1, "connect, request %" PRIu64, load.opened);
	if (epoll_ctl(load.epoll_fd, EPOLL_CTL_ADD, c->fd, &ev) < 0)
		err(1, "epoll_ctl");
	load.opened++;
}

static void send_request(struct conn *c)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
	ssize_t n = send(c->fd, load.request, load.request_len, MSG_NOSIGNAL);

	if (n < 0)
		err(1, "connection %" PRIu64, load.done);
	if ((size_t)n != load.request_len)
		errx(1, "a request of %zu bytes was cut", load.request_len);
	if (epoll_ctl(load.epoll_fd, EPOLL_CTL_MOD, c->fd, &ev) < 0)
		err(1, "epoll_ctl");
	c->sent = true;
}

/* The head is complete: what it must say. */
static void check_head(struct conn *c)
{
	const char *field = strcasestr(c->head, "\r\nContent-Length: ");
	char *end;

	if (strncmp(c->head, "HTTP/1.1 200 ", 13) != 0)
		errx(1, "answer %" PRIu64 ": %.*s", load.done, (int)strcspn(c->head, "\r\n"),
			c->head);
	if (!field)
		errx(1, "answer %" PRIu64 ": no Content-Length", load.done);
	field += 18;
	if (strtoull(field, &end, 10) != load.body_bytes || *end != '\r')
		errx(1, "answer %" PRIu64 ": a body of %.*s bytes, expected %" PRIu64, load.done,
			(int)strcspn(field, "\r"), field, load.body_bytes);
	c->in_body = true;
}

static void take_head(struct conn *c, size_t n)
{
	char *end;

	c->head_len += n;
	c->head[c->head_len] = '\0';
	end = strstr(c->head, "\r\n\r\n");
	if (!end) {
		if (c->head_len == HEAD_MAX)
			errx(1, "answer %" PRIu64 ": a head of more than %d bytes", load.done,
				HEAD_MAX);
		return;
	}
	c->body = c->head_len - (size_t)(end + 4 - c->head);
	end[2] = '\0';
	check_head(c);
}

/* False: the answer is whole and the server has closed. The body is counted and thrown away inside
 * of the kernel (tcp(7), MSG_TRUNC), so that it is the servers that limit a bulk transfer. */
static bool take(struct conn *c)
{
	ssize_t n;

	for (;;) {
		if (c->in_body)
			n = recv(c->fd, NULL, 1 << 20, MSG_TRUNC);
		else
			n = recv(c->fd, c->head + c->head_len, HEAD_MAX - c->head_len, 0);
		if (n < 0 && errno == EAGAIN)
			return true;
		if (n < 0)
			err(1, "connection %" PRIu64, load.done);
		if (n == 0)
			break;
		load.bytes += (uint64_t)n;
		if (c->in_body)
			c->body += (uint64_t)n;
		else
			take_head(c, (size_t)n);
	}
	if (!c->in_body || c->body != load.body_bytes)
		errx(1, "answer %" PRIu64 ": closed after %" PRIu64 " bytes of the body", load.done,
			c->body);
	return false;
}

static void finish(struct conn *c)
{
	uint64_t ns = now_ns() - c->started_ns;

	close(c->fd);
	load.done++;
	if (ns > load.slowest_ns)
		load.slowest_ns = ns;
	if (load.opened < load.requests)
		open_next(c);
}

static void handle(const struct epoll_event *ev)
{
	struct conn *c = ev->data.ptr;

	if (!c->sent) {
		if (ev->events & (EPOLLERR | EPOLLHUP)) {
			int error = 0;
			getsockopt(
				c->fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){sizeof(error)});
			errx(1, "connect, request %" PRIu64 ": %s", load.done, strerror(error));
		}
		send_request(c);
	} else if (!take(c)) {
		finish(c);
	}
}

static void run(uint64_t concurrent)
{
	struct conn *conns = calloc(concurrent, sizeof(*conns));
	struct epoll_event events[EVENTS];

	load.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (!conns || load.epoll_fd < 0)
		err(1, "start");
	for (uint64_t i = 0; i < concurrent && load.opened < load.requests; i++)
		open_next(&conns[i]);
	while (load.done < load.requests) {
		int n = epoll_wait(load.epoll_fd, events, EVENTS, STALL_MS);
		if (n < 0)
			err(1, "epoll_wait");
		if (n == 0)
			errx(1, "nothing came for %d s, %" PRIu64 " of %" PRIu64 " done",
				STALL_MS / 1000, load.done, load.requests);
		for (int i = 0; i < n; i++)
			handle(&events[i]);
	}
	close(load.epoll_fd);
	free(conns);
}

static uint64_t number(const char *what, const char *text, uint64_t min, uint64_t max)
{
	uint64_t value;

	if (trp_parse_u64(text, &value) != 0 || value < min || value > max)
		errx(2, "%s: '%s' is not from %" PRIu64 " to %" PRIu64, what, text, min, max);
	return value;
}

int main(int argc, char **argv)
{
	uint64_t concurrent, start;
	int n;

	if (argc != 8)
		errx(2, "usage: client ADDRESS PORT HOST PATH REQUESTS CONCURRENT BODY_BYTES");
	load.addr.sin_family = AF_INET;
	load.addr.sin_port = htons((uint16_t)number("PORT", argv[2], 1, 65535));
	if (inet_pton(AF_INET, argv[1], &load.addr.sin_addr) != 1)
		errx(2, "ADDRESS: '%s' is not an IPv4 address", argv[1]);
	n = snprintf(load.request, sizeof(load.request),
		"GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench\r\nAccept: */*\r\nConnection: "
		"close\r\n\r\n",
		argv[4], argv[3]);
	if (n < 0 || (size_t)n >= sizeof(load.request))
		errx(2, "HOST, PATH: too long");
	load.request_len = (size_t)n;
	load.requests = number("REQUESTS", argv[5], 1, UINT32_MAX);
	concurrent = number("CONCURRENT", argv[6], 1, CONCURRENT_MAX);
	load.body_bytes = number("BODY_BYTES", argv[7], 0, UINT64_MAX);
	start = now_ns();
	run(concurrent);
	printf("requests=%" PRIu64 " seconds=%.6f bytes=%" PRIu64 " slowest_ms=%.3f\n", load.done,
		(double)(now_ns() - start) / 1e9, load.bytes, (double)load.slowest_ns / 1e6);
	return 0;
}
