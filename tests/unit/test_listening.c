/* SPDX-License-Identifier: ISC */
/* What sock_diag(7) says of listening sockets, and where a client is connected to because of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/util.h"
#include "router/relay/listening.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#define SEQ  7
#define PORT 80

static uint8_t answer[4096];
static size_t len;

static void begin(void)
{
	memset(answer, 0, sizeof(answer));
	len = 0;
}

/* v6only -1: no such attribute */
static void add(int family, const char *address, uint16_t port, int v6only, uint32_t queued)
{
	struct nlmsghdr head = {.nlmsg_type = SOCK_DIAG_BY_FAMILY, .nlmsg_seq = SEQ};
	struct inet_diag_msg m = {.idiag_family = (uint8_t)family, .idiag_state = TCP_LISTEN, .idiag_rqueue = queued};
	struct nlattr other = {.nla_len = sizeof(other) + 3, .nla_type = INET_DIAG_SHUTDOWN},
		      only = {.nla_len = sizeof(only) + 1, .nla_type = INET_DIAG_SKV6ONLY};
	size_t at = len + NLMSG_HDRLEN;

	m.id.idiag_sport = htons(port);
	assert_int_equal(inet_pton(family, address, m.id.idiag_src), 1);
	memcpy(answer + at, &m, sizeof(m));
	at += NLMSG_ALIGN(sizeof(m));
	memcpy(answer + at, &other, sizeof(other));
	at += NLA_ALIGN(other.nla_len);
	if (v6only >= 0) {
		memcpy(answer + at, &only, sizeof(only));
		answer[at + sizeof(only)] = (uint8_t)v6only;
		at += NLA_ALIGN(only.nla_len);
	}
	head.nlmsg_len = (uint32_t)(at - len);
	memcpy(answer + len, &head, sizeof(head));
	len = at;
}

static void add_end(uint16_t type, uint32_t seq)
{
	struct nlmsghdr head = {.nlmsg_len = sizeof(head) + 4, .nlmsg_type = type, .nlmsg_seq = seq};

	memcpy(answer + len, &head, sizeof(head));
	len += NLMSG_ALIGN(head.nlmsg_len);
}

static struct listening parse(void)
{
	struct listening l = {.queued = 0};

	add_end(NLMSG_DONE, SEQ);
	assert_int_equal(listening_parse(answer, len, SEQ, PORT, &l), LISTENING_DONE);
	return l;
}

static struct trp_addr address(const char *text)
{
	struct trp_addr a = {.family = strchr(text, ':') ? AF_INET6 : AF_INET, .port = htons(9)};

	assert_int_equal(inet_pton(a.family, text, a.ip), 1);
	return a;
}

/* to NULL: nowhere */
static void leads(const struct listening *l, const char *local, const char *to)
{
	struct trp_addr from = address(local), got;
	char text[INET6_ADDRSTRLEN];

	if (!to) {
		assert_false(listening_address(l, &from, PORT, &got));
		return;
	}
	assert_true(listening_address(l, &from, PORT, &got));
	assert_int_equal(got.port, htons(PORT));
	assert_string_equal(inet_ntop(got.family, got.ip, text, sizeof(text)), to);
}

static void test_nobody(void **state)
{
	struct listening l;

	(void)state;
	begin();
	add(AF_INET, "0.0.0.0", 81, -1, 0); /* another port */
	l = parse();
	leads(&l, "192.0.2.1", NULL);
	leads(&l, "2001:db8::1", NULL);
}

static void test_one_family(void **state)
{
	struct listening l;

	(void)state;
	begin();
	add(AF_INET, "0.0.0.0", PORT, -1, 3);
	l = parse();
	assert_int_equal(l.queued, 3);
	leads(&l, "192.0.2.1", "192.0.2.1");
	leads(&l, "::ffff:192.0.2.1", "::ffff:192.0.2.1");
	leads(&l, "2001:db8::1", NULL);
	begin();
	add(AF_INET6, "::", PORT, 1, 0);
	l = parse();
	leads(&l, "::ffff:192.0.2.1", NULL);
	leads(&l, "2001:db8::1", "2001:db8::1");
}

static void test_dual_stack(void **state)
{
	struct listening l;

	(void)state;
	begin();
	add(AF_INET6, "::", PORT, 0, 1);
	l = parse();
	leads(&l, "::ffff:192.0.2.1", "::ffff:192.0.2.1");
	leads(&l, "2001:db8::1", "2001:db8::1");
	begin();
	add(AF_INET, "0.0.0.0", PORT, -1, 1);
	add(AF_INET6, "::", PORT, 1, 2);
	l = parse();
	assert_int_equal(l.queued, 3);
	leads(&l, "192.0.2.1", "192.0.2.1");
	leads(&l, "2001:db8::1", "2001:db8::1");
}

static void test_one_address(void **state)
{
	struct listening l;

	(void)state;
	begin();
	add(AF_INET, "127.0.0.1", PORT, -1, 0);
	add(AF_INET6, "::1", PORT, 0, 0);
	l = parse();
	leads(&l, "::ffff:192.0.2.1", "127.0.0.1");
	leads(&l, "2001:db8::1", "::1");
	begin();
	add(AF_INET6, "::ffff:127.0.0.1", PORT, 0, 0);
	l = parse();
	leads(&l, "192.0.2.1", "::ffff:127.0.0.1");
	leads(&l, "2001:db8::1", NULL);
	begin(); /* where it is open on all, the client's own is the truth */
	add(AF_INET, "0.0.0.0", PORT, -1, 0);
	add(AF_INET, "127.0.0.1", PORT, -1, 0);
	l = parse();
	leads(&l, "192.0.2.1", "192.0.2.1");
}

static void test_answers_that_are_none(void **state)
{
	struct listening l = {.queued = 0};

	(void)state;
	begin();
	add(AF_INET, "0.0.0.0", PORT, -1, 0);
	assert_int_equal(listening_parse(answer, len, SEQ, PORT, &l), LISTENING_MORE);
	assert_true(listening_serves(&l, LISTENING_V4));
	for (size_t n = NLMSG_HDRLEN; n < len; n++) /* cut anywhere */
		assert_int_equal(listening_parse(answer, n, SEQ, PORT, &l), LISTENING_BAD);
	/* the rest of an answer that nobody waited for */
	l = (struct listening){.queued = 0};
	assert_int_equal(listening_parse(answer, len, SEQ + 1, PORT, &l), LISTENING_MORE);
	assert_false(listening_serves(&l, LISTENING_V4));
	begin();
	add_end(NLMSG_DONE, SEQ - 1);
	assert_int_equal(listening_parse(answer, len, SEQ, PORT, &l), LISTENING_MORE);
	add_end(NLMSG_ERROR, SEQ);
	assert_int_equal(listening_parse(answer, len, SEQ, PORT, &l), LISTENING_BAD);
	assert_int_equal(listening_parse(answer, 3, SEQ, PORT, &l), LISTENING_MORE);
}

/* A socket of this process, by the kernel's own answer. */
static void test_the_kernel(void **state)
{
	struct sockaddr_in6 sa = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	cleanup_close int listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cleanup_close int diag = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	cleanup_close int client = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t size = sizeof(sa);
	struct listening l;

	(void)state;
	assert_true(listener >= 0 && diag >= 0 && client >= 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&sa, size), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&sa, &size), 0);
	assert_int_equal(listening_ask(diag, ntohs(sa.sin6_port), &l), 0);
	assert_false(listening_serves(&l, LISTENING_V6));
	assert_int_equal(listen(listener, 5), 0);
	assert_int_equal(connect(client, (struct sockaddr *)&sa, size), 0);
	assert_int_equal(listening_ask(diag, ntohs(sa.sin6_port), &l), 0);
	assert_true(listening_serves(&l, LISTENING_V6));
	assert_false(listening_serves(&l, LISTENING_V4));
	assert_int_equal(l.queued, 1);
	leads(&l, "2001:db8::1", "::1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_one_family),
		cmocka_unit_test(test_dual_stack),
		cmocka_unit_test(test_one_address),
		cmocka_unit_test(test_answers_that_are_none),
		cmocka_unit_test(test_the_kernel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
