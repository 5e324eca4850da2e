/* SPDX-License-Identifier: ISC */
/* What the daemon keeps for a router that does not read: all of it, in order, within bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "supervisor/outbox.h"
#include "base/fdpass.h"
#include "base/util.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static struct outbox box;
static int pair[2];

static int setup(void **state)
{
	(void)state;
	box = (struct outbox){0};
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
}

static int teardown(void **state)
{
	(void)state;
	outbox_clear(&box);
	assert_null(box.first);
	assert_int_equal(box.bytes + box.n, 0);
	close(pair[0]);
	close(pair[1]);
	return 0;
}

static struct router_msg route(uint32_t number)
{
	struct router_msg m = {.magic = ROUTER_CONTROL_MAGIC, .type = ROUTER_ROUTE_SET, .seq = number, .channel4 = number};

	m.name_len = (uint8_t)snprintf(m.name, sizeof(m.name), "n%u.test", number);
	m.name[m.name_len] = '\0';
	return m;
}

/* The next one that arrives is that of route(number), to the last byte. */
static void expect_route(uint32_t number)
{
	struct router_msg got, want = route(number);

	assert_int_equal(trp_fd_recv(pair[1], &got, sizeof(got), NULL, 0, MSG_DONTWAIT), sizeof(got));
	assert_memory_equal(&got, &want, sizeof(got));
}

static void order_is_kept(void **state)
{
	uint32_t sent = 0, read = 0;

	(void)state;
	while (box.n < 3000) {
		struct router_msg m = route(sent++);
		assert_int_equal(outbox_send(&box, pair[0], &m, -1), 0);
	}
	while (read < 10)
		expect_route(read++);
	/* there is room, but others are first */
	struct router_msg m = route(sent++);
	assert_int_equal(outbox_send(&box, pair[0], &m, -1), 0);
	while (read < sent) {
		int n = outbox_flush(&box, pair[0]);
		assert_in_range(n, 0, OUTBOX_SLICE);
		for (int i = 0; i < 5 && read < sent; i++)
			expect_route(read++);
	}
	assert_null(box.first);
}

static void descriptors_wait_too(void **state)
{
	struct router_msg m = {.type = ROUTER_CHANNEL_ADD, .id = 7}, got;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), none = -1, came = -1;
	size_t n = 0;

	(void)state;
	while (!box.first)
		assert_int_equal(outbox_send(&box, pair[0], &m, -1), 0);
	outbox_clear(&box);
	/* full: it must be kept, and does not depend on the caller's descriptor */
	assert_int_equal(outbox_send(&box, pair[0], &m, fd), 0);
	assert_int_equal(box.n, 1);
	close(fd);
	while (trp_fd_recv_upto(pair[1], &got, sizeof(got), &none, 0, &n, MSG_DONTWAIT) > 0)
		;
	assert_int_equal(outbox_flush(&box, pair[0]), 1);
	assert_int_equal(trp_fd_recv(pair[1], &got, sizeof(got), &came, 1, MSG_DONTWAIT), sizeof(got));
	assert_int_equal(got.id, 7);
	close(came);
}

static void it_is_bounded(void **state)
{
	struct router_msg m = route(1);
	int r;

	(void)state;
	box.max = 4096;
	do
		r = outbox_send(&box, pair[0], &m, -1);
	while (r == 0);
	assert_int_equal(r, -ENOBUFS);
	assert_in_range(box.bytes, 3000, 4096);
	assert_in_range(box.n, 20, 60); /* of short names, not of whole messages */
}

static void kept_for_whoever_comes(void **state)
{
	struct router_msg one = route(1), two = route(2), got;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), came = -1;

	(void)state;
	assert_int_equal(outbox_keep(&box, &one, fd), 0);
	assert_int_equal(outbox_keep(&box, &two, -1), 0);
	close(fd);
	assert_true(outbox_take(&box, &got, &came));
	assert_memory_equal(&got, &one, sizeof(got));
	assert_true(fcntl(came, F_GETFD) >= 0);
	close(came);
	assert_true(outbox_take(&box, &got, &came));
	assert_memory_equal(&got, &two, sizeof(got));
	assert_int_equal(came, -1);
	assert_false(outbox_take(&box, &got, &came));
}

static void the_end_of_the_other_is_told(void **state)
{
	struct router_msg m = route(1);

	(void)state;
	while (!box.first)
		assert_int_equal(outbox_send(&box, pair[0], &m, -1), 0);
	close(pair[1]);
	assert_true(outbox_flush(&box, pair[0]) < 0);
	pair[1] = dup(0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(order_is_kept),
		TEST(descriptors_wait_too),
		TEST(it_is_bounded),
		TEST(kept_for_whoever_comes),
		TEST(the_end_of_the_other_is_told),
	};

	return cmocka_run_group_tests_name("outbox", tests, NULL, NULL);
}
