/* SPDX-License-Identifier: ISC */
/* The daemon's side of trp-keeper: one that ends as soon as it is started does not keep the daemon busy. wrap: helper_start helper_end ids_get */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/log.h"
#include "supervisor/daemon.h"
#include "supervisor/keep.c" /* its statics are what is tried */

#include <sys/stat.h>

static struct config config;
static struct daemon d = {.config = &config};
static struct keep *k;
static unsigned n_started;
static int listener = -1; /* of one that lives */
static bool lives;
static char dir[] = "/tmp/test_keep-XXXXXX";

int __wrap_ids_get(struct ids *ids, const char *service, uint32_t *ret_base);
int __wrap_ids_get(struct ids *ids, const char *service, uint32_t *ret_base)
{
	(void)ids, (void)service;
	*ret_base = 100000;
	return 0;
}

int __wrap_helper_start(const char *name, const char *argument, const int *from, size_t n, pid_t *ret_pid, int *ret_pidfd);
int __wrap_helper_start(const char *name, const char *argument, const int *from, size_t n, pid_t *ret_pid, int *ret_pidfd)
{
	(void)name, (void)argument;
	assert_int_equal(n, 2);
	n_started++;
	*ret_pid = 0;
	*ret_pidfd = -1;
	if (lives)
		listener = dup(from[1]);
	return 0;
}

void __wrap_helper_end(pid_t pid, int pidfd);
void __wrap_helper_end(pid_t pid, int pidfd)
{
	(void)pid, (void)pidfd;
}

static int set_up(void **state)
{
	(void)state;
	log_init("test_keep", LOG_LEVEL_INFO);
	d.loop = ev_loop_new(EVFLAG_AUTO);
	if (!d.loop || !mkdtemp(dir))
		return -1;
	config.run_dir = dir;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	ev_loop_destroy(d.loop);
	return rmdir(dir);
}

static void on_over(struct ev_loop *loop, ev_timer *w, int events)
{
	(void)w, (void)events;
	ev_break(loop, EVBREAK_ALL);
}

static void run(double seconds)
{
	ev_timer over;

	ev_now_update(d.loop);
	ev_timer_init(&over, on_over, seconds, 0.);
	ev_timer_start(d.loop, &over);
	ev_run(d.loop, 0);
}

static void test_one_that_does_not_live(void **state)
{
	struct keep_msg m;
	int fd = -1, sock;

	(void)state;
	assert_int_equal(keep_open(&d, &k), 0);
	run(0.5);
	keep_put(k, "a", "b", 1, STDERR_FILENO);
	assert_in_range(n_started, 2, 10);
	/* at last one does, and gets all */
	lives = true;
	for (int i = 0; i < 1000 && listener < 0; i++)
		run(0.1);
	assert_true(keep_works(k));
	sock = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_int_equal(trp_fd_recv(sock, &m, sizeof(m), &fd, 1, 0), sizeof(m));
	assert_int_equal(m.type, KEEP_PUT);
	assert_string_equal(m.key.owner, "a");
	close(fd);
	/* and is replaced at once when it has lived for a while */
	run(STEADY_MS / 1000. + 0.2);
	n_started = 0;
	lives = false;
	close(listener);
	close(sock);
	run(0.01);
	assert_true(n_started > 0);
	keep_close(k);
}

static unsigned n_seen;

static void see(const char *what, int fd)
{
	assert_string_equal(what, "channel-service");
	assert_true(fcntl(fd, F_GETFD) >= 0);
	n_seen++;
}

/* As the daemon before was killed between two words: what is done to it under the one name would be done to it under the other. */
static void test_left_under_two_names(void **state)
{
	static struct keep left;
	uint32_t number;
	int pair[2], fd;

	(void)state;
	for (int taken = 0; taken < 2; taken++) {
		const struct keep_key service = make_key("a~2", "channel-service", 3), before = make_key("a", "channel-before", 3),
				      other = make_key("b", "channel-before", 4);
		left = (struct keep){.d = &d, .sock = -1};
		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
		keep_table_add(&left.table, &service, pair[0])->untaken = true;
		keep_table_add(&left.table, taken ? &before : &other, dup(pair[0]))->untaken = true;
		fd = keep_take_any(&left, NULL, "channel-before", &number);
		assert_true(fd >= 0);
		n_seen = 0;
		keep_let_go_rest(&left, see);
		assert_int_equal(n_seen, !taken);
		assert_int_equal(fcntl(pair[0], F_GETFD), -1);
		close(fd);
		close(pair[1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_left_under_two_names),
		cmocka_unit_test(test_one_that_does_not_live),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
