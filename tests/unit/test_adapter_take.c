/* SPDX-License-Identifier: ISC */
/* No client is lost to a program that has no descriptor free, whatever it may ask the kernel. */
/* wrap: openat socketpair */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/fdpass.h"
#include "base/util.h"
#include "sandbox/adapter/channel.h"
#include "supervisor/channel.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define LIMIT 64

static int openat_error;    /* as a filter of the program's own has it; 0: none */
static int openat_was_asked;

int __real_openat(int dir, const char *path, int flags, ...);
int __wrap_openat(int dir, const char *path, int flags, ...);
int __wrap_openat(int dir, const char *path, int flags, ...)
{
	openat_was_asked++;
	if (openat_error) {
		errno = openat_error;
		return -1;
	}
	return __real_openat(dir, path, flags);
}

static int socketpair_error; /* of one that asks for room, as a filter has it; 0: none */

int __real_socketpair(int family, int type, int protocol, int fds[2]);
int __wrap_socketpair(int family, int type, int protocol, int fds[2]);
int __wrap_socketpair(int family, int type, int protocol, int fds[2])
{
	if (socketpair_error && (type & 0xf) == 15) {
		errno = socketpair_error;
		return -1;
	}
	return __real_socketpair(family, type, protocol, fds);
}

static void send_client(const struct channel *c)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct trp_handoff h = {.listener = 7};
	size_t size = trp_handoff_seal(&h, "", 0);

	assert_true(fd >= 0);
	assert_int_equal(trp_fd_send(c->router_end, &h, size, &fd, 1, MSG_DONTWAIT), 0);
	close(fd);
}

static int take(const struct channel *c)
{
	struct trp_handoff h = {.listener = 0};
	int family, fd = adapter_take(c->service_end, AF_INET6, SOCK_CLOEXEC, 0, &h, &family);

	if (fd >= 0)
		assert_int_equal(h.listener, 7);
	return fd;
}

static void expect_nobody_lost(int error)
{
	struct rlimit old, limit;
	int taken[LIMIT], n = 0, lowest, fd;
	struct channel c;

	openat_error = error;
	openat_was_asked = 0;
	assert_int_equal(channel_open(80, AF_INET6, 256, &c), 0);
	send_client(&c);
	send_client(&c);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	limit = (struct rlimit){LIMIT, old.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	while (n < LIMIT && (taken[n] = fcntl(c.service_end, F_DUPFD_CLOEXEC, 0)) >= 0)
		n++;
	assert_in_range(n, 1, LIMIT - 1);
	for (int i = 0; i < 3; i++)
		assert_int_equal(take(&c), -EMFILE);
	lowest = taken[0];
	close(lowest);
	for (int i = 0; i < 2; i++) { /* one is enough, and nothing is left open */
		fd = take(&c);
		assert_int_equal(fd, lowest);
		close(fd);
	}
	assert_int_equal(take(&c), -EAGAIN);
	assert_true(openat_was_asked > 0);
	while (n > 1)
		close(taken[--n]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	channel_close(&c);
}

static void test_two_calls(void **state)
{
	(void)state;
	expect_nobody_lost(0);
}

/* While there is room for two, the kernel is asked by a call that makes nothing. Which channel a client came through its message says. */
static void test_one_call(void **state)
{
	static const char name[] = TRP_CHANNEL_PREFIX "00080:4:";
	struct sockaddr_un from;
	struct trp_handoff h;
	struct channel c;
	socklen_t len;
	int fd;

	(void)state;
	openat_error = openat_was_asked = 0;
	assert_int_equal(channel_open(80, AF_INET, 256, &c), 0);
	send_client(&c);
	fd = adapter_receive(c.service_end, SOCK_CLOEXEC, 0, &h, &from, &len);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(openat_was_asked, 0);
	assert_int_equal(len, offsetof(struct sockaddr_un, sun_path) + 1 + TRP_CHANNEL_NAME_LEN);
	assert_memory_equal(from.sun_path + 1, name, sizeof(name) - 1);
	channel_close(&c);
}

static void test_no_pairs(void **state)
{
	(void)state;
	socketpair_error = ENOSYS; /* of the service's filter */
	expect_nobody_lost(0);
	socketpair_error = EPERM;
	expect_nobody_lost(EPERM);
	socketpair_error = 0;
}

static void test_may_not_open(void **state)
{
	(void)state;
	expect_nobody_lost(EPERM);
	expect_nobody_lost(ENOSYS);
	expect_nobody_lost(ENFILE); /* of files there may be too many: none is made */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_call),
		cmocka_unit_test(test_two_calls),
		cmocka_unit_test(test_no_pairs),
		cmocka_unit_test(test_may_not_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
