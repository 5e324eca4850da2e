/* SPDX-License-Identifier: ISC */
/* What one image of the daemon passes to the next: only what is meant for this process, and is what it should be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "supervisor/handover.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NAME "TRPSUPD_HANDOVER"

static int lock = -1, sock = -1;

static int setup(void **state)
{
	char path[] = "/tmp/trp-handover-XXXXXX";

	(void)state;
	lock = mkostemp(path, O_CLOEXEC);
	unlink(path);
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return lock < 0 || sock < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	close(lock);
	close(sock);
	return 0;
}

static void there_and_back(void **state)
{
	struct handover give = {.lock = lock, .control = sock, .caller = -1, .before = "v1-2-g3"}, got;

	(void)state;
	assert_int_equal(handover_give(&give), 0);
	assert_int_equal(fcntl(lock, F_GETFD), 0);
	assert_int_equal(fcntl(sock, F_GETFD), 0);
	handover_take(&got);
	assert_int_equal(got.lock, lock);
	assert_int_equal(got.control, sock);
	assert_int_equal(got.caller, -1);
	assert_string_equal(got.before, "v1-2-g3");
	assert_int_equal(fcntl(lock, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(sock, F_GETFD), FD_CLOEXEC);
	assert_null(getenv(NAME));
}

static void withdrawn(void **state)
{
	struct handover give = {.lock = lock, .control = sock, .caller = -1, .before = "v1"}, got;

	(void)state;
	assert_int_equal(handover_give(&give), 0);
	handover_withdraw(&give);
	assert_int_equal(fcntl(lock, F_GETFD), FD_CLOEXEC);
	handover_take(&got);
	assert_int_equal(got.lock, -1);
}

static void refused(void **state)
{
	const struct {
		int pid, lock, control, caller;
		const char *rest;
	} rows[] = {
		{getppid(), lock, sock, -1, " v1"}, /* somebody else's */
		{getpid(), lock, sock, -1, ""},
		{getpid(), lock, sock, -1, " v1 v2"},
		{getpid(), sock, lock, -1, " v1"},
		{getpid(), 0, sock, -1, " v1"},
		{getpid(), 9999, sock, -1, " v1"},
		{getpid(), lock, sock, 9999, " v1"},
		{getpid(), lock, sock, lock, " v1"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct handover got;
		char text[120];
		snprintf(text, sizeof(text), "%d %d %d %d%s", rows[i].pid, rows[i].lock, rows[i].control, rows[i].caller, rows[i].rest);
		setenv(NAME, text, 1);
		handover_take(&got);
		assert_int_equal(got.lock, -1);
		assert_int_equal(got.control, -1);
		assert_null(getenv(NAME));
	}
	setenv(NAME, "x", 1);
	handover_take(&(struct handover){0});
	assert_null(getenv(NAME));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(withdrawn),
		cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
