/* SPDX-License-Identifier: ISC */
/* The router's tables (routes, channels), what it tells those whom it refuses, and what the daemon may tell it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "router/channel.h"
#include "router/message.h"
#include "router/protocol/refuse.h"
#include "router/route.h"
#include "base/util.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static struct route_table table = {.seed = 0x1234};

static struct route_key key(uint32_t listener, uint8_t protocol, const char *name)
{
	return (struct route_key){
		.listener = listener, .protocol = protocol, .name = name, .name_len = (uint8_t)strlen(name)};
}

static void set(uint32_t listener, uint8_t protocol, const char *name, uint32_t channel)
{
	struct route_key k = key(listener, protocol, name);

	assert_int_equal(route_set(&table, &k, (struct route_channels){.v4 = channel, .v6 = channel + 1000}), 0);
}

static bool del(uint32_t listener, uint8_t protocol, const char *name)
{
	struct route_key k = key(listener, protocol, name);

	return route_del(&table, &k);
}

#define ELSEWHERE (-1)
#define MISS      (-2)

static int find(uint32_t listener, uint8_t protocol, const char *name)
{
	struct route_key k = key(listener, protocol, name);
	struct route_channels to = {.v4 = 0};

	switch (route_find(&table, &k, &to)) {
	case ROUTE_HIT:
		assert_int_equal(to.v6, to.v4 + 1000);
		return (int)to.v4;
	case ROUTE_ELSEWHERE:
		return ELSEWHERE;
	case ROUTE_MISS:
		break;
	}
	assert_int_equal(to.v4, 0);
	return MISS;
}

static int clear_table(void **state)
{
	(void)state;
	route_clear(&table);
	assert_int_equal(table.n_names + table.n_routes, 0);
	return 0;
}

static void test_precedence(void **state)
{
	(void)state;
	assert_int_equal(find(1, TRP_PROTO_TLS, "a.test"), MISS);
	set(0, TRP_PROTO_TLS, "*.test", 3);
	set(0, TRP_PROTO_TLS, "x.b.test", 1);
	set(0, TRP_PROTO_TLS, "*.b.test", 2);
	assert_int_equal(find(1, TRP_PROTO_TLS, "x.b.test"), 1);
	assert_int_equal(find(1, TRP_PROTO_TLS, "y.b.test"), 2);
	assert_int_equal(find(1, TRP_PROTO_TLS, "y.x.b.test"), 2);
	assert_int_equal(find(1, TRP_PROTO_TLS, "b.test"), 3);
	assert_int_equal(find(1, TRP_PROTO_TLS, "xb.test"), 3);
	assert_int_equal(find(1, TRP_PROTO_TLS, "test"), MISS);
	assert_int_equal(find(1, TRP_PROTO_TLS, "atest"), MISS);
	assert_int_equal(find(1, TRP_PROTO_TLS, ""), MISS);
	set(0, TRP_PROTO_TLS, "", 4);
	assert_int_equal(find(1, TRP_PROTO_TLS, "test"), 4);
	assert_int_equal(find(1, TRP_PROTO_TLS, ""), 4);
	assert_int_equal(find(1, TRP_PROTO_TLS, "y.b.test"), 2);
	assert_int_equal(find(1, TRP_PROTO_HTTP1, ""), MISS);
}

static void test_listener_wins_at_equal_rank(void **state)
{
	(void)state;
	set(0, TRP_PROTO_HTTP1, "a.test", 1);
	set(7, TRP_PROTO_HTTP1, "a.test", 2);
	set(7, TRP_PROTO_HTTP1, "*.test", 3);
	set(7, TRP_PROTO_HTTP1, "", 4);
	set(0, TRP_PROTO_HTTP1, "b.test", 5);
	assert_int_equal(find(1, TRP_PROTO_HTTP1, "a.test"), 1);
	assert_int_equal(find(7, TRP_PROTO_HTTP1, "a.test"), 2);
	assert_int_equal(find(7, TRP_PROTO_HTTP1, "b.test"), 5); /* an exact name of all > the listener's wildcard */
	assert_int_equal(find(7, TRP_PROTO_HTTP1, "c.test"), 3);
	assert_int_equal(find(7, TRP_PROTO_HTTP1, "c.example"), 4);
	assert_int_equal(find(1, TRP_PROTO_HTTP1, "c.example"), MISS);
}

static void test_elsewhere(void **state)
{
	(void)state;
	set(7, TRP_PROTO_HTTP1, "a.test", 1);
	set(0, TRP_PROTO_TLS, "*.b.test", 2);
	set(7, TRP_PROTO_HTTP1, "", 3);
	assert_int_equal(find(1, TRP_PROTO_HTTP1, "a.test"), ELSEWHERE);
	assert_int_equal(find(7, TRP_PROTO_TLS, "a.test"), ELSEWHERE);
	assert_int_equal(find(1, TRP_PROTO_HTTP1, "x.b.test"), ELSEWHERE);
	assert_int_equal(find(1, TRP_PROTO_HTTP1, "nobody.test"), MISS); /* another listener's default is no name */
	assert_int_equal(find(7, TRP_PROTO_HTTP1, "x.b.test"), 3);
}

static void test_replace_and_delete(void **state)
{
	(void)state;
	set(0, TRP_PROTO_TLS, "a.test", 1);
	set(0, TRP_PROTO_TLS, "a.test", 2);
	assert_int_equal(table.n_routes, 1);
	assert_int_equal(find(1, TRP_PROTO_TLS, "a.test"), 2);
	set(3, TRP_PROTO_TLS, "a.test", 3);
	set(0, TRP_PROTO_HTTP1, "a.test", 4);
	assert_true(del(0, TRP_PROTO_TLS, "a.test"));
	assert_false(del(0, TRP_PROTO_TLS, "a.test"));
	assert_false(del(0, TRP_PROTO_TLS, "*.a.test"));
	assert_int_equal(find(3, TRP_PROTO_TLS, "a.test"), 3);
	assert_int_equal(find(1, TRP_PROTO_TLS, "a.test"), ELSEWHERE);
	assert_int_equal(find(1, TRP_PROTO_HTTP1, "a.test"), 4);
	assert_true(del(3, TRP_PROTO_TLS, "a.test"));
	assert_true(del(0, TRP_PROTO_HTTP1, "a.test"));
	assert_int_equal(find(1, TRP_PROTO_HTTP1, "a.test"), MISS);
}

static void test_many(void **state)
{
	char name[32];

	(void)state;
	for (uint32_t i = 1; i <= 20000; i++) {
		snprintf(name, sizeof(name), i % 5 ? "n%u.test" : "*.n%u.test", i);
		set(0, TRP_PROTO_TLS, name, i);
	}
	for (uint32_t i = 1; i <= 20000; i += 2) {
		snprintf(name, sizeof(name), i % 5 ? "n%u.test" : "*.n%u.test", i);
		assert_true(del(0, TRP_PROTO_TLS, name));
	}
	for (uint32_t i = 1; i <= 20000; i++) {
		snprintf(name, sizeof(name), i % 5 ? "n%u.test" : "x.y.n%u.test", i);
		assert_int_equal(find(1, TRP_PROTO_TLS, name), i % 2 ? MISS : (int)i);
	}
	assert_true(table.n_buckets >= table.n_names);
}

static void test_deepest_name(void **state)
{
	char name[254] = "";

	(void)state;
	for (size_t i = 0; i < 126; i++)
		strcat(name, "a.");
	strcat(name, "a");
	assert_int_equal(strlen(name), TRP_HANDOFF_NAME_MAX);
	set(0, TRP_PROTO_TLS, "*.a", 1);
	assert_int_equal(find(1, TRP_PROTO_TLS, name), 1);
	set(0, TRP_PROTO_TLS, name, 2);
	assert_int_equal(find(1, TRP_PROTO_TLS, name), 2);
}

static int open_one(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void test_groups(void **state)
{
	const uint32_t members[] = {1, 2, 3}, nested[] = {100};
	struct channel_table t = {0};
	int fds[4], seen[4] = {0};

	(void)state;
	for (uint32_t i = 1; i <= 3; i++) {
		fds[i] = open_one();
		assert_int_equal(channel_add(&t, i, fds[i]), 0);
	}
	assert_int_equal(channel_attempts(&t, 100), 0);
	assert_int_equal(channel_group(&t, 100, members, 3), 0);
	assert_int_equal(channel_attempts(&t, 100), 3);
	assert_int_equal(channel_attempts(&t, 1), 1);
	/* each has its turn, and each is an attempt of every turn */
	for (int turn = 0; turn < 300; turn++) {
		int first = channel_find(&t, 100, 0), sum = first;
		for (uint32_t a = 1; a < 3; a++)
			sum += channel_find(&t, 100, a);
		assert_int_equal(sum, fds[1] + fds[2] + fds[3]);
		for (int i = 1; i <= 3; i++)
			seen[i] += first == fds[i];
	}
	for (int i = 1; i <= 3; i++)
		assert_int_equal(seen[i], 100);
	assert_int_equal(channel_find(&t, 100, 3), -1);
	/* a member that is gone is an attempt that fails */
	channel_del(&t, 2);
	int alive = 0;
	channel_find(&t, 100, 0);
	for (uint32_t a = 1; a < 3; a++)
		alive += channel_find(&t, 100, a) >= 0;
	assert_in_range(alive, 1, 2);
	/* a group has no groups in it, and 0 members are none */
	assert_int_equal(channel_group(&t, 101, nested, 1), 0);
	assert_int_equal(channel_find(&t, 101, 0), -1);
	assert_int_equal(channel_group(&t, 100, members, 0), 0);
	assert_int_equal(channel_attempts(&t, 100), 0);
	assert_int_equal(channel_group(&t, 100, members, CHANNEL_GROUP_MAX + 1), -EINVAL);
	for (uint32_t id = 1; id <= 101; id++)
		channel_del(&t, id);
	assert_int_equal(t.used, 0);
	free(t.slots);
}

static void test_channels(void **state)
{
	struct channel_table t = {0};
	int fds[300];

	(void)state;
	assert_int_equal(channel_find(&t, 1, 0), -1);
	channel_del(&t, 1);
	for (uint32_t i = 0; i < 300; i++) {
		fds[i] = open_one();
		assert_int_equal(channel_add(&t, i * 64 + 1, fds[i]), 0);
	}
	assert_int_equal(t.used, 300);
	for (uint32_t i = 0; i < 300; i += 3) {
		channel_del(&t, i * 64 + 1);
		assert_false(is_open(fds[i]));
	}
	for (uint32_t i = 0; i < 300; i++)
		assert_int_equal(channel_find(&t, i * 64 + 1, 0), i % 3 ? fds[i] : -1);
	assert_int_equal(channel_find(&t, 0, 0), -1);
	/* the same number again: the old one is closed */
	int again = open_one();
	assert_int_equal(channel_add(&t, 64 + 1, again), 0);
	assert_false(is_open(fds[1]));
	assert_int_equal(channel_find(&t, 64 + 1, 0), again);
	for (uint32_t i = 0; i < 300; i++)
		channel_del(&t, i * 64 + 1);
	assert_int_equal(t.used, 0);
	assert_false(is_open(again));
	free(t.slots);
}

/* Deletion closes gaps: whatever the order, exactly what was not deleted is found. */
static void test_channel_gaps(void **state)
{
	struct channel_table t = {0};
	bool there[200] = {false};
	uint32_t random = 1;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		random = random * 1103515245 + 12345;
		uint32_t id = (random >> 16) % 199 + 1;
		if (there[id])
			channel_del(&t, id);
		else
			assert_int_equal(channel_add(&t, id, open_one()), 0);
		there[id] = !there[id];
		if (round % 50)
			continue;
		for (uint32_t i = 1; i < 200; i++)
			assert_int_equal(channel_find(&t, i, 0) >= 0, there[i]);
	}
	for (uint32_t i = 1; i < 200; i++)
		channel_del(&t, i);
	free(t.slots);
}

static void test_refusals(void **state)
{
	static const struct {
		enum refusal why;
		int status, alert;
	} want[REFUSE_COUNT] = {
		{REFUSE_NO_ROUTE, 404, 112},
		{REFUSE_MISDIRECTED, 421, 112},
		{REFUSE_NO_SERVICE, 503, 80},
		{REFUSE_QUEUE_FULL, 503, 80},
		{REFUSE_BAD, 400, 50},
		{REFUSE_WRONG_PROTOCOL, 400, 40},
		{REFUSE_TIMED_OUT, 408, 0},
		{REFUSE_CLOSED_EARLY, 400, 50},
		{REFUSE_OVER_RATE, 503, 80},
		{REFUSE_REDIRECT, 308, 0},
		{REFUSE_TOO_LONG, 414, 0},
		{REFUSE_TOO_MANY, 503, 80},
		{REFUSE_HELD_TOO_LONG, 503, 80},
	};
	char text[REFUSE_ANSWER_MAX], *body;
	struct router_stats stats = {0};
	int status, length;
	size_t n;

	(void)state;
	for (size_t i = 0; i < REFUSE_COUNT; i++) {
		n = refuse_answer(want[i].why, TRP_PROTO_HTTP1, 0, text);
		assert_true(n < REFUSE_ANSWER_MAX && text[n] == '\0');
		assert_int_equal(sscanf(text, "HTTP/1.1 %d ", &status), 1);
		assert_int_equal(status, want[i].status);
		assert_int_equal(strstr(text, "\r\nRetry-After: ") != NULL, status == 503);
		body = strstr(text, "\r\n\r\n") + 4;
		assert_int_equal(sscanf(strstr(text, "Content-Length:"), "Content-Length: %d\r", &length), 1);
		assert_int_equal(length, strlen(body));
		assert_string_equal(body + length - 8, "</html>\n");

		n = refuse_answer(want[i].why, TRP_PROTO_TLS, 0, text);
		assert_int_equal(n, want[i].alert ? 7 : 0);
		if (n)
			assert_memory_equal(text, ((char[]){21, 3, 3, 0, 2, 2, (char)want[i].alert}), 7);
		assert_int_equal(refuse_answer(want[i].why, TRP_PROTO_NONE, 0, text), 0);
		++*refuse_counter(want[i].why, &stats);
	}
	assert_int_equal(stats.no_route, 2);
	assert_int_equal(stats.no_service + stats.queue_full + stats.bad_request, 5);
	assert_int_equal(stats.wrong_protocol + stats.timed_out + stats.closed_early, 3);
	assert_int_equal(stats.over_rate, 1);
	assert_int_equal(stats.redirected, 1);
	assert_int_equal(stats.too_many, 1);
	assert_int_equal(stats.accepted + stats.handed_on + stats.waiting, 0);
}

static struct router_msg message(uint16_t type, const char *name)
{
	struct router_msg m = {.magic = ROUTER_CONTROL_MAGIC,
		.type = type,
		.protocol = TRP_PROTO_TLS,
		.name_len = (uint8_t)strlen(name),
		.id = 1,
		.protocols = 1u << TRP_PROTO_TLS,
		.deadline_ms = 5000};

	memcpy(m.name, name, strlen(name));
	return m;
}

static void test_messages(void **state)
{
	static const struct {
		uint16_t type;
		size_t n_fds;
	} good[] = {{ROUTER_LISTENER_ADD, 1}, {ROUTER_LISTENER_DEL, 0}, {ROUTER_CHANNEL_ADD, 1},
		{ROUTER_CHANNEL_DEL, 0}, {ROUTER_ROUTE_SET, 0}, {ROUTER_ROUTE_DEL, 0}, {ROUTER_SYNC, 0},
		{ROUTER_STATS, 0}, {ROUTER_CHANNEL_SEVERAL, 0}};
	static const struct {
		const char *name;
		bool good;
	} names[] = {{"a.test", true}, {"*.a.test", true}, {"", true}, {"[::1]", true}, {"[0::1]", false}, {"[::1", false}, {"A.test", false},
		{"a.test.", false}, {"*", false}, {"a.*.test", false}, {"a b", false}, {".test", false}};
	struct router_msg m;

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(good); i++) {
		m = message(good[i].type, "a.test");
		assert_null(message_check(&m, sizeof(m), good[i].n_fds));
		assert_non_null(message_check(&m, sizeof(m), 1 - good[i].n_fds));
		assert_non_null(message_check(&m, sizeof(m) - 1, good[i].n_fds));
		m.magic++;
		assert_non_null(message_check(&m, sizeof(m), good[i].n_fds));
	}
	for (size_t i = 0; i < TRP_ARRAY_SIZE(names); i++) {
		m = message(ROUTER_ROUTE_SET, names[i].name);
		assert_int_equal(message_check(&m, sizeof(m), 0) == NULL, names[i].good);
	}
	m = message(ROUTER_ROUTE_SET, "a.test");
	m.name[2] = '\0';
	assert_non_null(message_check(&m, sizeof(m), 0));
	m = message(ROUTER_ROUTE_SET, "a.test");
	m.name_len = 254;
	assert_non_null(message_check(&m, sizeof(m), 0));
	m = message(ROUTER_ROUTE_SET, "a.test");
	m.protocol = TRP_PROTO_NONE; /* has no names */
	assert_non_null(message_check(&m, sizeof(m), 0));
	m.protocol = TRP_PROTO_SSH; /* neither */
	assert_non_null(message_check(&m, sizeof(m), 0));
	m.protocol = TRP_PROTO_COUNT;
	assert_non_null(message_check(&m, sizeof(m), 0));
	m = message(ROUTER_REFUSE, "");
	m.verdict = VERDICT_HELD_TOO_LONG;
	trp_handoff_seal(&m.handoff, "a.test", 6);
	assert_null(message_check(&m, sizeof(m), 1));
	assert_non_null(message_check(&m, sizeof(m), 0)); /* whom? */
	m.verdict = VERDICT_HANDED_ON;
	assert_non_null(message_check(&m, sizeof(m), 1));
	m.verdict = VERDICT_NO_SERVICE;
	m.handoff.protocol = TRP_PROTO_COUNT;
	assert_non_null(message_check(&m, sizeof(m), 1));
	m.handoff.protocol = TRP_PROTO_TLS;
	m.handoff.size++;
	assert_non_null(message_check(&m, sizeof(m), 1));
	m = message(ROUTER_LISTENER_ADD, "");
	m.deadline_ms = 0;
	assert_non_null(message_check(&m, sizeof(m), 1));
	m = message(ROUTER_LISTENER_ADD, "");
	m.protocols = 1u << TRP_PROTO_COUNT;
	assert_non_null(message_check(&m, sizeof(m), 1));
	m = message(ROUTER_LISTENER_ADD, "");
	m.id = ROUTER_ANY_LISTENER;
	assert_non_null(message_check(&m, sizeof(m), 1));
	m = message(ROUTER_CHANNEL_ADD, "");
	m.id = 0;
	assert_non_null(message_check(&m, sizeof(m), 1));
	m = message(ROUTER_READY, "");
	assert_non_null(message_check(&m, sizeof(m), 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_precedence, clear_table),
		cmocka_unit_test_teardown(test_listener_wins_at_equal_rank, clear_table),
		cmocka_unit_test_teardown(test_elsewhere, clear_table),
		cmocka_unit_test_teardown(test_replace_and_delete, clear_table),
		cmocka_unit_test_teardown(test_many, clear_table),
		cmocka_unit_test_teardown(test_deepest_name, clear_table),
		cmocka_unit_test(test_channels), cmocka_unit_test(test_groups),
		cmocka_unit_test(test_channel_gaps),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
