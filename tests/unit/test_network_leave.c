/* SPDX-License-Identifier: ISC */
/* The way back out of a tenant's network: want of memory may pass, and what the daemon runs must not end of it. wrap: setns nanosleep */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sandbox/network.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

static int short_of_memory; /* so many times */

int __wrap_setns(int fd, int type);
int __wrap_setns(int fd, int type)
{
	assert_true(fd >= 0);
	assert_int_equal(type, CLONE_NEWNET);
	if (short_of_memory == 0)
		return 0;
	short_of_memory--;
	errno = ENOMEM;
	return -1;
}

int __wrap_nanosleep(const struct timespec *time, struct timespec *rest);
int __wrap_nanosleep(const struct timespec *time, struct timespec *rest)
{
	(void)time;
	(void)rest;
	return 0;
}

static void test_memory_comes_back(void **state)
{
	int home = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_true(home >= 0);
	short_of_memory = 3;
	errno = EPROTO;
	network_leave(home);
	assert_int_equal(short_of_memory, 0);
	assert_int_equal(errno, EPROTO);
	assert_int_equal(fcntl(home, F_GETFD), -1); /* closed */
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_memory_comes_back)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
