/* SPDX-License-Identifier: ISC */
/* HTTP/2 by prior knowledge: connections built frame by frame, the fields by nghttp2's encoder or by hand, each cut at
 * every byte; and the answers to those who are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/util.h"
#include "router/protocol/parser.h"
#include "router/protocol/refuse.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define SETTINGS "\0\0\0\4\0\0\0\0\0"
enum { END_HEADERS = 4, PADDED = 8, PRIORITISED = 0x20 };

static struct {
	uint8_t at[PARSER_MAX_BYTES * 2];
	size_t len;
} wire;

static void put(const void *bytes, size_t n)
{
	memcpy(wire.at + wire.len, bytes, n);
	wire.len += n;
}

static void frame(uint8_t type, uint8_t flags, uint32_t stream, const void *payload, size_t n)
{
	const uint8_t head[9] = {(uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n, type, flags, (uint8_t)(stream >> 24),
		(uint8_t)(stream >> 16), (uint8_t)(stream >> 8), (uint8_t)stream};

	put(head, sizeof(head));
	put(payload, n);
}

static void begin(void)
{
	wire.len = 0;
	put(PREFACE SETTINGS, sizeof(PREFACE SETTINGS) - 1);
}

static enum parse_verdict look(size_t len, struct parse_result *r)
{
	cleanup_free uint8_t *copy = malloc(len ? len : 1);

	memcpy(copy, wire.at, len);
	memset(r, 0xee, sizeof(*r));
	r->whole = false;
	parse_h2(copy, len, r);
	return r->verdict;
}

/* "name: value\n" lines -> HPACK, with Huffman codes and the dynamic table as nghttp2 likes it */
static size_t encode(const char *text, uint8_t *out, size_t room)
{
	cleanup_free char *copy = strdup(text);
	nghttp2_hd_deflater *hd;
	nghttp2_nv nv[16];
	size_t n = 0;
	ssize_t len;

	for (char *line = strtok(copy, "\n"); line; line = strtok(NULL, "\n")) {
		char *value = strstr(line + 1, ": ");
		*value = '\0';
		nv[n++] = (nghttp2_nv){(uint8_t *)line, (uint8_t *)value + 2, strlen(line), strlen(value + 2), 0};
	}
	assert_int_equal(nghttp2_hd_deflate_new(&hd, 4096), 0);
	len = nghttp2_hd_deflate_hd(hd, out, room, nv, n);
	nghttp2_hd_deflate_del(hd);
	assert_true(len > 0);
	return (size_t)len;
}

static void request(const char *fields)
{
	uint8_t block[4096];
	size_t n = encode(fields, block, sizeof(block));

	begin();
	frame(1, END_HEADERS, 1, block, n);
}

#define GET(fields) ":method: GET\n:scheme: http\n:path: /\n" fields

static void test_fields(void **state)
{
	static const struct {
		const char *fields, *name; /* NULL: BAD, "": NONE */
	} cases[] = {
		{GET(":authority: a.test\n"), "a.test"},
		{GET(":authority: A.Test:8080\nuser-agent: x\n"), "a.test"},
		{":authority: a.test\n:method: CONNECT\n", "a.test"},
		{GET("host: a.test.\n"), "a.test"},
		{GET(":authority: a.test\nhost: A.test:80\n"), "a.test"},
		{GET(":authority: [0:0::1]:80\n"), "[::1]"},
		{GET(":authority: [::1]\nhost: [0::1]\n"), "[::1]"},
		{GET("accept: */*\n"), ""},
		{GET(":authority: a.test\nhost: b.test\n"), NULL},
		{GET("host: b.test\n:authority: a.test\n"), NULL}, /* a pseudo-field behind others */
		{GET(":authority: a.test\n:authority: a.test\n"), NULL},
		{GET("host: a.test\nhost: a.test\n"), NULL},
		{GET(":authority: user@a.test\n"), NULL},
		{GET(":authority: a b\n"), NULL},
		{GET(":authority: a.test:99999\n"), NULL},
		{GET("Host: a.test\n"), NULL}, /* section 8.2.1: lower case */
		{GET(":authority: a.test\nx y: z\n"), NULL},
	};
	struct parse_result r;

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(cases); i++) {
		const char *name = cases[i].name;
		request(cases[i].fields);
		look(wire.len, &r);
		if (r.verdict != (!name ? PARSE_BAD : *name ? PARSE_FOUND : PARSE_NONE))
			fail_msg("%d (%s): %s", r.verdict, r.verdict == PARSE_BAD ? r.why : "", cases[i].fields);
		if (name && *name)
			assert_string_equal(r.name, name);
		assert_int_equal(r.detail, 1);
		for (size_t len = 0; len < wire.len; len++) {
			assert_int_equal(look(len, &r), PARSE_NEED);
			assert_true(r.need > len && r.need <= wire.len);
		}
	}
}

/* Every split of the fields into HEADERS and two CONTINUATIONs, with all that may be around them */
static void test_continuation(void **state)
{
	uint8_t block[512], first[600];
	size_t n = encode(GET(":authority: a.test\ncookie: abc\n"), block, sizeof(block));
	struct parse_result r;

	(void)state;
	for (size_t cut = 0; cut <= n; cut++)
		for (size_t pad = 0; pad < 3; pad++) {
			size_t more = (n - cut) / 2, head = 0;
			begin();
			frame(4, 1, 0, "", 0);                         /* an acknowledgement */
			frame(8, 0, 0, "\0\1\0\0", 4);                 /* WINDOW_UPDATE */
			frame(6, 0, 0, "12345678", 8);                 /* PING */
			frame(2, 0, 3, "\0\0\0\0\20", 5);              /* PRIORITY */
			frame(0x10, 0, 0, "\0\0\0\0u=3", 7);           /* PRIORITY_UPDATE, RFC 9218 */
			frame(0xee, 0xff, 7, "?", 1);                  /* nobody knows it */
			frame(7, 0, 0, "\0\0\0\0\0\0\0\0", 8);       /* GOAWAY: about streams of the server */
			if (pad)
				first[head++] = (uint8_t)(pad * 100);
			memcpy(first + head, "\0\0\0\0\17", 5);
			head += 5;
			memcpy(first + head, block, cut);
			memset(first + head + cut, 0, pad * 100);
			frame(1, pad ? PADDED | PRIORITISED : PRIORITISED, 5, first, head + cut + pad * 100);
			frame(9, 0, 5, block + cut, more);
			frame(9, END_HEADERS, 5, block + cut + more, n - cut - more);
			assert_int_equal(look(wire.len, &r), PARSE_FOUND);
			assert_string_equal(r.name, "a.test");
			assert_int_equal(r.detail, 5);
			for (size_t len = pad ? wire.len - 1 : 0; len < wire.len; len++)
				assert_int_equal(look(len, &r), PARSE_NEED);
		}
}

/* Where the client may wait for the server: behind its SETTINGS, and behind each frame that is none of a request. */
static void test_whole(void **state)
{
	struct parse_result r;
	size_t ends[3], n = 0;

	(void)state;
	begin();
	ends[n++] = wire.len;
	frame(8, 0, 0, "\0\1\0\0", 4);
	ends[n++] = wire.len;
	frame(6, 0, 0, "12345678", 8);
	ends[n++] = wire.len;
	frame(1, 0, 1, "\x82", 1);
	frame(9, 0, 1, "\x84", 1);
	for (size_t len = 0, i = 0; len <= wire.len; len++) {
		assert_int_equal(look(len, &r), PARSE_NEED);
		assert_int_equal(r.whole, i < n && len == ends[i]);
		i += r.whole;
	}
}

static void bad(const char *what)
{
	struct parse_result r;

	if (look(wire.len, &r) != PARSE_BAD)
		fail_msg("%s: %d", what, r.verdict);
	assert_true(r.why[0] != '\0');
	for (size_t len = 0; len < wire.len; len++) {
		enum parse_verdict v = look(len, &r);
		assert_true(v == PARSE_NEED || v == PARSE_BAD);
	}
}

static void test_bad_frames(void **state)
{
	static const struct {
		uint8_t type, flags, stream;
		const char *what;
	} early[] = {{0, 0, 1, "DATA"}, {3, 0, 1, "RST_STREAM"}, {5, 4, 1, "PUSH_PROMISE"},
		{9, 4, 1, "CONTINUATION"}, {1, 4, 2, "an even stream"}, {1, 4, 0, "stream 0"}, {1, 0x0c, 1, "padding"},
		{1, 0x24, 1, "priority"}};

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(early); i++) {
		begin();
		frame(early[i].type, early[i].flags, early[i].stream, "\xff\0\0\0", 4);
		bad(early[i].what);
	}
	wire.len = 0;
	put(PREFACE, sizeof(PREFACE) - 1);
	frame(8, 0, 0, "\0\1\0\0", 4);
	bad("no SETTINGS first");
	wire.len = 0;
	put(PREFACE, sizeof(PREFACE) - 1);
	frame(4, 0, 0, "12345", 5);
	bad("SETTINGS of 5 bytes");
	begin();
	put("\0\x40\1\x11\0\0\0\0\0", 9);
	bad("a frame of 16385 bytes");
	begin();
	frame(1, 0, 1, "\x82", 1);
	frame(6, 0, 0, "12345678", 8);
	bad("PING among the fields");
	begin();
	frame(1, 0, 1, "\x82", 1);
	frame(9, 4, 3, "\x84", 1);
	bad("CONTINUATION of another stream");
}

/* RFC 7541: what an encoder must not do, and what it may. The verdict, and the name if it is FOUND */
static void test_hpack(void **state)
{
#define BLOCK(t) t, sizeof(t) - 1
	static const struct {
		const char *block;
		size_t len;
		const char *name;
	} cases[] = {
		{BLOCK("\x01\x06" "a.test"), "a.test"},                 /* literal, without indexing, name 1 :authority */
		{BLOCK("\x11\x06" "a.test"), "a.test"},                 /* never indexed */
		{BLOCK("\x41\x06" "a.test"), "a.test"},                 /* with indexing */
		{BLOCK("\x41\x84\x1d\x49\x50\x9f"), NULL},              /* Huffman, padding that is wrong */
		{BLOCK("\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff"), "www.example.com"}, /* C.4.1 */
		{BLOCK("\x3f\xe1\x1f\x41\x06" "a.test"), "a.test"},     /* table size 4096 */
		{BLOCK("\x20\x01\x06" "a.test"), "a.test"},             /* table size 0 */
		{BLOCK("\x3f\xe2\x1f\x41\x06" "a.test"), NULL},         /* 4097 */
		{BLOCK("\x82\x20\x01\x06" "a.test"), NULL},             /* a size update behind a field */
		{BLOCK("\x80"), NULL}, {BLOCK("\xbe"), NULL},           /* index 0, and one that is not there */
		{BLOCK("\x41\x07" "a.test"), NULL},                     /* ends in a string */
		{BLOCK("\x41\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), NULL},
		{BLOCK("\x40\x0a:authority\x06" "a.test\xbe"), NULL},   /* twice, by the dynamic table */
	};
	struct parse_result r;

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(cases); i++) {
		begin();
		frame(1, END_HEADERS, 1, cases[i].block, cases[i].len);
		look(wire.len, &r);
		if (r.verdict != (cases[i].name ? PARSE_FOUND : PARSE_BAD))
			fail_msg("case %zu: %d", i, r.verdict);
		if (cases[i].name)
			assert_string_equal(r.name, cases[i].name);
	}
}

/* One byte refers to 4 KiB again and again, or fields come without an end: memory and time are bounded. */
static void test_bounds(void **state)
{
	static uint8_t block[16384];
	struct parse_result r;
	size_t n = 0;

	(void)state;
	memcpy(block, "\x40\1x\x7f\x81\x1e", 6); /* "x" with a value of 127 + 1 + 30 * 128 = 3968 bytes, indexed */
	memset(block + 6, 'y', 3968);
	n = 6 + 3968;
	memset(block + n, 0xbe, sizeof(block) - n);
	begin();
	frame(1, END_HEADERS, 1, block, sizeof(block));
	assert_int_equal(look(wire.len, &r), PARSE_BAD);
	assert_string_equal(r.why, "fields: too long");
	for (size_t i = 0; i + 4 <= sizeof(block); i += 4)
		memcpy(block + i, "\x40\1z\0", 4);
	begin();
	frame(1, END_HEADERS, 1, block, sizeof(block));
	assert_int_equal(look(wire.len, &r), PARSE_BAD);
	assert_string_equal(r.why, "fields: too long");
	begin();
	while (wire.len + 9 + 16384 <= PARSER_MAX_BYTES)
		frame(0xee, 0, 0, block, 16384);
	put("\0\x40\0\xee\0\0\0\0\0", 9);
	assert_int_equal(look(wire.len, &r), PARSE_BAD);
	/* nothing of all that is left */
	request(GET(":authority: a.test\n"));
	assert_int_equal(look(wire.len, &r), PARSE_FOUND);
}

static void test_other(void **state)
{
	struct parse_result r;

	(void)state;
	wire.len = 0;
	put("PRI * HTTP/2.0\r\n\r\nSM\r\n\r", 23);
	for (size_t i = 0; i < 23; i++) {
		assert_int_equal(look(i, &r), PARSE_NEED);
		assert_int_equal(r.need, i + 1); /* "P" may be "POST / HTTP/1.0\n\n", which has but 17 bytes */
		wire.at[i] ^= 1;
		assert_int_equal(look(i + 1, &r), PARSE_OTHER);
		wire.at[i] ^= 1;
	}
}

/* What a client of nghttp2 makes of the answer */
struct seen {
	char status[8], retry[8], body[REFUSE_ANSWER_MAX];
	size_t body_len;
	uint32_t goaway;
	bool ended, gone, settings, acknowledged;
};

static int on_header(nghttp2_session *s, const nghttp2_frame *f, const uint8_t *name, size_t name_len, const uint8_t *value,
	size_t value_len, uint8_t flags, void *data)
{
	struct seen *seen = data;

	(void)s, (void)f, (void)flags, (void)name_len;
	if (strcmp((const char *)name, ":status") == 0)
		snprintf(seen->status, sizeof(seen->status), "%.*s", (int)value_len, value);
	if (strcmp((const char *)name, "retry-after") == 0)
		snprintf(seen->retry, sizeof(seen->retry), "%.*s", (int)value_len, value);
	return 0;
}

static int on_data(nghttp2_session *s, uint8_t flags, int32_t stream, const uint8_t *bytes, size_t n, void *data)
{
	struct seen *seen = data;

	(void)s, (void)flags, (void)stream;
	memcpy(seen->body + seen->body_len, bytes, n);
	seen->body_len += n;
	return 0;
}

static int on_frame(nghttp2_session *s, const nghttp2_frame *f, void *data)
{
	struct seen *seen = data;

	(void)s;
	seen->ended |= f->hd.stream_id == 1 && f->hd.flags & NGHTTP2_FLAG_END_STREAM;
	if (f->hd.type == NGHTTP2_SETTINGS)
		*(f->hd.flags & NGHTTP2_FLAG_ACK ? &seen->acknowledged : &seen->settings) = true;
	if (f->hd.type == NGHTTP2_GOAWAY) {
		seen->gone = true;
		seen->goaway = f->goaway.error_code;
	}
	return 0;
}

/* What nghttp2 makes of an answer, which has said that its decoder has a dynamic table of that size */
static void ask_with(const char *method, uint32_t table, const char *answer, size_t n, struct seen *seen)
{
	const nghttp2_settings_entry setting = {NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, table};
	nghttp2_nv nv[] = {{(uint8_t *)":method", (uint8_t *)method, 7, strlen(method), 0}, {(uint8_t *)":path", (uint8_t *)"/", 5, 1, 0},
		{(uint8_t *)":scheme", (uint8_t *)"http", 7, 4, 0}};
	nghttp2_session_callbacks *cb;
	nghttp2_session *s;
	const uint8_t *sent;

	memset(seen, 0, sizeof(*seen));
	nghttp2_session_callbacks_new(&cb);
	nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
	assert_int_equal(nghttp2_session_client_new(&s, cb, seen), 0);
	nghttp2_submit_settings(s, 0, &setting, 1);
	assert_int_equal(nghttp2_submit_request(s, NULL, nv, 3, NULL, NULL), 1);
	while (nghttp2_session_mem_send(s, &sent) > 0)
		;
	assert_int_equal(nghttp2_session_mem_recv(s, (const uint8_t *)answer, n), n);
	nghttp2_session_del(s);
	nghttp2_session_callbacks_del(cb);
}

static void ask(const char *answer, size_t n, struct seen *seen)
{
	ask_with("GET", 4096, answer, n, seen);
}

static void test_refusals(void **state)
{
	static const struct {
		enum refusal why;
		const char *status; /* "": none */
		uint32_t error;
	} want[] = {
		{REFUSE_NO_ROUTE, "404", 0}, {REFUSE_MISDIRECTED, "421", 0}, {REFUSE_NO_SERVICE, "503", 0},
		{REFUSE_QUEUE_FULL, "503", 0}, {REFUSE_BAD, "400", 1}, {REFUSE_WRONG_PROTOCOL, "", 13},
		{REFUSE_TIMED_OUT, "", 1}, {REFUSE_CLOSED_EARLY, "", 1}};
	char answer[REFUSE_ANSWER_MAX];
	struct seen seen;

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(want); i++) {
		size_t n = refuse_answer(want[i].why, TRP_PROTO_H2C, 1, answer);
		assert_true(n > 0 && n <= REFUSE_ANSWER_MAX);
		ask(answer, n, &seen);
		assert_string_equal(seen.status, want[i].status);
		assert_int_equal(seen.ended, want[i].status[0] != '\0');
		assert_int_equal(strstr(seen.body, "</html>\n") != NULL, seen.ended);
		assert_string_equal(seen.retry, strcmp(want[i].status, "503") == 0 ? "5" : "");
		assert_true(seen.gone && seen.settings && seen.acknowledged);
		assert_int_equal(seen.goaway, want[i].error);
		/* the stream is not known: none may be answered */
		n = refuse_answer(want[i].why, TRP_PROTO_H2C, 0, answer);
		ask(answer, n, &seen);
		assert_string_equal(seen.status, "");
		assert_true(seen.gone);
	}
}

/* RFC 9110 section 9.3.2: there is no content in the answer to HEAD. nghttp2 takes it for an error of the stream. */
static void test_refusal_of_head(void **state)
{
	char answer[REFUSE_ANSWER_MAX];
	struct parse_result r;
	struct seen seen;
	size_t n;

	(void)state;
	request(":method: HEAD\n:scheme: http\n:path: /\n:authority: a.test\n");
	assert_int_equal(look(wire.len, &r), PARSE_FOUND);
	for (enum refusal why = 0; why < REFUSE_COUNT; why++) {
		n = refuse_answer(why, TRP_PROTO_H2C, r.detail, answer);
		ask_with("HEAD", 4096, answer, n, &seen);
		assert_int_equal(seen.ended, seen.status[0] != '\0');
		assert_int_equal(seen.body_len, 0);
		assert_true(seen.gone);
	}
	/* known by its method alone: the rest of it is wrong */
	request(":method: HEAD\n:scheme: http\n:path: /\n:authority: a b\n");
	assert_int_equal(look(wire.len, &r), PARSE_BAD);
	n = refuse_answer(REFUSE_BAD, TRP_PROTO_H2C, r.detail, answer);
	ask_with("HEAD", 4096, answer, n, &seen);
	assert_string_equal(seen.status, "400");
	assert_true(seen.ended && seen.body_len == 0);
}

/* RFC 7541 section 4.2: who has less room than 4096 bytes for a dynamic table is told, before anything else, that no more is used. */
static void test_refusal_without_a_table(void **state)
{
	char answer[REFUSE_ANSWER_MAX];
	struct seen seen;
	size_t n = refuse_answer(REFUSE_NO_SERVICE, TRP_PROTO_H2C, 1, answer);

	(void)state;
	for (uint32_t table = 0; table <= 65536; table = table * 2 + 512) {
		ask_with("GET", table, answer, n, &seen);
		assert_string_equal(seen.status, "503");
		assert_true(seen.ended && seen.gone);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_continuation),
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_bad_frames),
		cmocka_unit_test(test_hpack),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_other),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_refusal_of_head),
		cmocka_unit_test(test_refusal_without_a_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
