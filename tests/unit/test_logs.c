/* SPDX-License-Identifier: ISC */
/* What a service wrote -> its log files -> what is read back, with real pipes and files. Only a
 * full disk is played. wrap: write */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/io.h"
#include "base/log.h"
#include "supervisor/control.h"
#include "supervisor/logs.h"
#include "supervisor/logstream.h"

#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static struct {
	char dir[32];
	struct ev_loop *loop;
	struct logs *logs;
	int out, err;
	char seen[64 * 1024]; /* lines without their time, each with a newline */
	size_t n_seen;
} t;

static int disk_room = -1; /* bytes that still fit on the disk; -1: no end */

ssize_t __real_write(int fd, const void *buf, size_t len);
ssize_t __wrap_write(int fd, const void *buf, size_t len);
ssize_t __wrap_write(int fd, const void *buf, size_t len)
{
	struct stat st;

	if (disk_room < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return __real_write(fd, buf, len);
	if (disk_room == 0) {
		errno = ENOSPC;
		return -1;
	}
	if (len > (size_t)disk_room)
		len = (size_t)disk_room;
	disk_room -= (int)len;
	return __real_write(fd, buf, len);
}

static void turn(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		ev_run(t.loop, EVRUN_NOWAIT);
}

static void put(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	turn(2);
}

static void see(void *data, const char *text, size_t len)
{
	static const char form[] = "dddd-dd-ddTdd:dd:dd.ddddddZ ";

	(void)data;
	assert_true(len >= sizeof(form) - 1 + 4);
	for (size_t i = 0; form[i]; i++)
		assert_true(form[i] == 'd' ? text[i] >= '0' && text[i] <= '9' : text[i] == form[i]);
	text += sizeof(form) - 1;
	len -= sizeof(form) - 1;
	assert_true(t.n_seen + len + 1 < sizeof(t.seen));
	memcpy(t.seen + t.n_seen, text, len);
	t.n_seen += len;
	t.seen[t.n_seen++] = '\n';
	t.seen[t.n_seen] = '\0';
}

static const char *tail(unsigned n)
{
	t.n_seen = 0;
	t.seen[0] = '\0';
	assert_int_equal(logs_tail(t.logs, n, see, NULL), 0);
	return t.seen;
}

static off_t size_of(const char *name)
{
	char path[96];
	struct stat st;

	snprintf(path, sizeof(path), "%s/log/%s", t.dir, name);
	return stat(path, &st) < 0 ? -1 : st.st_size;
}

static int setup(void **state)
{
	char dir[48];

	(void)state;
	memset(&t, 0, sizeof(t));
	disk_room = -1;
	log_set_level(0);
	strcpy(t.dir, "/tmp/test-logs.XXXXXX");
	assert_non_null(mkdtemp(t.dir));
	snprintf(dir, sizeof(dir), "%s/log", t.dir);
	t.loop = ev_loop_new(EVFLAG_NOENV);
	assert_int_equal(logs_open(t.loop, dir, "web@one", 1 << 20, 3, &t.logs), 0);
	return logs_pipes(t.logs, &t.out, &t.err);
}

static int teardown(void **state)
{
	(void)state;
	trp_close(&t.out);
	trp_close(&t.err);
	logs_close(t.logs);
	ev_loop_destroy(t.loop);
	return trp_remove_tree(AT_FDCWD, t.dir);
}

static void reopen(uint64_t size, unsigned n)
{
	char dir[48];

	snprintf(dir, sizeof(dir), "%s/log", t.dir);
	trp_close(&t.out);
	trp_close(&t.err);
	logs_close(t.logs);
	assert_int_equal(logs_open(t.loop, dir, "web@one", size, n, &t.logs), 0);
	assert_int_equal(logs_pipes(t.logs, &t.out, &t.err), 0);
}

/* ---- tests ---- */

static void test_lines(void **state)
{
	char path[96];
	struct stat st;

	(void)state;
	put(t.out, "one\ntwo\n\n");
	put(t.err, "bad\r\n");
	put(t.out, "th");
	put(t.out, "ree\nfour");
	logs_note(t.logs, "it has %d words\nand more", 3);
	assert_string_equal(tail(99),
		"out one\nout two\nout \nerr bad\r\nout three\nsup it has 3 words\nsup and more\n");
	assert_string_equal(tail(1), "sup and more\n");
	assert_string_equal(tail(0), "");
	snprintf(path, sizeof(path), "%s/log/web@one.log", t.dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
}

/* The pipes as the service gets them. */
static void test_pipes(void **state)
{
	(void)state;
	assert_int_equal(fcntl(t.out, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(fcntl(t.out, F_GETFL) & O_NONBLOCK, 0);
}

static void test_no_newline_at_end(void **state)
{
	(void)state;
	put(t.out, "a\nlast words");
	assert_string_equal(tail(9), "out a\n");
	trp_close(&t.out);
	turn(2);
	assert_string_equal(tail(9), "out a\nout last words\n");
}

static void test_old_pipes_go_on(void **state)
{
	int out = t.out, err = t.err;

	(void)state;
	assert_int_equal(logs_pipes(t.logs, &t.out, &t.err), 0);
	put(t.out, "new\n");
	put(out, "old\n");
	close(out);
	close(err);
	turn(2);
	put(t.out, "new again\n");
	assert_string_equal(tail(9), "out new\nout old\nout new again\n");
}

static void test_bytes(void **state)
{
	static const char bytes[] = "a\0b\xff\x1b[31m\n";

	(void)state;
	assert_int_equal(write(t.out, bytes, sizeof(bytes) - 1), sizeof(bytes) - 1);
	turn(2);
	assert_string_equal(tail(1), "out a?b\xff\x1b[31m\n");
}

static void write_x(int fd, size_t n, const char *end)
{
	char text[3 * LOGS_LINE_MAX];

	memset(text, 'x', n);
	strcpy(text + n, end);
	put(fd, text);
}

static void test_long_lines(void **state)
{
	static const struct {
		size_t n;
		size_t pieces[3];
	} table[] = {
		{LOGS_LINE_MAX - 1, {LOGS_LINE_MAX - 1}},
		{LOGS_LINE_MAX, {LOGS_LINE_MAX}},
		{LOGS_LINE_MAX + 1, {LOGS_LINE_MAX, 1}},
		{2 * LOGS_LINE_MAX, {LOGS_LINE_MAX, LOGS_LINE_MAX}},
		{2 * LOGS_LINE_MAX + 7, {LOGS_LINE_MAX, LOGS_LINE_MAX, 7}},
	};

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(table); i++) {
		const char *at;
		/* once in one go, once with the newline coming later */
		for (int later = 0; later < 2; later++) {
			logs_note(t.logs, "mark");
			write_x(t.out, table[i].n, later ? "" : "\nend\n");
			if (later)
				put(t.out, "\nend\n");
			at = strstr(tail(5), "sup mark\n");
			assert_non_null(at);
			at += 9;
			for (size_t k = 0; k < 3 && table[i].pieces[k]; k++) {
				assert_int_equal(strspn(at, "out "), 4);
				assert_int_equal(strspn(at + 4, "x"), table[i].pieces[k]);
				at += 4 + table[i].pieces[k];
				assert_int_equal(*at++, '\n');
			}
			assert_string_equal(at, "out end\n");
		}
	}
}

static void put_numbers(unsigned from, unsigned to)
{
	char text[32];

	for (unsigned i = from; i < to; i++) {
		snprintf(text, sizeof(text), "line number %04u\n", i);
		put(t.out, text);
	}
}

static void expect_numbers(const char *text, unsigned from, unsigned to)
{
	char want[32];

	for (unsigned i = from; i < to; i++) {
		snprintf(want, sizeof(want), "out line number %04u\n", i);
		assert_int_equal(strncmp(text, want, strlen(want)), 0);
		text += strlen(want);
	}
	assert_string_equal(text, "");
}

static void test_rotation_and_cap(void **state)
{
	(void)state;
	reopen(1000, 2);
	put_numbers(0, 100);
	for (int i = 0; i < 3; i++) {
		static const char *const names[] = {
			"web@one.log", "web@one.log.1", "web@one.log.2"};
		assert_in_range(size_of(names[i]), 1, 1000);
	}
	assert_int_equal(size_of("web@one.log.3"), -1);
	/* 49 bytes a line (64 are asked for): 20 lines a file */
	expect_numbers(tail(3), 97, 100);
	expect_numbers(tail(30), 70, 100);
	expect_numbers(tail(1000), 40, 100);
	/* also after the daemon was started again */
	reopen(1000, 2);
	expect_numbers(tail(30), 70, 100);
	logs_set_limits(t.logs, 1000, 1);
	assert_int_equal(size_of("web@one.log.2"), -1);
	assert_in_range(size_of("web@one.log.1"), 1, 1000);
	logs_set_limits(t.logs, 1000, 0);
	assert_int_equal(size_of("web@one.log.1"), -1);
	put_numbers(0, 100);
	assert_int_equal(size_of("web@one.log.1"), -1);
	assert_in_range(size_of("web@one.log"), 1, 1000);
}

/* One read brings many lines: still no file is larger than it may be and none is lost. */
static void test_rotation_in_one_read(void **state)
{
	char text[40 * 17 + 1];

	(void)state;
	reopen(600, 5);
	for (unsigned i = 0; i < 40; i++)
		snprintf(text + i * 17, 18, "line number %04u\n", i);
	put(t.out, text);
	expect_numbers(tail(99), 0, 40);
	assert_in_range(size_of("web@one.log.1"), 1, 600);
	assert_in_range(size_of("web@one.log.3"), 1, 600);
}

static void test_by_hand(void **state)
{
	char path[96];

	(void)state;
	snprintf(path, sizeof(path), "%s/log/web@one.log", t.dir);
	put(t.out, "one\n");
	assert_int_equal(truncate(path, 0), 0);
	put(t.out, "two\n");
	assert_string_equal(tail(9), "out two\n");
	assert_int_equal(unlink(path), 0);
	put(t.out, "three\n");
	assert_string_equal(tail(9), "out three\n");
}

static void test_disk_full(void **state)
{
	(void)state;
	put(t.out, "before\n");
	disk_room = 60; /* one line and a piece of the second */
	put(t.out, "aaa\nbbb\nccc\n");
	disk_room = 0;
	put(t.out, "ddd\n");
	assert_string_equal(tail(9), "out before\nout aaa\n");
	disk_room = -1;
	put(t.out, "after\n");
	assert_string_equal(tail(9), "out before\nout aaa\nsup 3 lines are missing here: No space "
				     "left on device\nout after\n");
	put(t.out, "later\n");
	assert_string_equal(tail(2), "out after\nout later\n");
}

static struct {
	struct logs_watcher w;
	unsigned n;
	bool once;
} watch;

static void on_line(struct logs_watcher *w, const char *text, size_t len)
{
	assert_ptr_equal(w, &watch.w);
	see(NULL, text, len);
	watch.n++;
	if (watch.once)
		logs_unwatch(t.logs, w);
}

static void test_watcher(void **state)
{
	(void)state;
	memset(&watch, 0, sizeof(watch));
	watch.w.line = on_line;
	put(t.out, "not seen\n");
	logs_watch(t.logs, &watch.w);
	put(t.out, "one\ntwo\n");
	logs_note(t.logs, "three");
	assert_string_equal(t.seen, "out one\nout two\nsup three\n");
	watch.once = true;
	put(t.out, "four\nfive\n");
	assert_int_equal(watch.n, 4);
}

static int in_pipe(int fd)
{
	int n;

	assert_int_equal(ioctl(fd, FIONREAD, &n), 0);
	return n;
}

/* One service that floods must not keep the loop. */
static void test_fair(void **state)
{
	char text[60 * 1024];

	(void)state;
	memset(text, 'y', sizeof(text));
	for (size_t i = 99; i < sizeof(text); i += 100)
		text[i] = '\n';
	assert_int_equal(write(t.out, text, sizeof(text)), sizeof(text));
	for (unsigned i = 0; i < 3; i++) {
		int before = in_pipe(t.out);
		turn(1);
		assert_in_range(before - in_pipe(t.out), 1, 16 * 1024);
	}
	/* but all of it when the service has ended */
	logs_drain(t.logs);
	assert_in_range(size_of("web@one.log"), sizeof(text), 2 * sizeof(text));
}

static void test_drain(void **state)
{
	(void)state;
	assert_int_equal(write(t.out, "one\ntwo", 7), 7);
	trp_close(&t.out);
	logs_drain(t.logs);
	logs_note(t.logs, "it ended");
	assert_string_equal(tail(9), "out one\nout two\nsup it ended\n");
}

/* A reader goes on over rotations that happen while it reads, also when its file was removed
 * meanwhile. */
static void test_reader(void **state)
{
	struct logs_reader *r;

	(void)state;
	reopen(1000, 1);
	put_numbers(0, 10);
	assert_int_equal(logs_reader_open(t.logs, 5, &r), 0);
	t.n_seen = 0;
	assert_int_equal(logs_reader_next(r, 1, see, NULL), 1);
	expect_numbers(t.seen, 5, 6);
	put_numbers(10, 30);
	while (logs_reader_next(r, 100, see, NULL) > 0)
		;
	expect_numbers(t.seen, 5, 30);
	assert_int_equal(logs_reader_next(r, 100, see, NULL), 0);
	t.n_seen = 0;
	put_numbers(30, 200);
	while (logs_reader_next(r, 100, see, NULL) > 0)
		;
	/* the file that it had open, and what is left of the others */
	assert_non_null(strstr(t.seen, "number 0030\n"));
	assert_non_null(strstr(t.seen, "number 0199\n"));
	logs_reader_close(r);
}

/* ---- the stream to a client ---- */

static void verb_logs(struct control_call *call, const json_t *params, void *user)
{
	(void)user;
	logstream_start(t.loop, call, t.logs,
		(unsigned)json_integer_value(json_object_get(params, "n")),
		json_is_true(json_object_get(params, "follow")));
}

static int stream_client(const char *call)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s/control", t.dir);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	send(fd, call, strlen(call) + 1, 0);
	return fd;
}

/* Adds the lines of the replies that are there to t.seen. Returns true at the last reply. */
static bool hear(int fd)
{
	static char buf[256 * 1024];
	static size_t len;
	ssize_t n;
	char *end;
	bool last = false;

	while ((n = recv(fd, buf + len, sizeof(buf) - len, MSG_DONTWAIT)) > 0) {
		len += (size_t)n;
		while ((end = memchr(buf, 0, len))) {
			json_t *o = json_loads(buf, 0, NULL), *line;
			size_t i;
			assert_non_null(o);
			last = !json_object_get(o, "continues");
			json_array_foreach (
				json_object_get(json_object_get(o, "parameters"), "lines"), i, line)
				see(NULL, json_string_value(line), json_string_length(line));
			json_decref(o);
			len -= (size_t)(end + 1 - buf);
			memmove(buf, end + 1, len);
		}
	}
	return last;
}

static void stop_loop(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)w;
	(void)revents;
	ev_break(loop, EVBREAK_ALL);
}

static void run_for(double seconds)
{
	ev_timer end;

	ev_timer_init(&end, stop_loop, seconds, 0.);
	ev_timer_start(t.loop, &end);
	ev_run(t.loop, 0);
}

static void test_stream(void **state)
{
	static const struct control_verb verb = {"t.Logs", verb_logs, ""};
	struct control *c;
	char path[64];
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "%s/control", t.dir);
	assert_int_equal(control_open(t.loop, path, &verb, 1, NULL, &c), 0);
	put_numbers(0, 1000);
	fd = stream_client("{\"method\":\"t.Logs\",\"parameters\":{\"n\":500},\"more\":true}");
	for (int i = 0; i < 50 && !hear(fd); i++)
		turn(1);
	expect_numbers(t.seen, 500, 1000);
	close(fd);

	t.n_seen = 0;
	fd = stream_client(
		"{\"method\":\"t.Logs\",\"parameters\":{\"n\":1,\"follow\":true},\"more\":true}");
	turn(6);
	hear(fd);
	expect_numbers(t.seen, 999, 1000);
	t.n_seen = 0;
	put(t.out, "\xff\x01\n");
	run_for(0.1);
	assert_false(hear(fd));
	assert_string_equal(t.seen, "out \\xff\x01\n");
	close(fd);
	turn(4);
	put(t.out, "nobody follows\n"); /* or a watcher is left behind */
	run_for(0.05);

	fd = stream_client("{\"method\":\"t.Logs\",\"parameters\":{\"n\":1}}");
	turn(6);
	assert_true(recv(fd, t.seen, sizeof(t.seen), MSG_DONTWAIT) > 0);
	assert_non_null(strstr(t.seen, "ExpectedMore"));
	close(fd);
	control_close(c);
}

/* More than fits into the client's buffers, and it does not read for a while: nothing is lost and
 * it is not dropped. */
static void test_stream_slow(void **state)
{
	static const struct control_verb verb = {"t.Logs", verb_logs, ""};
	struct control *c;
	char path[64];
	unsigned long lines = 0;
	bool last = false;
	char before = 0;
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "%s/control", t.dir);
	assert_int_equal(control_open(t.loop, path, &verb, 1, NULL, &c), 0);
	reopen(4 << 20, 1);
	for (int i = 0; i < 600; i++)
		write_x(t.out, 4000, "\n");
	fd = stream_client("{\"method\":\"t.Logs\",\"parameters\":{\"n\":600},\"more\":true}");
	turn(200);
	for (int i = 0; i < 2000 && !last; i++) {
		char buf[16 * 1024];
		ssize_t n;
		turn(2);
		while ((n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0)
			for (ssize_t k = 0; k < n; before = buf[k++]) {
				lines += buf[k] == 'Z'; /* one in each time */
				last = last || (before == '[' && buf[k] == ']');
			}
		assert_true(n < 0 && errno == EAGAIN);
	}
	assert_true(last);
	assert_int_equal(lines, 600);
	close(fd);
	control_close(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_lines),
		T(test_pipes),
		T(test_no_newline_at_end),
		T(test_old_pipes_go_on),
		T(test_bytes),
		T(test_long_lines),
		T(test_rotation_and_cap),
		T(test_rotation_in_one_read),
		T(test_by_hand),
		T(test_disk_full),
		T(test_watcher),
		T(test_fair),
		T(test_drain),
		T(test_reader),
		T(test_stream),
		T(test_stream_slow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
