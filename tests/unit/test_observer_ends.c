/* SPDX-License-Identifier: ISC */
/* The observer's look for those whose end nobody was told of: the test is the kernel at its netlink socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "router/observer/observer.h"

#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define SECOND 1000000000u

static uint64_t now_ns;
static struct observer observer;
static int kernel;

uint64_t observer_clock(void)
{
	return now_ns;
}

static int set_up(void **state)
{
	struct live *live = mmap(NULL, sizeof(*live), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int pair[2];

	(void)state;
	assert_ptr_not_equal(live, MAP_FAILED);
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair), 0);
	kernel = dup2(pair[0], 100);
	assert_int_equal(dup2(pair[1], OBSERVER_DIAG_FD), OBSERVER_DIAG_FD);
	now_ns = 1000ull * SECOND;
	memset(&observer, 0, sizeof(observer));
	observer.log.fd = -1;
	assert_int_equal(table_init(&observer.table, live), 0);
	for (uint64_t cookie = 1; cookie <= 2; cookie++) {
		struct ledger_record r = {.cookie = cookie, .service = 7, .listener = 3, .accepted_ns = 1, .decided_ns = 2};
		assert_non_null(table_add(&observer.table, &r));
	}
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	close(kernel);
	close(OBSERVER_DIAG_FD);
	munmap(observer.table.live, sizeof(struct live));
	free(observer.table.index);
	free(observer.table.free);
	return 0;
}

/* A dump of this family is asked for, of all ports. */
static void expect_request(int family)
{
	struct {
		struct nlmsghdr head;
		struct inet_diag_req_v2 req;
	} ask;

	assert_int_equal(recv(kernel, &ask, sizeof(ask), MSG_DONTWAIT), sizeof(ask));
	assert_int_equal(ask.req.sdiag_family, family);
	assert_int_equal(ask.req.id.idiag_sport, 0);
}

static void expect_nothing(void)
{
	char byte;

	assert_int_equal(recv(kernel, &byte, 1, MSG_DONTWAIT), -1);
}

static void tell(uint16_t type, const void *body, size_t len)
{
	struct {
		struct nlmsghdr head;
		char body[256];
	} m = {.head = {.nlmsg_len = (uint32_t)(sizeof(struct nlmsghdr) + len), .nlmsg_type = type}};

	assert_in_range(len, 0, sizeof(m.body));
	memcpy(m.body, body, len);
	assert_int_equal(send(kernel, &m, m.head.nlmsg_len, 0), m.head.nlmsg_len);
	diag_ready(&observer);
}

static void tell_socket(uint32_t cookie)
{
	const struct inet_diag_msg m = {.idiag_family = AF_INET6, .idiag_state = 1, .id.idiag_cookie = {cookie}};

	tell(SOCK_DIAG_BY_FAMILY, &m, sizeof(m));
}

static void tell_done(int error)
{
	tell(NLMSG_DONE, &error, sizeof(error));
}

/* By whatever listener they came: we know of none any more. */
static void test_who_has_ended_untold_is_found(void **state)
{
	int ms = sample_due(&observer);

	(void)state;
	assert_in_range(ms, 60000, 3600000);
	now_ns += (uint64_t)ms * 1000000;
	sample_due(&observer);
	expect_request(AF_INET6);
	tell_socket(2);
	tell_done(0);
	expect_request(AF_INET);
	tell_done(0);
	expect_nothing();
	assert_null(table_find(&observer.table, 1));
	assert_non_null(table_find(&observer.table, 2));
	assert_int_equal(observer.table.live->by_service[7], 1);
	assert_in_range(sample_due(&observer), 60000, 3600000);
	expect_nothing();
}

static void test_nobody_there_is_not_looked_for(void **state)
{
	(void)state;
	for (uint64_t cookie = 1; cookie <= 2; cookie++)
		table_del(&observer.table, table_find(&observer.table, cookie));
	assert_int_equal(sample_due(&observer), -1); /* nothing wakes it */
	now_ns += 3600ull * SECOND;
	assert_int_equal(sample_due(&observer), -1);
	expect_nothing();
}

/* One has died before the dump came to him: what the kernel has told of his end lies there, and counts. */
static void test_an_end_that_was_told(void **state)
{
	struct __attribute__((packed)) {
		struct nlmsghdr head;
		struct inet_diag_msg m;
		struct nlattr a;
		struct tcp_info info;
	} dead = {.head = {.nlmsg_len = sizeof(dead), .nlmsg_type = SOCK_DIAG_BY_FAMILY},
		.m = {.idiag_family = AF_INET6, .id.idiag_cookie = {1}},
		.a = {.nla_len = sizeof(dead.a) + sizeof(dead.info), .nla_type = INET_DIAG_INFO},
		.info = {.tcpi_bytes_received = 4711}};
	static struct ledger ledger;
	char text[4096] = "";
	int ends[2], log[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, ends), 0);
	ends[0] = dup2(ends[0], 101);
	assert_int_equal(dup2(ends[1], OBSERVER_ENDS_FD), OBSERVER_ENDS_FD);
	assert_int_equal(pipe2(log, O_NONBLOCK | O_CLOEXEC), 0);
	observer.log = (struct log){.fd = log[1], .max = UINT64_MAX};
	observer.ledgers = &ledger;
	observer.n_slots = 1;
	sample_start(&observer, 0, true);
	expect_request(AF_INET6);
	assert_int_equal(send(ends[0], &dead, sizeof(dead), 0), sizeof(dead));
	tell_socket(2);
	tell_done(0);
	expect_request(AF_INET);
	tell_done(0);
	assert_null(table_find(&observer.table, 1));
	log_flush(&observer);
	assert_true(read(log[0], text, sizeof(text) - 1) > 0);
	assert_non_null(strstr(text, " end=closed in=4711 "));
	assert_null(strstr(text, "lost"));
	close(ends[0]);
	close(OBSERVER_ENDS_FD);
	close(log[0]);
	close(log[1]);
}

/* Half of a dump says of nobody that he has ended; it is asked again, and soon. */
static void failed(uint16_t type)
{
	const int error = -12; /* ENOMEM */
	int ms;

	sample_start(&observer, 0, true);
	expect_request(AF_INET6);
	tell(type, &error, sizeof(error));
	expect_request(AF_INET);
	tell_done(0);
	assert_int_equal(observer.table.live->n, 2);
	ms = sample_due(&observer);
	assert_in_range(ms, 1, 10000);
	expect_nothing();
	now_ns += (uint64_t)ms * 1000000;
	sample_due(&observer);
	expect_request(AF_INET6);
	tell_done(0);
	expect_request(AF_INET);
	tell_done(0);
	assert_int_equal(observer.table.live->n, 0);
}

static void test_a_dump_that_is_refused(void **state)
{
	(void)state;
	failed(NLMSG_ERROR);
}

static void test_a_dump_that_breaks_off(void **state)
{
	(void)state;
	failed(NLMSG_DONE);
}

static void test_a_request_that_cannot_be_sent(void **state)
{
	(void)state;
	close(kernel);
	sample_start(&observer, 0, true);
	assert_int_equal(observer.table.live->n, 2);
	assert_in_range(sample_due(&observer), 1, 10000);
}

/* Nobody knows how far the kernel has come. */
static void test_an_answer_that_is_lost_ends_the_observer(void **state)
{
	(void)state;
	sample_start(&observer, 0, true);
	close(OBSERVER_DIAG_FD);
	diag_ready(&observer);
	assert_true(observer.end);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_who_has_ended_untold_is_found, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_nobody_there_is_not_looked_for, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_an_end_that_was_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_dump_that_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_dump_that_breaks_off, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_request_that_cannot_be_sent, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_an_answer_that_is_lost_ends_the_observer, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
