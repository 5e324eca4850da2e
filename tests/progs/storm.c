/* SPDX-License-Identifier: ISC */
/* storm: clients that come by the clock, whatever became of those before, and what became of each.
 *
 *   storm [-n LIVE] ADDRESS PORT RATE SECONDS PATIENCE HOST/PATH=WEIGHT...
 *
 * RATE in a second, for SECONDS, each with one HTTP request on a connection of its own, to one of
 * the targets, which get as many of them as their weights say. Sources are 127.1.0.1 to 127.1.0.64,
 * so that (source, port) is one connection's alone for longer than any of them lives. Each one that
 * was not served whole is a line
 *
 *   bad SOURCE PORT HOST BEGUN ENDED BYTES WHAT
 *
 * with the times in seconds of CLOCK_MONOTONIC, the bytes that had come, and WHAT: "refused" (no
 * connection), "reset", "closed" (neither had a byte come before), "cut" (it had begun to be
 * answered), "late" (not done within PATIENCE seconds), or "STATUS:LOCATION" of the answer. The last line is
 * "offered N served N seconds S missed N behind MS". An answer is whole when its Content-Length, or its last chunk, has
 * come before the server's FIN.
 *
 * Did it keep up with its clock? "missed N" are those that were due and were not begun, "behind MS" is how late the latest
 * was. With -n there are never more than LIVE at a time, and who finds no place is not missed: with a high rate that measures what
 * the server can do. */
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
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LIVE_MAX   12000 /* below the 20,000 descriptors that a process can have on small machines */
#define HEAD_MAX   2048
#define TARGETS    16
#define SOURCES    64
#define NS_PER_S   1000000000u
#define NS_PER_MS  1000000u
#define EVENTS     256
#define LAST_CHUNK "0\r\n\r\n"
#define TAIL       (sizeof(LAST_CHUNK) - 1)

struct target {
	char host[64], request[512];
	size_t request_len;
	int64_t weight, due; /* due: it grows by the weight at each turn, and who has most is next */
};

struct conn {
	struct conn *prev, *next; /* in the order in which they began; next: of the free ones, too */
	const struct target *target;
	struct sockaddr_in source;
	uint64_t begun_ns, bytes, body, length;
	size_t head_len;
	bool sent, in_body, chunked, sized;
	char tail[TAIL];
	int fd;
	char head[HEAD_MAX + 1];
};

static struct {
	struct sockaddr_in server;
	struct target targets[TARGETS];
	size_t n_targets;
	int64_t weights;
	uint64_t interval_ns, start_ns, end_ns, patience_ns;
	uint64_t offered, served, behind_ns;
	size_t live_max;
	int epoll_fd;
	struct conn *free, live; /* live: the head of a ring */
} storm;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static void end(struct conn *c, const char *what)
{
	char source[INET_ADDRSTRLEN];

	if (what) {
		inet_ntop(AF_INET, &c->source.sin_addr, source, sizeof(source));
		printf("bad %s %u %s %.6f %.6f %" PRIu64 " %s\n", source,
			ntohs(c->source.sin_port), c->target->host, (double)c->begun_ns / NS_PER_S,
			(double)now_ns() / NS_PER_S, c->bytes, what);
		fflush(stdout);
	} else {
		storm.served++;
	}
	close(c->fd);
	c->prev->next = c->next;
	c->next->prev = c->prev;
	c->next = storm.free;
	storm.free = c;
}

static const struct target *next_target(void)
{
	struct target *best = NULL;

	for (size_t i = 0; i < storm.n_targets; i++) {
		struct target *t = &storm.targets[i];

		t->due += t->weight;
		if (!best || t->due > best->due)
			best = t;
	}
	best->due -= storm.weights;
	return best;
}

/* One that was to come at that time. */
static void begin(uint64_t due)
{
	struct conn *c = storm.free;
	struct sockaddr_in *source = &c->source;
	struct epoll_event ev = {.events = EPOLLOUT, .data.ptr = c};
	int one = 1;

	storm.free = c->next;
	memset(c, 0, offsetof(struct conn, head));
	c->target = next_target();
	c->begun_ns = now_ns();
	if (c->begun_ns - due > storm.behind_ns)
		storm.behind_ns = c->begun_ns - due;
	c->prev = storm.live.prev;
	c->next = &storm.live;
	c->prev->next = c->next->prev = c;
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		err(1, "socket");
	source->sin_family = AF_INET;
	source->sin_addr.s_addr = htonl(0x7f010001u + (uint32_t)(storm.offered++ % SOURCES));
	/* the port is chosen by connect(), with the server's in mind: there are enough then */
	setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	if (bind(c->fd, (struct sockaddr *)source, sizeof(*source)) < 0)
		err(1, "bind");
	if (connect(c->fd, (struct sockaddr *)&storm.server, sizeof(storm.server)) < 0 &&
		errno != EINPROGRESS) {
		end(c, "refused");
		return;
	}
	getsockname(c->fd, (struct sockaddr *)source, &(socklen_t){sizeof(*source)});
	if (epoll_ctl(storm.epoll_fd, EPOLL_CTL_ADD, c->fd, &ev) < 0)
		err(1, "epoll_ctl");
}

/* When the connection is made, or is not. */
static void send_request(struct conn *c)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
	const struct target *t = c->target;
	int error = 0;

	getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){sizeof(error)});
	if (error) {
		end(c, "refused");
		return;
	}
	if (send(c->fd, t->request, t->request_len, MSG_NOSIGNAL) != (ssize_t)t->request_len) {
		end(c, "reset");
		return;
	}
	c->sent = true;
	if (epoll_ctl(storm.epoll_fd, EPOLL_CTL_MOD, c->fd, &ev) < 0)
		err(1, "epoll_ctl");
}

static void keep_tail(struct conn *c, const char *bytes, size_t n)
{
	size_t old = n < TAIL ? TAIL - n : 0;

	c->body += n;
	memmove(c->tail, c->tail + TAIL - old, old);
	memcpy(c->tail + old, bytes + n - (TAIL - old), TAIL - old);
}

/* False: it has ended, as the answer is none that is wanted. */
static bool take_head(struct conn *c, size_t n)
{
	const char *field;
	char *stop, status[200];

	c->head_len += n;
	c->head[c->head_len] = '\0';
	stop = strstr(c->head, "\r\n\r\n");
	if (!stop && c->head_len < HEAD_MAX)
		return true;
	if (!stop || strncmp(c->head, "HTTP/1.1 200 ", 13) != 0) {
		field = strcasestr(c->head, "\r\nLocation: ");
		field = field ? field + 12 : "";
		snprintf(status, sizeof(status), "%.3s:%.*s", c->head_len > 9 ? c->head + 9 : "?",
			(int)strcspn(field, "\r"), field);
		end(c, stop ? status : "head");
		return false;
	}
	keep_tail(c, stop + 4, c->head_len - (size_t)(stop + 4 - c->head));
	stop[2] = '\0';
	field = strcasestr(c->head, "\r\nContent-Length: ");
	c->sized = field;
	if (field)
		c->length = strtoull(field + 18, NULL, 10);
	c->chunked = strcasestr(c->head, "\r\nTransfer-Encoding: chunked");
	c->in_body = true;
	return true;
}

static void take(struct conn *c)
{
	static char body[65536];
	bool whole;
	ssize_t n;

	for (;;) {
		if (c->in_body)
			n = recv(c->fd, body, sizeof(body), 0);
		else
			n = recv(c->fd, c->head + c->head_len, HEAD_MAX - c->head_len, 0);
		if (n <= 0)
			break;
		c->bytes += (uint64_t)n;
		if (c->in_body)
			keep_tail(c, body, (size_t)n);
		else if (!take_head(c, (size_t)n))
			return;
	}
	if (n < 0 && errno == EAGAIN)
		return;
	whole = n == 0 && c->in_body &&
		(c->sized ? c->body == c->length
			  : c->chunked && memcmp(c->tail, LAST_CHUNK, TAIL) == 0);
	end(c, whole ? NULL : c->bytes ? "cut" : n < 0 ? "reset" : "closed");
}

/* Begins what is due, ends what took too long; the time until there is more of either. */
static struct timespec by_the_clock(void)
{
	uint64_t now = now_ns(), due;

	while (storm.live.next != &storm.live &&
		now - storm.live.next->begun_ns > storm.patience_ns)
		end(storm.live.next, "late");
	for (;;) {
		due = storm.start_ns + storm.offered * storm.interval_ns;
		/* who cannot be begun, as there are too many, is not offered: the number says so */
		if (now >= storm.end_ns || due > now || !storm.free)
			break;
		begin(due);
		now = now_ns();
	}
	if (now >= storm.end_ns || due <= now || due - now > 100 * NS_PER_MS)
		return (struct timespec){.tv_nsec = 100 * NS_PER_MS};
	return (struct timespec){.tv_nsec = (long)(due - now)};
}

static void run(void)
{
	struct epoll_event events[EVENTS];

	while (now_ns() < storm.end_ns || storm.live.next != &storm.live) {
		struct timespec wait = by_the_clock();
		int n = epoll_pwait2(storm.epoll_fd, events, EVENTS, &wait, NULL);

		if (n < 0 && errno != EINTR)
			err(1, "epoll_pwait2");
		for (int i = 0; i < n; i++) {
			struct conn *c = events[i].data.ptr;

			if (c->sent)
				take(c);
			else
				send_request(c);
		}
	}
}

static uint64_t number(const char *what, const char *text, uint64_t max)
{
	uint64_t value;

	if (trp_parse_u64(text, &value) != 0 || value < 1 || value > max)
		errx(2, "%s: '%s' is not from 1 to %" PRIu64, what, text, max);
	return value;
}

static void add_target(const char *text)
{
	struct target *t = &storm.targets[storm.n_targets++];
	const char *slash = strchr(text, '/'), *equals = strrchr(text, '=');
	int n;

	if (storm.n_targets > TARGETS || !slash || !equals || equals < slash)
		errx(2, "'%s' is no HOST/PATH=WEIGHT, or one too many", text);
	t->weight = (int64_t)number("WEIGHT", equals + 1, 1000000);
	storm.weights += t->weight;
	n = snprintf(t->host, sizeof(t->host), "%.*s", (int)(slash - text), text);
	if (n < 0 || (size_t)n >= sizeof(t->host))
		errx(2, "HOST: too long");
	n = snprintf(t->request, sizeof(t->request),
		"GET %.*s HTTP/1.1\r\nHost: %.*s\r\nConnection: close\r\n\r\n",
		(int)(equals - slash), slash, (int)(slash - text), text);
	if (n < 0 || (size_t)n >= sizeof(t->request))
		errx(2, "PATH: too long");
	t->request_len = (size_t)n;
}

static void prepare(char **argv)
{
	struct conn *conns = calloc(LIVE_MAX, sizeof(*conns));
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	storm.server.sin_family = AF_INET;
	storm.server.sin_port = htons((uint16_t)number("PORT", argv[2], 65535));
	if (inet_pton(AF_INET, argv[1], &storm.server.sin_addr) != 1)
		errx(2, "ADDRESS: '%s' is not an IPv4 address", argv[1]);
	storm.interval_ns = NS_PER_S / number("RATE", argv[3], 1000000);
	storm.start_ns = now_ns();
	storm.end_ns = storm.start_ns + number("SECONDS", argv[4], 86400) * NS_PER_S;
	storm.patience_ns = number("PATIENCE", argv[5], 86400) * NS_PER_S;
	storm.live.prev = storm.live.next = &storm.live;
	storm.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (!conns || storm.epoll_fd < 0)
		err(1, "start");
	for (size_t i = 0; i < storm.live_max; i++) {
		conns[i].next = storm.free;
		storm.free = &conns[i];
	}
}

int main(int argc, char **argv)
{
	bool bounded = argc > 2 && strcmp(argv[1], "-n") == 0;
	uint64_t due;

	storm.live_max = bounded ? number("LIVE", argv[2], LIVE_MAX) : LIVE_MAX;
	argc -= bounded * 2;
	argv += bounded * 2;
	if (argc < 7)
		errx(2, "usage: storm [-n LIVE] ADDRESS PORT RATE SECONDS PATIENCE HOST/PATH=WEIGHT...");
	for (int i = 6; i < argc; i++)
		add_target(argv[i]);
	prepare(argv);
	run();
	due = (storm.end_ns - storm.start_ns) / storm.interval_ns;
	printf("offered %" PRIu64 " served %" PRIu64 " seconds %.3f missed %" PRIu64 " behind %" PRIu64 "\n", storm.offered,
		storm.served, (double)(storm.end_ns - storm.start_ns) / NS_PER_S,
		bounded || storm.offered > due ? 0 : due - storm.offered, storm.behind_ns / NS_PER_MS);
	return 0;
}
