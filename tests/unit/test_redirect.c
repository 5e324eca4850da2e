/* SPDX-License-Identifier: ISC */
/* Where a client of plain HTTP is sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "router/redirect.h"

#include <stdio.h>
#include <string.h>

static char answer[REDIRECT_ANSWER_MAX + 1];

/* The location for this request line, "" if there is none. */
static const char *location(const char *line, uint16_t port)
{
	static char text[REDIRECT_LOCATION_MAX + 1];
	char head[2 * REDIRECT_LOCATION_MAX];
	int n = snprintf(head, sizeof(head), "%s\r\nHost: x\r\n\r\n", line);
	size_t len = redirect_answer((const uint8_t *)head, (size_t)n, "a.org", 5, port, answer);
	const char *from, *to;

	text[0] = '\0';
	if (len == 0)
		return text;
	assert_true(len < sizeof(answer));
	answer[len] = '\0';
	assert_memory_equal(answer, "HTTP/1.1 308 Permanent Redirect\r\nLocation: ", 43);
	from = answer + 43;
	to = strstr(from, "\r\n");
	assert_non_null(to);
	assert_string_equal(to, "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
	memcpy(text, from, (size_t)(to - from));
	text[to - from] = '\0';
	return text;
}

static void test_location(void **state)
{
	static const struct {
		const char *line, *location;
	} cases[] = {
		{"GET / HTTP/1.1", "https://a.org/"},
		{"GET /b/c?d=e&f=%20 HTTP/1.0", "https://a.org/b/c?d=e&f=%20"},
		{"HEAD /b HTTP/1.1", "https://a.org/b"},
		{"POST /b HTTP/1.1", "https://a.org/b"},
		/* another authority is a part of the path */
		{"GET //evil.org/ HTTP/1.1", "https://a.org//evil.org/"},
		{"GET /\\evil.org HTTP/1.1", "https://a.org/%5Cevil.org"},
		{"GET @evil.org HTTP/1.1", ""},
		/* absolute-form */
		{"GET http://b.org HTTP/1.1", "https://a.org/"},
		{"GET http://b.org/ HTTP/1.1", "https://a.org/"},
		{"GET http://b.org?q HTTP/1.1", "https://a.org/?q"},
		{"GET http://b.org:81/p?q HTTP/1.1", "https://a.org/p?q"},
		{"GET http://b.org#f HTTP/1.1", "https://a.org/%23f"},
		/* what does not stand in a URI */
		{"GET /\"<>{}|^` HTTP/1.1", "https://a.org/%22%3C%3E%7B%7D%7C%5E%60"},
		{"GET /\xc3\xa4\x01\x7f HTTP/1.1", "https://a.org/%C3%A4%01%7F"},
		{"GET /a#b HTTP/1.1", "https://a.org/a%23b"},
		/* no path */
		{"OPTIONS * HTTP/1.1", ""},
		{"CONNECT a.org:443 HTTP/1.1", ""},
		{"GET  HTTP/1.1", ""},
		{"GET", ""},
		{"", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(location(cases[i].line, 443), cases[i].location);
	assert_string_equal(location("GET /x HTTP/1.1", 8443), "https://a.org:8443/x");
	assert_string_equal(location("\r\n\nGET /x HTTP/1.1", 8443), "https://a.org:8443/x");
}

static void test_length(void **state)
{
	static char line[REDIRECT_LOCATION_MAX + 64];
	const size_t most = REDIRECT_LOCATION_MAX - strlen("https://a.org");

	(void)state;
	for (size_t path = most - 1; path <= most + 1; path++) {
		memcpy(line, "GET ", 4);
		memset(line + 4, 'x', path);
		line[4] = '/';
		strcpy(line + 4 + path, " HTTP/1.1");
		assert_int_equal(strlen(location(line, 443)), path <= most ? path + strlen("https://a.org") : 0);
	}
	/* encoded, it becomes longer */
	memset(line + 5, '"', most / 2);
	strcpy(line + 5 + most / 2, " HTTP/1.1");
	assert_string_equal(location(line, 443), "");
}

static bool wanted(const char *head)
{
	return redirect_wanted((const uint8_t *)head, strlen(head));
}

static void test_wanted(void **state)
{
	(void)state;
	assert_true(wanted("GET / HTTP/1.1\r\n\r\n"));
	assert_true(wanted("GET /.well-known/other HTTP/1.1\r\n\r\n"));
	assert_true(wanted("GET /x/.well-known/acme-challenge/t HTTP/1.1\r\n\r\n"));
	assert_true(wanted("GET /.well-known/acme-challenge HTTP/1.1\r\n\r\n"));
	assert_true(wanted("GET /?/.well-known/acme-challenge/ HTTP/1.1\r\n\r\n"));
	assert_false(wanted("GET /.well-known/acme-challenge/t HTTP/1.1\r\n\r\n"));
	assert_false(wanted("GET http://a.org/.well-known/acme-challenge/t HTTP/1.1\n\n"));
	assert_false(wanted("OPTIONS * HTTP/1.1\r\n\r\n"));
	assert_false(wanted("CONNECT a.org:443 HTTP/1.1\r\n\r\n"));
	assert_true(wanted("")); /* of the request nothing is known */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_location), cmocka_unit_test(test_length), cmocka_unit_test(test_wanted)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
