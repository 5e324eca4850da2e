/* SPDX-License-Identifier: ISC */
/* A router that is short of memory goes on hearing the daemon: what it waits for changes, without that anything is to be allocated.
 * wrap: epoll_ctl trp_fd_send */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "router/control.c" /* its own, not that of trp-relay, which has the same name */
#include "base/io.h"

#include <string.h>

static struct router r;
static int control[2];
static bool full, no_memory;

int __real_epoll_ctl(int epfd, int op, int fd, struct epoll_event *ev);
int __wrap_epoll_ctl(int epfd, int op, int fd, struct epoll_event *ev);
int __wrap_epoll_ctl(int epfd, int op, int fd, struct epoll_event *ev)
{
	if (op == EPOLL_CTL_ADD && no_memory) {
		errno = ENOMEM;
		return -1;
	}
	return __real_epoll_ctl(epfd, op, fd, ev);
}

int __real_trp_fd_send(int sock, const void *buf, size_t size, const int *fds, size_t n_fds, int flags);
int __wrap_trp_fd_send(int sock, const void *buf, size_t size, const int *fds, size_t n_fds, int flags);
int __wrap_trp_fd_send(int sock, const void *buf, size_t size, const int *fds, size_t n_fds, int flags)
{
	return full ? -EAGAIN : __real_trp_fd_send(sock, buf, size, fds, n_fds, flags);
}

static void notice(const char *text)
{
	(void)text;
}

static int set_up(void **state)
{
	(void)state;
	memset(&r, 0, sizeof(r));
	r.notice = notice;
	r.fd_limit = 1024;
	full = no_memory = false;
	if (trp_fd_pair(control) < 0)
		return -1;
	return router_init(&r, control[0]);
}

static int tear_down(void **state)
{
	(void)state;
	close(r.epoll_fd);
	close(control[0]);
	close(control[1]);
	return 0;
}

static void ask(uint32_t seq)
{
	struct router_msg m = {.magic = ROUTER_CONTROL_MAGIC, .type = ROUTER_SYNC, .seq = seq};

	assert_int_equal(trp_fd_send(control[1], &m, sizeof(m), NULL, 0, MSG_DONTWAIT), 0);
}

/* What the loop would be woken for is done. */
static void turn(uint32_t events)
{
	struct epoll_event ev;
	const char *why = NULL;

	assert_int_equal(epoll_wait(r.epoll_fd, &ev, 1, 0), 1);
	assert_int_equal(ev.events, events);
	assert_int_equal(control_ready(&r, &why), 0);
	assert_null(why);
}

static void answered(uint32_t seq)
{
	struct router_msg m;

	assert_int_equal(trp_fd_recv(control[1], &m, sizeof(m), NULL, 0, MSG_DONTWAIT), sizeof(m));
	assert_int_equal(m.type, ROUTER_SYNCED);
	assert_int_equal(m.seq, seq);
}

static void test_hears_on_without_memory(void **state)
{
	(void)state;
	ask(1);
	full = no_memory = true;
	turn(EPOLLIN); /* the answer has to wait */
	assert_true(r.reply_due);
	full = false;
	turn(EPOLLOUT);
	answered(1);
	ask(2);
	turn(EPOLLIN);
	answered(2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_hears_on_without_memory, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
