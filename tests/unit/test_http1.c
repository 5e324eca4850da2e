/* SPDX-License-Identifier: ISC */
/* The HTTP/1 parser: good and bad heads, each cut at every byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "router/protocol/opening.h"
#include "base/util.h"

#include <string.h>

static enum parse_verdict look(const void *bytes, size_t len, struct parse_result *out)
{
	/* an exact copy, so that a sanitizer sees a read behind it */
	cleanup_free uint8_t *copy = malloc(len ? len : 1);

	memcpy(copy, bytes, len);
	memset(out, 0xee, sizeof(*out));
	parse_http1(copy, len, out);
	return out->verdict;
}

#define REQUEST(name) "GET / HTTP/1.1\r\nHost: " name "\r\n\r\n"

static void test_found(void **state)
{
	static const struct {
		const char *head, *name;
	} good[] = {
		{REQUEST("a.test"), "a.test"},
		{REQUEST("A.TeSt"), "a.test"},
		{REQUEST("a.test."), "a.test"},
		{REQUEST("a.test:80"), "a.test"},
		{REQUEST("a.test.:65535"), "a.test"},
		{REQUEST("a.test:"), "a.test"},
		{REQUEST("  a.test \t"), "a.test"},
		{REQUEST("192.0.2.1:8080"), "192.0.2.1"},
		{REQUEST("[::1]"), "[::1]"},
		{REQUEST("[0:0:0::0001]"), "[::1]"},
		{REQUEST("[2001:DB8:0:0:0:0:0:A]"), "[2001:db8::a]"},
		{REQUEST("[2001:DB8::A]:8443"), "[2001:db8::a]"},
		{REQUEST("[::ffff:192.0.2.1]:1"), "[::ffff:192.0.2.1]"},
		{REQUEST("under_score.xn--p1ai"), "under_score.xn--p1ai"},
		{"GET / HTTP/1.1\nHost: a.test\n\n", "a.test"},
		{"GET / HTTP/1.1\r\nHOST:a.test\r\n\r\n", "a.test"},
		{"GET / HTTP/1.1\r\nhost:a.test\r\nX: y\r\n\r\n", "a.test"},
		{"GET / HTTP/1.1\r\nA: b\r\nEmpty:\r\nX-Host: b.test\r\nHost: a.test\r\n\r\n", "a.test"},
		{"POST /?Host:b.test HTTP/1.1\r\nHost: a.test\r\n\r\nHost: b.test\r\n\r\n", "a.test"},
		{"OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n", "a.test"},
		{"M-SEARCH * HTTP/1.1\r\nHost: a.test\r\n\r\n", "a.test"},
		{"GET / HTTP/1.0\r\nHost: a.test\r\n\r\n", "a.test"},
		/* RFC 9112 section 2.2: empty lines in front */
		{"\r\n" REQUEST("a.test"), "a.test"},
		{"\n" REQUEST("a.test"), "a.test"},
		{"\n\n\n\n" REQUEST("a.test"), "a.test"},
		{"GET / HTTP/1.9\r\nHost: a.test\r\n\r\n", "a.test"},
		/* RFC 9112 section 3.2.2: absolute-form wins */
		{"GET http://A.test/b HTTP/1.1\r\nHost: b.test\r\n\r\n", "a.test"},
		{"GET HTTPS://a.test:443 HTTP/1.1\r\nHost: b.test\r\n\r\n", "a.test"},
		{"GET http://a.test?x=http://c.test/ HTTP/1.1\r\nHost: b.test\r\n\r\n", "a.test"},
		{"GET http://[::1]:80/ HTTP/1.1\r\nHost:\r\n\r\n", "[::1]"},
		{"GET http://a.test/ HTTP/1.0\r\n\r\n", "a.test"},
		{"GET /http://b.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n", "a.test"},
		{"CONNECT a.test:443 HTTP/1.1\r\nHost: b.test:443\r\n\r\n", "a.test"},
	};
	struct parse_result r;

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(good); i++) {
		const char *end = strstr(good[i].head, "\n\r\n");
		size_t whole = end ? (size_t)(end - good[i].head) + 3 : strlen(good[i].head);
		for (size_t len = 0; len < whole; len++) {
			assert_int_equal(look(good[i].head, len, &r), PARSE_NEED);
			assert_int_equal(r.need, len + 1);
		}
		for (size_t len = whole; len <= strlen(good[i].head); len++) {
			assert_int_equal(look(good[i].head, len, &r), PARSE_FOUND);
			assert_string_equal(r.name, good[i].name);
			assert_int_equal(r.name_len, strlen(good[i].name));
		}
	}
}

static void test_bad(void **state)
{
#define BAD(text) {text, sizeof(text) - 1}
	static const struct {
		const char *head;
		size_t len;
	} bad[] = {
		BAD("GET / HTTP/1.1\r\n\r\n"),
		BAD("GET / HTTP/1.1\r\nX-Host: a.test\r\n\r\n"),
		BAD("GET http://a.test/ HTTP/1.1\r\n\r\n"),
		BAD("GET / HTTP/1.1\r\nHost: a.test\r\nHost: a.test\r\n\r\n"),
		BAD("GET / HTTP/1.1\r\nHost: a.test\r\nX: y\r\nhOsT: b.test\r\n\r\n"),
		BAD("GET / HTTP/1.1\r\nHost:\r\nHost: b.test\r\n\r\n"),
		BAD("GET / HTTP/1.1\r\nHost: a.test\r\n b.test\r\n\r\n"),
		BAD("GET / HTTP/1.1\r\nX: y\r\n\tHost: a.test\r\nHost: a.test\r\n\r\n"),
		BAD("GET / HTTP/1.1\r\n Host: a.test\r\n\r\n"),
		BAD("GET / HTTP/1.1\r\nHost : a.test\r\n\r\n"),
		BAD("GET / HTTP/1.1\r\nHost\r\n\r\n"),
		BAD("GET / HTTP/1.1\r\n: x\r\nHost: a.test\r\n\r\n"),
		BAD("GET / HTTP/1.1\r\nX: a\rHost: b.test\r\nHost: a.test\r\n\r\n"),
		BAD("GET / HTTP/1.1\r\nX: \0\r\nHost: a.test\r\n\r\n"),
		BAD("GET / HTTP/1.1\r\nX: y\r\r\nHost: a.test\r\n\r\n"),
		BAD("GET /a b HTTP/1.1\r\nHost: a.test\r\n\r\n"),
		BAD("GET  / HTTP/1.1\r\nHost: a.test\r\n\r\n"),
		BAD("GET HTTP/1.1\r\nHost: a.test\r\n\r\n"),
		BAD("GET  HTTP/1.1\r\nHost: a.test\r\n\r\n"),
		BAD("GET / HTTP/1.1 \r\nHost: a.test\r\n\r\n"),
		BAD("GET / HTTP/11\r\nHost: a.test\r\n\r\n"),
		BAD("GET / HTTP/1.x\r\nHost: a.test\r\n\r\n"),
		BAD("GET / HTTP/2.0\r\nHost: a.test\r\n\r\n"),
		BAD("GET a.test HTTP/1.1\r\nHost: a.test\r\n\r\n"),
		BAD("GET ://a.test HTTP/1.1\r\nHost: a.test\r\n\r\n"),
		BAD("GET 1http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n"),
		BAD("GET h_p://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n"),
		BAD("GET http:///x HTTP/1.1\r\nHost: a.test\r\n\r\n"),
		BAD("GET http://user@a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n"),
		BAD("GET http://a.test/ HTTP/1.1\r\nHost: b/test\r\n\r\n"),
		BAD("CONNECT / HTTP/1.1\r\nHost: a.test\r\n\r\n"),
		BAD(REQUEST("a.test b.test")),
		BAD(REQUEST("a.test,b.test")),
		BAD(REQUEST("a..test")),
		BAD(REQUEST(".")),
		BAD(REQUEST(":80")),
		BAD(REQUEST("*.test")),
		BAD(REQUEST("a.test:x")),
		BAD(REQUEST("a.test:65536")),
		BAD(REQUEST("a.test:80:80")),
		BAD(REQUEST("user@a.test")),
		BAD(REQUEST("http://a.test")),
		BAD(REQUEST("a.test/")),
		BAD(REQUEST("::1")),
		BAD(REQUEST("[::1")),
		BAD(REQUEST("[::1]x")),
		BAD(REQUEST("[]")),
		BAD(REQUEST("[1.2.3.4]")),
		BAD(REQUEST("[fe80::1%eth0]")),
		BAD(REQUEST("[v1.x]")),
		BAD(REQUEST("a.te\0st")),
		BAD(REQUEST("b\xc3\xbc" "cher.test")),
	};
	struct parse_result r;

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(bad); i++) {
		if (look(bad[i].head, bad[i].len, &r) != PARSE_BAD)
			fail_msg("not bad but %d: %s", r.verdict, bad[i].head);
		assert_true(r.why[0] != '\0');
		/* no prefix of it may be taken for good */
		for (size_t len = 0; len < bad[i].len; len++) {
			enum parse_verdict v = look(bad[i].head, len, &r);
			assert_true(v == PARSE_NEED || v == PARSE_BAD);
		}
	}
}

static void test_none(void **state)
{
	static const char *const none[] = {
		"GET / HTTP/1.0\r\n\r\n",
		"GET / HTTP/1.0\r\nX: y\r\n\r\n",
		"GET / HTTP/1.1\r\nHost:\r\n\r\n", /* RFC 9112 section 3.2: the target has no authority */
		"GET / HTTP/1.1\r\nHost: \t \r\n\r\n",
	};
	struct parse_result r;

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(none); i++)
		assert_int_equal(look(none[i], strlen(none[i]), &r), PARSE_NONE);
}

static void test_other(void **state)
{
	static const char *const other[] = {
		"\x16\3\1", "\r\n GET / HTTP/1.1\r\n", "\n\n\n\n\nGET / HTTP/1.1\r\n", "\rGET", " GET", "\xff", "SSH-2.0-OpenSSH_9.2\r\n", "EHLO a.test\r\n",
		"GET /\r\n", "GET\r\n", "A23456789012345678901234567890123 ", "{\"json\": 1}", "GET\t/ HTTP/1.1\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	};
	/* a NUL in the first line: nobody has to wait for the end of it. Git's own protocol, which has none; and what could be HTTP */
	static const char git[] = "0033git-upload-pack /project.git\0host=a.test\0", get[] = "GET /\0 HTTP/1.1\r\nHost: a.test\r\n\r\n";
	struct parse_result r;

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(other); i++)
		assert_int_equal(look(other[i], strlen(other[i]), &r), PARSE_OTHER);
	for (size_t len = strlen(git) + 1; len < sizeof(git); len++)
		assert_int_equal(look(git, len, &r), PARSE_OTHER);
	for (size_t len = strlen(get) + 1; len < sizeof(get); len++)
		assert_int_equal(look(get, len, &r), PARSE_OTHER);
	assert_int_equal(look("", 0, &r), PARSE_NEED);
	assert_int_equal(r.need, 1);
}

static void test_bound(void **state)
{
	static const char start[] = "GET / HTTP/1.1\r\nHost: a.test\r\nX: ";
	static char head[PARSER_MAX_BYTES + 1];
	struct parse_result r;

	(void)state;
	memset(head, 'x', sizeof(head));
	memcpy(head, start, sizeof(start) - 1);
	assert_int_equal(look(head, PARSER_MAX_BYTES - 1, &r), PARSE_NEED);
	assert_int_equal(look(head, PARSER_MAX_BYTES, &r), PARSE_BAD);
	memcpy(head + PARSER_MAX_BYTES - 4, "\r\n\r\n", 4);
	assert_int_equal(look(head, PARSER_MAX_BYTES, &r), PARSE_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_found),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_other),
		cmocka_unit_test(test_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
