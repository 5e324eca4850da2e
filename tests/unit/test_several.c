/* SPDX-License-Identifier: ISC */
/* Messages with several clients: read as they were written, nothing odd taken, and a channel holds no more of them than singly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/fdpass.h"
#include "base/several.h"
#include "base/util.h"
#include "sandbox/adapter/native/trp.h"
#include "supervisor/channel.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

static char msg[TRP_SEVERAL_SIZE];

static void fill(size_t n)
{
	char name[TRP_HANDOFF_NAME_MAX];

	memset(msg, 0xee, sizeof(msg));
	memset(name, 'a', sizeof(name));
	for (size_t i = 0; i < n; i++) {
		struct trp_handoff h = {.listener = (uint32_t)i + 1};
		trp_handoff_seal(&h, name, i * 8);
		trp_several_put(msg, i, &h);
	}
}

static void test_pack_and_check(void **state)
{
	struct trp_handoff h;

	(void)state;
	for (size_t n = 2; n <= TRP_SEVERAL_MAX; n++) {
		fill(n);
		assert_int_equal(trp_several_check(msg, n * TRP_SLOT_BYTES, n), n);
		for (size_t i = 0; i < n; i++) {
			trp_several_get(msg, i, &h);
			assert_int_equal(h.listener, i + 1);
			assert_int_equal(h.name_len, i * 8);
			for (size_t k = h.size; k < TRP_SLOT_BYTES; k++)
				assert_int_equal(msg[i * TRP_SLOT_BYTES + k], 0);
		}
		assert_int_equal(trp_several_check(msg, n * TRP_SLOT_BYTES, n - 1), -EBADMSG);
		assert_int_equal(trp_several_check(msg, n * TRP_SLOT_BYTES, n + 1), -EBADMSG);
		assert_int_equal(trp_several_check(msg, n * TRP_SLOT_BYTES - 1, n), -EBADMSG);
		msg[(n - 1) * TRP_SLOT_BYTES]++;
		assert_int_equal(trp_several_check(msg, n * TRP_SLOT_BYTES, n), -EBADMSG);
	}
	fill(1);
	trp_several_get(msg, 0, &h);
	assert_int_equal(trp_several_check(&h, h.size, 1), 1);
	assert_int_equal(trp_several_check(&h, h.size, 0), -EBADMSG);
	assert_int_equal(trp_several_check(&h, h.size, 2), -EBADMSG);
	assert_int_equal(trp_several_check(msg, TRP_SLOT_BYTES, 1), -EBADMSG);
}

/* Puts messages of n into it until it is full; how many clients are in it then */
static size_t put(const struct channel *c, size_t n, int fd)
{
	int fds[TRP_SEVERAL_MAX];
	size_t in = 0;

	fill(n);
	for (size_t i = 0; i < n; i++)
		fds[i] = fd;
	while (trp_fd_send(c->router_end, msg, n == 1 ? TRP_HANDOFF_MIN : n * TRP_SLOT_BYTES, fds, n, MSG_DONTWAIT) == 0)
		in += n;
	return in;
}

static void test_bound_holds(void **state)
{
	static const uint64_t queues[] = {64, 100, 256, 833};
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	for (size_t q = 0; q < TRP_ARRAY_SIZE(queues); q++) {
		struct channel c;
		size_t single, n;
		assert_int_equal(channel_open(80, AF_INET, queues[q], &c), 0);
		single = put(&c, 1, fd);
		channel_close(&c);
		assert_true(single > 0 && single <= queues[q]);
		for (n = TRP_SEVERAL_MAX; n >= 2; n /= 2) {
			size_t in;
			assert_int_equal(channel_open(80, AF_INET, queues[q], &c), 0);
			assert_int_equal(channel_take_several(&c, queues[q]), 0);
			in = put(&c, n, fd);
			in += put(&c, 1, fd);
			assert_true(in <= single);
			assert_true(in >= single / 4);
			channel_close(&c);
		}
	}
	close(fd);
}

static void test_small_queue_stays_single(void **state)
{
	struct channel c;

	(void)state;
	assert_int_equal(channel_open(80, AF_INET, 63, &c), 0);
	assert_int_equal(channel_take_several(&c, 63), -ENOSPC);
	assert_false(c.several);
	channel_close(&c);
}

static void test_moved_singly(void **state)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), got;
	struct channel from, to;
	struct trp_handoff h;
	size_t in, out = 0;
	ssize_t n;

	(void)state;
	assert_int_equal(channel_open(80, AF_INET, 256, &from), 0);
	assert_int_equal(channel_open(80, AF_INET, 256, &to), 0);
	assert_int_equal(channel_take_several(&from, 256), 0);
	assert_int_equal(trp_fd_send(from.router_end, "odd", 3, &fd, 1, 0), 0);
	in = put(&from, 32, fd);
	assert_int_equal(channel_set_queue(&to, 1024), 0); /* singly, long names take more */
	channel_move(from.service_end, &to);
	while ((n = trp_fd_recv(to.service_end, &h, sizeof(h), &got, 1, MSG_DONTWAIT)) > 0) {
		assert_int_equal(trp_handoff_check(&h, (size_t)n), 0);
		assert_int_equal(h.listener, out % 32 + 1);
		close(got);
		out++;
	}
	assert_int_equal(n, -EAGAIN);
	assert_int_equal(out, in);
	channel_close(&from);
	channel_close(&to);
	close(fd);
}

/* The next one to take them out may not look whether O_NONBLOCK is set. */
static void test_moved_as_they_may_be(void **state)
{
	struct trp_handoff h = {.flags = TRP_HANDOFF_ECH | TRP_HANDOFF_NONBLOCK};
	int fd = open("/dev/null", O_RDONLY | O_NONBLOCK | O_CLOEXEC), got;
	struct channel c[3];

	(void)state;
	trp_handoff_seal(&h, "a", 1);
	for (size_t i = 0; i < TRP_ARRAY_SIZE(c); i++)
		assert_int_equal(channel_open(80, AF_INET, 256, &c[i]), 0);
	c[0].nonblock = c[1].nonblock = true;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(c); i++) {
		const bool keeps = c[i].nonblock;
		if (i == 0)
			assert_int_equal(channel_put(&c[i], &h, fd), 0);
		else
			channel_move(c[i - 1].service_end, &c[i]);
		assert_int_equal(trp_fd_recv(c[i].service_end, &h, sizeof(h), &got, 1, MSG_DONTWAIT | MSG_PEEK), TRP_HANDOFF_MIN + 1);
		assert_int_equal(h.flags, TRP_HANDOFF_ECH | (keeps ? TRP_HANDOFF_NONBLOCK : 0));
		assert_int_equal(fcntl(got, F_GETFL) & O_NONBLOCK, keeps ? O_NONBLOCK : 0);
		close(got);
	}
	for (size_t i = 0; i < TRP_ARRAY_SIZE(c); i++)
		channel_close(&c[i]);
	close(fd);
}

/* What is odd is dropped with all its descriptors; what is good comes whole and in order. */
static void test_accept_several(void **state)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), fds[TRP_CLIENTS_MAX], many[TRP_CLIENTS_MAX], first, mark = 2;
	static struct trp_client clients[TRP_CLIENTS_MAX];
	struct channel c;

	(void)state;
	assert_int_equal(channel_open(80, AF_INET6, 256, &c), 0);
	for (int i = 0; i < TRP_CLIENTS_MAX; i++)
		many[i] = fd;
	fill(32);
	first = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	close(first);
	assert_int_equal(trp_fd_send(c.router_end, msg, 32 * TRP_SLOT_BYTES, many, 31, 0), 0);
	assert_int_equal(trp_fd_send(c.router_end, msg, 32 * TRP_SLOT_BYTES - 8, many, 32, 0), 0);
	assert_int_equal(trp_fd_send(c.router_end, "x", 1, many, 32, 0), 0);
	assert_int_equal(trp_fd_send(c.router_end, msg, TRP_HANDOFF_MIN, many, 1, 0), 0);
	assert_int_equal(trp_fd_send(c.router_end, msg, 32 * TRP_SLOT_BYTES, many, 32, 0), 0);
	assert_int_equal(trp_accept_several(c.service_end, fds, clients, 31, 0), -EINVAL);
	assert_int_equal(trp_accept_several(c.service_end, fds, clients, 32, SOCK_CLOEXEC), 1);
	assert_int_equal(fds[0], first); /* nothing else is open */
	assert_int_equal(clients[0].listener, 1);
	close(fds[0]);
	assert_int_equal(trp_accept_several(c.service_end, fds, clients, 32, SOCK_CLOEXEC), 32);
	for (int i = 0; i < 32; i++) {
		assert_int_equal(clients[i].listener, i + 1);
		assert_int_equal(strlen(clients[i].name), i * 8);
		close(fds[i]);
	}
	assert_int_equal(setsockopt(c.service_end, SOL_SOCKET, SO_RCVLOWAT, &mark, sizeof(mark)), 0);
	assert_int_equal(trp_accept(c.service_end, clients, 0), -EINVAL);
	channel_close(&c);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pack_and_check),
		cmocka_unit_test(test_bound_holds),
		cmocka_unit_test(test_small_queue_stays_single),
		cmocka_unit_test(test_moved_singly),
		cmocka_unit_test(test_moved_as_they_may_be),
		cmocka_unit_test(test_accept_several),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
