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

/* What it is told: of how large a log, and when it is full. */
static struct observer_msg next_log(void)
{
	struct observer_msg m = {0};
	int fd = -1;
	size_t n = 0;

	assert_int_equal(trp_fd_recv_upto(theirs, &m, sizeof(m), &fd, 1, &n, MSG_DONTWAIT), sizeof(m));
	assert_int_equal(m.type, OBSERVER_LOG);
	assert_int_equal(n, 1);
	close(fd);
	return m;
}

/* There is no room for another file: it goes on with the one that it has, says so again when that has grown, and then there may be. */
static void test_no_room_to_rotate(void **state)
{
	char dir[] = "/tmp/trpsup-unit-XXXXXX", gone[] = "/tmp/trpsup-unit-XXXXXX", text[2000];
	struct observer_msg m;

	(void)state;
	memset(text, '\n', sizeof(text));
	assert_non_null(mkdtemp(dir));
	assert_non_null(mkdtemp(gone));
	trp_close(&o.file.fd);
	config.log_dir = dir;
	config.access_log = ACCESS_LOG_TEXT;
	config.access_log_size = 1000;
	config.access_log_files = 3;
	assert_int_equal(logfile_init(&o.file, open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC), "access", 1000, 3), 0);
	tell_log(&o);
	next_log();
	assert_int_equal(write(o.file.fd, text, sizeof(text)), sizeof(text));
	/* one in which nothing can be made */
	trp_close(&o.file.dir_fd);
	o.file.dir_fd = open(gone, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(rmdir(gone), 0);
	config.log_dir = gone;
	say(OBSERVER_FULL, 0);
	m = next_log();
	assert_int_equal(m.size, sizeof(text));
	assert_true(m.max > m.size);
	say(OBSERVER_FULL, 0); /* which is not so: it is not tried again and again */
	assert_int_equal(recv(theirs, &m, sizeof(m), MSG_DONTWAIT), -1);
	/* and now there is one */
	config.log_dir = dir;
	tell_log(&o);
	next_log();
	assert_int_equal(write(o.file.fd, text, sizeof(text)), sizeof(text));
	say(OBSERVER_FULL, 0);
	m = next_log();
	assert_int_equal(m.size, 2 * sizeof(text));
	assert_int_equal(write(o.file.fd, text, sizeof(text)), sizeof(text));
	say(OBSERVER_FULL, 0);
	m = next_log();
	assert_int_equal(m.size, 0);
	assert_int_equal(m.max, 1000);
	logfile_free(&o.file);
	o.file.fd = o.file.dir_fd = -1;
	trp_remove_tree(AT_FDCWD, dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_full, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_ready_in_time, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_room_to_rotate, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_sampled, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_looked_again, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
