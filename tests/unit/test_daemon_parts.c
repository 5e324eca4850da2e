/* SPDX-License-Identifier: ISC */
/* Parts of the daemon that need no privilege: uid ranges, secrets, sd_notify datagrams, user look-up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/io.h"
#include "supervisor/ids.h"
#include "supervisor/notify.h"
#include "supervisor/secrets.h"
#include "supervisor/users.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define BASE 0x70000000u

static char dir[64];

static int make_dir(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/trpsup-unit-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int drop_dir(void **state)
{
	(void)state;
	return trp_remove_tree(AT_FDCWD, dir);
}

static void put(const char *name, const char *text)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(trp_write_atomic(AT_FDCWD, path, text, strlen(text), 0600), 0);
}

static void test_ids_are_kept(void **state)
{
	uint32_t a, b, again;
	struct ids *ids;
	char err[200];

	(void)state;
	assert_int_equal(ids_open(dir, BASE, 3, &ids, err, sizeof(err)), 0);
	assert_int_equal(ids_get(ids, "mariadb@wordpress", &a), 0);
	assert_int_equal(ids_get(ids, "wordpress", &b), 0);
	assert_int_equal(a, BASE);
	assert_int_equal(b, BASE + IDS_RANGE);
	ids_close(ids);
	assert_int_equal(ids_open(dir, BASE, 3, &ids, err, sizeof(err)), 0);
	assert_int_equal(ids_get(ids, "wordpress", &again), 0);
	assert_int_equal(again, b);
	assert_int_equal(ids_get(ids, "third", &a), 0);
	assert_int_equal(ids_get(ids, "fourth", &a), -ENOSPC);
	ids_close(ids);
}

static void test_ids_damaged_file_is_refused(void **state)
{
	static const char *const bad[] = {"", "{", "{\"version\":2,\"services\":{}}",
		"{\"version\":1,\"services\":{\"a\":1879048192,\"b\":1879048192}}",
		"{\"version\":1,\"services\":{\"a\":1879048193}}", "{\"version\":1,\"services\":{\"a\":\"x\"}}"};
	struct ids *ids;
	char err[200];

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(bad); i++) {
		put("uids.json", bad[i]);
		assert_int_equal(ids_open(dir, BASE, 3, &ids, err, sizeof(err)), -EBADMSG);
		assert_non_null(strstr(err, "uids.json"));
	}
}

static void test_ids_outside_of_pool(void **state)
{
	struct ids *ids;
	uint32_t id = 7;
	char err[200];

	(void)state;
	put("uids.json", "{\"version\":1,\"services\":{\"old\":1879048192}}");
	assert_int_equal(ids_open(dir, BASE + 16 * IDS_RANGE, 3, &ids, err, sizeof(err)), 0);
	assert_int_equal(ids_get(ids, "old", &id), -ERANGE);
	assert_int_equal(id, 7);
	ids_close(ids);
}

static void test_secret_is_made_once(void **state)
{
	char a[SECRET_LEN + 1], b[SECRET_LEN + 1], c[SECRET_LEN + 1], path[200];
	struct stat st;

	(void)state;
	assert_int_equal(secret_get(dir, "mariadb@w", "db", a), 0);
	assert_int_equal(secret_get(dir, "mariadb@w", "db", b), 0);
	assert_int_equal(secret_get(dir, "mariadb@x", "db", c), 0);
	assert_string_equal(a, b);
	assert_string_not_equal(a, c);
	assert_int_equal(strlen(a), SECRET_LEN);
	snprintf(path, sizeof(path), "%s/secrets/mariadb@w/db", dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	snprintf(path, sizeof(path), "%s/secrets/mariadb@w", dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
}

static void test_notify(void **state)
{
	struct notify_state n;

	(void)state;
	notify_parse("READY=1\nSTATUS=ok\x1b[31m \xff up", 28, &n);
	assert_true(n.ready);
	assert_string_equal(n.status, "ok[31m  up");
	notify_parse("READY=10\nSTOPPING=1\n", 20, &n);
	assert_false(n.ready);
	assert_true(n.stopping);
	notify_parse("XREADY=1", 8, &n);
	assert_false(n.ready);
	notify_parse("", 0, &n);
	assert_false(n.ready);
}

static void test_users(void **state)
{
	uid_t uid = 1;
	gid_t gid = 1;
	char etc[100];

	(void)state;
	snprintf(etc, sizeof(etc), "%s/etc", dir);
	assert_int_equal(trp_mkdir_p(etc, 0755), 0);
	put("etc/passwd", "root:x:0:0::/:\nwww-data:x:33:34::/:\nbig:x:70000:1::/:\nbroken\n");
	put("etc/group", "web:x:50:\n");
	assert_int_equal(users_resolve(dir, "www-data", NULL, &uid, &gid), 0);
	assert_int_equal(uid, 33);
	assert_int_equal(gid, 34);
	assert_int_equal(users_resolve(dir, "www-data", "web", &uid, &gid), 0);
	assert_int_equal(gid, 50);
	assert_int_equal(users_resolve(dir, "1000", NULL, &uid, &gid), 0);
	assert_int_equal(uid, 1000);
	assert_int_equal(users_resolve(dir, "www", NULL, &uid, &gid), -ENOENT);
	assert_int_equal(users_resolve(dir, "broken", NULL, &uid, &gid), -ENOENT);
	assert_int_equal(users_resolve(dir, "big", NULL, &uid, &gid), -ERANGE);
	assert_int_equal(users_resolve(NULL, "www-data", NULL, &uid, &gid), -ENOENT);
	assert_int_equal(users_resolve(NULL, "65536", NULL, &uid, &gid), -ERANGE);
}

/* A root file system whose etc/passwd is a link to the host's must not show the host's users. */
static void test_users_no_link_out(void **state)
{
	uid_t uid;
	gid_t gid;
	char path[100];

	(void)state;
	snprintf(path, sizeof(path), "%s/etc", dir);
	assert_int_equal(trp_mkdir_p(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/etc/passwd", dir);
	assert_int_equal(symlink("/etc/passwd", path), 0); /* inside: itself */
	assert_int_equal(users_resolve(dir, "daemon", NULL, &uid, &gid), -ELOOP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_ids_are_kept, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(test_ids_damaged_file_is_refused, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(test_ids_outside_of_pool, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(test_secret_is_made_once, make_dir, drop_dir),
		cmocka_unit_test(test_notify),
		cmocka_unit_test_setup_teardown(test_users, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(test_users_no_link_out, make_dir, drop_dir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
