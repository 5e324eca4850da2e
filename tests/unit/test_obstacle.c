/* SPDX-License-Identifier: ISC */
/* The settings of a host that keep user namespaces from being made, as files in a directory. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/io.h"
#include "sandbox/obstacle.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static char top[] = "/tmp/trp-obstacle-XXXXXX";
static int dir_fd = -1;

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(top))
		return -1;
	dir_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return mkdirat(dir_fd, "user", 0755) < 0 || mkdirat(dir_fd, "kernel", 0755) < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	trp_close(&dir_fd);
	return trp_remove_tree(AT_FDCWD, top);
}

static void set(const char *file, const char *text)
{
	assert_int_equal(trp_write_atomic(dir_fd, file, text, strlen(text), 0644), 0);
}

static void expect(bool privileged, const char *want)
{
	char text[200];

	obstacle_userns(dir_fd, privileged, false, text, sizeof(text));
	assert_string_equal(text, want);
}

static void test_settings(void **state)
{
	char text[600];

	(void)state;
	expect(true, ""); /* a kernel that has none of them */
	set("user/max_user_namespaces", "15000\n");
	set("kernel/unprivileged_userns_clone", "1\n");
	set("kernel/apparmor_restrict_unprivileged_userns", "0\n");
	expect(false, "");
	set("kernel/apparmor_restrict_unprivileged_userns", "1\n");
	expect(true, "");
	expect(false, "sysctl kernel.apparmor_restrict_unprivileged_userns is 1");
	obstacle_userns(dir_fd, false, true, text, sizeof(text));
	assert_non_null(strstr(text, "is 1: load the AppArmor profile trpsupd"));
	set("user/max_user_namespaces", "0\n");
	expect(true, "sysctl user.max_user_namespaces is 0");
	expect(false, "sysctl user.max_user_namespaces is 0; sysctl kernel.apparmor_restrict_unprivileged_userns is 1");
	set("kernel/unprivileged_userns_clone", "nonsense");
	expect(true, "sysctl user.max_user_namespaces is 0");
	obstacle_userns(dir_fd, true, false, text, 10); /* cut, not overrun */
	assert_true(strlen(text) < 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_settings),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
