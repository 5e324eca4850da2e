/* SPDX-License-Identifier: ISC */
/* trpsup.conf: what it says, its defaults, what is refused in which words, and what profiles need
 * of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/handoff.h"
#include "supervisor/profile/config.h"
#include "supervisor/profile/load.h"

#include "profile_files.h"

#define HTTP (1u << TRP_PROTO_HTTP1)
#define TLS  (1u << TRP_PROTO_TLS)

static struct config *load_good(const char *text)
{
	struct config *c = NULL;
	int r;

	file_write("trpsup.conf", text);
	r = config_load(file_path("trpsup.conf"), &c, &errors);
	for (size_t i = 0; i < errors.n; i++)
		print_error("%s\n", errors.v[i]);
	assert_int_equal(r, 0);
	return c;
}

static void listener_is(const struct config *c, size_t i, const char *name, uint16_t port,
	uint32_t protocols, uint64_t deadline_ms)
{
	assert_true(i < c->n_listeners);
	assert_string_equal(c->listeners[i].name, name);
	assert_int_equal(c->listeners[i].port, port);
	assert_int_equal(c->listeners[i].protocols, protocols);
	assert_int_equal(c->listeners[i].deadline_ms, deadline_ms);
	assert_string_equal(c->listeners[i].where.file, c->file);
}

static void defaults_are(const struct config *c)
{
	assert_string_equal(c->run_dir, "/run/trpsup");
	assert_string_equal(c->state_dir, "/var/lib/trpsup");
	assert_string_equal(c->log_dir, "/var/log/trpsup");
	assert_string_equal(c->cgroup, "trpsup");
	assert_int_equal(c->profile_dirs.n, 2);
	assert_string_equal(c->profile_dirs.v[0], "/etc/trpsup/services");
	assert_string_equal(c->profile_dirs.v[1], config_shipped_profiles());
	assert_true(c->uid_base == 0x70000000);
	assert_int_equal(c->uid_ranges, 2048);
	assert_int_equal(c->start.n, 0);
	assert_int_equal(c->n_listeners, 2);
	listener_is(c, 0, "http", 80, HTTP, 10000);
	listener_is(c, 1, "https", 443, TLS, 10000);
}

static void test_defaults(void **state)
{
	struct config *c = load_good("");

	(void)state;
	defaults_are(c);
	config_free(c);
}

/* What we ship says nothing but the defaults, also where its comments are taken away. */
static void test_shipped(void **state)
{
	cleanup_free char *text = NULL;
	struct config *c = NULL;
	size_t len;

	(void)state;
	assert_int_equal(trp_read_file(AT_FDCWD, "etc/trpsup.conf", 65536, &text, &len), 0);
	c = load_good(text);
	defaults_are(c);
	config_free(c);
	for (char *s = text; (s = strstr(s, "\n;")); s++)
		memmove(s + 1, s + 2, strlen(s + 1));
	c = load_good(text);
	assert_string_equal(c->start.v[0], "hello");
	assert_string_equal(c->profile_dirs.v[1], "/usr/local/share/trpsup/profiles");
	strv_free(&c->start);
	free(c->profile_dirs.v[1]);
	c->profile_dirs.v[1] = strdup(config_shipped_profiles());
	defaults_are(c);
	config_free(c);
}

static void test_all_keys(void **state)
{
	struct config *c =
		load_good("[daemon]\nrun-dir = /a\nstate-dir = /b\nlog-dir = /c\ncgroup = "
			  "d\nprofile-dirs = /e\n"
			  "profile-dirs = /f\nuid-base = 65536\nuid-ranges = 1\nstart = x\n  y@z\n"
			  "[listener web]\nport = 8080\nprotocols = http tls\ndeadline = 500ms\n"
			  "[daemon]\n"
			  "[listener lan]\nport = 8081\nprotocols = tls\n");

	(void)state;
	assert_string_equal(c->run_dir, "/a");
	assert_string_equal(c->state_dir, "/b");
	assert_string_equal(c->log_dir, "/c");
	assert_string_equal(c->cgroup, "d");
	assert_int_equal(c->profile_dirs.n, 2);
	assert_string_equal(c->profile_dirs.v[1], "/f");
	assert_int_equal(c->uid_base, 65536);
	assert_int_equal(c->uid_ranges, 1);
	assert_int_equal(c->start.n, 2);
	assert_string_equal(c->start.v[1], "y@z");
	assert_int_equal(c->n_listeners, 2);
	listener_is(c, 0, "web", 8080, HTTP | TLS, 500);
	listener_is(c, 1, "lan", 8081, TLS, 10000);
	config_free(c);
}

static void refused(const char *text)
{
	struct config *c = NULL;

	file_write("trpsup.conf", text);
	assert_int_equal(config_load(file_path("trpsup.conf"), &c, &errors), -EINVAL);
	assert_null(c);
}

#define F "$/trpsup.conf:"

static void test_refused(void **state)
{
	(void)state;
	refused("[daemon]\nrundir = /x\nrun-dir = x\ncgroup = a/b\nuid-base = 65537\nuid-ranges = "
		"0\nstart = A\n");
	errors_are(&errors, F "2: rundir: unknown key in [daemon]; did you mean 'run-dir'?",
		F "3: run-dir: 'x' is not valid, expected an absolute path",
		F "4: cgroup: 'a/b' is not valid, expected a name of a-z 0-9 . _ -",
		F "5: uid-base: '65537' is not valid, expected a multiple of 65536 from 65536 to "
		  "4294836224",
		F "6: uid-ranges: '0' is out of range, expected a number from 1 to 65535",
		F "7: start: 'A' is not valid, expected names of services", NULL);
	refused("[daemon]\nuid-base = 4294836224\n");
	errors_are(&errors,
		"$/trpsup.conf: uid-ranges: the pool of 2048 ranges from 4294836224 does not end "
		"below 4294967295",
		NULL);
	refused("[listener a]\nport = 80\nprotocols = http\n[listener b]\nport = 80\nprotocols = "
		"http\n");
	errors_are(&errors, F "4: port: 80 is taken already by [listener a] in line 1", NULL);
	refused("[listener a]\nport = 80\nprotocols = http\n[listener a]\nport = 81\nprotocols = "
		"http\n");
	errors_are(&errors, F "4: [listener a]: given twice, first in line 1", NULL);
	refused("[listener a]\n[listener A]\n[listener]\n[listner b]\n");
	errors_are(&errors, F "2: [listener A]: not a name, expected a-z 0-9 . _ - (at most 63)",
		F "3: [listener]: expected [listener NAME]",
		F "4: [listner b]: unknown section; did you mean '[listener]'?", NULL);
	refused("[listener a]\n");
	errors_are(&errors, F "1: port: missing in [listener a]",
		F "1: protocols: missing in [listener a], expected http, tls or both", NULL);
	refused("[listener a]\nport = 0\nport = 2\nprotocols = htp\ndeadline = 1ms\ninclude = "
		"x\ncommand = x\n");
	errors_are(&errors, F "2: port: '0' is out of range, expected a port from 1 to 65535",
		F "3: port: given twice, first in line 2",
		F "4: protocols: 'htp' is not valid, expected http, tls or both; did you mean "
		  "'http'?",
		F "5: deadline: '1ms' is out of range, expected a time such as 10s, from 100ms to "
		  "10m",
		F "6: include: unknown key in [listener]",
		F "7: command: unknown key in [listener]", NULL);
}

static void test_missing(void **state)
{
	struct config *c = NULL;

	(void)state;
	assert_int_equal(config_load(file_path("nothing"), &c, &errors), -ENOENT);
	errors_are(&errors, "$/nothing: there is no such file", NULL);
}

static void test_profile_paths(void **state)
{
	struct config *c = load_good(
		"[daemon]\nprofile-dirs = /x /y\n[listener b]\nport = 8443\nprotocols = tls\n"
		"[listener a]\nport = 8080\nprotocols = http tls\n");
	struct profile_paths paths;

	(void)state;
	config_profile_paths(c, &paths);
	assert_int_equal(paths.n_dirs, 2);
	assert_string_equal(paths.dirs[1], "/y");
	assert_int_equal(paths.public_port[ROUTE_HTTP], 8080);
	assert_int_equal(paths.public_port[ROUTE_TLS], 8443);
	assert_string_equal(paths.libexec, config_libexec());
	config_free(c);
	c = load_good("[listener a]\nport = 8080\nprotocols = http\n");
	config_profile_paths(c, &paths);
	assert_int_equal(paths.public_port[ROUTE_TLS], 0);
	config_free(c);
}

static void route_is(const struct config *c, const char *route, int expected)
{
	static const struct profile_paths paths;
	struct profile *p = NULL;
	char text[256];

	snprintf(text, sizeof(text), "[service]\ncommand = /bin/sh\n[route]\nhost = a.org\n%s",
		route);
	assert_int_equal(
		profile_load_buffer(&paths, "web", "web.ini", text, strlen(text), &p, &errors), 0);
	assert_int_equal(config_check_profile(c, p, &errors), expected);
	profile_free(p);
}

static void test_check_profile(void **state)
{
	struct config *c = load_good("[listener lan]\nport = 1\nprotocols = http\n[listener "
				     "wan]\nport = 2\nprotocols = http\n");

	(void)state;
	route_is(c, "http = 80\n", 0);
	route_is(c, "http = 80\nlistener = lan\n", 0);
	route_is(c, "http = 80\nlistener = lam dmz\n", -EINVAL);
	errors_are(&errors,
		"web.ini:6: listener: there is no [listener lam] in $/trpsup.conf; did you mean "
		"'lan'?",
		"web.ini:6: listener: there is no [listener dmz] in $/trpsup.conf", NULL);
	route_is(c, "http = 80\ntls = 443\n", -EINVAL);
	errors_are(&errors,
		"web.ini:6: tls: no listener of this service has protocols = tls in $/trpsup.conf",
		NULL);
	config_free(c);
}

/* This program lies in no build directory with a trp-init beside it, so the installed places count.
 */
static void test_places(void **state)
{
	(void)state;
	assert_string_equal(config_libexec(), TRP_LIBEXECDIR);
	assert_string_equal(config_shipped_profiles(), TRP_DATADIR "/profiles");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, files_setup, files_teardown)
	const struct CMUnitTest tests[] = {T(test_defaults), T(test_shipped), T(test_all_keys),
		T(test_refused), T(test_missing), T(test_profile_paths), T(test_check_profile),
		T(test_places)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
