/* SPDX-License-Identifier: ISC */
/* Parts of the daemon that need no privilege: uid ranges, secrets, sd_notify datagrams, user look-up,
 * channels. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/fdpass.h"
#include "base/handoff.h"
#include "base/io.h"
#include "base/several.h"
#include "supervisor/channel.h"
#include "supervisor/ids.h"
#include "supervisor/notify.h"
#include "supervisor/secrets.h"
#include "supervisor/box/users.h"

#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

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
	put("uids.json", "{\"version\":1,\"services\":{\"@keeper\":1879048192}}");
	assert_int_equal(ids_open(dir, BASE + 16 * IDS_RANGE, 3, &ids, err, sizeof(err)), -ERANGE);
	assert_non_null(strstr(err, "uid-base"));
}

/* What one is written as until it is whole has no name that another one can have. */
static void test_secrets_of_like_names(void **state)
{
	char a[SECRET_LEN + 1], b[SECRET_LEN + 1];

	(void)state;
	assert_int_equal(secret_get(dir, "mariadb", "db.new", a), 0);
	assert_int_equal(secret_get(dir, "mariadb", "db", b), 0);
	assert_int_equal(secret_get(dir, "mariadb", "db.new", b), 0);
	assert_string_equal(a, b);
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
	notify_parse("MAINPID=17\nREADY=1", 18, &n);
	assert_int_equal(n.main_pid, 17);
	assert_true(n.ready);
	notify_parse("MAINPID=1\nMAINPID=\nMAINPID=-2\nMAINPID=x\nXMAINPID=5", 51, &n);
	assert_int_equal(n.main_pid, 0);
#define SAYS(text) notify_parse(text, sizeof(text) - 1, &n)
	SAYS("RELOADING=1\nMONOTONIC_USEC=12345678901");
	assert_true(n.reloading && !n.ready);
	assert_int_equal(n.monotonic_us, 12345678901);
	SAYS("WATCHDOG=1\nWATCHDOG_USEC=20000000\nEXTEND_TIMEOUT_USEC=5");
	assert_true(n.watchdog && !n.trigger && n.has_watchdog_us);
	assert_int_equal(n.watchdog_us, 20000000);
	assert_int_equal(n.extend_us, 5);
	SAYS("WATCHDOG=trigger\nERRNO=2");
	assert_true(n.trigger && !n.watchdog && !n.has_watchdog_us);
	assert_int_equal(n.error, 2);
	SAYS("WATCHDOG=10\nWATCHDOG=triggers\nWATCHDOG_USEC=-1\nWATCHDOG_USEC=\nERRNO=4096\nERRNO=1x\nMONOTONIC_USEC=99999999999999999999\n"
	     "EXTEND_TIMEOUT_USEC=1 \nRELOADING=11");
	assert_true(!n.watchdog && !n.trigger && !n.has_watchdog_us && !n.reloading);
	assert_int_equal(n.error, 0);
	assert_int_equal(n.monotonic_us, 0);
	assert_int_equal(n.extend_us, 0);
	notify_parse("XREADY=1", 8, &n);
	assert_int_equal(n.main_pid, 0);
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

/* Whatever an image has in the place of its tables: nobody waits for it. */
static void test_users_no_file(void **state)
{
	uid_t uid = 7;
	gid_t gid = 7;
	char path[100];

	(void)state;
	snprintf(path, sizeof(path), "%s/etc", dir);
	assert_int_equal(trp_mkdir_p(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/etc/passwd", dir);
	assert_int_equal(mkfifo(path, 0666), 0);
	alarm(10);
	assert_int_equal(users_resolve(dir, "www-data", NULL, &uid, &gid), -EINVAL);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/etc", path), 0); /* a directory */
	assert_int_equal(users_resolve(dir, "www-data", NULL, &uid, &gid), -EINVAL);
	alarm(0);
	assert_int_equal(uid, 7);
	assert_int_equal(gid, 7);
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

/* A connected pair whose close(2) of [0] waits for a peer that does not read, as long as linger says. */
static void make_sticky(int pair[2], int seconds)
{
	const struct linger linger = {.l_onoff = 1, .l_linger = seconds};
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(addr);
	int small = 4096, l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	static const char text[65536];

	setsockopt(l, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	assert_int_equal(bind(l, (struct sockaddr *)&addr, len), 0);
	assert_int_equal(listen(l, 1), 0);
	assert_int_equal(getsockname(l, (struct sockaddr *)&addr, &len), 0);
	pair[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(pair[0], (struct sockaddr *)&addr, len), 0);
	pair[1] = accept4(l, NULL, NULL, SOCK_CLOEXEC);
	assert_true(pair[1] >= 0);
	close(l);
	assert_int_equal(setsockopt(pair[0], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	for (int idle = 0; idle < 20; idle++) {
		if (send(pair[0], text, sizeof(text), MSG_DONTWAIT) > 0)
			idle = 0;
		nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
	}
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* A service can peek at a client that waits, set SO_LINGER on it and leave it where it is. */
static void test_channel_close_does_not_linger(void **state)
{
	struct trp_handoff h = {0};
	struct channel c;
	int pair[2];
	double start;

	(void)state;
	make_sticky(pair, 3);
	assert_int_equal(channel_open(80, AF_INET, 0, &c), 0);
	assert_int_equal(trp_fd_send(c.router_end, &h, trp_handoff_seal(&h, "a", 1), &pair[0], 1, 0), 0);
	close(pair[0]);
	start = now();
	channel_close(&c);
	assert_true(now() - start < 1);
	close(pair[1]);
}

/* Nothing can be sent to the router's end: it is never read, so it would wait there for its close. */
static void test_channel_is_one_way(void **state)
{
	struct channel c;

	(void)state;
	assert_int_equal(channel_open(80, AF_INET6, 0, &c), 0);
	assert_int_equal(send(c.service_end, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(trp_fd_send(c.service_end, "x", 1, &c.service_end, 1, MSG_DONTWAIT), -EPIPE);
	assert_true(channel_is_usable(&c));
	assert_int_equal(trp_fd_send(c.router_end, "x", 1, NULL, 0, MSG_DONTWAIT), 0);
	shutdown(c.service_end, SHUT_WR);
	assert_true(channel_is_usable(&c));
	shutdown(c.service_end, SHUT_RD);
	assert_false(channel_is_usable(&c));
	channel_close(&c);
}

static unsigned n_given;

/* As fast as it is taken out: a router that was taken over. */
static void feed(void *data, const struct trp_handoff *h, int fd)
{
	const struct channel *c = data;

	if (n_given++ < 1000000)
		assert_int_equal(trp_fd_send(c->router_end, h, h->size, &fd, 1, MSG_DONTWAIT), 0);
}

static void test_channel_deal_has_an_end(void **state)
{
	struct trp_handoff h = {0};
	struct channel c;

	(void)state;
	assert_int_equal(channel_open(0, 0, 0, &c), 0);
	assert_int_equal(trp_fd_send(c.router_end, &h, trp_handoff_seal(&h, "a", 1), &c.service_end, 1, 0), 0);
	channel_deal(c.service_end, UINT_MAX, feed, &c);
	assert_true(n_given < 1000000);
	channel_close(&c);
}

static void count(void *data, const struct trp_handoff *h, int fd)
{
	(void)data, (void)h;
	assert_true(fd >= 0);
	n_given++;
}

/* The daemon has no descriptor left for other things: nobody who waits is lost by that. */
static void test_channel_deal_without_descriptors(void **state)
{
	enum { LIMIT = 64 };
	struct trp_handoff h = {0};
	struct rlimit before, few;
	int filler[LIMIT], n = 0;
	struct channel c;

	(void)state;
	assert_int_equal(channel_reserve(64), 0);
	assert_int_equal(channel_reserve(1024), TRP_SEVERAL_MAX);
	assert_int_equal(channel_open(0, 0, 0, &c), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(trp_fd_send(c.router_end, &h, trp_handoff_seal(&h, "a", 1), &c.service_end, 1, 0), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = (struct rlimit){LIMIT, before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	while (n < LIMIT && (filler[n] = fcntl(c.service_end, F_DUPFD_CLOEXEC, 0)) >= 0)
		n++;
	n_given = 0;
	assert_int_equal(channel_deal(c.service_end, UINT_MAX, count, NULL), 3);
	assert_int_equal(n_given, 3);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &few), 0);
	assert_int_equal(few.rlim_cur, LIMIT);
	while (n > 0)
		close(filler[--n]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	channel_close(&c);
}

/* What no router of ours sends is taken out, and those behind it are still seen. */
static void test_channel_of_a_strange_router(void **state)
{
	static const char longer[TRP_SEVERAL_SIZE + 1];
	struct trp_handoff h = {.accepted_ns = 7};
	struct channel c;

	(void)state;
	assert_int_equal(channel_open(0, 0, 0, &c), 0);
	assert_int_equal(channel_first(c.service_end), 0);
	assert_int_equal(send(c.router_end, "", 0, 0), 0);
	assert_int_equal(send(c.router_end, longer, sizeof(longer), 0), sizeof(longer));
	assert_int_equal(trp_fd_send(c.router_end, &h, trp_handoff_seal(&h, "a", 1), &c.service_end, 1, 0), 0);
	n_given = 1000000;
	assert_int_equal(channel_first(c.service_end), 1);
	assert_int_equal(channel_deal(c.service_end, 1, feed, &c), 1);
	assert_int_equal(channel_deal(c.service_end, 1, feed, &c), 1);
	assert_int_equal(n_given, 1000000);
	assert_int_equal(channel_first(c.service_end), 7);
	assert_int_equal(channel_deal(c.service_end, UINT_MAX, feed, &c), 1);
	assert_int_equal(n_given, 1000001);
	assert_int_equal(channel_first(c.service_end), 0);
	assert_int_equal(send(c.router_end, "", 0, 0), 0);
	shutdown(c.router_end, SHUT_WR);
	assert_int_equal(channel_deal(c.service_end, UINT_MAX, feed, &c), 0);
	assert_int_equal(channel_first(c.service_end), 0);
	channel_close(&c);
}

static void put_one(const struct channel *c, uint32_t listener)
{
	struct trp_handoff h = {.accepted_ns = 7, .listener = listener};

	trp_handoff_seal(&h, "a", 1);
	assert_int_equal(channel_put(c, &h, c->service_end), 0);
}

/* A check is nobody, however many lie there; who is behind them is seen, and stays. */
static void test_checks_and_clients_of_a_channel(void **state)
{
	struct channel c;

	(void)state;
	assert_int_equal(channel_open(0, 0, 0, &c), 0);
	assert_false(channel_has_client(c.service_end));
	put_one(&c, 0);
	put_one(&c, 0);
	assert_false(channel_has_client(c.service_end));
	put_one(&c, 3);
	put_one(&c, 0);
	for (int i = 0; i < 2; i++)
		assert_true(channel_has_client(c.service_end));
	n_given = 1000000;
	assert_int_equal(channel_first(c.service_end), 7);
	assert_int_equal(channel_deal(c.service_end, UINT_MAX, feed, &c), 4);
	assert_int_equal(n_given, 1000004);
	assert_false(channel_has_client(c.service_end));
	shutdown(c.router_end, SHUT_WR);
	assert_false(channel_has_client(c.service_end));
	channel_close(&c);
}

static void test_notify_keeps(void **state)
{
	static const struct {
		const char *text, *name;
		bool store, remove, barrier;
	} rows[] = {{"FDSTORE=1", "", true, false, false}, {"FDSTORE=1\nFDNAME=a", "a", true, false, false}, {"FDNAME=x.y-1\nFDSTORE=1\n", "x.y-1", true, false, false},
		{"FDSTOREREMOVE=1\nFDNAME=a", "a", false, true, false}, {"BARRIER=1", "", false, false, true}, {"FDSTORE=0\nBARRIER=2", "", false, false, false},
		{"FDSTORE=1\nFDNAME=a:b", "", true, false, false}, {"FDSTORE=1\nFDNAME=a b", "", true, false, false}, {"FDSTORE=1\nFDNAME=", "", true, false, false},
		{"FDNAME=a\nFDNAME=\033[31m\nFDSTORE=1", "", true, false, false},
		{"FDSTORE=1\nFDNAME=0123456789012345678901234567890123456789012345678901234567890123", "", true, false, false},
		{"FDSTORE=1\nFDNAME=012345678901234567890123456789012345678901234567890123456789012",
			"012345678901234567890123456789012345678901234567890123456789012", true, false, false}};
	struct notify_state s;

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(rows); i++) {
		notify_parse(rows[i].text, strlen(rows[i].text), &s);
		assert_int_equal(s.store, rows[i].store);
		assert_int_equal(s.store_remove, rows[i].remove);
		assert_int_equal(s.barrier, rows[i].barrier);
		assert_string_equal(s.store_name, rows[i].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_ids_are_kept, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(test_ids_damaged_file_is_refused, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(test_ids_outside_of_pool, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(test_secret_is_made_once, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(test_secrets_of_like_names, make_dir, drop_dir),
		cmocka_unit_test(test_notify),
		cmocka_unit_test(test_notify_keeps),
		cmocka_unit_test(test_channel_close_does_not_linger),
		cmocka_unit_test(test_channel_is_one_way),
		cmocka_unit_test(test_channel_deal_has_an_end),
		cmocka_unit_test(test_channel_deal_without_descriptors),
		cmocka_unit_test(test_channel_of_a_strange_router),
		cmocka_unit_test(test_checks_and_clients_of_a_channel),
		cmocka_unit_test_setup_teardown(test_users, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(test_users_no_link_out, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(test_users_no_file, make_dir, drop_dir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
