/* SPDX-License-Identifier: ISC */
/* Parsing of what people write: each value, each limit, and that nothing else gets through. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/parse.h"
#include "base/util.h"

#include <signal.h>
#include <string.h>

struct number_case {
	const char *text;
	int r;
	uint64_t value;
};

/* ret must not be touched by a failure */
static void check_numbers(const struct number_case *table, size_t n, int parse(const char *, uint64_t *))
{
	for (size_t i = 0; i < n; i++) {
		uint64_t v = 0xdeadbeef;
		int r = parse(table[i].text, &v);
		if (r != table[i].r || v != (r == 0 ? table[i].value : 0xdeadbeef))
			fail_msg("'%s': result %d value %llu", table[i].text, r, (unsigned long long)v);
	}
}
#define CHECK(table, parse) check_numbers(table, TRP_ARRAY_SIZE(table), parse)

static void u64(void **state)
{
	static const struct number_case table[] = {
		{"0", 0, 0},
		{"007", 0, 7},
		{"18446744073709551615", 0, UINT64_MAX},
		{"18446744073709551616", -ERANGE, 0},
		{"99999999999999999999999", -ERANGE, 0},
		{"", -EINVAL, 0},
		{" 1", -EINVAL, 0},
		{"1 ", -EINVAL, 0},
		{"+1", -EINVAL, 0},
		{"-1", -EINVAL, 0},
		{"0x10", -EINVAL, 0},
		{"1.0", -EINVAL, 0},
		{"one", -EINVAL, 0},
		{"1\n", -EINVAL, 0},
		{"\xd9\xa1", -EINVAL, 0}, /* an Arabic digit */
	};

	(void)state;
	CHECK(table, trp_parse_u64);
}

static int port64(const char *text, uint64_t *ret)
{
	uint16_t v = 0;
	int r = trp_parse_port(text, &v);

	if (r == 0)
		*ret = v;
	return r;
}

static void port(void **state)
{
	static const struct number_case table[] = {
		{"1", 0, 1}, {"80", 0, 80}, {"65535", 0, 65535}, {"0", -ERANGE, 0}, {"65536", -ERANGE, 0},
		{"65616", -ERANGE, 0}, /* 80 in 16 bits */
		{"http", -EINVAL, 0}, {"", -EINVAL, 0}, {"80/tcp", -EINVAL, 0}};

	(void)state;
	CHECK(table, port64);
}

static void size(void **state)
{
	static const struct number_case table[] = {
		{"512", 0, 512},
		{"512B", 0, 512},
		{"64K", 0, 65536},
		{"1.5G", 0, 3ull << 29},
		{"0.125M", 0, 131072},
		{"1T", 0, 1ull << 40},
		{"0", 0, 0},
		{"16777215T", 0, 16777215ull << 40},
		{"16777216T", -ERANGE, 0},
		{"64k", -EINVAL, 0},
		{"64 K", -EINVAL, 0},
		{"64KB", -EINVAL, 0},
		{"1.5", -EINVAL, 0},
		{"1.G", -EINVAL, 0},
		{".5G", -EINVAL, 0},
		{"1.2345G", -EINVAL, 0},
		{"-1K", -EINVAL, 0},
		{"K", -EINVAL, 0},
		{"", -EINVAL, 0},
		{"1K1", -EINVAL, 0},
	};

	(void)state;
	CHECK(table, trp_parse_size);
}

static void duration(void **state)
{
	static const struct number_case table[] = {
		{"0", 0, 0},
		{"250ms", 0, 250},
		{"90s", 0, 90000},
		{"90sec", 0, 90000},
		{"1m 30s", 0, 90000},
		{"1m30s", 0, 90000},
		{"1.5s", 0, 1500},
		{"2h", 0, 7200000},
		{"1d", 0, 86400000},
		{"1w", 0, 604800000},
		{"90", -EINVAL, 0},
		{"1m 30", -EINVAL, 0},
		{"", -EINVAL, 0},
		{"s", -EINVAL, 0},
		{"1 s", -EINVAL, 0},
		{"1y", -EINVAL, 0},
		{"1S", -EINVAL, 0},
		{"-1s", -EINVAL, 0},
		{" 1s", -EINVAL, 0},
		{"18446744073709551615ms", 0, UINT64_MAX},
		{"18446744073709551615ms 1ms", -ERANGE, 0},
		{"18446744073709551615s", -ERANGE, 0},
	};

	(void)state;
	CHECK(table, trp_parse_duration);
}

static void percent(void **state)
{
	static const struct number_case table[] = {
		{"50%", 0, 500}, {"100%", 0, 1000}, {"250%", 0, 2500}, {"0.5%", 0, 5}, {"0%", 0, 0},
		{"50", -EINVAL, 0}, {"%", -EINVAL, 0}, {"50 %", -EINVAL, 0}, {"50%%", -EINVAL, 0},
		{"-5%", -EINVAL, 0}, {"1844674407370955162%", -ERANGE, 0}};

	(void)state;
	CHECK(table, trp_parse_percent);
}

static void rate(void **state)
{
	static const struct number_case table[] = {{"1/s", 0, 1000000000}, {"200/s", 0, 5000000}, {"3/s", 0, 333333333},
		{"60/m", 0, 1000000000}, {"30/min", 0, 2000000000}, {"1/h", 0, 3600000000000}, {"1000000/s", 0, 1000},
		{"1000001/s", -ERANGE, 0}, {"99999999999/h", -ERANGE, 0}, {"18446744073709551616/s", -ERANGE, 0},
		{"0/s", -EINVAL, 0}, {"200", -EINVAL, 0}, {"200/", -EINVAL, 0}, {"200/d", -EINVAL, 0},
		{"200/ms", -EINVAL, 0}, {"200 /s", -EINVAL, 0}, {"200/s ", -EINVAL, 0}, {"1.5/s", -EINVAL, 0},
		{"-1/s", -EINVAL, 0}, {"/s", -EINVAL, 0}, {"", -EINVAL, 0}};

	(void)state;
	CHECK(table, trp_parse_rate);
}

static void boolean(void **state)
{
	static const char *const yes[] = {"yes", "true", "on", "1"}, *const no[] = {"no", "false", "off", "0"},
			  *const bad[] = {"", "y", "Yes", "2", "yes ", "truee"};
	bool v;

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(yes); i++) {
		v = false;
		assert_int_equal(trp_parse_bool(yes[i], &v), 0);
		assert_true(v);
		assert_int_equal(trp_parse_bool(no[i], &v), 0);
		assert_false(v);
	}
	for (size_t i = 0; i < TRP_ARRAY_SIZE(bad); i++) {
		v = true;
		assert_int_equal(trp_parse_bool(bad[i], &v), -EINVAL);
		assert_true(v);
	}
}

static void signals(void **state)
{
	static const struct {
		const char *text;
		int signo; /* 0: no signal */
	} table[] = {{"TERM", SIGTERM}, {"SIGTERM", SIGTERM}, {"15", 15}, {"WINCH", SIGWINCH}, {"KILL", SIGKILL},
		{"SIGUSR2", SIGUSR2}, {"64", 64}, {"1", 1}, {"65", 0}, {"0", 0}, {"", 0}, {"SIG", 0}, {"term", 0},
		{"SIGSIGTERM", 0}, {"TERM ", 0}, {"-15", 0}};

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(table); i++) {
		int v = -7, r = trp_parse_signal(table[i].text, &v);
		if (r != (table[i].signo ? 0 : -EINVAL) || v != (table[i].signo ? table[i].signo : -7))
			fail_msg("'%s': result %d value %d", table[i].text, r, v);
	}
}

#define X63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void service_names(void **state)
{
	static const char *const good[] = {"a", "wordpress", "wordpress@blog", "a.b_c-d", "0", X63, X63 "@" X63},
			  *const bad[] = {"", "@", "a@", "@a", "A", "a b", "a/b", "..", ".", "-a", "_a", "a@b@c",
				  X63 "a", "a@" X63 "a", "a\n", "a@-b", "\xc3\xa4"};

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(good); i++)
		if (!trp_valid_service_name(good[i]))
			fail_msg("'%s' should be valid", good[i]);
	for (size_t i = 0; i < TRP_ARRAY_SIZE(bad); i++)
		if (trp_valid_service_name(bad[i]))
			fail_msg("'%s' should not be valid", bad[i]);
}

static void hosts(void **state)
{
	static const struct {
		const char *text;
		bool wildcard;
		const char *result; /* NULL: not a name */
	} table[] = {
		{"example.org", false, "example.org"},
		{"EXAMPLE.Org.", false, "example.org"},
		{"localhost", false, "localhost"},
		{"_dmarc.example.org", false, "_dmarc.example.org"},
		{"xn--bcher-kva.example", false, "xn--bcher-kva.example"},
		{"1.2.3.4", false, "1.2.3.4"},
		{"*.example.org", true, "*.example.org"},
		{"*.Example.ORG.", true, "*.example.org"},
		{"*.example.org", false, NULL},
		{"*", true, NULL},
		{"*.", true, NULL},
		{"*.*.example.org", true, NULL},
		{"a.*.example.org", true, NULL},
		{"*x.example.org", true, NULL},
		{"", false, NULL},
		{".", false, NULL},
		{"..", false, NULL},
		{".example.org", false, NULL},
		{"example..org", false, NULL},
		{"example.org..", false, NULL},
		{"-a.example", false, "-a.example"},
		{"r3---sn-A-.example", false, "r3---sn-a-.example"},
		{"example-", false, "example-"},
		{"-", false, "-"},
		{"ex ample.org", false, NULL},
		{"example.org:80", false, NULL},
		{"[::1]", false, NULL},
		{"b\xc3\xbc" "cher.example", false, NULL},
		{X63 ".example", false, X63 ".example"},
		{X63 "a.example", false, NULL},
		{X63 "." X63 "." X63 "." "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false,
			X63 "." X63 "." X63 "." "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
		{X63 "." X63 "." X63 "." "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false,
			NULL},
	};

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(table); i++) {
		char out[254] = "untouched";
		int r = trp_canonical_host(table[i].text, table[i].wildcard, out);
		const char *want = table[i].result ? table[i].result : "untouched";
		if (r != (table[i].result ? 0 : -EINVAL) || strcmp(out, want) != 0)
			fail_msg("'%s': result %d, '%s'", table[i].text, r, out);
	}
}

static void nearest(void **state)
{
	static const char *const keys[] = {"command", "restart", "require", "ready", "user"};
	const size_t n = TRP_ARRAY_SIZE(keys);

	(void)state;
	assert_string_equal(trp_nearest("comand", keys, n), "command");
	assert_string_equal(trp_nearest("Command", keys, n), "command");
	assert_string_equal(trp_nearest("requires", keys, n), "require");
	assert_string_equal(trp_nearest("use", keys, n), "user");
	assert_null(trp_nearest("memory", keys, n));
	assert_null(trp_nearest("x", keys, n));
	assert_null(trp_nearest("command", keys, 0));
	assert_null(trp_nearest(X63 X63, keys, n));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(u64),
		cmocka_unit_test(port),
		cmocka_unit_test(size),
		cmocka_unit_test(duration),
		cmocka_unit_test(percent),
		cmocka_unit_test(rate),
		cmocka_unit_test(boolean),
		cmocka_unit_test(signals),
		cmocka_unit_test(service_names),
		cmocka_unit_test(hosts),
		cmocka_unit_test(nearest),
	};

	return cmocka_run_group_tests_name("parse", tests, NULL, NULL);
}
