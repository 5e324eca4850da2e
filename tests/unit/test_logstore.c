/* SPDX-License-Identifier: ISC */
/* Log files: when they are rotated, compressed and removed, and reading them all again. With times of our own. wrap: fdatasync */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/io.h"
#include "supervisor/logger/logpack.h"
#include "supervisor/logger/logstore.h"
#include "supervisor/logread/logread.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define SECOND 1000000ull
#define BEGIN  1795694400000000ull /* 2026-11-26T12:00:00Z */

static struct {
	char dir[32];
	int dir_fd;
	struct logstore *store;
	struct log_limits limits;
	uint64_t now;
	char seen[256 * 1024]; /* "SERVICE STREAM TEXT\n" */
	size_t n_seen;
} t;

static unsigned n_synced;
int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd)
{
	(void)fd;
	n_synced++;
	return 0;
}

static int setup(void **state)
{
	(void)state;
	memset(&t, 0, sizeof(t));
	strcpy(t.dir, "/tmp/test-store.XXXXXX");
	assert_non_null(mkdtemp(t.dir));
	t.dir_fd = open(t.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	t.now = BEGIN;
	t.limits = (struct log_limits){.size = 1000, .files = 3};
	return logstore_open(t.dir_fd, t.now, &t.store);
}

static int teardown(void **state)
{
	(void)state;
	logstore_free(t.store);
	close(t.dir_fd);
	return trp_remove_tree(AT_FDCWD, t.dir);
}

static void put_stream(const char *service, const char *stream, const char *text)
{
	char time[LOGTEXT_TIME], line[6000];
	uint64_t lost;
	int error, n;

	logtext_time(t.now, time);
	n = snprintf(line, sizeof(line), "%s %s %s\n", time, stream, text);
	logstore_write(t.store, service, &t.limits, line, (size_t)n, t.now, &lost, &error);
	assert_int_equal(error, 0);
	assert_int_equal(lost, 0);
	t.now++;
}

static void put(const char *service, const char *text)
{
	put_stream(service, "out", text);
}

/* 100 bytes each. */
static void put_numbers(const char *service, unsigned from, unsigned to)
{
	char text[80];

	for (; from < to; from++) {
		snprintf(text, sizeof(text), "%067u", from);
		put(service, text);
	}
}

static void see(void *data, const char *service, const char *text, size_t len)
{
	struct log_line l;

	(void)data;
	assert_true(logtext_line(text, len, &l));
	t.n_seen += (size_t)snprintf(
		t.seen + t.n_seen, sizeof(t.seen) - t.n_seen, "%s %s %.*s\n", service, logtext_streams[l.stream], (int)l.len, l.text);
	assert_true(t.n_seen < sizeof(t.seen));
}

static struct logread_request all_lines(void)
{
	return (struct logread_request){.lines = UINT64_MAX, .streams = 7, .until = UINT64_MAX};
}

/* names: of n services. */
static const char *read_back(const struct logread_request *q, const char *names, size_t n)
{
	struct logread *r;
	char err[200] = "";

	t.n_seen = 0;
	t.seen[0] = '\0';
	assert_int_equal(logread_open(t.dir_fd, q, names, n, see, NULL, &r, err, sizeof(err)), 0);
	assert_int_equal(logread_go(r), 0);
	logread_close(r);
	return t.seen;
}

static void expect_numbers(const char *text, const char *service, unsigned from, unsigned to)
{
	char want[200];

	for (; from < to; from++) {
		snprintf(want, sizeof(want), "%s out %067u\n", service, from);
		assert_int_equal(strncmp(text, want, strlen(want)), 0);
		text += strlen(want);
	}
	assert_string_equal(text, "");
}

/* Files whose name begins and ends so, and the bytes of all. */
static unsigned files(const char *begin, const char *end, uint64_t *bytes)
{
	DIR *d = opendir(t.dir);
	struct dirent *e;
	struct stat st;
	unsigned n = 0;

	if (bytes)
		*bytes = 0;
	while ((e = readdir(d))) {
		size_t len = strlen(e->d_name);
		if (e->d_name[0] == '.' || strncmp(e->d_name, begin, strlen(begin)) != 0 || len < strlen(end) ||
			strcmp(e->d_name + len - strlen(end), end) != 0)
			continue;
		assert_int_equal(fstatat(t.dir_fd, e->d_name, &st, 0), 0);
		if (bytes)
			*bytes += (uint64_t)st.st_size;
		n++;
	}
	closedir(d);
	return n;
}

static unsigned pack_all(void)
{
	unsigned n = 0;
	int in, out;

	while (logstore_pack(t.store, &in, &out) == 0) {
		assert_int_equal(logpack(in, out), 0);
		close(in);
		close(out);
		logstore_packed(t.store, true, t.now);
		n++;
	}
	return n;
}

static void reopen(void)
{
	logstore_free(t.store);
	assert_int_equal(logstore_open(t.dir_fd, t.now, &t.store), 0);
}

/* ---- tests ---- */

static void test_size_and_number(void **state)
{
	struct logread_request q = all_lines();
	uint64_t bytes;

	(void)state;
	put_numbers("web", 0, 35);
	assert_int_equal(files("web.log", "", &bytes), 4);
	assert_int_equal(bytes, 3500);
	expect_numbers(read_back(&q, "web", 1), "web", 0, 35);
	put_numbers("web", 35, 65);
	assert_int_equal(files("web.log", "", &bytes), 4);
	expect_numbers(read_back(&q, "web", 1), "web", 30, 65);
	/* also by another one, which knows it from the directory */
	reopen();
	put_numbers("web", 65, 75);
	assert_int_equal(files("web.log", "", &bytes), 4);
	expect_numbers(read_back(&q, "web", 1), "web", 40, 75);
	t.limits.files = 1;
	put_numbers("web", 75, 76);
	expect_numbers(read_back(&q, "web", 1), "web", 60, 76);
	t.limits.files = 0;
	put_numbers("web", 76, 85);
	expect_numbers(read_back(&q, "web", 1), "web", 80, 85);
	/* the last so many, over files */
	t.limits.files = 9;
	put_numbers("web", 85, 130);
	for (q.lines = 0; q.lines < 50; q.lines++)
		expect_numbers(read_back(&q, "web", 1), "web", 130 - (unsigned)q.lines, 130);
}

/* A line that is longer than a file may be has one of its own. */
static void test_long_line(void **state)
{
	struct logread_request q = all_lines();
	char text[4000];

	(void)state;
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	put("web", "a");
	put("web", text);
	put("web", "b");
	assert_int_equal(files("web.log", "", NULL), 3);
	assert_int_equal(strlen(read_back(&q, "web", 1)), 3 * strlen("web out \n") + 2 + strlen(text));
}

static void test_age(void **state)
{
	(void)state;
	t.limits.age = 60 * SECOND;
	put("web", "a");
	t.now += 59 * SECOND;
	put("web", "b");
	assert_int_equal(files("web.log", "", NULL), 1);
	assert_true(logstore_tick(t.store, t.now) <= BEGIN + 60 * SECOND);
	t.now += 2 * SECOND;
	put("web", "c");
	assert_int_equal(files("web.log", "", NULL), 2);
	/* also if nothing more is written */
	t.now += 60 * SECOND;
	logstore_tick(t.store, t.now);
	assert_int_equal(files("web.log.", "Z", NULL), 2);
	assert_int_equal(files("web.log", ".log", NULL), 0);
	/* of a file that is found there its first line says how old it is */
	put("web", "d");
	reopen();
	t.now += 61 * SECOND;
	put("web", "e");
	assert_int_equal(files("web.log", "", NULL), 4);
}

static void test_keep(void **state)
{
	(void)state;
	t.limits.keep = 3600 * SECOND;
	put_numbers("web", 0, 25);
	assert_int_equal(files("web.log", "", NULL), 3);
	t.now += 1800 * SECOND;
	assert_in_range(logstore_tick(t.store, t.now), BEGIN + 3600 * SECOND, BEGIN + 3601 * SECOND);
	assert_int_equal(files("web.log", "", NULL), 3);
	t.now += 1801 * SECOND;
	logstore_tick(t.store, t.now);
	assert_int_equal(files("web.log", "", NULL), 1);
}

static void test_total(void **state)
{
	struct logread_request q = all_lines();

	(void)state;
	t.limits.total = 2500;
	put_numbers("web", 0, 100);
	expect_numbers(read_back(&q, "web", 1), "web", 80, 100); /* with the file before it would have been 3000 */
}

/* Of all together: it is the largest that pays. */
static void test_all(void **state)
{
	struct logread_request q = all_lines();
	uint64_t bytes;

	(void)state;
	t.limits.files = 99;
	t.limits.all = 10000;
	put_numbers("small", 0, 25);
	put_numbers("flood", 0, 200);
	files("", "", &bytes);
	assert_in_range(bytes, 9001, 10000);
	expect_numbers(read_back(&q, "small", 1), "small", 0, 25);
	reopen();
	put_numbers("flood", 200, 300);
	files("", "", &bytes);
	assert_in_range(bytes, 9001, 10000);
	expect_numbers(read_back(&q, "small", 1), "small", 0, 25);
}

static void test_compress(void **state)
{
	struct logread_request q = all_lines();
	uint64_t plain, packed;

	(void)state;
	put_numbers("web", 0, 35);
	assert_int_equal(pack_all(), 0); /* nobody wants it */
	files("web.log", "", &plain);
	t.limits.compress = 1;
	put_numbers("web", 35, 36);
	assert_int_equal(pack_all(), 3);
	assert_int_equal(files("web.log", ".gz", &packed), 3);
	assert_int_equal(files("web.log", "", &packed), 4);
	assert_true(packed < plain / 2);
	expect_numbers(read_back(&q, "web", 1), "web", 0, 36);
	q.lines = 17;
	expect_numbers(read_back(&q, "web", 1), "web", 19, 36);
	/* they count among those that are kept */
	put_numbers("web", 36, 65);
	pack_all();
	assert_int_equal(files("web.log", "", NULL), 4);
}

/* Broken off: the plain file is still there, and what was begun is not. */
static void test_compress_fails(void **state)
{
	struct logread_request q = all_lines();
	int in, out;

	(void)state;
	t.limits.compress = 1;
	put_numbers("web", 0, 15);
	assert_int_equal(logstore_pack(t.store, &in, &out), 0);
	close(in);
	close(out);
	assert_int_equal(files("web.log", ".gz.new", NULL), 1);
	logstore_packed(t.store, false, t.now);
	assert_int_equal(files("web.log", ".gz.new", NULL), 0);
	assert_int_equal(logstore_pack(t.store, &in, &out), -ENOENT); /* not again and again */
	reopen();
	put_numbers("web", 15, 16);
	assert_int_equal(logstore_pack(t.store, &in, &out), 0);
	close(in);
	close(out);
	reopen(); /* it was killed */
	assert_int_equal(files("web.log", ".gz.new", NULL), 0);
	put_numbers("web", 16, 17);
	assert_int_equal(pack_all(), 1);
	expect_numbers(read_back(&q, "web", 1), "web", 0, 17);
}

/* It is removed while it is compressed. */
static void test_compress_pruned(void **state)
{
	int in, out;

	(void)state;
	t.limits.compress = 1;
	t.limits.files = 1;
	put_numbers("web", 0, 15);
	assert_int_equal(logstore_pack(t.store, &in, &out), 0);
	put_numbers("web", 15, 35);
	close(in);
	close(out);
	logstore_packed(t.store, true, t.now);
	assert_int_equal(files("web.log", "", NULL), 2);
	assert_int_equal(files("web.log", ".gz", NULL), 0);
	assert_int_equal(pack_all(), 1);
}

/* Names go up, whatever the clock does. */
static void test_clock_goes_back(void **state)
{
	struct logread_request q = all_lines();

	(void)state;
	put_numbers("web", 0, 15);
	t.now -= 3600 * SECOND;
	put_numbers("web", 15, 35);
	expect_numbers(read_back(&q, "web", 1), "web", 0, 35);
}

/* What somebody has removed by hand is not one of those that are kept. */
static void test_removed_by_hand(void **state)
{
	struct logread_request q = all_lines();

	(void)state;
	t.limits.files = 1;
	put_numbers("web", 0, 20);
	assert_int_equal(files("web.log.", "Z", NULL), 1);
	assert_int_equal(unlinkat(t.dir_fd, "web.log", 0), 0);
	put_numbers("web", 20, 21); /* for which it had no room */
	assert_int_equal(files("web.log.", "Z", NULL), 1);
	t.n_seen = 0;
	q.lines = 1;
	expect_numbers(read_back(&q, "web", 1), "web", 20, 21);
	q = all_lines();
	assert_non_null(strstr(read_back(&q, "web", 1), "000003\n"));
}

/* It was wrong for a while: what is within the times is found all the same. */
static void test_until_after_wrong_clock(void **state)
{
	const uint64_t year = 365 * 86400 * SECOND, back = BEGIN + 3600 * SECOND;
	struct logread_request q = all_lines();

	(void)state;
	t.limits.files = 100;
	t.now = BEGIN + year;
	put_numbers("web", 0, 15);
	t.now = back;
	put_numbers("web", 15, 35);
	q.since = back;
	q.until = back + 60 * SECOND;
	expect_numbers(read_back(&q, "web", 1), "web", 15, 35);
	q.lines = 5;
	expect_numbers(read_back(&q, "web", 1), "web", 30, 35);
	q.since = 0;
	q.until = back + 7;
	expect_numbers(read_back(&q, "web", 1), "web", 18, 23);
	/* and when the time has come that it had shown, with lines from before in the last file */
	t.now = BEGIN + 2 * year;
	put_numbers("web", 35, 55);
	q.until = back + 19;
	q.lines = 3;
	expect_numbers(read_back(&q, "web", 1), "web", 32, 35);
}

/* The age of a file that begins in what is the future now is not known; it has one from now on. */
static void test_age_after_wrong_clock(void **state)
{
	(void)state;
	t.limits.age = 60 * SECOND;
	t.now = BEGIN + 365 * 86400 * SECOND;
	put("web", "a");
	t.now = BEGIN;
	put("web", "b");
	assert_true(logstore_tick(t.store, t.now) <= BEGIN + 61 * SECOND);
	t.now += 61 * SECOND;
	put("web", "c");
	assert_int_equal(files("web.log", "", NULL), 2);
	/* nor of one that is found there */
	reopen();
	t.now = BEGIN - 86400 * SECOND;
	put("web", "d");
	t.now += 61 * SECOND;
	put("web", "e");
	assert_int_equal(files("web.log", "", NULL), 3);
}

/* The machine went down as it was written. */
static void test_torn(void **state)
{
	struct logread_request q = all_lines();
	int fd = openat(t.dir_fd, "web.log", O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
	static const char torn[] = "2026-11-26T11:00:00.000000Z out whole\n2026-11-26T11:00:00.000000Z err torn";

	(void)state;
	assert_int_equal(write(fd, torn, sizeof(torn) - 1), sizeof(torn) - 1);
	close(fd);
	reopen();
	put("web", "a");
	put("web", "b");
	assert_string_equal(read_back(&q, "web", 1), "web out whole\nweb err torn\nweb out a\nweb out b\n");
}

/* Of what was safe on the disk nothing is removed before what takes its place is. */
static void test_compressed_is_on_disk(void **state)
{
	(void)state;
	t.limits.compress = 1;
	put_numbers("web", 0, 15);
	n_synced = 0;
	assert_int_equal(pack_all(), 1);
	assert_int_equal(n_synced, 1);
}

static void test_tail(void **state)
{
	char buf[250];

	(void)state;
	assert_int_equal(logstore_tail(t.store, "web", buf, sizeof(buf)), 0);
	put_numbers("web", 0, 1);
	assert_int_equal(logstore_tail(t.store, "web", buf, sizeof(buf)), 100);
	put_numbers("web", 1, 5);
	assert_int_equal(logstore_tail(t.store, "web", buf, sizeof(buf)), 200);
	assert_int_equal(buf[98], '3');
	assert_int_equal(buf[199], '\n');
}

/* Files that are not ours are left alone. */
static void test_strangers(void **state)
{
	static const char *const names[] = {"access.log.1", "web.log.1", "web.log.20261126T140312Z", "web.log.20261126T140312.123456Z.xz",
		"Web.log.20261126T140312.123456Z", "image-x.log.old", "web.log.20261326T140312.123456Z"};

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(names); i++)
		close(openat(t.dir_fd, names[i], O_CREAT | O_WRONLY, 0600));
	reopen();
	t.limits.files = 0;
	t.limits.all = 1;
	put_numbers("web", 0, 35);
	for (size_t i = 0; i < TRP_ARRAY_SIZE(names); i++)
		assert_int_equal(faccessat(t.dir_fd, names[i], F_OK, 0), 0);
}

static void test_merge(void **state)
{
	struct logread_request q = all_lines();

	(void)state;
	for (int i = 0; i < 3; i++) {
		put_stream("db", "err", "one");
		put("web", "two");
		put_stream("app@x", "sup", "three");
	}
	assert_string_equal(read_back(&q, "web\0db", 2), "db err one\nweb out two\ndb err one\nweb out two\ndb err one\nweb out two\n");
	assert_int_equal(strlen(read_back(&q, "", 0)), 3 * strlen("db err one\nweb out two\napp@x sup three\n"));
	q.lines = 4; /* of all together, not of each */
	assert_string_equal(read_back(&q, "", 0), "app@x sup three\ndb err one\nweb out two\napp@x sup three\n");
}

static void test_select(void **state)
{
	struct logread_request q = all_lines();

	(void)state;
	for (unsigned i = 0; i < 60; i++) {
		char text[80];
		snprintf(text, sizeof(text), "number %u and some more", i);
		t.now = BEGIN + i * SECOND;
		put_stream("web", i % 2 ? "out" : "err", text);
	}
	assert_true(files("web.log", "", NULL) > 2);
	q.since = BEGIN + 55 * SECOND;
	q.until = BEGIN + 57 * SECOND;
	assert_string_equal(read_back(&q, "web", 1),
		"web out number 55 and some more\nweb err number 56 and some more\nweb out number 57 and some more\n");
	q.streams = 1u << LOG_ERR;
	assert_string_equal(read_back(&q, "web", 1), "web err number 56 and some more\n");
	q = all_lines();
	strcpy(q.grep, "^number [34]?9 ");
	assert_string_equal(read_back(&q, "web", 1),
		"web out number 9 and some more\nweb out number 39 and some more\nweb out number 49 and some more\n");
	q.lines = 2; /* of those that match */
	assert_string_equal(read_back(&q, "web", 1), "web out number 39 and some more\nweb out number 49 and some more\n");
	strcpy(q.grep, "2026"); /* of the text alone */
	assert_string_equal(read_back(&q, "web", 1), "");
}

/* All are those of services: what else lies there is not read. */
static void test_what_lies_there_too(void **state)
{
	struct logread_request q = all_lines();
	static const char access[] = "2026-11-26T14:03:12.000000Z client=192.0.2.7:80 verdict=handed_on\n", image[] = "I: installing\nI: done\n",
			  cut[] = "of a line\n2026-11-26T14:03:12.000000Z out is whole\n";

	(void)state;
	put("web", "x");
	assert_int_equal(trp_write_whole(t.dir_fd, "access.log", access, sizeof(access) - 1, 0640), 0);
	assert_int_equal(trp_write_whole(t.dir_fd, "image-bookworm-0123456789abcdef.log", image, sizeof(image) - 1, 0640), 0);
	assert_int_equal(trp_write_whole(t.dir_fd, "empty.log", "", 0, 0640), 0);
	assert_string_equal(read_back(&q, NULL, 0), "web out x\n");
	assert_int_equal(trp_write_whole(t.dir_fd, "zcut.log", cut, sizeof(cut) - 1, 0640), 0);
	q.streams = 1u << LOG_OUT; /* lines that are none of ours have none */
	assert_non_null(strstr(read_back(&q, NULL, 0), "zcut out is whole\n"));
}

static void test_bad_requests(void **state)
{
	struct logread_request q = all_lines();
	struct logread *r;
	char err[200] = "";

	(void)state;
	strcpy(q.grep, "a(b");
	assert_int_equal(logread_open(t.dir_fd, &q, "web", 1, see, NULL, &r, err, sizeof(err)), -EINVAL);
	assert_non_null(strstr(err, "not a regular expression"));
	q.grep[0] = '\0';
	assert_string_equal(read_back(&q, "web", 1), ""); /* one that has said nothing yet */
	assert_int_equal(logread_open(t.dir_fd, &q, "?web", 1, see, NULL, &r, err, sizeof(err)), -ENOENT);
	assert_string_equal(err, "web");
	put("web", "x");
	assert_string_equal(read_back(&q, "?web", 1), "web out x\n");
}

/* A follower over rotations and compression, slower than both: nothing twice, nothing left out. */
static void test_follow(void **state)
{
	struct logread_request q = all_lines();
	struct logread *r;
	char err[200];
	unsigned n = 0, step = 1;

	(void)state;
	q.follow = 1;
	t.limits.files = 9;
	t.limits.compress = 1;
	t.n_seen = 0;
	assert_int_equal(logread_open(t.dir_fd, &q, "web", 1, see, NULL, &r, err, sizeof(err)), 0);
	for (int round = 0; round < 30; round++) {
		put_numbers("web", n, n + step);
		n += step;
		step = step * 5 % 47;
		if (round % 3)
			pack_all();
		logread_wake(r, "web");
		assert_int_equal(logread_go(r), 0);
	}
	expect_numbers(t.seen, "web", 0, n);
	logread_close(r);
}

/* So many have written that they are not named. */
static void test_follow_all(void **state)
{
	struct logread_request q = all_lines();
	struct logread *r;
	char err[200];

	(void)state;
	q.follow = 1;
	t.n_seen = 0;
	t.seen[0] = '\0';
	put("web", "first");
	assert_int_equal(logread_open(t.dir_fd, &q, NULL, 0, see, NULL, &r, err, sizeof(err)), 0);
	assert_int_equal(logread_go(r), 0);
	put("web", "second");
	put("new", "too");
	assert_int_equal(logread_go(r), 0);
	assert_string_equal(t.seen, "web out first\n"); /* nobody has said so */
	logread_wake(r, "");
	assert_int_equal(logread_go(r), 0);
	assert_string_equal(t.seen, "web out first\nweb out second\nnew out too\n");
	logread_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_size_and_number),
		T(test_long_line),
		T(test_age),
		T(test_keep),
		T(test_total),
		T(test_all),
		T(test_compress),
		T(test_compress_fails),
		T(test_compress_pruned),
		T(test_clock_goes_back),
		T(test_removed_by_hand),
		T(test_until_after_wrong_clock),
		T(test_age_after_wrong_clock),
		T(test_torn),
		T(test_compressed_is_on_disk),
		T(test_tail),
		T(test_strangers),
		T(test_merge),
		T(test_select),
		T(test_what_lies_there_too),
		T(test_bad_requests),
		T(test_follow),
		T(test_follow_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
