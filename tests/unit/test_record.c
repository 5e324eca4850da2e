/* SPDX-License-Identifier: ISC */
/* What a daemon that takes over removes from the records: the texts of profiles that no record names, and nothing because it has no descriptor left;
 * and what an earlier version wrote. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/io.h"
#include "supervisor/daemon.h"
#include "supervisor/profile/config.h"
#include "supervisor/record.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define NAMED   "h.0123456789abcdef.profile"
#define UNNAMED "h.fedcba9876543210.profile"
#define OF_NONE "z.0123456789abcdef.profile"

static char dir[] = "/tmp/trpsup-unit-XXXXXX";
static struct config config = {.run_dir = dir};
static struct daemon d = {.records = -1, .config = &config};

static void put(const char *name, const char *text)
{
	assert_int_equal(trp_write_whole(d.records, name, text, strlen(text), 0600), 0);
}

static bool is_there(const char *name)
{
	return faccessat(d.records, name, F_OK, 0) == 0;
}

static int make_records(void **state)
{
	cleanup_free char *boot = NULL;
	char record[200];

	(void)state;
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	if (!mkdtemp(dir) || record_open(&d) < 0 || trp_read_file(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 100, &boot, NULL) < 0)
		return -1;
	snprintf(record, sizeof(record), "{\"version\":1,\"boot\":\"%.*s\",\"profile\":\"0123456789abcdef00\"}", (int)strcspn(boot, "\n"), boot);
	put("h.json", record);
	put(NAMED, "[]");
	put(UNNAMED, "[]");
	put(OF_NONE, "[]");
	return 0;
}

static int drop_records(void **state)
{
	(void)state;
	record_close(&d);
	return rmdir(dir);
}

static void count(void *data, const char *service, const json_t *json)
{
	size_t *n = data;

	(void)service;
	*n += json != NULL;
}

/* So many of the records can be read if so many more descriptors can be had; one more is for the directory. */
static size_t read_with(rlim_t more)
{
	int next = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
	struct rlimit before, few;
	size_t n = 0;

	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = (rlim_t)next + 1 + more;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	record_each(&d, true, count, &n);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	return n;
}

/* First, as the boot's number is read once. */
static void test_no_descriptor(void **state)
{
	(void)state;
	assert_int_equal(read_with(0), 0);
	assert_true(is_there(NAMED));
	assert_true(is_there("h.json"));
}

static void test_rubbish(void **state)
{
	(void)state;
	put(".h.json.new", "{");
	assert_int_equal(read_with(1), 1);
	assert_true(is_there(NAMED));
	assert_false(is_there(UNNAMED));
	assert_false(is_there(OF_NONE));
	assert_false(is_there(".h.json.new"));
}

/* An earlier version wrote when something was by the time of day; it is counted from by a clock that nobody sets. */
static void test_earlier_clocks(void **state)
{
	const double now = ev_time(), up = trp_now_seconds();
	json_t *o = json_pack("{s:s,s:i,s:i,s:b,s:b,s:i,s:f,s:f,s:f,s:f,s:f,s:i}", "state", "starting", "uid_base", 1, "adapter", 0, "has_cgroup", 0, "running",
		1, "pid", 2, "since", now, "up_since", now, "window_start", now - 1e6, "worked", now - 5, "timer_last", now, "timer_result", (int)TIMER_RUNS);
	struct service s = {.d = &d, .name = (char *)"h", .changed = up}; /* as load_service() makes it */

	(void)state;
	assert_int_equal(record_restore(o, &s), 0);
	assert_true(s.since == now);
	assert_true(s.changed > 0 && s.changed <= trp_now_seconds());
	assert_true(s.timed.since_boot);
	assert_true(s.up_since > 0 && s.up_since <= trp_now_seconds());
	assert_true(s.window_start < up);
	assert_true(s.worked == 0); /* the run before this one */
	json_object_set_new(o, "changed", json_real(17));
	json_object_set_new(o, "up_since", json_real(18));
	assert_int_equal(record_restore(o, &s), 0);
	assert_true(s.changed == 17 && s.up_since == 18);
	json_decref(o);
}

/* Somebody has removed their directory, while services run: without them those would be ended by the next daemon. */
static void test_directory_removed(void **state)
{
	static struct profile p = {.text_hash = "0123456789abcdef"};
	struct service other = {.d = &d, .name = (char *)"g", .key = "g", .profile = &p, .state = STATE_READY};
	struct service s = {.d = &d, .name = (char *)"h", .key = "h", .profile = &p, .state = STATE_READY, .next = &other};
	char path[100];
	size_t n = 0;

	(void)state;
	d.services = &s;
	snprintf(path, sizeof(path), "%s/records", dir);
	assert_int_equal(trp_remove_tree(AT_FDCWD, path), 0);
	record_save(&s);
	d.services = NULL;
	assert_true(is_there("h.json") && is_there("g.json"));
	record_each(&d, false, count, &n);
	assert_int_equal(n, 2);
}

/* By a newer version, or by a disk: neither the table of a program of ours nor a path is entered with it. */
static void test_beyond(void **state)
{
	static const struct {
		const char *name, *text;
		json_int_t number;
	} rows[] = {{"number", NULL, LEDGER_SERVICES}, {"number", NULL, -1}, {"place", NULL, 3}, {"adapter", NULL, 4000000000}, {"adapter", NULL, -1},
		{"adapter", NULL, 1ll << 40}, {"reload", NULL, 9}, {"timer_result", NULL, 9}, {"health", NULL, 9}, {"pid", NULL, 1ll << 32}, {"key", "../h", 0},
		{"key", "", 0}, {"key", "g", 0}, {"key", NULL, 1}};

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(rows); i++) {
		struct service s = {.d = &d, .name = (char *)"h", .key = "h"};
		json_t *o = json_pack("{s:s,s:i,s:i,s:b,s:b,s:i,s:s,s:i}", "state", "ready", "uid_base", 1, "adapter", 3, "has_cgroup", 0, "running", 1, "pid", 2,
			"key", "h~2", "number", LEDGER_SERVICES - 1);
		assert_int_equal(record_restore(o, &s), 0);
		assert_string_equal(s.key, "h~2");
		s = (struct service){.d = &d, .name = (char *)"h", .key = "h"};
		json_object_set_new(o, rows[i].name, rows[i].text ? json_string(rows[i].text) : json_integer(rows[i].number));
		assert_int_equal(record_restore(o, &s), -EBADMSG);
		assert_true(s.number < LEDGER_SERVICES && s.adapter <= ADAPTER_LOOPBACK && s.place <= PLACE_CHANNELS);
		assert_true(strcmp(s.key, "h") == 0 || strcmp(s.key, "h~2") == 0);
		json_decref(o);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_no_descriptor, make_records, drop_records),
		cmocka_unit_test_setup_teardown(test_rubbish, make_records, drop_records),
		cmocka_unit_test_setup_teardown(test_directory_removed, make_records, drop_records),
		cmocka_unit_test(test_earlier_clocks),
		cmocka_unit_test(test_beyond),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
