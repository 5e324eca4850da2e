/* SPDX-License-Identifier: ISC */
/* What is told once is told, also if there is no memory for it just then. wrap: trp_fd_send */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/fdpass.h"
#include "base/later.h"
#include "router/relay/relay.h"
#include "sandbox/initmsg.h"

/* its loop is what is tried; each program of ours has some of these names */
#define main sdnotify_main
#define turn sdnotify_turn
int sdnotify_main(int argc, char **argv);
#include "supervisor/sdnotify/main.c"
#undef main

static int fails; /* with this error; 0: it does not */

int __real_trp_fd_send(int sock, const void *msg, size_t len, const int *fds, size_t n_fds, int flags);
int __wrap_trp_fd_send(int sock, const void *msg, size_t len, const int *fds, size_t n_fds, int flags);
int __wrap_trp_fd_send(int sock, const void *msg, size_t len, const int *fds, size_t n_fds, int flags)
{
	return fails ? fails : __real_trp_fd_send(sock, msg, len, fds, n_fds, flags);
}

/* Of the store for descriptors nothing is tried here. */
int kept_init(void)
{
	return 0;
}

void kept_limit(uint32_t max)
{
	(void)max;
}

uint32_t kept_count(void)
{
	return 0;
}

bool kept_add(int fd, const char *name)
{
	(void)name;
	close(fd);
	return true;
}

void kept_remove(const char *name)
{
	(void)name;
}

void kept_give(int sock)
{
	(void)sock;
}

static void test_in_their_order(void **state)
{
	struct trp_later l = {.n = 0};
	char byte;
	int s[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s), 0);
	assert_int_equal(trp_later_flush(&l, s[0]), -1);
	fails = -ENOBUFS;
	assert_int_equal(trp_later_send(&l, s[0], "a", 1), 0);
	assert_int_equal(trp_later_flush(&l, s[0]), TRP_LATER_MS);
	assert_int_equal(trp_later_send(&l, s[0], "b", 1), 0);
	fails = 0;
	assert_int_equal(trp_later_send(&l, s[0], "c", 1), 0);
	assert_int_equal(trp_later_flush(&l, s[0]), -1);
	for (char want = 'a'; want <= 'c'; want++) {
		assert_int_equal(recv(s[1], &byte, 1, MSG_DONTWAIT), 1);
		assert_int_equal(byte, want);
	}
	fails = -EAGAIN;
	for (int i = 0; i < TRP_LATER_MAX; i++)
		assert_int_equal(trp_later_send(&l, s[0], "x", 1), 0);
	assert_int_equal(trp_later_send(&l, s[0], "x", 1), -ENOBUFS);
	fails = 0;
	close(s[1]);
	assert_int_equal(trp_later_send(&l, s[0], "x", 1), -EPIPE); /* none waits for who is gone */
	assert_int_equal(trp_later_flush(&l, s[0]), -1);
	close(s[0]);
}

static void test_relay_listens(void **state)
{
	static struct relay r;
	struct trp_init_msg m;
	int s[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s), 0);
	r.control_fd = s[0];
	fails = -ENOMEM;
	control_listens(&r, 80, AF_INET6, true);
	assert_int_equal(control_run(&r), TRP_LATER_MS);
	fails = 0;
	assert_int_equal(control_run(&r), -1);
	assert_int_equal(recv(s[1], &m, sizeof(m), MSG_DONTWAIT), sizeof(m));
	assert_int_equal(m.type, TRP_INIT_LISTEN);
	assert_int_equal(m.port, 80);
	close(s[0]);
	close(s[1]);
}

/* Nor does trp-sdnotify wait for that without rest. */
static void test_sdnotify_passes_on(void **state)
{
	char text[16];
	int notify[2], relay[2], control[2];
	unsigned turns = 0;
	uint64_t until;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control), 0);
	assert_int_equal(dup2(control[0], SDNOTIFY_FD), SDNOTIFY_FD);
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, notify), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, relay), 0);
	begin_run(0, (int[]){notify[0], relay[0]}, 2);
	assert_int_equal(send(notify[1], "READY=1", 7, 0), 7);
	fails = -ENOBUFS;
	for (until = now_ms() + 3 * WINDOW_MS; now_ms() < until; turns++)
		sdnotify_turn();
	assert_true(turns < 20);
	assert_int_equal(recv(relay[1], text, sizeof(text), MSG_DONTWAIT), -1);
	fails = 0;
	while (window_left() >= 0)
		trp_sleep_ms(10);
	assert_int_equal(recv(relay[1], text, sizeof(text), MSG_DONTWAIT), 7);
	assert_memory_equal(text, "READY=1", 7);
	end_run(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_their_order),
		cmocka_unit_test(test_relay_listens),
		cmocka_unit_test(test_sdnotify_passes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
