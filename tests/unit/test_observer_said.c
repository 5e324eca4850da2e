/* SPDX-License-Identifier: ISC */
/* What trp-observer says counts once for each time that it was asked; one that was taken over is killed for more, as it could go on without end.
 * wrap: reap_kill */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "supervisor/observer.c" /* its statics are what is tried */

#include <sys/eventfd.h>

static struct config config;
static struct daemon d = {.config = &config};
static struct observer o;
static int theirs;
static unsigned n_killed, n_done;

int __wrap_reap_kill(int pidfd, int signo);
int __wrap_reap_kill(int pidfd, int signo)
{
	(void)pidfd, (void)signo;
	n_killed++;
	return 0;
}

static int set_up(void **state)
{
	int pair[2];

	(void)state;
	if (trp_fd_pair(pair) < 0)
		return -1;
	theirs = pair[1];
	d.loop = ev_loop_new(EVFLAG_AUTO);
	o = (struct observer){.d = &d, .control = pair[0], .ready = true, .lines = true,
		.box = {.pid = 1, .pidfd = eventfd(0, EFD_CLOEXEC), .status_fd = eventfd(0, EFD_CLOEXEC)},
		.file = {.fd = open("/dev/null", O_WRONLY | O_CLOEXEC), .dir_fd = -1, .max_size = 1000}};
	STAILQ_INIT(&o.samples);
	ev_timer_init(&o.late, on_sample_late, SAMPLE_SECONDS, 0);
	o.late.data = &o;
	n_killed = n_done = 0;
	watch(&o);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	forget(&o);
	trp_close(&o.file.fd);
	close(theirs);
	ev_loop_destroy(d.loop);
	return 0;
}

static void say(uint16_t type, uint32_t seq)
{
	const struct observer_msg m = {.magic = OBSERVER_MAGIC, .type = type, .seq = seq};

	assert_int_equal(trp_fd_send(theirs, &m, sizeof(m), NULL, 0, MSG_DONTWAIT), 0);
	ev_run(d.loop, EVRUN_NOWAIT);
}

static void on_sampled(void *data, uint32_t look)
{
	(void)data, (void)look;
	n_done++;
}

static void test_full(void **state)
{
	(void)state;
	tell_log(&o);
	tell_log(&o);
	say(OBSERVER_FULL, 0);
	say(OBSERVER_FULL, 0);
	assert_int_equal(n_killed, 0);
	say(OBSERVER_FULL, 0);
	assert_int_equal(n_killed, 1);
	assert_false(ev_is_active(&o.on_message));
}

static void test_sampled(void **state)
{
	(void)state;
	observer_sample(&o, on_sampled, NULL);
	observer_sample(&o, on_sampled, NULL);
	say(OBSERVER_SAMPLED, 2); /* one look for both */
	assert_int_equal(n_done, 2);
	observer_sample(&o, on_sampled, NULL);
	say(OBSERVER_SAMPLED, 3);
	assert_int_equal(n_done, 3);
	assert_int_equal(n_killed, 0);
	say(OBSERVER_SAMPLED, 3);
	say(OBSERVER_SAMPLED, 3);
	assert_int_equal(n_killed, 1);
	assert_false(ev_is_active(&o.on_message));
}

static void add_live(uint64_t cookie, uint32_t sampled)
{
	struct live_entry *e = &o.live->entries[o.live->n_touched++];

	*e = (struct live_entry){.cookie = cookie, .sampled = sampled, .service = 1, .local.family = AF_INET6, .remote.family = AF_INET6,
		.peer.family = AF_INET6};
}

/* While one client reads what it had looked for, the observer looks for another, and by itself. */
static void test_looked_again(void **state)
{
	const uint32_t look = UINT32_MAX;
	struct live_entry e;
	uint32_t at = 0;

	(void)state;
	o.live = aligned_alloc(_Alignof(struct live), sizeof(*o.live));
	assert_non_null(o.live);
	memset(o.live, 0, sizeof(*o.live));
	add_live(1, look);
	add_live(2, look + 1);
	add_live(3, look - 1); /* not seen any more */
	add_live(4, look + 2);
	for (uint64_t cookie = 1; cookie <= 4; cookie += 1 + (cookie == 2)) {
		assert_true(observer_next(&o, look, &at, &e));
		assert_int_equal(e.cookie, cookie);
	}
	assert_false(observer_next(&o, look, &at, &e));
	free(o.live);
}

/* Its word lies there if it is the daemon that had to wait. */
static void test_ready_in_time(void **state)
{
	const struct observer_msg m = {.magic = OBSERVER_MAGIC, .type = OBSERVER_READY};

	(void)state;
	o.ready = false;
	assert_int_equal(trp_fd_send(theirs, &m, sizeof(m), NULL, 0, 0), 0);
	on_late(d.loop, &o.timer, EV_TIMER);
	assert_true(o.ready);
	assert_int_equal(n_killed, 0);
	o.ready = false;
	on_late(d.loop, &o.timer, EV_TIMER);
	assert_int_equal(n_killed, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_full, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_ready_in_time, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_sampled, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_looked_again, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
