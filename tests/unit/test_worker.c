/* SPDX-License-Identifier: ISC */
/* A router that was taken over talks without end: it is killed for it, and a daemon that takes it over does not listen to it for ever.
 * wrap: reap_kill trp_fd_recv */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "supervisor/worker.c" /* its statics are what is tried */

#include <sys/eventfd.h>

static struct worker w;
static int router_end;
static unsigned n_passed, n_killed, n_endless, n_heard;

int __wrap_reap_kill(int pidfd, int signo);
int __wrap_reap_kill(int pidfd, int signo)
{
	(void)pidfd, (void)signo;
	n_killed++;
	return 0;
}

ssize_t __real_trp_fd_recv(int sock, void *buf, size_t size, int *ret_fds, size_t n_fds, int flags);
ssize_t __wrap_trp_fd_recv(int sock, void *buf, size_t size, int *ret_fds, size_t n_fds, int flags);
ssize_t __wrap_trp_fd_recv(int sock, void *buf, size_t size, int *ret_fds, size_t n_fds, int flags)
{
	if (n_endless == 0)
		return __real_trp_fd_recv(sock, buf, size, ret_fds, n_fds, flags);
	n_endless--;
	n_heard++;
	return (ssize_t)size;
}

static bool on_answer(struct worker *o, const struct router_msg *m)
{
	(void)o, (void)m;
	return false;
}

static void on_synced(struct worker *o)
{
	(void)o;
}

static void on_passed(struct worker *o, uint32_t seq)
{
	(void)o, (void)seq;
	n_passed++;
}

static int set_up(void **state)
{
	int pair[2];

	(void)state;
	if (trp_fd_pair(pair) < 0)
		return -1;
	router_end = pair[1];
	w = (struct worker){.control = pair[0], .loop = ev_loop_new(EVFLAG_AUTO), .box = {.pid = 1, .pidfd = eventfd(0, EFD_CLOEXEC), .status_fd = -1}, .ready = true,
		.answered = on_answer, .now_synced = on_synced, .passed = on_passed};
	n_passed = n_killed = n_heard = 0;
	watch(&w);
	return w.loop ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	forget(&w);
	ev_loop_destroy(w.loop);
	close(router_end);
	return 0;
}

static void say_synced(uint32_t seq)
{
	const struct router_msg m = {.magic = ROUTER_CONTROL_MAGIC, .type = ROUTER_SYNCED, .seq = seq};

	assert_int_equal(trp_fd_send(router_end, &m, sizeof(m), NULL, 0, MSG_DONTWAIT), 0);
}

static void turn(unsigned n)
{
	while (n-- > 0)
		ev_run(w.loop, EVRUN_NOWAIT);
}

static void test_each_answer_is_one_to_a_question(void **state)
{
	uint32_t first, second;

	(void)state;
	worker_sync(&w);
	first = w.sync_seq;
	second = worker_ask(&w);
	say_synced(first);
	say_synced(second);
	turn(4);
	assert_int_equal(n_passed, 2);
	assert_int_equal(n_killed, 0);
	worker_ping(&w);
	say_synced(w.ping_seq);
	turn(2);
	assert_int_equal(n_killed, 0);
	assert_int_equal(w.ping_seq, 0);
	say_synced(second);
	say_synced(second);
	turn(4);
	assert_int_equal(n_passed, 3);
	assert_int_equal(n_killed, 1);
	assert_false(ev_is_active(&w.on_message));
}

static void late(ev_timer *t, void (*then)(struct ev_loop *, ev_timer *, int))
{
	ev_timer_stop(w.loop, t); /* as the loop does, before it calls */
	then(w.loop, t, EV_TIMER);
}

/* The daemon itself had to wait: what a router said meanwhile is heard first, and what it has room for is sent. */
static void test_daemon_had_to_wait(void **state)
{
	struct router_msg m = {.magic = ROUTER_CONTROL_MAGIC, .type = ROUTER_READY};
	int n = 0;

	(void)state;
	w.ready = false;
	worker_later(&w, READY_SECONDS, on_late);
	assert_int_equal(trp_fd_send(router_end, &m, sizeof(m), NULL, 0, MSG_DONTWAIT), 0);
	late(&w.timer, on_late);
	assert_int_equal(n_killed, 0);
	assert_true(w.ready && ev_is_active(&w.timer)); /* for the routes now */
	worker_sync(&w);
	say_synced(w.sync_seq);
	late(&w.timer, on_late);
	assert_int_equal(n_killed, 0);
	assert_true(w.synced && !ev_is_active(&w.timer));
	m.type = ROUTER_STATS;
	while (!w.out.first && n++ < 100000)
		worker_send(&w, &m, -1);
	assert_true(ev_is_active(&w.stuck));
	while (trp_fd_recv(router_end, &m, sizeof(m), NULL, 0, MSG_DONTWAIT) > 0)
		;
	on_stuck(w.loop, &w.stuck, EV_TIMER);
	assert_int_equal(n_killed, 0);
	assert_null(w.out.first);
	assert_false(ev_is_active(&w.stuck));
	/* and what has not come has not */
	while (!w.out.first && n++ < 200000)
		worker_send(&w, &m, -1);
	on_stuck(w.loop, &w.stuck, EV_TIMER);
	assert_int_equal(n_killed, 1);
	w.synced = false;
	late(&w.timer, on_late);
	assert_int_equal(n_killed, 2);
	clear_out(&w);
}

static void test_what_it_said_before_has_an_end(void **state)
{
	(void)state;
	n_endless = 1000000;
	discard_answers(&w);
	assert_true(n_heard > 0 && n_heard < 100000);
	n_endless = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_each_answer_is_one_to_a_question, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_daemon_had_to_wait, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_it_said_before_has_an_end, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
