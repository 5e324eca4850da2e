/* SPDX-License-Identifier: ISC */
/* What `trpsup learn` makes of what it saw: paths, groups of system calls, sums over runs. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/io.h"
#include "sandbox/learn/learn.h"
#include "sandbox/seccomp_cover.h"
#include "supervisor/learn/learning.h"
#include "supervisor/profile/collapse.h"
#include "supervisor/service.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

static void joined(const char *base, const char *path, const char *expected)
{
	char out[LEARN_PATH_MAX];

	assert_int_equal(learn_join(base, path, out), 0);
	assert_string_equal(out, expected);
}

static void test_join(void **state)
{
	(void)state;
	joined("", "/", "/");
	joined("/a/b", "c", "/a/b/c");
	joined("/a/b", "../c/./d//e/", "/a/c/d/e");
	joined("/a", "../../../..", "/");
	joined("/a", "/x/../../y", "/y");
	joined("/", "a..b/...", "/a..b/...");
	joined("", "/proc/123/maps", "/proc/self/maps");
	joined("", "/proc/123/task/45/comm", "/proc/self/task/self/comm");
	joined("", "/proc/12x/maps", "/proc/12x/maps");
	joined("", "/srv/123/maps", "/srv/123/maps");
	joined("/proc", "7", "/proc/self");
}

static void test_join_refuses(void **state)
{
	char out[LEARN_PATH_MAX], longest[LEARN_PATH_MAX + 1];

	(void)state;
	assert_int_equal(learn_join("", "relative", out), -EINVAL);
	assert_int_equal(learn_join("socket:[1]", "x", out), -EINVAL);
	assert_int_equal(learn_join("", "/a\nb", out), -EINVAL);
	assert_int_equal(learn_join("", "/a\033[2J", out), -EINVAL);
	assert_int_equal(learn_join("", "/\x7f", out), -EINVAL);
	memset(longest, 'x', sizeof(longest));
	longest[0] = '/';
	longest[LEARN_PATH_MAX] = '\0';
	assert_int_equal(learn_join("", longest, out), -ENAMETOOLONG);
	longest[LEARN_PATH_MAX - 1] = '\0';
	joined("", longest, longest);
}

#define COLLAPSED(expected, ...) collapsed(expected, (const char *[]){__VA_ARGS__}, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *))

static void collapsed(const char *expected, const char **paths, size_t n)
{
	struct strv lines = {0};
	char all[2000] = "";

	assert_int_equal(collapse_paths(paths, n, &lines), 0);
	for (size_t i = 0; i < lines.n; i++) {
		strcat(all, i ? "|" : "");
		strcat(all, lines.v[i]);
	}
	assert_string_equal(all, expected);
	strv_free(&lines);
}

static void test_collapse(void **state)
{
	(void)state;
	COLLAPSED("/a/b/c", "/a/b/c");
	COLLAPSED("/a/b/1|/a/b/2|/a/b/3|/a/b/4", "/a/b/4", "/a/b/1", "/a/b/3", "/a/b/2");
	COLLAPSED("/a/b/**", "/a/b/1", "/a/b/2", "/a/b/3", "/a/b/4", "/a/b/5");
	/* the longest prefix: what lies beside it stays */
	COLLAPSED("/a/b/**|/a/c|/a/d/e", "/a/b/1", "/a/b/2", "/a/b/3", "/a/b/4", "/a/b/5", "/a/c", "/a/d/e");
	/* a directory, what is below it, and what only begins with its name */
	COLLAPSED("/a/b|/a/b/x|/a/b-c", "/a/b-c", "/a/b/x", "/a/b");
	/* directories with many lines fall together again */
	COLLAPSED("/a/b/**", "/a/b/1/x", "/a/b/2/x", "/a/b/3/x", "/a/b/4/x", "/a/b/5/x");
	/* at the top more is named, and "/" never falls together */
	COLLAPSED("/a/1|/a/2|/a/3|/a/4|/a/5|/a/6", "/a/1", "/a/2", "/a/3", "/a/4", "/a/5", "/a/6");
	COLLAPSED("/a/**", "/a/1", "/a/2", "/a/3", "/a/4", "/a/5", "/a/6", "/a/7", "/a/8", "/a/9", "/a/A", "/a/B", "/a/C", "/a/D");
	COLLAPSED("/1|/2|/3|/4|/5|/6|/7|/8|/9|/A|/B|/C|/D|/E", "/1", "/2", "/3", "/4", "/5", "/6", "/7", "/8", "/9", "/A", "/B",
		"/C", "/D", "/E");
	COLLAPSED("/", "/");
}

#define COVER(expected, exact, ...)                                                                                          \
	cover(expected, exact, (const char *const[]){__VA_ARGS__}, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *))

static void cover(const char *expected, bool exact, const char *const *names, size_t n)
{
	const char *words[64];
	char all[2000] = "";
	size_t n_words = seccomp_cover(names, n, exact, words);

	for (size_t i = 0; i < n_words; i++) {
		strcat(all, i ? " " : "");
		strcat(all, words[i]);
	}
	assert_string_equal(all, expected);
	for (size_t i = 0; i < n; i++)
		assert_true(seccomp_words_allow(words, n_words, names[i]));
}

static void test_cover(void **state)
{
	(void)state;
	COVER("", false, "read", "execve", "clone"); /* always allowed */
	COVER("socket", false, "socket");            /* not that one */
	COVER("fsync", false, "fsync");
	COVER("@sync", false, "fsync", "fdatasync", "msync");
	COVER("fdatasync fsync msync", true, "fdatasync", "fsync", "msync");
	COVER("@landlock", false, "landlock_add_rule"); /* a third of it */
	COVER("@ipc mkdirat", false, "shmget", "shmat", "shmdt", "semget", "semop", "semctl", "mkdirat");
	COVER("fsync", false, "fsync", "fsync");
	/* what is dangerous is never suggested as a group */
	COVER("keyctl ptrace", false, "keyctl", "ptrace");
	COVER("io_setup io_submit io_getevents", false, "io_setup", "io_submit", "io_getevents");
}

static void test_within(void **state)
{
	static const char *const outer[] = {"@default", "-fsync"};

	(void)state;
	assert_true(seccomp_within((const char *const[]){"@ipc", "fdatasync"}, 2, outer, 2));
	assert_true(seccomp_within(outer, 2, outer, 2));
	assert_false(seccomp_within((const char *const[]){"@sync"}, 1, outer, 2));
	assert_false(seccomp_within((const char *const[]){"bpf"}, 1, outer, 2));
	assert_false(seccomp_within((const char *const[]){"@nonsense"}, 1, outer, 2));
	assert_true(seccomp_is_always("read") && !seccomp_is_always("socket") && !seccomp_is_always("bpf"));
	assert_string_equal(seccomp_group_of("fsync")->name, "@sync");
	assert_null(seccomp_group_of("bpf"));
}

static void test_call_names(void **state)
{
	char *name = seccomp_call_name(SYS_openat);

	(void)state;
	assert_string_equal(name, "openat");
	free(name);
	name = seccomp_call_name(1001);
	assert_string_equal(name, "#1001");
	free(name);
}

static void test_forms_and_descriptors(void **state)
{
	uint32_t form[LEARN_ARGS] = {0};
	struct learn_call c = {.nr = SYS_socket, .args = {AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 6}};
	struct learn_path p;

	(void)state;
	assert_int_equal(calls_form(&c, form), 3);
	assert_true(form[0] == AF_INET6 && form[1] == SOCK_STREAM && form[2] == 6);
	assert_int_equal(calls_descriptor(&c, 7), 7);
	assert_int_equal(calls_descriptor(&c, -EMFILE), -1);
	c = (struct learn_call){.nr = SYS_close, .args = {9}};
	assert_int_equal(calls_descriptor(&c, 0), 9);
	assert_int_equal(calls_form(&c, form), 0);
	c = (struct learn_call){.nr = SYS_clone, .args = {CLONE_NEWNET | CLONE_VM}};
	assert_int_equal(calls_form(&c, form), 1);
	assert_int_equal(form[0], CLONE_NEWNET);
	c = (struct learn_call){.nr = SYS_fcntl, .args = {3, F_DUPFD_CLOEXEC}};
	assert_int_equal(calls_descriptor(&c, 12), 12);
	c = (struct learn_call){.nr = SYS_renameat2, .args = {1, 0, 2, 0}};
	assert_true(calls_path(&c, 0, &p) && p.dir == 0 && p.name == 1 && calls_path(&c, 1, &p) && p.dir == 2 && p.name == 3);
	assert_false(calls_path(&c, 2, &p));
	c = (struct learn_call){.nr = SYS_mmap, .args = {0, 1, PROT_READ, MAP_PRIVATE, 5}};
	assert_false(calls_path(&c, 0, &p)); /* not executable */
	c.args[2] |= PROT_EXEC;
	assert_true(calls_path(&c, 0, &p) && p.name == -1 && p.uses == LEARN_EXEC);
	c.args[3] |= MAP_ANONYMOUS;
	assert_false(calls_path(&c, 0, &p)); /* no file */
}

static json_t *run_with(uint64_t times, const char *path, unsigned uses)
{
	json_t *facts = facts_new();
	struct learn_msg m = {.type = LEARN_CALL, .nr = SYS_openat, .times = times, .refused = 1};

	facts_take(facts, &m);
	m.type = LEARN_FORM;
	m.args[0] = 3;
	facts_take(facts, &m);
	facts_take(facts, &(struct learn_msg){.type = LEARN_PEAK, .nr = LEARN_FILES, .times = times});
	m = (struct learn_msg){.type = LEARN_PATH, .uses = (uint16_t)uses};
	strcpy(m.path, path);
	facts_take(facts, &m);
	json_object_set_new(facts, "runs", json_integer(1));
	assert_true(facts_valid(facts));
	return facts;
}

static void test_facts_add_up(void **state)
{
	json_t *a = run_with(5, "/x", LEARN_READ), *b = run_with(3, "/x", LEARN_WRITE), *c = run_with(1, "/\xff", LEARN_EXEC);
	const json_t *counts;

	(void)state;
	facts_add(a, b);
	facts_add(a, c);
	counts = json_object_get(json_object_get(a, "calls"), "openat");
	assert_int_equal(json_integer_value(json_array_get(counts, 0)), 9);
	assert_int_equal(json_integer_value(json_array_get(counts, 1)), 3);
	counts = json_object_get(json_object_get(a, "forms"), "openat:3:0:0");
	assert_int_equal(json_integer_value(json_array_get(counts, 0)), 9);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(a, "peaks"), "files")), 5);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(a, "paths"), "/x")), LEARN_READ | LEARN_WRITE);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(a, "paths"), "/\\xff")), LEARN_EXEC);
	assert_int_equal(json_integer_value(json_object_get(a, "runs")), 3);
	assert_false(json_is_true(json_object_get(a, "cut")));
	facts_take(b, &(struct learn_msg){.type = LEARN_CUT});
	facts_add(a, b);
	assert_true(json_is_true(json_object_get(a, "cut")));
	json_decref(a);
	json_decref(b);
	json_decref(c);
}

/* trp-learn may have been taken over. */
static void test_facts_are_bounded(void **state)
{
	struct learn_msg m = {.type = LEARN_CALL, .nr = LEARN_NR_MAX, .times = UINT64_MAX};
	json_t *facts = facts_new();

	(void)state;
	facts_take(facts, &m);
	m.nr = -1;
	facts_take(facts, &m);
	m = (struct learn_msg){.type = LEARN_PEAK, .nr = LEARN_PEAK_COUNT, .times = 7};
	facts_take(facts, &m);
	m = (struct learn_msg){.type = LEARN_PATH, .uses = 0xffff, .path = "relative"};
	facts_take(facts, &m);
	memset(m.path, '/', sizeof(m.path)); /* no end */
	facts_take(facts, &m);
	facts_take(facts, &(struct learn_msg){.type = 99});
	assert_int_equal(json_object_size(json_object_get(facts, "calls")), 0);
	assert_int_equal(json_object_size(json_object_get(facts, "paths")), 0);
	assert_int_equal(json_object_size(json_object_get(facts, "peaks")), 0);
	memset(m.path, 0, sizeof(m.path));
	for (unsigned i = 0; i < LEARN_PATHS_MAX + 10; i++) {
		snprintf(m.path, sizeof(m.path), "/%u", i);
		facts_take(facts, &m);
	}
	assert_int_equal(json_object_size(json_object_get(facts, "paths")), LEARN_PATHS_MAX);
	assert_true(json_is_true(json_object_get(facts, "cut")));
	for (unsigned i = 0; i < 5000; i++)
		facts_take(facts, &(struct learn_msg){.type = LEARN_FORM, .nr = SYS_ioctl, .args = {i}, .times = UINT64_MAX});
	assert_true(json_object_size(json_object_get(facts, "forms")) < 5000);
	assert_true(facts_valid(facts));
	json_decref(facts);
}

static void test_facts_of_another_shape(void **state)
{
	static const char *const bad[] = {"{}", "[]", "{\"version\":2,\"runs\":0,\"seconds\":0.0,\"cut\":false,\"calls\":{},\"forms\":{},\"paths\":{},\"peaks\":{}}",
		"{\"version\":1,\"runs\":0,\"seconds\":0.0,\"cut\":false,\"calls\":{\"a\":[1,2,3]},\"forms\":{},\"paths\":{},\"peaks\":{}}",
		"{\"version\":1,\"runs\":0,\"seconds\":0.0,\"cut\":false,\"calls\":{\"a\":[1,2,3,-4]},\"forms\":{},\"paths\":{},\"peaks\":{}}",
		"{\"version\":1,\"runs\":0,\"seconds\":0.0,\"cut\":false,\"calls\":{},\"forms\":{},\"paths\":{\"/\":\"r\"},\"peaks\":{}}",
		"{\"version\":1,\"runs\":0,\"seconds\":0.0,\"cut\":false,\"calls\":{},\"forms\":{},\"paths\":{}}"};

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(bad); i++) {
		json_t *facts = json_loads(bad[i], 0, NULL);
		assert_non_null(facts);
		assert_false(facts_valid(facts));
		json_decref(facts);
	}
}

/* What was kept of all runs can be read again, however much trp-learn says. */
static void test_file_of_the_longest_paths(void **state)
{
	char dir[] = "/tmp/test-learn.XXXXXX";
	struct config config = {.state_dir = mkdtemp(dir)};
	struct daemon d = {.config = &config};
	struct service s = {.d = &d, .name = (char *)"web"};
	char err[400] = "";
	json_t *all;

	(void)state;
	learning_run_began(&s);
	for (int i = 0; i < LEARN_PATHS_MAX; i++) {
		struct learn_msg m = {.magic = LEARN_MAGIC, .type = LEARN_PATH, .uses = LEARN_READ};
		memset(m.path, 1, sizeof(m.path) - 1);
		m.path[snprintf(m.path, sizeof(m.path), "/%d", i)] = 1;
		learning_take(&s, &m);
	}
	learning_run_ended(&s, true);
	json_decref(s.learning.known);
	s.learning.known = NULL;
	all = learning_describe(&s, err, sizeof(err));
	assert_string_equal(err, "");
	assert_int_equal(json_object_size(json_object_get(json_object_get(all, "learnt"), "paths")), LEARN_PATHS_MAX);
	json_decref(all);
	json_decref(s.learning.known);
	assert_int_equal(trp_remove_tree(AT_FDCWD, dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_join), cmocka_unit_test(test_join_refuses),
		cmocka_unit_test(test_collapse), cmocka_unit_test(test_cover), cmocka_unit_test(test_within),
		cmocka_unit_test(test_call_names), cmocka_unit_test(test_forms_and_descriptors), cmocka_unit_test(test_facts_add_up),
		cmocka_unit_test(test_facts_are_bounded), cmocka_unit_test(test_facts_of_another_shape),
		cmocka_unit_test(test_file_of_the_longest_paths)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
