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

static void on_over(struct ev_loop *loop, ev_timer *w, int events)
{
	(void)w, (void)events;
	ev_break(loop, EVBREAK_ALL);
}

/* One that goes on and on has the daemon listen only now and then. */
static void test_flood(void **state)
{
	struct daemon d = {.loop = ev_loop_new(EVFLAG_AUTO)};
	struct service s = {.d = &d, .run = {.learner = LEARNER_NONE}};
	int pair[2];
	ev_timer over;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(send(pair[1], "x", 1, 0), 1);
	s.run.learner.control = pair[0];
	s.run.learner.pidfd = dup(pair[1]); /* nothing is to be read there */
	watch(&s);
	s.run.learner.pid = 1; /* it runs */
	ev_timer_init(&over, on_over, 0.5, 0.);
	ev_timer_start(d.loop, &over);
	n_heard = n_taken = 0;
	ev_run(d.loop, 0);
	assert_true(n_taken >= MESSAGES_AT_ONCE && n_taken < 1000000);
	assert_false(ev_is_active(&s.run.learner.on_message) && ev_is_active(&s.run.learner.pace.timer));
	s.run.learner.pid = 0;
	learner_stop(&s);
	close(pair[1]);
	ev_loop_destroy(d.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_last_words_have_an_end),
		cmocka_unit_test(test_flood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
