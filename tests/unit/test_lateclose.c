/* SPDX-License-Identifier: ISC */
/* A descriptor that somebody else has, too, leaves the loop's epoll set before it is closed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/io.h"
#include "supervisor/lateclose.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

/* How many descriptors the process's one epoll set has (proc_pid_fdinfo(5)). */
static int in_epoll(void)
{
	int n = 0;

	for (int fd = 0; fd < 64; fd++) {
		char path[64], target[64] = "";
		cleanup_free char *text = NULL;
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		if (readlink(path, target, sizeof(target) - 1) < 0 || strcmp(target, "anon_inode:[eventpoll]") != 0)
			continue;
		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
		assert_int_equal(trp_read_file(AT_FDCWD, path, 65536, &text, NULL), 0);
		for (const char *at = text; (at = strstr(at, "tfd:")); at++)
			n++;
	}
	return n;
}

static int seen;

static void on_readable(struct ev_loop *loop, ev_io *w, int events)
{
	(void)events;
	seen++;
	ev_io_stop(loop, w);
	close_later(loop, w->data);
}

static void test_leaves_the_set(void **state)
{
	struct ev_loop *loop = ev_loop_new(EVBACKEND_EPOLL);
	int pair[2], other, number;
	ev_io w;

	(void)state;
	assert_non_null(loop);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	number = pair[0];
	other = dup(pair[0]); /* the keeper's */
	ev_io_init(&w, on_readable, pair[0], EV_READ);
	w.data = &pair[0];
	ev_io_start(loop, &w);
	ev_run(loop, EVRUN_NOWAIT);
	assert_int_equal(in_epoll(), 1);
	close(pair[1]); /* now it is readable, and will be */
	ev_run(loop, EVRUN_ONCE);
	assert_int_equal(seen, 1);
	assert_int_equal(pair[0], -1);
	assert_int_not_equal(fcntl(number, F_GETFD), -1);
	ev_run(loop, 0); /* ends when it is closed: nothing else is watched */
	assert_int_equal(fcntl(number, F_GETFD), -1);
	assert_int_equal(in_epoll(), 0);
	assert_int_equal(seen, 1);
	close(other);
	ev_loop_destroy(loop);
}

static void test_nothing(void **state)
{
	int fd = -1;

	(void)state;
	close_later(NULL, &fd);
	assert_int_equal(fd, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_leaves_the_set),
		cmocka_unit_test(test_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
