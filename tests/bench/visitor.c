/* SPDX-License-Identifier: ISC */
/* visitor: how long a visitor on another machine would wait for an answer, measured on the machine that gives it.
 *
 *   visitor ADDRESS PORT HOST RATE VISITS PATIENCE
 *
 * RATE in a second come by the clock, whatever became of those before (an open loop), each with one HTTP request on a connection of
 * its own; a visit's time counts from when it was due. It runs at SCHED_FIFO, for such a visitor has a processor of its own, and is not woken
 * by an answer, for that would take the processor away from who is just giving one: the answer's end is when its bytes came, by the
 * kernel's time stamp, and is looked up when the next one is due.
 *
 * Prints each time in ms, a line each. One that has no whole answer of status 200 after PATIENCE seconds ends it with 1 and a sentence. */
#include "base/parse.h"
#include "base/util.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S   1000000000
#define ANSWER_MAX 65536
#define LIVE_MAX   8192
#define WARM_NS    100000000 /* from when all is ready to the first visit */
#define PROBE_NS   10000000

struct visit {
	int fd; /* -1: done */
	int64_t due_ns, took_ns, come_ns; /* come: the last of its bytes so far */
	size_t len;
	char *answer;
};

static struct {
	struct sockaddr_in server;
	char request[512];
	size_t request_len;
	int64_t interval_ns, patience_ns;
	uint64_t n, begun, first; /* first: all before it are done */
	struct visit *visits;
} all;

static int64_t now_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

static void ask_for_stamps(int fd)
{
	if (setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &(int){1}, sizeof(int)) < 0)
		err(1, "SO_TIMESTAMPNS");
}

static void begin(int64_t due_ns)
{
	struct visit *v = &all.visits[all.begun++];

	*v = (struct visit){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .due_ns = due_ns, .answer = malloc(ANSWER_MAX + 1)};
	if (v->fd < 0 || !v->answer)
		err(1, "visit %" PRIu64, all.begun);
	ask_for_stamps(v->fd);
	/* over loopback it is there when connect(2) returns */
	if (connect(v->fd, (struct sockaddr *)&all.server, sizeof(all.server)) < 0)
		err(1, "connect, visit %" PRIu64, all.begun);
	if (send(v->fd, all.request, all.request_len, MSG_NOSIGNAL) != (ssize_t)all.request_len)
		err(1, "send, visit %" PRIu64, all.begun);
}

static void stamp(struct visit *v, struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_TIMESTAMPNS) {
			struct timespec t;
			memcpy(&t, CMSG_DATA(c), sizeof(t));
			/* the stamp is of the clock that can be set */
			v->come_ns = (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec - (now_ns(CLOCK_REALTIME) - now_ns(CLOCK_MONOTONIC));
		}
}

static void check(struct visit *v)
{
	const char *field, *body;

	v->answer[v->len] = '\0';
	field = strcasestr(v->answer, "\r\nContent-Length: ");
	body = strstr(v->answer, "\r\n\r\n");
	if (strncmp(v->answer, "HTTP/1.1 200 ", 13) != 0 || !field || !body)
		errx(1, "a visitor got '%.*s'", (int)strcspn(v->answer, "\r\n"), v->answer);
	if (strtoull(field + 18, NULL, 10) != v->len - (size_t)(body + 4 - v->answer))
		errx(1, "a visitor got %zu bytes, with the head, of an answer that is not so long", v->len);
	if (v->come_ns == 0)
		errx(1, "this kernel stamps no bytes of TCP");
}

/* What has come until now. */
static void look(struct visit *v)
{
	char control[CMSG_SPACE(sizeof(struct timespec)) * 4];
	ssize_t n;

	for (;;) {
		struct iovec iov = {v->answer + v->len, ANSWER_MAX - v->len};
		struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};

		n = recvmsg(v->fd, &msg, MSG_DONTWAIT);
		if (n <= 0)
			break;
		v->len += (size_t)n;
		stamp(v, &msg);
	}
	if (n < 0 && errno != EAGAIN)
		err(1, "recvmsg");
	if (n < 0 && now_ns(CLOCK_MONOTONIC) - v->due_ns > all.patience_ns)
		errx(1, "a visitor was not answered within %" PRId64 " s", all.patience_ns / NS_PER_S);
	if (n < 0)
		return;
	check(v);
	close(v->fd);
	free(v->answer);
	v->fd = -1;
	v->took_ns = v->come_ns - v->due_ns;
}

static void look_at_all(void)
{
	for (uint64_t i = all.first; i < all.begun; i++)
		if (all.visits[i].fd >= 0)
			look(&all.visits[i]);
	while (all.first < all.begun && all.visits[all.first].fd < 0)
		all.first++;
}

static bool is_stamped(int fd)
{
	char byte, control[CMSG_SPACE(sizeof(struct timespec)) * 4];
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	struct visit probe = {.come_ns = 0};

	if (recvmsg(fd, &msg, 0) != 1)
		err(1, "recvmsg");
	stamp(&probe, &msg);
	return probe.come_ns != 0;
}

/* The kernel begins to stamp some time after it was asked to by somebody, and goes on for as long as that socket is open. On a busy machine
 * that has taken more than a tenth of a second. */
static void await_stamps(void)
{
	const struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const struct timespec pause = {0, PROBE_NS};
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), to = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), from;
	int64_t begun_ns = now_ns(CLOCK_MONOTONIC);
	struct sockaddr_in name;

	if (bind(listener, (const struct sockaddr *)&any, sizeof(any)) < 0 || listen(listener, 1) < 0 ||
		getsockname(listener, (struct sockaddr *)&name, &(socklen_t){sizeof(name)}) < 0 ||
		connect(to, (struct sockaddr *)&name, sizeof(name)) < 0 || (from = accept(listener, NULL, NULL)) < 0)
		err(1, "a connection to itself");
	close(listener);
	ask_for_stamps(from);
	do {
		if (now_ns(CLOCK_MONOTONIC) - begun_ns > all.patience_ns)
			errx(1, "this kernel stamps no bytes of TCP");
		nanosleep(&pause, NULL);
		if (send(to, "", 1, MSG_NOSIGNAL) != 1)
			err(1, "send");
	} while (!is_stamped(from));
	close(to);
}

static void run(void)
{
	int64_t start_ns = now_ns(CLOCK_MONOTONIC) + WARM_NS;

	for (uint64_t turn = 0; all.first < all.n; turn++) {
		int64_t due_ns = start_ns + (int64_t)turn * all.interval_ns;
		struct timespec due = {due_ns / NS_PER_S, due_ns % NS_PER_S};

		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
		if (all.begun - all.first == LIVE_MAX)
			errx(1, "%d visitors wait", LIVE_MAX);
		if (all.begun < all.n)
			begin(due_ns);
		look_at_all();
	}
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
	const struct sched_param least = {.sched_priority = 1};
	int n;

	if (argc != 7)
		errx(2, "usage: visitor ADDRESS PORT HOST RATE VISITS PATIENCE");
	all.server.sin_family = AF_INET;
	all.server.sin_port = htons((uint16_t)number("PORT", argv[2], 1, 65535));
	if (inet_pton(AF_INET, argv[1], &all.server.sin_addr) != 1)
		errx(2, "ADDRESS: '%s' is not an IPv4 address", argv[1]);
	n = snprintf(all.request, sizeof(all.request), "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", argv[3]);
	if (n < 0 || (size_t)n >= sizeof(all.request))
		errx(2, "HOST: too long");
	all.request_len = (size_t)n;
	all.interval_ns = NS_PER_S / (int64_t)number("RATE", argv[4], 1, 100000);
	all.n = number("VISITS", argv[5], 1, UINT32_MAX);
	all.patience_ns = NS_PER_S * (int64_t)number("PATIENCE", argv[6], 1, 3600);
	all.visits = calloc(all.n, sizeof(*all.visits));
	if (!all.visits)
		err(1, "visits");
	await_stamps();
	if (sched_setscheduler(0, SCHED_FIFO, &least) < 0)
		err(1, "SCHED_FIFO");
	run();
	for (uint64_t i = 0; i < all.n; i++)
		printf("%.4f\n", (double)all.visits[i].took_ns / 1e6);
	return 0;
}
