/* SPDX-License-Identifier: ISC */
/* What a service wrote -> its log files -> what is read back, with real pipes and files. Only a
 * full disk is played. wrap: write */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/fdpass.h"
#include "base/io.h"
#include "base/log.h"
#include "supervisor/logger/logstore.h"
#include "supervisor/logread/logread.h"
#include "supervisor/logs.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

static struct {
	char dir[32];
	int dir_fd;
	struct ev_loop *loop;
	struct logsink *sink;
	struct logstore *store;
	struct logs *logs;
	struct log_limits limits;
	bool hangs; /* the logger does nothing */
	int out, err;
	char seen[16 << 20]; /* lines without their time, each with a newline */
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

/* What trp-logger does. */
static void logger(void)
{
	static struct {
		struct log_msg m;
		char text[LOG_TEXT_MAX];
	} in;
	ssize_t n;

	/* not more answers than the socket has room for */
	for (int i = 0; i < 64 && !t.hangs && (n = trp_fd_recv(logsink_their_end(t.sink), &in, sizeof(in), NULL, 0, MSG_DONTWAIT)) > 0; i++) {
		struct {
			struct log_ack ack;
			char tail[LOG_TAIL_MAX];
		} out = {.ack = {.magic = LOG_MAGIC, .seq = in.m.seq}};
		size_t tail = in.m.want_tail ? logstore_tail(t.store, in.m.service, out.tail, sizeof(out.tail)) : 0;

		assert_true(n >= (ssize_t)sizeof(in.m));
		logstore_know_lost(t.store, in.m.service, in.m.unwritten, in.m.unwritten_error);
		logstore_write(t.store, in.m.service, &in.m.limits, in.text, (size_t)n - sizeof(in.m), (uint64_t)(ev_time() * 1e6),
			&out.ack.lost, &out.ack.error);
		out.ack.unwritten = logstore_unsaid(t.store, in.m.service);
		assert_int_equal(trp_fd_send(logsink_their_end(t.sink), &out, sizeof(out.ack) + tail, NULL, 0, 0), 0);
	}
}

static void turn(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		logger();
		ev_run(t.loop, EVRUN_NOWAIT);
	}
	logger();
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

static void see_line(void *data, const char *service, const char *text, size_t len)
{
	assert_string_equal(service, "web@one");
	see(data, text, len);
}

static struct logread *reader(unsigned n, bool follow)
{
	struct logread_request q = {.lines = n, .streams = 7, .until = UINT64_MAX, .follow = follow};
	struct logread *r;
	char err[100];

	t.n_seen = 0;
	t.seen[0] = '\0';
	assert_int_equal(logread_open(t.dir_fd, &q, "web@one", 1, see_line, NULL, &r, err, sizeof(err)), 0);
	return r;
}

static const char *tail(unsigned n)
{
	struct logread *r = reader(n, false);

	assert_int_equal(logread_go(r), 0);
	logread_close(r);
	return t.seen;
}

static const char *last(unsigned n)
{
	t.n_seen = 0;
	t.seen[0] = '\0';
	logs_last(t.logs, n, see, NULL);
	return t.seen;
}

static off_t size_of(const char *name)
{
	char path[96];
	struct stat st;

	snprintf(path, sizeof(path), "%s/log/%s", t.dir, name);
	return stat(path, &st) < 0 ? -1 : st.st_size;
}

static void open_logs(uint64_t size, unsigned n)
{
	t.limits = (struct log_limits){.size = size, .files = n};
	assert_int_equal(logstore_open(t.dir_fd, (uint64_t)(ev_time() * 1e6), &t.store), 0);
	assert_int_equal(logsink_open(t.loop, &t.sink), 0);
	assert_int_equal(logs_open(t.loop, t.sink, "web@one", &t.limits, &t.logs), 0);
	assert_int_equal(logs_pipes(t.logs, &t.out, &t.err), 0);
	turn(1);
}

static void close_logs(void)
{
	trp_close(&t.out);
	trp_close(&t.err);
	logs_close(t.logs);
	turn(1);
	logsink_close(t.sink);
	logstore_free(t.store);
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
	assert_int_equal(mkdir(dir, 0755), 0);
	t.dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	t.loop = ev_loop_new(EVFLAG_NOENV);
	open_logs(1 << 20, 3);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	close_logs();
	close(t.dir_fd);
	ev_loop_destroy(t.loop);
	return trp_remove_tree(AT_FDCWD, t.dir);
}

static void reopen(uint64_t size, unsigned n)
{
	close_logs();
	open_logs(size, n);
}

static void run_for(double seconds);

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
	turn(1);
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
				bool more = k < 2 && table[i].pieces[k + 1];
				assert_int_equal(strncmp(at, more ? "out+ " : "out ", more ? 5 : 4), 0);
				at += more ? 5 : 4;
				assert_int_equal(strspn(at, "x"), table[i].pieces[k]);
				at += table[i].pieces[k];
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

/* Over rotations and new lives of both, in order. (The files themselves: test_logstore.c.) */
static void test_rotation(void **state)
{
	(void)state;
	reopen(1000, 2);
	put_numbers(0, 100);
	/* 49 bytes a line: 20 lines a file */
	expect_numbers(tail(3), 97, 100);
	expect_numbers(tail(30), 70, 100);
	expect_numbers(tail(1000), 40, 100);
	reopen(1000, 2);
	expect_numbers(tail(30), 70, 100);
	t.limits.files = 0;
	logs_set_limits(t.logs, &t.limits);
	turn(1);
	expect_numbers(tail(30), 80, 100);
}

/* One read brings many lines: still none is lost. */
static void test_rotation_in_one_read(void **state)
{
	char text[40 * 17 + 1];

	(void)state;
	reopen(600, 5);
	for (unsigned i = 0; i < 40; i++)
		snprintf(text + i * 17, 18, "line number %04u\n", i);
	put(t.out, text);
	expect_numbers(tail(99), 0, 40);
	assert_in_range(size_of("web@one.log"), 1, 600);
}

/* What is remembered, without the disk; also of before. */
static void test_last(void **state)
{
	char text[3000];

	(void)state;
	assert_string_equal(last(9), "");
	put_numbers(0, 30);
	t.hangs = true;
	put_numbers(30, 40);
	expect_numbers(last(3), 37, 40);
	expect_numbers(last(1000), 0, 40);
	put_numbers(40, 400);
	expect_numbers(last(100), 300, 400);
	t.hangs = false;
	turn(20);
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 2] = '\n';
	text[sizeof(text) - 1] = '\0';
	for (int i = 0; i < 5; i++)
		put(t.out, text);
	assert_int_equal(strlen(last(100)), 2 * (strlen(text) + 4)); /* two of them have room */
	put_numbers(400, 500);
	close_logs();
	open_logs(1 << 20, 3);
	turn(3);
	expect_numbers(last(50), 450, 500);
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
	turn(1);
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

/* What a logger that was killed has not said of a full disk the next one says. */
static void test_logger_killed_on_a_full_disk(void **state)
{
	(void)state;
	put(t.out, "before\n");
	disk_room = 0;
	put(t.out, "aaa\nbbb\n");
	put(t.out, "ccc\n");
	turn(2);
	logstore_free(t.store);
	assert_int_equal(logstore_open(t.dir_fd, (uint64_t)(ev_time() * 1e6), &t.store), 0);
	logsink_announce(t.sink);
	logsink_announce(t.sink); /* another one died before it read that */
	turn(2);
	disk_room = -1;
	put(t.out, "after\n");
	turn(2);
	assert_string_equal(tail(9), "out before\nsup 3 lines are missing here: No space left on device\nout after\n");
	assert_int_equal(logs_lost(t.logs), 3);
	/* what the logger says itself is not said twice */
	disk_room = 0;
	put(t.out, "ddd\n");
	disk_room = -1;
	put(t.out, "later\n");
	turn(2);
	logsink_announce(t.sink);
	put(t.out, "last\n");
	assert_string_equal(tail(4), "out after\nsup 1 lines are missing here: No space left on device\nout later\nout last\n");
	assert_int_equal(logs_lost(t.logs), 4);
}

static struct {
	struct logsink_watcher w;
	unsigned n;
	bool once;
} watch;

static void on_written(struct logsink_watcher *w, const char *service)
{
	assert_ptr_equal(w, &watch.w);
	assert_string_equal(service, "web@one");
	watch.n++;
	if (watch.once)
		logsink_unwatch(t.sink, w);
}

static void test_watcher(void **state)
{
	(void)state;
	memset(&watch, 0, sizeof(watch));
	watch.w.written = on_written;
	put(t.out, "not seen\n");
	turn(2);
	logsink_watch(t.sink, &watch.w);
	turn(2);
	assert_int_equal(watch.n, 0);
	put(t.out, "one\ntwo\n");
	turn(2);
	assert_int_equal(watch.n, 1);
	watch.once = true;
	put(t.out, "three\n");
	put(t.out, "four\n");
	turn(2);
	assert_int_equal(watch.n, 2);
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
	turn(1);
	assert_in_range(size_of("web@one.log"), sizeof(text), 2 * sizeof(text));
}

static void test_drain(void **state)
{
	(void)state;
	assert_int_equal(write(t.out, "one\ntwo", 7), 7);
	trp_close(&t.out);
	logs_drain(t.logs);
	logs_note(t.logs, "it ended");
	turn(1);
	assert_string_equal(tail(9), "out one\nout two\nsup it ended\n");
}

/* A reader goes on over rotations that happen while it reads, also when its file was removed
 * meanwhile. */
static void test_reader(void **state)
{
	struct logread *r;

	(void)state;
	reopen(1000, 1);
	put_numbers(0, 10);
	r = reader(5, true);
	assert_int_equal(logread_go(r), 0);
	expect_numbers(t.seen, 5, 10);
	put_numbers(10, 30); /* one rotation */
	assert_int_equal(logread_go(r), 0);
	expect_numbers(t.seen, 5, 10); /* nobody has said so */
	logread_wake(r, "web@one");
	assert_int_equal(logread_go(r), 0);
	expect_numbers(t.seen, 5, 30);
	t.n_seen = 0;
	put_numbers(30, 200);
	logread_wake(r, "web@one");
	assert_int_equal(logread_go(r), 0);
	/* the file that it had open, and what is left of the others */
	assert_non_null(strstr(t.seen, "number 0030\n"));
	assert_non_null(strstr(t.seen, "number 0199\n"));
	logread_close(r);
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

static unsigned count(const char *text, const char *what)
{
	unsigned n = 0;

	for (; (text = strstr(text, what)); text += strlen(what))
		n++;
	return n;
}

/* A prompt is shown though its line has no end, with a mark; what follows is the rest of the line. */
static void test_partial(void **state)
{
	(void)state;
	put(t.out, "name? ");
	assert_string_equal(tail(9), "");
	run_for(1.5);
	turn(1);
	assert_string_equal(tail(9), "out+ name? \n");
	put(t.out, "joe\n");
	assert_string_equal(tail(9), "out+ name? \nout joe\n");
}

static void test_partial_is_not_torn(void **state)
{
	(void)state;
	put(t.out, "begin");
	run_for(0.6);
	put(t.out, " middle");
	run_for(0.6);
	put(t.out, " end\n");
	assert_string_equal(tail(9), "out begin middle end\n");
}

static bool pipe_is_full(void)
{
	char text[4096];

	memset(text, 'z', sizeof(text));
	text[99] = text[sizeof(text) - 1] = '\n';
	return write(t.out, text, sizeof(text)) < 0;
}

/* The disk is slow: it is the service that waits, and nothing is lost. */
static void test_slow_disk(void **state)
{
	unsigned n = 0;

	(void)state;
	reopen(64 << 20, 1);
	assert_int_equal(trp_set_nonblock(t.out, true), 0);
	t.hangs = true;
	while (!pipe_is_full() || !logs_waits(t.logs)) {
		turn(1);
		n++;
		assert_true(n < 1000);
	}
	n = 0;
	t.hangs = false;
	for (int i = 0; i < 20; i++)
		turn(1);
	assert_false(logs_waits(t.logs));
	assert_false(pipe_is_full());
	turn(4);
	assert_int_equal(logs_lost(t.logs), 0);
	assert_int_equal(count(tail(100000), " dropped"), 0);
}

/* The disk hangs: after a while the service goes on, and what was dropped is counted, to the line. */
static void test_hung_disk(void **state)
{
	unsigned written = 0, seen = 0, dropped = 0;
	const char *text, *at;

	(void)state;
	reopen(64 << 20, 1);
	assert_int_equal(trp_set_nonblock(t.out, true), 0);
	t.hangs = true;
	for (int i = 0; i < 4000; i++) {
		while (write(t.out, "0123456789012345678901234567890123456789\n", 41) > 0)
			written++;
		assert_int_equal(errno, EAGAIN);
		if (i == 1000) /* by now it waits */
			run_for(LOGSINK_STALL + 0.5);
		turn(1);
		if (i == 1000)
			assert_true(logsink_stalled(t.sink));
	}
	assert_true(written * 41 > 4 * LOGSINK_WAITING);
	assert_false(logs_waits(t.logs));
	t.hangs = false;
	for (int i = 0; i < 100; i++)
		turn(1);
	assert_false(logsink_stalled(t.sink));
	text = tail(1000000);
	seen = count(text, "out 0123");
	for (at = text; (at = strstr(at, " lines dropped: the disk of the log does not answer\n")); at++) {
		const char *number = at;
		while (number[-1] >= '0' && number[-1] <= '9')
			number--;
		dropped += (unsigned)strtoul(number, NULL, 10);
	}
	assert_true(dropped > 0);
	assert_int_equal(logs_lost(t.logs), dropped);
	assert_int_equal(seen + dropped, written);
	put(t.out, "and on\n");
	assert_string_equal(tail(1), "out and on\n");
}

/* Answers to what nobody waits for, as one that was taken over may give them. */
static void say_nothing(int flags)
{
	const struct log_ack nothing = {.magic = LOG_MAGIC};

	(void)trp_fd_send(logsink_their_end(t.sink), &nothing, sizeof(nothing), NULL, 0, flags);
}

/* It is as if it said nothing: services do not wait for it. */
static void test_answers_to_nothing(void **state)
{
	(void)state;
	t.hangs = true;
	put(t.out, "waits\n");
	for (int i = 0; i < 30; i++) {
		say_nothing(MSG_DONTWAIT);
		run_for(LOGSINK_STALL / 20);
	}
	assert_true(logsink_stalled(t.sink));
	t.hangs = false;
	turn(3);
	assert_false(logsink_stalled(t.sink));
}

/* Nor does the end of the daemon. */
static void test_settle_has_an_end(void **state)
{
	uint64_t began = trp_now_ms();
	pid_t pid;

	(void)state;
	t.hangs = true;
	put(t.out, "waits\n");
	pid = fork();
	if (pid == 0) {
		while (trp_now_ms() < began + 4000)
			say_nothing(0);
		_exit(0);
	}
	assert_true(pid > 0);
	assert_false(logsink_settle(t.sink, 0.3));
	assert_true(trp_now_ms() < began + 2000);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	t.hangs = false;
	turn(3);
}

/* However slowly one answers. */
static void test_settle_with_a_slow_logger(void **state)
{
	uint64_t began;
	bool settled;
	pid_t pid;

	(void)state;
	t.hangs = true;
	for (int i = 0; i < 60; i++)
		put(t.out, "waits\n");
	began = trp_now_ms();
	pid = fork();
	if (pid == 0) {
		static char in[sizeof(struct log_msg) + LOG_TEXT_MAX];
		alarm(10);
		while (trp_fd_recv(logsink_their_end(t.sink), in, sizeof(in), NULL, 0, 0) > 0) {
			struct log_ack ack = {.magic = LOG_MAGIC, .seq = ((struct log_msg *)(void *)in)->seq};
			nanosleep(&(struct timespec){.tv_nsec = 80000000}, NULL);
			trp_fd_send(logsink_their_end(t.sink), &ack, sizeof(ack), NULL, 0, 0);
		}
		_exit(0);
	}
	assert_true(pid > 0);
	settled = logsink_settle(t.sink, 0.2);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_false(settled);
	assert_true(trp_now_ms() < began + 3500);
	t.hangs = false;
	turn(3);
}

/* A logger that was killed had one message in hand: so many lines are said to be lost, and no others are. */
static void test_logger_killed(void **state)
{
	static char in[sizeof(struct log_msg) + LOG_TEXT_MAX];

	(void)state;
	t.hangs = true;
	put(t.out, "in hand\nand this\n");
	put(t.out, "survives\n");
	assert_true(trp_fd_recv(logsink_their_end(t.sink), in, sizeof(in), NULL, 0, MSG_DONTWAIT) > 0);
	t.hangs = false;
	logsink_announce(t.sink);
	turn(3);
	put(t.out, "after\n");
	assert_string_equal(tail(9), "out survives\nsup 2 lines dropped: trp-logger ended before it wrote them\nout after\n");
	assert_int_equal(logs_lost(t.logs), 2);
}

/* One service's window does not keep another's lines. */
static void test_others_go_on(void **state)
{
	struct logs *other;
	int out, err;

	(void)state;
	assert_int_equal(trp_set_nonblock(t.out, true), 0);
	assert_int_equal(logs_open(t.loop, t.sink, "other", &t.limits, &other), 0);
	assert_int_equal(logs_pipes(other, &out, &err), 0);
	turn(1);
	t.hangs = true;
	for (int i = 0; i < 1000; i++) {
		while (write(t.out, "flood\n", 6) > 0)
			;
		turn(1);
	}
	assert_true(logs_waits(t.logs));
	put(out, "quiet\n");
	turn(1);
	assert_false(logs_waits(other));
	t.hangs = false;
	turn(3);
	assert_in_range(size_of("other.log"), 30, 100);
	close(out);
	close(err);
	logs_close(other);
}

/* What it writes beyond its rate stays in its pipe, so that it is the service that waits; and comes later, all of it. */
static void test_rate(void **state)
{
	static char text[60000];
	uint64_t times, ms;
	int waiting;

	(void)state;
	memset(text, 'x', sizeof(text));
	for (size_t i = 99; i < sizeof(text); i += 100)
		text[i] = '\n';
	logs_set_rate(t.logs, 400000, 10000, false);
	assert_int_equal(write(t.out, text, sizeof(text)), sizeof(text));
	turn(20);
	assert_int_equal(ioctl(t.out, FIONREAD, &waiting), 0);
	assert_int_equal(waiting, sizeof(text) - 16 * 1024); /* one read, which may go beyond */
	put(t.err, "also waits\n");
	assert_null(strstr(tail(1000), "also waits"));
	while (!strstr(tail(3), "also waits") || waiting > 0) {
		run_for(0.01);
		turn(1);
		assert_int_equal(ioctl(t.out, FIONREAD, &waiting), 0);
	}
	assert_non_null(strstr(tail(1000), "sup writes more than its log-rate allows: it was made to wait"));
	logs_waited(t.logs, &times, &ms);
	assert_true(times > 0 && ms > 0);
}

/* Or it does not wait, and what is beyond its rate is dropped, in whole lines, and counted. */
static void test_rate_drops(void **state)
{
	unsigned written = 0, dropped = 0;
	const char *at;

	(void)state;
	reopen(64 << 20, 1);
	assert_int_equal(trp_set_nonblock(t.out, true), 0);
	logs_set_rate(t.logs, 100000, 20000, true);
	for (int i = 0; i < 20; i++) {
		while (written < 10000 && write(t.out, "0123456789012345678901234567890123456789\n", 41) > 0)
			written++;
		run_for(0.05);
		turn(1);
	}
	while (written < 10000 || logs_waits(t.logs)) {
		run_for(0.05);
		turn(1);
		while (written < 10000 && write(t.out, "0123456789012345678901234567890123456789\n", 41) > 0)
			written++;
	}
	run_for(1.3); /* so long until it is said */
	turn(3);
	at = tail(1000000);
	assert_int_equal(count(at, "out 0123456789012345678901234567890123456789\n"), count(at, "out "));
	for (const char *p = at; (p = strstr(p, " lines dropped: more than its log-rate allows\n")); p++) {
		const char *number = p;
		while (number[-1] >= '0' && number[-1] <= '9')
			number--;
		dropped += (unsigned)strtoul(number, NULL, 10);
	}
	assert_true(dropped > 1000);
	assert_int_equal(logs_dropped(t.logs), dropped);
	assert_int_equal(count(at, "out ") + dropped, written);
	assert_null(strstr(at, "made to wait"));
}

/* What was dropped is said before another daemon goes on, which does not know of it. */
static void test_rate_drops_before_an_upgrade(void **state)
{
	char want[60];
	unsigned written = 0;

	(void)state;
	reopen(64 << 20, 1);
	assert_int_equal(trp_set_nonblock(t.out, true), 0);
	logs_set_rate(t.logs, 4096, 4096, true);
	while (written < 500 && write(t.out, "0123456789012345678901234567890123456789\n", 41) > 0)
		written++;
	run_for(0.5); /* until it is read on */
	turn(3);
	assert_true(logs_dropped(t.logs) > 0);
	logs_end_lines(t.logs);
	turn(3);
	snprintf(want, sizeof(want), "sup %u lines dropped: ", (unsigned)logs_dropped(t.logs));
	assert_non_null(strstr(tail(3), want));
}

/* At its end nothing has to wait: the drain takes all. */
static void test_rate_and_drain(void **state)
{
	static char text[50000];

	(void)state;
	memset(text, '\n', sizeof(text));
	memcpy(text + sizeof(text) - 12, "last words\n", 11);
	logs_set_rate(t.logs, 4096, 4096, false);
	assert_int_equal(write(t.out, text, sizeof(text)), sizeof(text));
	turn(3);
	logs_drain(t.logs);
	turn(20);
	assert_non_null(strstr(tail(3), "last words"));
	assert_int_equal(logs_lost(t.logs), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_lines),
		T(test_rate),
		T(test_rate_and_drain),
		T(test_rate_drops),
		T(test_rate_drops_before_an_upgrade),
		T(test_pipes),
		T(test_no_newline_at_end),
		T(test_old_pipes_go_on),
		T(test_bytes),
		T(test_long_lines),
		T(test_rotation),
		T(test_rotation_in_one_read),
		T(test_last),
		T(test_by_hand),
		T(test_disk_full),
		T(test_logger_killed_on_a_full_disk),
		T(test_watcher),
		T(test_fair),
		T(test_drain),
		T(test_reader),
		T(test_partial),
		T(test_partial_is_not_torn),
		T(test_slow_disk),
		T(test_hung_disk),
		T(test_answers_to_nothing),
		T(test_settle_has_an_end),
		T(test_settle_with_a_slow_logger),
		T(test_logger_killed),
		T(test_others_go_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
