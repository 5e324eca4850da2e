/* SPDX-License-Identifier: ISC */
/* Who looks for a service's sockets looks at each descriptor of its processes: there are no more of those than the daemon has time for. wrap: readlinkat */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "supervisor/livesocks.c" /* its statics are what is tried */

static unsigned n_looks;

ssize_t __real_readlinkat(int dir, const char *path, char *buf, size_t size);
ssize_t __wrap_readlinkat(int dir, const char *path, char *buf, size_t size);
ssize_t __wrap_readlinkat(int dir, const char *path, char *buf, size_t size)
{
	n_looks++;
	return __real_readlinkat(dir, path, buf, size);
}

/* A group with this process in it so many times. */
static struct cgroup make_group(unsigned times, char dir[32])
{
	cleanup_close int fd = -1;
	struct cgroup cg = {CGROUP_NONE};

	strcpy(dir, "/tmp/trpsup-unit-XXXXXX");
	assert_non_null(mkdtemp(dir));
	cg.v2_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fd = openat(cg.v2_fd, "cgroup.procs", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	for (unsigned i = 0; i < times; i++)
		dprintf(fd, "%d\n", getpid());
	return cg;
}

static int look(unsigned times, size_t *ret_n)
{
	char dir[32];
	struct cgroup cg = make_group(times, dir);
	struct inodes set = {.v = NULL};
	int r = sockets_of_group(&cg, &set);

	*ret_n = set.n;
	free(set.v);
	close(cg.v2_fd);
	assert_int_equal(trp_remove_tree(AT_FDCWD, dir), 0);
	return r;
}

static void test_sockets_are_found(void **state)
{
	int pair[2];
	size_t before, n;

	(void)state;
	assert_int_equal(look(1, &before), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(look(3, &n), 0);
	assert_int_equal(n, before + 2);
	close(pair[0]);
	close(pair[1]);
}

static void test_more_than_there_is_time_for(void **state)
{
	int fds[500];
	size_t n;

	(void)state;
	for (unsigned i = 0; i < TRP_ARRAY_SIZE(fds); i++) {
		fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		assert_true(fds[i] >= 0);
	}
	assert_int_equal(look(100, &n), 0);
	n_looks = 0;
	assert_int_equal(look(1000, &n), -E2BIG);
	assert_true(n_looks <= 100000);
	for (unsigned i = 0; i < TRP_ARRAY_SIZE(fds); i++)
		close(fds[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sockets_are_found),
		cmocka_unit_test(test_more_than_there_is_time_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
