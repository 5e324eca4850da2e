/* SPDX-License-Identifier: ISC */
/* What is left in trp-learn's socket when it has ended is read; but it may have given its end to somebody who goes on.
 * wrap: trp_fd_recv learning_take learning_run_ended */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "supervisor/learn/learner.c" /* its statics are what is tried */

#include <fcntl.h>

static unsigned n_heard, n_taken;

ssize_t __wrap_trp_fd_recv(int sock, void *buf, size_t size, int *ret_fds, size_t n_fds, int flags);
ssize_t __wrap_trp_fd_recv(int sock, void *buf, size_t size, int *ret_fds, size_t n_fds, int flags)
{
	struct learn_msg *m = buf;

	(void)sock, (void)ret_fds, (void)n_fds, (void)flags;
	if (n_heard++ == 1000000)
		return -EAGAIN;
	*m = (struct learn_msg){.magic = LEARN_MAGIC, .type = LEARN_CUT};
	return (ssize_t)size;
}

void __wrap_learning_take(struct service *s, const struct learn_msg *m);
void __wrap_learning_take(struct service *s, const struct learn_msg *m)
{
	(void)s, (void)m;
	n_taken++;
}

void __wrap_learning_run_ended(struct service *s, bool whole);
void __wrap_learning_run_ended(struct service *s, bool whole)
{
	(void)s, (void)whole;
}

static void test_last_words_have_an_end(void **state)
{
	struct daemon d = {.loop = ev_loop_new(EVFLAG_AUTO)};
	struct service s = {.d = &d, .run = {.learner = LEARNER_NONE}};

	(void)state;
	s.run.learner.control = open("/dev/null", O_RDONLY | O_CLOEXEC);
	learner_stop(&s);
	assert_true(n_taken >= 1000 && n_taken < 100000); /* a socket holds some hundreds */
	assert_int_equal(s.run.learner.control, -1);
	ev_loop_destroy(d.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_last_words_have_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
