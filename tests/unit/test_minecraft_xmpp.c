/* SPDX-License-Identifier: ISC */
/* Minecraft's handshake and XMPP's stream header: good and bad ones, each cut at every byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/util.h"
#include "router/protocol/parser.h"
#include "router/protocol/refuse.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static enum parse_verdict look(parse_fn *parse, const void *bytes, size_t len, struct parse_result *out)
{
	/* an exact copy, so that a sanitizer sees a read behind it */
	cleanup_free uint8_t *copy = malloc(len ? len : 1);

	memcpy(copy, bytes, len);
	memset(out, 0xee, sizeof(*out));
	parse(copy, len, out);
	return out->verdict;
}

struct wanted {
	const char *bytes;
	size_t len;
	const char *name; /* NULL: BAD, "": NONE */
	uint32_t detail;
};
#define TEXT(t) (t), sizeof(t) - 1

/* The whole has the verdict; each prefix needs more, or is bad already. */
static void check(parse_fn *parse, const struct wanted *w)
{
	enum parse_verdict verdict = !w->name ? PARSE_BAD : *w->name ? PARSE_FOUND : PARSE_NONE;
	struct parse_result r;

	if (look(parse, w->bytes, w->len, &r) != verdict)
		fail_msg("%d (%s), not %d: %s", r.verdict, r.verdict == PARSE_BAD ? r.why : "", verdict, w->bytes);
	if (verdict == PARSE_FOUND) {
		assert_string_equal(r.name, w->name);
		assert_int_equal(r.name_len, strlen(w->name));
	}
	if (w->detail)
		assert_int_equal(r.detail, w->detail);
	for (size_t len = 0; len < w->len; len++) {
		look(parse, w->bytes, len, &r);
		if (r.verdict == PARSE_NEED)
			assert_true(r.need > len && r.need <= w->len);
		else
			assert_true(verdict == PARSE_BAD && r.verdict == PARSE_BAD);
	}
}

/* length, packet 0, version 763, address, port 25565, state */
#define HANDSHAKE(length, address_length, address, state) \
	TEXT(length "\0\xfb\5" address_length address "\x63\xdd" state)

static void test_minecraft(void **state)
{
	static const struct wanted good[] = {
		{HANDSHAKE("\x0d", "\6", "a.test", "\2"), "a.test", 2},
		{HANDSHAKE("\x0d", "\6", "A.TEST", "\1"), "a.test", 1},
		{HANDSHAKE("\x0e", "\7", "a.test.", "\3"), "a.test", 3}, /* by an SRV record */
		{HANDSHAKE("\x12", "\x0b", "a.test\0FML\0", "\2"), "a.test", 2},
		{HANDSHAKE("\x14", "\x0d", "a.test.\0FML2\0", "\2"), "a.test", 2},
		{HANDSHAKE("\x10", "\x09", "192.0.2.1", "\2"), "192.0.2.1", 2},
		{HANDSHAKE("\x0c", "\5", "0::1\0", "\2"), "[::1]", 2},
		{HANDSHAKE("\x07", "\0", "", "\1"), "", 1},
		{HANDSHAKE("\x08", "\1", "\0", "\1"), "", 1},
		/* version -1 */
		{TEXT("\x10\0\xff\xff\xff\xff\x0f\6a.test\x63\xdd\2"), "a.test", 2},
		{TEXT("\xfe\1"), "", 0},
		/* bad */
		{HANDSHAKE("\x0d", "\6", "a_/est", "\2"), NULL, 0},
		{HANDSHAKE("\x0d", "\6", "a.test", "\0"), NULL, 0},
		{HANDSHAKE("\x0d", "\6", "a.test", "\4"), NULL, 0},
		{HANDSHAKE("\x0d", "\7", "a.test", "\2"), NULL, 0},
		{HANDSHAKE("\x0d", "\5", "a.test", "\2"), NULL, 0},
		{HANDSHAKE("\x0d", "\x7f", "a.test", "\2"), NULL, 0},
		{HANDSHAKE("\x0c", "\5", "1:::2", "\2"), NULL, 0},
		{TEXT("\x0d\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), NULL, 0},
	};
	static const struct wanted other[] = {
		{TEXT("\6\0"), NULL, 0}, {TEXT("\x0d\1"), NULL, 0}, {TEXT("\x80\x08\0"), NULL, 0}, {TEXT("\x80\0"), NULL, 0},
		{TEXT("\x80\x80\1\0"), NULL, 0}, {TEXT("\x16\3\1"), NULL, 0}, {TEXT("GET"), NULL, 0}, {TEXT("\0\0"), NULL, 0},
		{TEXT("\xfe\1\1"), NULL, 0}};
	struct parse_result r;

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(good); i++)
		check(parse_minecraft, &good[i]);
	assert_int_equal(look(parse_minecraft, "\xfe\1\xfa", 3, &r), PARSE_NONE);
	assert_int_equal(look(parse_minecraft, "\xfe\1\0", 3, &r), PARSE_NEED); /* a handshake of 254 bytes */
	for (size_t i = 0; i < TRP_ARRAY_SIZE(other); i++)
		assert_int_equal(look(parse_minecraft, other[i].bytes, other[i].len, &r), PARSE_OTHER);
}

/* As long as an address may be, and one more */
static void test_minecraft_length(void **state)
{
	static const uint8_t head[] = {0xff, 7, 0, 5};
	uint8_t packet[1100];
	struct parse_result r;
	const size_t address = 1023 - 1 - 1 - 2 - 3;

	(void)state;
	memset(packet, 'a', sizeof(packet));
	memcpy(packet, head, sizeof(head));
	packet[4] = (uint8_t)(0x80 | address);
	packet[5] = (uint8_t)(address >> 7);
	packet[16] = 0;
	packet[2 + 1022] = 2;
	for (size_t len = 3; len < 1025; len++) {
		assert_int_equal(look(parse_minecraft, packet, len, &r), PARSE_NEED);
		assert_int_equal(r.need, 1025);
	}
	assert_int_equal(look(parse_minecraft, packet, 1025, &r), PARSE_FOUND);
	assert_string_equal(r.name, "aaaaaaaaaa");
}

#define CLIENT "xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'"

static void test_xmpp(void **state)
{
	static const struct wanted cases[] = {
		{TEXT("<?xml version='1.0'?><stream:stream to='a.test' version='1.0' " CLIENT ">"), "a.test", 0},
		{TEXT("<stream:stream to=\"A.Test.\" " CLIENT ">"), "a.test", 0},
		{TEXT("<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\r\n<stream:stream\n" CLIENT "\nto = 'a.test'\t>"), "a.test", 0},
		{TEXT("<stream:stream " CLIENT ">"), "", 0},
		{TEXT("<stream:stream from=\"'x to='y'\" to='a.test' " CLIENT ">"), "a.test", 0},
		{TEXT("<stream:stream to='a>b' " CLIENT ">"), NULL, 0},
		/* bad */
		{TEXT("<stream:stream to='a.test' to='b.test' " CLIENT ">"), NULL, 0},
		{TEXT("<stream:stream to='a.test'>"), NULL, 0},
		{TEXT("<stream:stream to='a.test' xmlns='jabber:client'>"), NULL, 0},
		{TEXT("<stream:stream to='a.test' xmlns='http://x' xmlns:stream='http://etherx.jabber.org/streams'>"), NULL, 0},
		{TEXT("<stream:stream to='a.test' xmlns='jabber:client' xmlns:stream='urn:x'>"), NULL, 0},
		{TEXT("<stream:stream to='me@a.test' " CLIENT ">"), NULL, 0},
		{TEXT("<stream:stream to='a&#46;test' " CLIENT ">"), NULL, 0},
		{TEXT("<stream:stream to='b\xc3\xbc" "cher.test' " CLIENT ">"), NULL, 0},
		{TEXT("<stream:stream to='' " CLIENT ">"), NULL, 0},
		{TEXT("<stream:stream to='a.test'" CLIENT ">"), NULL, 0},
		{TEXT("<stream:stream to='a.test' " CLIENT "/>"), NULL, 0},
		{TEXT("<stream:stream to=a.test " CLIENT ">"), NULL, 0},
		{TEXT("<stream:stream to='<' " CLIENT ">"), NULL, 0},
		{TEXT("<stream:stream ='a' " CLIENT ">"), NULL, 0},
		{TEXT("<stream:streamx to='a.test' " CLIENT ">"), NULL, 0},
		{TEXT("<?xml version='1.0'?><message to='a.test'>"), NULL, 0},
		{TEXT("<?xml version='1.0'?><!DOCTYPE x><stream:stream to='a.test' " CLIENT ">"), NULL, 0},
		{TEXT("<?php x"), NULL, 0},
	};
	static const char *const other[] = {"<html>", "<policy-file-request/>", " <stream:stream", "X", "<!--"};
	static const struct wanted server = {TEXT("<stream:stream xmlns='jabber:server' "
		"xmlns:stream='http://etherx.jabber.org/streams' from='b.test' "
		"to='a.test' xmlns:db='jabber:server:dialback' xml:lang='en'>"), "a.test", 0};
	struct parse_result r;
	char big[5000];

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(cases); i++)
		check(parse_xmpp, &cases[i]);
	check(parse_xmpp_server, &server);
	assert_int_equal(look(parse_xmpp, server.bytes, server.len, &r), PARSE_OTHER);
	assert_int_equal(look(parse_xmpp_server, cases[0].bytes, cases[0].len, &r), PARSE_OTHER);
	for (size_t i = 0; i < TRP_ARRAY_SIZE(other); i++)
		assert_int_equal(look(parse_xmpp, other[i], strlen(other[i]), &r), PARSE_OTHER);
	memset(big, ' ', sizeof(big));
	memcpy(big, "<stream:stream", 14);
	assert_int_equal(look(parse_xmpp, big, 4095, &r), PARSE_NEED);
	assert_int_equal(look(parse_xmpp, big, 4096, &r), PARSE_BAD);
}

static void check_minecraft_answer(enum refusal why, uint32_t detail)
{
	uint8_t a[REFUSE_ANSWER_MAX];
	size_t n = refuse_answer(why, TRP_PROTO_MINECRAFT, detail, (char *)a);
	json_t *json, *text;

	assert_int_equal((a[0] & 0x7f) | a[1] << 7, n - 2);
	assert_int_equal(a[2], 0);
	assert_int_equal((a[3] & 0x7f) | a[4] << 7, n - 5);
	json = json_loadb((char *)a + 5, n - 5, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(json);
	text = detail == 1 ? json_object_get(json, "description") : json;
	assert_true(json_string_length(json_object_get(text, "text")) > 10);
	json_decref(json);
}

static void test_refusals(void **state)
{
	char text[REFUSE_ANSWER_MAX];

	(void)state;
	for (int why = 0; why < REFUSE_COUNT; why++) {
		size_t n = refuse_answer((enum refusal)why, TRP_PROTO_XMPP, 0, text);
		assert_true(n > 0 && n < REFUSE_ANSWER_MAX);
		assert_non_null(strstr(text, "xmlns='jabber:client'"));
		assert_string_equal(text + n - 31, "</stream:error></stream:stream>");
		refuse_answer((enum refusal)why, TRP_PROTO_XMPP_SERVER, 0, text);
		assert_non_null(strstr(text, "xmlns='jabber:server'"));
		assert_int_equal(refuse_answer((enum refusal)why, TRP_PROTO_MINECRAFT, 0, text), 0);
		for (uint32_t detail = 1; detail <= 3; detail++)
			check_minecraft_answer((enum refusal)why, detail);
	}
	refuse_answer(REFUSE_NO_ROUTE, TRP_PROTO_XMPP, 0, text);
	assert_non_null(strstr(text, "<host-unknown "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_minecraft),
		cmocka_unit_test(test_minecraft_length),
		cmocka_unit_test(test_xmpp),
		cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
