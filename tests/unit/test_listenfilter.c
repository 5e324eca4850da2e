/* SPDX-License-Identifier: ISC */
/* The program that a listener carries, run over packets of both families. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/util.h"
#include "supervisor/listenfilter.h"

#include <arpa/inet.h>
#include <string.h>

struct packet {
	uint8_t ip[60], tcp[20];
	int ifindex;
};

/* Loads as the kernel does (bpf_internal_load_pointer_neg_helper, bpf_convert_filter). */
static uint32_t load(const struct packet *p, uint16_t size, int32_t k)
{
	const uint8_t *at;
	uint32_t w;
	uint16_t h;

	if (k == SKF_AD_OFF + SKF_AD_IFINDEX)
		return (uint32_t)p->ifindex;
	at = k >= 0 ? p->tcp + k : p->ip + (k - SKF_NET_OFF);
	if (k < 0)
		assert_true(k >= SKF_NET_OFF && k - SKF_NET_OFF <= 56);
	if (size == BPF_B)
		return *at;
	if (size == BPF_H) {
		memcpy(&h, at, sizeof(h));
		return ntohs(h);
	}
	memcpy(&w, at, sizeof(w));
	return ntohl(w);
}

static uint32_t run(const struct sock_filter *f, size_t n, const struct packet *p)
{
	uint32_t a = 0;

	for (size_t i = 0; i < n; i++)
		switch (f[i].code) {
		case BPF_LD | BPF_B | BPF_ABS:
		case BPF_LD | BPF_H | BPF_ABS:
		case BPF_LD | BPF_W | BPF_ABS:
			a = load(p, BPF_SIZE(f[i].code), (int32_t)f[i].k);
			break;
		case BPF_ALU | BPF_RSH | BPF_K:
			a >>= f[i].k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			i += a == f[i].k ? f[i].jt : f[i].jf;
			break;
		case BPF_RET | BPF_K:
			return f[i].k;
		default:
			fail_msg("instruction %zu: code %#x", i, f[i].code);
		}
	fail_msg("no return");
	return 0;
}

static bool passes(const struct listenscope *s, const char *ip, uint16_t port, int ifindex)
{
	struct sock_filter f[LISTENFILTER_MAX];
	struct packet p = {.ifindex = ifindex};
	size_t n = listenfilter_make(s, f);

	assert_true(n <= LISTENFILTER_MAX);
	if (strchr(ip, ':')) {
		p.ip[0] = 0x60;
		assert_int_equal(inet_pton(AF_INET6, ip, p.ip + 24), 1);
	} else {
		p.ip[0] = 0x45;
		assert_int_equal(inet_pton(AF_INET, ip, p.ip + 16), 1);
	}
	port = htons(port);
	memcpy(p.tcp + 2, &port, sizeof(port));
	return run(f, n, &p) != 0;
}

static void test_port(void **state)
{
	const struct listenscope s = {.port = 8080};

	(void)state;
	assert_true(passes(&s, "192.0.2.1", 8080, 1));
	assert_true(passes(&s, "2001:db8::1", 8080, 7));
	assert_false(passes(&s, "192.0.2.1", 8081, 1));
	assert_false(passes(&s, "2001:db8::1", 80, 1));
}

static void test_family(void **state)
{
	const struct listenscope v4 = {.port = 80, .family = FAMILY_IPV4}, v6 = {.port = 80, .family = FAMILY_IPV6};

	(void)state;
	assert_true(passes(&v4, "192.0.2.1", 80, 1));
	assert_false(passes(&v4, "2001:db8::1", 80, 1));
	assert_false(passes(&v4, "192.0.2.1", 81, 1));
	assert_true(passes(&v6, "2001:db8::1", 80, 1));
	assert_false(passes(&v6, "192.0.2.1", 80, 1));
}

static void test_address(void **state)
{
	struct listenscope v4 = {.port = 80, .family = FAMILY_IPV4, .has_address = true},
			   v6 = {.port = 80, .family = FAMILY_IPV6, .has_address = true};

	(void)state;
	inet_pton(AF_INET6, "::ffff:192.0.2.1", &v4.ip);
	inet_pton(AF_INET6, "2001:db8::1:2:3", &v6.ip);
	assert_true(passes(&v4, "192.0.2.1", 80, 1));
	assert_false(passes(&v4, "192.0.2.2", 80, 1));
	assert_false(passes(&v4, "192.0.2.1", 81, 1));
	assert_false(passes(&v4, "::ffff:192.0.2.1", 80, 1)); /* as an IPv6 packet */
	assert_true(passes(&v6, "2001:db8::1:2:3", 80, 1));
	for (int i = 0; i < 16; i++) { /* each byte counts */
		struct in6_addr other = v6.ip;
		char text[INET6_ADDRSTRLEN];
		other.s6_addr[i] ^= 1;
		assert_false(passes(&v6, inet_ntop(AF_INET6, &other, text, sizeof(text)), 80, 1));
	}
	assert_false(passes(&v6, "192.0.2.1", 80, 1));
}

static void test_device(void **state)
{
	struct listenscope s = {.port = 80, .ifindex = 3};

	(void)state;
	assert_true(passes(&s, "192.0.2.1", 80, 3));
	assert_true(passes(&s, "fe80::1", 80, 3));
	assert_false(passes(&s, "fe80::1", 80, 4));
	s.family = FAMILY_IPV6;
	s.has_address = true;
	inet_pton(AF_INET6, "fe80::1", &s.ip);
	assert_true(passes(&s, "fe80::1", 80, 3));
	assert_false(passes(&s, "fe80::1", 80, 4));
	assert_false(passes(&s, "fe80::2", 80, 3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_port), cmocka_unit_test(test_family),
		cmocka_unit_test(test_address), cmocka_unit_test(test_device)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
