/* SPDX-License-Identifier: ISC */
/* A client that knocks is a reason to ask the routers, and then there is a pause: each time, not the first time only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/util.h"
#include "supervisor/listener.h"
#include "supervisor/routerwatch.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PAUSE_AT_LEAST 5.0

static int knocks;

static void knocked(void *data)
{
	(void)data;
	knocks++;
}

static void test_pause_after_each(void **state)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	socklen_t len = sizeof(sa_family_t); /* the kernel gives it a name (unix(7)) */
	cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct listener one = {.fd = fd}, *listeners = &one;
	const size_t n = 1;
	struct routerwatch w = {.loop = ev_loop_new(0), .listeners = &listeners, .n_listeners = &n, .knocked = knocked};

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, len), 0);
	assert_int_equal(listen(fd, 1), 0);
	len = sizeof(addr);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	routerwatch_start(&w);
	assert_int_equal(connect(client, (struct sockaddr *)&addr, len), 0);
	for (int i = 1; i <= 3; i++) { /* nobody takes the client: it knocks whenever somebody listens */
		while (knocks < i)
			ev_run(w.loop, EVRUN_ONCE);
		assert_int_equal(w.epoll_fd, -1);
		assert_true(ev_timer_remaining(w.loop, &w.pause) > PAUSE_AT_LEAST);
		ev_run(w.loop, EVRUN_NOWAIT);
		assert_int_equal(knocks, i);
		/* the pause runs out, sooner than it would */
		ev_timer_stop(w.loop, &w.pause);
		ev_timer_set(&w.pause, 0.001, 0.);
		ev_timer_start(w.loop, &w.pause);
	}
	routerwatch_stop(&w);
	ev_loop_destroy(w.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pause_after_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
