/* SPDX-License-Identifier: ISC */
/* The main process by its pid file: what the file may say and be, and the number that the host has for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/io.h"
#include "base/pidfile.h"
#include "supervisor/mainpid.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

static void test_parse(void **state)
{
	static const struct {
		const char *text;
		int pid; /* -1: refused */
	} cases[] = {
		{"17\n", 17}, {"17", 17}, {" 17 \r\n", 17}, {"\t4194304\n", 4194304}, {"0017\n", 17},
		{"23\n/var/lib/postgresql\n5432\n", 23}, {"2", 2},
		{"", -1}, {"\n17\n", -1}, {"1", -1}, {"0\n", -1}, {"-17\n", -1}, {"+17\n", -1}, {"17x\n", -1}, {"17 18\n", -1},
		{"4194305\n", -1}, {"99999999999999999999999999999999\n", -1}, {"0x11\n", -1}, {"pid 17\n", -1}, {" \n", -1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		pid_t pid = -1;
		int r = trp_pidfile_parse(cases[i].text, strlen(cases[i].text), &pid);
		if (pid != cases[i].pid || r != (pid < 0 ? -EINVAL : 0))
			fail_msg("'%s': %d, %d", cases[i].text, r, pid);
	}
	/* a byte 0 is no digit and no end, and the length counts */
	pid_t pid = -1;
	assert_int_equal(trp_pidfile_parse("17\0\n", 4, &pid), -EINVAL);
	assert_int_equal(trp_pidfile_parse("1719", 2, &pid), 0);
	assert_int_equal(pid, 17);
}

static char dir[64];

static const char *path(const char *name)
{
	static char text[100];

	snprintf(text, sizeof(text), "%s/%s", dir, name);
	return text;
}

static int make_dir(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/trpsup-unit-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int drop_dir(void **state)
{
	(void)state;
	return trp_remove_tree(AT_FDCWD, dir);
}

static void expect(const char *name, int error)
{
	pid_t pid = -1;
	int r = trp_pidfile_read(name, &pid);

	if (r != error || pid != (error ? -1 : 17))
		fail_msg("%s: %d (%s), %d", name, r, strerror(-r), pid);
}

/* Whatever it is: an answer at once, and only a real file is believed. */
static void test_read(void **state)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd, sock = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	assert_int_equal(trp_write_atomic(AT_FDCWD, path("good"), "17\n", 3, 0600), 0);
	expect(path("good"), 0);
	expect(path("none"), -ENOENT);
	expect(dir, -EINVAL);
	assert_int_equal(symlink("good", path("link")), 0);
	expect(path("link"), -ELOOP);
	assert_int_equal(mkfifo(path("fifo"), 0600), 0);
	expect(path("fifo"), -EINVAL);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path("socket"));
	assert_int_equal(bind(sock, (struct sockaddr *)&addr, sizeof(addr)), 0);
	expect(path("socket"), -ENXIO);
	close(sock);
	expect("/dev/zero", -EINVAL);
	expect("/dev/tty", access("/dev/tty", R_OK) == 0 ? -ENXIO : -ENOENT);
	/* in a directory that is a link into /proc, too */
	assert_int_equal(symlink("/proc/self", path("proc")), 0);
	expect(path("proc/stat"), -EINVAL);
	expect(path("proc/loginuid"), -EINVAL);
	/* a terabyte of nothing behind it */
	fd = open(path("large"), O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, "17\n", 3), 3);
	assert_int_equal(ftruncate(fd, 1ll << 40), 0);
	close(fd);
	expect(path("large"), 0);
}

/* Another process has a lease on it, which a plain open(2) would wait for. */
static void test_lease(void **state)
{
	int ready[2], status;
	char byte;
	pid_t child;

	(void)state;
	assert_int_equal(trp_write_atomic(AT_FDCWD, path("leased"), "17\n", 3, 0600), 0);
	assert_int_equal(pipe(ready), 0);
	child = fork();
	if (child == 0) {
		int fd = open(path("leased"), O_RDWR);
		signal(SIGIO, SIG_IGN);
		if (fcntl(fd, F_SETLEASE, F_WRLCK) < 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	expect(path("leased"), -EAGAIN);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &status, 0), child);
	close(ready[0]);
}

static void test_innermost(void **state)
{
	static const struct {
		const char *text;
		int pid;
	} cases[] = {
		{"Name:\tnginx\nPid:\t900\nNSpid:\t900\t7\nTracerPid:\t0\n", 7},
		{"Name:\tnginx\nNSpid:\t900\n", 900},
		{"Name:\tnginx\nNSpid:\t900\t31\t2\nNSpgid:\t1\n", 2},
		{"Name:\tnginx\nPid:\t900\n", -1},
		{"Name:\tNSpid:\t5\nPid:\t900\n", -1},
		{"Name:\ta\\nNSpid:\t5\nNSpid:\t900\t8\n", 8}, /* as the kernel shows a name with a newline */
		{"Name:\ta\nNSpid:\t900\t12", -1},            /* cut off */
		{"Name:\ta\nNSpid:\t900\tx\n", -1},
		{"", -1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(mainpid_innermost(cases[i].text, strlen(cases[i].text)), cases[i].pid);
}

/* Of children alone, and by the number that they have themselves. */
static void test_on_host(void **state)
{
	pid_t child = fork();
	int status;

	(void)state;
	if (child == 0) {
		pause();
		_exit(0);
	}
	assert_int_equal(mainpid_on_host(getpid(), child), child);
	assert_int_equal(mainpid_on_host(getpid(), getpid()), -1);
	assert_int_equal(mainpid_on_host(child, child), -1);
	assert_int_equal(mainpid_on_host(getpid(), 0), -1);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	assert_int_equal(mainpid_on_host(getpid(), child), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test_setup_teardown(test_read, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(test_lease, make_dir, drop_dir),
		cmocka_unit_test(test_innermost),
		cmocka_unit_test(test_on_host),
	};

	return cmocka_run_group_tests_name("pidfile", tests, NULL, NULL);
}
