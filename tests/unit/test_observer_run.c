/* SPDX-License-Identifier: ISC */
/* As long as the observer knows of no router, what the kernel says of its socket for ends does not keep it busy. wrap: poll */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define main observer_main
int observer_main(void);
#include "router/observer/main.c" /* its loop is what is tried */
#undef main

#include <netinet/in.h>
#include <sys/time.h>
#include <unistd.h>

static unsigned n_polls;

/* each program of ours has one of these */
void control_ready(struct observer *o)
{
	(void)o;
}

void control_say(struct observer *o, uint16_t type, uint32_t seq)
{
	(void)o, (void)type, (void)seq;
}

int __real_poll(struct pollfd *fds, nfds_t n, int timeout);
int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout);
int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout)
{
	n_polls++;
	return __real_poll(fds, n, timeout);
}

/* One that has an error, as a netlink socket that was overrun. */
static void put_error(int at)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct pollfd p = {.events = 0};
	socklen_t len = sizeof(a);
	int other = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(other, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(other, (struct sockaddr *)&a, &len), 0);
	p.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(p.fd, (struct sockaddr *)&a, sizeof(a)), 0);
	close(other);
	assert_int_equal(send(p.fd, "x", 1, 0), 1);
	assert_int_equal(__real_poll(&p, 1, 10000), 1);
	assert_int_equal(p.revents, POLLERR);
	assert_int_equal(dup2(p.fd, at), at);
}

static void test_no_routers_yet(void **state)
{
	const struct itimerval soon = {.it_value.tv_usec = 200000, .it_interval.tv_usec = 200000};
	static struct live live;
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	for (int fd = 20; fd < 23; fd++) /* out of the way of those that have numbers */
		assert_int_equal(dup2(pair[0], fd), fd);
	assert_int_equal(dup2(20, OBSERVER_CONTROL_FD), OBSERVER_CONTROL_FD);
	assert_int_equal(dup2(20, OBSERVER_WAKE_FD), OBSERVER_WAKE_FD);
	assert_int_equal(dup2(20, OBSERVER_DIAG_FD), OBSERVER_DIAG_FD);
	put_error(OBSERVER_ENDS_FD);
	assert_int_equal(table_init(&observer.table, &live), 0);
	signal(SIGALRM, on_terminate);
	assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
	run(&observer);
	assert_true(observer.end);
	assert_true(n_polls < 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_routers_yet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
