/* SPDX-License-Identifier: ISC */
/* Clients in a router without its process: when it wakes for those that wait, what is written down of each, whom it sends to https.
 * wrap: clock_gettime epoll_ctl epoll_wait recv */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "router/router.h"
#include "base/io.h"
#include "base/util.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#define MS 1000000ull
#define TEXT(text) text, strlen(text)

int __real_epoll_ctl(int epfd, int op, int fd, struct epoll_event *ev);
int __wrap_epoll_ctl(int epfd, int op, int fd, struct epoll_event *ev);
int __wrap_epoll_wait(int epfd, struct epoll_event *events, int n, int ms);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);
ssize_t __real_recv(int fd, void *buf, size_t len, int flags);
ssize_t __wrap_recv(int fd, void *buf, size_t len, int flags);

static struct router r;
static uint64_t clock_ns, clock_step; /* it goes on by so much with each look */
static int n_fail;		      /* what is to be watched next is refused so often */
static int timeout;		      /* that the loop waited with */
static uint64_t peeked;		      /* bytes */

int __wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	(void)id;
	clock_ns += clock_step;
	*ts = (struct timespec){(time_t)(clock_ns / 1000000000u), (long)(clock_ns % 1000000000u)};
	return 0;
}

int __wrap_epoll_ctl(int epfd, int op, int fd, struct epoll_event *ev)
{
	if (op == EPOLL_CTL_ADD && n_fail > 0) {
		n_fail--;
		errno = ENOMEM;
		return -1;
	}
	return __real_epoll_ctl(epfd, op, fd, ev);
}

/* One turn, in which nothing happens */
int __wrap_epoll_wait(int epfd, struct epoll_event *events, int n, int ms)
{
	(void)epfd, (void)events, (void)n;
	timeout = ms;
	r.retired = true;
	return 0;
}

/* the daemon, which says nothing (trp-relay has a function of this name too, so neither is linked) */
int control_ready(struct router *router, const char **why)
{
	(void)router, (void)why;
	return 0;
}

int control_reply_stats(struct router *router, uint32_t seq)
{
	(void)router, (void)seq;
	return 0;
}

ssize_t __wrap_recv(int fd, void *buf, size_t len, int flags)
{
	ssize_t n = __real_recv(fd, buf, len, flags);

	peeked += n > 0 && flags & MSG_PEEK ? (uint64_t)n : 0;
	return n;
}

static void notice(const char *text)
{
	(void)text;
}

static int control[2];

/* Two listeners, of which nobody accepts: clients are given. */
static int set_up(void **state)
{
	(void)state;
	memset(&r, 0, sizeof(r));
	clock_ns = 1000000 * MS;
	clock_step = 0;
	n_fail = 0;
	r.notice = notice;
	r.fd_limit = 1024;
	r.ledger = aligned_alloc(4096, sizeof(struct ledger));
	assert_non_null(r.ledger);
	memset(r.ledger, 0, sizeof(struct ledger));
	r.ledger->recording = 1;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, control), 0);
	assert_int_equal(router_init(&r, control[0]), 0);
	for (uint32_t i = 0; i < 2; i++)
		r.listeners[i] = (struct listener){.id = i + 1,
			.fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
			.protocols = 1u << TRP_PROTO_HTTP1,
			.deadline_ns = 1000 * MS};
	r.n_listeners = 2;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	while (wait_evict(&r))
		;
	for (uint32_t i = 0; i < 2; i++)
		close(r.listeners[i].fd);
	close(r.epoll_fd);
	close(control[0]);
	close(control[1]);
	free(r.ledger);
	return 0;
}

/* A client of 2001:db8::/64 that has sent this. Returns its end. */
static int arrives(uint32_t listener, const char *text, size_t n)
{
	struct router_msg m = {.id = listener, .peer = {.family = AF_INET6, .ip = {0x20, 1, 0xd, 0xb8}}};
	struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	socklen_t len = sizeof(at);
	int door = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), client = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;

	assert_int_equal(bind(door, (struct sockaddr *)&at, len), 0);
	assert_int_equal(listen(door, 1), 0);
	assert_int_equal(getsockname(door, (struct sockaddr *)&at, &len), 0);
	assert_int_equal(connect(client, (struct sockaddr *)&at, len), 0);
	assert_int_equal(setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)), 0);
	fd = accept4(door, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(send(client, text, n, 0), n);
	listener_give(&r, &m, fd);
	close(door);
	return client;
}

static void assert_verdict(enum router_verdict verdict)
{
	struct ledger_record record;

	assert_true(ledger_take(r.ledger, &record));
	assert_int_equal(record.verdict, verdict);
}

static void assert_no_verdict(void)
{
	struct ledger_record record;

	assert_false(ledger_take(r.ledger, &record));
}

/* To write down who is late takes time, in which the next one's can be up: the loop wakes at once then, and not never. */
static void test_late_meanwhile(void **state)
{
	int first, second, ms;

	(void)state;
	second = arrives(2, TEXT("GET /"));
	clock_ns += MS / 1000;
	first = arrives(1, TEXT("GET /"));
	clock_ns += 1000 * MS - MS / 1000;
	clock_step = MS;
	r.now_ns = clock_ns;
	ms = wait_expire(&r);
	assert_verdict(VERDICT_TIMED_OUT);
	assert_no_verdict(); /* not yet */
	assert_in_range(ms, 0, 1);
	wait_expire(&r);
	assert_verdict(VERDICT_TIMED_OUT);
	close(first);
	close(second);
}

/* What has been answered and lingers gives way to others of its prefix, and was written down when it was answered. */
static void test_answered_once(void **state)
{
	int answered, waits, more;

	(void)state;
	r.limits.waiting_permille = 1; /* so one place */
	answered = arrives(1, TEXT("GET / HTTP/1.1\r\n\r\n"));
	assert_verdict(VERDICT_BAD);
	assert_int_equal(r.pool.n, 1);
	waits = arrives(1, TEXT("GET /"));
	assert_int_equal(r.pool.n, 1);
	assert_int_equal(r.stats.waiting, 1);
	assert_int_equal(r.stats.client_waiting, 0);
	assert_no_verdict();
	more = arrives(1, TEXT("GET /"));
	assert_int_equal(r.pool.n, 1);
	assert_int_equal(r.stats.client_waiting, 1);
	assert_verdict(VERDICT_CLIENT_WAITING);
	assert_no_verdict();
	close(answered);
	close(waits);
	close(more);
}

/* Who was answered and goes on sending is read as long as he does not pause, but not for ever. */
static void test_linger(void **state)
{
	uint64_t began;
	int client, quiet;

	(void)state;
	client = arrives(1, TEXT("GET / HTTP/1.1\r\n\r\n"));
	quiet = arrives(2, TEXT("GET / HTTP/1.1\r\n\r\n"));
	began = r.now_ns;
	assert_int_equal(r.pool.n, 2);
	while (r.pool.slots[1].used) {
		r.now_ns = clock_ns += 1900 * MS;
		assert_in_range(r.now_ns - began, 0, 32000 * MS);
		assert_int_equal(send(client, "x", 1, MSG_NOSIGNAL), 1);
		wait_ready(&r, 1, r.pool.slots[1].generation, EPOLLIN);
		wait_expire(&r);
		assert_int_equal(r.pool.slots[2].used, r.now_ns - began < 2000 * MS);
	}
	assert_true(r.now_ns - began > 25000 * MS);
	close(client);
	close(quiet);
}

/* So much is there. */
static void await(int fd, size_t n)
{
	int there = 0;

	for (int i = 0; i < 10000 && ioctl(fd, FIONREAD, &there) == 0 && (size_t)there < n; i++)
		trp_sleep_ms(1);
	assert_int_equal(there, n);
}

/* The first client: sends a request of n bytes, first so many of them, and then some at a time, until it is decided. Returns its end. */
static int dribbles(size_t n, size_t first, size_t at_a_time)
{
	static char text[64 * 1024];
	size_t len = (size_t)sprintf(text, "GET / HTTP/1.1\r\nHost: a.example\r\n");
	int client;

	for (; len < n; len += 4)
		memcpy(text + len, "a:b\n", 4);
	memcpy(text + len, "\n", 2);
	client = arrives(1, text, first);
	peeked = 0;
	for (size_t i = first; i <= len && r.pool.slots[1].used && !r.pool.slots[1].lingers;) {
		i += (size_t)send(client, text + i, len + 1 - i < at_a_time ? len + 1 - i : at_a_time, MSG_NOSIGNAL);
		assert_true(i <= len + 1);
		await(r.pool.slots[1].client.fd, i);
		wait_ready(&r, 1, r.pool.slots[1].generation, EPOLLIN);
	}
	return client;
}

/* Each look is at all that is there. A long head of which each byte comes alone would cost as much as ten thousands of clients. */
static void test_dribble(void **state)
{
	int client;

	(void)state;
	client = dribbles(64000, 60000, 1);
	assert_verdict(VERDICT_TIMED_OUT);
	assert_true(peeked < 5 * 1024 * 1024);
	close(client);
}

/* In segments as they are it is a client like others. */
static void test_long_head(void **state)
{
	int client;

	(void)state;
	client = dribbles(63000, 1000, 1200);
	assert_verdict(VERDICT_NO_ROUTE);
	close(client);
}

static void route(uint32_t listener, uint8_t protocol, const char *name, uint32_t channel)
{
	const struct route_key key = {listener, protocol, (uint8_t)strlen(name), name};

	assert_int_equal(route_set(&r.routes, &key, (struct route_channels){channel, channel, channel, false}), 0);
}

static enum router_verdict verdict_of(const char *name)
{
	const struct route_key key = {1, TRP_PROTO_HTTP1, (uint8_t)strlen(name), name};
	enum router_verdict verdict;
	struct route_hit hit;

	client_decide(&r, &key, &verdict, &hit);
	return verdict;
}

/* Who has nothing (more) to say before the server speaks, and says so by closing his half, is raw as who is silent is: at once. */
static void test_half_closed_is_raw(void **state)
{
	static const char *const says[] = {"", "STATUS"};
	int channel[2], client;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, channel), 0);
	assert_int_equal(channel_add(&r.channels, 5, channel[0]), 0);
	r.listeners[0].protocols |= 1u << TRP_PROTO_NONE;
	route(1, TRP_PROTO_NONE, "", 5);
	for (size_t i = 0; i < 2; i++) {
		client = arrives(1, TEXT(says[i]));
		assert_no_verdict();
		assert_int_equal(shutdown(client, SHUT_WR), 0);
		wait_ready(&r, 1, r.pool.slots[1].generation, EPOLLIN | EPOLLRDHUP);
		assert_verdict(VERDICT_HANDED_ON);
		close(client);
	}
	client = arrives(2, TEXT("")); /* here is no raw */
	assert_int_equal(shutdown(client, SHUT_WR), 0);
	wait_ready(&r, 1, r.pool.slots[1].generation, EPOLLIN | EPOLLRDHUP);
	assert_verdict(VERDICT_CLOSED_EARLY);
	close(client);
	channel_del(&r.channels, 5);
	free(r.channels.slots);
	close(channel[1]);
	route_clear(&r.routes);
}

/* RFC 6066 section 3: a client of TLS says no address. Who asked for one would come to the default there, whoever that is. */
static void test_redirect_of_addresses(void **state)
{
	static const char *const addresses[] = {"192.0.2.1", "[2001:db8::1]", "[::ffff:192.0.2.1]"};

	(void)state;
	r.listeners[0].redirect = (struct router_redirect){.listener = 2, .port = 443};
	for (size_t i = 0; i < TRP_ARRAY_SIZE(addresses); i++) {
		route(1, TRP_PROTO_HTTP1, addresses[i], 1);
		route(2, TRP_PROTO_TLS, addresses[i], 1);
		assert_int_equal(verdict_of(addresses[i]), VERDICT_HANDED_ON); /* there is none */
		route(2, TRP_PROTO_TLS, "", 2);
		assert_int_equal(verdict_of(addresses[i]), VERDICT_HANDED_ON); /* another service */
		route(2, TRP_PROTO_TLS, "", 1);
		assert_int_equal(verdict_of(addresses[i]), VERDICT_REDIRECTED); /* the same */
		assert_true(route_del(&r.routes, &(struct route_key){2, TRP_PROTO_TLS, 0, ""}));
	}
	route(2, TRP_PROTO_TLS, "192.0.2.2", 1); /* nothing but TLS has it */
	assert_int_equal(verdict_of("192.0.2.2"), VERDICT_MISDIRECTED);
	route(1, TRP_PROTO_HTTP1, "", 1); /* whatever a default has */
	route(2, TRP_PROTO_TLS, "", 1);
	assert_int_equal(verdict_of("192.0.2.3"), VERDICT_HANDED_ON);
	route(1, TRP_PROTO_HTTP1, "192.0.2.1.example", 1);
	route(2, TRP_PROTO_TLS, "192.0.2.1.example", 1);
	assert_int_equal(verdict_of("192.0.2.1.example"), VERDICT_REDIRECTED);
	route(2, TRP_PROTO_TLS, "1a", 1);
	assert_int_equal(verdict_of("1a"), VERDICT_REDIRECTED);
	route_clear(&r.routes);
}

/* A wildcard for TLS is no reason to send away the clients of a service that has a name of its own for HTTP alone: they would come to another one. */
static void test_redirect_to_another(void **state)
{
	(void)state;
	r.listeners[0].redirect = (struct router_redirect){.listener = 2, .port = 443};
	route(1, TRP_PROTO_HTTP1, "", 9);
	route(1, TRP_PROTO_HTTP1, "plain.example", 1);
	route(1, TRP_PROTO_HTTP1, "*.plain.example", 1);
	route(1, TRP_PROTO_HTTP1, "*.example", 3);
	route(2, TRP_PROTO_TLS, "*.example", 2);
	route(2, TRP_PROTO_TLS, "www.plain.example", 4);
	assert_int_equal(verdict_of("plain.example"), VERDICT_HANDED_ON);
	assert_int_equal(verdict_of("x.plain.example"), VERDICT_HANDED_ON);
	assert_int_equal(verdict_of("x.example"), VERDICT_REDIRECTED);
	assert_int_equal(verdict_of("www.plain.example"), VERDICT_REDIRECTED);
	route(2, TRP_PROTO_TLS, "*.org", 2); /* of what only a default has for HTTP */
	assert_int_equal(verdict_of("x.org"), VERDICT_REDIRECTED);
	assert_int_equal(verdict_of("x.net"), VERDICT_HANDED_ON);
	route_clear(&r.routes);
}

/* A listener that is changed keeps its old place as long as clients of it wait. They do not keep the router from taking another change. */
static void test_many_changes(void **state)
{
	struct router_msg m = {.id = 1, .protocols = 1u << TRP_PROTO_HTTP1, .deadline_ms = 600000};

	(void)state;
	for (uint32_t i = 0; i < ROUTER_LISTENERS_MAX + 2; i++) {
		int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		clock_ns++;
		close(arrives(1, TEXT("GET /")));
		assert_int_equal(listener_add(&r, &m, fd), 0);
	}
	assert_int_equal(r.stats.timed_out, 4); /* those who had waited longest */
	assert_int_equal(r.stats.waiting, ROUTER_LISTENERS_MAX - 2);
	for (int i = 0; i < 4; i++)
		assert_verdict(VERDICT_TIMED_OUT);
	assert_no_verdict();
	listener_del(&r, 1);
}

/* Who cannot be watched, for want of memory, is let go as one for whom there is no place: not without a word. */
static void test_unwatched(void **state)
{
	int client;

	(void)state;
	n_fail = 1;
	client = arrives(1, TEXT("GET /"));
	assert_int_equal(r.pool.n, 0);
	assert_int_equal(r.stats.waiting, 0);
	assert_int_equal(r.stats.timed_out, 1);
	assert_verdict(VERDICT_TIMED_OUT);
	assert_no_verdict();
	n_fail = 1;
	close(client);
	client = arrives(1, TEXT("GET / HTTP/1.1\r\n\r\n")); /* answered, so told already */
	assert_int_equal(r.pool.n, 0);
	assert_verdict(VERDICT_BAD);
	assert_no_verdict();
	close(client);
}

/* Listeners that could not be watched again, for want of memory, are tried again although nothing else would wake the loop. */
static void test_paused_twice(void **state)
{
	const char *why;

	(void)state;
	r.paused_until_ns = r.now_ns - 1;
	n_fail = 1;
	timeout = -2;
	assert_int_equal(router_run(&r, &why), 0);
	assert_true(r.paused_until_ns > r.now_ns);
	assert_in_range(timeout, 0, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_late_meanwhile, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_answered_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_linger, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_redirect_to_another, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_redirect_of_addresses, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_half_closed_is_raw, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_dribble, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_long_head, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_many_changes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_unwatched, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_paused_twice, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
