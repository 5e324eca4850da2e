/* SPDX-License-Identifier: ISC */
/* The access log's file when it takes less than it is given, and lines that are as long as they can be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "router/control.h"
#include "router/observer/observer.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

uint64_t observer_clock(void)
{
	return 0;
}

static struct observer observer;

static const struct line line = {
	.peer = {.family = AF_INET6, .ip = {0x20, 1, 0xd, 0xb8, [15] = 1}}, .name = "x.test", .name_len = 6, .verdict = "no_route"};

/* All that lies in the pipe */
static size_t take(int fd, char *text, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while ((n = read(fd, text + len, size - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	return len;
}

/* A pipe takes a part of a large write(2), as a disk does that becomes full. */
static void test_a_torn_line_ends(void **state)
{
	static char text[256 * 1024];
	char *first, *note;
	int p[2];

	(void)state;
	assert_int_equal(pipe2(p, O_NONBLOCK | O_CLOEXEC), 0);
	assert_true(fcntl(p[1], F_SETPIPE_SZ, 4096) >= 4096);
	observer.log = (struct log){.fd = p[1], .max = UINT64_MAX};
	for (int i = 0; i < 300; i++)
		log_line(&observer, &line);
	log_flush(&observer);
	size_t len = take(p[0], text, sizeof(text));
	assert_in_range(len, 1, 299 * 60);
	assert_int_not_equal(text[len - 1], '\n'); /* else this tries nothing */
	assert_true(observer.log.unwritten > 0);
	log_line(&observer, &line);
	log_flush(&observer);
	assert_int_equal(take(p[0], text + len, sizeof(text) - len) > 0, 1);
	first = text + len;
	assert_int_equal(first[0], '\n');
	note = strstr(first, " note=unwritten n=");
	assert_non_null(note);
	assert_null(memchr(first + 1, '\n', (size_t)(note - first - 1))); /* alone in its line */
	assert_int_equal(observer.log.unwritten, 0);
	close(p[0]);
	close(p[1]);
}

/* Whatever a router says, a line of JSON is whole. */
static void test_the_longest_line_is_whole(void **state)
{
	char out[LINE_MAX_BYTES + 1], name[TRP_HANDOFF_NAME_MAX], words[131];
	struct line l = line;

	(void)state;
	memset(name, '"', sizeof(name));
	memset(words, '\\', sizeof(words) - 1);
	words[sizeof(words) - 1] = '\0';
	l.name = name;
	l.name_len = sizeof(name);
	l.listener = l.service = words;
	l.verdict = "client_waiting";
	l.protocol = "xmpp-server";
	l.end = LINE_CLOSED;
	l.time_us = 1u << 31;
	l.route_us = l.bytes_in = l.bytes_out = l.duration_us = UINT64_MAX;
	l.rtt_us = l.retrans = UINT32_MAX;
	for (int json = 0; json < 2; json++) {
		out[line_format(&l, json, out)] = '\0';
		assert_non_null(strstr(out, json ? ",\"retrans\":4294967295}\n" : " retrans=4294967295\n"));
	}
}

/* So many are open that one more is not waited for: it has its line at once, and is not counted as open. */
static void test_a_full_table(void **state)
{
	static struct ledger ledger;
	struct ledger_record r = {.cookie = 7, .service = 1, .verdict = VERDICT_HANDED_ON, .name_len = 6, .name = "x.test"};
	struct live *live = mmap(NULL, sizeof(*live), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); /* page-aligned, as the real one */
	char text[4096];
	int p[2];

	(void)state;
	assert_true(live != MAP_FAILED);
	assert_int_equal(pipe2(p, O_NONBLOCK | O_CLOEXEC), 0);
	observer.log = (struct log){.fd = p[1], .max = UINT64_MAX};
	observer.ledgers = &ledger;
	observer.n_slots = 1;
	assert_int_equal(table_init(&observer.table, live), 0);
	for (int full = 0; full < 2; full++) {
		live->n_touched = full ? LIVE_MAX : 0;
		r.cookie++;
		(void)ledger_append(&ledger, &r);
		assert_true(records_take(&observer));
		log_flush(&observer);
		size_t len = take(p[0], text, sizeof(text));
		assert_int_equal(len > 0, full);
		assert_int_equal(live->n, 1); /* the first */
		assert_int_equal(live->by_service[1], 1);
	}
	assert_non_null(strstr(text, " name=x.test service=- verdict=handed_on route_us=0 end=unseen\n"));
	free(observer.table.index);
	free(observer.table.free);
	munmap(live, sizeof(*live));
	observer = (struct observer){0};
	close(p[0]);
	close(p[1]);
}

/* One router has handed it on, another was given it to refuse; the ring of the second is read first. It is one client, with one line, and none of its
 * service's any more. */
static void test_taken_back_by_another_router(void **state)
{
	static struct ledger ledgers[2];
	const struct ledger_record there = {.cookie = 7, .service = 1, .verdict = VERDICT_HANDED_ON, .name_len = 6, .name = "x.test"},
				   back = {.cookie = 7, .service = 1, .verdict = VERDICT_NO_SERVICE, .name_len = 6, .name = "x.test"};
	struct live *live = mmap(NULL, sizeof(*live), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char text[4096];
	int p[2];

	(void)state;
	assert_true(live != MAP_FAILED);
	assert_int_equal(pipe2(p, O_NONBLOCK | O_CLOEXEC), 0);
	observer.log = (struct log){.fd = p[1], .max = UINT64_MAX};
	observer.ledgers = ledgers;
	observer.n_slots = 2;
	assert_int_equal(table_init(&observer.table, live), 0);
	for (uint32_t first = 0; first < 2; first++) {
		(void)ledger_append(&ledgers[first], &there);
		(void)ledger_append(&ledgers[!first], &back);
		assert_true(records_take(&observer));
		assert_int_equal(live->n, 0);
		assert_int_equal(live->by_service[1], 0);
		log_flush(&observer);
		assert_true(take(p[0], text, sizeof(text)) > 0);
		assert_non_null(strstr(text, " verdict=no_service "));
		assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	}
	/* nobody knows where it came from: a record of it was lost */
	(void)ledger_append(&ledgers[0], &back);
	assert_true(records_take(&observer));
	log_flush(&observer);
	assert_true(take(p[0], text, sizeof(text)) > 0);
	assert_non_null(strstr(text, " verdict=no_service "));
	free(observer.table.index);
	free(observer.table.free);
	munmap(live, sizeof(*live));
	observer = (struct observer){0};
	close(p[0]);
	close(p[1]);
}

/* Records that were lost are told once, also if another observer has come meanwhile. */
static void test_dropped_is_told_once(void **state)
{
	static struct ledger ledger;
	struct live *live = mmap(NULL, sizeof(*live), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char text[4096];
	int p[2];

	(void)state;
	assert_true(live != MAP_FAILED);
	assert_int_equal(pipe2(p, O_NONBLOCK | O_CLOEXEC), 0);
	for (int n = 0; n < 2; n++) {
		observer.log = (struct log){.fd = p[1], .max = UINT64_MAX};
		observer.ledgers = &ledger;
		observer.n_slots = 1;
		assert_int_equal(table_init(&observer.table, live), 0);
		records_take(&observer);
		log_flush(&observer);
		assert_int_equal(take(p[0], text, sizeof(text)), 0);
		ledger.dropped += 5;
		records_take(&observer);
		log_flush(&observer);
		assert_true(take(p[0], text, sizeof(text)) > 0);
		assert_non_null(strstr(text, " note=dropped n=5\n"));
		free(observer.table.index);
		free(observer.table.free);
		observer = (struct observer){0};
	}
	munmap(live, sizeof(*live));
	close(p[0]);
	close(p[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_torn_line_ends),
		cmocka_unit_test(test_the_longest_line_is_whole),
		cmocka_unit_test(test_a_full_table),
		cmocka_unit_test(test_taken_back_by_another_router),
		cmocka_unit_test(test_dropped_is_told_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
