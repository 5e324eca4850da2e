/* SPDX-License-Identifier: ISC */
/* What trp-init says is taken once and not lost, also while there is no memory to hear it. wrap: trp_fd_recv */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "supervisor/initsock.h"
#include "base/fdpass.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static int refused; /* the errno of the next call, or 0 */

ssize_t __real_trp_fd_recv(int sock, void *buf, size_t size, int *ret_fds, size_t n_fds, int flags);
ssize_t __wrap_trp_fd_recv(int sock, void *buf, size_t size, int *ret_fds, size_t n_fds, int flags);
ssize_t __wrap_trp_fd_recv(int sock, void *buf, size_t size, int *ret_fds, size_t n_fds, int flags)
{
	int error = refused;

	refused = 0;
	return error ? -error : __real_trp_fd_recv(sock, buf, size, ret_fds, n_fds, flags);
}

static void test_what_cannot_be_heard_now_is_heard_later(void **state)
{
	const struct trp_init_msg said = {.magic = TRP_INIT_MAGIC, .type = TRP_INIT_MAIN};
	struct trp_init_msg heard;
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(initsock_look(pair[0], &heard), INITSOCK_NONE);
	assert_int_equal(send(pair[1], &said, sizeof(said), 0), sizeof(said));
	refused = ENOMEM;
	assert_int_equal(initsock_look(pair[0], &heard), INITSOCK_NONE); /* nobody takes anything away after that */
	assert_int_equal(initsock_look(pair[0], &heard), INITSOCK_MESSAGE);
	assert_int_equal(heard.type, TRP_INIT_MAIN);
	initsock_done(pair[0]);
	assert_int_equal(initsock_look(pair[0], &heard), INITSOCK_NONE);
	refused = ECONNRESET;
	assert_int_equal(initsock_look(pair[0], &heard), INITSOCK_RESET);
	assert_int_equal(send(pair[1], "x", 1, 0), 1);
	assert_int_equal(initsock_look(pair[0], &heard), INITSOCK_OTHER);
	initsock_done(pair[0]);
	close(pair[1]);
	assert_int_equal(initsock_look(pair[0], &heard), INITSOCK_END);
	close(pair[0]);
}

/* What is too long, or has descriptors beside it, is no message of ours: whoever looks takes it out, and comes to what is behind it. */
static void test_what_no_init_says_does_not_stay(void **state)
{
	const struct trp_init_msg said = {.magic = TRP_INIT_MAGIC, .type = TRP_INIT_MAIN};
	const char longer[sizeof(said) + 1] = "";
	struct trp_init_msg heard;
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(send(pair[1], longer, sizeof(longer), 0), sizeof(longer));
	assert_int_equal(trp_fd_send(pair[1], &said, sizeof(said), &pair[1], 1, 0), 0);
	assert_int_equal(send(pair[1], &said, sizeof(said), 0), sizeof(said));
	for (int i = 0; i < 2; i++) {
		assert_int_equal(initsock_look(pair[0], &heard), INITSOCK_OTHER);
		initsock_done(pair[0]);
	}
	assert_int_equal(initsock_look(pair[0], &heard), INITSOCK_MESSAGE);
	close(pair[0]);
	close(pair[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_cannot_be_heard_now_is_heard_later),
		cmocka_unit_test(test_what_no_init_says_does_not_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
