/* SPDX-License-Identifier: ISC */
/* A router that is short of memory does not forget its listeners: what cannot be watched when it goes on is watched later. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "router/accept.c" /* its statics are what is tried */

#include <arpa/inet.h>
#include <string.h>

static struct router r;
static int n_fail;

/* the router's other parts */
int router_watch(struct router *router, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event ev = {.events = events, .data.u64 = data};

	if (n_fail > 0) {
		n_fail--;
		return -ENOMEM;
	}
	return epoll_ctl(router->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

void router_unwatch(struct router *router, int fd)
{
	epoll_ctl(router->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

void router_update_clock(struct router *router)
{
	router->now_ns = 1;
}

bool wait_evict(struct router *router)
{
	(void)router;
	return false;
}

bool wait_free_listener(struct router *router)
{
	(void)router;
	return false;
}

void handon_hold(struct router *router)
{
	(void)router;
}

bool handon_flush(struct router *router)
{
	(void)router;
	return false;
}

void client_arrived(struct router *router, struct client *c)
{
	(void)router, (void)c;
}

void client_refuse_late(struct router *router, struct client *c, enum refusal why, const struct note *n)
{
	(void)router, (void)c, (void)why, (void)n;
}

static void notice(const char *text)
{
	(void)text;
}

static void test_resume(void **state)
{
	struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct epoll_event ev;
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), client = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
	assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	r.notice = notice;
	r.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	r.listeners[0] = (struct listener){.id = 1, .fd = -1};
	r.listeners[1] = (struct listener){.id = 2, .fd = fd};
	r.n_listeners = 2;
	router_update_clock(&r);
	assert_int_equal(watch_listener(&r, &r.listeners[1]), 0);
	assert_int_equal(connect(client, (struct sockaddr *)&at, len), 0);
	assert_int_equal(epoll_wait(r.epoll_fd, &ev, 1, 0), 1);
	pause_listeners(&r);
	assert_int_equal(epoll_wait(r.epoll_fd, &ev, 1, 0), 0);
	n_fail = 1;
	listeners_resume(&r);
	assert_true(r.paused_until_ns > r.now_ns); /* it is tried again */
	assert_int_equal(epoll_wait(r.epoll_fd, &ev, 1, 0), 0);
	listeners_resume(&r);
	assert_int_equal(r.paused_until_ns, 0);
	assert_int_equal(epoll_wait(r.epoll_fd, &ev, 1, 0), 1);
	close(client);
	close(fd);
	close(r.epoll_fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_resume),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
