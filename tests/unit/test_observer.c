/* SPDX-License-Identifier: ISC */
/* The parts of the access log that need no process: the ledger's ring, the table of open connections, the kernel's messages about
 * sockets, and lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "router/observer/diag.h"
#include "router/observer/line.h"
#include "router/observer/table.h"
#include "router/verdict.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static void *memory(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

/* ---- ledger ---- */

static void test_every_verdict_has_its_word(void **state)
{
	(void)state;
	for (unsigned v = 0; v < VERDICT_REFUSED_END; v++)
		assert_non_null(router_verdict_word(v));
	for (unsigned v = VERDICT_CLIENT_RATE; v < VERDICT_COUNT; v++)
		assert_non_null(router_verdict_word(v));
	assert_null(router_verdict_word(VERDICT_COUNT));
}

static void test_counts(void **state)
{
	struct ledger *l = memory(sizeof(*l));

	(void)state;
	ledger_count(l, 3, TRP_PROTO_TLS, 7, VERDICT_QUEUE_FULL);
	ledger_count(l, 3, TRP_PROTO_TLS, 7, VERDICT_QUEUE_FULL);
	assert_int_equal(l->listeners[3][TRP_PROTO_TLS].n[VERDICT_QUEUE_FULL], 2);
	assert_int_equal(l->services[7].n[VERDICT_QUEUE_FULL], 2);
	/* what is out of range is counted with nobody's, and never written elsewhere */
	ledger_count(l, LEDGER_LISTENERS, LEDGER_PROTOCOLS, LEDGER_SERVICES, VERDICT_HANDED_ON);
	assert_int_equal(l->listeners[0][0].n[VERDICT_HANDED_ON], 1);
	assert_int_equal(l->services[0].n[VERDICT_HANDED_ON], 1);
	ledger_count(l, 0, 0, 0, LEDGER_VERDICTS);
	munmap(l, sizeof(*l));
}

static struct ledger_record record_of(uint64_t cookie, uint32_t service, const char *name)
{
	struct ledger_record r = {.cookie = cookie, .service = service, .accepted_ns = 5000, .decided_ns = 9000};

	r.name_len = (uint8_t)strlen(name);
	memcpy(r.name, name, r.name_len);
	return r;
}

static void test_ring(void **state)
{
	struct ledger *l = memory(sizeof(*l));
	struct ledger_record r = record_of(0, 0, "a.test"), got;

	(void)state;
	for (uint64_t round = 0; round < 3; round++) {
		for (uint64_t i = 0; i < LEDGER_RING; i++) {
			r.cookie = round * LEDGER_RING + i + 1;
			assert_int_equal(ledger_append(l, &r), 0);
		}
		assert_int_equal(ledger_append(l, &r), 0); /* no room */
		assert_int_equal(l->dropped, round + 1);
		for (uint64_t i = 0; i < LEDGER_RING; i++) {
			assert_int_equal(ledger_take(l, &got), 1);
			assert_int_equal(got.cookie, round * LEDGER_RING + i + 1);
			assert_memory_equal(got.name, "a.test", 6);
		}
		assert_int_equal(ledger_take(l, &got), 0);
	}
	munmap(l, sizeof(*l));
}

static void test_who_sleeps_is_woken_once(void **state)
{
	struct ledger *l = memory(sizeof(*l));
	struct ledger_record r = record_of(1, 0, ""), got;

	(void)state;
	assert_int_equal(ledger_sleep(l), 1);
	assert_int_equal(ledger_append(l, &r), 1);
	assert_int_equal(ledger_append(l, &r), 0);
	assert_int_equal(ledger_sleep(l), 0); /* there is something */
	assert_int_equal(ledger_append(l, &r), 0);
	while (ledger_take(l, &got))
		;
	assert_int_equal(ledger_sleep(l), 1);
	ledger_awake(l);
	assert_int_equal(ledger_append(l, &r), 0);
	munmap(l, sizeof(*l));
}

static void test_nonsense_in_the_ring_ends(void **state)
{
	struct ledger *l = memory(sizeof(*l));
	struct ledger_record got;
	unsigned n = 0;

	(void)state;
	l->head = UINT64_MAX / 2;
	l->tail = 17;
	while (ledger_take(l, &got))
		assert_in_range(++n, 1, LEDGER_RING);
	munmap(l, sizeof(*l));
}

/* ---- table ---- */

static void free_table(struct table *t)
{
	free(t->index);
	free(t->free);
}

static void test_table(void **state)
{
	struct live *live = memory(sizeof(*live));
	struct table t;

	(void)state;
	assert_int_equal(table_init(&t, live), 0);
	for (uint64_t i = 1; i <= LIVE_MAX; i++) {
		struct ledger_record r = record_of(i * 0x100000001u, (uint32_t)(i % 3), "x.test");
		assert_non_null(table_add(&t, &r));
	}
	struct ledger_record more = record_of(7, 1, "y.test");
	assert_null(table_add(&t, &more)); /* full */
	assert_int_equal(live->n, LIVE_MAX);
	assert_int_equal(live->by_service[1] + live->by_service[2] + live->by_service[0], LIVE_MAX);
	for (uint64_t i = 1; i <= LIVE_MAX; i += 2)
		table_del(&t, table_find(&t, i * 0x100000001u));
	for (uint64_t i = 1; i <= LIVE_MAX; i++)
		assert_int_equal(table_find(&t, i * 0x100000001u) != NULL, i % 2 == 0);
	assert_non_null(table_add(&t, &more));
	assert_int_equal(table_find(&t, 7)->route_us, 4);
	assert_null(table_find(&t, 0));
	free_table(&t);
	/* another observer goes on with it */
	live->by_service[1] = 12345;
	assert_int_equal(table_init(&t, live), 0);
	assert_int_equal(live->n, LIVE_MAX / 2 + 1);
	assert_memory_equal(table_find(&t, 7)->name, "y.test", 6);
	assert_int_equal(live->by_service[0] + live->by_service[1] + live->by_service[2], live->n);
	for (uint64_t i = 2; i <= LIVE_MAX; i += 2)
		table_del(&t, table_find(&t, i * 0x100000001u));
	assert_int_equal(live->n, 1);
	free_table(&t);
	munmap(live, sizeof(*live));
}

static void test_table_takes_no_nonsense(void **state)
{
	struct live *live = memory(sizeof(*live));
	struct ledger_record r = record_of(0, 0, ""), same = record_of(9, LEDGER_SERVICES + 1, "a.test");
	struct table t;

	(void)state;
	live->n_touched = 3;
	live->entries[0].cookie = live->entries[2].cookie = 5; /* twice */
	assert_int_equal(table_init(&t, live), 0);
	assert_int_equal(live->n, 1);
	assert_null(table_add(&t, &r)); /* a record without a cookie */
	same.name_len = 255;
	assert_non_null(table_add(&t, &same));
	assert_int_equal(table_find(&t, 9)->name_len, 0);
	assert_int_equal(live->by_service[0], 2);
	assert_non_null(table_add(&t, &same)); /* the same cookie again */
	assert_int_equal(live->n, 2);
	free_table(&t);
	munmap(live, sizeof(*live));
}

/* ---- netlink ---- */

struct message {
	struct nlmsghdr head;
	struct inet_diag_msg m;
	struct nlattr protocol;
	uint8_t tcp, pad[3];
	struct nlattr info;
	struct tcp_info t;
} __attribute__((packed));

static struct message message_of(int family)
{
	struct message m;

	memset(&m, 0, sizeof(m));
	m.head.nlmsg_len = sizeof(m);
	m.head.nlmsg_type = SOCK_DIAG_BY_FAMILY;
	m.m.idiag_family = (uint8_t)family;
	m.m.idiag_state = 7;
	m.m.id.idiag_sport = htons(80);
	m.m.id.idiag_dport = htons(40000);
	m.m.id.idiag_dst[0] = htonl(0xc0000207);
	m.m.id.idiag_cookie[0] = 0x11223344;
	m.m.id.idiag_cookie[1] = 0x55;
	m.protocol = (struct nlattr){sizeof(m.protocol) + 1, INET_DIAG_PROTOCOL};
	m.tcp = IPPROTO_TCP;
	m.info = (struct nlattr){sizeof(m.info) + sizeof(m.t), INET_DIAG_INFO};
	m.t.tcpi_bytes_received = 101;
	m.t.tcpi_bytes_sent = 5300;
	m.t.tcpi_bytes_retrans = 300;
	m.t.tcpi_total_retrans = 2;
	m.t.tcpi_rtt = 31;
	return m;
}

static void test_socket_that_died(void **state)
{
	struct message two[2] = {message_of(AF_INET), message_of(AF_INET6)};
	struct diag_socket s;
	char ip[INET6_ADDRSTRLEN];
	size_t at = 0;
	int error;

	(void)state;
	assert_int_equal(diag_next(two, sizeof(two), &at, &s, &error), DIAG_SOCKET);
	assert_int_equal(s.cookie, 0x5511223344);
	assert_int_equal(ntohs(s.peer.port), 40000);
	assert_int_equal(ntohs(s.local.port), 80);
	assert_string_equal(inet_ntop(AF_INET6, s.peer.ip, ip, sizeof(ip)), "::ffff:192.0.2.7");
	assert_true(s.has_info);
	assert_int_equal(s.bytes_in, 101);
	assert_int_equal(s.bytes_out, 5000);
	assert_int_equal(s.rtt_us, 31);
	assert_int_equal(s.retrans, 2);
	assert_int_equal(diag_next(two, sizeof(two), &at, &s, &error), DIAG_SOCKET);
	assert_string_equal(inet_ntop(AF_INET6, s.peer.ip, ip, sizeof(ip)), "c000:207::");
	assert_int_equal(diag_next(two, sizeof(two), &at, &s, &error), DIAG_END);
}

static void test_messages_that_are_none(void **state)
{
	struct message m = message_of(AF_INET6);
	struct diag_socket s;
	size_t at;
	int error;

	(void)state;
	for (size_t len = 0; len < sizeof(m); len++) { /* cut off */
		at = 0;
		assert_int_equal(diag_next(&m, len, &at, &s, &error), DIAG_END);
	}
	for (uint32_t len = sizeof(m.head); len < sizeof(m); len++) { /* shorter inside */
		m.head.nlmsg_len = len;
		at = 0;
		enum diag_result r = diag_next(&m, sizeof(m), &at, &s, &error);
		assert_int_equal(r, len < offsetof(struct message, protocol) ? DIAG_OTHER : DIAG_SOCKET);
		if (r == DIAG_SOCKET)
			assert_false(s.has_info);
	}
	m = message_of(AF_INET6);
	m.tcp = IPPROTO_UDP;
	at = 0;
	assert_int_equal(diag_next(&m, sizeof(m), &at, &s, &error), DIAG_OTHER);
	m = message_of(AF_UNIX);
	at = 0;
	assert_int_equal(diag_next(&m, sizeof(m), &at, &s, &error), DIAG_OTHER);
	m.head.nlmsg_type = NLMSG_DONE;
	at = 0;
	assert_int_equal(diag_next(&m, sizeof(m), &at, &s, &error), DIAG_DONE);
	m.head.nlmsg_type = NLMSG_ERROR;
	((struct nlmsgerr *)(void *)&m.m)->error = -22;
	at = 0;
	assert_int_equal(diag_next(&m, sizeof(m), &at, &s, &error), DIAG_ERROR);
	assert_int_equal(error, 22);
}

/* ---- lines ---- */

static struct line line_of(const char *name, enum line_end end)
{
	struct line l = {.time_us = 1764109784123456, /* 2025-11-25T22:29:44 */
		.listener = "http",
		.protocol = "http",
		.name = name,
		.name_len = strlen(name),
		.verdict = "handed_on",
		.route_us = 85,
		.end = end,
		.bytes_in = 119,
		.bytes_out = 236,
		.duration_us = 2302,
		.rtt_us = 50,
		.retrans = 1};

	l.peer.family = AF_INET6;
	l.peer.port = htons(40824);
	inet_pton(AF_INET6, "::ffff:192.0.2.7", l.peer.ip);
	return l;
}

static void assert_line(const struct line *l, bool json, const char *expected)
{
	char out[LINE_MAX_BYTES + 1];

	out[line_format(l, json, out)] = '\0';
	assert_string_equal(out, expected);
}

static void test_lines(void **state)
{
	struct line l = line_of("a.test", LINE_CLOSED);

	(void)state;
	l.service = "web@1";
	assert_line(&l, false,
		"2025-11-25T22:29:44.123456Z client=192.0.2.7:40824 listener=http protocol=http name=a.test service=web@1 "
		"verdict=handed_on route_us=85 end=closed in=119 out=236 duration_us=2302 rtt_us=50 retrans=1\n");
	assert_line(&l, true,
		"{\"time\":\"2025-11-25T22:29:44.123456Z\",\"client\":\"192.0.2.7\",\"client_port\":40824,\"listener\":\"http\","
		"\"protocol\":\"http\",\"name\":\"a.test\",\"service\":\"web@1\",\"verdict\":\"handed_on\",\"route_us\":85,"
		"\"end\":\"closed\",\"in\":119,\"out\":236,\"duration_us\":2302,\"rtt_us\":50,\"retrans\":1}\n");
	l = line_of("a.test", LINE_UNSEEN);
	l.flags = TRP_HANDOFF_ECH | TRP_HANDOFF_PROXIED | 0x80;
	assert_line(&l, false,
		"2025-11-25T22:29:44.123456Z client=192.0.2.7:40824 listener=http protocol=http name=a.test service=- "
		"verdict=handed_on flags=ech,proxied route_us=85 end=unseen\n");
	l.flags = TRP_HANDOFF_PROXIED;
	assert_line(&l, true,
		"{\"time\":\"2025-11-25T22:29:44.123456Z\",\"client\":\"192.0.2.7\",\"client_port\":40824,\"listener\":\"http\","
		"\"protocol\":\"http\",\"name\":\"a.test\",\"service\":null,\"verdict\":\"handed_on\",\"flags\":[\"proxied\"],"
		"\"route_us\":85,\"end\":\"unseen\"}\n");
	l = line_of("", LINE_NOT_BEGUN);
	inet_pton(AF_INET6, "2001:db8::7", l.peer.ip);
	l.protocol = l.listener = NULL;
	assert_line(&l, false,
		"2025-11-25T22:29:44.123456Z client=[2001:db8::7]:40824 listener=- protocol=- name=- service=- "
		"verdict=handed_on route_us=85\n");
	l = line_of("a.test", LINE_LOST);
	assert_line(&l, true,
		"{\"time\":\"2025-11-25T22:29:44.123456Z\",\"client\":\"192.0.2.7\",\"client_port\":40824,\"listener\":\"http\","
		"\"protocol\":\"http\",\"name\":\"a.test\",\"service\":null,\"verdict\":\"handed_on\",\"route_us\":85,"
		"\"end\":\"lost\"}\n");
}

static void test_names_cannot_break_lines(void **state)
{
	struct line l = line_of("", LINE_NOT_BEGUN);
	char name[253], out[LINE_MAX_BYTES + 1];

	(void)state;
	l.name = "a\nb \"=\\\x1b\xff";
	l.name_len = 9;
	out[line_format(&l, false, out)] = '\0';
	assert_non_null(strstr(out, " name=a\\x0ab\\x20\\x22\\x3d\\x5c\\x1b\\xff service="));
	out[line_format(&l, true, out)] = '\0';
	assert_non_null(strstr(out, "\"name\":\"a\\u000ab\\u0020\\u0022\\u003d\\u005c\\u001b\\u00ff\""));
	/* a name like what stands for none */
	l.name = "-";
	l.name_len = 1;
	out[line_format(&l, false, out)] = '\0';
	assert_non_null(strstr(out, " name=\\x2d service="));
	out[line_format(&l, true, out)] = '\0';
	assert_non_null(strstr(out, "\"name\":\"-\""));
	/* the longest there can be */
	memset(name, '\n', sizeof(name));
	l = line_of("", LINE_CLOSED);
	l.name = name;
	l.name_len = sizeof(name);
	l.bytes_in = l.bytes_out = l.duration_us = l.route_us = UINT64_MAX;
	for (int json = 0; json < 2; json++) {
		size_t len = line_format(&l, json, out);
		assert_in_range(len, 1000, LINE_MAX_BYTES);
		assert_int_equal(memchr(out, '\n', len) == out + len - 1, 1);
		assert_int_equal(out[len - 2], json ? '}' : '1'); /* nothing was cut off: retrans=1 */
	}
}

static void test_notes(void **state)
{
	char out[LINE_MAX_BYTES + 1];

	(void)state;
	out[line_note(1764109784123456, "dropped", 12, false, out)] = '\0';
	assert_string_equal(out, "2025-11-25T22:29:44.123456Z note=dropped n=12\n");
	out[line_note(1764109784123456, "dropped", 12, true, out)] = '\0';
	assert_string_equal(out, "{\"time\":\"2025-11-25T22:29:44.123456Z\",\"note\":\"dropped\",\"n\":12}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_verdict_has_its_word),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_ring),
		cmocka_unit_test(test_who_sleeps_is_woken_once),
		cmocka_unit_test(test_nonsense_in_the_ring_ends),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_table_takes_no_nonsense),
		cmocka_unit_test(test_socket_that_died),
		cmocka_unit_test(test_messages_that_are_none),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_names_cannot_break_lines),
		cmocka_unit_test(test_notes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
