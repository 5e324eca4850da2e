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
#include "supervisor/profile/keys.h"
#include "supervisor/profile/load.h"

#include "profile_files.h"

#define HTTP (1u << TRP_PROTO_HTTP1)
#define H2C  (1u << TRP_PROTO_H2C)
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
	assert_int_equal(c->client_interval_ns, 0);
	assert_int_equal(c->client_burst, 0);
	assert_int_equal(c->client_waiting_permille, 100);
	assert_int_equal(c->n_listeners, 2);
	listener_is(c, 0, "http", 80, HTTP | H2C, 10000);
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
	for (size_t i = 0; i < config_n_keys; i++) {
		cleanup_free char *line = trp_asprintf("\n;%s = ", config_keys[i].name);
		if (strcmp(config_keys[i].section, "daemon") == 0 && !strstr(text, line))
			fail_msg("etc/trpsup.conf: there is no line%s", line);
	}
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
			  "[clients]\nrate = 200/s\nburst = 7\nwaiting = 2.5%\n"
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
	assert_int_equal(c->client_interval_ns, 5000000);
	assert_int_equal(c->client_burst, 7);
	assert_int_equal(c->client_waiting_permille, 25);
	config_free(c);
}

static void refused(const char *text)
{
	struct config *c = NULL;

	file_write("trpsup.conf", text);
	assert_int_equal(config_load(file_path("trpsup.conf"), &c, &errors), -EINVAL);
	assert_null(c);
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
		F "4: [listner b]: unknown section; did you mean '[listener NAME]'?", NULL);
	refused("[route]\nhost = a.example\n");
	errors_are(&errors, F "1: [route]: unknown section; it belongs to profiles", NULL);
	refused("[listener a]\n");
	errors_are(&errors, F "1: port: missing in [listener a]",
		F "1: protocols: missing in [listener a], expected http, tls or others", NULL);
	refused("[listener a]\nport = 80\nprotocols = https\n");
	errors_are(&errors, F "3: protocols: 'https' is not valid, expected http, tls, h2c, minecraft, xmpp, xmpp-server, ssh, postgres or raw; did you mean 'tls'?",
		NULL);
	refused("[listener a]\nport = 0\nport = 2\nprotocols = htp\ndeadline = 1ms\ninclude = "
		"x\ncommand = x\n");
	errors_are(&errors, F "2: port: '0' is out of range, expected a port from 1 to 65535",
		F "3: port: given twice, first in line 2",
		F "4: protocols: 'htp' is not valid, expected http, tls, h2c, minecraft, xmpp, xmpp-server, ssh, postgres or raw; did you mean "
		  "'http'?",
		F "5: deadline: '1ms' is out of range, expected a time such as 10s, from 100ms to "
		  "10m",
		F "6: include: unknown key in [listener]",
		F "7: command: unknown key in [listener]", NULL);
	refused("[clients]\nrate = 200\nburst = 0\nwaiting = 0%\n");
	errors_are(&errors,
		F "2: rate: '200' is not valid, expected a number for each time such as 200/s, 30/m or 100/h, or "
		  "unlimited",
		F "3: burst: '0' is out of range, expected a number from 1 to 1000000",
		F "4: waiting: '0%' is out of range, expected a percentage such as 10%, from 0.1% to 100%", NULL);
	refused("[clients]\nrate = 2000000/s\n");
	errors_are(&errors,
		F "2: rate: '2000000/s' is out of range, expected a number for each time such as 200/s, 30/m or 100/h, "
		  "or unlimited",
		NULL);
	refused("[clients]\nburst = 10\n");
	errors_are(&errors, F "2: burst: means nothing without rate, expected rate = 200/s or the like", NULL);
}

static void test_addresses(void **state)
{
	struct config *c = load_good("[listener a]\nport = 80\nprotocols = http\naddress = 192.0.2.1\n"
				     "[listener b]\nport = 80\nprotocols = http\naddress = ::ffff:192.0.2.2\ndevice = eth0\n"
				     "[listener c]\nport = 80\nprotocols = http\naddress = fe80::1\ndevice = eth0\n"
				     "[listener d]\nport = 80\nprotocols = http\naddress = fe80::1\ndevice = eth1\nfamily = ipv6\n"
				     "[listener e]\nport = 81\nprotocols = http\nfamily = ipv4\n"
				     "[listener f]\nport = 81\nprotocols = http\nfamily = ipv6\n");
	static const char *const texts[] = {"192.0.2.1 port 80", "192.0.2.2 port 80 on eth0", "fe80::1 port 80 on eth0",
		"fe80::1 port 80 on eth1", "port 81 of IPv4", "port 81 of IPv6"};
	char text[CONFIG_LISTENER_TEXT];

	(void)state;
	assert_int_equal(c->n_listeners, TRP_ARRAY_SIZE(texts));
	for (size_t i = 0; i < c->n_listeners; i++) {
		config_listener_text(&c->listeners[i], text);
		assert_string_equal(text, texts[i]);
	}
	assert_int_equal(c->listeners[1].family, FAMILY_IPV4);
	assert_int_equal(c->listeners[2].family, FAMILY_IPV6);
	config_free(c);
}

#define L "protocols = http\nport = 80\n"

static void test_addresses_refused(void **state)
{
	(void)state;
	refused("[listener a]\n" L "address = 192.0.2\n[listener b]\n" L "address = 0.0.0.0\n[listener c]\n" L
		"address = ::\n[listener d]\n" L "address = ff02::1\n");
	errors_are(&errors, F "4: address: '192.0.2' is not valid, expected an IPv4 or IPv6 address of this host",
		F "8: address: '0.0.0.0' is all addresses: leave it out, and say family = ipv4 if only those",
		F "12: address: '::' is all addresses: leave it out, and say family = ipv6 if only those",
		F "16: address: 'ff02::1' is not valid, expected an IPv4 or IPv6 address of this host",
		F "5: port: 80 is taken already by [listener a] in line 1",
		F "9: port: 80 is taken already by [listener a] in line 1",
		F "9: port: 80 is taken already by [listener b] in line 5",
		F "13: port: 80 is taken already by [listener a] in line 1",
		F "13: port: 80 is taken already by [listener b] in line 5",
		F "13: port: 80 is taken already by [listener c] in line 9", NULL);
	refused("[listener a]\n" L "address = 192.0.2.1\nfamily = ipv6\n");
	errors_are(&errors, F "5: family: 'ipv6' contradicts the address in line 4", NULL);
	refused("[listener a]\n" L "address = fe80::1\n");
	errors_are(&errors,
		F "4: address: a link-local address exists once on each interface: expected device = NAME too", NULL);
	refused("[listener a]\n" L "family = ip4\ndevice = a-name-that-is-too-long\naddres = ::1\n");
	errors_are(&errors, F "4: family: 'ip4' is not valid, expected both, ipv4 or ipv6; did you mean 'ipv4'?",
		F "5: device: 'a-name-that-is-too-long' is not valid, expected a network interface",
		F "6: addres: unknown key in [listener]; did you mean 'address'?", NULL);
}

/* Two that the kernel would not bind beside each other. */
static void test_overlap(void **state)
{
	(void)state;
	refused("[listener a]\n" L "[listener b]\n" L "address = 192.0.2.1\n");
	errors_are(&errors, F "4: port: 80 is taken already by [listener a] in line 1, which has port 80", NULL);
	refused("[listener a]\n" L "address = ::1\n[listener b]\n" L "family = ipv6\ndevice = lo\n");
	errors_are(&errors, F "5: port: 80 is taken already by [listener a] in line 1, which has ::1 port 80", NULL);
	refused("[listener a]\n" L "device = lo\n[listener b]\n" L "device = lo\naddress = ::1\n");
	errors_are(&errors, F "5: port: 80 is taken already by [listener a] in line 1, which has port 80 on lo", NULL);
	refused("[listener a]\n" L "family = ipv4\n[listener b]\n" L);
	errors_are(&errors, F "5: port: 80 is taken already by [listener a] in line 1, which has port 80 of IPv4", NULL);
}

static void test_redirect(void **state)
{
	struct config *c = load_good("[listener a]\n" L "redirect-https = yes\naddress = 192.0.2.1\n"
				     "[listener b]\nport = 443\nprotocols = tls\naddress = 192.0.2.2\n"
				     "[listener c]\nport = 444\nprotocols = tls\naddress = 192.0.2.1\n"
				     "[listener d]\nport = 81\nprotocols = http\nredirect-https = yes\naddress = ::1\n"
				     "[listener e]\nport = 82\nprotocols = http\nredirect-https = no\n");

	(void)state;
	assert_int_equal(config_redirect_target(c, 0), 2); /* at the same address */
	assert_int_equal(config_redirect_target(c, 3), 1); /* the first */
	assert_int_equal(config_redirect_target(c, 4), 5); /* none */
	config_free(c);
	/* one that some of the clients could not reach comes behind one that all can */
	c = load_good("[listener all]\nport = 80\nprotocols = http\nredirect-https = yes\n"
		      "[listener inner]\nport = 8443\nprotocols = tls\naddress = 192.0.2.1\n"
		      "[listener six]\nport = 8444\nprotocols = tls\nfamily = ipv6\n"
		      "[listener eth]\nport = 8445\nprotocols = tls\ndevice = eth0\n"
		      "[listener outer]\nport = 443\nprotocols = tls\n"
		      "[listener http-inner]\nport = 81\nprotocols = http\nredirect-https = yes\naddress = 192.0.2.1\n"
		      "[listener http-six]\nport = 82\nprotocols = http\nredirect-https = yes\nfamily = ipv6\n"
		      "[listener http-eth]\nport = 83\nprotocols = http\nredirect-https = yes\ndevice = eth0\nfamily = ipv4\n");
	assert_int_equal(config_redirect_target(c, 0), 4);
	assert_int_equal(config_redirect_target(c, 5), 1);
	assert_int_equal(config_redirect_target(c, 6), 2);
	assert_int_equal(config_redirect_target(c, 7), 3);
	config_free(c);
	refused("[listener a]\n" L "redirect-https = yes\n[listener b]\nport = 81\nprotocols = ssh\nredirect-https = yes\n");
	errors_are(&errors, F "4: redirect-https: there is no listener with protocols = tls to send clients to",
		F "8: redirect-https: needs protocols = http in [listener b]", NULL);
	refused("[listener a]\n" L "redirect-http = yes\nredirect-https = maybe\n");
	errors_are(&errors, F "4: redirect-http: unknown key in [listener]; did you mean 'redirect-https'?",
		F "5: redirect-https: 'maybe' is not valid, expected yes or no", NULL);
}

static void test_default(void **state)
{
	struct config *c = load_good("[listener lan]\n" L "default = web\n[listener wan]\nport = 81\nprotocols = http\ndefault = "
				     "other\n[listener t]\nport = 82\nprotocols = tls\n");
	const char *dirs[] = {file_path("profiles")};
	const struct profile_paths paths = {.dirs = dirs, .n_dirs = 1};

	(void)state;
	route_is(c, "http = 80\n", 0);
	route_is(c, "http = 80\nlistener = wan\n", -EINVAL);
	errors_are(&errors,
		"web.ini:6: listener: leaves out [listener lan], but web is its default by $/trpsup.conf:4", NULL);
	route_is(c, "tls = 80\n", -EINVAL);
	errors_are(&errors,
		F "4: default: web serves none of the protocols of [listener lan] in which a host is named (web.ini)", NULL);
	route_is(c, "http = 80\ndefault = yes\n", -EINVAL);
	errors_are(&errors,
		"web.ini:6: default: web claims the default of [listener wan], but other has it by $/trpsup.conf:8", NULL);
	route_is(c, "http = 80\ndefault = yes\nlistener = lan\n", 0);
	file_write("profiles/web.ini", "");
	file_write("profiles/oter.ini", "");
	assert_int_equal(config_check_defaults(c, &paths, &errors), -EINVAL);
	errors_are(&errors, F "8: default: there is no service 'other'; did you mean 'oter'?", NULL);
	file_write("profiles/other.ini", "");
	assert_int_equal(config_check_defaults(c, &paths, &errors), 0);
	config_free(c);
	c = load_good("[daemon]\nstart = other\n\tweb@a uther\n[listener lan]\n" L);
	dirs[0] = file_path("profiles");
	assert_int_equal(config_check_start(c, &paths, &errors), -EINVAL);
	errors_are(&errors, F "2: start: there is no service 'uther'; did you mean 'other'?", NULL);
	config_free(c);
	refused("[listener a]\n" L "default = A\n");
	errors_are(&errors, F "4: default: 'A' is not valid, expected the name of a service", NULL);
}

static void test_inherited(void **state)
{
	struct config *c = load_good("[listener a]\n" L "fd-name = web\nallow-missing = cgroup-bpf\n"
				     "[listener b]\n" L "fd-name = 4\nallow-missing = cgroup-bpf\n");
	char text[CONFIG_LISTENER_TEXT];

	(void)state;
	config_listener_text(&c->listeners[0], text);
	assert_string_equal(text, "port 80 inherited as web");
	config_free(c);
	refused("[listener a]\n" L "fd-name = web\n");
	errors_are(&errors,
		F "4: fd-name: a socket made elsewhere is not in a group in which connect and bind are refused: only its filter "
		  "keeps services from misusing it; expected allow-missing = cgroup-bpf too",
		NULL);
	refused("[listener a]\n" L "fd-name = web\nallow-missing = cgroup-bpf\ndevice = lo\n[listener b]\n" L
		"fd-name = web\nallow-missing = cgroup-bpf\n[listener c]\nport = 81\nprotocols = http\nallow-missing = cgroup-bpf\n");
	errors_are(&errors,
		F "4: fd-name: address, family and device are those of the socket: expected none of them in [listener a]",
		F "10: fd-name: 'web' is taken already by [listener a] in line 4",
		F "12: allow-missing: has no effect without fd-name in [listener c]", NULL);
	refused("[listener a]\n" L "fd-name = 2\nallow-missing = cgroup\nfdname = x\n");
	errors_are(&errors,
		F "4: fd-name: '2' is not valid, expected a FileDescriptorName= of systemd, or a descriptor number from 3 on",
		F "5: allow-missing: 'cgroup' is not valid, expected cgroup-bpf",
		F "6: fdname: unknown key in [listener]; did you mean 'fd-name'?", NULL);
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
	assert_int_equal(paths.public_port[TRP_PROTO_HTTP1], 8080);
	assert_int_equal(paths.public_port[TRP_PROTO_TLS], 8443);
	assert_string_equal(paths.libexec, config_libexec());
	config_free(c);
	c = load_good("[listener a]\nport = 8080\nprotocols = http\n");
	config_profile_paths(c, &paths);
	assert_int_equal(paths.public_port[TRP_PROTO_TLS], 0);
	config_free(c);
}

static void test_check_profile(void **state)
{
	struct config *c = load_good("[listener lan]\nport = 1\nprotocols = http\n[listener "
				     "wan]\nport = 2\nprotocols = http\n");

	(void)state;
	route_is(c, "http = 80\n", 0);
	route_is(c, "http = 80\nlistener = lan\n", 0);
	route_is(c, "http = 80\nmax-connections = 9\n", 0);
	c->access_log = ACCESS_LOG_NO;
	route_is(c, "http = 80\nmax-connections = 9\n", -EINVAL);
	errors_are(&errors, "web.ini:6: max-connections: nobody counts them with access-log = no in $/trpsup.conf", NULL);
	c->access_log = ACCESS_LOG_TEXT;
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
		T(test_refused), T(test_addresses), T(test_addresses_refused), T(test_overlap), T(test_redirect), T(test_inherited), T(test_default), T(test_missing), T(test_profile_paths), T(test_check_profile),
		T(test_places)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
