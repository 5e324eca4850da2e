/* SPDX-License-Identifier: ISC */
/* What an upgrade executes: the file that has our name now, though ours may have lost it before we looked. wrap: readlink __readlink_chk */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "supervisor/daemon.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *self;

ssize_t __wrap_readlink(const char *path, char *buf, size_t size);
ssize_t __wrap_readlink(const char *path, char *buf, size_t size)
{
	size_t len = self ? strlen(self) : 0;

	assert_string_equal(path, "/proc/self/exe");
	if (!self)
		return -1;
	memcpy(buf, self, len < size ? len : size);
	return (ssize_t)(len < size ? len : size);
}

/* What the C library makes of it where the compiler does not see that there is room. */
ssize_t __wrap___readlink_chk(const char *path, char *buf, size_t size, size_t room);
ssize_t __wrap___readlink_chk(const char *path, char *buf, size_t size, size_t room)
{
	(void)room;
	return __wrap_readlink(path, buf, size);
}

static void is(const char *said, const char *want)
{
	char got[100];

	self = said;
	daemon_own_program(got, sizeof(got));
	assert_string_equal(got, want);
}

static void test_own_program(void **state)
{
	char path[64];
	int fd;

	(void)state;
	is("/usr/sbin/trpsupd", "/usr/sbin/trpsupd");
	is("/usr/sbin/trpsupd (deleted)", "/usr/sbin/trpsupd");
	is(" (deleted)", " (deleted)");
	is(NULL, "");
	/* one that is called so */
	snprintf(path, sizeof(path), "/tmp/trpsup-unit-%d (deleted)", getpid());
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	is(path, path);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_own_program)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
