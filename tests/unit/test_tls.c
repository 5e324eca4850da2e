/* SPDX-License-Identifier: ISC */
/* The TLS parser: whole hellos, hellos cut at each byte, hellos split over records, and hellos that are wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/handoff.h"
#include "router/protocol/parser.h"
#include "base/util.h"

#include <stdio.h>
#include <string.h>

#define BYTES_MAX (80 * 1024)

struct bytes {
	size_t len;
	uint8_t at[BYTES_MAX];
};

static void put(struct bytes *b, const void *data, size_t len)
{
	assert_true(b->len + len <= BYTES_MAX);
	memcpy(b->at + b->len, data, len);
	b->len += len;
}

static void put_number(struct bytes *b, size_t value, unsigned width)
{
	for (unsigned i = width; i-- > 0;) {
		uint8_t byte = (uint8_t)(value >> 8 * i);
		put(b, &byte, 1);
	}
}

static void put_vector(struct bytes *b, unsigned width, const void *data, size_t len)
{
	put_number(b, len, width);
	put(b, data, len);
}

/* The message of a hello with these extensions (NULL: without the field) */
static void put_hello(struct bytes *b, const struct bytes *exts)
{
	static const uint8_t random[32] = {1, 2, 3}, ciphers[] = {0x13, 1, 0x13, 2}, compression[] = {0};
	static struct bytes body;

	body.len = 0;
	put_number(&body, 0x0303, 2);
	put(&body, random, sizeof(random));
	put_vector(&body, 1, random, sizeof(random));
	put_vector(&body, 2, ciphers, sizeof(ciphers));
	put_vector(&body, 1, compression, sizeof(compression));
	if (exts)
		put_vector(&body, 2, exts->at, exts->len);
	put_number(b, 1, 1);
	put_vector(b, 3, body.at, body.len);
}

static void put_extension(struct bytes *b, unsigned type, const void *data, size_t len)
{
	put_number(b, type, 2);
	put_vector(b, 2, data, len);
}

static void put_sni(struct bytes *b, const char *name, size_t len)
{
	uint8_t ext[1024] = {(uint8_t)((len + 3) >> 8), (uint8_t)(len + 3), 0, (uint8_t)(len >> 8),
		(uint8_t)len};

	memcpy(ext + 5, name, len);
	put_extension(b, 0, ext, len + 5);
}

static void put_record(struct bytes *b, const uint8_t *data, size_t len)
{
	put_number(b, 0x160301, 3);
	put_vector(b, 2, data, len);
}

/* The message in records of at most size bytes each */
static void put_records(struct bytes *b, const struct bytes *message, size_t size)
{
	for (size_t at = 0; at < message->len; at += size)
		put_record(b, message->at + at, message->len - at < size ? message->len - at : size);
}

/* A message with this name and so much padding (0: none) */
static void make_message(struct bytes *message, const char *name, size_t padding)
{
	static const uint8_t zeros[60000];
	static struct bytes exts;

	exts.len = 0;
	if (name)
		put_sni(&exts, name, strlen(name));
	put_extension(&exts, 0x2b, "\2\3\4", 3);
	if (padding)
		put_extension(&exts, 21, zeros, padding);
	message->len = 0;
	put_hello(message, &exts);
}

static enum parse_verdict look(const uint8_t *bytes, size_t len, struct parse_result *out)
{
	/* an exact copy, so that a sanitizer sees a read behind it */
	cleanup_free uint8_t *copy = malloc(len ? len : 1);

	memcpy(copy, bytes, len);
	memset(out, 0xee, sizeof(*out));
	parse_tls(copy, len, out);
	return out->verdict;
}

static void check_found(const uint8_t *bytes, size_t len, const char *name)
{
	struct parse_result r;

	assert_int_equal(look(bytes, len, &r), PARSE_FOUND);
	assert_int_equal(r.name_len, strlen(name));
	assert_string_equal(r.name, name);
}

/* Every prefix needs more: more than there is, never more than there will be. And asking only when told to
 * comes to the end as well, in so many looks at most. */
static void check_prefixes(const struct bytes *b, const char *name, size_t step, size_t max_looks)
{
	struct parse_result r;
	size_t looks = 0;

	for (size_t len = 0; len < b->len; len += step) {
		assert_int_equal(look(b->at, len, &r), PARSE_NEED);
		assert_true(r.need > len && r.need <= b->len);
	}
	for (size_t len = 0; len < b->len; len = r.need, looks++)
		assert_int_equal(look(b->at, len, &r), PARSE_NEED);
	assert_true(looks <= max_looks);
	check_found(b->at, b->len, name);
}

static struct bytes message, wire;

static void test_cut_at_every_byte(void **state)
{
	static const size_t paddings[] = {0, 1, 500, 1800, 9000};

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(paddings); i++) {
		make_message(&message, "www.Example.ORG.", paddings[i]);
		wire.len = 0;
		put_record(&wire, message.at, message.len);
		check_prefixes(&wire, "www.example.org", 1, 2);
	}
}

static void test_two_records_at_every_byte(void **state)
{
	(void)state;
	make_message(&message, "a.test", 0);
	for (size_t cut = 1; cut < message.len; cut++) {
		wire.len = 0;
		put_record(&wire, message.at, cut);
		put_record(&wire, message.at + cut, message.len - cut);
		check_prefixes(&wire, "a.test", 1, 4);
	}
}

static void test_many_records(void **state)
{
	static const size_t sizes[] = {1, 2, 3, 4, 5, 7, 100, 1000, 9000, 16384};

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(sizes); i++) {
		make_message(&message, "a.test", sizes[i] < 1000 ? 300 : 40000);
		wire.len = 0;
		put_records(&wire, &message, sizes[i]);
		check_prefixes(&wire, "a.test", 97, message.len + 2);
	}
}

static void test_bound(void **state)
{
	struct parse_result r;

	(void)state;
	make_message(&message, "a.test", 60000);
	wire.len = 0;
	put_records(&wire, &message, 16384);
	assert_true(wire.len < PARSER_MAX_BYTES);
	check_found(wire.at, wire.len, "a.test");
	/* the same in small records does not fit any more */
	wire.len = 0;
	put_records(&wire, &message, 20);
	assert_true(wire.len > PARSER_MAX_BYTES);
	assert_int_equal(look(wire.at, PARSER_MAX_BYTES, &r), PARSE_BAD);
	/* a length that can never fit is refused at once */
	assert_int_equal(look((const uint8_t *)"\x16\3\1\x40\0\1\1\0\0", 9, &r), PARSE_BAD);
}

static void test_names(void **state)
{
	static const struct {
		const char *name;
		const char *want; /* NULL: bad */
	} names[] = {
		{"a", "a"},
		{"xn--bcher-kva.example", "xn--bcher-kva.example"},
		{"under_score.test", "under_score.test"},
		{"r3---sn-.test", "r3---sn-.test"},
		{"192.0.2.1", "192.0.2.1"},
		{"A.B.C.", "a.b.c"},
		{"", NULL},
		{".", NULL},
		{"a..b", NULL},
		{".a", NULL},
		{"a.test..", NULL},
		{"a b", NULL},
		{"a/b", NULL},
		{"*.a.test", NULL},
		{"a:443", NULL},
		{"::1", NULL},
		{"b\xc3\xbc" "cher.test", NULL},
		{"a.test\n", NULL},
	};
	struct parse_result r;

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(names); i++) {
		make_message(&message, names[i].name, 0);
		wire.len = 0;
		put_record(&wire, message.at, message.len);
		if (names[i].want)
			check_found(wire.at, wire.len, names[i].want);
		else
			assert_int_equal(look(wire.at, wire.len, &r), PARSE_BAD);
	}
}

static void test_name_lengths(void **state)
{
	char name[256];
	struct parse_result r;

	(void)state;
	for (size_t len = 250; len < 256; len++) {
		for (size_t i = 0; i < len; i++)
			name[i] = i % 50 == 49 ? '.' : 'a';
		name[len - 1] = 'a';
		name[len] = '\0';
		make_message(&message, name, 0);
		wire.len = 0;
		put_record(&wire, message.at, message.len);
		if (len <= 253)
			check_found(wire.at, wire.len, name);
		else
			assert_int_equal(look(wire.at, wire.len, &r), PARSE_BAD);
	}
}

static void check_extensions(const struct bytes *exts, enum parse_verdict want)
{
	struct parse_result r;

	message.len = wire.len = 0;
	put_hello(&message, exts);
	put_record(&wire, message.at, message.len);
	assert_int_equal(look(wire.at, wire.len, &r), want);
	if (want == PARSE_BAD)
		assert_non_null(strchr(r.why, ':'));
}

static void test_extensions(void **state)
{
	static const struct {
		const char *data;
		size_t len;
		enum parse_verdict want;
	} server_names[] = {
#define EXT(text, verdict) {text, sizeof(text) - 1, verdict}
		EXT("\0\4\0\0\1a", PARSE_FOUND),
		EXT("\0\5\0\0\1a", PARSE_BAD),            /* list longer than the extension */
		EXT("\0\3\0\0\1a", PARSE_BAD),            /* and shorter */
		EXT("\0\4\0\0\2a", PARSE_BAD),            /* name longer than the list */
		EXT("\0\4\0\0\1ab", PARSE_BAD),           /* rest behind the list */
		EXT("\0\0", PARSE_BAD),                   /* empty list */
		EXT("", PARSE_BAD),                       /* as in a ServerHello */
		EXT("\0\3\0\0\0", PARSE_BAD),             /* empty name */
		EXT("\0\4\1\0\1a", PARSE_BAD),            /* a type that is not defined */
		EXT("\0\10\0\0\1a\0\0\1a", PARSE_BAD),    /* two of the type */
		EXT("\0\6\0\0\3a\0b", PARSE_BAD),         /* NUL in the name */
	};
	static struct bytes exts;

	(void)state;
	check_extensions(NULL, PARSE_NONE);
	exts.len = 0;
	check_extensions(&exts, PARSE_NONE);
	put_extension(&exts, 0x2b, "\2\3\4", 3);
	check_extensions(&exts, PARSE_NONE);
	put_sni(&exts, "a.test", 6);
	check_extensions(&exts, PARSE_FOUND);
	put_sni(&exts, "a.test", 6); /* the same once more */
	check_extensions(&exts, PARSE_BAD);
	for (size_t i = 0; i < TRP_ARRAY_SIZE(server_names); i++) {
		exts.len = 0;
		put_extension(&exts, 0, server_names[i].data, server_names[i].len);
		check_extensions(&exts, server_names[i].want);
	}
	/* an extension that is longer than the rest */
	exts.len = 0;
	put(&exts, "\0\5\0\2a", 5);
	check_extensions(&exts, PARSE_BAD);
	exts.len = 0;
	put(&exts, "\0\5\0", 3);
	check_extensions(&exts, PARSE_BAD);
}

/* One byte of a good hello changed */
static void test_wrong_bytes(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
		enum parse_verdict want;
	} changes[] = {
		{0, 0x80, PARSE_OTHER},     /* SSL 2 */
		{0, 'G', PARSE_OTHER},
		{1, 2, PARSE_OTHER},
		{3, 0x41, PARSE_BAD},       /* record over 2^14 */
		{5, 2, PARSE_BAD},          /* ServerHello */
		{8, 0, PARSE_BAD},          /* message shorter than the record */
		{9, 2, PARSE_BAD},          /* version 2.3 */
		{43, 33, PARSE_BAD},        /* session id over 32 */
		{43, 31, PARSE_BAD},        /* and the rest displaced */
		{77, 3, PARSE_BAD},         /* odd number of cipher bytes */
		{77, 0, PARSE_BAD},         /* none */
		{82, 0, PARSE_BAD},         /* no compression method */
		{85, 0, PARSE_BAD},         /* extensions shorter than the rest */
		{85, 0xff, PARSE_BAD},      /* and longer */
	};
	struct parse_result r;

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(changes); i++) {
		make_message(&message, "a.test", 0);
		wire.len = 0;
		put_record(&wire, message.at, message.len);
		assert_int_equal(look(wire.at, wire.len, &r), PARSE_FOUND);
		wire.at[changes[i].at] = changes[i].value;
		assert_int_equal(look(wire.at, wire.len, &r), changes[i].want);
	}
}

static void test_wrong_records(void **state)
{
	struct parse_result r;

	(void)state;
	make_message(&message, "a.test", 0);
	/* empty record; alert or application data between the parts; the second without a version */
	assert_int_equal(look((const uint8_t *)"\x16\3\1\0\0", 5, &r), PARSE_BAD);
	for (size_t i = 0; i < 3; i++) {
		static const char *const heads[] = {"\x15\3\1\0\2\2\x50", "\x17\3\3\0\1\0", "\x16\4\1\0\1\0"};
		static const size_t lens[] = {7, 6, 6};
		wire.len = 0;
		put_record(&wire, message.at, 30);
		put(&wire, heads[i], lens[i]);
		put_record(&wire, message.at + 30, message.len - 30);
		assert_int_equal(look(wire.at, wire.len, &r), PARSE_BAD);
		assert_int_equal(look(wire.at, 5 + 30 + 2, &r), PARSE_BAD); /* seen at its first bytes */
	}
	/* a second message in the hello's record */
	put(&message, "\1\0\0\0", 4);
	wire.len = 0;
	put_record(&wire, message.at, message.len);
	assert_int_equal(look(wire.at, wire.len, &r), PARSE_BAD);
	/* but what comes in further records is none of our business (early data) */
	make_message(&message, "a.test", 0);
	wire.len = 0;
	put_record(&wire, message.at, message.len);
	put(&wire, "\x17\3\3\0\1\0", 6);
	check_found(wire.at, wire.len, "a.test");
}

static void read_captured(const char *file)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "tests/fuzz/seeds/fuzz_tls/%s", file);
	f = fopen(path, "re");
	assert_non_null(f);
	wire.len = fread(wire.at, 1, BYTES_MAX, f);
	fclose(f);
}

/* What real clients sent when they were asked for www.example.org */
static void test_captured(void **state)
{
	static const char *const files[] = {"openssl.bin", "openssl-tls12.bin", "openssl-large.bin", "curl.bin",
		"node.bin", "python.bin", "chromium-post-quantum.bin"};
	struct parse_result r;

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(files); i++) {
		read_captured(files[i]);
		check_prefixes(&wire, "www.example.org", 1, 2);
	}
	read_captured("openssl-no-name.bin");
	assert_int_equal(look(wire.at, wire.len, &r), PARSE_NONE);
}

/* ALPN and ECH change nothing in the name; the handoff says that ECH was offered. */
static void test_alpn_and_ech(void **state)
{
	static const struct {
		unsigned type;
		const char *data;
		size_t len;
		bool good;
	} cases[] = {
#define CASE(t, d, g) {t, d, sizeof(d) - 1, g}
		CASE(16, "\0\xb\xa" "acme-tls/1", true), /* RFC 8737 */
		CASE(16, "\0\xb\xa" "postgresql", true), CASE(16, "\0\xc\2h2\10http/1.1", true),
		CASE(0xfe0d, "\0\0\1\0\1\7\0\4abcd\0\4efgh", true), CASE(0xfe0d, "", true),
		CASE(16, "", false), CASE(16, "\0\0", false), CASE(16, "\0\1\0", false), CASE(16, "\0\3\3h2", false),
		CASE(16, "\0\4\2h2", false), CASE(16, "\0\3\2h2x", false),
	};
	static struct bytes exts;
	struct parse_result r;

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(cases); i++)
		for (unsigned order = 0; order < 4; order++) { /* before or behind the name; there once or twice */
			exts.len = 0;
			if (order & 1)
				put_extension(&exts, cases[i].type, cases[i].data, cases[i].len);
			put_sni(&exts, "a.test", 6);
			if (!(order & 1) || order & 2)
				put_extension(&exts, cases[i].type, cases[i].data, cases[i].len);
			message.len = wire.len = 0;
			put_hello(&message, &exts);
			put_record(&wire, message.at, message.len);
			look(wire.at, wire.len, &r);
			assert_int_equal(r.verdict, cases[i].good && order != 3 ? PARSE_FOUND : PARSE_BAD);
			if (r.verdict != PARSE_FOUND)
				continue;
			assert_string_equal(r.name, "a.test");
			assert_int_equal(r.flags, cases[i].type == 16 ? 0 : TRP_HANDOFF_ECH);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alpn_and_ech),
		cmocka_unit_test(test_cut_at_every_byte),
		cmocka_unit_test(test_two_records_at_every_byte),
		cmocka_unit_test(test_many_records),
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_name_lengths),
		cmocka_unit_test(test_extensions),
		cmocka_unit_test(test_wrong_bytes),
		cmocka_unit_test(test_wrong_records),
		cmocka_unit_test(test_captured),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
