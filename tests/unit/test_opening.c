/* SPDX-License-Identifier: ISC */
/* Which protocol is it: the order of the parsers, what a listener accepts, and the protocols that name no host. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/protocol.h"
#include "base/util.h"
#include "router/protocol/opening.h"
#include "router/protocol/refuse.h"

#include <stdlib.h>
#include <string.h>

#define BIT(p) (1u << TRP_PROTO_##p)
#define TEXT(t) (const uint8_t *)(t), sizeof(t) - 1

struct sample {
	const uint8_t *bytes;
	size_t len;
	enum trp_protocol protocol;
};

/* A whole opening of each */
static const struct sample samples[] = {
	{TEXT("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"), TRP_PROTO_HTTP1},
	{TEXT("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"), TRP_PROTO_SSH},
	{TEXT("SSH-1.99-x\n"), TRP_PROTO_SSH},
	{TEXT("\0\0\0\10\4\xd2\x16\x2f"), TRP_PROTO_POSTGRES},
	{TEXT("\0\0\0\10\4\xd2\x16\x30"), TRP_PROTO_POSTGRES},
	{TEXT("\0\0\0\x10\4\xd2\x16\x2e\0\0\0\1\0\0\0\1"), TRP_PROTO_POSTGRES},
	{TEXT("\0\0\0\x10\0\3\0\0user\0me\0"), TRP_PROTO_POSTGRES},
	{TEXT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0\0\0\10\1\4\0\0\0\1\1\6a.test"), TRP_PROTO_H2C},
	{TEXT("\x0d\0\xfb\5\6a.test\x63\xdd\2"), TRP_PROTO_MINECRAFT},
	{TEXT("\x16\0\xfb\5\xf" "a.test\0\0\0\0\0\0\0\0\0\x63\xdd\2"), TRP_PROTO_MINECRAFT}, /* 0x16, as TLS */
	{TEXT("<stream:stream to='a.test' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"),
		TRP_PROTO_XMPP},
	{TEXT("<stream:stream to='a.test' xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'>"),
		TRP_PROTO_XMPP_SERVER},
	{TEXT("EHLO a.test\r\n"), TRP_PROTO_NONE},
	{TEXT("\xff\xfe\0\1"), TRP_PROTO_NONE},
	{TEXT("\x16\5"), TRP_PROTO_NONE},
};

/* An exact copy, so that a sanitizer sees a read behind it */
static enum trp_protocol look(const uint8_t *bytes, size_t len, uint32_t accepted, struct parse_result *r)
{
	cleanup_free uint8_t *copy = malloc(len ? len : 1);

	memcpy(copy, bytes, len);
	memset(r, 0xee, sizeof(*r));
	return opening_look(copy, len, accepted, r);
}

static void test_protocol(void **state)
{
	struct parse_result r;

	(void)state;
	assert_int_equal(look(TEXT(""), TRP_PROTOCOLS_ALL, &r), TRP_PROTO_NONE);
	assert_int_equal(r.verdict, PARSE_NEED);
	assert_int_equal(r.need, 1);
	assert_int_equal(look(TEXT("\x16"), TRP_PROTOCOLS_ALL, &r), TRP_PROTO_TLS);
	assert_int_equal(r.verdict, PARSE_NEED);
	for (size_t i = 0; i < TRP_ARRAY_SIZE(samples); i++) {
		const struct sample *s = &samples[i];
		assert_int_equal(look(s->bytes, s->len, TRP_PROTOCOLS_ALL, &r), s->protocol);
		assert_int_equal(r.flags, 0);
		if (s->protocol == TRP_PROTO_NONE)
			assert_int_equal(r.verdict, PARSE_OTHER);
		else
			assert_int_equal(r.verdict,
				trp_protocol_has_names(s->protocol) ? PARSE_FOUND : PARSE_NONE);
	}
}

/* Whatever else is accepted, an opening goes to its own protocol: no other takes it first, at no length. */
static void test_unambiguous(void **state)
{
	struct parse_result r;

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(samples); i++)
		for (uint32_t others = 0; others <= TRP_PROTOCOLS_ALL; others++) {
			const struct sample *s = &samples[i];
			uint32_t accepted = (others & ~1u) | 1u << s->protocol;
			if (s->protocol == TRP_PROTO_NONE)
				continue;
			for (size_t len = 1; len < s->len; len++) {
				enum trp_protocol seen = look(s->bytes, len, accepted, &r);
				assert_true(r.verdict == PARSE_NEED || seen == s->protocol);
			}
			assert_int_equal(look(s->bytes, s->len, accepted, &r), s->protocol);
		}
}

/* The client of another protocol is told so in its own; but where anything is accepted, nothing else is even looked for. */
static void test_not_accepted(void **state)
{
	struct parse_result r;

	(void)state;
	assert_int_equal(look(TEXT("SSH-2.0-x\r\n"), BIT(HTTP1) | BIT(TLS), &r), TRP_PROTO_SSH);
	assert_int_equal(r.verdict, PARSE_NONE);
	assert_int_equal(look(TEXT("GET /"), BIT(TLS), &r), TRP_PROTO_HTTP1);
	assert_int_equal(r.verdict, PARSE_NEED);
	assert_int_equal(look(TEXT("GET /"), BIT(TLS) | BIT(NONE), &r), TRP_PROTO_NONE);
	assert_int_equal(r.verdict, PARSE_OTHER);
	assert_int_equal(look(TEXT("GET /"), BIT(HTTP1) | BIT(NONE), &r), TRP_PROTO_HTTP1);
	assert_int_equal(r.verdict, PARSE_NEED);
}

static enum parse_verdict verdict(parse_fn *parse, const void *bytes, size_t len, struct parse_result *r)
{
	cleanup_free uint8_t *copy = malloc(len ? len : 1);

	memcpy(copy, bytes, len);
	parse(copy, len, r);
	return r->verdict;
}

static void test_ssh(void **state)
{
	static const char good[] = "SSH-2.0-PuTTY\r\n";
	static const char *const other[] = {"SSH ", "SSH-x", "ssh-2", "S-", "SSH--", "X"};
	struct parse_result r;

	(void)state;
	for (size_t len = 0; len < 5; len++) {
		assert_int_equal(verdict(parse_ssh, good, len, &r), PARSE_NEED);
		assert_int_equal(r.need, 5);
	}
	for (size_t len = 5; len < sizeof(good); len++)
		assert_int_equal(verdict(parse_ssh, good, len, &r), PARSE_NONE);
	for (size_t i = 0; i < TRP_ARRAY_SIZE(other); i++)
		assert_int_equal(verdict(parse_ssh, other[i], strlen(other[i]), &r), PARSE_OTHER);
}

static void test_postgres(void **state)
{
	static const struct {
		const uint8_t *bytes;
		size_t len;
	} other[] = {
		{TEXT("\1")}, {TEXT("\0\1")}, {TEXT("\0\0\0\7")}, {TEXT("\0\0\x27\x11")}, /* 10001 */
		{TEXT("\0\0\0\11\4\xd2\x16\x2f")},                                       /* SSLRequest, 9 bytes */
		{TEXT("\0\0\0\10\0\3\0\0")},                                              /* no NUL */
		{TEXT("\0\0\0\20\0\2\0\0")},                                              /* version 2 */
		{TEXT("\0\0\0\14\4\xd2\x16\x2e")},                                       /* CancelRequest, 12 bytes */
	};
	struct parse_result r;

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(samples); i++) {
		if (samples[i].protocol != TRP_PROTO_POSTGRES)
			continue;
		for (size_t len = 0; len <= samples[i].len; len++) {
			enum parse_verdict v = verdict(parse_postgres, samples[i].bytes, len, &r);
			assert_int_equal(v, len < 8 ? PARSE_NEED : PARSE_NONE);
			if (v == PARSE_NEED)
				assert_int_equal(r.need, 8);
		}
	}
	for (size_t i = 0; i < TRP_ARRAY_SIZE(other); i++)
		assert_int_equal(verdict(parse_postgres, other[i].bytes, other[i].len, &r), PARSE_OTHER);
}

static void test_refusals(void **state)
{
	char text[REFUSE_ANSWER_MAX];

	(void)state;
	for (int why = 0; why < REFUSE_COUNT; why++) {
		size_t n = refuse_answer((enum refusal)why, TRP_PROTO_SSH, 0, text);
		assert_true(n > 10 && n < 255 && memcmp(text + n - 2, "\r\n", 2) == 0);
		assert_memory_not_equal(text, "SSH-", 4); /* RFC 4253 section 4.2 */
		n = refuse_answer((enum refusal)why, TRP_PROTO_POSTGRES, 0, text);
		assert_int_equal(text[0], 'E');
		assert_int_equal(n, 1 + ((uint8_t)text[3] << 8 | (uint8_t)text[4]));
		assert_memory_equal(text + 5, "SFATAL\0VFATAL\0C", 15);
		assert_int_equal(strlen(text + 20), 5); /* SQLSTATE */
		assert_int_equal(text[26], 'M');
		assert_int_equal(strlen(text + 26), n - 26 - 2);
		assert_int_equal(text[n - 1], 0);
	}
	refuse_answer(REFUSE_NO_SERVICE, TRP_PROTO_POSTGRES, 0, text);
	assert_string_equal(text + 20, "57P03");
}

/* RFC 9110 section 9.3.2: as for GET, but without the content. */
static void test_refusal_of_head(void **state)
{
	static const char *const heads[] = {"HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n", "HEAD / HTTP/1.0\r\n\r\n",
		"\r\nHEAD / HTTP/1.1\r\nHost: a b\r\n\r\n", "HEAD / HTTP/1.1\r\nHo", "HEAD  / HTTP/1.1\r\n\r\n"};
	static const char *const others[] = {"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", "HEADS / HTTP/1.0\r\n\r\n", "head / HTTP/1.0\r\n\r\n"};
	char text[REFUSE_ANSWER_MAX], whole[REFUSE_ANSWER_MAX];
	struct parse_result r;
	size_t n;

	(void)state;
	for (int why = 0; why < REFUSE_COUNT; why++) {
		refuse_answer((enum refusal)why, TRP_PROTO_HTTP1, 0, whole);
		for (size_t i = 0; i < TRP_ARRAY_SIZE(heads); i++) {
			assert_int_equal(opening_look((const uint8_t *)heads[i], strlen(heads[i]), 1u << TRP_PROTO_HTTP1, &r), TRP_PROTO_HTTP1);
			n = refuse_answer((enum refusal)why, TRP_PROTO_HTTP1, r.detail, text);
			assert_memory_equal(text + n - 4, "\r\n\r\n", 4);
			assert_memory_equal(text, whole, n);
		}
		for (size_t i = 0; i < TRP_ARRAY_SIZE(others); i++) {
			assert_int_equal(opening_look((const uint8_t *)others[i], strlen(others[i]), 1u << TRP_PROTO_HTTP1, &r), TRP_PROTO_HTTP1);
			assert_int_equal(refuse_answer((enum refusal)why, TRP_PROTO_HTTP1, r.detail, text), strlen(whole));
		}
	}
}

/* Each word is a key of [route] and a word of "protocols"; the supervisor's tables are checked in test_profile.c. */
static void test_words(void **state)
{
	(void)state;
	for (size_t i = 0; i < TRP_PROTO_COUNT; i++) {
		assert_non_null(trp_protocol_words[i]);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(trp_protocol_words[i], trp_protocol_words[j]);
	}
	assert_null(trp_protocol_words[TRP_PROTO_COUNT]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_protocol),
		cmocka_unit_test(test_unambiguous),
		cmocka_unit_test(test_not_accepted),
		cmocka_unit_test(test_ssh),
		cmocka_unit_test(test_postgres),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_refusal_of_head),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
