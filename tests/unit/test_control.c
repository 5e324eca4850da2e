/* SPDX-License-Identifier: ISC */
/* The control protocol's server, over real sockets in a loop of the test's own.
 * wrap: getsockopt */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/fdpass.h"
#include "base/io.h"
#include "base/log.h"
#include "base/utf8.h"
#include "supervisor/answer.h"
#include "supervisor/control.h"
#include "supervisor/controlmsg.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define LONG (3 * CONTROL_OUTPUT_MAX)

static struct {
	char dir[32];
	char path[64];
	struct ev_loop *loop;
	struct control *control;
	struct control_call *held; /* of t.Hold */
	unsigned ran, gone, drained;
	int order[8];
} t;

static unsigned fake_uid = (unsigned)-1; /* what SO_PEERCRED says, if not the truth */

int __real_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	int r = __real_getsockopt(fd, level, name, value, len);

	if (r == 0 && level == SOL_SOCKET && name == SO_PEERCRED && fake_uid != (unsigned)-1)
		((struct ucred *)value)->uid = fake_uid;
	return r;
}

/* ---- verbs ---- */

static void verb_echo(struct control_call *call, const json_t *params, void *user)
{
	assert_ptr_equal(user, &t);
	t.order[t.ran++ % 8] = (int)json_integer_value(json_object_get(params, "n"));
	control_reply(call, json_deep_copy(params), false);
}

static void on_gone(void *data)
{
	assert_ptr_equal(data, &t.held);
	t.held = NULL;
	t.gone++;
}

static void verb_hold(struct control_call *call, const json_t *params, void *user)
{
	(void)params;
	(void)user;
	t.ran++;
	t.held = call;
	control_on_gone(call, on_gone, &t.held);
}

static void verb_stream(struct control_call *call, const json_t *params, void *user)
{
	(void)params;
	(void)user;
	control_reply(call, json_pack("{s:i}", "n", 1), true);
	control_reply(call, json_pack("{s:i}", "n", 2), true);
	control_reply(call, json_pack("{s:i}", "n", 3), false);
}

/* Two descriptors in the middle of other replies. */
static void verb_pass(struct control_call *call, const json_t *params, void *user)
{
	int p[2];

	(void)params;
	(void)user;
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	control_reply_fds(call, json_pack("{s:i}", "n", 1), true, p, 2);
	close(p[0]);
	close(p[1]);
	control_reply(call, json_pack("{s:i}", "n", 2), false);
}

/* A table of more rows than may wait for who does not read */
static void verb_long(struct control_call *call, const json_t *params, void *user)
{
	char *text = malloc(LONG);

	(void)params;
	(void)user;
	memset(text, 'x', LONG);
	control_reply(call, json_pack("{s:s%}", "text", text, (size_t)LONG), false);
	free(text);
}

/* A sentence that a buffer was too short for */
static void verb_fail(struct control_call *call, const json_t *params, void *user)
{
	(void)params;
	(void)user;
	answer_failed(call, "gr\xc3");
}

static const struct control_verb verbs[] = {
	{"t.Fail", verb_fail, "fails"},
	{"t.Long", verb_long, "has much to say"},
	{"t.Pass", verb_pass, "passes two descriptors"},
	{"t.Echo", verb_echo, "gives its parameters back"},
	{"t.Hold", verb_hold, "is answered by the test"},
	{"t.Stream", verb_stream, "three replies"},
};

/* ---- the other side ---- */

static void turn(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		ev_run(t.loop, EVRUN_NOWAIT);
}

static int client(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", t.path);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text) + 1, MSG_NOSIGNAL), strlen(text) + 1);
	turn(6);
}

/* The next message that is there already; NULL: none. At end of file: "EOF". */
static const char *hear(int fd)
{
	static char text[CONTROL_MESSAGE_MAX];
	size_t len = 0;

	while (len < sizeof(text)) {
		ssize_t n = recv(fd, text + len, 1, MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return "EOF";
		if (n < 0)
			return NULL;
		if (text[len++] == '\0')
			return text;
	}
	return NULL;
}

static void expect(int fd, const char *want)
{
	const char *got = hear(fd);

	if (!want) {
		assert_null(got);
		return;
	}
	assert_non_null(got);
	assert_string_equal(got, want);
}

static int setup(void **state)
{
	(void)state;
	memset(&t, 0, sizeof(t));
	fake_uid = (unsigned)-1;
	log_set_level(0); /* what is refused here on purpose is no news */
	strcpy(t.dir, "/tmp/test-control.XXXXXX");
	assert_non_null(mkdtemp(t.dir));
	snprintf(t.path, sizeof(t.path), "%s/control", t.dir);
	t.loop = ev_loop_new(EVFLAG_NOENV);
	return control_open(t.loop, t.path, verbs, TRP_ARRAY_SIZE(verbs), &t, &t.control);
}

static int teardown(void **state)
{
	(void)state;
	control_close(t.control);
	ev_loop_destroy(t.loop);
	return trp_remove_tree(AT_FDCWD, t.dir);
}

/* ---- tests ---- */

static void test_split(void **state)
{
	static const char call[] = "{\"method\":\"t.Echo\",\"parameters\":{\"n\":7}}";
	int fd = client();

	(void)state;
	for (size_t cut = 1; cut < sizeof(call); cut++) {
		send(fd, call, cut, 0);
		turn(2);
		expect(fd, NULL);
		send(fd, call + cut, sizeof(call) - cut, 0);
		turn(3);
		expect(fd, "{\"parameters\":{\"n\":7}}");
	}
	assert_int_equal(t.ran, sizeof(call) - 1);
	close(fd);
}

static void test_two_in_one(void **state)
{
	static const char two[] =
		"{\"method\":\"t.Hold\"}\0{\"method\":\"t.Echo\",\"parameters\":{\"n\":2}}";
	int fd = client();

	(void)state;
	send(fd, two, sizeof(two), 0);
	turn(6);
	assert_int_equal(t.ran, 1); /* the second one waits for the first */
	expect(fd, NULL);
	control_reply(t.held, NULL, false);
	turn(6);
	expect(fd, "{\"parameters\":{}}");
	expect(fd, "{\"parameters\":{\"n\":2}}");
	close(fd);
}

static void test_standard_errors(void **state)
{
	int fd = client();

	(void)state;
	say(fd, "{\"method\":\"t.Nothing\"}");
	expect(fd, "{\"error\":\"org.varlink.service.MethodNotFound\",\"parameters\":{\"method\":"
		   "\"t.Nothing\"}}");
	say(fd, "{\"method\":\"x.y.Echo\"}");
	expect(fd, "{\"error\":\"org.varlink.service.InterfaceNotFound\",\"parameters\":{"
		   "\"interface\":\"x.y\"}}");
	say(fd, "{\"method\":\"org.varlink.service.GetInfo\"}");
	assert_non_null(strstr(hear(fd), "\"product\":\"trpsupd\""));
	expect(fd, NULL);
	close(fd);
}

static void test_garbage(void **state)
{
	static const char *const bad[] = {"", "GET / HTTP/1.1", "[]",
		"{\"method\":", "{\"method\":5}", "{\"method\":\"Echo\"}",
		"{\"method\":\"t.Echo\",\"parameters\":[]}", "{\"method\":\"t.Echo\",\"more\":1}",
		"{\"method\":\"t.Echo\",\"upgrade\":true}",
		"{\"method\":\"t.Echo\",\"method\":\"t.Echo\"}", "{\"method\":\"t.Echo\"} x",
		"{\"method\":\"t.Echo\",\"parameters\":{\"a\":\"\xff\"}}"};

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(bad); i++) {
		int fd = client();
		say(fd, bad[i]);
		assert_non_null(strstr(hear(fd), "trpsup.BadMessage"));
		expect(fd, "EOF");
		close(fd);
	}
	assert_int_equal(t.ran, 0);
}

static void test_deep(void **state)
{
	cleanup_free char *text = calloc(1, 40000);
	int fd = client();

	(void)state;
	strcpy(text, "{\"method\":\"t.Echo\",\"parameters\":");
	memset(text + strlen(text), '[', 30000);
	say(fd, text);
	assert_non_null(strstr(hear(fd), "trpsup.BadMessage"));
	close(fd);
}

static void test_over_long(void **state)
{
	cleanup_free char *text = malloc(CONTROL_MESSAGE_MAX + 64);
	int fd = client();

	(void)state;
	/* the longest that is allowed */
	memset(text, ' ', CONTROL_MESSAGE_MAX);
	memcpy(text, "{\"method\":\"t.Stream\"}", 21);
	text[CONTROL_MESSAGE_MAX] = '\0';
	say(fd, text);
	expect(fd, "{\"parameters\":{\"n\":3}}");
	/* one more */
	text[CONTROL_MESSAGE_MAX] = ' ';
	text[CONTROL_MESSAGE_MAX + 1] = '\0';
	send(fd, text, CONTROL_MESSAGE_MAX + 2, MSG_NOSIGNAL);
	turn(8);
	assert_non_null(strstr(hear(fd), "longer than"));
	expect(fd, "EOF");
	close(fd);
}

static void test_more(void **state)
{
	int fd = client();

	(void)state;
	say(fd, "{\"method\":\"t.Stream\",\"more\":true}");
	expect(fd, "{\"parameters\":{\"n\":1},\"continues\":true}");
	expect(fd, "{\"parameters\":{\"n\":2},\"continues\":true}");
	expect(fd, "{\"parameters\":{\"n\":3}}");
	say(fd, "{\"method\":\"t.Stream\"}");
	expect(fd, "{\"parameters\":{\"n\":3}}");
	say(fd, "{\"method\":\"t.Stream\",\"oneway\":true}");
	expect(fd, NULL);
	say(fd, "{\"method\":\"t.Stream\"}");
	expect(fd, "{\"parameters\":{\"n\":3}}");
	close(fd);
}

static void test_gone(void **state)
{
	int fd = client();

	(void)state;
	say(fd, "{\"method\":\"t.Hold\"}");
	assert_non_null(t.held);
	close(fd);
	turn(4);
	assert_int_equal(t.gone, 1);
}

static void test_not_gone_after_reply(void **state)
{
	int fd = client();

	(void)state;
	say(fd, "{\"method\":\"t.Hold\"}");
	control_reply(t.held, NULL, false);
	close(fd);
	turn(4);
	assert_int_equal(t.gone, 0);
}

static void stop_loop(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)w;
	(void)revents;
	ev_break(loop, EVBREAK_ALL);
}

/* printf ... | nc -N: sends no more, still wants its answer */
static void test_half_closed(void **state)
{
	ev_timer end;
	int fd = client();

	(void)state;
	say(fd, "{\"method\":\"t.Hold\",\"more\":true}");
	shutdown(fd, SHUT_WR);
	turn(4);
	assert_non_null(t.held);
	control_reply(t.held, NULL, true);
	turn(4);
	expect(fd, "{\"parameters\":{},\"continues\":true}");
	assert_int_equal(t.gone, 0);
	/* and is noticed when it goes for good, although nothing more is read from it */
	close(fd);
	ev_timer_init(&end, stop_loop, 1.3, 0.);
	ev_timer_start(t.loop, &end);
	ev_run(t.loop, 0);
	assert_int_equal(t.gone, 1);
}

static void test_half_closed_ends(void **state)
{
	int fd = client();

	(void)state;
	say(fd, "{\"method\":\"t.Stream\"}");
	shutdown(fd, SHUT_WR);
	turn(4);
	expect(fd, "{\"parameters\":{\"n\":3}}");
	expect(fd, "EOF");
	close(fd);
}

static json_t *kilobyte(void)
{
	char text[1024];

	memset(text, 'x', sizeof(text));
	return json_pack("{s:s%}", "text", text, sizeof(text));
}

static void test_slow_reader(void **state)
{
	int fd = client(), other = client();
	unsigned sent = 0;

	(void)state;
	say(fd, "{\"method\":\"t.Hold\",\"more\":true}");
	while (t.gone == 0 && sent < 4096) {
		control_reply(t.held, kilobyte(), true);
		if (++sent % 16 == 0)
			turn(2);
		if (t.held)
			assert_true(control_pending(t.held) <= CONTROL_OUTPUT_MAX);
	}
	assert_int_equal(t.gone, 1);
	assert_in_range(sent, CONTROL_OUTPUT_MAX / 1100, 4000);
	say(other, "{\"method\":\"t.Echo\"}"); /* nobody else suffers */
	expect(other, "{\"parameters\":{}}");
	close(fd);
	close(other);
}

/* Fills up to the mark; goes on when asked to; ends after 3 MiB. */
static void on_drained(void *data)
{
	(void)data;
	t.drained++;
	while (t.ran < 3072 && control_pending(t.held) < CONTROL_OUTPUT_LOW) {
		control_reply(t.held, kilobyte(), true);
		t.ran++;
	}
	if (t.ran == 3072)
		control_reply(t.held, NULL, false);
}

static void test_drain(void **state)
{
	unsigned replies = 0;
	const char *text;
	int fd = client();

	(void)state;
	say(fd, "{\"method\":\"t.Hold\",\"more\":true}");
	control_on_drain(t.held, on_drained, NULL);
	t.ran = 0;
	on_drained(NULL);
	for (unsigned i = 0; i < 4000 && replies < 3073; i++) {
		turn(1);
		while ((text = hear(fd))) {
			assert_string_not_equal(text, "EOF");
			replies++;
		}
	}
	assert_int_equal(replies, 3073);
	assert_int_equal(t.gone, 0);
	assert_true(t.drained > 10);
	close(fd);
}

static void test_wrong_uid(void **state)
{
	int fd;

	(void)state;
	fake_uid = geteuid() + 4711;
	fd = client();
	say(fd, "{\"method\":\"t.Echo\"}");
	expect(fd, "EOF");
	assert_int_equal(t.ran, 0);
	close(fd);
	fake_uid = 0; /* root always may */
	fd = client();
	say(fd, "{\"method\":\"t.Echo\"}");
	expect(fd, "{\"parameters\":{}}");
	close(fd);
}

static void test_many(void **state)
{
	int fds[CONTROL_CLIENTS_MAX], one_more;

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(fds); i++) {
		fds[i] = client();
		turn(2);
	}
	one_more = client();
	turn(4);
	assert_non_null(strstr(hear(one_more), "trpsup.Busy"));
	expect(one_more, "EOF");
	close(one_more);
	close(fds[3]);
	turn(4);
	one_more = client();
	say(one_more, "{\"method\":\"t.Echo\"}");
	expect(one_more, "{\"parameters\":{}}");
	close(one_more);
	for (size_t i = 0; i < TRP_ARRAY_SIZE(fds); i++)
		if (i != 3)
			close(fds[i]);
}

static void test_socket_file(void **state)
{
	struct control *second = NULL;
	char other[80], half[90], link_name[90];
	struct stat st;
	int fd;

	(void)state;
	assert_int_equal(lstat(t.path, &st), 0);
	assert_int_equal(st.st_mode, S_IFSOCK | 0600);
	/* somebody is there */
	assert_int_equal(control_open(t.loop, t.path, verbs, 1, &t, &second), -EADDRINUSE);
	assert_null(second);
	/* of one that was killed before its socket had its name */
	snprintf(other, sizeof(other), "%s/x", t.dir);
	snprintf(half, sizeof(half), "%s/x.new", t.dir);
	assert_int_equal(mkdir(half, 0700), 0);
	snprintf(half, sizeof(half), "%s/x.new/s", t.dir);
	assert_int_equal(trp_write_atomic(AT_FDCWD, half, "", 0, 0600), 0);
	assert_int_equal(control_open(t.loop, other, verbs, 1, &t, &second), 0);
	control_close(second);
	assert_int_equal(lstat(half, &st), -1);
	/* a dead daemon's: the file stays when its process ends */
	snprintf(link_name, sizeof(link_name), "%s/y", t.dir);
	assert_int_equal(control_open(t.loop, other, verbs, 1, &t, &second), 0);
	assert_int_equal(link(other, link_name), 0);
	control_close(second);
	assert_int_equal(lstat(other, &st), -1);
	assert_int_equal(rename(link_name, other), 0);
	assert_int_equal(control_open(t.loop, other, verbs, 1, &t, &second), 0);
	/* not ours any more: left alone */
	assert_int_equal(unlink(other), 0);
	fd = open(other, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(fd);
	control_close(second);
	assert_int_equal(lstat(other, &st), 0);
	assert_int_equal(control_open(t.loop, other, verbs, 1, &t, &second), -EEXIST);
	unlink(other);
}

static void test_close_tells(void **state)
{
	int fd = client();

	(void)state;
	say(fd, "{\"method\":\"t.Hold\",\"more\":true}");
	control_reply(t.held, NULL, true);
	control_close(t.control);
	t.control = NULL;
	assert_int_equal(t.gone, 1);
	expect(fd, "{\"parameters\":{},\"continues\":true}");
	expect(fd, "EOF");
	close(fd);
}

static void test_string(void **state)
{
	static const struct {
		const char *in;
		size_t len;
		const char *out;
	} table[] = {
		{"plain", 5, "plain"}, {"gr\xc3\xbc\xc3\x9f", 6, "gr\xc3\xbc\xc3\x9f"},
		{"a\xff"
		 "b",
			3, "a\\xffb"},
		{"a\0b", 3, "a\\x00b"}, {"\xc3", 1, "\\xc3"},    /* cut off */
		{"\xc0\xaf", 2, "\\xc0\\xaf"},                   /* over-long */
		{"\xed\xa0\x80", 3, "\\xed\\xa0\\x80"},          /* a surrogate */
		{"\xf4\x90\x80\x80", 4, "\\xf4\\x90\\x80\\x80"}, /* above U+10FFFF */
		{"\x1b[31m\xff", 6,
			"\x1b[31m\\xff"}, /* control characters are the client's business */
	};

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(table); i++) {
		json_t *s = controlmsg_string(table[i].in, table[i].len);
		assert_string_equal(json_string_value(s), table[i].out);
		json_decref(s);
	}
}

/* Who reads gets all of it, and the next one. */
static void test_long_reply(void **state)
{
	char piece[65536] = "x";
	int fd = client();

	(void)state;
	for (int round = 0; round < 2; round++) {
		size_t len = 0;
		ssize_t n = 1;
		say(fd, "{\"method\":\"t.Long\"}");
		while (n < 0 || piece[n - 1] != '\0') {
			n = recv(fd, piece, sizeof(piece), MSG_DONTWAIT);
			assert_int_not_equal(n, 0);
			len += n > 0 ? (size_t)n : 0;
			turn(1);
		}
		assert_int_equal(len, LONG + strlen("{\"parameters\":{\"text\":\"\"}}") + 1);
		piece[0] = 'x';
	}
	say(fd, "{\"method\":\"t.Echo\"}");
	expect(fd, "{\"parameters\":{}}");
	close(fd);
}

static void test_failed_text(void **state)
{
	int fd = client();

	(void)state;
	say(fd, "{\"method\":\"t.Fail\"}");
	expect(fd, "{\"error\":\"trpsup.Failed\",\"parameters\":{\"text\":\"gr\\\\xc3\"}}");
	close(fd);
}

static unsigned open_descriptors(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* They come beside the first byte of their reply, though the bytes of another wait before it; and are closed here, also if nobody
 * takes them. */
static void test_descriptors(void **state)
{
	const unsigned before = open_descriptors();
	cleanup_close int fd = client();
	char text[300];
	size_t len = 0, n_fds = 0;
	int fds[4];

	(void)state;
	say(fd, "{\"method\":\"t.Stream\",\"more\":true}");
	say(fd, "{\"method\":\"t.Pass\",\"more\":true}");
	while (n_fds == 0) {
		ssize_t n = trp_fd_recv_upto(fd, text + len, sizeof(text) - len - 1, fds, 4, &n_fds, MSG_DONTWAIT);
		assert_true(n > 0);
		len += (size_t)n;
	}
	assert_int_equal(n_fds, 2);
	/* the kernel ends a read behind a byte that has some: the other replies are whole, and theirs begins */
	assert_true(len > 1 && text[len - 2] == '\0' && text[len - 1] == '{');
	assert_int_equal(write(fds[1], "x", 1), 1);
	assert_int_equal(read(fds[0], text, 1), 1);
	close(fds[0]);
	close(fds[1]);
	say(fd, "{\"method\":\"t.Pass\",\"more\":true}"); /* not read */
	trp_close(&fd);
	turn(6);
	assert_int_equal(open_descriptors(), before);
}

/* What trpsup shows on a terminal. */
static void test_escape(void **state)
{
	static const struct {
		const char *in, *out;
	} table[] = {
		{"tab\tgr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80",
			"tab\tgr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80"},
		{"\x1b]0;title\a", "\\x1b]0;title\\x07"},
		{"a\nb\rc\x7f", "a\\x0ab\\x0dc\\x7f"},
		{"\xc2\x9b"
		 "31m",
			"\\xc2\\x9b31m"}, /* CSI as one character of C1 */
		{"\xe2\x80\xae"
		 "exe",
			"\\xe2\\x80\\xaeexe"}, /* right to left */
		{"\x9b\xff", "\\x9b\\xff"},
	};

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(table); i++) {
		cleanup_free char *out =
			trp_escape(table[i].in, strlen(table[i].in), TRP_ESCAPE_CONTROL);
		assert_string_equal(out, table[i].out);
	}
}

/* JSON on a terminal says the same. */
static void test_escape_json(void **state)
{
	static const char in[] = "[\"\xc2\x9b" "31m \x7f \xe2\x80\xae" "exe \xd8\x9c \\u001b gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80\"]";
	cleanup_free char *out = trp_escape(in, strlen(in), TRP_ESCAPE_JSON);
	json_t *before = json_loads(in, 0, NULL), *after = json_loads(out, 0, NULL);

	(void)state;
	assert_string_equal(out, "[\"\\u009b31m \\u007f \\u202eexe \\u061c \\u001b gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80\"]");
	assert_non_null(before);
	assert_true(json_equal(before, after));
	json_decref(before);
	json_decref(after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_split),
		T(test_descriptors),
		T(test_two_in_one),
		T(test_escape_json),
		T(test_failed_text),
		T(test_long_reply),
		T(test_standard_errors),
		T(test_garbage),
		T(test_deep),
		T(test_over_long),
		T(test_more),
		T(test_gone),
		T(test_not_gone_after_reply),
		T(test_half_closed),
		T(test_half_closed_ends),
		T(test_slow_reader),
		T(test_drain),
		T(test_wrong_uid),
		T(test_many),
		T(test_socket_file),
		T(test_close_tells),
		cmocka_unit_test(test_string),
		cmocka_unit_test(test_escape),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
