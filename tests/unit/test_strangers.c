/* SPDX-License-Identifier: ISC */
/* Children that the daemon has without having started them are reaped; those that somebody waits for are left to him.
 * wrap: routerproc_all */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "supervisor/service.h"
#include "supervisor/strangers.h"

#include <sys/wait.h>
#include <unistd.h>

size_t __wrap_routerproc_all(const struct routerproc *r, pid_t *ret_pids, size_t max);
size_t __wrap_routerproc_all(const struct routerproc *r, pid_t *ret_pids, size_t max)
{
	(void)r, (void)ret_pids, (void)max;
	return 0;
}

static pid_t child(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(7);
	assert_true(pid > 0);
	return pid;
}

/* Its end is there to be taken. */
static bool is_left(pid_t pid)
{
	int status = 0;

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 7;
}

static void test_who_is_whose(void **state)
{
	static struct service s, beside;
	struct daemon d = {.loop = ev_loop_new(EVFLAG_AUTO), .services = &s};
	pid_t stranger = child(), taken_over = child(), replaced = child(), started;
	struct strangers *all = strangers_find(&d);

	(void)state;
	s.run.box.pid = taken_over;
	s.beside = &beside;
	beside.run.box.pid = replaced;
	started = child(); /* while others were taken over: what asks for a credential, makes a disk, writes the logs */
	strangers_watch(&d, &all);
	for (int i = 0; i < 50; i++) {
		ev_run(d.loop, EVRUN_NOWAIT);
		usleep(1000);
	}
	assert_true(is_left(taken_over));
	assert_true(is_left(replaced));
	assert_true(is_left(started));
	assert_false(is_left(stranger));
	strangers_close(all);
	ev_loop_destroy(d.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_is_whose),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
