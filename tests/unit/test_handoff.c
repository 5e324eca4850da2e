/* SPDX-License-Identifier: ISC */
/* The handoff message: what is sealed checks, whatever is bent does not, addresses in each family. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/handoff.h"
#include "base/util.h"

#include <arpa/inet.h>
#include <string.h>

static struct trp_handoff sealed(const char *name)
{
	struct trp_handoff h;

	memset(&h, 0xa5, sizeof(h));
	h.flags = 0;
	trp_handoff_seal(&h, name, strlen(name));
	return h;
}

static void layout_is_fixed(void **state)
{
	(void)state;
	/* doc/protocol.md, and programs in other languages, count on these */
	assert_int_equal(offsetof(struct trp_handoff, accepted_ns), 16);
	assert_int_equal(offsetof(struct trp_handoff, peer), 24);
	assert_int_equal(offsetof(struct trp_handoff, local), 48);
	assert_int_equal(offsetof(struct trp_handoff, name_len), 79);
	assert_int_equal(TRP_HANDOFF_MIN, 80);
	assert_int_equal(sizeof(struct trp_addr), 24);
}

static void sealed_message_checks(void **state)
{
	struct trp_handoff h = sealed("a.example");

	(void)state;
	assert_int_equal(h.size, TRP_HANDOFF_MIN + 9);
	assert_int_equal(h.reserved[0], 0);
	assert_int_equal(h.name[9], (char)0xa5);
	assert_int_equal(trp_handoff_check(&h, h.size), 0);
	assert_string_equal(h.name, "a.example");
}

static void empty_and_longest_names(void **state)
{
	char name[TRP_HANDOFF_NAME_MAX + 10];
	struct trp_handoff h = sealed("");

	(void)state;
	assert_int_equal(trp_handoff_check(&h, TRP_HANDOFF_MIN), 0);
	assert_string_equal(h.name, "");

	memset(name, 'x', sizeof(name));
	assert_int_equal(trp_handoff_seal(&h, name, sizeof(name)),
		TRP_HANDOFF_MIN + TRP_HANDOFF_NAME_MAX);
	assert_int_equal(trp_handoff_check(&h, h.size), 0);
	assert_int_equal(strlen(h.name), TRP_HANDOFF_NAME_MAX);
}

static void wrong_messages_are_refused(void **state)
{
	struct trp_handoff good = sealed("name"), h;

	(void)state;
	for (size_t len = 0; len <= sizeof(h); len++) {
		h = good;
		assert_int_equal(trp_handoff_check(&h, len), len == good.size ? 0 : -EBADMSG);
	}
	h = good, h.magic++;
	assert_int_equal(trp_handoff_check(&h, good.size), -EBADMSG);
	h = good, h.version = 2;
	assert_int_equal(trp_handoff_check(&h, good.size), -EBADMSG);
	h = good, h.size--;
	assert_int_equal(trp_handoff_check(&h, good.size), -EBADMSG);
	for (unsigned n = 0; n < 256; n++) {
		h = good, h.name_len = (uint8_t)n;
		assert_int_equal(trp_handoff_check(&h, good.size), n == 4 ? 0 : -EBADMSG);
	}
	/* a length that would end behind the structure */
	h = good, h.name_len = 255, h.size = TRP_HANDOFF_MIN + 255;
	assert_int_equal(trp_handoff_check(&h, h.size), -EBADMSG);
}

static struct trp_addr address(int family, const char *ip, uint16_t port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_scope_id = 7};
	struct trp_addr a;

	if (family == AF_INET) {
		assert_int_equal(inet_pton(AF_INET, ip, &in.sin_addr), 1);
		trp_addr_from_sockaddr(&a, (struct sockaddr *)&in);
	} else {
		assert_int_equal(inet_pton(AF_INET6, ip, &in6.sin6_addr), 1);
		trp_addr_from_sockaddr(&a, (struct sockaddr *)&in6);
	}
	return a;
}

static void addresses_in_each_family(void **state)
{
	static const struct {
		int family;
		const char *ip;
		int want, result; /* 0: cannot be */
		const char *shown;
	} table[] = {
		{AF_INET, "192.0.2.1", 0, AF_INET, "192.0.2.1"},
		{AF_INET, "192.0.2.1", AF_INET, AF_INET, "192.0.2.1"},
		{AF_INET, "192.0.2.1", AF_INET6, AF_INET6, "::ffff:192.0.2.1"},
		{AF_INET6, "::ffff:192.0.2.1", 0, AF_INET6, "::ffff:192.0.2.1"},
		{AF_INET6, "::ffff:192.0.2.1", AF_INET, AF_INET, "192.0.2.1"},
		{AF_INET6, "::ffff:192.0.2.1", AF_INET6, AF_INET6, "::ffff:192.0.2.1"},
		{AF_INET6, "2001:db8::1", 0, AF_INET6, "2001:db8::1"},
		{AF_INET6, "2001:db8::1", AF_INET6, AF_INET6, "2001:db8::1"},
		{AF_INET6, "2001:db8::1", AF_INET, 0, NULL},
		{AF_INET6, "::192.0.2.1", AF_INET, 0, NULL},
		{AF_INET, "192.0.2.1", AF_UNIX, 0, NULL},
	};

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(table); i++) {
		struct trp_addr a = address(table[i].family, table[i].ip, 4711);
		struct sockaddr_storage sa;
		char shown[INET6_ADDRSTRLEN];
		size_t len = trp_addr_to_sockaddr(&a, table[i].want, &sa);

		if (!table[i].result) {
			assert_int_equal(len, 0);
		} else if (table[i].result == AF_INET) {
			struct sockaddr_in *in = (void *)&sa;
			assert_int_equal(len, sizeof(*in));
			assert_int_equal(sa.ss_family, AF_INET);
			assert_int_equal(ntohs(in->sin_port), 4711);
			assert_string_equal(inet_ntop(AF_INET, &in->sin_addr, shown, sizeof(shown)), table[i].shown);
		} else {
			struct sockaddr_in6 *in6 = (void *)&sa;
			assert_int_equal(len, sizeof(*in6));
			assert_int_equal(sa.ss_family, AF_INET6);
			assert_int_equal(ntohs(in6->sin6_port), 4711);
			assert_int_equal(in6->sin6_scope_id, table[i].family == AF_INET6 ? 7 : 0);
			assert_string_equal(inet_ntop(AF_INET6, &in6->sin6_addr, shown, sizeof(shown)), table[i].shown);
		}
	}
}

static void unknown_families(void **state)
{
	struct sockaddr_storage sa = {.ss_family = AF_UNIX}, out;
	struct trp_addr a;

	(void)state;
	trp_addr_from_sockaddr(&a, (struct sockaddr *)&sa);
	assert_int_equal(a.family, 0);
	assert_int_equal(trp_addr_to_sockaddr(&a, 0, &out), 0);
	assert_int_equal(trp_addr_to_sockaddr(&a, AF_INET, &out), 0);
	assert_int_equal(trp_addr_to_sockaddr(&a, AF_INET6, &out), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(layout_is_fixed),
		cmocka_unit_test(sealed_message_checks),
		cmocka_unit_test(empty_and_longest_names),
		cmocka_unit_test(wrong_messages_are_refused),
		cmocka_unit_test(addresses_in_each_family),
		cmocka_unit_test(unknown_families),
	};

	return cmocka_run_group_tests_name("handoff", tests, NULL, NULL);
}
