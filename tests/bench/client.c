/* SPDX-License-Identifier: ISC */
/* client: the load of the measurements. Makes a number of HTTP requests, each on a connection of
 * its own, and wants every one answered whole: status 200, the length that was announced and
 * expected, then the server's FIN. Anything else ends it with 1 and a sentence, for a measurement
 * with errors in it is none.
 *
 *   client [--tls] [--rate N] ADDRESS PORT HOST PATH REQUESTS CONCURRENT BODY_BYTES
 *
 * Without --rate a fixed number of them at a time: the next begins when one has ended (a closed
 * loop, for what a request costs). With it N in a second begin by the clock, whatever became of
 * those before (an open loop, for how long a client waits): a request's time counts from when it
 * was due, so that a server that makes everybody wait cannot hide it by being asked less. More than
 * CONCURRENT that are not done are an error then.
 *
 * Prints "requests=N seconds=S bytes=N p50_ms=M p99_ms=M slowest_ms=M". The server closes first
 * (Connection: close), so that the client's end never resets a connection and its ports are free
 * again at once. */
#include "base/parse.h"
#include "base/util.h"
#include "tests/bench/client-io.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONCURRENT_MAX 4096
#define HEAD_MAX       2048
#define STALL_SECONDS  10
#define NS_PER_S       1000000000u
#define EVENTS         64

enum stage { CONNECTING, HANDSHAKE, SENT };

struct conn {
	struct conn *next_free;
	struct io io;
	enum stage stage;
	uint64_t due_ns; /* when it began, or should have */
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
	uint64_t interval_ns, start_ns; /* 0: a closed loop */
	int epoll_fd;
	struct conn *free;
	uint64_t opened, done, bytes;
	uint64_t *took_ns; /* of each that is done */
} load;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static void wait_for(struct conn *c, int op, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = c};

	if (epoll_ctl(load.epoll_fd, op, c->io.fd, &ev) < 0)
		err(1, "epoll_ctl");
}

static void open_next(uint64_t due_ns)
{
	struct conn *c = load.free;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (!c)
		errx(1, "request %" PRIu64 ": none of those before it has ended", load.opened);
	load.free = c->next_free;
	memset(c, 0, offsetof(struct conn, head));
	c->due_ns = due_ns;
	if (fd < 0)
		err(1, "socket");
	if (connect(fd, (struct sockaddr *)&load.addr, sizeof(load.addr)) < 0 &&
		errno != EINPROGRESS)
		err(1, "connect, request %" PRIu64, load.opened);
	io_begin(&c->io, fd);
	wait_for(c, EPOLL_CTL_ADD, EPOLLOUT);
	load.opened++;
}

static void check_connected(struct conn *c)
{
	int error = 0;

	getsockopt(c->io.fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){sizeof(error)});
	if (error)
		errx(1, "connect, request %" PRIu64 ": %s", load.done, strerror(error));
	c->stage = HANDSHAKE;
}

static void send_request(struct conn *c)
{
	enum io_result more = io_handshake(&c->io, load.done);

	if (more == IO_DONE) {
		io_send(&c->io, load.request, load.request_len, load.done);
		c->stage = SENT;
	}
	wait_for(c, EPOLL_CTL_MOD, more == IO_WRITE ? EPOLLOUT : EPOLLIN);
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

/* False: the answer is whole and the server has closed. */
static bool take(struct conn *c)
{
	ssize_t n;

	for (;;) {
		if (c->in_body)
			n = io_recv(&c->io, NULL, 1 << 20, load.done);
		else
			n = io_recv(
				&c->io, c->head + c->head_len, HEAD_MAX - c->head_len, load.done);
		if (n < 0)
			return true;
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
	uint64_t now = now_ns();

	io_end(&c->io);
	load.took_ns[load.done++] = now - c->due_ns;
	c->next_free = load.free;
	load.free = c;
	if (!load.interval_ns && load.opened < load.requests)
		open_next(now);
}

static void handle(const struct epoll_event *ev)
{
	struct conn *c = ev->data.ptr;

	if (c->stage == CONNECTING)
		check_connected(c);
	if (c->stage == HANDSHAKE)
		send_request(c);
	else if (!take(c))
		finish(c);
}

/* Begins what is due. Returns the time to the next one, for ppoll and its like. */
static struct timespec open_due(void)
{
	struct timespec stall = {.tv_sec = STALL_SECONDS};
	uint64_t due, now;

	while (load.interval_ns && load.opened < load.requests) {
		due = load.start_ns + load.opened * load.interval_ns;
		now = now_ns();
		if (due > now)
			return (struct timespec){.tv_sec = (time_t)((due - now) / NS_PER_S),
				.tv_nsec = (long)((due - now) % NS_PER_S)};
		open_next(due);
	}
	return stall;
}

static void run(void)
{
	struct epoll_event events[EVENTS];
	struct timespec wait;

	while (load.done < load.requests) {
		bool last = !load.interval_ns || load.opened == load.requests;
		int n;

		wait = open_due();
		n = epoll_pwait2(load.epoll_fd, events, EVENTS, &wait, NULL);
		if (n < 0)
			err(1, "epoll_pwait2");
		if (n == 0 && last)
			errx(1, "nothing came for %d s, %" PRIu64 " of %" PRIu64 " done",
				STALL_SECONDS, load.done, load.requests);
		for (int i = 0; i < n; i++)
			handle(&events[i]);
	}
}

static void prepare(uint64_t concurrent)
{
	struct conn *conns = calloc(concurrent, sizeof(*conns));

	load.took_ns = calloc(load.requests, sizeof(*load.took_ns));
	load.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (!conns || !load.took_ns || load.epoll_fd < 0)
		err(1, "start");
	for (uint64_t i = 0; i < concurrent; i++) {
		conns[i].next_free = load.free;
		load.free = &conns[i];
	}
	load.start_ns = now_ns();
	for (uint64_t i = 0; !load.interval_ns && i < concurrent && i < load.requests; i++)
		open_next(load.start_ns);
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The time within which so many of a hundred were done */
static double percentile_ms(uint64_t percent)
{
	return (double)load.took_ns[(load.requests * percent + 99) / 100 - 1] / 1e6;
}

static void print_result(void)
{
	double seconds = (double)(now_ns() - load.start_ns) / NS_PER_S;

	qsort(load.took_ns, load.requests, sizeof(*load.took_ns), compare);
	printf("requests=%" PRIu64 " seconds=%.6f bytes=%" PRIu64
	       " p50_ms=%.4f p99_ms=%.4f slowest_ms=%.3f\n",
		load.done, seconds, load.bytes, percentile_ms(50), percentile_ms(99),
		percentile_ms(100));
}

static uint64_t number(const char *what, const char *text, uint64_t min, uint64_t max)
{
	uint64_t value;

	if (trp_parse_u64(text, &value) != 0 || value < min || value > max)
		errx(2, "%s: '%s' is not from %" PRIu64 " to %" PRIu64, what, text, min, max);
	return value;
}

static void read_request(char **argv)
{
	int n;

	load.addr.sin_family = AF_INET;
	load.addr.sin_port = htons((uint16_t)number("PORT", argv[1], 1, 65535));
	if (inet_pton(AF_INET, argv[0], &load.addr.sin_addr) != 1)
		errx(2, "ADDRESS: '%s' is not an IPv4 address", argv[0]);
	n = snprintf(load.request, sizeof(load.request),
		"GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench\r\nAccept: */*\r\nConnection: "
		"close\r\n\r\n",
		argv[3], argv[2]);
	if (n < 0 || (size_t)n >= sizeof(load.request))
		errx(2, "HOST, PATH: too long");
	load.request_len = (size_t)n;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"tls", no_argument, NULL, 't'},
		{"rate", required_argument, NULL, 'r'}, {NULL, 0, NULL, 0}};
	bool tls = false;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 't')
			tls = true;
		else if (option == 'r')
			load.interval_ns = NS_PER_S / number("--rate", optarg, 1, 1000000);
		else
			return 2;
	}
	argv += optind;
	if (argc - optind != 7)
		errx(2, "usage: client [--tls] [--rate N] ADDRESS PORT HOST PATH REQUESTS "
			"CONCURRENT "
			"BODY_BYTES");
	read_request(argv);
	io_prepare(tls ? argv[2] : NULL);
	load.requests = number("REQUESTS", argv[4], 1, UINT32_MAX);
	load.body_bytes = number("BODY_BYTES", argv[6], 0, UINT64_MAX);
	prepare(number("CONCURRENT", argv[5], 1, CONCURRENT_MAX));
	run();
	print_result();
	return 0;
}
