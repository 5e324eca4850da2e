/* SPDX-License-Identifier: ISC */
/* The relay's pure parts: addresses, the PROXY header, which target gets a client. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/util.h"
#include "router/relay/proxy.h"
#include "router/relay/relay.h"
#include "router/relay/target.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void test_endpoints(void **state)
{
	static const struct {
		const char *text, *again;
	} good[] = {
		{"192.0.2.7:80", "192.0.2.7:80"},
		{"192.0.2.7", "192.0.2.7:0"},
		{"127.0.0.1:65535", "127.0.0.1:65535"},
		{"[2001:db8::7]:443", "[2001:db8::7]:443"},
		{"[2001:DB8:0:0::7]", "[2001:db8::7]:0"},
		{"[::1]:1", "[::1]:1"},
		{"[::ffff:192.0.2.7]:80", "192.0.2.7:80"},
		{"unix:/run/up/sock", "unix:/run/up/sock"},
	};
	static const char *const bad[] = {"", ":", ":80", "192.0.2.7:", "192.0.2.7:0", "192.0.2.7:65536", "192.0.2.7:+1",
		"192.0.2:80", "192.0.2.7:80 ", " 192.0.2.7", "localhost:80", "2001:db8::7", "[2001:db8::7", "2001:db8::7]",
		"[2001:db8::7]80", "[2001:db8::7]:", "[192.0.2.7]:80", "unix:", "unix:run/sock", "unix:/0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678", "[fe80::1%eth0]:80", "[]:80", "0.0.0.0:80", "0.1.2.3:80",
		"224.0.0.1:80", "255.255.255.255:80", "[::]:80", "[ff02::1]:80", "[::ffff:0.0.0.0]:80", "[::ffff:224.0.0.1]:80",
		"[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]:80"};
	struct sockaddr_storage sa, before;
	char text[TRP_ENDPOINT_TEXT];

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(good); i++) {
		assert_int_equal(trp_parse_endpoint(good[i].text, &sa), 0);
		trp_endpoint_text(&sa, text);
		assert_string_equal(text, good[i].again);
	}
	memset(&before, 0xee, sizeof(before));
	for (size_t i = 0; i < TRP_ARRAY_SIZE(bad); i++) {
		sa = before;
		if (trp_parse_endpoint(bad[i], &sa) >= 0)
			fail_msg("'%s' was taken", bad[i]);
		assert_memory_equal(&sa, &before, sizeof(sa));
	}
}

static struct trp_addr address(int family, const char *ip, uint16_t port)
{
	struct trp_addr a = {.family = (uint16_t)family, .port = htons(port)};

	assert_int_equal(inet_pton(family, ip, a.ip), 1);
	return a;
}

static void check_text(const struct trp_addr *peer, const struct trp_addr *local, const char *want)
{
	char out[PROXY_HEADER_MAX];
	size_t len = proxy_header(PROXY_V1, peer, local, out);

	assert_int_equal(len, strlen(want));
	assert_memory_equal(out, want, len);
}

static void test_proxy_v1(void **state)
{
	const char longest[] = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
	struct trp_addr v4 = address(AF_INET, "192.0.2.1", 56324), v4_local = address(AF_INET, "192.0.2.2", 443);
	struct trp_addr mapped = address(AF_INET6, "::ffff:192.0.2.1", 56324);
	struct trp_addr v6 = address(AF_INET6, longest, 65535), none = {0};
	char want[PROXY_HEADER_MAX];

	(void)state;
	check_text(&v4, &v4_local, "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n");
	check_text(&mapped, &v4_local, "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n");
	snprintf(want, sizeof(want), "PROXY TCP6 %s %s 65535 65535\r\n", longest, longest);
	assert_int_equal(strlen(want), 104); /* section 2.1's own example of the longest */
	check_text(&v6, &v6, want);
	check_text(NULL, NULL, "PROXY UNKNOWN\r\n");
	check_text(&none, &v4_local, "PROXY UNKNOWN\r\n");
	assert_int_equal(proxy_header(PROXY_NO, &v4, &v4_local, want), 0);
}

static void test_proxy_v2(void **state)
{
	struct trp_addr v4 = address(AF_INET6, "::ffff:192.0.2.1", 0x1234), v4_local = address(AF_INET, "192.0.2.2", 443);
	struct trp_addr v6 = address(AF_INET6, "2001:db8::1", 0x1234), v6_local = address(AF_INET6, "2001:db8::2", 443);
	static const char head[] = "\r\n\r\n\0\r\nQUIT\n";
	char out[PROXY_HEADER_MAX];

	(void)state;
	assert_int_equal(proxy_header(PROXY_V2, &v4, &v4_local, out), 28);
	assert_memory_equal(out, head, 12);
	assert_memory_equal(out + 12, "\x21\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x02\x12\x34\x01\xbb", 16);
	assert_int_equal(proxy_header(PROXY_V2, &v6, &v6_local, out), 52);
	assert_memory_equal(out + 12, "\x21\x21\x00\x24\x20\x01\x0d\xb8", 8);
	assert_memory_equal(out + 48, "\x12\x34\x01\xbb", 4);
	assert_int_equal(proxy_header(PROXY_V2, NULL, NULL, out), 16);
	assert_memory_equal(out + 12, "\x20\x00\x00\x00", 4);
}

static struct target_set make_set(size_t n)
{
	struct target_set set = {.n = n};
	char text[32];

	for (size_t i = 0; i < n; i++) {
		snprintf(text, sizeof(text), "192.0.2.%zu:80", i + 1);
		assert_int_equal(trp_parse_endpoint(text, &set.targets[i].addr), 0);
	}
	return set;
}

static void test_least_connections(void **state)
{
	struct target_set set = make_set(4);
	struct trp_addr peer = address(AF_INET, "198.51.100.1", 1);

	(void)state;
	set.targets[0].active = 5;
	set.targets[1].active = 7;
	set.targets[2].active = 2;
	set.targets[3].active = 3;
	assert_int_equal(target_pick(&set, BALANCE_LEAST_CONNECTIONS, &peer, 0, 1), 2);
	assert_int_equal(target_pick(&set, BALANCE_LEAST_CONNECTIONS, &peer, 1 << 2, 1), 3);
	set = make_set(3); /* among equals each in turn */
	for (int i = 0; i < 9; i++)
		assert_int_equal(target_pick(&set, BALANCE_LEAST_CONNECTIONS, &peer, 0, 1), i % 3);
}

static void test_round_robin(void **state)
{
	struct target_set set = make_set(3);
	struct trp_addr peer = address(AF_INET, "198.51.100.1", 1);

	(void)state;
	for (int i = 0; i < 9; i++)
		assert_int_equal(target_pick(&set, BALANCE_ROUND_ROBIN, &peer, 0, 1), i % 3);
	assert_int_equal(target_pick(&set, BALANCE_ROUND_ROBIN, &peer, 1, 1), 1);
	assert_int_equal(target_pick(&set, BALANCE_ROUND_ROBIN, &peer, 7, 1), TARGET_NONE);
}

static void test_source(void **state)
{
	struct target_set set = make_set(5);
	unsigned counts[5] = {0}, moved = 0;

	(void)state;
	for (unsigned i = 0; i < 5000; i++) {
		struct trp_addr peer = {.family = AF_INET, .port = (uint16_t)i, .ip = {10, 0, (uint8_t)(i >> 8), (uint8_t)i}};
		int first, second;
		set.targets[3].out = false;
		first = target_pick(&set, BALANCE_SOURCE, &peer, 0, 1);
		peer.port ^= 0x5555; /* another connection of the same client */
		assert_int_equal(target_pick(&set, BALANCE_SOURCE, &peer, 0, 1), first);
		set.targets[3].out = true;
		set.targets[3].retry_ns = UINT64_MAX;
		second = target_pick(&set, BALANCE_SOURCE, &peer, 0, 1);
		assert_int_not_equal(second, 3);
		if (first != 3)
			assert_int_equal(second, first);
		moved += first != second;
		counts[first]++;
	}
	for (size_t i = 0; i < 5; i++) /* 1000 each, spread by chance */
		assert_in_range(counts[i], 850, 1150);
	assert_int_equal(moved, counts[3]);
}

/* Whoever a client is, his connection is found without a look at those of all others. */
static void test_peers(void **state)
{
	enum { N = 20000 };
	static struct relay relay;
	struct conn *conns = calloc(N, sizeof(*conns));
	struct trp_addr local = {.family = AF_INET6, .port = 80}, nobody = {.family = AF_INET6, .port = 1};
	size_t longest = 0;

	(void)state;
	assert_non_null(conns);
	assert_int_equal(peers_init(&relay), 0);
	for (uint32_t i = 0; i < N; i++) { /* one port, many addresses; and the other way round */
		uint32_t n = htonl(i / 2 + 1);
		conns[i].peer = (struct trp_addr){.family = AF_INET6, .ip = {0x20, 1}, .port = i % 2 ? (uint16_t)(i / 2) : 4711};
		if (i % 2 == 0)
			memcpy(conns[i].peer.ip + 12, &n, sizeof(n));
		conns[i].local = local;
		peers_add(&relay, &conns[i]);
	}
	for (size_t i = 0; i < TRP_ARRAY_SIZE(relay.peers); i++) {
		struct conn *c;
		size_t len = 0;
		LIST_FOREACH(c, &relay.peers[i], by_peer)
			len++;
		longest = len > longest ? len : longest;
	}
	assert_in_range(longest, N >> RELAY_PEER_BITS, 60); /* some five each */
	for (uint32_t i = 0; i < N; i++) {
		assert_ptr_equal(peers_find(&relay, &conns[i].peer, &local), &conns[i]);
		assert_null(peers_find(&relay, &conns[i].peer, &nobody)); /* to another address it is another one */
		peers_del(&conns[i]);
		peers_del(&conns[i]); /* once more does nothing */
		assert_null(peers_find(&relay, &conns[i].peer, &local));
	}
	free(conns);
}

static void test_out_and_back(void **state)
{
	struct target_set set = make_set(2);
	struct trp_addr peer = address(AF_INET, "198.51.100.1", 1);
	uint64_t now = 1000;

	(void)state;
	assert_false(target_bad(&set.targets[0], 2, now));
	assert_false(target_good(&set.targets[0])); /* only failures in a row count */
	assert_false(target_bad(&set.targets[0], 2, now));
	assert_true(target_bad(&set.targets[0], 2, now));
	assert_false(target_bad(&set.targets[0], 2, now)); /* is told once */
	for (int i = 0; i < 4; i++)
		assert_int_equal(target_pick(&set, BALANCE_ROUND_ROBIN, &peer, 0, now), 1);
	/* after a while one client tries it, and no other before the next while */
	set.next = 0;
	now += TARGET_RETRY_NS;
	assert_int_equal(target_pick(&set, BALANCE_ROUND_ROBIN, &peer, 0, now), 0);
	set.next = 0;
	assert_int_equal(target_pick(&set, BALANCE_ROUND_ROBIN, &peer, 0, now), 1);
	/* with health checks none does */
	set.checked = true;
	set.next = 0;
	assert_int_equal(target_pick(&set, BALANCE_ROUND_ROBIN, &peer, 0, now + 9 * TARGET_RETRY_NS), 1);
	/* but if there is no other it is better than nothing */
	assert_int_equal(target_pick(&set, BALANCE_ROUND_ROBIN, &peer, 2, now), 0);
	assert_true(target_good(&set.targets[0]));
	assert_int_equal(target_pick(&set, BALANCE_ROUND_ROBIN, &peer, 2, now), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_endpoints),
		cmocka_unit_test(test_proxy_v1),
		cmocka_unit_test(test_proxy_v2),
		cmocka_unit_test(test_least_connections),
		cmocka_unit_test(test_round_robin),
		cmocka_unit_test(test_source),
		cmocka_unit_test(test_peers),
		cmocka_unit_test(test_out_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
