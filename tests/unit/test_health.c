/* SPDX-License-Identifier: ISC */
/* Health: what follows from checks, what is read of an answer, what a check by TLS begins with, and that a service cannot keep us in a
 * close. wrap: setsockopt */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/answer.h"
#include "base/util.h"
#include "router/protocol/parser.h"
#include "supervisor/closesoon.h"
#include "supervisor/health.h"
#include "supervisor/hello.h"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static void test_count(void **state)
{
	struct health_count c = {0};

	(void)state;
	/* unknown until one passes, or enough fail */
	assert_int_equal(health_count(&c, false, false, 3, 2), HEALTH_SAME);
	assert_int_equal(health_count(&c, true, false, 3, 2), HEALTH_SAME);
	assert_int_equal(health_count(&c, false, false, 3, 2), HEALTH_SAME);
	assert_int_equal(health_count(&c, true, false, 3, 2), HEALTH_SAME);
	assert_int_equal(c.state, HEALTH_UNKNOWN);
	assert_int_equal(health_count(&c, true, false, 3, 2), HEALTH_NOW_HEALTHY);
	assert_int_equal(health_count(&c, true, false, 3, 2), HEALTH_SAME);
	/* only those in a row count */
	for (int i = 0; i < 10; i++)
		assert_int_equal(health_count(&c, i % 3 == 2, false, 3, 2), HEALTH_SAME);
	c.failures = 0;
	assert_int_equal(health_count(&c, false, false, 3, 2), HEALTH_SAME);
	assert_int_equal(health_count(&c, false, false, 3, 2), HEALTH_SAME);
	assert_int_equal(health_count(&c, false, false, 3, 2), HEALTH_NOW_UNHEALTHY);
	assert_int_equal(health_count(&c, false, false, 3, 2), HEALTH_SAME);
	assert_int_equal(c.failures, 4);
	assert_int_equal(health_count(&c, true, false, 3, 2), HEALTH_SAME);
	assert_int_equal(health_count(&c, true, false, 3, 2), HEALTH_NOW_HEALTHY);
}

static void test_excuse(void **state)
{
	struct health_count c = {0};

	(void)state;
	for (int i = 0; i < 10; i++)
		assert_int_equal(health_count(&c, false, true, 1, 1), HEALTH_SAME);
	assert_int_equal(c.failures, 0);
	/* it still has to pass as often in a row */
	assert_int_equal(health_count(&c, true, true, 1, 2), HEALTH_SAME);
	assert_int_equal(health_count(&c, false, true, 1, 2), HEALTH_SAME);
	assert_int_equal(health_count(&c, true, true, 1, 2), HEALTH_SAME);
	assert_int_equal(health_count(&c, true, true, 1, 2), HEALTH_NOW_HEALTHY);
	/* after its first success there is no excuse */
	assert_int_equal(health_count(&c, false, true, 1, 2), HEALTH_NOW_UNHEALTHY);
}

static void test_http(void **state)
{
	static const struct {
		const char *text;
		enum trp_answer answer;
		int status;
	} rows[] = {{"HTTP/1.1 200 OK\r\n", TRP_ANSWER_FOUND, 200}, {"HTTP/1.0 404 ", TRP_ANSWER_FOUND, 404}, {"HTTP/1.1 500\r\n", TRP_ANSWER_FOUND, 500},
		{"HTTP/1.1 999\n", TRP_ANSWER_FOUND, 999}, {"HTTP/1.1 099 x", TRP_ANSWER_BAD, 0}, {"HTTP/1.1 2000 ", TRP_ANSWER_BAD, 0},
		{"HTTP/1.1  200 ", TRP_ANSWER_BAD, 0}, {"HTTP/2 200 ", TRP_ANSWER_BAD, 0}, {"HTTP/1.x 200 ", TRP_ANSWER_BAD, 0},
		{"http/1.1 200 ", TRP_ANSWER_BAD, 0}, {" HTTP/1.1 200 ", TRP_ANSWER_BAD, 0}, {"SSH-2.0-x", TRP_ANSWER_BAD, 0},
		{"HTTP/1.1 200", TRP_ANSWER_NEED, 0}, {"HTTP", TRP_ANSWER_NEED, 0}, {"", TRP_ANSWER_NEED, 0}};

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(rows); i++) {
		int status = 0;
		size_t len = strlen(rows[i].text);
		assert_int_equal(trp_answer_http((const unsigned char *)rows[i].text, len, &status), rows[i].answer);
		assert_int_equal(status, rows[i].status);
		/* what is found or bad is not to be had back by less, and less is never something else */
		for (size_t n = 0; n < len; n++) {
			enum trp_answer less = trp_answer_http((const unsigned char *)rows[i].text, n, &status);
			assert_true(less == TRP_ANSWER_NEED || less == rows[i].answer);
		}
	}
}

static void test_tls(void **state)
{
	static const unsigned char hello[] = {22, 3, 3, 0, 90, 2, 0, 0, 86}, alert[] = {21, 3, 3, 0, 2, 2, 112}, http[] = "HTTP/1.1 400 ";
	int number = 0;

	(void)state;
	assert_int_equal(trp_answer_tls(hello, sizeof(hello), &number), TRP_ANSWER_FOUND);
	assert_int_equal(number, -1);
	assert_int_equal(trp_answer_tls(alert, sizeof(alert), &number), TRP_ANSWER_FOUND);
	assert_int_equal(number, 112);
	assert_int_equal(trp_answer_tls(alert, 6, &number), TRP_ANSWER_NEED);
	assert_int_equal(trp_answer_tls(http, sizeof(http), &number), TRP_ANSWER_BAD);
}

/* The router's parser understands it as it does a browser's. */
static void test_hello(void **state)
{
	unsigned char out[1024], first[1024];
	size_t len = hello_make("www.example.org", first, sizeof(first));

	(void)state;
	for (size_t size = 0; size < sizeof(out); size++) {
		struct parse_result r = {.verdict = PARSE_OTHER};
		size_t n = hello_make("www.example.org", out, size);
		assert_int_equal(n, size < len ? 0 : len);
		if (n == 0)
			continue;
		parse_tls(out, n, &r);
		assert_int_equal(r.verdict, PARSE_FOUND);
		assert_string_equal(r.name, "www.example.org");
		assert_memory_not_equal(out, first, n); /* random */
	}
	assert_true(len > 100);
}

static bool linger_stays;
int __real_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	if (linger_stays && level == SOL_SOCKET && name == SO_LINGER)
		return 0; /* as if the service set it again at once */
	return __real_setsockopt(fd, level, name, value, len);
}

/* One whose peer reads nothing, and that waits for it at its close. */
static int stuck_socket(int *ret_peer)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const struct linger on = {.l_onoff = 1, .l_linger = 100000};
	int listener = socket(AF_INET, SOCK_STREAM, 0), peer = socket(AF_INET, SOCK_STREAM, 0), fd;
	socklen_t len = sizeof(at);
	static const char bytes[65536];

	assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &len), 0);
	assert_int_equal(connect(peer, (struct sockaddr *)&at, sizeof(at)), 0);
	fd = accept(listener, NULL, NULL);
	assert_true(fd >= 0);
	close(listener);
	while (send(fd, bytes, sizeof(bytes), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
		;
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &on, sizeof(on)), 0);
	*ret_peer = peer;
	return fd;
}

static void ends(bool set_again)
{
	int peer, fd = stuck_socket(&peer), pidfd, status, go[2];
	char byte = 0;
	pid_t pid;

	assert_int_equal(pipe(go), 0);
	pid = fork();
	if (pid == 0) {
		if (read(go[0], &byte, 1) != 1) /* until nobody else has it */
			_exit(2);
		linger_stays = set_again;
		close_soon(&fd);
		_exit(fd == -1 ? 0 : 1);
	}
	close(fd);
	assert_int_equal(write(go[1], &byte, 1), 1);
	close(go[0]);
	close(go[1]);
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	assert_true(pidfd >= 0);
	/* for ever, without that signal */
	if (poll(&(struct pollfd){.fd = pidfd, .events = POLLIN}, 1, 20000) != 1) {
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		fail_msg("close_soon() does not return");
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(pidfd);
	close(peer);
}

static void test_close_soon(void **state)
{
	(void)state;
	ends(false);
	ends(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_count), cmocka_unit_test(test_excuse), cmocka_unit_test(test_http), cmocka_unit_test(test_tls),
		cmocka_unit_test(test_hello), cmocka_unit_test(test_close_soon)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
