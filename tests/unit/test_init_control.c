/* SPDX-License-Identifier: ISC */
/* What trp-init tells the daemon when the service's group has no memory left just then: it is told later, and the socket is still there.
 * wrap: trp_fd_send */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sandbox/init/control.c" /* its statics are what is tried */
#include "base/io.h"

static int fails; /* with this error; 0: it does not */

int __real_trp_fd_send(int sock, const void *msg, size_t len, const int *fds, size_t n_fds, int flags);
int __wrap_trp_fd_send(int sock, const void *msg, size_t len, const int *fds, size_t n_fds, int flags);
int __wrap_trp_fd_send(int sock, const void *msg, size_t len, const int *fds, size_t n_fds, int flags)
{
	return fails ? fails : __real_trp_fd_send(sock, msg, len, fds, n_fds, flags);
}

void check_begin(int fd, int kind, int ms, int number)
{
	(void)fd, (void)kind, (void)ms, (void)number;
}

static void test_no_memory(void **state)
{
	struct trp_init_msg m;
	uint64_t began;
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(control_open(pair[1]), 0);
	fails = -ENOBUFS;
	control_report(TRP_INIT_STEP, 0, 7);
	assert_true(control_fd() >= 0);
	assert_true(control_wants_write());
	fails = -ENOMEM;
	control_main(8);
	assert_true(control_wants_write());
	/* it does not keep init from ending */
	began = trp_now_ms();
	control_finish();
	assert_true(trp_now_ms() - began < 5 * FINISH_LIMIT_MS);
	fails = 0;
	control_flush();
	assert_false(control_wants_write());
	assert_int_equal(recv(pair[0], &m, sizeof(m), MSG_DONTWAIT), sizeof(m));
	assert_int_equal(m.type, TRP_INIT_STEP);
	assert_int_equal(recv(pair[0], &m, sizeof(m), MSG_DONTWAIT), sizeof(m));
	assert_int_equal(m.type, TRP_INIT_MAIN);
	/* the daemon's end is another matter */
	close(pair[0]);
	control_report(TRP_INIT_EXITED, 0, 0);
	assert_int_equal(control_fd(), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
