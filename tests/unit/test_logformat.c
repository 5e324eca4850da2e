/* SPDX-License-Identifier: ISC */
/* Lines as syslogd and journald take them, and what becomes of them when those hang, end or are not there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/fdpass.h"
#include "base/util.h"
#include "supervisor/logger/logformat.h"
#include "supervisor/logger/logout.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define HEAD "2026-11-06T07:31:15.123456Z "

static char buf[4096];

static void is(size_t n, const char *want)
{
	assert_int_equal(n, strlen(want));
	assert_memory_equal(buf, want, n);
}

static struct log_line line(const char *text)
{
	struct log_line l;

	assert_true(logtext_line(text, strlen(text), &l));
	return l;
}

static void test_syslog(void **state)
{
	struct log_line l = line(HEAD "out a text"), nul = {.time = l.time, .stream = LOG_ERR, .text = "a\0b", .len = 3};

	(void)state;
	setenv("TZ", "XXX-2", 1);
	tzset();
	is(logformat_syslog("web@1", &l, buf, sizeof(buf)), "<30>Nov  6 09:31:15 web@1: a text");
	l = line(HEAD "err+ more");
	is(logformat_syslog("web", &l, buf, sizeof(buf)), "<28>Nov  6 09:31:15 web: more");
	l = line(HEAD "sup ");
	is(logformat_syslog("web", &l, buf, sizeof(buf)), "<29>Nov  6 09:31:15 web: ");
	is(logformat_syslog("web", &nul, buf, sizeof(buf)), "<28>Nov  6 09:31:15 web: a b");
	assert_int_equal(logformat_syslog("web", &nul, buf, 26), 0);
	assert_int_equal(logformat_syslog("web", &nul, buf, 10), 0);
}

static void test_journal(void **state)
{
	struct log_line l = line(HEAD "out PRIORITY=0"), bad = {.time = l.time, .stream = LOG_OUT, .text = "a\nPRIORITY=0", .len = 12};

	(void)state;
	is(logformat_journal("web", &l, buf, sizeof(buf)),
		"PRIORITY=6\nSYSLOG_IDENTIFIER=web\nSYSLOG_FACILITY=3\nTRPSUP_SERVICE=web\nTRPSUP_STREAM=out\n"
		"TRPSUP_TIME=2026-11-06T07:31:15.123456Z\nMESSAGE=PRIORITY=0\n");
	/* nothing that a service says is a field of its own */
	assert_int_equal(logformat_journal("web", &bad, buf, sizeof(buf)), 0);
}

static int ends[2];

static int connect_pair(void **state)
{
	int size = 4096;

	(void)state;
	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) < 0 || setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) < 0)
		return -1;
	logout_socket(LOG_SYSLOG, ends[0]);
	return 0;
}

static int drop_pair(void **state)
{
	(void)state;
	logout_socket(LOG_SYSLOG, -1);
	close(ends[1]);
	return 0;
}

static struct log_ack put(uint32_t to, const char *lines, uint64_t unsaid)
{
	const uint64_t before[LOG_SOCKETS] = {unsaid, 0};
	struct log_ack ack = {0};

	logout_write("web", to, lines, strlen(lines), before, &ack);
	return ack;
}

static const char *taken(void)
{
	ssize_t n = recv(ends[1], buf, sizeof(buf) - 1, MSG_DONTWAIT);

	buf[n > 0 ? n : 0] = '\0';
	return n < 0 ? NULL : strchr(buf, ' ') ? strstr(buf, "web: ") : buf;
}

static void test_sent(void **state)
{
	struct log_ack ack = put(LOG_TO_FILE | LOG_TO_SYSLOG, HEAD "out one\n" HEAD "err two\n", 0);

	(void)state;
	assert_string_equal(taken(), "web: one");
	assert_string_equal(taken(), "web: two");
	assert_null(taken());
	assert_true(ack.dropped[LOG_SYSLOG] == 0 && ack.unsaid[LOG_SYSLOG] == 0 && ack.broken == 0);
	/* not asked for */
	ack = put(LOG_TO_FILE, HEAD "out one\n", 7);
	assert_null(taken());
	assert_int_equal(ack.unsaid[LOG_SYSLOG], 7);
}

/* Whoever reads there hangs: lines are dropped, in a bounded time; then it is said how many. */
static void test_hung(void **state)
{
	struct log_ack ack;
	uint64_t dropped = 0, unsaid = 0;
	unsigned got = 0;

	(void)state;
	for (int i = 0; i < 2000; i++) {
		ack = put(LOG_TO_SYSLOG, HEAD "out xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n", unsaid);
		dropped += ack.dropped[LOG_SYSLOG];
		unsaid = ack.unsaid[LOG_SYSLOG];
		assert_int_equal(ack.broken, 0);
	}
	assert_true(dropped > 1000 && unsaid == dropped);
	while (taken())
		got++;
	assert_int_equal(got + dropped, 2000);
	ack = put(LOG_TO_SYSLOG, HEAD "out again\n", unsaid);
	assert_true(ack.dropped[LOG_SYSLOG] == 0 && ack.unsaid[LOG_SYSLOG] == 0);
	snprintf(buf + 2048, 200, "web: %llu lines before this were dropped: they were not taken in time", (unsigned long long)dropped);
	assert_string_equal(taken(), buf + 2048);
	assert_string_equal(taken(), "web: again");
}

/* It has ended: another socket is asked for, and what comes before that is counted. */
static void test_gone(void **state)
{
	struct log_ack ack;

	(void)state;
	close(ends[1]);
	ack = put(LOG_TO_SYSLOG, HEAD "out one\n" HEAD "out two\n", 3);
	assert_true(ack.dropped[LOG_SYSLOG] == 2 && ack.unsaid[LOG_SYSLOG] == 5);
	assert_int_equal(ack.broken, LOG_SOCKET_BIT(LOG_SYSLOG));
	assert_int_equal(connect_pair(NULL), 0);
	ack = put(LOG_TO_SYSLOG, HEAD "out three\n", 5);
	assert_true(ack.dropped[LOG_SYSLOG] == 0 && ack.unsaid[LOG_SYSLOG] == 0 && ack.broken == 0);
	assert_string_equal(taken(), "web: 5 lines before this were dropped: they were not taken in time");
	assert_string_equal(taken(), "web: three");
	/* one of the two */
	ack = put(LOG_TO_SYSLOG | LOG_TO_JOURNAL, HEAD "out four\n", 0);
	assert_string_equal(taken(), "web: four");
	assert_true(ack.dropped[LOG_JOURNAL] == 1 && ack.broken == LOG_SOCKET_BIT(LOG_JOURNAL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_syslog),
		cmocka_unit_test(test_journal),
		cmocka_unit_test_setup_teardown(test_sent, connect_pair, drop_pair),
		cmocka_unit_test_setup_teardown(test_hung, connect_pair, drop_pair),
		cmocka_unit_test_setup_teardown(test_gone, connect_pair, drop_pair),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
