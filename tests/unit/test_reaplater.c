/* SPDX-License-Identifier: ISC */
/* A process that has ended and is traced by another of its sandbox: its pidfd can be read, but it cannot be reaped. The daemon sleeps meanwhile, and reaps
 * it when the tracer has gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "supervisor/helper.h"
#include "supervisor/reap.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static struct ev_loop *loop;
static unsigned n_turns;

static void on_turn(struct ev_loop *l, ev_prepare *w, int events)
{
	(void)l, (void)w, (void)events;
	n_turns++;
}

static void on_over(struct ev_loop *l, ev_timer *w, int events)
{
	(void)w, (void)events;
	ev_break(l, EVBREAK_ALL);
}

static void run(double seconds)
{
	ev_prepare turn;
	ev_timer over;

	n_turns = 0;
	ev_prepare_init(&turn, on_turn);
	ev_timer_init(&over, on_over, seconds, 0.);
	ev_prepare_start(loop, &turn);
	ev_timer_start(loop, &over);
	ev_run(loop, 0);
	ev_prepare_stop(loop, &turn);
}

/* A child of ours with a child of its own that traces it, or ends at once. */
static pid_t start_traced(pid_t *ret_tracer)
{
	int p[2];
	pid_t pid, answer[2] = {0, 0};

	assert_int_equal(pipe(p), 0);
	pid = fork();
	if (pid == 0) {
		pid_t self = getpid(), tracer;
		alarm(10);
		prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
		tracer = fork();
		if (tracer == 0) {
			alarm(10);
			answer[0] = ptrace(PTRACE_SEIZE, self, NULL, NULL) == 0;
			answer[1] = getpid();
			(void)!write(p[1], answer, sizeof(answer));
			while (answer[0])
				pause();
			_exit(0);
		}
		for (;;)
			pause();
	}
	assert_true(pid > 0);
	assert_int_equal(read(p[0], answer, sizeof(answer)), sizeof(answer));
	close(p[0]);
	close(p[1]);
	*ret_tracer = answer[0] ? answer[1] : -1;
	return pid;
}

static void test_traced(void **state)
{
	siginfo_t info;
	pid_t tracer, pid = start_traced(&tracer);
	int pidfd = reap_pidfd(pid);

	(void)state;
	assert_true(pidfd >= 0);
	loop = ev_loop_new(EVFLAG_AUTO);
	assert_true(tracer > 0);
	helper_leave(loop, pidfd);
	run(0.35);
	assert_true(n_turns < 20);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT), 0); /* still there */
	assert_int_equal(kill(tracer, SIGKILL), 0);
	run(0.35);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT), -1);
	ev_loop_destroy(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_traced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
