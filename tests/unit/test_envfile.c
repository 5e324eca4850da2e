/* SPDX-License-Identifier: ISC */
/* Environment files: what their lines mean, what is refused and in which words; and files that somebody else could have written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/trusted.h"
#include "supervisor/profile/envfile.h"

#include "profile_files.h"

/* "NAME=value|NAME=value" */
static void set_is(const struct env_set *set, const char *want)
{
	char text[1024] = "";

	for (size_t i = 0; i < set->n; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s=%s", i ? "|" : "", set->v[i].name, set->v[i].value);
	assert_string_equal(text, want);
}

static void test_values(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{"", ""},
		{"A=1\nB=2", "A=1|B=2"},
		{"\n  # x\n;y\n\t\nA=1\r\nB=2\r\n", "A=1|B=2"},
		{"A=  plain text \t\nB=x", "A=plain text|B=x"},
		{" A = x\n", "A=x"},
		{"A=\nB= \nC=\"\"\n", "A=|B=|C="},
		{"A=1\nB=x\nA=2\n", "A=2|B=x"},
		{"A=a=b # no comment\n", "A=a=b # no comment"},
		/* quotes */
		{"A=\" x \"\nB=' y '  \n", "A= x |B= y "},
		{"A=\"a \\\" \\\\ \\$ \\` \\x\"\n", "A=a \" \\ $ ` \\x"},
		{"A='a \\\" \\' B\n", "A=a \\\" \\B"},
		{"A=\"over\nlines\"\nB='and\nmore'\n", "A=over\nlines|B=and\nmore"},
		{"A=\"a\" 'b'  c\n", "A=abc"},
		/* where plain text has begun, they are no quotes */
		{"A=it's \"so\"\nB=2\n", "A=it's \"so\"|B=2"},
		{"A=\\\"x\"\n", "A=\"x\""},
		/* continued */
		{"A=one \\\ntwo\nB=x\\\r\ny\n", "A=one two|B=xy"},
		{"A=\"one \\\ntwo\"\n", "A=one two"},
		{"A=x\\ \n", "A=x "},
		{"A=\\\n", "A="},
		/* a comment does not go on */
		{"# x \\\nA=1\n", "A=1"},
		/* nothing is expanded */
		{"A=$B ${C} `d` ~\n", "A=$B ${C} `d` ~"},
		{"A=\xc3\xa4\n", "A=\xc3\xa4"},
	};

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(rows); i++) {
		struct env_set set = {0};
		int r = envfile_parse("x.env", rows[i].text, strlen(rows[i].text), &set, &errors);
		if (r != 0 || errors.n != 0)
			fail_msg("%s: %d, %s", rows[i].text, r, errors.n ? errors.v[0] : "");
		set_is(&set, rows[i].want);
		env_set_free(&set);
	}
}

static void test_mistakes(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{"A=1\nB\n", "x.env:2: expected NAME=VALUE"},
		{"export\n", "x.env:1: expected NAME=VALUE"},
		{"export A=1\n", "x.env:1: export A: not a name of an environment variable, expected letters, digits and _"},
		{"=1\n", "x.env:1: not a name"},
		{"1A=1\n", "x.env:1: 1A: not a name"},
		{"\xc3\xa4=1\n", "not a name"},
		{"LD_PRELOAD=/x\n", "x.env:1: LD_PRELOAD: refused"},
		{"NOTIFY_SOCKET=/x\n", "x.env:1: NOTIFY_SOCKET: refused"},
		{"A=1\n\nB=\"x\ny\n", "x.env:3: B: a \" is not closed"},
		{"A='\n", "x.env:1: A: a ' is not closed"},
		{"A=x\\", "x.env:1: A: nothing follows the backslash"},
		{"A=1\nB=\x01\n", "x.env:2: the byte 0x01 does not belong here"},
		{"A=1\nB=\xff\n", "x.env:2: the byte 0xff does not belong here"},
		{"A=1\nA=1\rB=2\n", "x.env:2: a carriage return stands here"},
	};

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(rows); i++) {
		struct env_set set = {0};
		int r = envfile_parse("x.env", rows[i].text, strlen(rows[i].text), &set, &errors);
		if (r != -EINVAL || errors.n != 1 || !strstr(errors.v[0], rows[i].want))
			fail_msg("%s: %d, %s", rows[i].text, r, errors.n ? errors.v[0] : "");
		env_set_free(&set);
		profile_errors_free(&errors);
	}
}

/* All of them are reported, each with its line. */
static void test_all_mistakes(void **state)
{
	static const char text[] = "A\nB=\"\n\"\n1=2\nC=3\nLD_PRELOAD=x\n\0";
	struct env_set set = {0};

	(void)state;
	assert_int_equal(envfile_parse("x.env", text, sizeof(text) - 2, &set, &errors), -EINVAL);
	set_is(&set, "B=\n|C=3");
	assert_int_equal(set.v[1].where.line, 5);
	assert_int_equal(errors.n, 3);
	assert_non_null(strstr(errors.v[1], "x.env:4: 1: "));
	profile_errors_free(&errors);
	env_set_free(&set);
	/* a NUL would cut a value off without a word */
	assert_int_equal(envfile_parse("x.env", text, sizeof(text) - 1, &set, &errors), -EINVAL);
	assert_int_equal(set.n, 0);
	profile_errors_free(&errors);
}

static void test_bounds(void **state)
{
	char text[ENVFILE_VARS * 8 + 32];
	struct env_set set = {0};
	size_t len = 0;

	(void)state;
	for (int i = 0; i <= ENVFILE_VARS; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "A%d=x\n", i);
	assert_int_equal(envfile_parse("x.env", text, len, &set, &errors), -EINVAL);
	assert_int_equal(set.n, ENVFILE_VARS);
	assert_int_equal(errors.n, 1);
	assert_non_null(strstr(errors.v[0], "more than 512 variables"));
	profile_errors_free(&errors);
	env_set_free(&set);
}

/* Of a profile that names these: what it reads. -errno */
static int read_files(struct env_set *ret, const char *first, bool optional, const char *second)
{
	struct profile_env_file files[] = {{(char *)first, optional, {"p.ini", 3}}, {(char *)second, false, {"p.ini", 4}}};
	struct profile p = {.env_files = files, .n_env_files = second ? 2 : 1};

	return envfile_read_all(&p, ret, &errors);
}

static void test_files(void **state)
{
	struct env_set set = {0};

	(void)state;
	file_write("a.env", "A=1\nB=1\n");
	file_write("b.env", "B=2\nC=2\n");
	assert_int_equal(read_files(&set, file_path("a.env"), false, file_path("b.env")), 0);
	set_is(&set, "A=1|B=2|C=2");
	env_set_free(&set);
	assert_int_equal(read_files(&set, file_path("none.env"), true, file_path("b.env")), 0);
	set_is(&set, "B=2|C=2");
	env_set_free(&set);
	assert_int_equal(read_files(&set, file_path("none.env"), false, file_path("b.env")), -ENOENT);
	errors_are(&errors, "p.ini:3: environment-file: $/none.env: No such file or directory", NULL);
	/* may be missing is not: may be wrong */
	file_write("bad.env", "A\n");
	assert_int_equal(read_files(&set, file_path("bad.env"), true, NULL), -EINVAL);
	errors_are(&errors, "$/bad.env:1: expected NAME=VALUE", NULL);
	assert_int_equal(set.n, 0);
}

/* What open says of the path: 0 or -errno, with its words. */
static void expect(const char *path, int error, const char *words)
{
	char why[300];
	int fd = trp_open_trusted(path, why, sizeof(why));

	if ((error == 0) != (fd >= 0) || (error && fd != error) || (words && !strstr(why, words)))
		fail_msg("%s: %d, %s", path, fd, why);
	if (fd >= 0)
		close(fd);
}

static void test_trusted(void **state)
{
	char long_path[5000];

	(void)state;
	file_write("t/dir/file", "x");
	expect(file_path("t/dir/file"), 0, NULL);
	expect(file_path("t/dir/none"), -ENOENT, "No such file");
	expect(file_path("t/none/file"), -ENOENT, "none: No such file");
	expect(file_path("t/dir"), -EINVAL, "not a regular file");
	expect(file_path("t/dir/file/x"), -ENOTDIR, "Not a directory");
	expect("/dev/null", -EINVAL, "not a regular file");
	expect("relative", -EINVAL, "not an absolute path");
	memset(long_path, '/', sizeof(long_path) - 1);
	long_path[sizeof(long_path) - 1] = '\0';
	expect(long_path, -EINVAL, NULL);
	/* who could write to it */
	assert_int_equal(chmod(file_path("t/dir/file"), 0664), 0);
	expect(file_path("t/dir/file"), -EPERM, "file: others than root can write to it");
	assert_int_equal(chmod(file_path("t/dir/file"), 0646), 0);
	expect(file_path("t/dir/file"), -EPERM, "others than root");
	assert_int_equal(chmod(file_path("t/dir/file"), 0600), 0);
	/* ... or put another in its place; with the sticky bit nobody but the owner can */
	assert_int_equal(chmod(file_path("t/dir"), 0777), 0);
	expect(file_path("t/dir/file"), -EPERM, "dir: others than root");
	assert_int_equal(chmod(file_path("t/dir"), 01777), 0);
	expect(file_path("t/dir/file"), 0, NULL);
	assert_int_equal(mkfifo(file_path("t/fifo"), 0600), 0);
	expect(file_path("t/fifo"), -EINVAL, "not a regular file");
}

static void test_trusted_links(void **state)
{
	(void)state;
	file_write("l/dir/file", "x");
	assert_int_equal(symlink("dir/file", file_path("l/link")), 0);
	assert_int_equal(symlink(file_path("l/dir"), file_path("l/absolute")), 0);
	assert_int_equal(symlink("../l/./absolute/", file_path("l/dirlink")), 0);
	assert_int_equal(symlink("loop", file_path("l/loop")), 0);
	assert_int_equal(symlink("nowhere", file_path("l/dangling")), 0);
	expect(file_path("l/link"), 0, NULL);
	expect(file_path("l/absolute/file"), 0, NULL);
	expect(file_path("l/dirlink/file"), 0, NULL);
	expect(file_path("l/loop"), -ELOOP, NULL);
	expect(file_path("l/dangling"), -ENOENT, NULL);
	/* what a link leads through counts as what is written */
	assert_int_equal(chmod(file_path("l/dir"), 0777), 0);
	expect(file_path("l/link"), -EPERM, "dir: others than root");
	expect(file_path("l/dirlink/file"), -EPERM, "dir: others than root");
}

/* Somebody else's: as root only can it be made. */
static void test_trusted_owner(void **state)
{
	(void)state;
	if (geteuid() != 0)
		return;
	file_write("o/dir/file", "x");
	assert_int_equal(chown(file_path("o/dir/file"), 1, 0), 0);
	expect(file_path("o/dir/file"), -EPERM, "file: belongs to another user");
	assert_int_equal(chown(file_path("o/dir/file"), 0, 0), 0);
	assert_int_equal(chown(file_path("o/dir"), 1, 0), 0);
	expect(file_path("o/dir/file"), -EPERM, "dir: belongs to another user");
	assert_int_equal(symlink("dir/file", file_path("o/link")), 0);
	assert_int_equal(chown(file_path("o/dir"), 0, 0), 0);
	assert_int_equal(lchown(file_path("o/link"), 1, 0), 0);
	expect(file_path("o/link"), -EPERM, "link: belongs to another user");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_all_mistakes),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test_setup_teardown(test_files, files_setup, files_teardown),
		cmocka_unit_test_setup_teardown(test_trusted, files_setup, files_teardown),
		cmocka_unit_test_setup_teardown(test_trusted_links, files_setup, files_teardown),
		cmocka_unit_test_setup_teardown(test_trusted_owner, files_setup, files_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
