/* SPDX-License-Identifier: ISC */
/* Names that accepted sockets are shown by, with real sockets: the cookie is the kernel's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/util.h"
/* included: no archive of the unit tests has the adapters' parts */
#include "sandbox/adapter/shown.c"

#include <arpa/inet.h>
#include <string.h>
#include <unistd.h>

static struct trp_handoff handoff(uint32_t flags, const char *peer, const char *local)
{
	struct trp_handoff h = {.flags = flags, .peer = {.family = AF_INET6, .port = htons(1111)}};

	assert_int_equal(inet_pton(AF_INET6, peer, h.peer.ip), 1);
	if (local) {
		h.local = (struct trp_addr){.family = AF_INET6, .port = htons(443)};
		assert_int_equal(inet_pton(AF_INET6, local, h.local.ip), 1);
	}
	return h;
}

static int tcp(int family)
{
	struct sockaddr_in6 any = {.sin6_family = (sa_family_t)family};
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&any, sizeof(any)), 0);
	return fd;
}

static void check(int fd, bool peer, int family, const char *ip, unsigned port)
{
	struct sockaddr_storage sa;
	char text[INET6_ADDRSTRLEN];
	const struct sockaddr_in *in = (const void *)&sa;
	const struct sockaddr_in6 *in6 = (const void *)&sa;

	assert_int_equal(shown_name(fd, peer, &sa), family == AF_INET ? sizeof(*in) : sizeof(*in6));
	assert_int_equal(sa.ss_family, family);
	inet_ntop(family, family == AF_INET ? (const void *)&in->sin_addr : &in6->sin6_addr, text, sizeof(text));
	assert_string_equal(text, ip);
	assert_int_equal(ntohs(in->sin_port), port);
}

static void test_nothing(void **state)
{
	struct trp_handoff h = handoff(0, "::ffff:192.0.2.1", NULL);
	struct sockaddr_storage sa;
	int fd = tcp(AF_INET6);

	(void)state;
	assert_true(shown_none());
	shown_note(fd, AF_INET6, AF_INET6, &h);
	assert_true(shown_none());
	assert_int_equal(shown_name(fd, true, &sa), 0);
	close(fd);
}

static void test_proxied(void **state)
{
	struct trp_handoff v4 = handoff(TRP_HANDOFF_PROXIED, "::ffff:192.0.2.1", "::ffff:198.51.100.1");
	struct trp_handoff v6 = handoff(TRP_HANDOFF_PROXIED, "2001:db8::1", "2001:db8::2");
	int one = tcp(AF_INET6), two = tcp(AF_INET), three = tcp(AF_INET), copy;
	struct sockaddr_storage sa;

	(void)state;
	shown_note(one, AF_INET6, AF_INET6, &v4);
	shown_note(two, AF_INET, AF_INET, &v4);
	shown_note(three, AF_INET, AF_INET, &v6); /* cannot be shown in the listener's family */
	check(one, true, AF_INET6, "::ffff:192.0.2.1", 1111);
	check(one, false, AF_INET6, "::ffff:198.51.100.1", 443);
	check(two, true, AF_INET, "192.0.2.1", 1111);
	check(two, false, AF_INET, "198.51.100.1", 443);
	check(three, true, AF_INET6, "2001:db8::1", 1111);
	copy = dup(one);
	close(one);
	check(copy, true, AF_INET6, "::ffff:192.0.2.1", 1111);
	one = tcp(AF_INET6); /* the number again, but not the socket */
	assert_int_equal(shown_name(one, true, &sa), 0);
	close(one);
	close(two);
	close(three);
	close(copy);
}

static void test_foreign(void **state)
{
	struct trp_handoff h = handoff(0, "::ffff:192.0.2.1", NULL);
	struct sockaddr_in6 at = {.sin6_family = AF_INET6};
	socklen_t len = sizeof(at);
	struct sockaddr_storage sa;
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	inet_pton(AF_INET6, "::ffff:127.0.0.1", &at.sin6_addr);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	shown_note(fd, AF_INET, AF_INET6, &h);
	check(fd, true, AF_INET, "192.0.2.1", 1111);
	check(fd, false, AF_INET, "127.0.0.1", ntohs(at.sin6_port));
	close(fd);
	assert_int_equal(shown_name(fd, true, &sa), 0); /* no socket at all */
}

/* However many there were: those of the last are right, and nothing grows. */
static void test_many(void **state)
{
	struct trp_handoff h = handoff(TRP_HANDOFF_PROXIED, "2001:db8::1", "2001:db8::2");
	int last[8];

	(void)state;
	for (unsigned i = 0; i < SETS * WAYS * 2; i++) {
		int fd = tcp(AF_INET6), *slot = &last[i % TRP_ARRAY_SIZE(last)];
		if (i >= TRP_ARRAY_SIZE(last))
			close(*slot);
		*slot = fd;
		h.peer.port = htons((uint16_t)i);
		shown_note(fd, AF_INET6, AF_INET6, &h);
		check(fd, true, AF_INET6, "2001:db8::1", (uint16_t)i);
	}
	for (size_t i = 0; i < TRP_ARRAY_SIZE(last); i++)
		close(last[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_proxied),
		cmocka_unit_test(test_foreign),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
